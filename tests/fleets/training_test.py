"""Which shadows of a fleet are trained, in which way, and what is said of it."""

import time

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import engines
from rnn_tf.errors import UsageError
from rnn_tf.fleets import trainer, training
from rnn_tf.fleets.folder import FleetFolder
from tests import small_configs
from tests.fleets import small_fleets


class TopUpTest(small_fleets.FleetTestCase):
  def test_larger_fleet_trains_only_what_is_new(self):
    strategy = small_fleets.FakeStrategy()
    self.train(small_fleets.plan(), sequential=strategy)
    before = small_fleets.contents(self.path)
    times = {name: (self.path / name).stat().st_mtime_ns for name in before}
    more = small_fleets.plan(num_shadows=6)
    infos, lines = self.train(more, sequential=strategy)
    self.assertEqual(strategy.asked, [[0, 1, 2, 3], [4, 5]])
    self.assertEqual([info.model for info in infos], list(range(6)))
    self.assertStartsWith(lines[0], 'training 2 of 6 shadow models')
    self.assertIn('; 5 of 6 trained', lines[1])
    self.assertEndsWith(lines[2], '; 6 of 6 trained')
    after = small_fleets.contents(self.path)
    self.assertEqual({name: after[name] for name in before}, before)
    for name, modified in times.items():
      self.assertEqual((self.path / name).stat().st_mtime_ns, modified)
    with self.subTest('as one that was this large from the start'):
      self.train(more, self.folder / 'whole', sequential=small_fleets.FakeStrategy())
      self.assertEqual(small_fleets.contents(self.folder / 'whole'), after)

  def test_complete_fleet_is_not_trained(self):
    plan = small_fleets.plan()
    self.train(plan, sequential=small_fleets.FakeStrategy())
    again = small_fleets.FakeStrategy()
    infos, lines = self.train(plan, sequential=again)
    self.assertEqual((again.asked, lines), ([], []))
    self.assertLen(infos, 4)

  def test_smaller_fleet_is_there_already(self):
    self.train(small_fleets.plan(), sequential=small_fleets.FakeStrategy())
    again = small_fleets.FakeStrategy()
    infos, _ = self.train(small_fleets.plan(num_shadows=2), sequential=again)
    self.assertEmpty(again.asked)
    self.assertLen(infos, 2)

  def test_shadows_are_kept_one_by_one(self):
    plan = small_fleets.plan()
    with self.assertRaises(KeyboardInterrupt):
      self.train(plan, sequential=small_fleets.FakeStrategy(stop_after=3))
    names = {path.stem for path in self.path.glob('shadow-*.json')}
    self.assertEqual(names, {'shadow-0000', 'shadow-0001', 'shadow-0002'})
    self.assertEqual(training.missing(FleetFolder(self.path), plan), [3])


class LogTest(small_fleets.FleetTestCase):
  def test_progress_is_told_shadow_by_shadow(self):
    plan = small_fleets.plan()
    _, lines = self.train(
      plan, seconds=lambda: 10.0, sequential=small_fleets.FakeStrategy()
    )
    self.assertEqual(
      lines[:2],
      [
        'training 4 of 4 shadow models (half) of 24 examples, 2 epochs each, '
        f'sequential; writing to {self.path}',
        'estimate: 80 s, and some seconds each to start',
      ],
    )
    for model, line in enumerate(lines[2:]):
      fake = small_fleets.fake(plan, model)
      self.assertStartsWith(
        line,
        f'shadow {model}: training accuracy {fake.train_accuracy[2]:.4f}, test '
        f'accuracy {fake.test_accuracy[2]:.4f}, 2 s; {model + 1} of 4 trained',
      )
      self.assertEqual(line.endswith(' s left'), model < 3)
    self.assertLen(lines, 6)

  def test_processes_are_counted(self):
    with absltest.mock.patch.object(engines, 'cores', return_value=3):
      _, lines = self.train(
        small_fleets.plan(),
        strategy='processes',
        processes=small_fleets.FakeStrategy(),
      )
    self.assertIn(', 3 at a time; ', lines[0])


_PRIVATE = small_configs.run_config(privacy=small_configs.private())
_HALF = small_configs.run_config(mixed_precision=True)
_KERAS = small_configs.run_config(recurrent_kernel='keras')
_MLP = small_configs.run_config('mlp')
_PLAIN = small_configs.run_config()


class ChooseTest(parameterized.TestCase):
  def choose(self, strategy, config, *, gpu=False, cores=2, count=4):
    with (
      absltest.mock.patch.object(engines, 'on_gpu', return_value=gpu),
      absltest.mock.patch.object(engines, 'cores', return_value=cores),
    ):
      return training.choose(strategy, small_fleets.plan(config), count=count)

  @parameterized.parameters(
    (_PLAIN, {}, 'processes'),
    (_PRIVATE, {}, 'processes'),
    (_MLP, {}, 'processes'),
    (_PLAIN, {'count': 1}, 'sequential'),
    (_PLAIN, {'cores': 1}, 'sequential'),
    (_PLAIN, {'gpu': True}, 'stacked'),
    (_MLP, {'gpu': True}, 'stacked'),
    (_PRIVATE, {'gpu': True}, 'sequential'),
    (_HALF, {'gpu': True}, 'sequential'),
    (_KERAS, {'gpu': True}, 'sequential'),
  )
  def test_auto_takes_what_the_machine_and_the_model_allow(self, config, where, name):
    self.assertEqual(self.choose('auto', config, **where), name)

  @parameterized.product(
    strategy=['sequential', 'processes'],
    config=[_PLAIN, _PRIVATE, _HALF, _KERAS],
    gpu=[False, True],
  )
  def test_what_can_train_anything_is_taken_as_asked(self, strategy, config, gpu):
    self.assertEqual(self.choose(strategy, config, gpu=gpu), strategy)

  @parameterized.parameters(
    (_PRIVATE, '--dp: '), (_HALF, '--mixed_precision: '), (_KERAS, '--recurrent_kernel')
  )
  def test_what_cannot_be_stacked_is_refused_with_the_way_out(self, config, part):
    with self.assertRaises(UsageError) as caught:
      self.choose('stacked', config)
    text = str(caught.exception)
    self.assertStartsWith(text, f'--fleet=stacked: {part}')
    self.assertEndsWith(text, 'give --fleet=processes, or --fleet=sequential')
    self.assertNotIn('\n', text)

  def test_stacked_is_taken_where_it_can_be(self):
    self.assertEqual(self.choose('stacked', _PLAIN), 'stacked')

  def test_every_way_has_a_flag(self):
    from rnn_tf.options import cluster

    self.assertEqual({'auto', 'ray', *training.STRATEGIES}, set(cluster.STRATEGIES))


class EstimateTest(absltest.TestCase):
  def test_epoch_is_timed_on_a_few_batches_and_scaled(self):
    plan = small_fleets.plan()
    seen = []

    def train(task, examples, *, callbacks):
      del examples
      seen.append(task)
      (clock,) = callbacks
      for epoch, seconds in enumerate((9.0, 0.05)):
        clock.on_epoch_begin(epoch)
        time.sleep(0 if epoch == 0 else seconds)
        clock.on_epoch_end(epoch)

    with absltest.mock.patch.object(trainer, 'train', train):
      found = training.time_epoch(plan, batches=2)
    (task,) = seen
    self.assertLen(task.rows, 16)
    self.assertEqual(task.config.training.epochs, 2)
    self.assertEqual((task.epochs, task.hidden), ((), False))
    # 24 examples of which 16 took 0.05 s, or longer where the machine is busy.
    self.assertGreaterEqual(found, 0.05 * 24 / 16)

  def test_real_epoch_takes_time(self):
    self.assertGreater(training.time_epoch(small_fleets.plan(_MLP, engine='keras')), 0)


class TasksTest(small_fleets.FleetTestCase):
  @parameterized.parameters((_PRIVATE, 'exact'), (_PLAIN, 'split'))
  def test_shadows_are_trained_as_the_plan_says(self, config, engine):
    plan = small_fleets.plan(config, engine=engine, hidden=True)
    tasks = []

    def train(task, examples):
      tasks.append((task, examples))
      return small_fleets.fake(plan, task.model)

    with absltest.mock.patch.object(trainer, 'train', train):
      self.train(plan)
    self.assertEqual([task.model for task, _ in tasks], [0, 1, 2, 3])
    for task, examples in tasks:
      self.assertEqual(task.engine, engine)
      self.assertEqual(task.config, plan.shadow_config(task.model))
      self.assertEqual(task.config.privacy, config.privacy)
      np.testing.assert_array_equal(task.rows, np.flatnonzero(plan.members[task.model]))
      self.assertEqual((task.epochs, task.hidden), ((1, 2), True))
      # As a recurrent network takes them: rows of pixels.
      np.testing.assert_array_equal(examples.inputs, plan.pool.images[..., 0])
      np.testing.assert_array_equal(examples.labels, plan.pool.labels)
      np.testing.assert_array_equal(
        examples.population_inputs, plan.population.images[..., 0]
      )
      np.testing.assert_array_equal(examples.population_labels, plan.population.labels)


if __name__ == '__main__':
  absltest.main()
