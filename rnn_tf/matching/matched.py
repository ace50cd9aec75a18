"""Attacks on several kinds of network, compared where the networks are equally good.

Which network gives away more depends on how far each was trained: a run's AUC is
taken where the run reaches a given accuracy. "RNNs are attacked with a higher accuracy
than feed-forward networks" (Yang et al., arXiv 2110.03054) says something of the
networks only if it holds there.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rnn_tf import seed_groups
from rnn_tf.attacks.results import signals_from_arrays
from rnn_tf.config import MODEL_FIELDS
from rnn_tf.errors import UsageError
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import Group

CRITERIA = ('member_accuracy', 'val_accuracy', 'gap')
"""What networks are matched by: accuracy on members, on test images, and the gap."""

LEAST_RANGE = 0.02
"""Narrowest range that counts: levels in it would be less than half a point apart."""

_WIDE = 0.08

_QUARTERS = (0.25, 0.5, 0.75)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Course:
  """What a run's reports say of the entire data set, by epoch.

  Attributes:
    run: the run's name.
    seed: its `--seed` and `--data_seed`.
    epochs: (r,) int, rising.
    criteria: criterion -> (r,) float64 in [-1, 1], with the model as it is after the
      epoch; NaN where no scores were kept.
    auc: attack -> (r,) float64, NaN where the attack was skipped.
  """

  run: str
  seed: tuple[int, int]
  epochs: np.ndarray
  criteria: Mapping[str, np.ndarray]
  auc: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Network:
  """Runs of one network that differ by their seeds alone.

  Attributes:
    name: that no other network has.
    recurrent: whether it reads an image as a sequence.
    parameters: weights of the network.
    flags: what it was trained with that others were not, such as `--epochs=60`; empty
      where there is nothing.
    courses: finished runs with a report, one a seed.
  """

  name: str
  recurrent: bool
  parameters: int
  flags: str
  courses: tuple[Course, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
  """At which values of a criterion networks are compared, and why there.

  Attributes:
    criterion: a name out of `CRITERIA`.
    ranges: network -> lowest and highest value that all its runs cover, None where
      they cover none.
    extents: network -> lowest and highest value that some run of it covers, None where
      none is known.
    shared_by: networks that share the range that the levels are from.
    shared: that range; None where no two networks share one.
    values: the levels, rising; empty without a shared range.
  """

  criterion: str
  ranges: Mapping[str, tuple[float, float] | None]
  extents: Mapping[str, tuple[float, float] | None]
  shared_by: tuple[str, ...]
  shared: tuple[float, float] | None
  values: tuple[float, ...]


def find(records: Iterable[RunRecord], *, least_seeds: int = 1) -> list[Network]:
  """Returns the networks among runs of one data set, recurrent ones first.

  In a pair of a recurrent and a feed-forward network the recurrent one is then the
  first. Unfinished runs, runs without a report, repeated seeds and models that are no
  networks are left out.

  Args:
    records: of one data set.
    least_seeds: networks with fewer are left out, their scores unread.

  Raises:
    UsageError: the scores of a run are damaged.
  """
  networks = (each for each in records if not each.config.model.classical)
  chosen = {group: _one_a_seed(group) for group in seed_groups.find(networks)}
  groups = [group for group, runs in chosen.items() if len(runs) >= least_seeds]
  found = [
    Network(
      name=name,
      recurrent='sequence' in MODEL_FIELDS[group.config.model.model],
      parameters=group.records[0].parameters,
      flags=flags,
      courses=tuple(course(record) for record in chosen[group]),
    )
    for group, name, flags in zip(groups, *_names(groups), strict=True)
  ]
  return sorted(found, key=lambda network: not network.recurrent)


def _one_a_seed(group: Group) -> list[RunRecord]:
  """Returns the finished runs with a report, of each seed the first."""
  used: dict[tuple[int, int], RunRecord] = {}
  for record in group.finished:
    if record.results:
      used.setdefault(_seed(record), record)
  return list(used.values())


def _names(groups: Sequence[Group]) -> tuple[list[str], list[str]]:
  """Returns names, as short as may be, and the flags that are not in them."""
  labels = [group.config.model.label() for group in groups]
  private = any(group.config.privacy.dp for group in groups)
  if private or len(set(labels)) < len(labels):
    names = [name.removeprefix('plain ') for name in seed_groups.names(groups)]
    return names, [''] * len(names)
  flags = [each.split(' ') for each in seed_groups.other_flags(groups)]
  others = [
    ' '.join(flag for flag in each if not flag.startswith('--model=')) for each in flags
  ]
  return labels, others


def _seed(record: RunRecord) -> tuple[int, int]:
  return record.config.training.seed, record.config.data.data_seed


def course(record: RunRecord) -> Course:
  """Returns what a run's reports say, by epoch.

  The accuracies on members and non-members are those of the kept scores: the
  training accuracy of metrics.csv is a mean over an epoch in which the model changed.

  Raises:
    UsageError: the scores of a report are damaged.
  """
  epochs = list(dict.fromkeys(result.epoch for result in record.results))
  sides = np.array([_accuracies(record, epoch) for epoch in epochs]).reshape(-1, 2)
  val = dict(zip(record.metrics['epoch'], record.metrics['val_accuracy'], strict=True))
  aucs = {}
  for attack in record.attacks:
    found = {result.epoch: result.auc for result in record.entire(attack)}
    aucs[attack] = np.array([found.get(epoch) for epoch in epochs], np.float64)
  return Course(
    run=record.name,
    seed=_seed(record),
    epochs=np.array(epochs, np.int64),
    criteria={
      'member_accuracy': sides[:, 0],
      'val_accuracy': np.array([val[epoch] for epoch in epochs], np.float64),
      'gap': sides[:, 0] - sides[:, 1],
    },
    auc=aucs,
  )


def _accuracies(record: RunRecord, epoch: int) -> tuple[float, float]:
  """Accuracy on members and on non-members; NaN where no scores were kept."""
  arrays = record.score_arrays(epoch)
  if arrays is None:
    return np.nan, np.nan
  try:
    signals = signals_from_arrays(arrays)
  except (KeyError, ValueError) as error:
    raise UsageError(
      f'{record.folder}/scores/epoch-{epoch:04d}.npz is damaged ({error}): train the '
      'run again with --overwrite'
    ) from error
  return signals.members.correct.mean(), signals.nonmembers.correct.mean()


def first_crossing(values: np.ndarray, level: float) -> tuple[int, float] | None:
  """Returns where `values` first come up to `level`.

  Args:
    values: (r,) float, by epoch, not NaN.
    level: to be reached from below, or met by the first value.

  Returns:
    The index of the first value that is not below, and the weight of that value in
    the linear interpolation between the one before and it; None where no value is
    there, or where already the first is above: nothing is extrapolated.
  """
  reached = np.flatnonzero(values >= level)
  if not reached.size:
    return None
  index = int(reached[0])
  if index == 0:
    return (0, 1.0) if values[0] == level else None
  before, after = values[index - 1], values[index]
  return index, float((level - before) / (after - before))


def covered(values: np.ndarray) -> tuple[float, float] | None:
  """Returns the lowest and the highest level at which `first_crossing` finds one.

  Args:
    values: (r,) float, by epoch; NaN is left out.
  """
  known = values[~np.isnan(values)]
  return (float(known[0]), float(known.max())) if known.size else None


def choose_levels(networks: Sequence[Network], criterion: str) -> Levels:
  """Returns three levels, spread evenly over what the networks share, if anything.

  A network covers what all its runs cover. The shared range is that of all networks;
  where it is narrower than `LEAST_RANGE`, that of the most networks that share one
  which is not, and of as many the widest. The levels are its quarter points, rounded
  to hundredths, and to thousandths where it is narrower than 0.08.

  Args:
    networks: with different names.
    criterion: a name out of `CRITERIA`.
  """
  ends = {network.name: _ends(network, criterion) for network in networks}
  ranges = {name: _common(each) for name, each in ends.items()}
  known = {name: ends for name, ends in ranges.items() if ends is not None}
  best: tuple[int, float, tuple[str, ...]] = (1, 0.0, ())
  for start, _ in known.values():
    # With the lowest end fixed, all that cover it and enough above it share a range.
    names = tuple(
      name
      for name, (low, high) in known.items()
      # Twelve digits: 0.52 - 0.5 is wide enough.
      if low <= start and round(high - start, 12) >= LEAST_RANGE
    )
    if len(names) > 1:
      low, high = _shared(known, names)
      best = max(best, (len(names), high - low, names), key=lambda each: each[:2])
  shared = _shared(known, best[2]) if best[2] else None
  return Levels(
    criterion=criterion,
    ranges=ranges,
    extents={name: _extent(each) for name, each in ends.items()},
    shared_by=best[2],
    shared=shared,
    values=_spread(*shared) if shared else (),
  )


def _ends(network: Network, criterion: str) -> list[tuple[float, float] | None]:
  return [covered(course.criteria[criterion]) for course in network.courses]


def _common(ends):
  """Returns what all runs cover."""
  if not ends or None in ends:
    return None
  low, high = max(low for low, _ in ends), min(high for _, high in ends)
  return (low, high) if low <= high else None


def _extent(ends):
  """Returns what some run covers."""
  known = [each for each in ends if each is not None]
  if not known:
    return None
  return min(low for low, _ in known), max(high for _, high in known)


def _shared(ranges, names):
  return max(ranges[name][0] for name in names), min(ranges[name][1] for name in names)


def _spread(low: float, high: float) -> tuple[float, ...]:
  # Rounding must neither move a level far from its place nor make two of them one.
  digits = 2 if high - low >= _WIDE else 3
  return tuple(round(low + part * (high - low), digits) for part in _QUARTERS)
