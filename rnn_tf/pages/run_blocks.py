"""Tables of one run, or of several of one data set together."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnn_tf import tables
from rnn_tf.attacks.results import ENTIRE, AttackResult, class_slice
from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import Picture, examples, no_picture, seeds
from rnn_tf.records import RunRecord
from rnn_tf.stopping import Recommendation

_MOST_CLASSES = 20

_FEW_ROWS = 4
"""Rows of a heat map up to which each is described."""

_FIRST = (
  *('run', 'attack', 'AUC [95% interval]', 'advantage', 'val acc'),
  *('epsilon (delta)', 'epsilon at least', 'TPR at 0.1% FPR'),
)
"""The columns of the runs' table that are read first."""


def sizes(record: RunRecord) -> str:
  """Returns how many examples a run had, and how many were attacked, in words."""
  data = record.data
  text = f'{data.train:,} training and {data.test:,} test images'
  if record.config.data.nonmembers == 'holdout':
    text += f', {data.holdout:,} held out'
  results = [r for r in record.last_results() if r.slice == ENTIRE and not r.skipped]
  if results:
    others = 'test images'
    if record.config.data.nonmembers == 'holdout':
      others = 'held-out images'
    text += f'; attacked: {examples(results)} ({others})'
  return f'{text}; {seeds([record])}'


def runs_table(records: Sequence[RunRecord], *, name: str = 'runs') -> blocks.Table:
  """Returns the figures of the runs, a row a run and attack.

  Args:
    records: at least one.
    name: the table's.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  frame = tables.table(records)
  shown = tables.readable(frame)
  order = [*(each for each in _FIRST if each in shown), *shown.columns]
  return blocks.table(
    name,
    shown[list(dict.fromkeys(order))],
    title='Runs, and the attacks of their last reports',
    csv=tables.to_csv(frame),
    note=(
      'Accuracies are shares of images classified correctly: `running train acc` is '
      'the mean over the last epoch, while the network was learning; `best val acc` '
      'the highest of any epoch, on the test images. AUC 0.5 is guessing; the '
      'advantage is the largest distance between true-positive and false-positive '
      'rate. `TPR at 0.1% FPR`: in brackets the members found of all members, then '
      'the non-members falsely accused of all.'
    ),
  )


def attack_table(record: RunRecord, *, name: str = 'attacks') -> blocks.Table | None:
  """Returns what the attacks of a run's last report have found; None without one.

  Args:
    record: the run.
    name: the table's.
  """
  results = [result for result in record.last_results() if result.slice == ENTIRE]
  if not results:
    return None
  frame = tables.table([record])
  last = frame[frame['report_epoch'] == results[0].epoch]
  return blocks.table(
    name,
    pd.DataFrame(row for result in results for row in _attack_rows(result)),
    title=f'Attacks on all examples, after epoch {results[0].epoch}',
    csv=tables.to_csv(last),
    note=(
      f'{sizes(record)}. TPR: the share of members found where at most so many of the '
      'non-members are falsely accused (FPR); beside it how many of all members, and '
      'of all non-members. Intervals are at 95%, of a TPR that of Clopper and Pearson. '
      'The threshold of each TPR, and of the advantage, is picked in hindsight.'
    ),
  )


def _attack_rows(result: AttackResult) -> list[dict[str, str]]:
  """Returns a row for each false-positive rate of the report."""
  if result.skipped:
    names = ('advantage', 'TPR [95% interval]', 'members found', 'falsely accused')
    why = f'skipped: {result.skipped}'
    row = {'attack': result.attack, 'AUC [95% interval]': why}
    return [{**row, **dict.fromkeys(names, '')}]
  return [
    {
      'attack': f'{result.attack}, {100 * point.target_fpr:g}% FPR',
      'AUC [95% interval]': f'{result.auc:.3f} [{result.auc_low:.3f}, '
      f'{result.auc_high:.3f}]',
      'advantage': f'{result.advantage:.3f}',
      'TPR [95% interval]': f'{point.tpr:.2%} [{point.tpr_low:.2%}, '
      f'{point.tpr_high:.2%}]',
      'members found': f'{point.true_positives:,} of {result.n_members:,}',
      'falsely accused': f'{point.false_positives:,} of {result.n_nonmembers:,}',
    }
    for point in result.tpr_at_fpr
  ]


def class_heat_map(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> blocks.Table | None:
  """Returns the AUC of the attacks of the last reports inside each class.

  Of many classes those with the highest AUC are shown; the data has them all.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.

  Returns:
    None where no class has a number.
  """
  names = records[0].data.class_names
  rows, measured = {}, []
  for record in records:
    found = {(r.attack, r.slice): r for r in record.last_results() if not r.skipped}
    for attack in record.attacks:
      results = [found.get((attack, class_slice(i))) for i in range(len(names))]
      name = attack if len(records) == 1 else f'{record.name} · {attack}'
      if any(results):
        rows[name] = [np.nan if r is None else r.auc for r in results]
        measured += [result for result in results if result is not None]
  if not rows:
    return None
  values = np.array(list(rows.values()), np.float64)
  frame = pd.DataFrame(values, index=pd.Index(rows, name='AUC'), columns=list(names))
  frame.columns = _told_apart(names)
  highest = np.fmax.reduce(values)
  order = np.argsort(-np.nan_to_num(highest, nan=-1.0), kind='stable')
  shown = np.sort(order[:_MOST_CLASSES])
  title = 'AUC inside each class, last report'
  if len(shown) < len(names):
    title += f': the {len(shown)} of {len(names)} classes with the highest'
  table = blocks.heat_map(
    'auc-by-class',
    frame.iloc[:, shown],
    title=title,
    description=_about_classes(frame),
    low=0.5,
    high=max(0.7, float(np.nanmax(values))),
    picture=picture('auc_by_class') if len(records) == 1 else None,
    note=_class_note(measured, records),
  )
  if len(shown) == len(names):
    return table
  csv = frame.to_csv(float_format='%.6g', lineterminator='\n')
  return dataclasses.replace(table, csv=csv)


def _told_apart(names: Sequence[str]) -> list[str]:
  """Returns the names, with the label where a name is there twice."""
  return [
    f'{name} ({label})' if list(names).count(name) > 1 else name
    for label, name in enumerate(names)
  ]


def _about_classes(frame: pd.DataFrame) -> str:
  known = frame.stack(future_stack=True).dropna()
  (best, where), (least, place) = known.idxmax(), known.idxmin()
  text = (
    f'The highest is {known.max():.3f}, by {best} on {where}, the lowest '
    f'{known.min():.3f}, by {least} on {place}'
  )
  if 1 < len(frame) <= _FEW_ROWS:
    each = [
      f'{name}: highest {row.max():.3f} ({row.idxmax()}), lowest {row.min():.3f} '
      f'({row.idxmin()})'
      for name, row in frame.iterrows()
    ]
    text = '; '.join([text, *each])
  return f'{text}.'


def _class_note(measured: Sequence[AttackResult], records: Sequence[RunRecord]) -> str:
  half = max((result.auc_high - result.auc_low) / 2 for result in measured)
  guess = max(result.auc_null_half_width for result in measured)
  return (
    f'A class has {examples(measured)}; {seeds(records)}. The 95% interval of a cell '
    f'is at most ± {half:.3f}, and 95% of guesses end within 0.5 ± {guess:.3f}: of '
    f'{len(measured):,} cells some lie outside by chance. Empty: skipped.'
  )


def stopping_table(
  advice: Sequence[Recommendation], *, name: str = 'stopping'
) -> blocks.Table:
  """Returns the epochs to stop at, a row a run.

  Args:
    advice: at least one, all of one `max_advantage`.
    name: the table's.
  """
  most = advice[0].max_advantage
  note = (
    'The most accurate epoch of those with a report whose largest advantage, over all '
    f'attacks on all examples, is at most {most:g}. The advantage is picked in '
    'hindsight: `guesses, 95%` is what it stays under in 95% of cases where nothing '
    'leaks. AUC: the highest of any attack there.'
  )
  if any(each.unreachable for each in advice):
    note += (
      f' An advantage of {most:g} is less than guesses show in some run: unreachable '
      'there except by luck.'
    )
  frame = pd.DataFrame(map(_advice_cells, advice))
  if all(each.chosen for each in advice):
    frame = frame.drop(columns='lowest advantage')
  return blocks.table(
    name,
    frame,
    title=f'Where to stop for an advantage of at most {most:g}',
    note=note,
  )


def _advice_cells(advice: Recommendation) -> dict[str, str]:
  names = (
    *('test accuracy', 'advantage', 'guesses, 95%', 'lowest advantage'),
    'AUC [95% interval]',
  )
  cells = {'run': advice.run, 'stop after epoch': 'none', **dict.fromkeys(names, '')}
  if advice.chosen is not None:
    strongest, found = advice.chosen.by_advantage, advice.chosen.by_auc
    cells |= {
      'stop after epoch': str(advice.chosen.epoch),
      'test accuracy': f'{advice.chosen.accuracy:.4f}',
      'advantage': f'{strongest.advantage:.4f} ({strongest.attack})',
      'AUC [95% interval]': f'{found.auc:.3f} [{found.auc_low:.3f}, '
      f'{found.auc_high:.3f}]',
    }
  if advice.null_advantage is not None:
    cells['guesses, 95%'] = f'{advice.null_advantage:.4f}'
  if advice.lowest is not None:
    lowest = advice.lowest.by_advantage
    cells['lowest advantage'] = f'{lowest.advantage:.4f} (epoch {lowest.epoch})'
  return cells
