"""Names and links that lead out of a run's folder: nothing outside it is touched."""

import contextlib
import os
import pathlib
from unittest import mock

from absl.testing import absltest, parameterized

from rnn_tf import attack, config, infer, report, run_places, runs, train, unlearn
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles, write_atomically
from rnn_tf.runs import RunFolder
from tests import commands, fake_runs

_LABELS = (
  *('', '.', '..', '../x', 'a/b', '/x', 'a/', '-rf', '--', '~', '~/x', '.hidden'),
  *('a b', 'a ', 'a\n', 'a\\b', '%s/', "'a'", '"a"', '<b>', '&amp;', '$(x)', '`x`'),
  *('e\u0301', 'a\u200bb', 'a\u202eb', 'x' * 151, 'é' * 76, '*', '?', 'a:b', 'a;b'),
)

_FINE_LABELS = ('con', 'a.', 'a..b', 'é', 'x' * 150, '1', 'lira+rmia-half16', 'a_b')


def _tree(folder):
  """Returns what is in a folder: name -> content, or None of what is no file."""
  return {
    str(path): path.read_bytes() if path.is_file() else None
    for path in folder.rglob('*')
  }


class NamesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.create_tempdir().full_path)
    self.enter_context(contextlib.chdir(self.root))
    self.run_path = fake_runs.write(
      self.root / 'runs' / 'mine',
      data=config.DataConfig(train_fraction=0.5, nonmembers='holdout'),
      members=100,
      nonmembers=100,
    )
    self.elsewhere = self.root / 'elsewhere'
    (self.elsewhere / 'below').mkdir(parents=True)
    for name in ('precious', 'below/precious', '.tmp.precious', '.precious.1.tmp'):
      (self.elsewhere / name).write_text('precious')
    self.before = _tree(self.elsewhere)

  def tearDown(self):
    self.assertEqual(_tree(self.elsewhere), self.before)
    super().tearDown()

  def _refused(self, command, *arguments, part):
    code, out, err = commands.call(command, *arguments)
    self.assertEqual((code, out), (2, ''), err)
    self.assertLen(err.splitlines(), 1)
    self.assertIn(part, err)

  @parameterized.product(command=[attack, unlearn], label=_LABELS)
  def test_label_that_is_no_plain_name_is_refused(self, command, label):
    tree = _tree(self.root)
    self._refused(command, '--run=runs/mine', f'--label={label}', part='--label=')
    self.assertEqual(_tree(self.root), tree)

  @parameterized.parameters(*_FINE_LABELS)
  def test_label_that_is_a_plain_name_is_a_folder_in_the_run(self, label):
    stop = mock.patch('rnn_tf.shadow_audit.attack', side_effect=ZeroDivisionError)
    with stop as asked, self.assertRaises(ZeroDivisionError):
      commands.call(attack, '--run=runs/mine', f'--label={label}')
    folder = asked.call_args.args[0].folder.path
    self.assertEqual(folder, pathlib.Path('runs/mine/attacks') / label)

  @parameterized.parameters(
    ('a\nb', 'control character'),
    ('a\x1b[2Jb', 'control character'),
    ('x' * 256, 'File name too long'),
    ('loop', 'leads to no folder'),
    ('dangling', 'leads to no folder'),
    ('loop/below', 'Too many levels'),
    ('dangling/below', 'leads to no folder'),
    ('file', 'is a file'),
    ('file/below', 'is a file'),
    ('.', 'holds files but no run'),
    ('..', ''),
    ('runs', 'holds files but no run'),
    ('elsewhere', 'holds files but no run'),
    ('elsewhere/../elsewhere', 'holds files but no run'),
    ('/dev/null', 'is a file'),
  )
  def test_run_dir_that_is_no_place_for_a_run_is_refused(self, name, part):
    os.symlink('loop', 'loop')
    os.symlink('nowhere', 'dangling')
    pathlib.Path('file').write_text('')
    tree = _tree(self.root)
    for overwrite in ([], ['--overwrite']):
      self._refused(train, f'--run_dir={name}', *overwrite, part='--run_dir=')
      self._refused(train, f'--run_dir={name}', *overwrite, part=part)
    self.assertEqual(_tree(self.root), tree)

  @parameterized.parameters(
    *('a b', "it's", '"q"', '<b>x</b>', '-rf', '~', '%s', 'a.', 'con', '.hidden'),
    *('é', 'e\u0301', 'x' * 200, 'a/../b', '$HOME', '*', 'a\\b', 'a '),
  )
  def test_any_other_run_dir_is_taken_as_it_is(self, name):
    RunFolder(name).open(config.RunConfig(), overwrite=False)
    self.assertTrue((self.root / name / '.lock').is_file())

  @parameterized.parameters('report_dir', 'output_dir')
  def test_place_of_pages_that_is_none_is_refused(self, flag):
    os.symlink('loop', 'loop')
    pathlib.Path('file').write_text('')
    command, run = (
      (report, '--runs=runs/mine')
      if flag == 'report_dir'
      else (infer, '--run=runs/mine')
    )
    tree = _tree(self.root)
    for name in ('loop', 'file', 'file/x', 'a\nb', 'x' * 256):
      self._refused(command, run, f'--{flag}={name}', part=f'--{flag}=')
    self.assertEqual(_tree(self.root), tree)

  def test_run_dir_may_be_a_link_of_its_owners(self):
    os.mkdir('disk')
    os.symlink('disk', 'mine')
    folder = RunFolder('mine')
    folder.open(config.RunConfig(), overwrite=False)
    folder.write_json('config.json', {})
    folder.write('scores/epoch-0001.npz', b'')
    self.assertTrue((self.root / 'disk/scores/epoch-0001.npz').is_file())
    self.assertTrue((self.root / 'mine').is_symlink())
    self.assertEqual(runs.finished_run('runs/mine').path, pathlib.Path('runs/mine'))

  @parameterized.product(
    name=('.lock', *runs.OWN_FILES, *runs.OWN_FOLDERS, 'tensorboard/train', 'plots/x'),
    to=('precious', 'below', 'nowhere', 'loop'),
  )
  def test_link_inside_a_run_is_refused_by_who_would_write(self, name, to):
    path = self.run_path / name
    if path.is_dir():
      path.rename(self.root / 'moved')
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(path.name if to == 'loop' else self.elsewhere / to)
    stored = RunFolder(self.run_path)
    for overwrite in (False, True):
      with self.assertRaisesRegex(UsageError, f'--run_dir=.*{name} is a symbolic link'):
        stored.check(config.RunConfig(), overwrite=overwrite)
      with self.assertRaises(UsageError):
        RunFolder(self.run_path).open(config.RunConfig(), overwrite=overwrite)
    with self.assertRaises(UsageError):
      runs.finished_run(str(self.run_path))
    self.assertTrue(path.is_symlink())

  def test_overwrite_removes_nothing_but_the_runs_own(self):
    mine = self.run_path / 'mine'
    mine.mkdir()
    kept = ('mine/.tmp.x', 'mine/.x.1.tmp', '.x.tmp', 'x.tmp', 'notes', 'weights.txt')
    for name in kept:
      (self.run_path / name).write_text('mine')
    (self.run_path / 'link').symlink_to(self.elsewhere)
    (self.run_path / '.folder.1.tmp').mkdir()
    (self.run_path / 'weights').mkdir()
    gone = ('.config.json.7.tmp', 'weights/.tmp.best.weights.h5', 'weights/best')
    for name in gone:
      (self.run_path / name).write_text('')
    (self.run_path / '.lock').write_text('')
    RunFolder(self.run_path).open(config.RunConfig(), overwrite=True)
    left = {str(p.relative_to(self.run_path)) for p in self.run_path.rglob('*')}
    self.assertEqual(left, {*kept, 'mine', 'link', '.lock', '.folder.1.tmp'})

  def test_somebody_elses_ids_are_no_beginning_of_a_run(self):
    os.mkdir('ids')
    pathlib.Path('ids/examples.npz').write_text('precious')
    self._refused(train, '--run_dir=ids', '--overwrite', part='holds files but no run')

  @parameterized.parameters('symbolic', 'hard')
  def test_lock_that_is_a_link_empties_no_file(self, kind):
    os.mkdir('run')
    target = self.elsewhere / 'precious'
    if kind == 'hard':
      os.link(target, 'run/.lock')
      run_places.lock(pathlib.Path('run'), name='run', busy='').close()
    else:
      os.symlink(target, 'run/.lock')
      with self.assertRaises(UsageError):
        run_places.lock(pathlib.Path('run'), name='run', busy='')

  def test_temporary_name_that_is_a_link_is_not_written_through(self):
    path = self.root / 'file'
    temporary = self.root / f'.file.{os.getpid()}.tmp'
    temporary.symlink_to(self.elsewhere / 'precious')
    write_atomically(path, b'new')
    self.assertEqual(path.read_bytes(), b'new')
    # Put there in the moment between: refused, not followed.
    with (
      mock.patch('pathlib.Path.unlink'),
      self.assertRaises(FileExistsError),
    ):
      temporary.symlink_to(self.elsewhere / 'precious')
      write_atomically(path, b'newer')
    self.assertEqual(path.read_bytes(), b'new')

  def test_file_that_is_a_link_is_replaced_not_followed(self):
    os.symlink(self.elsewhere / 'precious', 'file')
    write_atomically(pathlib.Path('file'), b'new')
    self.assertFalse(pathlib.Path('file').is_symlink())

  @parameterized.parameters('scores', 'attacks/label')
  def test_folder_that_became_a_link_meanwhile_is_not_written_through(self, name):
    path = self.root / 'run' / name
    path.parent.mkdir(parents=True)
    path.symlink_to(self.elsewhere)
    with self.assertRaisesRegex(UsageError, 'is a symbolic link'):
      RunFiles(self.root / 'run').write(f'{name}/precious', b'')

  @parameterized.parameters('attacks', 'attacks/label')
  def test_results_are_not_held_through_a_link(self, name):
    path = self.root / 'run' / name
    path.parent.mkdir(parents=True)
    path.symlink_to(self.elsewhere)
    with (
      self.assertRaisesRegex(UsageError, 'is a symbolic link'),
      run_places.held(self.root / 'run' / 'attacks' / 'label', busy=''),
    ):
      self.fail('was held')


if __name__ == '__main__':
  absltest.main()
