"""The tables of a page, those that are coloured included."""

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd

# A number that a text begins with; a version such as 2.21.0 or a checksum is none.
_NUMBER = re.compile(
  r'[-+\u2212]?(\d{1,3}(,\d{3})+|\d+|(?=\.\d))(\.\d+)?([eE][-+]?\d+)?(?!\w|\.\d)'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
  """One cell of a table.

  Attributes:
    text: as it is shown.
    value: what it is sorted by; None sorts by the text, below all numbers.
    shade: 0 to 1, how strongly the cell is coloured; None for not at all.
  """

  text: str
  value: float | None = None
  shade: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
  """A table that a click on a column sorts.

  Attributes:
    name: a slug.
    title: a line above it.
    columns: their headings.
    rows: each with a cell a column; the first is the row's heading.
    csv: the data, with more digits and more columns where there are any; '' takes what
      is shown.
    description: what it shows, for a heat map; '' where the title says enough.
    picture: path of the same as PNG, from the page's folder; None where there is none.
    note: a line below it, in Markdown.
  """

  name: str
  title: str
  columns: tuple[str, ...]
  rows: tuple[tuple[Cell, ...], ...]
  csv: str = ''
  description: str = ''
  picture: str | None = None
  note: str = ''

  def __post_init__(self):
    for row in self.rows:
      if len(row) != len(self.columns):
        raise ValueError(f'{len(row)} cells in a row of {len(self.columns)} columns')


def table(
  name: str, frame: pd.DataFrame, *, title: str, csv: str = '', note: str = ''
) -> Table:
  """Returns a table of a frame that is meant for readers.

  Args:
    name: a slug.
    frame: cells as they are shown; a text is sorted by the number that it begins with.
    title: see `Table`.
    csv: see `Table`.
    note: see `Table`.
  """
  rows = frame.itertuples(index=False, name=None)
  return Table(
    name=name,
    title=title,
    columns=tuple(map(str, frame.columns)),
    rows=tuple(tuple(map(_cell, row)) for row in rows),
    csv=csv or frame.to_csv(index=False, lineterminator='\n'),
    note=note,
  )


def heat_map(
  name: str,
  frame: pd.DataFrame,
  *,
  title: str,
  description: str,
  low: float,
  high: float,
  picture: str | None = None,
  note: str = '',
) -> Table:
  """Returns a table of numbers, coloured.

  Args:
    name: a slug.
    frame: numbers, the index being the rows' names; NaN is an empty cell.
    title: see `Table`.
    description: see `Table`.
    low: the number that has no colour; what is below has none either.
    high: the number that has all of it.
    picture: see `Table`.
    note: see `Table`.
  """
  index = str(frame.index.name or '')
  rows = [
    (Cell(text=str(label)), *(_shaded(value, low, high) for value in values))
    for label, values in zip(frame.index, frame.to_numpy(), strict=True)
  ]
  return Table(
    name=name,
    title=title,
    columns=(index, *map(str, frame.columns)),
    rows=tuple(rows),
    csv=frame.to_csv(float_format='%.6g', lineterminator='\n'),
    description=description,
    picture=picture,
    note=note,
  )


def _cell(value: Any) -> Cell:
  if isinstance(value, float) and np.isnan(value):
    return Cell(text='')
  text = str(value).replace('**', '').replace('`', '')
  found = _NUMBER.match(text.lstrip('~<>≥≤ '))
  number = found and float(found[0].replace(',', '').replace('\u2212', '-'))
  return Cell(text=text, value=number if found else None)


def _shaded(value: float, low: float, high: float) -> Cell:
  if np.isnan(value):
    return Cell(text='')
  shade = float(np.clip((value - low) / (high - low), 0, 1))
  return Cell(text=f'{value:.3f}', value=float(value), shade=round(shade, 3))
