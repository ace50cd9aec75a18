"""Deleting from a model: retraining shards against retraining in full; the audit.

python -m benchmarks.deletion --json=FILE

Retrains an LSTM without 5% of its training examples in each of these ways, in turn,
several times over:
* full: one model, on all that remain. The others are divided by it;
* grouped: sharded, the deleted drawn from one shard, which alone is trained anew;
  without slices, and with 2 and 4 of them, from the first one on that is touched;
* one_slice: the deleted drawn from one slice of one shard. The measured one is in the
  middle (of two, the later one). Of slices that hold fewer than 5%, only as many are
  deleted as the smallest one holds;
* uniform: sharded, the deleted drawn from all: every shard is trained anew;
* uniform_processes: the same with a process a core, each with one thread. All others
  train one model after the other in this process, each on all cores; full retraining
  does so through the same code and with the same engine.

Prints examples x epochs processed and, beside what was drawn, the mean over all that
might have been, which is computed: with slices it depends on the first one touched.
Then wall and processor seconds, medians over rounds with the least and the most, and
ratios of medians. Each model is built and traced anew, as for a user, and that time is
in; what happens once in a process is not: the sharded originals are trained before.
`Training` leaves out predictions; of processes it is the time during which a model was
trained, and `All in all` has their start and imports as well.

audit: `rnn_tf.deletion.audit` on made-up logits in the size of CIFAR-10 (22,500
examples retained, 2,500 deleted, 25,000 unseen, 10,000 to test on), five versions, all
attacks, LiRA with 16 shadow models. A small one, not timed, comes before.
"""

import argparse
import contextlib
import dataclasses
import gc
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import deletion_table
from benchmarks.deletion_table import RETRAINING, Way
from benchmarks.dp_training import write_json
from benchmarks.shadow_fleet import machine
from rnn_tf import dataset_files, datasets, engines, launch, models
from rnn_tf.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from rnn_tf.deletion import audit
from rnn_tf.errors import UsageError
from rnn_tf.prediction import Predictor
from rnn_tf.sharding import constituent, sharded
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.stack import keras

WAYS = (*RETRAINING, 'audit')

TRAIN_SIZE = 10_000
"""Training examples by default, where the data set has as many."""

WARM_UP = 1000
"""Examples of the audit that is not timed."""


@dataclasses.dataclass
class Clock:
  """Adds up seconds of the blocks under `with clock:`.

  Attributes:
    wall: by the clock.
    cpu: of processors, in this process and in those that it started and that ended.
  """

  wall: float = 0.0
  cpu: float = 0.0

  def __enter__(self):
    self._start = time.perf_counter(), _cpu()
    return self

  def __exit__(self, *_):
    self.wall += time.perf_counter() - self._start[0]
    self.cpu += _cpu() - self._start[1]


def _cpu() -> float:
  return sum(os.times()[:4])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
  """What all ways share.

  Attributes:
    config: of the run that is deleted from.
    engine: who computes the gradients.
    examples: its training and test set.
    folder: for models, while they are needed.
  """

  config: RunConfig
  engine: str
  examples: constituent.Examples
  folder: pathlib.Path

  def plan(self, way: Way, *, original: bool) -> ShardedPlan:
    """Returns what a way trains, or the original that it deletes from."""
    before = ShardedFolder(self.folder / f'original-{way.assignment.num_slices}')
    deleted = way.deleted & (not original)
    return ShardedPlan(
      folder=before if original else ShardedFolder(self.folder / 'measured'),
      config=self.config,
      assignment=way.assignment,
      rows=np.arange(len(deleted)),
      deleted=deleted,
      original=None if original or way.kind == 'full' else before,
      engine=self.engine,
      manifest={'key': {'way': way.label}},
      ids={'deleted': np.flatnonzero(deleted)},
    )

  def train_originals(self, found: Sequence[Way]) -> None:
    """Trains the sharded models that are deleted from."""
    # One for each number of slices.
    needed = {way.assignment.num_slices: way for way in found if way.kind != 'full'}
    for way in needed.values():
      plan = self.plan(way, original=True)
      sharded.train(plan, self.examples, strategy='sequential')
      keras.backend.clear_session()

  def run(self, way: Way) -> dict[str, Any]:
    """Trains what a deletion asks for; returns a `deletion_table.Run`."""
    plan = self.plan(way, original=False)
    gc.collect()
    with _predictions_timed() as predicting, Clock() as whole:
      sharded.train(plan, self.examples, strategy=way.strategy)
    result = plan.folder.result()
    shutil.rmtree(plan.folder.path)
    # What Keras keeps of models that nobody needs any more.
    keras.backend.clear_session()
    training = {
      'wall': whole.wall - predicting.wall,
      'cpu': whole.cpu - predicting.cpu,
    }
    if way.strategy == 'processes':
      # Other processes' predictions are timed by nobody.
      training = {'wall': result['wall_seconds'], 'cpu': None}
    trained = [one for one in result['shards'] if one['first_stage'] is not None]
    return {
      'models': len(trained),
      'examples': sum(one['examples'] for one in trained),
      'training': training,
      'whole': dataclasses.asdict(whole),
    }


@contextlib.contextmanager
def _predictions_timed() -> Iterator[Clock]:
  """Yields a clock of the predictions that follow a training in this process."""
  # The package has no place for a clock, so one of its classes is replaced.
  clock = Clock()

  class Timed(Predictor):
    """A predictor whose tracing and calls are timed."""

    def __init__(self, *args, **kwargs):
      with clock:
        super().__init__(*args, **kwargs)

    def __call__(self, inputs):
      with clock:
        return super().__call__(inputs)

  with mock.patch.object(constituent, 'Predictor', Timed):
    yield clock


def bench(args: argparse.Namespace, folder: pathlib.Path) -> Bench:
  """Loads the data, and sets TensorFlow up as for a run."""
  data_config = DataConfig(dataset=args.dataset, train_size=args.train_size)
  config = RunConfig(
    data=data_config,
    model=ModelConfig(model='lstm', hidden_size=args.hidden_size),
    training=TrainingConfig(
      epochs=args.epochs, batch_size=args.batch_size, seed=args.seed
    ),
  )
  engine = engines.choose(config)
  # Threads cannot be set any more once data are loaded.
  launch.set_up_tensorflow(config.training, side_by_side=engines.side_by_side(engine))
  data = datasets.load(data_config, data_dir=args.data_dir)
  examples = constituent.Examples(
    inputs=models.inputs(config.model, data.train.images),
    labels=data.train.labels,
    test_inputs=models.inputs(config.model, data.test.images),
    image_shape=data.train.images.shape[1:],
    class_count=len(data.class_names),
  )
  return Bench(config=config, engine=engine, examples=examples, folder=folder)


def measure_retraining(
  args: argparse.Namespace, folder: pathlib.Path
) -> Iterator[dict[str, Any]]:
  """Times each way in turn, and prints figures and ratios.

  Args:
    args: the flags.
    folder: for models, while they are needed.

  Yields:
    Each measurement when it is made.
  """
  shared = bench(args, folder)
  count = len(shared.examples.labels)
  found = {way: [] for way in deletion_table.ways(count, args)}
  print(
    f'{args.dataset}: {count:,} training examples, {args.epochs} epochs, batch size '
    f'{args.batch_size}; LSTM of {args.hidden_size} units, engine {shared.engine}; '
    f'{args.num_shards} shards',
    flush=True,
  )
  with Clock() as before:
    shared.train_originals([*found])
  print(f'sharded originals: trained in {before.wall:.0f} s', flush=True)
  for number in range(1, args.repeats + 1):
    for way, runs in found.items():
      load = os.getloadavg()[0]
      runs.append(shared.run(way))
      print(f'round {number}: {way.label}: {runs[-1]["whole"]["wall"]:.1f} s')
      yield {'way': way.label, 'round': number, 'load': load, **runs[-1]}
  print()
  deletion_table.print_retraining(found, num_shards=args.num_shards)


def measure_audit(args: argparse.Namespace) -> list[dict[str, float]]:
  """Times the audit, prints the seconds, and returns those of each round."""
  runs = []
  for size in (WARM_UP, *[args.audit_examples] * args.repeats):
    versions, shadows = deletion_table.audit_inputs(
      size, num_shadows=args.num_shadows, seed=args.seed
    )
    with Clock() as clock:
      audit.run(versions, attacks=audit.ATTACKS, shadows=shadows, seed=args.seed)
    runs.append(dataclasses.asdict(clock))
  deletion_table.print_audit(runs[1:], versions=versions, num_shadows=len(shadows))
  return runs[1:]


FLAGS = (
  ('epochs', 15, 1, 'epochs of full retraining'),
  ('hidden_size', 128, 1, 'units of the LSTM'),
  ('batch_size', 64, 1, 'examples a step'),
  ('num_shards', 5, 2, 'shards'),
  ('repeats', 3, 1, 'rounds, each of which measures everything once'),
  ('seed', 0, 0, 'of all that is drawn and trained'),
  ('audit_examples', 50_000, 1000, "the audit's; half of them were trained on"),
  ('num_shadows', 16, 4, 'shadow models of the audit'),
)
"""Flags that take a number: name, default, least, help."""


def flags() -> argparse.ArgumentParser:
  """Returns the parser of the flags."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for flag, default, least, text in FLAGS:
    text += f' (default: %(default)s; at least {least})'
    parser.add_argument(f'--{flag}', default=default, type=int, help=text)
  for flag, kind, default, text in (
    ('dataset', str, None, 'default: mnist where it is prepared, else digits'),
    ('data_dir', str, None, 'TFDS folder'),
    ('train_size', int, None, f'training examples (default: up to {TRAIN_SIZE:,})'),
    ('fraction', float, 0.05, 'share of them to delete (default: %(default)s)'),
    ('num_slices', str, '1,2,4', 'of each shard, in turn (default: %(default)s)'),
    ('ways', str, ','.join(WAYS), 'what is measured (default: %(default)s)'),
    ('json', str, None, 'file for the raw numbers'),
  ):
    parser.add_argument(f'--{flag}', default=default, type=kind, help=text)
  return parser


def check(args: argparse.Namespace) -> argparse.Namespace:
  """Returns the flags with lists split and the data set's defaults filled in.

  Raises:
    UsageError: a flag is wrong.
  """
  for flag, _, least, _ in FLAGS:
    if getattr(args, flag) < least:
      raise UsageError(f'--{flag}={getattr(args, flag)}: must be at least {least}')
  # What is deleted must fit into one shard, and leave some of it.
  if not 0 < args.fraction < 1 / args.num_shards:
    raise UsageError(
      f'--fraction={args.fraction:g}: must be above 0 and, to fit into one of '
      f'--num_shards={args.num_shards}, below {1 / args.num_shards:.3g}'
    )
  ways, slices = args.ways.split(','), args.num_slices.split(',')
  if not set(ways) <= set(WAYS):
    raise UsageError(f'--ways={args.ways}: must be out of {",".join(WAYS)}')
  if not all(each.isdecimal() and int(each) for each in slices):
    raise UsageError(f'--num_slices={args.num_slices}: must be such as 1,2,4')
  args.ways = [*dict.fromkeys(ways)]
  args.num_slices = [*dict.fromkeys(map(int, slices))]
  if args.dataset is None:
    args.dataset = 'digits'
    with contextlib.suppress(UsageError):
      dataset_files.open_dataset('mnist', data_dir=args.data_dir, download=False)
      args.dataset = 'mnist'
  if args.train_size is None:
    pool, _ = datasets.sizes(DataConfig(dataset=args.dataset), data_dir=args.data_dir)
    args.train_size = min(TRAIN_SIZE, pool)
  return args


def measure(args: argparse.Namespace) -> None:
  """Makes all measurements, and prints them."""
  facts = machine(args)
  print(', '.join(f'{name} {value}' for name, value in facts.items()))
  if facts['load'] > 0.5:
    print('The machine is not idle, or was not just now: these are no figures to quote')
  raw = {**vars(args), 'machine': facts, 'retraining': [], 'audit': []}
  if set(args.ways) & set(RETRAINING):
    with tempfile.TemporaryDirectory() as folder:
      for run in measure_retraining(args, pathlib.Path(folder)):
        raw['retraining'].append(run)
        if args.json:
          write_json(pathlib.Path(args.json), raw)
  if 'audit' in args.ways:
    raw['audit'] = measure_audit(args)
  if args.json:
    write_json(pathlib.Path(args.json), raw)


def main(argv: Sequence[str] | None = None) -> None:
  """Reads the flags, and measures."""
  parser = flags()
  try:
    measure(check(parser.parse_args(argv)))
  except UsageError as error:
    parser.error(str(error))


if __name__ == '__main__':
  main()
