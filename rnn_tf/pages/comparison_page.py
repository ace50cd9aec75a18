"""The page of a comparison of runs."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import rnn_tf
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.matching import page as matched_page
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import (
  attack_comparison_blocks,
  comparison_blocks,
  deletion_blocks,
  matched_blocks,
  run_page,
)
from rnn_tf.pages.comparison_verdict import by_data_set
from rnn_tf.pages.run_lines import Picture, plain
from rnn_tf.records import RunRecord
from rnn_tf.reporting import picture_file, write_file


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
  *found, last = comparison_blocks.sections(
    records, max_advantage=max_advantage, pictures=pictures, command=command
  )
  attacks = {name: each.attacks for name, each in parts.items() if each.attacks}
  for name, section in equal.items():
    found.append(
      matched_blocks.section(
        section,
        name=f'{blocks.slug(name)}-equal',
        picture=pictures(name)('at_equal_accuracy'),
      )
    )
  found += attack_comparison_blocks.comparison_sections(attacks)
  for name, each in parts.items():
    found += _deletions(name, each.deletions)
  unread = [
    f'{name}: not shown: {line}' for name, e in parts.items() for line in e.unread
  ]
  verdict = comparison_blocks.headline(records)
  return blocks.Page(
    title=f'{len(records)} runs compared' if len(records) > 1 else records[0].name,
    subtitle=', '.join(groups) + (f'. {note}' if note else ''),
    verdict=_with_points(verdict, map(plain, unread)),
    sections=(*found, last),
    settings={'kind': 'comparison', 'max_advantage': max_advantage},
    version=rnn_tf.__version__,
  )


def _pictures(folder: pathlib.Path) -> Callable[[str], Picture]:
  """Returns data set -> name of a picture -> its path, where it lies in the folder."""

  def of(data_set: str) -> Picture:
    def path(name: str) -> str | None:
      file = picture_file(data_set, name)
      return file if (folder / file).exists() else None

    return path

  return of


def _deletions(run: str, records: Sequence[DeletionRecord]) -> list[blocks.Section]:
  """Returns the sections on the deletions from a run, named after it.

  Their pictures are in the run's folder, which the page may be parted from.
  """
  name = blocks.slug(run)
  return [
    dataclasses.replace(
      section,
      name=f'{name}-{section.name}',
      title=f'{run}: {section.title}',
      blocks=tuple(_renamed(name, block) for block in section.blocks),
    )
    for section in deletion_blocks.sections(records, base='')
  ]


def _renamed(name: str, block: blocks.Block) -> blocks.Block:
  if isinstance(block, blocks.Details):
    inner = tuple(_renamed(name, each) for each in block.blocks)
    return dataclasses.replace(block, blocks=inner)
  if isinstance(block, blocks.Chart | blocks.Table):
    return dataclasses.replace(block, name=f'{name}-{block.name}', picture=None)
  if isinstance(block, blocks.Images):
    return dataclasses.replace(block, name=f'{name}-{block.name}')
  return block


def _with_points(verdict: blocks.Verdict, points: Iterable[str]) -> blocks.Verdict:
  return dataclasses.replace(verdict, points=(*verdict.points, *points))
