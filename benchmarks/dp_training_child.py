"""One measurement of `benchmarks.dp_training`, in a process of its own.

python -m benchmarks.dp_training_child TASK PEERS_DIR
ENV/bin/python benchmarks/dp_training_child.py TASK PEERS_DIR

TASK is a `Task` as JSON; the second form is for peers. Prints, as JSON, what `measure`
returns.
"""

import contextlib
import dataclasses
import importlib
import io
import json
import os
import re
import resource
import runpy
import sys
import time
from typing import Any

# Nothing of TensorFlow up here: a process' peak memory begins with that of the one
# that started it, and the peers' Python, which runs this file too, has none.

TIMED_EPOCHS = 3

PEERS = {
  'torch': ('torch_lstm.py',),
  'torch_one_thread': ('torch_lstm.py', '--threads=1'),
  'opacus_hooks': ('opacus_lstm.py', '--mode=hooks'),
  'opacus_ghost': ('opacus_lstm.py', '--mode=ghost'),
}
"""Way -> the script that trains so, with its flags."""


@dataclasses.dataclass(frozen=True)
class Task:
  """One measurement: a way, a shape (steps, features), a batch size, examples."""

  way: str
  shape: tuple[int, int]
  batch: int
  examples: int

  @property
  def cell(self) -> str:
    """What it may be compared with."""
    return f'{self.shape[0]}x{self.shape[1]}, batch {self.batch}'


def measure(task: Task, peers_dir: str) -> dict[str, Any]:
  """Measures in this process.

  Returns:
    `rates`, examples/s of each timed epoch; `cpu`, processor seconds for 1,000
    examples; `base` and `peak`, MB after imports and data, and at the end;
    `first_step`, seconds, None where it is not known.
  """
  measured = _train_peer(task, peers_dir) if task.way in PEERS else _train(task)
  return {**measured, 'peak': _peak_memory()}


def _peak_memory() -> float:
  """Returns the most MB that this process has had resident so far."""
  units = 2**20 if sys.platform == 'darwin' else 2**10
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def _config(task: Task) -> Any:
  """Returns the RunConfig of a way that is no peer."""
  from rnn_tf.config import RunConfig, TrainingConfig
  from rnn_tf.privacy_config import PrivacyConfig

  plain = task.way in ('keras', 'split')
  privacy = PrivacyConfig()
  if not plain:
    privacy = PrivacyConfig(
      dp=True,
      dp_noise_multiplier=1.0,
      dp_engine=task.way.removesuffix('_shuffle').removesuffix('_xla'),
      dp_sampling=None if task.way == 'exact' else 'shuffle',
    )
  return RunConfig(
    training=TrainingConfig(
      epochs=1 + TIMED_EPOCHS,
      batch_size=task.batch,
      recurrent_kernel=task.way if plain else 'auto',
    ),
    privacy=privacy,
  )


def _train(task: Task) -> dict[str, Any]:
  """Trains as `rnn_tf.train` does, without its reports."""
  import numpy as np

  from rnn_tf import engines, launch, models, training
  from rnn_tf.dp import guarantee, randomness
  from rnn_tf.stack import keras

  config = _config(task)
  engine = engines.choose(config)
  launch.set_up_tensorflow(
    config.training,
    side_by_side=engines.side_by_side(engine),
    exact=config.privacy.dp,
  )
  random = np.random.default_rng(0)
  images = random.standard_normal((task.examples, *task.shape, 1), dtype=np.float32)
  inputs = models.inputs(config.model, images)
  labels = random.integers(10, size=task.examples)
  promise = guarantee.plan(config, examples=task.examples, engine=engine)
  base = _peak_memory()
  model = _model(task, config, promise)
  keys = randomness.secret_keys() if config.privacy.dp else None
  engines.install(model, config, engine=engine, guarantee=promise, keys=keys)

  def fit(*, epochs: int, examples: int) -> np.ndarray:
    """Returns the clocks, wall and processor, after each epoch."""
    clocks = []
    cut = dataclasses.replace(config.training, epochs=epochs)
    batches = engines.batches(
      dataclasses.replace(config, training=cut), engine=engine, keys=keys, first_epoch=0
    )
    watch = keras.callbacks.LambdaCallback(
      on_epoch_end=lambda *_: clocks.append((time.perf_counter(), time.process_time()))
    )
    data = inputs[:examples], labels[:examples]
    training.fit(model, *data, batches=batches, callbacks=[watch])
    return np.array(clocks)

  start = time.perf_counter()
  first_step = fit(epochs=1, examples=task.batch)[0, 0] - start
  # The first of these epochs is not timed: it ends where the clock starts.
  clocks = fit(epochs=1 + TIMED_EPOCHS, examples=task.examples)
  wall, cpu = np.diff(clocks, axis=0).T
  # Of Poisson sampling this is the expected number.
  trained = -(-task.examples // task.batch) * task.batch
  rates, cpu = list(trained / wall), list(1000 * cpu / trained)
  return {'rates': rates, 'cpu': cpu, 'base': base, 'first_step': first_step}


def _model(task: Task, config: Any, promise: Any) -> Any:
  """Returns a compiled model.

  Args:
    task: what is measured.
    config: its RunConfig.
    promise: its Guarantee, None where it is not private.
  """
  from rnn_tf import engines, models, training
  from rnn_tf.dp import tf_privacy

  sizes = {'image_shape': (*task.shape, 1), 'num_classes': 10}
  if task.way != 'tf_privacy_model_xla':
    return engines.build(
      config, engine=engines.choose(config), guarantee=promise, **sizes
    )
  # As engines.build does, but with XLA, which no flag of the project asks for.
  sequential = tf_privacy.sequential(
    l2_norm_clip=promise.l2_norm_clip,
    noise_multiplier=promise.noise_multiplier,
    use_xla=True,
  )
  model = models.build(config.model, sequential=sequential, unroll=True, **sizes)
  training.compile_model(model, config.training)
  return model


def _train_peer(task: Task, folder: str) -> dict[str, Any]:
  """Runs a peer's script, which prints its examples/s."""
  script, *flags = PEERS[task.way]
  # What the script imports, torch's optimizers on first use included, counts neither
  # as its memory nor as its time.
  for module in (script.removesuffix('_lstm.py'), 'torch._dynamo'):
    importlib.import_module(module)
  base, start = _peak_memory(), time.process_time()
  sys.argv = [
    script,
    *flags,
    *('--batch', str(task.batch), '--examples', str(task.examples)),
    *('--steps', str(task.shape[0]), '--features', str(task.shape[1])),
    *('--epochs', str(TIMED_EPOCHS)),
  ]
  with contextlib.redirect_stdout(io.StringIO()) as output:
    runpy.run_path(os.path.join(folder, script), run_name='__main__')
  cpu = time.process_time() - start
  # Before its timed epochs torch_lstm.py takes four steps, opacus_lstm.py an epoch.
  untimed = task.examples
  if script == 'torch_lstm.py':
    untimed = min(4 * task.batch, untimed)
  return {
    # Three epochs: these are all of them.
    'rates': [
      float(re.search(rf'{which}=([\d.]+)', output.getvalue())[1])
      for which in ('min', 'median', 'max')
    ],
    'cpu': [1000 * cpu / (untimed + TIMED_EPOCHS * task.examples)],
    'base': base,
    'first_step': None,
  }


def main() -> None:
  """Reads the arguments, measures, and prints."""
  fields = json.loads(sys.argv[1])
  task = Task(**{**fields, 'shape': tuple(fields['shape'])})
  print(json.dumps(measure(task, sys.argv[2])))


if __name__ == '__main__':
  main()
