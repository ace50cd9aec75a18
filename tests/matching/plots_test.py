import math

import matplotlib
import numpy as np
from absl.testing import absltest

from rnn_tf import plot_style
from rnn_tf.matching import plots as matched_plots
from tests.plots_test import drawn, legend, texts

CRITERIA = {'member_accuracy': 'accuracy on members', 'gap': 'gap'}


def path(network='gru', **changes):
  values = {
    'recurrent': network != 'cnn2',
    'attack': 'threshold',
    'criterion': 'gap',
    'x': np.array([0.0, 0.1, 0.3]),
    'auc': np.array([0.5, 0.56, 0.68]),
  }
  return matched_plots.Path(network=network, **{**values, **changes})


def mean(network='gru', **changes):
  values = {'attack': 'threshold', 'criterion': 'gap', 'level': 0.1, 'auc': 0.56}
  values |= {'low': 0.54, 'high': 0.58}
  return matched_plots.Mean(network=network, **{**values, **changes})


def draw(paths, means=(), *, criteria=CRITERIA):
  return matched_plots.auc_at_equal_accuracy(
    paths, means, criteria=criteria, title='mnist', subtitle='1,000 parameters'
  )


class EqualAccuracyTest(absltest.TestCase):
  def test_the_picture_names_its_data_and_labels_its_axes(self):
    figure = draw([path(), path(attack='lr')])
    self.assertIn('mnist', figure.get_suptitle())
    self.assertIn('1,000 parameters', texts(figure))
    self.assertEqual(
      [axes.get_xlabel() for axes in figure.axes], [*CRITERIA.values()] * 2
    )
    self.assertEqual({axes.get_ylabel() for axes in figure.axes}, {'AUC'})
    titles = [axes.get_title(loc='left') for axes in figure.axes]
    self.assertEqual(titles, ['threshold attack', '', 'lr attack', ''])
    self.assertLen({axes.get_ylim() for axes in figure.axes}, 1)

  def test_the_same_picture_gives_the_same_small_png(self):
    first = plot_style.to_png(draw([path()], [mean()]))
    with matplotlib.rc_context({'font.size': 30}):
      second = plot_style.to_png(draw([path()], [mean()]))
    self.assertEqual(first, second)
    self.assertLess(len(first), 300_000)

  def test_runs_are_in_their_panel_and_families_have_lines_of_their_own(self):
    paths = [path(), path(), path('cnn2', auc=np.array([0.5, 0.51, 0.52]))]
    figure = draw(paths)
    left, right = figure.axes
    self.assertEmpty(left.lines)
    self.assertEqual(drawn(right, paths[0].x, paths[0].auc), 2)
    self.assertEqual(drawn(right, paths[2].x, paths[2].auc), 1)
    lines = [line for line in right.lines if len(line.get_xdata()) == 3]
    self.assertEqual([line.get_linestyle() for line in lines], ['-', '-', '--'])
    self.assertLen({line.get_color() for line in lines}, 2)
    self.assertIn('gru (recurrent)', legend(figure))
    self.assertIn('cnn2 (feed-forward)', legend(figure))

  def test_families_are_not_named_where_there_is_one(self):
    self.assertIn('gru', legend(draw([path(), path('lstm')])))
    self.assertNotIn('recurrent', ' '.join(legend(draw([path(), path('lstm')]))))

  def test_means_stand_side_by_side_around_their_level_with_their_intervals(self):
    means = [mean(), mean('cnn2', auc=0.6, low=0.59, high=0.61), mean('lstm', auc=0.55)]
    (axes,) = draw(
      [path(), path('cnn2'), path('lstm')], means, criteria={'gap': 'gap'}
    ).axes
    dots = [line.get_xydata()[0] for line in axes.lines if line.get_markersize() == 5]
    self.assertEqual([dot[1] for dot in dots], [0.56, 0.6, 0.55])
    places = [dot[0] for dot in dots]
    self.assertAlmostEqual(places[1], 0.1)
    self.assertAlmostEqual(places[2] - 0.1, 0.1 - places[0])
    self.assertGreater(places[2], places[1])
    bar = axes.collections[1].get_segments()[0]
    np.testing.assert_allclose(bar, [[places[1], 0.59], [places[1], 0.61]])

  def test_means_of_neighbouring_levels_do_not_cross(self):
    means = [mean(name, level=level) for level in (0.1, 0.101) for name in 'abc']
    (axes,) = draw([path(name) for name in 'abc'], means, criteria={'gap': 'gap'}).axes
    places = [line.get_xdata()[0] for line in axes.lines if line.get_markersize() == 5]
    self.assertEqual(places, sorted(places))
    self.assertLen(set(places), 6)

  def test_a_mean_without_an_interval_has_no_bar(self):
    (axes,) = draw(
      [path()], [mean(low=math.nan, high=math.nan)], criteria={'gap': 'gap'}
    ).axes
    self.assertEmpty(axes.collections)
    self.assertLen([line for line in axes.lines if line.get_markersize() == 5], 1)

  def test_what_the_gap_alone_gives_away_is_in_the_gaps_panels_only(self):
    figure = draw([path(), path(criterion='member_accuracy')])
    left, right = figure.axes
    (line,) = [x for x in right.lines if len(x.get_xdata()) == 2]
    # 80% of members and 60% of non-members right, which the attack calls members.
    members, nonmembers = np.repeat([1, 0], [80, 20]), np.repeat([1, 0], [60, 40])
    wins = [(m > n) + 0.5 * (m == n) for m in members for n in nonmembers]
    self.assertAlmostEqual(np.interp(0.2, *line.get_xydata().T), np.mean(wins))
    self.assertEmpty([x for x in left.lines if len(x.get_xdata()) == 2])
    label = 'what the gap alone gives away'
    self.assertIn(label, legend(figure))
    other = draw([path(criterion='x')], criteria={'x': 'x'})
    self.assertNotIn(label, legend(other))


if __name__ == '__main__':
  absltest.main()
