import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.layers import ClockworkRNNCell
from rnn_tf.stack import keras


def _naive(x, cell):
  """The clockwork RNN unit by unit, in float64."""
  kernel, recurrent, bias = (w.numpy().astype(np.float64) for w in cell.weights)
  groups = np.array_split(np.arange(cell.units), len(cell.periods))
  outputs = []
  for sequence in x.astype(np.float64):
    hidden = np.zeros(cell.units)
    for step, features in enumerate(sequence):
      before = hidden.copy()
      for units, period in zip(groups, cell.periods, strict=True):
        if step % period:
          continue
        for unit in units:
          total = features @ kernel[:, unit] + bias[unit]
          for others, other_period in zip(groups, cell.periods, strict=True):
            if other_period >= period:
              total += before[others] @ recurrent[others, unit]
          hidden[unit] = np.tanh(total)
    outputs.append(hidden)
  return np.stack(outputs)


class ClockworkRNNCellTest(parameterized.TestCase):
  @parameterized.parameters((8, (1, 2, 4, 8), 9), (7, (1, 3), 5), (3, (2,), 4))
  def test_output_equals_the_unit_by_unit_oracle(self, units, periods, steps):
    keras.utils.set_random_seed(1)
    layer = keras.layers.RNN(ClockworkRNNCell(units, periods))
    x = np.random.default_rng(0).normal(size=(4, steps, 5)).astype(np.float32)
    actual = layer(x).numpy()
    layer.cell.bias.assign(np.linspace(-1, 1, units))
    self.assertFalse(np.allclose(actual, layer(x).numpy()))
    np.testing.assert_allclose(layer(x).numpy(), _naive(x, layer.cell), atol=1e-5)

  def test_period_one_alone_is_a_simple_rnn(self):
    x = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    clockwork = keras.layers.RNN(ClockworkRNNCell(7, (1,)))
    simple = keras.layers.SimpleRNN(7)
    clockwork(x), simple(x)
    simple.set_weights(clockwork.get_weights())
    np.testing.assert_allclose(clockwork(x).numpy(), simple(x).numpy(), atol=1e-6)

  def test_counter_is_exact_in_16_bit_compute(self):
    cell = ClockworkRNNCell(2, (1, 512), dtype='mixed_bfloat16')
    state = cell.get_initial_state(batch_size=1, dtype='bfloat16')
    self.assertEqual(state[1].dtype, 'float32')

  def test_config_rebuilds_the_cell(self):
    cell = ClockworkRNNCell.from_config(ClockworkRNNCell(6, (1, 5)).get_config())
    self.assertEqual((cell.units, cell.periods), (6, (1, 5)))


if __name__ == '__main__':
  absltest.main()
