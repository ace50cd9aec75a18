from absl.testing import absltest

from rnn_tf import stopping
from rnn_tf.pages import epoch_charts
from tests import fake_runs


class LearningCurvesTest(fake_runs.RunsCase):
  def test_one_run_has_training_and_test_in_both_charts(self):
    record = self.load()
    charts = epoch_charts.learning_curves([record], picture=lambda name: f'{name}.png')
    self.assertEqual(
      [chart.name for chart in charts], ['accuracy-by-epoch', 'loss-by-epoch']
    )
    for chart, column in zip(charts, ('accuracy', 'loss'), strict=True):
      test, training = chart.series
      self.assertEqual((test.name, training.name), ('test', 'training'))
      self.assertNotEqual(test.color, training.color)
      self.assertEqual(chart.picture, 'learning_curves.png')
      for series, name in ((test, f'val_{column}'), (training, column)):
        self.assertSequenceEqual(series.x, [1, 2, 3, 4])
        for value, expected in zip(series.y, record.metrics[name], strict=True):
          self.assertAlmostEqual(value, expected, delta=1e-4)

  def test_the_description_has_the_last_and_the_best_value(self):
    accuracy, loss = epoch_charts.learning_curves([self.load()])
    self.assertIn(
      '0.9000 on training images, 0.7000 on test images', accuracy.description
    )
    self.assertIn('the highest is 0.7500, after epoch 3', accuracy.description)
    # Loss on test images: 2.3 - 2 p + 1.2 p^2, lowest at p = 3/4 and at p = 1.
    self.assertIn('the lowest is 1.4750, after epoch 3', loss.description)
    self.assertIn('300 training and 200 test images; seed 0', accuracy.note)

  def test_many_runs_have_two_series_a_group(self):
    records = [self.load(f'r{seed}', seed=seed, epochs=3) for seed in range(4)]
    private = fake_runs.private()
    records += [self.load(f'p{s}', seed=s, privacy=private, epochs=3) for s in range(4)]
    chart, _ = epoch_charts.learning_curves(records)
    self.assertEqual(
      [series.name for series in chart.series],
      [
        'ε = 3, 4 runs, test',
        'ε = 3, 4 runs, training',
        'plain, 4 runs, test',
        'plain, 4 runs, training',
      ],
    )
    plain = chart.series[2]
    self.assertEqual(plain.color, chart.series[3].color)
    self.assertLen(plain.x, 4 * 3 + 3)
    self.assertEqual(sum(y is None for y in plain.y), 3)
    self.assertEqual(set(plain.labels), {'', 'r0', 'r1', 'r2', 'r3'})

  def test_of_very_many_epochs_some_are_left_out_but_not_the_best(self):
    record = self.load(epochs=1000, attacks=())
    accuracy, loss = epoch_charts.learning_curves([record])
    self.assertIn('one in 9 is shown', accuracy.note)
    for chart in (accuracy, loss):
      for series in chart.series:
        self.assertLess(len(series.x), 340)
        # The highest accuracy is at 3/4, the lowest loss at 5/6.
        self.assertContainsSubset([1, 750, 833, 1000], series.x)

  def test_an_unfinished_run_is_shown_as_far_as_it_is(self):
    chart, _ = epoch_charts.learning_curves([self.load(epochs=8, trained=5)])
    self.assertEqual(max(chart.series[0].x), 5)
    self.assertIn('after epoch 5', chart.description)


class LeakageByEpochTest(fake_runs.RunsCase):
  def test_one_run_has_one_chart_of_all_attacks_with_intervals(self):
    record = self.load()
    (chart,) = epoch_charts.leakage_by_epoch([record])
    self.assertEqual(chart.name, 'leakage-by-epoch')
    shown = {series.name: series for series in chart.series if not series.reference}
    self.assertEqual(list(shown), ['threshold', 'lr'])
    for attack, series in shown.items():
      results = record.entire(attack)
      self.assertEqual(series.x, [2, 4])
      for field, values in (
        ('auc', series.y),
        ('auc_low', series.low),
        ('auc_high', series.high),
      ):
        for value, result in zip(values, results, strict=True):
          self.assertAlmostEqual(value, getattr(result, field), delta=1e-5)
      last = results[-1]
      self.assertIn(
        f'{attack}: {results[0].auc:.3f} [{results[0].auc_low:.3f}, '
        f'{results[0].auc_high:.3f}] after epoch 2, {last.auc:.3f}',
        chart.description,
      )
    self.assertIn('300 members, 200 non-members; seed 0', chart.note)
    self.assertIn(chart.note, chart.description)

  def test_several_runs_have_a_chart_an_attack(self):
    records = [self.load('a'), self.load('b', attacks=('lr',), seed=1)]
    charts = epoch_charts.leakage_by_epoch(records)
    self.assertEqual(
      [chart.name for chart in charts],
      ['leakage-by-epoch-threshold', 'leakage-by-epoch-lr'],
    )
    self.assertEqual([s.name for s in charts[0].series], ['a', 'guessing'])
    self.assertEqual([s.name for s in charts[1].series], ['a', 'b', 'guessing'])

  def test_the_recommended_epoch_of_a_run_is_a_line(self):
    record = self.load()
    advice = stopping.recommend(record, max_advantage=1.0)
    (chart,) = epoch_charts.leakage_by_epoch([record], advice=[advice])
    mark = chart.series[0]
    self.assertEqual(mark.name, f'recommended: stop after epoch {advice.epoch}')
    self.assertEqual(mark.x, [advice.epoch, advice.epoch])

  def test_the_recommended_epochs_of_several_runs_are_points_on_them(self):
    records = [self.load('a'), self.load('b', seed=1)]
    advice = [stopping.recommend(record, max_advantage=1.0) for record in records]
    for chart, attack in zip(
      epoch_charts.leakage_by_epoch(records, advice=advice),
      ('threshold', 'lr'),
      strict=True,
    ):
      mark = chart.series[0]
      self.assertEqual(mark.style, 'points')
      for x, y, label, record in zip(mark.x, mark.y, mark.labels, records, strict=True):
        (result,) = [r for r in record.entire(attack) if r.epoch == x]
        self.assertAlmostEqual(y, result.auc, delta=1e-5)
        self.assertEqual(label, f'{record.name}, epoch {x}, {attack}')

  def test_no_recommendation_and_no_report_leave_their_part_out(self):
    record = self.load()
    advice = stopping.recommend(record, max_advantage=0.0)
    (chart,) = epoch_charts.leakage_by_epoch([record], advice=[advice])
    self.assertNotIn('recommended', ' '.join(series.name for series in chart.series))
    self.assertEmpty(epoch_charts.leakage_by_epoch([self.load('none', attacks=())]))


if __name__ == '__main__':
  absltest.main()
