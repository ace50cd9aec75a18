"""A deletion whose models are made by a real Ray of two machines."""

import dataclasses
import json
import pathlib
import shlex
import sys

import numpy as np
from absl.testing import absltest

from rnn_tf import train, unlearn, unlearn_cluster
from rnn_tf.errors import UsageError
from rnn_tf.machines import Machines
from tests import commands, ray_cluster

_TIMES = ('seconds', 'wall_seconds', 'began', 'report_seconds')


def _contents(folder):
  """Returns what a model's folder holds, without times, commands and names."""
  found = {}
  for path in sorted(folder.rglob('*')):
    name = path.relative_to(folder).as_posix()
    if path.suffix == '.npz':
      with np.load(path) as arrays:
        found[name] = {key: arrays[key].tobytes() for key in arrays}
    elif path.suffix in ('.h5', '.jsonl', '.png'):
      found[name] = path.read_bytes()
    elif path.name == 'metrics.csv':
      rows = [line.split(',')[:5] for line in path.read_text().splitlines()]
      found[name] = rows
    elif path.name == 'result.json' or path.name.startswith('slice-'):
      values = json.loads(path.read_text())
      found[name] = {k: v for k, v in values.items() if k not in (*_TIMES, 'workers')}
      found[name]['mode'] = path.stat().st_mode
      for shard in found[name].get('shards', ()):
        del shard['seconds']
    elif path.is_file() and path.name not in ('.lock', 'config.json', 'sharded.json'):
      # Pages and TensorBoard's files hold times.
      found[name.split('events.')[0]] = path.stat().st_mode & 0o777
  return found


class MakingTest(absltest.TestCase):
  def test_model_that_cannot_begin_stops_no_other(self):
    class Machines:
      at_once = 1

      def side_by_side(self, work, tasks, shared, **rest):
        self.sent = tasks
        yield from ((number, 'trained') for number, _ in tasks)

    def begin(making, number, stack):
      if number == 1:
        raise UsageError('its original is missing')
      return ['parcel']

    kept, machines = [], Machines()
    with (
      absltest.mock.patch.object(unlearn_cluster._Making, 'begin', begin),
      absltest.mock.patch.object(
        unlearn_cluster._Making,
        'keep',
        lambda making, number, result, at_once: kept.append((number, result)),
      ),
    ):
      failed = unlearn_cluster._make([None] * 3, machines, {})
    self.assertEqual(failed, ['its original is missing'])
    self.assertEqual(machines.sent, [(0, 'parcel'), (2, 'parcel')])
    self.assertEqual(kept, [(0, 'trained'), (2, 'trained')])


class UnlearnClusterTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.cluster = ray_cluster.start(cls)

  def call(self, command, *arguments):
    code, out, err = commands.call(command, *arguments)
    self.assertEqual(code, 0, err)
    return out, err

  def test_models_made_on_a_cluster_are_those_made_here(self):
    # Batches of two streams here, of 32 rows on another machine of one core.
    folder = pathlib.Path(self.create_tempdir().full_path)
    for where in ('here', 'there'):
      run = folder / where / 'half-s0'
      self.call(
        train,
        '--train_fraction=0.5',
        '--nonmembers=holdout',
        '--epochs=2',
        '--hidden_size=4',
        '--attacks=threshold',
        '--deterministic',
        f'--run_dir={run}',
      )
      more = ['--shard_training=sequential']
      if where == 'there':
        more = ['--fleet=ray', f'--ray_address={self.cluster.address}']
      _, err = self.call(
        unlearn,
        f'--run={run}',
        '--method=retrain,sharded,finetune',
        '--fractions=0.05',
        '--deletion=grouped',
        '--num_shards=2',
        '--num_slices=2',
        '--seeds=1',
        *more,
      )
    self.assertIn('cluster: 2 machines, 2 models at once', err)
    names = sorted(path.name for path in (folder / 'here').iterdir())
    self.assertLen(names, 6)
    self.assertEqual(names, sorted(path.name for path in (folder / 'there').iterdir()))
    for name in names:
      one, two = (_contents(folder / where / name) for where in ('here', 'there'))
      self.assertGreater(len(one), 2)
      if 'deletions' not in name:
        self.assertEqual(list(one), list(two), name)
        for file, content in one.items():
          same = content == two[file]
          self.assertTrue(same, f'{name}/{file}')
    with self.subTest('the record names the command here, not that of the machine'):
      (path,) = (folder / 'there').glob('half-s1-retrain-*/config.json')
      record = json.loads(path.read_text())
      self.assertIn('rnn_tf.unlearn', record['command'])
      self.assertIn(shlex.join(sys.argv[1:]), record['command'])
      self.assertEqual(record['name'], path.parent.name)

  def test_version_that_fails_is_named_and_the_rest_is_made(self):
    folder = pathlib.Path(self.create_tempdir().full_path)
    run = folder / 'half-s0'
    self.call(
      train,
      '--model=mlp',
      '--train_fraction=0.5',
      '--nonmembers=holdout',
      '--epochs=1',
      '--attacks=',
      f'--run_dir={run}',
    )
    arguments = [
      f'--run={run}',
      '--method=retrain,twin',
      '--fractions=0.05',
      '--fleet=ray',
      f'--ray_address={self.cluster.address}',
    ]
    original = Machines._submit

    def submit(machines, work, task, placed):
      if 'twin' in task.name:
        number, parcel = task.task
        # No such parcel: the work raises.
        task.task = number, dataclasses.replace(parcel, model=None)
      return original(machines, work, task, placed)

    with absltest.mock.patch.object(Machines, '_submit', submit):
      code, _, err = commands.call(unlearn, *arguments)
    self.assertEqual(code, 2, err)
    self.assertIn('half-s0-twin-uniform-5pct: try 3 of 3 failed on machine', err)
    last = err.splitlines()[-1]
    self.assertIn(
      '1 of 2 could not be trained: half-s0-twin-uniform-5pct (AttributeError', last
    )
    self.assertTrue((folder / 'half-s0-retrain-uniform-5pct/result.json').exists())
    self.assertFalse((folder / 'half-s0-twin-uniform-5pct/result.json').exists())
    _, err = self.call(unlearn, *arguments)
    self.assertIn('tasks to train: 1, for models: 1', err)


if __name__ == '__main__':
  absltest.main()
