"""Engines compared with each other, by what they train."""

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import engines, training
from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
from rnn_tf.dp import guarantee, randomness
from rnn_tf.stack import keras
from tests import small_configs

_RNG = np.random.default_rng(0)
_X = _RNG.random((21, 6, 5), np.float32)
_Y = _RNG.integers(0, 3, 21)


def _promise(config, engine, noise_multiplier=1.0):
  return guarantee.Guarantee(
    noise_multiplier=noise_multiplier,
    l2_norm_clip=config.privacy.dp_l2_norm_clip,
    delta=1e-2,
    sampling_probability=8 / 21,
    sampling=config.privacy.dp_sampling,
    steps_per_epoch=3,
    engine=engine,
    secret=False,
  )


def _keys(seed=0):
  return randomness.repeatable_keys(seed)


def _trained(config, engine, promise=None, keys=None):
  """Returns a model after all epochs, and the history of its metrics."""
  keras.utils.set_random_seed(config.training.seed)
  model = engines.build(
    config, engine=engine, guarantee=promise, image_shape=(6, 5, 1), num_classes=3
  )
  engines.install(model, config, engine=engine, guarantee=promise, keys=keys)
  history = keras.callbacks.History()
  training.fit(
    model,
    _X if config.model.model in small_configs.RECURRENT else _X[..., None],
    _Y,
    batches=engines.batches(config, engine=engine, keys=keys, first_epoch=0),
    callbacks=[history],
  )
  return model, history.history


def _assert_close(test, one, other, tolerance=1e-5):
  """Compares weights by the norm of their difference, over their norm."""
  for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
    test.assertLessEqual(np.linalg.norm(a - b), tolerance * np.linalg.norm(a))


class PlainTest(parameterized.TestCase):
  @parameterized.product(model=small_configs.RECURRENT, streams=[1, 3])
  def test_split_and_keras_train_to_the_same_weights(self, model, streams):
    config = small_configs.run_config(model, optimizer='sgd', learning_rate=0.1)
    with absltest.mock.patch.object(engines, 'streams', return_value=streams):
      split, figures = _trained(config, 'split')
    plain, expected = _trained(config, 'keras')
    _assert_close(self, split, plain)
    for name in ('loss', 'accuracy'):
      np.testing.assert_allclose(figures[name], expected[name], rtol=1e-5, err_msg=name)

  @parameterized.parameters('adam', 'adagrad', 'rmsprop')
  def test_split_and_keras_agree_with_every_optimizer(self, optimizer):
    config = small_configs.run_config(optimizer=optimizer)
    _assert_close(self, _trained(config, 'split')[0], _trained(config, 'keras')[0])

  def test_split_and_keras_agree_on_a_deep_bidirectional_network(self):
    config = small_configs.run_config(
      model_values={'num_layers': 2, 'bidirectional': True}
    )
    split, figures = _trained(config, 'split')
    plain, expected = _trained(config, 'keras')
    _assert_close(self, split, plain)
    np.testing.assert_allclose(figures['loss'], expected['loss'], rtol=1e-5)

  def test_weights_of_either_engine_load_into_a_plain_model(self):
    path = self.create_tempdir().full_path
    for engine in ('split', 'keras'):
      model, _ = _trained(small_configs.run_config(epochs=1), engine)
      model.save_weights(f'{path}/{engine}.weights.h5')
      other = engines.build(
        small_configs.run_config(seed=9),
        engine='keras',
        guarantee=None,
        image_shape=(6, 5, 1),
        num_classes=3,
      )
      training.load_weights(other, f'{path}/{engine}.weights.h5')
      for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class PrivateTest(parameterized.TestCase):
  def _config(self, model='lstm', **values):
    clip = values.pop('dp_l2_norm_clip', 1.0)
    privacy = small_configs.private(dp_sampling='shuffle', dp_l2_norm_clip=clip)
    values = {'optimizer': 'sgd', 'learning_rate': 0.1, **values}
    return small_configs.run_config(model, privacy, batch_size=7, **values)

  @parameterized.parameters(*small_configs.RECURRENT, 'mlp')
  def test_no_noise_and_a_wide_clip_is_plain_training(self, model):
    # Seven divide 21: the mechanism divides by the size that a batch should have.
    config = self._config(model, dp_l2_norm_clip=1e6)
    promise = _promise(config, 'exact', noise_multiplier=0.0)
    private, _ = _trained(config, 'exact', promise, _keys())
    plain, _ = _trained(
      small_configs.run_config(model, batch_size=7, optimizer='sgd', learning_rate=0.1),
      'keras',
      keys=_keys(),  # For the order of the examples.
    )
    _assert_close(self, private, plain)

  def test_no_noise_and_a_small_clip_is_tf_privacys_training(self):
    config = self._config(dp_l2_norm_clip=0.1)
    exact, _ = _trained(config, 'exact', _promise(config, 'exact', 0.0), _keys())
    for engine in ('tf_privacy_optimizer', 'tf_privacy_model'):
      promise = _promise(config, engine, 0.0)
      _assert_close(self, exact, _trained(config, engine, promise, _keys())[0])

  def test_noise_of_a_step_has_the_promised_deviation(self):
    config = self._config('mlp', learning_rate=1.0, epochs=1)
    config = RunConfig(
      model=ModelConfig(model='mlp', hidden_size=100),
      training=TrainingConfig(
        epochs=1, batch_size=21, optimizer='sgd', learning_rate=1.0
      ),
      privacy=config.privacy,
    )
    models = [
      _trained(config, 'exact', _promise(config, 'exact', noise), _keys())[0]
      for noise in (5.0, 0.0)
    ]
    noise = np.concatenate(
      [(a - b).ravel() for a, b in zip(*(m.get_weights() for m in models), strict=True)]
    )
    expected = 5.0 * 1.0 / 21
    # 3,403 draws: 5 standard errors of a deviation are 6% of it.
    self.assertLess(abs(noise.std() / expected - 1), 0.061)
    self.assertLess(abs(noise.mean()), 5 * expected / len(noise) ** 0.5)

  @parameterized.parameters('exact', 'tf_privacy_optimizer', 'tf_privacy_model')
  def test_same_keys_give_the_same_weights_and_others_do_not(self, engine):
    config = self._config('mlp', epochs=1)
    promise = _promise(config, engine)
    one, same, other = (
      _trained(config, engine, promise, _keys(seed))[0].get_weights()
      for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one[0], same[0])
    self.assertGreater(np.abs(one[0] - other[0]).max(), 1e-3)

  @parameterized.parameters('exact', 'tf_privacy_optimizer', 'tf_privacy_model')
  def test_resumed_run_repeats_no_noise(self, engine):
    # On equal data and weights the steps differ by nothing but the noise.
    config = self._config('mlp', epochs=1)
    promise = _promise(config, engine, noise_multiplier=100.0)
    steps = []
    for done in (0, 3):
      keras.utils.set_random_seed(0)
      model = engines.build(
        config, engine=engine, guarantee=promise, image_shape=(6, 5, 1), num_classes=3
      )
      before = model.get_weights()
      training._build_optimizer(model)
      model.optimizer.iterations.assign(done)
      engines.install(model, config, engine=engine, guarantee=promise, keys=_keys())
      batches = engines.batches(config, engine=engine, keys=_keys(), first_epoch=0)
      model.fit(batches(_X[..., None], _Y).take(1), verbose=0)
      steps.append(model.get_weights()[0] - before[0])
    noise = 0.1 * 100.0 / 7
    self.assertGreater(np.abs(steps[0] - steps[1]).mean(), noise / 2)


if __name__ == '__main__':
  absltest.main()
