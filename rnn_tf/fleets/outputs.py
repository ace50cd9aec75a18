"""What many models said, each in a file of its own, of which only parts are read.

All logits of a fleet may be larger than the memory: 256 shadows, 200,000 examples and
100 classes are 20 GB. Attacks look at one model after the other, or at some examples.
"""

import dataclasses
import math
import pathlib
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_tf.errors import UsageError

_HEADERS = {
  (1, 0): np.lib.format.read_array_header_1_0,
  (2, 0): np.lib.format.read_array_header_2_0,
}
"""Version of the npy format -> what reads its header."""

# Where a zip file's local header has the lengths of its two last fields, and its size
# without them (APPNOTE 4.3.7).
_LENGTHS_AT, _LOCAL_HEADER = 26, 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredArray:
  """An array inside of an npz file.

  Attributes:
    path: of the file.
    offset: bytes before the array's first value.
    shape: of the array, not empty.
    dtype: of its values.
  """

  path: pathlib.Path
  offset: int
  shape: tuple[int, ...]
  dtype: np.dtype

  @classmethod
  def find(cls, path: pathlib.Path, name: str) -> 'StoredArray':
    """Finds an array in an npz file that is not compressed, without reading it.

    Raises:
      Exception: of whatever kind `zipfile` and NumPy raise where the file is damaged,
        or lacks the array; ValueError where it cannot be used as it lies there.
    """
    with zipfile.ZipFile(path) as file:
      info = file.getinfo(f'{name}.npy')
      with file.open(info) as member:
        read_header = _HEADERS[np.lib.format.read_magic(member)]
        shape, by_columns, dtype = read_header(member)
        header = member.tell()
    if dtype.hasobject:
      raise ValueError(f'{name}: holds objects, not read (allow_pickle=False)')
    if info.compress_type != zipfile.ZIP_STORED or by_columns or dtype.kind != 'f':
      raise ValueError(f'{name}: is not stored as its numbers, row by row')
    if info.file_size != header + math.prod(shape) * dtype.itemsize:
      raise ValueError(f'{name}: {info.file_size} bytes are not of shape {shape}')
    with open(path, 'rb') as file:
      file.seek(info.header_offset + _LENGTHS_AT)
      lengths = struct.unpack('<HH', file.read(4))
    start = info.header_offset + _LOCAL_HEADER + sum(lengths)
    return cls(path=path, offset=start + header, shape=shape, dtype=dtype)

  def open(self) -> np.ndarray:
    """Returns the array, read-only; what is not looked at is never read.

    Raises:
      UsageError: the file has gone since it was found.
    """
    try:
      mapped = np.memmap(
        self.path, self.dtype, mode='r', offset=self.offset, shape=self.shape
      )
    except (OSError, ValueError) as error:
      raise UsageError(
        f'{self.path}: cannot be read any more ({error}): start the command again'
      ) from error
    # A plain array: what is computed from it is one as well.
    return mapped.view(np.ndarray)


class StoredOutputs:
  """Stands in for an array (models, n, values) whose models are looked at one by one.

  `outputs[model]` is an array (n, values), of which only what is looked at is read;
  `outputs[which]`, with a slice, a mask or positions, are fewer models, none of them
  read; `outputs[which, rows]` is an array of some rows of these models.

  Args:
    arrays: one a model, at least one, all of one shape.
  """

  def __init__(self, arrays: Sequence[StoredArray]):
    self._arrays = tuple(arrays)
    first = self._arrays[0]
    self.shape = (len(self._arrays), *first.shape)
    self.ndim = len(self.shape)
    self.dtype = first.dtype

  def __len__(self) -> int:
    return len(self._arrays)

  def __getitem__(self, which: Any) -> 'np.ndarray | StoredOutputs':
    if isinstance(which, tuple):
      models, rows = which
      return np.stack([self[int(model)][rows] for model in self._positions(models)])
    if isinstance(which, (int, np.integer)):
      return self._arrays[which].open()
    return StoredOutputs([self._arrays[model] for model in self._positions(which)])

  def _positions(self, which: Any) -> np.ndarray:
    return np.arange(len(self))[which]

  def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """Reads everything; NumPy asks for it where an array is needed."""
    del copy  # There is no array yet.
    return np.stack([array.open() for array in self._arrays]).astype(
      dtype or self.dtype, copy=False
    )
