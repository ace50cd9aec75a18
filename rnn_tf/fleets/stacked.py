"""Many small models trained at once: their weights stacked, one step for all.

A model of a hundred units leaves a GPU idle between its many small operations.
Here all weights have a leading axis of models, every product is a batched one, and
a step trains each model on its own batch. The models share nothing: the gradient of
the sum of their losses is each model's own, and the optimizers work element by
element. So each ends where it would have ended alone, up to float error.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from rnn_tf import models, training
from rnn_tf.config import RunConfig, TrainingConfig
from rnn_tf.kernels import support
from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras, tf

UNROLLED_STEPS = 64
"""Longer sequences run in a loop of the graph: quicker to build, slower to run."""

AtEpoch = Callable[[int, list[list[np.ndarray]]], None]
"""Takes an epoch, from 1, and each model's weights, as its `get_weights` has them."""

Layer = keras.layers.Layer
Tensors = Sequence[tf.Tensor]


def unsupported(config: RunConfig) -> str | None:
  """Returns why models cannot be trained stacked, or None if they can.

  The reason begins with the flag that is at fault.
  """
  if config.privacy.dp:
    return '--dp: gradients are clipped and made noisy for one model at a time'
  if config.training.mixed_precision:
    return '--mixed_precision: stacked models compute in 32-bit floats'
  kernel = config.training.recurrent_kernel
  if kernel != 'auto':
    return f'--recurrent_kernel={kernel}: stacked models have a kernel of their own'
  return None


def train(
  config: RunConfig,
  *,
  inputs: np.ndarray,
  labels: np.ndarray,
  rows: np.ndarray,
  seeds: Sequence[int],
  image_shape: models.ImageShape,
  num_classes: int,
  due: Collection[int],
  at_epoch: AtEpoch,
) -> None:
  """Trains models at once, each as `training.fit` would train it with its seed.

  Sets the global seeds, as that takes. Nothing is trained after the last epoch that
  is due.

  Args:
    config: of every model; its seed is not used.
    inputs: (pool, ...) float32, what `models.inputs` returned.
    labels: (pool,) int64.
    rows: (models, n) int64, the positions in the pool that each is trained on.
    seeds: one a model, of its weights and the order of its examples.
    image_shape: (height, width, channels).
    num_classes: logits.
    due: epochs, from 1, after which `at_epoch` is called.
    at_epoch: looks at the models; to predict, set the weights of a Keras model.

  Raises:
    UsageError: a batch is larger than n.
    ValueError: `unsupported` has a reason, or the arguments do not fit together.
  """
  if reason := unsupported(config):
    raise ValueError(reason)
  if rows.ndim != 2 or len(rows) != len(seeds) or not len(seeds):
    raise ValueError(f'rows of shape {rows.shape} for {len(seeds)} seeds')
  if not all(1 <= epoch <= config.training.epochs for epoch in due):
    raise ValueError(f'due are epochs {sorted(due)} of {config.training.epochs}')
  built = []
  for seed in seeds:
    keras.utils.set_random_seed(int(seed))
    built.append(
      models.build(config.model, image_shape=image_shape, num_classes=num_classes)
    )
  stacked = StackedModels(built, config.training, examples=rows.shape[1])
  inputs, labels = tf.constant(inputs), tf.constant(labels)
  orders = _orders(config.training, rows, seeds=seeds)
  for epoch in range(1, max(due, default=0) + 1):
    stacked.run_epoch(inputs, labels, order=next(orders))
    if epoch in due:
      at_epoch(epoch, stacked.weights())


def _orders(
  config: TrainingConfig, rows: np.ndarray, *, seeds: Sequence[int]
) -> Iterator[np.ndarray]:
  """Yields, epoch by epoch, each model's rows in the order of its batches."""
  # The order does not depend on the size of a batch: one of all rows is an epoch.
  config = dataclasses.replace(config, batch_size=rows.shape[1])
  epochs = [
    training.Batches(dataclasses.replace(config, seed=int(seed)))(own, own)
    for seed, own in zip(seeds, rows, strict=True)
  ]
  for each in zip(*epochs, strict=True):
    yield np.stack([order.numpy() for order, _ in each])


class StackedModels:
  """Models of one network, each with weights of its own, trained side by side.

  Args:
    built: the models, uncompiled, as `models.build` makes them.
    config: of their training; its seed is not used.
    examples: that each is trained on.

  Raises:
    UsageError: a batch is larger than `examples`.
    support.UnsupportedError: a layer cannot be computed.
  """

  def __init__(
    self, built: Sequence[keras.Model], config: TrainingConfig, *, examples: int
  ):
    self._steps = config.steps_per_epoch(examples)
    self._examples, self._batch_size = examples, config.batch_size
    # The first of them stands for all: it says what a layer does and how it learns.
    training.compile_model(built[0], config, examples=examples)
    self._layers = support.checked_layers(built[0])
    weights = zip(*(each.get_weights() for each in built), strict=True)
    self._variables = [tf.Variable(np.stack(each)) for each in weights]
    self._optimizer = built[0].optimizer
    self._optimizer.build(self._variables)

  def weights(self) -> list[list[np.ndarray]]:
    """Returns each model's weights, as its `get_weights` would."""
    stacked = [variable.numpy() for variable in self._variables]
    return [list(own) for own in zip(*stacked, strict=True)]

  def run_epoch(
    self, inputs: tf.Tensor, labels: tf.Tensor, *, order: np.ndarray
  ) -> None:
    """Trains an epoch.

    Args:
      inputs: (pool, ...) float32, on the device.
      labels: (pool,) int64.
      order: (models, examples) int64, positions in the pool.
    """
    # The last batch is filled up, with rows of weight 0: one shape, hence one graph.
    spare = self._steps * self._batch_size - self._examples
    order = tf.constant(np.pad(order, [(0, 0), (0, spare)], mode='edge'))
    for step in range(self._steps):
      self._step(inputs, labels, order, tf.constant(step * self._batch_size))

  @tf.function
  def _step(self, inputs, labels, order, start) -> None:
    """Moves every model's weights by the gradient of its batch's mean loss."""
    size = self._batch_size
    rows = tf.ensure_shape(order[:, start : start + size], [len(order), size])
    real = tf.minimum(size, self._examples - start)
    row_weights = tf.cast(tf.range(size) < real, tf.float32) / tf.cast(real, tf.float32)
    with tf.GradientTape() as tape:
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.gather(labels, rows), self._logits(tf.gather(inputs, rows))
      )
      loss = tf.reduce_sum(losses * row_weights)
    gradients = tape.gradient(loss, self._variables)
    self._optimizer.apply_gradients(zip(gradients, self._variables, strict=True))

  def _logits(self, inputs: tf.Tensor) -> tf.Tensor:
    """Returns (models, batch, classes) of inputs (models, batch, ...)."""
    # Read once: a loop over time would read them at every step.
    left = iter([tf.convert_to_tensor(variable) for variable in self._variables])
    # Sequences have their steps in front of the batch, from layer to layer.
    outputs = tf.transpose(inputs, [0, 2, 1, 3]) if len(inputs.shape) == 4 else inputs
    for layer in self._layers:
      own = [next(left) for _ in layer.trainable_weights]
      outputs = _LAYERS[support.kind(layer)](layer, outputs, own)
    return outputs


def _affine(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
  """Returns x W + b of (models, ..., features), one product for each model."""
  count, *inner, features = inputs.shape
  flat = tf.reshape(inputs, [count, -1, features])
  return tf.reshape(tf.matmul(flat, kernel) + bias[:, None], [count, *inner, -1])


def _dense(layer: Layer, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
  return layer.activation(_affine(inputs, *weights))


def _conv(layer: Layer, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
  """Multiplies the patches, (models, batch, height, width, patch), with the kernels.

  They are cut out with slices: the gradient of TensorFlow's own patches is a sparse
  product, which is slow, and not deterministic on a GPU.
  """
  kernel, bias = weights
  count, high, wide, _, filters = kernel.shape
  rows, columns = inputs.shape[2] - high + 1, inputs.shape[3] - wide + 1
  corners = [(i, j) for i in range(high) for j in range(wide)]
  patches = [inputs[:, :, i : i + rows, j : j + columns] for i, j in corners]
  kernel = tf.reshape(kernel, [count, -1, filters])
  return layer.activation(_affine(tf.concat(patches, axis=-1), kernel, bias))


def _weightless(layer: Layer, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
  """Does what Keras does, to the batches of all models as one."""
  outputs = layer.call(tf.reshape(inputs, [-1, *inputs.shape[2:]]))
  return tf.reshape(outputs, [*inputs.shape[:2], *outputs.shape[1:]])


def _bidirectional(layer: Layer, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
  half = len(weights) // 2
  ahead = _recurrent(layer.forward_layer, inputs, weights[:half])
  behind = _recurrent(layer.backward_layer, inputs, weights[half:])
  if layer.forward_layer.return_sequences:
    behind = tf.reverse(behind, [1])
  return tf.concat([ahead, behind], axis=-1)


def _recurrent(layer: Layer, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
  """Returns (models, steps, batch, units), or the last step's (models, batch, units).

  Every cell is a function of z_t = x_t W + b + h_{t-1} U. All x_t W + b are one
  product, and so is the gradient of U, the sum of all h_{t-1}^T dz_t.
  """
  prepare, step, states = _CELLS[support.kind(layer)]
  kernel, recurrent, bias = prepare(layer.cell, weights)
  if layer.go_backwards:
    inputs = tf.reverse(inputs, [1])
  count, steps, batch, _ = inputs.shape
  start = (tf.zeros([count, batch, layer.cell.units]),) * states
  run = _unrolled if steps <= UNROLLED_STEPS else _looped

  @tf.custom_gradient
  def recurrence(projected, recurrent):
    constant = tf.stop_gradient(recurrent)

    def advance(x, state, t):
      return step(layer.cell, x + tf.matmul(state[0], constant), state, t)

    with tf.GradientTape() as tape:
      tape.watch(projected)
      hidden, last = run(advance, projected, start)
      outputs = hidden if layer.return_sequences else last

    def back(d_outputs):
      deltas = tape.gradient(outputs, projected, d_outputs)
      left = tf.reshape(hidden[:, :-1], [count, -1, hidden.shape[-1]])
      right = tf.reshape(deltas[:, 1:], [count, -1, deltas.shape[-1]])
      return deltas, tf.matmul(left, right, transpose_a=True)

    return outputs, back

  return recurrence(_affine(inputs, kernel, bias), recurrent)


def _unrolled(advance: Callable, projected: tf.Tensor, state: Tensors) -> Tensors:
  """Returns every h_t, (models, steps, batch, units), and the last one."""
  hidden = []
  for t, x in enumerate(tf.unstack(projected, axis=1)):
    state = advance(x, state, t)
    hidden.append(state[0])
  return tf.stack(hidden, axis=1), hidden[-1]


def _looped(advance: Callable, projected: tf.Tensor, state: Tensors) -> Tensors:
  """Returns what `_unrolled` does, by a loop of the graph."""
  steps = projected.shape[1]
  by_step = tf.transpose(projected, [1, 0, 2, 3])
  arrays = tf.TensorArray(tf.float32, steps, element_shape=state[0].shape)

  def body(t, state, hidden):
    state = advance(by_step[t], state, t)
    return t + 1, state, hidden.write(t, state[0])

  _, state, hidden = tf.while_loop(
    lambda t, *_: t < steps, body, (tf.constant(0), state, arrays)
  )
  return tf.transpose(hidden.stack(), [1, 0, 2, 3]), state[0]


def _as_they_are(cell, weights):
  return weights


def _simple_step(cell, z, state, t):
  return (tf.tanh(z),)


def _lstm_step(cell, z, state, t):
  i, f, c, o = tf.split(z, 4, axis=-1)
  memory = tf.sigmoid(f) * state[1] + tf.sigmoid(i) * tf.tanh(c)
  return tf.sigmoid(o) * tf.tanh(memory), memory


def _gru_weights(cell, weights):
  """Keeps the candidate's sides apart: z is two gates, then x W + b, then h U + c."""
  kernel, recurrent, bias = weights
  n = cell.units

  def widened(tensor, at):
    zeros = tf.zeros_like(tensor[..., :n])
    return tf.concat([tensor[..., :at], zeros, tensor[..., at:]], axis=-1)

  bias = widened(bias[:, 0], 3 * n) + widened(bias[:, 1], 2 * n)
  return widened(kernel, 3 * n), widened(recurrent, 2 * n), bias


def _gru_step(cell, z, state, t):
  gates, candidate, inner = tf.split(z, np.array([2, 1, 1]) * cell.units, axis=-1)
  update, reset = tf.split(tf.sigmoid(gates), 2, axis=-1)
  candidate = tf.tanh(candidate + reset * inner)
  return (candidate + update * (state[0] - candidate),)


def _clockwork_weights(cell, weights):
  kernel, recurrent, bias = weights
  return kernel, recurrent * cell.connections(), bias


def _clockwork_step(cell, z, state, t):
  ticks = tf.equal(tf.math.floormod(tf.cast(t, tf.float32), cell.unit_periods), 0.0)
  return (tf.where(ticks, tf.tanh(z), state[0]),)


_CELLS = {
  keras.layers.SimpleRNN: (_as_they_are, _simple_step, 1),
  keras.layers.LSTM: (_as_they_are, _lstm_step, 2),
  keras.layers.GRU: (_gru_weights, _gru_step, 1),
  ClockworkRNNCell: (_clockwork_weights, _clockwork_step, 1),
}
"""Cell -> W, U and b of z from its weights; (z, state, t) to the next state; states."""

_LAYERS: dict[type, Callable[[Layer, tf.Tensor, Tensors], tf.Tensor]] = {
  **dict.fromkeys(_CELLS, _recurrent),
  keras.layers.Bidirectional: _bidirectional,
  keras.layers.Dense: _dense,
  keras.layers.Conv2D: _conv,
  keras.layers.MaxPooling2D: _weightless,
  keras.layers.Flatten: _weightless,
}
"""Layer -> its outputs from inputs and weights, all with an axis of models in front."""
