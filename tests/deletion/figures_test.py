import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import metrics
from rnn_tf.attacks.intervals import clopper_pearson
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import comparison, figures
from rnn_tf.deletion.figures import Attacked, Scores
from rnn_tf.deletion.results import Version

ORDER = ('forgotten', 'retained', 'unseen', 'test')


def side(start, size, right):
  """Outputs of which the first `right` are right."""
  labels = np.zeros(size, np.int64)
  logits = np.where(np.arange(size)[:, None] < right, [2.0, 0.0], [0.0, 2.0])
  return Side(start + np.arange(size), labels, logits.astype(np.float32))


def version(
  method='retrain', *, seed=0, sizes=(20, 50, 1200, 40), right=(5, 40, 9, 30)
):
  sides = {
    name: side(10_000 * number, size, count)
    for number, (name, size, count) in enumerate(zip(ORDER, sizes, right, strict=True))
  }
  return Version(
    seed=seed, forget='uniform-5pct', method=method, run=f'{method}-{seed}', **sides
  )


def attacked(method='retrain', *, seed=0, shift=1.0, folds=1, draw=0, **settings):
  """A version with made-up scores; D_f and the retained examples are higher."""
  made = version(method, seed=seed, **settings)
  rng = np.random.default_rng([seed, draw])
  unseen = rng.normal(size=len(made.unseen))
  pairs = [
    AttackScores(rng.normal(shift, 1, len(one)), unseen)
    for one in (made.forgotten, made.retained)
  ]
  scores = {'threshold': Scores(forgotten=pairs[0], retained=pairs[1], folds=folds)}
  return Attacked(version=made, scores=scores, shown={'threshold': pairs[0]})


class VersionTest(parameterized.TestCase):
  @parameterized.parameters(
    ('original', 45, 70),
    ('sharded_original', 45, 70),
    ('none', 45, 70),
    ('retrain', 40, 50),
    ('twin', 40, 50),
    ('finetune', 40, 50),
    ('sharded', 40, 50),
  )
  def test_train_is_what_the_version_was_trained_on(self, method, count, n):
    made = figures.of_version(attacked(method))
    self.assertEqual((made.train.count, made.train.n), (count, n))
    self.assertEqual((made.seed, made.method, made.runs), (0, method, (f'{method}-0',)))

  def test_rates_have_their_intervals(self):
    made = figures.of_version(attacked())
    for found, count, n in (
      (made.forgotten, 5, 20),
      (made.retained, 40, 50),
      (made.test, 30, 40),
    ):
      self.assertEqual((found.count, found.n, found.value), (count, n, count / n))
      self.assertEqual((found.low, found.high), clopper_pearson(count, n))

  @parameterized.parameters(1, 2)
  def test_attack_has_both_aucs_and_hits_by_thresholds_on_h(self, folds):
    one = attacked(folds=folds)
    (made,) = figures.of_version(one).attacks
    for part, n in (('forgotten', 20), ('retained', 50)):
      pair = getattr(one.scores['threshold'], part)
      auc = getattr(made, part)
      self.assertEqual(
        (auc.value, auc.low, auc.high),
        metrics.auc_interval(pair.members, pair.nonmembers, folds=folds),
      )
      self.assertEqual((auc.n_first, auc.n_second), (n, 1200))
    self.assertEqual([hit.target_fpr for hit in made.hits], [0.01, 0.001])
    pair = one.scores['threshold'].forgotten
    for hit, allowed in zip(made.hits, (12, 1), strict=True):
      self.assertEqual((hit.false_positives, hit.n_unseen), (allowed, 1200))
      threshold = np.sort(pair.nonmembers)[-1 - allowed]
      self.assertEqual(hit.tpr.count, (pair.members > threshold).sum())
      self.assertEqual(hit.tpr.n, 20)

  @parameterized.parameters(
    (5, (0.01,)), (999, (0.01,)), (1000, (0.01, 0.001)), (25000, (0.01, 0.001))
  )
  def test_low_rate_needs_a_large_h(self, n_unseen, expected):
    self.assertEqual(figures.target_fprs(n_unseen), expected)


class PooledTest(absltest.TestCase):
  def pooled(self, group):
    return figures.pooled(group, [figures.of_version(one) for one in group])

  def test_counts_are_summed_and_aucs_are_meaned(self):
    group = [attacked(seed=0), attacked(seed=1, right=(7, 41, 9, 29))]
    made = self.pooled(group)
    self.assertIsNone(made.seed)
    self.assertEqual(made.runs, ('retrain-0', 'retrain-1'))
    for part, count, n in (
      ('train', 81, 100),
      ('forgotten', 12, 40),
      ('retained', 81, 100),
      ('test', 59, 80),
    ):
      self.assertEqual(getattr(made, part), figures.rate(count, n))
    (found,), single = made.attacks, [figures.of_version(one) for one in group]
    for part in ('forgotten', 'retained'):
      values = [getattr(each.attacks[0], part).value for each in single]
      self.assertAlmostEqual(getattr(found, part).value, np.mean(values), places=12)
      expected = comparison.pooled_auc([one.scored('threshold', part) for one in group])
      self.assertEqual(getattr(found, part), expected)
    for number, hit in enumerate(found.hits):
      of_seeds = [each.attacks[0].hits[number] for each in single]
      self.assertEqual(hit.tpr.count, sum(each.tpr.count for each in of_seeds))
      self.assertEqual((hit.tpr.n, hit.n_unseen), (40, 2400))
      self.assertEqual(
        hit.false_positives, sum(each.false_positives for each in of_seeds)
      )

  def test_rate_that_a_seed_is_too_small_for_is_left_out(self):
    group = [attacked(seed=0), attacked(seed=1, sizes=(20, 50, 800, 40))]
    (found,) = self.pooled(group).attacks
    self.assertEqual([hit.target_fpr for hit in found.hits], [0.01])
    self.assertEqual(found.hits[0].n_unseen, 2000)

  def test_one_seed_is_the_same_alone(self):
    one = figures.of_version(attacked(seed=3))
    made = self.pooled([attacked(seed=3)])
    self.assertEqual(made, dataclasses.replace(one, seed=None))


class CollateralTest(absltest.TestCase):
  def test_exposed_are_counted_by_each_version_own_threshold(self):
    before = [attacked('original', seed=seed, shift=2.0) for seed in (0, 1)]
    after = [attacked('retrain', seed=seed, shift=2.2, draw=1) for seed in (0, 1)]
    made = figures.collateral(before, after, attack='threshold')
    self.assertEqual((made.method, made.target_fpr), ('retrain', 0.001))
    counts = np.zeros(3, int)
    for pair in zip(before, after, strict=True):
      above = []
      for one in pair:
        scores = one.scores['threshold'].retained
        above.append(scores.members > np.sort(scores.nonmembers)[-2])
      counts += [sum(above[0]), sum(above[1]), sum(above[1] & ~above[0])]
    found = (made.exposed_before, made.exposed_after, made.newly_exposed)
    self.assertEqual(found, tuple(counts))
    self.assertGreater(counts[2], 0)
    expected = [
      np.mean([metrics.auc(p.members, p.nonmembers) for p in pairs])
      for pairs in (
        [one.scores['threshold'].retained for one in group] for group in (before, after)
      )
    ]
    self.assertAlmostEqual(made.comparison.value, expected[1] - expected[0], places=12)
    self.assertEqual(made.comparison.n_forgotten, 100)
    self.assertEqual([each.seed for each in made.comparison.seeds], [0, 1])

  def test_nothing_happens_where_nothing_is_deleted(self):
    group = [attacked('original')]
    made = figures.collateral(group, group, attack='threshold')
    self.assertEqual((made.comparison.low, made.comparison.high), (0.0, 0.0))
    self.assertEqual(made.newly_exposed, 0)
    self.assertEqual(made.exposed_before, made.exposed_after)

  def test_small_h_counts_at_the_higher_rate(self):
    group = [attacked('original', sizes=(20, 50, 300, 40))]
    made = figures.collateral(group, group, attack='threshold')
    self.assertEqual(made.target_fpr, 0.01)


class HistogramTest(absltest.TestCase):
  def test_shares_of_all_seeds_are_on_common_edges(self):
    methods = {
      'original': [attacked('original', seed=seed, shift=3.0) for seed in (0, 1)],
      'retrain': [attacked('retrain', seed=0, shift=0.0)],
    }
    made = figures.histograms(methods, 'threshold')
    self.assertEqual([each.method for each in made], ['original', 'retrain'])
    self.assertEqual(made[0].edges, made[1].edges)
    self.assertLen(made[0].edges, figures.BINS + 1)
    everything = np.concatenate(
      [
        values
        for group in methods.values()
        for one in group
        for values in (
          one.shown['threshold'].members,
          one.shown['threshold'].nonmembers,
        )
      ]
    )
    ends = (made[0].edges[0], made[0].edges[-1])
    np.testing.assert_allclose(ends, np.percentile(everything, [0.5, 99.5]))
    for each, group in zip(made, methods.values(), strict=True):
      for part, shares in (('members', each.forgotten), ('nonmembers', each.unseen)):
        values = np.concatenate([getattr(o.shown['threshold'], part) for o in group])
        counts = np.zeros(figures.BINS)
        for value in values:
          number = np.searchsorted(each.edges, value, 'right') - 1
          counts[min(max(number, 0), figures.BINS - 1)] += 1
        np.testing.assert_allclose(shares, counts / len(values))

  def test_scores_that_are_all_the_same_are_drawn(self):
    one = attacked()
    same = AttackScores(np.full(20, 0.3), np.full(1200, 0.3))
    one = dataclasses.replace(one, shown={'threshold': same})
    (made,) = figures.histograms({'retrain': [one]}, 'threshold')
    self.assertAlmostEqual(sum(made.forgotten), 1.0)
    self.assertEqual(made.forgotten, made.unseen)
    self.assertLess(made.edges[0], made.edges[-1])


if __name__ == '__main__':
  absltest.main()
