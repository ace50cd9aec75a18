"""Writes the page of a run, verifies it, or puts several runs into one comparison.

python -m rnn_tf.report --run=runs/cifar10-lstm-s0
python -m rnn_tf.report --run=runs/cifar10-lstm-s0 --verify
python -m rnn_tf.report --runs='runs/cifar10-*' --report_dir=reports/cifar10
"""

import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_tf import launch
from rnn_tf.options import page, report, target

OPTIONS = (report, target, page)

FALSE = 3
"""Exit code where a number is not what the stored scores say."""


def main() -> int | None:
  """Does one of the three, and prints what came of it."""
  options = report.from_flags()
  if options.verify:
    return _verify(options.run)
  if options.run is not None:
    _write_page(options.run, options.max_advantage)
  else:
    _compare(options)
  return None


def _verify(run: str) -> int:
  """Prints whether a run's files tell the truth; returns the exit code."""
  from rnn_tf.pages import page_check
  from rnn_tf.runs import run_folder

  run_folder(run)
  verification = page_check.verify(run)
  print(page_check.text(verification))
  return 0 if verification.true else FALSE


def _write_page(run: str, max_advantage: float | None) -> None:
  from rnn_tf.pages import run_page
  from rnn_tf.runs import run_folder

  print(f'report: {run_page.write(run_folder(run), max_advantage=max_advantage)}')


def _compare(options: report.ReportOptions) -> None:
  """Reads the runs, writes the comparison, and prints its table."""
  from rnn_tf import reporting
  from rnn_tf.pages import comparison_page
  from rnn_tf.run_places import check_writable, held_to_show

  # A comparison must not end at a folder's door.
  place = options.report_dir
  check_writable(pathlib.Path(place), name=f'--report_dir={place}')
  records = reporting.load_runs(options.runs)
  command = shlex.join(['python', '-m', 'rnn_tf.report', *sys.argv[1:]])
  busy = 'another process is writing a comparison there: wait for it, or name another'
  with held_to_show(pathlib.Path(place), busy=busy):
    made = reporting.compare(
      records,
      options.report_dir,
      command=command,
      note=options.note,
      more_pictures=_tf_privacy_plots(records) if options.tf_privacy_plots else {},
    )
    page_path = comparison_page.write(
      records,
      options.report_dir,
      command=command,
      note=options.note,
      max_advantage=options.max_advantage,
      equal=made.equal,
    )
  print(made.text)
  pictures = sum(path.suffix == '.png' for path in made.files)
  print(
    f'report: {page_path} (and README.md, table.csv, {pictures} pictures beside it)'
  )


def _tf_privacy_plots(records: Sequence[Any]) -> Mapping[str, Mapping[str, Any]]:
  """Returns TF Privacy's plots of each data set's runs that have reports."""
  from rnn_tf.attacks import tf_privacy

  reports = {}
  for record in records:
    if any(not result.skipped for a in record.attacks for result in record.entire(a)):
      reports.setdefault(record.data.name, []).extend(record.reports())
  return {
    data_set: {
      f'tf_privacy_{name}': figure for name, figure in tf_privacy.plots(found).items()
    }
    for data_set, found in reports.items()
    if found
  }


if __name__ == '__main__':
  sys.exit(
    launch.run(
      main, command='python -m rnn_tf.report', description=__doc__, options=OPTIONS
    )
  )
