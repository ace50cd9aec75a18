"""What is said and shown of attacks with shadow models: of one attack, and of runs."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from rnn_tf import attack_details, attack_plots, attack_tables, attack_verdict, tables
from rnn_tf.attack_names import named_results
from rnn_tf.attack_records import AttackRecord
from rnn_tf.plot_style import to_png
from rnn_tf.run_files import RunFiles

PAGE = 'report.md'

CAPTIONS = {
  'roc': 'ROC of each attack, on logarithmic axes',
  'anytime': 'Strength by the number of shadow models',
  'scores': 'Scores of members and of non-members',
  'exposed': 'The members that are found most easily',
}

_DETAILS = {
  'attacks.csv': lambda record: attack_tables.attack_table([record]),
  'shadows.csv': attack_details.shadows_table,
  'classes.csv': attack_details.class_table,
  'null_checks.csv': attack_details.null_table,
  'exposed.csv': attack_details.exposed_table,
}
"""File -> the table that it holds; without rows it is not written."""

HOW_TO_READ = """\
AUC is the chance that a member scores above a non-member, 0.5 for guessing. `TPR at
0.1% FPR` is the share of members found where one non-member in 1,000 is taken for one,
with the counts of both: guessing finds 0.1%. Both are of thresholds in hindsight. The
thresholds of the second table were chosen on the shadow models, whose members are
known: what they do on the target is what an attacker gets. The PPV is the share of
members among those called members, and depends on how many of the examples attacked are
members: a half, a tenth, or a hundredth; in brackets it is for the less favourable ends
of the intervals of TPR and FPR. Intervals are at 95%, for other examples and this one
model: another target, or another fleet, varies beyond them. `epsilon at least` is what
the scores indicate, at 95% confidence: training with a smaller epsilon would not let an
attack score like this.
"""


class Images(Protocol):
  """Images, (n, height, width, channels) float in [0, 1], and their ids, (n,)."""

  images: np.ndarray
  ids: np.ndarray


def text(record: AttackRecord) -> str:
  """Returns what an attack has found, in Markdown."""
  frame = attack_tables.attack_table([record])
  lines = [f'# Attack on {record.run}: {record.label}', '', _measured(record), '']
  lines += [f'- {line}' for line in attack_verdict.verdict(record)]
  lines += ['', '## How strong the attacks are', '']
  lines += [attack_tables.strength_markdown(frame)]
  gains = attack_tables.gain_markdown(frame)
  if gains:
    lines += ['## What an attacker gets', '', gains]
  lines += ['## Models', '', '```', *_parameters(record), '```', '']
  lines += [attack_details.shadows_markdown(record)]
  if record.classes:
    lines += ['## The shadow attack, class by class', '']
    lines += [attack_details.class_markdown(record)]
  if record.classification is not None:
    lines += [
      'Its calls on the target, a member being a score above 0 (where the sides are of '
      'unequal number, the recall of `macro avg` is the balanced accuracy):',
      '',
      '```',
    ]
    lines += [attack_details.classification_text(record), '```', '']
  if record.null_checks:
    lines += ['## Where there is nothing to find', '']
    lines += [attack_details.null_markdown(record)]
  attack = _exposing(record)
  if attack:
    lines += [f'## The members that {attack} finds most easily', '']
    lines += [attack_details.exposed_markdown(record, attack)]
  return '\n'.join([*lines, '## How to read this', '', HOW_TO_READ])


def _parameters(record: AttackRecord) -> list[str]:
  values = attack_details.parameters(record)
  return ['{', *(f'  {name!r}: {value!r},' for name, value in values.items()), '}']


def _measured(record: AttackRecord) -> str:
  target = record.target
  others = 'of the test images'
  if target.nonmembers == 'holdout':
    others = 'out of the same pool, which it was not trained on'
  return (
    f'{record.dataset}, {record.model}, after epoch {record.epoch}: '
    f'{target.train_accuracy:.1%} of its {target.train_size:,} training and '
    f'{target.test_accuracy:.1%} of the test images classified correctly. Attacked '
    f'with {len(record.shadows)} shadow models ({record.fleet.shadow_split} split) on '
    f'{target.n_members:,} members and {target.n_nonmembers:,} non-members {others}.'
  )


def _exposing(record: AttackRecord) -> str | None:
  """Returns the attack whose most exposed members are shown: the strongest one."""
  results = [record.entire(name) for name, found in record.exposed.items() if found]
  results = [result for result in results if result is not None]
  return max(results, key=attack_verdict.strict_rank).attack if results else None


def pictures(record: AttackRecord, images: Images | None = None) -> dict[str, Figure]:
  """Returns the pictures of one attack; what there is no data for is left out.

  Args:
    record: the attack.
    images: among them those of the most exposed members; None leaves them out.

  Returns:
    Name -> Figure; the names are roc, anytime, scores and exposed.

  Raises:
    UsageError: the scores are damaged.
  """
  texts = {
    'title': f'{record.dataset} · {record.model} · {len(record.shadows)} shadow models',
    'subtitle': f'{record.run}, epoch {record.epoch}',
  }
  figures = run_pictures([record], **texts)
  scored = _scored([record])
  if scored:
    figures['scores'] = attack_plots.scores_figure(scored, **texts)
  attack = _exposing(record)
  if images is not None and attack is not None:
    exposed = record.exposed[attack]
    where = {int(example): place for place, example in enumerate(images.ids)}
    figures['exposed'] = attack_plots.exposed_figure(
      images.images[[where[each.id] for each in exposed]],
      exposed,
      record.class_names,
      title=f'{texts["title"]} · {attack}',
      subtitle=f'{texts["subtitle"]}; p is what the model gives the class',
    )
  return figures


def run_pictures(
  records: Sequence[AttackRecord], *, title: str, subtitle: str
) -> dict[str, Figure]:
  """Returns the pictures of all attacks on one run: roc and anytime."""
  figures = {}
  texts = {'title': title, 'subtitle': subtitle}
  scored = _scored(records)
  if scored:
    figures['roc'] = attack_plots.roc_figure(scored, **texts)
  curves = {
    name: record.anytime[result.attack]
    for name, record, result in named_results(records)
    if record.anytime.get(result.attack)
  }
  if curves:
    figures['anytime'] = attack_plots.anytime_figure(curves, **texts)
  return figures


def _scored(records: Sequence[AttackRecord]) -> list[attack_plots.Scored]:
  """Returns the attacks whose scores were kept."""
  reports = {record.label: record.report() for record in records}
  found = []
  for name, record, result in named_results(records):
    report = reports[record.label]
    if report is not None:
      scores = report.slice_scores(result)
      found.append(
        attack_plots.Scored(
          name=name,
          members=scores.members,
          nonmembers=scores.nonmembers,
          transfer=result.transfer or (),
        )
      )
  return found


def write(
  record: AttackRecord, folder: RunFiles, images: Images | None = None
) -> list[pathlib.Path]:
  """Writes the attack's page, tables and pictures and returns their paths.

  What an earlier attack has left of these in the folder and this one has not is
  removed: it would be taken for this one's.

  Args:
    record: the attack.
    folder: of the attack; its scores are read from there.
    images: see `pictures`.

  Raises:
    UsageError: the scores are damaged.
  """
  record = dataclasses.replace(record, folder=folder)
  figures = pictures(record, images)
  frames = {file: make(record) for file, make in _DETAILS.items()}
  contents = {
    file: tables.to_csv(frame).encode()
    for file, frame in frames.items()
    if not frame.empty
  }
  contents |= {f'{name}.png': to_png(figure) for name, figure in figures.items()}
  shown = [f'![{CAPTIONS[name]}]({name}.png)\n' for name in figures]
  contents[PAGE] = '\n'.join([text(record), *shown]).encode()
  for name in [*_DETAILS, *(f'{name}.png' for name in CAPTIONS)]:
    if name not in contents:
      (folder.path / name).unlink(missing_ok=True)
  for name, content in contents.items():
    folder.write(name, content)
  return [folder.path / name for name in contents]
