import pathlib

from absl.testing import absltest, parameterized

from rnn_tf.records import load_run
from rnn_tf.verification.checks import MissingError
from rnn_tf.verification.versions import Study
from tests import verifiable_runs


class FolderTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.create_tempdir().full_path).resolve()
    run = load_run(verifiable_runs.write(self.root / 'runs/half', trained=1))
    for name in ('runs/half-retrain', 'elsewhere'):
      (self.root / name).mkdir()
    # Of these a folder's place does not depend.
    self.study = Study(run=run, deletion=None, examples=None, labels=None)

  def test_a_model_lies_beside_its_run(self):
    found = self.study.folder('half-retrain')
    self.assertEqual(found, self.root / 'runs/half-retrain')

  def test_a_model_that_is_gone_is_said(self):
    with self.assertRaisesRegex(MissingError, 'its folder half-sharded is not there'):
      self.study.folder('half-sharded')

  @parameterized.parameters(
    '', '.', '..', '../elsewhere', '{root}/elsewhere', 'half-retrain/', 'a' * 300, 'a\0'
  )
  def test_a_name_that_leads_elsewhere_is_refused(self, name):
    with self.assertRaisesRegex(MissingError, 'is no name of a folder'):
      self.study.folder(name.format(root=self.root))


if __name__ == '__main__':
  absltest.main()
