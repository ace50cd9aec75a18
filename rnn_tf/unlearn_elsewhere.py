"""A deletion's run trained on another machine, which has none of this one's files."""

import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Mapping

from rnn_tf import engines, launch, unlearn_models
from rnn_tf.datasets import Data
from rnn_tf.run_files import write_atomically
from rnn_tf.runs import RunFolder
from rnn_tf.stack import tf
from rnn_tf.unlearn_jobs import Retraining

_LAST = 'result.json'
"""The file that says that a run is finished."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class File:
  """A file of a run.

  Attributes:
    content: of it.
    private: whether its owner alone may read it.
  """

  content: bytes
  private: bool


Files = Mapping[str, File]
"""Name in the run's folder -> file."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Parcel:
  """A run with the files that its training reads.

  Attributes:
    model: the run.
    files: what is there of it.
    weights: content of the file that it begins with; None begins with fresh ones.
    parts: that the kernels cut a batch into; None of other engines.
    cores: of the machine whose numbers it is to have.
    arguments: of the command, for the record.
  """

  model: Retraining
  files: Files
  weights: bytes | None
  parts: int | None
  cores: int
  arguments: tuple[str, ...]


def pack(model: Retraining) -> Parcel:
  """Returns a run that can be sent; its folder is open."""
  kernels = model.engine in engines.KERNEL_ENGINES
  return Parcel(
    # Open files cannot be sent.
    model=dataclasses.replace(model, folder=RunFolder(model.folder.path)),
    files=_files(model.folder.path),
    weights=model.weights and model.weights.read_bytes(),
    parts=engines.streams(model.config.training.batch_size) if kernels else None,
    cores=engines.cores(),
    arguments=tuple(sys.argv),
  )


def _files(folder: pathlib.Path) -> dict[str, File]:
  return {
    path.relative_to(folder).as_posix(): File(
      content=path.read_bytes(), private=not path.stat().st_mode & 0o077
    )
    for path in folder.rglob('*')
    if path.is_file() and path.name != '.lock'
  }


def train(parcel: Parcel, data: Data) -> Files:
  """Trains a run in a folder that is gone afterwards, and returns what was in it.

  The numbers are those of the machine that sent it: batches are cut into as many parts,
  and where TensorFlow's threads decide the order of sums, there are as many.

  Raises:
    UsageError: it cannot be trained.
  """
  model, config = parcel.model, parcel.model.config
  if parcel.parts is None:
    # A process that has trained already cannot change them.
    with contextlib.suppress(RuntimeError):
      tf.config.threading.set_intra_op_parallelism_threads(parcel.cores)
      tf.config.threading.set_inter_op_parallelism_threads(parcel.cores)
  launch.set_up_tensorflow(
    config.training, side_by_side=parcel.parts and 1, exact=config.privacy.dp
  )
  sys.argv = list(parcel.arguments)
  with tempfile.TemporaryDirectory(prefix='rnn_tf-') as temporary:
    folder = pathlib.Path(temporary, 'runs', model.folder.path.name)
    _write(folder, parcel.files)
    weights = None
    if parcel.weights is not None:
      parent = pathlib.Path(temporary, 'parent', config.deleted.parent)
      weights = parent / model.weights.relative_to(model.weights.parent.parent)
      write_atomically(weights, parcel.weights, private=True)
    moved = dataclasses.replace(model, folder=RunFolder(folder), weights=weights)
    unlearn_models.train_run(data, moved, parts=parcel.parts)
    return _files(folder)


def unpack(files: Files, parcel: Parcel) -> None:
  """Writes a trained run into its folder, which is open.

  Args:
    files: what another machine has sent.
    parcel: what was sent there.
  """
  folder = parcel.model.folder.path
  _write(folder, {name: file for name, file in files.items() if name != _LAST})
  for name in set(parcel.files) - set(files):
    (folder / name).unlink(missing_ok=True)
  _write(folder, {_LAST: files[_LAST]})


def _write(folder: pathlib.Path, files: Files) -> None:
  folder.mkdir(mode=0o700, parents=True, exist_ok=True)
  for name, file in files.items():
    write_atomically(folder / name, file.content, private=file.private)
