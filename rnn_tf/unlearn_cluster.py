"""Makes the models of a deletion on a cluster: runs of all seeds, shards of all models.

Everything that waits for nothing is trained at once; then what goes on from that:
finetuning from its original, and shards from the sharded original's stages.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnn_tf import cluster, run_audit, unlearn_elsewhere
from rnn_tf.callbacks import duration
from rnn_tf.datasets import Data
from rnn_tf.errors import UsageError
from rnn_tf.machines import Machines, TasksFailedError
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.sharding import elsewhere, sharded
from rnn_tf.sharding.constituent import Examples
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.unlearn_jobs import Job, advice_of_unlearn
from rnn_tf.unlearn_models import Maker, config_of

LOG = logging.getLogger('rnn_tf')

Sent = tuple[int, elsewhere.Parcel | unlearn_elsewhere.Parcel]
"""A job's number among those that are sent together, and a part of it."""


MOST_AT_ONCE = 200
"""Models whose folders are held and whose files are sent at once."""


def make_all(
  jobs: Sequence[Job], maker: Maker, *, data: Data, where: ClusterOptions
) -> None:
  """Makes all models that are missing; what a killed command has received is kept.

  Args:
    jobs: those of all seeds.
    maker: knows what their shards share.
    data: the parent run's.
    where: the cluster.

  Raises:
    UsageError: some cannot be made; all others are, but for those that need them.
  """
  todo = [job for job in jobs if not job.done]
  for job in filter(_has_fleet, todo):
    LOG.info('%s is trained here, where its shadow models are', _name(job))
    maker.make(job)
  todo = [job for job in todo if not job.done]
  if not todo:
    return
  failed: list[str] = []
  with cluster.connect(where) as machines:
    shared = _shared(todo, maker, data)
    for wave in _waves(todo):
      failed += _make(wave, machines, shared)
  if failed:
    raise TasksFailedError('; '.join(failed))


def _has_fleet(job: Job) -> bool:
  """Whether a run's own reports need shadow models, as an original's may."""
  plain = not isinstance(job.model, ShardedPlan)
  return plain and run_audit.needs_fleet(job.model.config)


def _name(job: Job) -> str:
  return job.model.folder.path.name


def _shared(jobs: Sequence[Job], maker: Maker, data: Data) -> Mapping[str, Any]:
  """Returns what all tasks share, of which each kind needs a part."""
  plans = [job.model for job in jobs if isinstance(job.model, ShardedPlan)]
  return {'data': data, 'shards': vars(maker.shared(plans[0])) if plans else None}


def _waves(jobs: Sequence[Job]) -> Iterator[list[Job]]:
  """Yields the jobs in groups, of which each needs those before it."""
  waves: tuple[list[Job], list[Job]] = [], []
  for job in jobs:
    if isinstance(job.model, ShardedPlan):
      waves[job.model.original is not None].append(job)
    else:
      waves[job.model.weights is not None].append(job)
  for wave in waves:
    for first in range(0, len(wave), MOST_AT_ONCE):
      yield wave[first : first + MOST_AT_ONCE]


def _make(
  wave: Sequence[Job], machines: Machines, shared: Mapping[str, Any]
) -> list[str]:
  """Makes models that do not need each other; returns what was wrong with some."""
  failed: list[str] = []
  with contextlib.ExitStack() as stack:
    sent: list[Sent] = []
    making = _Making(wave)
    for number in range(len(wave)):
      try:
        sent += [(number, parcel) for parcel in making.begin(number, stack)]
      except UsageError as error:
        # The rest goes on.
        failed.append(str(error))
    LOG.info('tasks to train: %d, for models: %d', len(sent), len(wave) - len(failed))
    start = time.perf_counter()
    results = machines.side_by_side(
      _work, sent, shared, name=making.name, threads=_threads
    )
    # However this ends, before the connection does.
    stack.enter_context(contextlib.closing(results))
    try:
      for done, (number, result) in enumerate(results, start=1):
        making.keep(number, result, at_once=min(machines.at_once, len(sent)))
        left = (time.perf_counter() - start) / done * (len(sent) - done)
        LOG.info(
          '%d of %d%s', done, len(sent), f', {duration(left)} left' if left else ''
        )
    except TasksFailedError as error:
      failed.append(str(error))
  return failed


class _Making:
  """Models that are made, their folders held by the stack that they began with.

  Args:
    jobs: that do not need each other.
  """

  def __init__(self, jobs: Sequence[Job]):
    self._jobs = jobs
    self._shards: dict[int, sharded.Training] = {}
    self._runs: dict[int, unlearn_elsewhere.Parcel] = {}

  def begin(
    self, number: int, stack: contextlib.ExitStack
  ) -> list[elsewhere.Parcel | unlearn_elsewhere.Parcel]:
    """Holds a model's folder and returns what is to be trained for it.

    Raises:
      UsageError: another process holds it, or what it begins with is missing.
    """
    job = self._jobs[number]
    if not isinstance(job.model, ShardedPlan):
      self._runs[number] = _run(job, stack)
      return [self._runs[number]]
    training = stack.enter_context(sharded.opened(job.model))
    parcels = [
      elsewhere.pack(job.model.task(shard, parts=1)) for shard in training.shards
    ]
    # A deletion may leave all shards as they are.
    training.finish(at_once=1)
    self._shards[number] = training
    return parcels

  def keep(self, number: int, result: Any, *, at_once: int) -> None:
    """Writes what a machine has sent.

    Args:
      number: of the job.
      result: of a shard or a run.
      at_once: models that were trained at once at most.
    """
    model = self._jobs[number].model
    if isinstance(model, ShardedPlan):
      elsewhere.unpack(result, model.folder.shard(result.shard))
      self._shards[number].keep(result.shard, result.pool, result.test)
      self._shards[number].finish(at_once=at_once)
    else:
      unlearn_elsewhere.unpack(result, self._runs[number])
      model.folder.close()
      LOG.info('%s trained', model.folder.path.name)

  def name(self, task: Sent) -> str:
    """Returns what to call a task."""
    number, parcel = task
    if isinstance(parcel, elsewhere.Parcel):
      return f'{_name(self._jobs[number])}, shard {parcel.task.shard}'
    return _name(self._jobs[number])


def _threads(task: Sent) -> int:
  _, parcel = task
  shard = isinstance(parcel, elsewhere.Parcel)
  return 1 if shard else unlearn_elsewhere.threads(parcel)


def _run(job: Job, stack: contextlib.ExitStack) -> unlearn_elsewhere.Parcel:
  folder = job.model.folder
  with advice_of_unlearn(folder):
    folder.open(config_of(job.model), overwrite=False)
  stack.callback(folder.close)
  return unlearn_elsewhere.pack(job.model)


def _work(task: Sent, shared: Mapping[str, Any]) -> tuple[int, Any]:
  """Trains a shard or a run, on a machine of the cluster."""
  number, parcel = task
  if isinstance(parcel, elsewhere.Parcel):
    return number, elsewhere.train(parcel, Examples(**shared['shards']))
  return number, unlearn_elsewhere.train(parcel, shared['data'])
