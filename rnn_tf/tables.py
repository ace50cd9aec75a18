"""Runs as tables: one row a run and attack, raw for CSV and readable for Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rnn_tf import claims
from rnn_tf.attacks.results import AttackResult, RatePoint
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up

NAMES = {0.01: '1pct', 0.001: '0.1pct'}
"""Target false-positive rate -> how the table's columns name it."""


def table(records: Sequence[RunRecord]) -> pd.DataFrame:
  """Returns one row for each run and attack, from the run's last report.

  Accuracies are shares, times seconds. A run without a report has one row with
  its attack left empty. Columns about differential privacy are there where some
  run has something to say in them.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  rows = []
  private = any(_is_private(record) for record in records)
  for record in records:
    results = [record.entire(attack)[-1] for attack in _reported(record)]
    for result in results or [None]:
      row = {**_run_values(record), **_attack_values(result)}
      rows.append({**row, **_privacy_values(record, result)} if private else row)
  return pd.DataFrame(rows)


def _is_private(record: RunRecord) -> bool:
  bounds = (result.epsilon_lower_bound for result in record.results)
  return record.config.privacy.dp or any(bound is not None for bound in bounds)


def _reported(record: RunRecord) -> list[str]:
  return [attack for attack in record.attacks if record.entire(attack)]


def best_epoch(metrics: pd.DataFrame) -> Mapping[str, float]:
  """Returns the row of the highest validation accuracy, empty if none is known."""
  if metrics['val_accuracy'].isna().all():
    return {}
  return metrics.loc[metrics['val_accuracy'].idxmax()]


def _run_values(record: RunRecord) -> dict[str, Any]:
  last = record.metrics.iloc[-1]
  best = best_epoch(record.metrics)
  return {
    'run': record.name,
    'dataset': record.data.name,
    'model': record.config.model.label(),
    'parameters': record.parameters,
    'epochs': record.epochs,
    'epochs_asked': record.config.training.epochs,
    'finished': record.finished is not None,
    'train_examples': record.data.train,
    'test_examples': record.data.test,
    'train_accuracy': last['accuracy'],
    'val_accuracy': last['val_accuracy'],
    'best_val_accuracy': best.get('val_accuracy'),
    'best_epoch': int(best['epoch']) if len(best) else None,
    'seconds': round(record.seconds, 1),
  }


def _attack_values(result: AttackResult | None) -> dict[str, Any]:
  if result is None:
    return {'attack': None}
  values = {
    'attack': result.attack,
    'engine': result.engine,
    'report_epoch': result.epoch,
    'n_members': result.n_members,
    'n_nonmembers': result.n_nonmembers,
    'auc': result.auc,
    'auc_low': result.auc_low,
    'auc_high': result.auc_high,
    'auc_null_half_width': result.auc_null_half_width,
    'advantage': result.advantage,
    'ppv': result.ppv,
    'skipped': result.skipped,
  }
  for target, name in NAMES.items():
    point = _point(result, target)
    for field in ('tpr', 'tpr_low', 'tpr_high', 'true_positives', 'false_positives'):
      values[f'{field}_at_{name}'] = getattr(point, field) if point else None
  return values


def _privacy_values(record: RunRecord, result: AttackResult | None) -> dict[str, Any]:
  """Returns what is claimed, and what the attack has to say against it.

  `report_epsilon` is the claim at the report's epoch, which is what the bound there
  is to be compared with.
  """
  claim = claims.of(record)
  return {
    'dp': claim is not None,
    **claim_values(claim),
    'nonmembers': record.config.data.nonmembers,
    'report_epsilon': result.epsilon if result else None,
    'epsilon_lower_bound': result.epsilon_lower_bound if result else None,
  }


def claim_values(claim: claims.Claim | None) -> dict[str, Any]:
  """Returns the columns that say what a run guarantees, empty for a plain run."""
  names = ('epsilon', 'delta', 'noise_multiplier', 'l2_norm_clip', 'sampling')
  values = {name: getattr(claim, name, None) for name in names}
  return {**values, 'noise_secret': getattr(claim, 'secret', None)}


def _point(result: AttackResult, target: float) -> RatePoint | None:
  for point in result.tpr_at_fpr or ():
    if point.target_fpr == target:
      return point
  return None


def to_csv(frame: pd.DataFrame) -> str:
  """Returns the table as CSV, numbers with six significant digits."""
  return frame.to_csv(index=False, float_format='%.6g', lineterminator='\n')


def readable(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns the table for readers: texts alone, and every row complete."""
  return pd.DataFrame(
    {**_run_cells(values), **_attack_cells(values)}
    for values in frame.to_dict('records')
  )


def to_markdown(frame: pd.DataFrame) -> str:
  """Returns the table for readers, its columns aligned; a run's values stand once."""
  return aligned(readable(frame), frame[['run']], names=['run'])


def aligned(
  shown: pd.DataFrame, keys: pd.DataFrame, *, names: Sequence[str] = ()
) -> str:
  """Returns a readable table as Markdown, with what it repeats left out.

  Args:
    shown: texts; the columns before `attack` are left empty in a row whose keys are
      those of the row above.
    keys: as many rows.
    names: the columns that hold names of runs, in which a bar parts no cells.
  """
  shown = shown.copy()
  for name in names:
    shown[name] = shown[name].str.replace('|', '\\|', regex=False)
  again = (keys == keys.shift()).all(axis=1).to_numpy()
  shown.loc[again, shown.columns[: shown.columns.get_loc('attack')]] = ''
  return shown.to_markdown(index=False, disable_numparse=True) + '\n'


def broken_guarantees(frame: pd.DataFrame) -> list[str]:
  """Returns a line for each run whose attacks' scores contradict its epsilon."""
  if 'epsilon_lower_bound' not in frame:
    return []
  broken: dict[str, list[dict[str, Any]]] = {}
  for values in frame.to_dict('records'):
    if claims.is_broken(values['report_epsilon'], values['epsilon_lower_bound']):
      broken.setdefault(values['run'], []).append(values)
  return [
    claims.explain_broken(
      run,
      {values['attack']: values['epsilon_lower_bound'] for values in rows},
      epsilon=rows[0]['report_epsilon'],
      nonmembers=rows[0]['nonmembers'],
      sampling=rows[0]['sampling'],
    )
    for run, rows in broken.items()
  ]


def _run_cells(values: dict[str, Any]) -> dict[str, str]:
  epochs = f'{values["epochs"]}'
  if not values['finished']:
    epochs += f' of {values["epochs_asked"]}, unfinished'
  best = accuracy(values['best_val_accuracy'])
  if best:
    best += f' ({values["best_epoch"]:.0f})'
  return {
    'run': values['run'],
    'data set': values['dataset'],
    'model': values['model'],
    **({'epsilon (delta)': claim_cell(values)} if 'dp' in values else {}),
    'parameters': f'{values["parameters"]:,}',
    'epochs': epochs,
    'running train acc': accuracy(values['train_accuracy']),
    'val acc': accuracy(values['val_accuracy']),
    'best val acc (epoch)': best,
    'seconds': '' if pd.isna(values['seconds']) else f'{values["seconds"]:,.0f}',
  }


def _attack_cells(values: dict[str, Any]) -> dict[str, str]:
  cells = {
    'attack': values['attack'] or '',
    'AUC [95% interval]': '',
    'advantage': '',
    'TPR at 0.1% FPR': '',
    **({'epsilon at least': ''} if 'dp' in values else {}),
  }
  if not values['attack']:
    return cells
  if values['report_epoch'] != values['epochs']:
    cells['attack'] += f' (epoch {values["report_epoch"]:.0f})'
  if values['skipped']:
    return {**cells, 'AUC [95% interval]': 'skipped'}
  low, high = number(values['auc_low']), number(values['auc_high'])
  cells['AUC [95% interval]'] = f'{number(values["auc"])} [{low}, {high}]'
  cells['advantage'] = number(values['advantage'])
  if not pd.isna(values['tpr_at_0.1pct']):
    cells['TPR at 0.1% FPR'] = (
      f'{values["tpr_at_0.1pct"]:.2%} ({values["true_positives_at_0.1pct"]:.0f}/'
      f'{values["n_members"]:.0f}; {values["false_positives_at_0.1pct"]:.0f} of '
      f'{values["n_nonmembers"]:.0f})'
    )
  if 'dp' in values:
    cells['epsilon at least'] = bound_cell(
      values['epsilon_lower_bound'], values['report_epsilon']
    )
  return cells


def claim_cell(values: Mapping[str, Any]) -> str:
  """Returns `2.998 (1e-05)`, a run's epsilon and delta; `none` for a plain run."""
  if not values['dp']:
    return 'none'
  if pd.isna(values['epsilon']) or pd.isna(values['delta']):
    return 'not yet known'
  text = f'{round_up(values["epsilon"], 4):g} ({values["delta"]:.3g})'
  # The number must not stand alone where it is for another way to draw batches.
  return text if values['sampling'] == 'poisson' else f'{text}, if Poisson'


def bound_cell(bound: float | None, epsilon: float | None) -> str:
  """Returns an attack's lower bound of epsilon, with words if it is above epsilon."""
  if pd.isna(bound):
    return ''
  if claims.is_broken(epsilon, bound):
    claimed = f'{round_up(epsilon, 4):g}'
    return f'{bound:.4g}, above {claimed}: guarantee broken (see above)'
  return f'{bound:.3f}'


def accuracy(value: float | None) -> str:
  """Returns an accuracy for a cell, nothing where there is none."""
  return '' if pd.isna(value) else f'{value:.4f}'


def number(value: float | None) -> str:
  """Returns an AUC or an advantage for a cell, nothing where there is none."""
  return '' if pd.isna(value) else f'{value:.3f}'
