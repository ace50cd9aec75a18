"""Work in processes of its own; what is worked on is nothing, to be quick."""

import os
import signal
import warnings

import joblib
import numpy as np
from absl.testing import absltest, parameterized
from joblib.externals.loky.process_executor import TerminatedWorkerError

from rnn_tf import engines, workers
from rnn_tf.errors import UsageError

_TEXTS = {'what': 'a thing', 'instead': 'give --way=sequential'}


class CountTest(parameterized.TestCase):
  @parameterized.parameters((0, 2, 0), (1, 2, 1), (2, 2, 2), (9, 4, 4), (3, 8, 3))
  def test_as_many_at_once_as_there_are_cores_or_tasks(self, tasks, cores, expected):
    with absltest.mock.patch.object(engines, 'cores', return_value=cores):
      self.assertEqual(workers.count(tasks), expected)

  @parameterized.parameters(False, True)
  def test_gpu_is_what_the_engines_see(self, there):
    with absltest.mock.patch.object(engines, 'on_gpu', return_value=there):
      self.assertEqual(workers.gpu(), there)


class SideBySideTest(absltest.TestCase):
  def test_every_task_is_done_once_in_another_process(self):
    # Defined here, it is sent as it is: the processes do not import this module.
    def work(task, shared):
      array = shared['array']
      return task, os.getpid(), float(array[task]), type(array).__name__, shared['x']

    # Large enough to be mapped instead of copied.
    array = np.random.default_rng(0).normal(size=200_000)
    tasks = range(5)
    with absltest.mock.patch.object(engines, 'cores', return_value=2):
      found = list(
        workers.side_by_side(work, tasks, {'array': array, 'x': 'y'}, **_TEXTS)
      )
    self.assertEqual(sorted(each[0] for each in found), list(tasks))
    for task, process, value, kind, rest in found:
      self.assertNotEqual(process, os.getpid())
      self.assertEqual((value, kind, rest), (float(array[task]), 'memmap', 'y'))
    self.assertLessEqual(len({each[1] for each in found}), 2)
    with self.subTest('no process is left'):
      for process in {each[1] for each in found}:
        with self.assertRaises(ProcessLookupError):
          os.kill(process, 0)

  def test_process_that_is_killed_ends_in_one_line(self):
    def work(task, shared):
      del task, shared
      os.kill(os.getpid(), signal.SIGKILL)

    with self.assertRaises(UsageError) as caught:
      list(workers.side_by_side(work, [0, 1], {}, **_TEXTS))
    text = str(caught.exception)
    self.assertEqual(
      text,
      'a process that trained a thing was killed, most often since memory ran out: '
      'what is trained is kept; give --way=sequential',
    )
    self.assertIsInstance(caught.exception.__cause__, TerminatedWorkerError)

  def test_error_of_a_task_is_the_callers(self):
    def work(task, shared):
      del shared
      raise UsageError(f'--flag={task}: not this one')

    with self.assertRaisesRegex(UsageError, '^--flag=3: not this one$'):
      list(workers.side_by_side(work, [3], {}, **_TEXTS))

  def test_processes_end_where_the_caller_stops_early(self):
    ended = []

    def parallel(**kwargs):
      del kwargs
      return lambda calls: iter([1, 2])

    executor = absltest.mock.Mock()
    executor.shutdown = lambda **kwargs: ended.append(kwargs)
    with (
      absltest.mock.patch.object(joblib, 'Parallel', parallel),
      absltest.mock.patch.object(
        joblib.externals.loky, 'get_reusable_executor', return_value=executor
      ),
    ):
      results = workers.side_by_side(print, [0, 1], {}, **_TEXTS)
      self.assertEqual(next(results), 1)
      self.assertEmpty(ended)
      results.close()
    self.assertEqual(ended, [{'wait': True, 'kill_workers': True}])

  def test_no_warning_is_made_of_a_worker_that_grew(self):
    def grown(calls):
      warnings.warn('A worker stopped while some jobs were given', UserWarning, 1)
      yield from calls

    with (
      warnings.catch_warnings(record=True) as caught,
      absltest.mock.patch.object(joblib, 'Parallel', lambda **kwargs: grown),
    ):
      warnings.simplefilter('always')
      self.assertLen(list(workers.side_by_side(print, [0, 1], {}, **_TEXTS)), 2)
    self.assertEmpty(caught)


if __name__ == '__main__':
  absltest.main()
