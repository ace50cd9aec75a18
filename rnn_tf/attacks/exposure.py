"""The members that an attack finds most easily, and why it finds them."""

import dataclasses

import numpy as np

from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.scores import true_class_probability
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Signals


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exposed:
  """A member, and how it stands out.

  Attributes:
    rank: 1 for the member with the highest score; equal scores in the order of the
      members.
    id: position in the file order of the data set's training split.
    label: its class.
    score: of the attack.
    false_positives: non-members with a score at least as high, who are called members
      if this one is.
    n_nonmembers: non-members there are.
    probability: the target's of the example's own label.
    in_probability: mean of that over the shadows that were trained on the example; None
      without shadows, or where there is none of that kind.
    out_probability: the same over those that were not trained on it. The difference is
      what training on the example does to its prediction.
  """

  rank: int
  id: int
  label: int
  score: float
  false_positives: int
  n_nonmembers: int
  probability: float
  in_probability: float | None = None
  out_probability: float | None = None

  @property
  def fpr(self) -> float:
    """The least false-positive rate at which the member is found."""
    return self.false_positives / self.n_nonmembers


def most_exposed(
  scores: AttackScores,
  signals: Signals,
  *,
  count: int,
  shadows: Shadows | None = None,
) -> tuple[Exposed, ...]:
  """Returns the members with the highest scores, the highest first.

  Args:
    scores: of an attack on the target.
    signals: the target's outputs that the scores were computed from, at least one
      non-member.
    count: members to return; all of them where there are not so many.
    shadows: the fleet, whose pool holds the members; None leaves out what the shadows
      say of them.

  Raises:
    ValueError: scores that are not those of the signals, or a member is not in the
      fleet's pool.
  """
  members, nonmembers = signals.members, signals.nonmembers
  sizes = (len(scores.members), len(scores.nonmembers))
  if sizes != (len(members), len(nonmembers)):
    raise ValueError(
      f'scores of {sizes[0]} members and {sizes[1]} non-members, outputs of '
      f'{len(members)} and {len(nonmembers)}'
    )
  chosen = np.argsort(-scores.members, kind='stable')[:count]
  values, side = scores.members[chosen], members.select(chosen)
  below = np.searchsorted(np.sort(scores.nonmembers), values, side='left')
  ins, outs = _shadow_means(side.ids, shadows)
  return tuple(
    Exposed(
      rank=row + 1,
      id=int(side.ids[row]),
      label=int(side.labels[row]),
      score=float(values[row]),
      false_positives=len(nonmembers) - int(below[row]),
      n_nonmembers=len(nonmembers),
      probability=float(side.probs[row, side.labels[row]]),
      in_probability=ins[row],
      out_probability=outs[row],
    )
    for row in range(len(side))
  )


def _shadow_means(
  ids: np.ndarray, shadows: Shadows | None
) -> tuple[list[float | None], list[float | None]]:
  """Returns each example's mean true-class probability over IN and over OUT models."""
  if shadows is None or not len(ids):
    return [None] * len(ids), [None] * len(ids)
  columns = shadows.positions(ids)
  values = true_class_probability(shadows.logits[:, columns], shadows.labels[columns])
  members = shadows.members[:, columns]
  return _means(values, members), _means(values, ~members)


def _means(values: np.ndarray, which: np.ndarray) -> list[float | None]:
  """Returns means over models, (models, n) -> n, of what a mask picks."""
  numbers = which.sum(axis=0)
  sums = np.where(which, values, 0).sum(axis=0)
  return [
    float(total / number) if number else None
    for total, number in zip(sums, numbers, strict=True)
  ]
