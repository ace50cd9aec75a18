import math

import numpy as np
from absl.testing import absltest, parameterized
from sklearn import metrics as sklearn_metrics

from rnn_tf import stack
from rnn_tf.attacks import intervals, metrics


def draw(seed, m, n, levels, shift=0.5):
  """Scores of m members and n non-members; few `levels` make many ties."""
  rng = np.random.default_rng(seed)
  members, nonmembers = rng.normal(shift, 1, m), rng.normal(0, 1, n)
  if levels:
    return tuple(np.round(x * levels) / levels for x in (members, nonmembers))
  return members, nonmembers


def wins(members, nonmembers):
  """The (m, n) matrix of who is above whom, 1/2 for a tie."""
  difference = members[:, None] - nonmembers[None, :]
  return (difference > 0) + (difference == 0) / 2


def naive_variance(members, nonmembers):
  matrix = wins(members, nonmembers)
  m, n = matrix.shape
  return matrix.mean(axis=1).var(ddof=1) / m + matrix.mean(axis=0).var(ddof=1) / n


CASES = parameterized.product(
  seed=(0, 1),
  sizes=((1, 1), (2, 3), (40, 25), (300, 120)),
  levels=(None, 1, 4),
)


class MetricsTest(parameterized.TestCase):
  @CASES
  def test_auc_and_its_variance_match_all_pairs(self, seed, sizes, levels):
    members, nonmembers = draw(seed, *sizes, levels)
    expected = wins(members, nonmembers).mean()
    self.assertAlmostEqual(metrics.auc(members, nonmembers), expected, places=12)
    value, low, high = metrics.auc_interval(members, nonmembers)
    self.assertAlmostEqual(value, expected, places=12)
    self.assertLess(low, high)
    if sizes[0] < 40:
      return
    half = intervals.Z95 * math.sqrt(naive_variance(members, nonmembers))
    self.assertAlmostEqual(low, expected - half, places=12)
    self.assertAlmostEqual(high, expected + half, places=12)

  @CASES
  def test_roc_matches_scikit_learn(self, seed, sizes, levels):
    members, nonmembers = draw(seed, *sizes, levels)
    truth = np.repeat([1, 0], sizes)
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(
      truth, np.concatenate([members, nonmembers]), drop_intermediate=False
    )
    curve = metrics.roc(members, nonmembers)
    np.testing.assert_allclose(curve.fpr, fpr, atol=1e-15)
    np.testing.assert_allclose(curve.tpr, tpr, atol=1e-15)
    np.testing.assert_array_equal(curve.thresholds, thresholds)

  @CASES
  def test_measure_matches_the_roc_curve_of_tf_privacy(self, seed, sizes, levels):
    members, nonmembers = draw(seed, *sizes, levels)
    theirs = self.tf_privacy_curve(members, nonmembers)
    ours = metrics.measure(members, nonmembers)
    self.assertAlmostEqual(ours.auc, theirs.get_auc(), places=12)
    self.assertAlmostEqual(ours.advantage, theirs.get_attacker_advantage(), places=12)
    self.assertAlmostEqual(ours.ppv, theirs.get_ppv(), places=12)

  def test_large_sample_takes_tiny_rates_for_zero_as_tf_privacy_does(self):
    members, nonmembers = draw(3, 4000, 2000, None)
    members[:2] = 100.0
    theirs = self.tf_privacy_curve(members, nonmembers)
    ours = metrics.measure(members, nonmembers)
    self.assertAlmostEqual(ours.ppv, theirs.get_ppv(), places=12)
    self.assertLess(ours.ppv, 1.0)

  def tf_privacy_curve(self, members, nonmembers):
    structures = stack.tf_privacy(
      'privacy_tests.membership_inference_attack.data_structures'
    )
    truth = np.repeat([1, 0], [len(members), len(nonmembers)])
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(
      truth, np.concatenate([members, nonmembers])
    )
    return structures.RocCurve(
      thresholds=thresholds,
      tpr=tpr,
      fpr=fpr,
      test_train_ratio=len(nonmembers) / len(members),
    )

  @parameterized.product(
    seed=(0, 1, 2), levels=(None, 2), target=(0.0, 0.001, 0.01, 0.07, 0.29, 0.9)
  )
  def test_rate_point_is_the_best_of_all_thresholds(self, seed, levels, target):
    members, nonmembers = draw(seed, 130, 100, levels)
    point = metrics.tpr_at_fpr(members, nonmembers, target_fpr=target)
    best = max(
      (members > t).sum()
      for t in [*members, *nonmembers]
      if (nonmembers > t).mean() <= target
    )
    self.assertEqual(point.true_positives, best)
    self.assertEqual(point.true_positives, (members > point.threshold).sum())
    self.assertEqual(point.false_positives, (nonmembers > point.threshold).sum())
    self.assertEqual(point.fpr, point.false_positives / 100)
    self.assertLessEqual(point.fpr, target)
    self.assertBetween(point.tpr, point.tpr_low, point.tpr_high)

  def test_all_scores_equal_know_nothing(self):
    measured = metrics.measure(np.zeros(50), np.zeros(30))
    self.assertEqual(measured.auc, 0.5)
    self.assertEqual(measured.advantage, 0.0)
    self.assertEqual([p.true_positives for p in measured.tpr_at_fpr], [0, 0])
    self.assertLess(measured.auc_low, 0.45)
    self.assertGreater(measured.auc_high, 0.55)

  @parameterized.parameters((1.0, 0.0), (0.0, 1.0))
  def test_perfect_order_is_signed_and_no_point(self, of_members, of_nonmembers):
    members, nonmembers = np.full(20, of_members), np.full(20, of_nonmembers)
    value, low, high = metrics.auc_interval(members, nonmembers)
    self.assertEqual(value, of_members)
    self.assertGreater(high - low, 0.05)

  @parameterized.parameters(
    ([], 'empty'), ([1.0, np.nan], 'finite'), ([np.inf], 'finite')
  )
  def test_bad_scores_are_refused(self, members, text):
    with self.assertRaisesRegex(ValueError, text):
      metrics.measure(np.array(members), np.zeros(3))

  def test_intervals_of_independent_scores_cover_in_95_percent(self):
    true_auc = 0.5 * (1 + math.erf(0.5 / 2))
    covered = 0
    for seed in range(400):
      _, low, high = metrics.auc_interval(*draw(seed, 150, 100, None))
      covered += low <= true_auc <= high
    self.assertBetween(covered / 400, 0.92, 0.98)

  def test_folds_widen_both_intervals(self):
    members, nonmembers = draw(0, 200, 200, None)
    one = metrics.measure(members, nonmembers)
    two = metrics.measure(members, nonmembers, folds=2)
    self.assertEqual(one.auc, two.auc)
    ratio = (two.auc_high - two.auc_low) / (one.auc_high - one.auc_low)
    self.assertAlmostEqual(ratio, math.sqrt(2))
    ratio = two.auc_null_half_width / one.auc_null_half_width
    self.assertAlmostEqual(ratio, math.sqrt(2))


class PairedDeLongTest(parameterized.TestCase):
  @parameterized.product(seed=(0, 1), levels=(None, 2))
  def test_difference_matches_all_pairs(self, seed, levels):
    first = draw(seed, 60, 45, levels)
    noise = draw(seed + 10, 60, 45, levels, shift=0)
    second = tuple(a + b for a, b in zip(first, noise, strict=True))
    matrix = wins(*first) - wins(*second)
    m, n = matrix.shape
    rows, columns = matrix.mean(axis=1), matrix.mean(axis=0)
    error = math.sqrt(rows.var(ddof=1) / m + columns.var(ddof=1) / n)
    got = metrics.paired_delong(first, second)
    self.assertAlmostEqual(got.value, matrix.mean(), places=12)
    self.assertAlmostEqual(got.standard_error, error, places=12)
    self.assertAlmostEqual(got.high, matrix.mean() + intervals.Z95 * error, places=12)

  def test_same_scores_differ_by_exactly_nothing(self):
    scores = draw(0, 30, 30, 2)
    got = metrics.paired_delong(scores, scores)
    self.assertEqual((got.value, got.low, got.high), (0, 0, 0))

  def test_two_perfect_attacks_leave_an_interval(self):
    first = (np.arange(10.0) + 20, np.arange(10.0))
    second = (np.arange(10.0) + 30, np.arange(10.0))
    got = metrics.paired_delong(first, second)
    self.assertEqual(got.value, 0)
    self.assertLess(got.low, -0.05)
    self.assertGreater(got.high, 0.05)

  def test_other_examples_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'nonmembers: 5 scores against 6'):
      metrics.paired_delong(draw(0, 9, 5, None), draw(0, 9, 6, None))


if __name__ == '__main__':
  absltest.main()
