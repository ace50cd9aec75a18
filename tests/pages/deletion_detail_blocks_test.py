import csv
import io

import pandas as pd
from absl.testing import absltest

from rnn_tf import deletion_readable, deletion_tables
from rnn_tf.pages.deletion_detail_blocks import folded_tables, side_by_side
from tests import fake_deletions


def made(**options):
  record = fake_deletions.record(**options)
  return record, {
    details.blocks[0].name: details.blocks[0] for details in folded_tables(record, 'p')
  }


def rows(table):
  return list(csv.DictReader(io.StringIO(table.csv)))


class SideBySideTest(absltest.TestCase):
  def test_attacks_become_columns(self):
    frame = pd.DataFrame(
      {
        'deleted': ['5%', '5%', '10%'],
        'version': ['original', 'original', 'original'],
        'attack': ['lr', 'lira', 'lr'],
        'AUC': ['0.6', '0.7', '0.8'],
        'sizes': ['5', '5', '9'],
      }
    )
    found = side_by_side(frame)
    self.assertEqual(
      list(found), ['deleted', 'version', 'AUC, lr', 'AUC, lira', 'sizes']
    )
    self.assertEqual(found.iloc[0].tolist(), ['5%', 'original', '0.6', '0.7', '5'])
    self.assertEqual(found.iloc[1, [0, 2, 4]].tolist(), ['10%', '0.8', '9'])
    self.assertTrue(pd.isna(found.iloc[1]['AUC, lira']))

  def test_a_table_without_attacks_stays(self):
    frame = deletion_readable.accuracy(fake_deletions.record())
    pd.testing.assert_frame_equal(side_by_side(frame), frame)


class TablesTest(absltest.TestCase):
  def test_every_cell_of_the_markdown_is_there_or_said(self):
    record, found = made()
    table = found['p-found']
    shown = {cell.text for row in table.rows for cell in row}
    frame = deletion_readable.attacks(record)
    for column in frame.drop(columns=['deleted', 'version', 'attack']):
      for cell in frame[column]:
        self.assertTrue(cell in shown or cell in table.note, cell)

  def test_what_all_rows_have_is_said_once(self):
    _, found = made(seeds=(0, 1))
    table = found['p-verdicts']
    self.assertNotIn('seeds', table.columns)
    self.assertIn('seeds: 2', table.note)

  def test_verdicts_are_short(self):
    _, found = made(size=60)
    words = {
      cell.text
      for row in found['p-verdicts'].rows
      for column, cell in zip(found['p-verdicts'].columns, row, strict=True)
      if column.startswith('verdict')
    }
    self.assertIn('not enough data', words)
    self.assertFalse([word for word in words if 'about' in word])

  def test_the_csv_is_the_raw_table(self):
    record, found = made()
    self.assertLen(rows(found['p-verdicts']), len(record.findings.verdicts))
    self.assertLen(
      rows(found['p-both']), len(deletion_tables.two_versions_table(record))
    )
    self.assertLen(rows(found['p-accuracy']), len(record.findings.pooled))
    first = rows(found['p-accuracy'])[0]
    figures = record.findings.pooled[0]
    self.assertAlmostEqual(
      float(first['test_accuracy_low']), figures.test.low, places=5
    )
    self.assertEqual(first['runs'].split(), list(figures.runs))
    attacks = rows(found['p-found'])
    self.assertLen(attacks, 2 * len(record.findings.pooled))
    self.assertAlmostEqual(
      float(attacks[0]['forgotten_auc']), figures.attacks[0].forgotten.value, places=5
    )
    self.assertNotIn('test_accuracy', attacks[0])

  def test_tables_without_rows_are_left_out(self):
    _, found = made(methods=('finetune',))
    self.assertNotIn('p-verdicts', found)
    self.assertIn('p-accuracy', found)


if __name__ == '__main__':
  absltest.main()
