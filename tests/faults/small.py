"""The small runs on which the faults are tried, and the commands that take them."""

import functools
import pathlib

from tests.faults import children, sabotage

DATA = '--data_dir=data'

COMMON = (
  DATA,
  '--train_fraction=0.2',
  '--nonmembers=holdout',
  '--test_size=60',
  '--attacks=threshold',
  '--deterministic',
)

EPOCHS = ('--epochs=3', '--epochs_per_report=1', '--batch_size=32', '--hidden_size=4')

MLP = (*COMMON, *EPOCHS, '--model=mlp', '--run_dir=runs/mlp-s0')

LSTM = (*COMMON, *EPOCHS, '--model=lstm', '--run_dir=runs/lstm-s0')

DP = (
  *COMMON,
  *EPOCHS,
  '--model=gru',
  '--dp',
  '--dp_noise_multiplier=1',
  '--run_dir=runs/gru-s0',
)

FOREST = (*COMMON, '--model=random_forest', '--num_trees=5', '--run_dir=runs/forest-s0')

FLEET = ('--attack=lira', '--num_shadows=4', '--fleet_dir=fleets/four')

ATTACK = ('--run=runs/mlp-s0', *FLEET, '--fleet=sequential', DATA)

SHARDED = (
  '--run=runs/mlp-s0',
  '--fractions=0.1',
  '--method=sharded',
  '--num_shards=3',
  '--num_slices=2',
  DATA,
)

UNLEARN = (*SHARDED, '--shard_training=sequential')

COMPARE = ('--runs=runs/*-s0', '--report_dir=comparison')


def run(command, *arguments, folder: pathlib.Path, acts=()) -> children.Outcome:
  """Runs a command with clocks that stand still, so that files tell no time."""
  acts = [sabotage.freeze_clocks, *acts]
  return children.run(command, *arguments, folder=folder, acts=acts)


def must(command, *arguments, folder: pathlib.Path, acts=()) -> children.Outcome:
  """Runs a command that must succeed; see `run`."""
  outcome = run(command, *arguments, folder=folder, acts=acts)
  assert outcome.code == 0, f'{command} {arguments}: {outcome}'
  return outcome


def changes(command, *arguments, folder: pathlib.Path, below: str = '.') -> int:
  """Runs a command that must succeed; returns how often it changed a file below."""
  count = folder.parent / 'changes'
  counting = functools.partial(sabotage.count_changes, below, str(count))
  must(command, *arguments, folder=folder, acts=[counting])
  return count.stat().st_size


def prepare(folder: pathlib.Path, *runs) -> pathlib.Path:
  """Returns a folder with the data set and these runs, finished."""
  (folder / 'data').mkdir(parents=True)
  for flags in runs:
    must('train', *flags, folder=folder)
  return folder
