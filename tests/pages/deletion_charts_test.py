import dataclasses
from statistics import fmean

from absl.testing import absltest, parameterized

from rnn_tf.deletion.results import MARGIN
from rnn_tf.pages import deletion_charts
from tests import fake_deletions


def record(**options):
  return fake_deletions.record(**{'attacks': ('threshold', 'lira'), **options})


def pooled(made, forget, method):
  (found,) = [
    each
    for each in made.findings.pooled
    if (each.forget, each.method) == (forget, method)
  ]
  return found


def series(chart):
  return {each.name: each for each in chart.series}


class MainAttackTest(absltest.TestCase):
  def test_it_is_the_one_that_finds_most_of_the_original(self):
    made = record(attacks=('lira', 'threshold', 'lr'))
    self.assertEqual(deletion_charts.main_attack(made), 'lira')
    made = record(attacks=('threshold', 'lr'))
    self.assertEqual(deletion_charts.main_attack(made), 'lr')

  def test_without_attacks_there_is_none(self):
    made = record(attacks=())
    self.assertIsNone(deletion_charts.main_attack(made))
    self.assertIsNone(deletion_charts.glance('d', made))
    self.assertIsNone(deletion_charts.privacy('d', made))
    self.assertIsNone(deletion_charts.costs('d', made))
    self.assertIsNone(deletion_charts.attacks('d', made, 'uniform-5pct'))


class GlanceTest(absltest.TestCase):
  def test_each_forget_set_has_the_versions_side_by_side(self):
    made = record()
    chart = deletion_charts.glance('d', made)
    self.assertEqual(chart.x.categories, ('5%, uniform', '5%, 1 of 5 shards'))
    found = series(chart)
    self.assertEqual(
      list(found),
      [
        *('original', 'nothing deleted (negative control)', 'full retrain'),
        *('second full retrain (positive control)', 'sharded original'),
        *('sharded retrain', 'guessing'),
      ],
    )
    places = [each.x[1] for each in chart.series[:-1]]
    self.assertEqual(places, sorted(set(places)))
    self.assertEqual({round(place) for place in places}, {1})
    figures = pooled(made, 'grouped1of5-5pct', 'retrain')
    auc = deletion_charts.forgotten_auc(figures, 'lira')
    retrain = found['full retrain']
    self.assertEqual((retrain.low[1], retrain.y[1]), (auc.low, auc.value))

  def test_words_hold_before_and_after(self):
    made = record()
    text = deletion_charts.glance('d', made).description
    for method, name in (('original', 'original'), ('retrain', 'full retrain')):
      for forget in ('uniform-5pct', 'grouped1of5-5pct'):
        auc = deletion_charts.forgotten_auc(pooled(made, forget, method), 'lira')
        self.assertIn(f'{name} {auc.value:.3f}', text)


class AttacksTest(absltest.TestCase):
  def test_each_attack_has_an_interval_a_version(self):
    made = record()
    chart = deletion_charts.attacks('d', made, 'uniform-5pct', picture='a.png')
    self.assertEqual(
      chart.x.categories,
      (
        *('original', 'nothing deleted', 'full retrain', 'second retrain'),
        *('sharded original', 'sharded retrain'),
      ),
    )
    found = series(chart)
    self.assertEqual(list(found), ['threshold', 'lira', 'full retrain, lira'])
    auc = deletion_charts.forgotten_auc(
      pooled(made, 'uniform-5pct', 'original'), 'threshold'
    )
    self.assertEqual(found['threshold'].high[0], auc.high)
    self.assertEqual(chart.picture, 'a.png')

  def test_the_full_retrain_is_a_line(self):
    made = record()
    chart = deletion_charts.attacks('d', made, 'uniform-5pct')
    line = series(chart)['full retrain, lira']
    auc = deletion_charts.forgotten_auc(pooled(made, 'uniform-5pct', 'retrain'), 'lira')
    self.assertTrue(line.reference)
    self.assertEqual(set(line.y), {auc.value})
    without = record(methods=('finetune',))
    chart = deletion_charts.attacks('d', without, 'uniform-5pct')
    self.assertEqual(list(series(chart)), ['threshold', 'lira'])


class PrivacyTest(absltest.TestCase):
  def test_points_are_accuracy_and_auc(self):
    made = record()
    chart = deletion_charts.privacy('d', made)
    found = series(chart)['sharded retrain']
    figures = pooled(made, 'grouped1of5-5pct', 'sharded')
    self.assertEqual(found.x[1], figures.test.value)
    self.assertEqual(found.labels[1], '5%, within 1 of 5 shards')
    places = [x for each in chart.series[:-1] for x in each.x]
    # None lies on the frame.
    self.assertLess(chart.x.low, min(places))
    self.assertGreater(chart.x.high, max(places))


class CostsTest(absltest.TestCase):
  def test_methods_stand_at_their_mean_cost_and_distance(self):
    made = record()
    chart = deletion_charts.costs('d', made)
    found = series(chart)
    self.assertNotIn('full retrain', found)
    self.assertNotIn('original', found)
    shares = [
      each.share
      for each in made.costs
      if (each.forget, each.method) == ('uniform-5pct', 'sharded')
    ]
    (verdict,) = [
      each
      for each in made.findings.verdicts
      if (each.forget, each.method, each.attack) == ('uniform-5pct', 'sharded', 'lira')
    ]
    sharded = found['sharded retrain']
    self.assertAlmostEqual(sharded.x[0], fmean(shares))
    self.assertEqual(sharded.y[0], verdict.comparison.value)
    # Nothing was made, and nothing paid, to leave the original as it is.
    self.assertEqual(found['nothing deleted (negative control)'].x[0], 0)
    margins = {each.y[0] for each in chart.series if each.reference}
    self.assertEqual(margins, {-MARGIN, MARGIN})

  def test_without_verdicts_there_is_none(self):
    self.assertIsNone(deletion_charts.costs('d', record(methods=('retrain',))))


class ShardsTest(parameterized.TestCase):
  def test_points_are_means_between_the_lowest_and_highest_seed(self):
    made = record(num_shards=(2, 10))
    chart = deletion_charts.shards('d', made)
    self.assertEqual(chart.x.categories, ('1', '2', '10'))
    found = series(chart)
    self.assertCountEqual(found, ['plain original', 'mean of logits', 'majority vote'])
    tests = [
      each.test.value
      for each in made.shard_accuracies
      if (each.num_shards, each.aggregation) == (10, 'mean')
    ]
    mean = found['mean of logits']
    self.assertEqual(list(mean.x), [1, 2])
    self.assertAlmostEqual(mean.y[1], fmean(tests))
    self.assertEqual((mean.low[1], mean.high[1]), (min(tests), max(tests)))
    self.assertIn(f'mean of logits, 10 shards: {fmean(tests):.2%}', chart.description)

  def test_without_shards_there_is_none(self):
    self.assertIsNone(deletion_charts.shards('d', record(methods=('retrain',))))
    empty = dataclasses.replace(record(), shard_accuracies=())
    self.assertIsNone(deletion_charts.shards('d', empty))


if __name__ == '__main__':
  absltest.main()
