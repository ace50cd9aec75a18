from absl.testing import absltest, parameterized

from rnn_tf import engines
from rnn_tf.dp import randomness
from rnn_tf.errors import UsageError
from rnn_tf.kernels import support
from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.model_config import NETWORKS
from rnn_tf.stack import keras, tf
from tests import small_configs

layers = keras.layers


def _keys(seed=0):
  return randomness.repeatable_keys(seed)


class ChooseTest(parameterized.TestCase):
  @parameterized.parameters(*small_configs.RECURRENT)
  def test_recurrent_model_on_a_cpu_takes_the_kernels(self, model):
    self.assertEqual(engines.choose(small_configs.run_config(model)), 'split')

  @parameterized.parameters('cnn', 'mlp')
  def test_other_models_stay_with_keras(self, model):
    self.assertEqual(engines.choose(small_configs.run_config(model)), 'keras')

  def test_pixel_sequences_and_16_bit_floats_stay_with_keras(self):
    pixels = small_configs.run_config(model_values={'sequence': 'pixels'})
    self.assertEqual(engines.choose(pixels), 'keras')
    self.assertEqual(
      engines.choose(small_configs.run_config(mixed_precision=True)), 'keras'
    )

  def test_gpu_takes_keras_and_one_stream(self):
    with absltest.mock.patch.object(
      tf.config, 'list_physical_devices', return_value=['gpu']
    ):
      self.assertEqual(engines.choose(small_configs.run_config()), 'keras')
      self.assertEqual(
        engines.choose(small_configs.run_config(privacy=small_configs.private())),
        'exact',
      )
      self.assertEqual(engines.streams(256), 1)
      self.assertIsNone(engines.side_by_side('exact'))

  @parameterized.parameters('keras', 'split')
  def test_kernel_that_was_asked_for_is_taken(self, kernel):
    for values in ({}, {'sequence': 'pixels'}):
      config = small_configs.run_config(model_values=values, recurrent_kernel=kernel)
      self.assertEqual(engines.choose(config), kernel)

  @parameterized.product(
    model=list(NETWORKS),
    pair=[
      ('auto', 'exact'),
      ('exact', 'exact'),
      ('tf_privacy_model', 'tf_privacy_model'),
      ('tf_privacy_optimizer', 'tf_privacy_optimizer'),
    ],
  )
  def test_private_run_takes_the_engine_it_names(self, model, pair):
    asked, taken = pair
    config = small_configs.run_config(model, small_configs.private(dp_engine=asked))
    self.assertEqual(engines.choose(config), taken)


def _sequential(*above):
  return keras.Sequential([layers.Input((6, 5)), *above], name='whole')


def _shared():
  cell = layers.LSTM(4, name='cell')
  _sequential(cell, layers.Dense(2))
  return _sequential(cell, layers.Dense(3))


def _functional():
  inputs = layers.Input((6, 5))
  outputs = layers.Dense(3)(layers.LSTM(4)(inputs))
  return keras.Model(inputs, outputs, name='whole')


def _stateful():
  return keras.Sequential(
    [
      layers.Input(batch_input_shape=(2, 6, 5)),
      layers.LSTM(4, stateful=True, name='cell'),
      layers.Dense(3),
    ]
  )


def _twice():
  cell = layers.LSTM(5, return_sequences=True, name='cell')
  return _sequential(cell, cell, layers.LSTM(4), layers.Dense(3))


def relu(x):
  return 2 * x


def _frozen_direction():
  both = layers.Bidirectional(layers.LSTM(4), name='both')
  both.forward_layer.trainable = False
  return _sequential(both, layers.Dense(3))


def _shared_cell():
  cell = ClockworkRNNCell(5, (1, 2), name='cell')
  return _sequential(
    layers.RNN(cell, return_sequences=True), layers.RNN(cell), layers.Dense(3)
  )


def _inside_and_alone():
  cell = layers.LSTM(5, return_sequences=True, name='cell')
  both = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name='both')
  both.forward_layer = cell
  return _sequential(cell, both, layers.Flatten(), layers.Dense(3))


def _cell(kind, **options):
  return lambda: _sequential(kind(4, name='cell', **options), layers.Dense(3))


def _above(layer, *more):
  return lambda: _sequential(layers.LSTM(4), layer, *more)


class SupportedTest(parameterized.TestCase):
  @parameterized.named_parameters(
    ('dropout', _cell(layers.LSTM, dropout=0.1), 'cell: has dropout=0.1'),
    (
      'recurrent_dropout',
      _cell(layers.GRU, recurrent_dropout=0.1),
      'cell: has recurrent_dropout=0.1',
    ),
    ('reset_after', _cell(layers.GRU, reset_after=False), 'cell: has reset_after=Fa'),
    ('frozen', _cell(layers.LSTM, trainable=False), 'cell: a layer that is frozen'),
    ('half', _cell(layers.LSTM, dtype='float16'), 'cell: computes in float16'),
    ('relu', _cell(layers.LSTM, activation='relu'), 'cell: has activation=relu'),
    ('own_function', _cell(layers.LSTM, activation=relu), 'cell: has activation=relu'),
    (
      'regularizer',
      _cell(layers.LSTM, kernel_regularizer='l2'),
      'cell: has a loss of its own',
    ),
    ('frozen_direction', _frozen_direction, 'both: a layer that is frozen'),
    ('shared_cell', _shared_cell, 'used more than once'),
    ('inside_and_alone', _inside_and_alone, 'cell: a layer that is used more than'),
    (
      'own_relu',
      _above(layers.Dense(3, activation=relu, name='own'), layers.Dense(3)),
      'own: has activation=relu',
    ),
    (
      'named_backward',
      lambda: _sequential(
        layers.LSTM(4, go_backwards=True, name='backward'), layers.Dense(3)
      ),
      'backward: go_backwards on its own',
    ),
    (
      'dense_on_sequences',
      _cell(layers.LSTM, return_sequences=True),
      'a Dense layer on sequences',
    ),
    ('stateful', _stateful, 'cell: has stateful=True'),
    ('backwards', _cell(layers.LSTM, go_backwards=True), 'cell: go_backwards'),
    ('shared', _shared, 'cell: a layer that is used more than once'),
    ('twice', _twice, 'cell: a layer that is used more than once'),
    ('functional', _functional, 'whole: not a Sequential model'),
    (
      'batch_normalization',
      _above(layers.BatchNormalization(name='norm'), layers.Dense(3)),
      'norm: a layer of type BatchNormalization',
    ),
    (
      'dropout_layer',
      _above(layers.Dropout(0.1, name='drop'), layers.Dense(3)),
      'drop: a layer of type Dropout',
    ),
    (
      'masking',
      lambda: _sequential(layers.Masking(name='mask'), layers.LSTM(4), layers.Dense(3)),
      'mask: a layer of type Masking',
    ),
    (
      'softmax',
      _above(layers.Dense(3, activation='softmax', name='head')),
      'head: has activation=softmax',
    ),
    (
      'no_dense_head',
      _above(layers.Flatten(name='flat')),
      'flat: the last layer must be Dense',
    ),
  )
  def test_layer_without_a_kernel_is_named_with_a_way_out(self, make, part):
    model = make()
    for engine, flag, way_out in (
      ('exact', '--dp_engine=exact: ', 'give --dp_engine=tf_privacy_model'),
      ('split', '--recurrent_kernel=split: ', 'give --recurrent_kernel=keras'),
    ):
      with self.assertRaises(UsageError) as caught:
        engines.check_supported(model, engine)
      message = str(caught.exception)
      self.assertStartsWith(message, flag)
      self.assertIn(part, message)
      self.assertEndsWith(message, way_out)
      self.assertNotIn('\n', message)

  @parameterized.product(model=list(NETWORKS), engine=['split', 'exact'])
  def test_every_model_of_the_project_is_supported(self, model, engine):
    config = small_configs.run_config(
      model, model_values={'num_conv': 1} if model == 'cnn' else None
    )
    model = engines.build(
      config, engine=engine, guarantee=None, image_shape=(6, 5, 1), num_classes=3
    )
    self.assertIsNone(support.unsupported(model))

  def test_clockwork_cell_of_the_project_is_supported(self):
    cell = ClockworkRNNCell(4, (1, 2))
    engines.check_supported(_sequential(layers.RNN(cell), layers.Dense(3)), 'exact')

  def test_unsupported_layer_is_refused_when_the_model_is_built(self):
    with (
      absltest.mock.patch.object(
        engines.models, 'build', return_value=_cell(layers.LSTM, dropout=0.1)()
      ),
      self.assertRaisesRegex(UsageError, '--dp_engine=exact: cell: has dropout'),
    ):
      engines.build(
        small_configs.run_config(privacy=small_configs.private()),
        engine='exact',
        guarantee=None,
        image_shape=(6, 5, 1),
        num_classes=3,
      )


class StreamsTest(parameterized.TestCase):
  @parameterized.parameters(
    (1, 256, 1), (2, 64, 2), (64, 64, 4), (64, 4096, 8), (4, 8, 1)
  )
  def test_parts_are_as_many_as_cores_and_rows_allow(self, cores, batch_size, parts):
    with absltest.mock.patch.object(engines, 'cores', return_value=cores):
      self.assertEqual(engines.streams(batch_size), parts)


class BatchesTest(parameterized.TestCase):
  def _batches(self, config, engine, keys=None):
    with absltest.mock.patch.object(engines, 'streams', return_value=2):
      return engines.batches(config, engine=engine, keys=keys, first_epoch=1)

  def test_keras_and_tf_privacy_take_batches_as_they_come(self):
    config = small_configs.run_config(
      privacy=small_configs.private(dp_engine='tf_privacy_model')
    )
    for engine in ('keras', 'tf_privacy_model', 'tf_privacy_optimizer'):
      batches = self._batches(config, engine, _keys())
      self.assertEqual((batches.block, batches.poisson), (None, False))
      # Private batches are shuffled by a key that is as secret as the noise.
      self.assertEqual(batches.key, _keys().sampling)
      self.assertEqual(batches.first_epoch, 1)

  def test_kernels_take_a_row_for_every_stream(self):
    batches = self._batches(small_configs.run_config(), 'split')
    self.assertEqual((batches.block, batches.poisson, batches.key), (2, False, None))
    config = small_configs.run_config(
      privacy=small_configs.private(dp_sampling='shuffle')
    )
    batches = self._batches(config, 'exact', _keys())
    self.assertEqual((batches.block, batches.poisson), (2, False))
    self.assertEqual(batches.key, _keys().sampling)

  @parameterized.parameters((8, 2), (64, 4), (100, 6), (256, 16))
  def test_poisson_batches_grow_by_about_a_sixteenth(self, batch_size, block):
    config = small_configs.run_config(
      privacy=small_configs.private(), batch_size=batch_size
    )
    batches = self._batches(config, 'exact', _keys())
    self.assertEqual(batches.block, block)
    self.assertEqual((batches.poisson, batches.key), (True, _keys().sampling))


if __name__ == '__main__':
  absltest.main()
