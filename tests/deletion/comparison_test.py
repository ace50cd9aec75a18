import dataclasses
import itertools
import math

import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from rnn_tf.attacks import intervals, metrics
from rnn_tf.deletion import comparison
from rnn_tf.deletion.comparison import Paired, Scored


def draw(seed, *, n=30, m=40, levels=None, shift=0.4, pool=60):
  """Two scorings of n examples out of a pool and of the same m ones at every seed."""
  rng = np.random.default_rng(seed)
  forget_ids = rng.permutation(pool)[:n]
  # What an example does at every seed, to each scoring differently.
  traits = np.random.default_rng(99).normal(size=(2, pool + m))

  def scores(which):
    sides = []
    for ids, more in ((forget_ids, shift), (np.arange(pool, pool + m), 0)):
      values = traits[which, ids] + more + rng.normal(0, 0.7, len(ids))
      sides.append(np.round(values * levels) / levels if levels else values)
    return tuple(sides)

  # H has numbers that D_f has, too: of another split, hence other examples.
  return Paired(
    seed=seed,
    forget_ids=forget_ids,
    unseen_ids=np.arange(m),
    first=scores(0),
    second=scores(1),
  )


def components(scores):
  """Each example's share of wins, and the AUC, by all pairs."""
  forgotten, unseen = scores
  matrix = np.array([[(a > b) + (a == b) / 2 for b in unseen] for a in forgotten])
  return matrix.mean(axis=1), matrix.mean(axis=0), matrix.mean()


def naive(seeds, *, folds):
  """The mean, its half-width, and that without tau^2, by all pairs of seeds.

  Where tau^2 is not 0 the variance is s^2 / S + c, which the module has in pieces.

  Args:
    seeds: per seed the value, and for either side the ids and their components.
  """
  count = len(seeds)

  def covariance(one, other):
    total = 0.0
    for side in (1, 2):
      pairs = []
      for ids, values in (one[side], other[side]):
        scale = math.sqrt(len(ids) * (len(ids) - 1))
        mean = sum(values) / len(ids)
        pairs.append({i: (v - mean) / scale for i, v in zip(ids, values, strict=True)})
      total += sum(pairs[0][i] * pairs[1][i] for i in pairs[0] if i in pairs[1])
    return folds * total

  own = [covariance(one, one) for one in seeds]
  crossed = [covariance(*pair) for pair in itertools.permutations(seeds, 2)]
  joint = (sum(own) + sum(crossed)) / count**2
  variance = joint
  if count > 1:
    observed = np.var([seed[0] for seed in seeds], ddof=1)
    variance = max(joint, observed / count + np.mean(crossed))
  alone = intervals.Z95 * math.sqrt(joint)
  half = alone
  if count > 1:
    quantile = stats.t.ppf(0.975, count - 1)
    half = math.sqrt(alone**2 + quantile**2 * (variance - joint))
  return np.mean([seed[0] for seed in seeds]), half, alone


def naive_difference(pairs, *, folds=1):
  seeds = []
  for pair in pairs:
    one, other = components(pair.first), components(pair.second)
    sides = ((pair.forget_ids, one[0] - other[0]), (pair.unseen_ids, one[1] - other[1]))
    seeds.append((one[2] - other[2], *sides))
  return naive(seeds, folds=folds)


def scored(pair, scores=None):
  return Scored(
    forget_ids=pair.forget_ids, unseen_ids=pair.unseen_ids, scores=scores or pair.first
  )


def by_hand(first, second, seed=0):
  sizes = map(len, first)
  ids = [np.arange(size) for size in sizes]
  return Paired(
    seed=seed, forget_ids=ids[0], unseen_ids=ids[1], first=first, second=second
  )


CASES = parameterized.product(count=(1, 2, 3), levels=(None, 2), folds=(1, 2))


class CompareTest(parameterized.TestCase):
  @CASES
  def test_interval_matches_all_pairs(self, count, levels, folds):
    for start in range(0, 12, 3):
      pairs = [draw(start + seed, levels=levels) for seed in range(count)]
      found = comparison.compare(pairs, folds=folds)
      value, half, _ = naive_difference(pairs, folds=folds)
      self.assertAlmostEqual(found.value, value, places=12)
      self.assertAlmostEqual(found.low, value - half, places=12)
      self.assertAlmostEqual(found.high, value + half, places=12)
      self.assertEqual((found.n_forgotten, found.n_unseen), (30 * count, 40 * count))

  @CASES
  def test_pooled_auc_matches_all_pairs(self, count, levels, folds):
    for start in range(0, 12, 3):
      pairs = [draw(start + seed, levels=levels) for seed in range(count)]
      found = comparison.pooled_auc([scored(pair) for pair in pairs], folds=folds)
      seeds = []
      for pair in pairs:
        of_forgotten, of_unseen, value = components(pair.first)
        sides = ((pair.forget_ids, of_forgotten), (pair.unseen_ids, of_unseen))
        seeds.append((value, *sides))
      value, half, _ = naive(seeds, folds=folds)
      self.assertAlmostEqual(found.value, value, places=12)
      self.assertAlmostEqual(found.low, value - half, places=12)
      self.assertAlmostEqual(found.high, value + half, places=12)
      self.assertEqual((found.n_first, found.n_second), (30 * count, 40 * count))

  def test_spread_is_needed_at_some_seeds_and_not_at_others(self):
    # Else the tests above would not see half of the formula.
    wider = []
    for start in range(0, 12, 3):
      _, half, least = naive_difference([draw(start + seed) for seed in range(3)])
      wider.append(half > least)
    self.assertSameElements(wider, [True, False])

  @parameterized.parameters(None, 2)
  def test_one_seed_is_paired_delong(self, levels):
    pair = draw(5, levels=levels)
    expected = metrics.paired_delong(pair.first, pair.second)
    found = comparison.compare([pair])
    for one in (found, found.seeds[0]):
      self.assertAlmostEqual(one.value, expected.value, places=12)
      self.assertAlmostEqual(one.low, expected.low, places=12)
      self.assertAlmostEqual(one.high, expected.high, places=12)
    self.assertEqual(found.seeds[0].seed, 5)

  def test_folds_widen_each_seed_by_their_root(self):
    pairs = [draw(0), draw(1)]
    one, two = (comparison.compare(pairs, folds=folds).seeds for folds in (1, 2))
    for narrow, wide in zip(one, two, strict=True):
      self.assertAlmostEqual(
        wide.high - wide.value, math.sqrt(2) * (narrow.high - narrow.value), places=12
      )

  def test_other_examples_at_each_seed_are_independent(self):
    pairs = []
    for seed in range(3):
      pair = draw(3)
      ids = (pair.forget_ids + 1000 * seed, pair.unseen_ids + 1000 * seed)
      scores = {'first': pair.first, 'second': pair.second}
      pairs.append(Paired(seed=seed, forget_ids=ids[0], unseen_ids=ids[1], **scores))
    found = comparison.compare(pairs)
    half = found.seeds[0].high - found.seeds[0].value
    self.assertAlmostEqual(found.high - found.value, half / math.sqrt(3), places=12)
    # The same examples scored the same at three seeds tell no more than at one.
    again = comparison.compare([draw(3)] * 3)
    self.assertAlmostEqual(again.high - again.value, half, places=12)

  def test_versions_that_are_the_same_differ_by_exactly_nothing(self):
    for size in (1, 30):
      scores = draw(0, n=size).first
      found = comparison.compare([by_hand(scores, scores, seed) for seed in range(3)])
      self.assertEqual((found.value, found.low, found.high), (0.0, 0.0, 0.0))

  @parameterized.parameters(1, 2)
  def test_two_perfect_scorings_are_no_point(self, folds):
    first = (np.arange(20.0) + 100, np.arange(30.0))
    second = (np.arange(20.0) + 200, np.arange(30.0))
    pair = by_hand(first, second)
    found = comparison.compare([pair], folds=folds)
    expected = intervals.difference_interval(
      1.0, 1.0, n_members=20 / folds, n_nonmembers=30 / folds
    )
    np.testing.assert_allclose((found.low, found.high), expected)
    if folds == 1:
      delong = metrics.paired_delong(first, second)
      np.testing.assert_allclose((found.low, found.high), (delong.low, delong.high))
    # As if perfectly correlated: seeds add nothing.
    three = comparison.compare([pair] * 3, folds=folds)
    np.testing.assert_allclose((three.low, three.high), expected)

  @parameterized.parameters((1, 300), (9, 300), (300, 9))
  def test_few_examples_have_an_interval_that_needs_no_variance(self, n, m):
    pair = draw(2, n=n, m=m, pool=300)
    found = comparison.compare([pair])
    aucs = [metrics.auc(*scores) for scores in (pair.first, pair.second)]
    low, high = intervals.difference_interval(*aucs, n_members=n, n_nonmembers=m)
    self.assertAlmostEqual(found.low, max(-1, low), places=12)
    self.assertAlmostEqual(found.high, min(1, high), places=12)

  def test_seed_without_a_variance_widens_the_mean(self):
    perfect = by_hand(
      (np.arange(30.0) + 100, np.arange(40.0)), (np.arange(30.0) + 9, np.arange(40.0))
    )
    usual = draw(0)
    alone = comparison.compare([usual])
    joined = comparison.compare([usual, dataclasses.replace(perfect, seed=1)])
    half = (alone.high - alone.value) / 2
    self.assertGreater(joined.high - joined.value, half)
    self.assertGreater(joined.value - joined.low, half)

  @parameterized.parameters((1, 30), (2, 30), (30, 40))
  def test_pooled_auc_of_one_seed_is_auc_interval(self, n, m):
    pair = draw(4, n=n, m=m)
    perfect = (np.arange(n) + 100.0, np.arange(m) + 0.0)
    for scores in (pair.first, perfect):
      for folds in (1, 2):
        found = comparison.pooled_auc([scored(pair, scores)], folds=folds)
        expected = metrics.auc_interval(*scores, folds=folds)
        np.testing.assert_allclose((found.value, found.low, found.high), expected)

  def test_randomness_of_training_is_added(self):
    # A scoring that is better at each seed by another amount, on very many examples.
    rng = np.random.default_rng(0)
    pairs = []
    for seed, shift in enumerate((0.0, 0.5, 1.0)):
      base = (rng.normal(size=4000), rng.normal(size=4000))
      pairs.append(by_hand((base[0] + shift, base[1]), base, seed))
    found = comparison.compare(pairs)
    values = [seed.value for seed in found.seeds]
    expected = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / math.sqrt(3)
    self.assertAlmostEqual(found.high - found.value, expected, delta=0.05 * expected)
    # Of one seed alone it is not known.
    one = found.seeds[2]
    self.assertLess(one.high - one.value, expected / 5)

  @parameterized.parameters(
    (([1.0], [0.0, 1.0]), r'\(2, 2\) .*\(1, 2\) scores'),
    (([1.0, 2.0], [0.0]), r'\(2, 2\) .*\(2, 1\) scores'),
  )
  def test_scores_of_other_examples_are_refused(self, scores, text):
    scores = tuple(map(np.array, scores))
    good = (np.arange(2.0), np.arange(2.0))
    ids = {'forget_ids': np.arange(2), 'unseen_ids': np.arange(2)}
    with self.assertRaisesRegex(ValueError, text):
      Paired(seed=0, first=good, second=scores, **ids)
    with self.assertRaisesRegex(ValueError, text):
      Scored(scores=scores, **ids)

  def test_nothing_to_compare_is_refused(self):
    with self.assertRaisesRegex(ValueError, 'at least one seed'):
      comparison.compare([])
    pair = by_hand((np.ones(3), np.ones(3)), (np.array([1, np.nan, 0]), np.ones(3)))
    with self.assertRaisesRegex(ValueError, 'finite'):
      comparison.compare([pair])


class CoverageTest(absltest.TestCase):
  def test_interval_over_seeds_holds_nothing_in_95_percent(self):
    # Each scoring has a trait of the examples that recurs at all seeds, H is the same
    # at all, and D_f overlaps: two scorings that know nothing, again and again.
    repeats, count, covered, naively = 400, 3, 0, 0
    for repeat in range(repeats):
      rng = np.random.default_rng([7, repeat])
      traits, pairs = rng.normal(size=(2, 200)), []
      for seed in range(count):
        ids = (rng.permutation(120)[:40], np.arange(120, 180))
        scores = [
          tuple(trait[each] + rng.normal(0, 0.5, len(each)) for each in ids)
          for trait in traits
        ]
        pairs.append(
          Paired(
            seed=seed,
            forget_ids=ids[0],
            unseen_ids=ids[1],
            first=scores[0],
            second=scores[1],
          )
        )
      found = comparison.compare(pairs)
      covered += found.low <= 0 <= found.high
      halves = [seed.high - seed.value for seed in found.seeds]
      naively += abs(found.value) <= math.sqrt(sum(h * h for h in halves)) / count
    self.assertBetween(covered / repeats, 0.92, 0.98)
    self.assertLess(naively / repeats, 0.88)

  def test_few_deleted_examples_are_not_judged_by_a_chance_variance(self):
    # DeLong's variance of so few is often far too small.
    ours, delong, repeats = 0, 0, 200
    for repeat in range(repeats):
      rng = np.random.default_rng([8, repeat])
      scores = [(rng.normal(size=3), rng.normal(size=200)) for _ in range(2)]
      found = comparison.compare([by_hand(*scores)])
      ours += found.low <= 0 <= found.high
      theirs = metrics.paired_delong(*scores)
      delong += theirs.low <= 0 <= theirs.high
    self.assertGreater(ours / repeats, 0.95)
    self.assertLess(delong / repeats, 0.9)


if __name__ == '__main__':
  absltest.main()
