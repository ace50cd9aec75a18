"""Report: which runs are compared, and where the comparison goes."""

import dataclasses

from absl import flags

from rnn_tf.errors import UsageError

_RUNS = flags.DEFINE_list(
  'runs',
  ['runs/*'],
  "Folders of runs or patterns, separated by commas, such as 'runs/cifar10-*'.",
)
_REPORT_DIR = flags.DEFINE_string(
  'report_dir', None, 'Folder for the pictures, the tables and their README.md.'
)
_NOTE = flags.DEFINE_string(
  'note', '', 'What a reader must know of these runs; shown at the top of the page.'
)
_TF_PRIVACY_PLOTS = flags.DEFINE_bool(
  'tf_privacy_plots',
  True,
  "Add TF Privacy's own plots of each run, which takes loading TensorFlow.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
  """What to compare, and where to."""

  runs: tuple[str, ...]
  report_dir: str
  note: str
  tf_privacy_plots: bool


def from_flags() -> ReportOptions:
  """Returns the report options that the flags describe."""
  runs = tuple(name for name in _RUNS.value if name)
  if not runs:
    raise UsageError("--runs is empty: name folders of runs, such as 'runs/cifar10-*'")
  if not _REPORT_DIR.value:
    raise UsageError(
      '--report_dir is not given: name a folder for the report, such as '
      'reports/comparison'
    )
  return ReportOptions(
    runs=runs,
    report_dir=_REPORT_DIR.value,
    note=_NOTE.value,
    tf_privacy_plots=_TF_PRIVACY_PLOTS.value,
  )
