"""The infer command in process, on a run on the embedded digits."""

import csv
import json
import os
import pathlib
import shutil
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import infer, train
from tests import commands

_SMALL = (
  '--train_size=300',
  '--test_size=100',
  '--hidden_size=16',
  '--epochs=2',
  '--attacks=',
)


class InferTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.parent = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    cls.enterClassContext(
      mock.patch.dict(os.environ, {'TFDS_DATA_DIR': str(cls.parent / 'tfds')})
    )
    code, _, err = commands.call(
      train, *_SMALL, f'--run_dir={cls.parent}/digits-lstm-s0'
    )
    assert code == 0, err

  def setUp(self):
    super().setUp()
    self.run_dir = pathlib.Path(self.create_tempdir().full_path) / 'digits-lstm-s0'
    shutil.copytree(self.parent / 'digits-lstm-s0', self.run_dir)

  def infer(self, *arguments):
    return commands.call(infer, f'--run={self.run_dir}', *arguments)

  def refusal(self, *arguments):
    code, out, err = self.infer(*arguments)
    self.assertEqual((code, out), (2, ''))
    self.assertLen(err.splitlines(), 1)
    return err

  def test_finished_run_is_listed_and_written(self):
    code, out, _ = self.infer('--num_examples=7')
    self.assertEqual(code, 0)
    listed = out.split('\n\n')[0].splitlines()
    self.assertLen(listed, 1 + 7)
    ids = np.load(self.run_dir / 'examples.npz', allow_pickle=False)['test_ids']
    self.assertEqual([int(line.split()[0]) for line in listed[1:]], ids[:7].tolist())
    written = {path.name for path in (self.run_dir / 'inference').iterdir()}
    self.assertEqual(
      written,
      {
        'examples.png',
        'classification_report.csv',
        'confusion_matrix.csv',
        'confusion_matrix.png',
        'report.html',
      },
    )

  @parameterized.parameters('best', 'final')
  def test_accuracy_is_the_one_that_training_wrote(self, weights):
    _, out, _ = self.infer(f'--weights={weights}')
    with open(self.run_dir / 'metrics.csv', newline='') as file:
      accuracies = [float(row['val_accuracy']) for row in csv.DictReader(file)]
    expected = max(accuracies) if weights == 'best' else accuracies[-1]
    self.assertIn(f'accuracy: {expected:.4f} on 100 test images', out)

  def test_tables_count_every_test_image(self):
    out_dir = self.create_tempdir().full_path
    self.infer(f'--output_dir={out_dir}')
    with open(f'{out_dir}/confusion_matrix.csv', newline='') as file:
      rows = list(csv.reader(file))
    self.assertEqual(sum(int(cell) for row in rows[1:] for cell in row[1:]), 100)
    self.assertFalse((self.run_dir / 'inference').exists())

  def test_its_own_page_is_written_again_and_that_of_a_run_is_kept(self):
    page = self.run_dir / 'report.html'
    self.assertTrue(page.is_file())
    before = {path: path.read_bytes() for path in self.run_dir.glob('*.*')}
    with mock.patch.object(infer, '_predict') as predict:
      err = self.refusal(f'--output_dir={self.run_dir}')
    predict.assert_not_called()
    self.assertIn(f'--output_dir={self.run_dir}: its report.html is the page', err)
    self.assertEqual(
      before, {path: path.read_bytes() for path in self.run_dir.glob('*.*')}
    )
    for _ in range(2):
      self.assertEqual(self.infer()[0], 0)

  def test_more_examples_than_there_are_is_refused(self):
    self.assertIn('100 test images', self.refusal('--num_examples=101'))

  def test_no_example_is_refused(self):
    self.assertIn('at least 1', self.refusal('--num_examples=0'))

  def test_unknown_weights_are_refused_with_the_closest(self):
    self.assertIn('did you mean final?', self.refusal('--weights=finl'))

  def test_missing_run_is_refused(self):
    code, _, err = commands.call(infer)
    self.assertEqual(code, 2)
    self.assertIn('--run is missing', err)

  def test_mistyped_run_is_refused_with_the_closest(self):
    code, _, err = commands.call(infer, f'--run={self.run_dir}1')
    self.assertEqual(code, 2)
    self.assertIn(f'did you mean {self.run_dir}?', err)

  def test_unfinished_run_is_refused_with_its_command(self):
    (self.run_dir / 'result.json').unlink()
    self.assertIn('python -m rnn_tf.train', self.refusal())

  def test_missing_weights_are_refused(self):
    (self.run_dir / 'weights' / 'best.weights.h5').unlink()
    self.assertIn('best.weights.h5', self.refusal())

  def test_damaged_weights_are_refused(self):
    (self.run_dir / 'weights' / 'best.weights.h5').write_bytes(b'no weights')
    self.assertIn('best.weights.h5', self.refusal())

  def test_data_that_has_changed_is_refused(self):
    path = self.run_dir / 'config.json'
    record = json.loads(path.read_text())
    record['data']['checksums']['test'] = '00000000'
    path.write_text(json.dumps(record))
    self.assertIn('the data set has changed', self.refusal())

  def test_output_dir_that_is_a_file_is_refused(self):
    path = self.create_tempfile().full_path
    code, _, err = self.infer(f'--output_dir={path}')
    self.assertEqual(code, 2)
    self.assertIn(f'--output_dir={path}', err)


if __name__ == '__main__':
  absltest.main()
