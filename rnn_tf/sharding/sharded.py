"""Sharded models: the original, and what a deletion makes of it.

A deletion trains the shards that held deleted examples, each from the last stage that
had not seen one of them; all others stay the models that they are.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import launch, workers
from rnn_tf.callbacks import duration
from rnn_tf.config import RunConfig
from rnn_tf.deletion import sisa
from rnn_tf.deletion.sisa import Assignment
from rnn_tf.errors import UsageError
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import Examples, Task
from rnn_tf.sharding.folder import OUTPUTS, RESULT, ShardedFolder

LOG = logging.getLogger('rnn_tf')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ShardedPlan:
  """A sharded model before it is trained.

  Attributes:
    folder: where it is to be.
    config: the plain original's.
    assignment: of the original's training examples.
    rows: (n,) int64 rising, where these examples are in the pool.
    deleted: (n,) bool, which of them are deleted; all False for the original.
    original: the sharded original's folder; None for the original itself.
    engine: who computes the gradients.
    manifest: what is written down of it, with everything that decides it as `key`.
    ids: what is kept of its examples, name -> array.
  """

  folder: ShardedFolder
  config: RunConfig
  assignment: Assignment
  rows: np.ndarray
  deleted: np.ndarray
  original: ShardedFolder | None
  engine: str
  manifest: Mapping[str, Any]
  ids: Mapping[str, np.ndarray]

  @property
  def epochs(self) -> tuple[int, ...]:
    """Epochs of each stage."""
    return sisa.stage_epochs(self.config.training.epochs, self.assignment.num_slices)

  @property
  def first_stages(self) -> tuple[int | None, ...]:
    """Of each shard, the first stage to train; None where it stays as it is."""
    shards = range(self.assignment.num_shards)
    if self.original is None:
      return tuple(0 for _ in shards)
    first = self.assignment.first_stage
    return tuple(first(shard, deleted=self.deleted) for shard in shards)

  @property
  def examples(self) -> int:
    """Examples x epochs that training it processes."""
    total = 0
    for shard, first in enumerate(self.first_stages):
      if first is not None:
        sizes = [*map(len, self.assignment.rows(shard, without=self.deleted))]
        total += sisa.examples_processed(sizes, self.epochs, first_stage=first)
    return total

  @property
  def shards_trained(self) -> int:
    """Shards that are trained, not taken over."""
    return sum(first is not None for first in self.first_stages)

  def task(self, shard: int, *, parts: int | None) -> Task:
    """Returns what is to be done for a shard that is trained."""
    first = self.first_stages[shard]
    before = None
    if first:
      before = constituent.stage_file(self.original.shard(shard), first - 1)
    slices = self.assignment.rows(shard, without=self.deleted)
    return Task(
      shard=shard,
      config=self.config,
      rows=tuple(self.rows[part] for part in slices),
      epochs=self.epochs,
      engine=self.engine,
      parts=parts,
      folder=self.folder.shard(shard),
      first_stage=first,
      before=before,
    )


def check(config: RunConfig, shards: int, slices: int) -> None:
  """Makes sure that a run's training can be sharded.

  Raises:
    UsageError: it cannot.
  """
  if config.privacy.dp:
    raise UsageError(
      '--method=sharded: the run was trained with --dp, whose guarantee counts steps '
      'over all of its examples: give --method=retrain'
    )
  if slices > 1 and config.training.learning_rate_decay != 'none':
    raise UsageError(
      f'--num_slices={slices}: the run was trained with --learning_rate_decay='
      f'{config.training.learning_rate_decay}, whose steps a deletion would count '
      'anew: give --num_slices=1, or delete from a run of a constant learning rate'
    )
  if shards * slices > 1000:
    raise UsageError(
      f'--num_shards={shards}, --num_slices={slices}: more than 1000 stages: give fewer'
    )


def train(plan: ShardedPlan, examples: Examples, *, strategy: str) -> None:
  """Trains a sharded model; a killed one goes on at the stage.

  Args:
    plan: of the model.
    examples: what all shards share.
    strategy: out of `deletion_config.STRATEGIES`.

  Raises:
    UsageError: see `ShardedFolder.open` and `constituent.train`.
  """
  with opened(plan) as training:
    for shard, pool, test in _run(plan, training.shards, examples, strategy=strategy):
      training.keep(shard, pool, test)
    processes = _choose(strategy, len(training.shards)) == 'processes'
    training.finish(at_once=workers.count(len(training.shards)) if processes else 1)


@contextlib.contextmanager
def opened(plan: ShardedPlan) -> Iterator['Training']:
  """Holds the folder of a sharded model, and yields what is to be done in it.

  Raises:
    UsageError: see `ShardedFolder.open`.
  """
  with plan.folder.open(plan.manifest):
    if not plan.folder.finished:
      plan.folder.write_npz('examples.npz', dict(plan.ids))
    yield Training(plan)


class Training:
  """A sharded model that is being trained, its folder held.

  Args:
    plan: of the model.

  Attributes:
    shards: that are to be trained; none of a finished model.
  """

  def __init__(self, plan: ShardedPlan):
    self._plan = plan
    self._outputs: dict[int, str] = {}
    self._start = time.perf_counter()
    first_stages = () if plan.folder.finished else plan.first_stages
    self.shards = [n for n, first in enumerate(first_stages) if first is not None]

  def keep(self, shard: int, pool: np.ndarray, test: np.ndarray) -> None:
    """Keeps what a trained shard says, see `ShardedFolder.write_outputs`."""
    folder, outputs = self._plan.folder, self._outputs
    outputs[shard] = folder.write_outputs(shard, pool, test)
    left = len(self.shards) - len(outputs)
    left *= (time.perf_counter() - self._start) / len(outputs)
    LOG.info(
      '%s: shard %d trained, %d of %d%s',
      folder.path.name,
      shard,
      len(outputs),
      len(self.shards),
      f', {duration(left)} left' if left else '',
    )

  def finish(self, *, at_once: int) -> None:
    """Writes the result, if all shards are trained that were to be.

    Args:
      at_once: shards that were trained at once at most.
    """
    if not self._plan.folder.finished and set(self._outputs) == set(self.shards):
      _finish(self._plan, self._outputs, at_once=at_once)


def _run(
  plan: ShardedPlan, shards: Sequence[int], examples: Examples, *, strategy: str
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  if _choose(strategy, len(shards)) == 'sequential':
    for shard in shards:
      yield shard, *constituent.train(plan.task(shard, parts=None), examples)
    return
  yield from workers.side_by_side(
    _work,
    [plan.task(shard, parts=1) for shard in shards],
    vars(examples),
    what='a shard',
    instead='give --shard_training=sequential, which needs less',
  )


def _choose(strategy: str, tasks: int) -> str:
  if strategy != 'auto':
    return strategy
  return 'processes' if workers.count(tasks) > 1 and not workers.gpu() else 'sequential'


def _work(task: Task, shared: Mapping[str, Any]) -> tuple[int, np.ndarray, np.ndarray]:
  """Trains a shard in a process of its own, with one thread."""
  launch.set_up_tensorflow(task.config.training, side_by_side=1)
  return task.shard, *constituent.train(task, Examples(**shared))


def _finish(plan: ShardedPlan, outputs: Mapping[int, str], *, at_once: int) -> None:
  """Writes the result, from what the stages and the original say."""
  shards, spans = [], []
  for shard, first in enumerate(plan.first_stages):
    if first is None:
      shards.append({**_take_over(plan, shard), 'first_stage': None})
      continue
    stages = [
      constituent.read_stage(constituent.stage_file(plan.folder.shard(shard), stage))
      for stage in range(first, plan.assignment.num_slices)
    ]
    spans += [(stage.began, stage.began + stage.seconds) for stage in stages]
    shards.append(
      {
        'folder': plan.folder.path.name,
        'outputs': outputs[shard],
        'first_stage': first,
        'examples': sum(stage.examples * stage.epochs for stage in stages),
        'seconds': sum(stage.seconds for stage in stages),
      }
    )
  plan.folder.write_json(
    RESULT,
    {
      'shards': shards,
      'examples': plan.examples,
      'seconds': sum(end - start for start, end in spans),
      'wall_seconds': covered(spans),
      'workers': at_once,
    },
  )


def _take_over(plan: ShardedPlan, shard: int) -> dict[str, Any]:
  """Copies a shard that a deletion leaves as it is, and returns what is known of it.

  So the model needs no folder but its own: the original's may go, whose other shards
  have seen what was deleted.
  """
  known = plan.original.result()['shards'][shard]
  folder = plan.original.shard(shard)
  last = constituent.stage_file(folder, plan.assignment.num_slices - 1)
  plan.folder.copy(last, shard, sha256=constituent.read_stage(last).sha256)
  plan.folder.copy(last.with_suffix('.json'), shard)
  plan.folder.copy(folder / OUTPUTS, shard, sha256=known['outputs'])
  return {**known, 'folder': plan.folder.path.name}


def covered(spans: Sequence[tuple[float, float]]) -> float:
  """Returns the length of what some spans of time cover together."""
  total, until = 0.0, -np.inf
  for start, end in sorted(spans):
    total += max(0.0, end - max(start, until))
    until = max(until, end)
  return float(total)
