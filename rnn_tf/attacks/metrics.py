"""What an attack's scores are worth: exact ROC, AUC, rates, and their intervals.

Everywhere in this module a *higher* score means *more likely a member*, members
are the positives, and equal scores are never split by a threshold.
"""

import dataclasses
import functools
import math

import numpy as np

from rnn_tf.attacks.intervals import (
  Z95,
  clopper_pearson,
  difference_interval,
  newcombe_interval,
  null_half_width,
)

TARGET_FPRS = (0.01, 0.001)
"""The false-positive rates at which a report gives the true-positive rate."""

# TF Privacy takes a rate below this for zero where it computes the PPV.
_PPV_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatePoint:
  """The true-positive rate where the false-positive rate is held down.

  Attributes:
    target_fpr: the highest false-positive rate allowed.
    threshold: examples with a score strictly above it are called members.
    fpr: the false-positive rate realised, at most `target_fpr`.
    false_positives: non-members above the threshold.
    tpr: share of members above the threshold.
    true_positives: members above the threshold.
    tpr_low: lower end of the 95% Clopper-Pearson interval of `tpr`.
    tpr_high: upper end of it.
  """

  target_fpr: float
  threshold: float
  fpr: float
  false_positives: int
  tpr: float
  true_positives: int
  tpr_low: float
  tpr_high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metrics:
  """All that a report says of one set of scores, see the functions below."""

  n_members: int
  n_nonmembers: int
  auc: float
  auc_low: float
  auc_high: float
  auc_null_half_width: float
  advantage: float
  ppv: float
  tpr_at_fpr: tuple[RatePoint, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
  """The difference of two AUCs on the same examples, with its 95% interval."""

  value: float
  low: float
  high: float
  standard_error: float


@dataclasses.dataclass(frozen=True, eq=False)
class Roc:
  """An exact ROC curve: one point a distinct score, after the point (0, 0).

  Attributes:
    thresholds: (k + 1,) float64, falling from +inf; the point's examples are
      those with score >= threshold.
    false_positives: (k + 1,) int64.
    true_positives: (k + 1,) int64.
    n_members: number of members.
    n_nonmembers: number of non-members.
  """

  thresholds: np.ndarray
  false_positives: np.ndarray
  true_positives: np.ndarray
  n_members: int
  n_nonmembers: int

  @functools.cached_property
  def fpr(self) -> np.ndarray:
    """False-positive rates, (k + 1,) float64, rising from 0 to 1."""
    return self.false_positives / self.n_nonmembers

  @functools.cached_property
  def tpr(self) -> np.ndarray:
    """True-positive rates, (k + 1,) float64, rising from 0 to 1."""
    return self.true_positives / self.n_members


def _sorted(scores: np.ndarray, side: str) -> np.ndarray:
  scores = np.asarray(scores, np.float64)
  if scores.ndim != 1 or not scores.size:
    raise ValueError(f'{side}: expected a non-empty vector, got {scores.shape}')
  if not np.isfinite(scores).all():
    count = np.count_nonzero(~np.isfinite(scores))
    raise ValueError(f'{side}: {count} of {scores.size} scores are not finite')
  return np.sort(scores)


def _placements(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
  """Share of the sorted `others` below each score, an equal one counting half."""
  below = np.searchsorted(others, scores, side='left')
  not_above = np.searchsorted(others, scores, side='right')
  return (below + not_above) / (2 * others.size)


def roc(members: np.ndarray, nonmembers: np.ndarray) -> Roc:
  """Returns the exact ROC curve, ties taken as one step, in O(n log n).

  Args:
    members: scores of members, (m,).
    nonmembers: scores of non-members, (n,).

  Raises:
    ValueError: a side is empty or has scores that are not finite.
  """
  return _roc(_sorted(members, 'members'), _sorted(nonmembers, 'nonmembers'))


def _roc(members: np.ndarray, nonmembers: np.ndarray) -> Roc:
  both = np.sort(np.concatenate([members, nonmembers]), kind='stable')
  distinct = both[np.r_[True, both[1:] != both[:-1]]][::-1]
  return Roc(
    thresholds=np.r_[np.inf, distinct],
    false_positives=_count_from(nonmembers, distinct),
    true_positives=_count_from(members, distinct),
    n_members=members.size,
    n_nonmembers=nonmembers.size,
  )


def _count_from(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
  counts = scores.size - np.searchsorted(scores, thresholds, side='left')
  return np.r_[0, counts].astype(np.int64)


def auc(members: np.ndarray, nonmembers: np.ndarray) -> float:
  """Returns P(member > non-member) + P(equal) / 2, never flipped at one half.

  Args:
    members: scores of members, (m,).
    nonmembers: scores of non-members, (n,).
  """
  members = _sorted(members, 'members')
  return float(_placements(members, _sorted(nonmembers, 'nonmembers')).mean())


def auc_interval(
  members: np.ndarray, nonmembers: np.ndarray, *, folds: int = 1
) -> tuple[float, float, float]:
  """Returns the AUC and its 95% interval, in O(n log n).

  The variance is DeLong's (DeLong, DeLong and Clarke-Pearson 1988), from
  placements as in Sun and Xu 2014. Where it degenerates (AUC of 0 or 1, a side
  of one example, all scores equal) the interval is Newcombe's score-type one.

  DeLong takes examples for independent. Scores of an attack that was trained on
  the other folds are not: with two folds and nothing to find, both folds' AUCs
  stray from 0.5 along the product of the same two chance differences, hence
  together. Taken as perfectly correlated, their mean has the variance of one
  fold's, `folds` times DeLong's. (Permuted membership, logistic regression: the
  plain interval holds 0.5 in 85-90% of runs, this one in 95-97%.)

  Args:
    members: scores of members, (m,).
    nonmembers: scores of non-members, (n,).
    folds: models that the scores come from, each trained on the other folds; 1
      where no model was trained on the examples.

  Returns:
    AUC, lower end, upper end.
  """
  members = _sorted(members, 'members')
  return _auc_interval(members, _sorted(nonmembers, 'nonmembers'), folds)


def _auc_interval(members, nonmembers, folds):
  of_members = _placements(members, nonmembers)
  of_nonmembers = 1 - _placements(nonmembers, members)
  value = float(of_members.mean())
  error = math.sqrt(_variance_of_mean(of_members) + _variance_of_mean(of_nonmembers))
  if error == 0 or min(members.size, nonmembers.size) < 2:
    sizes = (max(1, each.size / folds) for each in (members, nonmembers))
    return value, *newcombe_interval(value, *sizes)
  half = Z95 * error * math.sqrt(folds)
  return value, max(0.0, value - half), min(1.0, value + half)


def _variance_of_mean(values: np.ndarray) -> float:
  # Equal values may have a mean that differs from them in the last digit.
  if values.size < 2 or values.min() == values.max():
    return 0.0
  return float(values.var(ddof=1)) / values.size


def advantage(curve: Roc) -> float:
  """Returns max |TPR - FPR| over all thresholds (Yeom et al. 2018, definition 4)."""
  return float(np.abs(curve.tpr - curve.fpr).max())


def ppv(curve: Roc) -> float:
  """Returns the highest positive predictive value over all thresholds.

  TPR / (TPR + FPR * non-members / members) as TF Privacy defines it after
  Jayaraman et al. (arXiv 2005.10881), with its rule that a point with both rates
  at most 1e-3 counts as guessing, members / (members + non-members).
  """
  ratio = curve.n_nonmembers / curve.n_members
  called = curve.tpr + curve.fpr * ratio
  values = np.divide(curve.tpr, called, out=np.zeros_like(called), where=called > 0)
  near_zero = np.maximum(curve.tpr, curve.fpr) <= _PPV_TOLERANCE
  return float(np.where(near_zero, 1 / (1 + ratio), values).max())


def tpr_at_fpr(
  members: np.ndarray, nonmembers: np.ndarray, *, target_fpr: float
) -> RatePoint:
  """Returns the TPR of the largest set whose realised FPR is within the target.

  Args:
    members: scores of members, (m,).
    nonmembers: scores of non-members, (n,).
    target_fpr: in [0, 1).
  """
  members = _sorted(members, 'members')
  return _rate_point(members, _sorted(nonmembers, 'nonmembers'), target_fpr)


def _rate_point(members, nonmembers, target_fpr):
  if not 0 <= target_fpr < 1:
    raise ValueError(f'target_fpr must lie in [0, 1), got {target_fpr}')
  # The nudge keeps 0.29 * 100 from being 28 allowed false positives.
  allowed = math.floor(target_fpr * nonmembers.size + 1e-9)
  # One step lower would let in this non-member and all that tie with it.
  threshold = nonmembers[-1 - allowed]
  false = nonmembers.size - int(np.searchsorted(nonmembers, threshold, 'right'))
  true = members.size - int(np.searchsorted(members, threshold, 'right'))
  low, high = clopper_pearson(true, members.size)
  return RatePoint(
    target_fpr=target_fpr,
    threshold=float(threshold),
    fpr=false / nonmembers.size,
    false_positives=false,
    tpr=true / members.size,
    true_positives=true,
    tpr_low=low,
    tpr_high=high,
  )


def measure(
  members: np.ndarray,
  nonmembers: np.ndarray,
  *,
  folds: int = 1,
  target_fprs: tuple[float, ...] = TARGET_FPRS,
) -> Metrics:
  """Returns everything that a report says of these scores.

  Args:
    members: scores of members, (m,).
    nonmembers: scores of non-members, (n,).
    folds: models that the scores come from, see `auc_interval`.
    target_fprs: false-positive rates at which to give the true-positive rate.

  Raises:
    ValueError: a side is empty or has scores that are not finite.
  """
  members = _sorted(members, 'members')
  nonmembers = _sorted(nonmembers, 'nonmembers')
  curve = _roc(members, nonmembers)
  value, low, high = _auc_interval(members, nonmembers, folds)
  return Metrics(
    n_members=members.size,
    n_nonmembers=nonmembers.size,
    auc=value,
    auc_low=low,
    auc_high=high,
    auc_null_half_width=null_half_width(members.size, nonmembers.size, folds=folds),
    advantage=advantage(curve),
    ppv=ppv(curve),
    tpr_at_fpr=tuple(_rate_point(members, nonmembers, fpr) for fpr in target_fprs),
  )


def paired_delong(
  first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> Difference:
  """Returns AUC(first) - AUC(second) for two scorings of the same examples.

  DeLong's covariance of correlated AUCs. Where it vanishes although the scores
  differ (both attacks perfect, say) the interval is `difference_interval`'s.

  Args:
    first: scores of members (m,) and of non-members (n,).
    second: the same examples in the same order, scored otherwise.

  Raises:
    ValueError: the two do not have the same numbers of examples.
  """
  placed = [_both_placements(*scores) for scores in (first, second)]
  for side, one, other in zip(('members', 'nonmembers'), *placed, strict=True):
    if one.size != other.size:
      raise ValueError(f'{side}: {one.size} scores against {other.size}')
  aucs = [float(of_members.mean()) for of_members, _ in placed]
  value = aucs[0] - aucs[1]
  error = math.sqrt(sum(_variance_of_mean(a - b) for a, b in zip(*placed, strict=True)))
  low, high = value - Z95 * error, value + Z95 * error
  same = all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
  if error == 0 and not same:
    low, high = difference_interval(
      *aucs, n_members=placed[0][0].size, n_nonmembers=placed[0][1].size
    )
  return Difference(
    value=value, low=max(-1.0, low), high=min(1.0, high), standard_error=error
  )


def _both_placements(members, nonmembers):
  """Placements of members and of non-members, in the order given."""
  sorted_members = _sorted(members, 'members')
  sorted_nonmembers = _sorted(nonmembers, 'nonmembers')
  return (
    _placements(np.asarray(members, np.float64), sorted_nonmembers),
    1 - _placements(np.asarray(nonmembers, np.float64), sorted_members),
  )
