"""One measurement of `benchmarks.shadow_fleet`, in a process of its own.

python -m benchmarks.shadow_fleet_child TASK

TASK is a `Task` as JSON. Prints, as JSON, what `measure` returns.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

# Nothing of TensorFlow up here: the process that starts this one imports it too.

FEATURES = STEPS = 28

UNITS = 128

CLASSES = 10

FLEETS = ('sequential', 'processes', 'stacked')
"""Ways that are values of `--fleet`."""

CLOCK = 'seconds after each epoch'
"""Name of the array in which a shadow brings its clock along."""


@dataclasses.dataclass(frozen=True)
class Task:
  """A way to train so many models, on so many examples each, for so many epochs."""

  way: str
  models: int
  examples: int
  epochs: int
  batch: int

  @property
  def trained(self) -> int:
    """Examples that all models see, each as often as there are epochs."""
    return self.models * self.examples * self.epochs


def cores() -> int:
  """Returns how many processors this process may use."""
  # As rnn_tf.engines.cores, which comes with TensorFlow.
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def measure(task: Task) -> dict[str, Any]:
  """Trains the fleet in this process.

  Returns:
    `steady`, examples/s of all models that are trained at once together, without each
    model's first epoch, in which TensorFlow traces; `rates`, examples/s of each such
    epoch, of one model (of all of them where they are stacked).
  """
  at_once = 1
  if task.way == 'keras':
    clocks = _train_keras(task)
  else:
    clocks = _train_fleet(task)
    at_once = min(task.models, cores()) if task.way == 'processes' else 1
  together = task.models if task.way == 'stacked' else 1
  rates = [
    together * task.examples / (end - start)
    for clock in clocks
    for start, end in itertools.pairwise(clock)
  ]
  return {'steady': at_once * statistics.median(rates), 'rates': rates}


def _train_keras(task: Task) -> list[list[float]]:
  """Trains one model after the other, as you would with Keras alone.

  Returns:
    Each model's clock after each epoch, seconds.
  """
  import numpy as np

  from rnn_tf.stack import keras

  random = np.random.default_rng(0)
  images = random.random((task.examples, STEPS, FEATURES), dtype=np.float32)
  labels = random.integers(CLASSES, size=task.examples)
  clocks = []
  for _ in range(task.models):
    model = keras.Sequential(
      [
        keras.Input((STEPS, FEATURES)),
        keras.layers.LSTM(UNITS),
        keras.layers.Dense(CLASSES),
      ]
    )
    model.compile(
      optimizer='adam',
      loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      metrics=['accuracy'],
    )
    clock, watch = _watch()
    model.fit(
      images,
      labels,
      batch_size=task.batch,
      epochs=task.epochs,
      callbacks=[watch],
      verbose=0,
    )
    clocks.append(clock)
  return clocks


def _train_fleet(task: Task) -> list[Sequence[float]]:
  """Trains shadows as `rnn_tf.attack` does, but keeps no outputs of them.

  Returns:
    Each model's clock after each epoch, seconds; one clock where they are stacked.
  """
  from rnn_tf import engines, launch, models
  from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
  from rnn_tf.fleets import trainer, training

  config = RunConfig(
    model=ModelConfig(model='lstm', hidden_size=UNITS),
    training=TrainingConfig(epochs=task.epochs, batch_size=task.batch),
  )
  engine = engines.choose(config)
  launch.set_up_tensorflow(config.training, side_by_side=engines.side_by_side(engine))
  plan = _plan(task, config, engine=engine)
  examples = trainer.Examples(
    inputs=models.inputs(config.model, plan.pool.images),
    labels=plan.pool.labels,
    population_inputs=models.inputs(config.model, plan.population.images),
    population_labels=plan.population.labels,
    image_shape=plan.pool.images.shape[1:],
    class_count=plan.class_count,
  )
  run = training.STRATEGIES[training.choose(task.way, plan, count=task.models)]
  with _clocks_installed() as stacked:
    results = [trained for _, trained in run(plan, range(task.models), examples)]
  return stacked or [trained.arrays[CLOCK] for trained in results]


def _plan(task: Task, config: Any, *, engine: str) -> Any:
  """Returns a FleetPlan on random images, of whose shadows no outputs are due."""
  import numpy as np

  from rnn_tf.attack_config import FleetConfig
  from rnn_tf.datasets import Data, Split
  from rnn_tf.fleets import plan

  random = np.random.default_rng(0)

  def split(count: int, source: str) -> Split:
    return Split(
      images=random.random((count, STEPS, FEATURES, 1), dtype=np.float32),
      labels=random.integers(CLASSES, size=count),
      ids=np.arange(count),
      source=source,
    )

  data = Data(
    name='random',
    version='1',
    class_names=tuple(map(str, range(CLASSES))),
    # Each shadow is trained on a half of it.
    train=split(2 * task.examples, 'train'),
    holdout=split(0, 'train'),
    test=split(1, 'test'),
  )
  fleet = FleetConfig(num_shadows=task.models, shadow_split='half')
  return plan.plan(config, fleet, data=data, epochs=(), hidden=False, engine=engine)


def _watch() -> tuple[list[float], Any]:
  """Returns a list, and a Keras callback that adds the clock to it after each epoch."""
  from rnn_tf.stack import keras

  clock = []
  watch = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda *_: clock.append(time.perf_counter())
  )
  return clock, watch


@contextlib.contextmanager
def _clocks_installed() -> Iterator[list[Sequence[float]]]:
  """Has every shadow bring its clock along; yields the clocks of stacked ones.

  The package has no place for a clock, so three of its functions are replaced.
  """
  from rnn_tf.fleets import stacked, trainer, training

  clocks: list[Sequence[float]] = []
  with (
    mock.patch.object(trainer, 'train', _watched_train(trainer.train)),
    mock.patch.object(training, '_work', _watched_work),
    mock.patch.object(stacked, 'train', _watched_stack(stacked.train, clocks)),
  ):
    yield clocks


def _watched_work(task: Any, shared: Any) -> Any:
  """Does in a process of its own what was to be done there, with a clock."""
  from rnn_tf.fleets import trainer, training

  with mock.patch.object(trainer, 'train', _watched_train(trainer.train)):
    return training._work(task, shared)


def _watched_train(train: Callable[..., Any]) -> Callable[..., Any]:
  import numpy as np

  def watched(task: Any, examples: Any) -> Any:
    clock, watch = _watch()
    trained = train(task, examples, callbacks=[watch])
    return dataclasses.replace(trained, arrays={CLOCK: np.array(clock)})

  return watched


def _watched_stack(
  train: Callable[..., None], clocks: list[Sequence[float]]
) -> Callable[..., None]:
  def watched(config: Any, *, due: Any, at_epoch: Any, **rest: Any) -> None:
    # Nothing is due, and nothing would be trained.
    del due, at_epoch
    clock = []
    train(
      config,
      due=range(1, config.training.epochs + 1),
      at_epoch=lambda *_: clock.append(time.perf_counter()),
      **rest,
    )
    clocks.append(clock)

  return watched


def main() -> None:
  """Reads the arguments, measures, and prints."""
  print(json.dumps(measure(Task(**json.loads(sys.argv[1])))))


if __name__ == '__main__':
  main()
