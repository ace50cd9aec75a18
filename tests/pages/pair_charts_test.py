import numpy as np
from absl.testing import absltest

from rnn_tf.pages import pair_charts
from tests import fake_runs


class AgainstAccuracyTest(fake_runs.RunsCase):
  def test_runs_are_points_and_means_are_joined_by_epsilon(self):
    records = [
      self.load(f'{name}{seed}', seed=seed, privacy=privacy, val_accuracy=accuracy)
      for name, privacy, accuracy in (
        ('a', fake_runs.private(), 0.5),
        ('b', fake_runs.private(8.0), 0.6),
        ('c', fake_runs.PLAIN, 0.7),
      )
      for seed in range(2)
    ]
    chart, other = pair_charts.dp_privacy_vs_utility(records)
    self.assertEqual(other.name, 'dp-privacy-vs-utility-lr')
    *groups, means, guessing = chart.series
    self.assertEqual([group.name for group in groups], ['ε = 3', 'ε = 8', 'plain'])
    self.assertTrue(guessing.reference)
    for group, place in zip(groups, (0, 2, 4), strict=True):
      ours = records[place : place + 2]
      results = [record.entire('threshold')[-1] for record in ours]
      np.testing.assert_allclose(group.y, [r.auc for r in results], atol=1e-5)
      np.testing.assert_allclose(group.low, [r.auc_low for r in results], atol=1e-5)
      np.testing.assert_allclose(group.high, [r.auc_high for r in results], atol=1e-5)
      self.assertEqual(
        list(group.labels), [f'{group.name}, {record.name}' for record in ours]
      )
      mean = np.mean([r.auc for r in results])
      self.assertAlmostEqual(means.y[place // 2], mean, delta=1e-5)
    np.testing.assert_allclose(means.x, [0.5, 0.6, 0.7], atol=1e-5)
    self.assertEqual(means.labels[1], 'ε = 8, mean of 2')
    self.assertIn('plain: AUC ', chart.description)
    self.assertIn('at a test accuracy of 0.6000', chart.description)

  def test_unfinished_runs_are_shown_but_not_in_the_means(self):
    records = [
      self.load('a', privacy=fake_runs.private()),
      self.load('young', privacy=fake_runs.private(), seed=1, trained=2),
      self.load('c'),
    ]
    chart, _ = pair_charts.dp_privacy_vs_utility(records)
    group, _, means, _ = chart.series
    self.assertLen(group.x, 2)
    self.assertAlmostEqual(
      means.y[0], records[0].entire('threshold')[-1].auc, delta=1e-5
    )

  def test_one_run_alone_has_no_chart(self):
    record = self.load(privacy=fake_runs.private())
    self.assertEmpty(pair_charts.dp_privacy_vs_utility([record]))

  def test_models_that_differ_otherwise_are_not_joined(self):
    records = [
      self.load('a', privacy=fake_runs.private()),
      self.load('b', batch_size=8),
    ]
    chart, _ = pair_charts.dp_privacy_vs_utility(records)
    self.assertNotIn('means', ' '.join(series.name for series in chart.series))


class EpsilonByEpochTest(fake_runs.RunsCase):
  def test_claims_are_lines_and_bounds_those_of_the_strongest_attack(self):
    records = [
      self.load(f'a{seed}', privacy=fake_runs.private(), seed=seed, bound=0.25)
      for seed in range(2)
    ]
    chart = pair_charts.epsilon_by_epoch([*records, self.load('plain')])
    claimed, least = chart.series
    self.assertEqual((claimed.name, least.name), ('ε = 3: claimed', 'ε = 3: at least'))
    self.assertEqual(claimed.color, least.color)
    np.testing.assert_allclose(claimed.y[:4], records[0].metrics['epsilon'], atol=1e-4)
    self.assertIsNone(claimed.y[4])
    self.assertEqual(least.y, [0.25, 0.25, None, 0.25, 0.25])
    self.assertEqual(least.labels[0], 'a0, threshold')
    self.assertIn('ε = 3: 3 claimed at the end, at least 0.250', chart.description)

  def test_what_is_claimed_is_rounded_up(self):
    record = self.load(privacy=fake_runs.private(), claimed=2.99901)
    self.assertIn('3 claimed', pair_charts.epsilon_by_epoch([record]).description)

  def test_runs_without_bounds_have_their_claim_alone(self):
    record = self.load(privacy=fake_runs.private(), attacks=())
    self.assertLen(pair_charts.epsilon_by_epoch([record]).series, 1)

  def test_plain_runs_have_no_chart(self):
    self.assertIsNone(pair_charts.epsilon_by_epoch([self.load()]))


if __name__ == '__main__':
  absltest.main()
