"""Dense, convolutional, pooling and flattening layers by hand.

Each goes forward with what the way back needs, and backward to the deltas of its
inputs and to the blocks of its weights' gradient, of which it has `blocks`.
"""

from collections.abc import Sequence
from typing import Any

from rnn_tf.kernels.products import Product, with_ones
from rnn_tf.stack import keras, tf

Tensors = tuple[tf.Tensor, ...]


class _Affine:
  """A layer with a kernel and a bias, linear or ReLU."""

  blocks = 1

  def __init__(self, layer: keras.layers.Layer):
    self._layer = layer
    self._relu = layer.activation is keras.activations.relu

  def prepare(self) -> Tensors:
    """Returns the kernel and the bias."""
    return tuple(map(tf.convert_to_tensor, (self._layer.kernel, self._layer.bias)))

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the gradients of kernel and bias."""
    kernel = tf.reshape(sums[0][:-1], self._layer.kernel.shape)
    return [kernel, sums[0][-1]]

  def _activate(self, outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    outputs = tf.nn.bias_add(outputs, bias)
    return tf.nn.relu(outputs) if self._relu else outputs

  def _before_activation(self, deltas: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    if not self._relu:
      return deltas
    return tf.raw_ops.ReluGrad(gradients=deltas, features=outputs)


class DenseKernel(_Affine):
  """A dense layer, linear or ReLU."""

  def forward(self, inputs: tf.Tensor, weights: Tensors) -> tuple[tf.Tensor, Any]:
    """Takes (rows, features)."""
    outputs = self._activate(tf.matmul(inputs, weights[0]), weights[1])
    return outputs, (inputs, outputs, weights)

  def backward(
    self, d_outputs: tf.Tensor, trace: Any, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Returns the deltas of the inputs and one block, [x; 1] with the deltas."""
    inputs, outputs, weights = trace
    d_outputs = self._before_activation(d_outputs, outputs)
    block = Product(with_ones(inputs)[:, None], d_outputs[:, None])
    back = tf.matmul(d_outputs, weights[0], transpose_b=True) if d_inputs else None
    return back, [block]


class ConvKernel(_Affine):
  """A convolution without padding and with stride 1, linear or ReLU.

  Its weights meet the input at every position, like a recurrent layer's at every
  step: the patches are the activations, the positions the steps.
  """

  def forward(self, inputs: tf.Tensor, weights: Tensors) -> tuple[tf.Tensor, Any]:
    """Takes (rows, height, width, channels)."""
    outputs = self._activate(tf.nn.conv2d(inputs, weights[0], 1, 'VALID'), weights[1])
    return outputs, (inputs, outputs, weights)

  def backward(
    self, d_outputs: tf.Tensor, trace: Any, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Returns the deltas of the inputs and one block, patches with the deltas."""
    inputs, outputs, weights = trace
    d_outputs = self._before_activation(d_outputs, outputs)
    height, width, channels, filters = weights[0].shape
    patches = tf.image.extract_patches(
      inputs, [1, height, width, 1], [1] * 4, [1] * 4, 'VALID'
    )
    steps = outputs.shape[1] * outputs.shape[2]
    left = tf.reshape(patches, [-1, steps, height * width * channels])
    block = Product(with_ones(left), tf.reshape(d_outputs, [-1, steps, filters]))
    if not d_inputs:
      return None, [block]
    back = tf.raw_ops.Conv2DBackpropInput(
      input_sizes=tf.shape(inputs),
      filter=weights[0],
      out_backprop=d_outputs,
      strides=[1] * 4,
      padding='VALID',
    )
    return tf.ensure_shape(back, inputs.shape), [block]


class MaxPoolKernel:
  """Max-pooling without padding."""

  blocks = 0

  def __init__(self, layer: keras.layers.Layer):
    self._window = {
      'ksize': [1, *layer.pool_size, 1],
      'strides': [1, *layer.strides, 1],
      'padding': 'VALID',
    }

  def prepare(self) -> Tensors:
    """Has no weights."""
    return ()

  def forward(self, inputs: tf.Tensor, weights: Tensors) -> tuple[tf.Tensor, Any]:
    """Takes (rows, height, width, channels)."""
    outputs = tf.nn.max_pool2d(inputs, **self._window)
    return outputs, (inputs, outputs)

  def backward(
    self, d_outputs: tf.Tensor, trace: Any, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Sends each delta to where the maximum was."""
    inputs, outputs = trace
    if not d_inputs:
      return None, []
    return tf.raw_ops.MaxPoolGrad(
      orig_input=inputs, orig_output=outputs, grad=d_outputs, **self._window
    ), []

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Has no weights."""
    return []


class FlattenKernel:
  """Flattening."""

  blocks = 0

  def __init__(self, layer: keras.layers.Layer):
    del layer

  def prepare(self) -> Tensors:
    """Has no weights."""
    return ()

  def forward(self, inputs: tf.Tensor, weights: Tensors) -> tuple[tf.Tensor, Any]:
    """Takes (rows, ...)."""
    size = inputs.shape[1:].num_elements()
    return tf.reshape(inputs, [-1, size]), inputs.shape

  def backward(
    self, d_outputs: tf.Tensor, trace: Any, *, d_inputs: bool
  ) -> tuple[tf.Tensor | None, list[Product]]:
    """Gives the deltas the shape of the inputs."""
    return tf.reshape(d_outputs, [-1, *trace[1:]]), []

  def gradients(self, sums: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Has no weights."""
    return []
