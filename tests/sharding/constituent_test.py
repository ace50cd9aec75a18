"""One shard, trained for real on a few random images."""

import dataclasses
import hashlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models, training
from rnn_tf.deletion import sisa
from rnn_tf.errors import UsageError
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import stage_file
from rnn_tf.stack import keras, tf
from tests.sharding import small_models


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
    found, _ = small_models.train(task)
    for one, other in zip(found, _by_hand(task), strict=True):
      self.assertEqual((one.shape, one.dtype), (other.shape, np.float32))
      np.testing.assert_allclose(one, other, atol=2e-5)

  @parameterized.parameters(('lstm', 'split'), ('cnn', 'keras'))
  def test_stages_are_trained_one_after_the_other(self, model, engine):
    # Of 17 examples: stages of 6, 12 and 17, the first smaller than a batch.
    of = small_models.config(model, batch_size=8)
    gone = small_models.some_of(small_models.plan(self.path), 1, slices=[2])
    task = small_models.task(self.path, of=of, deleted=gone)
    self.assertEqual([len(rows) for rows in task.rows], [6, 6, 5])
    self.assertEqual((task.epochs, task.engine), ((2, 2, 2), engine))
    self.assert_by_hand(task)

  def test_step_size_falls_over_the_epochs_of_the_only_stage(self):
    of = small_models.config('mlp', learning_rate_decay='linear', optimizer='sgd')
    task = small_models.task(self.path, of=of, num_slices=1)
    self.assertEqual(task.epochs, (4,))
    self.assert_by_hand(task)

  def test_slice_that_lost_everything_is_a_stage_without_steps(self):
    whole = small_models.plan(self.path)
    gone = small_models.some_of(whole, 1, slices=[0], count=99)
    task = small_models.task(self.path, of=small_models.config('mlp'), deleted=gone)
    self.assertEqual([len(rows) for rows in task.rows], [0, 6, 6])
    self.assert_by_hand(task)
    with self.subTest('kept like any other'):
      self.assertEqual(constituent.read_stage(stage_file(task.folder, 0)).examples, 0)
      self.assertEqual(small_models.train(task)[1], [])

  def test_shard_and_seed_decide_the_weights(self):
    of = small_models.config('mlp')
    found, _ = small_models.train(small_models.task(self.folder / 'one', of=of))
    again, _ = small_models.train(small_models.task(self.folder / 'again', of=of))
    self.assert_same_outputs(found, again)
    for name, values in (
      ('shard', {'of': of, 'shard': 0}),
      ('seed', {'of': small_models.config('mlp', seed=1)}),
    ):
      with self.subTest(name):
        task = small_models.task(self.folder / name, **values)
        self.assert_other_outputs(found, small_models.train(task)[0])

  def test_stages_are_written_down(self):
    task = small_models.task(self.path, of=small_models.config('mlp'))
    (pool, test), sizes = small_models.train(task)
    self.assertEqual((pool.shape, test.shape), ((60, 3), (10, 3)))
    self.assertEqual(sizes, [6, 12, 18])
    checksums = set()
    for number in range(3):
      path = stage_file(task.folder, number)
      self.assertEqual(path.stat().st_mode & 0o777, 0o600)
      stage = constituent.read_stage(path)
      self.assertEqual((stage.stage, stage.epochs, stage.before), (number, 2, ''))
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
      small_models.train(small_models.task(self.path, of=of, num_slices=1))
    text = str(caught.exception)
    self.assertStartsWith(text, 'the model of shard 1 has diverged: ')
    self.assertIn('--learning_rate', text)


class DeletionTest(small_models.ShardedTestCase):
  """The heart: going on from a stage is training without the deleted examples."""

  @parameterized.parameters(
    # Of this project's kernels, and of plain Keras.
    ('lstm', (1, 2)),
    ('gru', (2,)),
    ('cnn', (1, 2)),
    ('mlp', (2,)),
  )
  def test_shard_gone_on_with_is_the_shard_trained_anew(self, model, slices):
    self.check(small_models.config(model), slices=slices)

  @parameterized.parameters('rmsprop', 'sgd', 'adagrad')
  def test_state_of_every_optimizer_is_gone_on_with(self, optimizer):
    self.check(small_models.config('mlp', optimizer=optimizer), slices=(1,))

  def test_slice_that_lost_everything_is_gone_on_from(self):
    self.check(small_models.config('mlp'), slices=(1,), count=99)

  def check(self, of, *, slices, count=2):
    original = small_models.task(self.path, of=of)
    before, _ = small_models.train(original)
    whole = small_models.plan(self.path, of=of)
    gone = small_models.some_of(whole, 1, slices=slices, count=count)
    deletion = small_models.task(
      self.folder / 'after', of=of, deleted=gone, original=self.path
    )
    self.assertEqual(deletion.first_stage, slices[0])
    self.assertEqual(deletion.before, stage_file(original.folder, slices[0] - 1))
    after, fitted = small_models.train(deletion)
    self.assertLen(fitted, 3 - slices[0])
    fresh = small_models.task(self.folder / 'fresh', of=of, deleted=gone)
    self.assertEqual((fresh.first_stage, fresh.before), (0, None))
    expected, fitted = small_models.train(fresh)
    self.assertLen(fitted, 3)
    self.assert_same_outputs(after, expected)
    self.assert_other_outputs(after, before)
    began_with = constituent.read_stage(deletion.before).sha256
    for stage in range(slices[0], 3):
      path = stage_file(deletion.folder, stage)
      self.assertEqual(constituent.read_stage(path).before, began_with)
    # Weights, the optimizer's state and its steps as well.
    for stage in range(slices[0], 3):
      one, other = (
        stage_file(task.folder, stage).read_bytes() for task in (deletion, fresh)
      )
      self.assertEqual(one, other, f'stage {stage}')


if __name__ == '__main__':
  absltest.main()
