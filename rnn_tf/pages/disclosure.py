"""What a page discloses of the data and of the machine, told from what is on it."""

import csv
import dataclasses
import io
import re
import shlex
from collections.abc import Iterator, Sequence

from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import counted, listed, plain

NAME = 'discloses'

_ID = 'id'
"""The column of a table that names single examples."""

_CLASS_COLUMNS = ('class', 'actual', 'predicted')
"""Columns of tables that name classes."""

_CLASSES_BESIDE = ('AUC', 'actual')
"""First columns of tables whose other columns are classes."""

_MOST_NAMES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
  """A block, and the title of the section that it is in."""

  title: str
  block: blocks.Block


def section(
  sections: Sequence[blocks.Section],
  *,
  examples: str,
  class_names: Sequence[str],
  private: bool,
  without_ids: str = '',
  without_images: str = '',
) -> blocks.Section:
  """Returns a section that says what the others, which are the page, tell a reader.

  Args:
    sections: all others of the page.
    examples: what the examples are that the page may name, such as `training examples`.
    class_names: of the data.
    private: whether the page is written for its owner alone.
    without_ids: how to name fewer examples, in Markdown; said where some are named.
    without_images: how to show none, in Markdown; said where some are shown.
  """
  found = [
    _Found(title=each.title, block=block)
    for each in sections
    for block in _flat(each.blocks)
  ]
  tables = [each for each in found if _columns(each.block)]
  images = [each for each in found if isinstance(each.block, blocks.Images)]
  lines = [
    _about_ids(tables, examples),
    _about_images(images, examples),
    _about_classes(found, class_names),
    *_about_scores(found),
    *_about_downloads(found),
    _about_commands(found),
    _about_readers(private),
    _before(without_ids * bool(tables), without_images * bool(images)),
  ]
  text = '\n'.join(f'- {line}' for line in lines if line)
  return blocks.Section(
    name=NAME,
    title='What this page discloses',
    blocks=(blocks.Text(markdown=text),),
  )


def _flat(parts: Sequence[blocks.Block]) -> Iterator[blocks.Block]:
  for block in parts:
    if isinstance(block, blocks.Details):
      yield from _flat(block.blocks)
    else:
      yield block


def _rows(table: blocks.Table) -> list[list[str]]:
  """Returns the rows of a table's download, the header first."""
  return list(csv.reader(io.StringIO(table.csv)))


def _columns(block: blocks.Block) -> list[str]:
  """Returns what a table tells of single examples besides ids; nothing if of none."""
  if not isinstance(block, blocks.Table):
    return []
  header = _rows(block)[0] if block.csv else []
  every = dict.fromkeys([*block.columns, *header])
  return [name for name in every if name != _ID] if _ID in every else []


def _ids(block: blocks.Table) -> set[str]:
  found = set()
  if _ID in block.columns:
    place = block.columns.index(_ID)
    found |= {row[place].text for row in block.rows}
  header, *rows = _rows(block) if block.csv else [[]]
  if _ID in header:
    found |= {row[header.index(_ID)] for row in rows}
  return found


def _places(found: Sequence[_Found]) -> str:
  return listed(
    [f'*{plain(title)}*' for title in dict.fromkeys(e.title for e in found)]
  )


def _about_ids(tables: Sequence[_Found], examples: str) -> str:
  if not tables:
    return '**Single examples:** none is named, and nothing is said of a single one.'
  ids = set().union(*(_ids(each.block) for each in tables))
  beside = dict.fromkeys(name for each in tables for name in _columns(each.block))
  return (
    f'**Single examples:** the ids of {len(ids):,} {examples}, in {_places(tables)}. '
    f'Beside an id, or in the CSV of its table: {plain(", ".join(beside))}.'
  )


def _about_images(images: Sequence[_Found], examples: str) -> str:
  if not images:
    return '**Images:** none of an example.'
  count = sum(len(each.block.images) for each in images)
  return (
    f'**Images:** {counted(count, "image")} of {examples}, with what their captions '
    f'say, in {_places(images)}. They are part of this file.'
  )


def _labels(block: blocks.Block) -> Iterator[str]:
  """Yields what a block has where classes are named, besides whatever is no class."""
  if isinstance(block, blocks.Table):
    places = [i for i, name in enumerate(block.columns) if name in _CLASS_COLUMNS]
    yield from (row[place].text for row in block.rows for place in places)
    if block.columns[:1] and block.columns[0] in _CLASSES_BESIDE:
      # Of many classes a table shows some, and its download has all.
      yield from (*block.columns, *(_rows(block)[0] if block.csv else ()))
  elif isinstance(block, blocks.Chart):
    yield from (*block.x.categories, *block.y.categories)
  elif isinstance(block, blocks.Images):
    for caption in block.captions:
      yield from re.split(r'[:;,(] ?(?:is )?|✗ ', caption)


def _about_classes(found: Sequence[_Found], class_names: Sequence[str]) -> str:
  said = {text.strip() for each in found for text in _labels(each.block)}
  shown = [name for name in class_names if name in said]
  if not shown:
    return '**Classes:** none is named.'
  names = listed([plain(name) for name in shown], _MOST_NAMES)
  return f'**Classes:** the names of {len(shown):,} of {len(class_names):,}: {names}.'


def _about_scores(found: Sequence[_Found]) -> list[str]:
  """Says whether scores can be had from charts."""
  charts = [each for each in found if isinstance(each.block, blocks.Chart)]
  rocs = [e for e in charts if e.block.x.label.startswith('false-positive rate')]
  sides = [e for e in charts if e.block.x.label.partition(' (')[0] == 'score']
  lines = []
  if rocs:
    lines.append(
      f'**Curves:** {counted(len(rocs), "chart")} of true against false positives, in '
      f'{_places(rocs)}. Their points are counts: how many score above a threshold, '
      'but neither the threshold nor who does, so that no score can be computed back.'
    )
  if sides:
    lines.append(
      f'**Scores without names:** how many members and others score between two '
      f'values, in {_places(sides)}. Where one is alone there, its score is known as '
      'closely as these are apart; whose it is, is not said.'
    )
  return lines


def _about_downloads(found: Sequence[_Found]) -> list[str]:
  kinds = blocks.Chart | blocks.Table
  count = sum(isinstance(each.block, kinds) for each in found)
  if not count:
    return []
  return [
    f'**Downloads:** what {count:,} charts and tables show is in this file as '
    'CSV, with more digits.'
  ]


def _paths(code: blocks.Code) -> Iterator[str]:
  """Yields the paths in the command lines of a block."""
  for line in code.text.splitlines():
    try:
      words = shlex.split(line, comments=True)
    except ValueError:  # a quotation that goes on in the next line
      words = line.split()
    for word in words:
      if word.startswith('--note='):
        continue  # prose, which the page shows as such
      value = word.partition('=')[2] if word.startswith('-') else word
      if '/' in value or value.startswith('~') or word.startswith('--ray_address='):
        yield value


def _about_commands(found: Sequence[_Found]) -> str:
  codes = [each for each in found if isinstance(each.block, blocks.Code)]
  paths = list(dict.fromkeys(path for e in codes for path in _paths(e.block)))
  said = '**Machine and user:** neither is named'
  if not codes:
    return f'{said}, and there is no command.'
  if not paths:
    return (
      f'{said}; the commands, as they were typed, name no path with a folder in it.'
    )
  places = [path for path in paths if path.startswith(('/', '~'))]
  mind = (
    f' {counted(len(places), "path")} from the top: mind what the folders are called.'
  )
  return (
    f'{said}, but by what was typed: names of runs, labels and the commands, which '
    f'hold {counted(len(paths), "path")}: {plain(listed(paths))}.{mind * bool(places)}'
  )


def _about_readers(private: bool) -> str:
  if private:
    return (
      '**Who may read this file:** it was written for its owner alone (mode 0600); a '
      'copy that is sent is for whoever gets it.'
    )
  return (
    '**Who may read this file:** it was made to be shown, and whoever may read new '
    'files of its owner may read it (its mode follows the umask).'
  )


def _before(*advice: str) -> str:
  said = ' '.join(filter(None, advice))
  return f'**Before it is shown to others:** {said}' if said else ''
