"""A shard whose training was killed, or whose stages are damaged."""

import dataclasses
import hashlib
import io
import json
import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import Stage, stage_file
from tests.sharding import small_models


class KilledTest(small_models.ShardedTestCase):
  @parameterized.parameters(('lstm', 2), ('cnn', 2), ('mlp', 0), ('mlp', 1))
  def test_killed_training_goes_on_at_the_stage(self, model, kill):
    of = small_models.config(model)
    expected, _ = small_models.train(small_models.task(self.folder / 'whole', of=of))
    task = small_models.task(self.path, of=of)
    fits = small_models.Fits(kill=kill)
    with self.assertRaises(small_models.Interrupted):
      small_models.train(task, fits=fits)
    self.assertEqual(fits.sizes, [6, 12, 18][: kill + 1])
    kept = small_models.contents(self.path)
    self.assertLen(kept, 2 * kill)
    found, fitted = small_models.train(task)
    self.assertEqual(fitted, [6, 12, 18][kill:])
    self.assert_same_outputs(found, expected)
    after = small_models.contents(self.path)
    self.assertEqual({name: after[name] for name in kept}, kept)
    for stage in range(3):
      self.assertEqual(
        stage_file(task.folder, stage).read_bytes(),
        stage_file(self.folder / 'whole/shards/001', stage).read_bytes(),
      )

  def test_killed_deletion_goes_on_at_the_stage(self):
    of = small_models.config('mlp')
    small_models.train(small_models.task(self.path, of=of))
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[1])
    values = {'of': of, 'deleted': gone, 'original': self.path}
    expected, _ = small_models.train(small_models.task(self.folder / 'whole', **values))
    task = small_models.task(self.folder / 'killed', **values)
    with self.assertRaises(small_models.Interrupted):
      small_models.train(task, fits=small_models.Fits(kill=1))
    found, fitted = small_models.train(task)
    self.assertEqual(fitted, [17])
    self.assert_same_outputs(found, expected)

  def test_stage_killed_before_it_was_written_down_is_trained_again(self):
    task = small_models.task(self.path, of=small_models.config('mlp'))
    expected, _ = small_models.train(task)
    stage_file(task.folder, 1).with_suffix('.json').unlink()
    found, fitted = small_models.train(task)
    self.assertEqual(fitted, [12, 18])
    self.assert_same_outputs(found, expected)

  def test_trained_shard_is_not_trained_again(self):
    task = small_models.task(self.path, of=small_models.config('mlp'))
    expected, _ = small_models.train(task)
    before = small_models.contents(self.path)
    found, fitted = small_models.train(task)
    self.assertEqual(fitted, [])
    self.assert_same_outputs(found, expected)
    self.assertEqual(small_models.contents(self.path), before)

  def test_stages_of_other_rows_are_trained_again(self):
    of = small_models.config('mlp')
    small_models.train(small_models.task(self.path, of=of))
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[1])
    expected, _ = small_models.train(
      small_models.task(self.folder / 'fresh', of=of, deleted=gone)
    )
    found, fitted = small_models.train(
      small_models.task(self.path, of=of, deleted=gone)
    )
    self.assertEqual(fitted, [11, 17])
    self.assert_same_outputs(found, expected)

  def test_stages_that_began_with_another_original_are_trained_again(self):
    of = small_models.config('mlp')
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[1])
    original = small_models.task(self.path, of=of)
    small_models.train(original)
    values = {'of': of, 'deleted': gone, 'original': self.path}
    task = small_models.task(self.folder / 'after', **values)
    before, _ = small_models.train(task)
    # The folder is deleted, and the original trained anew by another machine.
    shutil.rmtree(self.path)
    other = small_models.config('mlp', seed=9)
    small_models.train(dataclasses.replace(original, config=other))
    expected, _ = small_models.train(
      small_models.task(self.folder / 'expected', **values)
    )
    found, fitted = small_models.train(task)
    self.assertEqual(fitted, [11, 17])
    self.assert_same_outputs(found, expected)
    self.assert_other_outputs(found, before)

  def test_stages_of_other_epochs_are_trained_again(self):
    task = small_models.task(self.path, of=small_models.config('mlp'))
    small_models.train(task)
    _, fitted = small_models.train(dataclasses.replace(task, epochs=(2, 2, 3)))
    self.assertEqual(fitted, [18])


def _flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def _rewritten(change):
  """Edits the variables of a stage, and the checksum after them."""

  def damage(path):
    with np.load(path) as file:
      arrays = dict(file)
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    _edited(sha256=sha256)(path)

  return damage


def _edited(**values):
  def damage(path):
    path = path.with_suffix('.json')
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

  return damage


def _written(content):
  return lambda path: path.with_suffix('.json').write_bytes(content)


def _grown(arrays):
  arrays['weight-000'] = np.zeros((2, 2), np.float32)


_DAMAGES = {
  'flipped': (_flip, 'does not have its checksum'),
  'empty': (lambda path: path.write_bytes(b''), 'does not have its checksum'),
  'missing': (pathlib.Path.unlink, 'No such file'),
  'variable_missing': (
    _rewritten(lambda arrays: arrays.pop('weight-000')),
    'is of another network',
  ),
  'variable_unknown': (
    _rewritten(lambda arrays: arrays.update({'weight-999': np.zeros(1)})),
    'is of another network',
  ),
  'another_shape': (_rewritten(_grown), 'damaged \\('),
  'pickle': (
    _rewritten(lambda arrays: arrays.update({'weight-000': np.array([{}], object)})),
    'allow_pickle=False',
  ),
  'no_checksum': (_edited(sha256=3), 'does not have its checksum'),
  'json_empty': (_written(b''), 'missing or damaged'),
  'json_list': (_written(b'[]'), 'missing or damaged'),
  'json_null': (_written(b'null'), 'missing or damaged'),
  'json_binary': (_written(b'\xff\xfe\x00'), 'missing or damaged'),
  'json_unknown': (_edited(more=1), 'missing or damaged'),
  'json_text': (_edited(seconds='soon'), 'a value is of another kind'),
}


class DamagedTest(small_models.ShardedTestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.of = small_models.config('mlp')
    cls.trained = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    small_models.train(small_models.task(cls.trained, of=cls.of))

  def setUp(self):
    super().setUp()
    shutil.copytree(self.trained, self.path)
    self.task = small_models.task(self.path, of=self.of)

  def refused(self, task, message, *, file, folder):
    with self.assertRaisesRegex(UsageError, message) as caught:
      small_models.train(task)
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, str(file.with_suffix('')))
    self.assertIn(f'delete the folder {folder}, and the same command trains', text)

  @parameterized.named_parameters((name, *rest) for name, rest in _DAMAGES.items())
  def test_damaged_stage_is_refused(self, damage, message):
    last = stage_file(self.task.folder, 2)
    damage(last)
    self.refused(self.task, message, file=last, folder=self.path)

  @parameterized.named_parameters((name, *rest) for name, rest in _DAMAGES.items())
  def test_damaged_stage_of_the_original_is_refused(self, damage, message):
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[2])
    after = small_models.task(
      self.folder / 'after', of=self.of, deleted=gone, original=self.path
    )
    before = stage_file(self.task.folder, 1)
    damage(before)
    self.refused(after, message, file=before, folder=self.path)
    self.assertFalse((self.folder / 'after').exists())

  def test_stage_without_its_json_is_refused_where_it_is_needed(self):
    path = stage_file(self.task.folder, 1)
    path.with_suffix('.json').unlink()
    with self.assertRaisesRegex(UsageError, 'slice-001.json: missing or damaged'):
      constituent.read_stage(path)

  def test_whole_number_of_seconds_is_no_damage(self):
    path = stage_file(self.task.folder, 1)
    _edited(seconds=2)(path)
    self.assertEqual(constituent.read_stage(path).seconds, 2)

  def test_stage_is_what_was_written(self):
    path = stage_file(self.task.folder, 1)
    values = json.loads(path.with_suffix('.json').read_text())
    self.assertEqual(constituent.read_stage(path), Stage(**values))


if __name__ == '__main__':
  absltest.main()
