"""Shadow models read back, without the data set and without TensorFlow.

They lie outside of a run's folder: where they are gone, what they have said of the run
cannot be computed anew.
"""

import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import untrusted
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.config import RunConfig, to_json
from rnn_tf.fleets import membership
from rnn_tf.run_files import RunFiles
from rnn_tf.verification.checks import MissingError, folder_name
from rnn_tf.verification.ids import POOL, TEST, Examples, Labels

FOLDER, FILE = 'fleets', 'fleet.json'

_FLAG = re.compile(r'--(?:fleet_dir|shadow_fleet)[= ](\S+)')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fleet:
  """Shadow models.

  Attributes:
    shadows: what they said at the target's last epoch.
    seconds: that each took.
  """

  shadows: Shadows
  seconds: tuple[float, ...]


def find(run: RunFiles, name: str, *, command: str) -> RunFiles:
  """Returns the folder of a fleet, where a command has put or found it.

  Args:
    run: the run's folder.
    name: of the fleet's folder.
    command: the command line that used it. It is taken from a file that anybody may
      have written: what it names is followed only below the current folder and below
      the one that the folder of runs is in.

  Raises:
    MissingError: it is not there any more, or nowhere where it may be looked for.
  """
  folder_name(name)
  beside = run.path.resolve().parent.parent
  places = [pathlib.Path(FOLDER) / name, beside / FOLDER / name]
  named, elsewhere = _FLAG.search(command), ''
  if named:
    place = pathlib.Path(named[1])
    if _may_be_read(place, name, (pathlib.Path.cwd(), beside)):
      places.insert(0, place)
    else:
      elsewhere = ', and elsewhere they are not looked for'
  for place in places:
    if (place / FILE).is_file():
      return RunFiles(place)
  raise MissingError(f'the shadow models ({FOLDER}/{name}) are not there{elsewhere}')


def _may_be_read(place: pathlib.Path, name: str, roots: Sequence[pathlib.Path]) -> bool:
  """Returns whether a place has a name and lies below one of some folders."""
  try:
    path = place.resolve()
  except (OSError, RuntimeError, ValueError):  # Too long, a loop, or a NUL in it.
    return False
  # All lies below the root of the file system: it allows nothing.
  inside = any(
    path.is_relative_to(root) for root in roots if root != pathlib.Path(root.anchor)
  )
  return inside and path.name == name


def load(
  fleet: RunFiles,
  config: RunConfig,
  examples: Examples,
  *,
  labels: Labels,
  count: int,
  class_count: int,
) -> Fleet:
  """Returns what shadow models said at the target's last epoch.

  Labels of the population that the run's files do not tell are below 0.

  Args:
    fleet: their folder.
    config: the target's.
    examples: the target's.
    labels: of these.
    count: shadow models, the first ones of the folder.
    class_count: classes of the data set.

  Raises:
    MissingError: they are not the target's, or one is missing or damaged.
  """
  epoch, pool = config.training.epochs, examples.pool
  try:
    key = _key(fleet, config)
    members = _members(key, examples, count=count)
    train, test, seconds = _told(fleet, members, epoch)
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise MissingError(f'{fleet}: cannot be used ({error})') from error
  known = labels.of_ids(POOL, pool)
  if (known < 0).any():
    raise MissingError('the labels of the training pool are not all kept')
  logits, others = _all_outputs(
    fleet, epoch, count=count, shape=(len(pool), class_count)
  )
  shadows = Shadows(
    ids=pool,
    labels=known,
    usable=_usable(key, examples),
    members=members,
    logits=logits,
    hidden=None,
    population_labels=labels.of_ids(TEST, examples.test),
    population_logits=others,
    train_accuracy=train,
    test_accuracy=test,
  )
  return Fleet(shadows=shadows, seconds=seconds)


def _key(fleet: RunFiles, config: RunConfig) -> Mapping[str, Any]:
  """Returns what decides a fleet's memberships.

  Raises:
    ValueError: the shadow models were not made as the target was.
  """
  key = untrusted.read_json(fleet.path / FILE)['key']
  training = to_json(config.training)
  del training['seed']
  for name, value in (('model', to_json(config.model)), ('training', training)):
    if key[name] != json.loads(json.dumps(value)):
      raise ValueError(f'another {name} than that of the run')
  if key['data']['dataset'] != config.data.dataset:
    raise ValueError('another data set than that of the run')
  return key['members']


def _usable(key: Mapping[str, Any], examples: Examples) -> np.ndarray:
  if key['shadow_split'] == 'disjoint':
    return ~np.isin(examples.pool, examples.train)
  return np.ones(len(examples.pool), bool)


def _members(key: Mapping[str, Any], examples: Examples, *, count: int) -> np.ndarray:
  """Returns the membership matrix that follows from a fleet's seed."""
  usable, seed = _usable(key, examples), int(key['shadow_seed'])
  if key['shadow_split'] == 'half':
    return membership.half(count, len(usable), seed=seed)
  size = int(key['shadow_train_size'])
  return membership.disjoint(count, usable, train_size=size, seed=seed)


def _told(
  fleet: RunFiles, members: np.ndarray, epoch: int
) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
  """Returns the shadows' accuracies on their own and on the population, and seconds.

  Raises:
    OSError, KeyError, TypeError, ValueError: a file is missing, damaged or another.
  """
  rows = [_shadow(fleet, number, row) for number, row in enumerate(members)]
  train, test = (
    np.array([float(row[name][str(epoch)]) for row in rows])
    for name in ('train_accuracy', 'test_accuracy')
  )
  return train, test, tuple(float(row['seconds']) for row in rows)


def _shadow(fleet: RunFiles, number: int, row: np.ndarray) -> dict[str, Any]:
  """Reads what is known of a shadow; raises ValueError where its files are others."""
  name = f'shadow-{number:04d}'
  info = untrusted.read_json(fleet.path / f'{name}.json')
  with open(fleet.path / f'{name}.npz', 'rb') as file:
    found = hashlib.file_digest(file, 'sha256').hexdigest()
  if found != info['sha256']:
    raise ValueError(f'{name}.npz does not have its checksum')
  packed = hashlib.sha256(np.packbits(row).tobytes()).hexdigest()[:16]
  if packed != info['members']:
    raise ValueError(f'{name} is of other examples')
  return info


def _all_outputs(
  fleet: RunFiles, epoch: int, *, count: int, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Returns all logits on the pool and on the population, (count, n, classes) each.

  Raises:
    MissingError: they are damaged, not of `shape` on the pool, or of several shapes
      on the population.
  """
  outputs = [_outputs(fleet, number, epoch) for number in range(count)]
  shapes, others = (
    {each.shape for each in side} for side in zip(*outputs, strict=True)
  )
  if shapes != {shape} or len(others) > 1:
    raise MissingError(f'{fleet}: cannot be used (outputs of other examples)')
  pool, population = (np.stack(side) for side in zip(*outputs, strict=True))
  return pool, population


def _outputs(fleet: RunFiles, number: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns a shadow's logits on the pool and on the population."""
  name = f'shadow-{number:04d}.npz'
  try:
    file = untrusted.read_npz(fleet.path / name)
    return tuple(
      untrusted.check_logits(file[f'epoch-{epoch:04d}/{name}'])
      for name in ('pool', 'population')
    )
  except (OSError, KeyError, ValueError) as error:
    raise MissingError(f'{fleet}/{name}: {error}') from error
