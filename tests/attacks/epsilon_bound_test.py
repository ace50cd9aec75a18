import math

import numpy as np
from absl.testing import absltest, parameterized
from scipy import optimize, stats

from rnn_tf.attacks import epsilon_bound

DELTA = 1e-5
RUNS = 200


def draw(seed, m, n, *, shift=0.0, levels=None):
  """Scores of m members and n non-members; few `levels` make many ties."""
  rng = np.random.default_rng(seed)
  members, nonmembers = rng.normal(shift, 1, m), rng.normal(0, 1, n)
  if levels:
    return tuple(np.round(x * levels) / levels for x in (members, nonmembers))
  return members, nonmembers


def bound(members, nonmembers, **settings):
  return epsilon_bound.epsilon_lower_bound(
    members, nonmembers, **({'delta': DELTA} | settings)
  )


def gaussian_epsilon(sigma):
  """Epsilon of telling N(1 / sigma, 1) from N(0, 1), Balle and Wang 2018, theorem 8."""

  def excess(epsilon):
    half, rest = 1 / (2 * sigma), epsilon * sigma
    above = stats.norm.cdf(half - rest)
    return above - math.exp(epsilon) * stats.norm.cdf(-half - rest) - DELTA

  return optimize.brentq(excess, 0, 100)


def naive_bound(members, nonmembers, *, delta, confidence=0.95, seed=0):
  """Every threshold, direction and count by itself."""
  level = 1 - (1 - confidence) / 2
  rng = np.random.default_rng(seed)
  halves = []
  for scores in (members, nonmembers):
    shuffled = rng.permutation(scores)
    halves.append((shuffled[: len(scores) // 2], shuffled[len(scores) // 2 :]))

  def ratio(right, wrong, sizes):
    low = stats.binomtest(right, sizes[0], alternative='greater')
    high = stats.binomtest(wrong, sizes[1], alternative='less')
    numerator = low.proportion_ci(level).low - delta
    if numerator <= 0:
      return -math.inf
    return math.log(numerator / high.proportion_ci(level).high)

  def value(half, threshold, upper):
    ins, outs = (side[half] for side in halves)
    if upper:
      right, wrong = sum(ins >= threshold), sum(outs >= threshold)
      return ratio(int(right), int(wrong), (len(ins), len(outs)))
    right, wrong = sum(outs <= threshold), sum(ins <= threshold)
    return ratio(int(right), int(wrong), (len(outs), len(ins)))

  chosen = max(
    ((t, upper) for upper in (True, False) for t in [*halves[0][0], *halves[1][0]]),
    key=lambda each: value(0, *each),
  )
  return max(0.0, value(1, *chosen))


class EpsilonLowerBoundTest(parameterized.TestCase):
  @parameterized.product(sizes=((1000, 1000), (300, 5000)), levels=(None, 1))
  def test_null_scores_give_zero_in_95_percent_of_runs(self, sizes, levels):
    bounds = [bound(*draw(seed, *sizes, levels=levels)) for seed in range(RUNS)]
    self.assertLessEqual(np.mean(np.array(bounds) > 0), 0.05)

  @parameterized.parameters((4.0, 1000, 0.0), (1.0, 10_000, 0.5))
  def test_bound_of_a_gaussian_mechanism_is_below_its_epsilon(self, sigma, n, least):
    bounds = np.array(
      [bound(*draw(seed, n, n, shift=1 / sigma)) for seed in range(RUNS)]
    )
    self.assertLessEqual(np.mean(bounds > gaussian_epsilon(sigma)), 0.05)
    self.assertGreaterEqual(bounds.min(), least)

  def test_bound_covers_where_it_is_tight(self):
    # Randomised response: one threshold only, at which the bound is exact.
    epsilon = 1.0
    right = math.exp(epsilon) / (1 + math.exp(epsilon))
    bounds = []
    for seed in range(RUNS):
      rng = np.random.default_rng(seed)
      sides = rng.random(2000) < right, rng.random(2000) >= right
      bounds.append(bound(*(np.array(side, float) for side in sides), delta=0))
    over = np.mean(np.array(bounds) > epsilon)
    self.assertLessEqual(over, 0.05)
    self.assertGreater(np.mean(bounds), 0.7)

  @parameterized.parameters((1000, 1000), (200, 4000))
  def test_perfect_separation_gives_what_the_counts_allow(self, m, n):
    members, nonmembers = np.arange(m) + 10.0 * n, np.arange(n)
    # The other half has no error; so many examples rule out no rate below this.
    largest = max(m, n) / 2
    expected = math.log(
      (0.025 ** (2 / min(m, n)) - DELTA) / (1 - 0.025 ** (1 / largest))
    )
    self.assertAlmostEqual(bound(members, nonmembers), expected, delta=0.8)

  def test_signal_in_the_lower_tail_only_is_found(self):
    members, nonmembers = draw(0, 4000, 4000)
    nonmembers[:400] -= 100
    low = bound(members, nonmembers)
    self.assertGreater(low, math.log(0.08 / (1 - 0.025 ** (1 / 2000))))
    self.assertGreater(bound(-nonmembers, -members), low - 0.5)
    self.assertEqual(bound(nonmembers, members), 0)

  @parameterized.product(shift=(0.5, 2.0), levels=(None, 2))
  def test_only_the_order_of_the_scores_counts(self, shift, levels):
    members, nonmembers = draw(0, 700, 900, shift=shift, levels=levels)
    expected = bound(members, nonmembers)
    for change in (np.exp, lambda x: x**3, lambda x: 5 * x - 1e3):
      self.assertEqual(bound(change(members), change(nonmembers)), expected)

  @parameterized.product(
    seed=(0, 1, 2), sizes=((2, 2), (3, 40), (41, 60)), levels=(None, 1)
  )
  def test_bound_matches_a_naive_one(self, seed, sizes, levels):
    scores = draw(seed, *sizes, shift=3.0, levels=levels)
    for delta, confidence in ((0.0, 0.95), (0.01, 0.5)):
      settings = {'delta': delta, 'confidence': confidence, 'seed': seed}
      self.assertAlmostEqual(
        bound(*scores, **settings), naive_bound(*scores, **settings), places=9
      )

  def test_more_confidence_or_more_delta_give_a_smaller_bound(self):
    scores = draw(0, 3000, 3000, shift=2.0)
    usual = bound(*scores)
    self.assertLess(bound(*scores, confidence=0.999), usual)
    self.assertLess(bound(*scores, delta=0.05), usual)
    self.assertEqual(bound(*scores), usual)
    self.assertNotEqual(bound(*scores, seed=1), usual)

  @parameterized.parameters((1, 1), (1, 5000), (5000, 1), (2, 2), (3, 3))
  def test_few_examples_show_nothing(self, m, n):
    self.assertEqual(bound(np.full(m, 2.0), np.zeros(n)), 0.0)

  def test_equal_scores_show_nothing(self):
    self.assertEqual(bound(np.zeros(500), np.zeros(500)), 0.0)

  @parameterized.parameters(
    ([], [1.0], 'members: .*empty'),
    ([1.0], [np.nan], 'nonmembers: 1 of 1 scores are not finite'),
    ([1.0, 2.0, np.inf], [0.0], 'members: 1 of 3'),
  )
  def test_bad_scores_are_refused(self, members, nonmembers, text):
    with self.assertRaisesRegex(ValueError, text):
      bound(np.array(members), np.array(nonmembers))


if __name__ == '__main__':
  absltest.main()
