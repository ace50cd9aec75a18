"""Trains the shadows of a fleet that are not there yet, in one of several ways.

* `sequential`: one after the other in this process, each with all cores.
* `processes`: a process a core, each with one thread.
* `stacked`: many at once as one computation, which pays on a GPU.
* `ray`: on a cluster, each as in a process.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rnn_tf import cluster, engines, launch, models, workers
from rnn_tf.callbacks import duration
from rnn_tf.errors import UsageError
from rnn_tf.fleets import classical, stacked, trainer
from rnn_tf.fleets.folder import FleetFolder, ShadowInfo
from rnn_tf.fleets.plan import FleetPlan
from rnn_tf.fleets.trainer import Examples, Task, Trained
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.stack import keras

LOG = logging.getLogger('rnn_tf')

MOST_STACKED = 64
"""Models that are trained as one computation at most."""


def missing(folder: FleetFolder, plan: FleetPlan) -> list[int]:
  """Returns the shadows that are to be trained; says so of damaged ones."""
  numbers = []
  for model in range(len(plan.members)):
    try:
      found = folder.info(plan, model)
    except ValueError as error:
      LOG.warning('%s: %s: trained again', folder, error)
      found = None
    if found is None:
      numbers.append(model)
  return numbers


def choose(strategy: str, plan: FleetPlan, *, count: int) -> str:
  """Returns the way to train so many shadows.

  Raises:
    UsageError: the way asked for cannot train them.
  """
  classic = plan.config.model.classical
  why = stacked.unsupported(plan.config)
  if classic:
    why = f'--model={plan.config.model.model}: only networks can be stacked'
  if strategy == 'stacked' and why:
    raise UsageError(
      f'--fleet=stacked: {why}: give --fleet=processes, or --fleet=sequential'
    )
  if strategy != 'auto':
    return strategy
  if engines.on_gpu() and not classic:
    return 'sequential' if why else 'stacked'
  return 'processes' if min(count, engines.cores()) > 1 else 'sequential'


def train(
  folder: FleetFolder,
  plan: FleetPlan,
  *,
  where: ClusterOptions,
  seconds_per_epoch: Callable[[], float] | None,
) -> tuple[ShadowInfo, ...]:
  """Trains what is missing of a fleet, and returns what is known of all of it.

  Each shadow is kept as soon as it is trained: a killed fleet goes on with the next.

  Args:
    folder: the fleet's, open.
    plan: what `folder.open` gave.
    where: the way to train them.
    seconds_per_epoch: returns what an epoch of a shadow takes in this process with
      all cores, for the estimate; None gives none.
  """
  todo = missing(folder, plan)
  if todo:
    strategy = choose(where.strategy, plan, count=len(todo))
    _announce(folder, plan, todo=todo, strategy=strategy, epoch=seconds_per_epoch)
    start = time.perf_counter()
    if strategy == 'ray':
      results = _on_cluster(where, plan, todo, _examples(plan))
    else:
      results = STRATEGIES[strategy](plan, todo, _examples(plan))
    for done, (model, trained) in enumerate(results, start=1):
      folder.write_shadow(plan, model, trained)
      left = (time.perf_counter() - start) / done * (len(todo) - done)
      LOG.info(
        'shadow %d: training accuracy %.4f, test accuracy %.4f, %s; %d of %d trained%s',
        model,
        trained.train_accuracy[plan.epochs[-1]],
        trained.test_accuracy[plan.epochs[-1]],
        duration(trained.seconds),
        len(plan.members) - len(todo) + done,
        len(plan.members),
        f', {duration(left)} left' if left else '',
      )
  return tuple(folder.info(plan, model) for model in range(len(plan.members)))


def _announce(
  folder: FleetFolder,
  plan: FleetPlan,
  *,
  todo: Sequence[int],
  strategy: str,
  epoch: Callable[[], float] | None,
) -> None:
  training = plan.config.training
  LOG.info(
    'training %d of %d shadow models (%s) of %d examples, %d epoch%s each, %s; '
    'writing to %s',
    len(todo),
    len(plan.members),
    plan.fleet.shadow_split,
    plan.train_size,
    training.epochs,
    's' * (training.epochs > 1),
    strategy if strategy != 'processes' else f'{workers.count(len(todo))} at a time',
    folder,
  )
  if epoch is not None:
    seconds = epoch() * training.epochs * len(todo)
    LOG.info(
      'estimate: %s%s, and some seconds each to start',
      duration(seconds),
      ' one after the other, less side by side' * (strategy in ('processes', 'ray')),
    )


def _examples(plan: FleetPlan) -> Examples:
  return Examples(
    inputs=models.inputs(plan.config.model, plan.pool.images),
    labels=plan.pool.labels,
    population_inputs=models.inputs(plan.config.model, plan.population.images),
    population_labels=plan.population.labels,
    image_shape=plan.pool.images.shape[1:],
    class_count=plan.class_count,
  )


def _task(plan: FleetPlan, model: int, *, parts: int | None) -> Task:
  return Task(
    model=model,
    config=plan.shadow_config(model),
    rows=np.flatnonzero(plan.members[model]),
    epochs=plan.epochs,
    hidden=plan.hidden,
    engine=plan.engine,
    parts=parts,
  )


Results = Iterator[tuple[int, Trained]]


def _sequential(plan: FleetPlan, todo: Sequence[int], shared: Examples) -> Results:
  for model in todo:
    yield model, _train(_task(plan, model, parts=None), shared)


def _processes(plan: FleetPlan, todo: Sequence[int], shared: Examples) -> Results:
  tasks = [_task(plan, model, parts=1) for model in todo]
  yield from workers.side_by_side(
    _work,
    tasks,
    vars(shared),
    what='a shadow model',
    instead='give --fleet=sequential, which needs less',
  )


def _on_cluster(
  where: ClusterOptions, plan: FleetPlan, todo: Sequence[int], shared: Examples
) -> Results:
  tasks = [_task(plan, model, parts=1) for model in todo]
  with cluster.connect(where) as machines:
    yield from machines.side_by_side(
      _work, tasks, vars(shared), name=lambda task: f'shadow {task.model}'
    )


def _work(task: Task, shared: Mapping) -> tuple[int, Trained]:
  """Trains a shadow in a process of its own, with one thread."""
  launch.set_up_tensorflow(
    task.config.training, side_by_side=1, exact=task.config.privacy.dp
  )
  trained = _train(task, Examples(**shared))
  # What Keras keeps of a model that nobody needs any more.
  keras.backend.clear_session()
  return task.model, trained


def _train(task: Task, examples: Examples) -> Trained:
  kind = classical if task.config.model.classical else trainer
  return kind.train(task, examples)


def _stacked(plan: FleetPlan, todo: Sequence[int], shared: Examples) -> Results:
  """Trains groups of shadows of one size together."""
  tasks = [_task(plan, model, parts=None) for model in todo]
  for size in sorted({len(task.rows) for task in tasks}):
    same = [task for task in tasks if len(task.rows) == size]
    for first in range(0, len(same), MOST_STACKED):
      yield from _stack(plan, same[first : first + MOST_STACKED], shared)


def _stack(plan: FleetPlan, tasks: Sequence[Task], shared: Examples) -> Results:
  start = time.perf_counter()
  model = models.build(
    plan.config.model, image_shape=shared.image_shape, num_classes=shared.class_count
  )
  predict = trainer.predictor(model, hidden=plan.hidden, streams=None)
  keepers = [
    trainer.Keeper(task.model, rows=task.rows, epochs=plan.epochs, examples=shared)
    for task in tasks
  ]

  def at_epoch(epoch: int, weights: Sequence[list[np.ndarray]]) -> None:
    for keeper, values in zip(keepers, weights, strict=True):
      model.set_weights(values)
      keeper.keep(epoch, predict)

  stacked.train(
    plan.config,
    inputs=shared.inputs,
    labels=shared.labels,
    rows=np.stack([task.rows for task in tasks]),
    seeds=[task.config.training.seed for task in tasks],
    image_shape=shared.image_shape,
    num_classes=shared.class_count,
    due=plan.epochs,
    at_epoch=at_epoch,
  )
  each = (time.perf_counter() - start) / len(tasks)
  for task, keeper in zip(tasks, keepers, strict=True):
    yield task.model, keeper.trained(each)


STRATEGIES = {
  'sequential': _sequential,
  'processes': _processes,
  'stacked': _stacked,
}
"""Name -> function of plan, shadows to train and examples that yields each result."""


def time_epoch(plan: FleetPlan, *, batches: int = 30) -> float:
  """Returns about how many seconds an epoch of a shadow takes with all cores.

  Trains two epochs of a few batches, of which the second is timed: the first traces.

  Args:
    plan: the fleet's.
    batches: of the second epoch.
  """
  rows = np.flatnonzero(plan.members[0])[: batches * plan.config.training.batch_size]
  config = plan.config
  config = dataclasses.replace(
    config, training=dataclasses.replace(config.training, epochs=2)
  )
  clock = _Clock()
  shared = _examples(plan)
  task = dataclasses.replace(
    _task(plan, 0, parts=None), config=config, rows=rows, epochs=(), hidden=False
  )
  trainer.train(task, shared, callbacks=[clock])
  return clock.seconds * len(np.flatnonzero(plan.members[0])) / len(rows)


class _Clock(keras.callbacks.Callback):
  """Times the last epoch."""

  def __init__(self):
    super().__init__()
    self._supports_tf_logs = True
    self.seconds = 0.0

  def on_epoch_begin(self, epoch, logs=None):
    """Starts."""
    self._start = time.perf_counter()

  def on_epoch_end(self, epoch, logs=None):
    """Stops."""
    self.seconds = time.perf_counter() - self._start
