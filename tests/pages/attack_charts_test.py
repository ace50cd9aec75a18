import io

import numpy as np
import pandas as pd
from absl.testing import absltest, parameterized

from rnn_tf.attack_plots import Scored, rate_point
from rnn_tf.attacks import metrics
from rnn_tf.pages import attack_charts
from rnn_tf.pages.attack_charts import Curve
from tests import fake_attacks


def curve(name='lira', *, label=None, members=4000, nonmembers=3000, **options):
  sizes = {'members': members, 'nonmembers': nonmembers}
  found, _ = fake_attacks.report((name,), **sizes, **options)
  result = found.results[0]
  pair = found.slice_scores(result)
  return Curve(
    scored=Scored(
      name=label or name,
      members=pair.members,
      nonmembers=pair.nonmembers,
      transfer=result.transfer,
    ),
    result=result,
  )


def exact(scored):
  """The share of members found by false positives allowed: a step function.

  Counted one threshold at a time.
  """
  thresholds = np.unique(np.r_[scored.members, scored.nonmembers])[:, None]
  true = (scored.members > thresholds).mean(axis=1)
  false = (scored.nonmembers > thresholds).sum(axis=1)
  return lambda allowed: max(true[false <= allowed])


def shown(series, rate):
  """What the staircase of a series says at a false-positive rate."""
  found = [y for x, y in zip(series.x, series.y, strict=True) if x <= rate * 1.0001]
  return (found[-1] if found else 0) or 0


class RocTest(parameterized.TestCase):
  @parameterized.parameters('lira', 'rmia', 'threshold')
  def test_the_curve_is_at_most_a_seventh_below_the_exact_one_and_never_above(
    self, name
  ):
    made = curve(name)
    chart = attack_charts.roc_chart('roc', [made], title='t')
    series, guessing = chart.series
    self.assertLessEqual(len(series.x), attack_charts.ROC_POINTS)
    found_with = exact(made.scored)
    for count in np.unique(np.geomspace(1, 2999, 200).astype(int)):
      true = found_with(count)
      found = shown(series, count / 3000)
      self.assertLessEqual(found, true * 1.0001)
      if true * 4000 >= 10:
        self.assertGreater(found, true * 6 / 7)
    self.assertTrue(guessing.reference)

  def test_the_reports_rates_and_both_ends_are_exact(self):
    made = curve()
    series = attack_charts.roc_chart('roc', [made], title='t').series[0]
    for target in metrics.TARGET_FPRS:
      point = rate_point(made.result.tpr_at_fpr, target)
      self.assertAlmostEqual(shown(series, target), point.tpr, places=5)
    # Half a false positive is where none at all is shown.
    none = shown(series, 0.5 / 3000)
    self.assertAlmostEqual(none, exact(made.scored)(0), places=5)
    self.assertEqual((series.x[-1], series.y[-1]), (1, 1))

  def test_axes_are_logarithmic(self):
    chart = attack_charts.roc_chart('roc', [curve()], title='t')
    self.assertEqual((chart.x.scale, chart.y.scale), ('log', 'log'))

  def test_words_name_the_best_and_what_all_find(self):
    made = [curve('lira'), curve('threshold')]
    text = attack_charts.roc_chart('roc', made, title='t').description
    points = [rate_point(each.result.tpr_at_fpr, 0.001) for each in made]
    best = max((0, 1), key=lambda place: points[place].tpr)
    name = made[best].scored.name
    self.assertIn(f'{name} finds most: {points[best].tpr:.2%} of the members', text)
    self.assertIn(f'({points[best].true_positives:,} of 4,000)', text)
    for each, point in zip(made, points, strict=True):
      self.assertIn(f'{point.tpr:.2%}', text)
      self.assertIn(f'{each.result.auc:.3f}', text)

  def test_variants_of_one_attack_have_colours_of_their_own(self):
    made = [curve('lira', label='one'), curve('lira', label='two', seed=1)]
    chart = attack_charts.roc_chart('roc', made, title='t', labelled=False)
    self.assertEqual([each.color for each in chart.series[:2]], [None, None])
    self.assertIsNone(chart.series[0].labels)
    alone = attack_charts.roc_chart('roc', made[:1], title='t').series[0]
    other = attack_charts.roc_chart('roc', [curve('rmia')], title='t').series[0]
    self.assertNotEqual(alone.color, other.color)


class AnytimeTest(absltest.TestCase):
  def test_points_stand_at_their_numbers_of_shadows(self):
    record, _ = fake_attacks.record(members=200, nonmembers=100, num_shadows=10)
    curves = {name: record.anytime[name] for name in ('lira', 'rmia')}
    # An attack that needs more shadows begins later.
    curves['rmia'] = curves['rmia'][1:]
    auc, tpr = attack_charts.anytime_charts('any', curves, picture='a.png')
    self.assertEqual((auc.name, tpr.name), ('any-auc', 'any-tpr'))
    for chart in (auc, tpr):
      self.assertEqual(chart.x.categories, ('2', '4', '8', '10'))
      self.assertEqual(chart.picture, 'a.png')
      places = [list(each.x) for each in chart.series[:2]]
      self.assertEqual(places, [[0, 1, 2, 3], [1, 2, 3]])
      self.assertTrue(chart.series[-1].reference)
    first = record.anytime['lira'][0]
    series = auc.series[0]
    self.assertEqual(
      (series.low[0], series.y[0], series.high[0]),
      (first.auc_low, first.auc, first.auc_high),
    )
    self.assertEqual(tpr.series[0].y[0], rate_point(first.tpr_at_fpr, 0.01).tpr)
    self.assertIn(f'lira from {first.auc:.3f} with 2 to', auc.description)


class ScoresTest(parameterized.TestCase):
  def test_steps_hold_the_shares_of_the_bins(self):
    scored = curve('lira').scored
    chart = attack_charts.scores_chart('scores', scored)
    members, others = chart.series[:2]
    self.assertEqual([members.style, others.style], ['steps', 'steps'])
    for series, values in ((members, scored.members), (others, scored.nonmembers)):
      np.testing.assert_allclose(sum(series.y[:-1]), 1)
      # One bin, counted by hand.
      low, high = series.x[20], series.x[21]
      share = ((values >= low) & (values < high)).mean()
      self.assertAlmostEqual(series.y[20], share)

  def test_thresholds_of_the_shadows_are_lines(self):
    scored = curve('lira').scored
    chart = attack_charts.scores_chart('scores', scored)
    found = {each.name: each.x for each in chart.series[2:]}
    expected = {
      point.threshold for point in scored.transfer if point.target_fpr in (None, 0.001)
    }
    self.assertEqual({x[0] for x in found.values()}, expected)
    self.assertTrue(all(each.reference for each in chart.series[2:]))

  def test_scores_that_crowd_at_one_end_get_bins_of_unequal_width(self):
    rng = np.random.default_rng(0)
    losses = [-np.exp(rng.normal(shift, 3, size=2000)) for shift in (-6, -3)]
    scored = Scored(name='threshold', members=losses[0], nonmembers=losses[1])
    chart = attack_charts.scores_chart('scores', scored)
    self.assertLen(chart.x.categories, 51)
    edges = np.array([float(each) for each in chart.x.categories])
    self.assertTrue((np.diff(edges) > 0).all())
    for series in chart.series:
      self.assertEqual(list(series.x), list(range(51)))
      self.assertAlmostEqual(sum(series.y[:-1]), 1)
      # Equal bins would have nearly all in the last one.
      self.assertLess(max(series.y), 0.2)

  def test_equal_scores_have_a_place(self):
    scored = Scored(name='x', members=np.zeros(5), nonmembers=np.zeros(4))
    chart = attack_charts.scores_chart('scores', scored)
    self.assertEqual(max(chart.series[0].y), 1)

  def test_words_give_the_medians(self):
    scored = curve('lira').scored
    text = attack_charts.scores_chart('scores', scored).description
    self.assertIn(f'Members: median {np.median(scored.members):.3g}', text)

  def test_the_data_read_back(self):
    chart = attack_charts.scores_chart('scores', curve('lira').scored)
    frame = pd.read_csv(io.StringIO(chart.csv()))
    self.assertEqual(set(frame['series'][:51]), {'4,000 members'})


if __name__ == '__main__':
  absltest.main()
