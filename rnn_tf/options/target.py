"""Target: the finished run that a command looks at."""

from absl import flags

from rnn_tf.errors import UsageError

_RUN = flags.DEFINE_string(
  'run', None, 'Folder of a finished run, such as runs/digits-lstm-s0.'
)


def from_flags() -> str:
  """Returns the run's folder.

  Raises:
    UsageError: --run is missing.
  """
  if not _RUN.value:
    raise UsageError('--run is missing: name a run, such as runs/digits-lstm-s0')
  return _RUN.value


def optional() -> str | None:
  """Returns the run's folder, None where --run is not given."""
  return _RUN.value or None
