import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack_plots, plot_style
from rnn_tf.attacks import metrics, transfer
from rnn_tf.attacks.anytime import AnytimePoint
from rnn_tf.attacks.exposure import Exposed
from tests import fake_attacks


def scored(name='lira', *, transferred=True, **options):
  pair = fake_attacks.scores(name, members=90, nonmembers=80, **options)
  chosen = transfer.thresholds([(pair.members, pair.nonmembers)])
  points = transfer.apply(chosen, pair.members, pair.nonmembers)
  return attack_plots.Scored(
    name=name,
    members=pair.members,
    nonmembers=pair.nonmembers,
    transfer=points if transferred else (),
  )


def points(counts=(2, 4, 8), attack='lira'):
  made = []
  for count in counts:
    pair = fake_attacks.scores(attack, members=90, nonmembers=80, leak=count / 4)
    found = metrics.measure(pair.members, pair.nonmembers)
    values = {
      name: getattr(found, name)
      for name in ('auc', 'auc_low', 'auc_high', 'tpr_at_fpr')
    }
    made.append(AnytimePoint(attack=attack, shadows=count, **values))
  return tuple(made)


def exposed(rank, **changes):
  values = {
    'rank': rank,
    'id': 7 * rank,
    'label': 1,
    'score': 3.0,
    'false_positives': 0,
    'n_nonmembers': 80,
    'probability': 0.98,
    'in_probability': 0.9,
    'out_probability': 0.04,
  }
  return Exposed(**{**values, **changes})


def texts(figure):
  found = figure.findobj(lambda item: hasattr(item, 'get_text'))
  return [text.get_text() for text in found if text.get_text()]


def legend(figure):
  return [text.get_text() for text in figure.legends[0].get_texts()]


ALL = {
  'roc': lambda **kw: attack_plots.roc_figure([scored()], **kw),
  'anytime': lambda **kw: attack_plots.anytime_figure({'lira': points()}, **kw),
  'scores': lambda **kw: attack_plots.scores_figure([scored()], **kw),
  'exposed': lambda **kw: attack_plots.exposed_figure(
    np.zeros((2, 4, 4, 1)), [exposed(1), exposed(2)], 'ab', **kw
  ),
}


class EveryPictureTest(parameterized.TestCase):
  @parameterized.named_parameters(*((name, name) for name in ALL))
  def test_a_picture_has_its_titles_and_the_same_bytes_twice(self, name):
    figure = ALL[name](title='digits · cnn2', subtitle='8 shadow models')
    found = '\n'.join(texts(figure))
    self.assertIn('digits · cnn2', found)
    self.assertIn('8 shadow models', found)
    again = ALL[name](title='digits · cnn2', subtitle='8 shadow models')
    self.assertEqual(plot_style.to_png(figure), plot_style.to_png(again))


class RocTest(absltest.TestCase):
  def test_curves_are_exact_and_named_with_their_auc(self):
    both = [scored(), scored('threshold', transferred=False)]
    figure = attack_plots.roc_figure(both, title='t')
    (axes,) = figure.axes
    curve = metrics.roc(both[0].members, both[0].nonmembers)
    drawn = [line for line in axes.lines if len(line.get_xdata()) == len(curve.fpr)]
    edge = 1 / 80 / 2
    np.testing.assert_array_equal(drawn[0].get_ydata(), np.maximum(curve.tpr, edge))
    auc = metrics.auc(both[0].members, both[0].nonmembers)
    self.assertIn(f'lira, AUC {auc:.3f}', legend(figure))
    self.assertIn('80 non-members', axes.get_xlabel())

  def test_the_shadows_thresholds_are_marked_where_they_end(self):
    each = scored()
    (axes,) = attack_plots.roc_figure([each], title='t').axes
    (marks,) = [x for x in axes.lines if x.get_markerfacecolor() == 'white']
    expected = [point for point in each.transfer if point.rule == 'fpr']
    rates = [max(point.tpr, 1 / 80) for point in expected]
    np.testing.assert_array_equal(marks.get_ydata(), rates)
    figure = attack_plots.roc_figure([scored(transferred=False)], title='t')
    self.assertNotIn('thresholds of the shadows', legend(figure))


class AnytimeTest(absltest.TestCase):
  def test_auc_and_tpr_are_drawn_by_the_number_of_shadows(self):
    found = points()
    left, right = attack_plots.anytime_figure({'lira': found}, title='t').axes
    np.testing.assert_array_equal(left.lines[0].get_xdata(), [2, 4, 8])
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [x.auc for x in found])
    rates = [x.tpr_at_fpr[0].tpr for x in found]
    np.testing.assert_array_equal(right.lines[0].get_ydata(), rates)
    self.assertEqual(left.get_xscale(), 'log')
    corners = left.collections[0].get_paths()[0].vertices
    self.assertTrue((corners == [8, found[2].auc_high]).all(axis=1).any())

  def test_numbers_of_shadows_that_were_tried_are_named(self):
    curves = {'lira': points((4, 8, 9)), 'shadow': points((2, 4), 'shadow')}
    left, _ = attack_plots.anytime_figure(curves, title='t').axes
    # 8 and 9 are too near to each other for both.
    np.testing.assert_array_equal(left.get_xticks(), [2, 4, 9])

  def test_a_lone_number_has_room_on_both_sides(self):
    left, _ = attack_plots.anytime_figure({'lira': points((4,))}, title='t').axes
    self.assertEqual(left.get_xlim(), (2, 8))
    (point,) = points((4,))
    (bar,) = left.collections[1].get_segments()
    np.testing.assert_array_equal(bar[:, 1], [point.auc_low, point.auc_high])


class ScoresTest(absltest.TestCase):
  def test_bins_hold_all_scores_of_each_side(self):
    each = scored()
    (axes,) = attack_plots.scores_figure([each], title='t').axes[:1]
    for patch in axes.patches[::2]:
      values, edges, _ = patch.get_data()
      self.assertAlmostEqual(values.sum(), 1)
      self.assertTrue((np.diff(edges) > 0).all())

  def test_the_thresholds_of_the_shadows_are_lines_inside_the_panel(self):
    each = scored()
    figure = attack_plots.scores_figure([each], title='t')
    axes = figure.axes[0]
    drawn = [line.get_xdata()[0] for line in axes.lines]
    chosen = [p.threshold for p in each.transfer if p.target_fpr in (None, 0.001)]
    self.assertEqual(drawn, chosen)
    low, high = axes.get_xlim()
    self.assertTrue(all(low <= value <= high for value in drawn))
    self.assertLen(legend(figure), 4)
    without = attack_plots.scores_figure([scored(transferred=False)], title='t')
    self.assertLen(legend(without), 2)

  def test_scores_of_many_magnitudes_have_a_logarithmic_axis(self):
    rng = np.random.default_rng(0)
    losses = -np.exp(rng.normal(-5, 3, size=(2, 500)))
    each = attack_plots.Scored(
      name='threshold', members=losses[0], nonmembers=losses[1]
    )
    axes = attack_plots.scores_figure([each], title='t').axes[0]
    self.assertEqual(axes.get_xscale(), 'asinh')
    values = axes.patches[0].get_data().values
    self.assertAlmostEqual(values.sum(), 1)
    self.assertLess(values.max(), 0.2)
    linear = attack_plots.scores_figure([scored()], title='t').axes[0]
    self.assertEqual(linear.get_xscale(), 'linear')

  def test_equal_scores_are_drawn(self):
    each = attack_plots.Scored(name='a', members=np.ones(5), nonmembers=np.ones(4))
    plot_style.to_png(attack_plots.scores_figure([each], title='t'))

  def test_each_attack_has_a_panel_and_the_rest_are_empty(self):
    figure = attack_plots.scores_figure(
      [scored(), scored('rmia'), scored('threshold')], title='t'
    )
    titles = [axes.get_title('left') for axes in figure.axes]
    self.assertEqual(titles, ['lira', 'rmia', 'threshold', ''])
    self.assertFalse(figure.axes[3].axison)


class ExposedTest(absltest.TestCase):
  def test_each_member_has_rank_class_and_false_accusations(self):
    members = [
      exposed(1),
      exposed(2, label=0, false_positives=1200, out_probability=None),
    ]
    images = np.random.default_rng(0).random((2, 4, 4, 3))
    figure = attack_plots.exposed_figure(images, members, ['cat', 'dog'], title='t')
    titles = [axes.get_title() for axes in figure.axes]
    self.assertEqual(
      titles,
      [
        '#1: dog (p 0.98)\nwithout it p 0.04\nnobody falsely accused',
        '#2: cat (p 0.98)\n1,200 falsely accused',
      ],
    )
    shown = figure.axes[1].images[0].get_array()
    np.testing.assert_array_equal(shown, images[1])

  def test_grey_images_are_drawn(self):
    images = np.full((1, 4, 4, 1), 0.25)
    figure = attack_plots.exposed_figure(images, [exposed(1)], 'ab', title='t')
    self.assertEqual(figure.axes[0].images[0].get_array().shape, (4, 4))


if __name__ == '__main__':
  absltest.main()
