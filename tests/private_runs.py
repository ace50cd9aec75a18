"""Runs the train command on the embedded digits, to its end or killed."""

import csv
import json
import pathlib

import h5py
import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import train, training
from tests import commands

SMALL = (
  '--train_size=200',
  '--test_size=100',
  '--hidden_size=8',
  '--batch_size=64',
  '--epochs=3',
)
DP = (*SMALL, '--dp', '--dp_noise_multiplier=1')
SEEDED = (*DP, '--deterministic', '--attacks=')
TINY = ('--train_size=32', '--test_size=32', '--hidden_size=4', '--epochs=1')


def run(run_dir, *arguments):
  """Returns exit code, stdout and stderr of the command."""
  return commands.call(train, f'--run_dir={run_dir}', *arguments)


def metrics(path):
  with open(path / 'metrics.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  for row in rows:
    del row['seconds'], row['report_seconds']
  return rows


def load(path):
  return json.loads(path.read_text())


def epsilons(path):
  return [float(row['epsilon']) for row in metrics(path)]


def weights(path):
  """Returns the final weights, variable by variable."""
  found = {}

  def keep(name, item):
    if isinstance(item, h5py.Dataset):
      found[name] = np.array(item)

  with h5py.File(path / 'weights/final.weights.h5') as file:
    file.visititems(keep)
  return found


class PrivateRunTestCase(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / 'run'

  def run_to_end(self, path, *arguments):
    code, out, err = run(path, *arguments)
    self.assertEqual(code, 0, err)
    return out, err

  def run_killed_in_epoch_2(self, path, *arguments):
    """Interrupts a run before its second checkpoint."""
    save = training.Checkpoints.save

    def interrupted(checkpoints, epoch, **kwargs):
      if epoch == 2:
        raise KeyboardInterrupt
      save(checkpoints, epoch, **kwargs)

    with absltest.mock.patch.object(training.Checkpoints, 'save', interrupted):
      code, _, err = run(path, *arguments)
    self.assertEqual(code, 130, err)
    self.assertFalse((path / 'result.json').exists())

  def assert_weights_file_tells_no_exact_figure(self, path):
    for name, values in weights(path).items():
      if not name.startswith(('layers/', 'optimizer/')):
        np.testing.assert_array_equal(values, 0, err_msg=name)

  def assert_same_weights(self, path, other):
    one, two = weights(path), weights(other)
    self.assertEqual(set(one), set(two))
    for name in one:
      np.testing.assert_array_equal(one[name], two[name], err_msg=name)
