"""What the folders of these tests hold, and whether two hold the same."""

import contextlib
import hashlib
import pathlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Collection

# TensorBoard's events hold the moment and the process in their names.
NO_RESULTS = ('tensorboard', 'checkpoint', 'data')

NUMBERS = ('.npz', '.h5', '.jsonl')
"""Endings of files that do not tell what took how long."""


def contents(folder: pathlib.Path, *, only: Collection[str] = ()) -> dict[str, str]:
  """Returns name -> checksum of all results below a folder, hidden files left out.

  Args:
    folder: where to look.
    only: endings of the files to look at; empty means all.
  """
  found = {}
  for path in sorted(folder.rglob('*')):
    name = path.relative_to(folder)
    counts = not path.name.startswith('.') and (not only or path.suffix in only)
    if path.is_file() and counts and not set(NO_RESULTS) & set(name.parts):
      found[str(name)] = _checksum(path)
  return found


def _checksum(path: pathlib.Path) -> str:
  content = path.read_bytes()
  if path.suffix == '.skops':
    # Its arrays have the names of places in memory, and a moment; damaged, it is bytes.
    with contextlib.suppress(zipfile.BadZipFile, KeyError, zlib.error):
      with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
      schema = re.sub(rb'\d{9,}', b'', parts.pop('schema.json'))
      content = b'\n'.join([schema, *sorted(parts.values())])
  return hashlib.sha256(content).hexdigest()


def leftovers(folder: pathlib.Path) -> list[str]:
  """Returns the temporary files that a killed process has left.

  Those of pages are left out: they are written without a lock, by whoever comes.
  """
  found = [str(path) for path in folder.rglob('.*') if 'tmp' in path.name]
  return [path for path in found if '.html.' not in path]


def unlike(first: dict[str, str], second: dict[str, str]) -> list[str]:
  """Returns the names of files that are in one only, or differ."""
  return sorted(name for name in first | second if first.get(name) != second.get(name))


def copied(folder: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
  """Returns `to`, now a copy of a folder."""
  shutil.rmtree(to, ignore_errors=True)
  shutil.copytree(folder, to, symlinks=True)
  return to
