import dataclasses
import io

import numpy as np
import pandas as pd
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
      lambda: blocks.Table(
        name='table', title='', columns=('a', 'b'), rows=((blocks.Cell(text=''),),)
      ),
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


class TableTest(parameterized.TestCase):
  @parameterized.parameters(
    ('0.598 [0.583, 0.612]', 0.598),
    ('~0.66', 0.66),
    ('< 1e-3', 1e-3),
    ('1,234 of 2,000', 1234),
    ('−0.02', -0.02),  # noqa: RUF001
    ('**4.1%**', 4.1),
    ('.5', 0.5),
    ('n/a', None),
    ('', None),
  )
  def test_a_text_is_sorted_by_the_number_it_begins_with(self, text, expected):
    frame = pd.DataFrame({'name': ['a'], 'value': [text]})
    (row,) = blocks.table('table', frame, title='').rows
    self.assertEqual(row[1].value, expected)
    self.assertNotIn('*', row[1].text)

  def test_the_csv_is_what_is_shown_unless_there_is_more(self):
    frame = pd.DataFrame({'name': ['a'], 'value': ['0.6']})
    shown = blocks.table('table', frame, title='')
    self.assertEqual(shown.csv, 'name,value\na,0.6\n')
    more = blocks.table('table', frame, title='', csv='name,value\na,0.598\n')
    self.assertEqual(more.csv, 'name,value\na,0.598\n')

  def test_a_missing_number_is_an_empty_cell(self):
    frame = pd.DataFrame({'name': ['a', 'b'], 'value': [0.5, np.nan]})
    rows = blocks.table('table', frame, title='').rows
    self.assertEqual(rows[1][1], blocks.Cell(text=''))

  def test_heat_maps_are_shaded_between_their_ends(self):
    frame = pd.DataFrame(
      [[0.4, 0.5, 0.65, 0.9, np.nan]],
      index=pd.Index(['run'], name='of'),
      columns=[*'abcde'],
    )
    found = blocks.heat_map('heat', frame, title='', description='', low=0.5, high=0.8)
    self.assertEqual(found.columns, ('of', *'abcde'))
    self.assertEqual([cell.shade for cell in found.rows[0]], [None, 0, 0, 0.5, 1, None])
    self.assertEqual(
      [cell.text for cell in found.rows[0]],
      ['run', '0.400', '0.500', '0.650', '0.900', ''],
    )
    read = pd.read_csv(io.StringIO(found.csv), index_col=0)
    pd.testing.assert_frame_equal(read, frame)


if __name__ == '__main__':
  absltest.main()
