"""Networks by name: uncompiled Keras models that end in logits."""

from collections.abc import Callable, Mapping

import numpy as np

from rnn_tf import datasets
from rnn_tf.config import MODEL_FIELDS, ModelConfig
from rnn_tf.errors import UsageError
from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras

ImageShape = tuple[int, int, int]


def build(
  config: ModelConfig,
  *,
  image_shape: ImageShape,
  num_classes: int,
  sequential: Callable[..., keras.Sequential] = keras.Sequential,
  unroll: bool = False,
) -> keras.Model:
  """Builds the network that `config` describes.

  Args:
    config: the network, not a classical model.
    image_shape: (height, width, channels) of the images.
    num_classes: logits of the last layer.
    sequential: makes a model of `layers` and `name`.
    unroll: build recurrent layers step by step, without a loop.

  Returns:
    An uncompiled model from what `inputs` returns to float32 logits
    (batch, num_classes). The layer before the last is the model's
    representation of an example.

  Raises:
    UsageError: the images are too small for `--num_conv`.
  """
  body = BUILDERS[config.model](config, image_shape)
  # Logits stay in 32 bits under mixed precision: the attacks read them closely.
  head = keras.layers.Dense(num_classes, dtype='float32', name='logits')
  if unroll:
    body = [_unrolled(layer) for layer in body]
  return sequential(layers=[*body, head], name=config.label().replace('.', '_'))


def inputs(config: ModelConfig, images: np.ndarray) -> np.ndarray:
  """Turns images (n, height, width, channels) into what the model takes.

  Recurrent models take sequences (n, steps, features), the others the images.
  """
  if 'sequence' in MODEL_FIELDS[config.model]:
    return datasets.as_sequence(images, config.sequence)
  return images


def representation(model: keras.Model) -> keras.Model:
  """Returns the network below the logits, which shares its weights with `model`.

  Of a recurrent network that is the last step's state, forwards and backwards.

  Args:
    model: what `build` returned.
  """
  return keras.Model(model.inputs, keras.layers.Flatten()(model.layers[-2].output))


def _unrolled(layer: keras.layers.Layer) -> keras.layers.Layer:
  """Returns a recurrent layer that is built step by step, others as they are."""
  if isinstance(layer, keras.layers.Bidirectional):
    return keras.layers.Bidirectional(_unrolled(layer.forward_layer), name=layer.name)
  if isinstance(layer, keras.layers.RNN):
    return type(layer).from_config({**layer.get_config(), 'unroll': True})
  return layer


def _recurrent(
  layer: Callable[..., keras.layers.Layer], config: ModelConfig, image_shape: ImageShape
) -> list[keras.layers.Layer]:
  """Stacks `layer(return_sequences=...)`; the last step's output goes on."""
  layers = [keras.layers.Input(datasets.step_shape(image_shape, config.sequence))]
  for depth in range(config.num_layers):
    recurrent = layer(return_sequences=depth < config.num_layers - 1)
    if config.bidirectional:
      recurrent = keras.layers.Bidirectional(recurrent)
    layers.append(recurrent)
  return layers


def _lstm(config: ModelConfig, image_shape: ImageShape) -> list[keras.layers.Layer]:
  # Keras takes cuDNN's kernels on a GPU as long as the defaults are kept.
  return _recurrent(
    lambda **kwargs: keras.layers.LSTM(config.hidden_size, **kwargs),
    config,
    image_shape,
  )


def _gru(config: ModelConfig, image_shape: ImageShape) -> list[keras.layers.Layer]:
  return _recurrent(
    lambda **kwargs: keras.layers.GRU(config.hidden_size, **kwargs), config, image_shape
  )


def _simple_rnn(
  config: ModelConfig, image_shape: ImageShape
) -> list[keras.layers.Layer]:
  return _recurrent(
    lambda **kwargs: keras.layers.SimpleRNN(config.hidden_size, **kwargs),
    config,
    image_shape,
  )


def _clockwork_rnn(
  config: ModelConfig, image_shape: ImageShape
) -> list[keras.layers.Layer]:
  def layer(**kwargs):
    cell = ClockworkRNNCell(config.hidden_size, config.clockwork_periods)
    return keras.layers.RNN(cell, **kwargs)

  return _recurrent(layer, config, image_shape)


def _cnn(config: ModelConfig, image_shape: ImageShape) -> list[keras.layers.Layer]:
  """The TF Privacy codelab's network: (conv 3x3 relu, max-pool) x n, dense 64."""
  side = min(image_shape[:2])
  layers = [keras.layers.Input(image_shape)]
  for depth in range(config.num_conv):
    side = (side - 2) // 2
    if side < 1:
      raise UsageError(
        f'--num_conv={config.num_conv}: images of {image_shape[0]} x '
        f'{image_shape[1]} pixels have room for --num_conv={depth} at most'
      )
    layers.append(keras.layers.Conv2D(32, (3, 3), activation='relu'))
    layers.append(keras.layers.MaxPooling2D())
  return [*layers, keras.layers.Flatten(), keras.layers.Dense(64, activation='relu')]


def _mlp(config: ModelConfig, image_shape: ImageShape) -> list[keras.layers.Layer]:
  hidden = [
    keras.layers.Dense(config.hidden_size, activation='relu')
    for _ in range(config.num_layers)
  ]
  return [keras.layers.Input(image_shape), keras.layers.Flatten(), *hidden]


BUILDERS: Mapping[
  str, Callable[[ModelConfig, ImageShape], list[keras.layers.Layer]]
] = {
  'lstm': _lstm,
  'gru': _gru,
  'simple_rnn': _simple_rnn,
  'clockwork_rnn': _clockwork_rnn,
  'cnn': _cnn,
  'mlp': _mlp,
}
"""Model name -> function that returns the layers below the logits."""
