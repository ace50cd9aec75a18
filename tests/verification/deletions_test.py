"""Verifies real deletions from small digits runs, untouched and edited by hand."""

import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack, train, unlearn
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.verification import verification
from tests.commands import call
from tests.verifiable_runs import change, moves, sets, takes

RUN = ('--model=mlp', '--hidden_size=8', '--epochs=2', '--batch_size=32')
HALF = ('--train_fraction=0.5', '--nonmembers=holdout', '--attacks=threshold')
JSON = 'deletions/mine/deletion.json'
RETRAINED, SHARDED = (
  f'half-s0-{name}-uniform-10pct' for name in ('retrain', 'sharded2')
)


def row_of(values, table, **which):
  """Returns the one row of a table of which this is true."""
  (found,) = (
    row
    for row in values['findings'][table]
    if all(row[name] == value for name, value in which.items())
  )
  return found


def in_row(table, *way, by=0.001, **which):
  """Returns an edit that adds to a number of a row."""

  def edit(values):
    moves(*way, by=by)(row_of(values, table, **which))

  return edit


class Case(parameterized.TestCase):
  def run_folder(self, name):
    """Returns a copy of a run with all that lies beside it."""
    root = pathlib.Path(self.create_tempdir().full_path)
    shutil.copytree(self.made, root / 'all')
    return root / 'all/runs' / name

  def verify(self, path):
    return verification.verify(RunFolder(path))

  def assert_found(self, path, *expected):
    found = [str(check) for check in self.verify(path).mismatches]
    for text in expected:
      self.assertTrue(any(text in x for x in found), f'{text!r} not in {found}')

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.made = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.made)

  @classmethod
  def call(cls, command, *flags):
    code, _, err = call(command, *flags)
    assert code == 0, err


class DrawnDeletionTest(Case):
  """Two seeds, a uniform deletion, retrained and sharded, with shadow models."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    run, fleet = cls.made / 'runs/half-s0', cls.made / 'fleets/mine'
    cls.call(train, *RUN, *HALF, f'--run_dir={run}')
    flags = '--attack=lira', '--num_shadows=4', '--fleet=sequential'
    cls.call(attack, f'--run={run}', *flags, f'--fleet_dir={fleet}')
    shutil.rmtree(run / 'attacks')
    cls.call(
      unlearn,
      f'--run={run}',
      '--fractions=0.1',
      '--method=retrain,sharded,none',
      '--num_shards=2',
      '--seeds=0,1',
      '--shard_training=sequential',
      f'--shadow_fleet={fleet}',
      '--label=mine',
    )
    # So that a copy finds its own.
    change(run / JSON, lambda x: x.update(command='python -m rnn_tf.unlearn'))

  def test_an_untouched_deletion_has_no_mismatch(self):
    found = self.verify(self.run_folder('half-s0'))
    self.assertEqual([str(check) for check in found.mismatches], [])
    self.assertGreater(found.counts[JSON], 1500)
    self.assertEqual(found.counts[f'../{RETRAINED}/examples.npz'], 2)
    text = '\n'.join(found.not_checked)
    self.assertIn('accuracy on the test images', text)
    self.assertNotIn('lira', text)
    self.assertNotIn('figures of', text)

  def test_without_shadow_models_the_rest_is_audited(self):
    path = self.run_folder('half-s0')
    shutil.rmtree(path.parent.parent / 'fleets')
    change(
      path / JSON,
      in_row(
        'histograms',
        'unseen',
        3,
        forget='uniform-10pct',
        method='retrain',
        attack='threshold',
      ),
    )
    found = self.verify(path)
    self.assertLen(found.mismatches, 2)
    self.assertIn('figures of lira: the shadow models', '\n'.join(found.not_checked))

  def test_a_missing_model_is_said_and_the_rest_audited(self):
    path = self.run_folder('half-s0')
    shutil.rmtree(path.parent / SHARDED)
    change(
      path / JSON,
      in_row(
        'versions', 'attacks', 0, 'forgotten', 'low', by=-0.01, method='retrain', seed=1
      ),
    )
    found = self.verify(path)
    texts = [str(check) for check in found.mismatches]
    self.assertLen(texts, 1)
    self.assertIn('versions, seed 1, uniform-10pct, retrain, threshold', texts[0])
    text = '\n'.join(found.not_checked)
    self.assertIn(
      f'figures of sharded, uniform-10pct, seed 0: its folder {SHARDED}', text
    )
    self.assertIn('histograms of uniform-10pct', text)

  def test_what_does_not_add_up_is_found_without_any_model(self):
    path = self.run_folder('half-s0')
    for other in path.parent.iterdir():
      if other != path:
        shutil.rmtree(other)
    (path / 'deletions/outputs.npz').unlink()
    self.assertEqual(self.verify(path).mismatches, ())
    change(
      path / JSON,
      in_row('pooled', 'attacks', 1, 'forgotten', 'value', method='sharded'),
    )
    change(
      path / JSON,
      in_row(
        'verdicts',
        'comparison',
        'seeds',
        1,
        'value',
        by=1e-5,
        method='none',
        attack='threshold',
      ),
    )
    self.assert_found(
      path,
      'pooled, uniform-10pct, sharded, lr: forgotten, value',
      'verdicts, uniform-10pct, none, threshold: comparison, seeds 2, value',
    )

  @parameterized.named_parameters(
    (
      'count',
      in_row('versions', 'forgotten', 'count', by=-1, method='retrain', seed=0),
      'seed 0, uniform-10pct, retrain: forgotten, count',
    ),
    (
      'rate',
      in_row('versions', 'train', 'value', by=-1e-3, method='sharded', seed=1),
      'seed 1, uniform-10pct, sharded: train, value',
    ),
    (
      'end',
      in_row('versions', 'retained', 'high', method='none', seed=1),
      'none: retained, high',
    ),
    (
      'test',
      in_row('versions', 'test', 'value', by=-1e-3, method='none', seed=1),
      'none: test, value',
    ),
    (
      'test_count',
      in_row('pooled', 'test', 'count', by=-1, method='none'),
      'pooled, uniform-10pct, none: test, count',
    ),
    (
      'auc',
      in_row(
        'versions',
        'attacks',
        2,
        'forgotten',
        'value',
        by=1e-4,
        method='original',
        seed=1,
      ),
      'seed 1, uniform-10pct, original, lira: forgotten, value',
    ),
    (
      'n',
      in_row(
        'versions',
        'attacks',
        1,
        'retained',
        'n_first',
        by=1,
        method='sharded_original',
        seed=1,
      ),
      'retained, n_first',
    ),
    (
      'hit',
      in_row(
        'versions',
        'attacks',
        0,
        'hits',
        0,
        'false_positives',
        by=-1,
        method='original',
        seed=1,
      ),
      'threshold: hits 1, false_positives',
    ),
    (
      'tpr',
      in_row(
        'versions',
        'attacks',
        0,
        'hits',
        0,
        'tpr',
        'high',
        by=-1e-4,
        method='original',
        seed=1,
      ),
      'hits 1, tpr, high',
    ),
    (
      'pooled',
      in_row('pooled', 'attacks', 0, 'retained', 'high', method='retrain'),
      'pooled, uniform-10pct, retrain, threshold: retained, high',
    ),
    (
      'verdict',
      in_row('verdicts', 'comparison', 'high', method='sharded', attack='lr'),
      'verdicts, uniform-10pct, sharded, lr: comparison, high',
    ),
    (
      'difference',
      in_row(
        'verdicts',
        'comparison',
        'seeds',
        0,
        'value',
        by=1e-5,
        method='sharded',
        attack='lira',
      ),
      'comparison, seeds 1, value',
    ),
    (
      'needed',
      lambda x: row_of(x, 'verdicts', method='sharded', attack='lr').update(needed=77),
      'sharded, lr: needed',
    ),
    (
      'word',
      lambda x: row_of(x, 'verdicts', method='sharded', attack='lr').update(
        word='not enough data', needed=78
      ),
      'verdicts, uniform-10pct, sharded, lr: ',
    ),
    (
      'two',
      in_row(
        'two_versions',
        'seeds',
        0,
        'value',
        by=1e-4,
        method='retrain',
        features='difference',
      ),
      'retrain, difference: seeds 1, value',
    ),
    (
      'two_pooled',
      in_row(
        'two_versions',
        'pooled',
        'low',
        by=-1e-4,
        method='retrain',
        features='concatenation',
      ),
      'concatenation: pooled, low',
    ),
    (
      'exposed',
      in_row('collateral', 'exposed_after', by=1, method='sharded', attack='threshold'),
      'sharded, threshold: exposed_after',
    ),
    (
      'collateral',
      in_row(
        'collateral', 'comparison', 'low', by=-1e-4, method='sharded', attack='lr'
      ),
      'collateral, uniform-10pct, sharded, lr',
    ),
    (
      'histogram',
      in_row('histograms', 'forgotten', 7, method='sharded', attack='lira'),
      'histograms, uniform-10pct, sharded, lira: forgotten 8',
    ),
    (
      'edge',
      in_row('histograms', 'edges', 0, by=-1e-3, method='none', attack='lira'),
      'none, lira: edges 1',
    ),
    (
      'run',
      lambda x: row_of(x, 'pooled', method='retrain').update(runs=['a', 'b']),
      'pooled, uniform-10pct, retrain: runs 1',
    ),
    ('row', takes('findings', 'collateral', 0), 'collateral, uniform-10pct'),
    (
      'version',
      takes('findings', 'versions', -1),
      'versions: rows: there is',
    ),
    (
      'forget_count',
      moves('forget_sets', 0, 'count', by=1),
      'uniform-10pct, seed 0: count',
    ),
    ('train_size', moves('train_size', by=1), 'train_size'),
    ('epochs', moves('epochs', by=1), 'deletion.json: epochs'),
    ('model', sets('model', to='cnn'), 'deletion.json: model'),
    (
      'cost_run',
      sets('costs', 1, 'run', to='half-s0'),
      'seed 1, nothing, original: run',
    ),
    ('examples', moves('costs', 2, 'examples', by=1), 'examples'),
    ('share', moves('costs', 4, 'share', by=-0.1), 'share'),
    (
      'seconds',
      moves('costs', 0, 'seconds', by=1),
      'costs, seed 0, nothing, original: seconds',
    ),
    ('workers', moves('costs', 0, 'workers', by=1), 'original: workers'),
    ('shards', sets('costs', -1, 'shards_retrained', to=1), 'shards_retrained'),
    (
      'plain',
      lambda x: x['shard_accuracies'][0]['test'].update(count=1),
      'seed 0, 1 shards: test, value',
    ),
  )
  def test_an_edited_record_is_found(self, edit, expected):
    path = self.run_folder('half-s0')
    change(path / JSON, edit)
    self.assert_found(path, expected)

  def test_a_model_that_has_seen_what_was_deleted_is_found(self):
    path = self.run_folder('half-s0')

    def edit(arrays):
      arrays['train_ids'] = np.union1d(arrays['train_ids'], arrays['forget_ids'][:1])

    for name in (RETRAINED, SHARDED):
      change(path.parent / name / 'examples.npz', edit)
    self.assert_found(
      path,
      f'../{RETRAINED}/examples.npz: train_ids: 1 deleted ones are among them',
      f'../{SHARDED}/examples.npz: train_ids: 1 deleted ones are among them',
    )

  def test_another_forget_set_is_found(self):
    path = self.run_folder('half-s0')
    change(
      path.parent / RETRAINED / 'examples.npz',
      lambda x: x.update(forget_ids=x['forget_ids'][1:]),
    )
    self.assert_found(path, 'forget_ids: not those of uniform-10pct')

  def test_edited_outputs_are_found(self):
    path = self.run_folder('half-s0')
    file = path.parent / RETRAINED / 'deletions/outputs.npz'
    change(file, lambda x: x.update(pool=1.01 * x['pool']))
    self.assert_found(path, 'versions, seed 0, uniform-10pct, retrain, threshold')

  def test_outputs_of_other_weights_are_not_relied_on(self):
    path = self.run_folder('half-s0')
    with open(path.parent / RETRAINED / 'weights/final.weights.h5', 'ab') as file:
      file.write(b'0')
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertIn('is of other weights than it has now', '\n'.join(found.not_checked))

  def test_damaged_outputs_are_an_error(self):
    path = self.run_folder('half-s0')
    change(
      path.parent / RETRAINED / 'deletions/outputs.npz',
      lambda x: x.update(pool=x['pool'][1:]),
    )
    with self.assertRaisesRegex(UsageError, 'outputs are damaged'):
      self.verify(path)

  def test_a_retrained_run_can_be_verified_itself(self):
    path = self.run_folder('half-s0').with_name(RETRAINED)
    self.assertEqual(self.verify(path).mismatches, ())
    change(path / 'examples.npz', lambda x: x['forget_ids'].put(0, x['train_ids'][0]))
    self.assert_found(
      path, 'forget_ids and train_ids', 'config.json, deleted: checksum'
    )


class ClassDeletionTest(Case):
  """A class, and listed examples: the unseen ones, of the test set, are matched."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    run = cls.made / 'runs/whole'
    cls.call(train, *RUN, '--attacks=threshold', f'--run_dir={run}')
    listed = cls.made / 'ids.txt'
    listed.write_text('\n'.join(map(str, range(0, 300, 3))))
    for flag, label in (('class=3', 'mine'), (f'ids={listed}', 'listed')):
      flags = f'--forget_{flag}', f'--label={label}'
      cls.call(unlearn, f'--run={run}', '--method=retrain', *flags)

  def test_an_untouched_deletion_has_no_mismatch(self):
    found = self.verify(self.run_folder('whole'))
    self.assertEqual([str(check) for check in found.mismatches], [])
    text = '\n'.join(found.not_checked)
    # The non-members are the test images: all labels are known.
    self.assertNotIn('deletion.json', text)

  def test_an_accuracy_on_the_test_images_is_found(self):
    path = self.run_folder('whole')

    def edit(values):
      for table in ('versions', 'pooled'):
        for row in values['findings'][table]:
          row['test'] = dict(row['train'])

    change(path / JSON, edit)
    self.assert_found(path, 'class-3, retrain: test, count')

  def test_listed_examples_are_taken_from_the_model(self):
    path = self.run_folder('whole')
    found = self.verify(path)
    self.assertGreater(found.counts['deletions/listed/deletion.json'], 500)
    (model,) = path.parent.glob('whole-retrain-ids-*')
    change(model / 'examples.npz', lambda x: x['forget_ids'].put(0, 1))
    text = '\n'.join(self.verify(path).not_checked)
    self.assertIn('no model keeps the ids that were listed', text)


if __name__ == '__main__':
  absltest.main()
