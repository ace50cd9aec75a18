import dataclasses

import numpy as np
from absl.testing import absltest

from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import ENTIRE
from rnn_tf.errors import UsageError
from rnn_tf.pages import run_charts
from tests import fake_runs


def _front(points):
  """Returns the points that no other one is as good as in both, and better in one."""
  return [
    (a, b)
    for a, b in points
    if not any(x >= a and y <= b and (x > a or y < b) for x, y in points)
  ]


class PrivacyVsUtilityTest(fake_runs.RunsCase):
  def test_every_reported_epoch_of_a_run_is_a_point_of_each_attack(self):
    record = self.load(epochs=8)
    chart = run_charts.privacy_vs_utility([record], picture=lambda name: name)
    shown = {series.name: series for series in chart.series}
    self.assertEqual(chart.picture, 'privacy_vs_utility')
    for attack in ('threshold', 'lr'):
      series = shown[attack]
      self.assertLen(series.x, 4)
      for x, y, label, result in zip(
        series.x, series.y, series.labels, record.entire(attack), strict=True
      ):
        accuracy = record.metrics['val_accuracy'][result.epoch - 1]
        self.assertAlmostEqual(x, accuracy, delta=1e-5)
        self.assertAlmostEqual(y, result.auc, delta=1e-5)
        self.assertStartsWith(label, f'digits-cnn2-s0, epoch {result.epoch} [')

  def test_of_several_runs_the_strongest_attack_and_the_front_over_all(self):
    records = [
      self.load('a', epochs=8, seed=1),
      self.load('b', epochs=8, seed=2, leak=0.1, val_accuracy=0.6),
      self.load('c', epochs=8, seed=3, leak=0.0, val_accuracy=0.65),
    ]
    points = []
    for record in records:
      for results in zip(*map(record.entire, record.attacks), strict=True):
        accuracy = record.metrics['val_accuracy'][results[0].epoch - 1]
        points.append((accuracy, max(result.auc for result in results)))
    chart = run_charts.privacy_vs_utility(records)
    front, *shown = [series for series in chart.series if not series.reference]
    self.assertEqual([series.name for series in shown], ['a', 'b', 'c'])
    found = [(x, y) for each in shown for x, y in zip(each.x, each.y, strict=True)]
    np.testing.assert_allclose(found, points, atol=1e-5)
    expected = sorted(_front(points))
    self.assertEqual(front.name, 'Pareto front')
    np.testing.assert_allclose(
      list(zip(front.x, front.y, strict=True)), expected, atol=1e-5
    )
    best = max(points)
    self.assertIn(f'({best[0]:.4f}, AUC {best[1]:.3f})', chart.description)
    self.assertIn('12 epochs of 3 runs in all', chart.description)

  def test_epochs_without_an_accuracy_are_left_out(self):
    record = self.load()
    blind = record.metrics.assign(val_accuracy=np.nan)
    unknown = dataclasses.replace(record, metrics=blind)
    self.assertIsNone(run_charts.privacy_vs_utility([unknown]))
    blind.loc[1, 'val_accuracy'] = 0.5
    (known,) = {len(s.x) for s in run_charts.privacy_vs_utility([unknown]).series[:3]}
    self.assertEqual(known, 1)

  def test_runs_without_reports_have_no_chart(self):
    self.assertIsNone(run_charts.privacy_vs_utility([self.load(attacks=())]))


class RocTest(fake_runs.RunsCase):
  def test_the_curve_is_that_of_the_last_scores(self):
    record = self.load()
    (chart,) = run_charts.roc([record])
    self.assertEqual((chart.x.scale, chart.y.scale), ('log', 'log'))
    scores = record.last_report().scores['threshold', ENTIRE]
    curve = metrics.roc(scores.members, scores.nonmembers)
    series = chart.series[0]
    self.assertEqual((series.name, series.style), ('threshold', 'steps'))
    for x, y in zip(series.x, series.y, strict=True):
      false = 0 if x < 1 / 200 else round(x * 200)
      true = curve.true_positives[curve.false_positives <= false].max()
      self.assertAlmostEqual(y or 0.0, true / 300, delta=1e-4)
    point = metrics.tpr_at_fpr(scores.members, scores.nonmembers, target_fpr=0.01)
    self.assertIn(
      f'threshold: {point.tpr:.2%} of the members found ({point.true_positives}) at '
      f'1.0% false positives ({point.false_positives} non-members falsely accused)',
      chart.description,
    )

  def test_several_runs_have_a_chart_an_attack_and_fewer_points(self):
    records = [self.load(f'r{seed}', seed=seed) for seed in range(9)]
    charts = run_charts.roc(records)
    self.assertEqual([chart.name for chart in charts], ['roc-threshold', 'roc-lr'])
    for chart in charts:
      curve, guessing = chart.series
      self.assertEqual(curve.name, 'plain, 9 runs')
      self.assertLessEqual(len(curve.x), 9 * 67)
      self.assertTrue(guessing.reference)
      named = {label.partition(':')[0] for label in curve.labels}
      self.assertEqual(named, {'', *(record.name for record in records)})

  def test_runs_without_scores_are_named_as_such(self):
    bare = self.load('bare')
    (bare.folder.path / 'scores/epoch-0004.npz').unlink()
    self.assertEmpty(run_charts.roc([bare]))
    (chart, _) = run_charts.roc([self.load('kept'), bare])
    self.assertIn('Without a report, or its scores: bare.', chart.note)

  def test_damaged_scores_are_an_error(self):
    record = self.load()
    path = 'scores/epoch-0004.npz'
    arrays = record.folder.read_npz(path)
    arrays['lr/entire/members'] = np.full(300, np.nan)
    record.folder.write_npz(path, arrays)
    with self.assertRaisesRegex(UsageError, 'the scores of epoch 4 are damaged'):
      run_charts.roc([record])


if __name__ == '__main__':
  absltest.main()
