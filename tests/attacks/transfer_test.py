import dataclasses

import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf.attacks import metrics, transfer

EPSILON = np.finfo(np.float64).eps


def draw(seed, m=200, n=150, *, shift=1.0, levels=None):
  """Scores of members and of non-members; few `levels` make many ties."""
  rng = np.random.default_rng(seed)
  pair = rng.normal(shift, 1, m), rng.normal(0, 1, n)
  return tuple(np.round(x * levels) / levels for x in pair) if levels else pair


def by_rule(items, target_fpr=None):
  return next(item for item in items if item.target_fpr == target_fpr)


def balanced_accuracy(members, nonmembers, threshold):
  return (np.mean(members > threshold) + np.mean(nonmembers <= threshold)) / 2


class ThresholdsTest(parameterized.TestCase):
  @parameterized.product(seed=(0, 1, 2), levels=(None, 2), shift=(0.0, 1.0, -1.0))
  def test_best_rule_has_the_best_accuracy_of_all_thresholds(self, seed, levels, shift):
    pair = draw(seed, shift=shift, levels=levels)
    chosen = by_rule(transfer.thresholds([pair]))
    every = [-np.inf, *np.unique(np.concatenate(pair))]
    best = max(balanced_accuracy(*pair, value) for value in every)
    self.assertEqual(chosen.rule, transfer.BEST)
    self.assertAlmostEqual(balanced_accuracy(*pair, chosen.value), best, places=12)

  @parameterized.product(
    seed=(0, 1, 2), levels=(None, 2), target=(*metrics.TARGET_FPRS, 0.2)
  )
  def test_fpr_rule_is_the_lowest_threshold_that_keeps_it(self, seed, levels, target):
    pair = draw(seed, levels=levels)
    chosen = by_rule(transfer.thresholds([pair], target_fprs=(target,)), target)
    kept = [t for t in pair[1] if np.mean(pair[1] > t) <= target]
    self.assertEqual(chosen.rule, 'fpr')
    self.assertEqual(chosen.value, min(kept))

  def test_shadows_are_taken_together(self):
    pairs = [draw(0, 50, 40), draw(1, 20, 70, shift=2.0)]
    joined = tuple(np.concatenate(side) for side in zip(*pairs, strict=True))
    self.assertEqual(transfer.thresholds(pairs), transfer.thresholds([joined]))
    self.assertNotEqual(transfer.thresholds(pairs), transfer.thresholds(pairs[:1]))

  def test_best_threshold_is_halfway_to_the_next_score(self):
    pair = np.array([3.0, 5.0]), np.array([0.0, 1.0])
    self.assertEqual(by_rule(transfer.thresholds([pair])).value, 2.0)

  @parameterized.parameters(
    (np.nextafter(1, 2), 1.0),
    (1 + 2 * EPSILON, 1 + EPSILON),
    (5e-324, 0.0),
    (1.7e308, -1.7e308),
  )
  def test_scores_without_a_middle_are_told_apart(self, high, low):
    pair = np.array([high]), np.array([low])
    value = by_rule(transfer.thresholds([pair])).value
    self.assertEqual(balanced_accuracy(*pair, value), 1.0)

  @parameterized.parameters(([1.0, 1.0], [1.0]), ([0.0], [2.0, 3.0]))
  def test_nobody_is_called_where_that_is_best(self, members, nonmembers):
    pair = np.array(members), np.array(nonmembers)
    for chosen in transfer.thresholds([pair]):
      for point in transfer.apply([chosen], *pair):
        self.assertEqual((point.tpr, point.fpr), (0, 0))
        self.assertEqual(point.balanced_accuracy, 0.5)

  @parameterized.parameters(np.nan, np.inf)
  def test_scores_that_are_not_finite_are_refused(self, value):
    with self.assertRaisesRegex(ValueError, 'members: 1 of 2 scores are not finite'):
      transfer.thresholds([(np.array([0.0, value]), np.zeros(3))])


class ApplyTest(parameterized.TestCase):
  @parameterized.parameters(None, 2)
  def test_rates_are_counted_on_the_target(self, levels):
    chosen = transfer.thresholds([draw(0, levels=levels)])
    members, nonmembers = draw(1, 90, 110, levels=levels)
    points = transfer.apply(chosen, members, nonmembers)
    self.assertLen(points, 1 + len(metrics.TARGET_FPRS))
    for each, point in zip(chosen, points, strict=True):
      self.assertEqual(
        (point.rule, point.target_fpr, point.threshold),
        (each.rule, each.target_fpr, each.value),
      )
      true = sum(score > each.value for score in members)
      false = sum(score > each.value for score in nonmembers)
      self.assertEqual((point.true_positives, point.false_positives), (true, false))
      self.assertEqual((point.tpr, point.fpr), (true / 90, false / 110))
      for count, of, low, high in (
        (true, 90, point.tpr_low, point.tpr_high),
        (false, 110, point.fpr_low, point.fpr_high),
      ):
        interval = stats.binomtest(int(count), of).proportion_ci(method='exact')
        np.testing.assert_allclose((low, high), interval, atol=1e-9)
      expected = balanced_accuracy(members, nonmembers, each.value)
      self.assertAlmostEqual(point.balanced_accuracy, expected, places=12)

  def test_points_are_applied_again_by_their_own_thresholds(self):
    points = transfer.apply(transfer.thresholds([draw(0)]), *draw(1))
    self.assertEqual(transfer.apply(points, *draw(1)), points)
    moved = transfer.apply(points, *draw(2))
    self.assertEqual([p.threshold for p in moved], [p.threshold for p in points])
    self.assertNotEqual(moved, points)

  def test_thresholds_of_a_like_model_keep_the_rate(self):
    chosen = transfer.thresholds([draw(seed, 4000, 4000) for seed in range(3)])
    point = by_rule(transfer.apply(chosen, *draw(9, 4000, 4000)), 0.01)
    self.assertBetween(0.01, point.fpr_low, point.fpr_high)

  def test_best_in_hindsight_is_at_least_as_good(self):
    for seed in range(20):
      target = draw(100 + seed, 60, 60)
      moved = by_rule(transfer.apply(transfer.thresholds([draw(seed)]), *target))
      own = by_rule(transfer.apply(transfer.thresholds([target]), *target))
      gain = own.balanced_accuracy - moved.balanced_accuracy
      self.assertGreaterEqual(gain, -1e-12)

  def test_thresholds_are_frozen_and_plain(self):
    chosen = transfer.thresholds([draw(0)])[0]
    self.assertIsInstance(chosen.value, float)
    with self.assertRaises(dataclasses.FrozenInstanceError):
      chosen.value = 0.0


class PpvTest(parameterized.TestCase):
  @parameterized.parameters(*transfer.PRIORS)
  def test_share_of_members_among_those_called_is_counted(self, prior):
    tpr, fpr, examples = 0.4, 0.05, 100_000
    called = [round(prior * examples) * tpr, round((1 - prior) * examples) * fpr]
    self.assertAlmostEqual(
      transfer.ppv(tpr, fpr, prior=prior), called[0] / sum(called), places=12
    )

  def test_guessing_has_the_prior(self):
    self.assertAlmostEqual(transfer.ppv(0.3, 0.3, prior=0.1), 0.1)

  def test_nobody_called_has_none(self):
    self.assertIsNone(transfer.ppv(0.0, 0.0, prior=0.5))
    self.assertEqual(transfer.ppv(0.1, 0.0, prior=0.01), 1.0)


if __name__ == '__main__':
  absltest.main()
