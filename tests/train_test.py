"""The train command in process on the embedded digits, and killed from outside."""

import csv
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import train, training
from rnn_tf.attacks.results import AttackResult
from rnn_tf.stack import tf
from tests import commands, private_runs

_SMALL = (
  '--train_size=200',
  '--test_size=100',
  '--hidden_size=8',
  '--epochs=4',
  '--deterministic',
)
_DP = ('--dp', '--dp_noise_multiplier=1')


def _flags(run_dir, *arguments):
  return [*_SMALL, f'--run_dir={run_dir}', *arguments]


def _run(run_dir, *arguments):
  """Returns exit code, stdout and stderr of the command."""
  return commands.call(train, *_flags(run_dir, *arguments))


def _metrics(path, timed=False):
  with open(path / 'metrics.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  if not timed:
    for row in rows:
      del row['seconds'], row['report_seconds']
  return rows


def _privacy(path):
  return [json.loads(line) for line in open(path / 'privacy.jsonl')]


class TrainTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path) / 'run'

  def test_new_run_leaves_all_its_files(self):
    code, out, err = _run(self.path)
    self.assertEqual(code, 0, err)
    self.assertEqual([int(r['epoch']) for r in _metrics(self.path)], [1, 2, 3, 4])
    lines = [AttackResult.from_json(line) for line in _privacy(self.path)]
    self.assertEqual({line.epoch for line in lines}, {2, 4})
    self.assertLen(lines, 2 * 2 * 11)
    names = {p.relative_to(self.path).as_posix() for p in self.path.rglob('*')}
    for name in (
      'config.json',
      'examples.npz',
      'result.json',
      'scores/epoch-0002.npz',
      'scores/epoch-0004.npz',
      'weights/best.weights.h5',
      'weights/final.weights.h5',
      'plots/learning_curves.png',
      'tensorboard/train',
    ):
      self.assertIn(name, names)
    self.assertNotIn('checkpoint', names)
    self.assertIn('threshold attack: AUC', out)
    self.assertIn(f'next: python -m rnn_tf.infer --run={self.path}', out)
    self.assertIn('epoch 4/4', err)

  def test_finished_run_is_not_trained_again(self):
    _run(self.path, '--epochs=1')
    before = (self.path / 'metrics.csv').stat().st_mtime_ns
    code, out, err = _run(self.path, '--epochs=1')
    self.assertEqual(code, 0)
    self.assertIn('finished already', err)
    self.assertIn('test accuracy', out)
    self.assertEqual((self.path / 'metrics.csv').stat().st_mtime_ns, before)

  def test_same_command_and_seed_give_the_same_numbers(self):
    other = self.path.with_name('other')
    for path in (self.path, other):
      _run(path, '--epochs=2')
    self.assertEqual(_metrics(self.path), _metrics(other))
    self.assertEqual(_privacy(self.path), _privacy(other))

  def test_dry_run_writes_nothing(self):
    code, out, err = _run(self.path, '--dry_run')
    self.assertEqual(code, 0, err)
    self.assertFalse(self.path.exists())
    self.assertIn('steps: 4 epochs x 4 = 16', out)

  def test_other_flags_in_the_same_folder_are_refused(self):
    _run(self.path, '--epochs=1')
    code, _, err = _run(self.path, '--epochs=1', '--learning_rate=0.1')
    self.assertEqual(code, 2)
    self.assertIn('--learning_rate was 0.001, is 0.1', err)
    self.assertEqual(_run(self.path, '--epochs=2', '--overwrite')[0], 0)
    self.assertLen(_metrics(self.path), 2)

  def test_batch_larger_than_the_data_writes_nothing(self):
    code, _, err = _run(self.path, '--batch_size=201')
    self.assertEqual(code, 2)
    self.assertIn('--batch_size=201: larger than the 200 training examples', err)
    self.assertFalse(self.path.exists())

  @parameterized.parameters(
    (['--dp'], '--dp: how private? Give --dp_target_epsilon'),
    (
      ['--dp', '--dp_target_epsilon=3', '--dp_noise_multiplier=1'],
      'give one of them',
    ),
    (['--dp', '--dp_noise_multiplier=0'], '--dp_noise_multiplier=0.0: must be'),
    (['--dp', '--dp_noise_multiplier=nan'], '--dp_noise_multiplier=nan: must be'),
    (['--dp', '--dp_noise_multiplier=1e-3'], '--dp_noise_multiplier=0.001: must be'),
    (['--dp', '--dp_target_epsilon=-1'], '--dp_target_epsilon=-1.0: must be'),
    (
      ['--dp', '--dp_target_epsilon=1e-9', '--dp_delta=1e-12'],
      '--dp_target_epsilon=1e-09: even --dp_noise_multiplier=10000',
    ),
    ([*_DP, '--dp_l2_norm_clip=0'], '--dp_l2_norm_clip=0.0: must be'),
    ([*_DP, '--dp_l2_norm_clip=nan'], '--dp_l2_norm_clip=nan: must be'),
    ([*_DP, '--dp_delta=0'], '--dp_delta=0.0: must be at least 1e-12'),
    ([*_DP, '--dp_delta=1'], '--dp_delta=1.0: must be at least 1e-12'),
    ([*_DP, '--dp_engine=fast'], '--dp_engine=fast: must be one of auto'),
    ([*_DP, '--dp_sampling=poison'], 'did you mean poisson'),
    (
      [*_DP, '--dp_engine=tf_privacy_model', '--dp_sampling=poisson'],
      '--dp_sampling=poisson: --dp_engine=tf_privacy_model',
    ),
    (
      [*_DP, '--dp_engine=tf_privacy_optimizer', '--dp_sampling=poisson'],
      '--dp_sampling=poisson: --dp_engine=tf_privacy_optimizer',
    ),
    ([*_DP, '--dp_num_microbatches=4'], 'only --dp_engine=tf_privacy_optimizer'),
    (
      [*_DP, '--dp_engine=tf_privacy_optimizer', '--dp_num_microbatches=7'],
      '--dp_num_microbatches=7: does not divide a batch of 64',
    ),
    (
      [*_DP, '--dp_engine=tf_privacy_optimizer', '--dp_num_microbatches=16'],
      '--dp_num_microbatches=16: does not divide the last batch of 8',
    ),
    ([*_DP, '--batch_size=201'], '--batch_size=201: larger than the 200 training'),
    ([*_DP, '--mixed_precision'], '--mixed_precision: gradients in 16-bit'),
    ([*_DP, '--recurrent_kernel=split'], '--recurrent_kernel=split: has no effect'),
    (
      ['--model=cnn', '--num_conv=1', '--recurrent_kernel=split'],
      '--recurrent_kernel=split: has no effect with --model=cnn',
    ),
    (['--model=mlp', '--recurrent_kernel=keras'], 'no effect with --model=mlp'),
    (['--recurrent_kernel=fast'], '--recurrent_kernel=fast: must be one of'),
    (
      ['--recurrent_kernel=split', '--mixed_precision'],
      '--recurrent_kernel=split computes in 32-bit floats',
    ),
  )
  def test_training_that_cannot_be_is_refused_and_writes_nothing(self, given, part):
    code, out, err = commands.call(
      train, '--train_size=200', '--test_size=100', f'--run_dir={self.path}', *given
    )
    self.assertEqual((code, out), (2, ''))
    self.assertStartsWith(err, 'python -m rnn_tf.train: ')
    self.assertIn(part, err)
    self.assertLen(err.splitlines(), 1)
    self.assertFalse(self.path.exists())

  @parameterized.parameters(
    '--dp_target_epsilon=3',
    '--dp_noise_multiplier=1.1',
    '--dp_l2_norm_clip=1',
    '--dp_delta=1e-5',
    '--dp_engine=exact',
    '--dp_sampling=shuffle',
    '--dp_num_microbatches=1',
  )
  def test_flag_of_private_training_is_refused_without_dp(self, flag):
    code, _, err = _run(self.path, flag)
    self.assertEqual(code, 2)
    name = flag.split('=')[0]
    self.assertEqual(
      err, f'python -m rnn_tf.train: {name} has no effect without --dp: add --dp\n'
    )
    self.assertFalse(self.path.exists())

  def test_plain_run_in_the_folder_of_a_private_one_is_refused(self):
    self.assertEqual(_run(self.path, '--epochs=1', '--attacks=', *_DP)[0], 0)
    code, _, err = _run(self.path, '--epochs=1', '--attacks=')
    self.assertEqual(code, 2)
    self.assertIn('--dp was True, is False', err)
    code, _, err = _run(
      self.path, '--epochs=1', '--attacks=', '--dp', '--dp_noise_multiplier=2'
    )
    self.assertEqual(code, 2)
    self.assertIn('--dp_noise_multiplier was 1.0, is 2.0', err)

  def test_diverging_loss_stops_and_keeps_what_was_written(self):
    code, _, err = _run(
      self.path, '--model=mlp', '--optimizer=sgd', '--learning_rate=1e30'
    )
    self.assertEqual(code, 2)
    self.assertRegex(err, 'became nan in epoch 1: training has diverged')
    self.assertTrue((self.path / 'config.json').exists())
    self.assertFalse((self.path / 'result.json').exists())

  def test_memory_that_runs_out_is_one_line(self):
    error = tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating')
    with absltest.mock.patch.object(training, 'fit', side_effect=error):
      code, _, err = _run(self.path)
    self.assertEqual(code, 2)
    self.assertIn('not enough memory (OOM when allocating): lower --batch_size', err)

  def test_next_command_finds_the_data_where_it_was(self):
    folder = self.create_tempdir().full_path
    code, out, err = _run(self.path, '--epochs=1', f'--data_dir={folder}')
    self.assertEqual(code, 0, err)
    self.assertIn(f'--run={self.path} --data_dir={folder}', out)

  def test_holdout_nonmembers_come_from_the_training_pool(self):
    code, _, err = _run(self.path, '--epochs=1', '--nonmembers=holdout')
    self.assertEqual(code, 0, err)
    with np.load(self.path / 'scores/epoch-0001.npz') as scores:
      members, nonmembers = scores['member_ids'], scores['nonmember_ids']
    with np.load(self.path / 'examples.npz') as examples:
      np.testing.assert_array_equal(nonmembers, examples['holdout_ids'])
    self.assertEmpty(set(members) & set(nonmembers))

  def test_report_members_limits_the_members_attacked(self):
    _run(self.path, '--epochs=1', '--report_members=50')
    entire = [line for line in _privacy(self.path) if line['slice'] == 'entire']
    self.assertEqual({(r['n_members'], r['n_nonmembers']) for r in entire}, {(50, 100)})

  def test_no_attacks_gives_a_run_without_reports(self):
    code, out, err = _run(self.path, '--epochs=1', '--attacks=')
    self.assertEqual(code, 0, err)
    self.assertFalse((self.path / 'privacy.jsonl').exists())
    self.assertNotIn('AUC', out)


class KilledTest(private_runs.PrivateRunTestCase):
  def _start(self, path, *arguments):
    return subprocess.Popen(
      [sys.executable, '-m', 'rnn_tf.train', *_flags(path, *arguments)],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )

  @parameterized.parameters([()], [_DP])
  def test_killed_run_ends_as_if_it_had_not_been_killed(self, arguments):
    folder = pathlib.Path(self.create_tempdir().full_path)
    whole, killed = folder / 'whole', folder / 'killed'
    self.assertEqual(self._start(whole, *arguments).wait(), 0)
    process = self._start(killed, *arguments)
    for line in process.stderr:  # In the middle of epoch 3.
      if line.startswith('epoch 2/4'):
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        break
    process.communicate()
    self.assertEqual(process.returncode, -signal.SIGKILL)
    self.assertFalse((killed / 'result.json').exists())
    resumed = self._start(killed, *arguments)
    _, err = resumed.communicate()
    self.assertEqual(resumed.returncode, 0, err)
    self.assertIn('going on after epoch', err)
    self.assertEqual(_metrics(whole), _metrics(killed))
    self.assertEqual(_privacy(whole), _privacy(killed))
    self.assert_same_weights(whole, killed)

  def test_run_killed_between_report_and_checkpoint_repeats_no_epoch(self):
    path = pathlib.Path(self.create_tempdir().full_path) / 'run'
    save = training.Checkpoints.save

    def killed_in_epoch_2(checkpoints, epoch, **kwargs):
      if epoch == 2:
        raise KeyboardInterrupt
      save(checkpoints, epoch, **kwargs)

    with absltest.mock.patch.object(training.Checkpoints, 'save', killed_in_epoch_2):
      code, _, err = _run(path)
    self.assertEqual(code, 130, err)
    self.assertLen(_metrics(path), 2)
    self.assertEqual({line['epoch'] for line in _privacy(path)}, {2})
    self.assertEqual(_run(path)[0], 0)
    self.assertEqual([int(r['epoch']) for r in _metrics(path)], [1, 2, 3, 4])
    self.assertLen(_privacy(path), 2 * 2 * 11)


if __name__ == '__main__':
  absltest.main()
