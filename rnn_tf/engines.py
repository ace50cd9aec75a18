"""Who computes a run's gradients: Keras, this project's kernels, or TF Privacy.

* `keras`: Keras' own step.
* `split`: the kernels, plain gradients, a stream of the batch for each core.
* `exact`: the kernels, each example's gradient clipped, with noise.
* `tf_privacy_model`, `tf_privacy_optimizer`: TF Privacy's, for comparison.

Classical models have no gradients: `sklearn`, see `classical`.
"""

import functools
import os
from typing import Any

import numpy as np

from rnn_tf import models, training
from rnn_tf.config import MODEL_FIELDS, RunConfig
from rnn_tf.dp import randomness, tf_privacy
from rnn_tf.dp.gaussian import GaussianMechanism, PlainMean
from rnn_tf.dp.guarantee import Guarantee
from rnn_tf.errors import UsageError
from rnn_tf.kernels import network, support
from rnn_tf.stack import keras, tf

KERNEL_ENGINES = ('split', 'exact')
"""Engines that want one thread an operation, and operations side by side."""


def choose(config: RunConfig) -> str:
  """Returns the engine that a run's config asks for."""
  if config.privacy.dp:
    engine = config.privacy.dp_engine
    return 'exact' if engine == 'auto' else engine
  kernel = config.training.recurrent_kernel
  if kernel != 'auto':
    return kernel
  recurrent = 'sequence' in MODEL_FIELDS[config.model.model]
  long = config.model.sequence == 'pixels'
  half = config.training.mixed_precision
  return 'split' if recurrent and not (long or half or on_gpu()) else 'keras'


def on_gpu() -> bool:
  """Returns whether TensorFlow sees a GPU."""
  return bool(tf.config.list_physical_devices('GPU'))


def cores() -> int:
  """Returns how many processors this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def side_by_side(engine: str) -> int | None:
  """Returns how many operations should run at once, None for TensorFlow's own way.

  On a CPU the kernels want one thread for each operation.
  """
  return cores() if engine in KERNEL_ENGINES and not on_gpu() else None


def streams(batch_size: int) -> int:
  """Returns the parts that the kernels cut a batch into: one a core, one on a GPU.

  Parts of fewer than 16 rows would cost more to start than to compute, and every
  part makes the graph longer: there are 8 at most.
  """
  return 1 if on_gpu() else max(1, min(cores(), batch_size // 16, 8))


def build(
  config: RunConfig,
  *,
  engine: str,
  guarantee: Guarantee | None,
  image_shape: models.ImageShape,
  num_classes: int,
  examples: int | None = None,
) -> keras.Model:
  """Returns the run's compiled model, whose `fit` uses the engine.

  Args:
    config: the run's.
    engine: what `choose` returned.
    guarantee: what `dp.guarantee.plan` returned; None for plain training.
    image_shape: (height, width, channels).
    num_classes: logits.
    examples: to train on, see `training.compile_model`.

  Raises:
    UsageError: the engine cannot compute this model; names the layer.
  """
  make, optimizer = {}, None
  if engine == 'tf_privacy_model':
    sequential = tf_privacy.sequential(
      l2_norm_clip=guarantee.l2_norm_clip, noise_multiplier=guarantee.noise_multiplier
    )
    make = {'sequential': sequential, 'unroll': True}
  elif engine == 'tf_privacy_optimizer':
    optimizer = functools.partial(
      tf_privacy.optimizer,
      config.training.optimizer,
      l2_norm_clip=guarantee.l2_norm_clip,
      noise_multiplier=guarantee.noise_multiplier,
      num_microbatches=config.privacy.dp_num_microbatches,
    )
  model = models.build(
    config.model, image_shape=image_shape, num_classes=num_classes, **make
  )
  training.compile_model(model, config.training, examples=examples, optimizer=optimizer)
  if engine in KERNEL_ENGINES:
    check_supported(model, engine)
  return model


def check_supported(model: keras.Model, engine: str) -> None:
  """Raises UsageError, naming the layer, unless the kernels can compute the model."""
  reason = support.unsupported(model)
  if reason and engine == 'exact':
    raise UsageError(
      f'--dp_engine=exact: {reason}, which is not clipped exactly: take it out of the '
      'network, or give --dp_engine=tf_privacy_model'
    )
  if reason:
    raise UsageError(
      f'--recurrent_kernel=split: {reason}: give --recurrent_kernel=keras'
    )


def batches(
  config: RunConfig,
  *,
  engine: str,
  keys: randomness.Keys | None,
  first_epoch: int,
  parts: int | None = None,
) -> training.Batches:
  """Returns how `training.fit` cuts the data into batches.

  Args:
    config: the run's.
    engine: what `choose` returned.
    keys: of the randomness of private training, else None.
    first_epoch: epochs that are done already.
    parts: as in `install`.
  """
  # The order of private batches is as secret as their noise.
  key = keys and keys.sampling
  if engine not in KERNEL_ENGINES:
    return training.Batches(config.training, first_epoch=first_epoch, key=key)
  batch_size = config.training.batch_size
  block = parts or streams(batch_size)
  poisson = engine == 'exact' and config.privacy.dp_sampling == 'poisson'
  if poisson:
    # A sixteenth of the batch: some twenty shapes in all, and little to compute for
    # nothing.
    block *= max(1, batch_size // (16 * block))
  return training.Batches(
    config.training, first_epoch=first_epoch, block=block, poisson=poisson, key=key
  )


def install(
  model: keras.Model,
  config: RunConfig,
  *,
  engine: str,
  guarantee: Guarantee | None,
  keys: randomness.Keys | None,
  parts: int | None = None,
) -> None:
  """Makes a model's `fit` take the engine's step.

  Args:
    model: what `build` returned, restored where a run is resumed.
    config: the run's.
    engine: what `choose` returned.
    guarantee: None for plain training.
    keys: of the randomness of private training, else None.
    parts: that the kernels cut a batch into; None means what `streams` says.
  """
  if engine in KERNEL_ENGINES:
    mean = PlainMean()
    if guarantee is not None:
      mean = GaussianMechanism(
        l2_norm_clip=guarantee.l2_norm_clip,
        noise_multiplier=guarantee.noise_multiplier,
        expected_rows=config.training.batch_size,
        key=keys.noise,
      )
    model.train_step = KernelStep(
      model, mean, streams=parts or streams(config.training.batch_size)
    )
  elif guarantee is not None:
    # TF Privacy's noise follows from the global seed, which was set for the weights.
    # A resumed run, whose key may be the same, must not repeat the first steps' noise.
    done = int(model.optimizer.iterations.numpy())
    (seed,) = np.random.SeedSequence([keys.noise, done]).generate_state(1)
    tf.random.set_seed(int(seed))


class KernelStep:
  """A training step by the kernels: what Keras' `fit` calls with each batch.

  The batch is cut into streams that share nothing until their gradients are added,
  so that as many cores work on them, each with one thread.

  Args:
    model: built and compiled.
    mean: turns blocks into the gradient of the step.
    streams: parts of a batch; its size must be a multiple.
  """

  def __init__(
    self, model: keras.Model, mean: PlainMean | GaussianMechanism, *, streams: int
  ):
    self._network = network.Network(model)
    self._mean = mean
    self._streams = streams
    self._optimizer = model.optimizer
    self._variables = model.trainable_variables
    # Not attributes of the model, whose weights file would have a place for them.
    self._running = [keras.metrics.Mean('loss'), keras.metrics.Mean('accuracy')]
    model.reset_metrics = self.reset

  def __call__(
    self, data: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    """Takes inputs, labels and row weights; returns the epoch's running metrics."""
    _, labels, row_weights = data
    passes, sums = self._run(data)
    gradients = self._mean.release(
      self._network.gradients(sums),
      rows=tf.reduce_sum(row_weights),
      step=self._optimizer.iterations,
    )
    self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))
    losses = tf.concat([each.losses for each in passes], axis=0)
    guesses = tf.argmax(tf.concat([each.logits for each in passes], axis=0), axis=1)
    right = tf.cast(tf.equal(guesses, labels), tf.float32)
    for metric, values in zip(self._running, (losses, right), strict=True):
      metric.update_state(values, sample_weight=row_weights)
    return {metric.name: metric.result() for metric in self._running}

  def reset(self) -> None:
    """Starts the running metrics anew, as Keras does at the start of an epoch."""
    for metric in self._running:
      metric.reset_state()

  def _run(self, data: Any) -> tuple[list[network.Pass], list[tf.Tensor]]:
    """Returns every stream's pass, and the blocks' sums over all of them."""
    weights = self._network.prepare()
    parts = zip(*(tf.split(each, self._streams) for each in data), strict=True)
    passes = [self._network(x, y, row_weights=w, weights=weights) for x, y, w in parts]
    sums = [self._mean.sums(each.blocks) for each in passes]
    return passes, [tf.add_n(each) for each in zip(*sums, strict=True)]
