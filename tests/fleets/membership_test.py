import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.fleets import membership


class HalfTest(parameterized.TestCase):
  @parameterized.product(models=[2, 6, 64], examples=[1, 2, 7, 40])
  def test_each_example_is_in_exactly_half_of_an_even_number(self, models, examples):
    members = membership.half(models, examples, seed=3)
    self.assertEqual(members.dtype, bool)
    self.assertEqual(members.shape, (models, examples))
    np.testing.assert_array_equal(members.sum(axis=0), models // 2)

  @parameterized.parameters((40, 20, 20), (7, 3, 4), (1, 0, 1))
  def test_pair_is_trained_on_the_two_halves(self, examples, first, second):
    members = membership.half(6, examples, seed=0)
    np.testing.assert_array_equal(members[0::2], ~members[1::2])
    np.testing.assert_array_equal(members.sum(axis=1), [first, second] * 3)

  def test_odd_number_of_models_ends_with_half_a_pair(self):
    members = membership.half(5, 10, seed=0)
    np.testing.assert_array_equal(members.sum(axis=1), 5)
    self.assertEqual(set(members.sum(axis=0)), {2, 3})

  def test_every_example_is_as_likely_as_any_to_be_in(self):
    first_of_pair = membership.half(4000, 7, seed=1)[0::2]
    share = 3 / 7
    np.testing.assert_allclose(
      first_of_pair.mean(axis=0), share, atol=4.5 * np.sqrt(share * (1 - share) / 2000)
    )

  def test_two_examples_are_not_in_together_more_often_than_chance(self):
    members = membership.half(4000, 6, seed=1)[0::2]
    together = (members[:, :1] & members[:, 1:]).mean(axis=0)
    expected = 3 / 6 * 2 / 5
    np.testing.assert_allclose(
      together, expected, atol=4.5 * np.sqrt(expected * (1 - expected) / 2000)
    )


class DisjointTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.usable = np.random.default_rng(0).random(60) < 0.6

  def test_no_shadow_is_trained_on_what_is_not_usable(self):
    members = membership.disjoint(50, self.usable, train_size=10, seed=0)
    self.assertEqual(members.dtype, bool)
    self.assertFalse(members[:, ~self.usable].any())
    self.assertTrue(members[:, self.usable].any(axis=0).all())
    np.testing.assert_array_equal(members.sum(axis=1), 10)

  def test_shadows_are_trained_on_different_examples(self):
    members = membership.disjoint(20, self.usable, train_size=10, seed=0)
    self.assertLen(np.unique(members, axis=0), 20)

  def test_half_of_the_usable_is_the_most(self):
    free = int(self.usable.sum())
    members = membership.disjoint(2, self.usable, train_size=free // 2, seed=0)
    np.testing.assert_array_equal(members.sum(axis=1), free // 2)
    size = free // 2 + 1
    with self.assertRaisesRegex(ValueError, f'{free} examples, needs twice {size}'):
      membership.disjoint(2, self.usable, train_size=size, seed=0)


def _half(models, seed):
  return membership.half(models, 30, seed=seed)


def _disjoint(models, seed):
  usable = np.arange(50) % 5 > 0
  return membership.disjoint(models, usable, train_size=15, seed=seed)


def _seeds(models, seed):
  return membership.training_seeds(models, seed=seed)


class GrowthTest(parameterized.TestCase):
  @parameterized.product(make=[_half, _disjoint, _seeds], size=[1, 2, 5, 6])
  def test_larger_fleet_begins_with_the_smaller(self, make, size):
    np.testing.assert_array_equal(make(9, 4)[:size], make(size, 4))

  @parameterized.parameters(_half, _disjoint, _seeds)
  def test_other_seed_is_another_fleet(self, make):
    one, other = np.array(make(6, 0)), np.array(make(6, 1))
    for row, others in zip(one, other, strict=True):
      self.assertFalse(np.array_equal(row, others))

  def test_training_seeds_differ_and_fit_into_32_bits(self):
    seeds = [seed for of in (0, 1, 2**32 - 1) for seed in _seeds(300, of)]
    self.assertLen(set(seeds), len(seeds))
    self.assertBetween(min(seeds), 0, 2**32 - 1)
    self.assertLess(max(seeds), 2**32)
    self.assertTrue(all(type(seed) is int for seed in seeds))


if __name__ == '__main__':
  absltest.main()
