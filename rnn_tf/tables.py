"""Runs as tables: one row a run and attack, raw for CSV and readable for Markdown."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rnn_tf.attacks.results import AttackResult, RatePoint
from rnn_tf.records import RunRecord

NAMES = {0.01: '1pct', 0.001: '0.1pct'}
"""Target false-positive rate -> how the table's columns name it."""


def table(records: Sequence[RunRecord]) -> pd.DataFrame:
  """Returns one row for each run and attack, from the run's last report.

  Accuracies are shares, times seconds. A run without a report has one row with
  its attack left empty.
  """
  rows = []
  for record in records:
    results = [record.entire(attack)[-1] for attack in _reported(record)]
    for result in results or [None]:
      rows.append({**_run_values(record), **_attack_values(result)})
  return pd.DataFrame(rows)


def _reported(record: RunRecord) -> list[str]:
  return [attack for attack in record.attacks if record.entire(attack)]


def _run_values(record: RunRecord) -> dict[str, Any]:
  last = record.metrics.iloc[-1]
  known = record.metrics['val_accuracy'].notna()
  best = (
    record.metrics.loc[record.metrics['val_accuracy'].idxmax()] if any(known) else {}
  )
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
    'best_epoch': int(best['epoch']) if any(known) else None,
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


def _point(result: AttackResult, target: float) -> RatePoint | None:
  for point in result.tpr_at_fpr or ():
    if point.target_fpr == target:
      return point
  return None


def to_csv(frame: pd.DataFrame) -> str:
  """Returns the table as CSV, numbers with six significant digits."""
  return frame.to_csv(index=False, float_format='%.6g', lineterminator='\n')


def to_markdown(frame: pd.DataFrame) -> str:
  """Returns the table for readers, its columns aligned; a run's values stand once."""
  rows, previous = [], None
  for values in frame.to_dict('records'):
    run = _run_cells(values)
    again = values['run'] == previous
    rows.append({**(dict.fromkeys(run, '') if again else run), **_attack_cells(values)})
    previous = values['run']
  return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + '\n'


def _run_cells(values: dict[str, Any]) -> dict[str, str]:
  epochs = f'{values["epochs"]}'
  if not values['finished']:
    epochs += f' of {values["epochs_asked"]}, unfinished'
  best = _accuracy(values['best_val_accuracy'])
  if best:
    best += f' ({values["best_epoch"]:.0f})'
  return {
    'run': values['run'].replace('|', '\\|'),
    'data set': values['dataset'],
    'model': values['model'],
    'parameters': f'{values["parameters"]:,}',
    'epochs': epochs,
    'running train acc': _accuracy(values['train_accuracy']),
    'val acc': _accuracy(values['val_accuracy']),
    'best val acc (epoch)': best,
    'seconds': '' if pd.isna(values['seconds']) else f'{values["seconds"]:,.0f}',
  }


def _attack_cells(values: dict[str, Any]) -> dict[str, str]:
  cells = {
    'attack': values['attack'] or '',
    'AUC [95% interval]': '',
    'advantage': '',
    'TPR at 0.1% FPR': '',
  }
  if not values['attack']:
    return cells
  if values['report_epoch'] != values['epochs']:
    cells['attack'] += f' (epoch {values["report_epoch"]:.0f})'
  if values['skipped']:
    return {**cells, 'AUC [95% interval]': 'skipped'}
  low, high = _number(values['auc_low']), _number(values['auc_high'])
  cells['AUC [95% interval]'] = f'{_number(values["auc"])} [{low}, {high}]'
  cells['advantage'] = _number(values['advantage'])
  if not pd.isna(values['tpr_at_0.1pct']):
    cells['TPR at 0.1% FPR'] = (
      f'{values["tpr_at_0.1pct"]:.2%} ({values["true_positives_at_0.1pct"]:.0f}/'
      f'{values["n_members"]:.0f}; {values["false_positives_at_0.1pct"]:.0f} of '
      f'{values["n_nonmembers"]:.0f})'
    )
  return cells


def _accuracy(value: float | None) -> str:
  return '' if pd.isna(value) else f'{value:.4f}'


def _number(value: float | None) -> str:
  return '' if pd.isna(value) else f'{value:.3f}'
