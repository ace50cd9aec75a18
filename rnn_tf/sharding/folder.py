"""The folder of a sharded model: its shards' stages, what they say, what made them.

`sharded.json` says which model it is; every shard that was trained here has a folder
with its stages and its outputs; `result.json` is written last. A model that a deletion
made has copies of the shards that it did not retrain.
"""

import contextlib
import hashlib
import io
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnn_tf import untrusted
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles, differences
from rnn_tf.run_places import check_writable, lock
from rnn_tf.runs import SHARDED

FORMAT = 1

FILE = SHARDED

RESULT = 'result.json'

OUTPUTS = 'outputs.npz'


class ShardedFolder(RunFiles):
  """The folder of one sharded model."""

  @property
  def finished(self) -> bool:
    """Whether all of its shards are trained."""
    return (self.path / RESULT).is_file()

  def shard(self, number: int) -> pathlib.Path:
    """Returns the folder of a shard."""
    return self.path / 'shards' / f'{number:03d}'

  def check(self, key: Mapping[str, Any]) -> None:
    """Makes sure that a model may be kept here, without writing anything.

    Args:
      key: everything that decides the model, as JSON values.

    Raises:
      UsageError: the folder cannot be written to, holds something else, or a model
        that was made otherwise.
    """
    check_writable(self.path, name=str(self))
    if not self.path.exists():
      return
    if not (self.path / FILE).is_file():
      names = os.listdir(self.path)
      if any(name != '.lock' and not name.endswith('.tmp') for name in names):
        raise UsageError(
          f'{self}: holds something else than a sharded model (no {FILE}): move it away'
        )
      return
    lines = differences(self.manifest()['key'], dict(key))
    if lines:
      raise UsageError(
        f'{self}: holds a sharded model that was made otherwise ({"; ".join(lines)}): '
        'move it away or delete it'
      )

  def manifest(self) -> dict[str, Any]:
    """Returns sharded.json.

    Raises:
      UsageError: it is missing, damaged or of another version.
    """
    stored = self.read_json(FILE)
    fine = isinstance(stored, dict) and stored.get('format') == FORMAT
    if not fine or not isinstance(stored.get('key'), dict):
      raise UsageError(
        f'{self}/{FILE} is damaged, or of another version of rnn_tf: delete the folder'
      )
    return stored

  @contextlib.contextmanager
  def open(self, manifest: Mapping[str, Any]) -> Iterator[None]:
    """Holds the folder's lock, and writes down which model it is.

    Args:
      manifest: with everything that decides the model as `key`.

    Raises:
      UsageError: see `check`; or another process is at work here.
    """
    # Somebody else's folder does not even get a lock.
    self.check(manifest['key'])
    with lock(
      self.path,
      name=str(self),
      busy='another process is training this sharded model: wait for it',
    ):
      self.check(manifest['key'])
      for leftover in [*self.path.glob('.*.tmp'), *self.path.glob('shards/*/.*.tmp')]:
        leftover.unlink()
      if not (self.path / FILE).exists():
        self.write_json(FILE, {'format': FORMAT, **manifest})
      yield

  def write_outputs(self, shard: int, pool: np.ndarray, test: np.ndarray) -> str:
    """Keeps what a shard's model says; only the owner may read it.

    Args:
      shard: its number.
      pool: logits (n, classes) float32 on the training pool.
      test: logits (m, classes) float32 on the test set.

    Returns:
      The checksum of what was written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, pool=pool, test=test)
    content = buffer.getvalue()
    name = (self.shard(shard) / OUTPUTS).relative_to(self.path)
    self.write(str(name), content, private=True)
    return hashlib.sha256(content).hexdigest()

  def copy(self, path: pathlib.Path, shard: int, *, sha256: str | None = None) -> None:
    """Copies a file of another model's shard into that shard of this one.

    Args:
      path: of the file.
      shard: the shard's number.
      sha256: of its content; None takes any.

    Raises:
      UsageError: it cannot be read, or is damaged.
    """
    try:
      content = untrusted.read_bytes(path)
      if sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError('does not have its checksum')
    except (OSError, ValueError) as error:
      why = getattr(error, 'strerror', None) or error
      raise UsageError(
        f'{path}: {why}: delete the folder {path.parent.parent.parent}, and the same '
        'command trains it again'
      ) from error
    name = (self.shard(shard) / path.name).relative_to(self.path)
    self.write(str(name), content, private=True)

  def result(self) -> dict[str, Any]:
    """Returns result.json.

    Raises:
      UsageError: it is missing or damaged.
    """
    result = self.read_json(RESULT)
    shards = result.get('shards') if isinstance(result, dict) else None
    if not isinstance(shards, list) or not shards or not all(map(_is_shard, shards)):
      raise UsageError(f'{self}/{RESULT} is damaged: delete the folder')
    return result

  def load(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns what the models of all shards say.

    Returns:
      Logits of the pool (shards, n, classes) and of the test set (shards, m, classes),
      float32.

    Raises:
      UsageError: the model is not finished, damaged, or the original that it takes
        shards from is another one by now.
    """
    shards = self.result()['shards']
    pools, tests = zip(
      *(self._outputs(number, shard) for number, shard in enumerate(shards)),
      strict=True,
    )
    if len({array.shape for array in pools}) + len({x.shape for x in tests}) > 2:
      raise UsageError(
        f'{self}: its shards say something of different examples: delete the folder, '
        'and the same command trains it again'
      )
    return np.stack(pools), np.stack(tests)

  def _outputs(
    self, number: int, shard: Mapping[str, Any]
  ) -> tuple[np.ndarray, np.ndarray]:
    path = self.shard(number) / OUTPUTS
    if not path.exists():
      # Models of earlier versions have no copies of what they take over.
      path = ShardedFolder(self.path.parent / shard['folder']).shard(number) / OUTPUTS
    try:
      content = untrusted.read_bytes(path)
      if hashlib.sha256(content).hexdigest() != shard['outputs']:
        raise ValueError('is not what this model was made with')
      arrays = untrusted.read_npz(content)
      return tuple(untrusted.check_logits(arrays[name]) for name in ('pool', 'test'))
    except (OSError, KeyError, ValueError) as error:
      raise UsageError(
        f'{path}: {error}: delete the folder {self}, and the same command trains it '
        'again'
      ) from error


def _is_shard(entry: Any) -> bool:
  """Whether an entry of result.json says where a shard's outputs are."""
  names = ('folder', 'outputs')
  if not isinstance(entry, dict):
    return False
  if not all(isinstance(entry.get(name), str) for name in names):
    return False
  # It is looked for beside this folder, and nowhere else.
  folder = entry['folder']
  return folder == pathlib.PurePath(folder).name and folder.isprintable()
