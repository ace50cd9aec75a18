"""What differentially private training amounts to: epsilon, or the noise for one.

All numbers hold for DP-SGD (Abadi et al. 2016, arXiv 1607.00133) whose batches are
drawn by Poisson sampling, every example with the same probability and by itself, and
for data sets of which one has one example more than the other. Batches of a fixed
size from a shuffled data set are not covered: there the numbers are those of another
mechanism.
"""

import dataclasses
import decimal
import functools
import math
from collections.abc import Callable
from typing import Any

from rnn_tf.errors import UsageError, check_positive

ACCOUNTANT = 'PLD'
"""Privacy loss distributions, see `Mechanism.epsilon`."""

ADJACENCY = 'add or remove one example'
"""Which data sets must be hard to tell apart."""

MIN_NOISE_MULTIPLIER = 0.01
"""Below, the accountant overflows; there epsilon is past 5,000 after one step."""

MAX_NOISE_MULTIPLIER = 10_000.0
"""The most that `noise_multiplier` looks for."""

MIN_DELTA = 1e-12
"""Below, rounding in the accountant's Fourier transforms decides epsilon."""

# The accountant's grid of losses: as fine as dp-accounting's own, made coarser where
# it would have more points than can be worked through in a few seconds (one point
# costs some 10 microseconds before the composition, 0.5 after it). At 100 and more
# e^interval nears the largest float.
_FINEST_EXPONENT, _COARSEST_EXPONENT = -4, 2
_POINTS_OF_A_STEP = 400_000
_POINTS_OF_ALL_STEPS = 6_000_000

# Above -log of the smallest float, 4.94e-324.
_LARGEST_EXPONENT = 745.2


def default_delta(examples: int) -> float:
  """Returns the largest power of ten below 1 / `examples`, such as 1e-05.

  With a delta of 1 / examples, publishing one example outright would count as private.
  """
  if examples < 1:
    raise ValueError(f'needs at least one example, got {examples}')
  # 10**-k < 1 / n where n < 10**k, which n's k digits say without rounding.
  return float(f'1e-{len(str(examples))}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mechanism:
  """The Gaussian mechanism on Poisson samples, which DP-SGD applies at every step.

  Attributes:
    noise_multiplier: standard deviation of the noise over the sensitivity of what it
      is added to, the most by which one example can move it (with every example
      clipped by itself, the clip).
    sampling_probability: of one example to be in one step's batch, in (0, 1].
    delta: of the (epsilon, delta) guarantee.

  Raises:
    UsageError: a noise multiplier or a delta that the accountant cannot handle.
    ValueError: a sampling probability that is none.
  """

  noise_multiplier: float
  sampling_probability: float
  delta: float

  def __post_init__(self):
    if not MIN_NOISE_MULTIPLIER <= self.noise_multiplier < math.inf:
      raise UsageError(
        f'--dp_noise_multiplier={self.noise_multiplier:g}: must be a finite number of '
        f'at least {MIN_NOISE_MULTIPLIER:g}; below, nothing is private and epsilon '
        'cannot be computed: give more noise, or leave out --dp'
      )
    if not 0 < self.sampling_probability <= 1:
      raise ValueError(f'no sampling probability: {self.sampling_probability}')
    if not MIN_DELTA <= self.delta < 1:
      raise UsageError(
        f'--dp_delta={self.delta:g}: must be at least {MIN_DELTA:g}, below which '
        'epsilon cannot be computed, and below 1: leave it out to have it follow '
        'from the number of training examples'
      )

  def epsilon(self, steps: int) -> float:
    """Returns the epsilon that holds after so many steps, an upper bound.

    By privacy loss distributions (Sommer et al. 2019, PoPETs; composed by Fourier
    transforms, Koskela et al. 2020, arXiv 1906.03049; discretised by connecting the
    dots, Doroshenko et al. 2022, arXiv 2207.04380). Equal to dp-accounting's
    `PLDAccountant` at its default interval; where epsilon is too large to protect
    anything (in the dozens and beyond) the interval grows, and the bound with it by
    some tenths of a percent. What was computed once is remembered.

    Args:
      steps: noisy steps so far.

    Returns:
      A finite number of at least 0, for Poisson sampling and for data sets that
      differ by the presence of one example.
    """
    if steps not in self._epsilons:
      self._epsilons[steps] = self._compute(steps)
    return self._epsilons[steps]

  @functools.cached_property
  def _epsilons(self) -> dict[int, float]:
    return {0: 0.0}

  @functools.cached_property
  def _single_steps(self) -> dict[float, Any]:
    """Interval -> the privacy loss distribution of one step."""
    return {}

  def _compute(self, steps: int) -> float:
    # Here, since they load for a second and flags and configs should not.
    import numpy as np
    from dp_accounting.pld import privacy_loss_distribution

    interval = self._interval(steps)
    if interval not in self._single_steps:
      self._single_steps[interval] = privacy_loss_distribution.from_gaussian_mechanism(
        self.noise_multiplier,
        value_discretization_interval=interval,
        sampling_prob=self.sampling_probability,
      )
    composed = self._single_steps[interval].self_compose(steps)
    with np.errstate(over='ignore'):
      epsilon = composed.get_epsilon_for_delta(self.delta)
    # dp-accounting divides by a sum of e^-loss. Between 709 and 745 that is a
    # subnormal float, the ratio overflows and infinity comes back; the loss where the
    # sum stops being 0 is a bound then.
    return float(min(epsilon, _LARGEST_EXPONENT)) if math.isinf(epsilon) else epsilon

  def _interval(self, steps: int) -> float:
    """Returns the distance of the grid's points, a power of ten."""
    # With probability q a step's loss is drawn from about N(s^-2 / 2, s^-2), and is
    # next to 0 otherwise; the accountant keeps 10 standard deviations of it, and of
    # all steps' sum the middle, some 16.
    precision = self.noise_multiplier**-2
    one = precision / 2 + 10 * math.sqrt(precision)
    square = self.sampling_probability * (precision + precision**2 / 4)
    together = 16 * math.sqrt(steps * square)
    needed = max(one / _POINTS_OF_A_STEP, together / _POINTS_OF_ALL_STEPS)
    exponent = max(_FINEST_EXPONENT, math.ceil(math.log10(needed)))
    return float(f'1e{min(exponent, _COARSEST_EXPONENT)}')


def noise_multiplier(
  target_epsilon: float, *, sampling_probability: float, steps: int, delta: float
) -> float:
  """Returns the least noise multiplier whose epsilon is within the target.

  Args:
    target_epsilon: what `Mechanism.epsilon` may be after all steps.
    sampling_probability: of one example to be in one step's batch, in (0, 1].
    steps: noisy steps of the whole training, at least 1.
    delta: of the (epsilon, delta) guarantee.

  Returns:
    The least number of four significant digits that will do, hence exact as printed;
    `MIN_NOISE_MULTIPLIER` where even that gives less than the target.

  Raises:
    UsageError: the target is not reached by `MAX_NOISE_MULTIPLIER`.
  """
  check_positive('dp_target_epsilon', target_epsilon)
  if steps < 1:
    raise ValueError(f'needs at least one step, got {steps}')

  @functools.cache
  def epsilon(noise: float) -> float:
    mechanism = Mechanism(
      noise_multiplier=noise, sampling_probability=sampling_probability, delta=delta
    )
    return mechanism.epsilon(steps)

  if epsilon(1.0) <= target_epsilon:
    low, high = _fall(epsilon, target_epsilon)
    if low == high:
      return low
  else:
    low, high = _rise(epsilon, target_epsilon)
    if epsilon(high) > target_epsilon:
      raise UsageError(
        f'--dp_target_epsilon={target_epsilon:g}: even --dp_noise_multiplier='
        f'{high:g} gives no less than {_round_up(epsilon(high), 2):g} after {steps} '
        f'steps at delta {delta:g}: give a larger target, or fewer --epochs'
      )
  noise = _round_up(_crossing(epsilon, target_epsilon, low=low, high=high), 4)
  while epsilon(noise) > target_epsilon:
    noise = _round_up(noise * (1 + 1e-6), 4)
  return noise


def _fall(epsilon: Callable[[float], float], target: float) -> tuple[float, float]:
  """Two noise multipliers up to 1 about the target; the same twice at the minimum."""
  low = high = 1.0
  while epsilon(low) <= target:
    if low == MIN_NOISE_MULTIPLIER:
      return low, low
    low, high = max(low / 2, MIN_NOISE_MULTIPLIER), low
  return low, high


def _rise(epsilon: Callable[[float], float], target: float) -> tuple[float, float]:
  """Two noise multipliers from 1 up about the target, if the maximum reaches it."""
  low = high = 1.0
  while epsilon(high) > target and high < MAX_NOISE_MULTIPLIER:
    low, high = high, min(high * 2, MAX_NOISE_MULTIPLIER)
  return low, high


def _crossing(
  epsilon: Callable[[float], float], target: float, *, low: float, high: float
) -> float:
  """Returns a noise multiplier just below the one whose epsilon is the target."""
  from scipy import optimize

  # On logarithmic axes the curve is nearly straight; an epsilon of 0 has no place
  # there.
  def excess(log_noise: float) -> float:
    return math.log(max(epsilon(math.exp(log_noise)) / target, 1e-6))

  # The ends, read back from their logarithms, must not leave what is allowed.
  tolerance = 1e-6
  ends = math.log(low) + 1e-12, math.log(high)
  if excess(ends[0]) <= 0 or excess(ends[1]) > 0:
    return low
  return math.exp(optimize.brentq(excess, *ends, xtol=tolerance) - 2 * tolerance)


def _round_up(value: float, digits: int) -> float:
  """Returns the least number of so many significant digits that is not below."""
  context = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING)
  return float(context.create_decimal_from_float(value))
