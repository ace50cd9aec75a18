import io

import numpy as np
import pandas as pd
from absl.testing import absltest, parameterized

from rnn_tf.page import tables


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
    (row,) = tables.table('table', frame, title='').rows
    self.assertEqual(row[1].value, expected)
    self.assertNotIn('*', row[1].text)

  def test_the_csv_is_what_is_shown_unless_there_is_more(self):
    frame = pd.DataFrame({'name': ['a'], 'value': ['0.6']})
    shown = tables.table('table', frame, title='')
    self.assertEqual(shown.csv, 'name,value\na,0.6\n')
    more = tables.table('table', frame, title='', csv='name,value\na,0.598\n')
    self.assertEqual(more.csv, 'name,value\na,0.598\n')

  def test_a_missing_number_is_an_empty_cell(self):
    frame = pd.DataFrame({'name': ['a', 'b'], 'value': [0.5, np.nan]})
    rows = tables.table('table', frame, title='').rows
    self.assertEqual(rows[1][1], tables.Cell(text=''))

  def test_heat_maps_are_shaded_between_their_ends(self):
    frame = pd.DataFrame(
      [[0.4, 0.5, 0.65, 0.9, np.nan]],
      index=pd.Index(['run'], name='of'),
      columns=[*'abcde'],
    )
    found = tables.heat_map('heat', frame, title='', description='', low=0.5, high=0.8)
    self.assertEqual(found.columns, ('of', *'abcde'))
    self.assertEqual([cell.shade for cell in found.rows[0]], [None, 0, 0, 0.5, 1, None])
    self.assertEqual(
      [cell.text for cell in found.rows[0]],
      ['run', '0.400', '0.500', '0.650', '0.900', ''],
    )
    read = pd.read_csv(io.StringIO(found.csv), index_col=0)
    pd.testing.assert_frame_equal(read, frame)

  def test_rows_that_are_shorter_than_the_heading_are_refused(self):
    with self.assertRaisesRegex(ValueError, '1 cells in a row of 2 columns'):
      tables.Table(
        name='table', title='', columns=('a', 'b'), rows=((tables.Cell(text=''),),)
      )


if __name__ == '__main__':
  absltest.main()
