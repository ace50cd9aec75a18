import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.page import blocks

AXIS = blocks.Axis(label='x')


def chart(*series):
  return blocks.Chart(
    name='chart', title='', description='', x=AXIS, y=AXIS, series=series
  )


class SlugTest(parameterized.TestCase):
  @parameterized.parameters(
    ('AUC by class', 'auc-by-class'),
    ('TPR at 0.1% FPR!', 'tpr-at-0-1-fpr'),
    ('lira_offline', 'lira-offline'),
    ('«»', 'unnamed'),
  )
  def test_a_text_becomes_letters_digits_and_dashes(self, text, expected):
    self.assertEqual(blocks.slug(text), expected)
    self.assertEqual(blocks.slug(expected), expected)


class RefusedTest(absltest.TestCase):
  def test_what_cannot_be_shown_is_refused(self):
    series = blocks.Series(name='a', x=(0, 1), y=(0, 1))
    images = {'name': 'images', 'title': '', 'captions': ('',)}
    for refused in (
      lambda: blocks.Axis(label='', scale='cubic'),
      lambda: dataclasses.replace(series, style='wavy'),
      lambda: dataclasses.replace(series, y=(0, 1, 2)),
      lambda: dataclasses.replace(series, low=(0,)),
      lambda: dataclasses.replace(series, labels=('a',)),
      lambda: blocks.Images(images=np.zeros((1, 2, 2, 1)), **images),
      lambda: blocks.Images(images=np.zeros((2, 2, 2, 1), np.uint8), **images),
      lambda: blocks.Verdict(level='fine', headline=''),
    ):
      self.assertRaises(ValueError, refused)


class ChartCsvTest(absltest.TestCase):
  def test_the_csv_has_the_points_of_all_series(self):
    found = chart(
      blocks.Series(name='a, "b"', x=(1, 2), y=(0.5, None), low=(0.4, None)),
      blocks.Series(name='c', x=(3,), y=(1 / 3,), labels=('seed 0',)),
    ).csv()
    self.assertEqual(
      found,
      'series,x,y,low,label\n'
      '"a, ""b""",1,0.5,0.4,\n'
      '"a, ""b""",2,,,\n'
      'c,3,0.333333,,seed 0\n',
    )

  def test_columns_without_values_are_left_out(self):
    found = chart(blocks.Series(name='a', x=np.arange(2), y=np.zeros(2))).csv()
    self.assertEqual(found.splitlines()[0], 'series,x,y')


if __name__ == '__main__':
  absltest.main()
