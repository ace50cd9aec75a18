"""Ways to damage a file, or to forge one: bytes, JSON, npz and CSV; all seeded.

A way takes a generator and the content of a file and returns another content.
"""

import csv
import io
import json
import pathlib
from collections.abc import Callable

import numpy as np

from tests.hostile import npz_mutators

Way = Callable[[np.random.Generator, bytes], bytes]

DEEP = 10_000
"""Levels of nested JSON; Python's own parser gives up at a tenth of them."""


def mutate(
  rng: np.random.Generator, content: bytes, *, suffix: str, canary: pathlib.Path
) -> tuple[str, bytes]:
  """Returns the name of a way that was drawn, and what it made of a file's content.

  Args:
    rng: draws the way and all that it needs.
    content: of a genuine file.
    suffix: of its name, such as `.npz`: half of the ways know what it holds.
    canary: the file that a pickle would create.
  """
  special = dict(_SPECIAL.get(suffix, {}))
  if suffix == '.npz':
    special |= {
      'pickle': lambda rng, content: npz_mutators.pickled(rng, content, canary)
    }
  ways = special if special and rng.random() < 0.75 else BYTES
  name = sorted(ways)[rng.integers(len(ways))]
  return name, ways[name](rng, content)


def _span(rng: np.random.Generator, content: bytes) -> tuple[int, int]:
  start = int(rng.integers(len(content) + 1))
  return start, min(len(content), start + int(rng.integers(1, 65)))


def _truncate(rng, content):
  return content[: rng.integers(len(content) + 1)]


def _flip(rng, content):
  changed = bytearray(content)
  for _ in range(int(rng.integers(1, 9))):
    if changed:
      changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
  return bytes(changed)


def _insert(rng, content):
  start, _ = _span(rng, content)
  return content[:start] + rng.bytes(int(rng.integers(1, 65))) + content[start:]


def _delete(rng, content):
  start, end = _span(rng, content)
  return content[:start] + content[end:]


def _duplicate(rng, content):
  start, end = _span(rng, content)
  return content[:end] + content[start:]


def _zero(rng, content):
  start, end = _span(rng, content)
  return content[:start] + bytes(end - start) + content[end:]


def _swap(rng, content):
  one, two = sorted(int(rng.integers(len(content) + 1)) for _ in range(2))
  size = min(64, two - one, len(content) - two)
  first, second = content[one : one + size], content[two : two + size]
  between = content[one + size : two]
  return content[:one] + second + between + first + content[two + size :]


BYTES: dict[str, Way] = {
  'truncate': _truncate,
  'flip bits': _flip,
  'insert': _insert,
  'delete': _delete,
  'duplicate': _duplicate,
  'zero': _zero,
  'swap': _swap,
  'nothing': lambda rng, content: b'',
  'noise': lambda rng, content: rng.bytes(int(rng.integers(1, 2000))),
  'all twice': lambda rng, content: content + content,
  'huge': lambda rng, content: content + bytes([rng.integers(256)]) * 2_000_000,
}
"""Ways that know nothing of what a file holds."""

VALUES = (
  *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 10**30, -(10**30), 2**63, 2**31),
  *(float('nan'), float('inf'), float('-inf')),
  *('', 'x', '0', 'nan', 'a' * 100_000, '\ud800', '\x1b[31m\x00\r\n', '../../x', '/'),
  *('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '\u202e', '-1'),
  *([], {}, [[]], [None], [1, 2], {'x': 1}, [{}], {'': []}, [True] * 3, ['x'] * 2),
)
"""What is put in the place of a value in a JSON file."""


def places(value, place=()):
  """Yields the way to each value in a JSON structure, the whole first."""
  yield place
  if isinstance(value, dict):
    for name, item in value.items():
      yield from places(item, (*place, name))
  elif isinstance(value, list):
    for number, item in enumerate(value):
      yield from places(item, (*place, number))


def replaced(values, place, to):
  """Returns JSON values with another value at a place; `to` gets the one there."""
  if not place:
    return to(values)
  inner = values[place[0]]
  made = replaced(inner, place[1:], to)
  if isinstance(values, dict):
    return {**values, place[0]: made}
  return [*values[: place[0]], made, *values[place[0] + 1 :]]


def _drop(rng, value):
  if isinstance(value, dict) and value:
    gone = list(value)[rng.integers(len(value))]
    return {name: item for name, item in value.items() if name != gone}
  if isinstance(value, list) and value:
    gone = int(rng.integers(len(value)))
    return value[:gone] + value[gone + 1 :]
  return None


def _rename(rng, value):
  if isinstance(value, dict) and value:
    old = list(value)[rng.integers(len(value))]
    return {f'{name}x' if name == old else name: x for name, x in value.items()}
  return value


def _add(rng, value):
  new = VALUES[rng.integers(len(VALUES))]
  if isinstance(value, dict):
    return {**value, f'new{rng.integers(10)}': new}
  if isinstance(value, list):
    return [*value, new] if rng.random() < 0.5 else [*value, *value]
  return [value]


def _number(rng, value):
  if isinstance(value, bool) or not isinstance(value, int | float):
    return 1 - 2 * rng.random()
  changes = (value + 1, -value, value * 1000, value / 3, str(value), bool(value))
  return changes[rng.integers(len(changes))]


_CHANGES = {
  'other value': lambda rng, value: VALUES[rng.integers(len(VALUES))],
  'drop': _drop,
  'rename': _rename,
  'add': _add,
  'other number': _number,
}


def _change_json(rng, text, change):
  values = json.loads(text)
  all_places = list(places(values))
  # As often near the top as deep inside, where most values are.
  depth = int(rng.integers(1 + max(map(len, all_places))))
  level = [place for place in all_places if len(place) == depth]
  place = level[rng.integers(len(level))]
  return json.dumps(replaced(values, place, lambda value: change(rng, value)))


def _inside(rng, text, to):
  """Puts a text where a value of a JSON file is."""
  mark = 'HERE BE DRAGONS'
  marked = _change_json(rng, text, lambda rng, value: mark)
  return marked.replace(json.dumps(mark), to)


def _deep(rng, text):
  opened, closed = (('[', ']'), ('{"x":', '}'))[rng.integers(2)]
  depth = DEEP * int(rng.choice([1, 10]))
  return _inside(rng, text, opened * depth + '1' + closed * depth)


def _raw(rng, text):
  texts = ('NaN', 'Infinity', '-Infinity', '1e400', '-1e400', '1' * 5000, '1' * 400)
  return _inside(rng, text, texts[rng.integers(len(texts))])


def _twice(rng, text):
  name = ('format', 'config', 'epoch', 'sha256', 'label')[rng.integers(5)]
  most = 1 if rng.random() < 0.5 else -1
  return text.replace('{', f'{{"{name}": 3, ', most)


def _of_text(way):
  return lambda rng, content: way(rng, content.decode()).encode(errors='surrogatepass')


_ENCODINGS: dict[str, Way] = {
  'byte order mark': lambda rng, content: b'\xef\xbb\xbf' + content,
  'UTF-16': lambda rng, content: content.decode().encode('utf-16'),
  'no UTF-8': lambda rng, content: content.replace(b'e', b'\xff', 1),
  'control characters': lambda rng, content: content.replace(b'a', b'\x00\x1b', 1),
}

_JSON: dict[str, Way] = {
  **{
    name: _of_text(lambda rng, text, change=change: _change_json(rng, text, change))
    for name, change in _CHANGES.items()
  },
  'nesting': _of_text(_deep),
  'odd numbers': _of_text(_raw),
  'names twice': _of_text(_twice),
  **_ENCODINGS,
}


def _of_a_line(way):
  def of_lines(rng, content):
    lines = content.decode().splitlines()
    if not lines:
      return b'{}\n'
    number = int(rng.integers(len(lines)))
    lines[number] = way(rng, lines[number].encode()).decode(errors='surrogateescape')
    text = ''.join(line + '\n' for line in lines)
    return text.encode(errors='surrogateescape')

  return of_lines


def _lines(rng, content):
  lines = content.splitlines(keepends=True)
  order = rng.integers(len(lines), size=int(rng.integers(2 * len(lines) + 1)))
  return b''.join(lines[number] for number in order)


_JSONL: dict[str, Way] = {
  **{f'a line, {name}': _of_a_line(way) for name, way in _JSON.items()},
  'other lines': _lines,
  'lines twice': lambda rng, content: content + content,
}


def _cell(rng, content):
  rows = list(csv.reader(io.StringIO(content.decode())))
  texts = ('', 'nan', 'inf', '-1', '1e400', 'x', '"', ',', 'True', '0x10', '1_0', '٣')
  row = rows[rng.integers(len(rows))]
  if row:
    row[rng.integers(len(row))] = texts[rng.integers(len(texts))]
  return _csv(rows)


def _csv(rows):
  text = io.StringIO()
  csv.writer(text, lineterminator='\n').writerows(rows)
  return text.getvalue().encode()


def _column(rng, content):
  rows = list(csv.reader(io.StringIO(content.decode())))
  place = int(rng.integers(len(rows[0])))
  if rng.random() < 0.5:
    return _csv([row[:place] + row[place + 1 :] for row in rows])
  return _csv([[*row[: place + 1], *row[place:]] for row in rows])


_CSV: dict[str, Way] = {
  'cell': _cell,
  'column': _column,
  'other rows': _lines,
  'open quote': lambda rng, content: content.replace(b',', b',"', 1),
  'long cell': lambda rng, content: content.replace(b',', b',' + b'1' * 200_000, 1),
  **_ENCODINGS,
}


_SPECIAL: dict[str, dict[str, Way]] = {
  '.json': _JSON,
  '.jsonl': _JSONL,
  '.csv': _CSV,
  '.npz': npz_mutators.WAYS,
}
