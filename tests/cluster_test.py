"""Work on a real Ray of two machines; what is worked on is nothing, to be quick."""

import os
import pathlib
import socket
import sys

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import cluster, cluster_task, machines
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.options.fleet import FleetOptions
from tests import ray_cluster
from tests.fleets import small_fleets


def _options(address, **values):
  return ClusterOptions(strategy='ray', address=address, **values)


class MachinesTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.cluster = ray_cluster.start(cls)

  def setUp(self):
    super().setUp()
    self.folder = self.create_tempdir().full_path

  def run_on(self, work, tasks, shared=None, address=None):
    """Returns what tasks gave, what was raised, and the lines logged."""
    found, error = [], None
    with (
      small_fleets.logged() as lines,
      cluster.connect(_options(address or self.cluster.address)) as machines,
    ):
      try:
        # Defined here, it is sent as it is: machines do not import this module.
        for result in machines.side_by_side(work, tasks, shared, name='task {}'.format):
          found.append(result)
      except UsageError as raised:
        error = str(raised)
    return found, error, lines

  def test_tasks_are_spread_over_machines_and_done_once(self):
    array = np.random.default_rng(0).normal(size=100_000)

    def work(task, shared):
      import os
      import time

      import ray

      time.sleep(0.3)
      node = ray.get_runtime_context().get_node_id()
      return task, float(shared[task]), shared.flags.writeable, node, os.getpid()

    found, error, lines = self.run_on(work, range(6), array)
    self.assertIsNone(error)
    self.assertEqual(lines[0], 'cluster: 2 machines, 2 models at once')
    self.assertEqual(
      sorted((task, value) for task, value, *_ in found),
      [(task, float(array[task])) for task in range(6)],
    )
    self.assertLen({node for *_, node, _ in found}, 2)
    self.assertNotIn(os.getpid(), {process for *_, process in found})
    self.assertEqual({writeable for *_, writeable, _, _ in found}, {False})

  def test_data_are_placed_once_on_each_machine(self):
    shared = {'array': np.zeros(2_000_000, np.float32)}

    def work(task, shared):
      import time

      time.sleep(0.3)
      return task, shared['array'].nbytes

    import ray

    with cluster.connect(_options(self.cluster.address)) as machines:
      found = list(machines.side_by_side(work, range(6), shared, name=str))
      found += machines.side_by_side(work, range(6), shared, name=str)
      reference = machines.place(shared)
      (where,) = ray.experimental.get_object_locations([reference]).values()
    self.assertLen(found, 12)
    self.assertLen(set(where['node_ids']), 2)
    self.assertLen(where['node_ids'], 2)
    self.assertBetween(where['object_size'], 8_000_000, 8_010_000)

  def test_worker_killed_in_the_middle_is_tried_again_elsewhere(self):
    folder = self.folder

    def work(task, shared):
      import os
      import signal
      import time

      import ray

      # In the middle: where the task is has been told by now.
      time.sleep(1)

      node = ray.get_runtime_context().get_node_id()
      marker = os.path.join(folder, str(task))
      if task == 1 and not os.path.exists(marker):
        with open(marker, 'w') as file:
          file.write(node)
        os.kill(os.getpid(), signal.SIGKILL)
      return task, node

    found, error, lines = self.run_on(work, range(4))
    self.assertIsNone(error)
    self.assertCountEqual([task for task, _ in found], range(4))
    with open(os.path.join(folder, '1')) as file:
      first = file.read()
    self.assertNotEqual(dict(found)[1], first)
    self.assertIn(
      f'task 1: try 1 of 3 failed on machine {first[:8]} (its process was killed, most '
      'often since memory ran out): trying again',
      lines,
    )

  def test_task_that_fails_three_times_is_named_and_the_rest_goes_on(self):
    folder = self.folder

    def work(task, shared):
      import os

      if task == 2:
        with open(os.path.join(folder, 'tries'), 'a') as file:
          file.write('x')
        raise ZeroDivisionError('never\nmore')
      return task

    found, error, lines = self.run_on(work, range(5))
    self.assertCountEqual(found, [0, 1, 3, 4])
    self.assertEqual(
      error,
      '--fleet=ray: 1 of 5 could not be trained: task 2 (ZeroDivisionError: never): '
      'the others are kept, and the same command tries again',
    )
    self.assertEqual(os.path.getsize(os.path.join(folder, 'tries')), machines.TRIES)
    self.assertLen([line for line in lines if 'failed on machine' in line], 3)

  def test_mistake_in_the_request_is_not_tried_again(self):
    folder = self.folder

    def work(task, shared):
      import os

      from rnn_tf.errors import UsageError

      with open(os.path.join(folder, 'tries'), 'a') as file:
        file.write('x')
      raise UsageError('it has diverged')

    found, error, _ = self.run_on(work, range(1))
    self.assertEqual(found, [])
    self.assertIn('task 0 (it has diverged)', error)
    self.assertEqual(os.path.getsize(os.path.join(folder, 'tries')), 1)

  def test_lost_machine_loses_no_task(self):
    extra = self.cluster.add_node(num_cpus=1, object_store_memory=80 * 1024**2)
    folder = self.folder

    def work(task, shared):
      import os
      import time

      import ray

      node = ray.get_runtime_context().get_node_id()
      with open(os.path.join(folder, node), 'a'):
        pass
      time.sleep(1 if node != shared else 60)
      return task, node

    with (
      small_fleets.logged() as lines,
      cluster.connect(_options(self.cluster.address)) as machines,
    ):
      found = []
      results = machines.side_by_side(
        work, range(6), extra.node_id, name='task {}'.format
      )
      for result in results:
        found.append(result)
        if extra is not None and os.path.exists(os.path.join(folder, extra.node_id)):
          gone = extra.node_id
          self.cluster.remove_node(extra, allow_graceful=False)
          extra = None
    self.cluster.wait_for_nodes(timeout=60)
    self.assertIsNone(extra, 'no task was on the third machine')
    self.assertCountEqual([task for task, _ in found], range(6))
    self.assertNotIn(gone, {node for _, node in found})
    self.assertTrue(any(f'failed on machine {gone[:8]}' in line for line in lines))

  def test_other_versions_are_refused_by_name(self):
    text = r'--fleet=ray: Python is 3\.\d+ on .*, 3\.1 where the command was'
    options = _options(self.cluster.address)
    versions = absltest.mock.patch.object(
      cluster_task, 'versions', return_value={'Python': '3.1'}
    )
    with versions, self.assertRaisesRegex(UsageError, text), cluster.connect(options):
      pass

  def test_machine_that_joined_with_other_versions_costs_a_try(self):
    folder = self.folder

    def work(task, shared):
      import os

      from rnn_tf import cluster_task

      if not os.path.exists(os.path.join(folder, 'tried')):
        open(os.path.join(folder, 'tried'), 'w').close()
        raise cluster_task.OtherVersionsError('tensorflow is 1.0 on other')
      return task

    found, error, lines = self.run_on(work, [0])
    self.assertEqual((found, error), ([0], None))
    self.assertIn('(tensorflow is 1.0 on other): trying again', lines[1])

  def test_waiting_is_said(self):
    def work(task, shared):
      import time

      time.sleep(1)
      return task

    with absltest.mock.patch.object(machines, 'PATIENCE', 0.2):
      _, _, lines = self.run_on(work, range(3))
    self.assertIn(
      'at work on 2 models by 2 of 2 machines, 2 models at once; 1 wait', lines
    )

  def test_more_gpus_than_there_are_is_refused(self):
    text = r'--ray_gpus_per_model=0.5: no machine .*\(the most is 0\)'
    with self.assertRaisesRegex(UsageError, text):  # noqa: SIM117
      with cluster.connect(_options(self.cluster.address, gpus_per_model=0.5)):
        pass


class NoClusterTest(parameterized.TestCase):
  def refused(self, address, text):
    options = _options(address)
    with self.assertRaisesRegex(UsageError, text), cluster.connect(options):
      pass

  def test_address_at_which_nobody_listens_is_refused(self):
    with socket.socket() as taken:
      taken.bind(('127.0.0.1', 0))
      address = f'127.0.0.1:{taken.getsockname()[1]}'
      self.refused(address, f'--ray_address={address}: no cluster answers there')

  def test_fleet_for_no_cluster_is_not_begun(self):
    path = pathlib.Path(self.create_tempdir().full_path) / 'fleet'
    with socket.socket() as taken:
      taken.bind(('127.0.0.1', 0))
      address = f'127.0.0.1:{taken.getsockname()[1]}'
      options = FleetOptions(cluster=_options(address), fleet_dir=str(path))
      with self.assertRaisesRegex(UsageError, 'no cluster answers there'):
        fleets.folder_of(small_fleets.plan(), options)
    self.assertFalse(path.exists())

  def test_cluster_of_this_machine_alone_leaves_nothing_behind(self):
    def work(task, shared):
      import os

      import ray

      folder = ray._private.worker._global_node.get_session_dir_path()
      place = os.path.dirname(os.path.dirname(folder))
      return place, os.stat(place).st_mode & 0o777

    home = self.create_tempdir().full_path
    with (
      absltest.mock.patch.dict(os.environ, HOME=home),
      cluster.connect(_options('local')) as connected,
    ):
      ((folder, mode),) = connected.side_by_side(work, [0], None, name=str)
    self.assertEqual(mode, 0o700)
    self.assertFalse(os.path.exists(folder))
    self.assertEqual(os.listdir(home), [])

  def test_ray_that_is_not_installed_is_named(self):
    with absltest.mock.patch.dict(sys.modules, ray=None):
      self.refused('local', 'Ray is not installed: make venv RAY=1')


if __name__ == '__main__':
  absltest.main()
