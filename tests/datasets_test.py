"""Tests of rnn_tf.datasets, dataset_files, digits and downloads."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import socket
import tempfile
import threading
from unittest import mock

import numpy as np
import sklearn.datasets
from absl.testing import absltest, parameterized

from rnn_tf import dataset_files, datasets, downloads
from rnn_tf.config import DATASETS, SEQUENCES, DataConfig
from rnn_tf.errors import UsageError
from rnn_tf.stack import tf

# isort: split
import tensorflow_datasets as tfds

_ROOT = pathlib.Path(__file__).resolve().parents[1]
REAL = pathlib.Path(os.environ.get('TFDS_DATA_DIR') or _ROOT.parent / 'shared' / 'tfds')


class ToyImages(tfds.core.GeneratorBasedBuilder):
  """A data set whose shape, dtype, labels and splits a test chooses."""

  VERSION = tfds.core.Version('1.0.0')
  shape = (2, 3, 1)
  dtype = np.uint8
  splits = ('train', 'test')
  images = ()
  labels = ()

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=self.shape, dtype=self.dtype),
          'label': tfds.features.ClassLabel(names=['cat', 'dog']),
          'note': tfds.features.Text(),
        }
      ),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    return {split: self._generate_examples() for split in self.splits}

  def _generate_examples(self):
    for i, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
      yield i, {'image': image, 'label': label, 'note': 'x' * i}


class ToyDownload(tfds.core.GeneratorBasedBuilder):
  """A data set that has to be fetched from `url`."""

  VERSION = tfds.core.Version('1.0.0')
  url = ''

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(2, 2, 1)),
          'label': tfds.features.ClassLabel(num_classes=2),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    dl_manager.download(self.url)
    return {}

  def _generate_examples(self):
    yield from ()


def toy(**attributes):
  """Replaces attributes of ToyImages for a while."""
  return mock.patch.multiple(ToyImages, **attributes)


def message_of(test, config, **kwargs):
  with test.assertRaises(UsageError) as caught:
    datasets.load(config, **kwargs)
  message = str(caught.exception)
  test.assertNotIn('\n', message)
  return message


class WithFolder(parameterized.TestCase):
  """Gives each test an empty TFDS folder and an empty cache."""

  def setUp(self):
    super().setUp()
    self.folder = self.create_tempdir().full_path
    self.cache = self.create_tempdir().full_path
    self.enter_context(
      mock.patch.dict(
        os.environ, {'TFDS_DATA_DIR': self.folder, 'XDG_CACHE_HOME': self.cache}
      )
    )


class WithDigits(WithFolder):
  """Gives each test its own copy of the prepared digits."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    prepared = cls.enterClassContext(tempfile.TemporaryDirectory())
    datasets.load(DataConfig(), data_dir=prepared)
    cls.prepared = prepared

  def setUp(self):
    super().setUp()
    shutil.copytree(self.prepared, self.folder, dirs_exist_ok=True)


class DigitsTest(WithFolder):
  def test_digits_hold_every_example_of_scikit_learn_once(self):
    data = datasets.load(DataConfig(), data_dir=self.folder)
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    oracle = sklearn.datasets.load_digits()
    rounded = np.rint(oracle.images * 255 / 16) / 255

    def rows(pixels, targets):
      flat = np.round(pixels.reshape(len(pixels), -1) * 255).astype(int)
      return sorted(map(tuple, np.column_stack([flat, targets]).tolist()))

    self.assertEqual(rows(images, labels), rows(rounded, oracle.target))

  def test_digits_have_the_shapes_and_dtypes_of_the_interface(self):
    data = datasets.load(DataConfig(), data_dir=self.folder)
    self.assertEqual(data.train.images.shape, (1437, 8, 8, 1))
    self.assertEqual(data.test.images.shape, (360, 8, 8, 1))
    self.assertLen(data.holdout, 0)
    self.assertEqual(data.holdout.images.shape, (0, 8, 8, 1))
    for split, source in ((data.train, 'train'), (data.test, 'test')):
      self.assertEqual(split.images.dtype, np.float32)
      self.assertEqual(split.labels.dtype, np.int64)
      self.assertEqual(split.ids.dtype, np.int64)
      self.assertEqual(split.source, source)
      self.assertEqual((split.images.min(), split.images.max()), (0, 1))
    self.assertEqual((data.name, data.version), ('digits', '1.0.0'))
    self.assertEqual(data.class_names, tuple('0123456789'))

  def test_digits_are_split_in_proportion_to_their_classes(self):
    data = datasets.load(DataConfig(), data_dir=self.folder)
    total = np.bincount(sklearn.datasets.load_digits().target)
    test = np.bincount(data.test.labels)
    np.testing.assert_allclose(test, total * 360 / 1797, atol=1)

  def test_digits_prepared_twice_are_in_the_same_order(self):
    other = self.create_tempdir().full_path
    one = datasets.load(DataConfig(), data_dir=self.folder)
    two = datasets.load(DataConfig(), data_dir=other)
    np.testing.assert_array_equal(one.train.images, two.train.images)

  def test_digits_need_no_download(self):
    data = datasets.load(DataConfig(), data_dir=self.folder, download=False)
    self.assertLen(data.train, 1437)

  def test_digits_without_a_flag_go_to_the_default_folder(self):
    datasets.load(DataConfig())
    self.assertEqual(os.listdir(pathlib.Path(self.folder, 'digits')), ['1.0.0'])

  def test_digits_with_a_read_only_folder_go_to_the_cache(self):
    os.chmod(self.folder, 0o555)
    self.addCleanup(os.chmod, self.folder, 0o755)
    with self.assertLogs('rnn_tf', 'INFO') as logs:
      first = datasets.load(DataConfig(), data_dir=self.folder)
    self.assertIn(f'{self.cache}/rnn_tf/tfds', logs.output[0])
    self.assertEmpty(os.listdir(self.folder))
    with self.assertNoLogs('rnn_tf', 'INFO'):
      second = datasets.load(DataConfig(), data_dir=self.folder)
    np.testing.assert_array_equal(first.train.images, second.train.images)

  def test_digits_with_no_writable_folder_say_both(self):
    os.chmod(self.folder, 0o555)
    self.addCleanup(os.chmod, self.folder, 0o755)
    blocked = self.create_tempfile().full_path
    with mock.patch.dict(os.environ, {'XDG_CACHE_HOME': blocked}):
      message = message_of(self, DataConfig(), data_dir=self.folder)
    self.assertIn('--data_dir', message)
    self.assertIn(blocked, message)

  def test_digits_prepared_by_another_process_meanwhile_are_used(self):
    prepare = tfds.core.DatasetBuilder.download_and_prepare

    def too_late(builder, **kwargs):
      prepare(builder, **kwargs)
      raise OSError('Directory not empty')

    with mock.patch.object(tfds.core.DatasetBuilder, 'download_and_prepare', too_late):
      data = datasets.load(DataConfig(), data_dir=self.folder)
    self.assertLen(data.train, 1437)

  def test_prepared_data_is_read_without_writing(self):
    datasets.load(DataConfig(), data_dir=self.folder)
    before = sorted(pathlib.Path(self.folder).rglob('*'))
    with mock.patch.object(tfds.core.DatasetBuilder, 'download_and_prepare') as prepare:
      datasets.load(DataConfig(), data_dir=self.folder)
    prepare.assert_not_called()
    self.assertEqual(sorted(pathlib.Path(self.folder).rglob('*')), before)

  def test_loading_keeps_the_screen_calm(self):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      datasets.load(DataConfig(), data_dir=self.folder)
    self.assertEqual(out.getvalue(), '')
    self.assertEqual(err.getvalue(), '')


class DrawTest(WithDigits):
  def load(self, **fields):
    return datasets.load(DataConfig(**fields), data_dir=self.folder)

  def test_train_size_leaves_the_rest_as_holdout(self):
    whole, part = self.load(), self.load(train_size=1000)
    self.assertLen(part.train, 1000)
    ids = np.concatenate([part.train.ids, part.holdout.ids])
    np.testing.assert_array_equal(np.sort(ids), np.arange(1437))
    for split in (part.train, part.holdout):
      self.assertEqual(split.source, 'train')
      np.testing.assert_array_equal(split.ids, np.sort(split.ids))
      np.testing.assert_array_equal(split.images, whole.train.images[split.ids])
      np.testing.assert_array_equal(split.labels, whole.train.labels[split.ids])

  def test_train_fraction_draws_that_share(self):
    self.assertLen(self.load(train_fraction=0.5).train, 718)
    self.assertLen(self.load(train_fraction=1.0).train, 1437)
    self.assertLen(self.load(train_fraction=1e-6).train, 1)

  def test_same_data_seed_draws_the_same_and_another_does_not(self):
    one, two = self.load(train_size=500), self.load(train_size=500)
    other = self.load(train_size=500, data_seed=1)
    np.testing.assert_array_equal(one.train.ids, two.train.ids)
    self.assertFalse(np.array_equal(one.train.ids, other.train.ids))

  def test_smaller_train_size_draws_a_part_of_the_larger(self):
    small, large = self.load(train_size=300), self.load(train_size=800)
    self.assertContainsSubset(small.train.ids.tolist(), large.train.ids.tolist())

  def test_test_size_does_not_change_what_is_trained_on(self):
    one, two = self.load(train_size=500), self.load(train_size=500, test_size=100)
    self.assertLen(two.test, 100)
    np.testing.assert_array_equal(one.train.ids, two.train.ids)
    np.testing.assert_array_equal(two.test.images, one.test.images[two.test.ids])

  def test_load_test_returns_the_test_split_of_load(self):
    config = DataConfig(test_size=50, train_size=900, data_seed=3)
    test = datasets.load_test(config, data_dir=self.folder)
    oracle = datasets.load(config, data_dir=self.folder).test
    np.testing.assert_array_equal(test.ids, oracle.ids)
    np.testing.assert_array_equal(test.images, oracle.images)

  def test_select_picks_rows_of_everything(self):
    picked = self.load().train.select(np.array([5, 2]))
    np.testing.assert_array_equal(picked.ids, [5, 2])
    np.testing.assert_array_equal(picked.labels, self.load().train.labels[[5, 2]])
    self.assertEqual(picked.images.shape, (2, 8, 8, 1))

  @parameterized.parameters(
    ({'train_size': 1438}, ('--train_size=1438', '1437')),
    ({'test_size': 361}, ('--test_size=361', '360')),
    ({'train_size': 1437, 'nonmembers': 'holdout'}, ('--nonmembers=holdout', '1437')),
  )
  def test_more_than_there_is_is_refused_with_the_numbers(self, fields, expected):
    message = message_of(self, DataConfig(**fields), data_dir=self.folder)
    for text in expected:
      self.assertIn(text, message)

  def test_sizes_are_known_before_anything_is_prepared(self):
    config = DataConfig(dataset='cifar10', test_size=70)
    self.assertEqual(datasets.sizes(config), (50000, 70))
    self.assertEqual(datasets.sizes(DataConfig()), (1437, 360))
    self.assertFalse(pathlib.Path(self.folder, 'cifar10').exists())
    self.assertEqual(set(dataset_files._SIZES), set(DATASETS))

  def test_sizes_of_prepared_data_are_those_loaded(self):
    with toy(images=np.zeros((5, 2, 3, 1), np.uint8), labels=[0, 1, 0, 1, 0]):
      with self.assertRaisesRegex(UsageError, 'not prepared.*--dry_run'):
        datasets.sizes(DataConfig(dataset='toy_images'))
      datasets.load(DataConfig(dataset='toy_images'))
    self.assertEqual(datasets.sizes(DataConfig(dataset='toy_images')), (5, 5))

  def test_train_count_is_what_load_draws(self):
    for fields in ({}, {'train_size': 7}, {'train_fraction': 0.123}):
      config = DataConfig(**fields)
      self.assertEqual(
        datasets.train_count(config, 1437), len(self.load(**fields).train)
      )


class OtherDatasetsTest(WithFolder):
  @parameterized.parameters(
    ('kmnist', 'kmnist', (28, 28, 1)),
    ('svhn', 'svhn_cropped', (32, 32, 3)),
    ('svhn_cropped', 'svhn_cropped', (32, 32, 3)),
    ('stl10', 'stl10', (96, 96, 3)),
    ('cifar10', 'cifar10', (32, 32, 3)),
    ('fashion_mnist', 'fashion_mnist', (28, 28, 1)),
    ('cifar100', 'cifar100', (32, 32, 3)),
  )
  def test_mocked_data_set_loads_by_name(self, given, name, shape):
    with tfds.testing.mock_data(num_examples=12):
      data = datasets.load(
        DataConfig(dataset=given, train_size=8), data_dir=self.folder
      )
    self.assertEqual(data.name, name)
    self.assertEqual(data.train.images.shape, (8, *shape))
    self.assertLen(data.holdout, 4)
    self.assertLen(data.test, 12)
    self.assertLen(data.class_names, 100 if name == 'cifar100' else 10)
    self.assertGreaterEqual(data.train.images.min(), 0)
    self.assertLessEqual(data.train.images.max(), 1)

  @parameterized.parameters((np.uint8, 255), (np.uint16, 65535))
  def test_pixels_are_divided_by_the_largest_of_their_dtype(self, dtype, largest):
    images = np.array([0, 1, largest // 2, largest], dtype).reshape(1, 4, 1, 1)
    with toy(shape=(4, 1, 1), dtype=dtype, images=images, labels=[1]):
      data = datasets.load(DataConfig(dataset='toy_images'), data_dir=self.folder)
    oracle = [0, 1 / largest, (largest // 2) / largest, 1]
    np.testing.assert_allclose(data.train.images.ravel(), oracle, rtol=1e-6)
    self.assertEqual(data.train.images.dtype, np.float32)

  def test_float_pixels_are_kept(self):
    images = np.array([0, 0.25, 1], np.float32).reshape(1, 3, 1, 1)
    with toy(shape=(3, 1, 1), dtype=np.float32, images=images, labels=[1]):
      data = datasets.load(DataConfig(dataset='toy_images'), data_dir=self.folder)
    np.testing.assert_array_equal(data.train.images, images)

  def test_float_pixels_outside_0_to_1_are_refused(self):
    images = np.array([0, 200], np.float32).reshape(1, 2, 1, 1)
    with toy(shape=(2, 1, 1), dtype=np.float32, images=images, labels=[1]):
      message = message_of(self, DataConfig(dataset='toy_images'))
    self.assertIn('pixels outside [0, 1]', message)

  def test_ids_are_positions_in_the_order_of_the_files(self):
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
    with toy(shape=(1, 1, 1), images=images, labels=[0] * 30):
      data = datasets.load(DataConfig(dataset='toy_images', train_size=9))
    np.testing.assert_array_equal(
      np.round(data.train.images.ravel() * 255), data.train.ids
    )

  def test_images_of_one_undeclared_size_load(self):
    images = np.zeros((4, 5, 7, 3), np.uint8)
    with toy(shape=(None, None, 3), images=images, labels=[0, 1, 0, 1]):
      data = datasets.load(DataConfig(dataset='toy_images'))
    self.assertEqual(data.train.images.shape, (4, 5, 7, 3))

  def test_images_of_varying_size_are_refused_with_their_shapes(self):
    images = [np.zeros((5, 7, 3), np.uint8), np.zeros((6, 7, 3), np.uint8)]
    with toy(shape=(None, None, 3), images=images, labels=[0, 1]):
      message = message_of(self, DataConfig(dataset='toy_images'))
    self.assertIn('varying size', message)
    self.assertIn('5x7x3 and 6x7x3', message)

  def test_missing_split_is_named_with_those_found(self):
    images = np.zeros((1, 2, 3, 1), np.uint8)
    with toy(splits=('train', 'validation'), images=images, labels=[0]):
      message = message_of(self, DataConfig(dataset='toy_images'))
    self.assertIn('train, validation', message)

  def test_examples_without_a_label_are_refused(self):
    images = np.zeros((1, 2, 3, 1), np.uint8)
    with toy(images=images, labels=[-1]):
      message = message_of(self, DataConfig(dataset='toy_images'))
    self.assertIn('without a label', message)

  def test_data_set_of_text_is_refused_with_its_features(self):
    message = message_of(self, DataConfig(dataset='imdb_reviews'))
    self.assertIn('text (Text)', message)

  @parameterized.parameters(
    ('minst', 'did you mean mnist?'),
    ('cifar-10', 'did you mean cifar10?'),
    ('cifar_100', 'did you mean cifar10'),
    ('huggingface:mnist', 'no such data set'),
    ('../mnist', 'no such data set'),
    ('mnist:0.0.1', '3.0.1'),
    ('mnist/large', 'BuilderConfig large not found'),
  )
  def test_unknown_data_set_is_refused_with_the_closest(self, name, expected):
    message = message_of(self, DataConfig(dataset=name))
    self.assertIn(f'--dataset={name}', message)
    self.assertIn(expected, message)

  @parameterized.parameters('mnist', 'fashion_mnist', 'cifar10')
  def test_real_data_set_has_its_examples(self, name):
    if not (REAL / name).is_dir():
      self.skipTest(f'{name} is not prepared in {REAL}; set TFDS_DATA_DIR')
    config = DataConfig(dataset=name, test_size=3)
    test = datasets.load_test(config, data_dir=str(REAL), download=False)
    self.assertEqual(datasets.sizes(config, data_dir=str(REAL))[1], 3)
    oracle = tfds.load(
      name, split='test', data_dir=REAL, batch_size=10000, download=False
    )
    images = next(iter(oracle))['image'].numpy()[test.ids]
    np.testing.assert_allclose(test.images, images / 255, atol=1e-7)


class BadFolderTest(WithFolder):
  def test_missing_data_dir_is_refused(self):
    message = message_of(self, DataConfig(), data_dir=f'{self.folder}/none')
    self.assertIn(f'--data_dir={self.folder}/none', message)

  def test_file_as_data_dir_is_refused(self):
    path = self.create_tempfile().full_path
    self.assertIn('no such folder', message_of(self, DataConfig(), data_dir=path))

  def test_nodownload_without_the_data_says_where_it_looked(self):
    message = message_of(
      self, DataConfig(dataset='mnist'), data_dir=self.folder, download=False
    )
    self.assertIn('--nodownload', message)
    self.assertIn(self.folder, message)
    self.assertIn('mnist', message)

  def test_read_only_folder_without_the_data_is_refused(self):
    os.chmod(self.folder, 0o555)
    self.addCleanup(os.chmod, self.folder, 0o755)
    message = message_of(self, DataConfig(dataset='mnist'), data_dir=self.folder)
    self.assertIn('cannot be written', message)


class DamagedFolderTest(WithDigits):
  @parameterized.named_parameters(
    ('truncated_shard', 'truncate'),
    ('shard_cut_between_records', 'cut'),
    ('missing_shard', 'remove'),
    ('scrambled_shard', 'scramble'),
    ('broken_info', 'break_info'),
    ('info_of_something_else', 'change_info'),
    ('missing_info', 'remove_info'),
    ('empty_folder', 'empty'),
  )
  def test_damaged_folder_is_named(self, how):
    folder = pathlib.Path(self.folder, 'digits', '1.0.0')
    _DAMAGE[how](folder)
    message = message_of(self, DataConfig(), data_dir=self.folder)
    self.assertIn(f'{self.folder}/digits', message)
    self.assertIn('damaged', message)
    self.assertIn('delete that folder', message)


def _shard(folder):
  return next(folder.glob('*train*'))


def _cut(folder):
  records = list(tf.data.TFRecordDataset(str(_shard(folder))).as_numpy_iterator())
  with tf.io.TFRecordWriter(str(_shard(folder))) as writer:
    for record in records[:100]:
      writer.write(record)


def _scramble(folder):
  content = bytearray(_shard(folder).read_bytes())
  content[5000:5100] = bytes(100)
  _shard(folder).write_bytes(content)


def _empty(folder):
  shutil.rmtree(folder)
  folder.mkdir()


_DAMAGE = {
  'truncate': lambda f: os.truncate(_shard(f), 40000),
  'cut': _cut,
  'remove': lambda f: _shard(f).unlink(),
  'scramble': _scramble,
  'break_info': lambda f: (f / 'dataset_info.json').write_text('{"name": "dig'),
  'change_info': lambda f: (f / 'dataset_info.json').write_text(json.dumps({'a': 1})),
  'remove_info': lambda f: (f / 'dataset_info.json').unlink(),
  'empty': _empty,
}


class DownloadTest(WithFolder):
  def setUp(self):
    super().setUp()
    self.server = self.enter_context(socket.create_server(('127.0.0.1', 0)))
    self.url = f'http://127.0.0.1:{self.server.getsockname()[1]}/data.gz'
    self.enter_context(mock.patch.dict(os.environ, {'no_proxy': '127.0.0.1'}))

  def message(self):
    with mock.patch.object(ToyDownload, 'url', self.url):
      return message_of(self, DataConfig(dataset='toy_download'))

  def test_refused_connection_is_one_line(self):
    self.server.close()
    message = self.message()
    self.assertIn('127.0.0.1 does not answer', message)
    self.assertIn('--data_dir', message)

  def test_silent_server_ends_in_time(self):
    # It takes connections into its backlog and never answers them.
    with mock.patch.object(downloads, 'SILENCE_SECONDS', 0.2):
      self.assertIn('127.0.0.1 does not answer', self.message())

  def test_missing_file_on_the_server_is_one_line(self):
    def answer():
      connection, _ = self.server.accept()
      with connection:
        connection.recv(4096)
        connection.sendall(b'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    self.assertIn('404', self.message())
    thread.join()

  def test_host_name_that_does_not_resolve_is_one_line(self):
    self.url = 'http://data.invalid/data.gz'
    self.assertIn('data.invalid does not answer', self.message())

  def test_failed_download_leaves_nothing_that_looks_prepared(self):
    self.server.close()
    self.message()
    self.message()

  def test_transport_is_put_back(self):
    import requests

    send = requests.adapters.HTTPAdapter.send
    with self.assertRaises(KeyError), downloads.bounded():
      self.assertIsNot(requests.adapters.HTTPAdapter.send, send)
      raise KeyError
    self.assertIs(requests.adapters.HTTPAdapter.send, send)


def _naive(image, how):
  """The definition, pixel by pixel: a list of steps, each a list of values."""
  height, width, channels = image.shape
  if how == 'rows':
    return [
      [image[h, w, c] for w in range(width) for c in range(channels)]
      for h in range(height)
    ]
  if how == 'columns':
    return [
      [image[h, w, c] for h in range(height) for c in range(channels)]
      for w in range(width)
    ]
  if how == 'channels':
    return [
      [image[h, w, c] for h in range(height) for w in range(width)]
      for c in range(channels)
    ]
  return [
    [image[h, w, c] for c in range(channels)]
    for h in range(height)
    for w in range(width)
  ]


class SequenceTest(parameterized.TestCase):
  @parameterized.product(how=SEQUENCES, channels=(1, 3))
  def test_sequence_agrees_with_its_definition(self, how, channels):
    images = np.random.default_rng(0).random((4, 5, 6, channels), np.float32)
    fast = datasets.as_sequence(images, how)
    np.testing.assert_array_equal(fast, [_naive(image, how) for image in images])
    self.assertEqual(fast.shape[1:], datasets.step_shape((5, 6, channels), how))
    self.assertEqual(fast.dtype, np.float32)

  @parameterized.parameters(
    ('rows', 3), ('pixels', 3), ('rows', 1), ('columns', 1), ('channels', 1)
  )
  def test_sequence_shares_memory_where_it_can(self, how, channels):
    images = np.zeros((2, 5, 6, channels), np.float32)
    self.assertTrue(np.shares_memory(images, datasets.as_sequence(images, how)))

  def test_no_images_make_no_sequences(self):
    empty = np.zeros((0, 5, 6, 3), np.float32)
    self.assertEqual(datasets.as_sequence(empty, 'columns').shape, (0, 6, 15))

  def test_unknown_sequence_is_refused_with_the_closest(self):
    with self.assertRaisesRegex(UsageError, 'did you mean rows'):
      datasets.as_sequence(np.zeros((1, 2, 2, 1)), 'row')


if __name__ == '__main__':
  absltest.main()
