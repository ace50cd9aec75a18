"""Places for results: who may enter them, who is at work in them, where they lead.

A folder that tells of single examples is for its owner alone, whatever the umask. One
process at a time writes into it, whose lock ends with it. What is inside leads nowhere
else: through links, files elsewhere would be written or deleted.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterator
from typing import IO

from rnn_tf.errors import UsageError

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
