import dataclasses
import functools
import io

import numpy as np
from absl.testing import absltest, parameterized
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from rnn_tf import deletion_plots, plot_style
from rnn_tf.deletion.results import MARGIN
from tests import fake_deletions

FORGETS = ('uniform-5pct', 'uniform-10pct', 'grouped1of5-5pct', 'grouped1of5-10pct')
METHODS = ('retrain', 'twin', 'none', 'finetune', 'sharded')

LARGE = {
  'forgets': FORGETS,
  'methods': METHODS,
  'attacks': ('threshold', 'lr', 'lira'),
  'seeds': (0, 1, 2),
}
ONE_SEED = {
  'forgets': ('uniform-5pct',),
  'methods': ('retrain', 'none'),
  'seeds': (0,),
}
# Neither verdicts nor sharded versions.
BARE = {'forgets': ('class-3',), 'methods': ('finetune',), 'attacks': ('threshold',)}

FIGURES = {
  'accuracy': deletion_plots.accuracy_figure,
  'attacks': deletion_plots.attacks_figure,
  'scores': lambda record: deletion_plots.scores_figure(record, 'threshold'),
  'privacy': deletion_plots.privacy_figure,
  'cost': deletion_plots.cost_figure,
  'shards': deletion_plots.shards_figure,
}
ALWAYS = ('accuracy', 'attacks', 'scores', 'privacy')


def record(**options):
  return fake_deletions.record(**options)


def legend(figure):
  return [text.get_text() for text in figure.legends[0].get_texts()]


def points(axes):
  """Returns (x, y) of each point with bars, in the order of drawing."""
  lines = [container.lines[0] for container in axes.containers]
  return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


@functools.cache
def large():
  return record(**LARGE)


class EveryPictureTest(parameterized.TestCase):
  @parameterized.parameters(*FIGURES)
  def test_a_large_audit_is_a_small_file_without_overlaps(self, name):
    figure = FIGURES[name](large())
    figure.dpi = plot_style.DPI
    canvas, content = FigureCanvasAgg(figure), io.BytesIO()
    canvas.print_png(content)
    self.assertLess(len(content.getvalue()), 300_000)
    texts = [figure.legends[0], figure.texts[-1]]
    for axes in figure.axes:
      # The text of a left-aligned title has no public name.
      found = (axes._left_title, axes.xaxis.label, axes.yaxis.label)
      texts += [text for text in found if text.get_text().strip()]
    boxes = [text.get_window_extent() for text in texts]
    panels = [axes.get_window_extent() for axes in figure.axes]
    width, height = canvas.get_width_height()
    for index, box in enumerate(boxes):
      self.assertGreaterEqual(min(box.x0, box.y0), 0)
      self.assertLessEqual(box.x1, width)
      self.assertLessEqual(box.y1, height)
      self.assertEqual(box.count_overlaps(boxes[index + 1 :]), 0)
    self.assertEqual(boxes[0].count_overlaps(panels), 0)

  @parameterized.parameters(*FIGURES)
  def test_the_same_record_gives_the_same_bytes(self, name):
    made = record(forgets=('uniform-5pct',), methods=('retrain', 'sharded'))
    first, again = (plot_style.to_png(FIGURES[name](made)) for _ in range(2))
    self.assertEqual(first, again)

  @parameterized.product(name=ALWAYS, options=(ONE_SEED, BARE))
  def test_small_audits_are_drawn(self, name, options):
    made = record(**options)
    figure = FIGURES[name](made)
    plot_style.to_png(figure)
    title = figure.get_suptitle()
    self.assertIn('digits · lstm-64 · deletions', title)


class AccuracyTest(absltest.TestCase):
  def test_each_version_has_its_four_accuracies_and_intervals(self):
    made = record(forgets=('uniform-5pct',), methods=('retrain',))
    (axes,) = deletion_plots.accuracy_figure(made).axes
    found = points(axes)
    expected = [
      getattr(version, side).value
      for version in made.findings.pooled
      for side in ('train', 'forgotten', 'retained', 'test')
    ]
    np.testing.assert_allclose([y for _, y in found], expected)
    original = [round(x) for x, _ in found[:4]]
    self.assertEqual(original, [0, 1, 2, 3])
    bar = axes.containers[1].lines[2][0].get_segments()[0]
    rate = made.findings.pooled[0].forgotten
    np.testing.assert_allclose(bar[:, 1], [rate.low, rate.high])

  def test_three_forget_sets_leave_an_empty_place(self):
    figure = deletion_plots.accuracy_figure(record(forgets=FORGETS[:3]))
    self.assertFalse(figure.axes[3].axison)
    titles = [axes.get_title('left') for axes in figure.axes[:3]]
    self.assertEqual(
      titles, ['5%, uniform', '10%, uniform', '5%, within 1 of 5 shards']
    )

  def test_panels_share_their_scale(self):
    figure = deletion_plots.accuracy_figure(record(forgets=FORGETS[:2]))
    self.assertLen({axes.get_ylim() for axes in figure.axes}, 1)


class AttacksTest(absltest.TestCase):
  def test_the_band_lies_around_the_full_retrain_of_each_attack(self):
    made = record(forgets=('uniform-5pct',))
    left, right = deletion_plots.attacks_figure(made).axes
    bands = [patch for patch in left.patches if isinstance(patch, Rectangle)]
    (retrain,) = [x for x in made.findings.pooled if x.method == 'retrain']
    for band, found in zip(bands, retrain.attacks, strict=True):
      self.assertAlmostEqual(band.get_x() + MARGIN, found.forgotten.value)
      self.assertAlmostEqual(band.get_width(), 2 * MARGIN)
    self.assertEqual(left.lines[0].get_marker(), 'o')
    rows = [text.get_text() for text in left.get_yticklabels()]
    self.assertEqual(rows, ['threshold', 'lr'])
    self.assertEqual(len(right.patches), 0)

  def test_auc_and_tpr_are_those_of_the_versions(self):
    made = record(forgets=('uniform-5pct',), methods=('retrain',))
    left, right = deletion_plots.attacks_figure(made).axes
    attacks = [found for x in made.findings.pooled for found in x.attacks]
    aucs = [found.forgotten.value for found in attacks]
    rates = [found.hits[0].tpr.value for found in attacks]
    np.testing.assert_allclose([x for x, _ in points(left)], aucs)
    np.testing.assert_allclose([x for x, _ in points(right)], rates)

  def test_guessing_is_a_half_and_the_rate(self):
    left, right = deletion_plots.attacks_figure(record()).axes[:2]
    self.assertEqual(left.lines[-1].get_xdata()[0], 0.5)
    self.assertEqual(right.lines[-1].get_xdata()[0], 0.01)

  def test_without_a_retrain_there_is_no_band(self):
    figure = deletion_plots.attacks_figure(record(**BARE))
    self.assertEqual(len(figure.axes[0].patches), 0)
    self.assertNotIn("within 0.02 of the full retrain's AUC", legend(figure))


class ScoresTest(absltest.TestCase):
  def test_a_panel_has_both_sides_of_one_version(self):
    made = record(forgets=FORGETS[:2], methods=('retrain',))
    figure = deletion_plots.scores_figure(made, 'threshold')
    self.assertLen(figure.axes, 4)
    # Second row, second column: the retrain of the second set.
    (found,) = [
      x
      for x in made.findings.histograms
      if (x.forget, x.method, x.attack) == (FORGETS[1], 'retrain', 'threshold')
    ]
    drawn = [patch.get_data() for patch in figure.axes[3].patches]
    np.testing.assert_array_equal(drawn[0].values, found.forgotten)
    np.testing.assert_array_equal(drawn[2].values, found.unseen)
    np.testing.assert_array_equal(drawn[0].edges, found.edges)

  def test_versions_are_named_once_and_sets_once(self):
    figure = deletion_plots.scores_figure(large(), 'lira')
    names = [axes.get_ylabel().replace('\n', ' ') for axes in figure.axes]
    self.assertLen([name for name in names if name], 7)
    self.assertEqual(names[4], 'nothing deleted (negative control)')
    self.assertLen([axes for axes in figure.axes if axes.get_title('left')], 4)
    self.assertIn('lira attack', figure.texts[-1].get_text())


class PrivacyTest(absltest.TestCase):
  def test_versions_are_large_and_their_seeds_small(self):
    made = record(forgets=('uniform-5pct',), attacks=('threshold',))
    (axes,) = deletion_plots.privacy_figure(made).axes
    expected = [
      (x.test.value, x.attacks[0].forgotten.value) for x in made.findings.pooled
    ]
    np.testing.assert_allclose(points(axes), expected)
    small = [line for line in axes.lines if line.get_markersize() == 3.5]
    drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in small]
    expected = [
      (x.test.value, x.attacks[0].forgotten.value) for x in made.findings.versions
    ]
    np.testing.assert_allclose(drawn, expected)

  def test_one_seed_has_no_small_points(self):
    figure = deletion_plots.privacy_figure(record(**ONE_SEED))
    self.assertEmpty([x for x in figure.axes[0].lines if x.get_markersize() == 3.5])

  def test_sets_are_rows_and_attacks_columns(self):
    figure = deletion_plots.privacy_figure(record(forgets=FORGETS[:2]))
    titles = [axes.get_title('left') for axes in figure.axes]
    self.assertEqual(
      titles,
      [
        '5%, uniform\nthreshold attack',
        '\nlr attack',
        '10%, uniform\nthreshold attack',
        '\nlr attack',
      ],
    )

  def test_an_attack_that_was_not_possible_has_no_panel(self):
    made = dataclasses.replace(record(**BARE), attacks=('threshold', 'lr'))
    self.assertLen(deletion_plots.privacy_figure(made).axes, 1)


class CostTest(absltest.TestCase):
  def test_a_method_stands_at_its_mean_share_and_difference(self):
    made = record(forgets=('uniform-5pct',), attacks=('lr',))
    (axes,) = deletion_plots.cost_figure(made).axes
    values = {x.method: x.comparison.value for x in made.findings.verdicts}
    expected = [
      (1.0, values['twin']),
      (0.0, values['none']),
      # 90, 89 and 88% at the three seeds.
      (0.89, values['sharded']),
    ]
    np.testing.assert_allclose(points(axes), expected)

  def test_originals_are_no_methods(self):
    figure = deletion_plots.cost_figure(record())
    self.assertNotIn('original', legend(figure))

  def test_the_band_is_the_margin(self):
    axes = deletion_plots.cost_figure(record()).axes[0]
    (band,) = axes.patches
    self.assertAlmostEqual(band.get_y(), -MARGIN)
    self.assertAlmostEqual(band.get_height(), 2 * MARGIN)


class ShardsTest(absltest.TestCase):
  def test_means_over_seeds_stand_by_number_of_shards(self):
    made = record(methods=('sharded',), num_shards=(2, 8))
    figure = deletion_plots.shards_figure(made)
    (axes,) = figure.axes
    self.assertEqual(
      legend(figure), ['plain original', 'mean of logits', 'majority vote']
    )
    lines = [line for line in axes.lines if line.get_markersize() == 7]
    np.testing.assert_array_equal(lines[0].get_xdata(), [1])
    np.testing.assert_array_equal(axes.get_xticks(), [1, 2, 8])
    for line, how in zip(lines[1:], ('mean', 'vote'), strict=True):
      for number, drawn in zip((2, 8), line.get_ydata(), strict=True):
        tests = [
          each.test.value
          for each in made.shard_accuracies
          if (each.num_shards, each.aggregation) == (number, how)
        ]
        self.assertAlmostEqual(drawn, np.mean(tests))


if __name__ == '__main__':
  absltest.main()
