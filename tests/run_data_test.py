"""The data of runs that a deletion made, on the embedded digits."""

import dataclasses
import json
import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import datasets, experiment, run_data, run_start
from rnn_tf.attack_config import ReportConfig
from rnn_tf.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from rnn_tf.datasets import Data
from rnn_tf.deletion_config import FINETUNE, DeletedFrom
from rnn_tf.errors import UsageError
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.options.source import Source
from rnn_tf.runs import RunFolder
from tests.fleets import small_fleets

SOURCE = Source(data_dir=None, download=True)

_CONFIG = RunConfig(
  data=DataConfig(train_size=200, test_size=50),
  model=ModelConfig(hidden_size=8),
  training=TrainingConfig(epochs=1),
  report=ReportConfig(attacks=()),
)
_DELETED = DeletedFrom(parent='mine', method='retrain', forget='x', checksum='0')


def _rows(split):
  """Returns what a split says of each id."""
  return {
    int(number): (int(label), image.tobytes())
    for number, label, image in zip(split.ids, split.labels, split.images, strict=True)
  }


class WithoutTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.data = small_fleets.data(48, train=16)

  @parameterized.parameters(0, 1, 5, 15)
  def test_deleted_examples_move_to_the_holdout(self, count):
    gone = np.random.default_rng(count).permutation(self.data.train.ids)[:count]
    found = run_data.without(self.data, gone, seen=False)
    before, holdout = _rows(self.data.train), _rows(self.data.holdout)
    kept = {number: row for number, row in before.items() if number not in gone}
    moved = {number: before[int(number)] for number in gone}
    self.assertEqual(_rows(found.train), kept)
    self.assertEqual(_rows(found.holdout), {**holdout, **moved})
    for split in (found.train, found.holdout):
      self.assertEqual(split.ids.tolist(), sorted(split.ids.tolist()))
      self.assertEqual(split.source, 'train')
    self.assertLen(found.train, 16 - count)
    self.assertIs(found.test, self.data.test)
    self.assertEqual(found.class_names, self.data.class_names)

  def test_data_that_it_is_made_of_are_as_they_were(self):
    before = self.data.train.checksum(), self.data.holdout.checksum()
    for seen in (False, True):
      run_data.without(self.data, self.data.train.ids[:3], seen=seen)
    after = self.data.train.checksum(), self.data.holdout.checksum()
    self.assertEqual(before, after)

  def test_empty_holdout_becomes_what_was_deleted(self):
    data = small_fleets.data(16, train=16)
    self.assertEmpty(data.holdout.ids)
    found = run_data.without(data, data.train.ids[[4, 2]], seen=False)
    self.assertEqual(found.holdout.ids.tolist(), sorted(data.train.ids[[2, 4]]))

  def test_deletion_of_a_deletion_is_the_deletion_of_both(self):
    ids = self.data.train.ids
    for seen in (False, True):
      twice = run_data.without(self.data, ids[3:5], seen=seen)
      twice = run_data.without(twice, ids[8:11], seen=seen)
      once = run_data.without(self.data, ids[[3, 4, 8, 9, 10]], seen=seen)
      for name in ('train', 'holdout'):
        one, other = getattr(once, name), getattr(twice, name)
        self.assertEqual(one.checksum(), other.checksum())

  def test_deleted_examples_that_the_weights_have_seen_are_left_out(self):
    gone = self.data.train.ids[[2, 7]]
    found = run_data.without(self.data, gone, seen=True)
    before = _rows(self.data.train)
    kept = {number: row for number, row in before.items() if number not in gone}
    self.assertEqual(_rows(found.train), kept)
    self.assertLen(found.train, 14)
    # Neither members nor non-members.
    self.assertEqual(_rows(found.holdout), _rows(self.data.holdout))

  def test_merged_is_every_example_by_rising_ids(self):
    one, other = small_fleets.split([9, 30, 2]), small_fleets.split([5, 40, 1])
    found = run_data.merged(one, other)
    self.assertEqual(found.ids.tolist(), [1, 2, 5, 9, 30, 40])
    self.assertEqual(_rows(found), {**_rows(one), **_rows(other)})

  def test_empty_split_adds_nothing(self):
    split, nothing = small_fleets.split([1, 3]), small_fleets.split([])
    for one, other in ((split, nothing), (nothing, split)):
      found = run_data.merged(one, other)
      self.assertEqual(found.checksum(), split.checksum())
      self.assertEqual((found.labels.dtype, found.ids.dtype), (np.int64, np.int64))
      self.assertEqual(found.images.dtype, np.float32)


class LoadTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.data = datasets.load(_CONFIG.data)
    cls.gone = np.sort(np.random.default_rng(0).permutation(cls.data.train.ids)[:20])

  def setUp(self):
    super().setUp()
    self.folder = RunFolder(pathlib.Path(self.create_tempdir().full_path) / 'run')

  def less(self, seen=False):
    """Returns the data without the deleted examples."""
    return run_data.without(self.data, self.gone, seen=seen)

  def write(self, data, *, forgotten=None, deleted=_DELETED):
    """Writes down what a run is trained on, as training begins."""
    config = dataclasses.replace(_CONFIG, deleted=deleted)
    self.folder.open(config, overwrite=False)
    run_start.record(
      config,
      self.folder,
      data=data,
      parameters=1,
      engine='split',
      promise=None,
      forgotten=forgotten,
    )

  def load(self):
    return run_data.load(self.folder, SOURCE)

  def assert_same(self, found: Data, expected: Data):
    for name in ('train', 'holdout', 'test'):
      one, other = getattr(found, name), getattr(expected, name)
      self.assertEqual(_rows(one), _rows(other))
      self.assertEqual(one.checksum(), other.checksum(), name)

  def refused(self, *parts):
    with self.assertRaises(UsageError) as caught:
      self.load()
    text = str(caught.exception)
    self.assertStartsWith(text, f'--run={self.folder}: ')
    self.assertNotIn('\n', text)
    for part in parts:
      self.assertIn(part, text)

  def test_plain_run_has_its_data_set(self):
    self.write(self.data, deleted=DeletedFrom())
    self.assert_same(self.load(), self.data)

  def test_run_that_a_deletion_made_has_it_without_the_deleted(self):
    self.write(self.less(), forgotten=self.gone)
    found = self.load()
    self.assert_same(found, self.less())
    self.assertLen(found.train, 180)
    self.assertEmpty(np.intersect1d(found.train.ids, self.gone))
    self.assertContainsSubset(self.gone.tolist(), found.holdout.ids.tolist())

  def test_run_that_was_trained_on_has_no_holdout_that_it_has_seen(self):
    deleted = dataclasses.replace(_DELETED, method=FINETUNE, weights='0')
    self.write(self.less(seen=True), forgotten=self.gone, deleted=deleted)
    found = self.load()
    self.assert_same(found, self.less(seen=True))
    for split in (found.train, found.holdout):
      self.assertEmpty(np.intersect1d(split.ids, self.gone))
    with self.subTest('nor does any other run take it for its own'):
      self.assertNotEqual(
        self.less(seen=True).holdout.checksum(), self.less().holdout.checksum()
      )

  def test_retrained_run_is_loaded_as_it_was_trained(self):
    config = dataclasses.replace(_CONFIG, deleted=_DELETED)
    less = self.less()
    experiment.train_on(
      less,
      config,
      self.folder,
      options=FleetOptions(),
      overwrite=False,
      start=run_start.Start(engine='split', forgotten=self.gone),
      command='rnn_tf.unlearn',
    )
    self.assertTrue(self.folder.finished)
    self.assertEqual(self.folder.config(), config)
    self.assert_same(self.load(), less)
    examples = self.folder.read_npz('examples.npz')
    np.testing.assert_array_equal(examples['forget_ids'], self.gone)
    np.testing.assert_array_equal(examples['train_ids'], less.train.ids)
    record = self.folder.record()
    self.assertEqual(record['data']['train'], 180)
    self.assertStartsWith(record['command'], 'python -m rnn_tf.unlearn')

  def test_data_set_that_has_changed_is_refused(self):
    images = self.data.train.images.copy()
    images[100] = 1 - images[100]
    train = dataclasses.replace(self.data.train, images=images)
    other = dataclasses.replace(self.data, train=train)
    gone = self.gone[self.gone != train.ids[100]]
    self.write(run_data.without(other, gone, seen=False), forgotten=gone)
    self.refused('its train images are not those of digits as it is now')

  def test_examples_that_name_the_whole_data_set_are_refused(self):
    self.write(self.less(), forgotten=self.gone)
    self.folder.write_npz('examples.npz', {'train_ids': self.data.train.ids})
    self.refused('its examples.npz is damaged: it names all of the data set')

  def test_examples_of_another_deletion_are_refused(self):
    self.write(self.less(), forgotten=self.gone)
    kept = self.data.train.ids[20:]
    self.folder.write_npz('examples.npz', {'train_ids': kept})
    self.refused('its train images are not those')

  def test_run_without_its_ids_is_refused(self):
    self.write(self.less(), forgotten=self.gone)
    (self.folder.path / 'examples.npz').unlink()
    with self.assertRaisesRegex(UsageError, 'has no examples.npz$'):
      self.load()

  def test_run_that_says_too_little_of_its_data_is_refused(self):
    self.write(self.less(), forgotten=self.gone)
    path = self.folder.path / 'config.json'
    values = json.loads(path.read_text())
    del values['data']['checksums']['holdout']
    path.write_text(json.dumps(values))
    self.refused('its config.json is damaged')


if __name__ == '__main__':
  absltest.main()
