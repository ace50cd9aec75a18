"""Recurrent cells that Keras does not have."""

from collections.abc import Sequence

import numpy as np

from rnn_tf.stack import keras, tf


@keras.utils.register_keras_serializable(package='rnn_tf')
class ClockworkRNNCell(keras.layers.Layer):
  """A simple RNN cell whose units tick at different clock rates.

  Koutnik et al., A Clockwork RNN, ICML 2014. The hidden units are cut into one
  group for each period; at step t = 0, 1, ... only the groups whose period
  divides t compute tanh(x_t W + h_{t-1} U + b), the others keep their state.
  A group hears itself and slower groups, never faster ones (section 3, eq. 3).

  Args:
    units: hidden units, at least one a group; the first groups take what does
      not divide evenly.
    periods: the groups' clock periods in steps, rising.
  """

  def __init__(self, units: int, periods: Sequence[int] = (1, 2, 4, 8), **kwargs):
    super().__init__(**kwargs)
    self.units = units
    self.periods = tuple(periods)
    sizes = [len(part) for part in np.array_split(np.arange(units), len(self.periods))]
    self.unit_periods = np.repeat(self.periods, sizes).astype(np.float32)
    self.state_size = [units, 1]
    self.output_size = units

  def build(self, input_shape):
    """Creates kernel (features, units), recurrent kernel and bias."""
    units = self.units
    self.kernel = self.add_weight('kernel', (input_shape[-1], units))
    self.recurrent_kernel = self.add_weight(
      'recurrent_kernel', (units, units), initializer='orthogonal'
    )
    self.bias = self.add_weight('bias', (units,), initializer='zeros')
    super().build(input_shape)

  def connections(self) -> np.ndarray:
    """Returns the (from, to) mask of the recurrent kernel, float32 zeros and ones."""
    periods = self.unit_periods
    return (periods[:, None] >= periods[None, :]).astype(np.float32)

  def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
    """Returns a zero hidden state (batch, units) and step counter (batch, 1)."""
    if inputs is not None:
      batch_size, dtype = tf.shape(inputs)[0], inputs.dtype
    # The counter stays float32: 16-bit floats cannot count a pixel sequence.
    return [tf.zeros([batch_size, self.units], dtype), tf.zeros([batch_size, 1])]

  def call(self, inputs, states, training=None):
    """Advances one step; inputs (batch, features), output (batch, units)."""
    hidden, step = states
    recurrent = self.recurrent_kernel * tf.cast(
      self.connections(), self.recurrent_kernel.dtype
    )
    candidate = tf.tanh(
      tf.matmul(inputs, self.kernel) + tf.matmul(hidden, recurrent) + self.bias
    )
    ticks = tf.equal(tf.math.floormod(step, self.unit_periods), 0.0)
    hidden = tf.where(ticks, candidate, hidden)
    return hidden, [hidden, step + 1.0]

  def get_config(self):
    """Returns the constructor's arguments."""
    return {**super().get_config(), 'units': self.units, 'periods': self.periods}
