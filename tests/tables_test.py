import csv
import io

import numpy as np
from absl.testing import absltest

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


if __name__ == '__main__':
  absltest.main()
