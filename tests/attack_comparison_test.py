import dataclasses

import numpy as np
from absl.testing import absltest

from rnn_tf import plot_style
from rnn_tf.attack_comparison import comparison_figure
from rnn_tf.attack_config import AttackConfig
from tests import fake_attacks

SMALL = {'members': 300, 'nonmembers': 200, 'num_shadows': 4, 'exposed': 0}


def record(run='lstm', **options):
  return fake_attacks.record(run=run, **{**SMALL, **options})[0]


def legend(figure):
  return [text.get_text() for text in figure.legends[0].get_texts()]


class ComparisonTest(absltest.TestCase):
  def test_a_row_is_an_attack_and_a_colour_a_run(self):
    runs = [
      record(attacks=('lira', 'threshold')),
      record('cnn', attacks=('lira', 'threshold'), leak=0.5, accuracies=(0.8, 0.75)),
    ]
    figure = comparison_figure(runs, title='t')
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    self.assertEqual(labels, ['lira', 'threshold'])
    dots = [x for x in figure.axes[0].lines if x.get_marker() == 'o']
    aucs = [each.entire(a).auc for each in runs for a in ('lira', 'threshold')]
    self.assertCountEqual([dot.get_xdata()[0] for dot in dots], aucs)
    self.assertLen({dot.get_color() for dot in dots}, 2)
    self.assertIn('cnn: 80.0% of training, 75.0% of test images right', legend(figure))

  def test_variants_of_an_attack_stand_together(self):
    features = ('sorted', 'loss', 'logits')
    config = AttackConfig(attack_model='gb', attack_features=features)
    runs = [
      record(label='a', attacks=('shadow', 'lira')),
      record(label='b', attacks=('shadow',), attack=config),
    ]
    figure = comparison_figure(runs, title='t')
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    self.assertEqual(
      labels, ['shadow (fc-posteriors)', 'shadow (gb-\nsorted+loss+logits)', 'lira']
    )

  def test_rates_are_drawn_with_their_intervals(self):
    each = record(attacks=('lira',))
    figure = comparison_figure([each], title='t')
    for axes, point in zip(
      figure.axes[1:], each.entire('lira').tpr_at_fpr, strict=True
    ):
      (bar,) = axes.collections[0].get_segments()
      np.testing.assert_allclose(bar[:, 0], [point.tpr_low, point.tpr_high])
      self.assertEqual(
        axes.get_title('left'), f'TPR at {100 * point.target_fpr:g}% FPR'
      )

  def test_an_attack_that_finds_nobody_is_hollow_at_the_edge(self):
    each = record(attacks=('lira',))
    result = each.entire('lira')
    nobody = tuple(
      dataclasses.replace(point, tpr=0.0, true_positives=0, tpr_low=0.0)
      for point in result.tpr_at_fpr
    )
    each = dataclasses.replace(
      each, results=(dataclasses.replace(result, tpr_at_fpr=nobody),)
    )
    figure = comparison_figure([each], title='t')
    for axes in figure.axes[1:]:
      (dot,) = [line for line in axes.lines if line.get_marker() == 'o']
      self.assertEqual(dot.get_markerfacecolor(), 'white')
      self.assertLessEqual(axes.get_xlim()[0], dot.get_xdata()[0])

  def test_the_same_picture_has_the_same_bytes(self):
    pngs = {plot_style.to_png(comparison_figure([record()], title='t')) for _ in 'ab'}
    self.assertLen(pngs, 1)


if __name__ == '__main__':
  absltest.main()
