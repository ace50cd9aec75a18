"""An attack on a finished run as one object, written and read; without TensorFlow.

`attack.json` is written last: where it is, the attack is finished.
"""

import contextlib
import dataclasses
import hashlib
import logging
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf.attack_config import ATTACKS, AttackConfig, FleetConfig
from rnn_tf.attacks import result_lines
from rnn_tf.attacks import results as attack_results
from rnn_tf.attacks.anytime import AnytimePoint
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.null_check import ANOTHER_MODEL, PERMUTED, NullCheck
from rnn_tf.attacks.results import ENTIRE, AttackResult, Report
from rnn_tf.attacks.shadow import ClassRow
from rnn_tf.config import NONMEMBERS
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from rnn_tf.typed_json import read_typed

LOG = logging.getLogger('rnn_tf')

FORMAT = 1

FOLDER = 'attacks'
"""The folder, in a run's, of the attacks on it."""

FILE = 'attack.json'

SCORES = 'scores.npz'

CALLS = ('member', 'non-member', 'accuracy', 'macro avg', 'weighted avg')
"""Rows of a classification report."""

_KINDS = (PERMUTED, ANOTHER_MODEL)

WEIGHTS = 'weights/final.weights.h5'
# A run has one of them: a network's, or a classical model's.
_WEIGHTS = (WEIGHTS, 'weights/final.skops')


def weights_checksum(run_path: pathlib.Path) -> str | None:
  """Returns what tells a run's weights from other ones; None where it keeps none."""
  for name in _WEIGHTS:
    with contextlib.suppress(OSError), open(run_path / name, 'rb') as file:
      return hashlib.file_digest(file, 'sha256').hexdigest()[:16]
  return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetInfo:
  """The model under attack.

  Attributes:
    weights: what `weights_checksum` gave when it was attacked.
    train_accuracy: share of its training examples that it classifies correctly.
    test_accuracy: share of the test images.
    train_size: examples that it was trained on.
    n_members: of these, attacked.
    n_nonmembers: other examples attacked.
    nonmembers: `test` or `holdout`, see `config.DataConfig`.
  """

  weights: str
  train_accuracy: float
  test_accuracy: float
  train_size: int
  n_members: int
  n_nonmembers: int
  nonmembers: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShadowSummary:
  """One shadow model; `model` is its number in the fleet, `seconds` its training's."""

  model: int
  train_size: int
  train_accuracy: float
  test_accuracy: float
  seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AttackRecord:
  """What an attack on a run has found.

  Attributes:
    label: the name of the attack's folder.
    run: the run's name.
    command: the command line that made it.
    dataset: TFDS name.
    model: the model's label.
    class_names: (classes,) in the order of the labels.
    epoch: epochs that the target was trained for.
    fleet: the shadow models; the split is resolved.
    attack: how they were used.
    fleet_name: the name of the fleet's folder.
    target: the model under attack.
    shadows: one a shadow model, in the order of the fleet.
    results: one an attack and slice, skipped ones among them.
    classes: the attack models of the shadow attack; empty without it.
    classification: row out of `CALLS` -> precision, recall, f1-score and support of
      the shadow attack's calls; None without it.
    null_checks: attacks where there is nothing to find; empty if not asked for.
    anytime: attack -> how strong it is with fewer shadow models.
    exposed: attack -> the members with the highest scores.
    folder: where the attack lies; None for one that was not read.
  """

  label: str
  run: str
  command: str
  dataset: str
  model: str
  class_names: tuple[str, ...]
  epoch: int
  fleet: FleetConfig
  attack: AttackConfig
  fleet_name: str
  target: TargetInfo
  shadows: tuple[ShadowSummary, ...]
  results: tuple[AttackResult, ...]
  classes: tuple[ClassRow, ...] = ()
  classification: Mapping[str, Mapping[str, float]] | None = None
  null_checks: tuple[NullCheck, ...] = ()
  anytime: Mapping[str, tuple[AnytimePoint, ...]] = dataclasses.field(
    default_factory=dict
  )
  exposed: Mapping[str, tuple[Exposed, ...]] = dataclasses.field(default_factory=dict)
  folder: RunFiles | None = None

  @property
  def attacks(self) -> tuple[str, ...]:
    """Names of the attacks, in the order in which they were asked for."""
    return tuple(dict.fromkeys(result.attack for result in self.results))

  def entire(self, attack: str) -> AttackResult | None:
    """Returns an attack's result on all examples; None where it was skipped."""
    for result in self.results:
      if result.attack == attack and result.slice == ENTIRE:
        return None if result.skipped else result
    return None

  def variant(self, attack: str) -> str:
    """Returns an attack's settings, such as `fc-posteriors`; '' if there are none."""
    config = self.attack
    if attack == 'shadow':
      return config.label()
    if attack.startswith('lira'):
      fixed = config.fixed_variance(self.fleet.num_shadows)
      return 'fixed variance' if fixed else 'per-example variance'
    default = AttackConfig()
    parts = []
    if attack.startswith('rmia') and config.rmia_gamma != default.rmia_gamma:
      parts.append(f'gamma {config.rmia_gamma:g}')
    if attack == 'rmia_offline' and config.rmia_offline_a != default.rmia_offline_a:
      parts.append(f'a {config.rmia_offline_a:g}')
    return ', '.join(parts)

  def report(self) -> Report | None:
    """Returns the results with the scores behind them; None where none were kept.

    Raises:
      UsageError: the scores are damaged, or not those of the results.
    """
    if self.folder is None or not (self.folder.path / SCORES).exists():
      return None
    arrays = self.folder.read_npz(SCORES)
    try:
      attack_results.check_arrays(arrays)
      report = attack_results.report_from_arrays(self.results, arrays)
      for result in self.results:
        if not result.skipped:
          _check_scores(report, result)
    except (KeyError, ValueError) as error:
      raise UsageError(
        f'{self.folder}/{SCORES} is damaged: {error}: make the attack again with '
        '--overwrite'
      ) from error
    return report


def _check_scores(report: Report, result: AttackResult) -> None:
  scores = report.slice_scores(result)
  for side in ('members', 'nonmembers'):
    values, count = getattr(scores, side), getattr(result, f'n_{side}')
    if values.shape != (count,) or not np.isfinite(values).all():
      raise ValueError(
        f'{result.attack} on {result.slice} has not {count} finite scores of {side}'
      )


def write(folder: RunFiles, record: AttackRecord) -> None:
  """Writes `privacy.jsonl` and then `attack.json`; scores are the caller's to write.

  Args:
    folder: of the attack, its name the record's label.
    record: a NaN where a value may be missing is written as missing.

  Raises:
    ValueError: the record holds what could not be read again.
  """
  values = {'format': FORMAT}
  values |= {name: _plain(getattr(record, name)) for name in _stored()}
  lines = [result.to_json() for result in record.results]
  _build(folder, values, lines)
  folder.write_lines(lines)
  folder.write_json(FILE, values)


def load(path: str | os.PathLike) -> AttackRecord:
  """Reads the folder of an attack.

  Raises:
    UsageError: there is no finished attack in it, or one that another version wrote
      or a hand changed.
  """
  folder = RunFiles(path)
  if not (folder.path / FILE).is_file():
    raise UsageError(
      f'{folder}: has no {FILE}: not an attack, or an unfinished one: start its '
      'command again'
    )
  values = folder.read_json(FILE)
  try:
    return _build(folder, values, folder.read_lines())
  except (ValueError, UsageError) as error:
    raise UsageError(
      f'{folder}: its {FILE} or privacy.jsonl is damaged, edited or of another version '
      f'of rnn_tf ({error}): make the attack again with --overwrite'
    ) from error


def load_all(run_folder: str | os.PathLike | RunFiles) -> tuple[AttackRecord, ...]:
  """Reads all finished attacks on a run, sorted by label.

  Unfinished ones are passed over with a warning.

  Raises:
    UsageError: see `load`.
  """
  place = run_folder.path if isinstance(run_folder, RunFiles) else run_folder
  records = []
  for path in sorted(pathlib.Path(place).glob(f'{FOLDER}/*')):
    if (path / FILE).is_file():
      records.append(load(path))
    elif path.is_dir():
      LOG.warning('%s: passed over: unfinished, it has no %s', path, FILE)
  return tuple(sorted(records, key=lambda record: record.label))


def _stored() -> list[str]:
  """Names of the fields that `attack.json` holds."""
  names = (field.name for field in dataclasses.fields(AttackRecord))
  return [name for name in names if name not in ('results', 'folder')]


def _plain(value: Any) -> Any:
  """Returns plain JSON values; NaN becomes None."""
  if dataclasses.is_dataclass(value):
    value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
  if isinstance(value, Mapping):
    return {name: _plain(item) for name, item in value.items()}
  if isinstance(value, (tuple, list)):
    return [_plain(item) for item in value]
  if isinstance(value, np.generic):
    value = value.item()
  return None if isinstance(value, float) and math.isnan(value) else value


def _build(
  folder: RunFiles, values: Any, lines: Sequence[Mapping[str, Any]]
) -> AttackRecord:
  """Rebuilds a record; raises ValueError or UsageError where it cannot be one."""
  if not isinstance(values, dict) or values.get('format') != FORMAT:
    raise ValueError(f'{FILE} is not of format {FORMAT}')
  missing = [name for name in _stored() if name not in values]
  if missing:
    raise ValueError(f'{FILE} has no {missing[0]}')
  results = [
    result_lines.read(line, where=f'privacy.jsonl, line {number}')
    for number, line in enumerate(lines, start=1)
  ]
  fields = {name: value for name, value in values.items() if name != 'format'}
  record = read_typed(
    AttackRecord, {**fields, 'results': []}, where=FILE, allows=result_lines.allows
  )
  record = dataclasses.replace(record, results=tuple(results), folder=folder)
  _check(record)
  return record


def _check(record: AttackRecord) -> None:
  """Raises ValueError unless the parts of a record can be of one attack."""
  seen = set()
  for result in record.results:
    what = f'{result.attack} on {result.slice}'
    if (result.attack, result.slice) in seen:
      raise ValueError(f'privacy.jsonl has {what} twice')
    seen.add((result.attack, result.slice))
    if result.epoch != record.epoch:
      raise ValueError(f'{what} is of epoch {result.epoch}, not {record.epoch}')
  checks = [
    ('label', record.label, [record.folder.path.resolve().name]),
    ('nonmembers', record.target.nonmembers, NONMEMBERS),
    *(('attack', result.attack, ATTACKS) for result in record.results),
    *(('anytime', attack, record.attacks) for attack in record.anytime),
    *(('exposed', attack, record.attacks) for attack in record.exposed),
    *(('null check', check.attack, record.attacks) for check in record.null_checks),
    *(('null check', check.kind, _KINDS) for check in record.null_checks),
  ]
  if record.classification is not None:
    checks.append(('classification', sorted(record.classification), [sorted(CALLS)]))
  for name, value, allowed in checks:
    if value not in allowed:
      raise ValueError(f'{name}: {value!r} is none of {", ".join(map(str, allowed))}')
  for attack, points in record.anytime.items():
    for point in points:
      result_lines.check_rates(point.tpr_at_fpr, where=f'anytime, {attack}')
  exposed = [each for members in record.exposed.values() for each in members]
  for row in (*record.classes, *exposed):
    if row.label >= len(record.class_names):
      raise ValueError(
        f'label {row.label} is none of {len(record.class_names)} classes'
      )
