"""Run folders -> pictures, tables and a page that shows them; no TensorFlow.

Everything is written atomically and holds no dates, so that the same runs give
the same files, byte for byte.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from rnn_tf import comparison_markdown, tables
from rnn_tf.errors import UsageError
from rnn_tf.matching import page as matched_page
from rnn_tf.page import replacing
from rnn_tf.pictures import class_picture, pictures, privacy_pictures
from rnn_tf.plot_style import to_png
from rnn_tf.records import RunRecord, load_run, load_runs
from rnn_tf.run_files import write_atomically
from rnn_tf.seed_groups import by_data_set

__all__ = [
  'Comparison',
  'RunRecord',
  'compare',
  'load_run',
  'load_runs',
  'write_run_pictures',
]

PAGE = 'README.md'

_PRIVACY_FILES = {'pairs.csv': 'pairs', 'seeds.csv': 'seeds'}
"""File -> the attribute of `privacy_page.Section` that it holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
  """What `compare` made.

  Attributes:
    text: the tables, in Markdown.
    files: all files written.
    equal: data set -> what there is of its networks at equal accuracy.
  """

  text: str
  files: tuple[pathlib.Path, ...]
  equal: Mapping[str, matched_page.Section]


def write_run_pictures(
  record: RunRecord,
  out_dir: str | os.PathLike,
  *,
  more_pictures: Mapping[str, Figure] | None = None,
) -> list[pathlib.Path]:
  """Writes the pictures of one run as PNG and returns their paths.

  Args:
    record: the run; what it has no data for (say, no report yet) is left out.
    out_dir: created where it is missing.
    more_pictures: name -> Figure, written as well.

  Raises:
    UsageError: the folder cannot be written to, or the run's scores are damaged.
  """
  figures = {**pictures([record]), **privacy_pictures([record])}
  by_class = class_picture(record)
  if by_class is not None:
    figures['auc_by_class'] = by_class
  figures.update(more_pictures or {})
  out_dir = pathlib.Path(out_dir)
  return [
    write_file(out_dir, f'{name}.png', to_png(figure), private=True)
    for name, figure in figures.items()
  ]


def compare(
  records: Sequence[RunRecord],
  report_dir: str | os.PathLike,
  *,
  command: str = '',
  note: str = '',
  more_pictures: Mapping[str, Mapping[str, Figure]] | None = None,
) -> Comparison:
  """Writes pictures, tables and a README.md that shows several runs together.

  Runs of different data sets are shown apart: their accuracies and AUCs do not
  compare.

  Args:
    records: the runs, at least one, no two of one name.
    report_dir: created where it is missing; other files in it are left alone.
    command: the command line that makes this report, for the page.
    note: what a reader must know of these runs, for the top of the page.
    more_pictures: data set -> name -> Figure, shown after the others.

  Raises:
    UsageError: `report_dir` cannot be written to, or its README.md or report.html
      is no comparison's.
  """
  report_dir = pathlib.Path(report_dir)
  _check_report_dir(report_dir)
  groups = by_data_set(records)
  parts = [
    comparison_markdown.part_of(name, group, (more_pictures or {}).get(name, {}))
    for name, group in groups.items()
  ]
  files = [
    write_file(report_dir, file, to_png(figure))
    for part in parts
    for file, (_, figure) in part.pictures.items()
  ]
  text = '\n'.join(part.text for part in parts)
  for file, content in {**_csv_files(groups, parts), 'table.md': text}.items():
    files.append(write_file(report_dir, file, content.encode()))
  readme = comparison_markdown.page(groups, parts, command=command, note=note)
  files.append(write_file(report_dir, PAGE, readme.encode()))
  equal = {
    name: part.equal
    for name, part in zip(groups, parts, strict=True)
    if part.equal is not None
  }
  return Comparison(text=text, files=tuple(files), equal=equal)


def write_file(
  folder: pathlib.Path, name: str, content: bytes, *, private: bool = False
) -> pathlib.Path:
  """Writes a file of a report and returns its path.

  Args:
    folder: created where it is missing.
    name: of the file.
    content: of the file.
    private: see `write_atomically`; a comparison is made to be shown.

  Raises:
    UsageError: it cannot be written.
  """
  try:
    write_atomically(folder / name, content, private=private)
  except OSError as error:
    raise UsageError(
      f'{folder / name} cannot be written ({error.strerror}): name another folder'
    ) from error
  return folder / name


def _check_report_dir(report_dir: pathlib.Path) -> None:
  """Raises a UsageError where a file of somebody else's would be lost."""
  page = report_dir / PAGE
  if report_dir.exists() and not report_dir.is_dir():
    raise UsageError(f'--report_dir={report_dir}: is a file: name a folder')
  if page.exists() and not page.read_bytes().startswith(
    comparison_markdown.MARK.encode()
  ):
    raise UsageError(
      f'--report_dir={report_dir}: its {PAGE} was not written by this command and '
      'would be lost: name another folder'
    )
  replacing.check(report_dir, kind='comparison', flag=f'--report_dir={report_dir}')


def _csv_files(
  groups: Mapping[str, Sequence[RunRecord]], parts: Sequence[comparison_markdown.Part]
) -> dict[str, str]:
  """Returns file -> content, over all data sets; no file is empty."""
  frames = {
    'table.csv': tables.table([record for group in groups.values() for record in group])
  }
  for file, name in _PRIVACY_FILES.items():
    found = [getattr(part.private, name) for part in parts if part.private]
    rows = [row for frame in found for row in frame.to_dict('records')]
    frames[file] = pd.DataFrame(rows)
  attacks = [part.attacked.table for part in parts if part.attacked]
  if attacks:
    frames['attacks.csv'] = pd.concat(attacks)
  for what in ('values', 'means', 'pairs'):
    equal = [
      getattr(part.equal, what).assign(dataset=name)
      for name, part in zip(groups, parts, strict=True)
      if part.equal
    ]
    if equal:
      frames[f'equal_{what}.csv'] = pd.concat(equal)
  return {
    file: tables.to_csv(frame) for file, frame in frames.items() if not frame.empty
  }
