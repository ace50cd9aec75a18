import csv
import io

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import tables
from tests import fake_runs


class TableTest(fake_runs.RunsCase):
  def test_a_row_holds_the_figures_of_run_and_attack(self):
    record = self.load()
    (row, _) = tables.table([record]).to_dict('records')
    result = record.entire('threshold')[-1]
    self.assertEqual(row['run'], 'digits-cnn2-s0')
    self.assertEqual(row['parameters'], 1234)
    self.assertAlmostEqual(row['val_accuracy'], 0.7)
    self.assertAlmostEqual(row['best_val_accuracy'], 0.75)
    self.assertEqual(row['best_epoch'], 3)
    self.assertEqual(row['auc'], result.auc)
    (point,) = [p for p in result.tpr_at_fpr if p.target_fpr == 0.001]
    self.assertEqual(row['tpr_at_0.1pct'], point.tpr)
    self.assertEqual(row['false_positives_at_0.1pct'], point.false_positives)

  def test_markdown_gives_counts_beside_rates(self):
    record = self.load()
    text = tables.to_markdown(tables.table([record]))
    result = record.entire('threshold')[-1]
    (point,) = [p for p in result.tpr_at_fpr if p.target_fpr == 0.001]
    self.assertIn(
      f'{point.tpr:.2%} ({point.true_positives}/300; {point.false_positives} of 200)',
      text,
    )
    interval = f'{result.auc:.3f} [{result.auc_low:.3f}, {result.auc_high:.3f}]'
    self.assertIn(interval, text)
    self.assertIn('0.7500 (3)', text)

  def test_markdown_rows_have_the_same_cells_and_name_a_run_once(self):
    text = tables.to_markdown(tables.table([self.load()]))
    self.assertLen({line.count('|') for line in text.splitlines()}, 1)
    self.assertEqual(text.count('digits-cnn2-s0'), 1)

  def test_the_readable_table_names_the_run_in_every_row(self):
    frame = tables.table([self.load('a|b')])
    shown = tables.readable(frame)
    self.assertEqual(list(shown['run']), ['a|b', 'a|b'])
    self.assertEqual(list(shown['val acc']), ['0.7000', '0.7000'])
    # In Markdown a bar parts cells, and the run's values stand once.
    lines = tables.to_markdown(frame).splitlines()
    self.assertIn('| a\\|b ', lines[2])
    self.assertEqual(lines[3].split('|')[1].strip(), '')

  def test_unfinished_runs_and_older_reports_are_marked(self):
    text = tables.to_markdown(tables.table([self.load(epochs=8, trained=5)]))
    self.assertIn('5 of 8, unfinished', text)
    self.assertIn('threshold (epoch 4)', text)

  def test_runs_without_attacks_and_skipped_attacks_have_rows(self):
    found = [
      self.load('none', attacks=()),
      self.load('skipped', attacks=('lr',), skipped={('lr', 'entire')}),
    ]
    text = tables.to_markdown(tables.table(found))
    self.assertLen(text.splitlines(), 4)
    self.assertIn('skipped', text.splitlines()[3].split('|')[11])

  def test_csv_reads_back(self):
    frame = tables.table([self.load()])
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(frame))))
    self.assertLen(rows, 2)
    np.testing.assert_allclose(float(rows[0]['auc']), frame['auc'][0], rtol=1e-5)

  def test_a_table_of_plain_runs_says_nothing_of_privacy(self):
    frame = tables.table([self.load()])
    self.assertNotIn('epsilon', frame)
    self.assertNotIn('epsilon', tables.to_markdown(frame))
    self.assertEmpty(tables.broken_guarantees(frame))


class PrivacyTest(fake_runs.RunsCase):
  def test_claims_and_bounds_are_in_the_table(self):
    found = [
      self.load('private', privacy=fake_runs.private(), bound=0.25),
      self.load('plain'),
    ]
    frame = tables.table(found)
    row = frame.iloc[0]
    self.assertEqual((row['epsilon'], row['delta']), (3.0, 1e-5))
    self.assertEqual((row['noise_multiplier'], row['l2_norm_clip']), (1.1, 1.0))
    self.assertEqual((row['sampling'], row['noise_secret']), ('poisson', True))
    self.assertEqual(row['epsilon_lower_bound'], 0.25)
    lines = tables.to_markdown(frame).splitlines()
    self.assertIn(' 3 (1e-05) ', lines[2])
    self.assertEqual(lines[2].split('|')[-2].strip(), '0.250')
    self.assertIn(' none ', lines[4])
    self.assertEqual(lines[4].split('|')[-2].strip(), '')
    self.assertLen({line.count('|') for line in lines}, 1)

  def test_a_bound_on_a_plain_run_is_shown(self):
    text = tables.to_markdown(tables.table([self.load(bound=4.0)]))
    self.assertIn('4.000', text)
    self.assertNotIn('broken', text)

  def test_a_shuffled_runs_epsilon_says_that_it_is_for_poisson(self):
    privacy = fake_runs.private(dp_sampling='shuffle')
    text = tables.to_markdown(tables.table([self.load(privacy=privacy)]))
    self.assertIn('3 (1e-05), if Poisson', text)

  @parameterized.parameters((3.01, True), (3.0, False), (0.0, False), (None, False))
  def test_a_guarantee_is_broken_by_a_bound_above_epsilon_alone(self, bound, broken):
    frame = tables.table([self.load(privacy=fake_runs.private(), bound=bound)])
    self.assertLen(tables.broken_guarantees(frame), broken)
    self.assertEqual('guarantee broken' in tables.to_markdown(frame), broken)

  def test_an_unfinished_run_is_measured_by_what_it_has_spent(self):
    record = self.load(privacy=fake_runs.private(), bound=2.5, trained=2)
    frame = tables.table([record])
    self.assertLess(frame['report_epsilon'][0], 2.5)
    (line,) = tables.broken_guarantees(frame)
    self.assertIn('2.5 (threshold), 2.5 (lr)', line)
    self.assertIn('claims 2.122', line)

  def test_a_private_run_without_reports_has_its_claim(self):
    frame = tables.table([self.load(privacy=fake_runs.private(), attacks=())])
    self.assertIn('3 (1e-05)', tables.to_markdown(frame))


if __name__ == '__main__':
  absltest.main()
