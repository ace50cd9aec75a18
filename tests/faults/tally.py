"""The counts of what was injected and what became of it, printed as a table."""

import collections


class Tally:
  """Counts, a row a kind.

  Args:
    title: of the table.
    columns: what may become of an injected fault.
  """

  def __init__(self, title: str, *columns: str):
    self._title = title
    self._columns = columns
    self._rows: dict[str, collections.Counter] = {}

  def add(self, kind: str, column: str, count: int = 1) -> None:
    """Counts something of a kind."""
    assert column in self._columns, column
    self._rows.setdefault(kind, collections.Counter())[column] += count

  def total(self, column: str) -> int:
    """Returns the sum of a column."""
    return sum(row[column] for row in self._rows.values())

  def show(self) -> None:
    """Prints the table."""
    width = max([len('in all'), *map(len, self._rows)])
    heads = [max(len(column), 6) for column in self._columns]
    lines = [('', self._columns)]
    for kind, row in self._rows.items():
      lines.append((kind, [row[column] for column in self._columns]))
    lines.append(('in all', [self.total(column) for column in self._columns]))
    print(f'\n\n{self._title}')
    for kind, cells in lines:
      shown = (f'{cell!s:>{head}}' for cell, head in zip(cells, heads, strict=True))
      print(f'{kind:<{width}}  ' + '  '.join(shown))
