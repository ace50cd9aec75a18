import math

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import metrics
from rnn_tf.pages import roc_points


def _roc(members, nonmembers, *, shift=0.5, decimals=12, seed=0):
  rng = np.random.default_rng(seed)
  return metrics.roc(
    np.round(rng.normal(shift, size=members), decimals),
    np.round(rng.normal(size=nonmembers), decimals),
  )


def _found(roc, allowed):
  """The most members found with at most so many false positives, point by point."""
  return max(
    true
    for false, true in zip(roc.false_positives, roc.true_positives, strict=True)
    if false <= allowed
  )


class DownsampleTest(parameterized.TestCase):
  @parameterized.product(
    sizes=((3, 2), (40, 60), (60, 1)), decimals=(0, 1, 12), seed=(0, 1)
  )
  def test_a_curve_of_few_corners_is_the_exact_staircase(self, sizes, decimals, seed):
    roc = _roc(*sizes, decimals=decimals, seed=seed)
    few = roc_points.downsample(roc)
    for allowed in range(roc.n_nonmembers + 1):
      self.assertEqual(_found(few, allowed), _found(roc, allowed))

  @parameterized.product(
    sizes=((4000, 3000), (500, 9000), (9000, 500)), decimals=(2, 12), shift=(0.0, 2.0)
  )
  def test_a_curve_of_many_corners_stays_close_below(self, sizes, decimals, shift):
    roc = _roc(*sizes, decimals=decimals, shift=shift)
    few = roc_points.downsample(roc, 100)
    self.assertLessEqual(len(few.fpr), 100)
    # Every point is one of the curve's.
    points = set(zip(roc.false_positives, roc.true_positives, strict=True))
    kept = set(zip(few.false_positives, few.true_positives, strict=True))
    self.assertLessEqual(kept, points)
    space = sum(math.log(2 * size) for size in sizes) / (100 - 5)
    for allowed in range(0, roc.n_nonmembers + 1, 7):
      exact, found = _found(roc, allowed), _found(few, allowed)
      self.assertLessEqual(found, exact)
      # A step in or out of nothing counts as a half against a one: log 2 more.
      self.assertGreaterEqual(max(found, 0.5), 0.5 * math.exp(-space) * exact)
      if found > 30:
        self.assertGreater(found, (1 - 1.3 * space) * exact)

  @parameterized.parameters(0.0, 1.0)
  def test_both_ends_and_the_reports_rates_stay(self, shift):
    rng = np.random.default_rng(3)
    scores = rng.normal(shift, size=5000), rng.normal(size=7000)
    few = roc_points.downsample(metrics.roc(*scores), 20)
    self.assertEqual((few.fpr[-1], few.tpr[-1]), (1.0, 1.0))
    self.assertEqual(few.false_positives[0], 0)
    for target in metrics.TARGET_FPRS:
      point = metrics.tpr_at_fpr(*scores, target_fpr=target)
      self.assertEqual(_found(few, target * 7000 + 1e-9), point.true_positives)

  def test_too_few_points_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'points is 4'):
      roc_points.downsample(_roc(9, 9), 4)


class ChartTest(absltest.TestCase):
  def test_a_series_has_all_places_above_nothing(self):
    roc = metrics.roc(np.array([3.0, 2.0, 1.0]), np.array([2.5, 0.0]))
    series = roc_points.log_series('lr', roc, color=2)
    self.assertEqual(series.x, [0.25, 0.5, 1.0])
    self.assertEqual(series.y, [0.33333, 1.0, 1.0])
    self.assertEqual(
      series.labels,
      [
        '1 found, 0 accused',
        '3 found, 1 accused',
        '3 found, 2 accused',
      ],
    )
    self.assertEqual((series.color, series.style), (2, 'steps'))

  def test_nothing_found_without_a_false_positive_is_a_gap(self):
    roc = metrics.roc(np.array([1.0]), np.array([2.0, 0.0]))
    self.assertEqual(roc_points.log_series('lr', roc).y, [None, 1.0, 1.0])

  def test_axes_reach_down_to_half_a_false_positive_of_the_largest(self):
    rocs = [_roc(1000, 2000), _roc(4000, 500)]
    x, y = roc_points.log_axes(*rocs)
    self.assertEqual((x.scale, x.low, x.high), ('log', 0.5 / 2000, 1.0))
    self.assertEqual((y.scale, y.low, y.high), ('log', 0.5 / 4000, 1.0))
    self.assertIn('500 to 2,000 non-members', x.label)
    self.assertIn('1,000 to 4,000 members', y.label)
    self.assertEqual(roc_points.guessing(*rocs).x, [0.5 / 2000, 1.0])


if __name__ == '__main__':
  absltest.main()
