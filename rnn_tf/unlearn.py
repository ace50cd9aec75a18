"""Deletes examples from a finished run, and finds out whether they are gone.

python -m rnn_tf.train --train_fraction=0.5 --nonmembers=holdout --run_dir=runs/half
python -m rnn_tf.unlearn --run=runs/half --fractions=0.05,0.10 --method=retrain,sharded
"""

import sys

from rnn_tf import launch
from rnn_tf.options import cluster, deletion, dry_run, label, overwrite, source, target
from rnn_tf.runs import RunFolder, finished_run

OPTIONS = (target, deletion, cluster, source, label, dry_run, overwrite)

INTERRUPTED = 'interrupted: what is trained is kept; the same command goes on'


def main() -> None:
  """Makes the models that are missing, audits them, and prints the result."""
  asked, options, name = deletion.from_flags(), deletion.options(), label.from_flags()
  run = _by_its_own_name(finished_run(target.from_flags()))
  from rnn_tf import deletion_page, deletion_records, unlearn_request

  request = unlearn_request.Request(
    run=run,
    deletion=asked,
    options=options,
    source=source.from_flags(),
    label=name,
    overwrite=overwrite.from_flags(),
  )
  unlearn_request.check_folder(request)
  there = unlearn_request.made(request) and not request.overwrite
  if there and not dry_run.from_flags():
    launch.LOG.info('%s is there already; --overwrite makes it again', request.folder)
    record = deletion_records.load(request.folder.path)
  else:
    from rnn_tf import unlearning

    prepared = unlearning.prepare(request)
    if dry_run.from_flags():
      print(unlearning.describe(prepared))
      return
    launch.LOG.info('%s', unlearning.describe(prepared))
    record = unlearning.unlearn(prepared)
  from rnn_tf.pages import run_page

  page = run_page.write(run)
  print(deletion_page.text(record))
  print(f'results: {request.folder}/ (report.md, tables, pictures)')
  print(f'page: {page}')


def _by_its_own_name(run: RunFolder) -> RunFolder:
  """Returns a run under the path beside which its siblings belong."""
  path = run.path.resolve()
  named = run.path.name == path.name and run.path.parent.resolve() == path.parent
  return run if named else RunFolder(path)


if __name__ == '__main__':
  sys.exit(
    launch.run(
      main,
      command='python -m rnn_tf.unlearn',
      description=__doc__,
      options=OPTIONS,
      interrupted=INTERRUPTED,
    )
  )
