"""Differentially private training as a config: the part in which a run may differ
from the plain run that it is compared with.
"""

import dataclasses

from rnn_tf.errors import (
  UsageError,
  check_choice,
  check_count,
  check_positive,
)

DP_ENGINES = ('auto', 'exact', 'tf_privacy_model', 'tf_privacy_optimizer')

DP_SAMPLINGS = ('poisson', 'shuffle')

MIN_NOISE_MULTIPLIER = 0.1
"""Below, the accountant fails or takes minutes, and nothing is private anyway."""

MAX_NOISE_MULTIPLIER = 10_000.0
"""Above, the accountant fails, and nothing is learned anyway."""

MIN_DELTA = 1e-12
"""Below, rounding in the accountant's Fourier transforms decides epsilon."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivacyConfig:
  """Differential privacy of the training (DP-SGD, Abadi et al. 2016).

  Attributes:
    dp: whether there is any; the other fields have no effect where there is none.
    dp_l2_norm_clip: the norm to which each example's gradient is clipped.
    dp_noise_multiplier: standard deviation of the noise on the sum of the clipped
      gradients, over the clip; None means by `dp_target_epsilon`.
    dp_target_epsilon: the epsilon that the whole training may reach; None means
      by `dp_noise_multiplier`.
    dp_delta: of the (epsilon, delta) guarantee; None means the largest power of
      ten below one over the number of training examples.
    dp_engine: whose clipping, out of `DP_ENGINES`.
    dp_sampling: how a step's batch is drawn, out of `DP_SAMPLINGS`; None means
      `poisson`, or `shuffle` with TF Privacy's engines, which know no other.
    dp_num_microbatches: gradients that `tf_privacy_optimizer` clips in a batch;
      None means one for each example.
  """

  dp: bool = False
  dp_l2_norm_clip: float = 1.0
  dp_noise_multiplier: float | None = None
  dp_target_epsilon: float | None = None
  dp_delta: float | None = None
  dp_engine: str = 'auto'
  dp_sampling: str | None = None
  dp_num_microbatches: int | None = None

  def __post_init__(self):
    if not self.dp:
      return
    check_choice('dp_engine', self.dp_engine, DP_ENGINES)
    borrowed = self.dp_engine.startswith('tf_privacy')
    if self.dp_sampling is None:
      object.__setattr__(self, 'dp_sampling', DP_SAMPLINGS[borrowed])
    check_choice('dp_sampling', self.dp_sampling, DP_SAMPLINGS)
    if borrowed and self.dp_sampling == 'poisson':
      raise UsageError(
        f'--dp_sampling=poisson: --dp_engine={self.dp_engine} divides by the size of '
        'each batch, which Poisson sampling varies: give --dp_sampling=shuffle, or '
        '--dp_engine=exact'
      )
    check_positive('dp_l2_norm_clip', self.dp_l2_norm_clip)
    self._check_noise()
    self._check_microbatches()

  def _check_noise(self):
    noise, target = self.dp_noise_multiplier, self.dp_target_epsilon
    if noise is not None and target is not None:
      raise UsageError(
        f'--dp_noise_multiplier={noise} and --dp_target_epsilon={target}: each '
        'follows from the other: give one of them'
      )
    if noise is None and target is None:
      raise UsageError(
        '--dp: how private? Give --dp_target_epsilon (for example 3) or '
        '--dp_noise_multiplier (for example 1.1)'
      )
    if noise is not None:
      check_positive('dp_noise_multiplier', noise)
      if noise < MIN_NOISE_MULTIPLIER:
        raise UsageError(
          f'--dp_noise_multiplier={noise:g}: must be at least '
          f'{MIN_NOISE_MULTIPLIER:g}; below, nothing is private and epsilon cannot be '
          'computed: give more noise, or leave out --dp'
        )
      if noise > MAX_NOISE_MULTIPLIER:
        raise UsageError(
          f'--dp_noise_multiplier={noise:g}: must be at most {MAX_NOISE_MULTIPLIER:g}'
        )
    if target is not None:
      check_positive('dp_target_epsilon', target)
    if self.dp_delta is not None and not MIN_DELTA <= self.dp_delta < 1:
      raise UsageError(
        f'--dp_delta={self.dp_delta}: must be at least {MIN_DELTA:g}, below which '
        'epsilon cannot be computed, and below 1; it should be '
        'below one over the number of training examples'
      )

  def _check_microbatches(self):
    count = self.dp_num_microbatches
    if count is None:
      return
    check_count('dp_num_microbatches', count)
    if self.dp_engine != 'tf_privacy_optimizer':
      raise UsageError(
        f'--dp_num_microbatches={count}: only --dp_engine=tf_privacy_optimizer has '
        'microbatches, the others clip every example by itself: leave it out'
      )

  def label(self) -> str:
    """A short name for folders and legends, such as `dp-eps3`; plain has none."""
    if not self.dp:
      return ''
    if self.dp_target_epsilon is not None:
      return f'dp-eps{self.dp_target_epsilon:g}'
    return f'dp-noise{self.dp_noise_multiplier:g}'
