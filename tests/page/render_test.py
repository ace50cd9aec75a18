import base64
import collections
import csv
import dataclasses
import hashlib
import html.parser
import importlib.resources
import io
import json
import re

import numpy as np
import pandas as pd
from absl.testing import absltest, parameterized
from PIL import Image

from rnn_tf.page import blocks, figures, render
from tests.page import sample_page

AXIS = blocks.Axis(label='x')
INFINITY = float('inf')
ALLOWED = {
  *('!doctype', 'a', 'body', 'button', 'canvas', 'circle', 'code', 'dd', 'details'),
  *('div', 'dl', 'dt', 'em', 'figcaption', 'figure', 'footer', 'h1', 'h2', 'head'),
  *(
    'header',
    'html',
    'img',
    'li',
    'link',
    'main',
    'meta',
    'nav',
    'noscript',
    'ol',
    'p',
  ),
  *('path', 'pre', 'script', 'section', 'small', 'span', 'strong', 'style', 'summary'),
  *('svg', 'table', 'tbody', 'td', 'th', 'thead', 'title', 'tr', 'ul'),
}


class Tags(html.parser.HTMLParser):
  """Lists the tags of a page with their attributes, and the content of scripts."""

  def __init__(self, text):
    super().__init__()
    self.tags = []
    self.scripts = []
    self.feed(text)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    if self.tags and self.tags[-1][0] == 'script' and self.cdata_elem == 'script':
      self.scripts.append((self.tags[-1][1], data))

  def values(self, name):
    return [attributes[name] for _, attributes in self.tags if name in attributes]


def page(*parts, **changes):
  section = blocks.Section(name='section', title='Section', blocks=parts)
  return dataclasses.replace(sample_page.page(), sections=(section,), **changes)


def table(rows, columns=('name', 'value')):
  frame = pd.DataFrame(rows, columns=columns)
  return blocks.table('table', frame, title='Table')


class WholePageTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.text = render.render(sample_page.page())
    cls.found = Tags(cls.text)

  def test_equal_pages_are_equal_bytes_and_small(self):
    self.assertEqual(render.render(sample_page.page()), self.text)
    self.assertLess(len(self.text.encode()), 1_000_000)
    self.assertTrue(self.text.startswith('<!DOCTYPE html>\n<html lang="en">'))

  def test_nothing_is_loaded(self):
    for address in self.found.values('href') + self.found.values('src'):
      self.assertRegex(address, r'^(#|\./|data:)')
    style = re.search('<style>(.*?)</style>', self.text, re.DOTALL)[1]
    self.assertNotRegex(style, r'url\(|@import')

  def test_only_the_scripts_that_are_on_the_page_may_run(self):
    policy = self.found.values('content')[0]
    running = [code for kind, code in self.found.scripts if 'type' not in kind]
    hashes = [hashlib.sha256(code.encode()).digest() for code in running]
    allowed = ' '.join(f"'sha256-{base64.b64encode(h).decode()}'" for h in hashes)
    self.assertLen(running, 2)
    self.assertIn(f'script-src {allowed};', policy)
    self.assertIn("default-src 'none';", policy)

  def test_ids_are_unique_and_links_lead_to_them(self):
    ids = self.found.values('id')
    self.assertCountEqual(ids, set(ids))
    for name in ('href', 'aria-labelledby', 'aria-describedby'):
      for target in self.found.values(name):
        if name != 'href' or target.startswith('#'):
          self.assertIn(target.removeprefix('#'), ids)

  def test_settings_and_version_are_kept(self):
    content = next(
      code for kind, code in self.found.scripts if kind.get('id') == 'settings'
    )
    self.assertEqual(json.loads(content), sample_page.page().settings)
    self.assertIn('<meta name="generator" content="rnn_tf 1.2.3">', self.text)

  def test_the_data_of_a_chart_are_there_once(self):
    chart = sample_page.roc()
    content = base64.b64encode(chart.csv().encode()).decode()
    self.assertEqual(self.text.count(content), 1)
    self.assertIn(
      f'download="roc.csv" data-chart="roc" href="data:text/csv;base64,{content}"',
      self.text,
    )

  def test_pictures_beside_the_page_are_relative_links(self):
    links = [each for tag, each in self.found.tags if each.get('download', 0) is None]
    self.assertEqual(
      [each['href'] for each in links],
      ['./plots/roc%20of%20all.png', './plots/utility.png', './plots/heat.png'],
    )

  def test_the_licence_is_on_the_page(self):
    self.assertIn('The MIT License (MIT)', self.text)
    self.assertIn('Copyright (c) 2014-2024 Chart.js Contributors', self.text)


class TemplatesTest(absltest.TestCase):
  def test_no_script_ends_early_or_points_at_another_file(self):
    folder = importlib.resources.files('rnn_tf.page') / 'templates'
    for name in ('chart.umd.min.js', 'charts.js', 'report.js', 'report.css'):
      text = (folder / name).read_text(encoding='utf-8')
      self.assertNotRegex(text.lower(), '</script|</style|<!--|sourcemappingurl')
      self.assertNotIn('\r', text)


class HostileNamesTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.text = render.render(sample_page.hostile())
    cls.found = Tags(cls.text)

  def test_no_name_becomes_a_tag_or_an_attribute(self):
    for tag, attributes in self.found.tags:
      self.assertIn(tag, ALLOWED)
      self.assertFalse([name for name in attributes if name.startswith('on')])
    self.assertLen([tag for tag, _ in self.found.tags if tag == 'img'], 10)
    self.assertLen([kind for kind, _ in self.found.scripts if 'type' not in kind], 2)

  def test_no_name_becomes_an_address(self):
    for address in self.found.values('href') + self.found.values('src'):
      self.assertRegex(
        address, r'^(#section$|\./|data:(image/png|text/csv);base64,|data:,$)'
      )
    self.assertIn(
      './javascript%3Aalert%281%29//%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E',
      self.found.values('href'),
    )
    self.assertIn('./127.0.0.1%3A9/x.png', self.found.values('href'))

  def test_every_name_is_shown_as_it_is(self):
    spec = next(
      json.loads(code)
      for kind, code in self.found.scripts
      if kind == {'type': 'application/json'}
    )
    self.assertEqual(spec['x']['categories'], list(sample_page.HOSTILE))
    alternatives = self.found.values('alt')
    self.assertEqual(alternatives, list(sample_page.HOSTILE))


class MarkdownTest(parameterized.TestCase):
  def shown(self, markdown):
    text = render.render(page(blocks.Text(markdown=markdown)))
    return re.search('<div class="text">(.*?)</div>', text, re.DOTALL)[1]

  def test_emphasis_code_and_lists_are_shown(self):
    self.assertEqual(
      self.shown('**a** *b* `c < d`\n\n1. e\n2. f'),
      '<p><strong>a</strong> <em>b</em> <code>c &lt; d</code></p>\n'
      '<ol>\n<li>e</li>\n<li>f</li>\n</ol>\n',
    )

  @parameterized.parameters(
    '[a](http://b)',
    '![a](http://b)',
    '<http://b>',
    'http://b',
    '[a][b]',
    '[a]: http://b',
    '# a',
    '<b>a</b>',
    '&eacute;',
  )
  def test_all_else_stays_text(self, markdown):
    escaped = markdown.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
    self.assertEqual(self.shown(markdown), f'<p>{escaped}</p>\n')


class NumbersTest(absltest.TestCase):
  def names(self, *parts):
    return list(figures.read(render.render(page(*parts))).numbers)

  def test_each_cell_is_named_by_table_row_and_column(self):
    names = self.names(table([('a', 1), ('b\nc', 2), ('a', 3), ('a', 4)]))
    self.assertEqual(
      names[-4:],
      ['table/a/value', 'table/b c/value', 'table/a/value #2', 'table/a/value #3'],
    )
    self.assertIn('verdict/Test accuracy', names)

  def test_a_name_that_looks_like_a_second_one_is_told_apart(self):
    names = self.names(table([('a', 1, 2, 3)], ('x', 'v', 'v #2', 'v')))
    self.assertEqual(names[-3:], ['table/a/v', 'table/a/v #2', 'table/a/v #3'])


class TableTest(absltest.TestCase):
  def test_values_to_sort_by_are_numbers_for_a_script(self):
    cells = [
      blocks.Cell(text=f'about {value}', value=value)
      for value in (0.1, np.float64(2), 3, -INFINITY, INFINITY, float('nan'), None)
    ]
    rows = tuple((blocks.Cell(text='row'), cell) for cell in cells)
    block = blocks.Table(name='table', title='', columns=('a', 'b'), rows=rows)
    tags = Tags(render.render(page(block))).tags
    found = [each.get('data-value') for tag, each in tags if tag == 'td']
    self.assertEqual(found, ['0.1', '2.0', '3.0', '-Infinity', 'Infinity', None, None])

  def test_a_number_that_the_text_begins_with_is_not_said_twice(self):
    cells = [
      blocks.Cell(text=text, value=value)
      for text, value in (
        ('0.5 [0.4, 0.6]', 0.5),
        ('1,234', 1234.0),
        ('12 of 50', None),
        ('2.21.0', None),
      )
    ]
    rows = tuple((blocks.Cell(text='row'), cell) for cell in cells)
    block = blocks.Table(name='table', title='', columns=('a', 'b'), rows=rows)
    tags = Tags(render.render(page(block))).tags
    found = [each.get('data-value') for tag, each in tags if tag == 'td']
    self.assertEqual(found, [None, '1234.0', '', None])

  def test_columns_are_set_by_what_most_cells_are(self):
    block = table(
      [
        ('1 layer', '1', '0.5 [0.4, 0.6]', 'n/a'),
        ('lstm', '', '0.6', '0.7'),
        ('gru', 'n/a', '', '0.8'),
        ('x', '3', '', ''),
      ],
      ('a', 'b', 'c', 'd'),
    )
    tags = Tags(render.render(page(block))).tags
    found = [each['class'] for _, each in tags if each.get('scope') == 'col']
    self.assertEqual(found, ['words', 'number', 'interval', 'number'])

  def test_without_a_csv_of_its_own_the_cells_are_the_csv(self):
    block = dataclasses.replace(table([('a, b', '1')]), csv='')
    tags = Tags(render.render(page(block))).tags
    link = next(each for _, each in tags if each.get('data-table'))
    content = base64.b64decode(link['href'].partition(',')[2]).decode()
    rows = list(csv.reader(io.StringIO(content)))
    self.assertEqual(rows, [['name', 'value'], ['a, b', '1']])


class ChartSpecTest(absltest.TestCase):
  def colors(self, *colors):
    series = tuple(
      blocks.Series(
        name='a',
        x=(1,),
        y=(1,),
        color=None if color == 'reference' else color,
        reference=color == 'reference',
      )
      for color in colors
    )
    chart = blocks.Chart(
      name='chart', title='', description='', x=AXIS, y=AXIS, series=series
    )
    return [each['color'] for each in render.chart_spec(chart)['series']]

  def test_series_take_the_colours_that_no_other_names(self):
    self.assertEqual(self.colors(None, None, None), [0, 1, 2])
    self.assertEqual(self.colors(1, None, 'reference', 1, None), [1, 0, 0, 1, 2])

  def test_the_style_sheet_has_a_colour_for_each_shape(self):
    folder = importlib.resources.files('rnn_tf.page') / 'templates'
    style = (folder / 'report.css').read_text()
    shapes = re.search(
      r'const SHAPES = \[(.*?)\n\];', (folder / 'charts.js').read_text(), re.DOTALL
    )[1]
    colors = re.findall(r'--series-(\d): (#[0-9a-f]{6});', style)
    self.assertLen(colors, 16)  # Light and dark.
    self.assertLen(set(colors), 16)
    counts = collections.Counter(name for name, _ in colors)
    self.assertEqual(counts, {str(index): 2 for index in range(8)})
    self.assertLen(set(shapes.strip().splitlines()), 8)


class ImagesTest(absltest.TestCase):
  def test_the_pixels_are_those_given(self):
    rng = np.random.default_rng(0)
    for channels in (1, 3):
      images = rng.integers(0, 256, (2, 5, 7, channels), np.uint8)
      block = blocks.Images(name='i', title='', images=images, captions=('a', 'b'))
      tags = Tags(render.render(page(block))).tags
      found = [each for tag, each in tags if tag == 'img']
      for each, expected in zip(found, images, strict=True):
        content = base64.b64decode(each['src'].removeprefix('data:image/png;base64,'))
        pixels = np.asarray(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)
        self.assertEqual((each['width'], each['height']), ('91', '65'))


class NamesTest(parameterized.TestCase):
  @parameterized.parameters('A b', 'section', 'settings', 'verdict', 'contents')
  def test_names_that_are_no_slug_or_taken_are_refused(self, name):
    inner = dataclasses.replace(table([('a', 1)]), name=name)
    with self.assertRaisesRegex(ValueError, repr(name)):
      render.render(page(blocks.Details(title='', blocks=(inner,))))

  def test_two_blocks_of_one_name_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'twice'):
      render.render(page(table([('a', 1)]), table([('a', 1)])))

  def test_settings_that_are_no_json_are_refused(self):
    for value in (float('nan'), object()):
      with self.assertRaises((TypeError, ValueError)):
        render.render(page(settings={'a': value}))


if __name__ == '__main__':
  absltest.main()
