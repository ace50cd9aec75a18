"""The cells of `recurrent`: LSTM, GRU, simple and clockwork, as Keras defines them."""

from collections.abc import Sequence

import numpy as np

from rnn_tf.kernels.products import Product, with_ones
from rnn_tf.stack import keras, tf

Tensors = tuple[tf.Tensor, ...]


def _joint_product(
  inputs: tf.Tensor, *, previous: tf.Tensor, delta: tf.Tensor
) -> Product:
  """Returns the block of [W; U; b], where all three meet the same deltas."""
  return Product(with_ones(tf.concat([inputs, previous], axis=2)), delta)


class LstmCell:
  """LSTM (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000).

  TensorFlow's fused LSTMBlockCell does a step in one operation and its gradient
  another, where written-out gates would take thirty; its gates stand in the order
  i, c, f, o, Keras' in i, f, c, o.
  """

  states = 2
  blocks = 1

  def __init__(self, layer: keras.layers.Layer):
    self._layer = layer
    self.units = layer.units
    i, f, c, o = np.split(np.arange(4 * self.units), 4)
    self._order = np.concatenate([i, c, f, o])

  def prepare(self) -> Tensors:
    """Returns [W; U] (features + units, 4 units), U, the bias, and no peepholes."""
    cell = self._layer.cell
    kernel, recurrent, bias = (
      tf.gather(v, self._order, axis=-1)
      for v in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    both = tf.concat([kernel, recurrent], axis=0)
    return both, kernel, recurrent, bias, tf.zeros([self.units])

  def project(self, inputs, weights):
    """Returns the inputs: the fused step multiplies them itself."""
    return inputs

  def step(self, x, state, *, weights, t):
    """Keeps c_{t-1} and the gates."""
    hidden, memory = state
    both, _, _, bias, zeros = weights
    out = tf.raw_ops.LSTMBlockCell(
      x=x,
      cs_prev=memory,
      h_prev=hidden,
      w=both,
      wci=zeros,
      wcf=zeros,
      wco=zeros,
      b=bias,
      forget_bias=0.0,
      cell_clip=-1.0,
      use_peephole=False,
    )
    return (out.h, out.cs), (x, memory, out.i, out.f, out.o, out.ci, out.co)

  def back(self, d_state, kept, *, weights, t):
    """Returns the deltas of the four gates (rows, 4 units)."""
    d_hidden, d_memory = d_state
    both, _, recurrent, bias, zeros = weights
    x, memory, i, f, o, ci, co = kept
    out = tf.raw_ops.LSTMBlockCellGrad(
      x=x,
      cs_prev=memory,
      h_prev=d_hidden,  # Only its shape counts, like that of x, w and cs.
      w=both,
      wci=zeros,
      wcf=zeros,
      wco=zeros,
      b=bias,
      i=i,
      cs=memory,
      f=f,
      o=o,
      ci=ci,
      co=co,
      cs_grad=d_memory,
      h_grad=d_hidden,
      use_peephole=False,
    )
    d_hidden = tf.matmul(out.dicfo, recurrent, transpose_b=True)
    return (out.dicfo,), (d_hidden, out.cs_prev_grad)

  def d_inputs(self, deltas, weights):
    """Returns the deltas through W."""
    return tf.tensordot(deltas[0], tf.transpose(weights[1]), 1)

  def products(self, inputs, *, previous, deltas):
    """Returns one block, [x; h; 1] with the gates."""
    return [_joint_product(inputs, previous=previous, delta=deltas[0])]

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Cuts the block into W, U and b, in Keras' order of the gates."""
    block = tf.gather(sums[0], np.argsort(self._order), axis=1)
    rows = block.shape[0] - self.units - 1
    return [block[:rows], block[rows:-1], block[-1]]


class GruCell:
  """GRU (Cho et al. 2014) with the reset gate after the product, as cuDNN has it.

  Its candidate is tanh(x W + b + r (h U + c)): deltas differ between the side of
  the inputs and the side of the state, hence two blocks.
  """

  states = 1
  blocks = 2

  def __init__(self, layer: keras.layers.Layer):
    self._layer = layer
    self.units = layer.units

  def prepare(self) -> Tensors:
    """Returns W, U (., 3 units) and the two biases (3 units)."""
    cell = self._layer.cell
    bias, recurrent_bias = tf.unstack(cell.bias)
    return (
      tf.convert_to_tensor(cell.kernel),
      tf.convert_to_tensor(cell.recurrent_kernel),
      bias,
      recurrent_bias,
    )

  def project(self, inputs, weights):
    """Returns x W + b for all steps at once."""
    return tf.tensordot(inputs, weights[0], 1) + weights[2]

  def step(self, x, state, *, weights, t):
    """Keeps both gates, the candidate, h U + c of the candidate, and h_{t-1}."""
    (hidden,) = state
    n = self.units
    recurrent = tf.matmul(hidden, weights[1]) + weights[3]
    gates = tf.sigmoid(x[:, : 2 * n] + recurrent[:, : 2 * n])
    z, r = tf.split(gates, 2, axis=1)
    inner = recurrent[:, 2 * n :]
    candidate = tf.tanh(x[:, 2 * n :] + r * inner)
    new = candidate + z * (hidden - candidate)
    return (new,), (gates, candidate, inner, hidden)

  def back(self, d_state, kept, *, weights, t):
    """Returns the deltas of x W + b and of h U + c, (rows, 3 units) each."""
    (d_new,) = d_state
    gates, candidate, inner, hidden = kept
    z, r = tf.split(gates, 2, axis=1)
    through = d_new * z
    d_candidate = tf.raw_ops.TanhGrad(y=candidate, dy=d_new - through)
    d_gates = tf.raw_ops.SigmoidGrad(
      y=gates, dy=tf.concat([d_new * (hidden - candidate), d_candidate * inner], 1)
    )
    d_inputs = tf.concat([d_gates, d_candidate], axis=1)
    d_recurrent = tf.concat([d_gates, d_candidate * r], axis=1)
    d_hidden = through + tf.matmul(d_recurrent, weights[1], transpose_b=True)
    return (d_inputs, d_recurrent), (d_hidden,)

  def d_inputs(self, deltas, weights):
    """Returns the deltas through W."""
    return tf.tensordot(deltas[0], tf.transpose(weights[0]), 1)

  def products(self, inputs, *, previous, deltas):
    """Returns [x; 1] and [h; 1], each with its side's deltas."""
    return [
      Product(with_ones(inputs), deltas[0]),
      Product(with_ones(previous), deltas[1]),
    ]

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients of W, U and both biases (2, 3 units)."""
    biases = tf.stack([sums[0][-1], sums[1][-1]])
    return [sums[0][:-1], sums[1][:-1], biases]


class SimpleCell:
  """A simple RNN (Elman 1990), h_t = tanh(x_t W + h_{t-1} U + b)."""

  states = 1
  blocks = 1

  def __init__(self, layer: keras.layers.Layer):
    self._layer = layer
    self.units = layer.cell.units

  def prepare(self) -> Tensors:
    """Returns W, U and b."""
    cell = self._layer.cell
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    return tuple(tf.convert_to_tensor(v) for v in weights)

  def project(self, inputs, weights):
    """Returns x W + b for all steps at once."""
    return tf.tensordot(inputs, weights[0], 1) + weights[2]

  def step(self, x, state, *, weights, t):
    """Keeps h_t."""
    new = tf.tanh(x + tf.matmul(state[0], weights[1]))
    return (new,), (new,)

  def back(self, d_state, kept, *, weights, t):
    """Returns the deltas of the pre-activation, (rows, units)."""
    delta = tf.raw_ops.TanhGrad(y=kept[0], dy=d_state[0])
    return (delta,), (tf.matmul(delta, weights[1], transpose_b=True),)

  def d_inputs(self, deltas, weights):
    """Returns the deltas through W."""
    return tf.tensordot(deltas[0], tf.transpose(weights[0]), 1)

  def products(self, inputs, *, previous, deltas):
    """Returns one block, [x; h; 1] with the deltas."""
    return [_joint_product(inputs, previous=previous, delta=deltas[0])]

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Cuts the block into W, U and b."""
    (block,) = sums
    rows = block.shape[0] - self.units - 1
    return [block[:rows], block[rows:-1], block[-1]]


class ClockworkCell(SimpleCell):
  """A clockwork RNN, see `layers.ClockworkRNNCell`.

  The connections from faster to slower groups do not exist: there is a block for
  each group, of what that group hears and of the steps at which it ticks, so that
  they enter no norm and no gradient.
  """

  def __init__(self, layer: keras.layers.Layer):
    super().__init__(layer)
    self._unit_periods = layer.cell.unit_periods
    self._groups = [
      (period, np.flatnonzero(self._unit_periods == period))
      for period in layer.cell.periods
    ]
    self.blocks = 1 + len(self._groups)

  def prepare(self) -> Tensors:
    """Returns W, U without the connections that do not exist, and b."""
    kernel, recurrent, bias = super().prepare()
    return kernel, recurrent * self._layer.cell.connections(), bias

  def step(self, x, state, *, weights, t):
    """Keeps h_t; units that do not tick keep their state."""
    (new,), _ = super().step(x, state, weights=weights, t=t)
    ticks = self._ticks(t)
    new = tf.where(ticks, new, state[0])
    return (new,), (new,)

  def back(self, d_state, kept, *, weights, t):
    """Returns the deltas, 0 for units that do not tick."""
    ticks = self._ticks(t)
    (delta,), _ = super().back(d_state, kept, weights=weights, t=t)
    delta = tf.where(ticks, delta, 0.0)
    stay = tf.where(ticks, 0.0, d_state[0])
    return (delta,), (stay + tf.matmul(delta, weights[1], transpose_b=True),)

  def products(self, inputs, *, previous, deltas):
    """Returns [x; 1] with all deltas, then h with each group's."""
    blocks = [Product(with_ones(inputs), deltas[0])]
    for period, units in self._groups:
      first, last = units[0], units[-1] + 1
      left = previous[:, ::period, first:]
      blocks.append(Product(left, deltas[0][:, ::period, first:last]))
    return blocks

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Puts the groups' columns side by side, zeros above what they hear."""
    columns = [
      tf.pad(block, [[units[0], 0], [0, 0]])
      for block, (_, units) in zip(sums[1:], self._groups, strict=True)
    ]
    return [sums[0][:-1], tf.concat(columns, axis=1), sums[0][-1]]

  def _ticks(self, t: int | tf.Tensor) -> np.ndarray | tf.Tensor:
    if isinstance(t, int):
      return t % self._unit_periods == 0
    return tf.equal(tf.math.floormod(tf.cast(t, tf.float32), self._unit_periods), 0.0)
