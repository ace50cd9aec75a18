import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf.dp import sampling
from rnn_tf.stack import tf

_KEY = 12345


def _draws(count, rate, steps, key=_KEY):
  """Returns which examples each step drew, (steps, count) bool."""

  @tf.function
  def one(step):
    return sampling.draw(count, rate=rate, key=key, step=step)

  drawn = np.zeros((steps, count), bool)
  for step in range(steps):
    drawn[step, one(tf.constant(step, tf.int64)).numpy()] = True
  return drawn


class DrawTest(absltest.TestCase):
  def test_sizes_are_binomial(self):
    count, rate, steps = 500, 0.1, 2_000
    sizes = _draws(count, rate, steps).sum(axis=1)
    edges = stats.binom.ppf([0.1, 0.25, 0.5, 0.75, 0.9], count, rate)
    cells = np.bincount(np.searchsorted(edges, sizes), minlength=6)
    shares = np.diff(np.r_[0, stats.binom.cdf(edges, count, rate), 1])
    self.assertGreater(stats.chisquare(cells, steps * shares).pvalue, 1e-3)

  def test_every_example_is_drawn_at_the_rate_and_by_itself(self):
    drawn = _draws(40, 0.3, 4_000)
    rates = drawn.mean(axis=0)
    self.assertLess(np.abs(rates - 0.3).max(), 5 * np.sqrt(0.21 / 4_000))
    correlation = np.corrcoef(drawn.T.astype(float)) - np.eye(40)
    self.assertLess(np.abs(correlation).max(), 5 / np.sqrt(4_000))
    # Nor does a step say anything of the next.
    lagged = [np.corrcoef(drawn[1:, i], drawn[:-1, i])[0, 1] for i in range(40)]
    self.assertLess(np.abs(lagged).max(), 5 / np.sqrt(4_000))

  def test_rate_of_one_draws_everything(self):
    self.assertTrue(_draws(30, 1.0, 3).all())

  def test_keys_draw_differently(self):
    one, other = _draws(200, 0.5, 1), _draws(200, 0.5, 1, key=_KEY + 1)
    self.assertFalse(np.array_equal(one, other))


class BatchesTest(parameterized.TestCase):
  def _batches(self, batch_size=10, block=4, steps=(0, 200), count=60):
    ids = np.arange(count)
    inputs = tf.constant(np.repeat(ids, 6).reshape(count, 2, 3).astype(np.float32))
    return list(
      sampling.batches(
        inputs,
        tf.constant(ids),
        batch_size=batch_size,
        block=block,
        key=_KEY,
        steps=steps,
      ).as_numpy_iterator()
    )

  def test_batches_hold_what_is_drawn_padded_with_rows_of_weight_zero(self):
    drawn = _draws(60, 10 / 60, 200)
    for (x, y, weights), expected in zip(self._batches(), drawn, strict=True):
      real = weights.astype(bool)
      self.assertEqual(len(y) % 4, 0)
      self.assertLess(len(y) - real.sum(), 4 if real.any() else 5)
      np.testing.assert_array_equal(y[real], np.flatnonzero(expected))
      np.testing.assert_array_equal(x[real][:, 1, 2], y[real])
      np.testing.assert_array_equal(x[~real], 0)
      np.testing.assert_array_equal(np.unique(weights[real]), [1] * bool(real.any()))

  def test_empty_draw_is_a_block_of_padding(self):
    batches = self._batches(batch_size=1, count=20, steps=(0, 100))
    empty = [weights for _, _, weights in batches if not weights.any()]
    self.assertNotEmpty(empty)
    for weights in empty:
      self.assertLen(weights, 4)

  def test_later_start_draws_the_rest(self):
    whole, rest = self._batches(), self._batches(steps=(150, 200))
    for one, other in zip(whole[150:], rest, strict=True):
      for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


if __name__ == '__main__':
  absltest.main()
