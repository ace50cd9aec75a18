"""Deletions from runs of classical models."""

from absl.testing import absltest

from rnn_tf import unlearn
from tests import classical_runs, commands


class DeletionTest(classical_runs.ClassicalTestCase):
  def test_deletion_is_refused_with_the_way_out(self):
    self.trained('--attacks=')
    before = sorted(self.folder.rglob('*'))
    self.assert_refused(
      commands.call(unlearn, f'--run={self.path}', '--method=retrain'),
      f'--run={self.path}: is of a decision_tree, and deletions are made from networks',
    )
    self.assertEqual(sorted(self.folder.rglob('*')), before)


if __name__ == '__main__':
  absltest.main()
