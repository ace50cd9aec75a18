import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models, training
from rnn_tf.config import OPTIMIZERS, ModelConfig, TrainingConfig
from rnn_tf.errors import UsageError
from rnn_tf.stack import keras, tf

_RNG = np.random.default_rng(0)
_X = _RNG.random((50, 6, 5), np.float32)
_Y = _RNG.integers(0, 3, 50)


def _model(config, model='gru'):
  keras.utils.set_random_seed(config.seed)
  network = models.build(
    ModelConfig(model=model, hidden_size=4), image_shape=(6, 5, 1), num_classes=3
  )
  training.compile_model(network, config)
  return network


def _fit(model, config, first_epoch=0, callbacks=()):
  batches = training.Batches(config, first_epoch=first_epoch)
  training.fit(model, _X, _Y, batches=batches, callbacks=callbacks)


class BatchesTest(parameterized.TestCase):
  def _order(self, config, first_epoch=0):
    ids = np.arange(50, dtype=np.int64)
    batches = training.Batches(config, first_epoch=first_epoch)(_X, ids)
    return [y.numpy().tolist() for _, y in batches]

  def _padded(self, config, **values):
    """Returns each batch's ids and weights; a row of no weight has an id of 0."""
    ids = np.arange(1, 51, dtype=np.int64)
    found = []
    for x, y, weights in training.Batches(config, **values)(_X, ids):
      real = weights.numpy() == 1
      np.testing.assert_array_equal(weights.numpy()[~real], 0)
      np.testing.assert_array_equal(y.numpy()[~real], 0)
      np.testing.assert_array_equal(x.numpy()[~real], 0)
      np.testing.assert_array_equal(x.numpy()[real], _X[y.numpy()[real] - 1])
      found.append((y.numpy().tolist(), weights.numpy().tolist()))
    return found

  def test_every_epoch_has_every_example_once(self):
    batches = self._order(TrainingConfig(epochs=3, batch_size=16))
    self.assertEqual([len(b) for b in batches], [16, 16, 16, 2] * 3)
    for epoch in range(3):
      seen = np.concatenate(batches[4 * epoch : 4 * epoch + 4])
      self.assertEqual(sorted(seen.tolist()), list(range(50)))

  def test_epochs_and_seeds_differ_in_order(self):
    batches = self._order(TrainingConfig(epochs=2, batch_size=50))
    other = self._order(TrainingConfig(epochs=2, batch_size=50, seed=1))
    self.assertNotEqual(batches[0], batches[1])
    self.assertNotEqual(batches[0], other[0])

  def test_resumed_order_is_the_rest_of_the_uninterrupted_one(self):
    config = TrainingConfig(epochs=4, batch_size=16)
    self.assertEqual(self._order(config)[8:], self._order(config, first_epoch=2))

  def test_inputs_go_with_their_labels(self):
    config = TrainingConfig(epochs=1, batch_size=16)
    ids = np.arange(50)
    for x, y in training.Batches(config)(_X, ids):
      np.testing.assert_array_equal(x.numpy(), _X[y.numpy()])

  @parameterized.parameters((1, 16), (3, 18), (4, 16), (5, 20))
  def test_padded_batches_have_one_size_and_every_example_once(self, block, size):
    config = TrainingConfig(epochs=2, batch_size=16)
    batches = self._padded(config, block=block)
    self.assertEqual([len(ids) for ids, _ in batches], [size] * 8)
    self.assertEqual([sum(weights) for _, weights in batches], [16, 16, 16, 2] * 2)
    for epoch in range(2):
      seen = [i for ids, _ in batches[4 * epoch : 4 * epoch + 4] for i in ids if i]
      self.assertEqual(sorted(seen), list(range(1, 51)))

  def test_padding_changes_no_order(self):
    config = TrainingConfig(epochs=2, batch_size=16)
    plain = [[i + 1 for i in ids] for ids in self._order(config)]
    padded = [[i for i in ids if i] for ids, _ in self._padded(config, block=3)]
    self.assertEqual(plain, padded)

  def test_resumed_padded_order_is_the_rest_of_the_uninterrupted_one(self):
    config = TrainingConfig(epochs=4, batch_size=16)
    whole = self._padded(config, block=4)
    self.assertEqual(whole[8:], self._padded(config, block=4, first_epoch=2))

  @parameterized.parameters(1, 3, 8)
  def test_poisson_batches_are_whole_blocks_of_distinct_examples(self, block):
    config = TrainingConfig(epochs=8, batch_size=16)
    batches = self._padded(config, block=block, poisson=True, key=7)
    self.assertLen(batches, 8 * 4)
    for ids, weights in batches:
      real = [i for i in ids if i]
      self.assertEqual(len(ids) % block, 0)
      self.assertLess(len(ids) - len(real), max(block, 2))
      self.assertEqual(len(real), sum(weights))
      self.assertEqual(len(set(real)), len(real))
    self.assertGreater(len({sum(weights) for _, weights in batches}), 3)

  def test_poisson_batches_depend_on_the_key_and_not_on_the_seed(self):
    config = TrainingConfig(epochs=1, batch_size=16)
    other = TrainingConfig(epochs=1, batch_size=16, seed=1)
    batches = self._padded(config, block=2, poisson=True, key=7)
    self.assertEqual(batches, self._padded(other, block=2, poisson=True, key=7))
    self.assertNotEqual(batches, self._padded(config, block=2, poisson=True, key=8))

  def test_resumed_poisson_batches_are_the_rest_of_the_uninterrupted_ones(self):
    config = TrainingConfig(epochs=4, batch_size=16)
    whole = self._padded(config, block=4, poisson=True, key=7)
    resumed = self._padded(config, block=4, poisson=True, key=7, first_epoch=2)
    self.assertEqual(whole[8:], resumed)


class FitTest(parameterized.TestCase):
  def test_optimizers_and_config_list_the_same_names(self):
    self.assertEqual(set(training.OPTIMIZERS), set(OPTIMIZERS))

  @parameterized.parameters(*OPTIMIZERS)
  def test_every_optimizer_lowers_the_loss(self, optimizer):
    config = TrainingConfig(
      epochs=8, batch_size=10, optimizer=optimizer, learning_rate=0.02
    )
    model = _model(config, 'mlp')
    x = _X[..., None]
    history = keras.callbacks.History()
    training.fit(model, x, _Y, batches=training.Batches(config), callbacks=[history])
    self.assertLess(history.history['loss'][-1], history.history['loss'][0])
    self.assertAlmostEqual(float(model.optimizer.learning_rate.numpy()), 0.02, 6)

  def test_one_sgd_step_is_the_gradient_of_the_mean_loss(self):
    config = TrainingConfig(epochs=1, batch_size=50, optimizer='sgd', learning_rate=0.1)
    model = _model(config)
    before = [w.numpy() for w in model.trainable_variables]
    with tf.GradientTape() as tape:
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(_Y, model(_X))
      loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    _fit(model, config)
    after = [w.numpy() for w in model.trainable_variables]
    for old, new, gradient in zip(before, after, gradients, strict=True):
      np.testing.assert_allclose(new, old - 0.1 * gradient.numpy(), atol=1e-6)

  def test_batch_larger_than_the_data_is_refused(self):
    with self.assertRaisesRegex(UsageError, '--batch_size=51: larger than the 50'):
      TrainingConfig(batch_size=51).steps_per_epoch(50)

  def test_nothing_is_left_to_do_after_the_last_epoch(self):
    config = TrainingConfig(epochs=2)
    model = _model(config)
    before = model.get_weights()
    _fit(model, config, first_epoch=2)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


class CheckpointsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path)
    self.config = TrainingConfig(epochs=4, batch_size=16, deterministic=True)

  def _saver(self, checkpoints):
    return keras.callbacks.LambdaCallback(
      on_epoch_end=lambda epoch, logs: checkpoints.save(epoch + 1, best_epoch=2)
    )

  def test_resumed_weights_equal_uninterrupted_ones(self):
    whole = _model(self.config)
    _fit(whole, self.config)
    half = _model(self.config)
    checkpoints = training.Checkpoints(self.path, half)
    training.fit(
      half,
      _X,
      _Y,
      batches=training.Batches(
        TrainingConfig(epochs=2, batch_size=16), first_epoch=checkpoints.restore()
      ),
      callbacks=[self._saver(checkpoints)],
    )
    resumed = _model(TrainingConfig(batch_size=16, seed=9))
    first_epoch = training.Checkpoints(self.path, resumed).restore()
    self.assertEqual(first_epoch, 2)
    _fit(resumed, self.config, first_epoch)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
      np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)

  def test_only_the_last_checkpoint_and_the_best_weights_are_kept(self):
    model = _model(self.config)
    checkpoints = training.Checkpoints(self.path, model)
    for epoch, best in ((1, 1), (2, 2), (3, 2)):
      checkpoints.save(epoch, best_epoch=best)
    names = [p.name for p in (self.path / 'weights').iterdir()]
    self.assertEqual(names, ['epoch-0002.weights.h5'])
    self.assertLen(list((self.path / 'checkpoint').glob('*.index')), 1)

  def test_best_weights_are_those_of_the_best_epoch(self):
    model = _model(self.config)
    checkpoints = training.Checkpoints(self.path, model)
    checkpoints.save(1, best_epoch=1)
    best = model.get_weights()
    model.set_weights([w + 1 for w in best])
    checkpoints.save(2, best_epoch=1)
    for _ in range(2):  # A run killed after this resumes and does it again.
      checkpoints.finish(best_epoch=1)
    other = _model(TrainingConfig(seed=5))
    training.load_weights(other, self.path / 'weights/best.weights.h5')
    np.testing.assert_array_equal(other.get_weights()[0], best[0])
    training.load_weights(other, self.path / 'weights/final.weights.h5')
    np.testing.assert_array_equal(other.get_weights()[0], best[0] + 1)

  def test_best_weights_that_were_removed_are_missed(self):
    checkpoints = training.Checkpoints(self.path, _model(self.config))
    with self.assertRaisesRegex(UsageError, 'of epoch 1, have been removed'):
      checkpoints.finish(best_epoch=1)

  def test_damaged_checkpoint_is_refused_by_name(self):
    model = _model(self.config)
    training.Checkpoints(self.path, model).save(1, best_epoch=1)
    for file in (self.path / 'checkpoint').glob('ckpt-*.data*'):
      file.write_bytes(file.read_bytes()[:100])
    with self.assertRaisesRegex(UsageError, 'damaged checkpoint'):
      training.Checkpoints(self.path, _model(self.config)).restore()

  def test_weights_of_another_network_are_refused(self):
    checkpoints = training.Checkpoints(self.path, _model(self.config))
    checkpoints.save(1, best_epoch=1)
    checkpoints.finish(best_epoch=1)
    with self.assertRaisesRegex(UsageError, 'another network'):
      path = self.path / 'weights/final.weights.h5'
      training.load_weights(_model(self.config, 'lstm'), path)

  def test_missing_and_damaged_weights_are_refused(self):
    model = _model(self.config)
    with self.assertRaisesRegex(UsageError, 'no such file'):
      training.load_weights(model, self.path / 'no.weights.h5')
    (self.path / 'bad.weights.h5').write_bytes(b'not hdf5')
    with self.assertRaisesRegex(UsageError, 'damaged'):
      training.load_weights(model, self.path / 'bad.weights.h5')


if __name__ == '__main__':
  absltest.main()
