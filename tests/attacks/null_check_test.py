import dataclasses
import functools
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attack_config import ATTACKS, AttackConfig
from rnn_tf.attacks import fleet_attacks, metrics, null_check, results, trained
from rnn_tf.attacks.null_check import ANOTHER_MODEL, PERMUTED, NullCheck
from rnn_tf.attacks.signals import Signals
from rnn_tf.errors import UsageError
from tests.attacks import planted_fleet

SIDES = {'half': 'holdout', 'disjoint': 'test'}
"""Split of the fleet -> where non-members come from."""

ANYWHERE = ('threshold', 'entropy', 'lr', 'shadow')
"""Attacks that either split allows, without the slow ones."""


def settings(**changes):
  config = AttackConfig(attack_model='lr')
  return {'config': config, 'class_count': 2, 'seed': 0} | changes


def check(attacks, world, *, split='half', **changes):
  return null_check.checks(
    attacks, *world, nonmembers=SIDES[split], **settings(**changes)
  )


def by_kind(found, kind):
  return [each for each in found if each.kind == kind]


@functools.cache
def runs(name, split, shift=0.0):
  """Checks of 20 fleets that leak, whose sides differ by themselves by `shift`."""
  # A tree more or less makes no difference here, but takes its time.
  forest = trained.ESTIMATORS['rf']
  small = lambda *args: forest(*args).set_params(n_estimators=10, n_jobs=1)  # noqa: E731
  with absltest.mock.patch.dict(trained.ESTIMATORS, rf=small):
    return [
      check(
        (name,),
        planted_fleet.make(
          seed, pool=360 if shift else 120, leak=2.0, split=split, shift=shift
        ),
        split=split,
        seed=seed,
      )
      for seed in range(20)
    ]


class ChecksTest(parameterized.TestCase):
  @parameterized.parameters(
    *((name, 'half') for name in ATTACKS), *((name, 'disjoint') for name in ANYWHERE)
  )
  def test_nothing_is_found_where_there_is_nothing(self, name, split):
    # Of 20 checks more than 4 fail with a chance of 1 in 400.
    for kind in (PERMUTED, ANOTHER_MODEL):
      found = by_kind(sum(runs(name, split), ()), kind)
      self.assertLen(found, 20)
      self.assertGreaterEqual(sum(each.holds for each in found), 16)
      # None of them is so by construction.
      self.assertGreater(np.std([each.auc for each in found]), 0.01)

  @parameterized.parameters(*((name, split) for name in ANYWHERE for split in SIDES))
  def test_sides_that_differ_by_themselves_are_told(self, name, split):
    found = runs(name, split, 3.0)
    self.assertGreaterEqual(sum(e.holds for e in by_kind(sum(found, ()), PERMUTED)), 16)
    others = by_kind(sum(found, ()), ANOTHER_MODEL)
    self.assertGreaterEqual(sum(not e.holds and e.auc > 0.5 for e in others), 18)

  @parameterized.parameters('lira', 'lira_offline')
  def test_attack_that_compares_each_example_with_itself_is_not_misled(self, name):
    others = by_kind(sum(runs(name, 'half', 3.0), ()), ANOTHER_MODEL)
    self.assertGreaterEqual(sum(each.holds for each in others), 16)

  def test_every_attack_is_checked_in_both_ways_in_order(self):
    attacks = ('rmia', 'threshold', 'lr', 'shadow')
    found = check(attacks, planted_fleet.make(0))
    self.assertEqual(
      [(each.attack, each.kind) for each in found],
      [(name, kind) for name in attacks for kind in (PERMUTED, ANOTHER_MODEL)],
    )

  def test_attack_has_the_same_checks_whatever_is_checked_beside(self):
    world = planted_fleet.make(0)
    alone = check(('lr',), world)
    self.assertEqual(check(('entropy', 'lr', 'rmia'), world)[2:4], alone)
    self.assertNotEqual(check(('lr',), world, seed=1), alone)

  def test_trained_attacks_have_the_wider_interval(self):
    for name in ('threshold', 'entropy', 'lr', 'knn', 'rmia'):
      for found in check((name,), planted_fleet.make(0)):
        folds = results.FOLDS if name in results.TRAINED_ATTACKS else 1
        sizes = (found.n_members, found.n_nonmembers)
        half = metrics.null_half_width(*sizes, folds=folds)
        self.assertEqual(found.half_width, half)

  def test_place_of_non_members_is_one_of_two(self):
    with self.assertRaisesRegex(UsageError, '--nonmembers=tset: .*mean test'):
      null_check.checks(
        ('threshold',), *planted_fleet.make(0), nonmembers='tset', **settings()
      )


class PermutedTest(parameterized.TestCase):
  # In a balanced fleet rmia takes the mean over all models, whoever is IN, and the
  # ranks of rmia_offline on so few examples hardly depend on who is OUT.
  @parameterized.parameters('shadow', 'lira', 'lira_offline')
  def test_fleet_learns_from_the_permuted_membership(self, name):
    world = planted_fleet.make(0)
    found = by_kind(check((name,), world), PERMUTED)[0]
    scores = fleet_attacks.target_scores(name, *world, **settings())
    both = np.concatenate([scores.members, scores.nonmembers])
    order = np.random.default_rng([0, null_check._ORDER_CHILD]).permutation(len(both))
    # The scores of the true memberships, dealt out anew, are of another attack.
    self.assertNotAlmostEqual(
      found.auc, metrics.auc(both[order][:60], both[order][60:]), places=6
    )
    self.assertEqual((found.n_members, found.n_nonmembers), (60, 60))

  def test_what_the_target_was_trained_on_stays_out_of_disjoint_shadows(self):
    signals, shadows = planted_fleet.make(1, split='disjoint')
    dealt = null_check._Permuted.of(signals, shadows, seed=0).shadows
    self.assertFalse(dealt.members[:, ~shadows.usable].any())
    np.testing.assert_array_equal(dealt.members.sum(1), shadows.members.sum(1))
    self.assertFalse(np.array_equal(dealt.members, shadows.members))

  def test_membership_is_dealt_out_over_both_sides(self):
    signals, shadows = planted_fleet.make(1, split='disjoint')
    found = by_kind(
      check(('threshold',), (signals, shadows), split='disjoint'), PERMUTED
    )
    self.assertEqual((found[0].n_members, found[0].n_nonmembers), (60, 80))
    order = np.random.default_rng([0, null_check._ORDER_CHILD]).permutation(140)
    losses = np.r_[signals.members.losses, signals.nonmembers.losses][order]
    self.assertEqual(found[0].auc, metrics.auc(-losses[:60], -losses[60:]))

  def test_trained_attack_learns_from_the_permuted_membership(self):
    # Learned from the true one and then permuted, scores would be all but null as
    # well; learned from permuted ones they are of another attack.
    signals, shadows = planted_fleet.make(2, leak=6.0)
    seen = []
    original = trained.scores

    def spy(name, members, nonmembers, *, seed):
      made = original(name, members, nonmembers, seed=seed)
      seen.append((members, made))
      return made

    with absltest.mock.patch.object(trained, 'scores', spy):
      found = check(('lr',), (signals, shadows))
    features = trained.features(signals.members)
    shared = sum((row == features).all(axis=1).any() for row in seen[0][0])
    self.assertBetween(shared, 15, 45)
    made = seen[0][1]
    self.assertEqual(found[0].auc, metrics.auc(made.members, made.nonmembers))


class AnotherModelTest(parameterized.TestCase):
  def unseen(self, world, model, *, split='half'):
    """A shadow's signals by hand, without what it was trained on."""
    signals, shadows = world
    in_pool = shadows.ids.tolist()
    sides = []
    for side in (signals.members, signals.nonmembers):
      if side is signals.population and split == 'disjoint':
        logits = shadows.population_logits[model]
        sides.append(dataclasses.replace(side, logits=logits, hidden=None))
        continue
      columns = [in_pool.index(i) for i in side.ids.tolist()]
      columns = [c for c in columns if not shadows.members[model, c]]
      sides.append(shadows.side(model, np.array(columns)))
    population = dataclasses.replace(
      signals.population, logits=shadows.population_logits[model], hidden=None
    )
    return Signals(*sides, population)

  @parameterized.product(
    world=(('half', 4), ('disjoint', 4), ('half', 5)), name=('threshold', 'shadow')
  )
  def test_shadow_is_attacked_on_what_it_was_not_trained_on(self, world, name):
    split, num_shadows = world
    world = planted_fleet.make(3, split=split, num_shadows=num_shadows, leak=3.0)
    models = set()
    for seed in range(8):
      found = by_kind(check((name,), world, split=split, seed=seed), ANOTHER_MODEL)[0]
      for model in range(num_shadows):
        seen = self.unseen(world, model, split=split)
        if name == 'threshold':
          aucs = metrics.auc(-seen.members.losses, -seen.nonmembers.losses)
        else:
          made = fleet_attacks.target_scores(
            name, seen, world[1].without(model), **settings(seed=seed)
          )
          aucs = metrics.auc(made.members, made.nonmembers)
        sizes = (len(seen.members), len(seen.nonmembers))
        if (aucs, *sizes) == (found.auc, found.n_members, found.n_nonmembers):
          models.add(model)
          break
      else:
        self.fail(f'seed {seed}: no shadow gives {found}')
    self.assertGreater(len(models), 1)

  @parameterized.product(
    name=('lira', 'lira_offline', 'rmia', 'rmia_offline'), num_shadows=(4, 6)
  )
  def test_shadow_is_attacked_with_the_fleet_without_it(self, name, num_shadows):
    signals, shadows = planted_fleet.make(4, leak=3.0, num_shadows=num_shadows)
    found = by_kind(check((name,), (signals, shadows)), ANOTHER_MODEL)[0]
    aucs = []
    for model, members in enumerate(shadows.members):
      of_model = shadows.population_logits[model]
      # Out of the whole pool's scores, example by example.
      everything = np.arange(len(shadows.ids))
      target = Signals(
        shadows.side(model, everything),
        shadows.side(model, everything[:0]),
        dataclasses.replace(signals.population, logits=of_model, hidden=None),
      )
      made = fleet_attacks.target_scores(
        name, target, shadows.without(model), **settings()
      )
      unseen = {
        example: score
        for example, score, seen in zip(shadows.ids, made.members, members, strict=True)
        if not seen
      }
      sides = (
        np.array([unseen[i] for i in side.ids.tolist() if i in unseen])
        for side in (signals.members, signals.nonmembers)
      )
      aucs.append(round(metrics.auc(*sides), 9))
    self.assertIn(round(found.auc, 9), aucs)
    self.assertLen(set(aucs), num_shadows)

  def test_members_that_no_shadow_was_trained_on_are_all_attacked(self):
    world = planted_fleet.make(5, split='disjoint')
    for found in check(('threshold',), world, split='disjoint'):
      self.assertEqual((found.n_members, found.n_nonmembers), (60, 80))

  def test_non_members_in_another_order_than_the_population_are_refused(self):
    signals, shadows = planted_fleet.make(6, split='disjoint')
    turned = signals.nonmembers.select(np.arange(80)[::-1])
    world = (dataclasses.replace(signals, nonmembers=turned), shadows)
    with self.assertRaisesRegex(ValueError, "80 of the fleet's population"):
      check(('threshold',), world, split='disjoint')

  def test_members_that_are_not_in_the_pool_are_refused(self):
    signals, shadows = planted_fleet.make(6, split='disjoint')
    members = dataclasses.replace(signals.members, ids=signals.members.ids + 1)
    world = (dataclasses.replace(signals, members=members), shadows)
    with self.assertRaisesRegex(ValueError, "not in the fleet's pool"):
      check(('threshold',), world, split='disjoint')


class LeftOutTest(parameterized.TestCase):
  def test_trained_attack_is_left_out_where_examples_are_too_few(self):
    signals, shadows = planted_fleet.make(0)
    few = Signals(
      signals.members.select(np.arange(12)), signals.nonmembers, signals.population
    )
    found = check(('lr', 'threshold'), (few, shadows))
    # About half of the members are not the shadow's own.
    self.assertEqual(
      [(each.attack, each.kind) for each in found],
      [('lr', PERMUTED), ('threshold', PERMUTED), ('threshold', ANOTHER_MODEL)],
    )

  @parameterized.parameters(*ATTACKS)
  def test_target_without_members_has_no_checks(self, name):
    signals, shadows = planted_fleet.make(0)
    nobody = signals.members.select(np.zeros(0, int))
    world = (dataclasses.replace(signals, members=nobody), shadows)
    self.assertEqual(check((name,), world), ())

  @parameterized.parameters(('half', 2), ('disjoint', 1))
  def test_hidden_states_of_the_population_are_not_there(self, split, expected):
    config = AttackConfig(attack_model='lr', attack_features=('hidden',))
    world = planted_fleet.make(0, split=split)
    found = check(('shadow',), world, split=split, config=config)
    self.assertLen(found, expected)
    self.assertEqual(found[0].kind, PERMUTED)


class NullCheckTest(parameterized.TestCase):
  def make(self, auc, kind=ANOTHER_MODEL):
    return NullCheck(
      attack='lr', kind=kind, auc=auc, half_width=0.02, n_members=9, n_nonmembers=8
    )

  @parameterized.parameters((0.5, True), (0.519, True), (0.479, False), (0.6, False))
  def test_check_holds_inside_its_interval(self, auc, holds):
    self.assertEqual(self.make(auc).holds, holds)

  def test_json_round_trip_is_exact(self):
    for found in check(('threshold', 'rmia'), planted_fleet.make(0)):
      text = json.dumps(found.to_json(), allow_nan=False)
      self.assertEqual(NullCheck.from_json(json.loads(text)), found)

  @parameterized.parameters((0.45, 'understate'), (0.55, 'overstate'))
  def test_sides_that_differ_are_warned_of_with_the_way_out(self, auc, errs):
    lines = null_check.warnings([self.make(auc), self.make(0.5)])
    self.assertLen(lines, 1)
    self.assertNotIn('\n', lines[0])
    for part in (f'lr: AUC {auc:.4f}', 'differ by themselves', f'{errs} membership'):
      self.assertIn(part, lines[0])
    self.assertIn('--nonmembers=holdout', lines[0])

  def test_attack_that_finds_what_is_not_there_is_warned_of(self):
    lines = null_check.warnings([self.make(0.45, PERMUTED)])
    self.assertRegex(lines[0], 'lr: AUC 0.4500 with permuted membership.*other seeds')

  def test_nothing_is_said_where_all_holds(self):
    self.assertEqual(null_check.warnings([self.make(0.5), self.make(0.51)]), [])


if __name__ == '__main__':
  absltest.main()
