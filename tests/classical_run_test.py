"""Runs of classical models in process on the embedded digits, by every command."""

import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import (
  attack_records,
  classical_file,
  classical_run,
  datasets,
  engines,
  infer,
  report,
  run_end,
  train,
)
from rnn_tf.records import load_run
from rnn_tf.runs import RunFolder
from tests import classical_runs, commands, private_runs


class EveryCommandTest(classical_runs.ClassicalTestCase):
  pictures = True

  @parameterized.parameters(*classical_runs.SMALL)
  def test_model_is_trained_classified_with_attacked_and_reported(self, model):
    with self.subTest('train'):
      out, err = self.trained(model=model)
      (row,) = private_runs.metrics(self.path)
      result = private_runs.load(self.path / 'result.json')
      self.assertIn('test accuracy', out)
      self.assertIn(f'{model}', err)
      self.assertIn('engine sklearn', err)
      self.assertGreater(result['train_accuracy'], 0.85)
      self.assertGreater(result['val_accuracy'], 0.7)
      self.assertEqual((result['epochs'], result['best_epoch']), (1, 1))
      self.assertAlmostEqual(float(row['accuracy']), result['train_accuracy'], places=5)
      self.assertIsNone(result['guarantee'])
      record = load_run(self.path)
      self.assertGreater(record.parameters, 100)
      self.assertEqual(set(record.attacks), {'threshold', 'lr'})
      names = {path.relative_to(self.path).as_posix() for path in self.path.rglob('*')}
      expected = 'scores/epoch-0001.npz', 'plots/roc.png', 'weights/final.skops'
      self.assertContainsSubset(expected, names)
      self.assertNotIn('checkpoint', names)
    with self.subTest('infer'):
      for weights in ('best', 'final') if model == 'decision_tree' else ('best',):
        code, out, err = commands.call(
          infer, f'--run={self.path}', f'--weights={weights}', '--num_examples=2'
        )
        self.assertEqual(code, 0, err)
        self.assertIn(f'accuracy: {result["val_accuracy"]:.4f} on 360', out)
    with self.subTest('attack'):
      code, _, err = self.attack(
        '--attack=threshold,shadow,lira,rmia', '--num_shadows=6', '--label=all'
      )
      self.assertEqual(code, 0, err)
      made = attack_records.load(self.path / 'attacks/all')
      self.assertEqual(made.attacks, ('threshold', 'shadow', 'lira', 'rmia'))
      for name in made.attacks:
        self.assertTrue(0 <= made.entire(name).auc <= 1)
      found = made.target.train_accuracy, made.target.test_accuracy
      for figure, name in zip(found, ('train_accuracy', 'val_accuracy'), strict=True):
        self.assertAlmostEqual(figure, result[name], places=5)
      (before,) = record.entire('threshold')
      self.assertAlmostEqual(made.entire('threshold').auc, before.auc, places=12)
      if model == 'decision_tree':
        # It says 1 of each of its examples, and of others where it is right.
        self.assertGreater(made.entire('lira').auc, 0.61)
        self.assertGreater(made.entire('lira').auc_low, 0.58)
    if model == 'random_forest':
      with self.subTest('report'):
        code, _, err = commands.call(
          report, f'--runs={self.path}', f'--report_dir={self.folder / "page"}'
        )
        self.assertEqual(code, 0, err)


class NumbersTest(classical_runs.ClassicalTestCase):
  def test_loss_is_the_mean_log_loss(self):
    self.trained('--attacks=', model='kmeans')
    run = RunFolder(self.path)
    (row,) = private_runs.metrics(self.path)
    data = datasets.load(run.config().data, data_dir=None, download=False)
    model = classical_file.load(
      self.path / classical_run.WEIGHTS,
      run.config().model,
      image_shape=(8, 8, 1),
      class_count=10,
    )
    for split, name in ((data.train, 'loss'), (data.test, 'val_loss')):
      said = model.posteriors(split.images)[np.arange(len(split)), split.labels]
      self.assertAlmostEqual(float(row[name]), -np.log(said).mean(), places=5)

  @parameterized.parameters(*classical_runs.SMALL)
  def test_same_command_gives_the_same_numbers(self, model):
    other = self.folder / 'other'
    self.trained(model=model)
    with absltest.mock.patch.object(engines, 'cores', lambda: 1):
      self.trained(model=model, path=other)
    for read in (private_runs.metrics, _lines):
      self.assertEqual(read(self.path), read(other))
    for name in ('scores/epoch-0001.npz', 'examples.npz'):
      one, two = (RunFolder(path).read_npz(name) for path in (self.path, other))
      for array in one:
        np.testing.assert_array_equal(one[array], two[array], err_msg=array)

  def test_report_takes_shadow_models_of_its_kind(self):
    self.trained(
      '--attacks=lira,rmia',
      '--num_shadows=4',
      '--fleet=sequential',
      f'--fleet_dir={self.folder / "fleet"}',
    )
    self.assertEqual(set(load_run(self.path).attacks), {'lira', 'rmia'})

  def test_tree_of_few_examples_needs_no_batch(self):
    code, _, err = commands.call(
      train,
      '--model=decision_tree',
      '--train_size=30',
      '--attacks=',
      f'--run_dir={self.path}',
    )
    self.assertEqual(code, 0, err)


def _lines(path):
  return [json.loads(line) for line in (path / 'privacy.jsonl').open()]


class ResumeTest(classical_runs.ClassicalTestCase):
  def test_finished_run_says_so(self):
    self.trained()
    before = (self.path / classical_run.WEIGHTS).stat().st_mtime_ns
    out, err = self.trained()
    self.assertIn('finished already', err)
    self.assertIn('test accuracy', out)
    self.assertEqual((self.path / classical_run.WEIGHTS).stat().st_mtime_ns, before)

  def test_run_killed_before_its_model_is_kept_is_fitted_again(self):
    whole = self.folder / 'whole'
    self.trained(path=whole)
    with absltest.mock.patch.object(
      classical_file, 'dump', side_effect=KeyboardInterrupt
    ):
      self.assertEqual(self.train()[0], 130)
    self.assertLen(private_runs.metrics(self.path), 1)
    _, err = self.trained()
    self.assertIn('epoch 1/1', err)
    self.assertEqual(private_runs.metrics(self.path), private_runs.metrics(whole))
    self.assertEqual(_lines(self.path), _lines(whole))

  def test_run_killed_after_its_model_is_kept_is_ended(self):
    def interrupted(folder, keeper, **rest):
      raise KeyboardInterrupt

    with absltest.mock.patch.object(run_end, 'finish', interrupted):
      self.assertEqual(self.train()[0], 130)
    self.assertFalse((self.path / 'result.json').exists())
    before = (self.path / classical_run.WEIGHTS).stat().st_mtime_ns
    _, err = self.trained()
    self.assertIn('going on after epoch 1', err)
    self.assertNotIn('epoch 1/1', err)
    self.assertEqual((self.path / classical_run.WEIGHTS).stat().st_mtime_ns, before)
    self.assertGreater(load_run(self.path).parameters, 0)

  def test_overwrite_fits_another(self):
    self.trained('--attacks=')
    self.assert_refused(
      self.train('--attacks=', '--max_depth=2'), '--max_depth was None, is 2'
    )
    self.trained('--attacks=', '--max_depth=2', '--overwrite')
    self.assertEqual(RunFolder(self.path).config().model.max_depth, 2)

  def test_engine_that_fits_nothing_is_refused(self):
    self.trained('--attacks=')
    (self.path / 'result.json').unlink()
    record = private_runs.load(self.path / 'config.json')
    for engine in ('keras', 'split', 'auto', None):
      text = json.dumps({**record, 'engine': engine})
      (self.path / 'config.json').write_text(text)
      self.assert_refused(self.train('--attacks='), f'engine={engine!r}')


class RefusalTest(classical_runs.ClassicalTestCase):
  @parameterized.parameters(
    ('--epochs=3', '--epochs=3: --model=decision_tree is fitted once'),
    ('--batch_size=64', '--batch_size: has no effect with --model=decision_tree'),
    ('--optimizer=adam', '--optimizer: has no effect'),
    ('--learning_rate=0.001', '--learning_rate: has no effect'),
    ('--learning_rate_decay=none', '--learning_rate_decay: has no effect'),
    ('--mixed_precision', '--mixed_precision: has no effect'),
    ('--recurrent_kernel=auto', '--recurrent_kernel: has no effect'),
    ('--dp', '--dp: has no effect with --model=decision_tree, which is fitted at once'),
    ('--dp_delta=1e-5', '--dp_delta: has no effect with --model=decision_tree'),
    ('--hidden_size=4', '--hidden_size has no effect with --model=decision_tree'),
    ('--num_trees=4', '--num_trees has no effect with --model=decision_tree, which'),
    ('--max_depth=0', '--max_depth=0: must be at least 1'),
    ('--max_depth=two', '--max_depth=two: must be'),
    ('--model=decision_trees', 'did you mean decision_tree'),
    ('--model=lstm --max_depth=3', '--max_depth has no effect with --model=lstm'),
    ('--model=kmeans --num_clusters=719', 'more than the 718 training examples'),
    (
      '--model=kmeans --num_clusters=719 --dry_run',
      'more than the 718 training examples',
    ),
    (
      '--attacks=shadow --attack_features=hidden',
      '--attack_features=hidden: --model=decision_tree has no layer below',
    ),
    ('--attacks=lira --fleet=stacked', '--fleet=stacked: --model=decision_tree: only'),
  )
  def test_what_cannot_be_is_refused_and_writes_nothing(self, flags, part):
    fleet = self.folder / 'fleet'
    if 'attacks' in flags:
      flags += f' --fleet_dir={fleet}'
    self.assert_refused(self.train(*flags.split()), 'python -m rnn_tf.train: ', part)
    self.assertFalse(self.path.exists())
    self.assertFalse(fleet.exists())

  def test_one_epoch_may_be_said(self):
    out, _ = self.trained('--epochs=1', '--dry_run')
    self.assertIn('steps: none, the model is fitted at once', out)
    self.assertIn('engine: sklearn', out)
    self.assertFalse(self.path.exists())

  def test_attack_and_infer_refuse_what_they_cannot_use(self):
    self.trained('--attacks=')
    with self.subTest('hidden features'):
      self.assert_refused(
        self.attack('--attack=shadow', '--attack_features=hidden'),
        '--attack_features=hidden: --model=decision_tree',
      )
    with self.subTest('stacked shadows'):
      self.assert_refused(
        self.attack('--attack=lira', '--fleet=stacked'), '--fleet=stacked: '
      )
    self.assertFalse((self.folder / 'fleet').exists())
    weights = self.path / classical_run.WEIGHTS
    weights.write_bytes(b'no model')
    with self.subTest('damaged model'):
      self.assert_refused(
        commands.call(infer, f'--run={self.path}'), 'final.skops is damaged'
      )
      self.assert_refused(self.attack('--attack=lira'), 'final.skops is damaged')
    weights.unlink()
    with self.subTest('missing model'):
      self.assert_refused(
        commands.call(infer, f'--run={self.path}'), 'final.skops: no such file'
      )

  def test_memory_that_runs_out_is_one_line(self):
    with absltest.mock.patch.object(
      classical_run.classical, 'fit', side_effect=MemoryError
    ):
      code, _, err = self.train()
    self.assertEqual(code, 2)
    self.assertIn('not enough memory (allocation failed): lower --num_trees', err)


if __name__ == '__main__':
  absltest.main()
