"""Deletions from runs of classical models."""

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import classical_file, classical_run, deletion_records, run_data, unlearn
from rnn_tf.options.source import Source
from rnn_tf.runs import RunFolder
from tests import classical_runs, commands


class DeletionTest(classical_runs.ClassicalTestCase):
  def test_tree_that_is_grown_anew_forgets(self):
    self.trained('--attacks=')
    code, _, err = commands.call(
      unlearn,
      f'--run={self.path}',
      '--method=retrain,twin,none',
      '--deletion=uniform',
      '--fractions=0.2',
      '--label=made',
    )
    self.assertEqual(code, 0, err)
    record = deletion_records.load(self.path / 'deletions/made')
    self.assertEqual(record.methods, ('retrain', 'twin', 'none'))
    retrained = RunFolder(self.folder / 'run-retrain-uniform-20pct')
    self.assertTrue(retrained.finished)
    gone = retrained.read_npz('examples.npz')['forget_ids']
    self.assertLen(gone, 144)
    data = run_data.load(retrained, Source(data_dir=None, download=False))
    forgotten = data.holdout.select(np.isin(data.holdout.ids, gone))
    right = {}
    for name, run in (('before', self.path), ('after', retrained.path)):
      model = classical_file.load(
        run / classical_run.WEIGHTS,
        retrained.config().model,
        image_shape=(8, 8, 1),
        class_count=10,
      )
      said = model.logits(forgotten.images).argmax(axis=1)
      right[name] = (said == forgotten.labels).mean()
    self.assertEqual(right['before'], 1)
    self.assertLess(right['after'], 0.95)
    with self.subTest('again'):
      before = (retrained.path / classical_run.WEIGHTS).stat().st_mtime_ns
      code, _, err = commands.call(
        unlearn,
        f'--run={self.path}',
        '--method=retrain,twin,none',
        '--deletion=uniform',
        '--fractions=0.2',
        '--label=made',
        '--overwrite',
      )
      self.assertEqual(code, 0, err)
      after = (retrained.path / classical_run.WEIGHTS).stat().st_mtime_ns
      self.assertEqual(after, before)

  @parameterized.parameters(
    ('--method=retrain,sharded', '--method=sharded: --model=kmeans is fitted at once'),
    ('--method=finetune,retrain', '--method=finetune: --model=kmeans is fitted at'),
    (
      '--method=retrain --fractions=0.99',
      '--num_clusters=30: more than the 7 training examples of run-retrain-uniform-99',
    ),
  )
  def test_deletion_that_cannot_be_is_refused(self, flags, part):
    self.trained('--attacks=', model='kmeans')
    before = sorted(self.folder.rglob('*'))
    self.assert_refused(
      commands.call(unlearn, f'--run={self.path}', *flags.split()), part
    )
    self.assertEqual(sorted(self.folder.rglob('*')), before)


if __name__ == '__main__':
  absltest.main()
