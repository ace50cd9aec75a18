import dataclasses

import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf import stopping
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import ENTIRE
from tests import fake_runs


def _naive_recommendation(record, most):
  """Returns the best epoch, by looking at all of them; None if none is allowed."""
  best = None
  for row in record.metrics.to_dict('records'):
    advantages = [
      result.advantage
      for result in record.results
      if result.epoch == row['epoch']
      and result.slice == ENTIRE
      and result.advantage is not None
    ]
    if not advantages or max(advantages) > most or np.isnan(row['val_accuracy']):
      continue
    candidate = row['val_accuracy'], -max(advantages), -row['epoch']
    if best is None or candidate > best:
      best = candidate
  return best and -best[2]


class RecommendTest(fake_runs.RunsCase):
  @parameterized.parameters(0, 1, 2)
  def test_the_epoch_is_that_of_a_search_through_all(self, seed):
    record = self.load(epochs=12, seed=seed, leak=1.0, val_accuracy=0.6)
    rng = np.random.default_rng(seed)
    # Few different accuracies, so that some are equal.
    changed = record.metrics.assign(val_accuracy=rng.choice([0.5, 0.6, 0.7], 12))
    changed.loc[3, 'val_accuracy'] = np.nan
    record = dataclasses.replace(record, metrics=changed)
    found = set()
    for most in np.linspace(0, 1, 60):
      advice = stopping.recommend(record, max_advantage=most)
      self.assertEqual(advice.epoch, _naive_recommendation(record, most))
      found.add(advice.epoch)
    self.assertGreater(len(found), 2)

  def test_without_such_an_epoch_the_lowest_advantage_is_the_reason(self):
    record = self.load(leak=3.0)
    advice = stopping.recommend(record, max_advantage=0.01)
    lowest = min(
      max(record.entire(attack)[place].advantage for attack in record.attacks)
      for place in range(2)
    )
    self.assertIsNone(advice.epoch)
    self.assertIn(f'the lowest is {lowest:.4f}', advice.reason)
    self.assertIn('after epoch 2', advice.reason)
    self.assertIn(advice.reason, advice.text)

  def test_a_run_without_reports_has_no_recommendation(self):
    advice = stopping.recommend(self.load(attacks=()), max_advantage=1.0)
    self.assertIsNone(advice.epoch)
    self.assertIsNone(advice.null_advantage)
    self.assertFalse(advice.unreachable)
    self.assertIn('no epoch has both a report and a test accuracy', advice.text)

  def test_attacks_that_were_skipped_have_no_say(self):
    skipped = {('lr', 'entire')}
    record = self.load(skipped=skipped, leak=0.0)
    advice = stopping.recommend(record, max_advantage=1.0)
    self.assertEqual(advice.chosen.by_advantage.attack, 'threshold')
    self.assertAlmostEqual(
      advice.null_advantage, stopping.null_advantage(300, 200), places=3
    )

  def test_less_than_guessing_shows_is_called_unreachable(self):
    record = self.load(leak=0.0, members=3000, nonmembers=2000)
    free = stopping.recommend(record, max_advantage=1.0)
    null, luck = free.null_advantage, free.luck_advantage
    scale = np.sqrt(1 / 3000 + 1 / 2000)
    self.assertBetween(luck / scale, stats.kstwobign.ppf(0.05) - 1e-3, 1)
    below, between, above = (
      stopping.recommend(record, max_advantage=value)
      for value in (luck - 1e-4, null - 1e-4, null + 1e-4)
    )
    self.assertTrue(below.unreachable)
    self.assertIn('unreachable', below.text)
    for each in (between, above):
      self.assertFalse(each.unreachable)
      self.assertNotIn('unreachable', each.text)
      self.assertIn(f'up to {null:.4f}', each.text)
    self.assertIn('Chance alone may come above', between.text)
    self.assertNotIn('Chance alone', above.text)

  def test_the_level_is_for_the_largest_of_several_attacks_trained_on_folds(self):
    record = self.load()
    advice = stopping.recommend(record, max_advantage=1.0)
    # lr is trained on two folds.
    expected = np.sqrt(2) * stopping.null_advantage(300, 200, tries=2)
    self.assertAlmostEqual(advice.null_advantage, expected, delta=2e-3 * expected)


class NullAdvantageTest(parameterized.TestCase):
  def test_it_is_the_known_quantile(self):
    self.assertAlmostEqual(
      stopping.null_advantage(25000, 10000),
      1.358 * np.sqrt(35000 / (25000 * 10000)),
      places=4,
    )
    self.assertAlmostEqual(
      stopping.null_advantage(900, 900) / np.sqrt(2 / 900),
      stats.kstwobign.ppf(0.95),
    )

  @parameterized.parameters((300, 200, 1), (150, 400, 3))
  def test_scores_that_know_nothing_stay_under_it(self, m, n, tries):
    rng = np.random.default_rng(m)
    level = stopping.null_advantage(m, n, tries=tries)
    repeats = 1000
    above = 0
    for _ in range(repeats):
      curves = [metrics.roc(rng.random(m), rng.random(n)) for _ in range(tries)]
      above += max(map(metrics.advantage, curves)) > level
    # At most 5%, and not much less.
    self.assertBetween(above / repeats, 0.02, 0.068)


def _naive_front(points):
  kept = []
  for index, (accuracy, leakage) in enumerate(points):
    beaten = any(
      a >= accuracy and b <= leakage and (a > accuracy or b < leakage)
      for a, b in points
    )
    if not beaten and not np.isnan([accuracy, leakage]).any():
      kept.append(index)
  return kept


class ParetoFrontTest(parameterized.TestCase):
  @parameterized.product(count=(0, 1, 7, 60), levels=(3, 1000), seed=(0, 1))
  def test_it_is_what_no_other_point_beats(self, count, levels, seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(levels, size=(count, 2)) / levels
    points[rng.random(points.shape) < 0.05] = np.nan
    front = stopping.pareto_front(map(tuple, points))
    self.assertCountEqual(front, _naive_front(points))
    accuracies = [points[index][0] for index in front]
    self.assertEqual(accuracies, sorted(accuracies))


if __name__ == '__main__':
  absltest.main()
