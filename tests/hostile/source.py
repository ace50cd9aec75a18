"""The package's source, looked at without running it."""

import ast
import pathlib
from collections.abc import Iterator

import rnn_tf

ROOT = pathlib.Path(rnn_tf.__file__).parent

READS = frozenset(
  (
    *('read_bytes', 'read_text', 'read_json', 'parse_json', 'read_npz', 'read_rows'),
    *('read_lines', 'check_archive', 'load_weights', 'DictReader', 'ZipFile', 'memmap'),
    *('fromfile', 'frombuffer', 'fromregex', 'genfromtxt', 'loadtxt', 'read_csv'),
    *('read_table', 'TarFile', 'read_hdf', 'read_parquet', 'get_data'),
  )
)
"""Names of functions and methods that read files, or what was in one."""

DOTTED = frozenset(
  (
    *('np.load', 'json.load', 'json.loads', 'csv.reader', 'skops.io.load'),
    *('skops.io.loads', 'h5py.File', 'tarfile.open', 'gzip.open', 'io.FileIO'),
    *('os.read', 'os.fdopen'),
    *('self._manager.checkpoint.restore', 'tf.train.load_checkpoint', 'Image.open'),
  )
)
"""The same, of functions whose last name alone says too little."""

_OPENS = ('open', 'io.open')


def modules() -> Iterator[tuple[str, ast.Module]]:
  """Yields the name of each module of the package, and what it parses to."""
  for path in sorted(ROOT.rglob('*.py')):
    parts = path.relative_to(ROOT.parent).with_suffix('').parts
    yield '.'.join(parts).removesuffix('.__init__'), ast.parse(path.read_text('utf-8'))


def called(node: ast.Call) -> str:
  """Returns the dotted name of what is called; an expression in it is `(...)`."""
  parts, inner = [], node.func
  while isinstance(inner, ast.Attribute):
    parts.append(inner.attr)
    inner = inner.value
  parts.append(inner.id if isinstance(inner, ast.Name) else '(...)')
  return '.'.join(reversed(parts))


def calls(tree: ast.AST, inside: str = '') -> Iterator[tuple[str, ast.Call]]:
  """Yields each call and the name of the function or class that it is in."""
  for child in ast.iter_child_nodes(tree):
    name = inside
    if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
      name = f'{inside}.{child.name}'.lstrip('.')
    if isinstance(child, ast.Call):
      yield inside, child
    yield from calls(child, name)


def readers() -> dict[str, set[str]]:
  """Returns `module:function` -> what it calls that reads files."""
  found: dict[str, set[str]] = {}
  for module, tree in modules():
    for inside, call in calls(tree):
      if reads(call):
        found.setdefault(f'{module}:{inside}', set()).add(called(call))
  return found


def reads(call: ast.Call) -> bool:
  """Whether a call reads a file, by the name of what it calls."""
  name = called(call)
  known = name.split('.')[-1] in READS or name in DOTTED
  return known or (name in _OPENS and _may_read(call))


def _may_read(call: ast.Call) -> bool:
  """Whether an `open` is not one that only writes."""
  modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == 'mode')]
  texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
  return not any(isinstance(x, str) and set('wax') & set(x) for x in texts)
