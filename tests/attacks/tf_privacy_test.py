import dataclasses

import matplotlib
import numpy as np
from absl.testing import absltest
from matplotlib import pyplot

from rnn_tf import stack
from rnn_tf.attack_config import MODEL_ATTACKS, ReportConfig
from rnn_tf.attacks import audit, metrics, tf_privacy
from rnn_tf.attacks.signals import Side, Signals


def make_signals(seed=0, n=60, boost=1.5, classes=2):
  rng = np.random.default_rng(seed)
  sides = []
  for shift in (boost, 0):
    labels = rng.integers(0, classes, n)
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), labels] += shift
    sides.append(Side(np.arange(n), labels, logits.astype(np.float32)))
  return Signals(*sides)


def report(epoch, *, model='lstm', seed=0, **config):
  return audit.run(
    make_signals(seed),
    config=ReportConfig(**config),
    class_count=2,
    model=model,
    epoch=epoch,
    train_accuracy=0.95,
    val_accuracy=0.6 + epoch / 100,
    seed=0,
  )


class ScoresTest(absltest.TestCase):
  def test_run_is_seeded_and_leaves_numpys_state_alone(self):
    outputs = make_signals()
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first = tf_privacy.scores(outputs, ('knn',), class_count=2, seed=1)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.random.seed(6)
    again = tf_privacy.scores(outputs, ('knn',), class_count=2, seed=1)
    for key in (('knn', 'entire'), ('knn', 'class')):
      np.testing.assert_array_equal(first[key].members, again[key].members)

  def test_numbers_are_those_of_run_attacks(self):
    outputs = make_signals()
    mia = stack.tf_privacy(
      'privacy_tests.membership_inference_attack.membership_inference_attack'
    )
    structures = stack.tf_privacy(
      'privacy_tests.membership_inference_attack.data_structures'
    )
    np.random.seed(1)
    theirs = mia.run_attacks(
      structures.AttackInputData(
        labels_train=outputs.members.labels,
        labels_test=outputs.nonmembers.labels,
        probs_train=outputs.members.probs,
        probs_test=outputs.nonmembers.probs,
        loss_train=outputs.members.losses,
        loss_test=outputs.nonmembers.losses,
      ),
      structures.SlicingSpec(entire_dataset=True, by_class=True),
      attack_types=(structures.AttackType.K_NEAREST_NEIGHBORS,),
    ).single_attack_results
    ours = tf_privacy.scores(outputs, ('knn',), class_count=2, seed=1)
    entire, inside = ours['knn', 'entire'], ours['knn', 'class']
    in_class = outputs.members.labels == 1, outputs.nonmembers.labels == 1
    self.assertAlmostEqual(
      metrics.auc(entire.members, entire.nonmembers), theirs[0].get_auc(), places=12
    )
    self.assertAlmostEqual(
      metrics.auc(inside.members[in_class[0]], inside.nonmembers[in_class[1]]),
      theirs[2].get_auc(),
      places=12,
    )


class CollectionTest(absltest.TestCase):
  def test_metrics_and_metadata_come_through(self):
    made = report(4, attacks=('threshold', 'lr'))
    found = tf_privacy.to_collection([made]).attack_results_list
    self.assertLen(found, 1)
    metadata = found[0].privacy_report_metadata
    self.assertEqual(metadata.accuracy_train, made.results[0].val_accuracy)
    self.assertEqual((metadata.epoch_num, metadata.model_variant_label), (4, 'lstm'))
    pairs = zip(made.results, found[0].single_attack_results, strict=True)
    for result, single in pairs:
      self.assertAlmostEqual(result.auc, single.get_auc(), places=12)
      self.assertAlmostEqual(result.ppv, single.get_ppv(), places=12)
      self.assertAlmostEqual(
        result.advantage, single.get_attacker_advantage(), places=12
      )
    frame = found[0].calculate_pd_dataframe()
    self.assertEqual(list(frame['slice value']), ['', '0', '1'] * 2)


class PlotsTest(absltest.TestCase):
  def test_lines_carry_the_reports_numbers(self):
    reports = [
      report(epoch, model=model, seed=epoch, attacks=MODEL_ATTACKS[:3])
      for model in ('cnn2', 'cnn3')
      for epoch in (4, 2)
    ]
    figures = tf_privacy.plots(iter(reports))
    self.assertSameElements(figures, ('by_epochs', 'privacy_vs_accuracy'))
    by_epochs = figures['by_epochs'].axes[0]
    self.assertLen(by_epochs.lines, 6)
    np.testing.assert_array_equal(by_epochs.lines[0].get_xdata(), [2, 4])
    np.testing.assert_allclose(
      by_epochs.lines[0].get_ydata(), [reports[i].results[0].auc for i in (1, 0)]
    )
    against = figures['privacy_vs_accuracy']
    for axis in against.axes:
      self.assertEqual(axis.get_xlabel(), 'Validation accuracy')
    np.testing.assert_allclose(against.axes[1].lines[0].get_xdata(), [0.62, 0.64])

  def test_pyplot_is_left_as_it_was(self):
    pyplot.switch_backend('svg')
    self.addCleanup(pyplot.switch_backend, 'agg')
    figures = tf_privacy.plots([report(2)])
    self.assertEqual(matplotlib.get_backend().lower(), 'svg')
    self.assertEmpty(pyplot.get_fignums())
    path = self.create_tempfile('plot.png').full_path
    for figure in figures.values():
      figure.savefig(path, format='png')

  def test_skipped_reports_are_left_out(self):
    made = report(2)
    skipped = dataclasses.replace(made.results[0], skipped='too small')
    empty = dataclasses.replace(made, results=(skipped,))
    figures = tf_privacy.plots([made, empty])
    self.assertLen(figures['by_epochs'].axes[0].lines, 2)
    self.assertEmpty(tf_privacy.plots([empty]))

  def test_attacks_with_shadow_models_are_left_out(self):
    made = report(2)
    foreign = dataclasses.replace(made.results[0], attack='lira')
    scores = {**made.scores, ('lira', 'entire'): made.scores['threshold', 'entire']}
    both = dataclasses.replace(made, results=(*made.results, foreign), scores=scores)
    lines = [
      len(tf_privacy.plots([r])['by_epochs'].axes[0].lines) for r in (made, both)
    ]
    self.assertEqual(lines[0], lines[1])
    self.assertEmpty(tf_privacy.plots([dataclasses.replace(both, results=(foreign,))]))


if __name__ == '__main__':
  absltest.main()
