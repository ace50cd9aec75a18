"""Trains one shadow model and returns what it says; knows no files."""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from rnn_tf import engines, models, training
from rnn_tf.config import RunConfig
from rnn_tf.dp import guarantee, randomness
from rnn_tf.errors import UsageError
from rnn_tf.prediction import Predictor
from rnn_tf.stack import keras


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
  """What all shadows of a fleet share.

  Attributes:
    inputs: (n, ...) float32, the pool as the model takes it.
    labels: (n,) int64.
    population_inputs: (z, ...) float32.
    population_labels: (z,) int64.
    image_shape: (height, width, channels).
    class_count: logits.
  """

  inputs: np.ndarray
  labels: np.ndarray
  population_inputs: np.ndarray
  population_labels: np.ndarray
  image_shape: tuple[int, int, int]
  class_count: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Task:
  """One shadow model.

  Attributes:
    model: its number.
    config: the target's but for the seed.
    rows: (m,) int64 rising, its training examples' positions in the pool.
    epochs: from 1, after which its outputs are kept.
    hidden: whether the layer below the logits is kept too.
    engine: who computes the gradients, or fits the model.
    parts: see `engines.install`; of classical models the threads.
  """

  model: int
  config: RunConfig
  rows: np.ndarray
  epochs: tuple[int, ...]
  hidden: bool
  engine: str
  parts: int | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
  """A shadow's outputs.

  Attributes:
    arrays: see `outputs`, for each epoch kept.
    train_accuracy: epoch -> share of its own examples classified correctly.
    test_accuracy: epoch -> share of the population classified correctly.
    seconds: the training and the predictions took.
  """

  arrays: Mapping[str, np.ndarray]
  train_accuracy: Mapping[int, float]
  test_accuracy: Mapping[int, float]
  seconds: float


def train(
  task: Task,
  examples: Examples,
  *,
  callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trained:
  """Trains a shadow from fresh weights.

  The same task gives the same weights, to the last bit where TensorFlow's threads do
  not decide the order of sums (`parts` of 1, or `--deterministic`).

  Raises:
    UsageError: the training diverges.
  """
  start = time.perf_counter()
  config = task.config
  keras.utils.set_random_seed(config.training.seed)
  promise = guarantee.plan(config, examples=len(task.rows), engine=task.engine)
  # Nobody relies on a shadow's privacy: its noise follows from its seed.
  keys = randomness.repeatable_keys(config.training.seed) if config.privacy.dp else None
  model = engines.build(
    config,
    engine=task.engine,
    guarantee=promise,
    image_shape=examples.image_shape,
    num_classes=examples.class_count,
    examples=len(task.rows),
  )
  engines.install(
    model,
    config,
    engine=task.engine,
    guarantee=promise,
    keys=keys,
    parts=task.parts,
  )
  keeper = Keeper(task.model, rows=task.rows, epochs=task.epochs, examples=examples)
  predict = predictor(model, hidden=task.hidden, streams=task.parts)
  batches = engines.batches(
    config, engine=task.engine, keys=keys, first_epoch=0, parts=task.parts
  )
  training.fit(
    model,
    examples.inputs[task.rows],
    examples.labels[task.rows],
    batches=batches,
    callbacks=[_Observer(keeper, predict), *callbacks],
  )
  return keeper.trained(time.perf_counter() - start)


Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


def predictor(model: keras.Model, *, hidden: bool, streams: int | None) -> Predict:
  """Returns a function from inputs (n, ...) to what a model says of them.

  Args:
    model: built.
    hidden: whether to return the layer below the logits as well.
    streams: see `Predictor`.

  Returns:
    Inputs to logits (n, classes) float32 and hidden (n, units) float16 or None.
  """
  logits = Predictor(model, streams=streams)
  below = Predictor(models.representation(model), streams=streams) if hidden else None

  def predict(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    return logits(inputs), below and below(inputs).astype(np.float16)

  return predict


def array_name(epoch: int, what: str) -> str:
  """Returns the name of an array in a shadow's file.

  Args:
    epoch: from 1.
    what: `pool` (n, classes) float32, `population` (z, classes) float32, or `hidden`
      (n, units) float16, of the pool.
  """
  return f'epoch-{epoch:04d}/{what}'


class Keeper:
  """Collects what one shadow says at the epochs that are due.

  Args:
    model: the shadow's number.
    rows: (m,) int64, its training examples' positions in the pool.
    epochs: those that are due.
    examples: the fleet's.
  """

  def __init__(
    self, model: int, *, rows: np.ndarray, epochs: Collection[int], examples: Examples
  ):
    self._model = model
    self._rows = rows
    self._epochs = set(epochs)
    self._examples = examples
    self._arrays: dict[str, np.ndarray] = {}
    self._train_accuracy: dict[int, float] = {}
    self._test_accuracy: dict[int, float] = {}

  def keep(self, epoch: int, predict: Predict) -> None:
    """Keeps the outputs after an epoch, if it is due.

    Raises:
      UsageError: they are no numbers any more.
    """
    if epoch not in self._epochs:
      return
    pool, hidden = predict(self._examples.inputs)
    population, _ = predict(self._examples.population_inputs)
    outputs = [each for each in (pool, population, hidden) if each is not None]
    if not all(np.isfinite(each).all() for each in outputs):
      raise UsageError(
        f'shadow model {self._model} has diverged by epoch {epoch}: train a target '
        'with a lower --learning_rate, whose shadows follow it, or give another '
        '--shadow_seed'
      )
    arrays = {'pool': pool, 'population': population, 'hidden': hidden}
    for what, values in arrays.items():
      if values is not None:
        self._arrays[array_name(epoch, what)] = values
    right = pool[self._rows].argmax(axis=1) == self._examples.labels[self._rows]
    self._train_accuracy[epoch] = float(right.mean())
    right = population.argmax(axis=1) == self._examples.population_labels
    self._test_accuracy[epoch] = float(right.mean())

  def trained(self, seconds: float) -> Trained:
    """Returns everything that was kept."""
    return Trained(
      arrays=self._arrays,
      train_accuracy=self._train_accuracy,
      test_accuracy=self._test_accuracy,
      seconds=seconds,
    )


class _Observer(keras.callbacks.Callback):
  """Lets a keeper see the model after each epoch."""

  def __init__(self, keeper: Keeper, predict: Predict):
    super().__init__()
    self._supports_tf_logs = True
    self._keeper = keeper
    self._predict = predict

  def on_epoch_end(self, epoch, logs=None):
    """Keeps what is due."""
    self._keeper.keep(epoch + 1, self._predict)
