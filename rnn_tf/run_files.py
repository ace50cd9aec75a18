"""The files of a run's folder: formats, atomic writes, reading without trust.

Every file is written beside its place and renamed into it, so that a reader never
sees half a file. Nothing that is read is unpickled; what is damaged is named.
"""

import contextlib
import csv
import fcntl
import io
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from rnn_tf.errors import UsageError

METRICS = ('epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy')
"""Columns that metrics.csv has at least."""


def write_atomically(
  path: pathlib.Path, content: bytes, *, private: bool = False
) -> None:
  """Writes `content` to `path` by way of a temporary file in the same folder.

  Args:
    path: of the file.
    content: of the file.
    private: let the owner alone read it, from its first moment on.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    mode = 0o600 if private else 0o666
    with open(temporary, 'wb', opener=lambda *args: os.open(*args, mode)) as file:
      file.write(content)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def check_writable(folder: pathlib.Path, *, name: str) -> None:
  """Makes sure that a folder, or the nearest one above that is there, can be written.

  Args:
    folder: that is to be written in; nothing is created.
    name: how the user named it, such as `--run_dir=runs/mine`.

  Raises:
    UsageError: it cannot.
  """
  for parent in (folder, *folder.absolute().parents):
    if parent.exists():
      if not parent.is_dir():
        raise UsageError(f'{name}: {parent} is a file, not a folder: name another')
      if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f'{name}: no permission to write in {parent}: name another')
      return


def lock(folder: pathlib.Path, *, name: str, busy: str) -> IO[str]:
  """Creates a folder, for its owner alone, and takes its lock.

  Args:
    folder: whose lock it is.
    name: see `check_writable`.
    busy: what to say where another process holds the lock.

  Returns:
    An open file: the lock ends when it is closed, or with the process.

  Raises:
    UsageError: the folder cannot be created, or is locked.
  """
  try:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = open(folder / '.lock', 'w')  # noqa: SIM115
  except OSError as error:
    raise UsageError(f'{name}: {error.strerror}: name another') from error
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    file.close()
    raise UsageError(f'{name}: {busy}') from None
  return file


@contextlib.contextmanager
def held(folder: pathlib.Path, *, busy: str) -> Iterator[None]:
  """Holds the lock of a folder of results, so that no two write into it.

  What a killed process left unfinished in it is removed.

  Args:
    folder: created where it is missing.
    busy: what to say where another process holds the lock.

  Raises:
    UsageError: another process holds it, or it cannot be written.
  """
  with lock(folder, name=str(folder), busy=busy):
    for leftover in folder.glob('.*.tmp'):
      leftover.unlink()
    yield


def differences(old: Any, new: Any, *, name: str = '') -> list[str]:
  """Returns one `name was x, is y` for each value of two nested dicts that differs."""
  if isinstance(old, dict) and isinstance(new, dict):
    return [
      line
      for key in dict.fromkeys([*old, *new])
      for line in differences(old.get(key), new.get(key), name=key)
    ]
  return [] if old == new else [f'{name} was {old}, is {new}']


class RunFiles:
  """Reads and writes the files of one folder.

  Attributes:
    path: the folder.
  """

  def __init__(self, path: str | os.PathLike):
    self.path = pathlib.Path(path)

  def __str__(self) -> str:
    return str(self.path)

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

  def write(self, name: str, content: bytes, *, private: bool = False) -> None:
    """Writes a file of the run, see `write_atomically`."""
    write_atomically(self.path / name, content, private=private)

  def write_npz(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a compressed npz that only the owner may read."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    self.write(name, buffer.getvalue(), private=True)

  def read_npz(self, name: str, *, needs: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Returns the arrays of an npz file; nothing in it is unpickled.

    Raises:
      UsageError: the file is missing or damaged, or has no array of a name that
        is in `needs`.
    """
    try:
      with np.load(self.path / name, allow_pickle=False) as arrays:
        found = dict(arrays)
      missing = [need for need in needs if need not in found]
      if missing:
        raise ValueError(f'no array {missing[0]}')
      return found
    except FileNotFoundError:
      raise UsageError(f'{self}: has no {name}') from None
    except Exception as error:  # zipfile, zlib and NumPy each raise their own.
      raise UsageError(f'{self}/{name} is damaged: {error}') from error

  def read_rows(self) -> list[dict[str, float]]:
    """Returns metrics.csv, one dict an epoch, in order; empty if there is none.

    Raises:
      UsageError: a column or an epoch is missing, or a value is no number.
    """
    path = self.path / 'metrics.csv'
    if not path.exists():
      return []
    try:
      with open(path, newline='', encoding='utf-8') as file:
        rows = [
          {key: float(value) for key, value in row.items()}
          for row in csv.DictReader(file)
        ]
      epochs = [int(row['epoch']) for row in rows]
      missing = [name for name in METRICS for row in rows[:1] if name not in row]
    except (KeyError, TypeError, ValueError) as error:
      raise self.damaged(path, error) from error
    if missing:
      raise self.damaged(path, f'no column {missing[0]}')
    if epochs != list(range(1, len(rows) + 1)):
      raise self.damaged(path, f'epochs {epochs}')
    return [{**row, 'epoch': epoch} for row, epoch in zip(rows, epochs, strict=True)]

  def damaged(self, path: pathlib.Path, why: Any) -> UsageError:
    """Returns the error for a file that cannot be what a run wrote."""
    return UsageError(f'{path} is damaged ({why}): --overwrite starts again')

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
    """Returns privacy.jsonl, one dict a line; empty if there is none.

    Raises:
      UsageError: a line is no JSON object with the fields that resuming needs.
    """
    path = self.path / 'privacy.jsonl'
    if not path.exists():
      return []
    lines = []
    try:
      texts = path.read_text(encoding='utf-8').splitlines()
      for number, text in enumerate(texts, start=1):
        line = json.loads(text)
        if not isinstance(line, dict) or not {'epoch', 'attack', 'slice'} <= set(line):
          raise ValueError(f'line {number} is no attack result')
        lines.append(line)
    except ValueError as error:
      raise self.damaged(path, error) from error
    return lines

  def write_lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes privacy.jsonl whole."""
    text = ''.join(json.dumps(line, allow_nan=False) + '\n' for line in lines)
    self.write('privacy.jsonl', text.encode())
