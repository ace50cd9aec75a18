import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack_tables, attack_verdict
from rnn_tf.attacks import metrics, transfer
from tests import fake_attacks

SMALL = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'exposed': 0}


def record(**options):
  return fake_attacks.record(**{**SMALL, **options})[0]


def verdict(**options):
  return '\n'.join(attack_verdict.verdict(record(**options)))


class BeatsGuessingTest(parameterized.TestCase):
  @parameterized.parameters(1, 4)
  def test_the_best_of_some_guesses_rarely_does(self, tries):
    rng = np.random.default_rng(tries)
    sizes = {'n_members': 3000, 'n_nonmembers': 2000}
    count = 0
    for _ in range(200):
      points = [
        metrics.tpr_at_fpr(rng.random(3000), rng.random(2000), target_fpr=0.001)
        for _ in range(tries)
      ]
      best = max(points, key=lambda point: point.tpr)
      count += attack_verdict.beats_guessing(best, **sizes, tries=tries)
    self.assertBetween(count, 1, 200 * 0.08)

  def test_many_members_do(self):
    rng = np.random.default_rng(0)
    members = rng.random(3000) + 0.02
    point = metrics.tpr_at_fpr(members, rng.random(2000), target_fpr=0.001)
    sizes = {'n_members': 3000, 'n_nonmembers': 2000}
    self.assertTrue(attack_verdict.beats_guessing(point, **sizes, tries=10))


class VerdictTest(absltest.TestCase):
  def test_the_strongest_attack_at_a_strict_rate_is_counted_out(self):
    sizes = {'members': 4000, 'nonmembers': 3000}
    result = record(**sizes).entire('lira')
    (point,) = [p for p in result.tpr_at_fpr if p.target_fpr == 0.001]
    found = verdict(**sizes)
    self.assertIn(f'lira finds most: {point.true_positives:,} of 4,000', found)
    self.assertIn('accuses 3 of 3,000 non-members: more than guessing', found)
    self.assertIn(f'The highest AUC is {result.auc:.3f}', found)

  def test_ppv_is_that_of_the_shadows_threshold(self):
    result = record(members=4000, nonmembers=3000).entire('lira')
    (point,) = [p for p in result.transfer if p.target_fpr == 0.001]
    value = transfer.ppv(point.tpr, point.fpr, prior=0.01)
    least = transfer.ppv(point.tpr_low, point.fpr_high, prior=0.01)
    found = verdict(members=4000, nonmembers=3000)
    self.assertIn(
      f'{value:.1%} (at least {attack_tables.at_least(least)}) if one in 100 is', found
    )

  def test_few_nonmembers_are_said_to_be_too_few(self):
    self.assertIn('Of 50 non-members 0.1% is less than one', verdict())

  def test_what_cannot_be_told_from_guessing_is_said_so(self):
    found = verdict(leak=0.0, members=3000, nonmembers=2000)
    self.assertIn('No attack can be told from guessing', found)
    self.assertIn('not provably more than guessing', found)

  def test_null_checks_hold_or_fail_or_were_not_made(self):
    self.assertIn('All 8 null checks hold', verdict())
    failed = verdict(failing={('lira', 'another model'), ('rmia', 'permuted')})
    self.assertIn('**2 of 8 null checks lie outside', failed)
    self.assertIn('lira: AUC', failed)
    self.assertIn('`--null_check`', verdict(null_checks=False))

  def test_test_images_as_nonmembers_are_a_warning(self):
    self.assertIn('--nonmembers=holdout', verdict(drawn_from='test'))
    self.assertNotIn('--nonmembers=holdout', verdict())

  def test_a_broken_guarantee_is_said_loudly(self):
    options = {'epsilon': 1e-6, 'leak': 5, 'members': 3000, 'nonmembers': 2000}
    self.assertIn('**A broken guarantee**', verdict(**options))
    self.assertNotIn('guarantee', verdict())

  def test_skipped_attacks_are_named_with_the_reason(self):
    found = verdict(attacks=('lira', 'threshold'), skipped={('lira', 'entire')})
    self.assertIn('lira: skipped: too few examples', found)
    nothing = verdict(attacks=('lira',), skipped={('lira', 'entire')})
    self.assertNotIn('AUC', nothing)

  def test_without_shadow_thresholds_nothing_is_said_of_them(self):
    made = record(attacks=('lira',))
    results = tuple(dataclasses.replace(r, transfer=None) for r in made.results)
    made = dataclasses.replace(made, results=results)
    self.assertNotIn('PPV', '\n'.join(attack_verdict.verdict(made)))


if __name__ == '__main__':
  absltest.main()
