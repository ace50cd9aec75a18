"""Plain against differentially private runs of one data set, as charts and tables."""

from collections.abc import Sequence

from rnn_tf import claims, pair_tables, pairs, seed_groups, tables
from rnn_tf.page import blocks
from rnn_tf.pages.pair_charts import dp_privacy_vs_utility, epsilon_by_epoch
from rnn_tf.pages.run_lines import (
  Picture,
  no_picture,
  plain,
)
from rnn_tf.pairs import Pair, Unpaired
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import Group

_ABOUT_PAIRS = (
  'Each run with differential privacy stands beside the plain run from which it '
  'differs by the privacy flags alone: same examples, same seed, same reports, after '
  'as many epochs. `AUC plain - DP` is what privacy took from the attack; its 95% '
  "interval is DeLong's for two scorings of the same examples (of the attacks that are "
  'trained, wider by the square root of their two folds): where it holds 0, the attack '
  'does not tell the two runs apart.'
)

_ABOUT_EPSILON = (
  "Epsilon is the accountant's: for batches drawn by Poisson sampling, and data sets "
  'that differ by one example, added or removed. `epsilon at least` is what each '
  "attack's scores indicate at 95% confidence, provided that members and non-members "
  'are drawn alike and that their scores, all from one model, may be taken as '
  'independent; above epsilon it speaks against the guarantee, and below it, however '
  'low, it proves nothing.'
)


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
  notes = [*_lone(unpaired), *_about_noise(records), *_left_out(groups)]
  about = [f'- {note}' for note in notes]
  shown = [
    *dp_privacy_vs_utility(records, picture=picture),
    *_pairs_table(found),
    *_seeds_table(groups, found),
    epsilon_by_epoch(records, picture=picture),
    blocks.Text(markdown='\n'.join([_ABOUT_EPSILON, '', *about])),
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
      note=_ABOUT_PAIRS,
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


def _lone(unpaired: Sequence[Unpaired]) -> list[str]:
  lines = []
  for lone in unpaired:
    line = f'{plain(lone.private.name)}: no plain run to compare with'
    if lone.nearest is not None:
      reasons = plain('; '.join(lone.reasons))
      line += f': {reasons} (the nearest is {plain(lone.nearest.name)})'
    lines.append(line)
  return lines


def _about_noise(records: Sequence[RunRecord]) -> list[str]:
  """Says of which runs the epsilon is not, or not to everybody, what it seems."""
  claimed = {plain(record.name): claims.of(record) for record in records}
  private = {name: claim for name, claim in claimed.items() if claim is not None}
  shuffled = [name for name, claim in private.items() if claim.sampling != 'poisson']
  known = [name for name, claim in private.items() if not claim.secret]
  lines = []
  if shuffled:
    lines.append(
      f'{", ".join(shuffled)}: batches were shuffled: epsilon is stated for Poisson '
      'sampling, and is not proven for shuffling'
    )
  if known:
    lines.append(
      f'{", ".join(known)}: the noise follows from `--seed` (`--deterministic`): '
      'whoever knows the seed can take it away, and epsilon holds against others only'
    )
  return lines


def _left_out(groups: Sequence[Group]) -> list[str]:
  names = [
    plain(record.name)
    for group in groups
    for record in group.records
    if record.finished is None
  ]
  return [f'{", ".join(names)}: unfinished, not in the means'] if names else []
