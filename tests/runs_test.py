import pathlib
import subprocess
import sys

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import config
from rnn_tf.errors import UsageError
from rnn_tf.run_files import METRICS, write_atomically
from rnn_tf.runs import FORMAT, RunFolder


def _started(path, run=None):
  folder = RunFolder(path)
  run = run or config.RunConfig()
  folder.open(run, overwrite=False)
  values = config.to_json(run)
  folder.write_json('config.json', {'format': FORMAT, 'config': values})
  return folder


def _row(epoch):
  return dict.fromkeys(METRICS, 1.0 / epoch) | {'epoch': epoch}


def _line(epoch):
  return {'epoch': epoch, 'attack': 'lr', 'slice': 'entire'}


class RunsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path) / 'run'

  def test_new_folder_passes_the_check_and_is_not_created_by_it(self):
    RunFolder(self.path).check(config.RunConfig(), overwrite=False)
    self.assertFalse(self.path.exists())

  def test_same_config_passes(self):
    _started(self.path).check(config.RunConfig(), overwrite=False)

  def test_other_config_is_refused_naming_the_flags(self):
    folder = _started(self.path)
    other = config.RunConfig(training=config.TrainingConfig(epochs=3))
    with self.assertRaisesRegex(UsageError, '--epochs was 20, is 3'):
      folder.check(other, overwrite=False)
    folder.check(other, overwrite=True)

  def test_foreign_folder_is_refused_even_with_overwrite(self):
    self.path.mkdir()
    (self.path / 'thesis.tex').write_text('precious')
    for overwrite in (False, True):
      with self.assertRaisesRegex(UsageError, 'no config.json'):
        RunFolder(self.path).check(config.RunConfig(), overwrite=overwrite)

  @parameterized.parameters('{"model_type": "bert"}', 'not JSON')
  def test_somebody_elses_config_is_refused_even_with_overwrite(self, text):
    self.path.mkdir()
    (self.path / 'config.json').write_text(text)
    (self.path / 'weights').mkdir()
    (self.path / 'weights/theirs.bin').write_text('precious')
    for overwrite in (False, True):
      with self.assertRaisesRegex(UsageError, 'not one of rnn_tf'):
        RunFolder(self.path).check(config.RunConfig(), overwrite=overwrite)

  def test_run_with_a_damaged_config_can_be_overwritten(self):
    folder = _started(self.path)
    (self.path / 'config.json').write_text('{')
    with self.assertRaisesRegex(UsageError, 'cannot be read'):
      folder.check(config.RunConfig(), overwrite=False)
    folder.check(config.RunConfig(), overwrite=True)

  def test_run_killed_before_its_config_was_written_starts_anew(self):
    self.path.mkdir()
    for name in ('.lock', 'examples.npz', '.config.json.123.tmp'):
      (self.path / name).write_text('')
    RunFolder(self.path).check(config.RunConfig(), overwrite=False)

  def test_temporary_files_of_a_killed_process_are_removed(self):
    folder = _started(self.path)
    folder.close()
    (self.path / 'weights').mkdir()
    for name in ('.metrics.csv.123.tmp', 'weights/.tmp.epoch-0001.weights.h5'):
      (self.path / name).write_text('half')
    RunFolder(self.path).open(config.RunConfig(), overwrite=False)
    names = {p.name for p in self.path.rglob('*')}
    self.assertEqual(names, {'.lock', 'config.json', 'weights'})

  def test_run_that_another_process_finished_meanwhile_is_left_alone(self):
    folder = _started(self.path)
    folder.close()
    folder.write_json('result.json', {})
    with self.assertRaisesRegex(UsageError, 'finished this run meanwhile'):
      RunFolder(self.path).open(config.RunConfig(), overwrite=False)

  def test_name_too_long_is_one_line(self):
    with self.assertRaisesRegex(UsageError, 'too long'):
      RunFolder('x' * 300).check(config.RunConfig(), overwrite=False)

  def test_file_in_the_way_is_refused(self):
    self.path.write_text('a file')
    with self.assertRaisesRegex(UsageError, 'is a file'):
      RunFolder(self.path / 'run').check(config.RunConfig(), overwrite=False)

  def test_overwrite_keeps_what_is_not_the_runs_own(self):
    folder = _started(self.path)
    folder.write_rows([_row(1)])
    (self.path / 'notes.txt').write_text('mine')
    again = RunFolder(self.path)
    folder.close()
    again.open(config.RunConfig(), overwrite=True)
    self.assertFalse((self.path / 'metrics.csv').exists())
    self.assertTrue((self.path / 'notes.txt').exists())

  def test_second_process_is_refused_until_the_first_ends(self):
    code = (
      'import sys; from rnn_tf.runs import RunFolder\n'
      'from rnn_tf.config import RunConfig\n'
      'f = RunFolder(sys.argv[1]); f.open(RunConfig(), overwrite=False)\n'
      'print("locked", flush=True); sys.stdin.read()'
    )
    first = subprocess.Popen(
      [sys.executable, '-c', code, str(self.path)],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )
    self.assertEqual(first.stdout.readline(), b'locked\n')
    with self.assertRaisesRegex(UsageError, 'another process'):
      RunFolder(self.path).open(config.RunConfig(), overwrite=False)
    first.kill()
    first.communicate()
    RunFolder(self.path).open(config.RunConfig(), overwrite=False)

  @parameterized.parameters(
    ('{', 'cannot be read'),
    ('[]', 'another version'),
    ('{"format": 0}', 'another version'),
    ('{"format": 1}', 'damaged or of another version'),
    ('{"format": 1, "config": {"training": {"epochs": "x"}}}', 'damaged'),
    ('{"format": 1, "config": {"training": {"epochs": -1}}}', 'at least 1'),
  )
  def test_damaged_config_is_named(self, text, part):
    self.path.mkdir()
    (self.path / 'config.json').write_text(text)
    with self.assertRaisesRegex(UsageError, part):
      RunFolder(self.path).config()

  def test_interrupted_write_leaves_the_old_file(self):
    path = self.path / 'file'
    write_atomically(path, b'old')
    with self.assertRaises(TypeError):
      write_atomically(path, 'not bytes')
    self.assertEqual(path.read_bytes(), b'old')
    self.assertEqual([p.name for p in self.path.iterdir()], ['file'])

  def test_nan_is_never_written_as_json(self):
    with self.assertRaises(ValueError):
      _started(self.path).write_json('x.json', {'auc': float('nan')})

  def test_npz_with_a_pickle_is_refused_unread(self):
    folder = _started(self.path)
    np.savez(self.path / 'bad.npz', x=np.array([{}], dtype=object))
    with self.assertRaisesRegex(UsageError, 'damaged'):
      folder.read_npz('bad.npz')

  def test_truncated_npz_is_refused_by_name(self):
    folder = _started(self.path)
    folder.write_npz('a.npz', {'x': np.arange(1000)})
    whole = (self.path / 'a.npz').read_bytes()
    (self.path / 'a.npz').write_bytes(whole[: len(whole) // 2])
    with self.assertRaisesRegex(UsageError, 'a.npz is damaged'):
      folder.read_npz('a.npz')

  def test_scores_are_readable_by_the_owner_alone(self):
    folder = _started(self.path)
    folder.write_npz('scores/a.npz', {'x': np.arange(3)})
    self.assertEqual((self.path / 'scores/a.npz').stat().st_mode & 0o777, 0o600)

  def test_rows_survive_the_round_trip(self):
    folder = _started(self.path)
    folder.write_rows([_row(1), _row(2)])
    self.assertEqual(folder.read_rows(), [_row(1), _row(2)])

  @parameterized.parameters(
    'epoch,loss,accuracy,val_loss,val_accuracy\n1,x,1,1,1\n',
    'epoch,loss,accuracy,val_loss,val_accuracy\n2,1,1,1,1\n',
    'epoch,loss,accuracy,val_loss\n1,1,1,1\n',
    'loss\n1\n',
  )
  def test_damaged_metrics_are_refused(self, text):
    folder = _started(self.path)
    (self.path / 'metrics.csv').write_text(text)
    with self.assertRaisesRegex(UsageError, 'metrics.csv is damaged'):
      folder.read_rows()

  def test_forget_after_drops_what_no_checkpoint_covers(self):
    folder = _started(self.path)
    folder.write_rows([_row(1), _row(2), _row(3)])
    folder.write_lines([_line(2), _line(3)])
    for epoch in (2, 3):
      folder.write_npz(f'scores/epoch-{epoch:04d}.npz', {'x': np.arange(3)})
      folder.write(f'weights/epoch-{epoch:04d}.weights.h5', b'')
    folder.forget_after(2)
    self.assertLen(folder.read_rows(), 2)
    self.assertEqual(folder.read_lines(), [_line(2)])
    left = sorted(p.name for p in self.path.glob('*/epoch-*'))
    self.assertEqual(left, ['epoch-0002.npz', 'epoch-0002.weights.h5'])

  @parameterized.parameters((2, 'is of epoch 2'), (0, 'there is no checkpoint'))
  def test_checkpoint_and_metrics_that_do_not_fit_are_refused(self, epoch, part):
    folder = _started(self.path)
    folder.write_rows([_row(e + 1) for e in range(4 if epoch else 2)])
    with self.assertRaisesRegex(UsageError, part):
      folder.forget_after(epoch)
    self.assertLen(folder.read_rows(), 4 if epoch else 2)

  @parameterized.parameters('[1]', '{"a": 1}', '{')
  def test_damaged_line_is_refused(self, text):
    folder = _started(self.path)
    (self.path / 'privacy.jsonl').write_text(text)
    with self.assertRaisesRegex(UsageError, 'privacy.jsonl is damaged'):
      folder.read_lines()

  @parameterized.parameters('[]', '{}', '{"epochs": "3"}')
  def test_damaged_result_is_refused(self, text):
    folder = _started(self.path)
    (self.path / 'result.json').write_text(text)
    with self.assertRaisesRegex(UsageError, 'result.json is damaged'):
      folder.result()

  def test_npz_without_a_needed_array_is_refused(self):
    folder = _started(self.path)
    folder.write_npz('a.npz', {'x': np.arange(3)})
    with self.assertRaisesRegex(UsageError, 'no array y'):
      folder.read_npz('a.npz', needs=['x', 'y'])


if __name__ == '__main__':
  absltest.main()
