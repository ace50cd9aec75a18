"""Trains a classifier and reports what it gives away about its training data.

python -m rnn_tf.train                      LSTM on the embedded digits
python -m rnn_tf.train --dataset=cifar10    LSTM on CIFAR-10
"""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any

from rnn_tf import launch
from rnn_tf.config import RunConfig
from rnn_tf.options import (
  data,
  model,
  privacy,
  privacy_report,
  run,
  source,
  training,
)
from rnn_tf.runs import RunFolder

OPTIONS = (data, source, model, training, privacy, privacy_report, run)


def main() -> None:
  """Trains, attacks, and writes the run's folder."""
  config = RunConfig(
    data=data.from_flags(),
    model=model.from_flags(),
    training=training.from_flags(),
    privacy=privacy.from_flags(),
    report=privacy_report.from_flags(),
  )
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

    launch.set_up_tensorflow(config.training, streams=experiment.streams(config))
    experiment.train(config, folder, source.from_flags(), overwrite=options.overwrite)
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
  lines += [
    f'results: {folder}/ (pictures in {folder}/plots/)',
    f'next: python -m rnn_tf.infer --run={folder}'
    + (f' --data_dir={data_dir}' if data_dir else ''),
  ]
  return '\n'.join(lines)


def privacy_lines(result: Mapping[str, Any]) -> list[str]:
  """Returns what a finished private run promises, and what the attacks say of it."""
  promise = result.get('guarantee')
  if promise is None:
    return []
  from rnn_tf.dp.guarantee import statement

  lines = [f'guarantee: {statement(promise)}']
  bounds = {
    attack: figures.get('epsilon_lower_bound')
    for attack, figures in result['privacy'].items()
  }
  found = {attack: bound for attack, bound in bounds.items() if bound is not None}
  if found:
    attack = max(found, key=found.get)
    lines.append(
      f'the attacks show an epsilon of at least {found[attack]:.3f} ({attack}, 95% '
      'confidence)'
    )
    if found[attack] > promise['epsilon']:
      lines.append(
        'BROKEN GUARANTEE: the attacks show more than the guarantee allows, or members '
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
