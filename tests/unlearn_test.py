"""Tests of the unlearn command, on small digits runs."""

import json
import os
import pathlib
import shutil
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack, deletion_records, infer, report, train, unlearn
from rnn_tf.deletion import results
from rnn_tf.runs import RunFolder
from rnn_tf.sharding import constituent
from rnn_tf.sharding.folder import ShardedFolder
from tests.commands import call

HALF = ('--train_fraction=0.5', '--nonmembers=holdout')
SMALL = (
  '--model=mlp',
  '--hidden_size=8',
  '--epochs=2',
  '--attacks=threshold',
  '--batch_size=32',
)
SEQUENTIAL = '--shard_training=sequential'


class UnlearnTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.trained = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.trained)
    code, _, err = call(train, *SMALL, *HALF, f'--run_dir={cls.trained / "half-s0"}')
    assert code == 0, err

  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(tempfile.mkdtemp())
    self.addCleanup(shutil.rmtree, self.root)
    self.run_dir = self.root / 'half-s0'

  def train(self, *flags):
    if not flags:
      shutil.copytree(self.trained / 'half-s0', self.run_dir)
      return
    code, _, err = call(train, *SMALL, *HALF, *flags, f'--run_dir={self.run_dir}')
    assert code == 0, err

  def unlearn(self, *flags, run=None):
    return call(unlearn, f'--run={run or self.run_dir}', *flags)

  def made(self, *flags):
    code, out, err = self.unlearn(*flags)
    self.assertEqual(code, 0, err)
    (folder,) = (self.run_dir / 'deletions').glob('*/')
    return deletion_records.load(folder), out, err

  def assert_refused(self, outcome, *texts):
    code, out, err = outcome
    self.assertEqual((code, out), (2, ''), err)
    line = err.strip().splitlines()[-1]
    for text in texts:
      self.assertIn(text, line)
    self.assertNotIn('Traceback', err)

  def names(self):
    return sorted(path.name for path in self.root.iterdir())

  def test_siblings_are_made_audited_and_recorded(self):
    self.train()
    record, out, err = self.made('--fractions=0.1', SEQUENTIAL)
    self.assertIn('no speed-up', err)
    self.assertLess(err.index('no speed-up'), err.index('model 1 of 3'))
    self.assertEqual(
      self.names(),
      [
        'half-s0',
        'half-s0-retrain-uniform-10pct',
        'half-s0-sharded5',
        'half-s0-sharded5-uniform-10pct',
      ],
    )
    self.assertEqual(
      {version.method for version in record.findings.versions},
      {'original', 'retrain', 'sharded_original', 'sharded'},
    )
    shares = {cost.method: cost.share for cost in record.costs}
    self.assertEqual(
      shares, {'original': 1, 'retrain': 1, 'sharded_original': 1, 'sharded': 1}
    )
    folder = self.run_dir / 'deletions' / record.label
    names = {path.name for path in folder.iterdir()}
    self.assertContainsSubset({'deletion.json', 'report.md'}, names)
    again = self.unlearn('--fractions=0.1', SEQUENTIAL)
    self.assertEqual(again[:2], (0, out))
    self.assertIn('there already', again[2])

  def test_retrained_run_records_parent_and_lost_only_the_deleted(self):
    self.train()
    self.made('--fractions=0.1', '--method=retrain')
    retrained = RunFolder(self.root / 'half-s0-retrain-uniform-10pct')
    before = RunFolder(self.run_dir).read_npz('examples.npz')
    after = retrained.read_npz('examples.npz')
    gone = after['forget_ids']
    self.assertLen(gone, round(0.1 * len(before['train_ids'])))
    np.testing.assert_array_equal(
      after['train_ids'], np.setdiff1d(before['train_ids'], gone)
    )
    np.testing.assert_array_equal(
      after['holdout_ids'], np.union1d(before['holdout_ids'], gone)
    )
    deleted = retrained.config().deleted
    self.assertEqual(
      (deleted.parent, deleted.method, deleted.forget),
      ('half-s0', 'retrain', 'uniform-10pct'),
    )
    self.assertIn('rnn_tf.unlearn', retrained.record()['command'])
    self.assertEqual(
      retrained.config().training, RunFolder(self.run_dir).config().training
    )

  def test_retrained_run_equals_one_trained_without_the_examples(self):
    # The same seed and the same examples, in whatever way they came about.
    self.train()
    self.made('--fractions=0.1', '--method=retrain')
    first = RunFolder(self.root / 'half-s0-retrain-uniform-10pct')
    ids = self.root / 'ids.txt'
    gone = first.read_npz('examples.npz')['forget_ids']
    ids.write_text('# asked for\n' + '\n'.join(map(str, gone.tolist())) + '\n')
    code, _, err = self.unlearn('--method=retrain', f'--forget_ids={ids}')
    self.assertEqual(code, 0, err)
    (second,) = self.root.glob('half-s0-retrain-ids-*')
    for name in ('final', 'best'):
      file = f'weights/{name}.weights.h5'
      self.assertEqual(
        *(_weights(path / file) for path in (first.path, second)), msg=name
      )

  def test_other_commands_take_a_retrained_run(self):
    self.train()
    self.made('--fractions=0.1', '--method=retrain')
    run = self.root / 'half-s0-retrain-uniform-10pct'
    code, _, err = call(infer, f'--run={run}', '--num_examples=2')
    self.assertEqual(code, 0, err)
    flags = '--attack=lira', '--num_shadows=4', '--fleet=sequential'
    code, _, err = call(
      attack, f'--run={run}', *flags, f'--fleet_dir={self.root / "fleet"}'
    )
    self.assertEqual(code, 0, err)
    out_dir = f'--report_dir={self.root / "page"}'
    code, _, err = call(report, f'--runs={self.root}/half-s0*', out_dir)
    self.assertEqual(code, 0, err)

  def test_seeds_have_originals_and_forget_sets_of_their_own(self):
    self.train()
    record, _, _ = self.made('--fractions=0.1', '--method=retrain,none', '--seeds=0,3')
    self.assertEqual(record.seeds, (0, 3))
    self.assertContainsSubset(
      ['half-s3', 'half-s3-retrain-uniform-10pct'], self.names()
    )
    gone = [
      RunFolder(self.root / f'half-s{seed}-retrain-uniform-10pct').read_npz(
        'examples.npz'
      )['forget_ids']
      for seed in (0, 3)
    ]
    self.assertFalse(np.array_equal(*gone))
    (verdict,) = (
      verdict
      for verdict in record.findings.verdicts
      if (verdict.method, verdict.attack) == ('none', 'threshold')
    )
    self.assertLen(verdict.comparison.seeds, 2)

  def test_killed_sharded_training_resumes_at_the_stage(self):
    self.train()
    flags = '--fractions=0.1', '--method=sharded', '--num_slices=2', SEQUENTIAL
    trained, train_stage = [], constituent._train_stage

    def kill(model, task, examples, stage):
      if len(trained) == 3:
        raise KeyboardInterrupt
      trained.append((task.folder.parent.parent.name, task.shard, stage))
      train_stage(model, task, examples, stage)

    with mock.patch.object(constituent, '_train_stage', kill):
      code, _, err = self.unlearn(*flags)
    self.assertEqual(code, 130, err)
    self.assertNotIn('deletion.json', str(list(self.run_dir.rglob('*'))))

    def go_on(model, task, examples, stage):
      trained.append((task.folder.parent.parent.name, task.shard, stage))
      train_stage(model, task, examples, stage)

    with mock.patch.object(constituent, '_train_stage', go_on):
      code, out, err = self.unlearn(*flags)
    self.assertEqual(code, 0, err)
    self.assertLen(set(trained), len(trained))
    self.run_dir.rename(self.root / 'aside')
    for path in self.root.glob('half-s0-*'):
      shutil.rmtree(path)
    (self.root / 'aside').rename(self.run_dir)
    shutil.rmtree(self.run_dir / 'deletions')
    code, again, err = self.unlearn(*flags)
    self.assertEqual(code, 0, err)
    self.assertEqual(_without_seconds(again), _without_seconds(out))

  def test_dry_run_says_the_cost_and_writes_nothing(self):
    self.train()
    before = self.names()
    code, out, err = self.unlearn(
      '--dry_run', '--deletion=uniform,grouped', '--fractions=0.05'
    )
    self.assertEqual(code, 0, err)
    self.assertIn('sharded5-uniform-5pct: 1.00 of full retraining, 5 of 5', out)
    self.assertRegex(
      out, r'sharded5-grouped1of5-5pct: 0\.1\d of full retraining, 1 of 5'
    )
    self.assertIn('uniform-5pct touches every shard', out)
    self.assertEqual(self.names(), before)
    self.assertFalse((self.run_dir / 'deletions').exists())

  @parameterized.named_parameters(
    ('fraction', ['--fractions=1.5'], ('--fractions=1.5', 'between 0 and 1')),
    ('nothing', ['--fractions=0.0001'], ('--fractions=0.0001', 'none')),
    (
      'groups',
      ['--num_shards=400', '--num_slices=2'],
      ('--num_shards=400', 'training examples'),
    ),
    (
      'too_many_groups',
      ['--deletion=grouped', '--num_groups=6'],
      ('--num_groups=6', '--num_shards=5'),
    ),
    (
      'group_too_small',
      ['--deletion=grouped', '--fractions=0.3'],
      ('--fractions=0.3', '--num_groups=1'),
    ),
    ('class', ['--forget_class=11'], ('--forget_class=11', '0, 1, 2')),
    ('fleet', ['--shadow_fleet=/no/such'], ('--shadow_fleet=/no/such',)),
    ('seed', ['--seeds=0,x'], ('--seeds=x',)),
    ('label', ['--label=../x'], ('--label=../x',)),
    ('no_file', ['--forget_ids=/no/such'], ('--forget_ids=/no/such', 'No such file')),
  )
  def test_bad_request_is_refused_and_writes_nothing(self, flags, texts):
    self.train()
    before = sorted(map(str, self.root.rglob('*')))
    self.assert_refused(self.unlearn(*flags), *texts)
    self.assertEqual(sorted(map(str, self.root.rglob('*'))), before)

  def test_ids_that_were_not_trained_on_are_listed(self):
    self.train()
    held = RunFolder(self.run_dir).read_npz('examples.npz')['holdout_ids'][:2]
    ids = self.root / 'ids.txt'
    ids.write_text('\n'.join(map(str, held.tolist())))
    self.assert_refused(
      self.unlearn(f'--forget_ids={ids}'),
      '2 of 2 are not among',
      f'{held[0]}, {held[1]}',
    )

  def test_shard_left_empty_is_refused(self):
    self.train()
    train_ids = RunFolder(self.run_dir).read_npz('examples.npz')['train_ids']
    code, _, err = self.unlearn('--method=sharded', '--fractions=0.1', SEQUENTIAL)
    self.assertEqual(code, 0, err)
    kept = RunFolder(self.root / 'half-s0-sharded5').read_npz('examples.npz')
    ids = self.root / 'ids.txt'
    ids.write_text('\n'.join(map(str, train_ids[kept['shards'] == 2].tolist())))
    self.assert_refused(
      self.unlearn('--method=sharded', f'--forget_ids={ids}'), 'shard 2', 'without'
    )

  def test_unfinished_parent_is_refused(self):
    self.train()
    (self.run_dir / 'result.json').unlink()
    self.assert_refused(self.unlearn(), 'not finished', 'rnn_tf.train')

  def test_sharded_model_as_parent_is_refused(self):
    self.train()
    self.made('--method=sharded', '--fractions=0.1', SEQUENTIAL)
    self.assert_refused(
      self.unlearn(run=self.root / 'half-s0-sharded5'),
      'is a sharded model',
      str(self.run_dir),
    )

  def test_sibling_of_another_deletion_is_refused(self):
    self.train()
    self.made('--fractions=0.1', '--method=retrain')
    self.train('--overwrite', '--learning_rate=0.01')
    self.assert_refused(
      self.unlearn('--fractions=0.1', '--method=retrain'),
      'half-s0-retrain-uniform-10pct holds another run',
      '--learning_rate was 0.001, is 0.01',
    )

  def test_retrained_run_can_be_deleted_from_again(self):
    self.train()
    self.made('--fractions=0.1', '--method=retrain')
    first = self.root / 'half-s0-retrain-uniform-10pct'
    code, _, err = self.unlearn('--fractions=0.05', '--method=retrain', run=first)
    self.assertEqual(code, 0, err)
    second = RunFolder(f'{first}-retrain-uniform-5pct')
    gone = RunFolder(first).read_npz('examples.npz')['forget_ids']
    kept = second.read_npz('examples.npz')
    self.assertEmpty(np.intersect1d(kept['train_ids'], gone))
    (folder,) = (first / 'deletions').glob('*/')
    (original, _) = deletion_records.load(folder).findings.versions
    # What was deleted before is not taken for unseen: an earlier model has seen it.
    held = len(RunFolder(self.run_dir).read_npz('examples.npz')['holdout_ids'])
    self.assertEqual(original.attacks[0].forgotten.n_second, held)
    self.assert_refused(self.unlearn('--seeds=0,1', run=first), '--seeds=1')

  def test_fine_tuned_run_is_no_parent_and_its_deleted_are_no_nonmembers(self):
    self.train()
    self.made('--fractions=0.1', '--method=finetune', '--finetune_epochs=1')
    tuned = self.root / 'half-s0-finetune1-uniform-10pct'
    kept = RunFolder(tuned).read_npz('examples.npz')
    gone = kept['forget_ids']
    self.assertNotEmpty(gone)
    self.assertEmpty(np.intersect1d(kept['train_ids'], gone))
    self.assertEmpty(np.intersect1d(kept['holdout_ids'], gone))
    self.assert_refused(self.unlearn(run=tuned), 'was fine-tuned', 'half-s0')

  def test_sharded_retrain_needs_no_other_folder(self):
    self.train()
    flags = '--fractions=0.1', '--deletion=grouped', '--method=sharded', SEQUENTIAL
    self.made(*flags)
    folder = ShardedFolder(self.root / 'half-s0-sharded5-grouped1of5-10pct')
    before = folder.load()
    shutil.rmtree(self.root / 'half-s0-sharded5')
    for one, other in zip(before, folder.load(), strict=True):
      np.testing.assert_array_equal(one, other)

  def test_sharded_originals_of_other_numbers_are_shown_beside(self):
    self.train()
    self.made('--fractions=0.1', '--method=sharded', '--num_shards=2', SEQUENTIAL)
    shutil.rmtree(self.run_dir / 'deletions')
    # Of another training of the original: it is no longer one of its.
    strange = self.root / 'half-s0-sharded7'
    shutil.copytree(self.root / 'half-s0-sharded2', strange)
    manifest = json.loads((strange / 'sharded.json').read_text())
    manifest['key'] |= {'num_shards': 7, 'model': {}}
    (strange / 'sharded.json').write_text(json.dumps(manifest))
    record, _, _ = self.made(
      '--fractions=0.1', '--method=sharded', '--num_shards=3', SEQUENTIAL
    )
    found = [each.num_shards for each in record.shard_accuracies]
    self.assertEqual(found, [1, 2, 3])

  def test_run_named_by_a_dot_has_its_siblings_beside_it(self):
    self.train()
    here = os.getcwd()
    self.addCleanup(os.chdir, here)
    os.chdir(self.run_dir)
    code, _, err = self.unlearn('--fractions=0.1', '--method=retrain', run='.')
    self.assertEqual(code, 0, err)
    self.assertIn('half-s0-retrain-uniform-10pct', self.names())

  def test_one_class_is_compared_with_unseen_of_that_class(self):
    self.train()
    record, _, _ = self.made('--forget_class=3', '--method=retrain')
    (forget,) = record.forget_sets
    self.assertEqual((forget.label, forget.kind), ('class-3', 'class'))
    version = record.findings.versions[0]
    unseen = version.attacks[0].forgotten.n_second
    self.assertTrue(record.matched)
    self.assertBetween(unseen, 50, 90)
    # The retained are of all classes, and so are those that they are held against.
    retained = version.attacks[0].retained.n_second
    self.assertEqual(retained, 719)

  def test_private_run_is_not_sharded(self):
    self.train('--dp', '--dp_noise_multiplier=1.0')
    self.assert_refused(self.unlearn('--method=sharded'), '--method=sharded', '--dp')
    self.assert_refused(self.unlearn('--method=finetune'), '--method=finetune', '--dp')

  def test_falling_learning_rate_is_not_sliced(self):
    self.train('--learning_rate_decay=linear')
    self.assert_refused(
      self.unlearn('--num_slices=2'), '--num_slices=2', '--learning_rate_decay=linear'
    )

  def test_fleet_of_the_run_is_used_for_lira(self):
    self.train()
    fleet = self.root / 'fleet'
    flags = '--attack=lira', '--num_shadows=4', '--fleet=sequential'
    code, _, err = call(attack, f'--run={self.run_dir}', *flags, f'--fleet_dir={fleet}')
    self.assertEqual(code, 0, err)
    record, _, _ = self.made(
      '--fractions=0.1', '--method=retrain,none', f'--shadow_fleet={fleet}'
    )
    self.assertEqual((record.fleet_name, record.fleet_size), ('fleet', 4))
    self.assertEqual(record.attacks, ('threshold', 'lr', 'lira'))
    again = '--fractions=0.1', '--method=retrain,none'
    self.assertEqual(self.unlearn(*again, f'--shadow_fleet={fleet}')[0], 0)
    self.assert_refused(
      self.unlearn(*again, '--shadow_fleet=none'),
      'made with the shadow models fleet, not none',
      '--overwrite',
    )


class ControlsTest(parameterized.TestCase):
  """What has to come out on a model that memorises."""

  def test_nothing_deleted_is_not_forgotten_and_a_second_retrain_is(self):
    with tempfile.TemporaryDirectory() as root:
      run = pathlib.Path(root) / 'mlp-s0'
      flags = (
        *('--model=mlp', '--hidden_size=64', '--epochs=100', '--batch_size=32'),
        *('--learning_rate=0.003', '--train_fraction=0.1', '--nonmembers=holdout'),
      )
      code, _, err = call(train, *flags, '--attacks=', f'--run_dir={run}')
      self.assertEqual(code, 0, err)
      code, _, err = call(
        unlearn,
        f'--run={run}',
        '--fractions=0.5',
        '--method=retrain,none,twin',
        '--seeds=0,1,2',
        '--label=controls',
      )
      self.assertEqual(code, 0, err)
      record = deletion_records.load(run / 'deletions' / 'controls')
    words = {
      (verdict.method, verdict.attack): verdict.word
      for verdict in record.findings.verdicts
    }
    self.assertEqual(words['none', 'threshold'], results.NOT_FORGOTTEN)
    self.assertEqual(words['twin', 'threshold'], results.FORGOTTEN)


def _weights(path):
  import h5py

  with h5py.File(path) as file:
    found = {}
    file.visititems(
      lambda name, item: (
        found.update({name: item[()].tolist()}) if hasattr(item, 'shape') else None
      )
    )
  return json.dumps(found, sort_keys=True)


def _without_seconds(text):
  return [line for line in text.splitlines() if ' s' not in line]


if __name__ == '__main__':
  absltest.main()
