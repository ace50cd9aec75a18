from absl.testing import absltest

from rnn_tf import privacy_page, records
from tests import fake_runs


class SectionTest(fake_runs.RunsCase):
  def section(self):
    return privacy_page.section(records.load_runs([f'{self.root}/runs/*']))

  def test_plain_runs_have_no_section(self):
    self.run_folder()
    self.assertIsNone(self.section())

  def test_a_pair_has_both_tables_and_how_to_read_them(self):
    self.run_folder('private', privacy=fake_runs.private())
    self.run_folder('plain')
    made = self.section()
    self.assertIn('### Plain against differentially private', made.text)
    for text in ('| private ', 'Poisson', '95% confidence', 'Mean over seeds'):
      self.assertIn(text, made.text)
    self.assertNotIn('no plain run', made.text)
    self.assertNotIn('\n- ', made.text)
    self.assertLen(made.pairs, 2)
    self.assertLen(made.seeds, 4)

  def test_a_run_without_a_partner_says_what_differs(self):
    self.run_folder('private', privacy=fake_runs.private(), batch_size=256)
    self.run_folder('plain')
    made = self.section()
    self.assertIn(
      '- private: no plain run to compare with: --batch_size was 64, is 256 (the '
      'nearest is plain)',
      made.text,
    )
    self.assertTrue(made.pairs.empty)
    self.assertNotIn('pairs', made.text)

  def test_private_runs_alone_have_their_means(self):
    self.run_folder('private', privacy=fake_runs.private())
    made = self.section()
    self.assertIn('- private: no plain run to compare with\n', made.text)
    self.assertIn('0.7000', made.text)

  def test_unfinished_runs_alone_have_no_means(self):
    self.run_folder('private', privacy=fake_runs.private(), trained=2)
    made = self.section()
    self.assertIn('- private: unfinished, not in the means', made.text)
    self.assertTrue(made.seeds.empty)
    self.assertNotIn('.csv', made.text)

  def test_an_epsilon_that_is_not_all_it_seems_says_so(self):
    shuffle = fake_runs.private(dp_sampling='shuffle')
    self.run_folder('shuffled', privacy=shuffle)
    self.run_folder('known', privacy=fake_runs.private(), deterministic=True)
    made = self.section()
    self.assertIn('- shuffled: batches were shuffled', made.text)
    self.assertIn('- known: the noise follows from `--seed`', made.text)


if __name__ == '__main__':
  absltest.main()
