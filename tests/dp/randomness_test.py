import numpy as np
from absl.testing import absltest

from rnn_tf.dp import randomness
from rnn_tf.stack import tf


class KeysTest(absltest.TestCase):
  def test_secret_keys_are_new_every_time(self):
    one, other = randomness.secret_keys(), randomness.secret_keys()
    self.assertTrue(one.secret)
    self.assertLen({one.noise, one.sampling, other.noise, other.sampling}, 4)

  def test_repeatable_keys_follow_from_the_seed(self):
    one, same = randomness.repeatable_keys(3), randomness.repeatable_keys(3)
    other = randomness.repeatable_keys(4)
    self.assertEqual(one, same)
    self.assertFalse(one.secret)
    self.assertLen({one.noise, one.sampling, other.noise, other.sampling}, 4)

  def test_counters_give_independent_draws(self):
    draws = [
      tf.random.stateless_normal(
        [20_000], seed=randomness.seed(2**62 + 5, count)
      ).numpy()
      for count in range(4)
    ]
    correlation = np.corrcoef(draws) - np.eye(4)
    self.assertLess(np.abs(correlation).max(), 4 / np.sqrt(20_000))


if __name__ == '__main__':
  absltest.main()
