import dataclasses

import numpy as np
from absl.testing import absltest

from rnn_tf import attack_details
from rnn_tf.attack_config import AttackConfig
from tests import fake_attacks

SMALL = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'exposed': 3}


def record(**options):
  return fake_attacks.record(**{**SMALL, **options})[0]


class ParametersTest(absltest.TestCase):
  def test_flags_without_a_say_are_left_out(self):
    found = attack_details.parameters(record(attacks=('lira', 'threshold')))
    self.assertEqual(found['target_model'], 'cnn2')
    self.assertEqual((found['num_shadows'], found['lira_variance']), (4, 'auto'))
    absent = {'attack_model', 'shadow_test_size', 'rmia_gamma', 'shadow_train_size'}
    self.assertEmpty(absent & set(found))

  def test_flags_of_the_attacks_made_are_there(self):
    config = AttackConfig(attack_model='gb')
    attacks = ('shadow', 'rmia_offline')
    found = attack_details.parameters(
      record(attacks=attacks, attack=config, split='disjoint')
    )
    self.assertContainsSubset(
      {'attack_model', 'attack_balance', 'rmia_gamma', 'rmia_offline_a'}, found
    )
    self.assertIn('shadow_train_size', found)
    # Trees know no epochs.
    self.assertNotIn('attack_epochs', found)
    self.assertNotIn('lira_variance', found)


class ModelsTest(absltest.TestCase):
  def test_the_target_comes_before_its_shadows(self):
    frame = attack_details.shadows_table(record())
    self.assertEqual(list(frame['model'])[:2], ['target', 'shadow 0'])
    self.assertLen(frame, 5)
    self.assertEqual(frame['test_accuracy'][0], 0.7)

  def test_the_mean_is_over_the_shadows_alone(self):
    text = attack_details.shadows_markdown(record())
    mean = np.mean([0.9 + 0.002 * number for number in range(4)])
    self.assertIn('mean of 4 shadows', text)
    self.assertIn(f'{mean:.4f}', text.splitlines()[-1])

  def test_of_many_shadows_some_are_shown(self):
    text = attack_details.shadows_markdown(record(num_shadows=64))
    self.assertIn('| shadow 19', text)
    self.assertNotIn('| shadow 20', text)
    self.assertIn('mean of 64 shadows', text)

  def test_for_readers_all_shadows_are_there(self):
    frame = attack_details.shadows_readable(record(num_shadows=64))
    self.assertEqual(list(frame['model'])[-2:], ['shadow 63', 'mean of 64 shadows'])
    self.assertLen(frame, 1 + 64 + 1)

  def test_classes_have_what_they_learned_from_and_what_it_gives(self):
    found = record()
    frame = attack_details.class_table(found)
    self.assertEqual(list(frame['class']), ['zero', 'one', 'two'])
    self.assertEqual(frame['test_auc'][1], found.classes[1].test_auc)
    self.assertIn('1,000 + 900', attack_details.class_markdown(found))
    self.assertEmpty(attack_details.class_table(record(attacks=('lira',))))

  def test_the_classification_report_is_that_of_the_calls(self):
    found = record()
    pair = fake_attacks.scores('shadow', members=60, nonmembers=50)
    frame = attack_details.classification_table(found).set_index('called')
    self.assertAlmostEqual(frame.loc['member', 'recall'], (pair.members > 0).mean())
    lines = attack_details.classification_text(found).splitlines()
    self.assertStartsWith(lines[1], 'member')
    self.assertEndsWith(lines[1], '60')


class ChecksTest(absltest.TestCase):
  def test_checks_that_fail_are_marked(self):
    found = record(failing={('lira', 'permuted')})
    frame = attack_details.null_table(found)
    self.assertLen(frame, 8)
    self.assertEqual(list(frame['attack'][~frame['holds']]), ['lira'])
    self.assertEqual(attack_details.null_markdown(found).count('**no**'), 1)
    self.assertEmpty(attack_details.null_table(record(null_checks=False)))

  def test_names_are_escaped_in_markdown_alone(self):
    found = dataclasses.replace(record(), class_names=('a|b', 'one', 'two'))
    for readable, markdown in (
      (attack_details.class_readable(found), attack_details.class_markdown(found)),
      (
        attack_details.exposed_readable(found, 'lira'),
        attack_details.exposed_markdown(found, 'lira'),
      ),
    ):
      self.assertContainsSubset(readable['class'], found.class_names)
      self.assertEqual('a|b' in set(readable['class']), 'a\\|b' in markdown)

  def test_of_many_exposed_members_markdown_has_some(self):
    found = record(exposed=30)
    self.assertLen(attack_details.exposed_readable(found, 'lira'), 30)
    text = attack_details.exposed_markdown(found, 'lira')
    self.assertLen(text.splitlines(), 2 + 20)

  def test_exposed_members_are_named_with_those_they_would_drag_along(self):
    found = record()
    frame = attack_details.exposed_table(found)
    self.assertLen(frame, 3 * 4)
    first = found.exposed['lira'][0]
    text = attack_details.exposed_markdown(found, 'lira')
    self.assertIn(f'| {first.false_positives}/50 ', text)
    self.assertLen(text.splitlines(), 2 + 3)
    self.assertEmpty(attack_details.exposed_table(record(exposed=0)))


if __name__ == '__main__':
  absltest.main()
