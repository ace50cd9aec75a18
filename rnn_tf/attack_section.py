"""The comparison page's part on attacks with shadow models."""

import dataclasses
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from rnn_tf import attack_page, attack_records, attack_tables, attack_verdict
from rnn_tf.attack_comparison import comparison_figure
from rnn_tf.attack_names import named_results
from rnn_tf.attack_records import AttackRecord
from rnn_tf.errors import UsageError
from rnn_tf.plot_style import value_range
from rnn_tf.records import RunRecord

HEADING = 'Attacks with shadow models'

_ABOUT = """\
Shadow models are trained like the model under attack, on other draws of its data, so
that it is known of them what they were trained on.
"""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
  """A picture.

  Attributes:
    subject: what it shows: the data set's or a run's name.
    name: of its file, behind the subject's.
    caption: of the page.
    figure: the picture.
  """

  subject: str
  name: str
  caption: str
  figure: Figure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Section:
  """What there is to say of the attacks on one data set's runs.

  Attributes:
    text: Markdown, the heading first, without pictures.
    table: the figures, see `attack_tables.attack_table`.
    pictures: in the order of the page.
    commands: command lines that made the attacks, each once.
  """

  text: str
  table: pd.DataFrame
  pictures: tuple[Picture, ...]
  commands: tuple[str, ...]


def section(records: Sequence[RunRecord]) -> Section | None:
  """Returns the section on some runs of one data set; None if none was attacked.

  Raises:
    UsageError: an attack's files are damaged, or it is on another training of its run.
  """
  found = [attack for record in records for attack in _attacks(record)]
  if not found:
    return None
  table = attack_tables.attack_table(found)
  lines = [f'### {HEADING}', '', _ABOUT, attack_tables.strength_markdown(table)]
  gains = attack_tables.gain_markdown(table)
  if gains:
    lines += ['Thresholds that the shadow models gave, and what they do:', '', gains]
  lines += [attack_page.HOW_TO_READ, *_notes(found), '']
  lines += ['With more digits: [attacks.csv](attacks.csv).', '']
  return Section(
    text='\n'.join(lines),
    table=table,
    pictures=tuple(_pictures(found)),
    commands=tuple(dict.fromkeys(attack.command for attack in found)),
  )


def _attacks(record: RunRecord) -> list[AttackRecord]:
  """Returns the attacks on a run, named as the run is named here."""
  return [attack_on(record, a) for a in attack_records.load_all(record.folder)]


def attack_on(record: RunRecord, attack: AttackRecord) -> AttackRecord:
  """Returns an attack in a run's folder, named as the run is named here.

  Raises:
    UsageError: it is an attack on another training than the run's.
  """
  expected = record.data.name, record.config.model.label(), record.epochs
  weights = attack_records.weights_checksum(record.folder.path)
  other = weights is not None and attack.target.weights != weights
  if other or (attack.dataset, attack.model, attack.epoch) != expected:
    raise UsageError(
      f'{attack.folder}: is an attack on another training ({attack.dataset}, '
      f'{attack.model}, {attack.epoch} epochs) than that of {record.folder}: make it '
      'again with --overwrite, or delete it'
    )
  return dataclasses.replace(attack, run=record.name)


def _notes(found: Sequence[AttackRecord]) -> list[str]:
  """Returns what the figures have to be read with, a line an attack."""
  lines = []
  for attack in found:
    notes = attack_verdict.about_guarantee(attack)
    if attack.null_checks:
      notes += attack_verdict.about_null_checks(attack)
    if notes:
      lines.append(f'- {attack.run}, {attack.label}: {" ".join(notes)}')
  unchecked = [f'{a.run}, {a.label}' for a in found if not a.null_checks]
  if unchecked:
    lines.append(
      f'- {"; ".join(unchecked)}: not checked where there is nothing to find '
      '(`--null_check`)'
    )
  easier = dict.fromkeys(a.run for a in found if a.target.nonmembers == 'test')
  if easier:
    lines.append(
      f'- {", ".join(easier)}: non-members are test images, which may be easier or '
      'harder than training images by themselves'
    )
  return lines


def _pictures(found: Sequence[AttackRecord]) -> list[Picture]:
  """Returns the comparison of all runs, and the pictures of each."""
  made = []
  if named_results(found):
    made.append(
      Picture(
        subject=found[0].dataset,
        name='attack_comparison',
        caption='Attacks with shadow models, run by run',
        figure=comparison_figure(
          found, title=f'{found[0].dataset} · {HEADING.lower()}', subtitle=_sizes(found)
        ),
      )
    )
  for run in dict.fromkeys(attack.run for attack in found):
    attacks = [attack for attack in found if attack.run == run]
    figures = attack_page.run_pictures(
      attacks,
      title=f'{attacks[0].dataset} · {attacks[0].model} · {HEADING.lower()}',
      subtitle=f'{run}, epoch {attacks[0].epoch}; {_sizes(attacks)}',
    )
    for name, figure in figures.items():
      caption = f'{attack_page.CAPTIONS[name]}, {run}'
      picture = {'name': f'attack_{name}', 'caption': caption, 'figure': figure}
      made.append(Picture(subject=run, **picture))
  return made


def _sizes(found: Sequence[AttackRecord]) -> str:
  members, nonmembers = (
    value_range([getattr(attack.target, name) for attack in found])
    for name in ('n_members', 'n_nonmembers')
  )
  return f'{members} members, {nonmembers} non-members'
