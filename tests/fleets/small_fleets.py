"""Fleets that cost nothing: of a few random images, or trained by nobody."""

import contextlib
import functools
import logging
import pathlib
from unittest import mock

import numpy as np
from absl.testing import parameterized

from rnn_tf.attack_config import FleetConfig
from rnn_tf.datasets import Data, Split
from rnn_tf.fleets import plan as plans
from rnn_tf.fleets import training
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.fleets.trainer import Trained, array_name
from rnn_tf.options.cluster import ClusterOptions
from tests import small_configs

CLASSES = 3
SIZE = 4


def images(ids):
  """Returns images that follow from their ids, (n, SIZE, SIZE, 1) float32."""
  shape = (SIZE, SIZE, 1)
  drawn = [np.random.default_rng(int(each)).random(shape, np.float32) for each in ids]
  return np.stack(drawn) if drawn else np.zeros((0, *shape), np.float32)


def split(ids, source='train'):
  ids = np.asarray(ids, np.int64)
  return Split(images=images(ids), labels=ids % CLASSES, ids=ids, source=source)


def data(pool=48, *, train=16, test=9, seed=0, name='digits'):
  """Returns a data set of which `train` examples are the target's."""
  drawn = np.random.default_rng(seed).permutation(pool)
  return Data(
    name=name,
    version='1.0.0',
    class_names=tuple(f'class {label}' for label in range(CLASSES)),
    train=split(np.sort(drawn[:train])),
    holdout=split(np.sort(drawn[train:])),
    test=split(1000 + np.arange(test), 'test'),
  )


@functools.cache
def code():
  """Reads the project's code once for all plans: it takes a while."""
  return plans.code_checksum()


def plan(config=None, *, of=None, epochs=(1, 2), hidden=False, engine='split', **fleet):
  """Returns a plan; `fleet` are values of a `FleetConfig`, 4 shadows and half."""
  checksum = code()
  with mock.patch.object(plans, 'code_checksum', return_value=checksum):
    return plans.plan(
      config or small_configs.run_config(),
      FleetConfig(**{'num_shadows': 4, 'shadow_split': 'half', **fleet}),
      data=of or data(),
      epochs=epochs,
      hidden=hidden,
      engine=engine,
    )


def fake(plan, model):
  """Returns what nobody has trained, the same for one seed."""
  arrays, train_accuracy, test_accuracy = {}, {}, {}
  for epoch in plan.epochs:
    rng = np.random.default_rng([plan.seeds[model], epoch])
    pool, population = (
      rng.normal(size=(len(split), plan.class_count)).astype(np.float32)
      for split in (plan.pool, plan.population)
    )
    arrays[array_name(epoch, 'pool')] = pool
    arrays[array_name(epoch, 'population')] = population
    if plan.hidden:
      states = rng.normal(size=(len(plan.pool), 5)).astype(np.float16)
      arrays[array_name(epoch, 'hidden')] = states
    own = plan.members[model]
    train_accuracy[epoch] = _accuracy(pool[own], plan.pool.labels[own])
    test_accuracy[epoch] = _accuracy(population, plan.population.labels)
  return Trained(
    arrays=arrays,
    train_accuracy=train_accuracy,
    test_accuracy=test_accuracy,
    seconds=1.5,
  )


def _accuracy(logits, labels):
  right = [
    row.tolist().index(max(row)) == y for row, y in zip(logits, labels, strict=True)
  ]
  return sum(right) / len(right)


class FakeStrategy:
  """Stands in for one of `training.STRATEGIES`.

  Args:
    stop_after: shadows after which it is interrupted; None never is.

  Attributes:
    asked: the shadows that it was told to train, call by call.
  """

  def __init__(self, stop_after=None):
    self._stop_after = stop_after
    self.asked = []

  def __call__(self, plan, todo, examples):
    del examples
    self.asked.append(list(todo))
    for done, model in enumerate(todo):
      if done == self._stop_after:
        raise KeyboardInterrupt
      yield model, fake(plan, model)


def contents(path):
  """Returns the bytes of all files below a folder but its lock, by name."""
  return {
    file.relative_to(path).as_posix(): file.read_bytes()
    for file in sorted(path.rglob('*'))
    if file.is_file() and file.name != '.lock'
  }


def assert_same_fleet(one, other):
  """Compares two `Shadows` bit by bit."""
  for name, value in vars(one).items():
    np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)


@contextlib.contextmanager
def logged():
  """Yields the list of what the project logs meanwhile."""
  lines = []
  handler = logging.Handler()
  handler.emit = lambda record: lines.append(record.getMessage())
  log = logging.getLogger('rnn_tf')
  level = log.level
  log.addHandler(handler)
  log.setLevel(logging.INFO)
  try:
    yield lines
  finally:
    log.removeHandler(handler)
    log.setLevel(level)


class FleetTestCase(parameterized.TestCase):
  """Has a folder for fleets, of which `path` is not there yet."""

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / 'fleet'
    self.plan = plan()

  def train(self, plan, path=None, strategy='sequential', seconds=None, **strategies):
    """Trains what is missing; returns the infos, and the lines logged.

    Args:
      plan: which fleet.
      path: of its folder; None means `path` of this test.
      strategy: see `training.train`.
      seconds: see `training.train`.
      strategies: that stand in for some of `training.STRATEGIES`.
    """
    folder = FleetFolder(path or self.path)
    with (
      mock.patch.dict(training.STRATEGIES, **strategies),
      logged() as lines,
      folder.open(plan) as full,
    ):
      infos = training.train(
        folder,
        full,
        where=ClusterOptions(strategy=strategy),
        seconds_per_epoch=seconds,
      )
    return infos, lines

  def pretend(self, plan=None):
    """Lets nobody train what is missing; returns which, and the lines logged."""
    strategy = FakeStrategy()
    _, lines = self.train(plan or self.plan, sequential=strategy)
    return [model for call in strategy.asked for model in call], lines

  def load(self, plan=None, path=None, epoch=2):
    """Returns what a fleet said, read by somebody who has not seen it before."""
    return FleetFolder(path or self.path).load(plan or self.plan, epoch=epoch)
