"""Commands in processes of their own, which may be killed.

Each has a session of its own, so that a signal reaches it and all that it started. It
is forked from a process that has imported TensorFlow already, and does in a second what
takes a shell six.
"""

import dataclasses
import importlib
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['tests.faults.warm'])

PATIENCE = 120
"""Seconds after which a command is said to hang."""

Act = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How a command ended.

  Attributes:
    code: of its exit; -9 if it was killed, None if it hung (and was killed then).
    out: its stdout.
    err: its stderr.
  """

  code: int | None
  out: str
  err: str

  @property
  def line(self) -> str:
    """The last line of stderr: what a user sees of a mistake."""
    return (self.err.strip().splitlines() or [''])[-1]

  @property
  def refused(self) -> bool:
    """Whether it ended as a user's mistake does: in one line, without a traceback."""
    return self.code == 2 and 'Traceback' not in self.err

  def __str__(self) -> str:
    return f'exit code {self.code}: {self.err[-2000:]}'


class Child:
  """A command that has been started.

  Args:
    command: a module of rnn_tf, such as `train`.
    arguments: its flags.
    folder: where it is started.
    acts: called in the child before the command, such as partial functions of
      `sabotage`.
  """

  def __init__(
    self,
    command: str,
    arguments: Sequence[str],
    *,
    folder: pathlib.Path,
    acts: Sequence[Act] = (),
  ):
    self._log = tempfile.TemporaryDirectory()
    self._process = _FORKS.Process(
      target=_main,
      args=(command, list(arguments), str(folder), self._log.name, list(acts)),
    )
    self._process.start()
    self.pid = self._process.pid
    # Until it leads its group, a signal to the group would find nobody.
    while self._process.is_alive() and os.getpgid(self.pid) != self.pid:
      time.sleep(0.001)

  @property
  def alive(self) -> bool:
    """Whether it is still at work."""
    return self._process.is_alive()

  def kill(self, *, group: bool = True) -> None:
    """Kills it, and with it all that it has started, unless it alone is to go."""
    try:
      (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)
    except ProcessLookupError:
      return

  def said(self, text: str) -> bool:
    """Waits until its stderr has a text; returns False where it ends without."""
    path = pathlib.Path(self._log.name, 'err')
    while not (path.exists() and text in path.read_text(errors='replace')):
      if not self.alive:
        return False
      time.sleep(0.005)
    return True

  def wait(self, seconds: float = PATIENCE) -> Outcome:
    """Waits for its end; what is left of its group is killed."""
    self._process.join(seconds)
    hung = self._process.is_alive()
    self.kill()
    self._process.join()
    out, err = (
      pathlib.Path(self._log.name, name).read_text(errors='replace')
      if pathlib.Path(self._log.name, name).exists()
      else ''
      for name in ('out', 'err')
    )
    self._log.cleanup()
    return Outcome(None if hung else self._process.exitcode, out, err)


def run(
  command: str,
  *arguments: str,
  folder: pathlib.Path,
  acts: Sequence[Act] = (),
  seconds: float = PATIENCE,
) -> Outcome:
  """Runs a command to its end; see `Child`."""
  return Child(command, arguments, folder=folder, acts=acts).wait(seconds)


def _main(
  command: str, arguments: list[str], folder: str, log: str, acts: list[Act]
) -> None:
  for number, name in ((1, 'out'), (2, 'err')):
    descriptor = os.open(os.path.join(log, name), os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, number)
  os.setsid()
  os.chdir(folder)
  from rnn_tf import launch

  module = importlib.import_module(f'rnn_tf.{command}')
  name = f'python -m rnn_tf.{command}'
  sys.argv = [name, *arguments]
  for act in acts:
    act()
  sys.exit(
    launch.run(module.main, command=name, description='', options=module.OPTIONS)
  )
