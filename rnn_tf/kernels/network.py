"""A Keras network as a chain of kernels, or why it cannot be one."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from rnn_tf.kernels import cells, recurrent
from rnn_tf.kernels.feedforward import (
  ConvKernel,
  DenseKernel,
  FlattenKernel,
  MaxPoolKernel,
)
from rnn_tf.kernels.products import Product
from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras, tf


class UnsupportedError(Exception):
  """A layer that no kernel computes; the message names it and says why."""


class RecurrentKernel:
  """A recurrent layer that reads its input in one direction."""

  def __init__(self, layer: keras.layers.Layer):
    self._cell = _CELLS[_cell_type(layer)](layer)
    self._all = layer.return_sequences
    self._backwards = layer.go_backwards

  def prepare(self) -> tuple[tf.Tensor, ...]:
    """Returns the cell's weights."""
    return self._cell.prepare()

  def forward(self, inputs, weights) -> tuple[tf.Tensor, Any]:
    """Takes (rows, steps, features); returns all outputs or the last one."""
    if self._backwards:
      inputs = tf.reverse(inputs, [1])
    trace = recurrent.forward(self._cell, inputs, weights)
    return (trace.outputs if self._all else trace.outputs[:, -1]), trace

  def backward(
    self, d_outputs, trace, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Returns the deltas of the inputs and the cell's blocks."""
    back, blocks = recurrent.backward(
      self._cell, d_outputs, trace, last_only=not self._all, d_inputs=d_inputs
    )
    if self._backwards and back is not None:
      back = tf.reverse(back, [1])
    return back, blocks

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients of the cell's variables."""
    return self._cell.gradients(sums)


class BidirectionalKernel:
  """Two recurrent layers, one from each end, their outputs side by side."""

  def __init__(self, layer: keras.layers.Layer):
    self._both = [
      RecurrentKernel(each) for each in (layer.forward_layer, layer.backward_layer)
    ]
    self._all = layer.forward_layer.return_sequences
    self._blocks = []

  def prepare(self) -> tuple[Any, ...]:
    """Returns both directions' weights."""
    return tuple(each.prepare() for each in self._both)

  def forward(self, inputs, weights) -> tuple[tf.Tensor, Any]:
    """Takes (rows, steps, features)."""
    pairs = [
      each.forward(inputs, own) for each, own in zip(self._both, weights, strict=True)
    ]
    (ahead, behind), traces = zip(*pairs, strict=True)
    return tf.concat([ahead, self._turn(behind)], axis=-1), traces

  def backward(
    self, d_outputs, trace, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Returns the deltas of the inputs and both directions' blocks."""
    ahead, behind = tf.split(d_outputs, 2, axis=-1)
    halves = (ahead, self._turn(behind))
    (back, blocks), (other_back, other_blocks) = (
      each.backward(half, own, d_inputs=d_inputs)
      for each, half, own in zip(self._both, halves, trace, strict=True)
    )
    return (back + other_back if d_inputs else None), [*blocks, *other_blocks]

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients of the forward layer's variables, then the other's."""
    half = len(sums) // 2
    ahead, behind = self._both
    return [*ahead.gradients(sums[:half]), *behind.gradients(sums[half:])]

  def _turn(self, outputs: tf.Tensor) -> tf.Tensor:
    """Puts a backward layer's sequence into the order of the inputs, or back."""
    return tf.reverse(outputs, [1]) if self._all else outputs


@dataclasses.dataclass(frozen=True, eq=False)
class Pass:
  """A batch's way forward and back.

  Attributes:
    logits: (rows, classes).
    losses: (rows,) cross-entropy of each row, whatever its weight.
    blocks: of the gradient of the weighted sum of losses, see `Network.gradients`.
  """

  logits: tf.Tensor
  losses: tf.Tensor
  blocks: list[Product]


class Network:
  """Computes what a Keras model computes, and its gradient in blocks.

  Args:
    model: a built `Sequential` that ends in logits.

  Raises:
    UnsupportedError: a layer has no kernel.
  """

  def __init__(self, model: keras.Model):
    self._kernels = [_kernel(layer) for layer in _checked_layers(model)]

  def prepare(self) -> list[Any]:
    """Returns every layer's weights, read once a batch."""
    return [kernel.prepare() for kernel in self._kernels]

  def __call__(
    self,
    inputs: tf.Tensor,
    labels: tf.Tensor,
    row_weights: tf.Tensor,
    *,
    weights: Sequence[Any],
  ) -> Pass:
    """Runs a batch forward and back.

    Args:
      inputs: (rows, ...) float32.
      labels: (rows,) int64.
      row_weights: (rows,) float32; the gradient of row i is that of its weight
        times its loss.
      weights: what `prepare` returned.
    """
    outputs, traces = inputs, []
    for kernel, own in zip(self._kernels, weights, strict=True):
      outputs, trace = kernel.forward(outputs, own)
      traces.append(trace)
    losses, back = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
      features=outputs, labels=labels
    )
    back *= row_weights[:, None]
    blocks: list[list[Product]] = []
    for depth in reversed(range(len(self._kernels))):
      back, own = self._kernels[depth].backward(back, traces[depth], d_inputs=depth > 0)
      blocks.insert(0, own)
    self._counts = [len(own) for own in blocks]
    return Pass(outputs, losses, [block for own in blocks for block in own])

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients in the order of the model's trainable variables.

    Args:
      sums: one (p, g) tensor a block of a `Pass` of this network.
    """
    gradients, start = [], 0
    for kernel, count in zip(self._kernels, self._counts, strict=True):
      gradients += kernel.gradients(sums[start : start + count])
      start += count
    return gradients


def unsupported(model: keras.Model) -> str | None:
  """Returns why there are no kernels for a built model, or None if there are."""
  try:
    _checked_layers(model)
  except UnsupportedError as reason:
    return str(reason)
  return None


def _cell_type(layer: keras.layers.Layer) -> type:
  """Returns the layer's type; of `RNN`, that of its cell."""
  return type(layer.cell) if type(layer) is keras.layers.RNN else type(layer)


_CELLS: dict[type, Callable[[keras.layers.Layer], recurrent.Cell]] = {
  keras.layers.LSTM: cells.LstmCell,
  keras.layers.GRU: cells.GruCell,
  keras.layers.SimpleRNN: cells.SimpleCell,
  ClockworkRNNCell: cells.ClockworkCell,
}

_KERNELS: dict[type, Callable[[keras.layers.Layer], Any]] = {
  **dict.fromkeys(_CELLS, RecurrentKernel),
  keras.layers.Bidirectional: BidirectionalKernel,
  keras.layers.Dense: DenseKernel,
  keras.layers.Conv2D: ConvKernel,
  keras.layers.MaxPooling2D: MaxPoolKernel,
  keras.layers.Flatten: FlattenKernel,
}


def _kernel(layer: keras.layers.Layer) -> Any:
  return _KERNELS[_cell_type(layer)](layer)


_NEEDED: dict[type, dict[str, Any]] = {
  keras.layers.LSTM: {
    'activation': 'tanh',
    'recurrent_activation': 'sigmoid',
    'use_bias': True,
  },
  keras.layers.GRU: {
    'activation': 'tanh',
    'recurrent_activation': 'sigmoid',
    'use_bias': True,
    'reset_after': True,
  },
  keras.layers.SimpleRNN: {'activation': 'tanh', 'use_bias': True},
  ClockworkRNNCell: {},
  keras.layers.Bidirectional: {'merge_mode': 'concat'},
  keras.layers.Dense: {'activation': ('linear', 'relu'), 'use_bias': True},
  keras.layers.Conv2D: {
    'activation': ('linear', 'relu'),
    'use_bias': True,
    'padding': 'valid',
    'strides': (1, 1),
    'dilation_rate': (1, 1),
    'groups': 1,
    'data_format': 'channels_last',
  },
  keras.layers.MaxPooling2D: {'padding': 'valid', 'data_format': 'channels_last'},
  keras.layers.Flatten: {'data_format': 'channels_last'},
}
"""Layer type -> option -> the value, or a tuple of the values, that it must have."""

_FORBIDDEN = ('dropout', 'recurrent_dropout', 'stateful', 'return_state', 'time_major')


def _checked_layers(model: keras.Model) -> list[keras.layers.Layer]:
  """Returns the layers of a model, all of which kernels can compute."""
  if not isinstance(model, keras.Sequential):
    raise UnsupportedError(f'{model.name}: not a Sequential model')
  layers = model.layers
  for layer in layers:
    # A layer that is in the list twice, or was called outside the model as well.
    if layers.count(layer) > 1 or len(getattr(layer, 'inbound_nodes', ())) > 1:
      raise UnsupportedError(f'{layer.name}: a layer that is used more than once')
    if not layer.trainable:
      raise UnsupportedError(f'{layer.name}: a layer that is frozen')
    _check_layer(layer)
  if model.losses:
    raise UnsupportedError(f'{model.name}: has losses of its own (regularizers)')
  if type(layers[-1]) is not keras.layers.Dense:
    raise UnsupportedError(f'{layers[-1].name}: the last layer must be Dense')
  if layers[-1].activation is not keras.activations.linear:
    raise UnsupportedError(f'{layers[-1].name}: the last layer must give logits')
  return layers


def _check_layer(layer: keras.layers.Layer) -> None:
  kind = _cell_type(layer)
  if kind not in _NEEDED:
    raise UnsupportedError(f'{layer.name}: a layer of type {kind.__name__}')
  if layer.compute_dtype != 'float32':
    raise UnsupportedError(f'{layer.name}: computes in {layer.compute_dtype}')
  if kind is keras.layers.Bidirectional:
    for direction in (layer.forward_layer, layer.backward_layer):
      _check_layer(direction)
  elif getattr(layer, 'go_backwards', False) and 'backward' not in layer.name:
    raise UnsupportedError(f'{layer.name}: go_backwards on its own')
  config = layer.get_config()
  for option in _FORBIDDEN:
    if config.get(option):
      raise UnsupportedError(f'{layer.name}: has {option}={config[option]}')
  for option, needed in _NEEDED[kind].items():
    value = config.get(option)
    value = tuple(value) if isinstance(value, list) else value
    allowed = needed if option == 'activation' and isinstance(needed, tuple) else None
    if value not in allowed if allowed else value != needed:
      raise UnsupportedError(f'{layer.name}: has {option}={value}')
