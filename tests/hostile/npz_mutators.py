"""Ways to forge an npz: other arrays, headers that lie, pickles, what unfolds."""

import io
import pathlib
import pickle
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

BOMB = 1 << 29
"""Bytes that an entry of a small archive claims, or unfolds to."""


class Touch:
  """An object whose pickle, if it were ever read, would create a file."""

  def __init__(self, path: pathlib.Path):
    self._path = str(path)

  def __reduce__(self):
    return open, (self._path, 'w')


def arrays_of(content):
  with np.load(io.BytesIO(content), allow_pickle=False) as file:
    return {name: file[name] for name in file}


def pack(arrays, **options):
  buffer = io.BytesIO()
  np.savez(buffer, **arrays, **options)
  return buffer.getvalue()


def _drawn(rng, arrays):
  return sorted(arrays)[rng.integers(len(arrays))]


def pickled(rng: np.random.Generator, content: bytes, canary: pathlib.Path) -> bytes:
  """Returns an npz of which an array, or all of it, is a pickle; see `Touch`."""
  if rng.random() < 0.3:
    return pickle.dumps(Touch(canary))
  arrays = arrays_of(content)
  evil = np.empty(3, object)
  evil[:] = [Touch(canary)] * 3
  return pack({**arrays, _drawn(rng, arrays): evil}, allow_pickle=True)


_DTYPES = ('c16', '?', 'f2', 'i1', 'f8', '>i8', 'u8', 'S3', 'U8', 'M8[s]', 'V8')

_SHAPES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
  lambda array: array[:0],
  lambda array: array[:-1],
  lambda array: array[::-1],
  lambda array: array[..., None],
  lambda array: array.T,
  lambda array: array.ravel(),
  lambda array: np.concatenate([array, array]),
  lambda array: np.zeros((2, 0), array.dtype),
  lambda array: np.array(3),
  lambda array: np.array('x'),
  lambda array: np.zeros(3, [('a', 'f4')]),
)


def _array(rng, content):
  arrays = arrays_of(content)
  name = _drawn(rng, arrays)
  array = arrays[name]
  if rng.random() < 0.5:
    made = _SHAPES[rng.integers(len(_SHAPES))](np.atleast_1d(array))
  else:
    kind = _DTYPES[rng.integers(len(_DTYPES))]
    with np.errstate(all='ignore'):
      made = (
        array.astype(kind)
        if array.dtype.kind in 'iuf' and kind != 'M8[s]'
        else np.zeros(array.shape, kind)
      )
  return pack({**arrays, name: made})


def _entries(rng, content):
  arrays = arrays_of(content)
  name = _drawn(rng, arrays)
  array = np.array(arrays[name])
  if array.dtype.kind == 'f' and array.size:
    odd = (np.nan, np.inf, -np.inf, 1e38, 0)
    array.flat[rng.integers(array.size)] = odd[rng.integers(len(odd))]
  elif array.dtype.kind in 'iu' and array.size:
    odd = (-1, 2**40, array.flat[0], 2**63 - 1, 1, -(2**63))
    value = np.array([odd[rng.integers(len(odd))]]).astype(array.dtype)[0]
    array.flat[rng.integers(array.size)] = value
  return pack({**arrays, name: array})


def _names(rng, content):
  arrays = arrays_of(content)
  name = _drawn(rng, arrays)
  new = ('../x', '/tmp/x', '', 'a/b', f'{name}x', 'x/entire/members', 'lr/../members')
  taken = arrays.pop(name)
  if rng.random() < 0.7:
    arrays[new[rng.integers(len(new))]] = taken
  return pack(arrays)


def header(shape, kind='<f4'):
  buffer = io.BytesIO()
  fields = {'descr': kind, 'fortran_order': False, 'shape': shape}
  np.lib.format.write_array_header_1_0(buffer, fields)
  return buffer.getvalue()


def zipped(content: bytes, entries: dict[str, bytes]) -> bytes:
  """Returns a zip file with some entries replaced, well compressed."""
  buffer = io.BytesIO()
  with (
    zipfile.ZipFile(io.BytesIO(content)) as old,
    zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as new,
  ):
    for name in old.namelist():
      if name not in entries:
        new.writestr(name, old.read(name))
    for name, entry in entries.items():
      new.writestr(name, entry)
  return buffer.getvalue()


def _claims(rng, content):
  """An array whose header claims terabytes, or less than nothing."""
  shapes = ((10**12,), (10**6, 10**6), (2**62,), (-1,), (10**30,), (2**40, 0), ())
  shape = shapes[rng.integers(len(shapes))]
  kind = ('<f4', '<i8', '|O', '<U1000000', '|V8')[rng.integers(5)]
  name = f'{_drawn(rng, arrays_of(content))}.npy'
  return zipped(content, {name: header(shape, kind) + bytes(64)})


def bomb(content: bytes, name: str) -> bytes:
  """Returns a zip file of which an entry unfolds to `BOMB` bytes, a thousandfold."""
  head = header((BOMB // 4,))
  packer = zlib.compressobj(1, zlib.DEFLATED, -15)
  check, packed, block = zlib.crc32(head), packer.compress(head), bytes(1 << 20)
  for _ in range(BOMB >> 20):
    check = zlib.crc32(block, check)
    packed += packer.compress(block)
  packed += packer.flush()
  buffer = io.BytesIO()
  with (
    zipfile.ZipFile(io.BytesIO(content)) as old,
    zipfile.ZipFile(buffer, 'w') as new,
  ):
    for other in set(old.namelist()) - {name}:
      new.writestr(other, old.read(other))
    new.writestr(name, packed)
  return _unfolding(buffer.getvalue(), packed, size=len(head) + BOMB, check=check)


def _unfolding(archive: bytes, packed: bytes, *, size: int, check: int) -> bytes:
  """Declares an entry that was stored as it is to be deflated: none is written so."""
  numbers = zlib.crc32(packed), len(packed), len(packed)
  stored = b''.join(number.to_bytes(4, 'little') for number in numbers)
  truth = b''.join(x.to_bytes(4, 'little') for x in (check, len(packed), size))
  local, central, rest = archive.split(stored)
  # Before the checksum there are the method, 2 bytes, and the time, 4 bytes.
  local, central = (
    head[:-6] + zipfile.ZIP_DEFLATED.to_bytes(2, 'little') + head[-4:]
    for head in (local, central)
  )
  return local + truth + central + truth + rest


WAYS = {
  'other array': _array,
  'other numbers': _entries,
  'other names': _names,
  'header': _claims,
}
"""Ways that need nothing but the genuine file; see `mutators.Way`."""
