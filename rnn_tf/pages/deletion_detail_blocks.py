"""What a page shows of an audit of deletions for who reads it up: its tables."""

import dataclasses
from collections.abc import Callable

import pandas as pd

from rnn_tf import deletion_readable, deletion_tables, deletion_verdict, tables
from rnn_tf.deletion_names import METHODS, method_name
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.page import blocks
from rnn_tf.pages.deletion_charts import short_name

Make = Callable[[DeletionRecord], pd.DataFrame]

_ROW = ('deleted', 'version')
"""Columns that say what a row is of, once the attacks stand side by side."""

_SHORT = {method_name(method): short_name(method) for method in METHODS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
  """A table: `name` is a slug, `readable` is for readers and `raw` for the CSV."""

  name: str
  title: str
  readable: Make
  raw: Make
  note: Callable[[DeletionRecord], str] = lambda record: ''


def _accuracies(record: DeletionRecord) -> pd.DataFrame:
  """Returns the columns of the versions over all seeds that are accuracies."""
  frame, accuracies = _versions(record)
  return frame[['forget', 'method', 'runs', *accuracies]].drop_duplicates()


def _attacks(record: DeletionRecord) -> pd.DataFrame:
  """Returns the columns of the versions over all seeds that are of attacks."""
  frame, accuracies = _versions(record)
  return frame.drop(columns=['seed', 'runs', *accuracies])


def _verdicts(record: DeletionRecord) -> pd.DataFrame:
  """Returns the verdicts without their sentences, which the page has besides."""
  frame = deletion_tables.verdicts_table(record)
  return frame.drop(columns='in_words', errors='ignore')


def _short_verdicts(record: DeletionRecord) -> pd.DataFrame:
  """Returns the verdicts without how many examples would be enough.

  In a narrow column that makes tall rows, and the page says it in words, too.
  """
  frame = deletion_readable.verdicts(record)
  return frame.replace(r' \(about [\d,]+ deleted examples would be\)', '', regex=True)


def _versions(record: DeletionRecord) -> tuple[pd.DataFrame, list[str]]:
  """Returns the versions over all seeds, and which columns are accuracies."""
  frame = deletion_tables.versions_table(record.findings.pooled)
  starts = tuple(
    f'{side}_{what}'
    for side in deletion_readable.SIDES
    for what in ('accuracy', 'correct', 'n')
  )
  return frame, [name for name in frame if name.startswith(starts)]


_KINDS = (
  _Kind(
    name='verdicts',
    title='Verdicts, attack by attack',
    readable=_short_verdicts,
    raw=_verdicts,
  ),
  _Kind(
    name='accuracy',
    title='Accuracy',
    readable=deletion_readable.accuracy,
    raw=_accuracies,
  ),
  _Kind(
    name='found',
    title='What the attacks find',
    readable=deletion_readable.attacks,
    raw=_attacks,
  ),
  _Kind(
    name='costs',
    title='Costs',
    readable=deletion_readable.costs,
    raw=deletion_tables.costs_table,
  ),
  _Kind(
    name='both',
    title='Both versions in one hand',
    readable=deletion_readable.two_versions,
    raw=deletion_tables.two_versions_table,
    note=deletion_verdict.about_two_versions,
  ),
  _Kind(
    name='stay',
    title='The examples that stay',
    readable=deletion_readable.collateral,
    raw=deletion_tables.collateral_table,
  ),
  _Kind(
    name='by-shards',
    title='Accuracy by the number of shards',
    readable=deletion_readable.shards,
    raw=deletion_tables.shards_table,
  ),
)


def folded_tables(record: DeletionRecord, prefix: str) -> list[blocks.Details]:
  """Returns the tables that there are rows of, each folded away.

  Args:
    record: the audit.
    prefix: what the tables' names begin with, a slug.
  """
  found = []
  for kind in _KINDS:
    frame = kind.readable(record)
    if not frame.empty:
      if 'version' in frame:
        frame = frame.replace({'version': _SHORT})
      shown, said = _without_repetition(side_by_side(frame))
      table = blocks.table(
        f'{prefix}-{kind.name}',
        shown,
        title=kind.title,
        csv=tables.to_csv(kind.raw(record)),
        note=' '.join(filter(None, (kind.note(record), said))),
      )
      found.append(blocks.Details(title=kind.title, blocks=(table,)))
  return found


def side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
  """Returns a table of a row an attack as one of a row a version.

  Columns that do not depend on the attack stand there once, the others once an attack.

  Args:
    frame: for readers; one without attacks is returned as it is.
  """
  if 'attack' not in frame:
    return frame
  groups = frame.groupby(list(_ROW), sort=False)
  rows = []
  columns = [name for name in frame if name not in (*_ROW, 'attack')]
  shared = [name for name in columns if (groups[name].nunique() == 1).all()]
  for key, group in groups:
    row = dict(zip(_ROW, key, strict=True))
    for name in columns:
      if name in shared:
        row[name] = group[name].iloc[0]
      else:
        cells = zip(group['attack'], group[name], strict=True)
        row |= {f'{name}, {attack}': cell for attack, cell in cells}
    rows.append(row)
  return pd.DataFrame(rows)


def _without_repetition(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
  """Returns a table without columns of one value, and a line that says it."""
  same = [
    name
    for name in frame
    if name not in _ROW and len(frame) > 1 and frame[name].nunique(dropna=False) == 1
  ]
  said = '; '.join(f'{name}: {frame[name].iloc[0]}' for name in same)
  return frame.drop(columns=same), f'In all rows {said}.' if said else ''
