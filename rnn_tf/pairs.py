"""Differentially private runs beside the plain runs that they are to be measured by.

Two runs are a pair if they differ by the privacy config alone: same examples, same
seed, same reports.
"""

import dataclasses
import logging
import math
from collections.abc import Iterable, Mapping

import numpy as np

from rnn_tf import claims
from rnn_tf import config as configs
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import ENTIRE, FOLDS, TRAINED_ATTACKS, AttackResult
from rnn_tf.errors import UsageError
from rnn_tf.records import RunRecord

LOG = logging.getLogger('rnn_tf')

_SPLITS = ('train', 'holdout', 'test')
_SIDES = ('member', 'nonmember')

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackPair:
  """One attack on both runs of a pair, on the entire data set.

  Attributes:
    attack: the attack's name.
    private: its result on the differentially private run.
    plain: its result on the plain run.
    difference: AUC plain - private; None where an attack was skipped or the scores
      of a run were not kept.
  """

  attack: str
  private: AttackResult
  plain: AttackResult
  difference: metrics.Difference | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
  """Two runs that differ by the privacy config alone.

  Attributes:
    private: the differentially private run.
    plain: the plain one.
    epoch: the last one after which both made a report, or, of runs without, that
      both have trained: the runs are compared after as many epochs.
    attacks: one an attack that both made there.
  """

  private: RunRecord
  plain: RunRecord
  epoch: int
  attacks: tuple[AttackPair, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unpaired:
  """A differentially private run with no plain one to measure it by.

  Attributes:
    private: the run.
    nearest: the plain run that differs least; None where there is no plain run.
    reasons: what differs, such as `--batch_size was 64, is 256`.
  """

  private: RunRecord
  nearest: RunRecord | None
  reasons: tuple[str, ...]


def find(records: Iterable[RunRecord]) -> tuple[list[Pair], list[Unpaired]]:
  """Returns the pairs among the runs, and the private runs that have none.

  Both are in the order of model, epsilon, seed.

  Args:
    records: runs of one data set.

  Raises:
    UsageError: scores or example ids of a run are damaged.
  """
  records = list(records)
  plain = [record for record in records if not record.config.privacy.dp]
  pairs, unpaired = [], []
  for record in sorted((r for r in records if r.config.privacy.dp), key=_order):
    reasons = [(differences(other, record), other) for other in plain]
    partners = [other for lines, other in reasons if not lines]
    pairs += [_pair(record, other) for other in partners]
    if not partners:
      lines, nearest = min(reasons, key=lambda x: len(x[0]), default=((), None))
      unpaired.append(Unpaired(private=record, nearest=nearest, reasons=tuple(lines)))
  return pairs, unpaired


def _order(record: RunRecord) -> tuple:
  claim = claims.of(record)
  epsilon = math.inf if claim is None or claim.epsilon is None else claim.epsilon
  return record.config.model.label(), epsilon, record.config.training.seed, record.name


def differences(plain: RunRecord, private: RunRecord) -> list[str]:
  """Returns what two runs differ in but for privacy, empty if they are a pair."""
  lines = configs.differences(
    claims.plain_config(plain.config), claims.plain_config(private.config)
  )
  if plain.data.version != private.data.version:
    lines.append(
      f'the data set was of version {plain.data.version}, is {private.data.version}'
    )
  # Examples of other seeds or sizes are other ones: the flags have said it.
  return lines or _other_examples(plain, private)


def _other_examples(plain: RunRecord, private: RunRecord) -> list[str]:
  """Compares checksums and ids, as far as both runs have kept them."""
  sums = [record.data.checksums for record in (plain, private)]
  ids = [_example_ids(record) for record in (plain, private)]
  lines = []
  for split in _SPLITS:
    if all(sums) and sums[0].get(split) != sums[1].get(split):
      lines.append(f'the {split} examples are others (checksum)')
    elif all(ids) and not np.array_equal(*(each[f'{split}_ids'] for each in ids)):
      lines.append(f'the {split} examples are others (ids)')
  arrays = _common_arrays(plain, private)
  if not lines and arrays:
    for side in _SIDES:
      if not np.array_equal(*(np.sort(each[f'{side}_ids']) for each in arrays)):
        lines.append(f'the reports are on other {side}s (ids)')
  return lines


def _example_ids(record: RunRecord) -> Arrays | None:
  if not (record.folder.path / 'examples.npz').exists():
    return None
  needs = [f'{split}_ids' for split in _SPLITS]
  return record.folder.read_npz('examples.npz', needs=needs)


def _common_epoch(plain: RunRecord, private: RunRecord) -> int:
  reported = [
    {result.epoch for result in record.results} for record in (plain, private)
  ]
  return max(set.intersection(*reported), default=min(plain.epochs, private.epochs))


def _common_arrays(plain: RunRecord, private: RunRecord) -> list[Arrays] | None:
  """Returns the kept scores of both at their common epoch, None if some are gone."""
  epoch = _common_epoch(plain, private)
  arrays = [record.score_arrays(epoch) for record in (plain, private)]
  if any(each is None for each in arrays):
    return None
  for record, each in zip((plain, private), arrays, strict=True):
    for side in _SIDES:
      ids = each.get(f'{side}_ids')
      if ids is None or ids.ndim != 1 or np.unique(ids).size != ids.size:
        raise _damaged(record, epoch, f'no {side}_ids, or one of them twice')
  return arrays


def _damaged(record: RunRecord, epoch: int, why: object) -> UsageError:
  return UsageError(f'{record.folder}: the scores of epoch {epoch} are damaged ({why})')


def _pair(private: RunRecord, plain: RunRecord) -> Pair:
  epoch = _common_epoch(plain, private)
  arrays = _common_arrays(plain, private)
  found = [
    {r.attack: r for r in record.results if (r.epoch, r.slice) == (epoch, ENTIRE)}
    for record in (plain, private)
  ]
  if arrays is None and all(found):
    LOG.warning(
      '%s and %s: no scores of epoch %d in one of them: their AUCs are compared '
      'without an interval',
      plain.folder,
      private.folder,
      epoch,
    )
  attacks = []
  for attack in [name for name in found[1] if name in found[0]]:
    results = [each[attack] for each in found]
    difference = None
    if arrays is not None and not any(result.skipped for result in results):
      scores = [
        _by_id(record, epoch, attack=attack, arrays=each)
        for record, each in zip((plain, private), arrays, strict=True)
      ]
      difference = auc_difference(*scores, attack=attack)
    attacks.append(
      AttackPair(
        attack=attack, plain=results[0], private=results[1], difference=difference
      )
    )
  return Pair(private=private, plain=plain, epoch=epoch, attacks=tuple(attacks))


def _by_id(
  record: RunRecord, epoch: int, *, attack: str, arrays: Arrays
) -> tuple[np.ndarray, np.ndarray]:
  """Returns an attack's scores of members and of non-members, sorted by their ids."""
  sides = []
  for side in _SIDES:
    ids, scores = arrays[f'{side}_ids'], arrays.get(f'{attack}/{ENTIRE}/{side}s')
    if scores is None or scores.shape != ids.shape or not np.isfinite(scores).all():
      raise _damaged(record, epoch, f'{attack} attack, {side}s: not one score an id')
    sides.append(scores[np.argsort(ids)])
  return sides[0], sides[1]


def auc_difference(
  plain: tuple[np.ndarray, np.ndarray],
  private: tuple[np.ndarray, np.ndarray],
  *,
  attack: str,
) -> metrics.Difference:
  """Returns AUC(plain) - AUC(private) on the same examples, with its 95% interval.

  The interval is paired DeLong's. A trained attack scores each example by a model
  that learnt from the other folds, and both folds' AUCs stray together, see
  `metrics.auc_interval`; so do both folds' differences. Taken as perfectly
  correlated, their mean has the variance of one fold's, `FOLDS` times DeLong's: the
  interval is wider by the square root of it, like that of either AUC.

  Args:
    plain: scores of members (m,) and of non-members (n,).
    private: the same examples in the same order, scored by the attack on the
      private run.
    attack: its name.
  """
  difference = metrics.paired_delong(plain, private)
  if attack not in TRAINED_ATTACKS:
    return difference
  factor, value = math.sqrt(FOLDS), difference.value
  return metrics.Difference(
    value=value,
    low=max(-1.0, value - factor * (value - difference.low)),
    high=min(1.0, value + factor * (difference.high - value)),
    standard_error=factor * difference.standard_error,
  )
