import csv
import dataclasses
import io

from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.page import blocks, figures, render
from tests.page import sample_page


def all_blocks(parts):
  for block in parts:
    if isinstance(block, blocks.Details):
      yield from all_blocks(block.blocks)
    else:
      yield block


def of_kind(page, kind):
  found = [b for section in page.sections for b in all_blocks(section.blocks)]
  return [block for block in found if isinstance(block, kind)]


class ReadTest(parameterized.TestCase):
  @parameterized.parameters(sample_page.page, sample_page.hostile)
  def test_what_a_page_was_made_of_is_read_back(self, make):
    page = make()
    found = figures.read(render.render(page))
    self.assertEqual(found.version, page.version)
    self.assertEqual(found.settings, page.settings)
    tables = of_kind(page, blocks.Table)
    cells = [cell.text for each in tables for row in each.rows for cell in row[1:]]
    verdict = [figure.text for figure in page.verdict.figures]
    self.assertEqual(list(found.numbers.values()), verdict + cells)
    charts = {each.name: each.csv() for each in of_kind(page, blocks.Chart)}
    expected = {name: list(csv.reader(io.StringIO(c))) for name, c in charts.items()}
    self.assertEqual(found.charts, expected)
    self.assertEqual(set(found.tables), {each.name for each in tables})
    for text in (page.title, page.verdict.headline, page.sections[0].title):
      self.assertIn(text, found.texts)

  def test_tables_are_read_as_their_csv(self):
    found = figures.read(render.render(sample_page.page()))
    self.assertEqual(found.tables['attacks'], sample_page.attacks().csv)
    self.assertEqual(
      list(found.numbers)[3:5],
      ['attacks/threshold/shadow models', 'attacks/threshold/AUC'],
    )

  def test_texts_are_those_of_the_page_alone(self):
    texts = figures.read(render.render(sample_page.page())).texts
    for text in (
      'The left edge is where an attacker is sure.',
      'member: trained on',
      '2. example 97, truck',
      'guessing finds 0.1%',
      'What the words mean',
      sample_page.roc().description,
      sample_page.code().text.strip(),
    ):
      self.assertEqual(texts.count(text), 1, text)
    joined = '\n'.join(texts)
    for text in ('CSV', 'Made by', 'drawn by a script', '0.738'):
      self.assertNotIn(text, joined)


class RefusedTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.text = render.render(sample_page.page())

  def refusal(self, text):
    with self.assertRaises(UsageError) as caught:
      figures.read(text, name='--page=report.html')
    message = str(caught.exception)
    self.assertTrue(message.startswith('--page=report.html: '))
    self.assertNotIn('\n', message)
    return message

  @parameterized.parameters(
    '',
    'no page',
    '\x00\x01<<<',
    '<html><head><title>a</title></head><body></body></html>',
    '<meta name="generator" content="Hugo 0.1">',
  )
  def test_what_is_no_page_of_ours_is_said(self, text):
    self.assertIn('no page that rnn_tf made', self.refusal(text))

  def test_a_page_cut_off_anywhere_is_damaged(self):
    start = self.text.index('<style>')
    for end in range(start, len(self.text) - len('</html>\n'), 9973):
      self.assertIn('a damaged page', self.refusal(self.text[:end]))

  @parameterized.parameters(
    ('id="settings">{', 'id="settings">{{'),
    ('id="settings">{', 'id="settings">[{'),
    ('id="settings"', 'id="other"'),
    ('data:text/csv;base64,', 'data:text/csv;base64,!'),
    ('data:text/csv;base64,', 'https://example.org/'),
    ('</td></tr>', '</td><td>1</td></tr>'),
    ('</dl>', '<p></dl>'),
  )
  def test_a_page_that_was_changed_into_nonsense_is_damaged(self, old, new):
    self.assertIn(old, self.text)
    changed = self.text.replace(old, new, 1)
    self.assertIn('a damaged page', self.refusal(changed))


class DifferencesTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.page = figures.read(render.render(sample_page.page()))

  def against(self, **changes):
    return figures.differences(self.page, dataclasses.replace(self.page, **changes))

  def test_equal_pages_have_none_whatever_the_version(self):
    again = figures.read(render.render(sample_page.page()))
    self.assertEqual(figures.differences(self.page, again), [])
    self.assertEqual(self.against(version='9'), [])

  def test_numbers_that_differ_are_named_with_both_values(self):
    numbers = dict(self.page.numbers)
    numbers['attacks/lira/AUC'] = '0.7'
    del numbers['attacks/threshold/AUC']
    numbers['attacks/knn/AUC'] = '0.5'
    self.assertEqual(
      self.against(numbers=numbers),
      [
        'attacks/threshold/AUC: the page says 0.598 [0.583, 0.612], not recomputed',
        'attacks/lira/AUC: the page says 0.738 [0.724, 0.751], recomputed 0.7',
        'attacks/knn/AUC: not on the page, recomputed 0.5',
      ],
    )

  def test_a_number_that_came_or_went_is_told_from_nothing(self):
    numbers = self.page.numbers | {'attacks/mlp/AUC': '0.5'}
    self.assertEqual(
      self.against(numbers=numbers),
      ['attacks/mlp/AUC: the page says nothing, recomputed 0.5'],
    )

  def test_points_of_charts_are_named_by_row_and_series(self):
    rows = [list(row) for row in self.page.charts['roc']]
    rows[12][2] = '0.5'
    self.assertEqual(
      self.against(charts=self.page.charts | {'roc': rows}),
      [
        f'chart roc, row 12 (threshold), y: the page says '
        f'{self.page.charts["roc"][12][2]}, recomputed 0.5'
      ],
    )

  def test_series_and_charts_that_came_or_went_are_named(self):
    charts = dict(self.page.charts)
    charts['other'] = charts.pop('learning')
    rows = charts['utility']
    charts['utility'] = [['private+' if c == 'private' else c for c in r] for r in rows]
    charts['roc'] = charts['roc'][:-1]
    charts['by-class'] = [row[:-1] for row in charts['by-class']]
    self.assertEqual(
      self.against(charts=charts),
      [
        'chart learning: on the page, not recomputed',
        'chart other: recomputed, not on the page',
        'chart roc, series guessing: the page says 2 rows, recomputed 1 rows',
        'chart utility, series private: on the page, not recomputed',
        'chart utility, series private+: recomputed, not on the page',
        'chart by-class, columns: the page says series, x, y, low, high, recomputed '
        'series, x, y, low',
      ],
    )

  def test_cells_of_tables_are_named_by_row_and_column(self):
    text = self.page.tables['attacks']
    self.assertEqual(
      self.against(tables={**self.page.tables, 'attacks': text.replace('2.41', '9')}),
      [
        'table attacks, row 2 (lira), epsilon at least: the page says 2.41, '
        'recomputed 9'
      ],
    )
    tables = {'attacks': text + text.splitlines()[1] + '\n', 'new': text}
    self.assertEqual(
      self.against(tables=tables),
      [
        'table strength-by-shadows: on the page, not recomputed',
        'table new: recomputed, not on the page',
        'table attacks: the page says 5 rows, recomputed 6 rows',
      ],
    )

  def test_settings_and_texts_that_differ_are_named(self):
    found = self.against(
      settings={**self.page.settings, 'confidence': 0.99},
      texts=(*self.page.texts[:1], 'CIFAR-100', *self.page.texts[2:-1]),
    )
    self.assertEqual(
      found,
      [
        'setting confidence: the page says 0.95, recomputed 0.99',
        "text: the page says 'CIFAR-10 rows, LSTM of 128 units, after epoch 20 of 20', "
        "recomputed 'CIFAR-100'",
        "text: the page says 'shadow: a copy', not recomputed",
      ],
    )

  def test_of_a_long_text_the_part_that_differs_is_shown(self):
    long = 'word ' * 100
    old = dataclasses.replace(self.page, texts=(f'{long}AUC 0.5 {long}',))
    new = dataclasses.replace(self.page, texts=(f'{long}AUC 0.6 {long}',))
    (line,) = figures.differences(old, new)
    self.assertIn('AUC 0.5 word', line)
    self.assertIn('AUC 0.6 word', line)
    self.assertLess(len(line), 220)


if __name__ == '__main__':
  absltest.main()
