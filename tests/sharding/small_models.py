"""Sharded models of a few random images."""

import pathlib
from unittest import mock

import numpy as np
from absl.testing import parameterized

from rnn_tf import engines, models, training
from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
from rnn_tf.deletion import choose, sisa
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import Examples
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.sharding.sharded import ShardedPlan

POOL = 60
CLASSES = 3

_SHAPE = (4, 4, 1)


def config(model='lstm', **values):
  """Returns the original's config; so small a batch is one stream."""
  return RunConfig(
    model=ModelConfig(model=model, num_conv=1, hidden_size=8),
    training=TrainingConfig(
      **{'epochs': 4, 'batch_size': 6, 'learning_rate': 0.02, **values}
    ),
  )


def examples(model='lstm', *, seed=0):
  """Returns a pool of `POOL` random images, and 10 to test on."""
  rng = np.random.default_rng(seed)
  images = rng.random((POOL + 10, *_SHAPE), np.float32)
  inputs = models.inputs(ModelConfig(model=model), images)
  return Examples(
    inputs=inputs[:POOL],
    labels=rng.integers(0, CLASSES, POOL),
    test_inputs=inputs[POOL:],
    image_shape=_SHAPE,
    class_count=CLASSES,
  )


def plan(
  path,
  *,
  of=None,
  deleted=(),
  original=None,
  count=36,
  num_shards=2,
  num_slices=3,
):
  """Returns a plan of a sharded model.

  Args:
    path: of its folder.
    of: the original's config.
    deleted: positions among the training examples.
    original: path of the sharded original's folder; None trains all shards.
    count: training examples, scattered over the pool.
    num_shards: see `sisa.assign`.
    num_slices: see `sisa.assign`.
  """
  of = of or config()
  path = pathlib.Path(path)
  rows = np.sort(np.random.default_rng(5).permutation(POOL)[:count])
  gone = np.isin(np.arange(count), deleted)
  return ShardedPlan(
    folder=ShardedFolder(path),
    config=of,
    assignment=sisa.assign(
      count, num_shards=num_shards, num_slices=num_slices, seed=of.training.seed
    ),
    rows=rows,
    deleted=gone,
    original=None if original is None else ShardedFolder(original),
    engine=engines.choose(of),
    manifest={
      'name': path.name,
      'parent': 'plain-s0',
      'key': {'seed': of.training.seed, 'forget': choose.checksum(rows[gone])},
    },
    ids={'train_ids': rows[~gone], 'forget_ids': rows[gone]},
  )


def task(path, *, shard=1, **values):
  """Returns the task of a shard of a plan, with one stream."""
  return plan(path, **values).task(shard, parts=1)


def train(task, *, fits=None):
  """Trains a shard; returns its outputs, and how many examples each fit had."""
  fits = fits or Fits()
  with fits.watching():
    found = constituent.train(task, examples(task.config.model.model))
  return found, fits.sizes


def some_of(plan, shard, *, slices, count=1):
  """Returns the positions of some examples of a shard, so many of each slice."""
  nobody = np.zeros(len(plan.rows), bool)
  parts = plan.assignment.rows(shard, without=nobody)
  return np.concatenate([parts[number][:count] for number in slices])


class Interrupted(BaseException):
  """Kills a training."""


class Fits:
  """Watches what is fitted, and interrupts it.

  Args:
    kill: the fit that is to be killed, from 0, after its first epoch; None kills none.

  Attributes:
    sizes: examples of each fit that began.
  """

  def __init__(self, kill=None):
    self.sizes = []
    self._kill = kill
    self._fit = training.fit

  def __call__(self, model, inputs, labels, *, batches, callbacks):
    self.sizes.append(len(labels))
    if len(self.sizes) - 1 == self._kill:
      callbacks = [*callbacks, _Killer()]
    self._fit(model, inputs, labels, batches=batches, callbacks=callbacks)

  def watching(self):
    """Returns a context in which every fit is watched."""
    return mock.patch.object(training, 'fit', self)


class _Killer(training.keras.callbacks.Callback):
  def on_epoch_end(self, epoch, logs=None):
    raise Interrupted


def contents(path):
  """Returns the bytes of all files below a folder but its lock, by name."""
  return {
    file.relative_to(path).as_posix(): file.read_bytes()
    for file in sorted(pathlib.Path(path).rglob('*'))
    if file.is_file() and file.name != '.lock'
  }


class ShardedTestCase(parameterized.TestCase):
  """Has a folder for sharded models."""

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / 'sharded'

  def assert_same_outputs(self, one, other):
    """Compares tuples of arrays bit by bit."""
    self.assertEqual(len(one), len(other))
    for first, second in zip(one, other, strict=True):
      self.assertEqual((first.shape, first.dtype), (second.shape, second.dtype))
      self.assertEqual(first.tobytes(), second.tobytes())

  def assert_other_outputs(self, one, other):
    """Whether the pool's outputs differ by more than rounding does."""
    self.assertGreater(np.abs(one[0] - other[0]).max(), 1e-3)
