"""What has to be said beside plain and private runs, on whatever page they stand."""

from collections.abc import Callable, Sequence

from rnn_tf import claims
from rnn_tf.pairs import Unpaired
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import Group

ABOUT_PAIRS = """\
Each run with differential privacy stands beside the plain run from which it differs by
the privacy flags alone: same examples, same seed, same reports, after as many epochs.
`AUC plain - DP` is what privacy took from the attack; its 95% interval is DeLong's for
two scorings of the same examples (of the attacks that are trained, wider by the square
root of their two folds): where it holds 0, the attack does not tell the two runs apart.
"""

ABOUT_EPSILON = """\
Epsilon is the accountant's: for batches drawn by Poisson sampling, and data sets that
differ by one example, added or removed. `epsilon at least` is what each attack's scores
indicate at 95% confidence, provided that members and non-members are drawn alike and
that their scores, all from one model, may be taken as independent; above epsilon it
speaks against the guarantee, and below it, however low, it proves nothing.
"""


def notes(
  records: Sequence[RunRecord],
  unpaired: Sequence[Unpaired],
  groups: Sequence[Group],
  *,
  named: Callable[[str], str] = str,
) -> list[str]:
  """Returns what the figures of some runs have to be read with, a line each.

  Args:
    records: the runs.
    unpaired: private runs without a plain one.
    groups: the runs over seeds.
    named: what a run's name, or a reason, is written as.
  """
  return [
    *(_lone(lone, named) for lone in unpaired),
    *_about_noise(records, named),
    *_left_out(groups, named),
  ]


def _lone(lone: Unpaired, named: Callable[[str], str]) -> str:
  line = f'{named(lone.private.name)}: no plain run to compare with'
  if lone.nearest is None:
    return line
  reasons = named('; '.join(lone.reasons))
  return f'{line}: {reasons} (the nearest is {named(lone.nearest.name)})'


def _about_noise(
  records: Sequence[RunRecord], named: Callable[[str], str]
) -> list[str]:
  """Says of which runs the epsilon is not, or not to everybody, what it seems."""
  claimed = {named(record.name): claims.of(record) for record in records}
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


def _left_out(groups: Sequence[Group], named: Callable[[str], str]) -> list[str]:
  names = [
    named(record.name)
    for group in groups
    for record in group.records
    if record.finished is None
  ]
  return [f'{", ".join(names)}: unfinished, not in the means'] if names else []
