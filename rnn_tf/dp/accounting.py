"""What differentially private training amounts to: epsilon, or the noise for one.

All numbers hold for DP-SGD (Abadi et al. 2016, arXiv 1607.00133) whose batches are
drawn by Poisson sampling, every example with the same probability and by itself, and
for data sets of which one has one example more than the other. Batches of a fixed
size from a shuffled data set are not covered: there the numbers are those of another
mechanism.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

from rnn_tf.errors import UsageError, check_positive
from rnn_tf.privacy_config import (
  MAX_NOISE_MULTIPLIER,
  MIN_DELTA,
  MIN_NOISE_MULTIPLIER,
)
from rnn_tf.rounding import round_up

ACCOUNTANT = 'PLD'
"""Privacy loss distributions, see `Mechanism.epsilon`."""

ADJACENCY = 'add or remove one example'
"""Which data sets must be hard to tell apart."""

# The accountant's grid of losses is as fine as dp-accounting's own, and ten times
# coarser as often as it takes to have no more points than can be worked through in
# a few seconds: some 5 microseconds a point of one step, 0.5 a point of all steps.
_FINEST_EXPONENT = -4
_POINTS_OF_ONE_STEP = 400_000
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
    `PLDAccountant`, whose interval grows from its default where that would take
    minutes: at noise multipliers below 0.3, or epsilons in the dozens. A larger
    interval makes a larger bound, hardly so in up to 100,000 steps. What was computed
    once is remembered.

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

  def _compute(self, steps: int, *, thrift: int = 1) -> float:
    """Computes epsilon, on so many times fewer points where that saves time."""
    # Here, since they load for a second and flags and configs should not.
    import numpy as np
    from dp_accounting.pld import privacy_loss_distribution

    interval = self._interval(steps, thrift)
    if interval not in self._single_steps:
      self._single_steps[interval] = privacy_loss_distribution.from_gaussian_mechanism(
        self.noise_multiplier,
        value_discretization_interval=interval,
        sampling_prob=self.sampling_probability,
      )
    composed = self._single_steps[interval].self_compose(steps)
    with np.errstate(over='ignore'):
      epsilon = composed.get_epsilon_for_delta(self.delta)
    # dp-accounting divides by a sum of e^-loss. Where that is a subnormal float the
    # ratio overflows and infinity comes back, although epsilon is below the loss at
    # which the sum is 0.
    return _LARGEST_EXPONENT if math.isinf(epsilon) else float(epsilon)

  def _interval(self, steps: int, thrift: int) -> float:
    """Returns the distance of the grid's points, a power of ten."""
    # With probability q a step's loss is drawn from about N(s^-2 / 2, s^-2), and is
    # next to 0 otherwise. The accountant keeps 10 standard deviations of the noise,
    # and of the sum of all steps some 16.
    precision = self.noise_multiplier**-2
    one = precision / 2 + 10 * math.sqrt(precision)
    square = self.sampling_probability * (precision + precision**2 / 4)
    together = 16 * math.sqrt(steps * square)
    needed = max(one / _POINTS_OF_ONE_STEP, together / _POINTS_OF_ALL_STEPS)
    exponent = math.ceil(math.log10(needed * thrift))
    return float(f'1e{max(_FINEST_EXPONENT, exponent)}')


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
  def epsilon(noise: float, thrift: int = 1) -> float:
    mechanism = Mechanism(
      noise_multiplier=noise, sampling_probability=sampling_probability, delta=delta
    )
    return mechanism._compute(steps, thrift=thrift)

  def excess(log_noise: float, thrift: int = 1) -> float:
    noise = max(math.exp(log_noise), MIN_NOISE_MULTIPLIER)
    # In logarithms the curve is nearly straight; an epsilon of 0 has none.
    return math.log(max(epsilon(noise, thrift) / target_epsilon, 1e-6))

  log_noise = _crossing(excess, rough=functools.partial(excess, thrift=10))
  # exp(log(x)) may be above x in the last digit.
  noise = round_up(math.exp(log_noise) * (1 - 1e-9), 4)
  while epsilon(noise) > target_epsilon:
    if noise >= MAX_NOISE_MULTIPLIER:
      raise UsageError(
        f'--dp_target_epsilon={target_epsilon:g}: even --dp_noise_multiplier='
        f'{noise:g} gives no less than {round_up(epsilon(noise), 2):g} after {steps} '
        f'steps at delta {delta:g}: give a larger target, or fewer --epochs'
      )
    noise = round_up(noise * (1 + 1e-6), 4)
  return noise


def _crossing(
  excess: Callable[[float], float], *, rough: Callable[[float], float]
) -> float:
  """Returns where a falling function of the noise's logarithm is 0.

  Args:
    excess: the function, above 0 where the noise is too little.
    rough: a faster one, the same or somewhat larger.

  Returns:
    That place to 1e-4 or better, or the end of what is allowed on its side.
  """
  lowest, highest = math.log(MIN_NOISE_MULTIPLIER), math.log(MAX_NOISE_MULTIPLIER)
  start = _root(rough, start=0.0, stride=0.5)
  slope = (rough(start + 1e-3) - rough(start)) / 1e-3
  if slope < 0:
    step = -excess(start) / slope
    # So near, the two are parallel, and one step along the slope is enough.
    if abs(step) < 5e-3:
      return min(max(start + step, lowest), highest)
  return _root(excess, start=start, stride=1e-2)


def _root(excess: Callable[[float], float], *, start: float, stride: float) -> float:
  """Returns what `_crossing` does, away from `start` by ever longer strides."""
  from scipy import optimize

  ends = math.log(MIN_NOISE_MULTIPLIER), math.log(MAX_NOISE_MULTIPLIER)
  too_little = excess(start) > 0
  near = far = start
  while (excess(far) > 0) == too_little:
    if far == ends[too_little]:
      return far
    step = stride if too_little else -stride
    near, far = far, min(max(far + step, ends[0]), ends[1])
    stride *= 2
  return float(optimize.brentq(excess, near, far, xtol=1e-5))
