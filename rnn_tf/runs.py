"""A run's folder: whose it is, what may be resumed in it, and when it is finished.

`config.json` says what the run is; `result.json` is written last: where it is, the
run is finished.
"""

import hashlib
import json
import numbers
import os
import pathlib
import shutil
from typing import Any

from rnn_tf import config as configs
from rnn_tf.errors import UsageError, closest_match
from rnn_tf.run_files import RunFiles
from rnn_tf.run_places import check_no_link, check_writable, is_leftover, lock

FORMAT = 1

SHARDED = 'sharded.json'
"""The file that says that a folder is a sharded model's, not a run's."""

RECEIVING = '.receiving'
"""A file that is there while a run that another machine has trained is written."""

# In the order in which they are cleared: config.json says that a folder is a run.
OWN_FILES = (
  'result.json',
  'report.html',
  'exposed_images.npz',
  'metrics.csv',
  'privacy.jsonl',
  'examples.npz',
  'config.json',
  RECEIVING,
)
_SEAL = 'checkpoint/epoch-{:04d}.json'
"""Checksums of an epoch that is committed by its checkpoint."""

RESULT = {
  'epochs': int,
  'best_epoch': int,
  'best_val_accuracy': numbers.Real,
  'train_accuracy': numbers.Real,
  'val_accuracy': numbers.Real,
  'seconds': numbers.Real,
  'privacy': dict,
}
"""What result.json holds."""

OWN_FOLDERS = (
  'attacks',
  'checkpoint',
  'deletions',
  'inference',
  'plots',
  'scores',
  'tensorboard',
  'weights',
)


class RunFolder(RunFiles):
  """The folder of one run."""

  def __init__(self, path: str | os.PathLike):
    super().__init__(path)
    self._lock = None

  @property
  def finished(self) -> bool:
    """Whether the run has written its result."""
    return (self.path / 'result.json').is_file()

  def check(self, config: configs.RunConfig, *, overwrite: bool) -> None:
    """Makes sure that `config` may be run here, without writing anything.

    Raises:
      UsageError: the folder is a file, holds something else than a run, holds
        a run with another config, or cannot be written to.
    """
    try:
      check_writable(self.path, name=f'--run_dir={self}')
      self.check_places(f'--run_dir={self}')
      if not self._is_new():
        self._check_own()
        if not overwrite:
          self._check_same(config)
    except OSError as error:
      raise UsageError(f'--run_dir={self}: {error.strerror}: name another') from error

  def check_places(self, name: str) -> None:
    """Refuses links, folders as files, and files as folders, where a run has its own.

    Args:
      name: see `check_writable`.
    """
    for own in ('.lock', *OWN_FILES, *OWN_FOLDERS):
      path = self.path / own
      check_no_link(path, name=name)
      if path.exists() and path.is_dir() != (own in OWN_FOLDERS):
        kind = 'folder' if path.is_dir() else 'file'
        raise UsageError(f'{name}: {path} is a {kind}: move it away')

  def _is_new(self) -> bool:
    """Whether there is nothing but what a run killed in its first moments leaves."""
    if not self.path.is_dir():
      return True
    names = {path.name for path in self.path.iterdir() if not is_leftover(path)}
    names.discard(RECEIVING)
    return names <= {'.lock'} or names == {'.lock', 'examples.npz'}

  def _check_own(self) -> None:
    """Refuses a folder that is not a run's: nothing in it may be deleted."""
    if not (self.path / 'config.json').is_file():
      raise UsageError(
        f'--run_dir={self}: holds files but no run (no config.json): name an empty '
        'or a new folder'
      )
    # The lock and the ids tell a run whose config.json is damaged.
    if not any((self.path / name).exists() for name in ('.lock', 'examples.npz')):
      raise UsageError(
        f'--run_dir={self}: its config.json is not one of rnn_tf: name an empty or a '
        'new folder'
      )

  def _check_same(self, config: configs.RunConfig) -> None:
    stored = self.config()
    lines = configs.differences(stored, config)
    if lines:
      raise UsageError(
        f'{self} holds a run with other flags ({"; ".join(lines)}): give the same '
        'flags to resume it, --run_dir for a new folder, or --overwrite'
      )

  def open(self, config: configs.RunConfig, *, overwrite: bool) -> None:
    """Creates the folder, takes its lock, and clears it if asked to.

    The lock is held as long as this object lives, and ends with its process,
    however that ends. What `check` found is looked at again under the lock: a
    process that held it may have changed it.

    Raises:
      UsageError: the folder cannot be created, another process is using it, or it
        has become another run's or finished.
    """
    self._lock = lock(
      self.path,
      name=f'--run_dir={self}',
      busy='another process is working in it: wait for it, or name another folder',
    )
    self.check(config, overwrite=overwrite)
    if self.finished and not overwrite:
      raise UsageError(f'{self}: another process has finished this run meanwhile')
    self._sweep()
    if overwrite or (self.path / RECEIVING).exists():
      self._clear()

  def _sweep(self) -> None:
    """Removes the temporary files of a killed process, and no others."""
    for folder in (self.path, *(self.path / name for name in OWN_FOLDERS)):
      if folder.is_dir():
        for path in filter(is_leftover, folder.iterdir()):
          path.unlink()

  def close(self) -> None:
    """Gives the lock back."""
    if self._lock is not None:
      self._lock.close()
      self._lock = None

  def _clear(self) -> None:
    (self.path / 'result.json').unlink(missing_ok=True)
    for name in OWN_FOLDERS:
      shutil.rmtree(self.path / name, ignore_errors=True)
    for name in OWN_FILES:
      (self.path / name).unlink(missing_ok=True)

  def result(self) -> dict[str, Any]:
    """Returns result.json.

    Raises:
      UsageError: it is missing or damaged.
    """
    result = self.read_json('result.json')
    if not isinstance(result, dict):
      raise self.damaged(self.path / 'result.json', 'no object')
    for name, kind in RESULT.items():
      if not isinstance(result.get(name), kind):
        raise self.damaged(self.path / 'result.json', f'no {name}')
    return result

  def config(self) -> configs.RunConfig:
    """Returns the stored config.

    Raises:
      UsageError: it is missing, damaged or of another version.
    """
    record = self.record()
    try:
      return configs.from_json(configs.RunConfig, record['config'])
    except (KeyError, TypeError, AttributeError, UsageError) as error:
      raise UsageError(
        f'{self}/config.json is damaged or of another version ({error}): name '
        'another --run_dir, or --overwrite'
      ) from error

  def record(self) -> dict[str, Any]:
    """Returns the whole of config.json."""
    record = self.read_json('config.json')
    if not isinstance(record, dict) or record.get('format') != FORMAT:
      raise UsageError(
        f'{self}/config.json is not of format {FORMAT}: this run was made by another '
        'version of rnn_tf; train it again with --overwrite'
      )
    return record

  def forget_after(self, epoch: int) -> None:
    """Drops everything recorded for epochs after `epoch`.

    A killed run may have written an epoch's rows but not its checkpoint; that
    epoch is trained again, and must not be listed twice.
    """
    rows = self.read_rows()
    # A process that is killed leaves at most one row more than its checkpoint.
    if not epoch <= len(rows) <= epoch + 1:
      found = (
        f'the checkpoint is of epoch {epoch}' if epoch else 'there is no checkpoint'
      )
      raise UsageError(
        f'{self}: metrics.csv ends at epoch {len(rows)} but {found}: the folder was '
        'edited; --overwrite starts again'
      )
    if len(rows) > epoch:
      self.write_rows(rows[:epoch])
    lines = self.read_lines()
    kept = [line for line in lines if line['epoch'] <= epoch]
    if len(kept) < len(lines):
      self.write_lines(kept)
    self._check_seal(epoch)
    for path in [
      *self.path.glob('scores/epoch-*.npz'),
      *self.path.glob('weights/epoch-*'),
    ]:
      number = path.name.removeprefix('epoch-').split('.')[0]
      if number.isdecimal() and int(number) > epoch:
        path.unlink()

  def seal(self, epoch: int) -> None:
    """Notes checksums of what a run that is resumed after an epoch goes on from.

    To be called before the epoch's checkpoint, which commits the epoch, is written.
    """
    self.write_json(_SEAL.format(epoch), self._sums())

  def unseal_before(self, epoch: int) -> None:
    """Removes the notes of earlier epochs, to which nobody comes back."""
    for path in self.path.glob(_SEAL.replace('{:04d}', '*')):
      if path.name < pathlib.Path(_SEAL.format(epoch)).name:
        path.unlink()

  def _check_seal(self, epoch: int) -> None:
    """Raises UsageError where a file is not what the epoch ended with."""
    # Runs of earlier versions have none.
    if (self.path / _SEAL.format(epoch)).exists():
      sealed = self.read_json(_SEAL.format(epoch))
      for name, found in self._sums().items():
        if not isinstance(sealed, dict) or sealed.get(name) != found:
          raise self.damaged(self.path / name, 'does not have its checksum')

  def _sums(self) -> dict[str, str]:
    """Returns file -> checksum of what it says."""
    said = {
      'config.json': self.record(),
      'metrics.csv': self.read_rows(),
      'privacy.jsonl': self.read_lines(),
    }
    return {
      name: hashlib.sha256(json.dumps(values).encode()).hexdigest()
      for name, values in said.items()
    }


def finished_run(path: str) -> RunFolder:
  """Returns the folder that `--run` names, to read it and to write into it.

  Raises:
    UsageError: there is no run in it, it is not finished, or a link leads out of it.
  """
  folder = run_folder(path)
  folder.config()
  if not folder.finished:
    raise UsageError(
      f'--run={path}: not finished; the command that started it resumes it: '
      f'{folder.record().get("command", "python -m rnn_tf.train")}'
    )
  folder.check_places(f'--run={path}')
  return folder


def run_folder(path: str) -> RunFolder:
  """Returns the folder that `--run` names, of a run that need not be finished.

  Raises:
    UsageError: there is no run in it.
  """
  folder = RunFolder(path)
  try:
    folder.path.lstat()
  except FileNotFoundError:
    pass
  except OSError as error:
    raise UsageError(f'--run={path}: {error.strerror}: name another') from error
  if (folder.path / SHARDED).is_file():
    raise UsageError(
      f'--run={path}: is a sharded model, which commands do not take: name the run '
      'that it was made of, whose deletions/ has its figures: '
      f'{folder.path.parent / _parent_of_sharded(folder)}'
    )
  if not (folder.path / 'config.json').is_file():
    found, where = sorted(folder.path.glob('*/config.json')), 'in'
    if not found:
      found, where = sorted(folder.path.parent.glob('*/config.json')), 'beside'
    names = [str(config.parent) for config in found]
    raise UsageError(
      f'--run={path}: no run there{closest_match(path, names)}; runs {where} it: '
      f'{", ".join(names) or "none, train one first"}'
    )
  return folder


def _parent_of_sharded(folder: RunFolder) -> str:
  manifest = folder.read_json(SHARDED)
  return str(manifest.get('parent') if isinstance(manifest, dict) else '')
