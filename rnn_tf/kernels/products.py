"""Gradients as products of activations and deltas, and what follows from them.

For weights that enter a layer as z_t = a_t W, example i's gradient of its own loss
is G_i = sum_t a_it^T d_it with d_it = dL_i / dz_it. Nothing here needs more than
the a and d of all steps: see `squared_norms`.
"""

import dataclasses
from collections.abc import Sequence

from rnn_tf.stack import tf

ROUNDING = {tf.float32: 2.0**-24, tf.float64: 2.0**-53}
"""Rounding error of one operation, relative to its result."""

TOLERANCE = 1e-3
"""Relative error up to which a squared norm in float32 is good enough at worst."""


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
  """A block of weights' gradient, example by example.

  Attributes:
    left: (rows, steps, p) float32, what went into the weights; a last column of
      ones stands for the bias.
    right: (rows, steps, g) float32, the deltas that came back.
  """

  left: tf.Tensor
  right: tf.Tensor

  @property
  def explicit(self) -> bool:
    """Whether p x g matrices are cheaper than two steps x steps Gram matrices.

    Multiplications an example: steps p g against steps^2 (p + g).
    """
    steps, p, g = self.left.shape[1], self.left.shape[2], self.right.shape[2]
    return steps * (p + g) > p * g


def with_ones(inputs: tf.Tensor) -> tf.Tensor:
  """Returns (rows, steps, p) with a column of ones appended, for the bias."""
  return tf.concat([inputs, tf.ones_like(inputs[..., :1])], axis=-1)


def total(product: Product) -> tf.Tensor:
  """Returns the gradient of the batch, sum_i G_i, (p, g)."""
  left, right = product.left, product.right
  return tf.matmul(
    tf.reshape(left, [-1, left.shape[2]]),
    tf.reshape(right, [-1, right.shape[2]]),
    transpose_a=True,
  )


def clipped_totals(
  products: Sequence[Product], *, l2_norm_clip: float
) -> tuple[list[tf.Tensor], tf.Tensor]:
  """Returns sum_i G_i min(1, C / n_i) of each block, n_i over all blocks together.

  One backward pass is enough: the factor of an example scales its rows of `left`
  (book-keeping, Bu et al. 2022, arXiv 2210.00038).

  Args:
    products: the blocks of all weights.
    l2_norm_clip: C, above 0.

  Returns:
    One (p, g) sum a product, and the norms n_i, (rows,).
  """
  explicit = [_explicit(x) if x.explicit else None for x in products]
  squares = [
    squared_norms(product) if matrices is None else _squares(matrices)
    for product, matrices in zip(products, explicit, strict=True)
  ]
  norms = tf.sqrt(tf.add_n(squares))
  # A norm of 0 gives infinity, hence 1.
  factors = tf.minimum(1.0, l2_norm_clip / norms)
  sums = []
  for product, matrices in zip(products, explicit, strict=True):
    if matrices is None:
      scaled = product.left * factors[:, None, None]
      sums.append(total(Product(scaled, product.right)))
    else:
      rows = tf.reshape(matrices, [-1, matrices.shape[1] * matrices.shape[2]])
      sums.append(tf.reshape(factors[None, :] @ rows, matrices.shape[1:]))
  return sums, norms


def _explicit(product: Product) -> tf.Tensor:
  """Returns every G_i, (rows, p, g)."""
  return tf.matmul(product.left, product.right, transpose_a=True)


def _squares(values: tf.Tensor) -> tf.Tensor:
  """Returns the sum of squares of each row, (rows,)."""
  return tf.reduce_sum(tf.square(values), axis=list(range(1, len(values.shape))))


def squared_norms(product: Product) -> tf.Tensor:
  """Returns |G_i|^2 by Gram matrices, (rows,).

  |sum_t a_t^T d_t|^2 = sum_{t,s} (a_t . a_s)(d_t . d_s): two steps x steps
  matrices an example, never the gradient itself (Goodfellow 2015, arXiv 1510.01799,
  for one step; Li et al. 2022, arXiv 2110.05679, for sequences).

  Where the steps' gradients cancel, the sum's rounding error is larger than the sum,
  which could come out too small, and the example would escape its clip. The error is
  at most (p + g + steps) 2^-24 of (sum_t |a_t| |d_t|)^2, the sum of the sizes of all
  terms; rows where that may be more than `TOLERANCE` are computed again in float64,
  and what even that may miss is added.
  """
  left, right = product.left, product.right
  if left.shape[1] == 1:
    return _squares(left) * _squares(right)
  squares, error = _gram_squares(left, right)
  doubtful = tf.where(error > TOLERANCE * squares)
  finer, error = _gram_squares(
    *(tf.cast(tf.gather_nd(each, doubtful), tf.float64) for each in (left, right))
  )
  safe = tf.cast(tf.maximum(finer, 0.0) + error, tf.float32)
  return tf.tensor_scatter_nd_update(squares, doubtful, safe)


def _gram_squares(left: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns each row's squared norm, and how far off it may be."""
  gram_left = tf.matmul(left, left, transpose_b=True)
  gram_right = tf.matmul(right, right, transpose_b=True)
  squares = tf.reduce_sum(gram_left * gram_right, axis=[1, 2])
  sizes = tf.sqrt(tf.linalg.diag_part(gram_left) * tf.linalg.diag_part(gram_right))
  terms = left.shape[1] + left.shape[2] + right.shape[2]
  return squares, terms * ROUNDING[left.dtype] * tf.square(tf.reduce_sum(sizes, axis=1))
