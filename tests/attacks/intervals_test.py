from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf.attacks import intervals


class IntervalsTest(parameterized.TestCase):
  @parameterized.parameters((0, 7), (7, 7), (3, 7), (1, 1), (10, 10_000), (0, 1))
  def test_counts_give_the_interval_of_scipy(self, successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, 'exact')
    low, high = intervals.clopper_pearson(successes, trials)
    self.assertAlmostEqual(low, expected.low, places=12)
    self.assertAlmostEqual(high, expected.high, places=12)

  @parameterized.parameters(0.0, 1.0)
  def test_auc_at_the_edge_is_not_a_point(self, value):
    low, high = intervals.newcombe_interval(value, 20, 30)
    self.assertLessEqual(low, value)
    self.assertGreaterEqual(high, value)
    self.assertBetween(high - low, 0.03, 0.3)

  def test_auc_inside_solves_the_score_equation(self):
    value, m, n = 0.7, 40, 60
    for end in intervals.newcombe_interval(value, m, n):
      spare = (m + n) / 2 - 1
      bracket = 1 + spare * (1 - end) / (2 - end) + spare * end / (1 + end)
      variance = end * (1 - end) * bracket / (m * n)
      self.assertAlmostEqual((value - end) ** 2, intervals.Z95**2 * variance)

  def test_single_examples_leave_everything_open(self):
    low, high = intervals.newcombe_interval(1.0, 1, 1)
    self.assertLess(low, 0.3)
    self.assertEqual(high, 1.0)

  @parameterized.parameters(
    (500, 500, 0.036), (3000, 3000, 0.0146), (6000, 10000, 0.0092)
  )
  def test_null_half_width_matches_published_values(self, m, n, expected):
    self.assertAlmostEqual(intervals.null_half_width(m, n), expected, delta=2e-4)

  def test_difference_of_equal_aucs_straddles_zero(self):
    low, high = intervals.difference_interval(1.0, 1.0, n_members=30, n_nonmembers=30)
    self.assertAlmostEqual(low, -high)
    self.assertGreater(high, 0.01)


if __name__ == '__main__':
  absltest.main()
