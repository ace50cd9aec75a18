import csv
import io

import numpy as np
from absl.testing import absltest

from rnn_tf import records, stopping
from rnn_tf.attacks.results import class_slice
from rnn_tf.pages import run_blocks
from tests import fake_runs


def _texts(table):
  """Returns each row as a dict of what is shown."""
  return [
    dict(zip(table.columns, (cell.text for cell in row), strict=True))
    for row in table.rows
  ]


class SizesTest(fake_runs.RunsCase):
  def test_a_run_tells_its_examples_those_attacked_and_its_seed(self):
    self.assertEqual(
      run_blocks.sizes(self.load(members=1200, seed=3)),
      '1,200 training and 200 test images; attacked: 1,200 members, 200 non-members '
      '(test images); seed 3',
    )

  def test_without_a_report_nobody_was_attacked(self):
    self.assertNotIn('attacked', run_blocks.sizes(self.load(attacks=())))


class RunsTableTest(fake_runs.RunsCase):
  def test_every_row_is_complete_and_the_attack_comes_first(self):
    table = run_blocks.runs_table([self.load('a'), self.load('b', seed=1)])
    rows = _texts(table)
    self.assertEqual([row['run'] for row in rows], ['a', 'a', 'b', 'b'])
    self.assertEqual([row['attack'] for row in rows], ['threshold', 'lr'] * 2)
    self.assertEqual(table.columns[:3], ('run', 'attack', 'AUC [95% interval]'))
    self.assertEqual({row['val acc'] for row in rows}, {'0.7000'})

  def test_the_data_have_more_digits(self):
    record = self.load()
    table = run_blocks.runs_table([record])
    row = next(csv.DictReader(io.StringIO(table.csv)))
    result = record.entire('threshold')[-1]
    self.assertAlmostEqual(float(row['auc']), result.auc, delta=1e-6)
    self.assertEqual(row['n_members'], '300')


class AttackTableTest(fake_runs.RunsCase):
  def test_each_rate_has_its_counts(self):
    record = self.load(leak=2.0)
    rows = _texts(run_blocks.attack_table(record))
    self.assertEqual(
      [row['attack'] for row in rows],
      ['threshold, 1% FPR', 'threshold, 0.1% FPR', 'lr, 1% FPR', 'lr, 0.1% FPR'],
    )
    for row, (attack, place) in zip(
      rows, [(a, i) for a in ('threshold', 'lr') for i in (0, 1)], strict=True
    ):
      result = record.entire(attack)[-1]
      point = result.tpr_at_fpr[place]
      self.assertEqual(row['members found'], f'{point.true_positives} of 300')
      self.assertEqual(row['falsely accused'], f'{point.false_positives} of 200')
      self.assertEqual(
        row['TPR [95% interval]'],
        f'{point.tpr:.2%} [{point.tpr_low:.2%}, {point.tpr_high:.2%}]',
      )
      self.assertStartsWith(row['AUC [95% interval]'], f'{result.auc:.3f} [')
      self.assertEqual(row['advantage'], f'{result.advantage:.3f}')

  def test_a_skipped_attack_says_why(self):
    rows = _texts(run_blocks.attack_table(self.load(skipped={('lr', 'entire')})))
    self.assertEqual(rows[-1]['AUC [95% interval]'], 'skipped: too few examples')

  def test_without_a_report_there_is_none(self):
    self.assertIsNone(run_blocks.attack_table(self.load(attacks=())))


class ClassHeatMapTest(fake_runs.RunsCase):
  def test_a_cell_is_the_auc_inside_the_class(self):
    record = self.load(skipped={('lr', 'class:1')}, leak=2.0)
    table = run_blocks.class_heat_map([record], picture=lambda name: name)
    self.assertEqual(table.columns, ('AUC', 'zero', 'one', 'two'))
    self.assertEqual(table.picture, 'auc_by_class')
    found = {(r.attack, r.slice): r.auc for r in record.last_results()}
    highest = max(
      auc for (_, part), auc in found.items() if part != 'entire' and auc is not None
    )
    for row in table.rows:
      for label, cell in enumerate(row[1:]):
        auc = found[row[0].text, class_slice(label)]
        self.assertEqual(cell.text, '' if auc is None else f'{auc:.3f}')
        if auc is not None:
          top = max(0.7, highest)
          self.assertAlmostEqual(
            cell.shade, np.clip((auc - 0.5) / (top - 0.5), 0, 1), delta=1e-3
          )
    self.assertIn(f'The highest is {highest:.3f}', table.description)
    self.assertIn('100 members, 66 to 67 non-members; seed 0', table.note)

  def test_rows_of_several_runs_name_the_run(self):
    table = run_blocks.class_heat_map([self.load('a'), self.load('b', attacks=('lr',))])
    self.assertEqual(
      [row[0].text for row in table.rows], ['a · threshold', 'a · lr', 'b · lr']
    )
    self.assertIsNone(table.picture)

  def test_of_many_classes_those_that_leak_most_are_shown(self):
    path = self.run_folder()
    names = [f'class {label}' for label in range(30)]

    def change(values):
      values['data']['class_names'] = names

    fake_runs.change_json(path / 'config.json', change)
    table = run_blocks.class_heat_map([records.load_run(path)])
    # Only three of them have numbers, and these come first.
    self.assertLen(table.columns, 21)
    self.assertEqual(table.columns[1:4], ('class 0', 'class 1', 'class 2'))
    self.assertIn('the 20 of 30 classes', table.title)
    header = next(csv.reader(io.StringIO(table.csv)))
    self.assertLen(header, 31)

  def test_without_numbers_there_is_none(self):
    skipped = {('lr', class_slice(label)) for label in range(3)}
    record = self.load(attacks=('lr',), skipped=skipped)
    self.assertIsNone(run_blocks.class_heat_map([record]))


class StoppingTableTest(fake_runs.RunsCase):
  def test_a_row_is_the_recommendation_or_why_there_is_none(self):
    records_ = [self.load('a', leak=0.0), self.load('b', leak=4.0, seed=1)]
    advice = [stopping.recommend(record, max_advantage=0.2) for record in records_]
    self.assertIsNone(advice[1].epoch)
    table = run_blocks.stopping_table(advice)
    first, second = _texts(table)
    self.assertEqual(first['stop after epoch'], str(advice[0].epoch))
    chosen = advice[0].chosen
    self.assertEqual(first['test accuracy'], f'{chosen.accuracy:.4f}')
    self.assertStartsWith(first['advantage'], f'{chosen.by_advantage.advantage:.4f} (')
    self.assertEqual(first['guesses, 95%'], f'{advice[0].null_advantage:.4f}')
    self.assertEqual(second['stop after epoch'], 'none')
    self.assertEqual(second['test accuracy'], '')
    lowest = advice[1].lowest
    self.assertEqual(
      second['lowest advantage'],
      f'{lowest.by_advantage.advantage:.4f} (epoch {lowest.epoch})',
    )
    self.assertNotIn('unreachable', table.note)
    self.assertNotIn('lowest advantage', run_blocks.stopping_table(advice[:1]).columns)

  def test_less_than_guesses_show_is_called_unreachable(self):
    advice = stopping.recommend(self.load(), max_advantage=0.001)
    self.assertIn('unreachable', run_blocks.stopping_table([advice]).note)


if __name__ == '__main__':
  absltest.main()
