"""Run folders -> pictures, tables and a page that shows them; no TensorFlow.

Everything is written atomically and holds no dates, so that the same runs give
the same files, byte for byte.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from rnn_tf import attack_section, privacy_page, tables
from rnn_tf.errors import UsageError
from rnn_tf.matching import page as matched_page
from rnn_tf.pictures import class_picture, pictures, privacy_pictures, sizes
from rnn_tf.plot_style import to_png
from rnn_tf.records import RunRecord, load_run, load_runs
from rnn_tf.run_files import write_atomically

__all__ = [
  'Comparison',
  'RunRecord',
  'compare',
  'load_run',
  'load_runs',
  'write_run_pictures',
]

PAGE = 'README.md'
MARK = '<!-- Written by rnn_tf.report, which writes it again without asking. -->'
"""First line of the page: tells it from a README.md that is somebody else's."""

_PRIVACY_FILES = {'pairs.csv': 'pairs', 'seeds.csv': 'seeds'}
"""File -> the attribute of `privacy_page.Section` that it holds."""

_MOST_CLASS_PICTURES = 8
"""Runs of a data set up to which each has a picture of its classes."""

_CAPTIONS = {
  'learning_curves': 'Loss and accuracy by epoch',
  'leakage_by_epoch': 'Membership inference by epoch',
  'privacy_vs_utility': 'Privacy against utility',
  'dp_privacy_vs_utility': (
    'Privacy against utility of the last report, plain and differentially private'
  ),
  'epsilon_by_epoch': 'Epsilon claimed, and what the attacks show of it, by epoch',
  'roc': 'ROC of the last report, on logarithmic axes',
  'tf_privacy_by_epochs': "TF Privacy's own plot by epoch",
  'tf_privacy_privacy_vs_accuracy': (
    "TF Privacy's own plot against validation accuracy"
  ),
}

_HOW_TO_READ = """\
Accuracies are shares of images classified correctly: `running train acc` is the mean
over the last epoch, while the model was learning; `val acc` that on the test images
after it; `best val acc` the highest of any epoch. The attacks are those of the last
report, on all members and non-members: AUC 0.5 is guessing, the advantage is the
largest distance between the true-positive and the false-positive rate, and `TPR at
0.1% FPR` gives the true positives over all members, and the false positives of all
non-members.
"""


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
    write_file(out_dir, f'{name}.png', to_png(figure))
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
    UsageError: `report_dir` cannot be written to, or its README.md is not one of
      ours.
  """
  report_dir = pathlib.Path(report_dir)
  _check_report_dir(report_dir)
  groups = _by_data_set(records)
  parts = [
    _part(name, group, (more_pictures or {}).get(name, {}))
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
  page = _page(groups, parts, command=command, note=note)
  files.append(write_file(report_dir, PAGE, page.encode()))
  equal = {
    name: part.equal
    for name, part in zip(groups, parts, strict=True)
    if part.equal is not None
  }
  return Comparison(text=text, files=tuple(files), equal=equal)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
  """One data set's part of the page.

  Attributes:
    text: its tables.
    section: the part itself.
    pictures: file name -> caption and picture, all that it shows.
    private: what there is of private runs, see `_PRIVACY_FILES`.
    attacked: what there is of attacks with shadow models.
    equal: what there is of networks at equal accuracy.
  """

  text: str
  section: str
  pictures: Mapping[str, tuple[str, Figure]]
  private: privacy_page.Section | None
  attacked: attack_section.Section | None
  equal: matched_page.Section | None


def _part(
  name: str, group: Sequence[RunRecord], more_pictures: Mapping[str, Figure]
) -> _Part:
  private, attacked = privacy_page.section(group), attack_section.section(group)
  text = _table(group)
  lines = _head(name, group, text)
  beside = _named(name, privacy_pictures(group)), _attack_pictures(attacked)
  for found, figures in zip((private, attacked), beside, strict=True):
    if found is not None:
      text += '\n' + found.text
      lines += [found.text, *_show(figures)]
  equal, level = matched_page.section(group), {}
  if equal is not None:
    level = {
      picture_file(name, 'at_equal_accuracy'): (matched_page.CAPTION, equal.figure)
    }
    lines += [equal.text, *_show(level)]
  if any((private, attacked, equal)):
    lines += ['### All runs', '']
  shown = _group_pictures(group)
  for what, figure in more_pictures.items():
    shown[picture_file(name, what)] = _CAPTIONS.get(what, what), figure
  return _Part(
    text=text,
    section='\n'.join([*lines, *_show(shown)]),
    pictures={**beside[0], **beside[1], **level, **shown},
    private=private,
    attacked=attacked,
    equal=equal,
  )


def write_file(folder: pathlib.Path, name: str, content: bytes) -> pathlib.Path:
  """Writes a file of a report and returns its path.

  Raises:
    UsageError: it cannot be written.
  """
  try:
    write_atomically(folder / name, content)
  except OSError as error:
    raise UsageError(
      f'{folder / name} cannot be written ({error.strerror}): name another folder'
    ) from error
  return folder / name


def _check_report_dir(report_dir: pathlib.Path) -> None:
  page = report_dir / PAGE
  if report_dir.exists() and not report_dir.is_dir():
    raise UsageError(f'--report_dir={report_dir}: is a file: name a folder')
  if page.exists() and not page.read_bytes().startswith(MARK.encode()):
    raise UsageError(
      f'--report_dir={report_dir}: its {PAGE} was not written by this command and '
      'would be lost: name another folder'
    )


def _by_data_set(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
  groups: dict[str, list[RunRecord]] = {}
  for record in records:
    groups.setdefault(record.data.name, []).append(record)
  return groups


def picture_file(data_set: str, name: str) -> str:
  """Returns the name of the file that a picture of one data set's runs is in."""
  return f'{_slug(data_set)}-{name}.png'


def _slug(name: str) -> str:
  """Returns a file name's part: letters, digits, dots, dashes and underscores."""
  return ''.join(c if c.isalnum() or c in '._-' else '-' for c in name)


def _table(group: Sequence[RunRecord]) -> str:
  """Returns the table of one data set, below what it has to be read with."""
  frame = tables.table(group)
  broken = [line + '\n' for line in tables.broken_guarantees(frame)]
  return '\n'.join([*broken, tables.to_markdown(frame)])


def _csv_files(
  groups: Mapping[str, Sequence[RunRecord]], parts: Sequence[_Part]
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


def _named(
  data_set: str, figures: Mapping[str, Figure]
) -> dict[str, tuple[str, Figure]]:
  """Returns file name -> caption and picture."""
  return {
    picture_file(data_set, name): (_CAPTIONS[name], figure)
    for name, figure in figures.items()
  }


def _attack_pictures(
  attacked: attack_section.Section | None,
) -> dict[str, tuple[str, Figure]]:
  """Returns file name -> caption and picture, nothing where no run was attacked."""
  return {
    f'{_slug(picture.subject)}-{picture.name}.png': (picture.caption, picture.figure)
    for picture in (attacked.pictures if attacked else ())
  }


def _show(shown: Mapping[str, tuple[str, Figure]]) -> list[str]:
  """Returns the lines that show the pictures."""
  lines = []
  for file, (caption, _) in shown.items():
    lines += [f'![{caption}]({file})', '']
  return lines


def _group_pictures(group: Sequence[RunRecord]) -> dict[str, tuple[str, Figure]]:
  """Returns file name -> caption and picture, for the runs of one data set."""
  named = _named(group[0].data.name, pictures(group))
  for record in group if len(group) <= _MOST_CLASS_PICTURES else ():
    figure = class_picture(record)
    if figure is not None:
      caption = f'Membership inference class by class, {record.name}'
      named[f'{_slug(record.name)}-auc_by_class.png'] = caption, figure
  return named


def _head(name: str, group: Sequence[RunRecord], table: str) -> list[str]:
  """Returns the lines that one data set's part of the page begins with."""
  lines = [f'## {name}', '', f'{name} {group[0].data.version}', '', table]
  examples = {record.name: sizes(record) for record in group}
  if len(set(examples.values())) == 1:
    lines[2] += f', {sizes(group[0])}.'
  else:
    each = '; '.join(f'{run}: {text}' for run, text in examples.items())
    lines[2] += f'. The runs differ in their examples: {each}.'
  skipped = dict.fromkeys(
    f'- {record.name}: {result.attack} on {result.slice}: {result.skipped}'
    for record in group
    for result in record.last_results()
    if result.skipped
  )
  if skipped:
    lines += ['Skipped in the last report:', '', *skipped, '']
  return lines


def _page(
  groups: Mapping[str, Sequence[RunRecord]],
  parts: Sequence[_Part],
  *,
  command: str,
  note: str,
) -> str:
  records = [record for group in groups.values() for record in group]
  count = 'One run' if len(records) == 1 else f'{len(records)} runs compared'
  lines = [MARK, f'# {count}: {", ".join(groups)}', '']
  lines += [note, ''] if note else []
  lines += [_HOW_TO_READ]
  lines += ['[table.csv](table.csv) has the figures with more digits.', '']
  if len(groups) > 1:
    lines += [
      'The runs are of different data sets, whose accuracies and AUCs do not compare: '
      'each data set has its own table and pictures.',
      '',
    ]
  lines += [part.section for part in parts]
  lines += ['## Commands that made this', '', '```sh']
  lines += [record.command for record in records]
  lines += dict.fromkeys(
    line for part in parts if part.attacked for line in part.attacked.commands
  )
  lines += [command] * bool(command)
  return '\n'.join([*lines, '```', ''])
