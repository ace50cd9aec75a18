"""A privacy report: every attack on the whole and on each class, at one epoch."""

from collections.abc import Mapping

import numpy as np

from rnn_tf.attack_config import ATTACKS, ReportConfig
from rnn_tf.attacks import trained
from rnn_tf.attacks.results import (
  ENTIRE,
  TRAINED_ATTACKS,
  AttackResult,
  AttackScores,
  Report,
  class_slice,
)
from rnn_tf.attacks.signals import Side, Signals

Scores = dict[tuple[str, str], AttackScores]


def run(
  signals: Signals,
  *,
  config: ReportConfig,
  class_count: int,
  model: str,
  epoch: int,
  train_accuracy: float,
  val_accuracy: float,
  seed: int,
  epsilon: float | None = None,
  delta: float | None = None,
) -> Report:
  """Attacks a model through its outputs.

  Args:
    signals: the model's outputs on members and non-members, all of which are
      attacked: draw members with `sample_members` before predicting.
    config: which attacks, by whose code.
    class_count: classes of the data set; each is a slice.
    model: the model's label, for the results.
    epoch: epochs trained so far, for the results.
    train_accuracy: for the results.
    val_accuracy: for the results.
    seed: of the trained attacks; the same one gives the same numbers.
    epsilon: what the training promises so far, for the results; None if nothing.
    delta: of that promise, or to hold the attacks' bound on epsilon against.

  Returns:
    One result an attack and slice, in the order of `config.attacks`. A slice that
    is too small is there with the reason in `skipped`.

  Raises:
    ValueError: logits that are not finite.
  """
  _check_finite(signals)
  scores = ENGINES[config.attack_engine](
    signals, config.attacks, class_count=class_count, seed=seed
  )
  context = {
    'engine': config.attack_engine,
    'model': model,
    'epoch': int(epoch),
    'train_accuracy': float(train_accuracy),
    'val_accuracy': float(val_accuracy),
    'epsilon': epsilon,
    'delta': delta,
  }
  sizes = {'attacks': config.attacks, 'class_count': class_count}
  return _report(signals, scores, context=context, **sizes)


def _check_finite(signals: Signals) -> None:
  for name, side in (('members', signals.members), ('nonmembers', signals.nonmembers)):
    bad = np.count_nonzero(~np.isfinite(side.logits).all(axis=1))
    if bad:
      raise ValueError(f'{name}: logits of {bad} of {len(side)} are not finite')


def sample_members(count: int, size: int | None, *, seed: int) -> np.ndarray:
  """Draws which members a run's reports attack, the same ones at every epoch.

  Args:
    count: members there are.
    size: members to attack; None, or more than there are, means all.
    seed: of the draw.

  Returns:
    Rising positions among the members, (min(size, count),) int64.
  """
  if size is None or size >= count:
    return np.arange(count)
  return np.sort(np.random.default_rng(seed).permutation(count)[:size])


def _fast_scores(
  signals: Signals, attacks: tuple[str, ...], *, class_count: int, seed: int
) -> Scores:
  """This project's attacks; the score of a class is that within its own slice."""
  members, nonmembers = signals.members, signals.nonmembers
  scores: Scores = {}
  if members and nonmembers:
    if 'threshold' in attacks:
      pair = AttackScores(-members.losses, -nonmembers.losses)
      scores['threshold', ENTIRE] = pair
    if 'entropy' in attacks:
      pair = AttackScores(-members.entropies, -nonmembers.entropies)
      scores['entropy', ENTIRE] = pair
  for attack in attacks:
    if attack in TRAINED_ATTACKS:
      scores |= _trained_scores(signals, attack, class_count=class_count, seed=seed)
  return scores


def _trained_scores(
  signals: Signals, attack: str, *, class_count: int, seed: int
) -> Scores:
  """Scores of one trained attack on the whole and inside each class."""
  sides = (signals.members, signals.nonmembers)
  if trained.too_small(*map(len, sides)):
    return {}
  values = [trained.features(side) for side in sides]
  # An attack's numbers must not depend on which others are made beside it.
  key = ATTACKS.index(attack)
  entire = trained.scores(attack, *values, seed=[seed, key, 0])
  inside = AttackScores(*(np.full(len(side), np.nan) for side in sides))
  for label in range(class_count):
    rows = [side.labels == label for side in sides]
    if trained.too_small(*map(np.count_nonzero, rows)):
      continue
    chosen = (value[row] for value, row in zip(values, rows, strict=True))
    pair = trained.scores(attack, *chosen, seed=[seed, key, label + 1])
    inside.members[rows[0]] = pair.members
    inside.nonmembers[rows[1]] = pair.nonmembers
  return {(attack, ENTIRE): entire, (attack, 'class'): inside}


def _tf_privacy_scores(
  signals: Signals, attacks: tuple[str, ...], *, class_count: int, seed: int
) -> Scores:
  """TF Privacy's attacks, imported here so that the fast ones need no TensorFlow."""
  from rnn_tf.attacks import tf_privacy

  if not (signals.members and signals.nonmembers):
    return {}
  return tf_privacy.scores(signals, attacks, class_count=class_count, seed=seed)


ENGINES = {'fast': _fast_scores, 'tf_privacy': _tf_privacy_scores}
"""Name out of `attack_config.ATTACK_ENGINES` -> signals to scores."""


def _report(
  signals: Signals,
  scores: Scores,
  *,
  attacks: tuple[str, ...],
  class_count: int,
  context: Mapping,
) -> Report:
  """Measures every slice, or says why it is skipped."""
  sizes = {ENTIRE: (len(signals.members), len(signals.nonmembers))}
  counts = (_class_counts(side, class_count) for side in _sides(signals))
  for label, pair in enumerate(zip(*counts, strict=True)):
    sizes[class_slice(label)] = pair
  empty = Report(
    results=(),
    scores=scores,
    member_labels=np.asarray(signals.members.labels),
    nonmember_labels=np.asarray(signals.nonmembers.labels),
  )
  results = []
  for attack in attacks:
    for name, (n_members, n_nonmembers) in sizes.items():
      result = AttackResult(
        attack=attack,
        slice=name,
        n_members=int(n_members),
        n_nonmembers=int(n_nonmembers),
        skipped=_reason(attack, n_members, n_nonmembers),
        **context,
      )
      if not result.skipped:
        result = result.with_scores(empty.slice_scores(result))
      results.append(result)
  return Report(
    results=tuple(results),
    scores=scores,
    member_labels=empty.member_labels,
    nonmember_labels=empty.nonmember_labels,
  )


def _sides(signals: Signals) -> tuple[Side, Side]:
  return signals.members, signals.nonmembers


def _class_counts(side: Side, class_count: int) -> np.ndarray:
  return np.bincount(side.labels, minlength=class_count)[:class_count]


def _reason(attack: str, n_members: int, n_nonmembers: int) -> str | None:
  """Why an attack is not made on a slice of this size, or None."""
  if attack in TRAINED_ATTACKS:
    return trained.too_small(n_members, n_nonmembers)
  if min(n_members, n_nonmembers) >= 1:
    return None
  return f'{n_members} members and {n_nonmembers} non-members; needs one of each'
