import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attack_config import FLEET_ATTACKS, PER_EXAMPLE_ATTACKS, AttackConfig
from rnn_tf.attacks import fleet_attacks, metrics, shadow, transfer
from rnn_tf.attacks import scores as formulas
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.signals import Signals
from rnn_tf.errors import UsageError
from tests.attacks import planted_fleet

FAST = AttackConfig(attack_model='lr')

ATTACKED = {4: (0, 1, 2, 3), 5: (0, 1, 3, 4), 6: (0, 2, 3, 5), 9: (0, 3, 5, 8)}
"""Shadows of a fleet -> those that thresholds are chosen on."""


def settings(**changes):
  return {'config': FAST, 'class_count': 2, 'seed': 0} | changes


def attack(name, signals, shadows, **changes):
  return fleet_attacks.scores(name, signals, shadows, **settings(**changes))


def auc(scores):
  return metrics.auc(scores.members, scores.nonmembers)


def as_target(shadows, model):
  """A shadow's own members and non-members, as if it were the target."""
  sides = [
    shadows.side(model, which & shadows.usable)
    for which in (shadows.members[model], ~shadows.members[model])
  ]
  everything = np.arange(len(shadows.population_labels))
  population = dataclasses.replace(
    sides[0],
    ids=everything,
    labels=shadows.population_labels,
    logits=shadows.population_logits[model],
    hidden=None,
  )
  return Signals(*sides, population)


class TargetTest(parameterized.TestCase):
  @parameterized.parameters(*FLEET_ATTACKS)
  def test_planted_leak_is_found_and_more_of_it_better(self, name):
    aucs = [
      auc(attack(name, *planted_fleet.make(0, pool=400, leak=leak)).target)
      for leak in (0.0, 1.0, 3.0)
    ]
    half = 1.5 * metrics.null_half_width(200, 200)
    self.assertBetween(aucs[0], 0.5 - half, 0.5 + half)
    self.assertGreater(aucs[1], 0.5 + half)
    self.assertGreater(aucs[2], aucs[1] + 0.05)

  @parameterized.parameters('lira', 'lira_offline')
  def test_lira_looks_up_each_example_in_the_pool(self, name):
    signals, shadows = planted_fleet.make(1)
    made = attack(name, signals, shadows).target
    where = {example: column for column, example in enumerate(shadows.ids.tolist())}
    sides = (signals.members, signals.nonmembers)
    columns = [where[i] for side in sides for i in side.ids.tolist()]
    expected = formulas.lira(
      np.concatenate([formulas.logit_gap(s.logits, s.labels) for s in sides]),
      formulas.logit_gap(shadows.logits, shadows.labels)[:, columns],
      shadows.members[:, columns],
      online=name == 'lira',
      fixed_variance=True,
    )
    np.testing.assert_allclose(np.r_[made.members, made.nonmembers], expected)

  @parameterized.parameters('rmia', 'rmia_offline')
  def test_rmia_compares_with_the_population(self, name):
    signals, shadows = planted_fleet.make(1)
    config = dataclasses.replace(FAST, rmia_gamma=1.5, rmia_offline_a=0.6)
    made = attack(name, signals, shadows, config=config).target
    where = {example: column for column, example in enumerate(shadows.ids.tolist())}
    sides = (signals.members, signals.nonmembers)
    columns = [where[i] for side in sides for i in side.ids.tolist()]
    expected = formulas.rmia(
      np.concatenate([side.probs[np.arange(60), side.labels] for side in sides]),
      formulas.true_class_probability(shadows.logits, shadows.labels)[:, columns],
      shadows.members[:, columns],
      signals.population.probs[np.arange(80), signals.population.labels],
      formulas.true_class_probability(
        shadows.population_logits, shadows.population_labels
      ),
      gamma=1.5,
      online=name == 'rmia',
      offline_a=0.6,
    )
    np.testing.assert_allclose(np.r_[made.members, made.nonmembers], expected)

  def test_shadow_attack_scores_by_models_of_all_shadows(self):
    signals, shadows = planted_fleet.make(2)
    made = attack('shadow', signals, shadows)
    models = shadow.fit(shadows, **settings())
    np.testing.assert_array_equal(made.target.members, models.score(signals.members))
    np.testing.assert_array_equal(
      made.target.nonmembers, models.score(signals.nonmembers)
    )
    self.assertEqual(made.models.classes, models.classes)
    self.assertIsNone(attack('rmia', signals, shadows).models)

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_target_alone_is_scored_the_same(self, name):
    signals, shadows = planted_fleet.make(3)
    alone = fleet_attacks.target_scores(name, signals, shadows, **settings())
    both = attack(name, signals, shadows).target
    np.testing.assert_array_equal(alone.members, both.members)
    np.testing.assert_array_equal(alone.nonmembers, both.nonmembers)

  @parameterized.parameters('auto', 'per_example')
  def test_variance_is_decided_by_the_whole_fleet(self, variance):
    signals, shadows = planted_fleet.make(4, num_shadows=64, pool=40)
    config = AttackConfig(lira_variance=variance)
    settled = fleet_attacks.settled(config, shadows)
    self.assertEqual(settled.lira_variance, 'per_example')
    # With one shadow less `auto` would pool.
    rest = shadows.without(0)
    made, pooled = (
      fleet_attacks.target_scores('lira', signals, rest, **settings(config=each))
      for each in (settled, AttackConfig())
    )
    self.assertFalse(np.allclose(made.members, pooled.members))

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_target_without_examples_of_a_class_is_attacked(self, name):
    signals, shadows = planted_fleet.make(5, classes=3, pool=240)
    members = signals.members.select(signals.members.labels < 2)
    nonmembers = signals.nonmembers.select(signals.nonmembers.labels > 0)
    fewer = Signals(members, nonmembers, signals.population)
    made = attack(name, fewer, shadows, class_count=3).target
    self.assertTrue(np.isfinite(made.members).all())
    sizes = (len(made.members), len(made.nonmembers))
    self.assertEqual(sizes, (len(members), len(nonmembers)))

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_one_example_is_scored_as_among_many(self, name):
    signals, shadows = planted_fleet.make(6)
    config = dataclasses.replace(FAST, lira_variance='per_example')
    pick = np.array([7])
    one = Signals(
      signals.members.select(pick), signals.nonmembers.select(pick), signals.population
    )
    whole = attack(name, signals, shadows, config=config).target
    made = attack(name, one, shadows, config=config).target
    np.testing.assert_allclose(made.members, whole.members[pick])
    np.testing.assert_allclose(made.nonmembers, whole.nonmembers[pick])

  @parameterized.parameters(*PER_EXAMPLE_ATTACKS)
  def test_examples_that_are_not_the_pools_are_refused(self, name):
    signals, shadows = planted_fleet.make(7)
    strange = dataclasses.replace(signals.members, ids=signals.members.ids + 1)
    with self.assertRaisesRegex(ValueError, 'not in the fleet'):
      attack(name, dataclasses.replace(signals, members=strange), shadows)
    strange = dataclasses.replace(signals.members, labels=1 - signals.members.labels)
    with self.assertRaisesRegex(ValueError, "not those of the fleet's pool"):
      attack(name, dataclasses.replace(signals, members=strange), shadows)

  @parameterized.parameters('rmia', 'rmia_offline')
  def test_population_that_is_not_the_fleets_is_refused(self, name):
    signals, shadows = planted_fleet.make(7)
    with self.assertRaisesRegex(ValueError, 'population'):
      attack(name, dataclasses.replace(signals, population=None), shadows)
    for which in (slice(79), slice(None, None, -1)):
      strange = signals.population.select(np.arange(80)[which])
      with self.assertRaisesRegex(ValueError, "the fleet's population"):
        attack(name, dataclasses.replace(signals, population=strange), shadows)


class ThresholdsTest(parameterized.TestCase):
  @parameterized.product(name=PER_EXAMPLE_ATTACKS, num_shadows=(4, 5, 6, 9))
  def test_thresholds_are_those_of_shadows_attacked_one_by_one(self, name, num_shadows):
    signals, shadows = planted_fleet.make(0, num_shadows=num_shadows)
    pairs = []
    for model in ATTACKED[num_shadows]:
      gone = {model}
      # LiRA cannot do with two models, RMIA can; the last of an odd number is alone.
      if num_shadows > 4 or name.startswith('rmia'):
        gone.add(model ^ 1)
      rest = shadows.only([m for m in range(num_shadows) if m not in gone])
      made = fleet_attacks.target_scores(
        name, as_target(shadows, model), rest, **settings()
      )
      pairs.append((made.members, made.nonmembers))
    found = attack(name, signals, shadows).thresholds
    for one, other in zip(found, transfer.thresholds(pairs), strict=True):
      self.assertEqual((one.rule, one.target_fpr), (other.rule, other.target_fpr))
      self.assertAlmostEqual(one.value, other.value, places=9)

  @parameterized.product(split=('half', 'disjoint'), num_shadows=(2, 3, 4))
  def test_shadow_attack_holds_out_the_last_shadow(self, split, num_shadows):
    signals, shadows = planted_fleet.make(1, num_shadows=num_shadows, split=split)
    last = num_shadows - 1
    rest = {2: [0], 3: [0, 1], 4: [0, 1]}[num_shadows]
    models = shadow.fit(shadows.only(rest), **settings())
    sides = as_target(shadows, last)
    expected = transfer.thresholds(
      [(models.score(sides.members), models.score(sides.nonmembers))]
    )
    self.assertEqual(attack('shadow', signals, shadows).thresholds, expected)

  def test_shadow_attack_takes_as_many_out_as_in_examples(self):
    signals, shadows = planted_fleet.make(1)
    # The last shadow was trained on few.
    members = shadows.members.copy()
    members[-1] &= np.arange(120) % 4 == 0
    shadows = dataclasses.replace(shadows, members=members)
    seen = []
    original = transfer.thresholds
    self.enter_context(
      absltest.mock.patch.object(
        transfer, 'thresholds', lambda pairs: seen.extend(pairs) or original(pairs)
      )
    )
    attack('shadow', signals, shadows)
    attack('shadow', signals, shadows)
    attack('shadow', signals, shadows, seed=1)
    first, again, other = seen
    count = members[-1].sum()
    self.assertEqual([len(side) for side in first], [count, count])
    np.testing.assert_array_equal(first[1], again[1])
    self.assertFalse(np.array_equal(first[1], other[1]))

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_seed_decides_everything(self, name):
    world = planted_fleet.make(2)
    first, again = (attack(name, *world, seed=3) for _ in range(2))
    self.assertEqual(first.thresholds, again.thresholds)
    np.testing.assert_array_equal(first.target.members, again.target.members)

  @parameterized.parameters('threshold', 'entropy', 'shadow')
  def test_what_the_attacker_does_not_have_does_not_matter(self, name):
    signals, shadows = planted_fleet.make(3, split='disjoint')
    logits = shadows.logits.copy()
    logits[:, ~shadows.usable] = -40 * logits[:, ~shadows.usable]
    other = dataclasses.replace(shadows, logits=logits)
    if name == 'shadow':
      one, two = (attack(name, signals, fleet) for fleet in (shadows, other))
      self.assertEqual(one.thresholds, two.thresholds)
      np.testing.assert_array_equal(one.target.members, two.target.members)
    else:
      self.assertEqual(
        fleet_attacks.model_thresholds(name, shadows),
        fleet_attacks.model_thresholds(name, other),
      )

  @parameterized.product(name=('threshold', 'entropy'), split=('half', 'disjoint'))
  def test_thresholds_on_a_signal_are_those_of_all_shadows(self, name, split):
    _, shadows = planted_fleet.make(4, split=split)
    members, nonmembers = [], []
    for model in range(4):
      for row in range(120):
        side = shadows.side(model, np.array([row]))
        value = -{'threshold': side.losses, 'entropy': side.entropies}[name][0]
        if shadows.members[model, row]:
          members.append(value)
        elif shadows.usable[row]:
          nonmembers.append(value)
    expected = transfer.thresholds([(np.array(members), np.array(nonmembers))])
    self.assertEqual(fleet_attacks.model_thresholds(name, shadows), expected)

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_false_positives_are_kept_down_on_the_target(self, name):
    false = 0
    for seed in range(5):
      made = attack(name, *planted_fleet.make(seed, pool=600, num_shadows=6))
      target = made.target.members, made.target.nonmembers
      false += transfer.apply(made.thresholds, *target)[1].false_positives
    # 15 of 1,500 are asked for; thresholds of the one shadow held out stray more.
    self.assertBetween(false, 1, 45 if name == 'shadow' else 26)

  def test_fleet_that_leaks_nothing_is_not_thought_to_hide_members(self):
    # With the twin in the rest LiRA takes a shadow's members for non-members.
    rest, others = [], []
    for seed in range(4):
      _, shadows = planted_fleet.make(seed, pool=400, num_shadows=6, leak=0)
      for model in range(6):
        target = as_target(shadows, model)
        kept = fleet_attacks._rest('lira', shadows, model)
        fleets = (shadows.only(kept), shadows.without(model))
        for fleet, aucs in zip(fleets, (rest, others), strict=True):
          made = fleet_attacks.target_scores('lira', target, fleet, **settings())
          aucs.append(auc(made))
    half = metrics.null_half_width(200, 200) / np.sqrt(len(rest))
    self.assertLess(abs(np.mean(rest) - 0.5), half)
    self.assertLess(np.mean(others), 0.5 - 2 * half)


class TooSmallTest(parameterized.TestCase):
  @parameterized.product(name=PER_EXAMPLE_ATTACKS, num_shadows=(2, 3))
  def test_fleet_without_a_rest_to_attack_with_is_refused(self, name, num_shadows):
    world = planted_fleet.make(0, num_shadows=num_shadows)
    with self.assertRaises(UsageError) as caught:
      attack(name, *world)
    text = str(caught.exception)
    self.assertStartsWith(text, f'--num_shadows={num_shadows}: too few for {name}: ')
    self.assertEndsWith(text, 'give at least 4, best an even number')
    self.assertNotIn('\n', text)

  @parameterized.product(
    name=PER_EXAMPLE_ATTACKS, num_shadows=(4, 5, 7), variance=('fixed', 'per_example')
  )
  def test_four_and_more_are_enough(self, name, num_shadows, variance):
    made = attack(
      name,
      *planted_fleet.make(0, num_shadows=num_shadows),
      config=AttackConfig(lira_variance=variance),
    )
    for scores in (made.target.members, made.target.nonmembers):
      self.assertTrue(np.isfinite(scores).all())
    self.assertLen(made.thresholds, 1 + len(metrics.TARGET_FPRS))

  @parameterized.parameters(
    ('shadow', True),
    ('rmia', True),
    ('rmia_offline', True),
    ('lira', False),
    ('lira_offline', False),
  )
  def test_two_shadows_attack_a_target_where_they_can(self, name, able):
    signals, shadows = planted_fleet.make(0, num_shadows=2)
    found = fleet_attacks.obstacle(name, signals, shadows)
    self.assertEqual(found is None, able)
    if able:
      made = fleet_attacks.target_scores(name, signals, shadows, **settings())
      self.assertIsInstance(made, AttackScores)
    else:
      with self.assertRaisesRegex(
        UsageError, r'--num_shadows=2: .*tells of no variance'
      ):
        fleet_attacks.target_scores(name, signals, shadows, **settings())

  @parameterized.parameters(*PER_EXAMPLE_ATTACKS)
  def test_target_without_examples_is_no_small_fleet(self, name):
    signals, shadows = planted_fleet.make(0)
    nobody = signals.members.select(np.zeros(0, int))
    empty = Signals(nobody, nobody, signals.population)
    self.assertIsNone(fleet_attacks.obstacle(name, empty, shadows))


if __name__ == '__main__':
  absltest.main()
