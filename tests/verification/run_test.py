"""Verifies runs that the train command has made, on small digits."""

import pathlib
import shutil
import tempfile

from absl.testing import absltest, parameterized

from rnn_tf import train
from rnn_tf.runs import RunFolder
from rnn_tf.verification import verification
from tests.commands import call
from tests.verifiable_runs import change

SMALL = (
  '--train_size=300',
  '--test_size=200',
  '--model=mlp',
  '--hidden_size=8',
  '--batch_size=50',
  '--epochs=2',
)
RUNS = {
  'plain': ('--attacks=threshold,entropy,lr', '--report_members=250'),
  'codelab': ('--attacks=threshold,entropy', '--attack_engine=tf_privacy'),
  'private': ('--attacks=threshold', '--dp', '--dp_target_epsilon=20'),
  'silent': ('--attacks=',),
}


class VerifyRunTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.made = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.made)
    for name, flags in RUNS.items():
      code, _, err = call(train, *SMALL, *flags, f'--run_dir={cls.made / name}')
      assert code == 0, err

  def run_folder(self, name):
    path = pathlib.Path(self.create_tempdir().full_path) / name
    shutil.copytree(self.made / name, path)
    return path

  def mismatches(self, path):
    return [str(each) for each in verification.verify(RunFolder(path)).mismatches]

  @parameterized.parameters(*RUNS)
  def test_an_untouched_run_has_no_mismatch(self, name):
    self.assertEqual(self.mismatches(self.made / name), [])

  def test_scores_of_tf_privacy_are_checked_too(self):
    path = self.run_folder('codelab')
    change(path / 'scores/epoch-0002.npz', lambda x: x['entropy/entire/members'].sort())
    self.assertIn('entropy/entire/members', '\n'.join(self.mismatches(path)))

  def test_less_noise_than_the_target_takes_is_found(self):
    path = self.run_folder('private')
    change(
      path / 'config.json', lambda x: x['config']['privacy'].update(dp_target_epsilon=9)
    )
    found = '\n'.join(self.mismatches(path))
    self.assertIn('config.json: guarantee, noise_multiplier', found)
    self.assertIn('result.json: guarantee, epsilon', found)
    self.assertIn('metrics.csv, epoch 1: epsilon', found)

  def test_a_run_without_reports_is_checked_as_far_as_it_goes(self):
    path = self.run_folder('silent')
    change(path / 'result.json', lambda x: x.update(val_accuracy=0.99))
    self.assertLen(self.mismatches(path), 1)


if __name__ == '__main__':
  absltest.main()
