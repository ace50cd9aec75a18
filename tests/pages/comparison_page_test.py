from absl.testing import absltest

from rnn_tf import reporting
from rnn_tf.page import figures
from rnn_tf.pages import comparison_page
from tests import fake_attacks, fake_deletions, fake_runs


class ComparisonPageTest(fake_runs.RunsCase):
  def write(self, **options):
    records = reporting.load_runs([f'{self.root}/runs/*'])
    out = self.root / 'report'
    made = reporting.compare(records, out)
    settings = {'command': 'the command', 'note': '', 'max_advantage': None, **options}
    settings['equal'] = made.equal
    return comparison_page.write(records, out, **settings).read_text()

  def said(self, **options):
    return '\n'.join(figures.read(self.write(**options)).texts)

  def test_private_and_plain_runs_stand_side_by_side(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-dp-eps3-s0', privacy=fake_runs.private())
    said = self.said()
    self.assertIn('Plain against private', said)
    self.assertIn('2 runs compared', said)
    self.assertIn('the command', said)

  def test_runs_of_two_data_sets_are_shown_apart_with_the_reason(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('mnist-cnn2-s0', dataset='mnist')
    said = self.said()
    self.assertIn('whose accuracies and AUCs do not compare', said)
    self.assertIn('digits: Runs', said)
    self.assertIn('mnist: Runs', said)

  def test_attacks_and_deletions_of_the_runs_are_shown(self):
    for seed in (0, 1):
      folder = self.run_folder(f'digits-cnn2-s{seed}', seed=seed)
      fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
      fake_deletions.write(folder)
    said = self.said()
    self.assertIn('Attacks with shadow models, run by run', said)
    for seed in (0, 1):
      self.assertIn(f'digits-cnn2-s{seed}: Audit of deletions: mine', said)

  def test_the_note_is_shown_and_html_in_it_is_text(self):
    self.run_folder('digits-cnn2-s0')
    text = self.write(note='<script>alert(1)</script>')
    self.assertNotIn('<script>alert', text)
    self.assertIn('&lt;script&gt;alert(1)', text)

  def test_pictures_that_lie_beside_the_page_are_linked(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-s1', seed=1)
    text = self.write()
    self.assertIn('./digits-learning_curves.png', text)
    self.assertNotIn('at_equal_accuracy.png', text)

  def test_a_comparison_of_many_runs_stays_below_a_megabyte(self):
    for seed in range(14):
      self.run_folder(f'digits-cnn2-s{seed}', seed=seed)
    self.assertLess(len(self.write()), 1_000_000)


if __name__ == '__main__':
  absltest.main()
