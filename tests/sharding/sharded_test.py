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
from rnn_tf.config import RunConfig, TrainingConfig
from rnn_tf.deletion import sisa
from rnn_tf.errors import UsageError
from rnn_tf.options import deletion as options
from rnn_tf.sharding import constituent, sharded
from rnn_tf.sharding.folder import OUTPUTS, RESULT, ShardedFolder
from tests import small_configs
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

  def test_untouched_shard_is_the_originals_own_file(self):
    self.assertFalse(self.after.folder.shard(0).exists())
    shards = self.after.folder.result()['shards']
    kept = self.original.folder.result()['shards'][0]
    self.assertEqual(shards[0], {**kept, 'first_stage': None})
    content = (self.original.folder.shard(0) / OUTPUTS).read_bytes()
    self.assertEqual(shards[0]['outputs'], hashlib.sha256(content).hexdigest())
    self.assertEqual([shard['folder'] for shard in shards[1:]], ['after'] * 2)
    # Nor is a stage kept twice that the original had before the deletion.
    names = {file.name for file in self.after.folder.shard(1).iterdir()}
    self.assertEqual(names, {'slice-001.npz', 'slice-001.json', OUTPUTS})

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
        if shard['folder'] == plan.folder.path.name
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

  def test_original_that_changed_afterwards_is_noticed(self):
    pool, test = self.original.folder.load()
    self.original.folder.write_outputs(0, pool[0] + 1e-6, test[0])
    with self.assertRaisesRegex(UsageError, 'is not what this model was made with'):
      self.after.folder.load()

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


class TouchedTest(parameterized.TestCase):
  def test_stages_are_those_that_saw_a_deleted_example(self):
    rng = np.random.default_rng(0)
    for share in (0.02, 0.05, 0.2) * 10:
      deleted = np.flatnonzero(rng.random(48) < share)
      plan = small_models.plan(
        'x', original='y', deleted=deleted, count=48, num_shards=4, num_slices=3
      )
      assignment, examples = plan.assignment, 0
      for shard, first in enumerate(plan.first_stages):
        own = [row for row in deleted if assignment.shards[row] == shard]
        touched = [int(assignment.slices[row]) for row in own]
        self.assertEqual(first, min(touched, default=None))
        for stage in range(first if own else 3, 3):
          seen = [
            row
            for row in range(48)
            if assignment.shards[row] == shard
            and assignment.slices[row] <= stage
            and row not in deleted
          ]
          examples += plan.epochs[stage] * len(seen)
      self.assertEqual(plan.examples, examples)
      touched = {int(assignment.shards[row]) for row in deleted}
      self.assertEqual(plan.shards_trained, len(touched))

  def test_original_trains_everything(self):
    plan = small_models.plan('x', num_shards=3, num_slices=3)
    self.assertEqual(plan.first_stages, (0, 0, 0))
    self.assertEqual(plan.shards_trained, 3)
    self.assertEqual(plan.epochs, sisa.stage_epochs(4, 3))

  def test_rows_of_a_task_are_positions_in_the_pool(self):
    plan = small_models.plan('x', deleted=[3, 4], num_shards=3, num_slices=2)
    rows = []
    for shard in range(3):
      task = plan.task(shard, parts=1)
      self.assertEqual((task.shard, task.parts), (shard, 1))
      self.assertIsNone(task.before)
      rows += np.concatenate(task.rows).tolist()
    kept = [row for number, row in enumerate(plan.rows) if number not in (3, 4)]
    self.assertEqual(sorted(rows), kept)


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
  def test_processes_train_what_one_stream_trains(self):
    # Of an LSTM, whose kernels cut batches into as many parts as there are streams.
    values = {'num_shards': 2, 'num_slices': 2}
    one = small_models.plan(self.path, **values)
    _train(one)
    other = small_models.plan(self.folder / 'processes', **values)
    with absltest.mock.patch.object(engines, 'cores', return_value=2):
      fitted, _ = _train(other, strategy='processes')
    self.assertEqual(fitted, [], 'not in this process')
    for found, expected in zip(other.folder.load(), one.folder.load(), strict=True):
      np.testing.assert_allclose(found, expected, atol=1e-5)
      self.assertGreater(np.abs(expected[0] - expected[1]).max(), 1e-2)
    for shard in range(2):
      for stage in range(2):
        found, expected = (
          constituent.read_stage(
            constituent.stage_file(each.folder.shard(shard), stage)
          )
          for each in (other, one)
        )
        for name in ('stage', 'examples', 'epochs', 'rows'):
          self.assertEqual(getattr(found, name), getattr(expected, name))
    result = other.folder.result()
    self.assertEqual(result['workers'], 2)
    self.assertLessEqual(result['wall_seconds'], result['seconds'])

  @parameterized.parameters(
    ('auto', 2, 4, False, 'processes'),
    ('auto', 2, 1, False, 'sequential'),
    ('auto', 1, 4, False, 'sequential'),
    ('auto', 2, 4, True, 'sequential'),
    ('processes', 1, 1, True, 'processes'),
    ('sequential', 8, 8, False, 'sequential'),
  )
  def test_auto_takes_what_the_machine_allows(self, strategy, cores, tasks, gpu, name):
    with (
      absltest.mock.patch.object(engines, 'cores', return_value=cores),
      absltest.mock.patch.object(engines, 'on_gpu', return_value=gpu),
    ):
      self.assertEqual(sharded._choose(strategy, tasks), name)

  def test_every_way_has_a_flag(self):
    self.assertEqual(sharded.STRATEGIES, options.STRATEGIES)


class CheckTest(parameterized.TestCase):
  def refused(self, config, shards, slices, *parts):
    with self.assertRaises(UsageError) as caught:
      sharded.check(config, shards, slices)
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, parts[0])
    for part in parts:
      self.assertIn(part, text)

  def test_private_run_is_refused(self):
    config = small_configs.run_config(privacy=small_configs.private())
    self.refused(config, 5, 1, '--method=sharded: ', '--dp', 'give --method=retrain')

  @parameterized.parameters('linear', 'cosine')
  def test_step_size_that_falls_is_refused_with_slices(self, decay):
    training = TrainingConfig(learning_rate_decay=decay)
    config = RunConfig(training=training)
    self.refused(
      config,
      5,
      2,
      f'--num_slices=2: the run was trained with --learning_rate_decay={decay}',
      'give --num_slices=1',
    )
    sharded.check(config, 5, 1)

  def test_too_many_stages_are_refused(self):
    self.refused(
      RunConfig(), 334, 3, '--num_shards=334, --num_slices=3: more than 1000', 'fewer'
    )
    sharded.check(RunConfig(), 500, 2)


class CoveredTest(absltest.TestCase):
  def test_time_that_several_cover_counts_once(self):
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 8) * 25:
      starts = rng.integers(0, 40, count)
      spans = [(int(at), int(at + rng.integers(0, 12))) for at in starts]
      seconds = set()
      for start, end in spans:
        seconds.update(range(start, end))
      self.assertEqual(sharded.covered(spans), len(seconds))

  def test_nothing_covers_nothing(self):
    self.assertEqual(sharded.covered([]), 0)

  def test_spans_inside_and_apart(self):
    self.assertEqual(sharded.covered([(0, 10), (2, 3), (20, 21.5)]), 11.5)


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
