"""Several runs beside each other in Markdown: the README.md of a comparison."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from rnn_tf import attack_section, privacy_page, tables
from rnn_tf.matching import page as matched_page
from rnn_tf.pictures import class_picture, pictures, privacy_pictures, sizes
from rnn_tf.records import RunRecord

MARK = '<!-- Written by rnn_tf.report, which writes it again without asking. -->'
"""First line of the page: tells it from a README.md that is somebody else's."""

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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Part:
  """One data set's part of the page.

  Attributes:
    text: its tables.
    section: the part itself.
    pictures: file name -> caption and picture, all that it shows.
    private: what there is of private runs, see `privacy_page.Section`.
    attacked: what there is of attacks with shadow models.
    equal: what there is of networks at equal accuracy.
  """

  text: str
  section: str
  pictures: Mapping[str, tuple[str, Figure]]
  private: privacy_page.Section | None
  attacked: attack_section.Section | None
  equal: matched_page.Section | None


def part_of(
  name: str, group: Sequence[RunRecord], more_pictures: Mapping[str, Figure]
) -> Part:
  """Returns one data set's part.

  Args:
    name: of the data set.
    group: its runs, at least one.
    more_pictures: name -> Figure, shown after the others.

  Raises:
    UsageError: a run's files are damaged.
  """
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
  return Part(
    text=text,
    section='\n'.join([*lines, *_show(shown)]),
    pictures={**beside[0], **beside[1], **level, **shown},
    private=private,
    attacked=attacked,
    equal=equal,
  )


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


def page(
  groups: Mapping[str, Sequence[RunRecord]],
  parts: Sequence[Part],
  *,
  command: str,
  note: str,
) -> str:
  """Returns the page.

  Args:
    groups: data set -> its runs.
    parts: of each data set, in the same order.
    command: the command line that makes the comparison, '' for none.
    note: what a reader must know of these runs, '' for nothing.
  """
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
