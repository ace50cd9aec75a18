"""Which Keras models the kernels compute, and which they must refuse by name.

What is wrong here would be silently wrong in a gradient, and an example that is not
clipped is not private. So every option that changes what a layer computes is looked
at, and what is not known is refused.
"""

from collections.abc import Iterator
from typing import Any

from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras


class UnsupportedError(Exception):
  """A layer that no kernel computes; the message names it and says why."""


_ACTIVATIONS = keras.activations

_NEEDED: dict[type, dict[str, tuple[Any, ...]]] = {
  keras.layers.LSTM: {
    'activation': (_ACTIVATIONS.tanh,),
    'recurrent_activation': (_ACTIVATIONS.sigmoid,),
    'use_bias': (True,),
  },
  keras.layers.GRU: {
    'activation': (_ACTIVATIONS.tanh,),
    'recurrent_activation': (_ACTIVATIONS.sigmoid,),
    'use_bias': (True,),
    'reset_after': (True,),
  },
  keras.layers.SimpleRNN: {'activation': (_ACTIVATIONS.tanh,), 'use_bias': (True,)},
  ClockworkRNNCell: {},
  keras.layers.Bidirectional: {'merge_mode': ('concat',)},
  keras.layers.Dense: {
    'activation': (_ACTIVATIONS.linear, _ACTIVATIONS.relu),
    'use_bias': (True,),
  },
  keras.layers.Conv2D: {
    'activation': (_ACTIVATIONS.linear, _ACTIVATIONS.relu),
    'use_bias': (True,),
    'padding': ('valid',),
    'strides': ((1, 1),),
    'dilation_rate': ((1, 1),),
    'groups': (1,),
    'data_format': ('channels_last',),
  },
  keras.layers.MaxPooling2D: {
    'padding': ('valid',),
    'data_format': ('channels_last',),
  },
  keras.layers.Flatten: {'data_format': ('channels_last',)},
}
"""Layer type -> attribute -> the values that it may have."""

_FORBIDDEN = ('dropout', 'recurrent_dropout', 'stateful', 'return_state', 'time_major')


def kind(layer: keras.layers.Layer) -> type:
  """Returns the layer's type; of a plain `RNN`, that of its cell."""
  return type(layer.cell) if type(layer) is keras.layers.RNN else type(layer)


def unsupported(model: keras.Model) -> str | None:
  """Returns why there are no kernels for a built model, or None if there are."""
  try:
    checked_layers(model)
  except UnsupportedError as reason:
    return str(reason)
  return None


def checked_layers(model: keras.Model) -> list[keras.layers.Layer]:
  """Returns a model's layers.

  Raises:
    UnsupportedError: the kernels cannot compute one of them.
  """
  if not isinstance(model, keras.Sequential):
    raise UnsupportedError(f'{model.name}: not a Sequential model')
  seen: set[int] = set()
  for layer in model.layers:
    # A layer that was called outside the model as well has more than one node.
    if len(getattr(layer, 'inbound_nodes', ())) > 1:
      raise UnsupportedError(f'{layer.name}: a layer that is used more than once')
    for part in _parts(layer):
      if id(part) in seen:
        raise UnsupportedError(f'{part.name}: a layer that is used more than once')
      seen.add(id(part))
    _check_layer(layer)
  _check_head(model.layers[-1])
  return model.layers


def _parts(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
  """Yields a layer and those inside it that hold its weights."""
  yield layer
  if type(layer) is keras.layers.Bidirectional:
    yield from _parts(layer.forward_layer)
    yield from _parts(layer.backward_layer)
  elif hasattr(layer, 'cell'):
    yield layer.cell


def _check_head(layer: keras.layers.Layer) -> None:
  if type(layer) is not keras.layers.Dense:
    raise UnsupportedError(f'{layer.name}: the last layer must be Dense')
  if layer.activation is not keras.activations.linear:
    raise UnsupportedError(f'{layer.name}: the last layer must give logits')


def _check_layer(layer: keras.layers.Layer, *, inside: bool = False) -> None:
  """Raises UnsupportedError unless there is a kernel for just this layer.

  Args:
    layer: of the model, or inside one of its layers.
    inside: whether it is a direction of a Bidirectional layer, which alone may go
      backwards.
  """
  if kind(layer) not in _NEEDED:
    raise UnsupportedError(f'{layer.name}: a layer of type {kind(layer).__name__}')
  if layer.compute_dtype != 'float32':
    raise UnsupportedError(f'{layer.name}: computes in {layer.compute_dtype}')
  if layer.losses:
    raise UnsupportedError(f'{layer.name}: has a loss of its own (a regularizer)')
  if not all(part.trainable for part in _parts(layer)):
    raise UnsupportedError(f'{layer.name}: a layer that is frozen')
  if type(layer) is keras.layers.Bidirectional:
    _check_layer(layer.forward_layer, inside=True)
    _check_layer(layer.backward_layer, inside=True)
  elif getattr(layer, 'go_backwards', False) and not inside:
    raise UnsupportedError(f'{layer.name}: go_backwards on its own')
  if type(layer) is keras.layers.Dense and len(layer.input_shape) != 2:
    raise UnsupportedError(f'{layer.name}: a Dense layer on sequences')
  _check_options(layer)


def _check_options(layer: keras.layers.Layer) -> None:
  for option in _FORBIDDEN:
    value = getattr(layer, option, None)
    if value:
      raise UnsupportedError(f'{layer.name}: has {option}={value}')
  for option, allowed in _NEEDED[kind(layer)].items():
    value = getattr(layer, option)
    if value not in allowed:
      shown = getattr(value, '__name__', value)
      raise UnsupportedError(f'{layer.name}: has {option}={shown}')
