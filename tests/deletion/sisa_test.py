import itertools
import math

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.deletion import sisa
from rnn_tf.errors import UsageError

_EVEN = ((12, 3, 2), (23, 4, 1), (101, 5, 4), (7, 7, 1), (40, 2, 20))


def _assignment(count=60, *, num_shards=3, num_slices=4, seed=0):
  return sisa.assign(count, num_shards=num_shards, num_slices=num_slices, seed=seed)


class AssignTest(parameterized.TestCase):
  @parameterized.parameters(*_EVEN)
  def test_shards_and_slices_are_of_nearly_one_size(self, count, shards, slices):
    found = _assignment(count, num_shards=shards, num_slices=slices)
    sizes = [np.count_nonzero(found.shards == shard) for shard in range(shards)]
    self.assertLessEqual(max(sizes) - min(sizes), 1)
    self.assertEqual(sum(sizes), count)
    for shard in range(shards):
      own = found.slices[found.shards == shard]
      parts = [np.count_nonzero(own == number) for number in range(slices)]
      self.assertLessEqual(max(parts) - min(parts), 1)
      self.assertEqual(sum(parts), sizes[shard])
      self.assertGreater(min(parts), 0)

  @parameterized.parameters(*_EVEN)
  def test_rows_of_all_shards_are_every_example_once(self, count, shards, slices):
    found = _assignment(count, num_shards=shards, num_slices=slices)
    nobody = np.zeros(count, bool)
    seen = []
    for shard in range(shards):
      rows = found.rows(shard, without=nobody)
      self.assertLen(rows, slices)
      for number, part in enumerate(rows):
        self.assertEqual(part.tolist(), sorted(part.tolist()))
        self.assertEqual(set(found.shards[part]), {shard})
        self.assertEqual(set(found.slices[part]), {number})
        seen += part.tolist()
    self.assertEqual(sorted(seen), list(range(count)))

  def test_rows_leave_out_what_is_deleted_and_nothing_else(self):
    found = _assignment()
    deleted = np.random.default_rng(1).random(60) < 0.3
    for shard in range(3):
      for number, part in enumerate(found.rows(shard, without=deleted)):
        expected = [
          row
          for row in range(60)
          if found.shards[row] == shard
          and found.slices[row] == number
          and not deleted[row]
        ]
        self.assertEqual(part.tolist(), expected)

  def test_seed_decides_the_draw(self):
    one, again, other = _assignment(), _assignment(), _assignment(seed=1)
    np.testing.assert_array_equal(one.shards, again.shards)
    np.testing.assert_array_equal(one.slices, again.slices)
    self.assertFalse(np.array_equal(one.shards, other.shards))
    self.assertFalse(np.array_equal(one.slices, other.slices))
    # Nor are neighbours dealt together.
    self.assertFalse(np.array_equal(one.shards, np.sort(one.shards)))

  def test_number_of_slices_does_not_move_an_example_to_another_shard(self):
    one, other = _assignment(num_slices=1), _assignment(num_slices=4)
    np.testing.assert_array_equal(one.shards, other.shards)

  def test_more_groups_than_examples_are_refused(self):
    self.assertLen(set(_assignment(12, num_shards=3, num_slices=4).slices), 4)
    with self.assertRaises(UsageError) as caught:
      _assignment(11, num_shards=3, num_slices=4)
    text = str(caught.exception)
    self.assertStartsWith(text, '--num_shards=3, --num_slices=4: 12 groups')
    self.assertIn('the 11 training examples: give fewer', text)
    self.assertNotIn('\n', text)


class FirstStageTest(absltest.TestCase):
  def test_first_stage_is_the_first_slice_that_lost_an_example(self):
    found = _assignment()
    rng = np.random.default_rng(2)
    stages = set()
    for share in (0.0, 0.02, 0.05, 0.1, 0.5) * 10:
      deleted = rng.random(60) < share
      for shard in range(3):
        expected = None
        for number in reversed(range(4)):
          for row in range(60):
            place = (found.shards[row], found.slices[row])
            if deleted[row] and place == (shard, number):
              expected = number
        first = found.first_stage(shard, deleted=deleted)
        self.assertEqual(first, expected)
        stages.add(first)
    self.assertEqual(stages, {None, 0, 1, 2, 3})

  def test_stages_before_the_first_have_the_examples_that_they_had(self):
    found = _assignment()
    deleted = np.zeros(60, bool)
    deleted[np.flatnonzero((found.shards == 1) & (found.slices >= 2))[:4]] = True
    first = found.first_stage(1, deleted=deleted)
    before = found.rows(1, without=np.zeros(60, bool))
    after = found.rows(1, without=deleted)
    for number in range(first):
      np.testing.assert_array_equal(before[number], after[number])
    self.assertGreater(len(before[first]), len(after[first]))


class TrainingSeedTest(absltest.TestCase):
  def test_every_training_has_a_seed_of_its_own(self):
    seeds = {
      sisa.training_seed(seed, shard, stage)
      for seed, shard, stage in itertools.product(range(3), range(5), range(4))
    }
    self.assertLen(seeds, 60)
    self.assertTrue(all(0 <= seed < 2**32 for seed in seeds))
    self.assertEqual(sisa.training_seed(7, 1, 2), sisa.training_seed(7, 1, 2))


class StageEpochsTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 7, 20, 500)
  def test_one_slice_takes_all_epochs_at_once(self, epochs):
    self.assertEqual(sisa.stage_epochs(epochs, 1), (epochs,))

  @parameterized.parameters(1, 2, 3, 10, 20, 33, 100)
  def test_stages_are_worth_the_epochs_of_training_without_slices(self, epochs):
    for slices in range(1, 13):
      found = sisa.stage_epochs(epochs, slices)
      self.assertLen(found, slices)
      self.assertGreaterEqual(min(found), 1)
      self.assertLessEqual(max(found) - min(found), 1)
      worth = 0.0
      for stage, each in enumerate(found, start=1):
        worth += stage / slices * each
      if 2 * epochs >= slices + 1:
        self.assertLess(abs(worth - epochs), 1)
      else:
        # With fewer, some stage would have none.
        self.assertEqual(set(found), {1})

  def test_epochs_that_divide_are_worth_exactly_as_much(self):
    self.assertEqual(sisa.stage_epochs(20, 4), (8, 8, 8, 8))
    self.assertEqual(sisa.stage_epochs(3, 2), (2, 2))


class ExamplesProcessedTest(absltest.TestCase):
  def test_every_epoch_of_every_stage_counts_what_it_sees(self):
    rng = np.random.default_rng(3)
    for slices in (1, 2, 5):
      sizes = rng.integers(0, 30, slices).tolist()
      epochs = rng.integers(1, 6, slices).tolist()
      for first in range(slices):
        expected = 0
        for stage in range(first, slices):
          for _ in range(epochs[stage]):
            for number in range(stage + 1):
              expected += sizes[number]
        found = sisa.examples_processed(sizes, epochs, first_stage=first)
        self.assertEqual(found, expected)
        self.assertIsInstance(found, int)
    self.assertEqual(sisa.examples_processed([3, 4], [2, 5]), 2 * 3 + 5 * 7)

  def test_unequal_numbers_of_slices_and_stages_are_no_silent_loss(self):
    with self.assertRaises(ValueError):
      sisa.examples_processed([3, 4], [2, 5, 1])


def _logits(shards, n=40, classes=4, seed=0):
  rng = np.random.default_rng(seed)
  return (3 * rng.normal(size=(shards, n, classes))).astype(np.float32)


def _softmax(logits):
  odds = [math.exp(float(each) - float(max(logits))) for each in logits]
  return [each / sum(odds) for each in odds]


class AggregateTest(parameterized.TestCase):
  @parameterized.parameters(2, 3, 5)
  def test_mean_is_the_mean_of_the_logits(self, shards):
    logits = _logits(shards)
    found = sisa.aggregate(logits, 'mean')
    self.assertEqual((found.shape, found.dtype), ((40, 4), np.float32))
    for i, k in np.ndindex(40, 4):
      expected = sum(float(model[i, k]) for model in logits) / shards
      self.assertAlmostEqual(float(found[i, k]), expected, places=5)

  @parameterized.parameters(2, 3, 4, 5)
  def test_vote_is_the_majority_and_ties_go_to_the_more_probable(self, shards):
    logits = _logits(shards, n=300)
    found = sisa.aggregate(logits, 'vote')
    self.assertEqual((found.shape, found.dtype), ((300, 4), np.float32))
    ties = 0
    for i in range(300):
      votes, probability = [0] * 4, [0.0] * 4
      for model in logits:
        votes[max(range(4), key=lambda k, model=model: model[i, k])] += 1
        for k, share in enumerate(_softmax(model[i])):
          probability[k] += share / shards
      best = [k for k in range(4) if votes[k] == max(votes)]
      best.sort(key=lambda k: probability[k])
      if len(best) > 1:
        # Closer than that, float32 does not tell them apart.
        sure = probability[best[-1]] - probability[best[-2]] > 5e-4
        ties += sure
        self.assertIn(found[i].argmax(), best[-1:] if sure else best)
      else:
        self.assertEqual(found[i].argmax(), best[0])
    # Of an odd number of models too, where each has a choice of its own.
    self.assertGreater(ties, 10)

  @parameterized.parameters(2, 5, 20)
  def test_posteriors_of_a_vote_are_the_smoothed_shares(self, shards):
    logits = _logits(shards, classes=3, seed=1)
    posteriors = np.exp(sisa.aggregate(logits, 'vote').astype(np.float64))
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-3)
    for i in range(40):
      votes = [0] * 3
      for model in logits:
        votes[model[i].argmax()] += 1
      expected = [(each + 1 / 3) / (shards + 1) for each in votes]
      np.testing.assert_allclose(posteriors[i], expected, atol=1e-3)

  def test_no_probability_counts_for_a_vote(self):
    # Two are sure of class 0, three lean to class 1 by a hair.
    sure, lean = [30.0, 0.0, -30.0], [1.0, 1.001, -30.0]
    logits = np.array([[sure], [sure], [lean], [lean], [lean]], np.float32)
    self.assertEqual(sisa.aggregate(logits, 'vote').argmax(), 1)
    self.assertEqual(sisa.aggregate(logits, 'mean').argmax(), 0)

  def test_large_logits_do_not_overflow(self):
    logits = 1e4 * _logits(3)
    for how in ('mean', 'vote'):
      self.assertTrue(np.isfinite(sisa.aggregate(logits, how)).all())


if __name__ == '__main__':
  absltest.main()
