import math
import tracemalloc
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special, stats

from rnn_tf import stack
from rnn_tf.attacks import intervals, metrics, scores
from rnn_tf.attacks.signals import Side

ATTACKS = parameterized.product(attack=('lira', 'rmia'), online=(True, False))


def planted(seed=0, models=16, examples=2000, shift=2.0):
  """Phi of a target and of shadows where training adds `shift`.

  Returns target (examples,), shadows and members (models, examples), each example in
  half of the models, and whether the target was trained on each.
  """
  rng = np.random.default_rng(seed)
  difficulty = rng.normal(3, 4, examples)
  members = np.argsort(rng.random((models, examples)), axis=0) < models // 2
  trained = rng.random(examples) < 0.5
  phi = difficulty + rng.normal(size=(models, examples)) + shift * members
  target = difficulty + rng.normal(size=examples) + shift * trained
  return *frozen(target, phi, members), trained


def planted_for(attack, seed=0, *, models=8, population=300, **sizes):
  """Arguments of an attack, and whether the target was trained on each example."""
  target, phi, members, trained = planted(seed, models, **sizes)
  if attack == 'lira':
    return (target, phi, members), trained
  rng = np.random.default_rng([seed, 1])
  others = rng.normal(3, 4, population) + rng.normal(size=(models + 1, population))
  probs = (special.expit(values) for values in (target, phi, others[0], others[1:]))
  target, shadows, *others = frozen(*probs)
  return (target, shadows, members, *others), trained


def frozen(*arrays):
  """Returns arrays that whoever wants to modify them gets an error from."""
  for array in arrays:
    array.flags.writeable = False
  return arrays


def auc(values, trained):
  return metrics.auc(values[trained], values[~trained])


def naive_lira(target, shadows, members, *, online, fixed):
  """Equations of Carlini et al., an example at a time."""
  groups, pooled = {}, {}
  for side in (True, False):
    values = [shadows[members[:, e] == side, e] for e in range(len(target))]
    squares = sum(sum((v - v.mean()) ** 2) for v in values)
    pooled[side] = math.sqrt(squares / sum(len(v) - 1 for v in values))
    groups[side] = values
  found = []
  for e, phi in enumerate(target):
    fits = {}
    for side, values in groups.items():
      use_pooled = fixed or len(values[e]) < 2
      spread = pooled[side] if use_pooled else values[e].std(ddof=1)
      fits[side] = stats.norm(values[e].mean(), spread)
    score = fits[True].logpdf(phi) - fits[False].logpdf(phi)
    found.append(score if online else fits[False].logcdf(phi))
  return np.array(found)


def naive_rmia(target, shadows, members, z_target, z_shadows, *, gamma, online, a):
  """The share, by two loops; and r(x)."""
  shares, ratios = [], []
  for e in range(len(target)):
    expected = ((1 + a) * shadows[~members[:, e], e].mean() + (1 - a)) / 2
    if online:
      expected = shadows[members[:, e], e].mean() / 2
      expected += shadows[~members[:, e], e].mean() / 2
    ratio, above = target[e] / expected, 0
    for j in range(len(z_target)):
      of_z = z_shadows[:, j].mean()
      if not online:
        of_z = ((1 + a) * of_z + (1 - a)) / 2
      above += ratio / (z_target[j] / of_z) > gamma
    shares.append(above / len(z_target))
    ratios.append(ratio)
  return np.array(shares), np.array(ratios)


class LogitsTest(parameterized.TestCase):
  def draw(self, models=3, n=40, classes=5):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (models, n, classes)).astype(np.float32)
    return frozen(logits, rng.integers(0, classes, n))

  @parameterized.parameters(1, 7, 64, 2**16)
  def test_fleet_matches_the_formulas_row_by_row(self, block):
    logits, labels = self.draw()
    with mock.patch.object(scores, '_BLOCK_VALUES', block):
      gaps = scores.logit_gap(logits, labels)
      probs = scores.true_class_probability(logits, labels)
    self.assertEqual((gaps.dtype, probs.dtype), (np.float64, np.float64))
    for m, i in np.ndindex(gaps.shape):
      z, y = logits[m, i].astype(np.float64), labels[i]
      rest = special.logsumexp(np.delete(z, y))
      self.assertAlmostEqual(gaps[m, i], z[y] - rest, places=12)
      self.assertAlmostEqual(probs[m, i], special.softmax(z)[y], places=14)

  def test_one_model_is_as_in_a_fleet_and_as_its_side(self):
    logits, labels = self.draw()
    for function in (scores.logit_gap, scores.true_class_probability):
      found = function(logits[1], labels)
      np.testing.assert_array_equal(found, function(logits, labels)[1])
    losses = Side(np.arange(len(labels)), labels, logits[1]).losses
    np.testing.assert_allclose(-np.log(found), losses, rtol=1e-10, atol=1e-15)

  def test_huge_logits_stay_exact(self):
    logits = np.array([[900, 0, 0], [0, 900, -900], [60, 0, 0], [61, 0, 0]], np.float32)
    labels = np.zeros(4, np.int64)
    gaps = scores.logit_gap(logits, labels)
    np.testing.assert_allclose(gaps[:2], [900 - math.log(2), -900], rtol=1e-15)
    self.assertLess(gaps[2], gaps[3])
    probs = scores.true_class_probability(logits, labels)
    np.testing.assert_array_equal(probs, [1, 0, 1, 1])

  def test_wrong_inputs_are_named(self):
    logits, labels = self.draw()
    broken = logits.copy()
    broken[2, 7, 1] = -np.inf
    for pattern, *arguments in (
      (r'\(3, 40, 5\) and \(39,\)', logits, labels[1:]),
      (r'\(5,\) and \(40,\)', logits[0, 0], labels),
      (r'at least 2 classes.*\(40, 1\)', logits[0, :, :1], labels),
      ('expected integers, got float64', logits, labels.astype(float)),
      (r'labels: 1 of 40 are not in \[0, 5\)', logits, np.r_[labels[1:], 5]),
      (r'logits of model 2: 1 of 200 .* first at \(7, 1\)', broken, labels),
      (r'^logits: 1 of 200 .* first at \(7, 1\)', broken[2], labels),
    ):
      with self.assertRaisesRegex(ValueError, pattern):
        scores.logit_gap(*arguments)


class BothTest(parameterized.TestCase):
  @ATTACKS
  def test_permuted_membership_gives_an_auc_within_its_null_interval(
    self, attack, online
  ):
    outside = {True: 0, False: 0}
    for seed in range(30):
      arguments, trained = planted_for(attack, seed, models=12, examples=400)
      trained = np.random.default_rng([seed, 2]).permutation(trained)
      half = intervals.null_half_width(trained.sum(), (~trained).sum())
      for fixed in outside:
        options = {'fixed_variance': fixed} if attack == 'lira' else {}
        found = getattr(scores, attack)(*arguments, online=online, **options)
        outside[fixed] += abs(auc(found, trained) - 0.5) > half
    # 5% are expected outside; more than 5 of 30 would be in 0.3% of all cases.
    self.assertLessEqual(max(outside.values()), 5)

  @ATTACKS
  def test_equal_examples_tie_wherever_they_stand(self, attack, online):
    (target, shadows, members, *others), _ = planted_for(attack, examples=50)
    # Few digits, so that sums are exact in any order.
    target, shadows = np.round(target * 64) / 64, np.round(shadows * 64) / 64
    doubled = (np.tile(values, 2) for values in (target, shadows, members))
    found = getattr(scores, attack)(*doubled, *others, online=online)
    np.testing.assert_array_equal(found[:50], found[50:])
    self.assertGreater(len(set(found)), 30)

  @ATTACKS
  def test_float32_is_computed_as_float64(self, attack, online):
    arguments, _ = planted_for(attack, examples=50)
    narrow = [a if a.dtype == bool else a.astype(np.float32) for a in arguments]
    wide = [a if a.dtype == bool else a.astype(np.float64) for a in narrow]
    found = getattr(scores, attack)(*narrow, online=online)
    self.assertEqual(found.dtype, np.float64)
    np.testing.assert_array_equal(found, getattr(scores, attack)(*wide, online=online))

  @ATTACKS
  def test_missing_models_are_counted_and_named(self, attack, online):
    (target, shadows, members, *others), _ = planted_for(attack, examples=20)
    fleet, members = (target, shadows), members.copy()
    members[:, 3], members[:, [5, 7]] = True, False
    score = getattr(scores, attack)
    with self.assertRaisesRegex(ValueError, r'1 of 20 .* no OUT .* 8 .*first: 3\)'):
      score(*fleet, members, *others, online=online)
    members[0, 3] = False
    if not online:
      self.assertLen(score(*fleet, members, *others, online=False), 20)
      return
    with self.assertRaisesRegex(ValueError, r'2 of 20 .* no IN .*first: 5, 7\).*offl'):
      score(*fleet, members, *others)

  @ATTACKS
  def test_offline_ignores_models_with_the_example(self, attack, online):
    (target, shadows, members, *others), _ = planted_for(attack, examples=50)
    changed = np.where(members, 0.123, shadows)
    one, two = (
      getattr(scores, attack)(target, values, members, *others, online=online)
      for values in (shadows, changed)
    )
    self.assertEqual(np.array_equal(one, two), not online)

  @ATTACKS
  def test_memory_beside_the_arguments_is_little(self, attack, online):
    arguments, _ = planted_for(attack, models=64, examples=20_000)
    tracemalloc.start()
    self.addCleanup(tracemalloc.stop)
    getattr(scores, attack)(*arguments, online=online)
    # Two masks of a byte a value, and blocks; one copy would take 8 bytes a value.
    self.assertLess(tracemalloc.get_traced_memory()[1], 4 * arguments[1].size)


class LiraTest(parameterized.TestCase):
  @parameterized.product(
    online=(True, False), fixed=(True, False), block=(1, 50, 101, 2**16)
  )
  def test_scores_match_the_formulas_example_by_example(self, online, fixed, block):
    target, phi, _, _ = planted(3, models=9, examples=60)
    members = np.random.default_rng(5).random(phi.shape) < 0.4
    members[0], members[1] = True, False
    # One model alone on a side, on each of the sides.
    members[:, 0], members[:, 1] = np.arange(9) == 4, np.arange(9) != 2
    with mock.patch.object(scores, '_BLOCK_VALUES', block):
      found = scores.lira(target, phi, members, online=online, fixed_variance=fixed)
    expected = naive_lira(target, phi, members, online=online, fixed=fixed)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)

  @parameterized.product(models=(63, 64), online=(True, False))
  def test_variance_is_pooled_by_itself_below_64_models(self, models, online):
    *arguments, _ = planted(1, models=models, examples=20)
    found = scores.lira(*arguments, online=online)
    pooled, own = (
      scores.lira(*arguments, online=online, fixed_variance=fixed)
      for fixed in (True, False)
    )
    np.testing.assert_array_equal(found, pooled if models == 63 else own)
    self.assertGreater(np.abs(pooled - own).max(), 0.01)

  @parameterized.parameters(True, False)
  def test_online_scores_are_tf_privacys_with_this_variance(self, fixed):
    target, phi, members, _ = planted(2, models=11, examples=50)
    mia = stack.tf_privacy('privacy_tests.membership_inference_attack.advanced_mia')
    groups = []
    for which in (members, ~members):
      values = [phi[which[:, e], e] for e in range(50)]
      # It divides by counts, this project by degrees of freedom: residuals that are
      # larger by the root of the ratio make up for it.
      all_pooled = sum(map(len, values)) / sum(len(v) - 1 for v in values)
      ratios = [all_pooled if fixed else len(v) / (len(v) - 1) for v in values]
      pairs = zip(values, ratios, strict=True)
      stretched = (v.mean() + (v - v.mean()) * math.sqrt(r) for v, r in pairs)
      groups.append([v[:, None] for v in stretched])
    theirs = mia.compute_score_lira(
      target[:, None], *groups, fix_variance=fixed, median_or_mean='mean'
    )
    ours = scores.lira(target, phi, members, fixed_variance=fixed)
    np.testing.assert_allclose(ours, -theirs, rtol=1e-9, atol=1e-11)

  def test_pooled_variance_is_unbiased_with_few_models(self):
    _, phi, members, _ = planted(models=4, examples=20_000, shift=0)
    mean_out = np.where(members, 0, phi).sum(axis=0) / 2
    found = scores.lira(mean_out + 1, phi, members, online=False)
    # Noise has a standard deviation of 1; over counts it would come out as 0.7.
    np.testing.assert_allclose(found, stats.norm.logcdf(1), rtol=0.02)

  def test_planted_members_are_found_and_at_low_rates_beyond_one_threshold(self):
    target, phi, members, trained = planted(models=16, examples=6000)
    rates, aucs = {}, {}
    for name, values in (
      ('online', scores.lira(target, phi, members)),
      ('offline', scores.lira(target, phi, members, online=False)),
      ('own', scores.lira(target, phi, members, fixed_variance=False)),
      ('global', target),
    ):
      pair = values[trained], values[~trained]
      aucs[name] = metrics.auc(*pair)
      rates[name] = metrics.tpr_at_fpr(*pair, target_fpr=0.01).tpr
    self.assertGreater(aucs['online'], aucs['global'] + 0.15)
    self.assertGreater(aucs['offline'], aucs['global'] + 0.15)
    self.assertGreater(rates['online'], 5 * rates['global'])
    self.assertGreater(rates['online'], rates['own'])

  def test_confidence_raises_offline_scores_and_online_ones_of_one_variance(self):
    steps = np.linspace(-60, 60, 241)
    phi = np.repeat([[-1.0], [1.0], [2.0], [4.0]], len(steps), axis=1)
    members = np.repeat([[False], [False], [True], [True]], len(steps), axis=1)
    for online in (True, False):
      found = scores.lira(steps, phi, members, online=online)
      self.assertTrue((np.diff(found) > 0).all())
    # As long as there are digits for it, it is the logarithm of the probability.
    told = steps < 50
    expected = stats.norm.logcdf(steps[told], 0, math.sqrt(2))
    np.testing.assert_allclose(found[told], expected)

  @parameterized.product(online=(True, False), fixed=(True, False, None))
  def test_saturated_outputs_give_finite_scores(self, online, fixed):
    target, phi, members, _ = planted(4, models=8, examples=30)
    phi, target = phi.copy(), target.copy()
    phi[:, :5], target[:5] = 30.1, [30.1, 30.2, 29, -900, 900]
    found = scores.lira(target, phi, members, online=online, fixed_variance=fixed)
    self.assertTrue(np.isfinite(found).all())
    self.assertGreaterEqual(len(set(found)), 26)

  @parameterized.parameters(True, False)
  def test_models_without_any_difference_give_no_sign(self, fixed):
    target, phi, members, _ = planted(4, models=8, examples=30)
    members, phi = members.copy(), np.full_like(phi, 0.1)
    members[0] = True
    found = scores.lira(target, phi, members, fixed_variance=fixed)
    np.testing.assert_array_equal(found, np.zeros(30))
    found = scores.lira(target, phi, members, online=False, fixed_variance=fixed)
    np.testing.assert_array_equal(np.argsort(found), np.argsort(target))

  def test_standard_deviation_has_a_floor_relative_to_the_pooled_one(self):
    target, phi, members, _ = planted(4, models=8, examples=30)
    target, phi = target.copy(), phi.copy()
    phi[:, 0], target[0] = 5, 5.002
    found = scores.lira(target, phi, members, online=False, fixed_variance=False)
    outside = [phi[~members[:, e], e] for e in range(30)]
    pooled = math.sqrt(np.mean([v.var(ddof=1) for v in outside]))
    expected = stats.norm.logcdf(0.002 / (scores.MIN_SPREAD * pooled))
    self.assertAlmostEqual(found[0], expected, places=10)

  @parameterized.product(online=(True, False), fixed=(True, False))
  def test_single_models_tell_no_variance(self, online, fixed):
    *arguments, _ = planted(9, models=2, examples=20)
    with self.assertRaisesRegex(ValueError, 'no example has two OUT models.*add shad'):
      scores.lira(*arguments, online=online, fixed_variance=fixed)

  def test_wrong_inputs_are_named(self):
    target, phi, members, _ = planted(0, models=4, examples=6)
    broken = phi.copy()
    broken[[1, 2], 5] = np.nan
    for pattern, *arguments in (
      (r'got \(5,\), \(4, 6\) and \(4, 6\)', target[1:], phi, members),
      (r'got \(6,\), \(4, 6\) and \(3, 6\)', target, phi, members[1:]),
      (r'got \(6,\), \(6,\) and \(6,\)', target, phi[0], members[0]),
      (r'none empty, got', target, phi[:0], members[:0]),
      ('members: expected bool, got int64', target, phi, members.astype(np.int64)),
      (r'shadows: 2 of 24 .* not finite.*\(1, 5\)', target, broken, members),
      (r'target: 1 of 6 .*\(0,\)', np.r_[np.inf, target[1:]], phi, members),
    ):
      with self.assertRaisesRegex(ValueError, pattern):
        scores.lira(*arguments)


class RmiaTest(parameterized.TestCase):
  @parameterized.product(
    online=(True, False), gamma=(0.5, 1.0, 2.0), block=(1, 100, 2**16)
  )
  def test_scores_order_by_the_share_then_by_the_ratio(self, online, gamma, block):
    arguments, _ = planted_for('rmia', examples=80, population=150)
    with mock.patch.object(scores, '_BLOCK_VALUES', block):
      found = scores.rmia(*arguments, gamma=gamma, online=online)
    shares, ratios = naive_rmia(*arguments, gamma=gamma, online=online, a=0.3)
    self.assertGreater(len(set(shares)), 5)
    self.assertTrue(((shares <= found) & (found < shares + 0.5 / 150)).all())
    np.testing.assert_array_equal(np.argsort(found), np.lexsort((ratios, shares)))
    self.assertLen(set(found), len(found))

  def test_ratio_equal_to_gamma_does_not_count(self):
    # r(x) = 2, and r(z) is 1 for all, hence r(x) / r(z) = 2.
    fleet = np.array([0.5]), np.full((2, 1), 0.25), np.array([[True], [False]])
    others = np.full(4, 0.125), np.full((2, 4), 0.125)
    self.assertLess(scores.rmia(*fleet, *others, gamma=2)[0], 0.125)
    self.assertGreater(scores.rmia(*fleet, *others, gamma=1.9)[0], 1)

  @parameterized.parameters(True, False)
  def test_planted_members_are_found(self, online):
    arguments, trained = planted_for('rmia', models=16, examples=3000)
    found = auc(scores.rmia(*arguments, online=online), trained)
    self.assertGreater(found, auc(arguments[0], trained) + 0.05)
    self.assertGreater(found, 0.7)

  def test_larger_gamma_lowers_every_share(self):
    arguments, _ = planted_for('rmia', examples=100)
    low, high = (scores.rmia(*arguments, gamma=gamma) for gamma in (1, 2))
    self.assertTrue((high <= low).all())
    self.assertLess(high.mean(), low.mean() - 0.1)

  def test_confidence_raises_the_score(self):
    (_, shadows, members, *others), _ = planted_for('rmia', examples=60)
    shadows, members = (np.repeat(a[:, :1], 60, axis=1) for a in (shadows, members))
    steps = np.concatenate([np.logspace(-300, -2, 30), np.linspace(0.02, 1, 30)])
    for online in (True, False):
      found = scores.rmia(steps, shadows, members, *others, online=online)
      self.assertTrue((np.diff(found) > 0).all())

  def test_offline_a_matters_offline_alone(self):
    arguments, _ = planted_for('rmia', examples=100)
    for online in (True, False):
      one, other = (
        scores.rmia(*arguments, online=online, offline_a=a) for a in (0.2, 0.9)
      )
      self.assertEqual(np.array_equal(one, other), online)
    shares, _ = naive_rmia(*arguments, gamma=2, online=False, a=0.9)
    np.testing.assert_allclose(other, shares, atol=0.5 / 300)

  def test_vanishing_probabilities_give_finite_scores_in_order(self):
    target = np.array([0, 1e-300, 1e-30, 1e-30, 0.75, 1, 1])
    shadows = np.tile([0.5, 0.5, 0.5, 1e-30, 0.5, 1e-300, 0], (4, 1))
    members = np.tile([[True], [False]], (2, 7))
    others = np.array([0.9, 1e-30, 0, 0.5]), np.full((4, 4), 0.5)
    found = scores.rmia(target, shadows, members, *others)
    self.assertTrue((np.diff(found) > 0).all())
    # r(z) are 1.8, 2e-30, 0 and 1: how many of them are below r(x) / 2?
    np.testing.assert_array_equal(np.floor(found * 4), [0, 1, 1, 2, 2, 4, 4])
    lowest = scores.rmia(target, shadows, members, *others, gamma=1e-300)
    self.assertTrue(np.isfinite(lowest).all())

  def test_wrong_inputs_are_named(self):
    (target, shadows, members, z, z_shadows), _ = planted_for('rmia', examples=6)
    fleet = target, shadows, members
    broken = z.copy()
    broken[4] = np.nan
    for pattern, arguments, options in (
      (r'\(8, z\).*got \(299,\) and \(8, 300\)', (*fleet, z[1:], z_shadows), {}),
      (r'got \(300,\) and \(7, 300\)', (*fleet, z, z_shadows[1:]), {}),
      ('not empty', (*fleet, z[:0], z_shadows[:, :0]), {}),
      (r'got \(5,\), \(8, 6\)', (target[1:], *fleet[1:], z, z_shadows), {}),
      (r'population_target: 1 of 300 .*\(4,\)', (*fleet, broken, z_shadows), {}),
      ('population_shadows: expected prob', (*fleet, z, z_shadows * 3), {}),
      ('target: expected prob.* from -', (-target, *fleet[1:], z, z_shadows), {}),
      ('gamma .* got 0', (*fleet, z, z_shadows), {'gamma': 0}),
      ('offline_a .* got 1.5', (*fleet, z, z_shadows), {'offline_a': 1.5}),
    ):
      with self.assertRaisesRegex(ValueError, pattern):
        scores.rmia(*arguments, **options)


if __name__ == '__main__':
  absltest.main()
