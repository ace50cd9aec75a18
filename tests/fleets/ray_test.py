"""Fleets trained by a real Ray of two machines."""

import signal
import subprocess
import sys
import time

from absl.testing import absltest

from rnn_tf.fleets import training
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.options.cluster import ClusterOptions
from tests import ray_cluster
from tests.fleets import small_fleets, strategies_test

_DRIVER = """
import sys
from rnn_tf.fleets import fleet
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.options.cluster import ClusterOptions
from tests.fleets import strategies_test
fleet.prepare(
  strategies_test.digits_plan(),
  FleetFolder(sys.argv[1]),
  where=ClusterOptions(strategy='ray', address=sys.argv[2]),
  seconds_per_epoch=lambda: 1.0,
)
"""


class RayTest(small_fleets.FleetTestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.cluster = ray_cluster.start(cls)

  def _start(self, path):
    process = subprocess.Popen(
      [sys.executable, '-c', _DRIVER, str(path), self.cluster.address],
      stderr=subprocess.PIPE,
      text=True,
    )
    self.addCleanup(process.kill)
    return process

  def test_killed_driver_goes_on_and_all_is_as_by_processes_here(self):
    driver = self._start(self.path)
    while not (self.path / 'shadow-0000.json').exists():
      self.assertIsNone(driver.poll(), 'ended by itself')
      time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    self.assertEqual(driver.returncode, -signal.SIGKILL)
    kept = small_fleets.contents(self.path)
    self.assertNotIn('shadow-0003.json', kept)
    resumed = self._start(self.path)
    _, err = resumed.communicate()
    self.assertEqual(resumed.returncode, 0, err)
    found = small_fleets.contents(self.path)
    self.assertEqual(
      {name: found[name] for name in kept if name.startswith('shadow')},
      {name: kept[name] for name in kept if name.startswith('shadow')},
    )
    plan, here = strategies_test.digits_plan(), FleetFolder(self.folder / 'here')
    with here.open(plan) as full:
      training.train(
        here,
        full,
        where=ClusterOptions(strategy='processes'),
        seconds_per_epoch=None,
      )
    for model in range(4):
      name = f'shadow-{model:04d}.npz'
      self.assertEqual(found[name], (here.path / name).read_bytes(), name)
    small_fleets.assert_same_fleet(
      self.load(plan, here.path, epoch=2), self.load(plan, epoch=2)
    )


if __name__ == '__main__':
  absltest.main()
