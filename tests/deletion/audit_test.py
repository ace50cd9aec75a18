import dataclasses
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import metrics, scores, trained
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import audit, results
from rnn_tf.deletion.results import Version

CLASSES = 3
POOL = 2400
TRAIN = 1500
TEST = 300

ALL = ('threshold', 'lr', 'lira')


class World:
  """A pool of unequal examples, and models that memorise what they are trained on."""

  def __init__(self, seed=0, *, leak=3.0, noise=0.3):
    self.rng = np.random.default_rng(seed)
    self.leak, self.noise = leak, noise
    self.labels = self.rng.integers(0, CLASSES, POOL + TEST)
    self.logits = self.rng.normal(0, 1.5, (POOL + TEST, CLASSES))
    # Not where the examples are in the arrays.
    self.ids = 3 * np.arange(POOL + TEST) + 1

  def model(self, trained_on):
    """Logits of all examples under a new model."""
    logits = self.logits + self.rng.normal(0, self.noise, self.logits.shape)
    logits[trained_on, self.labels[trained_on]] += self.leak
    return logits.astype(np.float32)

  def side(self, logits, rows):
    return Side(self.ids[rows], self.labels[rows], logits[rows])

  def versions(
    self, methods, *, seed=0, size=500, forget='uniform', unseen=slice(TRAIN, POOL)
  ):
    """One version a method; the first examples of a random order are deleted."""
    order = np.random.default_rng([seed, size]).permutation(TRAIN)
    gone, kept = np.sort(order[:size]), np.sort(order[size:])
    everything = np.arange(TRAIN)
    original, sharded = self.model(everything), self.model(everything)
    made = {'original': original, 'none': original, 'sharded_original': sharded}
    return [
      Version(
        seed=seed,
        forget=forget,
        method=method,
        run=f'{method}-{seed}',
        forgotten=self.side(logits, gone),
        retained=self.side(logits, kept),
        unseen=self.side(logits, unseen),
        test=self.side(logits, slice(POOL, None)),
      )
      for method in methods
      for logits in [made[method] if method in made else self.model(kept)]
    ]

  def shadows(self, count=8):
    members = np.zeros((count, POOL), bool)
    for model in range(count):
      half = self.rng.permutation(POOL) < POOL // 2
      members[model] = half if model % 2 == 0 else ~members[model - 1]
    logits = np.array([self.model(np.flatnonzero(row)) for row in members])
    return Shadows(
      ids=self.ids[:POOL],
      labels=self.labels[:POOL],
      usable=np.ones(POOL, bool),
      members=members,
      logits=logits[:, :POOL],
      hidden=None,
      population_labels=self.labels[POOL:],
      population_logits=logits[:, POOL:],
      train_accuracy=np.ones(count),
      test_accuracy=np.ones(count),
    )


def run(versions, attacks=('threshold',), *, shadows=None, seed=0):
  return audit.run(versions, attacks=attacks, shadows=shadows, seed=seed)


def keyed(found, *names):
  """Returns results by the values of these attributes, each of them once."""
  made = {tuple(getattr(each, name) for name in names): each for each in found}
  assert len(made) == len(found)
  return made


METHODS = ('original', 'sharded_original', 'retrain', 'twin', 'none', 'sharded')


class PlantedTest(parameterized.TestCase):
  """Three seeds of versions that memorise, with all that is to be found of them."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    world = World()
    cls.versions = [v for seed in range(3) for v in world.versions(METHODS, seed=seed)]
    cls.findings = run(cls.versions, ALL, shadows=world.shadows())

  def test_everything_is_there_in_order(self):
    found = self.findings
    self.assertEqual(
      [(each.method, each.seed) for each in found.versions],
      [(method, seed) for method in METHODS for seed in range(3)],
    )
    self.assertEqual([each.method for each in found.pooled], list(METHODS))
    for each in (*found.versions, *found.pooled):
      self.assertEqual(tuple(one.attack for one in each.attacks), ALL)
    self.assertEqual(
      [(each.method, each.attack) for each in found.verdicts],
      [(m, attack) for m in METHODS if m != 'retrain' for attack in ALL],
    )
    self.assertEqual(
      [(each.method, each.attack) for each in found.collateral],
      [(m, attack) for m in METHODS[2:] for attack in ALL],
    )
    self.assertSameElements(
      keyed(found.two_versions, 'method', 'features'),
      [
        (m, features)
        for m in METHODS[2:]
        for features in ('difference', 'sorted difference', 'concatenation')
      ],
    )
    self.assertEqual(
      [(each.attack, each.method) for each in found.histograms],
      [(attack, m) for attack in ('threshold', 'lira') for m in METHODS],
    )

  @parameterized.parameters(*ALL)
  def test_original_gives_away_what_the_retrain_does_not(self, attack):
    pooled = keyed(self.findings.pooled, 'method')
    at = ALL.index(attack)
    for method, member in (
      ('original', True),
      ('sharded_original', True),
      ('none', True),
      ('retrain', False),
      ('twin', False),
      ('sharded', False),
    ):
      found = pooled[method,].attacks[at]
      self.assertGreater(found.retained.low, 0.7)
      if member:
        self.assertGreater(found.forgotten.low, 0.7)
        self.assertGreater(found.hits[0].tpr.value, 0.05)
      else:
        self.assertBetween(found.forgotten.value, 0.46, 0.54)
        self.assertLess(found.hits[0].tpr.value, 0.03)
      self.assertEqual(
        (found.forgotten.n_first, found.forgotten.n_second), (1500, 2700)
      )

  def test_accuracies_tell_what_was_trained_on(self):
    pooled = keyed(self.findings.pooled, 'method')
    original, retrain = pooled['original',], pooled['retrain',]
    self.assertEqual((original.train.n, retrain.train.n), (4500, 3000))
    self.assertGreater(original.forgotten.value, retrain.forgotten.value + 0.2)
    self.assertEqual(retrain.test.n, 900)
    self.assertEqual(retrain.runs, ('retrain-0', 'retrain-1', 'retrain-2'))

  @parameterized.parameters(*ALL)
  def test_controls_are_judged_right(self, attack):
    verdicts = keyed(self.findings.verdicts, 'method', 'attack')
    for method in ('original', 'sharded_original', 'none'):
      found = verdicts[method, attack]
      self.assertEqual(found.word, results.NOT_FORGOTTEN)
      self.assertGreater(found.comparison.value, 0.2)
    for method in ('twin', 'sharded'):
      self.assertNotEqual(verdicts[method, attack].word, results.NOT_FORGOTTEN)
    self.assertEqual(verdicts['twin', 'threshold'].word, results.FORGOTTEN)
    self.assertEqual(verdicts['sharded', 'threshold'].word, results.FORGOTTEN)
    of_seeds = verdicts['twin', attack].comparison
    self.assertEqual([each.seed for each in of_seeds.seeds], [0, 1, 2])
    self.assertEqual((of_seeds.n_forgotten, of_seeds.n_unseen), (1500, 2700))

  def test_learned_attack_has_the_same_folds_for_all_versions(self):
    verdicts = keyed(self.findings.verdicts, 'method', 'attack')
    # The original, and the original again under another name.
    self.assertEqual(
      verdicts['none', 'lr'].comparison, verdicts['original', 'lr'].comparison
    )
    collateral = keyed(self.findings.collateral, 'method', 'attack')['none', 'lr']
    self.assertEqual((collateral.comparison.low, collateral.comparison.high), (0, 0))
    self.assertEqual(collateral.newly_exposed, 0)
    self.assertGreater(collateral.exposed_before, 0)

  def test_learned_attack_is_made_twice_and_has_the_intervals_of_two_folds(self):
    pair = [v for v in self.versions if v.seed == 0 and v.method in METHODS[:3:2]]
    learned = trained.scores
    with mock.patch.object(trained, 'scores', wraps=learned) as called:
      found = run(pair, ('lr',))
    calls = called.call_args_list[:4]
    expected = []
    for call in calls:
      scored = learned(*call.args, **call.kwargs)
      expected.append(metrics.auc_interval(scored.members, scored.nonmembers, folds=2))
    aucs = [
      auc
      for each in found.versions
      for auc in (each.attacks[0].forgotten, each.attacks[0].retained)
    ]
    self.assertEqual([(auc.value, auc.low, auc.high) for auc in aucs], expected)
    self.assertEqual([auc.n_first for auc in aucs], [500, 1000, 500, 1000])
    seeds = [call.kwargs['seed'] for call in calls]
    self.assertEqual(seeds[:2], seeds[2:])
    self.assertNotEqual(seeds[0], seeds[1])

  def test_both_versions_together_tell_what_was_deleted(self):
    found = keyed(self.findings.two_versions, 'method', 'features')
    for method in ('retrain', 'twin', 'sharded'):
      for features in ('difference', 'sorted difference', 'concatenation'):
        one = found[method, features]
        self.assertGreater(one.pooled.low, 0.8)
        self.assertLen(one.seeds, 3)
        self.assertAlmostEqual(one.pooled.value, np.mean([s.value for s in one.seeds]))
    self.assertEqual(found['none', 'difference'].pooled.value, 0.5)
    self.assertGreater(found['none', 'concatenation'].pooled.low, 0.7)

  def test_histogram_of_the_threshold_is_of_log_odds(self):
    made = keyed(self.findings.histograms, 'method', 'attack')
    for attack in ('threshold', 'lira'):
      self.assertLen({made[method, attack].edges for method in METHODS}, 1)
    gaps = np.concatenate(
      [
        scores.logit_gap(side.logits, side.labels)
        for version in self.versions
        for side in (version.forgotten, version.unseen)
      ]
    )
    edges = made['retrain', 'threshold'].edges
    np.testing.assert_allclose((edges[0], edges[-1]), np.percentile(gaps, (0.5, 99.5)))

  def test_numbers_do_not_depend_on_what_is_audited_beside(self):
    beside = World(1).versions(METHODS, seed=1, forget='other')
    some = [v for v in self.versions if v.method in ('retrain', 'original')]
    found = keyed(run([*beside, *some], ('lr',)).pooled, 'forget', 'method')
    whole = keyed(self.findings.pooled, 'method')
    for method in ('retrain', 'original'):
      self.assertEqual(
        found['uniform', method].attacks[0], whole[method,].attacks[ALL.index('lr')]
      )

  def test_seed_decides_the_folds(self):
    pair = [v for v in self.versions if v.seed == 0 and v.method == 'retrain']
    one, again, other = (
      run(pair, ('threshold', 'lr'), seed=seed).versions[0].attacks
      for seed in (0, 0, 1)
    )
    self.assertEqual(one, again)
    self.assertEqual(one[0], other[0])
    self.assertNotEqual(one[1], other[1])

  def test_what_is_computed_of_a_version_is_not_kept(self):
    for version in self.versions:
      for name in ('forgotten', 'retained', 'unseen', 'test'):
        self.assertNotIn('log_probs', vars(getattr(version, name)))


class SeedsTest(absltest.TestCase):
  def test_verdict_is_of_the_seeds_that_both_have(self):
    world = World()
    versions = [
      *world.versions(('original', 'retrain', 'twin'), seed=0, size=50),
      *world.versions(('original', 'twin'), seed=1, size=60),
      *world.versions(('retrain', 'twin'), seed=2, size=70),
    ]
    found = run(versions)
    verdicts = keyed(found.verdicts, 'method')
    of_twin, of_original = (verdicts[m,].comparison for m in ('twin', 'original'))
    self.assertEqual([each.seed for each in of_twin.seeds], [0, 2])
    self.assertEqual(of_twin.n_forgotten, 120)
    self.assertEqual([each.seed for each in of_original.seeds], [0])
    collateral = keyed(found.collateral, 'method')
    of_seeds = collateral['twin',].comparison.seeds
    self.assertEqual([each.seed for each in of_seeds], [0, 1])
    two = keyed(found.two_versions, 'method', 'features')
    self.assertLen(two['twin', 'difference'].seeds, 2)
    self.assertEqual(two['retrain', 'difference'].pooled.n_first, 50)
    self.assertLen(keyed(found.pooled, 'method')['twin',].runs, 3)

  def test_without_a_reference_there_is_no_verdict(self):
    found = run(World().versions(('original', 'twin', 'none'), size=50))
    self.assertEqual(found.verdicts, ())
    self.assertLen(found.collateral, 2)

  def test_sharded_versions_are_compared_with_the_sharded_original(self):
    found = run(World().versions(('original', 'retrain', 'sharded'), size=50))
    self.assertEqual([each.method for each in found.collateral], ['retrain'])
    self.assertEqual({each.method for each in found.two_versions}, {'retrain'})


class SmallTest(parameterized.TestCase):
  def test_few_deleted_examples_are_not_enough_to_say(self):
    found = run(World().versions(('retrain', 'twin'), size=12), ('threshold', 'lr'))
    self.assertLen(found.verdicts, 2)
    for verdict in found.verdicts:
      self.assertEqual(verdict.word, results.NOT_ENOUGH_DATA)
      if verdict.needed is not None:
        self.assertGreater(verdict.needed, 12)
    self.assertTrue(any(verdict.needed for verdict in found.verdicts))

  def test_single_example_is_audited_but_for_what_learns(self):
    world = World()
    versions = [
      version
      for seed in range(2)
      for version in world.versions(('original', 'retrain', 'none'), seed=seed, size=1)
    ]
    found = run(versions, ALL, shadows=world.shadows())
    self.assertEqual(found.two_versions, ())
    for each in (*found.versions, *found.pooled):
      names = tuple(one.attack for one in each.attacks)
      self.assertEqual(names, ('threshold', 'lira'))
    self.assertLen(found.verdicts, 4)
    for verdict in found.verdicts:
      self.assertEqual(verdict.word, results.NOT_ENOUGH_DATA)
      self.assertEqual(verdict.comparison.n_forgotten, 2)
    self.assertLen(found.collateral, 4)
    self.assertLen(found.histograms, 6)

  def test_one_small_seed_leaves_the_learned_attack_out_for_the_forget_set(self):
    world = World()
    versions = [
      *world.versions(('original', 'retrain'), seed=0, size=trained.MIN_EXAMPLES),
      *world.versions(('original', 'retrain'), seed=1, size=trained.MIN_EXAMPLES - 1),
      *world.versions(('original', 'retrain'), forget='other', size=20),
    ]
    found = run(versions, ('threshold', 'lr'))
    lengths = {each.forget: len(each.attacks) for each in found.pooled}
    self.assertEqual(lengths, {'uniform': 1, 'other': 2})
    self.assertEqual({each.forget for each in found.two_versions}, {'other'})


class FleetTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.world = World()
    self.versions = self.world.versions(('original', 'retrain'), size=100)
    self.shadows = self.world.shadows(6)

  def expected(self, version, shadows, *, online):
    sides = (version.forgotten, version.retained, version.unseen)
    columns = [
      shadows.ids.tolist().index(i) for side in sides for i in side.ids.tolist()
    ]
    values = scores.lira(
      np.concatenate([scores.logit_gap(s.logits, s.labels) for s in sides]),
      scores.logit_gap(shadows.logits, shadows.labels)[:, columns],
      shadows.members[:, columns],
      online=online,
      fixed_variance=True,
    )
    forgotten, retained, unseen = np.split(values, [100, TRAIN])
    return metrics.auc(forgotten, unseen), metrics.auc(retained, unseen)

  def check(self, shadows, *, online):
    found = run(self.versions, ('lira',), shadows=shadows)
    for version, made in zip(self.versions, found.versions, strict=True):
      forgotten, retained = self.expected(version, shadows, online=online)
      self.assertAlmostEqual(made.attacks[0].forgotten.value, forgotten, places=12)
      self.assertAlmostEqual(made.attacks[0].retained.value, retained, places=12)

  def test_lira_looks_up_each_example_in_the_pool(self):
    self.check(self.shadows, online=True)

  def test_example_without_a_model_with_it_is_attacked_offline(self):
    members = self.shadows.members.copy()
    members[:, TRAIN + 5] = False  # One of H, which both versions have.
    self.check(dataclasses.replace(self.shadows, members=members), online=False)

  def test_shadows_are_looked_at_once(self):
    with mock.patch.object(audit, 'logit_gap', wraps=scores.logit_gap) as called:
      run(self.versions, ('threshold', 'lira'), shadows=self.shadows)
    shapes = [call.args[0].ndim for call in called.call_args_list]
    self.assertEqual(shapes.count(3), 1)

  def test_fleet_that_does_not_fit_is_refused(self):
    with self.assertRaisesRegex(ValueError, 'needs shadow models'):
      run(self.versions, ('lira',))
    with self.assertRaisesRegex(ValueError, 'too few shadow models.*no variance'):
      run(self.versions, ('lira',), shadows=self.shadows.only(slice(2)))
    moved = dataclasses.replace(self.shadows, ids=self.shadows.ids + 1)
    with self.assertRaisesRegex(ValueError, "not in the fleet's pool"):
      run(self.versions, ('lira',), shadows=moved)
    labels = (self.shadows.labels + 1) % CLASSES
    with self.assertRaisesRegex(ValueError, 'labels of 2400 examples are not'):
      other = dataclasses.replace(self.shadows, labels=labels)
      run(self.versions, ('lira',), shadows=other)


class RefusedTest(parameterized.TestCase):
  @parameterized.parameters('forgotten', 'retained', 'unseen', 'test')
  def test_versions_of_other_examples_are_refused(self, name):
    one, other = World().versions(('original', 'retrain'), seed=4, size=50)
    side = getattr(other, name)
    order = np.r_[1, 0, np.arange(2, len(side))]
    other = dataclasses.replace(other, **{name: side.select(order)})
    text = f'uniform, seed 4: original and retrain .*same examples in {name}'
    with self.assertRaisesRegex(ValueError, text):
      run([one, other])

  @parameterized.parameters('forgotten', 'retained', 'unseen', 'test')
  def test_empty_side_is_refused(self, name):
    (one,) = World().versions(('original',), size=50)
    nobody = getattr(one, name).select(np.arange(0))
    with self.assertRaisesRegex(ValueError, f'original: no example is {name}'):
      run([dataclasses.replace(one, **{name: nobody})])

  def test_two_versions_of_a_method_are_refused(self):
    (one,) = World().versions(('twin',), size=50)
    with self.assertRaisesRegex(ValueError, 'two versions of twin'):
      run([one, one])

  def test_unknown_attack_is_refused(self):
    with self.assertRaisesRegex(ValueError, 'threshold, lr, lira, got rmia'):
      run(World().versions(('twin',), size=50), ('threshold', 'rmia'))


if __name__ == '__main__':
  absltest.main()
