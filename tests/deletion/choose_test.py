import fractions
import itertools

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion_config import ForgetConfig
from rnn_tf.errors import UsageError

N = 400
CLASSES = 4
SHARDS = 5

# Not where the examples are in the arrays.
IDS = 3 * np.arange(N) + 7
LABELS = np.random.default_rng(0).integers(0, CLASSES, N)


def _assignment(n=N, *, seed=0, num_shards=SHARDS, num_slices=2):
  return sisa.assign(n, num_shards=num_shards, num_slices=num_slices, seed=seed)


def _draw(config=None, *, ids=IDS, labels=LABELS, assignment=None, seed=0, **values):
  return choose.forget_sets(
    config or ForgetConfig(**values),
    ids=ids,
    labels=labels,
    assignment=assignment or _assignment(len(ids)),
    seed=seed,
  )


class ForgetTestCase(parameterized.TestCase):
  def refused(self, call, *parts):
    """Whether a call ends in one line with all parts; returns it."""
    with self.assertRaises(UsageError) as caught:
      call()
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    for part in parts:
      self.assertIn(part, text)
    return text


class UniformTest(ForgetTestCase):
  @parameterized.parameters((400, 20, 40), (399, 20, 40), (401, 20, 40), (50, 2, 5))
  def test_sets_are_of_the_size_that_was_asked_for(self, n, small, large):
    five, ten = _draw(ids=IDS[:1] + np.arange(n), labels=np.zeros(n, np.int64))
    self.assertEqual((len(five.ids), len(ten.ids)), (small, large))
    self.assertEqual((five.fraction, ten.fraction), (0.05, 0.1))
    self.assertEqual([each.label for each in (five, ten)], _labels('5', '10'))
    self.assertEqual((five.kind, five.groups), ('uniform', ()))

  def test_ids_rise_and_are_of_the_training_set(self):
    for forget in _draw(fractions=(0.05, 0.5, 0.99)):
      self.assertEqual(forget.ids.dtype, np.int64)
      self.assertEqual(forget.ids.tolist(), sorted(set(forget.ids.tolist())))
      self.assertContainsSubset(forget.ids.tolist(), IDS.tolist())

  def test_larger_set_is_drawn_from_the_whole_and_does_not_contain_the_smaller(self):
    shared = []
    for seed in range(20):
      five, ten = _draw(seed=seed)
      shared.append(len(np.intersect1d(five.ids, ten.ids)))
    # All 20 if one lay in the other, none if it were drawn from what is left: of two
    # independent draws a tenth, and 20 such means are between 1 and 3 all but surely.
    self.assertBetween(np.mean(shared), 1, 3)
    self.assertLess(max(shared), 20)

  def test_set_is_the_same_whatever_else_is_asked_for(self):
    alone = {
      (kind, fraction): _draw(deletions=(kind,), fractions=(fraction,))[0]
      for kind in ('uniform', 'grouped')
      for fraction in (0.05, 0.1, 0.15)
    }
    for kinds in (('uniform', 'grouped'), ('grouped', 'uniform')):
      for shares in itertools.permutations((0.05, 0.1, 0.15)):
        found = _draw(deletions=kinds, fractions=shares)
        names = [(each.kind, each.fraction) for each in found]
        self.assertEqual(names, list(itertools.product(kinds, shares)))
        for each in found:
          expected = alone[each.kind, each.fraction]
          np.testing.assert_array_equal(each.ids, expected.ids)
          self.assertEqual(each.checksum(), expected.checksum())
          self.assertEqual((each.label, each.groups), (expected.label, expected.groups))

  def test_seeds_decide_the_draw(self):
    def draw(seed, deletion_seed):
      return _draw(fractions=(0.1,), seed=seed, deletion_seed=deletion_seed)[0]

    np.testing.assert_array_equal(draw(3, 0).ids, draw(3, 0).ids)
    draws = [draw(*seeds) for seeds in ((0, 0), (1, 0), (0, 1), (1, 1))]
    self.assertLen({each.checksum() for each in draws}, 4)
    self.assertEqual(draws[0].label, 'uniform-10pct')
    # Or models of two draws would be sought in one folder.
    self.assertEqual(draws[2].label, 'uniform-10pct-d1')

  def test_every_example_is_as_likely(self):
    counts = np.zeros(N)
    for seed in range(300):
      counts += np.isin(IDS, _draw(fractions=(0.1,), seed=seed)[0].ids)
    # 30 +- 5.2 each; of 400 some may be 4 deviations off.
    self.assertBetween(counts.min(), 5, 30)
    self.assertBetween(counts.max(), 30, 60)
    # The first half of the ids as often as the second: 6000 +- 55.
    self.assertAlmostEqual(counts[: N // 2].sum(), 6000, delta=300)

  @parameterized.parameters((0.001, 'none'), (0.9999, 'all'))
  def test_share_that_leaves_or_takes_nothing_is_refused(self, fraction, what):
    self.refused(
      lambda: _draw(fractions=(0.05, fraction)),
      f'--fractions={fraction:g}: of 400 training examples that is {what}: give',
    )


def _labels(*percents):
  return [f'uniform-{percent}pct' for percent in percents]


class GroupedTest(ForgetTestCase):
  @parameterized.parameters((1, 0.1), (2, 0.1), (2, 0.35), (5, 0.9))
  def test_deletion_is_confined_to_its_groups(self, num_groups, fraction):
    for seed in range(5):
      assignment = _assignment(seed=seed)
      (forget,) = _draw(
        deletions=('grouped',),
        num_groups=num_groups,
        fractions=(fraction,),
        assignment=assignment,
        seed=seed,
      )
      self.assertLen(forget.ids, round(fraction * N))
      self.assertLen(set(forget.groups), num_groups)
      self.assertEqual(list(forget.groups), sorted(forget.groups))
      for row in range(N):
        if IDS[row] in forget.ids:
          self.assertIn(assignment.shards[row], forget.groups)
      percent = f'{100 * fraction:g}'
      self.assertEqual(forget.label, f'grouped{num_groups}of5-{percent}pct')
      self.assertEqual(forget.kind, 'grouped')

  def test_groups_are_drawn_by_the_seed(self):
    groups = {
      _draw(deletions=('grouped',), fractions=(0.1,), seed=seed)[0].groups
      for seed in range(40)
    }
    self.assertEqual(groups, {(shard,) for shard in range(SHARDS)})

  def test_grouped_is_no_part_of_uniform(self):
    uniform, grouped = _draw(deletions=('uniform', 'grouped'), fractions=(0.1,))
    self.assertNotEqual(uniform.checksum(), grouped.checksum())

  def test_most_that_fits_leaves_every_group_an_example(self):
    # 5 groups of 8: of one, 7 can go, of three 21.
    ids, labels = np.arange(40), np.zeros(40, np.int64)
    assignment = _assignment(40)

    def draw(num_groups, count, seed):
      values = {'num_groups': num_groups, 'fractions': (count / 40,)}
      return _draw(
        deletions=('grouped',),
        ids=ids,
        labels=labels,
        assignment=assignment,
        seed=seed,
        **values,
      )[0]

    for seed in range(30):
      for num_groups in (1, 3):
        forget = draw(num_groups, 7 * num_groups, seed)
        for group in forget.groups:
          left = np.setdiff1d(ids[assignment.shards == group], forget.ids)
          self.assertNotEmpty(left, f'seed {seed}: group {group}')
        self.assertLen(forget.ids, 7 * num_groups)
    text = self.refused(lambda: draw(1, 8, 0), '--fractions=0.2: 8 examples do not fit')
    self.assertIn('--num_groups=1 of --num_shards=5, 8 examples', text)
    self.assertIn('give more groups, or a smaller share', text)
    self.refused(lambda: draw(3, 22, 0), '22 examples do not fit')

  def test_share_too_large_for_its_groups_is_refused(self):
    self.refused(
      lambda: _draw(deletions=('grouped',), fractions=(0.1, 0.3)),
      '--fractions=0.3: 120 examples do not fit into --num_groups=1',
      'of --num_shards=5, 80 examples',
    )


class GivenTest(ForgetTestCase):
  def test_ids_are_taken_as_a_set(self):
    (forget,) = _draw(forget_ids=(13, 7, 13, 10))
    self.assertEqual(forget.ids.tolist(), [7, 10, 13])
    self.assertEqual((forget.kind, forget.fraction, forget.groups), ('ids', None, ()))
    (again,) = _draw(forget_ids=(7, 10, 13), seed=9)
    self.assertEqual(again.label, forget.label)
    self.assertEqual(forget.label, f'ids-{forget.checksum()}')
    (other,) = _draw(forget_ids=(7, 10, 16))
    self.assertNotEqual(other.label, forget.label)

  def test_ids_that_are_not_in_the_training_set_are_listed(self):
    self.refused(
      lambda: _draw(forget_ids=(7, 8, 10, 999_999)),
      '--forget_ids: 2 of 4 are not among the run',
      '400 training examples: 8, 999999; the ids are train_ids in its examples.npz',
    )
    text = self.refused(
      lambda: _draw(forget_ids=tuple(range(5000, 5025))),
      '--forget_ids: 25 of 25 are not',
      ': 5000, 5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009 and 15 more;',
    )
    self.assertNotIn('5010', text)

  def test_all_ids_are_refused(self):
    self.refused(
      lambda: _draw(forget_ids=tuple(IDS.tolist())), '--forget_ids: names all training'
    )
    self.assertLen(_draw(forget_ids=tuple(IDS[1:].tolist()))[0].ids, N - 1)

  def test_class_is_all_of_its_examples(self):
    (forget,) = _draw(forget_class=2)
    expected = [IDS[row] for row in range(N) if LABELS[row] == 2]
    self.assertEqual(forget.ids.tolist(), expected)
    self.assertEqual((forget.label, forget.kind), ('class-2', 'class'))
    self.assertEqual((forget.fraction, forget.groups), (None, ()))
    self.assertLen(_draw(forget_class=0)[0].ids, np.count_nonzero(LABELS == 0))

  def test_class_without_examples_is_refused(self):
    self.refused(
      lambda: _draw(forget_class=4),
      '--forget_class=4: no training example has this label: there are 0, 1, 2, 3',
    )

  def test_class_of_all_examples_is_refused(self):
    self.refused(
      lambda: _draw(forget_class=1, labels=np.ones(N, np.int64)),
      '--forget_class=1: all training examples have this label',
    )


class ChecksumTest(absltest.TestCase):
  def test_checksum_changes_with_any_id(self):
    ids = np.arange(5)
    sums = {choose.checksum(ids), choose.checksum(ids[:4]), choose.checksum(ids[::-1])}
    for row in range(5):
      other = ids.copy()
      other[row] += 100
      sums.add(choose.checksum(other))
    self.assertLen(sums, 8)
    for each in sums:
      self.assertRegex(each, '^[0-9a-f]{8}$')
    self.assertEqual(choose.checksum(ids), choose.checksum(ids.astype(np.int32)))


class ShardsLeftTest(ForgetTestCase):
  def test_shard_that_loses_everything_is_named(self):
    assignment = _assignment()
    own = IDS[assignment.shards == 3]

    def check(ids):
      forget = choose.ForgetSet(label='ids-x', kind='ids', fraction=None, ids=ids)
      choose.check_shards_left(forget, ids=IDS, assignment=assignment)

    check(own[1:])
    self.refused(
      lambda: check(np.sort(np.append(own, IDS[assignment.shards == 4][0]))),
      '--method=sharded: ids-x leaves shard 3 of --num_shards=5 without an example',
      'give fewer shards, or delete less',
    )

  def test_last_shard_counts_too(self):
    assignment = _assignment()
    ids = IDS[assignment.shards == SHARDS - 1]
    forget = choose.ForgetSet(label='ids-x', kind='ids', fraction=None, ids=ids)
    self.refused(
      lambda: choose.check_shards_left(forget, ids=IDS, assignment=assignment),
      'leaves shard 4',
    )

  @parameterized.parameters(0, 1, 2)
  def test_drawn_sets_leave_every_shard_something(self, seed):
    assignment = _assignment(seed=seed)
    for forget in _draw(
      deletions=('uniform', 'grouped'), assignment=assignment, seed=seed
    ):
      choose.check_shards_left(forget, ids=IDS, assignment=assignment)


class MatchedTest(ForgetTestCase):
  def _expected(self, pool, wanted):
    """Counts for each label: the largest multiple of `wanted` that the pool has."""
    counts = {label: wanted.count(label) for label in sorted(set(wanted))}
    times = min(
      fractions.Fraction(pool.count(label), count) for label, count in counts.items()
    )
    return {label: max(1, int(times * count)) for label, count in counts.items()}

  @parameterized.parameters(*range(20))
  def test_labels_have_the_shares_of_the_forget_set(self, seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(CLASSES))
    wanted = rng.choice(CLASSES, int(rng.integers(5, 60)), p=shares)
    pool = rng.integers(0, CLASSES + 1, int(rng.integers(40, 400)))
    rows = choose.matched(pool, wanted, seed=[seed, 1])
    self.assertEqual(rows.tolist(), sorted(set(rows.tolist())))
    found = pool[rows].tolist()
    expected = self._expected(pool.tolist(), wanted.tolist())
    self.assertEqual({label: found.count(label) for label in set(found)}, expected)

  def test_as_many_as_possible_are_taken(self):
    wanted = np.array([0, 0, 0, 1])
    pool = np.array([0] * 31 + [1] * 100 + [2] * 50)
    rows = choose.matched(pool, wanted, seed=[0])
    self.assertEqual(np.bincount(pool[rows]).tolist(), [31, 10])
    with self.subTest('all of them, where they have these shares'):
      pool = np.tile(wanted, 7)
      rows = choose.matched(pool, wanted, seed=[0])
      np.testing.assert_array_equal(rows, np.arange(28))

  def test_thirds_are_not_lost_to_rounding(self):
    for count in range(1, 60):
      for there in (1, 7, 49, 100):
        wanted = np.repeat([0, 1], [count, 1])
        pool = np.repeat([0, 1], [there * count, there])
        rows = choose.matched(pool, wanted, seed=[0])
        self.assertLen(rows, len(pool), f'{there} x {count}')

  def test_seed_decides_the_draw(self):
    pool, wanted = np.zeros(100, np.int64), np.zeros(30, np.int64)
    pool[50:] = 1
    wanted[1:] = 1
    draws = [choose.matched(pool, wanted, seed=seed) for seed in ([0], [0], [1])]
    np.testing.assert_array_equal(draws[0], draws[1])
    self.assertFalse(np.array_equal(draws[0], draws[2]))

  def test_label_without_unseen_examples_is_refused(self):
    self.refused(
      lambda: choose.matched(np.array([0, 0, 2]), np.array([0, 1, 2]), seed=[0]),
      'no unseen example has the label 1',
      '--train_fraction',
    )


if __name__ == '__main__':
  absltest.main()
