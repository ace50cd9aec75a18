"""Odd data sets are trained on and shown, or refused before anything is written."""

import contextlib
import json
import os
import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import datasets, infer, report, train
from rnn_tf.config import DataConfig
from rnn_tf.stack import tf  # noqa: F401
from tests import commands

# isort: split
import tensorflow_datasets as tfds


class OddImages(tfds.core.GeneratorBasedBuilder):
  """A data set that a test describes: shape, dtype, names, features, examples."""

  VERSION = tfds.core.Version('1.0.0')
  about = {}

  def _info(self):
    image = tfds.features.Image(
      shape=self.about.get('shape', (3, 4, 1)), dtype=self.about.get('dtype', np.uint8)
    )
    label = tfds.features.ClassLabel(names=self.about.get('names', ['cat', 'dog']))
    features = {'image': image, 'label': label, **self.about.get('features', {})}
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(features),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    return {k: self._generate_examples(v) for k, v in self.about['splits'].items()}

  def _generate_examples(self, examples):
    for number, (image, label) in enumerate(examples):
      yield number, {'image': image, 'label': label}


def _examples(labels, *, shape=(3, 4, 1), dtype=np.uint8, put=None):
  """Returns an example for each label; `put` is the first pixel of the first."""
  rng = np.random.default_rng(0)
  images = rng.random((len(labels), *shape))
  if np.dtype(dtype).kind == 'u':
    images = images * np.iinfo(dtype).max
  images = images.astype(dtype)
  if put is not None:
    images[0].flat[0] = put
  return list(zip(images, labels, strict=True))


_TWO = [0, 1] * 15


class DataSetsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.create_tempdir().full_path)
    self.enter_context(contextlib.chdir(self.root))
    os.mkdir('data')

  def _prepare(self, train_labels=None, test_labels=None, *, put=None, **about):
    shape, dtype = about.get('shape', (3, 4, 1)), about.get('dtype', np.uint8)
    splits = {'train': train_labels or _TWO, 'test': test_labels or _TWO[:20]}
    made = {
      name: _examples(labels, shape=shape, dtype=dtype, put=put)
      for name, labels in splits.items()
    }
    self._write({'splits': made, **about})
    return made

  def _write(self, about):
    self.enter_context(absltest.mock.patch.object(OddImages, 'about', about))
    with contextlib.redirect_stdout(None):
      OddImages(data_dir='data').download_and_prepare()

  def _train(self):
    return commands.call(
      train,
      *('--dataset=odd_images', '--data_dir=data', '--nodownload', '--run_dir=run'),
      *('--epochs=1', '--batch_size=1', '--hidden_size=4'),
      '--attacks=threshold,entropy,lr',
    )

  @parameterized.named_parameters(
    ('one class seen', {'train_labels': [0] * 30, 'test_labels': [0] * 20}),
    ('other class in test', {'train_labels': [0] * 30, 'test_labels': [1] * 20}),
    ('one of each', {'train_labels': [0], 'test_labels': [1]}),
    (
      'hostile names, a pixel of four channels',
      {'shape': (1, 1, 4), 'names': ['a,b', '<b>/../../x']},
    ),
  )
  def test_odd_data_are_trained_on_attacked_and_shown(self, about):
    self._prepare(**about)
    code, _, err = self._train()
    self.assertEqual(code, 0, err)
    lines = pathlib.Path('run/privacy.jsonl').read_text().splitlines()
    for line in map(json.loads, lines):
      # What cannot be attacked says so; everything else is a number.
      self.assertEqual(line.get('auc') is None, bool(line.get('skipped')), line)
      if line.get('auc') is not None:
        self.assertBetween(line['auc'], 0, 1)
    for command, *flags in (
      (infer, '--run=run', '--data_dir=data', '--num_examples=1'),
      (report, '--run=run', '--verify'),
    ):
      code, out, err = commands.call(command, *flags)
      self.assertEqual(code, 0, f'{out} {err}')
    self.assertEqual(sorted(path.name for path in self.root.iterdir()), ['data', 'run'])

  @parameterized.named_parameters(
    ('bytes', np.uint8, (3, 4, 1)),
    ('16 bits', np.uint16, (3, 4, 1)),
    ('16 bits, four channels', np.uint16, (3, 4, 4)),
    ('very wide', np.uint8, (1, 5000, 1)),
  )
  def test_pixels_are_scaled_by_their_type(self, dtype, shape):
    made = self._prepare(dtype=dtype, shape=shape)
    data = datasets.load(DataConfig(dataset='odd_images'), data_dir='data')
    expected = np.stack([image for image, _ in made['train']]) / np.iinfo(dtype).max
    np.testing.assert_allclose(data.train.images, expected, atol=1e-7)

  @parameterized.named_parameters(
    ('one class', {'names': ['only'], 'train_labels': [0] * 9, 'test_labels': [0] * 9}),
    ('name of two lines', {'names': ['cat', 'a\tb']}),
    ('NaN', {'dtype': np.float32, 'put': np.nan}),
    ('infinity', {'dtype': np.float32, 'put': np.inf}),
    ('negative', {'dtype': np.float32, 'put': -1}),
    ('no label', {'train_labels': [-1, 0, 1]}),
    ('no label in test', {'test_labels': [0, -1]}),
  )
  def test_data_that_no_run_can_be_made_of_are_refused(self, about):
    self._prepare(**about)
    self._refused()

  @parameterized.named_parameters(
    ('numbers', tfds.features.Tensor(shape=(), dtype=np.int64), 2**40),
    ('several', tfds.features.Sequence(tfds.features.ClassLabel(num_classes=2)), [0]),
    ('box', tfds.features.BBoxFeature(), tfds.features.BBox(0.0, 0.0, 1.0, 1.0)),
    ('text', tfds.features.Text(), 'cat'),
  )
  def test_label_that_is_no_class_is_refused(self, feature, label):
    examples = _examples([label] * 3)
    splits = {'train': examples, 'test': examples}
    self._write({'features': {'label': feature}, 'splits': splits})
    self._refused()

  def test_image_without_channels_is_refused(self):
    flat = [(image[..., 0], label) for image, label in _examples(_TWO)]
    feature = tfds.features.Tensor(shape=(3, 4), dtype=np.uint8)
    splits = {'train': flat, 'test': flat}
    self._write({'features': {'image': feature}, 'splits': splits})
    self._refused()

  @parameterized.parameters('train', 'test')
  def test_one_split_alone_is_refused(self, split):
    self._write({'splits': {split: _examples(_TWO)}})
    self._refused()

  @parameterized.parameters(
    *('..', '../data', '/etc', 'odd_images/..', 'odd_images/../x', 'a\nb', 'gs://x'),
    *('odd_images/..:1.0.0', 'odd_images:9.9.9', 'x' * 5000, 'a b', '-rf', '%s', '*'),
  )
  def test_name_that_is_no_data_set_is_refused(self, name):
    self._prepare()
    self._refused(f'--dataset={name}')

  def _refused(self, dataset='--dataset=odd_images'):
    code, out, err = commands.call(
      train, dataset, '--data_dir=data', '--nodownload', '--epochs=1'
    )
    self.assertEqual((code, out), (2, ''), err)
    self.assertLen(err.splitlines(), 1)
    self.assertIn('--', err)
    self.assertEqual([path.name for path in self.root.iterdir()], ['data'])


if __name__ == '__main__':
  absltest.main()
