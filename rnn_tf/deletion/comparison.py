"""AUCs of two versions compared on the same examples, over seeds.

At seed s the AUC, or the difference of two, is the mean of one component an example of
D_f, a_si (n_s of them), and also of one an example of H, b_sj (m_s of them): DeLong's
structural components, for a difference the difference of them (DeLong, DeLong and
Clarke-Pearson 1988). With all means removed, its variance is

  v_s = sum_i a_si^2 / (n_s (n_s - 1)) + sum_j b_sj^2 / (m_s (m_s - 1)),

times the number of folds for cross-fitted scores, see `metrics.auc_interval`. The mean
over S seeds has the variance C + tau^2 / S. Its first part is what the choice of the
examples does. As the same ones may recur at several seeds (H is mostly the same at
all), an example's parts are summed over the seeds before they are squared, in D_f and
in H apart, as DeLong's variance with the examples as clusters:

  C = sum over ids (sum_s a_si / (S sqrt(n_s (n_s - 1))))^2 + the same of b.

Seeds that have no example in common give C = sum v_s / S^2. The second part is what
the randomness of training adds, by the method of moments: with s^2 the sample variance
of the seeds' values, v the mean of the v_s, and c = (S C - v) / (S - 1) the mean
covariance of two seeds, E s^2 = tau^2 + v - c, hence

  tau^2 = max(0, s^2 - v + c).

A few seeds tell little of tau^2, hence its part of the 95% interval takes the quantile
of Student's t with S - 1 degrees of freedom, that of C the normal one: half its width
is the root of 1.96^2 C + t^2 tau^2 / S. With three seeds it holds the true mean in 97%
of cases where tau^2 is 0, in 93% where it is as large as v, in 91% where it is 4 times
as large. Of one seed nothing is known of tau^2: it is taken for 0, so that the interval
is for the two models that there are, not for what other trainings would give.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import special, stats

from rnn_tf.attacks import metrics
from rnn_tf.attacks.intervals import Z95, difference_interval
from rnn_tf.deletion import results
from rnn_tf.deletion.results import Comparison, SeedDifference

FEW = 10
"""Examples of D_f, or of H, below which a difference's components are too few to tell
its variance; the interval is `difference_interval`'s, which needs none."""

_Pair = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
  """One scoring at one seed; higher means more likely trained on.

  Attributes:
    forget_ids: (n,) int64, the examples of D_f (or others held against H).
    unseen_ids: (m,) int64, those of H.
    scores: those of D_f, (n,), and those of H, (m,).
  """

  forget_ids: np.ndarray
  unseen_ids: np.ndarray
  scores: _Pair

  def __post_init__(self):
    _check_sizes(self.forget_ids, self.unseen_ids, self.scores)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Paired:
  """Two scorings of the same examples at one seed.

  Attributes:
    seed: of the original's training.
    forget_ids: (n,) int64, the examples of D_f (or others held against H).
    unseen_ids: (m,) int64, those of H.
    first: scores of D_f, (n,), and of H, (m,).
    second: the same examples in the same order, scored otherwise.
  """

  seed: int
  forget_ids: np.ndarray
  unseen_ids: np.ndarray
  first: _Pair
  second: _Pair

  def __post_init__(self):
    for scores in (self.first, self.second):
      _check_sizes(self.forget_ids, self.unseen_ids, scores)


def _check_sizes(forget_ids, unseen_ids, scores) -> None:
  expected = (len(forget_ids), len(unseen_ids))
  found = tuple(map(len, scores))
  if found != expected:
    raise ValueError(f'{expected} examples of D_f and of H, but {found} scores')


@dataclasses.dataclass(frozen=True, eq=False)
class _Estimate:
  """An AUC, or the difference of two, at one seed.

  Attributes:
    value: of it.
    low: lower end of its 95% interval.
    high: upper end.
    ids: of D_f and of H.
    shares: (n,) and (m,), centred components over sqrt(n (n - 1)), whose squares sum
      to DeLong's variance, of one fold.
    rests: whether the interval rests on them.
  """

  value: float
  low: float
  high: float
  ids: _Pair
  shares: _Pair
  rests: bool


def compare(pairs: Sequence[Paired], *, folds: int = 1) -> Comparison:
  """Returns AUC(first) - AUC(second), meaned over the seeds, with its 95% interval.

  Each seed's interval is that of `metrics.paired_delong`, times sqrt(folds). Where
  components have no variance although the scores differ, or fewer than `FEW` examples
  are on a side, it is `difference_interval`'s, and these seeds' half-widths are meaned
  as if they were perfectly correlated. Two scorings that are the same differ by exactly
  0, whatever the examples: the interval has no width.

  The formula for several seeds is in the head of this module. It takes examples for
  independent of each other, seeds' trainings too.

  Args:
    pairs: one a seed, at least one.
    folds: models that each scoring comes from, see `metrics.auc_interval`.

  Raises:
    ValueError: no pair, or scores that are not finite.
  """
  found = [_difference(pair, folds) for pair in pairs]
  value, low, high = _over_seeds(found, folds=folds)
  seeds = (
    SeedDifference(seed=pair.seed, value=one.value, low=one.low, high=one.high)
    for pair, one in zip(pairs, found, strict=True)
  )
  return Comparison(
    value=value,
    low=max(-1.0, low),
    high=min(1.0, high),
    seeds=tuple(seeds),
    n_forgotten=sum(len(pair.forget_ids) for pair in pairs),
    n_unseen=sum(len(pair.unseen_ids) for pair in pairs),
  )


def pooled_auc(scorings: Sequence[Scored], *, folds: int = 1) -> results.Auc:
  """Returns the AUC of D_f against H, meaned over the seeds, with its 95% interval.

  Of one seed it is `metrics.auc_interval`; over several the examples are clusters, and
  training's randomness is added, as in `compare`.

  Args:
    scorings: one a seed, at least one.
    folds: models that each scoring comes from, see `metrics.auc_interval`.

  Raises:
    ValueError: no scoring, or scores that are not finite.
  """
  found = [_auc(scoring, folds) for scoring in scorings]
  value, low, high = _over_seeds(found, folds=folds)
  return results.Auc(
    value=value,
    low=max(0.0, low),
    high=min(1.0, high),
    n_first=sum(len(scoring.forget_ids) for scoring in scorings),
    n_second=sum(len(scoring.unseen_ids) for scoring in scorings),
  )


def _difference(pair: Paired, folds: int) -> _Estimate:
  placed = [_components(scores) for scores in (pair.first, pair.second)]
  aucs = [float(of_forgotten.mean()) for of_forgotten, _ in placed]
  shares = tuple(_shares(one - other) for one, other in zip(*placed, strict=True))
  value, error = aucs[0] - aucs[1], math.sqrt(folds * _squares(shares))
  low, high = value - Z95 * error, value + Z95 * error
  ids = (pair.forget_ids, pair.unseen_ids)
  same = all(map(np.array_equal, pair.first, pair.second))
  rests = same or (error > 0 and min(map(len, ids)) >= FEW)
  if not rests:
    n, m = (max(1, len(each) / folds) for each in ids)
    low, high = difference_interval(*aucs, n_members=n, n_nonmembers=m)
  low, high = max(-1.0, low), min(1.0, high)
  return _Estimate(value, low, high, ids=ids, shares=shares, rests=rests)


def _auc(scored: Scored, folds: int) -> _Estimate:
  value, low, high = metrics.auc_interval(*scored.scores, folds=folds)
  shares = tuple(map(_shares, _components(scored.scores)))
  ids = (scored.forget_ids, scored.unseen_ids)
  # As `auc_interval` decides it.
  rests = _squares(shares) > 0 and min(map(len, ids)) >= 2
  return _Estimate(value, low, high, ids=ids, shares=shares, rests=rests)


def _components(scores: _Pair) -> _Pair:
  """Returns the share of the other side that is on the right side of each example.

  Of D_f it is below, of H above it, an equal score counting half; from ranks as in Sun
  and Xu 2014 (IEEE Signal Processing Letters 21), section III.
  """
  forgotten, unseen = (np.asarray(side, np.float64) for side in scores)
  both = np.concatenate([forgotten, unseen])
  if not np.isfinite(both).all():
    raise ValueError('scores that are not finite')
  above, below = np.split(stats.rankdata(both), [forgotten.size])
  return (
    (above - stats.rankdata(forgotten)) / unseen.size,
    1 - (below - stats.rankdata(unseen)) / forgotten.size,
  )


def _shares(components: np.ndarray) -> np.ndarray:
  count = components.size
  # Equal values may have a mean that differs from them in the last digit.
  if count < 2 or components.min() == components.max():
    return np.zeros(count)
  return (components - components.mean()) / math.sqrt(count * (count - 1))


def _squares(shares: Iterable[np.ndarray]) -> float:
  return sum(float(each @ each) for each in shares)


def _over_seeds(
  found: Sequence[_Estimate], *, folds: int
) -> tuple[float, float, float]:
  """Returns the mean and its 95% interval, unclipped; see the head of this module."""
  if not found:
    raise ValueError('expected at least one seed, got none')
  count = len(found)
  value = float(np.mean([one.value for one in found]))
  resting = [one for one in found if one.rests]
  given = [one for one in found if not one.rests]
  joint = folds * _clustered(resting) / count**2
  below = sum(one.value - one.low for one in given) / count
  above = sum(one.high - one.value for one in given) / count
  spread = 0.0
  if count > 1:
    own = folds * sum(_squares(one.shares) for one in resting) / count
    covariance = (count * joint - own) / (count - 1)
    # An interval that rests on nothing else is as wide as some variance would make it.
    own += sum(((one.high - one.low) / (2 * Z95)) ** 2 for one in given) / count
    observed = float(np.var([one.value for one in found], ddof=1))
    spread = max(0.0, observed - own + covariance)
  half = Z95 * math.sqrt(joint)
  if spread:
    half = math.hypot(half, _t95(count - 1) * math.sqrt(spread / count))
  return value, value - math.hypot(half, below), value + math.hypot(half, above)


def _t95(freedom: int) -> float:
  """Returns Student's counterpart of `Z95`."""
  return float(special.stdtrit(freedom, 0.975))


def _clustered(found: Sequence[_Estimate]) -> float:
  """Returns the sum over examples of the squares of their shares' sums over seeds."""
  total = 0.0
  for side in (0, 1) if found else ():
    ids = np.concatenate([one.ids[side] for one in found])
    shares = np.concatenate([one.shares[side] for one in found])
    _, which = np.unique(ids, return_inverse=True)
    total += _squares([np.bincount(which, weights=shares)])
  return total
