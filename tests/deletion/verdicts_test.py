"""Tests of the verdict on a difference."""

import math

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import intervals
from rnn_tf.deletion import results, verdicts


def compared(value, low, high, n=1500):
  return results.Comparison(
    value=value, low=low, high=high, seeds=(), n_forgotten=n, n_unseen=9000
  )


def judged(*args, **kwargs):
  return verdicts.verdict(
    compared(*args, **kwargs), forget='uniform-5pct', method='twin', attack='lr'
  )


class VerdictTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.003, -0.008, 0.014, results.FORGOTTEN),
    (0.0, -0.02, 0.02, results.FORGOTTEN),
    (0.0, 0.0, 0.0, results.FORGOTTEN),
    (0.0, -0.02, 0.0201, results.NOT_ENOUGH_DATA),
    (0.0, -0.0201, 0.02, results.NOT_ENOUGH_DATA),
    (0.151, 0.1, 0.2, results.NOT_FORGOTTEN),
    (-0.151, -0.2, -0.1, results.NOT_FORGOTTEN),
    (0.03, 0.0201, 0.0399, results.NOT_FORGOTTEN),
    (0.03, 0.02, 0.04, results.NOT_ENOUGH_DATA),
    (-0.03, -0.04, -0.02, results.NOT_ENOUGH_DATA),
    (0.03, -0.1, 0.16, results.NOT_ENOUGH_DATA),
  )
  def test_word_follows_from_where_the_interval_lies(self, value, low, high, word):
    found = judged(value, low, high)
    self.assertEqual(found.word, word)
    if word != results.NOT_ENOUGH_DATA:
      self.assertIsNone(found.needed)
    self.assertEqual(
      (found.forget, found.method, found.attack), ('uniform-5pct', 'twin', 'lr')
    )

  @parameterized.parameters(
    # Half-width 0.04 against 0.0121, whatever the value where 0 is inside.
    (0.0, -0.04, 0.04, 100, 1100),
    (0.01, -0.03, 0.05, 100, 1100),
    (-0.025, -0.065, 0.015, 100, 1100),
    # Rounded upwards: 1,500 x 4.273 = 6,409.
    (0.0, -0.025, 0.025, 1500, 6500),
    # Beyond the margin, 0 outside: half-width 0.03 against 0.01.
    (0.03, 0.005, 0.055, 100, 630),
    (-0.03, -0.055, -0.005, 100, 630),
    # At the very border one more is needed.
    (0.03, 0.02, 0.04, 10, 11),
    # No number of examples tells them apart.
    (0.0205, 0.001, 0.04, 1500, None),
    # As many as planned for, and the value lies near the margin by itself.
    (0.015, 0.005, 0.025, 1500, None),
  )
  def test_needed_is_rounded_up(self, value, low, high, n, needed):
    found = judged(value, low, high, n=n)
    self.assertEqual(found.word, results.NOT_ENOUGH_DATA)
    self.assertEqual(found.needed, needed)

  def test_needed_examples_show_no_difference_in_four_of_five_cases(self):
    half = 0.13
    found = judged(0.0, -half, half)
    narrow = half * math.sqrt(1500 / found.needed)
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, narrow / intervals.Z95, 4000)
    words = [judged(value, value - narrow, value + narrow).word for value in values]
    self.assertBetween(np.mean(np.array(words) == results.FORGOTTEN), 0.78, 0.84)

  @parameterized.parameters(-0.2, 0.15)
  def test_needed_examples_part_an_interval_from_the_margin(self, value):
    half = abs(value) - 0.01
    found = judged(value, value - half, value + half)
    for share, enough in ((1.0, True), (0.8, False)):
      narrow = half * math.sqrt(1500 / (share * found.needed))
      again = judged(value, value - narrow, value + narrow)
      self.assertEqual(again.word == results.NOT_FORGOTTEN, enough)

  @parameterized.parameters(
    (
      (0.003, -0.008, 0.014),
      'forgotten: AUC of D_f against H differs from the full retrain by '
      '+0.003 [-0.008, +0.014], within 0.02',
    ),
    (
      (0.151, 0.139, 0.1634),
      'not forgotten: AUC of D_f against H differs from the full retrain by '
      '+0.151 [+0.139, +0.163]',
    ),
    (
      (-0.0001, -0.0338, 0.0336),
      'not enough data to say: AUC of D_f against H differs from the full retrain by '
      '+0.000 [-0.034, +0.034]; about 12,000 deleted examples (now 1,500) would be '
      'enough',
    ),
    (
      (0.0206, 0.0006, 0.0406),
      'not enough data to say: AUC of D_f against H differs from the full retrain by '
      '+0.021 [+0.001, +0.041]; it lies too near the margin of 0.02 for that',
    ),
  )
  def test_sentence_says_it_with_its_numbers(self, numbers, text):
    self.assertEqual(verdicts.sentence(judged(*numbers)), text)


if __name__ == '__main__':
  absltest.main()
