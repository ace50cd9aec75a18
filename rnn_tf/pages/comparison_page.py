"""The page of a comparison of runs."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import rnn_tf
from rnn_tf.comparison_markdown import picture_file
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.matching import page as matched_page
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import (
  attack_comparison_blocks,
  comparison_blocks,
  deletion_blocks,
  disclosure,
  matched_blocks,
  run_page,
)
from rnn_tf.pages.block_parts import slugs
from rnn_tf.pages.comparison_verdict import Attacks
from rnn_tf.pages.run_lines import Picture, plain
from rnn_tf.records import RunRecord
from rnn_tf.reporting import write_file
from rnn_tf.seed_groups import by_data_set


def write(
  records: Sequence[RunRecord],
  report_dir: str,
  *,
  command: str,
  note: str,
  max_advantage: float | None,
  equal: Mapping[str, matched_page.Section],
) -> pathlib.Path:
  """Writes report.html of a comparison and returns its path.

  Args:
    records: the runs, at least one, no two of one name.
    report_dir: where `reporting.compare` has written the pictures.
    command: that makes the comparison.
    note: what a reader must know of these runs.
    max_advantage: see `stopping.recommend`; None takes `run_page.MAX_ADVANTAGE`.
    equal: what `reporting.compare` has found of networks at equal accuracy.

  Raises:
    UsageError: a run's files are damaged, or the page cannot be written.
  """
  folder = pathlib.Path(report_dir)
  if max_advantage is None:
    max_advantage = run_page.MAX_ADVANTAGE
  made = page(
    records,
    folder,
    command=command,
    note=note,
    max_advantage=max_advantage,
    equal=equal,
  )
  return write_file(folder, run_page.PAGE, render(made).encode())


def page(
  records: Sequence[RunRecord],
  folder: pathlib.Path,
  *,
  command: str,
  note: str,
  max_advantage: float,
  equal: Mapping[str, matched_page.Section],
) -> blocks.Page:
  """Returns the page; arguments as in `write`."""
  parts = {record.name: run_page.parts_of(record) for record in records}
  groups = by_data_set(records)
  pictures = _pictures(folder)
  attacks = {name: each.attacks for name, each in parts.items() if each.attacks}
  *found, last = comparison_blocks.sections(
    records,
    attacks=attacks,
    max_advantage=max_advantage,
    pictures=pictures,
    command=command,
  )
  found += _by_data_set(groups, attacks, equal=equal, pictures=pictures)
  prefixes = slugs(parts)
  for name, each in parts.items():
    found += _deletions(name, prefixes[name], each.deletions[: run_page.MOST_AUDITS])
  unread = [
    f'{name}: not shown: {line}' for name, e in parts.items() for line in e.unread
  ]
  verdict = comparison_blocks.headline(records, attacks)
  names = dict.fromkeys(name for run in records for name in run.data.class_names)
  disclosed = disclosure.section(
    (*found, last), examples='training examples', class_names=[*names], private=False
  )
  return blocks.Page(
    title=f'{len(records)} runs compared' if len(records) > 1 else records[0].name,
    subtitle=', '.join(groups) + (f'. {note}' if note else ''),
    verdict=_with_points(verdict, [*map(plain, unread), *_folded(parts)]),
    sections=(*found, last, disclosed),
    settings={'kind': 'comparison', 'max_advantage': max_advantage},
    version=rnn_tf.__version__,
  )


def _by_data_set(
  groups: Mapping[str, Sequence[RunRecord]],
  attacks: Attacks,
  *,
  equal: Mapping[str, matched_page.Section],
  pictures: Callable[[str], Picture],
) -> list[blocks.Section]:
  """Returns the sections on networks at equal accuracy, and on attacks, by data set."""
  prefixes = slugs(groups)
  found = []
  for name, section in equal.items():
    shown = matched_blocks.section(
      section,
      name=f'{prefixes[name]}-equal',
      picture=pictures(name)('at_equal_accuracy'),
    )
    found.append(_titled(name, shown) if len(groups) > 1 else shown)
  for name, group in groups.items():
    here = {run.name: attacks[run.name] for run in group if run.name in attacks}
    for section in attack_comparison_blocks.comparison_sections(here):
      shown = _prefixed(prefixes[name], section)
      found.append(_titled(name, shown) if len(groups) > 1 else shown)
  return found


def _titled(name: str, section: blocks.Section) -> blocks.Section:
  return dataclasses.replace(section, title=f'{name}: {section.title}')


def _prefixed(prefix: str, section: blocks.Section) -> blocks.Section:
  return dataclasses.replace(
    section,
    name=f'{prefix}-{section.name}',
    blocks=tuple(comparison_blocks.prefixed(prefix, each) for each in section.blocks),
  )


def _pictures(folder: pathlib.Path) -> Callable[[str], Picture]:
  """Returns data set -> name of a picture -> its path, where it lies in the folder."""

  def of(data_set: str) -> Picture:
    def path(name: str) -> str | None:
      file = picture_file(data_set, name)
      return file if (folder / file).exists() else None

    return path

  return of


def _deletions(
  run: str, prefix: str, records: Sequence[DeletionRecord]
) -> list[blocks.Section]:
  """Returns the sections on the deletions from a run, named after it."""
  found = []
  for section in deletion_blocks.sections(records, base=''):
    inner = tuple(map(_without_pictures, section.blocks))
    shown = dataclasses.replace(section, blocks=inner)
    found.append(_titled(run, _prefixed(prefix, shown)))
  return found


def _without_pictures(block: blocks.Block) -> blocks.Block:
  """Drops pictures: they are in the run's folder, which the page may be parted from."""
  if isinstance(block, blocks.Details):
    inner = tuple(map(_without_pictures, block.blocks))
    return dataclasses.replace(block, blocks=inner)
  if isinstance(block, blocks.Chart | blocks.Table):
    return dataclasses.replace(block, picture=None)
  return block


def _folded(parts: Mapping[str, run_page.Parts]) -> list[str]:
  """Names the audits that the page has no room for."""
  return [
    f'{plain(run)}: audit {plain(audit.label)}: in full in '
    f'`deletions/{audit.label}/report.md` of the run.'
    for run, each in parts.items()
    for audit in each.deletions[run_page.MOST_AUDITS :]
  ]


def _with_points(verdict: blocks.Verdict, points: Iterable[str]) -> blocks.Verdict:
  return dataclasses.replace(verdict, points=(*verdict.points, *points))
