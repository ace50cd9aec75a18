"""Files that anybody may have written, read so that they can do no harm.

Whatever they hold, reading them ends, takes memory in proportion to their size, runs
nothing that is in them, and raises OSError or ValueError where they are damaged.
"""

import io
import json
import math
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

_LARGEST_INT = 2**63

_UNFOLDED = 2**28
"""Bytes that any archive may unfold to."""

_RATIO = 50
"""Times its own size that a larger one may: scores and ids shrink to a half at best,
zeros a thousandfold."""


def read_bytes(path: pathlib.Path) -> bytes:
  """Returns a file's content; a pipe or a device, which may have no end, is refused."""
  if path.exists() and not path.is_file():
    raise ValueError('is no regular file')
  return path.read_bytes()


def read_text(path: pathlib.Path) -> str:
  """Returns the text of a file in UTF-8, lines as they are."""
  return read_bytes(path).decode('utf-8')


def read_json(path: pathlib.Path) -> Any:
  """Returns what a JSON file holds, see `parse_json`."""
  return parse_json(read_text(path))


def parse_json(text: str) -> Any:
  """Returns the values of a JSON text as Python's own parser has them.

  Raises:
    ValueError: it is no JSON; or it is JSON of which programs make different things: a
      name that is there twice, NaN, a number beyond 64 bits, half a surrogate pair; or
      nested beyond all reason.
  """
  try:
    values = json.loads(
      text,
      object_pairs_hook=_object,
      parse_constant=_no_number,
      parse_float=_float,
      parse_int=_int,
    )
    # Only an escape can hold half a character: the text itself has been decoded.
    if '\\ud' in text.lower():
      json.dumps(values, ensure_ascii=False).encode()
  except RecursionError:
    raise ValueError('it is nested too deeply') from None
  return values


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
  values = dict(pairs)
  if len(values) < len(pairs):
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    raise ValueError(f'it has {twice!r} twice')
  return values


def _no_number(text: str) -> Any:
  raise ValueError(f'{text} is no number')


def _float(text: str) -> float:
  value = float(text)
  if not math.isfinite(value):
    raise ValueError(f'{text[:20]} is too large a number')
  return value


def _int(text: str) -> int:
  if len(text) > 20 or not -_LARGEST_INT <= int(text) < _LARGEST_INT:
    raise ValueError(f'{text[:20]} is too large a number')
  return int(text)


def read_npz(source: pathlib.Path | bytes) -> dict[str, np.ndarray]:
  """Returns the arrays of an npz file; nothing in it is unpickled.

  Args:
    source: the file, or its content.

  Raises:
    OSError, ValueError: it is missing, damaged, unfolds to far more than its size, or
      has something else under a name that ends with `ids`.
  """
  content = source if isinstance(source, bytes) else read_bytes(source)
  try:
    check_archive(content)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
      found = dict(arrays)
  except (OSError, ValueError):
    raise
  except Exception as error:  # zipfile, zlib and NumPy each raise their own.
    raise ValueError(str(error) or type(error).__name__) from error
  for name, array in found.items():
    ids = f'_{name}'.endswith('_ids')
    if ids and (array.ndim != 1 or array.dtype.kind not in 'iu'):
      raise ValueError(f'{name} are no ids')
  return found


def check_logits(array: np.ndarray) -> np.ndarray:
  """Returns an array that is a model's outputs, (n, classes) finite floats.

  Raises:
    ValueError: it is something else.
  """
  if array.ndim != 2 or array.dtype.kind != 'f' or not np.isfinite(array).all():
    raise ValueError(f'{array.dtype} {array.shape} are no logits')
  return array


def check_archive(content: bytes) -> None:
  """Raises ValueError where a zip file unfolds to far more than its own size.

  What an entry claims is what is read of it: `zipfile` holds it to that.

  Raises:
    zipfile.BadZipFile: it is none.
  """
  with zipfile.ZipFile(io.BytesIO(content)) as archive:
    size = sum(entry.file_size for entry in archive.infolist())
  if size > max(_UNFOLDED, _RATIO * len(content)):
    raise ValueError(f'{len(content):,} bytes that unfold to {size:,}')
