"""What a sharded model takes, before anything of it is trained."""

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import engines
from rnn_tf.config import RunConfig, TrainingConfig
from rnn_tf.deletion import sisa
from rnn_tf.deletion_config import STRATEGIES
from rnn_tf.errors import UsageError
from rnn_tf.sharding import sharded
from tests import small_configs
from tests.sharding import small_models


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


class ChooseTest(parameterized.TestCase):
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

  @parameterized.parameters(*STRATEGIES)
  def test_every_way_is_one_of_two(self, strategy):
    self.assertIn(sharded._choose(strategy, 2), ('sequential', 'processes'))


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


if __name__ == '__main__':
  absltest.main()
