import csv
import dataclasses
import io

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import deletion_tables, tables
from rnn_tf.deletion import verdicts
from tests import fake_deletions

KEY = ('uniform-5pct', 'sharded', 'lr')

SMALL = {'forgets': ('uniform-5pct', 'class-3'), 'methods': ('retrain', 'sharded')}

MARKDOWN = {
  'verdicts': deletion_tables.verdicts_markdown,
  'accuracy': deletion_tables.accuracy_markdown,
  'attacks': deletion_tables.attacks_markdown,
  'costs': deletion_tables.costs_markdown,
  'two_versions': deletion_tables.two_versions_markdown,
  'collateral': deletion_tables.collateral_markdown,
  'shards': deletion_tables.shards_markdown,
}


def record(**options):
  return fake_deletions.record(**{**SMALL, **options})


def rows(frame):
  """Returns the table as a reader of the CSV file finds it."""
  return list(csv.DictReader(io.StringIO(tables.to_csv(frame))))


def cells(text):
  """Returns the rows of a Markdown table below its head, as lists of cells."""
  lines = text.splitlines()
  return [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines[2:]]


class VerdictsTest(absltest.TestCase):
  def test_a_row_has_difference_words_and_sizes(self):
    made = record()
    found = rows(deletion_tables.verdicts_table(made))
    self.assertLen(found, len(made.findings.verdicts))
    (row,) = [
      row for row in found if (row['forget'], row['method'], row['attack']) == KEY
    ]
    (verdict,) = [
      x for x in made.findings.verdicts if (x.forget, x.method, x.attack) == KEY
    ]
    self.assertAlmostEqual(
      float(row['auc_difference_low']), verdict.comparison.low, places=5
    )
    self.assertEqual((row['verdict'], row['overall']), ('forgotten', 'forgotten'))
    self.assertEqual(row['in_words'], verdicts.sentence(verdict))
    self.assertEqual((row['n_forgotten'], row['seeds']), ('1500', '0 1 2'))
    self.assertEqual(row['n_forgotten_needed'], '')

  def test_overall_is_that_of_all_attacks(self):
    made = record()
    pair = (
      fake_deletions.verdict(0.001, 0.01),
      fake_deletions.verdict(0.1, 0.01, attack='lr'),
    )
    findings = dataclasses.replace(made.findings, verdicts=pair)
    made = dataclasses.replace(made, findings=findings)
    found = rows(deletion_tables.verdicts_table(made))
    self.assertEqual([row['verdict'] for row in found], ['forgotten', 'not forgotten'])
    self.assertEqual({row['overall'] for row in found}, {'not forgotten'})

  def test_every_seed_has_a_row_and_their_mean_is_the_verdicts(self):
    made = record()
    frame = deletion_tables.verdict_seeds_table(made)
    means = frame.groupby(['forget', 'method', 'attack'])['auc_difference'].mean()
    for verdict in made.findings.verdicts:
      key = verdict.forget, verdict.method, verdict.attack
      self.assertAlmostEqual(means[key], verdict.comparison.value)

  def test_readers_have_names_once_and_the_sentence(self):
    text = deletion_tables.verdicts_markdown(record())
    found = cells(text)
    first = [row[:3] for row in found[:5]]
    self.assertEqual(
      first,
      [
        ['5%, uniform', 'original', 'threshold'],
        ['', '', 'lr'],
        ['', 'sharded original', 'threshold'],
        ['', '', 'lr'],
        ['', 'sharded retrain', 'threshold'],
      ],
    )
    self.assertEqual(found[6][:3], ['class 3', 'original', 'threshold'])
    self.assertEqual([row[4] for row in found[:5]], 4 * ['(before)'] + ['forgotten'])
    self.assertEqual(found[4][5:], ['1,500 + 1,500', '3'])


class VersionsTest(absltest.TestCase):
  def test_a_row_has_the_figures_of_version_and_attack(self):
    made = record()
    version = made.findings.versions[0]
    found = rows(deletion_tables.versions_table(made.findings.versions))
    self.assertLen(found, 2 * len(made.findings.versions))
    row = found[0]
    self.assertEqual((row['seed'], row['method']), ('0', 'original'))
    self.assertEqual(row['runs'], version.runs[0])
    self.assertEqual(row['attack'], 'threshold')
    figures = version.attacks[0]
    for name, value in (
      ('train_accuracy', version.train.value),
      ('forgotten_accuracy_low', version.forgotten.low),
      ('test_accuracy_high', version.test.high),
      ('test_correct', version.test.count),
      ('forgotten_auc', figures.forgotten.value),
      ('retained_auc_high', figures.retained.high),
      ('forgotten_tpr_at_1pct', figures.hits[0].tpr.value),
      ('forgotten_tpr_at_0.1pct_low', figures.hits[1].tpr.low),
      ('false_positives_at_1pct', 5),
    ):
      np.testing.assert_allclose(float(row[name]), value, rtol=1e-5)

  def test_figures_over_seeds_have_no_seed(self):
    made = record()
    found = rows(deletion_tables.versions_table(made.findings.pooled))
    self.assertEqual({row['seed'] for row in found}, {''})
    self.assertLen(found[0]['runs'].split(), 3)

  def test_a_version_that_was_not_attacked_has_its_accuracies(self):
    version = dataclasses.replace(record().findings.pooled[0], attacks=())
    (found,) = rows(deletion_tables.versions_table([version]))
    self.assertNotIn('attack', found)
    self.assertAlmostEqual(float(found['test_accuracy']), version.test.value, places=5)

  def test_readers_see_rates_with_intervals_and_false_positives(self):
    made = record(methods=('finetune',), forgets=('class-3',))
    tuned = made.findings.pooled[1]
    accuracy = cells(deletion_tables.accuracy_markdown(made))
    self.assertEqual([row[1] for row in accuracy], ['original', 'fine-tuned'])
    rate = tuned.forgotten
    expected = f'{rate.value:.2%} [{rate.low:.2%}, {rate.high:.2%}]'
    self.assertEqual(accuracy[1][3], expected)
    found = cells(deletion_tables.attacks_markdown(made))[2]
    hit = tuned.attacks[0].hits[0]
    self.assertEqual(found[:3], ['', 'fine-tuned', 'threshold'])
    self.assertEndsWith(found[5], f'({hit.tpr.count}/1,500)')
    self.assertEqual(found[6], '15/1,500')

  def test_a_rate_that_was_not_asked_for_is_left_empty(self):
    text = deletion_tables.attacks_markdown(record(rates=(0.05,)))
    self.assertEqual({tuple(row[5:]) for row in cells(text)}, {('', '')})


class CostsTest(absltest.TestCase):
  def test_every_version_of_every_seed_has_a_row(self):
    made = record()
    found = rows(deletion_tables.costs_table(made))
    self.assertLen(found, len(made.costs))
    self.assertEqual(
      [(row['forget'], row['method']) for row in found[::3]],
      [
        ('', 'original'),
        ('', 'sharded_original'),
        ('uniform-5pct', 'retrain'),
        ('uniform-5pct', 'sharded'),
        ('class-3', 'retrain'),
        ('class-3', 'sharded'),
      ],
    )
    self.assertEqual(found[-1]['shards_retrained'], '5')
    self.assertEqual(found[0]['shards_retrained'], '')

  def test_readers_see_means_over_seeds(self):
    made = record(forgets=('grouped1of5-5pct', 'uniform-5pct'))
    found = cells(deletion_tables.costs_markdown(made))
    self.assertEqual(
      found[3],
      ['', 'sharded retrain', '40,000', '20.0%', '20.0', '12.0', '2', '1 of 5', '3'],
    )
    # 90, 89 and 88% at the three seeds.
    self.assertEqual(found[5][2:5], ['178,000', '89.0%', '89.0'])
    self.assertEqual(found[0][:2], ['(originals)', 'original'])

  def test_numbers_that_differ_between_seeds_are_a_range(self):
    made = record(forgets=('uniform-5pct',), seeds=(0, 1))
    costs = [
      dataclasses.replace(cost, shards_retrained=4, workers=1)
      if (cost.seed, cost.method) == (1, 'sharded')
      else cost
      for cost in made.costs
    ]
    made = dataclasses.replace(made, costs=tuple(costs))
    found = cells(deletion_tables.costs_markdown(made))[-1]
    self.assertEqual(found[6:8], ['1 to 2', '4 to 5 of 5'])


class OtherTablesTest(absltest.TestCase):
  def test_two_versions_have_a_row_a_seed_and_one_over_all(self):
    made = record()
    found = rows(deletion_tables.two_versions_table(made))
    self.assertEqual([row['seed'] for row in found[:4]], ['0', '1', '2', ''])
    first = made.findings.two_versions[0]
    values = [x.value for x in (*first.seeds, first.pooled)]
    np.testing.assert_allclose([float(x['auc']) for x in found[:4]], values, rtol=1e-5)
    text = deletion_tables.two_versions_markdown(made)
    self.assertIn('AUC, sorted difference [95%]', text)
    self.assertLen(cells(text), 4)

  def test_collateral_counts_who_is_exposed(self):
    made = record()
    found = rows(deletion_tables.collateral_table(made))
    self.assertLen(found, len(made.findings.collateral))
    self.assertEqual(
      (found[0]['newly_exposed'], found[0]['target_fpr']), ('120', '0.001')
    )
    row = cells(deletion_tables.collateral_markdown(made))[0]
    self.assertEqual(row[4:], ['900', '880', '120', '28,500', '0.1%'])

  def test_shards_are_sorted_and_averaged_over_seeds(self):
    made = record(num_shards=(10, 2))
    found = rows(deletion_tables.shards_table(made))
    self.assertEqual(
      [row['num_shards'] for row in found[::3]], ['1', '2', '2', '10', '10']
    )
    text = cells(deletion_tables.shards_markdown(made))
    tests = [float(row['test_accuracy']) for row in found[3:6]]
    self.assertEqual(text[1][:4], ['2', '1', 'mean', f'{np.mean(tests):.2%}'])
    self.assertEqual(text[1][4], f'{min(tests):.2%} to {max(tests):.2%}')
    self.assertEqual(text[0][:3], ['1', '', ''])


class EmptyTest(parameterized.TestCase):
  @parameterized.parameters(*MARKDOWN)
  def test_a_table_of_nothing_is_no_table(self, name):
    made = record()
    empty = {field.name: () for field in dataclasses.fields(made.findings)}
    made = dataclasses.replace(
      made,
      costs=(),
      shard_accuracies=(),
      findings=dataclasses.replace(made.findings, **empty),
    )
    self.assertEqual(MARKDOWN[name](made), '')

  def test_raw_tables_of_nothing_are_empty(self):
    made = record(methods=('finetune',))
    self.assertTrue(deletion_tables.verdicts_table(made).empty)
    self.assertTrue(deletion_tables.verdict_seeds_table(made).empty)
    self.assertTrue(deletion_tables.versions_table(()).empty)
    nothing = dataclasses.replace(made, costs=())
    self.assertTrue(deletion_tables.costs_table(nothing).empty)

  @parameterized.parameters(*MARKDOWN)
  def test_columns_are_aligned(self, name):
    text = MARKDOWN[name](record())
    self.assertLen({len(line) for line in text.splitlines()}, 1)


if __name__ == '__main__':
  absltest.main()
