"""Runs of classical models in process on the embedded digits."""

import pathlib

from absl.testing import absltest, parameterized

from rnn_tf import attack, run_end, train
from tests import commands

_HALF = ('--train_fraction=0.5', '--nonmembers=holdout')
SMALL = {
  'decision_tree': (),
  'random_forest': ('--num_trees=20',),
  'kmeans': ('--num_clusters=30',),
}


class ClassicalTestCase(parameterized.TestCase):
  pictures = False

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / 'run'
    if not self.pictures:
      # They take most of the time of a small run.
      self.enter_context(
        absltest.mock.patch.object(run_end.reporting, 'write_run_pictures')
      )

  def train(self, *flags, model='decision_tree', path=None):
    return commands.call(
      train,
      f'--model={model}',
      *SMALL[model],
      *_HALF,
      f'--run_dir={path or self.path}',
      *flags,
    )

  def trained(self, *flags, **options):
    code, out, err = self.train(*flags, **options)
    self.assertEqual(code, 0, err)
    return out, err

  def attack(self, *flags):
    return commands.call(
      attack,
      f'--run={self.path}',
      f'--fleet_dir={self.folder / "fleet"}',
      '--fleet=sequential',
      *flags,
    )

  def assert_refused(self, outcome, *parts):
    code, out, err = outcome
    self.assertEqual((code, out), (2, ''), err)
    self.assertLen(err.splitlines(), 1)
    for part in parts:
      self.assertIn(part, err)
