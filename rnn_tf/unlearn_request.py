"""A deletion before it is made: what is asked for, and what is there."""

import contextlib
import dataclasses
import pathlib
import zlib

import numpy as np

from rnn_tf import deletion_records, run_places
from rnn_tf.deletion import choose
from rnn_tf.deletion_config import DeletionConfig, ForgetConfig, percent
from rnn_tf.errors import UsageError
from rnn_tf.options.deletion import DeletionOptions
from rnn_tf.options.source import Source
from rnn_tf.run_files import RunFiles
from rnn_tf.run_places import check_writable
from rnn_tf.runs import RunFolder

_LONGEST = 150
"""Letters of a folder's name, which no file system has too many of."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Request:
  """What is asked for.

  Attributes:
    run: the parent, finished.
    deletion: from it.
    options: how to do it.
    source: where the data lies.
    label: of the audit's folder; None makes one of the deletion.
    overwrite: whether an audit that is there is made again; models are kept.
  """

  run: RunFolder
  deletion: DeletionConfig
  options: DeletionOptions
  source: Source
  label: str | None
  overwrite: bool

  @property
  def asked(self) -> str:
    """The deletion in short: the same text for the same deletion."""
    deletion, default = self.deletion, DeletionConfig()
    methods = [_method(deletion, name) for name in deletion.methods]
    parts = ['+'.join(methods), _forget(deletion)]
    if deletion.shards.aggregation != default.shards.aggregation:
      parts.append(deletion.shards.aggregation)
    if deletion.seeds:
      parts.append('s' + '.'.join(map(str, deletion.seeds)))
    return '-'.join(parts)

  @property
  def folder(self) -> RunFiles:
    """Where the audit is written."""
    name = self.label or self.asked
    if len(name.encode()) > _LONGEST:
      name = f'{name[:_LONGEST]}-{zlib.crc32(name.encode()):08x}'
    return RunFiles(self.run.path / deletion_records.FOLDER / name)


def _method(deletion: DeletionConfig, name: str) -> str:
  if name == 'sharded':
    return deletion.shards.label()
  if name == 'finetune' and deletion.finetune_epochs is not None:
    return f'finetune{deletion.finetune_epochs}'
  return name


def _forget(deletion: DeletionConfig) -> str:
  forget, default = deletion.forget, ForgetConfig()
  if forget.forget_ids:
    return f'ids{choose.checksum(np.unique(forget.forget_ids))}'
  if forget.forget_class is not None:
    return f'class{forget.forget_class}'
  percents = '+'.join(percent(fraction) for fraction in forget.fractions)
  parts = ['+'.join(map(str, forget.deletions)), f'{percents}pct']
  if 'grouped' in forget.deletions:
    parts.append(f'{forget.num_groups}of{deletion.shards.num_shards}')
  if forget.deletion_seed != default.deletion_seed:
    parts.append(f'd{forget.deletion_seed}')
  return '-'.join(parts)


def check_folder(request: Request) -> None:
  """Makes sure that the audit can be written, before hours of training.

  Raises:
    UsageError: it cannot, or another audit has its name.
  """
  if request.label is not None and request.label.endswith('.npz'):
    raise UsageError(
      f'--label={request.label}: names of files are in use beside it: give another'
    )
  check_writable(request.folder.path, name=f'--run={request.run}')
  if request.overwrite or not made(request):
    return
  record, fleet = deletion_records.load(request.folder.path), None
  if record.asked != request.asked:
    raise UsageError(
      f'{request.folder} holds another deletion ({record.asked}; asked for is '
      f'{request.asked}): give another --label, or --overwrite'
    )
  wanted = request.options.shadow_fleet
  if wanted not in (None, 'none'):
    fleet = pathlib.Path(wanted).resolve().name
  if wanted is not None and fleet != record.fleet_name:
    raise UsageError(
      f'{request.folder} was made with the shadow models '
      f'{record.fleet_name or "none"}, not {fleet or "none"}: give another --label, '
      'or --overwrite'
    )


def made(request: Request) -> bool:
  """Returns whether the audit is there already."""
  return (request.folder.path / deletion_records.FILE).is_file()


def held(request: Request) -> contextlib.AbstractContextManager[None]:
  """Holds the lock of the audit's folder, see `run_places.held`."""
  busy = 'another process makes this deletion: wait for it, or give another --label'
  return run_places.held(request.folder.path, busy=busy)
