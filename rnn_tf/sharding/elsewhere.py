"""A shard trained on another machine, which has none of this one's files."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping

import numpy as np

from rnn_tf import launch
from rnn_tf.run_files import write_atomically
from rnn_tf.sharding import constituent
from rnn_tf.sharding.constituent import Examples, Task
from rnn_tf.stack import keras


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Parcel:
  """A shard's task with the files that it reads.

  Attributes:
    task: the shard's.
    files: path here -> content.
  """

  task: Task
  files: Mapping[pathlib.Path, bytes]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
  """A shard that is trained.

  Attributes:
    shard: its number.
    files: name in the shard's folder -> content, of the stages trained.
    pool: logits (n, classes) float32.
    test: logits (m, classes) float32.
  """

  shard: int
  files: Mapping[str, bytes]
  pool: np.ndarray
  test: np.ndarray


def pack(task: Task) -> Parcel:
  """Returns a task that can be sent.

  Raises:
    UsageError: a stage to begin with is damaged.
  """
  return Parcel(task=task, files=constituent.needed_files(task))


def train(parcel: Parcel, examples: Examples) -> Trained:
  """Trains a shard, with one thread, in a folder that is gone afterwards.

  Raises:
    UsageError: see `constituent.train`.
  """
  task = parcel.task
  launch.set_up_tensorflow(task.config.training, side_by_side=1)
  with tempfile.TemporaryDirectory(prefix='rnn_tf-') as temporary:
    # Messages name the folder of the model, three above a stage.
    here, before = (pathlib.Path(temporary, name, 'shards', '0') for name in 'hb')
    here.mkdir(parents=True)
    for path, content in parcel.files.items():
      folder = here if path.parent == task.folder else before
      write_atomically(folder / path.name, content)
    moved = dataclasses.replace(
      task, folder=here, before=task.before and before / task.before.name
    )
    pool, test = constituent.train(moved, examples)
    keras.backend.clear_session()
    known = {path.name for path in parcel.files if path.parent == task.folder}
    files = {
      path.name: path.read_bytes() for path in here.iterdir() if path.name not in known
    }
  return Trained(shard=task.shard, files=files, pool=pool, test=test)


def unpack(trained: Trained, folder: pathlib.Path) -> None:
  """Writes the stages of a shard into its folder here.

  Args:
    trained: what another machine has sent.
    folder: of the shard.
  """
  # As where they were trained: a stage's json says that the stage is there.
  for name in sorted(trained.files, key=lambda name: (name.endswith('.json'), name)):
    write_atomically(folder / name, trained.files[name])
