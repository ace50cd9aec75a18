"""What another machine has sent is written so that a killed command can go on."""

import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import train, unlearn_elsewhere
from rnn_tf.errors import UsageError
from rnn_tf.runs import RECEIVING, RunFolder
from rnn_tf.unlearn_jobs import Retraining
from tests import commands


class Killed(BaseException):
  """Ends a command."""


class UnpackTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    arguments = ['--model=mlp', '--epochs=2', '--attacks=threshold', '--train_size=100']
    whole = self.folder / 'whole'
    code, _, err = commands.call(train, *arguments, f'--run_dir={whole}')
    self.assertEqual(code, 0, err)
    self.files = unlearn_elsewhere._files(whole)
    self.config = RunFolder(whole).config()
    self.run = RunFolder(self.folder / 'run')

  def parcel(self, weights=None):
    return unlearn_elsewhere.pack(
      Retraining(
        folder=self.run,
        config=self.config,
        forgotten=np.zeros(0, np.int64),
        weights=weights,
        engine='keras',
        examples=200,
      )
    )

  def open(self):
    self.run.check(self.config, overwrite=False)
    self.run.open(self.config, overwrite=False)
    self.addCleanup(self.run.close)

  def test_all_files_are_there_and_only_its_owner_reads_them(self):
    self.open()
    parcel = self.parcel()
    (self.run.path / 'metrics.csv').write_text('epoch\n')
    unlearn_elsewhere.unpack(self.files, parcel)
    self.assertTrue(self.run.finished)
    self.assertEqual(unlearn_elsewhere._files(self.run.path), self.files)
    self.assertFalse((self.run.path / RECEIVING).exists())
    for path in self.run.path.rglob('*'):
      self.assertFalse(path.stat().st_mode & 0o077, path)

  @parameterized.parameters(0, 1, 2, 5, 9)
  def test_killed_while_it_is_written_it_begins_again(self, written):
    self.open()
    parcel = self.parcel()
    original, done = unlearn_elsewhere.write_atomically, []

    def write(path, content):
      if len(done) == written:
        raise Killed
      done.append(path)
      original(path, content)

    with (
      absltest.mock.patch.object(unlearn_elsewhere, 'write_atomically', write),
      self.assertRaises(Killed),
    ):
      unlearn_elsewhere.unpack(self.files, parcel)
    self.run.close()
    self.assertFalse(self.run.finished)
    self.open()
    left = [path.name for path in self.run.path.iterdir()]
    self.assertEqual(left, ['.lock'])

  def test_weights_that_are_missing_are_named(self):
    self.open()
    weights = self.folder / 'none' / 'weights' / 'final.weights.h5'
    with self.assertRaisesRegex(UsageError, 'run: .*final.weights.h5: No such file'):
      self.parcel(weights)


if __name__ == '__main__':
  absltest.main()
