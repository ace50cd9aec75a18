"""A fleet whose files are damaged: nothing of it is used, and it is trained again."""

import hashlib
import io
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.fleets.folder import FleetFolder
from tests.fleets import small_fleets


def _truncated(path):
  npz = path / 'shadow-0001.npz'
  npz.write_bytes(npz.read_bytes()[:-40])


def _flipped(path):
  content = bytearray((path / 'shadow-0001.npz').read_bytes())
  # In the middle of an array, where zip alone would tell by its checksum.
  content[len(content) // 3] ^= 1
  (path / 'shadow-0001.npz').write_bytes(content)


def _missing(path):
  (path / 'shadow-0001.npz').unlink()


def _copied(path):
  for suffix in ('npz', 'json'):
    content = (path / f'shadow-0000.{suffix}').read_bytes()
    (path / f'shadow-0001.{suffix}').write_bytes(content)


def _copied_and_renumbered(path):
  _copied(path)
  _edited(lambda values: values.update(model=1))(path)


def _edited(change):
  def damage(path):
    values = json.loads((path / 'shadow-0001.json').read_text())
    change(values)
    (path / 'shadow-0001.json').write_text(json.dumps(values))

  return damage


def _written(text):
  return lambda path: (path / 'shadow-0001.json').write_bytes(text)


def _rewritten(change):
  """Edits the outputs, and the checksum after them."""

  def damage(path):
    with np.load(path / 'shadow-0001.npz') as file:
      arrays = dict(file)
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    (path / 'shadow-0001.npz').write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    _edited(lambda values: values.update(sha256=sha256))(path)

  return damage


_POOL = 'epoch-0001/pool'

_DAMAGES = {
  'truncated': (_truncated, 'shadow-0001.npz: does not have its checksum'),
  'flipped': (_flipped, 'shadow-0001.npz: does not have its checksum'),
  'missing': (_missing, 'shadow-0001.npz: No such file'),
  'of_another_shadow': (_copied, 'shadow-0001: is of other examples'),
  'renumbered': (_copied_and_renumbered, 'shadow-0001: is of other examples'),
  'json_empty': (_written(b''), 'shadow-0001.json: '),
  'json_cut': (_written(b'{"model": 1,'), 'shadow-0001.json: '),
  'json_list': (_written(b'[]'), 'shadow-0001.json: '),
  'json_null': (_written(b'null'), 'shadow-0001.json: '),
  'json_binary': (_written(b'\xff\xfe\x00'), 'shadow-0001.json: '),
  'another_checksum': (
    _edited(lambda values: values.update(sha256='0' * 64)),
    'shadow-0001.npz: does not have its checksum',
  ),
  'another_seed': (
    _edited(lambda values: values.update(seed=values['seed'] + 1)),
    'shadow-0001: is of other examples',
  ),
  'another_row': (
    _edited(lambda values: values.update(members='0' * 16)),
    'shadow-0001: is of other examples',
  ),
  'field_missing': (_edited(lambda values: values.pop('sha256')), 'shadow-0001.json: '),
  'field_unknown': (_edited(lambda values: values.update(x=1)), 'shadow-0001.json: '),
  'no_number': (
    _edited(lambda values: values.update(seconds='soon')),
    'shadow-0001.json: ',
  ),
  'epoch_missing': (
    _edited(lambda values: values['test_accuracy'].pop('2')),
    'shadow-0001: lacks an epoch',
  ),
  'another_train_accuracy': (
    _edited(lambda values: values['train_accuracy'].update({'2': 0.99})),
    'shadow-0001.json: accuracies that its outputs do not have',
  ),
  'another_test_accuracy': (
    _edited(lambda values: values['test_accuracy'].update({'1': 0.99})),
    'shadow-0001.json: accuracies that its outputs do not have',
  ),
  'pickle': (
    _rewritten(lambda arrays: arrays.update({_POOL: np.array([{}, 1], object)})),
    'shadow-0001.npz: .*allow_pickle=False',
  ),
  'another_shape': (
    _rewritten(lambda arrays: arrays.update({_POOL: arrays[_POOL][:, :2]})),
    'shadow-0001.npz: shapes',
  ),
  'array_missing': (
    _rewritten(lambda arrays: arrays.pop(_POOL)),
    'shadow-0001.npz: .*pool',
  ),
}


class DamagedTest(small_fleets.FleetTestCase):
  def setUp(self):
    super().setUp()
    self.pretend()
    self.whole = small_fleets.contents(self.path)

  @parameterized.named_parameters((name, *rest) for name, rest in _DAMAGES.items())
  def test_damaged_shadow_is_named_and_trained_again(self, damage, message):
    damage(self.path)
    self.assertNotEqual(small_fleets.contents(self.path), self.whole)
    with self.subTest('never read'):
      for epoch in (1, 2):
        with self.assertRaisesRegex(UsageError, message) as caught:
          self.load(epoch=epoch)
        text = str(caught.exception)
        self.assertStartsWith(text, f'--fleet_dir={self.path}: ')
        self.assertEndsWith(text, 'start the command again, which trains it anew')
        self.assertNotIn('\n', text)
    with self.subTest('trained again'):
      trained, lines = self.pretend()
      self.assertEqual(trained, [1])
      (line,) = [line for line in lines if line.endswith(': trained again')]
      self.assertRegex(line, f'^{self.path}: {message}')
      self.assertEqual(small_fleets.contents(self.path), self.whole)
      self.load()

  def test_shadow_killed_before_its_json_is_trained_without_a_warning(self):
    (self.path / 'shadow-0002.json').unlink()
    with self.assertRaisesRegex(UsageError, 'shadow-0002: is missing'):
      self.load()
    trained, lines = self.pretend()
    self.assertEqual(trained, [2])
    self.assertNotIn('again', ''.join(lines))
    self.assertEqual(small_fleets.contents(self.path), self.whole)

  def test_whole_fleet_is_not_trained_again(self):
    self.assertEqual(self.pretend(), ([], []))
    self.assertEqual(small_fleets.contents(self.path), self.whole)

  def test_file_that_is_damaged_while_it_is_used_is_named(self):
    folder = FleetFolder(self.path)
    folder.load(self.plan, epoch=1)
    _truncated(self.path)
    with self.assertRaisesRegex(UsageError, 'shadow-0001.npz: '):
      folder.load(self.plan, epoch=2)

  def test_what_a_killed_process_was_writing_is_swept(self):
    (self.path / '.shadow-0003.npz.77.tmp').write_bytes(b'half')
    self.pretend()
    self.assertEqual(small_fleets.contents(self.path), self.whole)


if __name__ == '__main__':
  absltest.main()
