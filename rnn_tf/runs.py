"""A run's folder: its files, atomic writes, and what may be resumed.

Every file is written beside its place and renamed into it, so that a reader
never sees half a file and a killed run leaves none behind. `result.json` is
written last: where it is, the run is finished.
"""

import csv
import fcntl
import io
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import config as configs
from rnn_tf.errors import UsageError

FORMAT = 1

OWN_FILES = (
  'config.json',
  'examples.npz',
  'metrics.csv',
  'privacy.jsonl',
  'result.json',
)
OWN_FOLDERS = ('checkpoint', 'inference', 'plots', 'scores', 'tensorboard', 'weights')


def write_atomically(path: pathlib.Path, content: bytes) -> None:
  """Writes `content` to `path` by way of a temporary file in the same folder."""
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    with open(temporary, 'wb') as file:
      file.write(content)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


class RunFolder:
  """The folder of one run.

  Attributes:
    path: the folder.
  """

  def __init__(self, path: str | os.PathLike):
    self.path = pathlib.Path(path)
    self._lock = None

  def __str__(self) -> str:
    return str(self.path)

  @property
  def finished(self) -> bool:
    """Whether the run has written its result."""
    return (self.path / 'result.json').is_file()

  def check(self, config: configs.RunConfig, *, overwrite: bool) -> None:
    """Makes sure that `config` may be run here, without writing anything.

    Raises:
      UsageError: the folder is a file, holds something else than a run, holds
        a run with another config, or cannot be written to.
    """
    if self.path.is_dir() and any(self.path.iterdir()):
      if not (self.path / 'config.json').is_file():
        raise UsageError(
          f'--run_dir={self}: holds files but no run (no config.json): name an '
          'empty or a new folder'
        )
      if not overwrite:
        self._check_same(config)
    for parent in (self.path, *self.path.absolute().parents):
      if parent.exists():
        if not parent.is_dir():
          raise UsageError(f'--run_dir={self}: {parent} is a file, not a folder')
        if not os.access(parent, os.W_OK | os.X_OK):
          raise UsageError(f'--run_dir={self}: no permission to write in {parent}')
        return

  def _check_same(self, config: configs.RunConfig) -> None:
    stored = self.config()
    lines = configs.differences(stored, config)
    if lines:
      raise UsageError(
        f'{self} holds a run with other flags ({"; ".join(lines)}): give the same '
        'flags to resume it, --run_dir for a new folder, or --overwrite'
      )

  def open(self, *, overwrite: bool) -> None:
    """Creates the folder, takes its lock, and clears it if asked to.

    The lock is held as long as this object lives, and ends with its process,
    however that ends.

    Raises:
      UsageError: the folder cannot be created, or another process is using it.
    """
    try:
      self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
      self._lock = open(self.path / '.lock', 'w')  # noqa: SIM115
    except OSError as error:
      raise UsageError(f'--run_dir={self}: {error.strerror}: name another') from error
    try:
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      raise UsageError(
        f'--run_dir={self}: another process is working in it: wait for it, or name '
        'another folder'
      ) from None
    if overwrite:
      self._clear()

  def close(self) -> None:
    """Gives the lock back."""
    if self._lock is not None:
      self._lock.close()
      self._lock = None

  def _clear(self) -> None:
    for name in OWN_FILES:
      (self.path / name).unlink(missing_ok=True)
    for name in OWN_FOLDERS:
      shutil.rmtree(self.path / name, ignore_errors=True)

  def config(self) -> configs.RunConfig:
    """Returns the stored config.

    Raises:
      UsageError: it is missing, damaged or of another version.
    """
    record = self.record()
    try:
      return configs.from_json(configs.RunConfig, record['config'])
    except (KeyError, TypeError, AttributeError, UsageError) as error:
      raise UsageError(
        f'{self}/config.json is damaged or of another version ({error}): name '
        'another --run_dir, or --overwrite'
      ) from error

  def record(self) -> dict[str, Any]:
    """Returns the whole of config.json."""
    record = self.read_json('config.json')
    if not isinstance(record, dict) or record.get('format') != FORMAT:
      raise UsageError(
        f'{self}/config.json is not of format {FORMAT}: this run was made by another '
        'version of rnn_tf; train it again with --overwrite'
      )
    return record

  def read_json(self, name: str) -> Any:
    """Returns the content of a JSON file of the run."""
    try:
      return json.loads((self.path / name).read_text(encoding='utf-8'))
    except FileNotFoundError:
      raise UsageError(
        f'{self}: has no {name}: not a run, or not one that got so far'
      ) from None
    except (OSError, ValueError) as error:
      raise UsageError(f'{self}/{name} cannot be read: {error}') from error

  def write_json(self, name: str, value: Any) -> None:
    """Writes a JSON file; NaN and infinity are refused, not written."""
    text = json.dumps(value, indent=2, allow_nan=False) + '\n'
    self.write(name, text.encode())

  def write(self, name: str, content: bytes) -> None:
    """Writes a file of the run."""
    write_atomically(self.path / name, content)

  def write_npz(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a compressed npz that only the owner may read."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    self.write(name, buffer.getvalue())
    os.chmod(self.path / name, 0o600)

  def read_npz(self, name: str) -> dict[str, np.ndarray]:
    """Returns the arrays of an npz file; nothing in it is unpickled."""
    try:
      with np.load(self.path / name, allow_pickle=False) as arrays:
        return dict(arrays)
    except FileNotFoundError:
      raise UsageError(f'{self}: has no {name}') from None
    except Exception as error:  # zipfile, zlib and NumPy each raise their own.
      raise UsageError(f'{self}/{name} is damaged: {error}') from error

  def read_rows(self) -> list[dict[str, float]]:
    """Returns metrics.csv, one dict an epoch, in order; empty if there is none."""
    path = self.path / 'metrics.csv'
    if not path.exists():
      return []
    with open(path, newline='', encoding='utf-8') as file:
      try:
        rows = [
          {key: float(value) for key, value in row.items()}
          for row in csv.DictReader(file)
        ]
        epochs = [int(row['epoch']) for row in rows]
      except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
          f'{path} is damaged ({error}): --overwrite starts again'
        ) from error
    if epochs != list(range(1, len(rows) + 1)):
      raise UsageError(f'{path} is damaged (epochs {epochs}): --overwrite starts again')
    return [{**row, 'epoch': epoch} for row, epoch in zip(rows, epochs, strict=True)]

  def write_rows(self, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes metrics.csv whole."""
    text = io.StringIO()
    writer = csv.DictWriter(
      text, rows[0].keys() if rows else ['epoch'], lineterminator='\n'
    )
    writer.writeheader()
    for row in rows:
      writer.writerow(
        {k: f'{v:.6g}' if isinstance(v, float) else v for k, v in row.items()}
      )
    self.write('metrics.csv', text.getvalue().encode())

  def read_lines(self) -> list[dict[str, Any]]:
    """Returns privacy.jsonl, one dict a line; empty if there is none."""
    path = self.path / 'privacy.jsonl'
    if not path.exists():
      return []
    try:
      return [
        json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()
      ]
    except ValueError as error:
      raise UsageError(
        f'{path} is damaged ({error}): --overwrite starts again'
      ) from error

  def write_lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes privacy.jsonl whole."""
    text = ''.join(json.dumps(line, allow_nan=False) + '\n' for line in lines)
    self.write('privacy.jsonl', text.encode())

  def forget_after(self, epoch: int) -> None:
    """Drops everything recorded for epochs after `epoch`.

    A killed run may have written an epoch's rows but not its checkpoint; that
    epoch is trained again, and must not be listed twice.
    """
    rows = self.read_rows()
    if len(rows) < epoch:
      raise UsageError(
        f'{self}/metrics.csv ends at epoch {len(rows)} but the checkpoint is of epoch '
        f'{epoch}: the folder was edited; --overwrite starts again'
      )
    if len(rows) > epoch:
      self.write_rows(rows[:epoch])
    lines = self.read_lines()
    kept = [line for line in lines if line['epoch'] <= epoch]
    if len(kept) < len(lines):
      self.write_lines(kept)
    for path in [
      *self.path.glob('scores/epoch-*.npz'),
      *self.path.glob('weights/epoch-*'),
    ]:
      if int(path.name.removeprefix('epoch-').split('.')[0]) > epoch:
        path.unlink()
