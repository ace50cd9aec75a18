import dataclasses
import itertools

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import deletion_verdict
from rnn_tf.deletion.results import FORGOTTEN, NOT_ENOUGH_DATA, NOT_FORGOTTEN
from tests import fake_deletions

# Word -> a difference to the full retrain and half its interval.
FIGURES = {
  FORGOTTEN: (0.001, 0.01),
  NOT_FORGOTTEN: (0.06, 0.01),
  NOT_ENOUGH_DATA: (0.01, 0.02),
}


def made(words, *, method='sharded'):
  """Returns verdicts with these words, an attack each."""
  return tuple(
    fake_deletions.verdict(*FIGURES[word], attack=attack, method=method)
    for word, attack in zip(words, ('threshold', 'lr', 'lira'), strict=False)
  )


def lines(verdicts=None, **options):
  """Returns what is said of the first forget set, as one text."""
  options = {'forgets': ('uniform-5pct',), 'attacks': ('threshold', 'lr'), **options}
  record = fake_deletions.record(**options)
  if verdicts is not None:
    findings = dataclasses.replace(record.findings, verdicts=verdicts)
    record = dataclasses.replace(record, findings=findings)
  return '\n'.join(deletion_verdict.lines(record, 'uniform-5pct'))


_BEYOND = r'there is something to forget, \+0\.\d+ \[.* above the full retrain$'


class OverallTest(parameterized.TestCase):
  @parameterized.parameters(*itertools.product(FIGURES, repeat=3))
  def test_all_must_pass_and_one_may_fail(self, *words):
    found = deletion_verdict.overall(made(words))
    if all(word == FORGOTTEN for word in words):
      self.assertEqual(found, FORGOTTEN)
    elif any(word == NOT_FORGOTTEN for word in words):
      self.assertEqual(found, NOT_FORGOTTEN)
    else:
      self.assertEqual(found, NOT_ENOUGH_DATA)

  def test_no_attack_is_no_proof(self):
    self.assertEqual(deletion_verdict.overall(()), NOT_ENOUGH_DATA)

  @parameterized.parameters(1, 3)
  def test_a_method_at_the_margin_rarely_passes_by_any_number_of_attacks(self, attacks):
    rng = np.random.default_rng(attacks)
    error, count = 0.004, 0
    for _ in range(2000):
      # By the first attack it is not forgotten, by the others it is.
      values = error * rng.normal(size=attacks) + np.array([0.02, 0, 0])[:attacks]
      found = [fake_deletions.verdict(value, 1.96 * error) for value in values]
      count += deletion_verdict.overall(found) == FORGOTTEN
    self.assertBetween(count, 1, 2000 * 0.035)


class LinesTest(absltest.TestCase):
  def test_before_and_reference_stand_before_methods_and_controls(self):
    methods = ('twin', 'none', 'sharded', 'retrain', 'finetune')
    found = [line.partition(':')[0] for line in lines(methods=methods).splitlines()]
    self.assertEqual(
      found,
      [
        'before, original',
        'before, sharded original',
        'full retrain, the reference',
        'fine-tuned',
        'sharded retrain',
        'nothing deleted (negative control)',
        'second full retrain (positive control)',
      ],
    )

  def test_a_method_has_the_word_of_all_attacks_and_each_difference(self):
    found = lines(made([FORGOTTEN, FORGOTTEN]))
    self.assertIn(
      'sharded retrain: **forgotten**: +0.001 [-0.009, +0.011] by threshold, '
      '+0.001 [-0.009, +0.011] by lr: within 0.02',
      found,
    )
    found = lines(made([FORGOTTEN, NOT_FORGOTTEN]))
    self.assertIn('retrain: **not forgotten**: +0.001', found)
    self.assertIn('beyond 0.02 by lr', found)
    self.assertNotIn('by threshold, lr', found)

  def test_what_needs_more_data_says_how_much_for_the_neediest_attack(self):
    one, other = made([NOT_ENOUGH_DATA, NOT_ENOUGH_DATA])
    other = dataclasses.replace(other, needed=70_000)
    found = lines((one, other))
    self.assertIn(
      'about 70,000 deleted examples over all seeds (now 1,000) would be enough', found
    )
    near = dataclasses.replace(one, needed=None)
    self.assertIn('too near to 0.02 by threshold', lines((near, other)))

  def test_a_method_without_verdict_has_no_line(self):
    found = lines((), methods=('retrain', 'sharded'))
    self.assertNotIn('sharded retrain', found)


class BeforeTest(absltest.TestCase):
  def original(self, **options):
    found = lines(methods=('retrain',), **options).splitlines()[0]
    self.assertStartsWith(found, 'before, original: 0.')
    return found

  def test_an_original_beyond_the_retrain_has_something_to_forget(self):
    self.assertRegex(self.original(), _BEYOND)
    # Also where the unseen examples are so easy that it is at 0.5.
    beyond = made([NOT_FORGOTTEN], method='original')
    found = self.original(leak=0.0, verdicts=beyond)
    self.assertRegex(found, _BEYOND)

  def test_an_original_that_gives_nothing_away_makes_the_verdict_say_little(self):
    found = self.original(leak=0.0, size=2000)
    self.assertIn('cannot be told from unseen ones', found)
    self.assertIn('hardly anything to forget', found)

  def test_what_the_retrain_gives_away_too_is_no_memory(self):
    within = made([FORGOTTEN], method='original')
    found = self.original(verdicts=within)
    self.assertIn('hardly better than by the full retrain', found)
    self.assertIn('hardly anything to forget', found)

  def test_too_few_examples_are_said_so(self):
    found = self.original(verdicts=made([NOT_ENOUGH_DATA], method='original'))
    self.assertIn('so few examples do not show', found)
    self.assertNotIn('hardly', found)

  def test_without_a_retrain_the_auc_alone_speaks(self):
    found = lines(methods=('finetune',))
    self.assertIn('they can be told from unseen ones', found)
    self.assertNotIn('reference', found)

  def test_unseen_examples_that_look_trained_on_are_not_alike(self):
    found = self.original(leak=-0.1, verdicts=())
    self.assertIn('the two are not alike', found)


class ControlsTest(absltest.TestCase):
  def test_controls_that_read_as_they_must_are_said_so(self):
    found = lines(
      (
        *made([NOT_FORGOTTEN], method='none'),
        *made([FORGOTTEN], method='twin'),
      )
    )
    self.assertEqual(found.count('; so it must be'), 2)
    self.assertNotIn('A control', found)

  def test_a_negative_control_that_passes_has_failed(self):
    found = lines(made([FORGOTTEN], method='none'))
    self.assertIn('**A control has failed**', found)
    self.assertIn('says nothing of any method here', found)
    found = lines(made([NOT_ENOUGH_DATA], method='none'))
    self.assertIn('**A control is undecided**', found)
    self.assertIn('cannot be told from the full retrain', found)

  def test_a_positive_control_that_fails_has_failed(self):
    found = lines(made([NOT_FORGOTTEN], method='twin'))
    self.assertIn('two full retrains differ', found)
    found = lines(made([NOT_ENOUGH_DATA], method='twin'))
    self.assertIn('do not show that even two full retrains agree', found)


class MissingTest(parameterized.TestCase):
  @parameterized.parameters(
    (('finetune',), 'add `retrain` to `--method`'),
    (('retrain',), 'nothing but the full retrain was made'),
    (('retrain', 'sharded'), 'Without a positive control: `twin`'),
  )
  def test_what_the_audit_lacks_is_said_with_the_next_step(self, methods, text):
    record = fake_deletions.record(methods=methods)
    (found,) = deletion_verdict.missing(record)
    self.assertIn(text, found)

  def test_one_seed_knows_nothing_of_other_trainings(self):
    methods = ('retrain', 'twin', 'sharded')
    one = fake_deletions.record(methods=methods, seeds=(4,))
    (found,) = deletion_verdict.missing(one)
    self.assertIn('`--seeds` with three or more', found)
    three = fake_deletions.record(methods=methods)
    self.assertEqual(deletion_verdict.missing(three), [])


class TwoVersionsTest(absltest.TestCase):
  def test_intervals_above_a_half_are_counted(self):
    record = fake_deletions.record(
      forgets=('uniform-5pct',), methods=('retrain', 'none')
    )
    # The retrain's two differences; not its concatenation, and not the control.
    self.assertStartsWith(deletion_verdict.about_two_versions(record), '2 of 2 ')
    nothing = fake_deletions.record(methods=('none',))
    self.assertEqual(deletion_verdict.about_two_versions(nothing), '')


if __name__ == '__main__':
  absltest.main()
