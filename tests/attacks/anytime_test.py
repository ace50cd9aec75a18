import dataclasses
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attack_config import FLEET_ATTACKS, AttackConfig
from rnn_tf.attacks import anytime, fleet_attacks, metrics
from tests.attacks import planted_fleet

SETTINGS = {'config': AttackConfig(attack_model='lr'), 'class_count': 2, 'seed': 0}


def curve(name, world):
  return anytime.curve(name, *world, **SETTINGS)


class CountsTest(parameterized.TestCase):
  @parameterized.parameters(
    (2, (2,)),
    (3, (2, 3)),
    (4, (2, 4)),
    (10, (2, 4, 8, 10)),
    (16, (2, 4, 8, 16)),
    (100, (2, 4, 8, 16, 32, 64, 100)),
  )
  def test_counts_double_up_to_the_whole_fleet(self, num_shadows, expected):
    self.assertEqual(anytime.counts(num_shadows), expected)


class CurveTest(parameterized.TestCase):
  @parameterized.parameters(*FLEET_ATTACKS)
  def test_points_are_attacks_with_the_first_shadows(self, name):
    signals, shadows = planted_fleet.make(0, num_shadows=6)
    points = curve(name, (signals, shadows))
    counts = (4, 6) if name.startswith('lira') else (2, 4, 6)
    self.assertEqual(tuple(point.shadows for point in points), counts)
    for point in points:
      fleet = shadows.only(range(point.shadows))
      scores = fleet_attacks.target_scores(name, signals, fleet, **SETTINGS)
      measured = metrics.measure(scores.members, scores.nonmembers)
      self.assertEqual(point.attack, name)
      self.assertEqual(
        (point.auc, point.auc_low, point.auc_high, point.tpr_at_fpr),
        (measured.auc, measured.auc_low, measured.auc_high, measured.tpr_at_fpr),
      )
      self.assertEqual([p.target_fpr for p in point.tpr_at_fpr], [0.01, 0.001])

  @parameterized.parameters(*FLEET_ATTACKS)
  def test_later_shadows_do_not_change_earlier_points(self, name):
    signals, shadows = planted_fleet.make(1, num_shadows=8)
    logits = shadows.logits.copy()
    logits[4:] *= -1
    other = dataclasses.replace(shadows, logits=logits)
    one, two = (curve(name, (signals, fleet)) for fleet in (shadows, other))
    self.assertEqual(one[:-1], two[:-1])
    self.assertNotEqual(one[-1], two[-1])

  @parameterized.parameters('lira', 'lira_offline', 'rmia', 'rmia_offline')
  def test_planted_leak_is_found_better_with_more_shadows(self, name):
    worlds = [planted_fleet.make(s, num_shadows=16, pool=1000) for s in range(3)]
    aucs = np.mean([[p.auc for p in curve(name, each)] for each in worlds], axis=0)
    self.assertGreater(aucs[0], 0.6)
    self.assertTrue((np.diff(aucs) > 0).all(), aucs)
    self.assertGreater(aucs[-1], aucs[0] + 0.01)

  def test_three_shadows_are_enough_for_a_point_of_lira(self):
    points = curve('lira', planted_fleet.make(0, num_shadows=3))
    self.assertEqual([point.shadows for point in points], [3])

  def test_attack_that_two_shadows_are_too_few_for_has_no_points(self):
    self.assertEqual(curve('lira', planted_fleet.make(0, num_shadows=2)), ())

  def test_automatic_variance_is_decided_for_each_number(self):
    world = planted_fleet.make(0, num_shadows=64, pool=60)
    points = curve('lira', world)
    for variance, kept in (('fixed', 32), ('per_example', 64)):
      config = AttackConfig(lira_variance=variance)
      settled = anytime.curve('lira', *world, **(SETTINGS | {'config': config}))
      same = [p.shadows for p, q in zip(points, settled, strict=True) if p == q]
      self.assertIn(kept, same)
      self.assertNotIn(96 - kept, same)

  def test_json_round_trip_is_exact(self):
    for point in curve('rmia', planted_fleet.make(0)):
      text = json.dumps(point.to_json(), allow_nan=False)
      self.assertEqual(anytime.AnytimePoint.from_json(json.loads(text)), point)


if __name__ == '__main__':
  absltest.main()
