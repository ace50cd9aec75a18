"""One shard, trained for real on a few random images."""

import dataclasses
import hashlib
import io
import json
import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models, training
from rnn_tf.deletion import sisa
from rnn_tf.errors import UsageError
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import Stage, stage_file
from rnn_tf.stack import keras, tf
from tests.sharding import small_models

# Of plain Keras and of this project's kernels.
_MODELS = ('lstm', 'cnn')


def _task(path, *, shard=1, parts=1, **values):
  return small_models.plan(path, **values).task(shard, parts=parts)


def _train(task, *, fits=None):
  """Trains a shard; returns its outputs and how many examples each fit had."""
  fits = fits or small_models.Fits()
  with fits.watching():
    found = constituent.train(task, small_models.examples(task.config.model.model))
  return found, fits.sizes


def _by_hand(task):
  """Trains a shard batch by batch; returns its logits of pool and test set."""
  values, shared = task.config.training, small_models.examples(task.config.model.model)
  keras.utils.set_random_seed(sisa.training_seed(values.seed, task.shard, 0))
  network = models.build(
    task.config.model, image_shape=shared.image_shape, num_classes=shared.class_count
  )
  total = sum(map(len, task.rows))
  training.compile_model(
    network,
    dataclasses.replace(
      values, epochs=task.epochs[0], batch_size=min(values.batch_size, total)
    ),
    examples=total,
  )
  for stage in range(len(task.rows)):
    rows = np.sort(np.concatenate(task.rows[: stage + 1]))
    seed = sisa.training_seed(values.seed, task.shard, stage)
    for epoch in range(task.epochs[stage] if len(rows) else 0):
      order = tf.random.experimental.stateless_shuffle(
        tf.range(len(rows), dtype=tf.int64), seed=[seed, epoch]
      )
      for start in range(0, len(rows), values.batch_size):
        batch = rows[order.numpy()[start : start + values.batch_size]]
        network.train_on_batch(shared.inputs[batch], shared.labels[batch])
  return network(shared.inputs).numpy(), network(shared.test_inputs).numpy()


class TrainTest(small_models.ShardedTestCase):
  def assert_by_hand(self, task):
    found, _ = _train(task)
    for one, other in zip(found, _by_hand(task), strict=True):
      self.assertEqual((one.shape, one.dtype), (other.shape, np.float32))
      np.testing.assert_allclose(one, other, atol=2e-5)

  @parameterized.parameters(*_MODELS)
  def test_stages_are_trained_one_after_the_other(self, model):
    # Of 17 examples: stages of 6, 12 and 17, the first smaller than a batch.
    of = small_models.config(model)
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[2])
    task = _task(self.path, of=of, deleted=gone)
    self.assertEqual([len(rows) for rows in task.rows], [6, 6, 5])
    self.assertEqual(task.epochs, (2, 2, 2))
    self.assert_by_hand(task)

  def test_step_size_falls_over_the_epochs_of_the_only_stage(self):
    of = small_models.config(learning_rate_decay='linear', optimizer='sgd')
    task = _task(self.path, of=of, num_slices=1)
    self.assertEqual(task.epochs, (4,))
    self.assert_by_hand(task)

  def test_slice_that_lost_everything_is_a_stage_without_steps(self):
    whole = small_models.plan(self.path)
    gone = small_models.some_of(whole, 1, slices=[0], count=99)
    task = _task(self.path, deleted=gone)
    self.assertEqual([len(rows) for rows in task.rows], [0, 6, 6])
    self.assert_by_hand(task)
    with self.subTest('kept like any other'):
      self.assertEqual(constituent.read_stage(stage_file(task.folder, 0)).examples, 0)
      self.assertEqual(_train(task)[1], [])

  def test_shard_and_seed_decide_the_weights(self):
    found, _ = _train(_task(self.folder / 'one'))
    again, _ = _train(_task(self.folder / 'again'))
    self.assert_same_outputs(found, again)
    of = small_models.config(seed=1)
    for name, other in (
      ('shard', _task(self.folder / 'shard', shard=0)),
      ('seed', _task(self.folder / 'seed', of=of)),
    ):
      with self.subTest(name):
        self.assert_other_outputs(found, _train(other)[0])

  def test_stages_are_written_down(self):
    task = _task(self.path)
    (pool, test), sizes = _train(task)
    self.assertEqual((pool.shape, test.shape), ((60, 3), (10, 3)))
    self.assertEqual(sizes, [6, 12, 18])
    checksums = set()
    for number in range(3):
      path = stage_file(task.folder, number)
      self.assertEqual(path.stat().st_mode & 0o777, 0o600)
      stage = constituent.read_stage(path)
      self.assertEqual((stage.stage, stage.epochs), (number, 2))
      self.assertEqual(stage.examples, sizes[number])
      self.assertEqual(stage.sha256, hashlib.sha256(path.read_bytes()).hexdigest())
      self.assertGreater(stage.seconds, 0)
      checksums |= {stage.rows, stage.sha256}
    self.assertLen(checksums, 6)
    with np.load(stage_file(task.folder, 2), allow_pickle=False) as arrays:
      names = set(arrays)
    self.assertEqual({name.split('-')[0] for name in names}, {'weight', 'optimizer'})

  def test_model_that_diverges_is_refused(self):
    of = small_models.config('mlp', optimizer='sgd', learning_rate=1e30)
    with self.assertRaises(UsageError) as caught:
      _train(_task(self.path, of=of, num_slices=1))
    text = str(caught.exception)
    self.assertStartsWith(text, 'the model of shard 1 has diverged: ')
    self.assertIn('--learning_rate', text)


class DeletionTest(small_models.ShardedTestCase):
  """The heart: going on from a stage is training without the deleted examples."""

  @parameterized.product(model=_MODELS, optimizer=['adam'], slices=[(1, 2), (2,)])
  def test_shard_gone_on_with_is_the_shard_trained_anew(self, model, optimizer, slices):
    self.check(small_models.config(model, optimizer=optimizer), slices=slices)

  @parameterized.parameters('rmsprop', 'sgd', 'adagrad')
  def test_state_of_every_optimizer_is_gone_on_with(self, optimizer):
    self.check(small_models.config('mlp', optimizer=optimizer), slices=(1,))

  @parameterized.parameters('gru', 'simple_rnn', 'clockwork_rnn')
  def test_every_kind_of_layer_is_gone_on_with(self, model):
    self.check(small_models.config(model), slices=(2,), num_slices=3)

  def test_slice_that_lost_everything_is_gone_on_from(self):
    self.check(small_models.config('mlp'), slices=(1,), count=99)

  def check(self, of, *, slices, count=2, **values):
    original = _task(self.path, of=of, **values)
    before, _ = _train(original)
    whole = small_models.plan(self.path, of=of, **values)
    gone = small_models.some_of(whole, 1, slices=slices, count=count)
    deletion = _task(
      self.folder / 'after', of=of, deleted=gone, original=self.path, **values
    )
    self.assertEqual(deletion.first_stage, slices[0])
    self.assertEqual(deletion.before, stage_file(original.folder, slices[0] - 1))
    after, fitted = _train(deletion)
    self.assertLen(fitted, 3 - slices[0])
    fresh = _task(self.folder / 'fresh', of=of, deleted=gone, **values)
    self.assertEqual((fresh.first_stage, fresh.before), (0, None))
    expected, fitted = _train(fresh)
    self.assertLen(fitted, 3)
    self.assert_same_outputs(after, expected)
    self.assert_other_outputs(after, before)
    # Weights, the optimizer's state and its steps as well.
    for stage in range(slices[0], 3):
      one, other = (
        stage_file(task.folder, stage).read_bytes() for task in (deletion, fresh)
      )
      self.assertEqual(one, other, f'stage {stage}')


class KilledTest(small_models.ShardedTestCase):
  @parameterized.product(model=_MODELS, kill=[0, 1, 2])
  def test_killed_training_goes_on_at_the_stage(self, model, kill):
    of = small_models.config(model)
    expected, _ = _train(_task(self.folder / 'whole', of=of))
    task = _task(self.path, of=of)
    fits = small_models.Fits(kill=kill)
    with self.assertRaises(small_models.Interrupted):
      _train(task, fits=fits)
    self.assertEqual(fits.sizes, [6, 12, 18][: kill + 1])
    kept = small_models.contents(self.path)
    self.assertLen(kept, 2 * kill)
    found, fitted = _train(task)
    self.assertEqual(fitted, [6, 12, 18][kill:])
    self.assert_same_outputs(found, expected)
    after = small_models.contents(self.path)
    self.assertEqual({name: after[name] for name in kept}, kept)
    for stage in range(3):
      self.assertEqual(
        stage_file(task.folder, stage).read_bytes(),
        stage_file(self.folder / 'whole/shards/001', stage).read_bytes(),
      )

  def test_killed_deletion_goes_on_at_the_stage(self):
    of = small_models.config('mlp')
    _train(_task(self.path, of=of))
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[1])
    values = {'of': of, 'deleted': gone, 'original': self.path}
    expected, _ = _train(_task(self.folder / 'whole', **values))
    task = _task(self.folder / 'killed', **values)
    with self.assertRaises(small_models.Interrupted):
      _train(task, fits=small_models.Fits(kill=1))
    found, fitted = _train(task)
    self.assertEqual(fitted, [17])
    self.assert_same_outputs(found, expected)

  def test_stage_killed_before_it_was_written_down_is_trained_again(self):
    task = _task(self.path, of=small_models.config('mlp'))
    expected, _ = _train(task)
    stage_file(task.folder, 1).with_suffix('.json').unlink()
    found, fitted = _train(task)
    self.assertEqual(fitted, [12, 18])
    self.assert_same_outputs(found, expected)

  def test_trained_shard_is_not_trained_again(self):
    task = _task(self.path, of=small_models.config('mlp'))
    expected, _ = _train(task)
    before = small_models.contents(self.path)
    found, fitted = _train(task)
    self.assertEqual(fitted, [])
    self.assert_same_outputs(found, expected)
    self.assertEqual(small_models.contents(self.path), before)

  def test_stages_of_other_rows_are_trained_again(self):
    of = small_models.config('mlp')
    _train(_task(self.path, of=of))
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[1])
    expected, _ = _train(_task(self.folder / 'fresh', of=of, deleted=gone))
    found, fitted = _train(_task(self.path, of=of, deleted=gone))
    self.assertEqual(fitted, [11, 17])
    self.assert_same_outputs(found, expected)

  def test_stages_of_other_epochs_are_trained_again(self):
    task = _task(self.path, of=small_models.config('mlp'))
    _train(task)
    _, fitted = _train(dataclasses.replace(task, epochs=(2, 2, 3)))
    self.assertEqual(fitted, [18])


def _flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def _rewritten(change):
  """Edits the variables of a stage, and the checksum after them."""

  def damage(path):
    with np.load(path) as file:
      arrays = dict(file)
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    _edited(sha256=sha256)(path)

  return damage


def _edited(**values):
  def damage(path):
    path = path.with_suffix('.json')
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

  return damage


def _written(content):
  return lambda path: path.with_suffix('.json').write_bytes(content)


def _grown(arrays):
  arrays['weight-000'] = np.zeros((2, 2), np.float32)


_DAMAGES = {
  'flipped': (_flip, 'does not have its checksum'),
  'empty': (lambda path: path.write_bytes(b''), 'does not have its checksum'),
  'missing': (pathlib.Path.unlink, 'No such file'),
  'variable_missing': (
    _rewritten(lambda arrays: arrays.pop('weight-000')),
    'is of another network',
  ),
  'variable_unknown': (
    _rewritten(lambda arrays: arrays.update({'weight-999': np.zeros(1)})),
    'is of another network',
  ),
  'another_shape': (_rewritten(_grown), 'damaged \\('),
  'pickle': (
    _rewritten(lambda arrays: arrays.update({'weight-000': np.array([{}], object)})),
    'allow_pickle=False',
  ),
  'no_checksum': (_edited(sha256=3), 'does not have its checksum'),
  'json_empty': (_written(b''), 'missing or damaged'),
  'json_list': (_written(b'[]'), 'missing or damaged'),
  'json_null': (_written(b'null'), 'missing or damaged'),
  'json_binary': (_written(b'\xff\xfe\x00'), 'missing or damaged'),
  'json_unknown': (_edited(more=1), 'missing or damaged'),
  'json_text': (_edited(seconds='soon'), 'a value is of another kind'),
}


class DamagedTest(small_models.ShardedTestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.of = small_models.config('mlp')
    cls.files = None

  def setUp(self):
    super().setUp()
    self.task = _task(self.path, of=self.of)
    if self.files is None:
      _train(self.task)
      type(self).files = small_models.contents(self.path)
    for name, content in self.files.items():
      (self.path / name).parent.mkdir(parents=True, exist_ok=True)
      (self.path / name).write_bytes(content)

  def refused(self, task, message, *, file, folder):
    with self.assertRaisesRegex(UsageError, message) as caught:
      _train(task)
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, str(file.with_suffix('')))
    self.assertIn(f'delete the folder {folder}, and the same command trains', text)

  @parameterized.named_parameters((name, *rest) for name, rest in _DAMAGES.items())
  def test_damaged_stage_is_refused(self, damage, message):
    last = stage_file(self.task.folder, 2)
    damage(last)
    self.refused(self.task, message, file=last, folder=self.path)

  @parameterized.named_parameters((name, *rest) for name, rest in _DAMAGES.items())
  def test_damaged_stage_of_the_original_is_refused(self, damage, message):
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[2])
    after = _task(
      self.folder / 'after', of=self.of, deleted=gone, original=self.path
    )
    before = stage_file(self.task.folder, 1)
    damage(before)
    self.refused(after, message, file=before, folder=self.path)
    self.assertFalse((self.folder / 'after').exists())

  def test_stage_without_its_json_is_refused_where_it_is_needed(self):
    path = stage_file(self.task.folder, 1)
    path.with_suffix('.json').unlink()
    with self.assertRaisesRegex(UsageError, 'slice-001.json: missing or damaged'):
      constituent.read_stage(path)

  def test_whole_number_of_seconds_is_no_damage(self):
    path = stage_file(self.task.folder, 1)
    _edited(seconds=2)(path)
    self.assertEqual(constituent.read_stage(path).seconds, 2)

  def test_stage_is_what_was_written(self):
    path = stage_file(self.task.folder, 1)
    values = json.loads(path.with_suffix('.json').read_text())
    self.assertEqual(constituent.read_stage(path), Stage(**values))


if __name__ == '__main__':
  absltest.main()
