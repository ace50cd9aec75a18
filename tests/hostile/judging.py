"""What a damaged file may lead to, and what it must not.

A reader returns or raises a UsageError of one line; a command ends with 0, with 2 and
one line, or, asked to verify, with 3. Nothing else may be raised, take long, be
written, or be run.
"""

import contextlib
import dataclasses
import pathlib
import shutil
import signal
import types
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnn_tf import (
  attack,
  attack_records,
  deletion_records,
  infer,
  records,
  report,
  run_images,
  train,
  unlearn,
)
from rnn_tf.errors import UsageError
from rnn_tf.page import figures
from rnn_tf.runs import RunFolder
from rnn_tf.sharding import constituent
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.stack import tf
from tests.commands import call
from tests.hostile import kinds, samples
from tests.hostile.kinds import Kind

SECONDS = 60
"""That one step may take: many times what it does, on a busy machine."""

VALID, REFUSED = 'valid', 'refused'


class BrokenError(Exception):
  """A file has led to what it must not."""


class _TooLongError(BaseException):
  """A step does not end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
  """Something that reads files.

  Attributes:
    run: takes the samples' folder; raises UsageError where it refuses them.
    writes: files and folders, below the samples' folder, that it may write in.
    often: how often it has its turn, from 0 to 1.
  """

  run: Callable[[pathlib.Path], object]
  writes: Sequence[str] = ()
  often: float = 1.0


def _command(command, *flags, codes=(0, 2)):
  def run(root):
    code, _, err = call(command, *(flag.format(root=root) for flag in flags))
    if code not in codes:
      raise BrokenError(f'{command.__name__} ends with {code}: {err}')
    if 'Warning: ' in err:
      raise BrokenError(f'{command.__name__} shows a warning of a library: {err}')
    if code == 2:
      # What is passed over is said first; the refusal is one line.
      prefix = f'python -m {command.__name__}: '
      text = err[err.rfind(prefix) :].removeprefix(prefix)[:-1]
      if not text.isprintable() or not 0 < len(text) < 3000:
        raise BrokenError(f'not one printable line: {text[:300]!r}')
      raise UsageError(text)

  return run


def _pages(root):
  for name in ('report.html', 'inference/report.html'):
    path = root / kinds.RUN / name
    # Whoever reads a page decodes it, where it is there.
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
      figures.read(path.read_text(encoding='utf-8'), name=str(path))


def _sharded(root):
  for name in (kinds.ORIGINAL, kinds.SHARDED):
    folder = ShardedFolder(root / name)
    folder.manifest()
    folder.load()


def _stage(root):
  place = root / kinds.ORIGINAL / 'shards/000'
  found = constituent.read_stage(constituent.stage_file(place, 0))
  constituent._restore(_network(root), place / 'slice-000.npz', sha256=found.sha256)


def _network(root):
  """Returns what has the variables of the shards' networks, from one that is whole."""
  path = root / kinds.ORIGINAL / 'shards/001/slice-000.npz'
  with np.load(path, allow_pickle=False) as file:
    made = {name: tf.Variable(file[name]) for name in file}
  weights, rest = (
    [each for name, each in sorted(made.items()) if name.startswith(kind)]
    for kind in ('weight', 'optimizer')
  )
  return types.SimpleNamespace(
    variables=weights, optimizer=types.SimpleNamespace(variables=rest)
  )


_RUN, _TREE = f'--run={{root}}/{kinds.RUN}', f'--run={{root}}/{kinds.TREE}'
_PRIVATE = f'--run={{root}}/{kinds.PRIVATE}'
_DELETION = (_RUN, *samples.DELETION, f'--shadow_fleet={{root}}/{kinds.FLEET}')
_PAGE, _ANSWERS = f'{kinds.RUN}/report.html', f'{kinds.RUN}/inference'

STEPS = {
  'record': Step(run=lambda root: records.load_run(root / kinds.RUN)),
  'attack record': Step(
    run=lambda root: attack_records.load(root / kinds.RUN / 'attacks/mine').report()
  ),
  'deletion record': Step(
    run=lambda root: deletion_records.load(root / kinds.RUN / 'deletions/mine')
  ),
  'images': Step(run=lambda root: run_images.load(RunFolder(root / kinds.RUN))),
  'sharded': Step(run=_sharded),
  'stage': Step(run=_stage),
  'pages': Step(run=_pages),
  'resume': Step(
    run=_command(train, *samples.TRAINING, f'--run_dir={{root}}/{kinds.BEGUN}'),
    writes=(kinds.BEGUN,),
    often=0.2,
  ),
  'verify private': Step(run=_command(report, _PRIVATE, '--verify', codes=(0, 2, 3))),
  'page private': Step(
    run=_command(report, _PRIVATE), writes=(f'{kinds.PRIVATE}/report.html',), often=0.5
  ),
  'train': Step(
    run=_command(
      train, *samples.TRAINING, f'--run_dir={{root}}/{kinds.RUN}', '--dry_run'
    ),
    often=0.3,
  ),
  'verify': Step(run=_command(report, _RUN, '--verify', codes=(0, 2, 3)), often=0.5),
  'page': Step(run=_command(report, _RUN), writes=(_PAGE,), often=0.5),
  'compare': Step(
    run=_command(
      report,
      '--runs={root}/runs/*',
      '--report_dir={root}/report',
      '--notf_privacy_plots',
    ),
    writes=('report',),
    often=0.05,
  ),
  'infer': Step(run=_command(infer, _RUN), writes=(_ANSWERS,), often=0.7),
  'infer best': Step(
    run=_command(infer, _RUN, '--weights=best'), writes=(_ANSWERS,), often=0.7
  ),
  'infer tree': Step(
    run=_command(infer, _TREE), writes=(f'{kinds.TREE}/inference',), often=0.5
  ),
  'plan': Step(run=_command(unlearn, *_DELETION, '--dry_run'), often=0.3),
  'unlearn': Step(
    run=_command(unlearn, *_DELETION, '--overwrite'), writes=('runs',), often=0.03
  ),
  'attack': Step(
    run=_command(
      attack,
      _RUN,
      *samples.ATTACK,
      f'--fleet_dir={{root}}/{kinds.FLEET}',
      '--overwrite',
    ),
    writes=(kinds.FLEET, kinds.RUN),
    often=0.03,
  ),
}
"""Name -> what reads files; commands as a user calls them."""


class Bench:
  """The samples in a folder of their own, damaged and made whole again.

  Args:
    genuine: where `samples.make` has put them.
    folder: empty; a copy of them comes into it.

  Attributes:
    root: of the copy.
    canary: the file that only code of a file would create.
  """

  def __init__(self, genuine: pathlib.Path, folder: pathlib.Path):
    self._genuine = genuine
    self._folder = folder
    self.root = folder / 'samples'
    self.canary = folder / 'canary'
    shutil.copytree(genuine, self.root)
    self._whole = self._snapshot()

  def _snapshot(self):
    found = {}
    for path in self._folder.rglob('*'):
      if path.is_file() and path.name != '.lock':
        stat = path.stat()
        found[path] = stat.st_mtime_ns, stat.st_size, stat.st_ino
    return found

  def content(self, name: str) -> bytes:
    """Returns what a file of the samples holds while it is whole."""
    return (self._genuine / name).read_bytes()

  def judge(
    self, name: str, content: bytes, *, kind: Kind, steps: Sequence[str], sign=False
  ) -> str:
    """Puts a content in a file's place and lets some steps read it.

    Args:
      name: of the file, below the samples' folder.
      content: to be read.
      kind: of the file.
      steps: names out of `STEPS`.
      sign: whether what vouches for the file is made to.

    Returns:
      `VALID` or `REFUSED`: what most of it came to.

    Raises:
      BrokenError: it came to something else.
    """
    path = self.root / name
    path.write_bytes(content)
    if sign and kind.sign:
      kind.sign(path)
    before, allowed = self._snapshot(), []
    outcomes = []
    try:
      for step in steps:
        outcomes.append(self._judge_step(STEPS[step], step, name))
        allowed += STEPS[step].writes
        self._check_written(before, allowed, step)
    finally:
      self._make_whole()
    return REFUSED if REFUSED in outcomes else VALID

  def _judge_step(self, step: Step, called: str, name: str) -> str:
    try:
      with _in_time():
        step.run(self.root)
    except UsageError as error:
      _check_named(str(error), name)
      return REFUSED
    except (BrokenError, KeyboardInterrupt):
      raise
    except BaseException as error:
      raise BrokenError(f'{called}: {type(error).__name__}: {error}') from error
    finally:
      if self.canary.exists():
        self.canary.unlink()
        raise BrokenError(f'{called}: what the file holds was run')
    return VALID

  def _check_written(self, before, allowed: Sequence[str], called: str) -> None:
    places = [self.root / name for name in allowed]
    for path in self._changed(before):
      if not any(path == each or each in path.parents for each in places):
        raise BrokenError(f'{called}: has written {path.relative_to(self._folder)}')

  def _changed(self, before) -> set[pathlib.Path]:
    now = self._snapshot()
    return {path for path in {*before, *now} if before.get(path) != now.get(path)}

  def _make_whole(self) -> None:
    for path in self._changed(self._whole):
      genuine = self._genuine / path.relative_to(self.root)
      if genuine.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(genuine, path)
      else:
        path.unlink()
    self._whole = self._snapshot()


def _check_named(text: str, name: str) -> None:
  """Raises BrokenError unless a refusal says where it looked."""
  if not any(part in text for part in pathlib.Path(name).parts[1:]):
    raise BrokenError(f'names neither the file nor its folder: {text}')


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
  def stop(*_):
    raise _TooLongError(f'no end in {SECONDS} seconds')

  before = signal.signal(signal.SIGALRM, stop)
  signal.alarm(SECONDS)
  try:
    yield
  finally:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
