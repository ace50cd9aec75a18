"""What a privacy report holds, and how it is kept in JSON lines and npz arrays."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnn_tf.attacks import metrics, transfer
from rnn_tf.attacks.epsilon_bound import epsilon_lower_bound
from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.attacks.transfer import TransferPoint

__all__ = ['AttackResult', 'AttackScores', 'RatePoint', 'Report']

ENTIRE = 'entire'

TRAINED_ATTACKS = ('lr', 'mlp', 'rf', 'knn')
"""Attacks that learn from the examples, hence score them out of fold."""

FOLDS = 2
"""Folds of a trained attack."""

_SIDES = ('members', 'nonmembers')

_POINTS = {'tpr_at_fpr': RatePoint, 'transfer': TransferPoint}


def class_slice(label: int) -> str:
  """Returns the name of a class's slice, such as `class:3`."""
  return f'class:{label}'


@dataclasses.dataclass(frozen=True, eq=False)
class AttackScores:
  """An attack's scores; higher means more likely a member.

  Attributes:
    members: (m,) float64.
    nonmembers: (n,) float64.
  """

  members: np.ndarray
  nonmembers: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackResult:
  """One attack on one slice of the examples at one epoch.

  Attributes:
    attack: a name out of `attack_config.ATTACKS`.
    engine: a name out of `attack_config.ATTACK_ENGINES`.
    slice: `entire`, or `class:3`.
    model: the model's label.
    epoch: epochs trained so far.
    train_accuracy: accuracy on the training examples at that epoch.
    val_accuracy: accuracy on the validation examples at that epoch.
    n_members: members in the slice.
    n_nonmembers: non-members in the slice.
    auc: signed; below 0.5 it is not flipped. Like all up to `tpr_at_fpr` None where
      the slice was skipped.
    auc_low: lower end of its 95% interval.
    auc_high: upper end of it.
    auc_null_half_width: 95% of AUCs lie within 0.5 -+ this if nothing leaks.
    advantage: max |TPR - FPR|.
    ppv: highest positive predictive value, see `metrics.ppv`.
    tpr_at_fpr: one point a target false-positive rate.
    skipped: why there are no numbers, or None.
    epsilon: what the training so far promises, by the accountant; None where it is
      not differentially private.
    delta: of that guarantee; given without it, it is the one that
      `epsilon_lower_bound` is held against.
    epsilon_lower_bound: 95% lower bound on epsilon that the scores give, see
      `epsilon_bound`; None without a delta, and for slices other than `entire`.
    transfer: thresholds that the shadow models gave, and what they do here; None
      without shadow models, and for slices other than `entire`.
  """

  attack: str
  engine: str
  slice: str
  model: str
  epoch: int
  train_accuracy: float | None
  val_accuracy: float | None
  n_members: int
  n_nonmembers: int
  auc: float | None = None
  auc_low: float | None = None
  auc_high: float | None = None
  auc_null_half_width: float | None = None
  advantage: float | None = None
  ppv: float | None = None
  tpr_at_fpr: tuple[RatePoint, ...] | None = None
  skipped: str | None = None
  epsilon: float | None = None
  delta: float | None = None
  epsilon_lower_bound: float | None = None
  transfer: tuple[TransferPoint, ...] | None = None

  def to_json(self) -> dict[str, Any]:
    """Returns plain JSON values; a NaN (an unknown accuracy) becomes None."""
    values = dataclasses.asdict(self)
    for name in _POINTS:
      if values[name] is not None:
        values[name] = list(values[name])
    return {
      name: None if isinstance(value, float) and value != value else value
      for name, value in values.items()
    }

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'AttackResult':
    """Rebuilds what `to_json` returned."""
    values = dict(values)
    for name, kind in _POINTS.items():
      if values.get(name) is not None:
        values[name] = tuple(kind(**point) for point in values[name])
    return cls(**values)

  def with_scores(self, scores: AttackScores) -> 'AttackResult':
    """Returns this result with all its numbers computed from `scores`."""
    folds = FOLDS if self.attack in TRAINED_ATTACKS else 1
    measured = metrics.measure(scores.members, scores.nonmembers, folds=folds)
    values = {
      field.name: getattr(measured, field.name)
      for field in dataclasses.fields(measured)
    }
    bound = None
    if self.delta is not None and self.slice == ENTIRE:
      bound = epsilon_lower_bound(scores.members, scores.nonmembers, delta=self.delta)
    moved = self.transfer
    if moved is not None:
      moved = transfer.apply(moved, scores.members, scores.nonmembers)
    return dataclasses.replace(
      self, skipped=None, epsilon_lower_bound=bound, transfer=moved, **values
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Report:
  """All attacks on all slices at one epoch, and the scores behind them.

  Attributes:
    results: one an attack and slice, skipped ones among them.
    scores: (attack, 'entire') -> scores of all examples; (attack, 'class') ->
      scores of all examples from the attack made inside each class, NaN where
      the slice was skipped; absent where they are the ones of 'entire'.
    member_labels: (m,) int64, the classes of the members.
    nonmember_labels: (n,) int64.
  """

  results: tuple[AttackResult, ...]
  scores: Mapping[tuple[str, str], AttackScores]
  member_labels: np.ndarray
  nonmember_labels: np.ndarray

  def slice_scores(self, result: AttackResult) -> AttackScores:
    """Returns the scores that a result of this report is computed from."""
    entire = self.scores[result.attack, ENTIRE]
    if result.slice == ENTIRE:
      return entire
    label = int(result.slice.removeprefix('class:'))
    scores = self.scores.get((result.attack, 'class'), entire)
    return AttackScores(
      scores.members[self.member_labels == label],
      scores.nonmembers[self.nonmember_labels == label],
    )


def to_arrays(report: Report, signals: Signals) -> dict[str, np.ndarray]:
  """Returns the arrays that a report's npz file holds.

  Args:
    report: made from `signals`.
    signals: the model's outputs.

  Returns:
    `member_ids`, `member_labels`, `member_logits`, the same of `nonmember`, and
    `<attack>/entire/members` and so on for each of the report's scores.
  """
  arrays = {}
  for name, side in (('member', signals.members), ('nonmember', signals.nonmembers)):
    arrays[f'{name}_ids'] = side.ids
    arrays[f'{name}_labels'] = side.labels
    arrays[f'{name}_logits'] = side.logits
  for (attack, kind), scores in report.scores.items():
    arrays[f'{attack}/{kind}/members'] = scores.members
    arrays[f'{attack}/{kind}/nonmembers'] = scores.nonmembers
  return arrays


def signals_from_arrays(arrays: Mapping[str, np.ndarray]) -> Signals:
  """Returns the model's outputs kept by `to_arrays`."""
  sides = (
    Side(*(arrays[f'{name}_{what}'] for what in ('ids', 'labels', 'logits')))
    for name in ('member', 'nonmember')
  )
  return Signals(*sides)


def check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
  """Makes sure that arrays from a file are such as `to_arrays` returns.

  Raises:
    KeyError: one is missing.
    ValueError: one is of another kind or size than the rest.
  """
  for name, side in zip(('member', 'nonmember'), _SIDES, strict=True):
    ids, labels, logits = (
      arrays[f'{name}_{what}'] for what in ('ids', 'labels', 'logits')
    )
    shapes = [array.shape for array in (ids, labels, logits)]
    if ids.ndim != 1 or labels.ndim != 1 or logits.ndim != 2:
      raise ValueError(f'ids, labels and logits of {side} have the shapes {shapes}')
    if not len(ids) == len(labels) == len(logits):
      raise ValueError(f'ids, labels and logits of {side} have the shapes {shapes}')
    whole = ids.dtype.kind in 'iu' and labels.dtype.kind in 'iu'
    if not whole or logits.dtype.kind != 'f' or not np.isfinite(logits).all():
      raise ValueError(f'ids, labels or logits of {side} are no numbers')
    classes = logits.shape[1]
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
      raise ValueError(
        f'{name}_labels from {labels.min()} to {labels.max()}, of {classes} classes'
      )
    for key, array in arrays.items():
      if key.endswith(f'/{side}') and (
        array.shape != ids.shape or array.dtype.kind != 'f'
      ):
        raise ValueError(f'{key} has not a score for each of the {side}')
  if arrays['member_logits'].shape[1] != arrays['nonmember_logits'].shape[1]:
    raise ValueError('logits of members and of nonmembers are of different classes')


def report_from_arrays(
  results: Iterable[AttackResult], arrays: Mapping[str, np.ndarray]
) -> Report:
  """Rebuilds a report from its results and from what `to_arrays` returned.

  Args:
    results: of one epoch.
    arrays: of the same epoch, as read from the npz file.
  """
  scores = {}
  for name in arrays:
    attack, _, rest = name.partition('/')
    kind, _, side = rest.partition('/')
    if side == _SIDES[0]:
      pair = (arrays[f'{attack}/{kind}/{each}'] for each in _SIDES)
      scores[attack, kind] = AttackScores(*pair)
  return Report(
    results=tuple(results),
    scores=scores,
    member_labels=arrays['member_labels'],
    nonmember_labels=arrays['nonmember_labels'],
  )


def recompute(report: Report) -> tuple[AttackResult, ...]:
  """Returns the report's results with every number computed again from scores.

  What was skipped stays as it is. Equal to `report.results` unless a line or an
  array was changed.
  """
  return tuple(
    result if result.skipped else result.with_scores(report.slice_scores(result))
    for result in report.results
  )
