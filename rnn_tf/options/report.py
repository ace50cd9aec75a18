"""Report: one run's page, its verification, or several runs compared."""

import dataclasses

from absl import flags

from rnn_tf.errors import UsageError
from rnn_tf.options import page, target

_RUNS = flags.DEFINE_list(
  'runs',
  ['runs/*'],
  "Folders of runs or patterns, separated by commas, such as 'runs/cifar10-*'.",
)
_REPORT_DIR = flags.DEFINE_string(
  'report_dir',
  None,
  'Folder for report.html of the comparison, its pictures, tables and README.md.',
)
_NOTE = flags.DEFINE_string(
  'note', '', 'What a reader must know of these runs; shown at the top of the page.'
)
_TF_PRIVACY_PLOTS = flags.DEFINE_bool(
  'tf_privacy_plots',
  True,
  "Add TF Privacy's own plots of each run, which takes loading TensorFlow.",
)
_VERIFY = flags.DEFINE_bool(
  'verify',
  False,
  'Compute every number of --run anew from the stored scores and ids, and say whether '
  'its files and its report.html tell the truth; exit code 3 if not.',
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
  """What is asked for.

  Attributes:
    run: the one run whose page is written, or verified; None for a comparison.
    verify: whether to verify it.
    runs: to compare.
    report_dir: where the comparison goes; None with `run`.
    note: see --note.
    tf_privacy_plots: see --tf_privacy_plots.
    max_advantage: see `options.page`; None where not given.
  """

  run: str | None
  verify: bool
  runs: tuple[str, ...]
  report_dir: str | None
  note: str
  tf_privacy_plots: bool
  max_advantage: float | None


def from_flags() -> ReportOptions:
  """Returns the report options that the flags describe.

  Raises:
    UsageError: they ask for two things at once, or for nothing.
  """
  run, runs = target.optional(), tuple(name for name in _RUNS.value if name)
  if run is not None:
    for holder in (_RUNS, _REPORT_DIR, _NOTE, _TF_PRIVACY_PLOTS):
      if holder.present:
        raise UsageError(
          f'--{holder.name} has no effect with --run={run}, which writes the page of '
          'one run into its folder: leave one of them out'
        )
  elif _VERIFY.value:
    raise UsageError('--verify: name the run to verify, such as --run=runs/mine')
  elif not runs:
    raise UsageError("--runs is empty: name folders of runs, such as 'runs/cifar10-*'")
  elif not _REPORT_DIR.value:
    raise UsageError(
      '--report_dir is not given: name a folder for the comparison of --runs, such as '
      'reports/comparison; or name one run by --run, to write its page anew'
    )
  max_advantage = page.from_flags()
  if _VERIFY.value and max_advantage is not None:
    raise UsageError(
      f'--max_advantage={max_advantage} has no effect with --verify, which takes what '
      'the page was made with: leave it out'
    )
  return ReportOptions(
    run=run,
    verify=_VERIFY.value,
    runs=runs,
    report_dir=_REPORT_DIR.value,
    note=_NOTE.value,
    tf_privacy_plots=_TF_PRIVACY_PLOTS.value,
    max_advantage=max_advantage,
  )
