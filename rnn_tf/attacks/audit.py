"""A privacy report: every attack on the whole and on each class, at one epoch."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from rnn_tf.attack_config import (
  FLEET_ATTACKS,
  MODEL_ATTACKS,
  AttackConfig,
  ReportConfig,
)
from rnn_tf.attacks import fleet_attacks, trained
from rnn_tf.attacks.fleet_attacks import FleetScores
from rnn_tf.attacks.results import (
  ENTIRE,
  TRAINED_ATTACKS,
  AttackResult,
  AttackScores,
  Report,
  class_slice,
)
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.attacks.transfer import Threshold

Scores = dict[tuple[str, str], AttackScores]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FleetFindings:
  """What shadow models gave.

  Attributes:
    attacks: name out of `FLEET_ATTACKS` -> its scores.
    thresholds: name of an attack -> thresholds chosen on the shadows.
  """

  attacks: Mapping[str, FleetScores]
  thresholds: Mapping[str, tuple[Threshold, ...]]


def ask_fleet(
  signals: Signals,
  attacks: tuple[str, ...],
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> FleetFindings:
  """Attacks a model with a fleet, and lets it choose thresholds for other attacks.

  Args:
    signals: the model's outputs.
    attacks: names out of `attack_config.ATTACKS`; those that learn from the target's
      own members get no thresholds.
    shadows: the shadow models' outputs at the same epoch.
    config: how they are used.
    class_count: classes of the data set.
    seed: of the attack models.

  Raises:
    UsageError: the fleet is too small, or lacks what the attacks need.
  """
  found = {
    attack: fleet_attacks.scores(
      attack, signals, shadows, config=config, class_count=class_count, seed=seed
    )
    for attack in attacks
    if attack in FLEET_ATTACKS
  }
  thresholds = {
    attack: fleet_attacks.model_thresholds(attack, shadows)
    for attack in attacks
    if attack not in (*FLEET_ATTACKS, *TRAINED_ATTACKS)
  }
  thresholds |= {attack: scores.thresholds for attack, scores in found.items()}
  return FleetFindings(attacks=found, thresholds=thresholds)


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
  fleet: FleetFindings | None = None,
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
    fleet: what the shadow models of the same epoch gave; needed by attacks of
      `FLEET_ATTACKS`.

  Returns:
    One result an attack and slice, in the order of `config.attacks`. A slice that
    is too small is there with the reason in `skipped`.

  Raises:
    ValueError: logits that are not finite.
  """
  _check_finite(signals)
  scores = ENGINES[config.attack_engine](
    signals,
    tuple(name for name in config.attacks if name in MODEL_ATTACKS),
    class_count=class_count,
    seed=seed,
  )
  fleet = fleet or FleetFindings(attacks={}, thresholds={})
  scores |= {(name, ENTIRE): found.target for name, found in fleet.attacks.items()}
  context = {
    'model': model,
    'epoch': int(epoch),
    'train_accuracy': float(train_accuracy),
    'val_accuracy': float(val_accuracy),
    'epsilon': epsilon,
    'delta': delta,
  }
  return _report(
    signals,
    scores,
    thresholds=fleet.thresholds,
    context=context,
    config=config,
    class_count=class_count,
  )


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
      scores |= trained.report_scores(
        signals, attack, class_count=class_count, seed=seed
      )
  return scores


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
  thresholds: Mapping[str, tuple[Threshold, ...]],
  config: ReportConfig,
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
  for attack in config.attacks:
    # Attacks with shadow models are this project's whoever makes the others.
    engine = 'fast' if attack in FLEET_ATTACKS else config.attack_engine
    for name, (n_members, n_nonmembers) in sizes.items():
      result = AttackResult(
        attack=attack,
        engine=engine,
        slice=name,
        n_members=int(n_members),
        n_nonmembers=int(n_nonmembers),
        skipped=_reason(attack, n_members, n_nonmembers),
        transfer=thresholds.get(attack) if name == ENTIRE else None,
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
