import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf.dp.gaussian import GaussianMechanism, PlainMean
from rnn_tf.kernels.network import Network
from rnn_tf.stack import tf
from tests.kernels import oracle


def _mechanism(clip=2.0, noise=1.5, expected=8, key=7):
  return GaussianMechanism(
    l2_norm_clip=clip, noise_multiplier=noise, expected_rows=expected, key=key
  )


def _zeros():
  return [tf.zeros([300, 200]), tf.zeros([1_000])]


class ReleaseTest(parameterized.TestCase):
  @parameterized.parameters((2.0, 1.5, 8), (0.1, 4.0, 256), (1.0, 0.5, 1))
  def test_noise_on_the_sum_is_normal_with_noise_multiplier_times_clip(
    self, clip, noise, expected
  ):
    mechanism = _mechanism(clip, noise, expected)
    released = mechanism.release(_zeros(), rows=tf.constant(5.0), step=tf.constant(3))
    values = np.concatenate([np.ravel(each) for each in released]) * expected
    deviation = clip * noise
    # The standard error of a standard deviation is sigma / sqrt(2 n).
    self.assertAlmostEqual(
      values.std() / deviation, 1, delta=4 / np.sqrt(2 * values.size)
    )
    self.assertGreater(stats.kstest(values / deviation, 'norm').pvalue, 1e-3)

  def test_noise_differs_by_step_variable_and_key_and_repeats_for_the_same(self):
    def first(step, key=7):
      released = _mechanism(key=key).release(
        [tf.zeros([50]), tf.zeros([50])], rows=tf.constant(1.0), step=tf.constant(step)
      )
      return [each.numpy() for each in released]

    np.testing.assert_array_equal(first(0), first(0))
    seen = [*first(0), *first(1), *first(2), *first(0, key=8)]
    self.assertLen({each.tobytes() for each in seen}, len(seen))

  def test_sum_is_divided_by_the_expected_rows_not_by_the_real_ones(self):
    mechanism = _mechanism(noise=0.0, expected=8)
    for rows in (0.0, 3.0, 20.0):
      (mean,) = mechanism.release(
        [tf.constant([16.0])], rows=tf.constant(rows), step=tf.constant(0)
      )
      self.assertEqual(mean.numpy(), 2.0)

  def test_plain_mean_is_divided_by_the_real_rows(self):
    (mean,) = PlainMean().release(
      [tf.constant([16.0])], rows=tf.constant(4.0), step=tf.constant(0)
    )
    self.assertEqual(mean.numpy(), 4.0)


class SumsTest(absltest.TestCase):
  def test_one_example_moves_the_sum_by_at_most_the_clip(self):
    model, inputs, labels = oracle.build({'model': 'lstm'}, rows=8, scale=1.0)
    net = Network(model)
    mechanism = _mechanism(clip=0.05, noise=0.0, expected=1)

    def total(row_weights):
      done = net(
        tf.constant(inputs),
        tf.constant(labels),
        row_weights=tf.constant(row_weights),
        weights=net.prepare(),
      )
      return net.gradients(mechanism.sums(done.blocks))

    everybody = np.ones(8, np.float32)
    whole, most = total(everybody), 0.0
    for left_out in range(8):
      rest = total(everybody - np.eye(8, dtype=np.float32)[left_out])
      moved = np.sqrt(
        sum(np.square(a - b).sum() for a, b in zip(whole, rest, strict=True))
      )
      self.assertLessEqual(moved, 0.05 * (1 + 1e-4))
      most = max(most, moved)
    self.assertGreater(most, 0.05 * 0.99)


if __name__ == '__main__':
  absltest.main()
