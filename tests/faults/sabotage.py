"""What goes wrong in a child: it dies or the disk is full at its n-th change to a file,
the clock stands still or jumps. Called in the child, see `children.Child`.
"""

import errno
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence

_GROWING = ('os.rename', 'os.mkdir', 'os.link', 'os.truncate')
_SHRINKING = ('os.remove', 'os.rmdir')
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def die_at(folder: str, number: int, *, delay: float = 0.0) -> None:
  """Kills this process at its n-th change below a folder, or some seconds after it.

  Just before the change by itself; with a delay in what comes next, which may be
  in a library that writes without Python.
  """

  def die(place: str) -> None:
    del place
    if delay:
      threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    else:
      os.kill(os.getpid(), signal.SIGKILL)

  _at(folder, number, die)


def die_on(name: str) -> None:
  """Kills this process when it is about to rename something to that name."""

  def hook(event: str, arguments: tuple) -> None:
    if event == 'os.rename' and os.fsdecode(arguments[1]).endswith(name):
      os.kill(os.getpid(), signal.SIGKILL)

  sys.addaudithook(hook)


def full_from(folder: str, number: int) -> None:
  """Lets the disk be full from the n-th change below a folder on.

  What a library writes without Python still has room.
  """

  def fail(place: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)

  _at(folder, number, fail, once=False, events=_GROWING)


def no_file_above(size: int) -> None:
  """Lets no file become larger than so many bytes."""
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def count_changes(folder: str, file: str) -> None:
  """Writes how many changes this process has made below a folder to a file."""
  descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
  _at(folder, 1, lambda place: os.write(descriptor, b'.'), once=False)


def _at(
  folder: str,
  number: int,
  act: Callable[[str], object],
  *,
  once: bool = True,
  events: Sequence[str] = (*_GROWING, *_SHRINKING),
) -> None:
  """Calls `act` at the n-th change below a folder; unless `once`, at all later ones."""
  # As it is called in the child's own folder.
  top = os.path.realpath(folder)
  seen = 0

  def changed(path: object) -> None:
    nonlocal seen
    if isinstance(path, (str, bytes, os.PathLike)):
      place = os.path.realpath(os.fsdecode(path))
      if place == top or place.startswith(top + os.sep):
        seen += 1
        if seen == number or (seen > number and not once):
          act(place)

  def hook(event: str, arguments: tuple) -> None:
    writes = event == 'open' and (arguments[2] or 0) & _WRITING
    if writes or event in events:
      changed(arguments[0])

  sys.addaudithook(hook)
  _instead_of_fsync(changed)


def _instead_of_fsync(changed: Callable[[object], None]) -> None:
  # It raises no event: what was written is complete by then, its rename is to come.
  fsync = os.fsync

  def counted(descriptor: int) -> None:
    changed(os.readlink(f'/proc/self/fd/{descriptor}'))
    fsync(descriptor)

  os.fsync = counted


def freeze_clocks() -> None:
  """Lets everything take no time, at one moment: what is written does not tell when."""
  time.perf_counter = lambda: 1000.0
  time.time = lambda: 1.6e9


def jump_clock(days: float, *, after: int, back: bool = False) -> None:
  """Moves the clock by days after so many readings; `back` moves it to and fro."""
  now, seen = time.time, 0

  def jumping() -> float:
    nonlocal seen
    seen += 1
    turned = seen > after and (not back or seen % 2)
    return now() + (days * 86400 if turned else 0.0)

  time.time = jumping
