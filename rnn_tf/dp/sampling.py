"""Poisson sampling: every example is in a step's batch or not, by a coin of its own.

It is what the accountant's epsilon assumes (Abadi et al. 2016; Mironov et al. 2019,
arXiv 1908.10530). Batches vary in size; each is padded with rows of weight 0 to a
multiple of a block, so that there are few shapes, and divided by its expected size.
"""

import numpy as np

from rnn_tf.dp import randomness
from rnn_tf.stack import tf


def draw(count: int, *, rate: float, key: int, step: tf.Tensor | int) -> tf.Tensor:
  """Returns the examples of one step's batch, rising positions, int64.

  Args:
    count: training examples.
    rate: chance of each to be drawn.
    key: `randomness.Keys.sampling`.
    step: of the whole training, from 0.
  """
  # In 64 bits: a 32-bit coin would round a small rate upwards by some 1e-5 of it.
  coins = tf.random.stateless_uniform(
    [count], seed=randomness.seed(key, step), dtype=tf.float64
  )
  return tf.where(coins < rate)[:, 0]


def padded(
  inputs: tf.Tensor, labels: tf.Tensor, *, rows: tf.Tensor, size: tf.Tensor | int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Gathers rows and fills them up to `size` with zeros of weight 0.

  Args:
    inputs: (n, ...) all examples.
    labels: (n,).
    rows: (m,) int64, the positions wanted.
    size: at least m.

  Returns:
    Inputs (size, ...), labels (size,) and weights (size,) float32 of 1 and 0.
  """
  spare = size - tf.size(rows)
  x = tf.gather(inputs, rows)
  edges = [[0, spare], *[[0, 0]] * (len(inputs.shape) - 1)]
  return (
    tf.pad(x, edges),
    tf.pad(tf.gather(labels, rows), edges[:1]),
    tf.pad(tf.ones([tf.size(rows)]), edges[:1]),
  )


def batches(
  inputs: tf.Tensor,
  labels: tf.Tensor,
  *,
  batch_size: int,
  block: int,
  key: int,
  steps: tuple[int, int],
) -> tf.data.Dataset:
  """Returns the batches of steps from `steps[0]` on, before `steps[1]`.

  Args:
    inputs: (n, ...) float32.
    labels: (n,) int64.
    batch_size: expected size of a batch; the rate is `batch_size` / n.
    block: sizes are multiples of it, at least one of it.
    key: `randomness.Keys.sampling`.
    steps: of the whole training.
  """
  count = inputs.shape[0]

  def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rows = draw(count, rate=batch_size / count, key=key, step=step)
    blocks = tf.maximum(1, -(-tf.size(rows) // block))
    return padded(inputs, labels, rows=rows, size=blocks * block)

  return tf.data.Dataset.range(*np.array(steps, np.int64)).map(batch)
