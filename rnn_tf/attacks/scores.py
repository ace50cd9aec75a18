"""Membership scores from shadow models: LiRA and RMIA, arrays in, arrays out.

Everywhere in this module a *higher* score means *more likely a member*, arrays may be
float32 or float64, all is computed in float64, and no argument is modified. Examples
are taken in blocks, so that little memory is needed beside the arguments.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
from scipy import special

from rnn_tf.attack_config import FIXED_BELOW

MIN_SPREAD = 1e-3
"""LiRA takes no standard deviation for smaller than this share of the pooled one."""

# Values that a block may have: in float64, half a megabyte stays in a core's cache.
_BLOCK_VALUES = 2**16

_TINY = float(np.finfo(np.float64).tiny)

# Not much above it log Phi is too near to 0 for float64.
_HIGHEST_Z = 37.0


def logit_gap(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns the logit of the true class's probability, log(p_y / (1 - p_y)).

  As z_y - logsumexp over j != y of z_j, which is exact where p_y rounds to 1 as well
  (Carlini et al. 2022, arXiv 2112.03570, where it is called phi).

  Args:
    logits: (n, classes), or (models, n, classes), read one by one; 2 classes or more.
    labels: (n,) integers, the true classes.

  Returns:
    (n,) or (models, n) float64.

  Raises:
    ValueError: shapes that do not fit, labels that are no class, or logits that are
      not finite.
  """
  labels = np.asarray(labels)
  _check_logits(logits, labels)
  models = logits[None] if logits.ndim == 2 else logits
  gaps = np.empty(models.shape[:2])
  for number, model in enumerate(models):
    for block in _blocks(len(labels), width=model.shape[1]):
      if not np.isfinite(model[block]).all():
        _check_finite('logits' + f' of model {number}' * (logits.ndim == 3), model)
      gaps[number, block] = _gaps(model[block], labels[block])
  return gaps[0] if logits.ndim == 2 else gaps


def _gaps(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  # A row a class: sums go along the many examples. A copy, hence free to write to.
  others = np.array(logits.T, np.float64, order='C')
  columns = np.arange(len(labels))
  own = others[labels, columns]
  others[labels, columns] = -np.inf
  top = others.max(axis=0)
  others -= top
  np.exp(others, out=others)
  return own - top - np.log(others.sum(axis=0))


def true_class_probability(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns P(y | x), the softmax probability of the true class, float64.

  Arguments, shapes and errors are `logit_gap`'s, of which it is the logistic function.
  """
  gaps = logit_gap(logits, labels)
  return special.expit(gaps, out=gaps)


def lira(
  target: np.ndarray,
  shadows: np.ndarray,
  members: np.ndarray,
  *,
  online: bool = True,
  fixed_variance: bool | None = None,
) -> np.ndarray:
  """Returns the scores of the likelihood-ratio attack.

  Carlini et al. 2022 (arXiv 2112.03570): to phi of the shadow models with an example
  (IN) and without it (OUT) a normal distribution each is fitted. Online (algorithm 1):

    log N(phi; mu_in, s_in^2) - log N(phi; mu_out, s_out^2).

  Offline (equation 4), from OUT models only, the log of the one-sided probability
  log P(N(mu_out, s_out^2) <= phi): unlike a density it does not take an example of
  unusually *low* confidence for a member. For the variances see `_spreads`.

  Args:
    target: (examples,), phi of the model under attack, see `logit_gap`.
    shadows: (models, examples), phi of the shadow models.
    members: (models, examples) bool, what each was trained on.
    online: whether IN models are used.
    fixed_variance: pool the variance of all examples (VI-C); None does so below
      `FIXED_BELOW` models.

  Returns:
    (examples,) float64, finite.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, an example without
      a model on a side that is needed, or a side where no example has two models.
  """
  target, shadows, members = map(np.asarray, (target, shadows, members))
  _check_fleet(target, shadows, members)
  sides = _sides(shadows, members, online=online)
  if fixed_variance is None:
    fixed_variance = len(shadows) < FIXED_BELOW
  spreads = _spreads(sides, fixed=fixed_variance)
  z_out = (target - sides['OUT'].means) / spreads['OUT']
  if not online:
    return _log_normal_cdf(z_out)
  z_in = (target - sides['IN'].means) / spreads['IN']
  return (z_out**2 - z_in**2) / 2 + np.log(spreads['OUT'] / spreads['IN'])


def _log_normal_cdf(z: np.ndarray) -> np.ndarray:
  """Log of Phi(z), rising on where it would be 0: the surest members must not tie."""
  beyond = np.maximum(z - _HIGHEST_Z, 0)
  return special.log_ndtr(np.minimum(z, _HIGHEST_Z)) + _TINY * beyond


def rmia(
  target: np.ndarray,
  shadows: np.ndarray,
  members: np.ndarray,
  population_target: np.ndarray,
  population_shadows: np.ndarray,
  *,
  gamma: float = 2.0,
  online: bool = True,
  offline_a: float = 0.3,
) -> np.ndarray:
  """Returns the scores of the robust membership-inference attack.

  Zarifzadeh et al. 2024 (arXiv 2312.03262): with r(x) = P(x | target) / P(x), the
  share of the population z with r(x) / r(z) > gamma (strictly, as in the authors'
  code; for P(x) see `_expected`), and to order examples of one share, a rising
  function of r(x) below half of one z's share: floor(score |Z|) / |Z| is the share.

  Args:
    target: (examples,), the true class's probability under the model under attack,
      see `true_class_probability`. All below 2.2e-308 count as that.
    shadows: (models, examples), under the shadow models.
    members: (models, examples) bool, what each was trained on.
    population_target: (z,), of examples that no model was trained on.
    population_shadows: (models, z).
    gamma: how far an example must dominate one of the population; above 0.
    online: whether IN models are used.
    offline_a: in [0, 1]; has no effect online.

  Returns:
    (examples,) float64, above 0 and below 1 + 1 / (2 |Z|).

  Raises:
    ValueError: shapes that do not fit, values that are not probabilities, an example
      without a model on a side that is needed, or a parameter out of its range.
  """
  target, shadows, members = map(np.asarray, (target, shadows, members))
  population = tuple(map(np.asarray, (population_target, population_shadows)))
  _check_fleet(target, shadows, members)
  _check_rmia(target, shadows, population, gamma=gamma, offline_a=offline_a)
  sides = _sides(shadows, members, online=online)
  expected = _expected(sides, population[1], a=None if online else offline_a)
  ratios = _ratios(target, expected[0])
  others = np.sort(_ratios(population[0], expected[1]))
  with np.errstate(over='ignore'):
    dominated = np.searchsorted(others, ratios / gamma, side='left')
  return (dominated + _below_half(np.log(ratios))) / others.size


def _ratios(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
  # Of two numbers between _TINY and 1 the quotient is a normal number as well: there
  # is no need of logarithms, which would decide r(x) = gamma r(z) by rounding.
  values = np.asarray(values, np.float64)
  return np.maximum(values, _TINY) / np.maximum(expected, _TINY)


def _below_half(x: np.ndarray) -> np.ndarray:
  # A logistic function would be flat, hence let scores tie, where |x| is some tens.
  return (1 + x / (1 + np.abs(x))) / 4


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
  """What the shadow models of one side say of each example.

  Attributes:
    counts: (examples,) int64, models.
    means: (examples,) float64.
    squares: (examples,) float64, sums of squared residuals around `means`.
  """

  counts: np.ndarray
  means: np.ndarray
  squares: np.ndarray


def _sides(shadows, members, *, online: bool) -> dict[str, _Moments]:
  """Returns the moments of `OUT` and, online, `IN` models."""
  sides = {'OUT': _moments(shadows, ~members)}
  if online:
    sides['IN'] = _moments(shadows, members)
  for name, side in sides.items():
    missing = np.flatnonzero(side.counts == 0)
    if missing.size:
      shown = ', '.join(map(str, missing[:5].tolist()))
      instead = ', attack offline' if name == 'IN' else ''
      raise ValueError(
        f'{missing.size} of {side.counts.size} examples have no {name} model among '
        f'{len(shadows)} shadows (the first: {shown}): add shadow models{instead} or '
        'leave these examples out'
      )
  return sides


def _moments(values: np.ndarray, which: np.ndarray) -> _Moments:
  """Returns moments of (models, examples) over the models that a mask picks."""
  models, examples = values.shape
  counts, means, squares = (np.zeros(examples) for _ in range(3))
  for block in _blocks(examples, width=models):
    part, picked = values[:, block], which[:, block]
    weights = picked.astype(np.float64)
    # Relative to one of the models, and in two passes: equal outputs have no variance
    # at all, and a small one does not drown in the difference of two large sums.
    first = np.take_along_axis(part, picked.argmax(axis=0)[None], axis=0)
    residuals = np.subtract(part, first, dtype=np.float64)
    counts[block] = weights.sum(axis=0)
    offsets = np.einsum('mn,mn->n', residuals, weights) / np.maximum(counts[block], 1)
    means[block] = first[0] + offsets
    residuals -= offsets
    residuals *= weights
    squares[block] = np.einsum('mn,mn->n', residuals, residuals)
  return _Moments(counts=counts.astype(np.int64), means=means, squares=squares)


def _spreads(sides: Mapping[str, _Moments], *, fixed: bool) -> dict[str, np.ndarray]:
  """Returns each side's standard deviations, (examples,) or, pooled, () float64.

  Squared residuals around each example's own mean over degrees of freedom: count - 1
  for an example by itself, sum(count - 1) for all pooled. (Over counts, as TF Privacy
  has it, 8 models a side would understate the spread by 6%.) An example that has a
  single model on a side takes the pooled value in either case. None is below
  `MIN_SPREAD` times the larger pooled one (or times 1 where nothing varies): outputs
  that are saturated, hence equal, give finite scores.
  """
  pooled = {}
  for name, side in sides.items():
    freedom = int((side.counts - 1).sum())
    if not freedom:
      raise ValueError(
        f'no example has two {name} models, so that nothing tells how far their '
        'outputs stray: add shadow models (four, where half of them have each example)'
      )
    pooled[name] = np.sqrt(side.squares.sum() / freedom)
  least = MIN_SPREAD * (max(pooled.values()) or 1.0)
  spreads = {}
  for name, side in sides.items():
    spread = pooled[name]
    if not fixed:
      own = np.sqrt(side.squares / np.maximum(side.counts - 1, 1))
      spread = np.where(side.counts > 1, own, spread)
    spreads[name] = np.maximum(spread, least)
  return spreads


def _expected(
  sides: Mapping[str, _Moments], population: np.ndarray, *, a: float | None
) -> tuple[np.ndarray, np.ndarray]:
  """Returns RMIA's P(x) of the examples and P(z) of the population.

  Online P(x) is (mean_in + mean_out) / 2. Offline (a is not None), as if training
  brought a probability p to a p + 1 - a, it is ((1 + a) mean_out + 1 - a) / 2. No model
  was trained on z, so P(z) is the mean over all; offline it is corrected by the same
  formula, as in the authors' code, so that like examples have like ratios.
  """
  examples, others = sides['OUT'].means, population.mean(axis=0, dtype=np.float64)
  if a is None:
    return (examples + sides['IN'].means) / 2, others
  return ((1 + a) * examples + 1 - a) / 2, ((1 + a) * others + 1 - a) / 2


def _blocks(count: int, *, width: int) -> Iterator[slice]:
  step = max(1, _BLOCK_VALUES // width)
  return (slice(start, start + step) for start in range(0, count, step))


def _check_logits(logits: np.ndarray, labels: np.ndarray) -> None:
  fits = logits.ndim in (2, 3) and labels.shape == (logits.shape[-2],)
  if not fits or logits.shape[-1] < 2:
    raise ValueError(
      'expected logits (n, classes) or (models, n, classes) of at least 2 classes and '
      f'labels (n,), got {logits.shape} and {labels.shape}'
    )
  if not np.issubdtype(labels.dtype, np.integer):
    raise ValueError(f'labels: expected integers, got {labels.dtype}')
  classes = logits.shape[-1]
  if bad := np.count_nonzero((labels < 0) | (labels >= classes)):
    raise ValueError(f'labels: {bad} of {len(labels)} are not in [0, {classes})')


def _check_fleet(target: np.ndarray, shadows: np.ndarray, members: np.ndarray) -> None:
  fits = shadows.ndim == 2 and shadows.shape == members.shape
  if not fits or not shadows.size or target.shape != shadows.shape[1:]:
    raise ValueError(
      'expected target (examples,), shadows (models, examples) and members (models, '
      f'examples), none empty, got {target.shape}, {shadows.shape} and {members.shape}'
    )
  if members.dtype != bool:
    raise ValueError(f'members: expected bool, got {members.dtype}')
  _check_finite('target', target)
  _check_finite('shadows', shadows)


def _check_rmia(target, shadows, population, *, gamma, offline_a) -> None:
  of_target, of_shadows = population
  fits = of_target.ndim == 1 and of_shadows.shape == (len(shadows), of_target.size)
  if not fits or not of_target.size:
    raise ValueError(
      f'expected population_target (z,) and population_shadows ({len(shadows)}, z), '
      f'not empty, got {of_target.shape} and {of_shadows.shape}'
    )
  named = {'population_target': of_target, 'population_shadows': of_shadows}
  for name, values in {'target': target, 'shadows': shadows, **named}.items():
    _check_finite(name, values)
    if values.min() < 0 or values.max() > 1 + 1e-6:  # Float32 may round up.
      found = f'values from {values.min():g} to {values.max():g}'
      raise ValueError(f'{name}: expected probabilities, got {found}')
  if not 0 < gamma < math.inf:
    raise ValueError(f'gamma must be above 0 and finite, got {gamma}')
  if not 0 <= offline_a <= 1:
    raise ValueError(f'offline_a must lie in [0, 1], got {offline_a}')


def _check_finite(name: str, values: np.ndarray) -> None:
  where = np.argwhere(~np.isfinite(values))
  if where.size:
    raise ValueError(
      f'{name}: {len(where)} of {values.size} values are not finite, the first at '
      f'{tuple(where[0].tolist())}'
    )
