"""Trains a classifier and reports what it gives away about its training data.

python -m rnn_tf.train                      LSTM on the embedded digits
python -m rnn_tf.train --dataset=cifar10    LSTM on CIFAR-10
"""

import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from rnn_tf import launch
from rnn_tf.config import RunConfig
from rnn_tf.options import (
  data,
  dry_run,
  fleet,
  model,
  overwrite,
  privacy,
  privacy_report,
  run,
  shadow_attack,
  source,
  training,
)
from rnn_tf.runs import RunFolder

OPTIONS = (
  data,
  source,
  model,
  training,
  privacy,
  privacy_report,
  fleet,
  shadow_attack,
  run,
  dry_run,
  overwrite,
)


def main() -> None:
  """Trains, attacks, and writes the run's folder."""
  config = RunConfig(
    data=data.from_flags(),
    model=model.from_flags(),
    training=training.from_flags(),
    privacy=privacy.from_flags(),
    report=privacy_report.from_flags(),
    fleet=fleet.from_flags(),
    attack=shadow_attack.from_flags(),
  )
  shadow_attack.check_used(config.report.attacks, flag='attacks')
  options = run.from_flags()
  folder = RunFolder(options.run_dir or pathlib.Path('runs') / config.name())
  folder.check(config, overwrite=options.overwrite)
  if folder.finished and not options.overwrite and not options.dry_run:
    launch.LOG.info('%s is finished already; --overwrite trains it again', folder)
  elif options.dry_run:
    from rnn_tf import experiment

    print(experiment.plan(config, folder, source.from_flags()))
    return
  else:
    from rnn_tf import experiment

    experiment.set_up(config, folder, overwrite=options.overwrite)
    experiment.train(
      config,
      folder,
      source.from_flags(),
      options=fleet.options(),
      overwrite=options.overwrite,
    )
  print(summary(folder, data_dir=source.from_flags().data_dir))


def summary(folder: RunFolder, *, data_dir: str | None) -> str:
  """Returns the last lines on the screen: the result, and what to do next."""
  result = folder.result()
  lines = [
    f'running training accuracy {result["train_accuracy"]:.4f}, test accuracy '
    f'{result["val_accuracy"]:.4f} after {result["epochs"]} epochs; best '
    f'{result["best_val_accuracy"]:.4f} after epoch {result["best_epoch"]}'
  ]
  for attack, figures in result['privacy'].items():
    lines.append(
      f'{attack} attack: AUC {figures["auc"]:.3f} [{figures["auc_low"]:.3f}, '
      f'{figures["auc_high"]:.3f}], advantage {figures["advantage"]:.3f}'
    )
  lines += privacy_lines(result)
  board = shlex.join(['tensorboard', '--logdir', str(folder.path.parent)])
  lines += [
    f'results: {folder}/ (pictures in {folder}/plots/)',
    f'compare runs: {board}',
    f'next: python -m rnn_tf.infer --run={folder}'
    + (f' --data_dir={data_dir}' if data_dir else ''),
  ]
  return '\n'.join(lines)


def privacy_lines(result: Mapping[str, Any]) -> list[str]:
  """Returns what a finished run promises, and what the attacks indicate of it."""
  from rnn_tf.dp.guarantee import statement

  promise = result.get('guarantee')
  lines = [f'guarantee: {statement(promise)}'] if promise else []
  bounds = {
    attack: figures['epsilon_lower_bound']
    for attack, figures in result['privacy'].items()
    if figures.get('epsilon_lower_bound') is not None
  }
  if not bounds:
    return lines
  shown = ', '.join(f'{bound:.3f} ({attack})' for attack, bound in bounds.items())
  lines.append(
    f'the attacks indicate an epsilon of at least {shown}, each at 95%; that is no '
    'upper limit, however low'
  )
  if promise and max(bounds.values()) > promise['epsilon']:
    lines.append(
      'BROKEN GUARANTEE: the attacks find more than the guarantee allows, or members '
      'and non-members are not drawn alike (see --nonmembers=holdout)'
    )
  return lines


if __name__ == '__main__':
  sys.exit(
    launch.run(
      main,
      command='python -m rnn_tf.train',
      description=__doc__,
      options=OPTIONS,
      interrupted='interrupted: the same command, without --overwrite, resumes',
    )
  )
