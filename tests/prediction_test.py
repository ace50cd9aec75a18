import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import models, prediction
from rnn_tf.config import ModelConfig
from rnn_tf.stack import tf


def make(model='lstm', **config):
  config = ModelConfig(model=model, hidden_size=8, **config)
  network = models.build(config, image_shape=(8, 8, 1), num_classes=3)
  images = np.random.default_rng(0).random((23, 8, 8, 1)).astype(np.float32)
  return network, models.inputs(config, images)


class PredictorTest(parameterized.TestCase):
  @parameterized.product(model=('lstm', 'gru', 'clockwork_rnn', 'mlp'), streams=(1, 3))
  def test_logits_are_those_of_keras_predict(self, model, streams):
    network, inputs = make(model)
    predictor = prediction.Predictor(network, batch_size=5, streams=streams)
    logits = predictor(inputs)
    expected = network.predict(inputs, batch_size=5, verbose=0)
    self.assertEqual(logits.dtype, np.float32)
    np.testing.assert_allclose(logits, expected, atol=1e-6)

  def test_changed_weights_are_seen(self):
    network, inputs = make()
    predictor = prediction.Predictor(network)
    before = predictor(inputs)
    network.set_weights([2 * weight for weight in network.get_weights()])
    after = predictor(inputs)
    self.assertGreater(np.abs(after - before).max(), 1e-3)
    np.testing.assert_allclose(after, network.predict(inputs, verbose=0), atol=1e-6)

  def test_repeated_call_gives_the_same_bits(self):
    network, inputs = make()
    predictor = prediction.Predictor(network, batch_size=4, streams=4)
    np.testing.assert_array_equal(predictor(inputs), predictor(inputs))

  def test_no_examples_give_no_rows(self):
    network, inputs = make()
    logits = prediction.Predictor(network)(inputs[:0])
    self.assertEqual(logits.shape, (0, 3))

  def test_error_in_a_batch_is_raised(self):
    network, inputs = make()
    with self.assertRaises(tf.errors.InvalidArgumentError):
      prediction.Predictor(network, batch_size=2)(inputs[:, :, :5])


if __name__ == '__main__':
  absltest.main()
