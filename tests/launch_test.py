import subprocess
import sys

from absl.testing import absltest, parameterized

from rnn_tf import train
from rnn_tf.errors import UsageError
from tests import commands


def _run(main, *arguments):
  """Returns exit code, stdout and stderr of a command with train's flags."""
  return commands.call(train, *arguments, main=main, interrupted='interrupted: again')


def _raise(error):
  raise error


class LaunchTest(parameterized.TestCase):
  def test_main_that_returns_gives_zero(self):
    self.assertEqual(_run(lambda: print('done')), (0, 'done\n', ''))

  def test_what_main_returns_is_the_exit_code(self):
    self.assertEqual(_run(lambda: 3), (3, '', ''))

  def test_a_reader_that_has_seen_enough_is_no_crash(self):
    command = (
      f'{sys.executable} -m rnn_tf.train --help | true; echo "${{PIPESTATUS[0]}}"'
    )
    done = subprocess.run(
      ['bash', '-c', command], capture_output=True, text=True, check=True
    )
    self.assertIn(done.stdout.strip(), ('0', '141'))
    self.assertEqual(done.stderr, '')

  def test_a_broken_pipe_ends_quietly(self):
    code = (
      'import os, sys\nfrom rnn_tf import launch, train\n'
      'def main():\n  for _ in range(10**5): print("line")\n'
      "sys.exit(launch.run(main, command='c', description='', options=train.OPTIONS,"
      " argv=['c']))"
    )
    command = f"{sys.executable} -c '{code.replace(chr(39), chr(34))}' | head -1"
    done = subprocess.run(
      ['bash', '-c', command + '; echo "${PIPESTATUS[0]}"'],
      capture_output=True,
      text=True,
      check=True,
    )
    self.assertEqual(done.stdout.split(), ['line', '141'])
    self.assertEqual(done.stderr, '')

  def test_usage_error_is_one_line_and_two(self):
    code, out, err = _run(lambda: _raise(UsageError('--epochs=0: must be at least 1')))
    self.assertEqual((code, out), (2, ''))
    self.assertEqual(err, 'python -m rnn_tf.train: --epochs=0: must be at least 1\n')

  def test_interrupt_says_that_the_command_resumes(self):
    code, _, err = _run(lambda: _raise(KeyboardInterrupt))
    self.assertEqual(code, 130)
    self.assertEqual(err, 'interrupted: again\n')

  def test_crash_is_not_swallowed(self):
    with self.assertRaises(ZeroDivisionError):
      _run(lambda: 1 / 0)

  @parameterized.parameters(
    ('--epoch=3', 'did you mean epochs'),
    ('--epochs=three', '--epochs=three: must be an integer'),
    ('--learning_rate=fast', '--learning_rate=fast: must be a number'),
    ('epochs', "'epochs' is not a flag"),
    ('--flagfile=/does/not/exist', '/does/not/exist'),
  )
  def test_bad_flag_never_reaches_main(self, argument, part):
    code, out, err = _run(lambda: self.fail('main was called'), argument)
    self.assertEqual((code, out), (2, ''))
    self.assertIn(part, err)
    self.assertLen(err.splitlines(), 1)

  def test_help_lists_every_flag_of_the_command_and_no_other(self):
    code, out, _ = _run(lambda: self.fail('main was called'), '--help')
    self.assertEqual(code, 0)
    for flag in ('--dataset', '--[no]bidirectional', '--attacks', '--run_dir'):
      self.assertIn(f'  {flag}\n', out)
    self.assertNotIn('--num_examples', out)

  def test_help_explains_private_training(self):
    _, out, _ = _run(lambda: self.fail('main was called'), '--help')
    self.assertIn('Differential privacy', out)
    for flag in ('[no]dp', 'dp_target_epsilon', 'dp_engine', 'recurrent_kernel'):
      self.assertIn(f'  --{flag}\n', out)

  @parameterized.parameters((2, '1 2'), (None, '0 0'))
  def test_threads_are_one_for_each_stream_and_else_tensorflows(self, streams, threads):
    code = (
      'from rnn_tf import config, launch\n'
      f'launch.set_up_tensorflow(config.TrainingConfig(), side_by_side={streams})\n'
      'from rnn_tf.stack import tf\n'
      'tf.constant(0)\n'
      # A second command of the process: too late, and no reason to stop.
      'launch.set_up_tensorflow(config.TrainingConfig(), side_by_side=3)\n'
      'threading = tf.config.threading\n'
      'print(threading.get_intra_op_parallelism_threads(),\n'
      '      threading.get_inter_op_parallelism_threads())\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    self.assertEqual(done.stdout.strip(), threads, done.stderr)

  def test_private_training_keeps_gpus_from_rounding_to_tf32(self):
    code = (
      'from rnn_tf import config, launch\n'
      'from rnn_tf.stack import tf\n'
      'allowed = tf.config.experimental.tensor_float_32_execution_enabled\n'
      'for exact in (False, True):\n'
      '  launch.set_up_tensorflow(config.TrainingConfig(), exact=exact)\n'
      '  print(allowed())\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    self.assertEqual(done.stdout.split(), ['True', 'False'], done.stderr)

  def test_help_loads_no_tensorflow(self):
    code = (
      'import sys; sys.argv[1:] = ["--help"]\n'
      'import rnn_tf.train as t, rnn_tf.launch as l\n'
      'l.run(t.main, command="c", description="d", options=t.OPTIONS)\n'
      'sys.exit("tensorflow" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True)
    self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == '__main__':
  absltest.main()
