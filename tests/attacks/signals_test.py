import numpy as np
from absl.testing import absltest
from scipy import special

from rnn_tf.attacks import signals


def make_side(seed=0, n=50, classes=4, scale=3.0):
  rng = np.random.default_rng(seed)
  return signals.Side(
    ids=np.arange(n),
    labels=rng.integers(0, classes, n),
    logits=rng.normal(0, scale, (n, classes)).astype(np.float32),
  )


class SideTest(absltest.TestCase):
  def test_probs_and_losses_match_softmax_in_float64(self):
    side = make_side()
    probs = special.softmax(side.logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(side.probs, probs, rtol=1e-12)
    rows = np.arange(len(side))
    np.testing.assert_allclose(
      side.losses, -np.log(probs[rows, side.labels]), rtol=1e-10
    )
    np.testing.assert_array_equal(side.correct, probs.argmax(1) == side.labels)

  def test_entropies_match_the_formula_term_by_term(self):
    side = make_side()
    for i, (p, y) in enumerate(zip(side.probs, side.labels, strict=True)):
      expected = -(1 - p[y]) * np.log(p[y])
      expected -= sum(p[j] * np.log(1 - p[j]) for j in range(len(p)) if j != y)
      self.assertAlmostEqual(side.entropies[i], expected, places=10)

  def test_confident_logits_neither_tie_nor_overflow(self):
    logits = np.array([[40, 0], [60, 0], [900, 0], [0, 900]], np.float32)
    side = signals.Side(np.arange(4), np.zeros(4, np.int64), logits)
    self.assertGreater(side.losses[0], side.losses[1])
    self.assertGreater(side.losses[1], 0)
    self.assertEqual(side.losses[3], 900)
    self.assertGreater(side.entropies[0], side.entropies[1])
    self.assertTrue(np.isfinite(side.entropies).all())

  def test_select_takes_masks_and_positions(self):
    side = make_side()
    by_mask = side.select(side.labels == 2)
    by_position = side.select(np.flatnonzero(side.labels == 2))
    np.testing.assert_array_equal(by_mask.ids, by_position.ids)
    np.testing.assert_array_equal(by_mask.logits, side.logits[side.labels == 2])

  def test_lengths_that_differ_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'expected ids'):
      signals.Side(np.arange(3), np.arange(4), np.zeros((4, 2), np.float32))


if __name__ == '__main__':
  absltest.main()
