"""Attacks a finished run with shadow models.

python -m rnn_tf.train --train_fraction=0.5 --nonmembers=holdout --run_dir=runs/half
python -m rnn_tf.attack --run=runs/half --attack=threshold,shadow,lira,rmia
"""

import sys

from rnn_tf import launch
from rnn_tf.options import (
  attack,
  cluster,
  fleet,
  images,
  label,
  overwrite,
  shadow_attack,
  source,
  target,
)
from rnn_tf.runs import finished_run

OPTIONS = (
  target,
  attack,
  images,
  label,
  fleet,
  cluster,
  shadow_attack,
  source,
  overwrite,
)

INTERRUPTED = (
  'interrupted: the shadow models that are trained are kept; the same command goes on'
)


def main() -> None:
  """Trains the shadow models that are missing, attacks, and prints the result."""
  options = attack.from_flags()
  shadow_attack.check_used(options.report.attacks, flag='attack')
  settings = {
    'fleet': fleet.from_flags(),
    'attack': shadow_attack.from_flags(),
    'where': fleet.options(),
  }
  run = finished_run(options.run)
  from rnn_tf import attack_page, attack_records, attack_request, shadow_audit
  from rnn_tf.pages import run_page

  asked = attack_request.request(run, options, source=source.from_flags(), **settings)
  if attack_request.made(asked) and not options.overwrite:
    launch.LOG.info('%s is there already; --overwrite makes it again', asked.folder)
    record = attack_records.load(asked.folder.path)
  else:
    record = shadow_audit.attack(asked)
  page = run_page.write(run)
  print(attack_page.text(record))
  print(f'results: {asked.folder}/ (report.md, tables, pictures)')
  print(f'page: {page}')


if __name__ == '__main__':
  sys.exit(
    launch.run(
      main,
      command='python -m rnn_tf.attack',
      description=__doc__,
      options=OPTIONS,
      interrupted=INTERRUPTED,
    )
  )
