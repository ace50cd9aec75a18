"""Fleets trained for real: in several ways, interrupted, and killed."""

import json
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
from absl.testing import absltest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from rnn_tf import datasets, engines
from rnn_tf.attack_config import FleetConfig
from rnn_tf.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from rnn_tf.errors import UsageError
from rnn_tf.fleets import plan as plans
from rnn_tf.fleets import training
from tests import small_configs
from tests.fleets import small_fleets


class StrategiesTest(small_fleets.FleetTestCase):
  def test_all_ways_train_the_same_shadows(self):
    # Two streams in one process, one in each of several; halves of 80 and of 81.
    config = small_configs.run_config(batch_size=32, learning_rate=0.02)
    plan = small_fleets.plan(
      config, of=small_fleets.data(161), num_shadows=2, hidden=True
    )
    for strategy in training.STRATEGIES:
      self.train(plan, self.folder / strategy, strategy)
    expected = self.load(plan, self.folder / 'sequential')
    self.assertGreater(np.abs(expected.logits[0] - expected.logits[1]).max(), 0.01)
    for strategy in ('processes', 'stacked'):
      found = self.load(plan, self.folder / strategy)
      for name, atol in (('logits', 1e-5), ('population_logits', 1e-5)):
        np.testing.assert_allclose(
          getattr(found, name), getattr(expected, name), atol=atol, err_msg=strategy
        )
      np.testing.assert_allclose(found.hidden, expected.hidden, atol=1e-3)

  def test_process_that_is_killed_ends_in_one_line(self):
    def killed(tasks):
      raise TerminatedWorkerError('SIGKILL(-9)')
      yield from tasks

    with (
      absltest.mock.patch.object(joblib, 'Parallel', return_value=killed),
      self.assertRaisesRegex(UsageError, 'memory ran out.*give --fleet=sequential'),
    ):
      self.train(small_fleets.plan(), strategy='processes')

  def test_stacks_are_of_one_size_and_of_not_too_many(self):
    plan = small_fleets.plan(of=small_fleets.data(49), num_shadows=6)
    sizes = []

    def stacked(config, *, rows, seeds, at_epoch, due, **rest):
      sizes.append((rows.shape, tuple(seeds)))
      model = engines.build(
        config,
        engine='keras',
        guarantee=None,
        image_shape=rest['image_shape'],
        num_classes=3,
      )
      for epoch in due:
        # Logits that tell which model and epoch they are of.
        weights = [[np.zeros_like(w) for w in model.get_weights()] for _ in seeds]
        for own, seed in zip(weights, seeds, strict=True):
          own[-1][:] = [plan.seeds.index(seed), epoch, 0]
        at_epoch(epoch, weights)

    with (
      absltest.mock.patch.object(training.stacked, 'train', stacked),
      absltest.mock.patch.object(training, 'MOST_STACKED', 2),
    ):
      self.train(plan, strategy='stacked')
    of = [tuple(plan.seeds[model] for model in some) for some in ((0, 2), (4,))]
    others = [tuple(plan.seeds[model] for model in some) for some in ((1, 3), (5,))]
    self.assertEqual(
      sizes,
      [((2, 24), of[0]), ((1, 24), of[1]), ((2, 25), others[0]), ((1, 25), others[1])],
    )
    for epoch in (1, 2):
      logits = self.load(plan, epoch=epoch).logits
      for model in range(6):
        np.testing.assert_array_equal(logits[model], [[model, epoch, 0]] * 49)


class InterruptedTest(small_fleets.FleetTestCase):
  def test_interrupted_fleet_ends_as_if_it_had_not_been(self):
    plan = small_fleets.plan(
      small_configs.run_config('mlp'), engine='keras', hidden=True
    )
    whole = self.folder / 'whole'
    self.train(plan, whole)
    original = training.STRATEGIES['sequential']

    def interrupted(*args):
      for done, result in enumerate(original(*args)):
        if done == 2:
          raise KeyboardInterrupt
        yield result

    with self.assertRaises(KeyboardInterrupt):
      self.train(plan, sequential=interrupted)
    self.assertLen(list(self.path.glob('shadow-*.json')), 2)
    _, lines = self.train(plan)
    self.assertStartsWith(lines[0], 'training 2 of 4 shadow models')
    for epoch in (1, 2):
      small_fleets.assert_same_fleet(
        self.load(plan, whole, epoch), self.load(plan, epoch=epoch)
      )


_KILLED = """
import sys
from rnn_tf import engines, launch
from rnn_tf.fleets import fleet
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.options.cluster import ClusterOptions
from tests.fleets import strategies_test
plan = strategies_test.digits_plan()
launch.set_up_tensorflow(
  plan.config.training, side_by_side=engines.side_by_side(plan.engine)
)
fleet.prepare(
  plan,
  FleetFolder(sys.argv[1]),
  where=ClusterOptions(strategy='sequential'),
  seconds_per_epoch=lambda: 1.0,
)
"""


def digits_plan():
  """Returns the plan of four small shadows of the embedded digits."""
  config = RunConfig(
    data=DataConfig(train_fraction=0.5, nonmembers='holdout'),
    model=ModelConfig(hidden_size=8),
    training=TrainingConfig(epochs=2, learning_rate=0.02, deterministic=True),
  )
  return plans.plan(
    config,
    FleetConfig(num_shadows=4, shadow_split='half'),
    data=datasets.load(config.data),
    epochs=(1, 2),
    hidden=True,
    engine='split',
  )


class KilledTest(small_fleets.FleetTestCase):
  def _start(self, path):
    process = subprocess.Popen(
      [sys.executable, '-c', _KILLED, str(path)], stderr=subprocess.PIPE, text=True
    )
    self.addCleanup(process.kill)
    return process

  def _kill_after_the_first_shadow(self, process, path):
    while not (path / 'shadow-0000.json').exists():
      self.assertIsNone(process.poll(), 'ended by itself')
      time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    self.assertEqual(process.returncode, -signal.SIGKILL)

  def test_killed_fleet_ends_as_if_it_had_not_been_killed(self):
    whole = self.folder / 'whole'
    killed, other = self._start(self.path), self._start(whole)
    self._kill_after_the_first_shadow(killed, self.path)
    kept = small_fleets.contents(self.path)
    self.assertNotIn('shadow-0003.json', kept)
    _, err = other.communicate()
    self.assertEqual(other.returncode, 0, err)
    resumed = self._start(self.path)
    _, err = resumed.communicate()
    self.assertEqual(resumed.returncode, 0, err)
    plan = digits_plan()
    found = small_fleets.contents(self.path)
    for name in ('shadow-0000.npz', 'shadow-0000.json', 'fleet.json'):
      self.assertEqual(found[name], kept[name])
    for epoch in (1, 2):
      one, two = self.load(plan, whole, epoch), self.load(plan, epoch=epoch)
      small_fleets.assert_same_fleet(one, two)
    self.assertGreater(one.train_accuracy.min(), 0.2)
    for model in range(4):
      name = f'shadow-{model:04d}'
      self.assertEqual(found[f'{name}.npz'], (whole / f'{name}.npz').read_bytes())
      both = (
        json.loads((each / f'{name}.json').read_text()) for each in (self.path, whole)
      )
      self.assertEqual(*({**info, 'seconds': 0} for info in both))


if __name__ == '__main__':
  absltest.main()
