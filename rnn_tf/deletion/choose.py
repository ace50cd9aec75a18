"""Which examples are deleted, and which unseen ones they are compared with."""

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from rnn_tf.deletion.sisa import Assignment
from rnn_tf.deletion_config import ForgetConfig, percent
from rnn_tf.errors import UsageError

_SHOWN = 10
"""Ids that an error lists at most."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ForgetSet:
  """Examples to delete from one training set.

  Attributes:
    label: such as `uniform-5pct`.
    kind: `uniform`, `grouped`, `class` or `ids`.
    fraction: asked for; None for `class` and `ids`.
    ids: (n,) int64 rising.
    groups: shards that a grouped deletion is confined to, from 0; else empty.
  """

  label: str
  kind: str
  fraction: float | None
  ids: np.ndarray
  groups: tuple[int, ...] = ()

  def checksum(self) -> str:
    """Returns eight hex digits that change with any id."""
    return checksum(self.ids)


def checksum(ids: np.ndarray) -> str:
  """Returns eight hex digits that change with any of some ids (n,) or their order."""
  return f'{zlib.crc32(np.ascontiguousarray(ids, np.int64).data):08x}'


def forget_sets(
  config: ForgetConfig,
  *,
  ids: np.ndarray,
  labels: np.ndarray,
  assignment: Assignment,
  seed: int,
) -> tuple[ForgetSet, ...]:
  """Draws the forget sets of one original.

  Every set is drawn from the whole training set by a generator of its own: none
  depends on which others are asked for, and none lies inside another.

  Args:
    config: which.
    ids: (n,) int64 rising, the original's training examples.
    labels: (n,) int64, theirs.
    assignment: of these examples to shards, the groups of grouped deletions.
    seed: the original's.

  Raises:
    UsageError: nothing, or everything, would be deleted; a group is too small; an id
      is not in the training set.
  """
  if config.forget_ids:
    return (_given(config, ids),)
  if config.forget_class is not None:
    return (_class(config, ids, labels),)
  return tuple(
    _drawn(config, ids, kind=kind, fraction=fraction, assignment=assignment, seed=seed)
    for kind in config.deletions
    for fraction in config.fractions
  )


def _given(config: ForgetConfig, ids: np.ndarray) -> ForgetSet:
  wanted = np.unique(np.array(config.forget_ids, np.int64))
  strange = np.setdiff1d(wanted, ids)
  if len(strange):
    shown = ', '.join(map(str, strange[:_SHOWN].tolist()))
    more = f' and {len(strange) - _SHOWN} more' * (len(strange) > _SHOWN)
    raise UsageError(
      f"--forget_ids: {len(strange)} of {len(wanted)} are not among the run's "
      f'{len(ids)} training examples: {shown}{more}; the ids are train_ids in its '
      'examples.npz'
    )
  if len(wanted) == len(ids):
    raise UsageError('--forget_ids: names all training examples: leave some')
  return ForgetSet(
    label=f'ids-{checksum(wanted)}', kind='ids', fraction=None, ids=wanted
  )


def _class(config: ForgetConfig, ids: np.ndarray, labels: np.ndarray) -> ForgetSet:
  chosen = ids[labels == config.forget_class]
  if not len(chosen):
    known = ', '.join(map(str, np.unique(labels).tolist()))
    raise UsageError(
      f'--forget_class={config.forget_class}: no training example has this label: '
      f'there are {known}'
    )
  if len(chosen) == len(ids):
    raise UsageError(
      f'--forget_class={config.forget_class}: all training examples have this label: '
      'choose another run'
    )
  label = f'class-{config.forget_class}'
  return ForgetSet(label=label, kind='class', fraction=None, ids=chosen)


def _drawn(
  config: ForgetConfig,
  ids: np.ndarray,
  *,
  kind: str,
  fraction: float,
  assignment: Assignment,
  seed: int,
) -> ForgetSet:
  count = round(fraction * len(ids))
  if not 0 < count < len(ids):
    raise UsageError(
      f'--fractions={fraction:g}: of {len(ids)} training examples that is '
      f'{"none" if not count else "all"}: give another share'
    )
  key = [config.deletion_seed, seed, ('uniform', 'grouped').index(kind), count]
  rng = np.random.default_rng(key)
  share = f'{percent(fraction)}pct'
  if config.deletion_seed:
    share += f'-d{config.deletion_seed}'
  if kind == 'uniform':
    chosen, groups, label = np.arange(len(ids)), (), f'uniform-{share}'
  else:
    groups = _groups(config, assignment, rng)
    chosen = np.flatnonzero(np.isin(assignment.shards, groups))
    label = f'grouped{config.num_groups}of{assignment.num_shards}-{share}'
    if count > len(chosen) - len(groups):
      raise UsageError(
        f'--fractions={fraction:g}: {count} examples do not fit into '
        f'--num_groups={len(groups)} of --num_shards={assignment.num_shards}, '
        f'{len(chosen)} examples, of which each group must keep one: give more groups, '
        'or a smaller share'
      )
  order = _one_of_each_last(rng.permutation(chosen), groups, assignment)
  picked = np.sort(order[:count])
  return ForgetSet(
    label=label, kind=kind, fraction=fraction, ids=ids[picked], groups=groups
  )


def _one_of_each_last(
  order: np.ndarray, groups: Sequence[int], assignment: Assignment
) -> np.ndarray:
  """Moves the last example of each group to the end: those are deleted last."""
  shards = assignment.shards[order]
  last = [np.flatnonzero(shards == group)[-1] for group in groups]
  return np.concatenate([np.delete(order, last), order[last]])


def _groups(
  config: ForgetConfig, assignment: Assignment, rng: np.random.Generator
) -> tuple[int, ...]:
  """Returns the shards that a grouped deletion is confined to, rising."""
  drawn = rng.permutation(assignment.num_shards)[: config.num_groups]
  return tuple(sorted(drawn.tolist()))


def check_shards_left(
  forget: ForgetSet, *, ids: np.ndarray, assignment: Assignment
) -> None:
  """Makes sure that a deletion leaves every shard something to be trained on.

  Raises:
    UsageError: it does not.
  """
  kept = ~np.isin(ids, forget.ids)
  left = np.bincount(assignment.shards[kept], minlength=assignment.num_shards)
  empty = np.flatnonzero(left == 0)
  if len(empty):
    raise UsageError(
      f'--method=sharded: {forget.label} leaves shard {empty[0]} of '
      f'--num_shards={assignment.num_shards} without an example: give fewer shards, or '
      'delete less'
    )


def matched(
  pool_labels: np.ndarray, wanted: np.ndarray, *, seed: Sequence[int]
) -> np.ndarray:
  """Draws unseen examples with the labels' shares of a forget set, as many as go.

  Args:
    pool_labels: (m,) int64, of the unseen examples.
    wanted: (n,) int64, the forget set's labels.
    seed: of the draw.

  Returns:
    (k,) int64 rising positions among the unseen examples. Of every label there are
    `k / n` times as many as in `wanted`, rounded down.

  Raises:
    UsageError: a label of the forget set has no unseen example.
  """
  labels, counts = np.unique(wanted, return_counts=True)
  there = np.array([np.count_nonzero(pool_labels == label) for label in labels])
  if not there.all():
    raise UsageError(
      f'no unseen example has the label {labels[there == 0][0]} of deleted ones: audit '
      'a run with more examples outside its training set (--train_fraction)'
    )
  times = (there / counts).min()
  rng = np.random.default_rng(list(seed))
  chosen = []
  for label, count in zip(labels, counts, strict=True):
    rows = np.flatnonzero(pool_labels == label)
    take = max(1, int(np.floor(times * count + 1e-9)))
    chosen.append(rng.permutation(rows)[:take])
  return np.sort(np.concatenate(chosen))
