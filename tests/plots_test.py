import pathlib
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
from absl.testing import absltest, parameterized

from rnn_tf import plot_style, plots
from rnn_tf.attack_config import ATTACKS
from rnn_tf.attacks import intervals

ROOT = pathlib.Path(__file__).parents[1]


def frame(epochs=5):
  epoch = np.arange(1, epochs + 1)
  return pd.DataFrame(
    {
      'epoch': epoch,
      'loss': 2.0 / epoch,
      'accuracy': 0.5 + 0.05 * epoch,
      'val_loss': 2.2 / epoch,
      'val_accuracy': 0.6 - 0.02 * (epoch - 3.0) ** 2,
    }
  )


def leakage(run='run', attack='threshold', **changes):
  values = {
    'epochs': np.array([2, 4, 6]),
    'auc': np.array([0.5, 0.55, 0.6]),
    'auc_low': np.array([0.48, 0.53, 0.58]),
    'auc_high': np.array([0.52, 0.57, 0.62]),
    'advantage': np.array([0.02, 0.08, 0.15]),
    'val_accuracy': np.array([0.4, 0.7, 0.65]),
    'null_half_width': 0.03,
    'n_members': 3000,
    'n_nonmembers': 1000,
  }
  return plots.Leakage(run=run, attack=attack, **{**values, **changes})


def curve(run='run', attack='threshold', n_nonmembers=1000):
  fpr = np.array([0, 0, 0.001, 0.1, 1])
  tpr = np.array([0, 0.02, 0.05, 0.3, 1])
  return plots.RocCurve(
    run=run,
    attack=attack,
    fpr=fpr,
    tpr=tpr,
    n_members=2000,
    n_nonmembers=n_nonmembers,
  )


def class_leakage(attack='threshold', classes=4, skipped=()):
  auc = np.linspace(0.5, 0.7, classes)
  auc[list(skipped)] = np.nan
  return plots.ClassLeakage(
    attack=attack,
    auc=auc,
    auc_low=auc - 0.02,
    auc_high=auc + 0.02,
    null_half_width=auc * 0 + 0.03,
    n_members=np.full(classes, 500),
    n_nonmembers=np.full(classes, 100),
  )


def drawn(axes, x, y):
  """Returns how many of the panel's lines run through exactly these points."""
  return sum(
    np.array_equal(line.get_xdata(), x) and np.array_equal(line.get_ydata(), y)
    for line in axes.lines
  )


def texts(figure):
  return [
    text.get_text()
    for text in figure.findobj(lambda item: hasattr(item, 'get_text'))
    if text.get_text()
  ]


def legend(figure):
  return [text.get_text() for text in figure.legends[0].get_texts()]


ALL = {
  'learning_curves': lambda **kw: plots.learning_curves({'run': frame()}, **kw),
  'leakage_by_epoch': lambda **kw: plots.leakage_by_epoch([leakage()], **kw),
  'privacy_vs_utility': lambda **kw: plots.privacy_vs_utility([leakage()], **kw),
  'roc_loglog': lambda **kw: plots.roc_loglog([curve()], **kw),
  'auc_by_class': lambda **kw: plots.auc_by_class([class_leakage()], 'abcd', **kw),
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
    with matplotlib.rc_context({'font.size': 30, 'savefig.facecolor': 'red'}):
      second = plot_style.to_png(ALL[name](title='a', subtitle='b'))
    self.assertEqual(first, second)
    self.assertStartsWith(first, b'\x89PNG')
    self.assertLess(len(first), 300_000)
    self.assertNotIn(b'tEXt', first)

  def test_the_module_leaves_pyplot_and_tensorflow_alone(self):
    code = (
      'import sys; import rnn_tf.plots; '
      'print([m for m in ("matplotlib.pyplot", "tensorflow") if m in sys.modules])'
    )
    done = subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    self.assertEqual(done.stdout.strip(), '[]')


class LearningCurvesTest(absltest.TestCase):
  def test_one_run_shows_its_losses_and_accuracies(self):
    metrics = frame()
    figure = plots.learning_curves({'run': metrics}, title='t')
    left, right = figure.axes
    for axes, name in ((left, 'loss'), (right, 'accuracy')):
      self.assertEqual(drawn(axes, metrics['epoch'], metrics[name]), 1)
      self.assertEqual(drawn(axes, metrics['epoch'], metrics[f'val_{name}']), 1)

  def test_the_best_validation_epoch_is_marked(self):
    figure = plots.learning_curves({'run': frame()}, title='t')
    self.assertEqual(drawn(figure.axes[1], [3], [0.6]), 1)
    self.assertIn('best 60.0%, epoch 3', texts(figure))

  def test_several_runs_are_told_apart_in_the_legend(self):
    figure = plots.learning_curves({'a': frame(), 'b': frame(3)}, title='t')
    self.assertContainsSubset(['a', 'b', 'training', 'validation'], legend(figure))

  def test_validation_figures_that_are_missing_are_left_out(self):
    metrics = frame().assign(val_accuracy=np.nan, val_loss=np.nan)
    plot_style.to_png(plots.learning_curves({'run': metrics}, title='t'))


class LeakageByEpochTest(absltest.TestCase):
  def test_auc_and_advantage_are_drawn_by_epoch(self):
    series = leakage()
    figure = plots.leakage_by_epoch([series], title='t')
    self.assertEqual(drawn(figure.axes[0], series.epochs, series.auc), 1)
    self.assertEqual(drawn(figure.axes[1], series.epochs, series.advantage), 1)
    self.assertIn('3,000 members', figure.axes[0].get_xlabel())

  def test_the_band_is_the_interval(self):
    figure = plots.leakage_by_epoch([leakage()], title='t')
    corners = figure.axes[0].collections[0].get_paths()[0].vertices
    for point in ([2, 0.48], [2, 0.52], [6, 0.58], [6, 0.62]):
      self.assertTrue((np.abs(corners - point) < 1e-12).all(axis=1).any(), point)

  def test_the_null_interval_of_the_smallest_sample_is_shaded(self):
    series = [leakage(), leakage('small', null_half_width=0.1)]
    figure = plots.leakage_by_epoch(series, title='t')
    shade = figure.axes[0].patches[0]
    self.assertAlmostEqual(shade.get_y(), 0.4)
    self.assertAlmostEqual(shade.get_height(), 0.2)
    self.assertEqual(drawn(figure.axes[0], [0, 1], [0.5, 0.5]), 1)

  def test_the_advantages_shade_holds_95_percent_of_guesses(self):
    m, n = 300, 200
    series = leakage(null_half_width=intervals.null_half_width(m, n))
    figure = plots.leakage_by_epoch([series], title='t')
    limit = figure.axes[1].patches[0].get_height()
    rng = np.random.default_rng(0)
    advantages = []
    for _ in range(1000):
      order = rng.permutation(m + n) < m
      tpr, fpr = np.cumsum(order) / m, np.cumsum(~order) / n
      advantages.append(np.abs(tpr - fpr).max())
    self.assertBetween(np.mean(np.array(advantages) <= limit), 0.93, 0.975)

  def test_attacks_with_different_null_intervals_have_shades_of_their_own(self):
    series = [leakage(), leakage(attack='lr', null_half_width=0.1)]
    figure = plots.leakage_by_epoch(series, title='t')
    heights = [shade.get_height() for shade in figure.axes[0].patches]
    np.testing.assert_allclose(heights, [0.2, 0.06])
    self.assertContainsSubset(
      ['where 95% of guesses end (lr)', 'where 95% of guesses end (threshold)'],
      legend(figure),
    )

  def test_a_skipped_report_leaves_a_gap(self):
    gap = np.array([0.5, np.nan, 0.6])
    series = leakage(auc=gap, auc_low=gap, auc_high=gap, advantage=gap)
    plot_style.to_png(plots.leakage_by_epoch([series], title='t'))


class PrivacyVsUtilityTest(absltest.TestCase):
  def test_the_path_keeps_the_order_of_the_epochs(self):
    figure = plots.privacy_vs_utility([leakage()], title='t')
    # Not sorted by accuracy: the last report is less accurate than the second.
    self.assertEqual(drawn(figure.axes[0], [0.4, 0.7, 0.65], [0.5, 0.55, 0.6]), 1)
    self.assertEqual(drawn(figure.axes[1], [0.4, 0.7, 0.65], [0.02, 0.08, 0.15]), 1)
    self.assertStartsWith(figure.axes[0].get_xlabel(), 'validation accuracy')

  def test_start_and_end_are_marked_and_the_last_epoch_is_named(self):
    figure = plots.privacy_vs_utility([leakage()], title='t')
    (start,) = [
      line for line in figure.axes[0].lines if line.get_markerfacecolor() == 'white'
    ]
    self.assertEqual((start.get_xdata()[0], start.get_ydata()[0]), (0.4, 0.5))
    self.assertEqual(drawn(figure.axes[0], [0.65], [0.6]), 1)
    self.assertEqual([text.get_text() for text in figure.axes[0].texts], ['6'])

  def test_ends_that_coincide_are_named_once(self):
    series = [leakage(), leakage(attack='lr'), leakage('far', auc=np.ones(3))]
    figure = plots.privacy_vs_utility(series, title='t')
    self.assertLen(figure.axes[0].texts, 2)

  def test_runs_have_colours_and_attacks_line_styles(self):
    series = [leakage(r, a) for r in ('a', 'b') for a in ('threshold', 'lr')]
    figure = plots.privacy_vs_utility(series, title='t')
    self.assertContainsSubset(
      ['a', 'b', 'threshold attack', 'lr attack'], legend(figure)
    )
    paths = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    looks = {(line.get_color(), line.get_linestyle()) for line in paths}
    self.assertLen(looks, 4)
    self.assertLen({colour for colour, _ in looks}, 2)


class RocTest(absltest.TestCase):
  def test_the_axes_are_logarithmic_down_to_one_false_positive(self):
    figure = plots.roc_loglog([curve(), curve('b', n_nonmembers=200)], title='t')
    (axes,) = figure.axes
    self.assertEqual((axes.get_xscale(), axes.get_yscale()), ('log', 'log'))
    self.assertAlmostEqual(axes.get_xlim()[0], 1 / 1000)
    self.assertEqual(drawn(axes, [0.001, 1], [0.001, 1]), 1)
    self.assertIn('200 to 1,000', axes.get_xlabel())

  def test_members_found_without_a_false_positive_reach_the_left_edge(self):
    figure = plots.roc_loglog([curve()], title='t')
    line = figure.axes[0].lines[1]
    left = line.get_xdata() < 1 / 1000
    self.assertEqual(line.get_ydata()[left].max(), 0.02)


class AucByClassTest(absltest.TestCase):
  def test_each_class_has_its_row_its_sizes_and_its_auc(self):
    series = class_leakage()
    figure = plots.auc_by_class([series], ['cat', 'dog', 'cow', 'ant'], title='t')
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    self.assertEqual(labels[0], 'cat  (500 + 100)')
    self.assertEqual(drawn(axes, series.auc, np.arange(4)), 1)

  def test_a_skipped_class_says_so(self):
    series = [class_leakage(skipped=(1,)), class_leakage('lr', skipped=(1, 2))]
    figure = plots.auc_by_class(series, 'abcd', title='t')
    self.assertLen([t for t in figure.axes[0].texts if 'skipped' in t.get_text()], 3)
    plot_style.to_png(figure)

  def test_of_many_classes_those_that_leak_most_are_shown(self):
    names = [f'c{i}' for i in range(100)]
    figure = plots.auc_by_class([class_leakage(classes=100)], names, title='t', most=5)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    self.assertEqual(
      [x.split()[0] for x in labels], ['c95', 'c96', 'c97', 'c98', 'c99']
    )
    self.assertIn('5 of 100 classes', '\n'.join(texts(figure)))


class LooksTest(parameterized.TestCase):
  @parameterized.parameters(2, 7, 12, 30)
  def test_every_run_has_a_colour_of_its_own(self, count):
    colours = plot_style.run_colours([f'run{i}' for i in range(count)])
    self.assertLen(set(colours.values()), count)

  def test_an_attack_keeps_its_look_whatever_the_others_are(self):
    alone = plot_style.Looks(['a'], ['lr'])('a', 'lr')
    among = plot_style.Looks(['a'], ['new', 'knn', 'lr', 'threshold'])('a', 'lr')
    self.assertEqual(alone, among)

  def test_unknown_attacks_get_looks_that_are_free(self):
    attacks = [*ATTACKS[:6], 'shadow fc-sorted', 'shadow gb-logits', 'mine']
    for runs in (['a'], ['a', 'b']):
      looks = plot_style.Looks(runs, attacks)
      found = [looks('a', attack) for attack in attacks]
      for part in ('linestyle', 'marker', *['color'] * (len(runs) == 1)):
        self.assertLen({look[part] for look in found}, len(attacks))

  def test_more_unknown_attacks_than_looks_get_one(self):
    attacks = [*ATTACKS, *(f'new{i}' for i in range(30))]
    self.assertLen(plot_style.Looks(['a'], attacks).handles(), len(attacks))

  def test_every_attack_has_a_look_of_its_own(self):
    looks = plot_style.Looks(['a'], ATTACKS)
    for part in ('color', 'linestyle', 'marker'):
      self.assertLen({looks('a', attack)[part] for attack in ATTACKS}, len(ATTACKS))

  @parameterized.parameters(
    ('threshold', '#0072B2', '-', 'o'),
    ('lr', '#D55E00', '--', 's'),
    ('knn', '#56B4E9', (0, (8, 2)), 'P'),
    ('shadow', '#000000', (0, (3, 1)), 'X'),
  )
  def test_an_attacks_look_is_fixed(self, attack, colour, line, marker):
    look = plot_style.Looks(['a'], ATTACKS)('a', attack)
    self.assertEqual(look, {'color': colour, 'linestyle': line, 'marker': marker})


if __name__ == '__main__':
  absltest.main()
