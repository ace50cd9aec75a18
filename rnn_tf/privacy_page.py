"""The page's part on plain against differentially private runs."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from rnn_tf import pair_notes, pair_tables, pairs, seed_groups
from rnn_tf.pairs import Pair
from rnn_tf.records import RunRecord

HEADING = 'Plain against differentially private'

_ABOUT_SEEDS = """\
Mean over seeds, in brackets the lowest and the highest of them: finished runs, at their
last epoch. `AUC plain - DP` is over the pairs above.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  """What there is to say of one data set's private runs.

  Attributes:
    text: Markdown, the heading first, without pictures.
    pairs: the figures of the pairs, see `pair_tables.pairs_table`.
    seeds: the figures over seeds, see `pair_tables.seeds_table`.
  """

  text: str
  pairs: pd.DataFrame
  seeds: pd.DataFrame


def section(records: Sequence[RunRecord]) -> Section | None:
  """Returns the section on some runs of one data set; None if all are plain.

  Raises:
    UsageError: what a run guarantees, its scores or its ids are damaged.
  """
  if not any(record.config.privacy.dp for record in records):
    return None
  found, unpaired = pairs.find(records)
  groups = seed_groups.find(records)
  in_pairs = pair_tables.pairs_table(found)
  over_seeds = pair_tables.seeds_table(groups, found)
  lines = [f'### {HEADING}', '']
  if found:
    lines += [pair_notes.ABOUT_PAIRS, pair_tables.pairs_markdown(in_pairs)]
  lines += [pair_notes.ABOUT_EPSILON]
  notes = [f'- {line}' for line in pair_notes.notes(records, unpaired, groups)]
  lines += [*notes, ''] if notes else []
  if not over_seeds.empty:
    lines += [_about_seeds(found), pair_tables.seeds_markdown(over_seeds)]
  files = [
    f'[{name}.csv]({name}.csv)'
    for name, frame in (('pairs', in_pairs), ('seeds', over_seeds))
    if not frame.empty
  ]
  if files:
    lines += [f'With more digits: {", ".join(files)}.', '']
  return Section(text='\n'.join(lines), pairs=in_pairs, seeds=over_seeds)


def _about_seeds(found: Sequence[Pair]) -> str:
  return _ABOUT_SEEDS if found else _ABOUT_SEEDS.partition(' `AUC')[0] + '\n'
