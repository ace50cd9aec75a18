import csv
import dataclasses
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized
from matplotlib.figure import Figure

from rnn_tf import deletion_page, deletion_records
from rnn_tf.run_files import RunFiles
from tests import fake_deletions, fake_runs
from tests.reporting_test import ROOT

SMALL = {'forgets': ('uniform-5pct',), 'methods': ('retrain', 'sharded')}
BARE = {'forgets': ('class-3',), 'methods': ('finetune',), 'seeds': (0,)}

TABLES = {
  *('verdicts.csv', 'verdicts_by_seed.csv', 'versions.csv', 'versions_by_seed.csv'),
  *('costs.csv', 'two_versions.csv', 'collateral.csv', 'shards.csv'),
}
PICTURES = {
  *('accuracy.png', 'attacks.png', 'privacy.png', 'cost.png', 'shards.png'),
  'scores_threshold.png',
}


def record(**options):
  return fake_deletions.record(**{**SMALL, **options})


def empty_pictures(made):
  del made
  return {'accuracy': Figure(figsize=(1, 1))}


WITHOUT_PICTURES = mock.patch.object(deletion_page, 'pictures', empty_pictures)


class TextTest(absltest.TestCase):
  def test_the_screen_has_a_line_a_method_without_marks(self):
    found = deletion_page.text(record())
    self.assertStartsWith(
      found, 'Deletions from digits-lstm-s0: digits, lstm-64, seeds 0, 1, 2\n'
    )
    self.assertIn('5%, uniform: 500 of 10,000 training examples (5%)', found)
    self.assertIn('  sharded retrain: forgotten: +0.0', found)
    self.assertNotIn('*', found)
    self.assertNotIn('`', found)
    self.assertLess(len(found.splitlines()), 10)

  def test_the_screen_warns_of_test_images_and_of_a_missing_retrain(self):
    found = deletion_page.text(record(**BARE, unseen='test'))
    self.assertIn('Warning: unseen examples are test images', found)
    self.assertIn('No verdict: there is no full retrain', found)


class MarkdownTest(parameterized.TestCase):
  def test_the_page_says_what_was_done_before_anything_else(self):
    made = record(forgets=('uniform-5pct', 'grouped1of5-5pct'), seeds=(0, 1))
    head = deletion_page.markdown(made).partition('## Verdict')[0]
    for part in (
      '# Deletions from digits-lstm-s0: mine',
      'trained on 10,000 examples for 20 epochs',
      '- 5%, uniform: 500 of 10,000 training examples (5%), drawn at random from all',
      'for each seed anew',
      'counted from 0: 0 for seed 0; 1 for seed 1',
      'Made after the deletion: full retrain, sharded retrain.',
      'Sharded versions have 5 shards of 1 slice each',
      'Attacks: threshold, lr.',
      'out of the pool that the training set was drawn from',
      f'```\n{made.command}\n```',
    ):
      self.assertIn(part, head)

  @parameterized.parameters(
    (('class-3',), 'all of one class'), (('ids-1a2b3c4d',), 'as listed')
  )
  def test_other_forget_sets_are_described(self, forgets, text):
    self.assertIn(text, deletion_page.markdown(record(forgets=forgets)))

  def test_verdicts_come_before_pictures_and_tables(self):
    found = deletion_page.markdown(record(), ['accuracy', 'cost'])
    headings = [line for line in found.splitlines() if line.startswith('#')]
    self.assertEqual(
      headings,
      [
        '# Deletions from digits-lstm-s0: mine',
        '## What was done',
        '## Verdict',
        '### 5%, uniform',
        '## Pictures',
        '## Verdicts',
        '## Accuracy',
        '## What the attacks find',
        '## Costs',
        '## Both versions in one hand',
        '## The examples that stay',
        '## Accuracy by the number of shards',
        '## How to read this',
      ],
    )
    self.assertIn('](accuracy.png)\n\nAccuracy of each version', found)
    self.assertNotIn('shards.png', found)
    self.assertIn('4 of 4 intervals', found)

  def test_verdicts_are_in_words(self):
    found = deletion_page.markdown(record())
    self.assertIn('- sharded retrain: **forgotten**: +0.0', found)
    self.assertIn('- before, original: 0.62', found)
    self.assertIn('| forgotten |', found)
    self.assertIn('## What was done', found)

  def test_parts_without_data_are_left_out(self):
    found = deletion_page.markdown(record(**BARE))
    for part in ('## Verdicts', 'Sharded versions', '## Pictures'):
      self.assertNotIn(part, found)
    self.assertIn('- **No verdict**', found)

  def test_test_images_as_unseen_examples_are_a_warning(self):
    found = deletion_page.markdown(record(unseen='test'))
    self.assertIn('**Warning: test images are not drawn as the training set', found)
    self.assertIn('--train_fraction', found)
    self.assertNotIn('Warning', deletion_page.markdown(record()))

  def test_unmatched_unseen_examples_and_a_fleet_are_named(self):
    made = record(attacks=('lira',), matched=False)
    found = deletion_page.markdown(made)
    self.assertIn('whatever their labels', found)
    self.assertIn('lira (with 16 shadow models, digits-lstm-half-0123abcd)', found)

  def test_how_to_read_says_what_the_reference_and_the_margin_are(self):
    for part in (
      'The reference is the full retrain',
      'within ±0.02',
      'intersection-union',
      'a cluster',
      '**TPR at 1% FPR**',
      'touches every shard',
      'arXiv 2005.02205',
      'no benchmark',
    ):
      self.assertIn(part, deletion_page.HOW_TO_READ.replace('\n', ' '))


class PicturesTest(absltest.TestCase):
  def test_all_that_there_are_data_for_are_drawn(self):
    self.assertEqual({f'{name}.png' for name in self.names()}, PICTURES)
    found = self.names(attacks=('threshold', 'lr', 'lira'))
    self.assertIn('scores_lira', found)

  def test_what_there_is_nothing_to_show_of_is_skipped(self):
    found = self.names(**BARE)
    self.assertEqual(found, ['accuracy', 'attacks', 'privacy', 'scores_threshold'])
    # Verdicts on originals alone are none on a method.
    self.assertNotIn('cost', self.names(methods=('retrain',)))

  def names(self, **options):
    found = list(deletion_page.pictures(record(**options)))
    self.assertLessEqual(set(found), set(deletion_page.CAPTIONS))
    return found


class WriteTest(fake_runs.RunsCase):
  def setUp(self):
    super().setUp()
    self.folder = RunFiles(self.root / 'runs/digits-lstm-s0/deletions/mine')
    self.folder.path.mkdir(parents=True)

  def contents(self):
    return {path.name: path.read_bytes() for path in self.folder.path.iterdir()}

  def test_page_tables_and_pictures_are_written_twice_the_same(self):
    made = record(seeds=(0, 1))
    paths = deletion_page.write(made, self.folder)
    first = self.contents()
    self.assertEqual(set(first), {'report.md', *TABLES, *PICTURES})
    self.assertEqual({path.name for path in paths}, set(first))
    page = first['report.md'].decode()
    for name in PICTURES | TABLES - {'verdicts_by_seed.csv', 'versions_by_seed.csv'}:
      self.assertIn(f']({name})', page)
    self.assertNotIn(str(self.root), page)
    deletion_page.write(made, self.folder)
    self.assertEqual(self.contents(), first)
    # What is written afterwards can be read with the page beside it.
    deletion_records.write(self.folder, made)
    found = deletion_records.load(self.folder.path)
    self.assertEqual(deletion_page.markdown(found), deletion_page.markdown(made))

  @WITHOUT_PICTURES
  def test_what_an_earlier_audit_has_left_is_removed(self):
    deletion_page.write(record(), self.folder)
    for name in ('shards.png', 'scores_lira.png', 'mine.png', 'mine.csv'):
      (self.folder.path / name).write_bytes(b'old')
    deletion_page.write(record(**BARE), self.folder)
    found = self.contents()
    self.assertNotIn('verdicts.csv', found)
    self.assertNotIn('shards.png', found)
    self.assertNotIn('scores_lira.png', found)
    self.assertEqual((found['mine.png'], found['mine.csv']), (b'old', b'old'))
    self.assertIn('versions.csv', found)

  @WITHOUT_PICTURES
  def test_the_tables_hold_the_figures(self):
    made = record()
    deletion_page.write(made, self.folder)
    for name, versions in (
      ('versions.csv', made.findings.pooled),
      ('versions_by_seed.csv', made.findings.versions),
    ):
      with open(self.folder.path / name, newline='') as file:
        rows = list(csv.DictReader(file))
      self.assertLen(rows, 2 * len(versions))
      expected = versions[0].attacks[0].forgotten.value
      self.assertAlmostEqual(float(rows[0]['forgotten_auc']), expected, places=5)

  @WITHOUT_PICTURES
  def test_an_audit_without_figures_is_a_page(self):
    made = record(methods=('retrain',))
    nothing = {field.name: () for field in dataclasses.fields(made.findings)}
    findings = dataclasses.replace(made.findings, **nothing)
    made = dataclasses.replace(
      made, findings=findings, costs=(), shard_accuracies=(), forget_sets=()
    )
    deletion_page.write(made, self.folder)
    self.assertEqual(set(self.contents()), {'report.md', 'accuracy.png'})

  def test_the_module_loads_neither_tensorflow_nor_pyplot(self):
    code = (
      'import sys; import rnn_tf.deletion_page; '
      'print([m for m in ("matplotlib.pyplot", "tensorflow") if m in sys.modules])'
    )
    done = subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    self.assertEqual(done.stdout.strip(), '[]')


if __name__ == '__main__':
  absltest.main()
