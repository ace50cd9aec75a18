"""A fleet's folder: what its shadows said, and everything that made it.

`fleet.json` holds the key; each shadow has a `shadow-0000.npz` with its outputs and,
written after it, a `shadow-0000.json` with its checksum. What does not match is never
used: another key is refused, a damaged shadow is trained again.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import untrusted
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.errors import UsageError
from rnn_tf.fleets.outputs import StoredArray, StoredOutputs
from rnn_tf.fleets.plan import FleetPlan
from rnn_tf.fleets.trainer import Trained, array_name
from rnn_tf.run_files import RunFiles, differences
from rnn_tf.run_places import check_writable, lock

FORMAT = 1

FILE = 'fleet.json'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShadowInfo:
  """What is known of a trained shadow without reading its outputs.

  Attributes:
    model: its number in the fleet.
    seed: of its training.
    members: checksum of its row of the membership matrix.
    sha256: of its npz file.
    train_accuracy: epoch -> on its own examples.
    test_accuracy: epoch -> on the population.
    seconds: its training and predictions took.
  """

  model: int
  seed: int
  members: str
  sha256: str
  train_accuracy: Mapping[int, float]
  test_accuracy: Mapping[int, float]
  seconds: float


class FleetFolder(RunFiles):
  """The folder of one fleet."""

  def __init__(self, path: str | os.PathLike):
    super().__init__(path)
    self._verified: set[int] = set()

  def check(self, plan: FleetPlan) -> None:
    """Makes sure that the fleet may be kept here, without writing anything.

    Raises:
      UsageError: the folder cannot be written to, holds something else, or a fleet
        made otherwise.
    """
    check_writable(self.path, name=f'--fleet_dir={self}')
    if not self.path.exists():
      return
    if not (self.path / FILE).is_file():
      names = os.listdir(self.path)
      if any(name != '.lock' and not name.endswith('.tmp') for name in names):
        raise UsageError(
          f'--fleet_dir={self}: holds something else than a fleet (no {FILE}): name '
          'an empty or a new folder'
        )
      return
    stored = self._manifest()
    lines = differences(stored['key'], plan.key)
    if lines:
      raise UsageError(
        f'--fleet_dir={self}: its shadow models were made otherwise '
        f'({"; ".join(lines)}): name another --fleet_dir, or delete this one'
      )
    missing = sorted(set(plan.epochs) - set(stored['epochs']))
    if missing:
      raise UsageError(
        f'--fleet_dir={self}: its shadow models kept their outputs of the epochs '
        f'{_listed(stored["epochs"])}, not of {_listed(missing)}: name another '
        '--fleet_dir, or delete this one'
      )
    if plan.hidden and not stored['hidden']:
      raise UsageError(
        f'--fleet_dir={self}: its shadow models did not keep hidden states, which '
        '--attack_features=hidden needs: name another --fleet_dir, or delete this one'
      )

  def _manifest(self) -> dict[str, Any]:
    try:
      stored = untrusted.read_json(self.path / FILE)
      if stored['format'] != FORMAT:
        raise UsageError(
          f'--fleet_dir={self}: was made by another version of rnn_tf (format '
          f'{stored["format"]}): name another, or delete this one'
        )
      fine = (
        isinstance(stored['key'], dict)
        and isinstance(stored['hidden'], bool)
        and all(isinstance(epoch, int) for epoch in stored['epochs'])
      )
      if not fine:
        raise ValueError('a value is of another kind')
    except (OSError, KeyError, TypeError, ValueError) as error:
      raise UsageError(
        f'--fleet_dir={self}: its {FILE} is damaged ({error}): name another, or delete '
        'this one'
      ) from error
    return stored

  @contextlib.contextmanager
  def open(self, plan: FleetPlan) -> Iterator[FleetPlan]:
    """Holds the folder's lock and yields the plan that its shadows follow.

    A fleet that is there already keeps what it kept before, if that is more.

    Raises:
      UsageError: see `check`; or another process is training this fleet.
    """
    # Somebody else's folder does not even get a lock.
    self.check(plan)
    with lock(
      self.path,
      name=f'--fleet_dir={self}',
      busy='another process is training these shadow models: wait for it, or name '
      'another folder',
    ):
      self.check(plan)
      for leftover in self.path.glob('.*.tmp'):
        leftover.unlink()
      if not (self.path / FILE).exists():
        self._write_manifest(plan)
      stored = self._manifest()
      yield dataclasses.replace(
        plan, epochs=tuple(stored['epochs']), hidden=stored['hidden']
      )

  def _write_manifest(self, plan: FleetPlan) -> None:
    self.write_json(
      FILE,
      {
        'format': FORMAT,
        'epochs': list(plan.epochs),
        'hidden': plan.hidden,
        'key': plan.key,
      },
    )

  def write_shadow(self, plan: FleetPlan, model: int, trained: Trained) -> None:
    """Keeps a shadow; only the owner may read it."""
    buffer = io.BytesIO()
    # Not compressed: logits hardly shrink, and are read at every report.
    np.savez(buffer, **trained.arrays)
    content = buffer.getvalue()
    path = self._npz(model)
    self.write(path.name, content)
    info = ShadowInfo(
      model=model,
      seed=plan.seeds[model],
      members=_checksum(plan.members[model]),
      sha256=hashlib.sha256(content).hexdigest(),
      train_accuracy=trained.train_accuracy,
      test_accuracy=trained.test_accuracy,
      seconds=trained.seconds,
    )
    self.write_json(path.with_suffix('.json').name, dataclasses.asdict(info))
    self._verified.add(model)

  def info(self, plan: FleetPlan, model: int) -> ShadowInfo | None:
    """Returns what is known of a shadow; None where it is to be trained yet.

    Raises:
      ValueError: what is there is damaged.
    """
    path = self._npz(model)
    if not path.with_suffix('.json').exists():
      return None
    try:
      values = untrusted.read_json(path.with_suffix('.json'))
      for name in ('train_accuracy', 'test_accuracy'):
        values[name] = {int(epoch): float(v) for epoch, v in values[name].items()}
      info = ShadowInfo(**{**values, 'seconds': float(values['seconds'])})
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
      raise ValueError(f'{path.with_suffix(".json").name}: {error}') from error
    # The matrix follows from its seed: what was trained on another row is no shadow.
    expected = model, plan.seeds[model], _checksum(plan.members[model])
    if (info.model, info.seed, info.members) != expected:
      raise ValueError(f'{path.stem}: is of other examples')
    if not set(plan.epochs) <= set(info.train_accuracy) & set(info.test_accuracy):
      raise ValueError(f'{path.stem}: lacks an epoch')
    if model not in self._verified:
      self._verify(plan, info)
      self._verified.add(model)
    return info

  def _verify(self, plan: FleetPlan, info: ShadowInfo) -> None:
    """Raises ValueError unless a shadow's outputs are those that its info tells of."""
    path = self._npz(info.model)
    try:
      with open(path, 'rb') as file:
        found = hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
      raise ValueError(f'{path.name}: {error.strerror}') from error
    if found != info.sha256:
      raise ValueError(f'{path.name}: does not have its checksum')
    for epoch in plan.epochs:
      stored = self._stored(plan, info.model, epoch=epoch)
      pool, population = (each.open() for each in stored[:2])
      own = plan.members[info.model]
      accuracies = (
        float((pool.argmax(axis=1) == plan.pool.labels)[own].mean()),
        float((population.argmax(axis=1) == plan.population.labels).mean()),
      )
      if accuracies != (info.train_accuracy[epoch], info.test_accuracy[epoch]):
        raise ValueError(f'{path.stem}.json: accuracies that its outputs do not have')

  def load(self, plan: FleetPlan, *, epoch: int) -> Shadows:
    """Returns what all shadows of a plan said at an epoch.

    Raises:
      UsageError: one is missing or damaged.
    """
    models = range(len(plan.members))
    try:
      infos = [self._sure_info(plan, model) for model in models]
      found = [self._stored(plan, model, epoch=epoch) for model in models]
    except ValueError as error:
      raise UsageError(
        f'--fleet_dir={self}: {error}: start the command again, which trains it anew'
      ) from error
    # Not read yet: all logits of a large fleet together may not fit into memory.
    pool, population, *hidden = map(StoredOutputs, zip(*found, strict=True))
    return Shadows(
      ids=plan.pool.ids,
      labels=plan.pool.labels,
      usable=plan.usable,
      members=plan.members,
      logits=pool,
      hidden=hidden[0] if hidden else None,
      population_labels=plan.population.labels,
      population_logits=population,
      train_accuracy=np.array([info.train_accuracy[epoch] for info in infos]),
      test_accuracy=np.array([info.test_accuracy[epoch] for info in infos]),
    )

  def _sure_info(self, plan: FleetPlan, model: int) -> ShadowInfo:
    info = self.info(plan, model)
    if info is None:
      raise ValueError(f'shadow-{model:04d}: is missing')
    return info

  def _stored(
    self, plan: FleetPlan, model: int, *, epoch: int
  ) -> tuple[StoredArray, ...]:
    """Returns a shadow's `pool`, `population` and, of a plan with it, `hidden`."""
    n, z, classes = len(plan.pool), len(plan.population), plan.class_count
    path = self._npz(model)
    try:
      found = tuple(
        StoredArray.find(path, array_name(epoch, what))
        for what in ('pool', 'population', *['hidden'] * plan.hidden)
      )
    except Exception as error:  # zipfile, struct and NumPy each raise their own.
      raise ValueError(f'{path.name}: {error}') from error
    pool, population = found[:2]
    if pool.shape != (n, classes) or population.shape != (z, classes):
      raise ValueError(f'{path.name}: shapes {pool.shape} and {population.shape}')
    return found

  def _npz(self, model: int) -> pathlib.Path:
    return self.path / f'shadow-{model:04d}.npz'


def _checksum(row: np.ndarray) -> str:
  return hashlib.sha256(np.packbits(row).tobytes()).hexdigest()[:16]


def _listed(epochs: Sequence[int]) -> str:
  return ', '.join(map(str, epochs))
