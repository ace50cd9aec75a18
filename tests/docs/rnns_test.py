"""The formulas of docs/rnns.md, in numpy as they stand there, against the models."""

import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import datasets, models
from rnn_tf.config import SEQUENCES, ModelConfig
from rnn_tf.stack import keras, tf

PAGE = (pathlib.Path(__file__).parents[2] / 'docs/rnns.md').read_text()

SHAPE, CLASSES, UNITS, COUNT = (7, 4, 1), 3, 6, 5


def sigmoid(a):
  return 1 / (1 + np.exp(-a))


def softmax(z):
  odds = np.exp(z - z.max(axis=1, keepdims=True))
  return odds / odds.sum(axis=1, keepdims=True)


def small(**flags):
  """Returns a model with weights that are nowhere 0, and inputs (n, steps, d)."""
  config = ModelConfig(hidden_size=UNITS, **flags)
  model = models.build(config, image_shape=SHAPE, num_classes=CLASSES)
  rng = np.random.default_rng(0)
  model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
  return model, rng.normal(size=(COUNT, *SHAPE[:2]))


def simple(x, weights):
  """Returns h_1 ... h_T of a simple RNN, a list of (n, units)."""
  w, u, b = weights
  states, h = [], np.zeros((len(x), len(u)))
  for t in range(x.shape[1]):
    h = np.tanh(x[:, t] @ w + h @ u + b)
    states.append(h)
  return states


def lstm(x, weights):
  w, u, b = weights
  states, h, c = [], *np.zeros((2, len(x), len(u)))
  for t in range(x.shape[1]):
    i, f, candidate, o = np.split(x[:, t] @ w + h @ u + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    h = sigmoid(o) * np.tanh(c)
    states.append(h)
  return states


def gru(x, weights):
  w, u, (b, c) = weights
  states, h = [], np.zeros((len(x), len(u)))
  for t in range(x.shape[1]):
    of_input = np.split(x[:, t] @ w + b, 3, axis=1)
    of_state = np.split(h @ u + c, 3, axis=1)
    z, r = (sigmoid(of_input[k] + of_state[k]) for k in (0, 1))
    candidate = np.tanh(of_input[2] + r * of_state[2])
    h = z * h + (1 - z) * candidate
    states.append(h)
  return states


def clockwork(x, weights, periods=(1, 2, 4)):
  w, u, b = weights
  tau = np.repeat(periods, UNITS // len(periods))
  mask = tau[:, None] >= tau[None, :]
  states, h = [], np.zeros((len(x), len(u)))
  for t in range(x.shape[1]):
    h = np.where(t % tau == 0, np.tanh(x[:, t] @ w + h @ (u * mask) + b), h)
    states.append(h)
  return states


def last(states):
  return states[-1]


def both_ways(cell, x, weights):
  """Returns [h forward, h backward] of each step, in the order of the rows."""
  one, other = weights[:3], weights[3:]
  backward = cell(x[:, ::-1], other)[::-1]
  return [np.hstack(pair) for pair in zip(cell(x, one), backward, strict=True)]


class EquationsTest(parameterized.TestCase):
  """The logits that the page's equations give are the model's."""

  def check(self, model, x, state, head):
    logits = state @ head[0] + head[1]
    np.testing.assert_allclose(model.predict(x, verbose=0), logits, atol=1e-5)

  @parameterized.parameters(
    (simple, {'model': 'simple_rnn'}),
    (lstm, {'model': 'lstm'}),
    (gru, {'model': 'gru'}),
    (clockwork, {'model': 'clockwork_rnn', 'clockwork_periods': (1, 2, 4)}),
  )
  def test_cell_is_that_of_the_equations(self, cell, flags):
    model, x = small(**flags)
    *weights, v, c = model.get_weights()
    self.check(model, x, last(cell(x, weights)), (v, c))

  @parameterized.parameters((simple, 'simple_rnn'), (lstm, 'lstm'), (gru, 'gru'))
  def test_bidirectional_joins_the_last_state_of_each_direction(self, cell, name):
    model, x = small(model=name, bidirectional=True)
    *weights, v, c = model.get_weights()
    forward = last(cell(x, weights[:3]))
    backward = last(cell(x[:, ::-1], weights[3:]))
    self.check(model, x, np.hstack([forward, backward]), (v, c))

  def test_second_layer_reads_the_states_of_the_first(self):
    model, x = small(model='lstm', num_layers=2)
    *weights, v, c = model.get_weights()
    states = np.stack(lstm(x, weights[:3]), axis=1)
    self.check(model, x, last(lstm(states, weights[3:])), (v, c))

  def test_second_bidirectional_layer_reads_both_directions_of_the_first(self):
    model, x = small(model='lstm', num_layers=2, bidirectional=True)
    *weights, v, c = model.get_weights()
    states = np.stack(both_ways(lstm, x, weights[:6]), axis=1)
    forward = last(lstm(states, weights[6:9]))
    backward = last(lstm(states[:, ::-1], weights[9:]))
    self.check(model, x, np.hstack([forward, backward]), (v, c))


def backpropagated(x, y, weights):
  """Back-propagation through time as the page derives it, summed over examples.

  Returns:
    The gradients by W, U, b, V and c, and g_t = dL/dh_t for t = 0 ... T.
  """
  w, u, b, v, c = weights
  states = [np.zeros((len(x), len(u))), *simple(x, (w, u, b))]
  steps = x.shape[1]
  d_logits = softmax(states[-1] @ v + c) - np.eye(v.shape[1])[y]
  g = [None] * (steps + 1)
  g[steps] = d_logits @ v.T
  d_w, d_u, d_b = np.zeros_like(w), np.zeros_like(u), np.zeros_like(b)
  for t in range(steps, 0, -1):
    delta = g[t] * (1 - states[t] ** 2)
    d_w += x[:, t - 1].T @ delta
    d_u += states[t - 1].T @ delta
    d_b += delta.sum(axis=0)
    g[t - 1] = delta @ u.T
  return [d_w, d_u, d_b, states[-1].T @ d_logits, d_logits.sum(axis=0)], g


class GradientsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.model, self.x = small(model='simple_rnn')
    self.y = np.arange(COUNT) % CLASSES
    self.weights = [w.astype(np.float64) for w in self.model.get_weights()]

  def loss(self, logits):
    return tf.reduce_sum(
      keras.losses.sparse_categorical_crossentropy(self.y, logits, from_logits=True)
    )

  def test_formulas_give_the_gradients_of_automatic_differentiation(self):
    with tf.GradientTape() as tape:
      loss = self.loss(self.model(self.x.astype(np.float32)))
    expected = tape.gradient(loss, self.model.trainable_variables)
    found, _ = backpropagated(self.x, self.y, self.weights)
    for one, other in zip(found, expected, strict=True):
      np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

  def test_formulas_give_the_difference_quotients_of_the_loss(self):
    def loss(weights):
      *cell, v, c = weights
      p = softmax(last(simple(self.x, cell)) @ v + c)
      return -np.log(p[np.arange(COUNT), self.y]).sum()

    found, _ = backpropagated(self.x, self.y, self.weights)
    for number, gradient in enumerate(found):
      for index in np.ndindex(gradient.shape):
        moved = []
        for step in (1e-5, -1e-5):
          weights = [w.copy() for w in self.weights]
          weights[number][index] += step
          moved.append(loss(weights))
        self.assertAlmostEqual(gradient[index], (moved[0] - moved[1]) / 2e-5, places=6)

  def test_gradient_by_an_early_state_is_a_product_of_jacobians(self):
    _, g = backpropagated(self.x, self.y, self.weights)
    w, u, b, *_ = self.weights
    states = [None, *simple(self.x, (w, u, b))]
    steps, example = self.x.shape[1], 2
    for k in range(steps):
      product = np.eye(UNITS)
      for t in range(steps, k, -1):
        product = product @ np.diag(1 - states[t][example] ** 2) @ u.T
      expected = g[steps][example] @ product
      np.testing.assert_allclose(g[k][example], expected, rtol=1e-10)

  def test_gradient_by_an_early_state_is_within_its_bound(self):
    _, g = backpropagated(self.x, self.y, self.weights)
    w, u, b, *_ = self.weights
    states = [None, *simple(self.x, (w, u, b))]
    sigma, bound = np.linalg.norm(u, 2), np.linalg.norm(g[-1], axis=1)
    for t in range(self.x.shape[1], 0, -1):
      bound = bound * sigma * (1 - states[t] ** 2).max(axis=1)
      self.assertTrue(np.all(np.linalg.norm(g[t - 1], axis=1) <= bound))

  def test_recurrent_weights_are_orthogonal_at_first(self):
    model = models.build(
      ModelConfig(model='simple_rnn'), image_shape=(28, 28, 1), num_classes=10
    )
    singular = np.linalg.svd(model.get_weights()[1], compute_uv=False)
    np.testing.assert_allclose(singular, 1, atol=1e-5)

  def test_memory_of_an_lstm_hands_back_its_forget_gate(self):
    """With h held still, dc_t / dc_{t-1} is diagonal, and is f."""
    cell = keras.layers.LSTMCell(UNITS)
    x, h, c = (tf.random.stateless_normal((1, UNITS), (0, k)) for k in range(3))
    with tf.GradientTape() as tape:
      tape.watch(c)
      _, (_, new) = cell(x, [h, c])
    jacobian = tape.jacobian(new, c)[0, :, 0]
    w, u, b = cell.get_weights()
    forget = sigmoid(x @ w + h @ u + b)[0, UNITS : 2 * UNITS]
    np.testing.assert_allclose(jacobian, np.diag(forget), atol=1e-6)


def head(inputs, classes=10):
  return inputs * classes + classes


def counts(d, n):
  """Parameters by the page's formulas: name on the command line -> number."""
  return {
    '--model=simple_rnn': d * n + n * n + n + head(n),
    '--model=lstm': 4 * (d * n + n * n + n) + head(n),
    '--model=gru': 3 * (d * n + n * n + 2 * n) + head(n),
    '--model=clockwork_rnn': d * n + n * n + n + head(n),
    '--model=lstm --bidirectional': 8 * (d * n + n * n + n) + head(2 * n),
    '--model=lstm --num_layers=2': (
      4 * (d * n + n * n + n) + 4 * (n * n + n * n + n) + head(n)
    ),
    '--model=lstm --bidirectional --num_layers=2': (
      8 * (d * n + n * n + n) + 8 * (2 * n * n + n * n + n) + head(2 * n)
    ),
  }


def config_of(command):
  """Returns the config of flags such as `--model=lstm --bidirectional`."""
  values = {}
  for flag in command.split():
    name, _, value = flag.removeprefix('--').partition('=')
    values[name] = int(value) if value.isdigit() else value or True
  return ModelConfig(**values)


class CountsTest(parameterized.TestCase):
  @parameterized.parameters(*counts(28, 128).items())
  def test_formula_gives_the_model_s_parameters_and_the_page_s_number(
    self, command, count
  ):
    model = models.build(config_of(command), image_shape=(28, 28, 1), num_classes=10)
    self.assertEqual(model.count_params(), count)
    self.assertIn(f'{count:,}', PAGE)

  def test_connections_of_a_clockwork_rnn_are_five_eighths(self):
    model = models.build(
      config_of('--model=clockwork_rnn'), image_shape=(28, 28, 1), num_classes=10
    )
    live = int(model.layers[0].cell.connections().sum())
    self.assertEqual(live, 128**2 * 5 // 8)
    self.assertIn(f'{live:,}', PAGE)

  @parameterized.parameters(((28, 28, 1),), ((32, 32, 3),))
  def test_steps_and_features_of_each_reading_are_the_page_s(self, shape):
    for how in SEQUENCES:
      steps, features = datasets.step_shape(shape, how)
      row = next(line for line in PAGE.splitlines() if line.startswith(f'| `{how}`'))
      self.assertIn(f'{steps:,} x {features:,}', row)


if __name__ == '__main__':
  absltest.main()
