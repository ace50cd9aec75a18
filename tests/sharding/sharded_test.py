"""Sharded models, trained for real on a few random images."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import engines
from rnn_tf.errors import UsageError
from rnn_tf.sharding import constituent, sharded
from rnn_tf.sharding.folder import OUTPUTS, RESULT, ShardedFolder
from tests.fleets import small_fleets
from tests.sharding import small_models

_MLP = small_models.config('mlp')


def _train(plan, *, strategy='sequential', fits=None):
  """Trains a sharded model; returns the examples of each fit, and the lines logged."""
  fits = fits or small_models.Fits()
  model = plan.config.model.model
  with fits.watching(), small_fleets.logged() as lines:
    sharded.train(plan, small_models.examples(model), strategy=strategy)
  return fits.sizes, lines


def _gone(plan, *places):
  """Returns an example of each (shard, slice)."""
  parts = [
    small_models.some_of(plan, shard, slices=[number]) for shard, number in places
  ]
  return np.concatenate(parts)


def _plans(folder):
  """Returns an original, what a deletion makes of it, and the same made anew."""
  values = {'of': _MLP, 'num_shards': 3, 'num_slices': 2}
  original = small_models.plan(folder / 'sharded', **values)
  values['deleted'] = _gone(original, (1, 1), (2, 0), (2, 1))
  after = small_models.plan(folder / 'after', original=folder / 'sharded', **values)
  return original, after, small_models.plan(folder / 'fresh', **values)


class DeletionTest(small_models.ShardedTestCase):
  """Of three shards, the first is untouched, and each other of a stage of its own."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.trained = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    cls.fitted = {
      plan.folder.path.name: _train(plan)[0] for plan in _plans(cls.trained)
    }

  def setUp(self):
    super().setUp()
    shutil.copytree(self.trained, self.folder, dirs_exist_ok=True)
    self.original, self.after, self.fresh = _plans(self.folder)

  def untrained(self):
    """Returns the deletion where it is still to be made."""
    shutil.rmtree(self.after.folder.path)
    return self.after

  def test_deletion_is_training_without_the_deleted_where_they_were(self):
    self.assertEqual(self.after.first_stages, (None, 1, 0))
    self.assertEqual(self.fitted['sharded'], [6, 12, 6, 12, 6, 12])
    self.assertEqual(self.fitted['after'], [11, 5, 10])
    self.assertEqual(self.fitted['fresh'], [6, 12, 6, 11, 5, 10])
    for found, expected, old in zip(
      self.after.folder.load(),
      self.fresh.folder.load(),
      self.original.folder.load(),
      strict=True,
    ):
      self.assertEqual(found.tobytes(), expected.tobytes())
      self.assertEqual(found[0].tobytes(), old[0].tobytes())
      for shard in (1, 2):
        self.assertGreater(np.abs(found[shard] - old[shard]).max(), 1e-3)

  def test_original_is_left_as_it_was(self):
    before = small_models.contents(self.path)
    _train(self.untrained())
    self.assertTrue(self.after.folder.finished)
    self.assertEqual(small_models.contents(self.path), before)

  def test_untouched_shard_is_a_copy_of_the_originals(self):
    shards = self.after.folder.result()['shards']
    kept = self.original.folder.result()['shards'][0]
    self.assertEqual(shards[0], {**kept, 'folder': 'after', 'first_stage': None})
    names = {'slice-001.npz', 'slice-001.json', OUTPUTS}
    before = small_models.contents(self.original.folder.shard(0))
    self.assertEqual(
      small_models.contents(self.after.folder.shard(0)),
      {name: before[name] for name in names},
    )
    self.assertEqual(shards[0]['outputs'], hashlib.sha256(before[OUTPUTS]).hexdigest())
    # Nor is a stage kept twice that the original had before the deletion.
    self.assertEqual(set(small_models.contents(self.after.folder.shard(1))), names)

  def test_model_needs_its_original_no_more(self):
    expected = self.after.folder.load()
    shutil.rmtree(self.path)
    self.assert_same_outputs(self.after.folder.load(), expected)
    fitted, lines = _train(self.after)
    self.assertEqual((fitted, lines), ([], []))

  def test_result_counts_what_was_trained(self):
    # Of 3 epochs after the first slice, and 2 more after the second.
    self.assertEqual(self.original.epochs, (3, 2))
    each = {'whole': 3 * 6 + 2 * 12, 'second': 2 * 11, 'less': 3 * 5 + 2 * 10}
    for plan, shards, trained in (
      (self.original, [(0, each['whole'])] * 3, 3),
      (
        self.after,
        [(None, each['whole']), (1, each['second']), (0, each['less'])],
        2,
      ),
      (
        self.fresh,
        [(0, each['whole']), (0, 3 * 6 + each['second']), (0, each['less'])],
        3,
      ),
    ):
      result = plan.folder.result()
      found = [(shard['first_stage'], shard['examples']) for shard in result['shards']]
      self.assertEqual(found, shards)
      total = sum(count for first, count in shards if first is not None)
      self.assertEqual((result['examples'], plan.examples), (total, total))
      self.assertEqual(plan.shards_trained, trained)
      self.assertEqual(result['workers'], 1)
      seconds = [
        shard['seconds']
        for shard in result['shards']
        if shard['first_stage'] is not None
      ]
      self.assertAlmostEqual(result['seconds'], sum(seconds), places=4)
      # One after the other: nothing at the same time.
      self.assertAlmostEqual(result['wall_seconds'], sum(seconds), places=2)

  def test_ids_are_kept(self):
    kept = self.after.folder.read_npz('examples.npz')
    np.testing.assert_array_equal(kept['forget_ids'], self.after.ids['forget_ids'])
    np.testing.assert_array_equal(kept['train_ids'], self.after.ids['train_ids'])

  def test_finished_model_is_not_trained_again(self):
    before = small_models.contents(self.folder)
    fitted, lines = _train(self.after)
    self.assertEqual((fitted, lines), ([], []))
    self.assertEqual(small_models.contents(self.folder), before)

  @parameterized.parameters(OUTPUTS, 'slice-001.npz')
  def test_damaged_file_of_an_untouched_shard_is_not_copied(self, name):
    path = self.original.folder.shard(0) / name
    path.write_bytes(path.read_bytes()[:-20])
    with self.assertRaises(UsageError) as caught:
      _train(self.untrained())
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, f'{path}: does not have its checksum: ')
    self.assertIn(f'delete the folder {self.path}, and the same command', text)
    self.assertFalse(self.after.folder.finished)

  def test_original_that_is_not_finished_is_named(self):
    (self.path / RESULT).unlink()
    with self.assertRaisesRegex(UsageError, f'^{self.path}: has no {RESULT}'):
      _train(self.untrained())

  def test_damaged_stage_of_the_original_is_refused(self):
    path = constituent.stage_file(self.original.folder.shard(1), 0)
    path.write_bytes(path.read_bytes()[:-20])
    with self.assertRaises(UsageError) as caught:
      _train(self.untrained())
    text = str(caught.exception)
    self.assertStartsWith(text, f'{path}: damaged (does not have its checksum)')
    self.assertNotIn('\n', text)
    self.assertFalse(self.after.folder.finished)

  def test_folder_of_another_deletion_is_refused(self):
    other = small_models.plan(
      self.after.folder.path,
      of=_MLP,
      original=self.path,
      deleted=[0],
      num_shards=3,
      num_slices=2,
    )
    with self.assertRaisesRegex(UsageError, r'made otherwise \(forget was'):
      _train(other)


class ResumedTest(small_models.ShardedTestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.values = {'of': _MLP, 'num_shards': 2, 'num_slices': 2}
    folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    cls.whole = small_models.plan(folder / 'whole', **cls.values)
    cls.sizes, _ = _train(cls.whole)

  @parameterized.parameters(0, 1, 2, 3)
  def test_killed_model_goes_on_at_the_stage(self, kill):
    whole, sizes, values = self.whole, self.sizes, self.values
    self.assertEqual(sizes, [9, 18, 9, 18])
    plan = small_models.plan(self.path, **values)
    with self.assertRaises(small_models.Interrupted):
      _train(plan, fits=small_models.Fits(kill=kill))
    self.assertFalse(plan.folder.finished)
    kept = small_models.contents(self.path)
    again, _ = _train(plan)
    self.assertEqual(again, sizes[kill:])
    self.assert_same_outputs(plan.folder.load(), whole.folder.load())
    after = small_models.contents(self.path)
    self.assertEqual({name: after[name] for name in kept}, kept)
    for name, content in small_models.contents(whole.folder.path).items():
      if name.endswith('.npz'):
        self.assertEqual(after[name], content, name)
    with self.subTest('what it cost is counted from all that was trained'):
      one, other = plan.folder.result(), whole.folder.result()
      self.assertEqual(one['examples'], other['examples'])
      self.assertEqual(
        [shard['examples'] for shard in one['shards']],
        [shard['examples'] for shard in other['shards']],
      )

  def test_progress_is_told_shard_by_shard(self):
    plan = small_models.plan(self.path, of=_MLP, num_shards=2, num_slices=1)
    _, lines = _train(plan)
    self.assertLen(lines, 2)
    self.assertRegex(lines[0], '^sharded: shard 0 trained, 1 of 2, .+ left$')
    self.assertEqual(lines[1], 'sharded: shard 1 trained, 2 of 2')


class StrategyTest(small_models.ShardedTestCase):
  def test_shards_are_the_same_however_they_are_trained(self):
    # Batches of an LSTM that a run of its own would cut into two streams.
    of = small_models.config(batch_size=32)
    values = {'of': of, 'count': 60, 'num_shards': 2, 'num_slices': 2}
    one = small_models.plan(self.path, **values)
    other = small_models.plan(self.folder / 'processes', **values)
    with absltest.mock.patch.object(engines, 'cores', return_value=2):
      self.assertEqual(engines.streams(32), 2)
      _train(one)
      fitted, _ = _train(other, strategy='processes')
    self.assertEqual(fitted, [], 'not in this process')
    for found, expected in zip(other.folder.load(), one.folder.load(), strict=True):
      np.testing.assert_allclose(found, expected, atol=1e-5)
      self.assertGreater(np.abs(expected[0] - expected[1]).max(), 1e-2)
    for shard in range(2):
      for stage in range(2):
        paths = [
          constituent.stage_file(each.folder.shard(shard), stage)
          for each in (other, one)
        ]
        self.assertEqual(*(path.read_bytes() for path in paths))
        self.assertEqual(
          *(
            dataclasses.replace(constituent.read_stage(path), began=0, seconds=0)
            for path in paths
          )
        )
    result = other.folder.result()
    self.assertEqual(result['workers'], 2)
    self.assertLessEqual(result['wall_seconds'], result['seconds'] + 1e-3)


class ResultTest(small_models.ShardedTestCase):
  def test_all_files_are_named(self):
    plan = small_models.plan(self.path, of=_MLP, num_shards=2, num_slices=1)
    _train(plan)
    shard = ('outputs.npz', 'slice-000.json', 'slice-000.npz')
    self.assertEqual(
      set(small_models.contents(self.path)),
      {
        'sharded.json',
        'examples.npz',
        RESULT,
        *(f'shards/00{number}/{name}' for number in range(2) for name in shard),
      },
    )
    manifest = json.loads((self.path / 'sharded.json').read_text())
    self.assertEqual(manifest, {'format': 1, **plan.manifest})
    self.assertTrue(ShardedFolder(self.path).finished)

  def test_shard_that_diverges_leaves_the_model_unfinished(self):
    of = dataclasses.replace(
      _MLP,
      training=dataclasses.replace(_MLP.training, optimizer='sgd', learning_rate=1e30),
    )
    plan = small_models.plan(self.path, of=of, num_shards=2, num_slices=1)
    with self.assertRaisesRegex(UsageError, 'the model of shard 0 has diverged'):
      _train(plan)
    self.assertFalse(plan.folder.finished)


if __name__ == '__main__':
  absltest.main()
