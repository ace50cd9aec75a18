"""Page: what report.html recommends."""

import math

from absl import flags

from rnn_tf.errors import UsageError

_MAX_ADVANTAGE = flags.DEFINE_float(
  'max_advantage',
  None,
  'The largest advantage of any attack that is acceptable: report.html names the most '
  'accurate epoch whose advantages are at most that. Not given: of a run, what its '
  'page was made with before, or 0.1; of a comparison, 0.1.',
)


def from_flags() -> float | None:
  """Returns the advantage, None where it was not given.

  Raises:
    UsageError: it is no advantage.
  """
  value = _MAX_ADVANTAGE.value
  if value is not None and not (math.isfinite(value) and 0 < value <= 1):
    raise UsageError(
      f'--max_advantage={value}: must be above 0 and at most 1, such as 0.1'
    )
  return value
