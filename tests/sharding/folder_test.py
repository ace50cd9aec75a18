"""The folder of a sharded model, filled by nobody's training."""

import contextlib
import hashlib
import io
import json
import pathlib
import subprocess
import sys

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import runs
from rnn_tf.errors import UsageError
from rnn_tf.sharding.folder import (
  FILE,
  FORMAT,
  OUTPUTS,
  RESULT,
  ShardedFolder,
)

KEY = {'data': {'dataset': 'digits', 'train': '0123abcd'}, 'seed': 0, 'num_shards': 2}


def _outputs(shard):
  """Returns what nobody has trained: logits of a pool of 6, and of 4 to test on."""
  rng = np.random.default_rng(shard)
  return tuple(rng.normal(size=(n, 3)).astype(np.float32) for n in (6, 4))


class FolderTestCase(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / 'sharded'
    self.sharded = ShardedFolder(self.path)

  def open(self, folder=None, **key):
    manifest = {'name': 'x', 'parent': 'plain-s0', 'key': {**KEY, **key}}
    return (folder or self.sharded).open(manifest)

  def begin(self):
    with self.open():
      pass

  def finish(self, folder, shards):
    """Writes a result; a shard is a number to train, or an entry to take over."""
    entries = []
    with self.open(folder):
      for number, shard in enumerate(shards):
        if isinstance(shard, int):
          checksum = folder.write_outputs(number, *_outputs(shard))
          shard = {'folder': folder.path.name, 'outputs': checksum}
        entries.append(shard)
      folder.write_json(RESULT, {'shards': entries})
    return entries

  @contextlib.contextmanager
  def refused(self, *parts, start=None):
    """Expects one line that begins with the folder and has all parts."""
    with self.assertRaises(UsageError) as caught:
      yield
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, str(start or self.path))
    for part in parts:
      self.assertIn(part, text)


class OpenTest(FolderTestCase):
  def test_check_of_a_new_folder_writes_nothing(self):
    self.sharded.check(KEY)
    self.assertEmpty(list(self.folder.iterdir()))

  def test_folder_says_which_model_it_is(self):
    self.begin()
    stored = self.sharded.manifest()
    self.assertEqual((stored['format'], stored['key']), (FORMAT, KEY))
    self.assertEqual((stored['name'], stored['parent']), ('x', 'plain-s0'))
    self.assertEqual(self.path.stat().st_mode & 0o777, 0o700)
    self.assertFalse(self.sharded.finished)

  def test_model_that_began_is_not_written_down_again(self):
    self.begin()
    before = (self.path / FILE).read_bytes()
    with self.sharded.open({'key': KEY, 'command': 'another'}):
      pass
    self.assertEqual((self.path / FILE).read_bytes(), before)

  @parameterized.parameters(
    ({'seed': 1}, 'seed was 0, is 1'),
    (
      {'data': {'dataset': 'mnist', 'train': '0123abcd'}},
      'dataset was digits, is mnist',
    ),
    ({'forget': 'ffff'}, 'forget was None, is ffff'),
    (
      {'seed': 1, 'num_shards': 5},
      '(seed was 0, is 1; num_shards was 2, is 5): move it away or delete it',
    ),
  )
  def test_another_model_is_refused_with_what_differs(self, change, part):
    self.begin()
    before = (self.path / FILE).read_bytes()
    with self.refused('holds a sharded model that was made otherwise', part):
      self.sharded.check({**KEY, **change})
    with self.refused(part), self.open(**change):
      self.fail('was opened')
    self.assertEqual((self.path / FILE).read_bytes(), before)

  def test_folder_of_something_else_is_refused_and_not_touched(self):
    self.path.mkdir()
    (self.path / 'thesis.tex').write_text('precious')
    for call in (lambda: self.sharded.check(KEY), self.begin):
      with self.refused('holds something else than a sharded model (no sharded.json)'):
        call()
    self.assertEqual([file.name for file in self.path.iterdir()], ['thesis.tex'])

  def test_file_in_the_way_is_refused(self):
    self.path.write_text('precious')
    with self.refused('is a file, not a folder: name another'):
      self.begin()
    self.assertEqual(self.path.read_text(), 'precious')

  def test_model_killed_in_its_first_moment_begins_anew(self):
    self.path.mkdir()
    (self.path / '.lock').write_text('')
    (self.path / '.sharded.json.77.tmp').write_text('{')
    self.begin()
    self.assertEqual(sorted(file.name for file in self.path.iterdir()), ['.lock', FILE])

  def test_what_a_killed_process_was_writing_is_swept(self):
    self.begin()
    shard = self.sharded.shard(1)
    shard.mkdir(parents=True)
    (shard / '.slice-001.npz.77.tmp').write_bytes(b'half')
    (shard / 'slice-000.npz').write_bytes(b'whole')
    self.begin()
    self.assertEqual([file.name for file in shard.iterdir()], ['slice-000.npz'])

  @parameterized.parameters(
    '[]',
    'null',
    '{}',
    json.dumps({'format': FORMAT + 1, 'key': KEY}),
    json.dumps({'format': FORMAT, 'key': 'x'}),
  )
  def test_damaged_folder_is_refused(self, text):
    self.begin()
    (self.path / FILE).write_text(text)
    for call in (lambda: self.sharded.check(KEY), self.begin, self.sharded.manifest):
      with self.refused('is damaged, or of another version', 'delete the folder'):
        call()

  def test_text_that_is_no_json_is_refused(self):
    self.begin()
    (self.path / FILE).write_text('{')
    with self.refused('sharded.json cannot be read'):
      self.begin()

  def test_second_process_is_refused_until_the_first_ends(self):
    code = (
      'import sys; from rnn_tf.sharding.folder import ShardedFolder\n'
      'with ShardedFolder(sys.argv[1]).open({"key": {}}):\n'
      '  print("locked", flush=True); sys.stdin.read()'
    )
    first = subprocess.Popen(
      [sys.executable, '-c', code, str(self.path)],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )
    self.addCleanup(first.communicate)
    self.addCleanup(first.kill)
    self.assertEqual(first.stdout.readline(), b'locked\n')
    with (
      self.refused('another process is training this sharded model: wait for it'),
      self.sharded.open({'key': {}}),
    ):
      self.fail('was opened')
    first.kill()
    first.communicate()
    with self.sharded.open({'key': {}}):
      pass


class LoadTest(FolderTestCase):
  def setUp(self):
    super().setUp()
    self.entries = self.finish(self.sharded, [0, 1])
    self.after = ShardedFolder(self.folder / 'after')

  def assert_outputs(self, folder, shards):
    pool, test = folder.load()
    self.assertEqual((pool.shape, test.shape), ((2, 6, 3), (2, 4, 3)))
    self.assertEqual((pool.dtype, test.dtype), (np.float32, np.float32))
    for number, shard in enumerate(shards):
      for found, expected in zip((pool, test), _outputs(shard), strict=True):
        np.testing.assert_array_equal(found[number], expected)

  def test_finished_model_says_what_its_shards_said(self):
    self.assertTrue(self.sharded.finished)
    self.assert_outputs(self.sharded, [0, 1])
    path = self.sharded.shard(1) / OUTPUTS
    self.assertEqual(path.stat().st_mode & 0o777, 0o600)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    self.assertEqual(self.entries[1]['outputs'], checksum)

  def test_shards_of_the_original_are_read_there(self):
    self.finish(self.after, [self.entries[0], 7])
    self.assert_outputs(self.after, [0, 7])
    self.assertFalse(self.after.shard(0).exists())

  def test_folders_that_were_moved_together_are_found(self):
    self.finish(self.after, [self.entries[0], 7])
    moved = self.folder / 'moved'
    moved.mkdir()
    for path in (self.path, self.after.path):
      path.rename(moved / path.name)
    self.assert_outputs(ShardedFolder(moved / 'after'), [0, 7])

  def test_folder_with_its_own_outputs_is_read_under_any_name(self):
    moved = self.folder / 'renamed'
    self.path.rename(moved)
    self.assert_outputs(ShardedFolder(moved), [0, 1])

  def test_original_that_changed_afterwards_is_noticed(self):
    self.finish(self.after, [self.entries[0], 7])
    self.sharded.write_outputs(0, *_outputs(8))
    path = self.sharded.shard(0) / OUTPUTS
    with self.refused(
      'is not what this model was made with: delete the folder '
      f'{self.after.path}, and the same command trains it again',
      start=path,
    ):
      self.after.load()

  def test_original_that_is_gone_is_noticed(self):
    self.finish(self.after, [self.entries[0], 7])
    self.path.rename(self.folder / 'elsewhere')
    with self.refused('No such file', start=self.sharded.shard(0) / OUTPUTS):
      self.after.load()

  @parameterized.parameters('flipped', 'missing', 'pickle', 'array_missing')
  def test_damaged_outputs_are_refused(self, damage):
    path = self.sharded.shard(1) / OUTPUTS
    content = path.read_bytes()
    if damage == 'missing':
      path.unlink()
    elif damage == 'flipped':
      path.write_bytes(content[:-30] + bytes([content[-30] ^ 1]) + content[-29:])
    else:
      arrays = {'pool': np.zeros(3), 'other': np.zeros(3)}
      if damage == 'pickle':
        arrays = {'pool': np.array([{}], object), 'test': np.zeros(3)}
      buffer = io.BytesIO()
      np.savez(buffer, **arrays)
      path.write_bytes(buffer.getvalue())
      checksum = hashlib.sha256(buffer.getvalue()).hexdigest()
      self.entries[1]['outputs'] = checksum
      self.sharded.write_json(RESULT, {'shards': self.entries})
    with self.refused(f'delete the folder {self.path}', start=path):
      self.sharded.load()

  @parameterized.parameters(
    '[]',
    '{}',
    '{"shards": {}}',
    '{"shards": []}',
    '{"shards": [3]}',
    '{"shards": [{"folder": "sharded"}]}',
    '{"shards": [{"folder": 3, "outputs": "x"}]}',
    '{"shards": [{"folder": null, "outputs": "x"}]}',
  )
  def test_damaged_result_is_refused(self, text):
    (self.path / RESULT).write_text(text)
    with self.refused(f'{RESULT} is damaged: delete the folder'):
      self.sharded.load()

  def test_model_that_is_not_finished_has_no_result(self):
    (self.path / RESULT).unlink()
    with self.refused(f'has no {RESULT}'):
      self.sharded.load()


class CopyTest(FolderTestCase):
  def setUp(self):
    super().setUp()
    self.begin()
    self.other = self.folder / 'other/shards/001/slice-000.npz'
    self.other.parent.mkdir(parents=True)
    self.other.write_bytes(b'precious')
    self.checksum = hashlib.sha256(b'precious').hexdigest()

  def test_file_of_another_model_is_copied_into_the_shard(self):
    for checksum in (None, self.checksum):
      self.sharded.copy(self.other, 2, sha256=checksum)
      copied = self.sharded.shard(2) / 'slice-000.npz'
      self.assertEqual(copied.read_bytes(), b'precious')
      self.assertEqual(copied.stat().st_mode & 0o777, 0o600)
      copied.unlink()
    self.assertEqual(self.other.read_bytes(), b'precious')

  def test_file_that_is_missing_or_damaged_is_refused(self):
    again = f'delete the folder {self.folder}/other, and the same command trains it'
    self.other.write_bytes(b'damaged')
    with self.refused('does not have its checksum', again, start=self.other):
      self.sharded.copy(self.other, 2, sha256=self.checksum)
    self.other.unlink()
    with self.refused('No such file or directory', again, start=self.other):
      self.sharded.copy(self.other, 2)
    self.assertFalse(self.sharded.shard(2).exists())


class RunTest(FolderTestCase):
  """`--run` names runs, of which a sharded model is none."""

  def refused_run(self, path, *parts):
    with self.refused(*parts, start=f'--run={path}: '):
      runs.finished_run(str(path))

  @parameterized.parameters(False, True)
  def test_sharded_model_is_no_run_and_names_its_own(self, finished):
    if finished:
      self.finish(self.sharded, [0, 1])
    else:
      self.begin()
    self.refused_run(
      self.path,
      'is a sharded model, which commands do not take: name the run',
      f'{self.folder}/plain-s0',
    )

  def test_folder_without_a_run_is_told_from_it(self):
    self.path.mkdir()
    self.refused_run(self.path, 'no run there', 'none, train one first')


if __name__ == '__main__':
  absltest.main()
