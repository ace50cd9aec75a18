"""From a batch's blocks to the gradient that the optimizer sees.

Plain training sums every example's gradient and divides by how many there were; the
Gaussian mechanism clips them, adds noise, and divides by how many were expected.
A training step calls either in the same way.
"""

from collections.abc import Sequence

from rnn_tf.dp import randomness
from rnn_tf.kernels import products
from rnn_tf.kernels.products import Product
from rnn_tf.stack import tf


class PlainMean:
  """The mean gradient of the rows that count."""

  def sums(self, blocks: Sequence[Product]) -> list[tf.Tensor]:
    """Returns each block's gradient, summed over the rows."""
    return [products.total(block) for block in blocks]

  def release(
    self, gradients: Sequence[tf.Tensor], *, rows: tf.Tensor, step: tf.Tensor
  ) -> list[tf.Tensor]:
    """Returns the gradients over `rows`, a float32 scalar."""
    return [gradient / rows for gradient in gradients]


class GaussianMechanism:
  """DP-SGD (Abadi et al. 2016, algorithm 1).

  Args:
    l2_norm_clip: C; each example's gradient, all variables together, is scaled to
      at most this norm.
    noise_multiplier: the noise on the sum has a standard deviation of this times C.
    expected_rows: rows a batch is expected to have; dividing by the real number
      would give away whether one example more was in it.
    key: of the noise, see `randomness.Keys`.
  """

  def __init__(
    self,
    *,
    l2_norm_clip: float,
    noise_multiplier: float,
    expected_rows: float,
    key: int,
  ):
    self._clip = l2_norm_clip
    self._deviation = noise_multiplier * l2_norm_clip
    self._expected = expected_rows
    self._key = key

  def sums(self, blocks: Sequence[Product]) -> list[tf.Tensor]:
    """Returns each block's clipped gradients, summed over the rows."""
    sums, _ = products.clipped_totals(blocks, l2_norm_clip=self._clip)
    return sums

  def release(
    self, gradients: Sequence[tf.Tensor], *, rows: tf.Tensor, step: tf.Tensor
  ) -> list[tf.Tensor]:
    """Returns noisy gradients over the expected rows; `step` picks the noise."""
    if not self._deviation:
      return [gradient / self._expected for gradient in gradients]
    first = tf.cast(step, tf.int64) * len(gradients)
    return [
      (gradient + self._noise(gradient, first + index)) / self._expected
      for index, gradient in enumerate(gradients)
    ]

  def _noise(self, gradient: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    seed = randomness.seed(self._key, counter)
    return tf.random.stateless_normal(gradient.shape, seed=seed, stddev=self._deviation)
