"""Plain against differentially private runs of one data set, as charts and tables."""

from collections.abc import Sequence

from rnn_tf import pair_notes, pair_tables, pairs, seed_groups, tables
from rnn_tf.page import blocks
from rnn_tf.pages.pair_charts import dp_privacy_vs_utility, epsilon_by_epoch
from rnn_tf.pages.run_lines import (
  Picture,
  no_picture,
  plain,
)
from rnn_tf.pairs import Pair
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import Group

_FIRST = (
  *('DP run', 'attack', 'AUC plain - DP [95% interval]', 'AUC DP / plain'),
  *('epsilon (delta)', 'epsilon at least', 'val acc DP / plain'),
)
"""The columns of the pairs' table that are read first."""

_FIRST_OF_SEEDS = (
  *('epsilon (delta)', 'attack', 'AUC', 'AUC plain - DP', 'val acc', 'advantage'),
  'seeds',
)
"""Those of the table over seeds."""


def blocks_of(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> tuple[blocks.Block, ...]:
  """Returns all that there is to say of private runs; nothing if all runs are plain.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.

  Raises:
    UsageError: what a run guarantees, its scores or its ids are damaged.
  """
  if not any(record.config.privacy.dp for record in records):
    return ()
  found, unpaired = pairs.find(records)
  groups = seed_groups.find(records)
  notes = pair_notes.notes(records, unpaired, groups, named=plain)
  about = [f'- {note}' for note in notes]
  shown = [
    *dp_privacy_vs_utility(records, picture=picture),
    *_pairs_table(found),
    *_seeds_table(groups, found),
    epsilon_by_epoch(records, picture=picture),
    blocks.Text(markdown='\n'.join([pair_notes.ABOUT_EPSILON, '', *about])),
  ]
  return tuple(block for block in shown if block is not None)


def _pairs_table(found: Sequence[Pair]) -> list[blocks.Table]:
  if not found:
    return []
  frame = pair_tables.pairs_table(found)
  shown = pair_tables.readable_pairs(frame)
  return [
    blocks.table(
      'pairs',
      shown[list(dict.fromkeys([*_FIRST, *shown.columns]))],
      title='Plain against differentially private, run by run',
      csv=tables.to_csv(frame),
      note=pair_notes.ABOUT_PAIRS,
    )
  ]


def _seeds_table(groups: Sequence[Group], found: Sequence[Pair]) -> list[blocks.Table]:
  frame = pair_tables.seeds_table(groups, found)
  if frame.empty:
    return []
  shown = pair_tables.readable_seeds(frame)
  note = 'Mean over seeds, in brackets the lowest and the highest of them: finished '
  note += 'runs, at their last epoch.'
  if found:
    note += ' `AUC plain - DP` is over the pairs.'
  return [
    blocks.table(
      'seeds',
      shown[list(dict.fromkeys([*_FIRST_OF_SEEDS, *shown.columns]))],
      title='Over seeds',
      csv=tables.to_csv(frame),
      note=note,
    )
  ]
