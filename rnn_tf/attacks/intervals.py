"""95% intervals of rates and of AUCs, by formulas that need no data but counts."""

import math

from scipy import optimize, special

Z95 = 1.959963984540054
"""Half the width of a normal distribution's middle 95%, in standard deviations."""


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
  """Returns the exact 95% interval of a binomial proportion."""
  tail = 0.025
  failures = trials - successes
  low = special.betaincinv(successes, failures + 1, tail) if successes else 0.0
  high = special.betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
  return float(low), float(high)


def null_half_width(n_members: int, n_nonmembers: int, *, folds: int = 1) -> float:
  """Returns how far from 0.5 the AUC of a score that knows nothing strays.

  95% of such AUCs lie within 0.5 -+ 1.96 sqrt((m + n + 1) / (12 m n)), the normal
  approximation of the Mann-Whitney statistic without ties; times sqrt(folds) for
  an attack trained across folds, see `auc_interval`.
  """
  variance = (n_members + n_nonmembers + 1) / (12 * n_members * n_nonmembers)
  return Z95 * math.sqrt(variance * folds)


def newcombe_interval(
  value: float, n_members: float, n_nonmembers: float
) -> tuple[float, float]:
  """Returns a 95% interval of an AUC that is not a point at 0 and 1.

  Newcombe 2006 (Statistics in Medicine 25), method 5: all values t with
  (value - t)^2 <= z^2 V(t), where V is Hanley and McNeil's variance with both
  sample sizes replaced by their mean inside the bracket.

  Args:
    value: the AUC.
    n_members: number of members.
    n_nonmembers: number of non-members.
  """
  spare = (n_members + n_nonmembers) / 2 - 1

  def excess(t: float) -> float:
    bracket = 1 + spare * ((1 - t) / (2 - t) + t / (1 + t))
    variance = t * (1 - t) * bracket / (n_members * n_nonmembers)
    return (value - t) ** 2 - Z95**2 * variance

  # excess < 0 next to `value` and > 0 at the far ends; at 0 or 1 itself it is 0.
  nudge = 1e-12
  low = 0.0 if value <= nudge else optimize.brentq(excess, 0.0, value - nudge)
  high = 1.0 if value >= 1 - nudge else optimize.brentq(excess, value + nudge, 1.0)
  return float(low), float(high)


def difference_interval(
  first: float, second: float, *, n_members: int, n_nonmembers: int
) -> tuple[float, float]:
  """Returns a 95% interval of `first` - `second`, two AUCs with these many examples.

  Newcombe's intervals of the two combined by square-and-add (Zou and Donner 2008):
  too wide rather than too narrow for positively correlated scores.
  """
  low_1, high_1 = newcombe_interval(first, n_members, n_nonmembers)
  low_2, high_2 = newcombe_interval(second, n_members, n_nonmembers)
  value = first - second
  low = value - math.hypot(first - low_1, high_2 - second)
  return low, value + math.hypot(high_1 - first, second - low_2)
