import dataclasses

from absl.testing import absltest

from rnn_tf import attack_section, records
from rnn_tf.errors import UsageError
from tests import fake_attacks, fake_runs

SMALL = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'exposed': 0}


class SectionTest(fake_runs.RunsCase):
  def attacked(self, name, *, attack=None, **options):
    folder = self.run_folder(name, **options)
    fake_attacks.write(folder, **{**SMALL, **(attack or {})})
    return records.load_run(folder)

  def test_runs_without_attacks_have_no_section(self):
    self.assertIsNone(attack_section.section([self.load('a'), self.load('b')]))

  def test_attacked_runs_are_shown_and_others_left_out(self):
    runs = [
      self.attacked('a', attack={'command': 'attack a'}),
      self.load('plain'),
      self.attacked('b', attack={'command': 'attack b', 'leak': 0.5}),
    ]
    found = attack_section.section(runs)
    self.assertEqual(list(dict.fromkeys(found.table['run'])), ['a', 'b'])
    self.assertStartsWith(found.text, '### Attacks with shadow models\n')
    self.assertNotIn('plain', found.text)
    self.assertEqual(found.commands, ('attack a', 'attack b'))
    shown = [(picture.subject, picture.name) for picture in found.pictures]
    self.assertEqual(
      shown,
      [
        ('digits', 'attack_comparison'),
        *[(run, f'attack_{name}') for run in 'ab' for name in ('roc', 'anytime')],
      ],
    )

  def test_runs_are_named_as_on_the_page(self):
    run = dataclasses.replace(self.attacked('same'), name='x/same')
    found = attack_section.section([run])
    self.assertEqual(set(found.table['run']), {'x/same'})
    self.assertEqual(found.pictures[1].subject, 'x/same')

  def test_what_the_figures_must_be_read_with_is_said(self):
    runs = [
      self.attacked('a', attack={'failing': {('lira', 'permuted')}}),
      self.attacked('b', attack={'null_checks': False, 'drawn_from': 'test'}),
    ]
    text = attack_section.section(runs).text
    self.assertIn('- a, lira-half8: **1 of 8 null checks lie outside', text)
    self.assertIn('- b, lira-half8: not checked where there is nothing', text)
    self.assertIn('- b: non-members are test images', text)

  def test_scores_that_were_not_kept_leave_the_rest(self):
    run = self.attacked('a')
    (run.folder.path / 'attacks/lira-half8/scores.npz').unlink()
    names = [picture.name for picture in attack_section.section([run]).pictures]
    self.assertEqual(names, ['attack_comparison', 'attack_anytime'])

  def test_an_attack_that_was_skipped_altogether_has_no_pictures(self):
    options = {'attacks': ('lira',), 'skipped': {('lira', 'entire')}}
    found = attack_section.section([self.attacked('a', attack=options)])
    self.assertEqual(found.pictures, ())
    self.assertIn('skipped', found.text)

  def test_an_attack_on_another_training_is_refused(self):
    run = self.attacked('a', epochs=6)
    with self.assertRaisesRegex(UsageError, 'another training .digits, cnn2, 4 epochs'):
      attack_section.section([run])


if __name__ == '__main__':
  absltest.main()
