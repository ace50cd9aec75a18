"""The page of a run: all that its folder holds, for a reader.

The same folder gives the same page, byte for byte: that is how it is verified.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import rnn_tf
from rnn_tf import (
  attack_blocks,
  attack_records,
  attack_section,
  deletion_blocks,
  deletion_records,
  epoch_charts,
  run_blocks,
  run_charts,
  run_images,
  run_verdict,
  stopping,
)
from rnn_tf import config as configs
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks import exposure
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.results import ENTIRE, signals_from_arrays
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.errors import UsageError
from rnn_tf.page import blocks, figures
from rnn_tf.page.render import render
from rnn_tf.records import RunRecord, load_run
from rnn_tf.run_lines import plain
from rnn_tf.runs import RunFolder

LOG = logging.getLogger('rnn_tf')

PAGE = 'report.html'

MAX_ADVANTAGE = 0.1
"""The advantage that the recommended epoch stays under, where nobody says."""

EXPOSED = 12
"""Most exposed members that are listed."""

MOST_AUDITS = 4
"""Audits of deletions that are shown in full; more would make the page too large."""


def write(folder: RunFolder, *, max_advantage: float | None = None) -> pathlib.Path:
  """Writes the run's page anew and returns its path.

  Args:
    folder: the run's.
    max_advantage: see `stopping.recommend`; None takes what the page that is there was
      made with, else `MAX_ADVANTAGE`.

  Raises:
    UsageError: the run's files are damaged, or cannot be written.
  """
  if max_advantage is None:
    max_advantage = _earlier(folder)
  text = make(folder, max_advantage=max_advantage)
  try:
    folder.write(PAGE, text.encode())
  except OSError as error:
    raise UsageError(
      f'{folder}/{PAGE} cannot be written ({error.strerror}): the results are kept; '
      f'make room, then python -m rnn_tf.report --run={folder}'
    ) from error
  return folder.path / PAGE


def _earlier(folder: RunFolder) -> float:
  """Returns what the page that is there was made with."""
  try:
    return limit_of(figures.read((folder.path / PAGE).read_text(encoding='utf-8')))
  except (OSError, UnicodeDecodeError, UsageError):
    return MAX_ADVANTAGE


def limit_of(page: figures.PageFigures) -> float:
  """Returns the `max_advantage` that a page was made with."""
  value = page.settings.get('max_advantage')
  if isinstance(value, int | float) and 0 < value <= 1:
    return float(value)
  return MAX_ADVANTAGE


def make(folder: RunFolder, *, max_advantage: float) -> str:
  """Returns the page that the run's folder amounts to.

  Args:
    folder: the run's.
    max_advantage: see `stopping.recommend`.

  Raises:
    UsageError: the run's files are damaged.
  """
  record = load_run(folder.path)
  parts = parts_of(record)
  return render(page(record, parts, max_advantage=max_advantage))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
  """What other commands have left in a run's folder.

  Attributes:
    attacks: with shadow models, on the run.
    deletions: audits of deletions from it.
    images: id -> (height, width, channels) uint8 of members that may be shown.
    unread: a line for each that cannot be shown, with the reason.
  """

  attacks: tuple[AttackRecord, ...] = ()
  deletions: tuple[DeletionRecord, ...] = ()
  images: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)
  unread: tuple[str, ...] = ()


def parts_of(record: RunRecord) -> Parts:
  """Reads what is in a run's folder; what is damaged is passed over and said."""
  kinds = (
    (attack_records.FOLDER, attack_records.FILE, attack_records.load),
    (deletion_records.FOLDER, deletion_records.FILE, deletion_records.load),
  )
  found, unread = {}, []
  for name, file, load in kinds:
    found[name] = []
    for path in sorted(record.folder.path.glob(f'{name}/*/{file}')):
      try:
        part = load(path.parent)
        if name == attack_records.FOLDER:
          part = attack_section.attack_on(record, part)
        found[name].append(part)
      except UsageError as error:
        LOG.warning('passed over: %s', error)
        unread.append(str(error).replace(f'{record.folder}/', ''))
  attacks = tuple(found[attack_records.FOLDER])
  images = dict(run_images.load(record.folder))
  for attack in attacks:
    images |= run_images.load(attack.folder)
  return Parts(
    attacks=attacks,
    deletions=tuple(found[deletion_records.FOLDER]),
    images=images,
    unread=tuple(unread),
  )


def page(record: RunRecord, parts: Parts, *, max_advantage: float) -> blocks.Page:
  """Returns the page of a run.

  Args:
    record: the run.
    parts: what else there is.
    max_advantage: see `stopping.recommend`.
  """
  advice = stopping.recommend(record, max_advantage=max_advantage)
  points = [
    *([advice.text] if record.results else []),
    *deletion_blocks.headline(parts.deletions),
    *(f'Not shown: {line}' for line in parts.unread),
    *_folded(parts),
  ]
  sections = [
    *_training(record, advice),
    *_exposed(record, parts.images),
    *attack_blocks.sections(parts.attacks, base='', images=parts.images or None),
    *deletion_blocks.sections(parts.deletions[:MOST_AUDITS], base=''),
    _made(record, parts),
  ]
  return blocks.Page(
    title=f'{record.name}: what it gives away',
    subtitle=f'{record.config.model.label()}, {record.parameters:,} parameters, on '
    f'{record.data.name} {record.data.version}: {run_blocks.sizes(record)}',
    verdict=run_verdict.verdict(record, parts.attacks, points=points),
    sections=tuple(sections),
    settings={'kind': 'run', 'max_advantage': max_advantage},
    version=rnn_tf.__version__,
  )


def _folded(parts: Parts) -> list[str]:
  """Names the audits that the page has no room for."""
  return [
    f'Audit {plain(audit.label)}: in full in `deletions/{audit.label}/report.md`.'
    for audit in parts.deletions[MOST_AUDITS:]
  ]


def most_exposed(record: RunRecord) -> tuple[str | None, tuple[Exposed, ...]]:
  """Returns the strongest attack of the last report, and whom it finds most easily.

  Returns:
    None and nobody, where there is no report whose scores were kept.
  """
  report = record.last_report()
  results = [r for r in record.last_results() if r.slice == ENTIRE and not r.skipped]
  if report is None or not results:
    return None, ()
  attack = max(results, key=lambda result: result.auc).attack
  arrays = record.score_arrays(results[0].epoch)
  found = exposure.most_exposed(
    report.scores[attack, ENTIRE], signals_from_arrays(arrays), count=EXPOSED
  )
  return attack, found


def _picture(record: RunRecord) -> Callable[[str], str | None]:
  """Returns what knows the path of each of the run's pictures, from its page."""

  def path(name: str) -> str | None:
    path = f'plots/{name}.png'
    return path if (record.folder.path / path).exists() else None

  return path


def _training(
  record: RunRecord, advice: stopping.Recommendation
) -> list[blocks.Section]:
  """Returns what was seen while the model was learning."""
  picture = _picture(record)
  leakage: list[blocks.Block | None] = [
    *epoch_charts.leakage_by_epoch([record], advice=[advice], picture=picture),
    run_charts.privacy_vs_utility([record], picture=picture),
    run_blocks.stopping_table([advice]) if record.results else None,
  ]
  attacks: list[blocks.Block | None] = [
    run_blocks.attack_table(record, name='report-attacks'),
    *run_charts.roc([record], picture=picture),
    run_blocks.class_heat_map([record], picture=picture),
  ]
  found = (
    ('leakage', 'What leaks, epoch by epoch', leakage),
    ('report', 'The attacks of the last report', attacks),
    (
      'learning',
      'Learning',
      list(epoch_charts.learning_curves([record], picture=picture)),
    ),
  )
  return [
    blocks.Section(name=name, title=title, blocks=tuple(filter(None, parts)))
    for name, title, parts in found
    if any(parts)
  ]


def _exposed(
  record: RunRecord, images: Mapping[int, np.ndarray]
) -> list[blocks.Section]:
  """Returns the members that the strongest attack of the last report finds first."""
  attack, found = most_exposed(record)
  if not found:
    return []
  names = record.data.class_names
  frame = pd.DataFrame(
    {
      'rank': [each.rank for each in found],
      'id': [each.id for each in found],
      'class': [names[each.label] for each in found],
      'score': [f'{each.score:.4g}' for each in found],
      'falsely accused before': [
        f'{each.false_positives:,} of {each.n_nonmembers:,} non-members'
        for each in found
      ],
      'probability of its class': [f'{each.probability:.4f}' for each in found],
    }
  )
  shown: list[blocks.Block] = [
    blocks.table(
      'report-exposed-table',
      frame,
      title=f'The {len(found)} members that {attack} finds first, after epoch '
      f'{record.results[-1].epoch}',
      csv=pd.DataFrame(map(dataclasses.asdict, found)).to_csv(index=False),
      note='Ids are positions in the training split of the data set. The attack would '
      'have to accuse so many non-members before it accuses this member.',
    )
  ]
  pictured = [each for each in found if each.id in images]
  if pictured:
    shown.append(
      blocks.Images(
        name='report-exposed-images',
        title='Their images',
        images=np.stack([images[each.id] for each in pictured]),
        captions=tuple(f'{each.id}: {names[each.label]}' for each in pictured),
        note='These are training data: mind who reads this page.',
      )
    )
  else:
    shown.append(
      blocks.Text(
        markdown='Their images are training data and are not kept: `--embed_images` '
        'of rnn_tf.train and rnn_tf.attack keeps and shows them.'
      )
    )
  return [
    blocks.Section(name='report-exposed', title='The most exposed', blocks=tuple(shown))
  ]


def _made(record: RunRecord, parts: Parts) -> blocks.Section:
  """Returns the commands, the config, the versions and the data."""
  stored = record.folder.record()
  found = (*parts.attacks, *parts.deletions)
  commands = dict.fromkeys([record.command, *(each.command for each in found)])
  flags = [
    {'group': group, 'flag': f'--{name}', 'value': _text(value)}
    for group, values in configs.to_json(record.config).items()
    for name, value in values.items()
  ]
  versions = [
    {'package': name, 'version': str(version)}
    for name, version in _pairs(stored.get('versions'))
  ]
  about = [{'what': 'seed', 'value': str(record.config.training.seed)}]
  about += [
    {'what': f'checksum of the {split} examples', 'value': str(value)}
    for split, value in record.data.checksums.items()
  ]
  tables = [
    blocks.table('config', pd.DataFrame(flags), title='Every flag'),
    blocks.table('data', pd.DataFrame(about), title='Seed and data'),
  ]
  if versions:
    tables.append(blocks.table('versions', pd.DataFrame(versions), title='Versions'))
  return blocks.Section(
    name='made',
    title='How this was made',
    blocks=(
      blocks.Code(title='Commands', text='\n'.join(commands)),
      blocks.Code(
        title='Does this page tell the truth? Recomputed from the stored scores:',
        text='python -m rnn_tf.report --verify --run=RUN',
      ),
      blocks.Details(title='Config, data and versions', blocks=tuple(tables)),
    ),
  )


def _pairs(value: Any) -> list[tuple[str, Any]]:
  return list(value.items()) if isinstance(value, dict) else []


def _text(value: Any) -> str:
  return ','.join(map(str, value)) if isinstance(value, list) else str(value)
