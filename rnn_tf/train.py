"""Trains a classifier and reports what it gives away about its training data.

python -m rnn_tf.train                      LSTM on the embedded digits
python -m rnn_tf.train --dataset=cifar10    LSTM on CIFAR-10
"""

import pathlib
import sys

from rnn_tf import launch, run_summary
from rnn_tf.config import RunConfig
from rnn_tf.errors import UsageError
from rnn_tf.options import (
  cluster,
  data,
  dry_run,
  fleet,
  images,
  model,
  overwrite,
  page,
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
  cluster,
  shadow_attack,
  images,
  page,
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
  max_advantage = page.from_flags()
  if images.from_flags() and not config.report.attacks:
    raise UsageError(
      '--embed_images: has no effect with --attacks=, which finds nobody: leave one of '
      'them out'
    )
  options = run.from_flags()
  folder = RunFolder(options.run_dir or pathlib.Path('runs') / config.name())
  folder.check(config, overwrite=options.overwrite)
  if folder.finished and not options.overwrite and not options.dry_run:
    _check_images(folder)
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
      embed_images=images.from_flags(),
    )
  _page(folder, max_advantage)
  print(run_summary.summary(folder, data_dir=source.from_flags().data_dir))


def _check_images(folder: RunFolder) -> None:
  """Raises UsageError where images are asked for that a finished run has not kept."""
  from rnn_tf import run_images

  if images.from_flags() and not (folder.path / run_images.FILE).exists():
    raise UsageError(
      f'--embed_images: {folder} is finished and has kept no images: give --overwrite '
      'to train it again, or leave it out'
    )


def _page(folder: RunFolder, max_advantage: float | None) -> None:
  """Writes the page anew where it is not there, or not as it was asked for."""
  from rnn_tf.pages import run_page

  if max_advantage is not None or not (folder.path / run_page.PAGE).exists():
    run_page.write(folder, max_advantage=max_advantage)


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
