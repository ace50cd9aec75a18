from absl.testing import absltest, parameterized

from rnn_tf.rounding import round_up


class RoundUpTest(parameterized.TestCase):
  @parameterized.parameters(
    (2.99949, 4, 3.0),
    (1.8308, 3, 1.84),
    (3.0, 4, 3.0),
    (9.99e-7, 2, 1e-6),
    (123456.0, 2, 130000.0),
    (0.0, 4, 0.0),
  )
  def test_result_has_the_digits_and_is_not_below(self, value, digits, expected):
    self.assertEqual(round_up(value, digits), expected)
    self.assertGreaterEqual(round_up(value, digits), value)


if __name__ == '__main__':
  absltest.main()
