"""When to stop: the most accurate epoch of those that leak little enough."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from rnn_tf.attacks.results import FOLDS, TRAINED_ATTACKS, AttackResult
from rnn_tf.records import RunRecord

_CHANCE = 0.05
"""How often what leaks nothing seems to leak more than the null level."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochLeakage:
  """The strongest attack after an epoch, on the entire data set.

  Attributes:
    run: the run's name.
    epoch: epochs trained until then.
    accuracy: on the test images, in [0, 1].
    by_auc: the result with the highest AUC.
    by_advantage: the result with the largest advantage.
    null_advantage: see `null_advantage`, for the largest of that epoch's attacks.
  """

  run: str
  epoch: int
  accuracy: float
  by_auc: AttackResult
  by_advantage: AttackResult
  null_advantage: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommendation:
  """The epoch to stop at.

  Attributes:
    run: the run's name.
    max_advantage: what was asked for.
    chosen: the epoch; None where there is none.
    lowest: the epoch of the lowest advantage; None without a report.
    reason: why there is none to stop at; '' where there is one.
    null_advantage: what the largest advantage of the attacks stays under with a
      probability of 95% if nothing leaks; None without a report.
    luck_advantage: what the advantage of one attack is above with a probability of 95%
      if nothing leaks; None without a report.
    text: all of that, in a sentence or two.
  """

  run: str
  max_advantage: float
  chosen: EpochLeakage | None
  lowest: EpochLeakage | None
  reason: str
  null_advantage: float | None
  luck_advantage: float | None
  text: str

  @property
  def epoch(self) -> int | None:
    """The epoch to stop at."""
    return None if self.chosen is None else self.chosen.epoch

  @property
  def unreachable(self) -> bool:
    """Whether so little is asked for that guesses stay under it by luck alone."""
    return self.luck_advantage is not None and self.max_advantage < self.luck_advantage


def null_advantage(
  n_members: int, n_nonmembers: int, *, tries: int = 1, folds: int = 1
) -> float:
  """Returns what an advantage stays under with 95% probability if nothing leaks.

  The advantage is a maximum over thresholds, picked in hindsight: above 0 even where
  there is nothing to find. Of scores that know nothing it is the two-sample
  Kolmogorov-Smirnov statistic, whose 95% quantile is 1.36 sqrt((m + n) / (m n)) for
  large m and n (Smirnov 1948, Annals of Mathematical Statistics 19). Ties, and small
  m and n, make it smaller.

  Args:
    n_members: m.
    n_nonmembers: n.
    tries: attacks of which the largest advantage is taken (Bonferroni).
    folds: models that the scores come from, each trained on the other folds: they
      stray further than their sizes say, see `metrics.auc_interval`.
  """
  scale = math.sqrt((1 / n_members + 1 / n_nonmembers) * folds)
  return float(stats.kstwobign.isf(_CHANCE / tries)) * scale


def _null_of(results: Sequence[AttackResult]) -> float:
  """Returns the level for the largest of these attacks."""
  tries = len(results)
  return max(
    null_advantage(each.n_members, each.n_nonmembers, tries=tries, folds=_folds(each))
    for each in results
  )


def _luck_of(result: AttackResult) -> float:
  """Returns what the advantage is above with 95% probability if nothing leaks."""
  scale = math.sqrt((1 / result.n_members + 1 / result.n_nonmembers) * _folds(result))
  return float(stats.kstwobign.ppf(_CHANCE)) * scale


def _folds(result: AttackResult) -> int:
  return FOLDS if result.attack in TRAINED_ATTACKS else 1


def by_epoch(record: RunRecord) -> list[EpochLeakage]:
  """Returns the epochs with a report and a known test accuracy, in their order."""
  results: dict[int, list[AttackResult]] = {}
  for attack in record.attacks:
    for result in record.entire(attack):
      if not result.skipped:
        results.setdefault(result.epoch, []).append(result)
  rows = zip(record.metrics['epoch'], record.metrics['val_accuracy'], strict=True)
  accuracies = {int(epoch): float(value) for epoch, value in rows}
  return [
    EpochLeakage(
      run=record.name,
      epoch=epoch,
      accuracy=accuracies[epoch],
      by_auc=max(found, key=lambda result: result.auc),
      by_advantage=max(found, key=lambda result: result.advantage),
      null_advantage=_null_of(found),
    )
    for epoch, found in sorted(results.items())
    if not math.isnan(accuracies[epoch])
  ]


def recommend(record: RunRecord, *, max_advantage: float) -> Recommendation:
  """Returns the epoch of the highest test accuracy that leaks no more than asked for.

  Of the epochs with a report, those are left whose largest advantage, over all attacks
  on the entire data set, is at most `max_advantage`. Of equally accurate ones the one
  that leaks less is taken, then the earlier one.

  Args:
    record: the run.
    max_advantage: in [0, 1].
  """
  epochs = by_epoch(record)
  allowed = [each for each in epochs if each.by_advantage.advantage <= max_advantage]
  chosen = max(
    allowed,
    key=lambda x: (x.accuracy, -x.by_advantage.advantage, -x.epoch),
    default=None,
  )
  # Of all epochs the strictest, since the one that is lucky is not known beforehand.
  null = max((each.null_advantage for each in epochs), default=None)
  luck = min((_luck_of(each.by_advantage) for each in epochs), default=None)
  lowest = min(epochs, key=lambda each: each.by_advantage.advantage, default=None)
  reason = '' if chosen else _why_none(lowest, max_advantage)
  return Recommendation(
    run=record.name,
    max_advantage=max_advantage,
    chosen=chosen,
    lowest=lowest,
    reason=reason,
    null_advantage=null,
    luck_advantage=luck,
    text=_text(chosen, reason, max_advantage, null, luck),
  )


def _why_none(lowest: EpochLeakage | None, max_advantage: float) -> str:
  if lowest is None:
    return 'no epoch has both a report and a test accuracy'
  result = lowest.by_advantage
  return (
    f'no epoch with a report stays at an advantage of at most {max_advantage:g}: the '
    f'lowest is {result.advantage:.4f} ({result.attack}) after epoch {lowest.epoch}'
  )


def _text(
  chosen: EpochLeakage | None,
  reason: str,
  max_advantage: float,
  null: float | None,
  luck: float | None,
) -> str:
  if chosen is None:
    text = f'No epoch to stop at: {reason}.'
  else:
    text = (
      f'Stop after epoch {chosen.epoch}: the most accurate (test accuracy '
      f'{chosen.accuracy:.4f}) of the epochs with a report whose largest advantage is '
      f'at most {max_advantage:g}; there it is {chosen.by_advantage.advantage:.4f} '
      f'({chosen.by_advantage.attack}).'
    )
  if null is None:
    return text
  if max_advantage < luck:
    return (
      f'{text} But an advantage of {max_advantage:g} is unreachable except by luck: '
      f'where nothing leaks, one attack still shows more than {luck:.4f} in 95% of '
      'cases, since its threshold is picked in hindsight.'
    )
  if max_advantage < null:
    return (
      f'{text} Chance alone may come above {max_advantage:g}: where nothing leaks, the '
      f'largest advantage is up to {null:.4f} (95% quantile).'
    )
  return f'{text} Where nothing leaks it is up to {null:.4f} (95% quantile).'


def pareto_front(points: Iterable[tuple[float, float]]) -> list[int]:
  """Returns which points no other one beats, by rising accuracy, in O(n log n).

  A point is beaten by one with an accuracy as high and a leakage as low, of which at
  least one is better. Equal points are all kept; points with a NaN are not.

  Args:
    points: accuracy and leakage of each.
  """
  values = np.array(list(points), np.float64).reshape(-1, 2)
  known = np.flatnonzero(~np.isnan(values).any(axis=1))
  accuracy, leakage = values[known].T
  front, lowest = [], (math.inf, math.nan)
  for place in np.lexsort((known, leakage, -accuracy)):
    point = leakage[place], accuracy[place]
    # As long as accuracies fall, only less leakage than all before is any good.
    if point[0] < lowest[0] or point == lowest:
      front.append(int(known[place]))
      lowest = point
  return sorted(front, key=lambda index: (values[index, 0], index))
