"""The files of a run's folder: formats, atomic writes, reading without trust.

Every file is written beside its place and renamed into it, so that a reader never
sees half a file. Nothing that is read is unpickled; what is damaged is named.

What tells of single examples (scores, ids, weights, which remember them) is for its
owner alone, whatever the umask: files are written so unless asked otherwise.
"""

import contextlib
import csv
import io
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf import untrusted
from rnn_tf.errors import UsageError
from rnn_tf.run_places import check_no_link, private_folder

METRICS = (
  'epoch',
  'loss',
  'accuracy',
  'val_loss',
  'val_accuracy',
  'seconds',
  'report_seconds',
)
"""Columns that metrics.csv has at least."""

_ODD_ROWS = (OverflowError, csv.Error)
"""What an infinite epoch and a cell that does not end raise."""


def write_atomically(
  path: pathlib.Path, content: bytes, *, private: bool = True
) -> None:
  """Writes `content` to `path` by way of a temporary file in the same folder.

  Args:
    path: of the file.
    content: of the file.
    private: let the owner alone read it, from its first moment on, and enter its
      folder, where that is missing; False lets the umask decide, for what is made to
      be shared.
  """
  if private:
    private_folder(path.parent)
  else:
    path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    mode = 0o600 if private else 0o666
    # A leftover of a killed process would lend the file its mode.
    temporary.unlink(missing_ok=True)
    # Never through a link that somebody else has put there, to a file elsewhere.
    own = os.O_EXCL | os.O_NOFOLLOW
    with (
      naming(path),
      open(
        temporary, 'wb', opener=lambda name, how: os.open(name, how | own, mode)
      ) as file,
    ):
      file.write(content)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: pathlib.Path) -> Iterator[None]:
  """Lets errors of writing a file say which it is: those of a full disk do not."""
  try:
    yield
  except OSError as error:
    error.filename, error.filename2 = str(path), None
    raise


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
      return untrusted.read_json(self.path / name)
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

  def write(self, name: str, content: bytes, *, private: bool = True) -> None:
    """Writes a file of the run, see `write_atomically`."""
    for folder in (self.path / name).relative_to(self.path).parents:
      if (self.path / folder).is_symlink() and folder.name:
        check_no_link(self.path / folder, name=str(self))
    write_atomically(self.path / name, content, private=private)

  def write_npz(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a compressed npz that only the owner may read."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    self.write(name, buffer.getvalue())

  def read_npz(self, name: str, *, needs: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Returns the arrays of an npz file; nothing in it is unpickled.

    Raises:
      UsageError: the file is missing or damaged, or has no array of a name that
        is in `needs`.
    """
    try:
      found = untrusted.read_npz(self.path / name)
      missing = [need for need in needs if need not in found]
      if missing:
        raise ValueError(f'no array {missing[0]}')
      return found
    except FileNotFoundError:
      raise UsageError(f'{self}: has no {name}') from None
    except (OSError, ValueError) as error:
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
      lines = io.StringIO(untrusted.read_text(path), newline='')
      rows = [
        {key: float(value) for key, value in row.items()}
        for row in csv.DictReader(lines)
      ]
      epochs = [int(row['epoch']) for row in rows]
      missing = [name for name in METRICS for row in rows[:1] if name not in row]
    except (OSError, LookupError, TypeError, ValueError, *_ODD_ROWS) as error:
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
      texts = untrusted.read_text(path).splitlines()
      for number, text in enumerate(texts, start=1):
        line = untrusted.parse_json(text)
        if not isinstance(line, dict) or not {'epoch', 'attack', 'slice'} <= set(line):
          raise ValueError(f'line {number} is no attack result')
        lines.append(line)
    except (OSError, ValueError) as error:
      raise self.damaged(path, error) from error
    return lines

  def write_lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes privacy.jsonl whole."""
    text = ''.join(json.dumps(line, allow_nan=False) + '\n' for line in lines)
    self.write('privacy.jsonl', text.encode())
