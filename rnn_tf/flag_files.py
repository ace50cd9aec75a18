"""Flag files, read with care: `--flagfile=FILE` becomes the flags that it holds.

absl would wait for ever at a pipe, read /dev/zero into memory, leave out a file that
includes itself, and take a byte order mark for a flag.
"""

import os
import pathlib
from collections.abc import Sequence

from rnn_tf.errors import UsageError

_LARGEST = 2**20
"""Bytes of a flag file."""

_MOST = 10_000
"""Arguments: files that include each other twice would double them at each step."""

_FLAGS = ('--flagfile', '-flagfile')


def expanded(arguments: Sequence[str], *, inside: Sequence[str] = ()) -> list[str]:
  """Returns arguments with each flag file's in its place.

  In a file, a line is a flag; empty lines, and those that begin with # or //, are
  left out.

  Args:
    arguments: without the program's name.
    inside: real paths of the files that these arguments are from.

  Raises:
    UsageError: a file cannot be read, is no text, or includes itself.
  """
  found, rest = [], list(arguments)
  while rest:
    argument = rest.pop(0)
    name, _, path = argument.partition('=')
    if name not in _FLAGS:
      found.append(argument)
      if argument == '--':
        return found + rest
    else:
      if argument in _FLAGS and rest and not inside:
        path = rest.pop(0)
      found += _content(os.path.expanduser(path.strip()), inside)
    if len(found) > _MOST:
      raise UsageError(f'--flagfile: more than {_MOST} flags: give fewer')
  return found


def _content(path: str, inside: Sequence[str]) -> list[str]:
  """Returns the flags in a file, and in the files that it includes."""
  real = os.path.realpath(path)
  if real in inside:
    raise UsageError(f'--flagfile={path}: includes itself: take that line out')
  lines = [line.strip() for line in _text(path).split('\n')]
  flags = [line for line in lines if line and not line.startswith(('#', '//'))]
  return expanded(flags, inside=(*inside, real))


def _text(path: str) -> str:
  if not path:
    raise UsageError('--flagfile: names no file: give one, such as flags/mine.flags')
  try:
    # What is no regular file may have no end, or never begin.
    if os.path.exists(path) and not os.path.isfile(path):
      raise ValueError('is no regular file')
    if os.path.getsize(path) > _LARGEST:
      raise ValueError(f'has more than {_LARGEST} bytes')
    text = pathlib.Path(path).read_text(encoding='utf-8-sig')
  except (OSError, ValueError) as error:
    why = getattr(error, 'strerror', None) or error
    if isinstance(error, UnicodeError):
      why = 'is no text in UTF-8'
    raise UsageError(
      f'--flagfile={path}: {why}: name a text file, a flag a line, as in flags/'
    ) from error
  return text
