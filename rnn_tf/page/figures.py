"""Reads a page's numbers back without running it, and compares them with others."""

import base64
import csv
import dataclasses
import difflib
import html.parser
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnn_tf.errors import UsageError
from rnn_tf.page.names import GENERATOR, Names
from rnn_tf.untrusted import parse_json

_TEXTS = (
  *('h1', 'h2', 'p', 'li', 'dt', 'dd', 'pre', 'figcaption', 'summary', 'td', 'th'),
)
# What is said once more, or of the page itself.
_LEFT_OUT = ('footer', 'nav', 'noscript', 'style', 'script', 'title')
_SHOWN = 80  # characters of a text that differs


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageFigures:
  """What a page says.

  Attributes:
    version: of the package that made it.
    settings: what it was made with.
    numbers: name -> text of each number of the verdict and of the tables, in the order
      of the page: `verdict/LABEL` or `TABLE/ROW HEADING/COLUMN`.
    charts: name -> rows of its CSV, the header first.
    tables: name -> its CSV.
    texts: headings, paragraphs, items of lists, captions, code, and what charts show.
  """

  version: str
  settings: Mapping[str, Any]
  numbers: Mapping[str, str]
  charts: Mapping[str, Sequence[Sequence[str]]]
  tables: Mapping[str, str]
  texts: tuple[str, ...]


def read(text: str, *, name: str = 'the page') -> PageFigures:
  """Returns what a page says.

  Args:
    text: the file.
    name: what errors call it, such as `--page=report.html`.

  Raises:
    UsageError: it is no page of this package, or damaged.
  """
  reader = _Reader()
  try:
    reader.feed(text)
    reader.close()
    if reader.version is None:
      raise UsageError(
        f'{name}: no page that rnn_tf made (its generator is not named); give one, '
        'such as report.html'
      )
    if not reader.complete:
      raise ValueError('its end is missing')
    return PageFigures(
      version=reader.version,
      settings=_json_object(reader.settings),
      numbers=reader.numbers,
      charts={key: _rows(value) for key, value in reader.charts.items()},
      tables=reader.tables,
      texts=tuple(reader.texts),
    )
  except (ValueError, AssertionError, RecursionError, csv.Error) as error:
    reason = ' '.join(str(error).split()) or type(error).__name__
    raise UsageError(
      f'{name}: a damaged page ({reason}); make or copy it again'
    ) from error


def _json_object(text: str | None) -> dict[str, Any]:
  if text is None:
    raise ValueError('it has no settings')
  values = parse_json(text)
  if not isinstance(values, dict):
    raise ValueError('its settings are no JSON object')
  return values


def _rows(text: str) -> list[list[str]]:
  rows = list(csv.reader(io.StringIO(text, newline=''), strict=True))
  if not rows or any(len(row) != len(rows[0]) for row in rows):
    raise ValueError('a CSV has rows of unequal length, or none')
  return rows


@dataclasses.dataclass
class _Open:
  """An element that has not ended: its tag, its number's name, its text so far."""

  tag: str
  number: str | None
  parts: list[str]
  kept: bool


class _Reader(html.parser.HTMLParser):
  """Collects what `PageFigures` has; `complete` says that the page came to its end."""

  def __init__(self):
    super().__init__(convert_charrefs=True)
    self.version: str | None = None
    self.settings: str | None = None
    self.numbers: dict[str, str] = {}
    self.charts: dict[str, str] = {}
    self.tables: dict[str, str] = {}
    self.texts: list[str] = []
    self.complete = False
    self._open: list[_Open] = []
    self._names = Names()
    # Of the table that is being read: its name, headings, and the row's cells so far.
    self._table: str | None = None
    self._heads = False
    self._columns: list[str] = []
    self._row: list[str] = []

  def handle_starttag(self, tag, attrs):
    values = {name: value or '' for name, value in attrs}
    if tag == 'meta' and values.get('name') == 'generator':
      generator = values.get('content', '')
      if generator.startswith(f'{GENERATOR} '):
        self.version = generator.removeprefix(f'{GENERATOR} ')
    elif tag == 'a':
      for kind, found in (('data-chart', self.charts), ('data-table', self.tables)):
        if kind in values:
          found[values[kind]] = _decoded(values.get('href', ''))
    elif tag == 'canvas':
      self.texts.append(values.get('aria-label', ''))
    elif tag == 'table':
      self._table, self._columns = values.get('data-name'), []
    elif tag in ('thead', 'tbody'):
      self._heads = tag == 'thead'
    elif tag == 'tr':
      self._row = []
    if tag in _TEXTS or tag in _LEFT_OUT:
      kept = tag in _TEXTS and values.get('class') != 'links'
      kept = kept and all(each.kept for each in self._open)
      number = values.get('data-name')
      if tag == 'script' and values.get('id') == 'settings':
        number = ''
      self._open.append(_Open(tag, number, [], kept))

  def handle_data(self, data):
    if self._open:
      self._open[-1].parts.append(data)

  def handle_endtag(self, tag):
    if tag == 'html':
      self.complete = not self._open
    if not self._open or self._open[-1].tag != tag:
      return
    ended = self._open.pop()
    text = ''.join(ended.parts)
    if tag == 'script' and ended.number is not None:
      self.settings = text
    elif tag in ('td', 'th') and self._table is not None:
      self._cell(text.strip())
    elif ended.number is not None:
      if ended.number in self.numbers:
        raise ValueError(f'two numbers are named {ended.number}')
      self.numbers[ended.number] = text.strip()
    elif ended.kept and text.strip():
      self.texts.append(text.strip())

  def _cell(self, text: str) -> None:
    """Takes a cell: a column's heading, a row's, or a number."""
    if self._heads:
      self._columns.append(text)
      return
    self._row.append(text)
    if len(self._row) > len(self._columns):
      raise ValueError(f'a row of {self._table} is too long')
    if len(self._row) > 1:
      place = len(self._row) - 1
      name = self._names(self._table, self._row[0], self._columns[place])
      self.numbers[name] = text


def _decoded(address: str) -> str:
  kind, _, content = address.partition(',')
  if kind != 'data:text/csv;base64':
    raise ValueError('a CSV is not held by the page')
  return base64.b64decode(content, validate=True).decode()


def differences(old: PageFigures, new: PageFigures) -> list[str]:
  """Returns a line for each difference, none where the pages say the same.

  The version is not compared: what other versions of the package make of the same
  data is what one asks this for.

  Args:
    old: what the page says.
    new: what it would say if it were made now.
  """
  return [
    *_of_values('setting ', _texts(old.settings), _texts(new.settings)),
    *_of_values('', old.numbers, new.numbers),
    *_of_charts(old.charts, new.charts),
    *_of_tables(old.tables, new.tables),
    *_of_texts(old.texts, new.texts),
  ]


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
  return {name: json.dumps(value) for name, value in settings.items()}


def _one_line(text: str) -> str:
  return ' '.join(text.split()) or 'nothing'


def _line(what: str, old: str, new: str) -> str:
  return (
    f'{_one_line(what)}: the page says {_one_line(old)}, recomputed {_one_line(new)}'
  )


def _of_values(
  what: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[str]:
  for name, value in old.items():
    if name not in new:
      yield f'{what}{name}: the page says {_one_line(value)}, not recomputed'
    elif new[name] != value:
      yield _line(f'{what}{name}', value, new[name])
  for name, value in new.items():
    if name not in old:
      yield f'{what}{name}: not on the page, recomputed {_one_line(value)}'


def _names(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
  for name in old:
    if name not in new:
      yield f'{what}{_one_line(name)}: on the page, not recomputed'
  for name in new:
    if name not in old:
      yield f'{what}{_one_line(name)}: recomputed, not on the page'


def _of_charts(
  old: Mapping[str, Sequence[Sequence[str]]], new: Mapping[str, Sequence[Sequence[str]]]
) -> Iterator[str]:
  yield from _names('chart ', old, new)
  for name in old:
    if name in new:
      yield from _of_chart(f'chart {name}', old[name], new[name])


def _of_chart(
  what: str, old: Sequence[Sequence[str]], new: Sequence[Sequence[str]]
) -> Iterator[str]:
  """Compares point by point; of a series of another length says no more than that."""
  if old[0] != new[0]:
    yield _line(f'{what}, columns', ', '.join(old[0]), ', '.join(new[0]))
    return
  ours, theirs = _by_series(old), _by_series(new)
  yield from _names(f'{what}, series ', ours, theirs)
  for name in ours:
    if name in theirs:
      yield from _of_rows(what, old[0], ours[name], theirs[name], group=name)


def _by_series(
  rows: Sequence[Sequence[str]],
) -> dict[str, list[tuple[int, Sequence[str]]]]:
  """Returns the rows of each series with their numbers; the header has 0."""
  series: dict[str, list[tuple[int, Sequence[str]]]] = {}
  for number, row in enumerate(rows[1:], 1):
    series.setdefault(row[0], []).append((number, row))
  return series


def _of_rows(
  what: str,
  header: Sequence[str],
  old: Sequence[tuple[int, Sequence[str]]],
  new: Sequence[tuple[int, Sequence[str]]],
  *,
  group: str = '',
) -> Iterator[str]:
  if len(old) != len(new):
    part = f'{what}, series {group}' if group else what
    yield _line(part, f'{len(old)} rows', f'{len(new)} rows')
    return
  for (number, ours), (_, theirs) in zip(old, new, strict=True):
    for column, one, other in zip(header, ours, theirs, strict=True):
      if one != other:
        yield _line(f'{what}, row {number} ({ours[0]}), {column}', one, other)


def _of_tables(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
  yield from _names('table ', old, new)
  for name in old:
    if name not in new or old[name] == new[name]:
      continue
    ours, theirs = _rows(old[name]), _rows(new[name])
    what = f'table {name}'
    if ours[0] != theirs[0]:
      yield _line(f'{what}, columns', ', '.join(ours[0]), ', '.join(theirs[0]))
      continue
    numbered = [list(enumerate(rows[1:], 1)) for rows in (ours, theirs)]
    yield from _of_rows(what, ours[0], *numbered)


def _of_texts(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
  matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
  for kind, *places in matcher.get_opcodes():
    if kind == 'equal':
      continue
    ours, theirs = old[places[0] : places[1]], new[places[2] : places[3]]
    for one, other in itertools.zip_longest(ours, theirs):
      if one is None:
        yield f'text: not on the page, recomputed {_apart(other, "")!r}'
      elif other is None:
        yield f'text: the page says {_apart(one, "")!r}, not recomputed'
      else:
        said, now = _apart(one, other), _apart(other, one)
        yield f'text: the page says {said!r}, recomputed {now!r}'


def _apart(text: str, other: str) -> str:
  """Returns as much of a text as shows where it begins to differ from another."""
  text, other = ' '.join(text.split()), ' '.join(other.split())
  pairs = zip(text, other, strict=False)
  same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
  start = max(0, same - _SHOWN // 2) if len(text) > _SHOWN else 0
  part = text[start : start + _SHOWN]
  return '…' * (start > 0) + part + '…' * (start + _SHOWN < len(text))
