"""What a fleet of shadow models would take on a cluster: simulated, and checked.

python -m benchmarks.cluster_estimate --fleet_dir=fleets/NAME   the estimate
python -m benchmarks.cluster_estimate --check                   simulated against real

The estimate draws the seconds of each model from those that a fleet here has taken,
and simulates 16, 64 and 256 of them on 1, 8 and 64 workers, see `cluster_law`. Nothing
of a cluster is started. Bandwidth and price are assumptions: give your own.

--check starts a real Ray of one machine a worker on this machine and trains small
fleets on the embedded digits. Two models a worker count tell the seconds of a model and
of a worker's start; more models are predicted from these and then measured. One round
is one measurement: use it on an idle machine.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import cluster_law
from benchmarks.cluster_law import GIGABIT, Parts

SHADOWS = (16, 64, 256)

WORKERS = (1, 8, 64)


def main() -> None:
  """Prints a table."""
  arguments = _parser().parse_args()
  if arguments.check:
    print(check(_numbers(arguments.check_sizes), epochs=arguments.check_epochs))
    return
  if arguments.fleet_dir is None:
    sys.exit('benchmarks.cluster_estimate: --fleet_dir or --check is needed')
  parts = parts_of(arguments)
  low, high = min(parts.seconds), max(parts.seconds)
  print(
    f'{len(parts.seconds)} models of {arguments.fleet_dir.name} took '
    f'{np.mean(parts.seconds):.0f} s each ({low:.0f} to {high:.0f}), one a core; '
    f'{parts.data_bytes / 1e6:.0f} MB of data a machine, '
    f'{parts.result_bytes / 1e6:.1f} MB of outputs a model; {arguments.gigabits:g} '
    f'Gbit/s, {parts.per_machine} workers a machine, {parts.price:g} an hour for a '
    f'worker, {parts.startup:g} s for a worker to start\n'
  )
  print(
    cluster_law.table(
      [
        cluster_law.estimate(parts, shadows=shadows, workers=workers)
        for shadows in SHADOWS
        for workers in WORKERS
      ]
    )
  )


class _Help(
  argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter
):
  """The description as it is, and every default."""


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.cluster_estimate',
    description=__doc__,
    formatter_class=_Help,
  )
  add = parser.add_argument
  add('--fleet_dir', type=pathlib.Path, help='a trained fleet, whose seconds are used')
  add('--data_mb', type=float, default=0.0, help='data that a machine fetches, in MB')
  add('--startup', type=float, default=15.0, help='seconds for a worker to start')
  add('--gigabits', type=float, default=10.0, help='bandwidth of the head, a second')
  add('--per_machine', type=int, default=8, help='workers of a machine')
  add('--price', type=float, default=0.05, help='of a worker for an hour')
  add('--check', action='store_true', help='measure small sizes instead')
  add(
    '--check_sizes',
    default='4:1,8:1,8:2,12:2',
    help='shadows:workers of --check, with commas between',
  )
  add('--check_epochs', type=int, default=40, help='epochs of a model of --check')
  return parser


def parts_of(arguments: argparse.Namespace) -> Parts:
  """Returns what a fleet is made of, as its folder and the flags say."""
  infos = sorted(arguments.fleet_dir.glob('shadow-*.json'))
  if not infos:
    sys.exit(
      f'benchmarks.cluster_estimate: --fleet_dir={arguments.fleet_dir}: no shadow '
      'models there: name the folder of a trained fleet, such as fleets/NAME'
    )
  seconds = [json.loads(path.read_text())['seconds'] for path in infos]
  sizes = [path.with_suffix('.npz').stat().st_size for path in infos]
  return Parts(
    seconds=tuple(seconds),
    startup=arguments.startup,
    data_bytes=arguments.data_mb * 1e6,
    result_bytes=float(np.mean(sizes)),
    bandwidth=arguments.gigabits * GIGABIT,
    per_machine=arguments.per_machine,
    price=arguments.price,
  )


def _numbers(text: str) -> list[tuple[int, int]]:
  return [tuple(map(int, pair.split(':'))) for pair in text.split(',')]


def check(sizes: Sequence[tuple[int, int]], *, epochs: int) -> str:
  """Measures fleets on a real Ray here, and returns them beside what was predicted.

  Args:
    sizes: (shadows, workers).
    epochs: of a model.
  """
  lines = [
    '| shadow models | workers | predicted s | measured s | measured / predicted |',
    '|---:|---:|---:|---:|---:|',
  ]
  known: dict[int, Parts] = {}
  for shadows, workers in sizes:
    if workers not in known:
      wall, seconds = measure(2 * workers, workers=workers, epochs=epochs)
      # What no model accounts for is the workers' start: they start side by side.
      startup = wall - cluster_law.makespan(
        seconds, Parts(seconds=(1.0,), startup=0.0), workers=workers
      )
      known[workers] = Parts(
        seconds=tuple(seconds), startup=max(0.0, startup), per_machine=1
      )
    parts = known[workers]
    middle, low, high = cluster_law.estimate(
      parts, shadows=shadows, workers=workers
    ).hours
    wall, _ = measure(shadows, workers=workers, epochs=epochs)
    lines.append(
      f'| {shadows} | {workers} | {3600 * middle:.1f} [{3600 * low:.1f}, '
      f'{3600 * high:.1f}] | {wall:.1f} | {wall / 3600 / middle:.2f} |'
    )
    print(lines[-1], file=sys.stderr)
  return '\n'.join(lines)


def measure(shadows: int, *, workers: int, epochs: int) -> tuple[float, list[float]]:
  """Trains a fleet on a fresh cluster of machines of one CPU, all on this machine.

  Returns:
    Seconds from connecting to the last file written, and those of each model.
  """
  os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
  from ray import cluster_utils

  from rnn_tf.fleets import training
  from rnn_tf.fleets.folder import FleetFolder
  from rnn_tf.options.cluster import ClusterOptions

  plan = _plan(shadows, epochs)
  node = {'num_cpus': 1, 'object_store_memory': 200 * 1024**2}
  cluster = cluster_utils.Cluster(
    initialize_head=True, head_node_args={**node, 'include_dashboard': False}
  )
  for _ in range(workers - 1):
    cluster.add_node(**node)
  try:
    with tempfile.TemporaryDirectory() as temporary:
      folder = FleetFolder(pathlib.Path(temporary) / 'fleet')
      where = ClusterOptions(strategy='ray', address=cluster.address)
      with folder.open(plan) as full:
        start = time.perf_counter()
        infos = training.train(folder, full, where=where, seconds_per_epoch=None)
        return time.perf_counter() - start, [info.seconds for info in infos]
  finally:
    cluster.shutdown()


def _plan(shadows: int, epochs: int):
  from rnn_tf import datasets
  from rnn_tf.attack_config import FleetConfig
  from rnn_tf.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
  from rnn_tf.fleets import plan as plans

  config = RunConfig(
    data=DataConfig(train_fraction=0.5, nonmembers='holdout'),
    model=ModelConfig(hidden_size=64),
    training=TrainingConfig(epochs=epochs),
  )
  return plans.plan(
    config,
    FleetConfig(num_shadows=shadows, shadow_split='half'),
    data=datasets.load(config.data),
    epochs=(epochs,),
    hidden=False,
    engine='split',
  )


if __name__ == '__main__':
  main()
