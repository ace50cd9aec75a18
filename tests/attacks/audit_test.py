import dataclasses
import subprocess
import sys

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attack_config import ATTACK_ENGINES, MODEL_ATTACKS, ReportConfig
from rnn_tf.attacks import audit, metrics, results, signals


def make_side(seed, counts, *, boost):
  """Random logits of sum(counts) examples; a higher `boost` fits labels better."""
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
  logits = rng.normal(0, 1, (len(labels), len(counts)))
  logits[np.arange(len(labels)), labels] += boost
  return signals.Side(np.arange(len(labels)), labels, logits.astype(np.float32))


def make_signals(member_counts=(80, 60, 40), nonmember_counts=(30, 50, 40), boost=2.0):
  return signals.Signals(
    make_side(0, member_counts, boost=boost), make_side(1, nonmember_counts, boost=0)
  )


def run(outputs, *, seed=0, epsilon=None, delta=None, **config):
  return audit.run(
    outputs,
    config=ReportConfig(**config),
    class_count=3,
    model='lstm',
    epoch=4,
    train_accuracy=0.9,
    val_accuracy=0.7,
    seed=seed,
    epsilon=epsilon,
    delta=delta,
  )


def by_slice(report, attack):
  return {r.slice: r for r in report.results if r.attack == attack}


class AuditTest(parameterized.TestCase):
  def test_registry_has_every_engine(self):
    self.assertSameElements(audit.ENGINES, ATTACK_ENGINES)

  def test_each_attack_reports_the_whole_and_each_class(self):
    report = run(make_signals(), attacks=MODEL_ATTACKS)
    self.assertEqual(
      [(r.attack, r.slice) for r in report.results],
      [
        (a, s)
        for a in MODEL_ATTACKS
        for s in ('entire', 'class:0', 'class:1', 'class:2')
      ],
    )
    for result in report.results:
      self.assertIsNone(result.skipped)
      self.assertGreater(result.auc, 0.55)
      self.assertEqual((result.model, result.epoch, result.engine), ('lstm', 4, 'fast'))
    sizes = {
      s: (r.n_members, r.n_nonmembers) for s, r in by_slice(report, 'lr').items()
    }
    self.assertEqual(sizes['entire'], (180, 120))
    self.assertEqual(sizes['class:2'], (40, 40))

  def test_threshold_and_entropy_score_by_the_negated_signal(self):
    outputs = make_signals()
    report = run(outputs, attacks=('threshold', 'entropy'))
    members, nonmembers = outputs.members, outputs.nonmembers
    for attack, name in (('threshold', 'losses'), ('entropy', 'entropies')):
      one, other = -getattr(members, name), -getattr(nonmembers, name)
      found = by_slice(report, attack)
      self.assertEqual(found['entire'].auc, metrics.auc(one, other))
      self.assertEqual(
        found['class:1'].auc,
        metrics.auc(one[members.labels == 1], other[nonmembers.labels == 1]),
      )
      self.assertNotIn((attack, 'class'), report.scores)

  def test_same_seed_gives_the_same_numbers_whatever_runs_beside(self):
    first = run(make_signals(), attacks=('lr', 'knn'))
    again = run(make_signals(), attacks=('threshold', 'knn', 'lr'))
    other = run(make_signals(), attacks=('lr', 'knn'), seed=1)
    for attack in ('lr', 'knn'):
      self.assertEqual(by_slice(first, attack), by_slice(again, attack))
      self.assertNotEqual(by_slice(first, attack), by_slice(other, attack))

  @parameterized.parameters(*ATTACK_ENGINES)
  def test_small_slices_are_listed_with_the_reason(self, engine):
    outputs = make_signals((80, 9, 0), (30, 50, 20))
    report = run(outputs, attacks=('threshold', 'knn'), attack_engine=engine)
    self.assertLen(report.results, 8)
    found = by_slice(report, 'knn')
    self.assertIsNone(found['class:0'].skipped)
    self.assertIn('9 members and 50 non-members', found['class:1'].skipped)
    self.assertIn('0 members', found['class:2'].skipped)
    self.assertIsNone(found['class:2'].auc)
    found = by_slice(report, 'threshold')
    self.assertIsNone(found['class:1'].skipped)
    self.assertIn('0 members', found['class:2'].skipped)

  @parameterized.product(
    engine=ATTACK_ENGINES,
    counts=(((0, 0, 0), (5, 5, 5)), ((1, 0, 0), (1, 1, 0)), ((2, 2, 2), (2, 2, 2))),
  )
  def test_tiny_sides_raise_nothing(self, engine, counts):
    report = run(make_signals(*counts), attacks=MODEL_ATTACKS, attack_engine=engine)
    self.assertLen(report.results, 24)
    for result in report.results:
      self.assertEqual(result.skipped is None, result.auc is not None)
    self.assertEqual(results.recompute(report), report.results)

  def test_privacy_of_the_training_goes_into_every_result(self):
    outputs = make_signals((400, 9, 0), (300, 50, 20), boost=4.0)
    report = run(outputs, attacks=('threshold', 'lr'), epsilon=2.5, delta=1e-4)
    for result in report.results:
      self.assertEqual((result.epsilon, result.delta), (2.5, 1e-4))
      self.assertEqual(result.epsilon_lower_bound is not None, result.slice == 'entire')
    self.assertGreater(report.results[0].epsilon_lower_bound, 0.5)
    self.assertEqual(results.recompute(report), report.results)
    plain = run(outputs, attacks=('threshold',))
    self.assertIsNone(plain.results[0].epsilon_lower_bound)

  def test_model_that_knows_nothing_stays_in_the_null_interval(self):
    outputs = make_signals((300, 300, 300), (200, 200, 200), boost=0)
    for result in run(outputs, attacks=('threshold', 'entropy', 'lr')).results:
      # Twelve looks at a 95% interval: allow each of them a little more.
      self.assertLess(abs(result.auc - 0.5), 1.6 * result.auc_null_half_width)

  def test_logits_that_are_not_finite_are_refused(self):
    outputs = make_signals()
    outputs.members.logits[3, 1] = np.nan
    with self.assertRaisesRegex(ValueError, 'members: logits of 1 of 180'):
      run(outputs)

  def test_report_is_recomputed_exactly_from_stored_arrays(self):
    outputs = make_signals((80, 9, 0), (30, 50, 20))
    report = run(outputs, attacks=MODEL_ATTACKS)
    arrays = results.to_arrays(report, outputs)
    for name in ('lr/class/members', 'threshold/entire/nonmembers', 'member_logits'):
      self.assertIn(name, arrays)
    self.assertNotIn('threshold/class/members', arrays)
    self.assertTrue(
      np.isnan(arrays['lr/class/members'][outputs.members.labels == 1]).all()
    )
    lines = [result.to_json() for result in report.results]
    read = [results.AttackResult.from_json(line) for line in lines]
    back = results.report_from_arrays(read, arrays)
    self.assertEqual(results.recompute(back), report.results)

  def test_fast_engine_needs_no_tensorflow(self):
    code = (
      'import sys; import rnn_tf.attacks.audit; '
      'assert not any(n.startswith("tensorflow") for n in sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


class SampleMembersTest(absltest.TestCase):
  def test_draw_is_seeded_rising_and_without_repeats(self):
    first = audit.sample_members(1000, 100, seed=3)
    np.testing.assert_array_equal(first, audit.sample_members(1000, 100, seed=3))
    self.assertFalse(np.array_equal(first, audit.sample_members(1000, 100, seed=4)))
    self.assertLen(np.unique(first), 100)
    self.assertTrue((np.diff(first) > 0).all())

  def test_none_and_too_many_mean_all(self):
    for size in (None, 7, 8):
      drawn = audit.sample_members(7, size, seed=0)
      np.testing.assert_array_equal(drawn, np.arange(7))


class TfPrivacyEngineTest(absltest.TestCase):
  def test_threshold_and_entropy_agree_with_the_fast_engine(self):
    outputs = make_signals()
    fast = run(outputs, attacks=('threshold', 'entropy'))
    theirs = run(outputs, attacks=('threshold', 'entropy'), attack_engine='tf_privacy')
    self.assertEqual({r.engine for r in theirs.results}, {'tf_privacy'})
    for one, other in zip(fast.results, theirs.results, strict=True):
      self.assertEqual(dataclasses.replace(other, engine='fast'), one)


if __name__ == '__main__':
  absltest.main()
