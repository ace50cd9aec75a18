"""Plain against differentially private runs, as tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnn_tf import claims, seed_groups
from rnn_tf.pairs import AttackPair, Pair
from rnn_tf.seed_groups import Group
from rnn_tf.tables import (
  accuracy,
  aligned,
  best_epoch,
  bound_cell,
  claim_cell,
  claim_values,
)
from rnn_tf.tables import number as share

_SPREADS = (
  'val_accuracy',
  'best_val_accuracy',
  'auc',
  'advantage',
  'auc_difference',
)
"""What the table over seeds gives mean and spread of."""


def pairs_table(pairs: Sequence[Pair]) -> pd.DataFrame:
  """Returns one row for each pair and attack, `plain_` before the plain run's figures.

  Differences are plain - private. A pair without a report has one row with its
  attack left empty. `epsilon` is the claim at the epoch that is compared.
  """
  rows = []
  for pair in pairs:
    for attack in pair.attacks or [None]:
      rows.append({**_pair_values(pair), **_attack_values(attack)})
  return pd.DataFrame(rows)


def _pair_values(pair: Pair) -> dict[str, Any]:
  private, plain = (
    record.metrics[record.metrics['epoch'] <= pair.epoch]
    for record in (pair.private, pair.plain)
  )
  claim = claim_values(claims.of(pair.private))
  if 'epsilon' in private:
    claim['epsilon'] = private['epsilon'].iloc[-1]
  return {
    'dataset': pair.private.data.name,
    'run': pair.private.name,
    'plain_run': pair.plain.name,
    'model': pair.private.config.model.label(),
    'seed': pair.private.config.training.seed,
    'epoch': pair.epoch,
    'epochs_asked': pair.private.config.training.epochs,
    'dp': True,
    **claim,
    'val_accuracy': private['val_accuracy'].iloc[-1],
    'plain_val_accuracy': plain['val_accuracy'].iloc[-1],
    'best_val_accuracy': best_epoch(private).get('val_accuracy'),
    'plain_best_val_accuracy': best_epoch(plain).get('val_accuracy'),
  }


def _attack_values(attack: AttackPair | None) -> dict[str, Any]:
  if attack is None:
    return {'attack': None}
  values = {'attack': attack.attack}
  for name in ('n_members', 'n_nonmembers'):
    values[name] = getattr(attack.private, name)
  for prefix, result in (('', attack.private), ('plain_', attack.plain)):
    for name in ('auc', 'auc_low', 'auc_high', 'advantage'):
      values[prefix + name] = getattr(result, name)
  difference = attack.difference
  # Without scores there is no interval, but the difference of what was reported.
  value = None
  if None not in (attack.private.auc, attack.plain.auc):
    value = attack.plain.auc - attack.private.auc
  return {
    **values,
    'auc_difference': difference.value if difference else value,
    'auc_difference_low': difference.low if difference else None,
    'auc_difference_high': difference.high if difference else None,
    'report_epsilon': attack.private.epsilon,
    'epsilon_lower_bound': attack.private.epsilon_lower_bound,
    'plain_epsilon_lower_bound': attack.plain.epsilon_lower_bound,
  }


def seeds_table(groups: Sequence[Group], pairs: Sequence[Pair]) -> pd.DataFrame:
  """Returns one row for each group over seeds and attack.

  For each quantity the mean, the lowest, the highest and the standard deviation
  (with n - 1) over the group's finished runs; of the difference in AUC, over its
  pairs with a finished plain run.

  Args:
    groups: all groups of one data set; those without a finished run are left out.
    pairs: of the same runs.
  """
  rows = []
  texts = zip(
    groups, seed_groups.names(groups), seed_groups.other_flags(groups), strict=True
  )
  for group, name, flags in texts:
    attacks = dict.fromkeys(a for record in group.finished for a in record.attacks)
    for attack in list(attacks) or [None] * bool(group.finished):
      rows.append(
        {
          'dataset': group.records[0].data.name,
          'group': name,
          'model': group.config.model.label(),
          'other_flags': flags,
          **_group_values(group),
          'attack': attack,
          **_spreads(group, pairs, attack=attack),
        }
      )
  return pd.DataFrame(rows)


def _group_values(group: Group) -> dict[str, Any]:
  claim = claim_values(claims.of(group.finished[0]))
  claim['epsilon'] = group.epsilon
  return {
    'dp': group.config.privacy.dp,
    **claim,
    'seeds': group.seeds,
    'runs': len(group.finished),
  }


def _spreads(
  group: Group, pairs: Sequence[Pair], *, attack: str | None
) -> dict[str, float | None]:
  """Returns mean, lowest, highest and deviation of each quantity."""
  values: dict[str, list[float | None]] = {name: [] for name in _SPREADS}
  for record in group.finished:
    values['val_accuracy'].append(record.metrics['val_accuracy'].iloc[-1])
    values['best_val_accuracy'].append(best_epoch(record.metrics).get('val_accuracy'))
    for result in record.entire(attack)[-1:]:
      values['auc'].append(result.auc)
      values['advantage'].append(result.advantage)
  ours = [pair for pair in pairs if pair.private in group.finished]
  for pair in ours:
    if pair.plain.finished is not None:
      for each in pair.attacks:
        if each.attack == attack:
          values['auc_difference'].append(_attack_values(each)['auc_difference'])
  spreads = {}
  for name, found in values.items():
    known = np.array(found, np.float64)
    known = known[~np.isnan(known)]
    spreads[name] = known.mean() if known.size else None
    spreads[f'{name}_low'] = known.min() if known.size else None
    spreads[f'{name}_high'] = known.max() if known.size else None
    spreads[f'{name}_deviation'] = known.std(ddof=1) if known.size > 1 else None
    spreads[f'{name}_runs'] = known.size
  return spreads


def readable_pairs(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns the pairs' table for readers: texts alone, and every row complete."""
  return pd.DataFrame(
    {**_pair_cells(values), **_cells(values)} for values in frame.to_dict('records')
  )


def pairs_markdown(frame: pd.DataFrame) -> str:
  """Returns the pairs' table for readers; a pair's values stand once."""
  names = ['DP run', 'plain run']
  return aligned(readable_pairs(frame), frame[['run', 'plain_run']], names=names)


def _pair_cells(values: dict[str, Any]) -> dict[str, str]:
  run = values['run']
  if values['epoch'] != values['epochs_asked']:
    run += f' (epoch {values["epoch"]} of {values["epochs_asked"]})'
  return {
    'DP run': run,
    'plain run': values['plain_run'],
    'epsilon (delta)': claim_cell(values),
    'val acc DP / plain': _both(values, 'val_accuracy', accuracy),
    'best val acc DP / plain': _both(values, 'best_val_accuracy', accuracy),
  }


def _cells(values: dict[str, Any]) -> dict[str, str]:
  cells = {
    'attack': values['attack'] or '',
    'AUC DP / plain': '',
    'advantage DP / plain': '',
    'AUC plain - DP [95% interval]': '',
    'epsilon at least': '',
  }
  if not values['attack']:
    return cells
  if pd.isna(values['auc']) or pd.isna(values['plain_auc']):
    cells['AUC DP / plain'] = _both(values, 'auc', lambda x: share(x) or 'skipped')
    return cells
  interval = 'no scores kept'
  if not pd.isna(values['auc_difference_low']):
    ends = (values['auc_difference_low'], values['auc_difference_high'])
    interval = ', '.join(f'{end:+.3f}' for end in ends)
  return {
    **cells,
    'AUC DP / plain': _both(values, 'auc', share),
    'advantage DP / plain': _both(values, 'advantage', share),
    'AUC plain - DP [95% interval]': f'{values["auc_difference"]:+.3f} [{interval}]',
    'epsilon at least': bound_cell(
      values['epsilon_lower_bound'], values['report_epsilon']
    ),
  }


def _both(values: dict[str, Any], name: str, text: Any) -> str:
  return f'{text(values[name])} / {text(values[f"plain_{name}"])}'


def readable_seeds(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns the table over seeds for readers: texts alone, every row complete."""
  several = frame['other_flags'].any()
  return pd.DataFrame(
    {
      **_group_cells(values),
      **({'other flags': values['other_flags']} if several else {}),
      'attack': values['attack'] or '',
      'AUC': _spread(values, 'auc', '.3f'),
      'advantage': _spread(values, 'advantage', '.3f'),
      'AUC plain - DP': _spread(values, 'auc_difference', '+.3f'),
    }
    for values in frame.to_dict('records')
  )


def seeds_markdown(frame: pd.DataFrame) -> str:
  """Returns the table over seeds for readers; a group's values stand once."""
  return aligned(readable_seeds(frame), frame[['group']])


def _group_cells(values: dict[str, Any]) -> dict[str, str]:
  seeds = f'{values["seeds"]}'
  if values['runs'] != values['seeds']:
    seeds += f' ({values["runs"]} runs)'
  return {
    'model': values['model'],
    'epsilon (delta)': claim_cell(values) if values['dp'] else 'plain',
    'seeds': seeds,
    'val acc': _spread(values, 'val_accuracy', '.4f'),
    'best val acc': _spread(values, 'best_val_accuracy', '.4f'),
  }


def _spread(values: dict[str, Any], name: str, form: str) -> str:
  """Returns `0.512 (0.501 to 0.520)`, with the count where some runs have none."""
  if pd.isna(values[name]):
    return ''
  text = f'{values[name]:{form}}'
  count = values[f'{name}_runs']
  if count > 1:
    low, high = values[f'{name}_low'], values[f'{name}_high']
    text += f' ({low:{form}} to {high:{form}})'
  return text if count == values['runs'] else f'{text}, n = {count}'
