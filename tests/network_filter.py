"""A filter of system calls under which a process that opens a network socket is killed.

The kernel looks at each call (seccomp, `man 2 seccomp`): a library that hides an error
cannot hide this, no thread is overlooked, and what the process starts is filtered too.
Sockets of the machine itself (AF_UNIX, by which processes talk to each other) are
allowed: nothing leaves the machine by them.
"""

import ctypes
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys

KILLED = int(signal.SIGSYS)
"""The signal that ends a process which opens one."""

# linux/prctl.h, linux/seccomp.h
_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000
# linux/bpf_common.h: load a word of `struct seccomp_data`; jump if equal, or if at
# least as high; return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
# Where in `struct seccomp_data` the call's number, the architecture and the low half of
# the first argument are, on machines with the low byte first.
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16

# linux/audit.h, and the numbers of `socket`.
MACHINES = {'x86_64': (0xC000003E, 41), 'aarch64': (0xC00000B7, 198)}
_IO_URING_SETUP = 425  # opens sockets without the call `socket`
_OTHER_ABI = 0x40000000  # from here on calls of x32, which have other numbers


def _program(machine: str) -> bytes:
  """Returns the filter; each instruction is code, jumps if true and false, value."""
  architecture, call = MACHINES[machine]
  steps = (
    (_LOAD, 0, 0, _ARCHITECTURE),
    (_EQUAL, 0, 6, architecture),
    (_LOAD, 0, 0, _NUMBER),
    (_AT_LEAST, 4, 0, _OTHER_ABI),
    (_EQUAL, 3, 0, _IO_URING_SETUP),
    (_EQUAL, 0, 3, call),
    (_LOAD, 0, 0, _FIRST),
    (_EQUAL, 1, 0, socket.AF_UNIX),
    (_RETURN, 0, 0, _KILL_PROCESS),
    (_RETURN, 0, 0, _ALLOW),
  )
  return b''.join(struct.pack('=HBBI', *step) for step in steps)


class _Filter(ctypes.Structure):
  """`struct sock_fprog`."""

  _fields_ = (('length', ctypes.c_ushort), ('steps', ctypes.c_char_p))


def _install(libc: ctypes.CDLL, program: bytes) -> None:
  """Puts this process, and whatever it becomes or starts, under the filter."""
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  wanted = _Filter(len(program) // 8, program)
  if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
    raise OSError(ctypes.get_errno(), 'PR_SET_NO_NEW_PRIVS')
  if libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(wanted), 0, 0):
    raise OSError(ctypes.get_errno(), 'PR_SET_SECCOMP')


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
  """Runs Python with these arguments under the filter; `options` go to `subprocess`.

  Raises:
    subprocess.SubprocessError: the filter cannot be had.
  """
  libc = ctypes.CDLL(None, use_errno=True)
  program = _program(platform.machine())
  return subprocess.run(
    [sys.executable, *arguments],
    preexec_fn=lambda: _install(libc, program),
    capture_output=True,
    text=True,
    **options,
  )


def missing() -> str:
  """Returns why there is no filter here, '' if there is."""
  machine = platform.machine()
  if sys.platform != 'linux' or machine not in MACHINES or os.name != 'posix':
    return f'there is no filter for {sys.platform} on {machine}'
  try:
    run('-c', '')
  except (OSError, subprocess.SubprocessError) as error:
    return f'this kernel takes no filter: {error}'
  return ''
