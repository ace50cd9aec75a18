import matplotlib
import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import pair_plots, plot_style
from tests.plots_test import drawn, legend, texts


def point(level='plain', run='run', attack='threshold', **changes):
  values = {
    'group': level,
    'path': 'lstm',
    'plain': level == 'plain',
    'accuracy': 0.9,
    'auc': 0.6,
    'auc_low': 0.58,
    'auc_high': 0.62,
    'advantage': 0.2,
    'finished': True,
    'null_half_width': 0.03,
    'n_members': 3000,
    'n_nonmembers': 1000,
  }
  return pair_plots.Point(run=run, level=level, attack=attack, **{**values, **changes})


def seeds(level='plain', accuracies=(0.90, 0.91, 0.95), aucs=(0.5, 0.6, 0.52)):
  return [
    point(level, f'{level}-s{i}', accuracy=accuracy, auc=auc, advantage=auc - 0.4)
    for i, (accuracy, auc) in enumerate(zip(accuracies, aucs, strict=True))
  ]


def course(group='ε = 3', **changes):
  values = {
    'epochs': np.arange(1, 5),
    'epsilon': np.array([1.0, 2.0, 2.5, 3.0]),
    'bounds': {'threshold': (np.array([2, 4]), np.array([0.0, 0.3]))},
  }
  return pair_plots.EpsilonCourse(group=group, **{**values, **changes})


ALL = {
  'dp_privacy_vs_utility': lambda **kw: pair_plots.dp_privacy_vs_utility(
    [point('ε = 3', 'a'), point()], **kw
  ),
  'epsilon_by_epoch': lambda **kw: pair_plots.epsilon_by_epoch([course()], **kw),
}


class EveryPictureTest(parameterized.TestCase):
  @parameterized.named_parameters(*((name, name) for name in ALL))
  def test_a_picture_names_its_data_and_labels_its_axes(self, name):
    figure = ALL[name](title='mnist · lstm', subtitle='60,000 images')
    self.assertIn('mnist · lstm', figure.get_suptitle())
    self.assertIn('60,000 images', texts(figure))
    self.assertLen(figure.legends, 1)
    for axes in figure.axes:
      self.assertNotEmpty(axes.get_xlabel())
      self.assertNotEmpty(axes.get_ylabel())

  @parameterized.named_parameters(*((name, name) for name in ALL))
  def test_the_same_picture_gives_the_same_small_png(self, name):
    first = plot_style.to_png(ALL[name](title='a', subtitle='b'))
    with matplotlib.rc_context({'font.size': 30}):
      second = plot_style.to_png(ALL[name](title='a', subtitle='b'))
    self.assertEqual(first, second)
    self.assertLess(len(first), 300_000)


class PrivacyVsUtilityTest(absltest.TestCase):
  def draw(self, points):
    return pair_plots.dp_privacy_vs_utility(points, title='t')

  def test_each_attack_has_its_panels_on_one_scale_of_accuracy(self):
    points = [point(), point(attack='lr', accuracy=0.7)]
    axes = self.draw(points).axes
    titles = [each.get_title(loc='left') for each in axes]
    self.assertEqual(
      titles,
      [
        'AUC, threshold attack',
        'Advantage, threshold attack',
        'AUC, lr attack',
        'Advantage, lr attack',
      ],
    )
    self.assertLen({each.get_xlim() for each in axes}, 1)

  def test_single_runs_are_at_their_accuracy_auc_and_advantage(self):
    left, right = self.draw([point('ε = 3', accuracy=0.8), point()]).axes
    self.assertEqual(drawn(left, [0.8], [0.6]), 1)
    self.assertEqual(drawn(right, [0.9], [0.2]), 1)
    interval = left.collections[0].get_segments()[0]
    np.testing.assert_allclose(interval, [[0.8, 0.58], [0.8, 0.62]])

  def test_seeds_have_their_mean_and_their_range(self):
    left, _ = self.draw(seeds()).axes
    (mean,) = [line for line in left.lines if line.get_markersize() == 8]
    np.testing.assert_allclose(mean.get_xydata(), [[0.92, 0.54]])
    segments = [x for lines in left.collections for x in lines.get_segments()]
    for bar in ([[0.90, 0.54], [0.95, 0.54]], [[0.92, 0.5], [0.92, 0.6]]):
      self.assertTrue(any(np.allclose(bar, x) for x in segments), bar)

  def test_levels_are_named_in_the_panels_and_joined_in_their_order(self):
    points = [point('ε = 1', accuracy=0.7), *seeds('ε = 3'), point(accuracy=0.97)]
    left, right = self.draw(points).axes
    for axes in (left, right):
      self.assertEqual(
        [text.get_text() for text in axes.texts], ['ε = 1', 'ε = 3', 'plain']
      )
    (way,) = [line for line in left.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(way.get_xdata(), [0.7, 0.92, 0.97])

  def test_names_that_would_meet_are_written_apart_and_inside_the_panel(self):
    points = [point(f'ε = {i}', accuracy=0.9 + i / 1e3) for i in range(6)]
    (left, _) = self.draw([*points, point(accuracy=0.99)]).axes
    heights = {text.get_text(): text.get_position()[1] for text in left.texts}
    close = sorted(heights[f'ε = {i}'] for i in range(6))
    self.assertGreater(min(np.diff(close)), 0.03)
    self.assertLess(close[-1], 0.97)

  def test_an_unfinished_run_is_hollow_and_counts_in_no_mean(self):
    young = point('ε = 3', 'young', finished=False, auc=0.9)
    figure = self.draw([*seeds('ε = 3'), young])
    (mean,) = [line for line in figure.axes[0].lines if line.get_markersize() == 8]
    np.testing.assert_allclose(mean.get_xydata(), [[0.92, 0.54]])
    self.assertIn('unfinished', legend(figure))

  def test_plain_runs_are_black_and_every_group_has_its_colour(self):
    points = [point(f'ε = {i}') for i in range(12)] + [point()]
    figure = self.draw(points)
    colours = {
      handle.get_label(): handle.get_color() for handle in figure.legends[0].get_lines()
    }
    self.assertEqual(colours['plain'], '#000000')
    self.assertLen(set(colours.values()), 13)

  def test_one_run_alone_can_be_drawn(self):
    plot_style.to_png(self.draw([point()]))


class EpsilonTest(absltest.TestCase):
  def test_claims_and_bounds_are_drawn_by_epoch(self):
    series = course()
    figure = pair_plots.epsilon_by_epoch([series], title='t')
    (axes,) = figure.axes
    self.assertEqual(drawn(axes, series.epochs, series.epsilon), 1)
    self.assertEqual(drawn(axes, *series.bounds['threshold']), 1)
    self.assertIn('at least, by the threshold attack (95%)', legend(figure))

  def test_seeds_share_a_colour_and_an_entry(self):
    figure = pair_plots.epsilon_by_epoch(
      [course(), course(), course('ε = 8')], title='t'
    )
    self.assertLen({line.get_color() for line in figure.axes[0].lines}, 2)
    self.assertEqual(legend(figure).count('ε = 3'), 1)


if __name__ == '__main__':
  absltest.main()
