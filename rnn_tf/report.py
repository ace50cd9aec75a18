"""Puts several runs into one comparison: pictures, tables, and a page with both.

python -m rnn_tf.report --runs='runs/cifar10-*' --report_dir=reports/cifar10
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_tf import launch
from rnn_tf.options import report

OPTIONS = (report,)


def main() -> None:
  """Reads the runs, writes the comparison, and prints its table."""
  options = report.from_flags()
  from rnn_tf import reporting

  records = reporting.load_runs(options.runs)
  made = reporting.compare(
    records,
    options.report_dir,
    command=shlex.join(['python', '-m', 'rnn_tf.report', *sys.argv[1:]]),
    note=options.note,
    more_pictures=_tf_privacy_plots(records) if options.tf_privacy_plots else {},
  )
  print(made.text)
  pictures = sum(path.suffix == '.png' for path in made.files)
  print(f'report: {options.report_dir}/ (README.md, table.csv, {pictures} pictures)')


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
