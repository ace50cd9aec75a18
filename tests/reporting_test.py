import pathlib
import subprocess
import sys
from unittest import mock

from absl.testing import absltest

from rnn_tf import comparison_markdown, plots, records, reporting
from rnn_tf.errors import UsageError
from rnn_tf.pages import run_page
from rnn_tf.runs import RunFolder
from tests import fake_attacks, fake_runs

ROOT = pathlib.Path(__file__).parents[1]

PICTURES = {
  'learning_curves.png',
  'leakage_by_epoch.png',
  'privacy_vs_utility.png',
  'roc.png',
  'auc_by_class.png',
}

# For what does not depend on the pictures, which take most of the time.
WITHOUT_PICTURES = mock.patch.multiple(
  comparison_markdown,
  pictures=lambda group: {},
  privacy_pictures=lambda group: {},
  class_picture=lambda record: None,
)


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def contents_of_all(folder):
  return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


class RunPicturesTest(fake_runs.RunsCase):
  def test_a_run_gives_all_pictures_twice_the_same(self):
    record = self.load(skipped={('lr', 'class:1')})
    out = self.root / 'plots'
    paths = reporting.write_run_pictures(record, out)
    self.assertEqual({path.name for path in paths}, PICTURES)
    first = contents(out)
    reporting.write_run_pictures(record, out)
    self.assertEqual(first, contents(out))

  def test_a_run_without_reports_shows_its_learning_curves(self):
    record = self.load(attacks=())
    paths = reporting.write_run_pictures(record, self.root / 'plots')
    self.assertEqual([path.name for path in paths], ['learning_curves.png'])

  def test_a_private_run_shows_its_epsilon_by_epoch_too(self):
    record = self.load(privacy=fake_runs.private(), bound=0.1)
    paths = reporting.write_run_pictures(record, self.root / 'plots')
    self.assertEqual({path.name for path in paths}, PICTURES | {'epsilon_by_epoch.png'})

  def test_an_attack_that_was_always_skipped_is_left_out(self):
    parts = ['entire', *(f'class:{i}' for i in range(fake_runs.CLASSES))]
    record = self.load(attacks=('lr',), skipped={('lr', part) for part in parts})
    paths = reporting.write_run_pictures(record, self.root / 'plots')
    self.assertEqual([path.name for path in paths], ['learning_curves.png'])

  def test_pictures_that_others_made_are_written_too(self):
    more = {'mine': plots.learning_curves({'a': self.load().metrics}, title='t')}
    paths = reporting.write_run_pictures(
      records.load_run(self.root / 'runs/digits-cnn2-s0'), self.root, more_pictures=more
    )
    self.assertEqual(paths[-1], self.root / 'mine.png')

  def test_a_folder_that_cannot_be_made_is_a_usage_error(self):
    (self.root / 'file').write_text('')
    with self.assertRaisesRegex(UsageError, 'cannot be written'):
      reporting.write_run_pictures(self.load(), self.root / 'file' / 'plots')


class CompareTest(fake_runs.RunsCase):
  def setUp(self):
    super().setUp()
    self.out = self.root / 'report'

  @WITHOUT_PICTURES
  def test_a_note_stands_at_the_top_of_the_page(self):
    found = [self.load()]
    reporting.compare(found, self.out, note='Measured on a JPEG copy.')
    page = (self.out / 'README.md').read_text()
    self.assertLess(page.index('Measured on a JPEG copy.'), page.index('Accuracies'))

  def test_the_page_shows_every_picture_and_command(self):
    found = [self.load('a'), self.load('b', seed=1)]
    made = reporting.compare(found, self.out, command='python -m rnn_tf.report')
    page = (self.out / 'README.md').read_text()
    names = {path.name for path in made.files}
    self.assertEqual(names, set(contents(self.out)))
    for name in names:
      if name.endswith('.png'):
        self.assertIn(f']({name})', page)
    for command in ('--dataset=digits --seed=1', 'python -m rnn_tf.report'):
      self.assertIn(command, page)
    self.assertIn(made.text, page)
    self.assertEqual(made.text, (self.out / 'table.md').read_text())
    self.assertNotIn(str(self.root), page)

  def test_made_again_all_files_are_the_same(self):
    found = [self.load('a'), self.load('b', trained=3)]
    reporting.compare(found, self.out)
    first = contents(self.out)
    reporting.compare(found, self.out)
    self.assertEqual(first, contents(self.out))
    self.assertLess(max(map(len, first.values())), 1_000_000)

  def test_data_sets_are_shown_apart_with_the_reason(self):
    found = [self.load('a'), self.load('m', dataset='mnist'), self.load('b')]
    made = reporting.compare(found, self.out)
    page = (self.out / 'README.md').read_text()
    self.assertIn('do not compare', page)
    self.assertContainsSubset(
      ['digits-roc.png', 'mnist-roc.png'], {path.name for path in made.files}
    )
    digits = page[page.index('## digits') : page.index('## mnist')]
    self.assertIn('| b ', digits)
    self.assertNotIn('| m ', digits)

  @WITHOUT_PICTURES
  def test_runs_with_other_examples_are_said_to_differ(self):
    reporting.compare([self.load('a'), self.load('b', members=150)], self.out)
    page = (self.out / 'README.md').read_text()
    self.assertIn('b: 150 training and 200 test images', page)

  def test_private_runs_have_a_section_with_its_pictures_and_files(self):
    found = [self.load('a', privacy=fake_runs.private(), bound=3.5), self.load('b')]
    made = reporting.compare(found, self.out)
    first = contents(self.out)
    page = first['README.md'].decode()
    start = page.index('### Plain against differentially private')
    section = page[start : page.index('### All runs')]
    for text in ('| a ', 'digits-dp_privacy_vs_utility.png', '(pairs.csv)'):
      self.assertIn(text, section)
    self.assertIn('AUC plain - DP', made.text)
    warning = page.index('**A broken guarantee, or sides that are not drawn alike**')
    self.assertLess(warning, page.index('| run '))
    self.assertContainsSubset({'pairs.csv', 'seeds.csv'}, first)
    reporting.compare(found, self.out)
    self.assertEqual(first, contents(self.out))

  @WITHOUT_PICTURES
  def test_private_runs_of_several_data_sets_share_the_csv_files(self):
    found = [
      self.load(f'{data_set}-{privacy.dp}', dataset=data_set, privacy=privacy)
      for data_set in ('digits', 'mnist')
      for privacy in (fake_runs.private(), fake_runs.PLAIN)
    ]
    reporting.compare(found, self.out)
    pairs = (self.out / 'pairs.csv').read_text()
    sets = [line.split(',')[0] for line in pairs.splitlines()]
    self.assertEqual(sets, ['dataset', *['digits'] * 2, *['mnist'] * 2])
    page = (self.out / 'README.md').read_text()
    self.assertEqual(page.count('### Plain against differentially private'), 2)

  @WITHOUT_PICTURES
  def test_damaged_scores_of_a_pair_write_nothing(self):
    found = [self.load('a', privacy=fake_runs.private()), self.load('b')]
    (self.root / 'runs/a/scores/epoch-0004.npz').write_bytes(b'no zip')
    with self.assertRaisesRegex(UsageError, 'damaged'):
      reporting.compare(found, self.out)
    self.assertFalse(self.out.exists())

  def test_attacked_runs_have_a_section_with_its_pictures_and_files(self):
    command = 'python -m rnn_tf.attack --run=runs/a --attack=lira'
    attack = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'command': command}
    found = [self.load('a'), self.load('b', seed=1)]
    fake_attacks.write(found[0].folder.path, **attack)
    made = reporting.compare(found, self.out, command='python -m rnn_tf.report')
    first = contents(self.out)
    page = first['README.md'].decode()
    start = page.index('### Attacks with shadow models')
    section = page[start : page.index('### All runs')]
    names = ['digits-attack_comparison', 'a-attack_roc', 'a-attack_anytime']
    for name in names:
      self.assertIn(f']({name}.png)', section)
      self.assertIn(f'{name}.png', first)
    self.assertIn('(attacks.csv)', section)
    self.assertLen(first['attacks.csv'].splitlines(), 1 + 4)
    self.assertIn('PPV, 1% members', made.text)
    self.assertIn(f'{command}\npython -m rnn_tf.report\n', page)
    self.assertEqual({path.name for path in made.files}, set(first))
    reporting.compare(found, self.out, command='python -m rnn_tf.report')
    self.assertEqual(first, contents(self.out))

  @WITHOUT_PICTURES
  def test_attacks_on_several_data_sets_share_a_file(self):
    found = [self.load('a'), self.load('m', dataset='mnist')]
    for record in found:
      options = {'dataset': record.data.name, 'attacks': ('threshold',)}
      fake_attacks.write(record.folder.path, **options)
    reporting.compare(found, self.out)
    rows = (self.out / 'attacks.csv').read_text().splitlines()
    self.assertEqual(
      [row.split(',')[1] for row in rows], ['dataset', 'digits', 'mnist']
    )
    page = (self.out / 'README.md').read_text()
    self.assertEqual(page.count('### Attacks with shadow models'), 2)
    # The same command line is there once.
    self.assertEqual(page.count(fake_attacks.COMMAND), 1)

  @WITHOUT_PICTURES
  def test_damaged_attacks_write_nothing(self):
    found = [self.load('a'), self.load('m', dataset='mnist')]
    folder = fake_attacks.write(found[1].folder.path, dataset='mnist')
    (folder / 'attack.json').write_text('{}')
    with self.assertRaisesRegex(UsageError, 'damaged'):
      reporting.compare(found, self.out)
    self.assertFalse(self.out.exists())

  @WITHOUT_PICTURES
  def test_plain_runs_have_no_section_and_no_files_for_it(self):
    reporting.compare([self.load('a'), self.load('b', seed=1)], self.out)
    self.assertEqual(set(contents(self.out)), {'README.md', 'table.csv', 'table.md'})
    self.assertNotIn('### ', (self.out / 'README.md').read_text())

  def test_runs_of_one_name_are_told_apart_by_their_folders(self):
    folders = [self.run_folder('x/same'), self.run_folder('y/same')]
    made = reporting.compare(records.load_runs(map(str, folders)), self.out)
    self.assertIn('x/same', made.text)
    self.assertTrue((self.out / 'y-same-auc_by_class.png').exists())

  @WITHOUT_PICTURES
  def test_skipped_slices_are_listed(self):
    reporting.compare([self.load('a', skipped={('lr', 'class:1')})], self.out)
    page = (self.out / 'README.md').read_text()
    self.assertIn('- a: lr on class:1: too few examples', page)

  @WITHOUT_PICTURES
  def test_other_files_in_the_folder_are_left_alone(self):
    self.out.mkdir()
    (self.out / 'mine.png').write_bytes(b'mine')
    reporting.compare([self.load()], self.out)
    self.assertEqual((self.out / 'mine.png').read_bytes(), b'mine')

  def test_somebody_elses_readme_is_not_overwritten(self):
    self.out.mkdir()
    (self.out / 'README.md').write_text('# My project\n')
    with self.assertRaisesRegex(UsageError, 'README.md was not written by'):
      reporting.compare([self.load()], self.out)
    self.assertEqual(list(contents(self.out)), ['README.md'])

  @WITHOUT_PICTURES
  def test_the_page_of_a_run_is_not_overwritten(self):
    record = self.load()
    path = run_page.write(RunFolder(record.folder.path))
    before = contents_of_all(record.folder.path)
    with self.assertRaisesRegex(UsageError, 'report.html is the page of a run'):
      reporting.compare([record], path.parent)
    self.assertEqual(before, contents_of_all(record.folder.path))

  def test_a_file_as_report_dir_is_refused(self):
    self.out.write_text('')
    with self.assertRaisesRegex(UsageError, 'is a file'):
      reporting.compare([self.load()], self.out)

  @WITHOUT_PICTURES
  def test_more_pictures_come_with_their_captions(self):
    record = self.load()
    figure = plots.learning_curves({'a': record.metrics}, title='t')
    more = {'digits': {'by_somebody_else': figure}}
    reporting.compare([record], self.out, more_pictures=more)
    page = (self.out / 'README.md').read_text()
    self.assertIn('![by_somebody_else](digits-by_somebody_else.png)', page)
    self.assertTrue((self.out / 'digits-by_somebody_else.png').exists())

  def test_the_module_loads_neither_tensorflow_nor_pyplot(self):
    code = (
      'import sys; import rnn_tf.reporting; '
      'print([m for m in ("matplotlib.pyplot", "tensorflow") if m in sys.modules])'
    )
    done = subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    self.assertEqual(done.stdout.strip(), '[]')


if __name__ == '__main__':
  absltest.main()
