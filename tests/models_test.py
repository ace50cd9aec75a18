import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models
from rnn_tf.errors import UsageError
from rnn_tf.model_config import MODEL_FIELDS, NETWORKS, ModelConfig
from rnn_tf.stack import keras

_SHAPE = (12, 10, 3)


def _build(**values):
  config = ModelConfig(hidden_size=8, **values)
  model = models.build(config, image_shape=_SHAPE, num_classes=7)
  images = np.random.default_rng(0).random((4, *_SHAPE), np.float32)
  return model, models.inputs(config, images)


class ModelsTest(parameterized.TestCase):
  @parameterized.product(
    model=list(NETWORKS),
    variant=[{}, {'num_layers': 2}, {'bidirectional': True}, {'sequence': 'columns'}],
  )
  def test_every_variant_gives_logits(self, model, variant):
    if not set(variant) <= set(MODEL_FIELDS[model]):
      self.skipTest(f'{model} takes no {variant}')
    network, inputs = _build(model=model, **variant)
    logits = network(inputs).numpy()
    self.assertEqual((logits.shape, logits.dtype), ((4, 7), np.float32))
    self.assertFalse(np.allclose(logits[0], logits[1]))
    self.assertFalse(np.allclose(logits.sum(axis=1), 1))  # No softmax.

  def test_builders_and_config_list_the_same_networks(self):
    self.assertEqual(set(models.BUILDERS), set(NETWORKS))

  @parameterized.product(
    model=['lstm', 'gru', 'simple_rnn', 'clockwork_rnn'], bidirectional=[False, True]
  )
  def test_layers_and_directions_are_really_there(self, model, bidirectional):
    network, _ = _build(model=model, num_layers=2, bidirectional=bidirectional)
    first, second, head = network.layers
    self.assertEqual(isinstance(first, keras.layers.Bidirectional), bidirectional)
    self.assertEqual(first.output_shape, (None, 12, 8 * (1 + bidirectional)))
    self.assertEqual(second.output_shape, (None, 8 * (1 + bidirectional)))
    self.assertEqual(head.name, 'logits')

  def test_lstm_parameters_are_those_of_the_formula(self):
    network, _ = _build(model='lstm')
    features = 10 * 3
    lstm = 4 * ((features + 8) * 8 + 8)
    self.assertEqual(network.count_params(), lstm + 8 * 7 + 7)

  @parameterized.parameters('lstm', 'gru')
  def test_plain_layer_may_take_cudnn(self, model):
    network, _ = _build(model=model)
    self.assertTrue(network.layers[0]._could_use_gpu_kernel)

  @parameterized.parameters(2, 3)
  def test_cnn_is_the_codelabs(self, num_conv):
    network = models.build(
      ModelConfig(model='cnn', num_conv=num_conv),
      image_shape=(32, 32, 3),
      num_classes=10,
    )
    kinds = [type(layer).__name__ for layer in network.layers]
    conv = ['Conv2D', 'MaxPooling2D'] * num_conv
    self.assertEqual(kinds, [*conv, 'Flatten', 'Dense', 'Dense'])
    side = {2: 6, 3: 2}[num_conv]
    convolutions = (9 * 3 * 32 + 32) + (num_conv - 1) * (9 * 32 * 32 + 32)
    dense = side * side * 32 * 64 + 64 + 64 * 10 + 10
    self.assertEqual(network.count_params(), convolutions + dense)

  def test_images_too_small_for_the_cnn_are_refused(self):
    with self.assertRaisesRegex(UsageError, '--num_conv=3.*--num_conv=1 at most'):
      models.build(
        ModelConfig(model='cnn', num_conv=3), image_shape=(8, 8, 1), num_classes=10
      )

  def test_logits_stay_in_32_bits_under_mixed_precision(self):
    self.addCleanup(keras.mixed_precision.set_global_policy, 'float32')
    keras.mixed_precision.set_global_policy('mixed_bfloat16')
    for model in NETWORKS:
      network, inputs = _build(model=model)
      self.assertEqual(network(inputs).dtype, 'float32')

  @parameterized.product(
    model=['lstm', 'gru', 'simple_rnn', 'clockwork_rnn'], bidirectional=[False, True]
  )
  def test_unrolled_network_computes_the_same(self, model, bidirectional):
    values = {'model': model, 'num_layers': 2, 'bidirectional': bidirectional}
    config = ModelConfig(hidden_size=8, **values)
    network, inputs = _build(**values)
    unrolled = models.build(config, image_shape=_SHAPE, num_classes=7, unroll=True)
    for layer in unrolled.layers[:-1]:
      each = layer.forward_layer if bidirectional else layer
      self.assertTrue(each.unroll)
    unrolled.set_weights(network.get_weights())
    np.testing.assert_allclose(unrolled(inputs), network(inputs), atol=1e-6)
    self.assertEqual(unrolled.name, network.name)

  def test_model_is_made_by_the_function_that_is_given(self):
    class Own(keras.Sequential):
      pass

    network = models.build(
      ModelConfig(model='mlp'), image_shape=_SHAPE, num_classes=7, sequential=Own
    )
    self.assertIsInstance(network, Own)

  def test_same_seed_gives_the_same_weights(self):
    weights = []
    for _ in range(2):
      keras.utils.set_random_seed(3)
      weights.append(_build(model='lstm')[0].get_weights())
    for one, other in zip(*weights, strict=True):
      np.testing.assert_array_equal(one, other)


if __name__ == '__main__':
  absltest.main()
