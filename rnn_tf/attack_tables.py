"""Attacks with shadow models as a table: raw for CSV, readable, and in Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks import transfer
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.attacks.transfer import BEST, PRIORS, TransferPoint
from rnn_tf.tables import NAMES, accuracy, bound_cell, number

RULES = {(BEST, None): 'accuracy', **{('fpr', rate): NAMES[rate] for rate in NAMES}}
"""Rule and target of a threshold that shadows gave -> how columns name it."""

_RULE_TEXTS = {'accuracy': 'best accuracy', '1pct': '1% FPR', '0.1pct': '0.1% FPR'}
_PRIOR_NAMES = {prior: f'{prior:.0%}'.replace('%', 'pct') for prior in PRIORS}
_RATES = tuple(
  f'{kind}{end}' for kind in ('fpr', 'tpr') for end in ('', '_low', '_high')
)
_COUNTS = ('true_positives', 'false_positives')
# Columns of readable tables that say what a row is of, if they are there.
_RUN, _LABEL = ('run', 'train / test acc'), ('label', 'shadows')


def attack_table(records: Sequence[AttackRecord]) -> pd.DataFrame:
  """Returns one row for each run, label and attack, on all examples.

  Columns that begin with `shadows_` are of a threshold that the shadow models gave:
  the one of the highest accuracy, and those for 1% and 0.1% false positives. All
  others are of thresholds in hindsight.
  """
  return pd.DataFrame(
    {**_record_values(record), **_attack_values(record, result)}
    for record in records
    for result in record.results
    if result.slice == ENTIRE
  )


def _record_values(record: AttackRecord) -> dict[str, Any]:
  return {
    'run': record.run,
    'dataset': record.dataset,
    'model': record.model,
    'label': record.label,
    'fleet': record.fleet_name,
    'shadow_split': record.fleet.shadow_split,
    'num_shadows': record.fleet.num_shadows,
    'epoch': record.epoch,
    'train_examples': record.target.train_size,
    'target_train_accuracy': record.target.train_accuracy,
    'target_test_accuracy': record.target.test_accuracy,
    'nonmembers': record.target.nonmembers,
  }


def _attack_values(record: AttackRecord, result: AttackResult) -> dict[str, Any]:
  values = {'attack': result.attack, 'variant': record.variant(result.attack)}
  for name in ('n_members', 'n_nonmembers', 'auc', 'auc_low', 'auc_high'):
    values[name] = getattr(result, name)
  values['auc_null_half_width'] = result.auc_null_half_width
  values['advantage'] = result.advantage
  for target, name in NAMES.items():
    point = next((p for p in result.tpr_at_fpr or () if p.target_fpr == target), None)
    for field in ('tpr', 'tpr_low', 'tpr_high', *_COUNTS):
      values[f'{field}_at_{name}'] = getattr(point, field, None)
  best = None if result.advantage is None else (1 + result.advantage) / 2
  values['best_balanced_accuracy'] = best
  points = {(point.rule, point.target_fpr): point for point in result.transfer or ()}
  for rule, name in RULES.items():
    values |= _transfer_values(points.get(rule), f'shadows_{name}')
  values['epsilon'] = result.epsilon
  values['delta'] = result.delta
  values['epsilon_lower_bound'] = result.epsilon_lower_bound
  values['skipped'] = result.skipped
  return values


def _transfer_values(point: TransferPoint | None, name: str) -> dict[str, Any]:
  """Returns what a threshold does on the target, and the PPV there."""
  fields = ('threshold', 'balanced_accuracy', *_RATES, *_COUNTS)
  values = {f'{name}_{field}': getattr(point, field, None) for field in fields}
  for prior, prior_name in _PRIOR_NAMES.items():
    value = point and transfer.ppv(point.tpr, point.fpr, prior=prior)
    least = point and transfer.ppv(point.tpr_low, point.fpr_high, prior=prior)
    values[f'{name}_ppv_at_{prior_name}'] = value
    values[f'{name}_ppv_low_at_{prior_name}'] = None if value is None else least
  return values


def to_markdown(frame: pd.DataFrame) -> str:
  """Returns a table for readers in Markdown, its columns aligned."""
  shown = frame.map(escaped)
  return shown.to_markdown(index=False, disable_numparse=True) + '\n'


def strength_markdown(frame: pd.DataFrame) -> str:
  """Returns `strength_readable` in Markdown, without what the row above says, too."""
  return to_markdown(_said_once(strength_readable(frame), (_RUN, _LABEL)))


def strength_readable(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns, of an `attack_table`, how strong the attacks are, for readers.

  What tells runs and labels apart is left out where there is only one.
  """
  rows = []
  shows_epsilon = frame['epsilon_lower_bound'].notna().any()
  for values in frame.to_dict('records'):
    rows.append({**_identity(values, frame), **_strength(values)})
    if shows_epsilon:
      bound = bound_cell(values['epsilon_lower_bound'], values['epsilon'])
      rows[-1]['epsilon at least'] = bound
  return pd.DataFrame(rows)


def _said_once(frame: pd.DataFrame, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
  """Empties groups of cells that are equal to the row's above.

  A group is emptied only where those before it are.
  """
  said, again = frame.copy(), pd.Series(True, frame.index)
  for group in groups:
    columns = [name for name in group if name in frame]
    cells = frame[columns]
    again &= (cells == cells.shift()).all(axis=1)
    said.loc[again, columns] = ''
  return said


def _identity(values: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, str]:
  """Returns the cells that say which run it is, and which attack on it."""
  cells = {}
  labels = len(frame[['run', 'label']].drop_duplicates())
  if frame['run'].nunique() > 1:
    cells['run'] = values['run']
    cells['train / test acc'] = ' / '.join(
      accuracy(values[f'target_{name}_accuracy']) for name in ('train', 'test')
    )
  if labels > frame['run'].nunique():
    cells['label'] = values['label']
  if labels > 1:
    cells['shadows'] = f'{values["num_shadows"]}, {values["shadow_split"]}'
  return cells


def _strength(values: Mapping[str, Any]) -> dict[str, str]:
  cells = {
    'attack': _attack_name(values),
    'AUC [95% interval]': 'skipped' if values['skipped'] else '',
    'guesses end within': '',
    **{f'TPR at {_RULE_TEXTS[name]} [95% interval]': '' for name in NAMES.values()},
  }
  if values['skipped']:
    return cells
  low, high = number(values['auc_low']), number(values['auc_high'])
  cells['AUC [95% interval]'] = f'{number(values["auc"])} [{low}, {high}]'
  cells['guesses end within'] = f'0.5 ± {number(values["auc_null_half_width"])}'
  for name in NAMES.values():
    if not pd.isna(values[f'tpr_at_{name}']):
      rates = [values[f'tpr{end}_at_{name}'] for end in ('', '_low', '_high')]
      found = _count(values, f'true_positives_at_{name}', 'n_members')
      wrong = _count(values, f'false_positives_at_{name}', 'n_nonmembers')
      cells[f'TPR at {_RULE_TEXTS[name]} [95% interval]'] = (
        f'{_rate(*rates)} ({found}; {wrong})'
      )
  return cells


def _attack_name(values: Mapping[str, Any]) -> str:
  variant = values['variant']
  return values['attack'] + (f' ({variant})' if variant else '')


def _rate(value: float, low: float, high: float) -> str:
  """Returns `5.90% [5.45%, 6.38%]`."""
  return f'{value:.2%} [{low:.2%}, {high:.2%}]'


def _count(values: Mapping[str, Any], part: str, whole: str) -> str:
  return f'{values[part]:.0f}/{values[whole]:.0f}'


def gain_markdown(frame: pd.DataFrame) -> str:
  """Returns `gain_readable` in Markdown, without what the row above says, too.

  '' where no shadow models chose any threshold.
  """
  rows = gain_readable(frame)
  if rows.empty:
    return ''
  return to_markdown(_said_once(rows, (_RUN, _LABEL, ('attack',))))


def gain_readable(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns, of an `attack_table`, what thresholds that shadows gave do on the target.

  Three rows an attack, one a threshold; empty where no shadow models chose any.
  """
  return pd.DataFrame(
    {**_identity(values, frame), 'attack': _attack_name(values), **_gain(values, name)}
    for values in frame.to_dict('records')
    for name in RULES.values()
    if not pd.isna(values['shadows_accuracy_threshold'])
  )


def _gain(values: Mapping[str, Any], name: str) -> dict[str, str]:
  prefix = f'shadows_{name}'
  cells = {'threshold for': _RULE_TEXTS[name]}
  for kind, count, whole in (
    ('FPR', 'false_positives', 'n_nonmembers'),
    ('TPR', 'true_positives', 'n_members'),
  ):
    ends = [f'{prefix}_{kind.lower()}{end}' for end in ('', '_low', '_high')]
    found = _count(values, f'{prefix}_{count}', whole)
    cells[f'{kind} [95% interval]'] = f'{_rate(*(values[x] for x in ends))} ({found})'
  cells['accuracy'] = number(values[f'{prefix}_balanced_accuracy'])
  best = number(values['best_balanced_accuracy'])
  cells['best in hindsight'] = best if name == 'accuracy' else ''
  for prior, prior_name in _PRIOR_NAMES.items():
    value = values[f'{prefix}_ppv_at_{prior_name}']
    shown = 'nobody called'
    if not pd.isna(value):
      least = values[f'{prefix}_ppv_low_at_{prior_name}']
      shown = f'{value:.1%} (≥ {at_least(least)})'
    cells[f'PPV, {prior:.0%} members'] = shown
  return cells


def at_least(share: float) -> str:
  """Returns a lower bound as `9.9%`, rounded down: it must not claim too much."""
  return f'{math.floor(1000 * share) / 10:.1f}%'


def escaped(name: str) -> str:
  """Returns a name that can stand in a table's cell."""
  return name.replace('|', '\\|')
