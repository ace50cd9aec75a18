"""Fitting a model so that a killed run ends as if it had not been killed.

The order of the examples depends on the seed and the epoch alone, and the
checkpoint after each epoch holds weights, optimizer and epoch number: what
follows a restart is what would have followed without it.
"""

import contextlib
import dataclasses
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rnn_tf.config import TrainingConfig
from rnn_tf.dp import sampling
from rnn_tf.errors import UsageError
from rnn_tf.run_places import private_file, private_folder
from rnn_tf.stack import keras, tf

OPTIMIZERS: Mapping[str, Callable[..., keras.optimizers.Optimizer]] = {
  'adam': keras.optimizers.Adam,
  'adagrad': keras.optimizers.Adagrad,
  'rmsprop': keras.optimizers.RMSprop,
  'sgd': keras.optimizers.SGD,
}
"""Optimizer name -> its class."""


def compile_model(
  model: keras.Model,
  config: TrainingConfig,
  *,
  examples: int | None = None,
  optimizer: Callable[..., keras.optimizers.legacy.Optimizer] | None = None,
) -> None:
  """Compiles a model that ends in logits for integer labels.

  Args:
    model: built.
    config: names the optimizer, and says how its step size falls.
    examples: to train on; needed where the step size falls, which takes knowing the
      number of steps.
    optimizer: makes one, of a `learning_rate`, that takes the loss of each example,
      in place of that.
  """
  make = optimizer or OPTIMIZERS[config.optimizer]
  model.compile(
    optimizer=make(learning_rate=_learning_rate(config, examples)),
    loss=keras.losses.SparseCategoricalCrossentropy(
      from_logits=True, reduction='none' if optimizer else 'auto'
    ),
    metrics=['accuracy'],
  )


def _learning_rate(
  config: TrainingConfig, examples: int | None
) -> float | keras.optimizers.schedules.LearningRateSchedule:
  if config.learning_rate_decay == 'none':
    return config.learning_rate
  steps = config.epochs * config.steps_per_epoch(examples)
  if config.learning_rate_decay == 'linear':
    return keras.optimizers.schedules.PolynomialDecay(config.learning_rate, steps, 0.0)
  return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)


@dataclasses.dataclass(frozen=True)
class Batches:
  """How the examples become the batches of all epochs that are still to come.

  Attributes:
    config: epochs, batch size and seed.
    first_epoch: epochs that are done already; 0 for a new run.
    block: None, or a number of which every batch's size is a multiple: rows of
      weight 0 fill it up, and a third element of each batch has the weights.
    poisson: whether each batch is drawn by Poisson sampling; else every example
      occurs once an epoch, in an order that depends on key and epoch alone.
    key: of these draws; None means the seed.
  """

  config: TrainingConfig
  first_epoch: int = 0
  block: int | None = None
  poisson: bool = False
  key: int | None = None

  def __call__(self, inputs: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
    """Returns the batches, one epoch after the other.

    Args:
      inputs: (n, ...) float32.
      labels: (n,) int64.
    """
    with tf.device('cpu:0'):
      inputs, labels = tf.constant(inputs), tf.constant(labels)
    batches = (self._poisson if self.poisson else self._shuffled)(inputs, labels)
    # Rewriting the pipeline would copy the data once more, and gains nothing here.
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)

  def _poisson(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.data.Dataset:
    steps = self.config.steps_per_epoch(len(labels))
    return sampling.batches(
      inputs,
      labels,
      batch_size=self.config.batch_size,
      block=self.block,
      key=self.key,
      steps=(self.first_epoch * steps, self.config.epochs * steps),
    )

  def _shuffled(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.data.Dataset:
    count, config = len(labels), self.config
    key = np.int64(config.seed if self.key is None else self.key)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
      order = tf.random.experimental.stateless_shuffle(
        tf.range(count, dtype=tf.int64), seed=tf.stack([key, epoch])
      )
      return tf.data.Dataset.from_tensor_slices(order).batch(config.batch_size)

    def gather(rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
      if self.block is None:
        return tf.gather(inputs, rows), tf.gather(labels, rows)
      # All batches, the last of an epoch included, have one size.
      size = -(-config.batch_size // self.block) * self.block
      return sampling.padded(inputs, labels, rows=rows, size=size)

    epochs = tf.data.Dataset.range(self.first_epoch, config.epochs)
    return epochs.flat_map(epoch_batches).map(gather)


def fit(
  model: keras.Model,
  inputs: np.ndarray,
  labels: np.ndarray,
  *,
  batches: Batches,
  callbacks: Sequence[keras.callbacks.Callback],
) -> None:
  """Trains all epochs that are still to come with Keras' own loop.

  Args:
    model: compiled.
    inputs: (n, ...) float32, what the model takes.
    labels: (n,) int64.
    batches: how the data is cut.
    callbacks: the caller's; they alone write and print.
  """
  config = batches.config
  if batches.first_epoch >= config.epochs:
    return
  model.fit(
    batches(inputs, labels),
    steps_per_epoch=config.steps_per_epoch(len(labels)),
    initial_epoch=batches.first_epoch,
    epochs=config.epochs,
    callbacks=list(callbacks),
    verbose=0,
  )


_UNREADABLE = (
  tf.errors.OpError,
  AssertionError,
  IndexError,
  KeyError,
  RuntimeError,
  ValueError,
)
"""What TensorFlow raises on a checkpoint that is damaged or of another network."""


class Checkpoints:
  """The last epoch's weights and optimizer, and the best epoch's weights.

  Args:
    path: the run's folder.
    model: compiled; restored in place.
  """

  def __init__(self, path: pathlib.Path, model: keras.Model):
    self._model = model
    self._weights = path / 'weights'
    self._epoch = tf.Variable(0, dtype=tf.int64)
    # TensorFlow creates its files, and folders that are missing, as the umask says.
    private_folder(path / 'checkpoint')
    # The variables, not the model: what an engine keeps beside them is no state.
    kept = tf.train.Checkpoint(
      variables=list(model.variables), optimizer=model.optimizer, epoch=self._epoch
    )
    try:
      self._manager = tf.train.CheckpointManager(
        kept, str(path / 'checkpoint'), max_to_keep=1
      )
    except _UNREADABLE as error:
      raise UsageError(
        f'{path}/checkpoint/checkpoint: damaged: --overwrite starts again'
      ) from error

  def restore(self) -> int:
    """Restores the last checkpoint and returns its epoch; 0 where there is none.

    Raises:
      UsageError: the checkpoint is damaged.
    """
    latest = self._manager.latest_checkpoint
    if latest is None:
      return 0
    _build_optimizer(self._model)
    try:
      status = self._manager.checkpoint.restore(latest)
      status.assert_existing_objects_matched()
    except _UNREADABLE as error:
      first_line = str(error).splitlines()[0]
      raise UsageError(
        f'{latest}: damaged checkpoint, or of an earlier version ({first_line}): '
        '--overwrite starts again'
      ) from error
    return int(self._epoch.numpy())

  def save(self, epoch: int, *, best_epoch: int) -> None:
    """Records an epoch; from here on the run resumes after it.

    The best weights are written under their epoch's name before the checkpoint,
    and superseded ones are removed after it, so that whichever checkpoint a
    killed run comes back to finds its best weights.

    Args:
      epoch: the epoch that has just ended, from 1.
      best_epoch: the epoch with the best validation accuracy so far.
    """
    if epoch == best_epoch:
      self._save_weights(self._best(epoch))
    self._epoch.assign(epoch)
    with _written(pathlib.Path(self._manager.directory)):
      self._manager.save(checkpoint_number=epoch)
    for path in pathlib.Path(self._manager.directory).iterdir():
      path.chmod(0o600)
    for path in self._weights.glob('epoch-*'):
      if path != self._best(best_epoch):
        path.unlink()

  def finish(self, *, best_epoch: int) -> None:
    """Leaves `final.weights.h5` and `best.weights.h5`, and can be done again.

    Raises:
      UsageError: somebody has removed the best weights.
    """
    self._save_weights(self._weights / 'final.weights.h5')
    best = self._weights / 'best.weights.h5'
    if self._best(best_epoch).exists():
      self._best(best_epoch).replace(best)
    if not best.exists():
      raise UsageError(
        f'{best.parent}: the best weights, of epoch {best_epoch}, have been removed: '
        '--overwrite starts again'
      )

  def discard(self) -> None:
    """Removes the checkpoint of a run that is finished."""
    shutil.rmtree(self._manager.directory, ignore_errors=True)

  def _best(self, epoch: int) -> pathlib.Path:
    return self._weights / f'epoch-{epoch:04d}.weights.h5'

  def _save_weights(self, path: pathlib.Path) -> None:
    private_folder(path.parent)
    temporary = path.with_name(f'.tmp.{path.name}')
    private_file(temporary)
    # The layers alone, as a run that is resumed after its last epoch writes them too:
    # where it has trained, Keras would add the running metrics, of which the epoch's
    # log was made (a private run's exact training loss must not leave with weights).
    with _written(path):
      keras.Model(self._model.inputs, self._model.outputs).save_weights(temporary)
    temporary.replace(path)


@contextlib.contextmanager
def _written(path: pathlib.Path) -> Iterator[None]:
  """Says which file it is where TensorFlow or HDF5 cannot write, each in its way."""
  try:
    yield
  except (OSError, RuntimeError, tf.errors.OpError) as error:
    # HDF5 begins with what it did, and has the reason further down.
    reason = re.search(r"error message = '(.+?)'", str(error))
    first_line = reason[1] if reason else str(error).splitlines()[0]
    raise UsageError(
      f'{path}: cannot be written ({first_line}): make room; what is finished is kept, '
      'the same command goes on'
    ) from error


def _build_optimizer(model: keras.Model) -> None:
  """Creates the optimizer's variables, which a checkpoint restores."""
  if isinstance(model.optimizer, keras.optimizers.legacy.Optimizer):
    model.optimizer._create_all_weights(model.trainable_variables)
  else:
    model.optimizer.build(model.trainable_variables)


def load_weights(model: keras.Model, path: pathlib.Path) -> None:
  """Loads weights, and nothing but weights, into a built model.

  Raises:
    UsageError: the file is missing, damaged, or of another network.
  """
  try:
    model.load_weights(path)
  except FileNotFoundError:
    raise UsageError(
      f'{path}: no such file: train the run to its end, or anew with --overwrite'
    ) from None
  except Exception as error:  # HDF5 and Keras each raise their own.
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    raise UsageError(
      f'{path}: damaged, or of another network ({first_line})'
    ) from error
