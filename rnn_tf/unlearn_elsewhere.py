"""A deletion's run trained on another machine, which has none of this one's files."""

import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Mapping

from rnn_tf import engines, launch, unlearn_models
from rnn_tf.datasets import Data
from rnn_tf.errors import UsageError
from rnn_tf.run_files import write_atomically
from rnn_tf.runs import RECEIVING, RunFolder
from rnn_tf.stack import keras
from rnn_tf.unlearn_jobs import Retraining

_FIRST = ('examples.npz', 'config.json')

_LAST = 'result.json'
"""The file that says that a run is finished."""


Files = Mapping[str, bytes]
"""Name in the run's folder -> content."""


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
  """Returns a run that can be sent; its folder is open.

  Raises:
    UsageError: the weights that it begins with are missing.
  """
  weights = None
  if model.weights is not None:
    try:
      weights = model.weights.read_bytes()
    except OSError as error:
      raise UsageError(
        f'{model.folder.path.name}: {model.weights}: {error.strerror}: its original is '
        'to be trained first'
      ) from error
  kernels = model.engine in engines.KERNEL_ENGINES
  return Parcel(
    # Open files cannot be sent.
    model=dataclasses.replace(model, folder=RunFolder(model.folder.path)),
    files=_files(model.folder.path),
    weights=weights,
    parts=engines.streams(model.config.training.batch_size) if kernels else None,
    cores=engines.cores(),
    arguments=tuple(sys.argv),
  )


def _files(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file() and path.name != '.lock'
  }


def train(parcel: Parcel, data: Data) -> Files:
  """Trains a run in a folder that is gone afterwards, and returns what was in it.

  The numbers are those of the machine that sent it: batches are cut into as many parts,
  and where TensorFlow's threads decide the order of sums, there are as many, see
  `threads`.

  Raises:
    UsageError: it cannot be trained.
  """
  model, config = parcel.model, parcel.model.config
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
      write_atomically(weights, parcel.weights)
    moved = dataclasses.replace(model, folder=RunFolder(folder), weights=weights)
    unlearn_models.train_run(data, moved, parts=parcel.parts)
    keras.backend.clear_session()
    return _files(folder)


def threads(parcel: Parcel) -> int:
  """Returns the threads that TensorFlow must have for a run."""
  return 1 if parcel.parts else parcel.cores


def unpack(files: Files, parcel: Parcel) -> None:
  """Writes a trained run into its folder, which is open.

  A command that is killed meanwhile leaves `RECEIVING`, and the run begins again.

  Args:
    files: what another machine has sent.
    parcel: what was sent there.
  """
  folder = parcel.model.folder.path
  write_atomically(folder / RECEIVING, b'')
  # What says that a folder is a run's comes first, that it is finished last.
  order = sorted(files, key=lambda name: (name == _LAST, name not in _FIRST))
  for name in set(parcel.files) - set(files):
    (folder / name).unlink(missing_ok=True)
  _write(folder, {name: files[name] for name in order})
  (folder / RECEIVING).unlink()


def _write(folder: pathlib.Path, files: Files) -> None:
  for name, content in files.items():
    write_atomically(folder / name, content)
