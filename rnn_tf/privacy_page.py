"""The page's part on plain against differentially private runs."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from rnn_tf import claims, pair_tables, pairs, seed_groups
from rnn_tf.pairs import Pair, Unpaired
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import Group

HEADING = 'Plain against differentially private'

_ABOUT_PAIRS = """\
Each run with differential privacy stands beside the plain run from which it differs by
the privacy flags alone: same examples, same seed, same reports, after as many epochs.
`AUC plain - DP` is what privacy took from the attack; its 95% interval is DeLong's for
two scorings of the same examples (of the attacks that are trained, wider by the square
root of their two folds): where it holds 0, the attack does not tell the two runs apart.
"""

_ABOUT_EPSILON = """\
Epsilon is the accountant's: for batches drawn by Poisson sampling, and data sets that
differ by one example, added or removed. `epsilon at least` is what each attack's scores
indicate at 95% confidence, provided that members and non-members are drawn alike and
that their scores, all from one model, may be taken as independent; above epsilon it
speaks against the guarantee, and below it, however low, it proves nothing.
"""

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
    lines += [_ABOUT_PAIRS, pair_tables.pairs_markdown(in_pairs)]
  lines += [_ABOUT_EPSILON]
  notes = [*_lone(unpaired), *_about_noise(records), *_left_out(groups)]
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


def _lone(unpaired: Sequence[Unpaired]) -> list[str]:
  lines = []
  for lone in unpaired:
    line = f'- {lone.private.name}: no plain run to compare with'
    if lone.nearest is not None:
      line += f': {"; ".join(lone.reasons)} (the nearest is {lone.nearest.name})'
    lines.append(line)
  return lines


def _about_noise(records: Sequence[RunRecord]) -> list[str]:
  """Says of which runs the epsilon is not, or not to everybody, what it seems."""
  claimed = {record.name: claims.of(record) for record in records}
  private = {name: claim for name, claim in claimed.items() if claim is not None}
  shuffled = [name for name, claim in private.items() if claim.sampling != 'poisson']
  known = [name for name, claim in private.items() if not claim.secret]
  lines = []
  if shuffled:
    lines.append(
      f'- {", ".join(shuffled)}: batches were shuffled: epsilon is stated for Poisson '
      'sampling, and is not proven for shuffling'
    )
  if known:
    lines.append(
      f'- {", ".join(known)}: the noise follows from `--seed` (`--deterministic`): '
      'whoever knows the seed can take it away, and epsilon holds against others only'
    )
  return lines


def _left_out(groups: Sequence[Group]) -> list[str]:
  names = [r.name for group in groups for r in group.records if r.finished is None]
  return [f'- {", ".join(names)}: unfinished, not in the means'] if names else []
