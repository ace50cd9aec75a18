"""A page as one HTML file that loads nothing.

Equal pages give equal bytes: nothing of the machine or the day goes in. Scripts are
let through by their hashes alone, so that no text of a page can become one.
"""

import base64
import csv
import hashlib
import importlib.resources
import io
import math
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
import markdown_it
import markupsafe
import numpy as np
from PIL import Image

from rnn_tf.page import blocks
from rnn_tf.page.blocks import Cell, Chart, Details, Images, Page, Table
from rnn_tf.page.names import GENERATOR, Names

# As in report.js.
_PLAIN = re.compile(r'[-+]?(\d+(\.\d+)?|\.\d+)(?=[ %]|$)', re.ASCII)

RESERVED = ('contents', 'settings', 'verdict')
"""Names that the page itself uses."""

_KINDS = {
  blocks.Chart: 'chart',
  blocks.Code: 'code',
  blocks.Details: 'details',
  blocks.Images: 'images',
  blocks.Table: 'table',
  blocks.Text: 'text',
}
_WORDS = {
  'good': 'Nothing found',
  'warning': 'Leaks a little',
  'bad': 'Leaks',
  'unknown': 'Not known',
  'info': 'For information',
}
# Besides emphasis, code and lists everything in Markdown is a text: a name that holds
# some cannot become a link, a picture, a heading or HTML, nor vanish as a definition.
_NO_MARKDOWN = (
  *('autolink', 'entity', 'heading', 'hr', 'html_block', 'html_inline', 'image'),
  *('lheading', 'link', 'reference'),
)
_IMAGE_PIXELS = 96  # how wide and high small images are shown, at least half of it


def render(page: Page) -> str:
  """Returns the page as HTML.

  Args:
    page: what is on it.

  Raises:
    ValueError: names are not slugs, not unique, or reserved; settings are no JSON.
  """
  _check_names(page)
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('rnn_tf.page'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.policies['json.dumps_kwargs'] = {'allow_nan': False}
  markdown = markdown_it.MarkdownIt('commonmark', {'html': False})
  markdown.disable(list(_NO_MARKDOWN))
  environment.filters |= {
    'alignments': _alignments,
    'chart_spec': chart_spec,
    'csv': lambda table: table.csv or _shown_csv(table),
    'data_uri': lambda text: _data_uri('text/csv', text.encode()),
    'inline': lambda text: markupsafe.Markup(markdown.renderInline(text)),
    'kind': lambda block: _KINDS[type(block)],
    'markdown': lambda text: markupsafe.Markup(markdown.render(text)),
    'path': _relative_link,
    'pictures': _pictures,
    'stated': _stated,
    'split_interval': lambda text: text.partition(' [')[::2],
  }
  environment.globals['number_name'] = Names()
  scripts = [_file('chart.umd.min.js'), _file('charts.js') + _file('report.js')]
  return environment.get_template('report.html.j2').render(
    page=page,
    settings=dict(page.settings),
    word=_WORDS[page.verdict.level],
    generator=f'{GENERATOR} {page.version}',
    style=markupsafe.Markup(_file('report.css')),
    scripts=[markupsafe.Markup(script) for script in scripts],
    hashes=[_hash(script) for script in scripts],
    licence=markupsafe.Markup(_file('chart.LICENSE.md')),
  )


def _file(name: str) -> str:
  folder = importlib.resources.files('rnn_tf.page') / 'templates'
  return (folder / name).read_text(encoding='utf-8')


def _hash(script: str) -> str:
  digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
  return f"'sha256-{digest.decode()}'"


def _data_uri(kind: str, content: bytes) -> str:
  return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def _relative_link(path: str) -> str:
  """Returns a link from the page's folder, whatever the path looks like."""
  return './' + urllib.parse.quote(path.lstrip('/'))


def _named(parts: Sequence[blocks.Block]) -> Iterator[str]:
  for block in parts:
    if isinstance(block, Details):
      yield from _named(block.blocks)
    elif isinstance(block, Chart | Table | Images):
      yield block.name


def _check_names(page: Page) -> None:
  taken = set(RESERVED)
  names = [section.name for section in page.sections]
  for section in page.sections:
    names += _named(section.blocks)
  for name in names:
    if name != blocks.slug(name):
      raise ValueError(f'{name!r} is not a slug, such as {blocks.slug(name)!r}')
    if name in taken:
      raise ValueError(f'the name {name!r} is used twice, or reserved')
    taken.add(name)


def chart_spec(chart: Chart) -> dict[str, Any]:
  """Returns how a chart's data are drawn, in plain JSON values, without the data.

  Series that name no colour take, in order, those that no other one names.
  """
  named = {each.color for each in chart.series}
  free = (color for color in range(len(chart.series) * 2) if color not in named)
  series = []
  for each in chart.series:
    color = each.color
    if color is None and not each.reference:
      color = next(free)
    values = {'name': each.name, 'size': len(each.x), 'style': each.style}
    series.append({**values, 'color': color or 0, 'reference': each.reference})
  return {'x': _axis_spec(chart.x), 'y': _axis_spec(chart.y), 'series': series}


def _axis_spec(axis: blocks.Axis) -> dict[str, Any]:
  return {
    'label': axis.label,
    'log': axis.scale == 'log',
    'low': axis.low,
    'high': axis.high,
    'categories': list(axis.categories),
  }


def _shown_csv(table: Table) -> str:
  buffer = io.StringIO()
  writer = csv.writer(buffer, lineterminator='\n')
  writer.writerow(table.columns)
  writer.writerows([cell.text for cell in row] for row in table.rows)
  return buffer.getvalue()


def _alignments(table: Table) -> list[str]:
  """Returns how each column is set: as `number`, `interval` or `words`.

  Most cells of a column of numbers begin with one; where more follows (an interval,
  counts), its beginnings are what stands below each other.
  """
  return [
    _alignment([row[place] for row in table.rows if row[place].text])
    for place in range(len(table.columns))
  ]


def _alignment(cells: Sequence[Cell]) -> str:
  numbers = [cell.text for cell in cells if _sort_value(cell)]
  if 2 * len(numbers) <= len(cells):
    return 'words'
  return 'interval' if any(' ' in text.strip() for text in numbers) else 'number'


def _sort_value(cell: Cell) -> str:
  """Returns the number that a cell is sorted by as JavaScript reads it, '' for none."""
  if cell.value is None or math.isnan(cell.value):
    return ''
  if math.isinf(cell.value):
    return 'Infinity' if cell.value > 0 else '-Infinity'
  return repr(float(cell.value))


def _stated(cell: Cell) -> str | None:
  """Returns what a cell must say of the number that it is sorted by; None for nothing.

  A number that the text plainly begins with is not said twice: the page's script finds
  it by the same pattern.
  """
  found, value = _PLAIN.match(cell.text.strip()), _sort_value(cell)
  seen = repr(float(found[0])) if found else ''
  return None if seen == value else value


def _pictures(images: Images) -> list[dict[str, Any]]:
  """Returns each image's address, size on the screen in pixels, and caption."""
  pictures = []
  for array, caption in zip(images.images, images.captions, strict=True):
    height, width = array.shape[:2]
    scale = max(1, _IMAGE_PIXELS // max(height, width))
    size = {'width': width * scale, 'height': height * scale}
    pictures.append({'uri': _png(array), 'caption': caption, **size})
  return pictures


def _png(array: np.ndarray) -> str:
  buffer = io.BytesIO()
  gray = array.shape[-1] == 1
  Image.fromarray(array[..., 0] if gray else array).save(buffer, format='PNG')
  return _data_uri('image/png', buffer.getvalue())
