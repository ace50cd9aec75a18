"""Dry run: what would be done."""

from absl import flags

_DRY_RUN = flags.DEFINE_bool(
  'dry_run', False, 'Print what would be done, write nothing, and stop.'
)


def from_flags() -> bool:
  """Returns whether to stop before anything is done."""
  return _DRY_RUN.value
