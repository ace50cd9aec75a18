"""The page of a run: all that its folder holds, for a reader.

The same folder gives the same page, byte for byte: that is how it is verified.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping

import numpy as np

import rnn_tf
from rnn_tf import (
  attack_records,
  attack_section,
  deletion_records,
  run_images,
  stopping,
)
from rnn_tf.attack_records import AttackRecord
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.errors import UsageError
from rnn_tf.page import blocks, figures
from rnn_tf.page.render import render
from rnn_tf.pages import (
  attack_blocks,
  deletion_blocks,
  disclosure,
  run_blocks,
  run_sections,
  run_verdict,
)
from rnn_tf.pages.run_lines import plain
from rnn_tf.records import RunRecord, load_run
from rnn_tf.runs import RunFolder
from rnn_tf.untrusted import read_text

LOG = logging.getLogger('rnn_tf')

PAGE = 'report.html'

MAX_ADVANTAGE = 0.1
"""The advantage that the recommended epoch stays under, where nobody says."""

_LAST_ONLY = (
  'Which epoch to stop at goes by the attacks that were made while training: those '
  'with shadow models below know the last epoch alone.'
)

_WITHOUT_IDS = (
  'No flag leaves the ids out; `python -m rnn_tf.report --runs=RUN --report_dir=DIR` '
  'makes a page of the same run that names no example.'
)
_WITHOUT_IMAGES = (
  '`--embed_images` asked for the images: without `exposed_images.npz` in the folder '
  'of the run, and in those in its `attacks/`, `python -m rnn_tf.report --run=RUN` '
  'writes the page without them.'
)

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
  record = load_run(folder.path)
  parts = parts_of(record)
  text = render(page(record, parts, max_advantage=max_advantage))
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
    return limit_of(figures.read(read_text(folder.path / PAGE)))
  except (OSError, ValueError, UsageError):
    return MAX_ADVANTAGE


def limit_of(page: figures.PageFigures) -> float:
  """Returns the `max_advantage` that a page was made with."""
  value = page.settings.get('max_advantage')
  if isinstance(value, int | float) and 0 < value <= 1:
    return float(value)
  return MAX_ADVANTAGE


def make(folder: RunFolder, *, max_advantage: float, name: str | None = None) -> str:
  """Returns the page that the run's folder amounts to.

  Args:
    folder: the run's.
    max_advantage: see `stopping.recommend`.
    name: that the run is shown under; None means its folder's.

  Raises:
    UsageError: the run's files are damaged.
  """
  record = load_run(folder.path)
  if name is not None:
    record = dataclasses.replace(record, name=name)
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
    *([advice.text] if record.results and not record.config.model.classical else []),
    *([_LAST_ONLY] if record.results and parts.attacks else []),
    *deletion_blocks.headline(parts.deletions),
    *(f'Not shown: {plain(line)}' for line in parts.unread),
    *_folded(parts),
  ]
  commands = [each.command for each in (*parts.attacks, *parts.deletions)]
  sections = [
    *run_sections.training(record, advice),
    *run_sections.exposed(record, parts.images),
    *attack_blocks.sections(parts.attacks, base='', images=parts.images or None),
    *deletion_blocks.sections(parts.deletions[:MOST_AUDITS], base=''),
    run_sections.made(record, commands),
  ]
  disclosed = disclosure.section(
    sections,
    examples='training examples',
    class_names=record.data.class_names,
    private=True,
    without_ids=_WITHOUT_IDS,
    without_images=_WITHOUT_IMAGES,
  )
  return blocks.Page(
    title=f'{record.name}: what it gives away',
    subtitle=f'{record.config.model.label()}, {record.parameters:,} parameters, on '
    f'{record.data.name} {record.data.version}: {run_blocks.sizes(record)}',
    verdict=run_verdict.verdict(record, parts.attacks, points=points),
    sections=(*sections, disclosed),
    settings={
      'kind': 'run',
      'run': record.name,
      'max_advantage': max_advantage,
    },
    version=rnn_tf.__version__,
  )


def _folded(parts: Parts) -> list[str]:
  """Names the audits that the page has no room for."""
  return [
    f'Audit {plain(audit.label)}: in full in `deletions/{audit.label}/report.md`.'
    for audit in parts.deletions[MOST_AUDITS:]
  ]
