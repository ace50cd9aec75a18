"""One measurement of `benchmarks.scaling`, in a process of its own.

python -m benchmarks.scaling_child POINT

POINT is a `Point` as JSON. Prints, as JSON, what `measure` returns.
"""

import dataclasses
import gc
import json
import os
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

# Nothing that counts threads up here: they are limited before it is loaded.

UNITS, SIDE, BATCH = 32, 28, 64
"""Of the LSTM that is trained: units, rows and columns of an image, examples a step."""

AUDIT_SHADOWS = 16
"""Shadow models of the audit of a deletion."""

AUDIT_VERSIONS = 5
"""Versions of a model at one seed."""

WARM_UP = 400
"""Examples of what is done once before: imports and first calls are not measured."""

DISTINCT = 8
"""Shadows whose outputs differ; all others' files are links to theirs."""

_THREADS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
  """What is measured, and how large it is.

  Attributes:
    what: a key of `WORKS`.
    examples: to train on; members, and as many non-members, of a report; in a pool of
      which half are members, of an attack with shadow models or an audit.
    classes: of the data.
    models: shadow models of an attack, versions of an audit, else 1.
    cores: processors that the process is pinned to.
  """

  what: str
  examples: int
  classes: int
  models: int = 1
  cores: int = 1


class Meter:
  """Measures what is done in `with meter:`, whose inputs are there already.

  Attributes:
    wall: seconds by the clock.
    cpu: processor seconds, of this process and those that it started and waited for.
    inputs: bytes that the process had in memory before.
    peak: bytes that it had at most meanwhile.
    exact: whether what was needed before, to make the inputs, is not in the peak.
  """

  def __enter__(self) -> 'Meter':
    gc.collect()
    self.exact = _forget_peak()
    self.inputs = resident()
    self._start = time.perf_counter(), _cpu()
    return self

  def __exit__(self, *_: Any) -> None:
    self.wall = time.perf_counter() - self._start[0]
    self.cpu = _cpu() - self._start[1]
    self.peak = _peak()


def _cpu() -> float:
  used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
  return sum(each.ru_utime + each.ru_stime for each in used)


def _peak() -> int:
  unit = 1 if sys.platform == 'darwin' else 1024
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident() -> int:
  """Returns the bytes that this process has in memory; the peak, if not on Linux."""
  statm = pathlib.Path('/proc/self/statm')
  if not statm.exists():
    return _peak()
  return int(statm.read_text().split()[1]) * resource.getpagesize()


def _forget_peak() -> bool:
  """Lets the peak begin anew, which only Linux can; returns whether it did."""
  try:
    # See proc(5): 5 resets the peak, which getrusage reports as well.
    pathlib.Path('/proc/self/clear_refs').write_text('5')
  except OSError:
    return False
  return True


def measure(point: Point) -> dict[str, Any]:
  """Does the work, after a small one of its kind.

  Returns:
    `wall` and `cpu`, seconds of the work; in bytes `baseline` (in memory after imports
    and the small work), `inputs` and `peak`, see `Meter`; `exact`; `start`, seconds
    before the baseline was taken, and `rest`, all that followed.
  """
  begin = time.perf_counter()
  work = WORKS[point.what]
  # Not below four shadows, which LiRA needs.
  small = dataclasses.replace(
    point, examples=min(WARM_UP, point.examples), models=min(4, point.models)
  )
  with tempfile.TemporaryDirectory() as folder:
    work(small, pathlib.Path(folder) / 'small', Meter())
    gc.collect()
    start, baseline = time.perf_counter() - begin, resident()
    meter = Meter()
    work(point, pathlib.Path(folder) / 'measured', meter)
  return {
    **{name: getattr(meter, name) for name in ('wall', 'cpu', 'inputs', 'peak')},
    'exact': meter.exact,
    'baseline': baseline,
    'start': start,
    'rest': time.perf_counter() - begin - start,
  }


def _train(point: Point, folder: pathlib.Path, meter: Meter) -> None:
  """The second epoch of an LSTM; in the first one TensorFlow traces."""
  del folder
  import numpy as np

  from rnn_tf import engines, launch, models, training
  from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
  from rnn_tf.stack import keras

  config = RunConfig(
    model=ModelConfig(model='lstm', hidden_size=UNITS),
    training=TrainingConfig(epochs=2, batch_size=BATCH),
  )
  engine = engines.choose(config)
  launch.set_up_tensorflow(config.training, side_by_side=engines.side_by_side(engine))
  random = np.random.default_rng([0, point.examples])
  images = random.random((point.examples, SIDE, SIDE, 1), dtype=np.float32)
  labels = random.integers(point.classes, size=point.examples)
  model = engines.build(
    config,
    engine=engine,
    guarantee=None,
    image_shape=images.shape[1:],
    num_classes=point.classes,
    examples=point.examples,
  )
  engines.install(model, config, engine=engine, guarantee=None, keys=None)
  watch = keras.callbacks.LambdaCallback(
    on_epoch_begin=lambda epoch, logs: meter.__enter__() if epoch else None,
    on_epoch_end=lambda epoch, logs: meter.__exit__() if epoch else None,
  )
  training.fit(
    model,
    models.inputs(config.model, images),
    labels,
    batches=engines.batches(config, engine=engine, keys=None, first_epoch=0),
    callbacks=[watch],
  )


def _report(point: Point, folder: pathlib.Path, meter: Meter) -> None:
  """The attacks at the end of an epoch, on the whole and on each class; kept."""
  config, data, signals = _trained(point)
  with meter:
    _keep_report(folder, config, data=data, signals=signals)


def _page(point: Point, folder: pathlib.Path, meter: Meter) -> None:
  """The end of a run: its pictures, its result and its page, read from its folder."""
  from rnn_tf import run_end, run_start
  from rnn_tf.runs import RunFolder

  class NoModel:
    """Keeps no weights."""

    def finish(self, *, best_epoch: int) -> None:
      del best_epoch

    def discard(self) -> None:
      pass

  config, data, signals = _trained(point)
  run = RunFolder(folder)
  run.open(config, overwrite=False)
  run_start.record(config, run, data=data, parameters=1, engine='split', promise=None)
  _keep_report(folder, config, data=data, signals=signals)
  names = ('loss', 'accuracy', 'val_loss', 'val_accuracy', 'seconds', 'report_seconds')
  run.write_rows([{'epoch': 1, **dict.fromkeys(names, 0.5)}])
  del signals, data
  with meter:
    run_end.finish(run, NoModel(), promise=None, images=None)


def _trained(point: Point) -> tuple[Any, Any, Any]:
  """Returns the config, the data and the outputs of a run of one epoch, made up."""
  from benchmarks import scaling_inputs
  from rnn_tf.attacks.signals import Signals
  from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig

  config = RunConfig(
    model=ModelConfig(model='lstm', hidden_size=UNITS),
    training=TrainingConfig(epochs=1, batch_size=BATCH),
  )
  data = scaling_inputs.data(
    train=point.examples, test=point.examples, classes=point.classes
  )
  members = scaling_inputs.side(data.train, point.classes, leak=1.0)
  others = scaling_inputs.side(data.test, point.classes)
  return config, data, Signals(members, others, population=others)


def _keep_report(folder: pathlib.Path, config: Any, *, data: Any, signals: Any) -> None:
  """Makes an epoch's report and writes it down, as `run_audit.observers` does."""
  from rnn_tf import run_audit
  from rnn_tf.attacks.results import to_arrays
  from rnn_tf.runs import RunFolder

  report = run_audit.report(
    config,
    signals,
    epoch=1,
    data=data,
    accuracies=(0.5, 0.5),
    promise=None,
    fleet=None,
  )
  run = RunFolder(folder)
  run.write_npz('scores/epoch-0001.npz', to_arrays(report, signals))
  run.write_lines([result.to_json() for result in report.results])


def _fleet_attack(point: Point, folder: pathlib.Path, meter: Meter) -> None:
  """Reading a fleet, scoring the target and choosing thresholds, as a command does."""
  from benchmarks import scaling_inputs
  from rnn_tf.attack_config import AttackConfig
  from rnn_tf.attacks import audit
  from rnn_tf.attacks.signals import Signals
  from rnn_tf.fleets.folder import FleetFolder

  count, classes = point.examples, point.classes
  data = scaling_inputs.data(
    train=count // 2, holdout=count - count // 2, test=count // 5, classes=classes
  )
  plan = scaling_inputs.plan(data, num_shadows=point.models)
  scaling_inputs.write_fleet(plan, folder, distinct=DISTINCT)
  signals = Signals(
    scaling_inputs.side(data.train, classes, leak=1.0),
    scaling_inputs.side(data.holdout, classes),
    population=scaling_inputs.side(data.test, classes),
  )
  # A folder that has not seen its shadows: a command checks what it did not train.
  place = FleetFolder(folder)
  with meter:
    audit.ask_fleet(
      signals,
      (point.what,),
      place.load(plan, epoch=1),
      config=AttackConfig(),
      class_count=classes,
      seed=0,
    )


def _unlearn_audit(point: Point, folder: pathlib.Path, meter: Meter) -> None:
  """All attacks of the audit of a deletion, on the versions of several seeds."""
  from benchmarks import deletion_table, scaling_inputs
  from rnn_tf.deletion import audit

  made, shadows = deletion_table.audit_inputs(
    point.examples, num_shadows=AUDIT_SHADOWS, seed=0
  )
  versions = [
    dataclasses.replace(version, seed=seed)
    for seed in range(-(-point.models // AUDIT_VERSIONS))
    for version in made
  ]
  shadows = scaling_inputs.stored(shadows, folder)
  with meter:
    audit.run(versions, attacks=audit.ATTACKS, shadows=shadows, seed=0)


WORKS: dict[str, Callable[[Point, pathlib.Path, Meter], None]] = {
  'train': _train,
  'report': _report,
  'page': _page,
  'lira': _fleet_attack,
  'rmia': _fleet_attack,
  'unlearn audit': _unlearn_audit,
}
"""What is measured -> makes its inputs, in an own folder, and does it."""


def pin(cores: int) -> None:
  """Limits this process to so many processors, and libraries to as many threads."""
  os.environ.update(dict.fromkeys(_THREADS, str(cores)))
  if hasattr(os, 'sched_setaffinity'):
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[-cores:])


def main() -> None:
  """Reads the arguments, measures, and prints."""
  point = Point(**json.loads(sys.argv[1]))
  pin(point.cores)
  print(json.dumps(measure(point)))


if __name__ == '__main__':
  main()
