"""A Keras network as a chain of kernels."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from rnn_tf.kernels import cells, recurrent, support
from rnn_tf.kernels.feedforward import (
  ConvKernel,
  DenseKernel,
  FlattenKernel,
  MaxPoolKernel,
)
from rnn_tf.kernels.products import Product
from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras, tf


class RecurrentKernel:
  """A recurrent layer that reads its input in one direction."""

  def __init__(self, layer: keras.layers.Layer):
    self._cell = _CELLS[support.kind(layer)](layer)
    self.blocks = self._cell.blocks
    self._all = layer.return_sequences
    self._backwards = layer.go_backwards

  def prepare(self) -> tuple[tf.Tensor, ...]:
    """Returns the cell's weights."""
    return self._cell.prepare()

  def forward(self, inputs, weights) -> tuple[tf.Tensor, Any]:
    """Takes (rows, steps, features); returns all outputs or the last one."""
    if self._backwards:
      inputs = tf.reverse(inputs, [1])
    trace = recurrent.forward(self._cell, inputs, weights=weights)
    return (trace.outputs if self._all else trace.outputs[:, -1]), trace

  def backward(
    self, d_outputs, trace, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Returns the deltas of the inputs and the cell's blocks."""
    back, blocks = recurrent.backward(
      self._cell,
      d_outputs,
      trace=trace,
      last_only=not self._all,
      d_inputs=d_inputs,
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
    self.blocks = sum(each.blocks for each in self._both)

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
    support.UnsupportedError: a layer has no kernel.
  """

  def __init__(self, model: keras.Model):
    self._kernels = [_kernel(layer) for layer in support.checked_layers(model)]

  def prepare(self) -> list[Any]:
    """Returns every layer's weights, read once a batch."""
    return [kernel.prepare() for kernel in self._kernels]

  def __call__(
    self,
    inputs: tf.Tensor,
    labels: tf.Tensor,
    *,
    row_weights: tf.Tensor,
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
    return Pass(outputs, losses, [block for own in blocks for block in own])

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients in the order of the model's trainable variables.

    Args:
      sums: one (p, g) tensor a block of a `Pass` of this network.
    """
    left = iter(sums)
    gradients = []
    for kernel in self._kernels:
      gradients += kernel.gradients(list(itertools.islice(left, kernel.blocks)))
    return gradients


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
  return _KERNELS[support.kind(layer)](layer)
