"""One small genuine folder of each kind, made once by the commands themselves."""

import contextlib
import pathlib
from unittest import mock

from rnn_tf import attack, infer, report, run_end, train, training, unlearn
from tests import fake_attacks, fake_deletions, verifiable_runs
from tests.commands import call
from tests.hostile.kinds import BEGUN, FLEET, PRIVATE, RUN, TREE

TRAINING = (
  '--model=mlp',
  '--hidden_size=4',
  '--epochs=2',
  '--batch_size=64',
  '--train_size=200',
  '--test_size=100',
  '--nonmembers=holdout',
  '--attacks=threshold,lr',
  '--embed_images',
)
ATTACK = (
  '--attack=threshold,shadow,lira',
  '--num_shadows=4',
  '--shadow_test_size=100',
  '--fleet=sequential',
  '--num_exposed=3',
  '--null_check',
  '--label=mine',
)
DELETION = (
  '--fractions=0.1',
  '--method=retrain,sharded',
  '--num_shards=2',
  '--num_slices=2',
  '--seeds=0',
  '--shard_training=sequential',
  '--label=mine',
)
_FITTED = ('--model=decision_tree', '--train_fraction=0.1', '--attacks=threshold')


def make_light(root: pathlib.Path) -> None:
  """Writes made-up folders of the kinds that need no training: in a second."""
  run = root / RUN
  verifiable_runs.write(run, nonmembers='holdout')
  fake_attacks.write(run, label='mine')
  fake_deletions.write(run, label='mine')
  verifiable_runs.write(root / PRIVATE, privacy=verifiable_runs.PRIVATE)
  code, _, err = call(report, f'--run={run}')
  if code:
    raise AssertionError(err)


def make(root: pathlib.Path) -> None:
  """Trains, attacks, deletes, predicts and reports, all of it small, below a folder."""
  run, fleet = f'--run={root / RUN}', root / FLEET
  with contextlib.ExitStack() as stack:
    # They take most of the time of a small run, and nothing reads them.
    stack.enter_context(mock.patch.object(run_end.reporting, 'write_run_pictures'))
    for command, *flags in (
      (train, *TRAINING, f'--run_dir={root / RUN}'),
      (attack, run, *ATTACK, f'--fleet_dir={fleet}'),
      (unlearn, run, *DELETION, f'--shadow_fleet={fleet}'),
      (infer, run),
      (train, *_FITTED, f'--run_dir={root / TREE}'),
      (report, run),
    ):
      code, _, err = call(command, *flags)
      if code:
        raise AssertionError(f'{command.__name__}: {err}')
    stack.enter_context(mock.patch.object(training.Checkpoints, 'save', _once))
    code, _, err = call(train, *TRAINING, f'--run_dir={root / BEGUN}')
    if code != 130:
      raise AssertionError(f'not interrupted: {err}')
  verifiable_runs.write(root / PRIVATE, privacy=verifiable_runs.PRIVATE)


_save = training.Checkpoints.save


def _once(checkpoints, epoch, **options):
  """Saves the first checkpoint and is interrupted at the second."""
  if epoch > 1:
    raise KeyboardInterrupt
  _save(checkpoints, epoch, **options)
