"""The files of a run's folder: formats, atomic writes, reading without trust.

Every file is written beside its place and renamed into it, so that a reader never
sees half a file. Nothing that is read is unpickled; what is damaged is named.

What tells of single examples (scores, ids, weights, which remember them) is for its
owner alone, whatever the umask: files are written so unless asked otherwise.
"""

import contextlib
import csv
import fcntl
import io
import json
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from rnn_tf import untrusted
from rnn_tf.errors import UsageError

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

_LEFTOVER = re.compile(r'\..+\.\d+\.tmp|\.tmp\..+')
"""Names that `write_atomically` writes to first, and `training` to weights."""

_UNWRITABLE = ('Cc', 'Cs', 'Zl', 'Zp')
"""Unicode's categories of control characters, broken ones and line breaks."""


def private_folder(path: pathlib.Path) -> None:
  """Creates a folder that its owner alone may enter, and those above it likewise.

  A folder that is there keeps its mode: it is its owner's to say who may enter.
  """
  for folder in (*reversed(path.parents), path):
    if not folder.exists():
      folder.mkdir(mode=0o700, exist_ok=True)
  # Raises where a file is in the way.
  path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: pathlib.Path) -> None:
  """Makes an empty file that its owner alone may read, in place of one that is there.

  Libraries that open a file by themselves would create it as the umask says; one that
  is there keeps its mode.
  """
  path.unlink(missing_ok=True)
  os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


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


def check_writable(folder: pathlib.Path, *, name: str) -> None:
  """Makes sure that a folder, or the nearest one above that is there, can be written.

  Args:
    folder: that is to be written in; nothing is created.
    name: how the user named it, such as `--run_dir=runs/mine`.

  Raises:
    UsageError: it cannot.
  """
  if any(unicodedata.category(c) in _UNWRITABLE for c in str(folder)):
    raise UsageError(f'{name}: holds a control character: name another')
  for parent in (folder, *folder.absolute().parents):
    try:
      parent.lstat()
    except (FileNotFoundError, NotADirectoryError):
      continue
    except OSError as error:
      raise UsageError(f'{name}: {error.strerror}: name another') from error
    if not parent.is_dir():
      what = 'leads to no folder' if parent.is_symlink() else 'is a file, not a folder'
      raise UsageError(f'{name}: {parent} {what}: name another')
    if not os.access(parent, os.W_OK | os.X_OK):
      raise UsageError(f'{name}: no permission to write in {parent}: name another')
    return


def check_no_link(path: pathlib.Path, *, name: str) -> None:
  """Makes sure that what is inside a folder of results leads nowhere else.

  The folder may be a link itself, its owner's. What is inside may be somebody else's,
  who shares the folder: through a link, files elsewhere would be written or deleted.

  Args:
    path: inside the folder; what is below it is looked at, too.
    name: see `check_writable`.

  Raises:
    UsageError: there is a symbolic link.
  """
  below = (
    pathlib.Path(folder, each)
    for folder, *names in os.walk(path)
    for each in (*names[0], *names[1])
  )
  for each in (path, *below):
    if each.is_symlink():
      raise UsageError(
        f'{name}: {each} is a symbolic link, through which files elsewhere would be '
        'changed: remove it, or put what it leads to in its place'
      )


def is_leftover(path: pathlib.Path) -> bool:
  """Whether a file is one that a killed process has not renamed into its place."""
  return bool(_LEFTOVER.fullmatch(path.name)) and not path.is_dir()


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
    private_folder(folder)
    file = open(folder / '.lock', 'w', opener=_open_lock)  # noqa: SIM115
  except OSError as error:
    raise UsageError(f'{name}: {error.strerror}: name another') from error
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    file.close()
    raise UsageError(f'{name}: {busy}') from None
  return file


def _open_lock(path: str, how: int) -> int:
  """Opens a lock without emptying the file that it may be a link to."""
  return os.open(path, (how & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


@contextlib.contextmanager
def held(folder: pathlib.Path, *, busy: str) -> Iterator[None]:
  """Holds the lock of a folder of results, so that no two write into it.

  What a killed process left unfinished in it is removed.

  Args:
    folder: created where it is missing; below a folder of a run, such as `attacks/`.
    busy: what to say where another process holds the lock.

  Raises:
    UsageError: another process holds it, or it cannot be written.
  """
  check_no_link(folder.parent, name=str(folder))
  with lock(folder, name=str(folder), busy=busy):
    for leftover in filter(is_leftover, folder.iterdir()):
      leftover.unlink()
    yield


@contextlib.contextmanager
def held_to_show(folder: pathlib.Path, *, busy: str) -> Iterator[None]:
  """Holds a folder that is made to be shown, as `held` does, and leaves no lock file.

  Args:
    folder: created where it is missing, as the umask says.
    busy: what to say where another process holds it.

  Raises:
    UsageError: another process holds it.
  """
  folder.mkdir(parents=True, exist_ok=True)
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for leftover in filter(is_leftover, folder.iterdir()):
      leftover.unlink()
    yield
  except BlockingIOError:
    raise UsageError(f'{folder}: {busy}') from None
  finally:
    os.close(descriptor)


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
