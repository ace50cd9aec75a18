"""Makes the models of a deletion on a cluster: runs of all seeds, shards of all models.

Everything that waits for nothing is trained at once; then what goes on from that:
finetuning from its original, and shards from the sharded original's stages.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnn_tf import cluster, unlearn_elsewhere
from rnn_tf.callbacks import duration
from rnn_tf.cluster import Machines, TasksFailedError
from rnn_tf.datasets import Data
from rnn_tf.errors import UsageError
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.sharding import elsewhere, sharded
from rnn_tf.sharding.constituent import Examples
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.unlearn_jobs import Job, advice_of_unlearn
from rnn_tf.unlearn_models import Maker, config_of

LOG = logging.getLogger('rnn_tf')

Sent = tuple[int, elsewhere.Parcel | unlearn_elsewhere.Parcel]
"""A job's number among those that are sent together, and a part of it."""


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
  if not todo:
    return
  failed: list[str] = []
  with cluster.connect(where) as machines:
    shared = _shared(todo, maker, data)
    for wave in _waves(todo):
      try:
        _make(wave, machines, shared)
      except UsageError as error:
        # The rest goes on; what needs a model that is missing says so.
        failed.append(str(error))
  if failed:
    raise TasksFailedError('; '.join(failed))


def _shared(jobs: Sequence[Job], maker: Maker, data: Data) -> Mapping[str, Any]:
  """Returns what all tasks share, of which each kind needs a part."""
  plans = [job.model for job in jobs if isinstance(job.model, ShardedPlan)]
  return {'data': data, 'shards': vars(maker.shared(plans[0])) if plans else None}


def _waves(jobs: Sequence[Job]) -> list[list[Job]]:
  """Returns the jobs in groups, of which each needs those before it."""
  waves: tuple[list[Job], list[Job]] = [], []
  for job in jobs:
    if isinstance(job.model, ShardedPlan):
      waves[job.model.original is not None].append(job)
    else:
      waves[job.model.weights is not None].append(job)
  return [wave for wave in waves if wave]


def _make(wave: Sequence[Job], machines: Machines, shared: Mapping[str, Any]) -> None:
  """Makes models that do not need each other, their folders held meanwhile."""
  start = time.perf_counter()
  with contextlib.ExitStack() as stack:
    sent: list[Sent] = []
    runs: dict[int, unlearn_elsewhere.Parcel] = {}
    open_models: dict[int, sharded.Training] = {}
    for number, job in enumerate(wave):
      if isinstance(job.model, ShardedPlan):
        open_models[number] = stack.enter_context(sharded.opened(job.model))
        sent += [(number, each) for each in _shards(job.model, open_models[number])]
        # A deletion may leave all shards as they are.
        open_models[number].finish(at_once=1)
      else:
        runs[number] = _run(job, stack)
        sent.append((number, runs[number]))
    LOG.info('tasks to train: %d, for models: %d', len(sent), len(wave))
    results = machines.side_by_side(_work, sent, shared, name=_namer(wave))
    for done, (number, result) in enumerate(results, start=1):
      model = wave[number].model
      if isinstance(model, ShardedPlan):
        elsewhere.unpack(result, model.folder.shard(result.shard))
        open_models[number].keep(result.shard, result.pool, result.test)
        open_models[number].finish(at_once=min(machines.at_once, len(sent)))
      else:
        unlearn_elsewhere.unpack(result, runs[number])
        model.folder.close()
        LOG.info('%s trained', model.folder.path.name)
      left = (time.perf_counter() - start) / done * (len(sent) - done)
      LOG.info(
        '%d of %d%s', done, len(sent), f', {duration(left)} left' if left else ''
      )


def _shards(plan: ShardedPlan, training: sharded.Training) -> list[elsewhere.Parcel]:
  return [elsewhere.pack(plan.task(shard, parts=1)) for shard in training.shards]


def _run(job: Job, stack: contextlib.ExitStack) -> unlearn_elsewhere.Parcel:
  folder = job.model.folder
  with advice_of_unlearn(folder):
    folder.open(config_of(job.model), overwrite=False)
  stack.callback(folder.close)
  return unlearn_elsewhere.pack(job.model)


def _namer(wave: Sequence[Job]) -> Callable[[Sent], str]:
  def name(task: Sent) -> str:
    number, parcel = task
    model = wave[number].model.folder.path.name
    if isinstance(parcel, elsewhere.Parcel):
      return f'{model}, shard {parcel.task.shard}'
    return model

  return name


def _work(task: Sent, shared: Mapping[str, Any]) -> tuple[int, Any]:
  """Trains a shard or a run, on a machine of the cluster."""
  number, parcel = task
  if isinstance(parcel, elsewhere.Parcel):
    return number, elsewhere.train(parcel, Examples(**shared['shards']))
  return number, unlearn_elsewhere.train(parcel, shared['data'])
