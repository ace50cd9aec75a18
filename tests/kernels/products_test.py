import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.kernels import products
from rnn_tf.kernels.products import Product

_RNG = np.random.default_rng(0)


def _product(rows, steps, p, g, rng=_RNG):
  left = rng.standard_normal((rows, steps, p)).astype(np.float32)
  right = rng.standard_normal((rows, steps, g)).astype(np.float32)
  return Product(left, right)


def _explicit(product):
  """Every example's gradient in float64."""
  left, right = (np.asarray(x, np.float64) for x in (product.left, product.right))
  return np.einsum('itp,itg->ipg', left, right)


def _tensors(product):
  return Product(*(products.tf.constant(x) for x in (product.left, product.right)))


class ProductTest(parameterized.TestCase):
  @parameterized.parameters((5, 7, 3, 4), (2, 1, 6, 3), (3, 40, 2, 2), (1, 5, 1, 1))
  def test_total_is_the_sum_of_outer_products(self, *shape):
    product = _product(*shape)
    np.testing.assert_allclose(
      products.total(_tensors(product)), _explicit(product).sum(0), rtol=1e-4, atol=1e-5
    )

  @parameterized.parameters((5, 7, 9, 30), (2, 1, 6, 3), (3, 40, 50, 80))
  def test_squared_norms_equal_those_of_the_explicit_gradients(self, *shape):
    product = _product(*shape)
    expected = np.square(_explicit(product)).sum((1, 2))
    found = products.squared_norms(_tensors(product)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)

  def test_cheaper_way_is_chosen_by_shape(self):
    # 28 rows of an image into an LSTM of 128: Gram; 784 pixels into it: explicit.
    self.assertFalse(_product(1, 28, 157, 512).explicit)
    self.assertTrue(_product(1, 784, 130, 512).explicit)
    self.assertFalse(_product(1, 1, 129, 10).explicit)

  def test_both_ways_clip_alike(self):
    long, wide = _product(4, 50, 3, 5), _product(4, 3, 30, 20)
    self.assertTrue(long.explicit)
    self.assertFalse(wide.explicit)
    gradients = [_explicit(long), _explicit(wide)]
    norms = np.sqrt(sum(np.square(g).sum((1, 2)) for g in gradients))
    clip = float(np.median(norms))
    sums, found = products.clipped_totals(
      [_tensors(long), _tensors(wide)], l2_norm_clip=clip
    )
    np.testing.assert_allclose(found, norms, rtol=1e-5)
    factors = np.minimum(1, clip / norms)[:, None, None]
    for one, gradient in zip(sums, gradients, strict=True):
      np.testing.assert_allclose(one, (factors * gradient).sum(0), rtol=1e-4, atol=1e-4)

  def test_norm_of_a_zero_gradient_is_zero_and_its_factor_harmless(self):
    product = _product(3, 4, 5, 6)
    product.right[1] = 0
    sums, norms = products.clipped_totals([_tensors(product)], l2_norm_clip=1.0)
    self.assertEqual(norms[1], 0)
    self.assertTrue(np.isfinite(sums[0]).all())

  def _check_norms(self, product):
    expected = np.sqrt(np.square(_explicit(product)).sum((1, 2)))
    found = np.sqrt(products.squared_norms(_tensors(product)).numpy())
    lengths = [np.linalg.norm(x, axis=2) for x in (product.left, product.right)]
    sizes = (lengths[0] * lengths[1]).sum(1)
    # Half the tolerance of the squares: that much may escape, and no more.
    half = products.TOLERANCE / 2
    self.assertTrue((found >= expected * (1 - half)).all(), found / expected)
    self.assertTrue((found <= expected * (1 + half) + 1e-6 * sizes).all(), found)

  @parameterized.parameters(*range(10))
  def test_cancelling_steps_do_not_escape_their_clip(self, seed):
    # The same activation at every step, deltas that add up to nearly nothing: the
    # true norm is far below the terms that the Gram matrices add up.
    rng = np.random.default_rng(seed)
    steps, p, g = 28, 40, 200
    left = np.repeat(rng.standard_normal((4, 1, p)), steps, axis=1) * 30
    right = rng.standard_normal((4, steps, g))
    right -= right.mean(axis=1, keepdims=True)
    right[0, 0] += 1e-5
    product = Product(left.astype(np.float32), right.astype(np.float32))
    expected = np.sqrt(np.square(_explicit(product)).sum((1, 2)))
    sizes = np.linalg.norm(left, axis=2) * np.linalg.norm(right, axis=2)
    self.assertTrue((expected < 1e-5 * sizes.sum(1)).all())
    self._check_norms(product)

  def test_deltas_that_float32_swallows_do_not_escape_their_clip(self):
    # Beside an entry of +-1 that cancels over the steps, 511 small ones that do not:
    # added to 1 in float32, the products of two small ones leave no trace.
    left = np.ones((3, 28, 157), np.float32)
    right = np.full((3, 28, 512), 2**-12.5, np.float32)
    right[:, :, 0] = np.resize([1, -1], 28)
    product = Product(left, right)
    self._check_norms(product)

  def test_rows_that_cancel_leave_the_others_as_they_are(self):
    product = _product(3, 28, 40, 200)
    product.left[1] = 5.0
    product.right[1] -= product.right[1].mean(axis=0)
    self._check_norms(product)
    self._check_norms(Product(product.left[1:2], product.right[1:2]))


if __name__ == '__main__':
  absltest.main()
