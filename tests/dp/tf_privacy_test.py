"""TF Privacy's training against gradients that are clipped one by one."""

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.config import OPTIMIZERS
from rnn_tf.dp import tf_privacy
from rnn_tf.stack import keras, tf

_RNG = np.random.default_rng(0)
_X = _RNG.random((6, 5), np.float32)
_Y = _RNG.integers(0, 3, 6)
_CLIP = 0.3


def _layers():
  return [keras.layers.Input((5,)), keras.layers.Dense(3, name='logits')]


def _losses(model, x, y):
  return tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x))


def _naive(model, size=1):
  """Returns the mean over microbatches of `size` of their clipped mean gradients."""
  clipped = []
  for start in range(0, len(_X), size):
    rows = slice(start, start + size)
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(_losses(model, _X[rows], _Y[rows]))
    gradients = [g.numpy() for g in tape.gradient(loss, model.trainable_variables)]
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    clipped.append([g * min(1, _CLIP / norm) for g in gradients])
  return [np.mean(each, axis=0) for each in zip(*clipped, strict=True)]


def _optimizer(name='sgd', noise_multiplier=0.0, num_microbatches=None, clip=_CLIP):
  return tf_privacy.optimizer(
    name,
    learning_rate=1.0,
    l2_norm_clip=clip,
    noise_multiplier=noise_multiplier,
    num_microbatches=num_microbatches,
  )


def _step(model, x=_X, y=_Y):
  """Returns by how much one batch moves each variable downwards."""
  before = model.get_weights()
  model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0)
  return [a - b for a, b in zip(before, model.get_weights(), strict=True)]


def _compiled(optimizer, make=keras.Sequential, reduction='none'):
  keras.utils.set_random_seed(0)
  model = make(layers=_layers(), name='net')
  model.compile(
    optimizer,
    loss=keras.losses.SparseCategoricalCrossentropy(
      from_logits=True, reduction=reduction
    ),
  )
  return model


class OptimizerTest(parameterized.TestCase):
  @parameterized.parameters((None, 1), (6, 1), (3, 2), (2, 3))
  def test_step_is_the_mean_of_clipped_microbatches(self, count, size):
    model = _compiled(_optimizer(num_microbatches=count))
    expected = _naive(model, size)
    for got, want in zip(_step(model), expected, strict=True):
      np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)

  @parameterized.parameters(*OPTIMIZERS)
  def test_every_optimizer_clips_and_keeps_its_own_step(self, name):
    optimizer = _optimizer(name, clip=1e-3)
    model = _compiled(optimizer)
    self.assertIsInstance(optimizer, keras.optimizers.legacy.Optimizer)
    self.assertEqual(float(optimizer.learning_rate.numpy()), 1.0)
    plain = tf_privacy._LEGACY[name](learning_rate=1.0)
    keras.utils.set_random_seed(0)
    twin = keras.Sequential(_layers())
    with tf.GradientTape() as tape:
      losses = _losses(twin, _X, _Y)
    jacobians = tape.jacobian(losses, twin.trainable_variables)
    squares = [tf.reduce_sum(tf.reshape(j**2, [6, -1]), axis=1) for j in jacobians]
    factors = tf.minimum(1.0, 1e-3 / tf.sqrt(tf.add_n(squares)))
    gradients = [tf.tensordot(factors, j, 1) / 6 for j in jacobians]
    plain.apply_gradients(zip(gradients, twin.trainable_variables, strict=True))
    _step(model)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
      np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)

  def test_noise_has_its_deviation_and_is_new_at_every_step(self):
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(400)])
    model.compile(
      _optimizer(noise_multiplier=100.0),
      loss=keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction='none'
      ),
    )
    tf.random.set_seed(0)
    one, other = (_step(model)[0] for _ in range(2))
    expected = 100.0 * _CLIP / 6
    # 2,000 draws: 5 standard errors of a deviation are 8% of it.
    for noise in (one, other):
      self.assertLess(abs(noise.std() / expected - 1), 0.08)
    self.assertLess(abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]), 0.12)


class SequentialTest(parameterized.TestCase):
  def _make(self, noise_multiplier=0.0):
    return tf_privacy.sequential(l2_norm_clip=_CLIP, noise_multiplier=noise_multiplier)

  def test_step_is_the_mean_of_clipped_examples(self):
    model = _compiled(keras.optimizers.SGD(1.0), self._make(), 'auto')
    self.assertEqual(model.name, 'net')
    expected = _naive(model)
    for got, want in zip(_step(model), expected, strict=True):
      np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)

  def test_noise_has_its_deviation(self):
    model = self._make(100.0)(
      layers=[keras.layers.Input((5,)), keras.layers.Dense(400)], name='wide'
    )
    model.compile(
      keras.optimizers.SGD(1.0),
      loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    tf.random.set_seed(0)
    noise = _step(model)[0]
    # 2,000 draws: 5 standard errors of a deviation are 8% of it.
    self.assertLess(abs(noise.std() / (100.0 * _CLIP / 6) - 1), 0.08)


if __name__ == '__main__':
  absltest.main()
