"""A fleet before it is trained: which models, on which examples, named by all of it."""

import ast
import dataclasses
import hashlib
import json
import pathlib
import zlib
from importlib import metadata
from typing import Any

import numpy as np

from rnn_tf import classical
from rnn_tf.attack_config import DISJOINT_TRAIN_SIZE, FleetConfig
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.config import RunConfig, to_json
from rnn_tf.datasets import Data, Split
from rnn_tf.errors import UsageError
from rnn_tf.fleets import membership

VERSIONED = (
  'tensorflow',
  'tf-keras',
  'tensorflow-privacy',
  'dp-accounting',
  'numpy',
)
"""Packages whose versions may change a shadow's last digits, or more."""

VERSIONED_CLASSICAL = (
  'scikit-learn',
  'numpy',
)
"""The same for classical models."""

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent

_MAKERS = (
  'datasets.py',
  'dp',
  'engines.py',
  'fleets/membership.py',
  'fleets/stacked.py',
  'fleets/trainer.py',
  'kernels',
  'layers.py',
  'models.py',
  'prediction.py',
  'training.py',
)
"""The code that decides what a shadow says, below the package.

Examples, memberships and seeds have checksums of their own.
"""

_MAKERS_CLASSICAL = (
  'classical.py',
  'datasets.py',
  'fleets/classical.py',
  'fleets/membership.py',
  'fleets/trainer.py',
)
"""The same for classical models: neither kind is made anew when the other changes."""

NAMED_BY = ('data', 'members', 'model', 'training', 'privacy')
"""Parts of a fleet's key that its folder's name stands for."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FleetPlan:
  """Which shadows there are to be.

  Attributes:
    config: the target's; a shadow has the same but for its seed.
    fleet: resolved, see `FleetConfig.resolved`.
    pool: the whole training pool of the data set, (n,) rising ids.
    usable: (n,) bool, see `attacks.shadows.Shadows`.
    population: examples that no shadow is trained on.
    class_count: logits.
    train_size: examples that a shadow is trained on, at least.
    members: (num_shadows, n) bool, the membership matrix.
    seeds: one a shadow, of its training.
    epochs: rising, from 1, after which the outputs are wanted.
    hidden: whether the layer below the logits is wanted too.
    engine: who computes the gradients, see `engines`, or fits the models.
    key: everything that decides the outputs, as JSON values.
  """

  config: RunConfig
  fleet: FleetConfig
  pool: Split
  usable: np.ndarray
  population: Split
  class_count: int
  train_size: int
  members: np.ndarray
  seeds: tuple[int, ...]
  epochs: tuple[int, ...]
  hidden: bool
  engine: str
  key: dict[str, Any]

  def name(self) -> str:
    """Returns the name of the fleet's folder, of which the end is a checksum."""
    named = {part: self.key[part] for part in NAMED_BY}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    run = self.config.name().rpartition('-s')[0]
    return f'{run}-{self.fleet.shadow_split}-{digest[:8]}'

  def memberships(self) -> Shadows:
    """Returns the fleet as far as it is known before it is trained: no outputs."""
    none = np.zeros((len(self.members), 0, self.class_count), np.float32)
    unknown = np.full(len(self.members), np.nan)
    return Shadows(
      ids=self.pool.ids,
      labels=self.pool.labels,
      usable=self.usable,
      members=self.members,
      logits=none,
      hidden=None,
      population_labels=self.population.labels,
      population_logits=none,
      train_accuracy=unknown,
      test_accuracy=unknown,
    )

  def without_images(self) -> 'FleetPlan':
    """Returns the plan of a trained fleet, which holds the memory of no images."""
    pool, population = (
      dataclasses.replace(split, images=split.images[:0])
      for split in (self.pool, self.population)
    )
    return dataclasses.replace(self, pool=pool, population=population)

  def shadow_config(self, model: int) -> RunConfig:
    """Returns what a shadow is trained by."""
    training = dataclasses.replace(self.config.training, seed=self.seeds[model])
    return dataclasses.replace(self.config, training=training)


def plan(
  config: RunConfig,
  fleet: FleetConfig,
  *,
  data: Data,
  epochs: tuple[int, ...],
  hidden: bool,
  engine: str,
) -> FleetPlan:
  """Returns the fleet that attacks on a target need.

  Args:
    config: the target's.
    fleet: resolved.
    data: the target's.
    epochs: after which outputs are wanted.
    hidden: whether the layer below the logits is wanted too.
    engine: the target's.

  Raises:
    UsageError: too few examples are left for disjoint shadows, or for a batch.
  """
  pool, of_target = join(data.train, data.holdout)
  usable, train_size, members = _memberships(fleet, of_target)
  classic = config.model.classical
  if classic:
    classical.check_size(config.model, train_size, of='a shadow model')
  elif config.training.batch_size > train_size:
    raise UsageError(
      f'--batch_size={config.training.batch_size}: larger than the {train_size} '
      'examples of a shadow model: train a target with a smaller one'
    )
  return FleetPlan(
    config=config,
    fleet=fleet,
    pool=pool,
    usable=usable,
    population=data.test,
    class_count=len(data.class_names),
    train_size=train_size,
    members=members,
    seeds=tuple(membership.training_seeds(fleet.num_shadows, seed=fleet.shadow_seed)),
    epochs=tuple(epochs),
    hidden=hidden,
    engine=engine,
    key={
      **_named_key(config, fleet, data=data, train_size=train_size, usable=usable),
      'checksums': {'pool': pool.checksum(), 'population': data.test.checksum()},
      'engine': engine,
      'versions': {
        name: metadata.version(name)
        for name in (VERSIONED_CLASSICAL if classic else VERSIONED)
      },
      'code': code_checksum(classic=classic),
    },
  )


def _memberships(
  fleet: FleetConfig, of_target: np.ndarray
) -> tuple[np.ndarray, int, np.ndarray]:
  """Returns the examples that are usable, a shadow's least number, and the matrix."""
  usable = ~of_target if fleet.shadow_split == 'disjoint' else np.ones_like(of_target)
  if fleet.shadow_split == 'half':
    train_size = len(of_target) // 2
    members = membership.half(fleet.num_shadows, len(of_target), seed=fleet.shadow_seed)
  else:
    train_size = _train_size(fleet, of_target)
    members = membership.disjoint(
      fleet.num_shadows, usable, train_size=train_size, seed=fleet.shadow_seed
    )
  return usable, train_size, members


def join(train: Split, holdout: Split) -> tuple[Split, np.ndarray]:
  """Returns a run's whole training pool, and where in it its own examples are.

  Returns:
    The pool (n,) with rising ids; (n,) bool, True for the examples of `train`.
  """
  ids = np.concatenate([train.ids, holdout.ids])
  order = np.argsort(ids)
  images = np.empty((len(ids), *train.images.shape[1:]), np.float32)
  place = np.argsort(order)
  images[place[: len(train)]] = train.images
  images[place[len(train) :]] = holdout.images
  labels = np.concatenate([train.labels, holdout.labels])[order]
  pool = Split(images=images, labels=labels, ids=ids[order], source=train.source)
  return pool, order < len(train)


def _train_size(fleet: FleetConfig, of_target: np.ndarray) -> int:
  """Returns the size of a disjoint shadow's training set, and of what is left OUT."""
  left, target = int((~of_target).sum()), int(of_target.sum())
  size = fleet.shadow_train_size or min(DISJOINT_TRAIN_SIZE, target)
  if 2 * size <= left:
    return size
  raise UsageError(
    f'--shadow_split=disjoint: shadows of {size} examples need {2 * size} that the '
    f'target is not trained on (IN and OUT), and there are {left}: {2 * size - left} '
    f'are missing; give --shadow_split=half, or --shadow_train_size={left // 2} or less'
    if left >= 4
    else f'--shadow_split=disjoint: the target is trained on all but {left} of its '
    'pool: train one with --train_fraction=0.5 --nonmembers=holdout'
  )


def _named_key(
  config: RunConfig,
  fleet: FleetConfig,
  *,
  data: Data,
  train_size: int,
  usable: np.ndarray,
) -> dict[str, Any]:
  """Returns what the flags decide."""
  training = to_json(config.training)
  # A target of another seed has the same shadows.
  del training['seed']
  disjoint = fleet.shadow_split == 'disjoint'
  return {
    'data': {
      'dataset': data.name,
      'version': data.version,
      'classes': len(data.class_names),
      'test_size': config.data.test_size,
      'test_seed': config.data.data_seed if config.data.test_size else None,
    },
    'members': {
      'shadow_split': fleet.shadow_split,
      'shadow_train_size': train_size,
      'shadow_seed': fleet.shadow_seed,
      'target': f'{zlib.crc32(np.packbits(usable)):08x}' if disjoint else None,
    },
    'model': to_json(config.model),
    'training': training,
    'privacy': to_json(config.privacy),
  }


def code_checksum(package: pathlib.Path = _PACKAGE, *, classic: bool = False) -> str:
  """Returns eight hex digits that change with any statement that decides outputs.

  Comments, docstrings and layout do not count.

  Args:
    package: the folder of `rnn_tf`, or a copy of it.
    classic: of classical models, else of networks.
  """
  digest = hashlib.sha256()
  for name in _MAKERS_CLASSICAL if classic else _MAKERS:
    path = package / name
    for file in sorted(path.glob('*.py')) if path.is_dir() else [path]:
      tree = ast.parse(file.read_text(encoding='utf-8'))
      digest.update(repr(_skeleton(tree)).encode())
  return digest.hexdigest()[:8]


def _skeleton(node: Any) -> Any:
  """Returns a syntax tree as nested tuples, without what Python's versions add.

  Newer versions have fields that older ones have not, empty where they are not used.
  """
  if isinstance(node, list):
    return tuple(_skeleton(each) for each in node if not _is_docstring(each))
  if not isinstance(node, ast.AST):
    return repr(node)
  if isinstance(node, ast.JoinedStr):
    # 3.12 cuts an f-string's text where a line ends, others do not.
    return 'JoinedStr', *map(_skeleton, _joined(node))
  fields = ((name, value) for name, value in ast.iter_fields(node) if value)
  # Of constants 0, '' and False are values as well.
  if isinstance(node, ast.Constant):
    fields = (('value', node.value),)
  return type(node).__name__, *((name, _skeleton(value)) for name, value in fields)


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
  """Returns an f-string's parts, texts side by side put together."""
  parts: list[ast.expr] = []
  for part in node.values:
    text = isinstance(part, ast.Constant)
    if text and not part.value:
      continue
    if text and parts and isinstance(parts[-1], ast.Constant):
      parts[-1] = ast.Constant(parts[-1].value + part.value)
    else:
      parts.append(part)
  return parts


def _is_docstring(node: Any) -> bool:
  return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
