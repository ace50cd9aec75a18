import dataclasses
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import exposure, metrics
from rnn_tf.attacks.results import AttackScores
from tests.attacks import planted_fleet


def make_scores(seed, signals, *, levels=None):
  rng = np.random.default_rng(seed)
  pair = (
    rng.normal(1, 1, len(signals.members)),
    rng.normal(0, 1, len(signals.nonmembers)),
  )
  return AttackScores(*(np.round(x * levels) / levels if levels else x for x in pair))


def softmax(logits):
  odds = np.exp(np.asarray(logits, np.float64))
  return odds / odds.sum()


class MostExposedTest(parameterized.TestCase):
  @parameterized.product(levels=(None, 2), split=('half', 'disjoint'))
  def test_each_member_is_described_as_it_is(self, levels, split):
    signals, shadows = planted_fleet.make(0, split=split)
    scores = make_scores(0, signals, levels=levels)
    found = exposure.most_exposed(scores, signals, count=20, shadows=shadows)
    self.assertLen(found, 20)
    ids, in_pool = signals.members.ids.tolist(), shadows.ids.tolist()
    for rank, each in enumerate(found, start=1):
      row, column = ids.index(each.id), in_pool.index(each.id)
      self.assertEqual(each.rank, rank)
      self.assertEqual(each.score, scores.members[row])
      self.assertEqual(each.label, signals.members.labels[row])
      as_high = sum(other >= each.score for other in scores.nonmembers)
      self.assertEqual(each.false_positives, as_high)
      self.assertEqual(each.fpr, as_high / len(scores.nonmembers))
      own = softmax(signals.members.logits[row])[each.label]
      self.assertAlmostEqual(each.probability, own, places=12)
      values = {True: [], False: []}
      for model in range(len(shadows)):
        value = softmax(shadows.logits[model, column])[each.label]
        values[bool(shadows.members[model, column])].append(value)
      self.assertAlmostEqual(each.out_probability, np.mean(values[False]), places=12)
      if split == 'half':
        self.assertAlmostEqual(each.in_probability, np.mean(values[True]), places=12)
      else:
        self.assertIsNone(each.in_probability)

  def test_highest_scores_come_first_and_ties_in_order(self):
    signals, _ = planted_fleet.make(1)
    scores = make_scores(1, signals, levels=1)
    found = exposure.most_exposed(scores, signals, count=60)
    order = sorted(range(60), key=lambda row: (-scores.members[row], row))
    self.assertEqual([each.id for each in found], signals.members.ids[order].tolist())

  def test_false_positive_rate_is_that_at_which_the_member_is_found(self):
    signals, _ = planted_fleet.make(2)
    scores = make_scores(2, signals)
    curve = metrics.roc(scores.members, scores.nonmembers)
    for each in exposure.most_exposed(scores, signals, count=10):
      point = np.flatnonzero(curve.thresholds == each.score)[0]
      self.assertEqual(each.fpr, curve.fpr[point])
      self.assertEqual(each.rank, curve.true_positives[point])

  def test_without_shadows_nothing_is_said_of_them(self):
    signals, shadows = planted_fleet.make(3)
    scores = make_scores(3, signals)
    alone = exposure.most_exposed(scores, signals, count=5)
    beside = exposure.most_exposed(scores, signals, count=5, shadows=shadows)
    for one, other in zip(alone, beside, strict=True):
      self.assertIsNone(one.in_probability)
      self.assertIsNone(one.out_probability)
      nothing = {'in_probability': None, 'out_probability': None}
      self.assertEqual(dataclasses.replace(other, **nothing), one)

  def test_training_on_an_example_raises_its_probability(self):
    signals, shadows = planted_fleet.make(4, leak=4.0, num_shadows=16)
    found = exposure.most_exposed(
      make_scores(4, signals), signals, count=60, shadows=shadows
    )
    for each in found:
      self.assertGreater(each.in_probability, each.out_probability)

  @parameterized.parameters((0, 0), (1, 1), (60, 60), (61, 60))
  def test_no_more_than_there_are_is_returned(self, count, expected):
    signals, shadows = planted_fleet.make(5)
    scores = make_scores(5, signals)
    found = exposure.most_exposed(scores, signals, count=count, shadows=shadows)
    self.assertLen(found, expected)

  def test_values_are_plain_json(self):
    signals, shadows = planted_fleet.make(6)
    scores = make_scores(6, signals)
    for each in exposure.most_exposed(scores, signals, count=3, shadows=shadows):
      text = json.dumps(dataclasses.asdict(each), allow_nan=False)
      self.assertEqual(exposure.Exposed(**json.loads(text)), each)

  def test_scores_of_other_examples_are_refused(self):
    signals, _ = planted_fleet.make(7)
    scores = make_scores(7, signals)
    fewer = AttackScores(scores.members[1:], scores.nonmembers)
    with self.assertRaisesRegex(ValueError, '59 members .* 60 and 60'):
      exposure.most_exposed(fewer, signals, count=5)


if __name__ == '__main__':
  absltest.main()
