import dataclasses

from absl.testing import absltest, parameterized

from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.results import AttackResult
from rnn_tf.config import DataConfig
from rnn_tf.pages import run_verdict
from rnn_tf.records import load_run
from tests import fake_attacks, fake_runs


def result(attack='lira', *, auc=0.5, tpr=0.001, half=0.01, n=5000, **options):
  """Returns a result with an AUC, and a rate of members found at 0.1% FPR."""
  rates = {0.01: max(tpr, 0.01), 0.001: tpr}
  points = tuple(
    RatePoint(
      target_fpr=fpr,
      threshold=0.0,
      fpr=fpr,
      false_positives=int(fpr * n),
      tpr=rate,
      true_positives=int(rate * n),
      tpr_low=max(0.0, rate - 0.001),
      tpr_high=rate + 0.001,
    )
    for fpr, rate in rates.items()
  )
  values = {
    'engine': 'fast',
    'slice': 'entire',
    'model': 'cnn2',
    'epoch': 4,
    'train_accuracy': 0.9,
    'val_accuracy': 0.7,
    'n_members': n,
    'n_nonmembers': n,
    'auc': auc,
    'auc_low': auc - half,
    'auc_high': auc + half,
    'auc_null_half_width': half,
    'advantage': 0.02,
    'ppv': 0.5,
    'tpr_at_fpr': points,
  }
  return AttackResult(attack=attack, **{**values, **options})


class RunVerdictTest(fake_runs.RunsCase, parameterized.TestCase):
  def record(self, *results, nonmembers='test', **options):
    data = DataConfig(dataset='digits')
    if nonmembers == 'holdout':
      data = DataConfig(dataset='digits', train_fraction=0.5, nonmembers='holdout')
    record = load_run(self.run_folder('digits-cnn2-s0', data=data, **options))
    return dataclasses.replace(record, results=results)

  def attack(self, *results, shadows=16):
    made, _ = fake_attacks.record(run='digits-cnn2-s0', label='mine')
    return dataclasses.replace(
      made, results=results, shadows=made.shadows[:1] * shadows
    )

  def verdict(self, record, attacks=(), **options):
    return run_verdict.verdict(record, attacks, **options)

  def figure(self, verdict, label):
    (found,) = [each for each in verdict.figures if each.label == label]
    return found

  @parameterized.parameters(
    ({'auc': 0.62}, 'bad'),
    ({'auc': 0.55}, 'warning'),
    ({'auc': 0.5, 'tpr': 0.02}, 'bad'),
    ({'auc': 0.5, 'tpr': 0.004}, 'warning'),
    ({'auc': 0.503}, 'good'),
  )
  def test_the_level_is_what_the_strongest_attack_finds(self, options, level):
    attack = self.attack(result(**options))
    self.assertEqual(self.verdict(self.record(), [attack]).level, level)

  def test_nothing_found_by_weak_attacks_alone_is_not_good(self):
    verdict = self.verdict(self.record(result('threshold'), result('lr')))
    self.assertEqual(verdict.level, 'unknown')
    self.assertIn('weak attacks alone', verdict.headline)

  @parameterized.parameters(({'n': 300}, 16), ({}, 5))
  def test_nothing_found_with_little_power_is_not_good(self, options, shadows):
    attack = self.attack(result(**options), shadows=shadows)
    verdict = self.verdict(self.record(), [attack])
    self.assertEqual(verdict.level, 'unknown')
    self.assertIn('too few examples or shadow models', verdict.headline)

  def test_an_attack_that_is_there_twice_counts_once(self):
    record = self.record(result('threshold', auc=0.55))
    attack = self.attack(result('threshold', auc=0.55), result(auc=0.56))
    found = run_verdict.found(record, [attack])
    self.assertEqual([each.name for each in found], ['threshold', 'lira, mine'])

  @parameterized.parameters(
    ('holdout', 'more than the guarantee of this model allows.'),
    ('test', 'or tell test images from training images.'),
  )
  def test_a_bound_above_the_claim_is_said_first(self, nonmembers, end):
    found = result('lr', auc=0.55, epsilon=1.0, delta=1e-5, epsilon_lower_bound=2.0)
    record = self.record(found, privacy=fake_runs.private(), nonmembers=nonmembers)
    verdict = self.verdict(record)
    self.assertEqual(verdict.level, 'bad')
    self.assertEndsWith(verdict.headline, end)

  def test_guessing_is_what_it_is_at_the_size(self):
    attack = self.attack(result(auc=0.7, n=2000))
    verdict = self.verdict(self.record(), [attack])
    note = self.figure(verdict, 'Members found at 0.1% false positives').note
    # The threshold is the score of the third non-member of 2,000.
    self.assertIn('guessing finds 0.15%', note)

  def test_a_private_run_that_has_not_said_its_epsilon_is_not_called_plain(self):
    record = self.record(result('lr'), privacy=fake_runs.private(), trained=2)
    metrics = record.metrics.drop(columns='epsilon')
    record = dataclasses.replace(record, metrics=metrics)
    figure = self.figure(self.verdict(record), 'Epsilon claimed')
    self.assertEqual(figure.text, 'not known yet')


if __name__ == '__main__':
  absltest.main()
