"""Differential privacy: each example's gradient is clipped, and noise added."""

from absl import flags

from rnn_tf import config, privacy_config
from rnn_tf.errors import UsageError

_DEFAULT = config.PrivacyConfig()

_DP = flags.DEFINE_bool(
  'dp',
  _DEFAULT.dp,
  'Train with differential privacy (DP-SGD); needs --dp_target_epsilon or '
  '--dp_noise_multiplier.',
)
_TARGET_EPSILON = flags.DEFINE_float(
  'dp_target_epsilon',
  _DEFAULT.dp_target_epsilon,
  'Epsilon that the whole training may reach; the noise is found for it.',
)
_NOISE_MULTIPLIER = flags.DEFINE_float(
  'dp_noise_multiplier',
  _DEFAULT.dp_noise_multiplier,
  'Standard deviation of the noise on the sum of the clipped gradients, over the clip; '
  f'at least {privacy_config.MIN_NOISE_MULTIPLIER:g}.',
)
_L2_NORM_CLIP = flags.DEFINE_float(
  'dp_l2_norm_clip',
  _DEFAULT.dp_l2_norm_clip,
  "Norm to which each example's gradient is clipped.",
)
_DELTA = flags.DEFINE_float(
  'dp_delta',
  _DEFAULT.dp_delta,
  'Delta of the guarantee; where not given, the largest power of ten below one over '
  'the number of training examples.',
)
_ENGINE = flags.DEFINE_string(
  'dp_engine',
  _DEFAULT.dp_engine,
  'Whose clipping: exact (per example, in one backward pass), tf_privacy_model or '
  "tf_privacy_optimizer (TF Privacy's, slow, for comparison), or auto: exact.",
)
_SAMPLING = flags.DEFINE_string(
  'dp_sampling',
  _DEFAULT.dp_sampling,
  "How a step's batch is drawn: poisson (every example by itself, what epsilon "
  'assumes), or shuffle (epochs; epsilon is then stated for Poisson sampling). Where '
  "not given, poisson; shuffle with TF Privacy's engines.",
)
_NUM_MICROBATCHES = flags.DEFINE_integer(
  'dp_num_microbatches',
  _DEFAULT.dp_num_microbatches,
  'Gradients that tf_privacy_optimizer clips in a batch, each the mean of several '
  'examples; where not given, one for each example.',
)


def from_flags() -> config.PrivacyConfig:
  """Returns the privacy config that the flags describe.

  Raises:
    UsageError: a flag was given that has no effect without --dp.
  """
  if not _DP.value:
    for holder in (
      _TARGET_EPSILON,
      _NOISE_MULTIPLIER,
      _L2_NORM_CLIP,
      _DELTA,
      _ENGINE,
      _SAMPLING,
      _NUM_MICROBATCHES,
    ):
      if holder.present:
        raise UsageError(f'--{holder.name} has no effect without --dp: add --dp')
  return config.PrivacyConfig(
    dp=_DP.value,
    dp_l2_norm_clip=_L2_NORM_CLIP.value,
    dp_noise_multiplier=_NOISE_MULTIPLIER.value,
    dp_target_epsilon=_TARGET_EPSILON.value,
    dp_delta=_DELTA.value,
    dp_engine=_ENGINE.value,
    dp_sampling=_SAMPLING.value,
    dp_num_microbatches=_NUM_MICROBATCHES.value,
  )
