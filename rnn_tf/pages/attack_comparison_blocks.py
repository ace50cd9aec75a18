"""What a page shows of attacks with shadow models on several runs, side by side."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from rnn_tf import attack_tables, attack_verdict, tables
from rnn_tf.attack_names import named_results
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks.results import AttackResult
from rnn_tf.page import blocks

Interval = tuple[float, float, float]
"""A value, and the ends of its 95% interval."""

_WIDTH = 0.7
"""Of a place on the axis, what the runs share out."""


def comparison_sections(
  records_by_run: Mapping[str, Sequence[AttackRecord]],
) -> tuple[blocks.Section, ...]:
  """Returns attacks by runs, as charts and as tables.

  All names begin with `attacks-runs`.

  Args:
    records_by_run: the run's name -> the finished attacks on it. Runs without any are
      left out; without any at all there is no section.
  """
  records = [record for found in records_by_run.values() for record in found]
  found = named_results(records)
  if not records:
    return ()
  frame = attack_tables.attack_table(records)
  shown = attack_tables.strength_readable(frame)
  parts: list[blocks.Block] = []
  if found:
    rows = _by_attack(found)
    parts += [_chart(rows, 'auc'), _table(rows, 'auc')]
    parts += [_chart(rows, 'tpr'), _table(rows, 'tpr')]
  everything = blocks.table(
    'attacks-runs-all',
    shown[['attack', *(name for name in shown if name != 'attack')]],
    title='Every attack on every run',
    csv=tables.to_csv(frame),
  )
  parts.append(blocks.Details(title='Every attack on every run', blocks=(everything,)))
  return (
    blocks.Section(
      name='attacks-runs',
      title='Attacks with shadow models, run by run',
      blocks=tuple(parts),
    ),
  )


Rows = Mapping[str, Mapping[str, AttackResult]]
"""Name of an attack -> run -> what it found there."""


def _by_attack(found: Sequence[tuple[str, AttackRecord, AttackResult]]) -> Rows:
  """Returns the results by attack and run; the variants of an attack stand together."""
  order = list(dict.fromkeys(result.attack for _, _, result in found))
  rows: dict[str, dict[str, AttackResult]] = {}
  for name, record, result in sorted(found, key=lambda x: order.index(x[2].attack)):
    rows.setdefault(name, {})[record.run] = result
  return rows


def _auc(result: AttackResult) -> Interval:
  return result.auc, result.auc_low, result.auc_high


def _tpr(result: AttackResult) -> Interval:
  point = attack_verdict.strict_point(result.tpr_at_fpr)
  return point.tpr, point.tpr_low, point.tpr_high


_FIGURES: dict[str, tuple[str, Callable[[AttackResult], Interval], str, float]] = {
  'auc': ('AUC', _auc, '.3f', 0.5),
  'tpr': ('Members found at 0.1% false positives', _tpr, '.2%', 0.001),
}
"""Figure -> its name, what it is of a result, its format, and that of guessing."""


def _runs(rows: Rows) -> list[str]:
  return list(dict.fromkeys(run for found in rows.values() for run in found))


def _text(values: Interval, form: str) -> str:
  value, low, high = (format(each, form) for each in values)
  return f'{value} [{low}, {high}]'


def _table(rows: Rows, figure: str) -> blocks.Table:
  """Returns a figure of each attack, a column a run."""
  what, value, form, _ = _FIGURES[figure]
  runs = _runs(rows)
  frame = pd.DataFrame(
    {
      'attack': name,
      **{run: _text(value(found[run]), form) if run in found else '' for run in runs},
    }
    for name, found in rows.items()
  )
  columns = (figure, f'{figure}_low', f'{figure}_high')
  raw = pd.DataFrame(
    {
      'attack': name,
      'run': run,
      **dict(zip(columns, value(result), strict=True)),
    }
    for name, found in rows.items()
    for run, result in found.items()
  )
  return blocks.table(
    f'attacks-runs-{figure}-table',
    frame,
    title=f'{what}, with 95% intervals',
    csv=tables.to_csv(raw),
  )


def _strongest(rows: Rows) -> dict[str, dict[str, tuple[str, AttackResult]]]:
  """Returns attack -> run -> its strongest variant there, name and result."""
  found: dict[str, dict[str, tuple[str, AttackResult]]] = {}
  for name, results in rows.items():
    for run, result in results.items():
      there = found.setdefault(result.attack, {})
      rank = attack_verdict.strict_rank
      if run not in there or rank(result) > rank(there[run][1]):
        there[run] = name, result
  return found


def _chart(rows: Rows, figure: str) -> blocks.Chart:
  """Returns a figure of each attack with its interval, a series a run."""
  what, value, form, guess = _FIGURES[figure]
  found, runs = _strongest(rows), _runs(rows)
  attacks = list(found)
  series, said = [], []
  for place, run in enumerate(runs):
    offset = _WIDTH * ((place + 0.5) / len(runs) - 0.5)
    at = [index for index, attack in enumerate(attacks) if run in found[attack]]
    here = [found[attacks[index]][run] for index in at]
    values = [value(result) for _, result in here]
    middle, low, high = zip(*values, strict=True)
    series.append(
      blocks.Series(
        name=run,
        x=[index + offset for index in at],
        y=middle,
        low=low,
        high=high,
        style='points',
        labels=[name for name, _ in here],
      )
    )
    best, name = max(zip(values, (name for name, _ in here), strict=True))
    said.append(f'{run} {_text(best, form)} by {name}')
  ends = [-0.5, len(attacks) - 0.5]
  series.append(blocks.Series(name='guessing', x=ends, y=[guess] * 2, reference=True))
  return blocks.Chart(
    name=f'attacks-runs-{figure}',
    title=f'{what}, by attack and run',
    description=f'{what} with 95% intervals, a group of points an attack. The highest '
    f'of each run: {"; ".join(said)}. Guessing: {guess:g}.',
    x=blocks.Axis(label='attack', categories=tuple(attacks)),
    y=blocks.Axis(label=what),
    series=tuple(series),
    note="Of the variants of an attack each run's strongest."
    if len(rows) > len(found)
    else '',
  )
