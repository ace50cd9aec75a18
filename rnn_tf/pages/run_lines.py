"""Runs as lines of a chart: which of them have a line together, and in what colour."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rnn_tf import seed_groups
from rnn_tf.attacks.results import AttackResult
from rnn_tf.deletion_config import DeletedFrom
from rnn_tf.page import blocks
from rnn_tf.records import RunRecord

Picture = Callable[[str], str | None]
"""Name of a picture, as in `pictures` -> its path from the page; None without one."""

_MOST = 6
"""Runs that have a colour of their own; of more, those that differ by seeds share."""

ABOUT_GROUPS = (
  'Runs that differ by seeds alone share a colour and an entry in the legend.'
)

_MARKS = re.compile(r'([\\`*_{}\[\]<>()#+.!|~&$-])')


def no_picture(name: str) -> None:
  """Knows of no picture."""
  del name


def plain(text: str) -> str:
  """Returns a name so that Markdown shows it as it is."""
  return _MARKS.sub(r'\\\1', ' '.join(text.split()))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Line:
  """Runs that are shown by series of one colour, with one entry in the legend.

  Attributes:
    name: the run's, or that of the group over seeds.
    color: see `blocks.Series`.
    records: one run, or runs that differ by seeds alone.
  """

  name: str
  color: int
  records: tuple[RunRecord, ...]


def lines(records: Sequence[RunRecord]) -> list[Line]:
  """Returns the lines of some runs of one data set, at least one."""
  found = groups(records)
  if len(records) <= _MOST:
    found = [(record.name, (record,)) for record in records]
  return [
    Line(name=name, color=color, records=runs)
    for color, (name, runs) in enumerate(found)
  ]


def groups(records: Sequence[RunRecord]) -> list[tuple[str, tuple[RunRecord, ...]]]:
  """Returns the runs over seeds, with a name: those that differ by nothing else.

  What the same deletion has left of originals that differ by seeds is one group. A run
  that is alone is called by its own name.

  Args:
    records: at least one, of one data set, no two of one name.
  """
  by_name = {record.name: record for record in records}
  found = seed_groups.find(map(_without_parent, records))
  kept = [group for group in found if not group.config.deleted.method]
  names = dict(zip(map(id, kept), seed_groups.names(kept), strict=True))
  texts = seed_groups.stems(found) or []
  for group in found[len(texts) :]:
    deleted = group.config.deleted
    texts.append(names.get(id(group), f'{deleted.method}, {deleted.forget}'))
  named = []
  for text, group in zip(texts, found, strict=True):
    runs = tuple(by_name[record.name] for record in group.records)
    if len(runs) == 1:
      text = runs[0].name
    elif texts.count(text) > 1:
      text = f'{text} ({runs[0].name})'
    suffix = f', {counted(len(runs), "run")}' * (len(runs) > 1)
    named.append((f'{text}{suffix}', runs))
  return named


def _without_parent(record: RunRecord) -> RunRecord:
  """Returns a run with no word of which original it was deleted from."""
  deleted = record.config.deleted
  deleted = DeletedFrom(method=deleted.method, forget=deleted.forget)
  return dataclasses.replace(
    record, config=dataclasses.replace(record.config, deleted=deleted)
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Path:
  """One run's points of a series; all as in `blocks.Series`."""

  run: str
  x: Sequence[float]
  y: Sequence[float]
  low: Sequence[float] | None = None
  high: Sequence[float] | None = None
  labels: Sequence[str] | None = None


def series(name: str, paths: Sequence[Path], **options: Any) -> blocks.Series | None:
  """Returns the paths as one series with gaps between them; None if there are none.

  Args:
    name: for the legend.
    paths: one a run. Of several the intervals are left out, and each point is labelled
      with its run.
    **options: of `blocks.Series`.
  """
  paths = [path for path in paths if len(path.x)]
  if not paths:
    return None
  if len(paths) == 1:
    (path,) = paths
    ends = {end: getattr(path, end) for end in ('low', 'high')}
    return blocks.Series(
      name=name,
      x=numbers(path.x),
      y=numbers(path.y),
      **{end: None if each is None else numbers(each) for end, each in ends.items()},
      labels=path.labels,
      **options,
    )
  x, y, labels = [], [], []
  for path in paths:
    if x and options.get('style') != 'points':
      x, y, labels = [*x, x[-1]], [*y, None], [*labels, '']
    x += numbers(path.x)
    y += numbers(path.y)
    labels += path.labels or [path.run] * len(path.x)
  return blocks.Series(name=name, x=x, y=y, labels=labels, **options)


def numbers(values: Iterable[float | None]) -> list[float | None]:
  """Returns plain numbers of five significant digits, None for NaN."""
  array = np.array(list(values), np.float64)
  return [None if np.isnan(each) else _number(f'{each:.5g}') for each in array]


def _number(text: str) -> float:
  # A whole number takes less room in a page.
  return int(text) if text.isdigit() else float(text)


def padded_axis(label: str, values: Iterable[float]) -> blocks.Axis:
  """Returns an axis with some room beside the outermost of the values."""
  known = [value for value in values if not np.isnan(value)]
  room = 0.04 * (max(known) - min(known)) or 0.01
  low, high = numbers([min(known) - room, max(known) + room])
  return blocks.Axis(label=label, low=low, high=high)


def counted(count: int, noun: str) -> str:
  """Returns `1 run` or `1,200 runs`."""
  return f'{count:,} {noun}' + 's' * (count != 1)


def spread(values: Iterable[float], form: str) -> str:
  """Returns `0.71`, or `0.70 to 0.72` where the values differ as they are shown."""
  known = [value for value in values if not np.isnan(value)]
  ends = dict.fromkeys(f'{end:{form}}' for end in (min(known), max(known)))
  return ' to '.join(ends)


def listed(texts: Sequence[str], most: int = 8) -> str:
  """Returns the texts, parted by semicolons, and how many more there are."""
  more = [f'and {len(texts) - most} more'] * (len(texts) > most)
  return '; '.join([*texts[:most], *more])


def examples(results: Iterable[AttackResult]) -> str:
  """Returns `300 members, 200 non-members`, the range where the results differ."""
  found = [(result.n_members, result.n_nonmembers) for result in results]
  sides = zip(zip(*found, strict=True), ('members', 'non-members'), strict=True)
  return ', '.join(f'{spread(counts, ",")} {side}' for counts, side in sides)


def seeds(records: Sequence[RunRecord]) -> str:
  """Returns `seed 0`, or `seeds 0, 1`."""
  found = sorted({record.config.training.seed for record in records})
  return f'seed{"s" * (len(found) > 1)} {", ".join(map(str, found))}'


def attacks_of(records: Sequence[RunRecord]) -> tuple[str, ...]:
  """Returns the attacks with a number on the entire data set of some run."""
  return tuple(
    dict.fromkeys(
      attack
      for record in records
      for attack in record.attacks
      if any(not result.skipped for result in record.entire(attack))
    )
  )


def results_of(record: RunRecord, attack: str) -> list[AttackResult]:
  """Returns an attack's results with numbers, the run's name as that of the model."""
  return [
    dataclasses.replace(result, model=record.name)
    for result in record.entire(attack)
    if not result.skipped
  ]


def guesses(
  results: Sequence[AttackResult], x: Sequence[float], *, attacks: Sequence[str]
) -> list[blocks.Series]:
  """Returns the line of guessing, with the band of 95% of guesses, of the smallest run.

  Attacks that are trained across folds stray further: they have a band of their own.
  """
  widths: dict[float, list[str]] = {}
  for attack in attacks:
    halves = [r.auc_null_half_width for r in results if r.attack == attack]
    if halves:
      widths.setdefault(round(max(halves), 4), []).append(attack)
  ends = [min(x), max(x)]
  return [
    blocks.Series(
      name='guessing' + f' ({", ".join(names)})' * (len(widths) > 1),
      x=ends,
      y=[0.5, 0.5],
      low=[round(0.5 - half, 4)] * 2,
      high=[round(0.5 + half, 4)] * 2,
      reference=True,
    )
    for half, names in sorted(widths.items(), reverse=True)
  ]
