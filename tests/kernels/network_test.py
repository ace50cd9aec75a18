import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.dp import tf_privacy
from rnn_tf.kernels import products, recurrent
from rnn_tf.kernels.network import Network
from rnn_tf.stack import tf
from tests.kernels import oracle

_TOLERANCE = 1e-5


def _pass(model, inputs, labels, *, row_weights=None, clip=0.5):
  """Returns logits, losses, plain and clipped gradient sums, and norms."""
  net = Network(model)
  if row_weights is None:
    row_weights = np.ones(len(labels), np.float32)

  @tf.function
  def run(inputs, labels, row_weights):
    done = net(inputs, labels, row_weights=row_weights, weights=net.prepare())
    plain = net.gradients([products.total(block) for block in done.blocks])
    sums, norms = products.clipped_totals(done.blocks, l2_norm_clip=clip)
    return done.logits, done.losses, plain, net.gradients(sums), norms

  return tf.nest.map_structure(
    lambda tensor: tensor.numpy(),
    run(*(tf.constant(each) for each in (inputs, labels, row_weights))),
  )


class NetworkTest(parameterized.TestCase):
  def _compare(self, options):
    model, inputs, labels = oracle.build(options)
    expected = oracle.gradients(model, inputs, labels)
    norms = oracle.norms(expected)
    clip = float(np.median(norms))  # Some examples are clipped, some are not.
    logits, losses, plain, clipped, found = _pass(model, inputs, labels, clip=clip)
    np.testing.assert_allclose(logits, model(inputs), atol=1e-5)
    reference = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(inputs))
    np.testing.assert_allclose(losses, reference, atol=1e-5)
    whole = [sum(each) for each in zip(*expected, strict=True)]
    self.assertLess(oracle.relative_error(plain, whole), _TOLERANCE)
    np.testing.assert_allclose(found, norms, rtol=_TOLERANCE)
    naive = oracle.clipped_sum(expected, clip)
    self.assertLess(oracle.relative_error(clipped, naive), _TOLERANCE)
    for gradient, variable in zip(plain, model.trainable_variables, strict=True):
      self.assertEqual(gradient.shape, variable.shape)

  @parameterized.named_parameters(*oracle.named(oracle.RECURRENT + oracle.OTHERS))
  def test_plain_and_clipped_sums_equal_naive_tapes(self, options):
    self._compare(options)

  @parameterized.named_parameters(
    *oracle.named((*oracle.RECURRENT[::4], *oracle.RECURRENT[3::8]))
  )
  def test_looped_steps_equal_naive_tapes(self, options):
    before = recurrent.UNROLLED_STEPS
    self.addCleanup(setattr, recurrent, 'UNROLLED_STEPS', before)
    recurrent.UNROLLED_STEPS = 0
    self._compare(options)

  @parameterized.named_parameters(
    ('columns', {'sequence': 'columns'}),
    ('channels', {'sequence': 'channels'}),
    ('pixels', {'sequence': 'pixels'}),
    ('uneven_clock_groups', {'model': 'clockwork_rnn', 'clockwork_periods': (2, 3)}),
    (
      'clock_slower_than_the_sequence',
      {'model': 'clockwork_rnn', 'clockwork_periods': (1, 9)},
    ),
    ('cnn1', {'model': 'cnn', 'num_conv': 1}),
  )
  def test_other_readings_equal_naive_tapes(self, options):
    self._compare(options)

  @parameterized.named_parameters(*oracle.named(oracle.RECURRENT + oracle.OTHERS))
  def test_clipping_equals_dp_keras_optimizer_of_one_microbatch_each(self, options):
    clip = 0.7
    model, inputs, labels = oracle.build(options)
    _, _, _, clipped, _ = _pass(model, inputs, labels, clip=clip)
    optimizer = tf_privacy.optimizer(
      'adam',
      learning_rate=1.0,
      l2_norm_clip=clip,
      noise_multiplier=0.0,
      num_microbatches=len(labels),
    )
    with tf.GradientTape(persistent=True) as tape:
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(inputs))
    pairs = optimizer._compute_gradients(losses, model.trainable_variables, tape=tape)
    means = [gradient.numpy() * len(labels) for gradient, _ in pairs]
    self.assertLess(oracle.relative_error(clipped, means), _TOLERANCE)

  @parameterized.named_parameters(*oracle.named(oracle.RECURRENT[::4] + oracle.OTHERS))
  def test_rows_of_weight_zero_change_nothing(self, options):
    model, inputs, labels = oracle.build(options)
    alone = _pass(model, inputs, labels)
    padded = _pass(
      model,
      np.concatenate([inputs, np.zeros_like(inputs[:3])]),
      np.concatenate([labels, [0, 0, 0]]),
      row_weights=np.repeat(np.float32([1, 0]), [len(labels), 3]),
    )
    for which in (2, 3):
      self.assertLess(oracle.relative_error(padded[which], alone[which]), 2e-6)
    np.testing.assert_array_equal(padded[4][len(labels) :], 0)

  def test_huge_clip_gives_the_plain_gradient(self):
    model, inputs, labels = oracle.build({'model': 'lstm'})
    _, _, plain, clipped, _ = _pass(model, inputs, labels, clip=1e6)
    self.assertLess(oracle.relative_error(clipped, plain), 2e-6)

  def test_confident_examples_keep_their_small_gradients(self):
    model, inputs, labels = oracle.build({'model': 'lstm'})
    head = model.layers[-1]
    head.kernel.assign(head.kernel * 40)
    labels = np.argmax(model(inputs), axis=1)
    expected = oracle.norms(oracle.gradients(model, inputs, labels))
    *_, norms = _pass(model, inputs, labels, clip=1e-3)
    self.assertLess(expected.min(), 1e-2)
    np.testing.assert_allclose(norms, expected, rtol=1e-4)


if __name__ == '__main__':
  absltest.main()
