"""Trains the model of one shard, slice by slice, and keeps what it is after each.

What a stage ends with - weights, the optimizer's state, the number of steps - depends
on the shard's examples up to its slice and on nothing else. So a model that goes on
from a stage before the first deleted example is the one that training from fresh
weights without these examples gives: to the last bit by the kernels, which compute a
shard in one stream however it is trained, and by Keras with `--deterministic`.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import engines, training, untrusted
from rnn_tf.config import RunConfig
from rnn_tf.deletion import sisa
from rnn_tf.errors import UsageError
from rnn_tf.prediction import Predictor
from rnn_tf.run_files import write_atomically
from rnn_tf.stack import keras

# Parts that the kernels cut a batch into. One, whatever the number of cores: what a
# deletion makes must not differ in the last bits from what is trained side by side.
_STREAMS = 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
  """What all shards of a model share.

  Attributes:
    inputs: (n, ...) float32, all of the training pool, as the model takes it.
    labels: (n,) int64.
    test_inputs: (m, ...) float32.
    image_shape: (height, width, channels).
    class_count: logits.
  """

  inputs: np.ndarray
  labels: np.ndarray
  test_inputs: np.ndarray
  image_shape: tuple[int, int, int]
  class_count: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Task:
  """One shard.

  Attributes:
    shard: its number.
    config: the original's.
    rows: its slices, each (k,) int64 rising, positions in the pool.
    epochs: of each stage.
    engine: who computes the gradients.
    parts: batches that are predicted at once, see `Predictor`; decides no number.
    folder: where its stages are kept.
    first_stage: the first that is trained here.
    before: the file of the stage before that; None at stage 0.
  """

  shard: int
  config: RunConfig
  rows: tuple[np.ndarray, ...]
  epochs: tuple[int, ...]
  engine: str
  parts: int | None
  folder: pathlib.Path
  first_stage: int = 0
  before: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
  """A stage that is trained.

  Attributes:
    stage: from 0.
    examples: that it was trained on.
    epochs: over them.
    rows: checksum of these examples.
    began: seconds since 1970.
    seconds: it took.
    sha256: of its file.
    before: of the file of another model's stage that it began with; '' if of none.
  """

  stage: int
  examples: int
  epochs: int
  rows: str
  began: float
  seconds: float
  sha256: str
  before: str = ''


def stage_file(folder: pathlib.Path, stage: int) -> pathlib.Path:
  """Returns where a stage is kept; beside it is a json with its `Stage`."""
  return folder / f'slice-{stage:03d}.npz'


def train(task: Task, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
  """Trains the stages of a shard that are not there yet, and keeps each.

  Returns:
    Logits of the pool (n, classes) float32 and of the test set (m, classes) float32.

  Raises:
    UsageError: the training diverges, or the stage to begin with is damaged.
  """
  config = task.config
  model = _build(
    task, examples, sisa.training_seed(config.training.seed, task.shard, 0)
  )
  done = _stages_done(task)
  if done:
    _restore(model, stage_file(task.folder, done[-1].stage), sha256=done[-1].sha256)
  elif task.before is not None:
    _restore(model, task.before, sha256=read_stage(task.before).sha256)
  first = done[-1].stage + 1 if done else task.first_stage
  for stage in range(first, len(task.rows)):
    _train_stage(model, task, examples, stage)
  predict = Predictor(model, streams=task.parts)
  outputs = predict(examples.inputs), predict(examples.test_inputs)
  if not all(np.isfinite(each).all() for each in outputs):
    raise UsageError(
      f'the model of shard {task.shard} has diverged: delete from a run with a lower '
      '--learning_rate'
    )
  return outputs


def _build(task: Task, examples: Examples, seed: int) -> keras.Model:
  keras.utils.set_random_seed(seed)
  total = sum(map(len, task.rows))
  model = engines.build(
    _stage_config(task, 0, total),
    engine=task.engine,
    guarantee=None,
    image_shape=examples.image_shape,
    num_classes=examples.class_count,
    examples=total,
  )
  model.optimizer.build(model.trainable_variables)
  engines.install(
    model,
    task.config,
    engine=task.engine,
    guarantee=None,
    keys=None,
    parts=_STREAMS,
  )
  return model


def _train_stage(
  model: keras.Model, task: Task, examples: Examples, stage: int
) -> None:
  rows = np.sort(np.concatenate(task.rows[: stage + 1]))
  began, start = time.time(), time.perf_counter()
  if len(rows):
    config = _stage_config(task, stage, len(rows))
    batches = engines.batches(
      config, engine=task.engine, keys=None, first_epoch=0, parts=_STREAMS
    )
    inputs, labels = examples.inputs[rows], examples.labels[rows]
    training.fit(model, inputs, labels, batches=batches, callbacks=[])
  content = _content(model)
  path = stage_file(task.folder, stage)
  write_atomically(path, content)
  found = Stage(
    stage=stage,
    examples=len(rows),
    epochs=task.epochs[stage],
    rows=_checksum(rows),
    began=began,
    seconds=time.perf_counter() - start,
    sha256=hashlib.sha256(content).hexdigest(),
    before=_sha_before(task),
  )
  text = json.dumps(dataclasses.asdict(found)) + '\n'
  write_atomically(path.with_suffix('.json'), text.encode())


def _stage_config(task: Task, stage: int, count: int) -> RunConfig:
  """Returns the original's config with a stage's epochs, order and size of batches.

  Where a stage has fewer examples than a batch, they are one batch.
  """
  values = task.config.training
  values = dataclasses.replace(
    values,
    epochs=task.epochs[stage],
    batch_size=min(values.batch_size, count),
    seed=sisa.training_seed(values.seed, task.shard, stage),
  )
  return dataclasses.replace(task.config, training=values)


def _checksum(rows: np.ndarray) -> str:
  return hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()[:16]


def _variables(model: keras.Model) -> Mapping[str, Any]:
  """Returns all of a model's and its optimizer's variables, each by its place."""
  optimizer = model.optimizer.variables
  # A property in some of Keras' optimizers, a method in others.
  optimizer = optimizer() if callable(optimizer) else optimizer
  named = {'weight': model.variables, 'optimizer': optimizer}
  return {
    f'{kind}-{number:03d}': variable
    for kind, variables in named.items()
    for number, variable in enumerate(variables)
  }


def _content(model: keras.Model) -> bytes:
  buffer = io.BytesIO()
  np.savez(buffer, **{name: each.numpy() for name, each in _variables(model).items()})
  return buffer.getvalue()


def _restore(model: keras.Model, path: pathlib.Path, *, sha256: str) -> None:
  """Gives a model the variables that a stage ended with.

  Raises:
    UsageError: the file is missing, damaged or of another network.
  """
  variables = _variables(model)
  try:
    content = _verified(path, sha256)
    arrays = untrusted.read_npz(content)
    if set(arrays) != set(variables):
      raise ValueError('is of another network')
    for name, variable in variables.items():
      variable.assign(arrays[name])
  except Exception as error:  # zipfile, NumPy and TensorFlow each raise their own.
    raise _damaged(path, error) from error


def _verified(path: pathlib.Path, sha256: str) -> bytes:
  content = untrusted.read_bytes(path)
  if hashlib.sha256(content).hexdigest() != sha256:
    raise ValueError('does not have its checksum')
  return content


def _damaged(path: pathlib.Path, error: Exception) -> UsageError:
  first_line = str(error).splitlines()[0]
  return UsageError(
    f'{path}: damaged ({first_line}): delete the folder {path.parent.parent.parent}, '
    'and the same command trains it again'
  )


def needed_files(task: Task) -> dict[pathlib.Path, bytes]:
  """Returns the files that `train` would read, for another machine to read them.

  Raises:
    UsageError: one is missing or damaged.
  """
  done = [stage_file(task.folder, stage.stage) for stage in _stages_done(task)]
  files = {}
  for path in [*done, *filter(None, [task.before])]:
    files[path.with_suffix('.json')] = path.with_suffix('.json').read_bytes()
  # Stages that others were trained on from are not read again.
  last = done[-1] if done else task.before
  if last is not None:
    try:
      files[last] = _verified(last, read_stage(last).sha256)
    except (OSError, ValueError) as error:
      raise _damaged(last, error) from error
  return files


def read_stage(path: pathlib.Path) -> Stage:
  """Returns what is known of a stage.

  Args:
    path: what `stage_file` returned.

  Raises:
    UsageError: it is missing or damaged.
  """
  path = path.with_suffix('.json')
  try:
    values = untrusted.read_json(path)
    stage = Stage(**values)
    hints = {field.name: field.type for field in dataclasses.fields(Stage)}
    if not all(isinstance(values[name], (hint, int)) for name, hint in hints.items()):
      raise ValueError('a value is of another kind')
    return stage
  except (OSError, TypeError, ValueError) as error:
    raise UsageError(
      f'{path}: missing or damaged ({error}): delete the folder '
      f'{path.parent.parent.parent}, and the same command trains it again'
    ) from error


def _sha_before(task: Task) -> str:
  """Returns the checksum of the stage that a task begins with, '' if with none."""
  return '' if task.before is None else read_stage(task.before).sha256


def _stages_done(task: Task) -> Sequence[Stage]:
  """Returns the stages that are kept, from the first on, as far as they are whole."""
  done = []
  for stage in range(task.first_stage, len(task.rows)):
    path = stage_file(task.folder, stage)
    rows = np.sort(np.concatenate(task.rows[: stage + 1]))
    if not path.with_suffix('.json').exists():
      break
    found = read_stage(path)
    expected = _checksum(rows), task.epochs[stage], _sha_before(task)
    if (found.rows, found.epochs, found.before) != expected:
      break
    done.append(found)
  return done
