"""Run: where the results go, and what happens to earlier ones."""

import dataclasses

from absl import flags

from rnn_tf.options import dry_run, overwrite

_RUN_DIR = flags.DEFINE_string(
  'run_dir',
  None,
  'Folder of the run; where not given, runs/ plus a name such as cifar10-lstm-s0.',
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
  """What to do with the run's folder."""

  run_dir: str | None
  overwrite: bool
  dry_run: bool


def from_flags() -> RunOptions:
  """Returns the run options that the flags describe."""
  return RunOptions(
    run_dir=_RUN_DIR.value,
    overwrite=overwrite.from_flags(),
    dry_run=dry_run.from_flags(),
  )
