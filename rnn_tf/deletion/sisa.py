"""SISA: shards, slices, and what a deletion makes of them (arXiv 1912.03817).

The training set is dealt into shards, a model each. A shard's model is trained in
stages: first on its first slice, then on its first two, and so on; what it is after
each stage is kept. A deletion leaves a model as it was after the last stage that
had not seen any of the deleted examples, and trains the stages from there anew.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from rnn_tf.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
  """Which example is in which shard and slice.

  Attributes:
    shards: (n,) int64, from 0.
    slices: (n,) int64, from 0.
    num_shards: shards.
    num_slices: slices of each shard.
  """

  shards: np.ndarray
  slices: np.ndarray
  num_shards: int
  num_slices: int

  def rows(self, shard: int, *, without: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns the positions of a shard's examples, rising, a slice each.

    Args:
      shard: from 0.
      without: (n,) bool, True for those that are left out.
    """
    kept = (self.shards == shard) & ~without
    return tuple(
      np.flatnonzero(kept & (self.slices == number))
      for number in range(self.num_slices)
    )

  def first_stage(self, shard: int, *, deleted: np.ndarray) -> int | None:
    """Returns the stage that is to be trained anew; None where a shard is untouched.

    Args:
      shard: from 0.
      deleted: (n,) bool.
    """
    touched = self.slices[(self.shards == shard) & deleted]
    return int(touched.min()) if len(touched) else None


def assign(count: int, *, num_shards: int, num_slices: int, seed: int) -> Assignment:
  """Deals examples into shards and slices of nearly equal sizes.

  Args:
    count: examples.
    num_shards: at least 1.
    num_slices: of each shard.
    seed: of the draw.

  Raises:
    UsageError: there are more slices than examples.
  """
  if num_shards * num_slices > count:
    raise UsageError(
      f'--num_shards={num_shards}, --num_slices={num_slices}: '
      f'{num_shards * num_slices} groups of examples are more than the {count} '
      'training examples: give fewer'
    )
  order = np.random.default_rng([seed, _PURPOSE_SHARDS]).permutation(count)
  shards, slices = np.empty(count, np.int64), np.empty(count, np.int64)
  for shard, rows in enumerate(np.array_split(order, num_shards)):
    shards[rows] = shard
    for number, part in enumerate(np.array_split(rows, num_slices)):
      slices[part] = number
  return Assignment(
    shards=shards, slices=slices, num_shards=num_shards, num_slices=num_slices
  )


# Of draws with one seed, so that no two are the same.
_PURPOSE_SHARDS, _PURPOSE_TRAINING = 101, 102


def training_seed(seed: int, shard: int, stage: int) -> int:
  """Returns the seed of a shard's training in one stage, below 2**32.

  That of stage 0 decides the weights that a shard's model begins with, too.
  """
  key = [seed, _PURPOSE_TRAINING, shard, stage]
  return int(np.random.SeedSequence(key).generate_state(1)[0])


def stage_epochs(epochs: int, num_slices: int) -> tuple[int, ...]:
  """Returns how many epochs each stage takes.

  Stage r of R has r / R of the shard's examples. With 2 E / (R + 1) epochs a stage the
  whole is E epochs' worth of examples (Bourtoule et al. 2021, section V-B); they are
  rounded so that no stage is left without one.

  Args:
    epochs: of training without slices, E.
    num_slices: R.
  """
  each = 2 * epochs / (num_slices + 1)
  ends = [round(each * stage) for stage in range(num_slices + 1)]
  return tuple(max(1, after - before) for before, after in itertools.pairwise(ends))


def examples_processed(
  sizes: Sequence[int], epochs: Sequence[int], *, first_stage: int = 0
) -> int:
  """Returns examples x epochs of a shard's stages from one of them on.

  Args:
    sizes: examples of each slice.
    epochs: of each stage.
    first_stage: from 0.
  """
  seen = np.cumsum(sizes)
  return int(
    sum(int(n) * e for n, e in list(zip(seen, epochs, strict=True))[first_stage:])
  )


def aggregate(logits: np.ndarray, how: str) -> np.ndarray:
  """Returns the logits of a sharded model.

  Args:
    logits: (shards, n, classes) float32, of the shards' models.
    how: `mean` is their mean. `vote` counts for each class the models that it is the
      first choice of, as log((votes + 1 / classes) / (shards + 1)): the posteriors
      are the smoothed shares of the votes. Classes with equally many votes are told
      apart by their mean probability, which counts for less than a vote.

  Returns:
    (n, classes) float32.
  """
  if how == 'mean':
    return logits.mean(axis=0, dtype=np.float64).astype(np.float32)
  shards, _, classes = logits.shape
  votes = np.zeros(logits.shape[1:])
  for model in logits:
    votes[np.arange(len(model)), model.argmax(axis=1)] += 1
  shifted = logits.astype(np.float64) - logits.max(axis=2, keepdims=True)
  odds = np.exp(shifted)
  votes += 1e-3 * (odds / odds.sum(axis=2, keepdims=True)).mean(axis=0)
  return np.log((votes + 1 / classes) / (shards + 1)).astype(np.float32)
