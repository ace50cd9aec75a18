import numpy as np
from absl.testing import absltest

from rnn_tf import pair_tables, pairs, records, seed_groups
from tests import fake_runs


class TablesCase(fake_runs.RunsCase):
  def found(self):
    return records.load_runs([f'{self.root}/runs/*'])

  def pairs_frame(self):
    return pair_tables.pairs_table(pairs.find(self.found())[0])

  def seeds_frame(self):
    found = self.found()
    return pair_tables.seeds_table(seed_groups.find(found), pairs.find(found)[0])


class PairsTableTest(TablesCase):
  def test_a_row_holds_both_runs_and_their_difference(self):
    self.run_folder('private', privacy=fake_runs.private(), bound=0.2, val_accuracy=0.6)
    self.run_folder('plain', leak=1.0)
    row = self.pairs_frame().iloc[0]
    private, plain = (
      records.load_run(self.root / 'runs' / name) for name in ('private', 'plain')
    )
    self.assertEqual((row['run'], row['plain_run']), ('private', 'plain'))
    self.assertEqual((row['epsilon'], row['epsilon_lower_bound']), (3.0, 0.2))
    self.assertAlmostEqual(row['val_accuracy'], 0.6)
    self.assertAlmostEqual(row['plain_best_val_accuracy'], 0.75)
    aucs = [record.entire('threshold')[-1].auc for record in (private, plain)]
    self.assertEqual([row['auc'], row['plain_auc']], aucs)
    self.assertAlmostEqual(row['auc_difference'], aucs[1] - aucs[0])
    self.assertLess(row['auc_difference_low'], row['auc_difference'])

  def test_markdown_has_both_figures_and_the_interval(self):
    self.run_folder('private', privacy=fake_runs.private(), bound=3.5)
    self.run_folder('plain', leak=1.0)
    frame = self.pairs_frame()
    text = pair_tables.pairs_markdown(frame)
    row = frame.iloc[0]
    self.assertIn(f'{row["auc"]:.3f} / {row["plain_auc"]:.3f}', text)
    self.assertIn(
      f'{row["auc_difference"]:+.3f} [{row["auc_difference_low"]:+.3f}, '
      f'{row["auc_difference_high"]:+.3f}]',
      text,
    )
    self.assertIn('3.5, above 3: guarantee broken', text)
    self.assertEqual(text.count('private'), 1)
    self.assertLen({line.count('|') for line in text.splitlines()}, 1)

  def test_readable_tables_have_complete_rows(self):
    self.run_folder('pri|vate', privacy=fake_runs.private())
    self.run_folder('plain')
    shown = pair_tables.readable_pairs(self.pairs_frame())
    self.assertEqual(list(shown['DP run']), ['pri|vate'] * 2)
    self.assertEqual(list(shown['plain run']), ['plain'] * 2)
    self.assertIn('pri\\|vate', pair_tables.pairs_markdown(self.pairs_frame()))
    shown = pair_tables.readable_seeds(self.seeds_frame())
    self.assertEqual(list(shown['epsilon (delta)']), ['3 (1e-05)'] * 2 + ['plain'] * 2)

  def test_an_unfinished_run_is_shown_with_its_epoch_and_what_it_has_spent(self):
    self.run_folder('private', privacy=fake_runs.private(), epochs=8, trained=5)
    self.run_folder('plain', epochs=8)
    text = pair_tables.pairs_markdown(self.pairs_frame())
    self.assertIn('private (epoch 4 of 8)', text)
    self.assertIn('2.122 (1e-05)', text)

  def test_missing_scores_leave_the_difference_without_an_interval(self):
    self.run_folder('private', privacy=fake_runs.private())
    (self.run_folder('plain') / 'scores/epoch-0004.npz').unlink()
    self.assertIn('[no scores kept]', pair_tables.pairs_markdown(self.pairs_frame()))

  def test_runs_without_reports_and_skipped_attacks_have_rows(self):
    for name, privacy in (('private', fake_runs.private()), ('plain', fake_runs.PLAIN)):
      self.run_folder(f'{name}-none', privacy=privacy, attacks=())
      skipped = {('lr', 'entire')} if privacy.dp else ()
      self.run_folder(name, privacy=privacy, attacks=('lr',), skipped=skipped)
    text = pair_tables.pairs_markdown(self.pairs_frame())
    self.assertLen(text.splitlines(), 4)
    self.assertIn('skipped / 0.', text)


class SeedsTableTest(TablesCase):
  def test_means_and_spreads_are_those_of_the_finished_runs(self):
    for seed, accuracy in ((0, 0.5), (1, 0.6), (2, 0.55)):
      private = fake_runs.private()
      self.run_folder(f'a{seed}', seed=seed, privacy=private, val_accuracy=accuracy)
      self.run_folder(f'b{seed}', seed=seed, leak=1.0)
    self.run_folder('young', seed=3, privacy=private, trained=2, val_accuracy=0.1)
    frame = self.seeds_frame()
    self.assertEqual(list(frame['group']), ['ε = 3'] * 2 + ['plain'] * 2)
    row = frame.iloc[0]
    self.assertEqual((row['seeds'], row['runs']), (3, 3))
    found = {record.name: record for record in self.found()}
    for name, measured in (
      ('val_accuracy', [0.5, 0.6, 0.55]),
      ('auc', [found[f'a{s}'].entire('threshold')[-1].auc for s in range(3)]),
      (
        'auc_difference',
        [
          found[f'b{s}'].entire('threshold')[-1].auc
          - found[f'a{s}'].entire('threshold')[-1].auc
          for s in range(3)
        ],
      ),
    ):
      self.assertAlmostEqual(row[name], np.mean(measured))
      self.assertAlmostEqual(row[f'{name}_low'], np.min(measured))
      self.assertAlmostEqual(row[f'{name}_high'], np.max(measured))
      self.assertAlmostEqual(row[f'{name}_deviation'], np.std(measured, ddof=1))
    text = pair_tables.seeds_markdown(frame)
    self.assertIn('0.5500 (0.5000 to 0.6000)', text)
    self.assertEqual(text.count('3 (1e-05)'), 1)

  def test_a_difference_of_some_runs_only_says_of_how_many(self):
    for seed in range(2):
      self.run_folder(f'a{seed}', seed=seed, privacy=fake_runs.private())
    self.run_folder('b', seed=1)
    frame = self.seeds_frame()
    self.assertEqual(frame['auc_difference_runs'][0], 1)
    self.assertIn(', n = 1', pair_tables.seeds_markdown(frame))

  def test_one_seed_has_no_spread(self):
    self.run_folder('a', privacy=fake_runs.private())
    text = pair_tables.seeds_markdown(self.seeds_frame())
    self.assertNotIn(' to ', text)

  def test_other_flags_have_a_column_only_where_there_are_some(self):
    self.run_folder('a', privacy=fake_runs.private())
    self.assertNotIn('flags', pair_tables.seeds_markdown(self.seeds_frame()))
    self.run_folder('b', batch_size=16)
    self.assertIn('--batch_size=16', pair_tables.seeds_markdown(self.seeds_frame()))

  def test_runs_without_reports_have_their_accuracies(self):
    self.run_folder('a', privacy=fake_runs.private(), attacks=())
    self.assertIn('0.7000', pair_tables.seeds_markdown(self.seeds_frame()))


if __name__ == '__main__':
  absltest.main()
