"""Overwrite: what happens to earlier results."""

from absl import flags

_OVERWRITE = flags.DEFINE_bool(
  'overwrite',
  False,
  'Delete what an earlier command left in the folder of its results, and start again.',
)


def from_flags() -> bool:
  """Returns whether earlier results are deleted."""
  return _OVERWRITE.value
