"""Thresholds chosen on shadow models and applied to the target.

The best threshold in hindsight is nobody's to pick: an attacker has the shadow models,
whose members are known, and takes over what is best on them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnn_tf.attacks import metrics
from rnn_tf.attacks.intervals import clopper_pearson

PRIORS = (0.5, 0.1, 0.01)
"""Shares of members among the examples attacked at which the PPV is given."""

BEST = 'accuracy'
"""The rule that takes the threshold with the highest balanced accuracy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferPoint:
  """A threshold that shadow models gave, and what it does on the target.

  Attributes:
    rule: `accuracy` (the highest balanced accuracy on the shadows), or `fpr` (the
      lowest threshold whose false-positive rate on the shadows is within the target).
    target_fpr: of the rule `fpr`, else None.
    threshold: examples with a score strictly above it are called members.
    fpr: false-positive rate on the target.
    false_positives: non-members of the target above the threshold.
    fpr_low: lower end of the 95% Clopper-Pearson interval of `fpr`.
    fpr_high: upper end of it.
    tpr: true-positive rate on the target.
    true_positives: members of the target above the threshold.
    tpr_low: lower end of the 95% Clopper-Pearson interval of `tpr`.
    tpr_high: upper end of it.
  """

  rule: str
  target_fpr: float | None
  threshold: float
  fpr: float
  false_positives: int
  fpr_low: float
  fpr_high: float
  tpr: float
  true_positives: int
  tpr_low: float
  tpr_high: float

  @property
  def balanced_accuracy(self) -> float:
    """Share of right calls where members and non-members are equally many."""
    return (self.tpr + 1 - self.fpr) / 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Threshold:
  """A threshold and the rule that gave it, see `TransferPoint`."""

  rule: str
  target_fpr: float | None
  value: float


def ppv(tpr: float, fpr: float, *, prior: float) -> float | None:
  """Returns the share of members among those called members.

  prior TPR / (prior TPR + (1 - prior) FPR) (Jayaraman et al., arXiv 2005.10881).

  Args:
    tpr: true-positive rate.
    fpr: false-positive rate.
    prior: share of members among the examples attacked.

  Returns:
    None where nobody is called a member.
  """
  true, false = prior * tpr, (1 - prior) * fpr
  return true / (true + false) if true + false else None


def thresholds(
  pairs: Sequence[tuple[np.ndarray, np.ndarray]],
  *,
  target_fprs: tuple[float, ...] = metrics.TARGET_FPRS,
) -> tuple[Threshold, ...]:
  """Returns what an attacker would choose from shadow models attacked as targets.

  Args:
    pairs: for each shadow its members' and its non-members' scores, (m,) and (n,); they
      are taken together.
    target_fprs: false-positive rates to keep.
  """
  members = np.concatenate([pair[0] for pair in pairs])
  nonmembers = np.concatenate([pair[1] for pair in pairs])
  curve = metrics.roc(members, nonmembers)
  best = int(np.argmax(curve.tpr - curve.fpr))
  # The curve's points hold scores >= threshold; the rule here is strictly above. The
  # last point calls all members: as good as the first, which calls none, hence never
  # the first of the best.
  chosen = [Threshold(rule=BEST, target_fpr=None, value=_just_below(curve, best))]
  for target in target_fprs:
    point = metrics.tpr_at_fpr(members, nonmembers, target_fpr=target)
    chosen.append(Threshold(rule='fpr', target_fpr=target, value=point.threshold))
  return tuple(chosen)


def _just_below(curve: metrics.Roc, index: int) -> float:
  """Returns the middle between a point's threshold and the next lower score."""
  value, below = curve.thresholds[index : index + 2]
  if np.isinf(value):
    return float(below)
  # Halved one by one: their difference may be too large for a float.
  middle = below / 2 + value / 2
  return float(below if middle >= value else middle)


def apply(
  chosen: Sequence[Threshold | TransferPoint],
  members: np.ndarray,
  nonmembers: np.ndarray,
) -> tuple[TransferPoint, ...]:
  """Returns what thresholds do on the target.

  Args:
    chosen: the thresholds; of a `TransferPoint` its own one is applied again.
    members: scores of the target's members, (m,), m >= 1.
    nonmembers: scores of its non-members, (n,), n >= 1.
  """
  points = []
  for each in chosen:
    value = each.value if isinstance(each, Threshold) else each.threshold
    true = int(np.count_nonzero(members > value))
    false = int(np.count_nonzero(nonmembers > value))
    tpr_low, tpr_high = clopper_pearson(true, len(members))
    fpr_low, fpr_high = clopper_pearson(false, len(nonmembers))
    points.append(
      TransferPoint(
        rule=each.rule,
        target_fpr=each.target_fpr,
        threshold=value,
        fpr=false / len(nonmembers),
        false_positives=false,
        fpr_low=fpr_low,
        fpr_high=fpr_high,
        tpr=true / len(members),
        true_positives=true,
        tpr_low=tpr_low,
        tpr_high=tpr_high,
      )
    )
  return tuple(points)
