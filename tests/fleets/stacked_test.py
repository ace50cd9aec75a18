import dataclasses
import functools

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models, training
from rnn_tf.config import (
  OPTIMIZERS,
  ModelConfig,
  RunConfig,
  TrainingConfig,
)
from rnn_tf.errors import UsageError
from rnn_tf.fleets import stacked
from rnn_tf.stack import keras
from tests import small_configs

_SHAPE = (5, 4, 2)
_CLASSES = 3
_SEEDS = (3, 4)
_RNG = np.random.default_rng(0)
_IMAGES = _RNG.random((40, *_SHAPE), np.float32)
_DIGITS = _RNG.random((40, 8, 8, 1), np.float32)
_LABELS = _RNG.integers(0, _CLASSES, 40)
# 21 examples in batches of 12: the last batch of an epoch has 9.
_ROWS = np.stack([np.sort(_RNG.permutation(40)[:21]) for _ in _SEEDS])


def _config(model='lstm', model_values=None, **training_values):
  values = {'batch_size': 12, 'learning_rate': 0.01, **training_values}
  return small_configs.run_config(model, model_values=model_values, **values)


def _stacked(config, *, images=_IMAGES, rows=_ROWS, seeds=_SEEDS, due=None):
  """Returns what `at_epoch` saw: epoch -> each model's weights."""
  seen = {}
  stacked.train(
    config,
    inputs=models.inputs(config.model, images),
    labels=_LABELS,
    rows=rows,
    seeds=seeds,
    image_shape=images.shape[1:],
    num_classes=_CLASSES,
    due=due or {config.training.epochs},
    at_epoch=seen.__setitem__,
  )
  return seen


def _alone(config, *, images=_IMAGES, rows, seed):
  """Returns the weights that Keras trains a model to by itself."""
  config = dataclasses.replace(
    config, training=dataclasses.replace(config.training, seed=seed)
  )
  keras.utils.set_random_seed(seed)
  model = models.build(config.model, image_shape=images.shape[1:], num_classes=_CLASSES)
  training.compile_model(model, config.training, examples=len(rows))
  model.run_eagerly = True  # So few steps are done before a graph would be made.
  inputs = models.inputs(config.model, images)
  training.fit(
    model,
    inputs[rows],
    _LABELS[rows],
    batches=training.Batches(config.training),
    callbacks=[],
  )
  return model.get_weights()


def _distance(found, expected):
  """Returns the largest distance of any variable from its value, over its norm."""
  return max(
    np.linalg.norm(a - b) / np.linalg.norm(b)
    for a, b in zip(found, expected, strict=True)
  )


class TrainTest(parameterized.TestCase):
  def _compare(self, config, **data):
    weights = _stacked(config, **data)[config.training.epochs]
    self.assertLen(weights, len(_SEEDS))
    for found, rows, seed in zip(weights, _ROWS, _SEEDS, strict=True):
      expected = _alone(config, rows=rows, seed=seed, **data)
      for a, b in zip(found, expected, strict=True):
        self.assertEqual((a.shape, a.dtype), (b.shape, b.dtype))
      self.assertLess(_distance(found, expected), 1e-5)

  @parameterized.named_parameters(
    ('lstm', 'lstm', {}),
    ('gru', 'gru', {}),
    ('simple_rnn', 'simple_rnn', {}),
    ('clockwork_rnn', 'clockwork_rnn', {}),
    ('uneven_clock_groups', 'clockwork_rnn', {'clockwork_periods': (2, 3, 9)}),
    ('bidirectional', 'lstm', {'bidirectional': True}),
    ('two_layers', 'simple_rnn', {'num_layers': 2}),
    ('two_layers_both_ways', 'lstm', {'num_layers': 2, 'bidirectional': True}),
    ('two_steps', 'lstm', {'sequence': 'channels'}),
    ('mlp', 'mlp', {'num_layers': 2}),
  )
  def test_each_model_ends_where_it_would_alone(self, model, values):
    self._compare(_config(model, values))

  def test_cnn_ends_where_it_would_alone(self):
    self._compare(_config('cnn', {'num_conv': 1}), images=_DIGITS)

  def test_deep_cnn_with_odd_sides_ends_where_it_would_alone(self):
    images = np.random.default_rng(1).random((40, 13, 12, 2), np.float32)
    self._compare(_config('cnn', {'num_conv': 2}), images=images)

  def test_single_step_is_trained(self):
    self._compare(_config('lstm', {'sequence': 'channels'}), images=_DIGITS)

  @parameterized.named_parameters(
    ('lstm', 'lstm', {}),
    ('gru_two_layers', 'gru', {'num_layers': 2}),
    ('clockwork_both_ways', 'clockwork_rnn', {'bidirectional': True}),
  )
  def test_looped_steps_equal_training_alone(self, model, values):
    with absltest.mock.patch.object(stacked, 'UNROLLED_STEPS', 0):
      self._compare(_config(model, values))

  @parameterized.parameters(*OPTIMIZERS)
  def test_every_optimizer_equals_training_alone(self, optimizer):
    self._compare(_config('mlp', optimizer=optimizer))

  @parameterized.parameters('linear', 'cosine')
  def test_falling_step_size_equals_training_alone(self, decay):
    config = _config('mlp', optimizer='sgd', learning_rate_decay=decay, epochs=3)
    self._compare(config)
    constant = _config('mlp', optimizer='sgd', epochs=3)
    self.assertGreater(
      _distance(_stacked(config)[3][0], _stacked(constant)[3][0]), 1e-4
    )


class FleetTest(parameterized.TestCase):
  def test_seeds_differ_and_equal_ones_do_not(self):
    rows = np.tile(_ROWS[0], (3, 1))
    one, other, same = _stacked(_config('mlp'), rows=rows, seeds=[3, 4, 3])[2]
    self.assertGreater(_distance(one, other), 0.1)
    self.assertLess(_distance(one, same), 1e-6)

  def test_model_does_not_depend_on_its_company(self):
    config = _config('simple_rnn')
    both = _stacked(config)[2]
    for which in (0, 1):
      (alone,) = _stacked(config, rows=_ROWS[[which]], seeds=[_SEEDS[which]])[2]
      self.assertLess(_distance(alone, both[which]), 1e-6)

  def test_weights_are_shown_after_the_epochs_that_are_due(self):
    config = _config('mlp', epochs=4)
    seen = _stacked(config, due=(3, 1))
    self.assertEqual(list(seen), [1, 3])
    for epoch, weights in seen.items():
      shorter = _config('mlp', epochs=epoch)
      expected = _alone(shorter, rows=_ROWS[0], seed=_SEEDS[0])
      self.assertLess(_distance(weights[0], expected), 1e-5)

  def test_batch_that_divides_the_examples_equals_training_alone(self):
    config = _config('mlp', batch_size=7)
    (found, _) = _stacked(config)[2]
    expected = _alone(config, rows=_ROWS[0], seed=_SEEDS[0])
    self.assertLess(_distance(found, expected), 1e-5)

  def test_batch_larger_than_the_examples_is_refused(self):
    with self.assertRaisesRegex(UsageError, '--batch_size=22: larger than the 21'):
      _stacked(_config('mlp', batch_size=22))

  def test_arguments_that_do_not_fit_are_refused(self):
    run = functools.partial(_stacked, _config('mlp'))
    with self.assertRaisesRegex(ValueError, r'rows of shape \(2, 21\) for 3 seeds'):
      run(seeds=[1, 2, 3])
    with self.assertRaisesRegex(ValueError, r'due are epochs \[2, 3\] of 2'):
      run(due=(3, 2))


class UnsupportedTest(parameterized.TestCase):
  @parameterized.parameters(*small_configs.RECURRENT, 'mlp', 'cnn')
  def test_plain_training_is_supported(self, model):
    self.assertIsNone(stacked.unsupported(_config(model)))

  @parameterized.named_parameters(
    ('private', {'privacy': small_configs.private()}, '--dp: '),
    (
      'tf_privacy',
      {'privacy': small_configs.private(dp_engine='tf_privacy_model')},
      '--dp: ',
    ),
    ('half', {'training': TrainingConfig(mixed_precision=True)}, '--mixed_precision: '),
    (
      'named_kernel',
      {'training': TrainingConfig(recurrent_kernel='split')},
      '--recurrent_kernel=split: ',
    ),
  )
  def test_what_cannot_be_stacked_is_named(self, values, reason):
    config = RunConfig(model=ModelConfig(hidden_size=4), **values)
    self.assertStartsWith(stacked.unsupported(config), reason)
    with self.assertRaisesRegex(ValueError, reason):
      _stacked(config)


if __name__ == '__main__':
  absltest.main()
