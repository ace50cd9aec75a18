"""The law that a cost follows as a size grows, fitted to a few measurements.

It is y = a + c x^b, none of them below 0: a fixed part, and one that grows. Residuals
are relative, each divided by its y (and what y may err by however small it is), so that
small sizes count as much as large ones. For each b the best a and c follow by linear
least squares with no negative factor, and b is searched for. Its 95% interval has every
b whose sum of squares is not above 1 + F / (m - 3) times the least one, with m sizes
and F the 95% quantile of F(1, m - 3): a profile (Bates and Watts 1988, chapter 6).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

NEEDED = 4
"""Sizes without which there is no interval: a law has three numbers."""

_EXPONENTS = np.arange(0.02, 4.001, 0.01)

_GROWN = 3.0
"""A law is told where the largest value is so many times the fixed part, and the least
value, at least."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Law:
  """y = fixed + factor x^exponent.

  Attributes:
    fixed: the part that does not grow.
    factor: of the part that does.
    exponent: of x.
    interval: 95%, of the exponent; None with fewer than `NEEDED` sizes.
    told: whether y grew enough for the exponent to mean something.
  """

  fixed: float
  factor: float
  exponent: float
  interval: tuple[float, float] | None
  told: bool

  def reaches(self, y: float) -> float | None:
    """Returns the x at which the law has the value y; None if nowhere."""
    if not self.factor or y <= self.fixed:
      return None
    logarithm = math.log((y - self.fixed) / self.factor) / self.exponent
    return math.exp(logarithm) if logarithm < 100 else None


def fit(
  sizes: Sequence[float], values: Sequence[float], *, noise: float = 0.0
) -> Law | None:
  """Returns the law of values at sizes, see this module; None with fewer than three.

  Args:
    sizes: above 0, no two the same.
    values: not below 0.
    noise: what a value may err by, however small it is; above 0 where one is 0.
  """
  if len(sizes) < 3:
    return None
  # From 1 up, so that powers are no larger than they need be.
  x = np.asarray(sizes, float) / min(sizes)
  y = np.asarray(values, float)
  errors = np.array([_squares(x, y, b, noise)[0] for b in _EXPONENTS])
  best = _EXPONENTS[errors.argmin()]
  found = optimize.minimize_scalar(
    lambda b: _squares(x, y, b, noise)[0], bounds=(max(best - 0.01, 1e-3), best + 0.01)
  )
  exponent = float(found.x if found.fun < errors.min() else best)
  least, (fixed, factor) = _squares(x, y, exponent, noise)
  interval = None
  if (freedom := len(x) - 3) >= NEEDED - 3:
    # A fit without any error would leave no interval at all.
    limit = max(least, 1e-12) * (1 + stats.f.ppf(0.95, 1, freedom) / freedom)
    inside = _EXPONENTS[errors <= limit]
    ends = [*inside, exponent]
    interval = (float(min(ends)), float(max(ends)))
  return Law(
    fixed=float(fixed),
    factor=float(factor) / min(sizes) ** exponent,
    exponent=exponent,
    interval=interval,
    told=bool(factor > 0 and y.max() >= _GROWN * max(fixed, y.min(), noise)),
  )


def _squares(
  x: np.ndarray, y: np.ndarray, exponent: float, noise: float
) -> tuple[float, np.ndarray]:
  """Returns the sum of squared relative residuals, and the best (fixed, factor)."""
  scale = y + noise
  columns = np.column_stack([np.ones_like(x), x**exponent]) / scale[:, None]
  # Columns of one length: else the smaller one is lost in rounding.
  lengths = np.linalg.norm(columns, axis=0)
  factors, residual = optimize.nnls(columns / lengths, y / scale)
  return residual**2, factors / lengths
