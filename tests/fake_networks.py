"""Networks with made-up courses, as `matched.find` reads them from runs."""

import dataclasses

import numpy as np

from rnn_tf import config
from rnn_tf.matching.matched import Course, Network


def course(run='gru-s0', *, member=(0.4, 0.6, 0.8), seed=0, leak=1.0, **changes):
  """Returns a run whose AUC is 0.5 + leak * gap / 2, the gap half its excess of 0.4.

  Args:
    run: its name.
    member: accuracy on members at each report; three epochs from one to the next.
    seed: of the run; the data seed is 0.
    leak: of the threshold attack; the lr attack finds twice as much.
    **changes: criteria that are not what follows from `member`.
  """
  member = np.array(member, np.float64)
  gap = (member - 0.4) / 2
  criteria = {'member_accuracy': member, 'val_accuracy': member - gap, 'gap': gap}
  criteria |= {name: np.array(value, np.float64) for name, value in changes.items()}
  return Course(
    run=run,
    seed=(seed, 0),
    epochs=3 * np.arange(1, len(member) + 1),
    criteria=criteria,
    auc={'threshold': 0.5 + leak * gap / 2, 'lr': 0.5 + leak * gap},
  )


def network(
  name='gru', *, recurrent=True, leaks=(1.0, 1.02, 0.99), seeds=None, **options
):
  """Returns a network with a run for each of `leaks`, by default of seeds 0, 1, ...

  Args:
    name: its name.
    recurrent: whether it is.
    leaks: of its runs, see `course`.
    seeds: of its runs.
    **options: of all runs, see `course`.
  """
  seeds = range(len(leaks)) if seeds is None else seeds
  return Network(
    name=name,
    recurrent=recurrent,
    parameters=1000,
    flags='',
    courses=tuple(
      course(f'{name}-s{seed}', seed=seed, leak=leak, **options)
      for seed, leak in zip(seeds, leaks, strict=True)
    ),
  )


def classical(record):
  """Returns a run's record as if a random forest had been fitted in it."""
  forest = config.RunConfig(
    data=record.config.data,
    model=config.ModelConfig(model='random_forest'),
    training=config.TrainingConfig(epochs=1, seed=record.config.training.seed),
    report=record.config.report,
  )
  return dataclasses.replace(record, config=forest)
