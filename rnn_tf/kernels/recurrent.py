"""Recurrent layers by hand: a cell's step forward, its step back, and the loop.

The backward pass (BPTT, Werbos 1990) only carries deltas from step to step; the
gradients of all weights are products over all steps at the end. Short sequences
are unrolled, long ones (pixel by pixel) run in a loop of the graph.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from rnn_tf.kernels.products import Product
from rnn_tf.stack import tf

UNROLLED_STEPS = 128
"""Up to so many steps the graph holds each step on its own: faster to run, slower
to build."""

Tensors = tuple[tf.Tensor, ...]


class Cell(Protocol):
  """One step of a recurrent layer; `weights` are what `prepare` returned.

  The first tensor of a state is the output h. `kept` is what the way back needs.

  Attributes:
    units: of the output.
    states: tensors of a state, all of the same shape.
    blocks: how many `products` returns.
  """

  units: int
  states: int
  blocks: int

  def prepare(self) -> Tensors:
    """Returns the weights in the order of their use, once a batch."""

  def project(self, inputs: tf.Tensor, weights: Tensors) -> tf.Tensor:
    """Returns what each step takes, (rows, steps, ...), from all inputs at once."""

  def step(
    self, x: tf.Tensor, state: Tensors, *, weights: Tensors, t: Any
  ) -> tuple[Tensors, Tensors]:
    """Returns the new state and what the way back needs of this step."""

  def back(
    self, d_state: Tensors, kept: Tensors, *, weights: Tensors, t: Any
  ) -> tuple[Tensors, Tensors]:
    """Returns the deltas of this step and those of the state before it."""

  def d_inputs(self, deltas: Tensors, weights: Tensors) -> tf.Tensor:
    """Returns the deltas of the inputs, (rows, steps, features)."""

  def products(
    self, inputs: tf.Tensor, *, previous: tf.Tensor, deltas: Tensors
  ) -> list[Product]:
    """Returns the gradient's blocks; `previous` is h before each step."""

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the variables' gradients from the sums of the blocks."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
  """What a layer's way back needs of its way forward."""

  weights: Tensors
  inputs: tf.Tensor
  outputs: tf.Tensor
  kept: Any


def forward(cell: Cell, inputs: tf.Tensor, *, weights: Tensors) -> Trace:
  """Runs a cell over (rows, steps, features); outputs are (rows, steps, units)."""
  steps = inputs.shape[1]
  projected = cell.project(inputs, weights)
  zeros = tf.zeros([tf.shape(inputs)[0], cell.units])
  state = (zeros,) * cell.states
  if steps <= UNROLLED_STEPS:
    outputs, kept = [], []
    for t, x in enumerate(tf.unstack(projected, axis=1)):
      state, needed = cell.step(x, state, weights=weights, t=t)
      outputs.append(state[0])
      kept.append(needed)
    return Trace(weights, inputs, tf.stack(outputs, axis=1), kept)
  return _looped_forward(cell, inputs, weights=weights, projected=projected)


def backward(
  cell: Cell, d_outputs: tf.Tensor, *, trace: Trace, last_only: bool, d_inputs: bool
) -> tuple[tf.Tensor | None, list[Product]]:
  """Runs back through all steps.

  Args:
    cell: the layer's.
    d_outputs: deltas of the last output (rows, units), or of all of them
      (rows, steps, units).
    trace: what `forward` returned.
    last_only: whether `d_outputs` are those of the last output.
    d_inputs: whether the deltas of the inputs are wanted.

  Returns:
    Deltas of the inputs or None, and the blocks of the gradient.
  """
  steps = trace.inputs.shape[1]
  run = _unrolled_backward if steps <= UNROLLED_STEPS else _looped_backward
  deltas = run(cell, d_outputs, trace=trace, last_only=last_only)
  first = tf.zeros_like(trace.outputs[:, :1])
  previous = tf.concat([first, trace.outputs[:, :-1]], axis=1)
  blocks = cell.products(trace.inputs, previous=previous, deltas=deltas)
  return (cell.d_inputs(deltas, trace.weights) if d_inputs else None), blocks


def _unrolled_backward(
  cell: Cell, d_outputs: tf.Tensor, *, trace: Trace, last_only: bool
) -> Tensors:
  steps = trace.inputs.shape[1]
  by_step = [] if last_only else tf.unstack(d_outputs, axis=1)
  d_state = (d_outputs if last_only else by_step[-1],)
  d_state += (tf.zeros_like(d_state[0]),) * (cell.states - 1)
  deltas = [()] * steps
  for t in reversed(range(steps)):
    deltas[t], d_state = cell.back(d_state, trace.kept[t], weights=trace.weights, t=t)
    if t and not last_only:
      d_state = (d_state[0] + by_step[t - 1], *d_state[1:])
  return tuple(tf.stack(each, axis=1) for each in zip(*deltas, strict=True))


def _looped_forward(
  cell: Cell, inputs: tf.Tensor, *, weights: Tensors, projected: tf.Tensor
) -> Trace:
  steps = inputs.shape[1]
  by_step = tf.transpose(projected, [1, 0, 2])
  zeros = tf.zeros([tf.shape(inputs)[0], cell.units])
  state = (zeros,) * cell.states
  # One step outside the loop says how many tensors a step keeps.
  state, needed = cell.step(by_step[0], state, weights=weights, t=tf.constant(0))
  arrays = tuple(tf.TensorArray(tf.float32, steps) for _ in (0, *needed))

  def write(arrays, t, values):
    return tuple(a.write(t, v) for a, v in zip(arrays, values, strict=True))

  def body(t, state, arrays):
    state, needed = cell.step(by_step[t], state, weights=weights, t=t)
    return t + 1, state, write(arrays, t, (state[0], *needed))

  arrays = write(arrays, 0, (state[0], *needed))
  _, _, arrays = tf.while_loop(
    lambda t, *_: t < steps, body, (tf.constant(1), state, arrays)
  )
  outputs, *kept = [array.stack() for array in arrays]
  outputs = tf.ensure_shape(tf.transpose(outputs, [1, 0, 2]), [None, steps, cell.units])
  return Trace(weights, inputs, outputs, tuple(kept))


def _looped_backward(
  cell: Cell, d_outputs: tf.Tensor, *, trace: Trace, last_only: bool
) -> Tensors:
  steps = trace.inputs.shape[1]
  by_step = None if last_only else tf.transpose(d_outputs, [1, 0, 2])

  def back(t, d_state):
    kept = tuple(each[t] for each in trace.kept)
    return cell.back(d_state, kept, weights=trace.weights, t=t)

  def body(t, d_state, arrays):
    if not last_only:
      d_state = (d_state[0] + by_step[t], *d_state[1:])
    deltas, d_state = back(t, d_state)
    arrays = tuple(a.write(t, d) for a, d in zip(arrays, deltas, strict=True))
    return t - 1, d_state, arrays

  last = tf.constant(steps - 1)
  d_state = (d_outputs if last_only else by_step[-1],)
  d_state += (tf.zeros_like(d_state[0]),) * (cell.states - 1)
  deltas, d_state = back(last, d_state)
  arrays = tuple(tf.TensorArray(tf.float32, steps).write(last, d) for d in deltas)
  _, _, arrays = tf.while_loop(lambda t, *_: t >= 0, body, (last - 1, d_state, arrays))
  return tuple(
    tf.ensure_shape(
      tf.transpose(array.stack(), [1, 0, 2]), [None, steps, delta.shape[-1]]
    )
    for array, delta in zip(arrays, deltas, strict=True)
  )
