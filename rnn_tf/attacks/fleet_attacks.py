"""How each attack with shadow models turns a target and a fleet into scores.

Thresholds are what an attacker takes over from the shadows: some are attacked as if
each were the target, with the rest of the fleet. Its twin, trained on the other half of
the pool, is left out with the shadow: else the examples that the shadow was trained on
had one model fewer with them, the others one fewer without, so that LiRA knew its two
means unequally well. Where too little would be left, the twin stays. As the rest is
smaller than the fleet, thresholds err on the safe side.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from scipy import special

from rnn_tf.attack_config import FLEET_ATTACKS, AttackConfig
from rnn_tf.attacks import fleet_size, shadow, transfer
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.scores import lira, logit_gap, rmia, true_class_probability
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.attacks.transfer import Threshold

TARGETS = 4
"""Shadows attacked to choose thresholds, at most: each costs as much as the target."""

SIGNALS = {'threshold': 'losses', 'entropy': 'entropies'}
"""Attack that compares a signal with a threshold -> the property of `Side`."""


@dataclasses.dataclass(frozen=True, eq=False)
class FleetScores:
  """What an attack with shadow models makes of a target.

  Attributes:
    target: scores of the target's examples.
    thresholds: chosen on shadows attacked as targets.
    models: the shadow attack's models, fitted on the whole fleet; None of others.
  """

  target: AttackScores
  thresholds: tuple[Threshold, ...]
  models: shadow.AttackModels | None = None


def scores(
  attack: str,
  signals: Signals,
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> FleetScores:
  """Attacks the target with the fleet, and shadows to choose thresholds on.

  LiRA and RMIA score the pool under at most `TARGETS` shadows, taken evenly from the
  fleet. The shadow attack, which has to fit its models for that, scores the last one:
  its own examples against as many others. All of them attack the target.

  Args:
    attack: a name out of `attack_config.FLEET_ATTACKS`.
    signals: the target's outputs; for RMIA those on the population, too, in the order
      of `shadows.population_labels`.
    shadows: the fleet's outputs; LiRA and RMIA need all of the target's examples in
      its pool.
    config: of the attacks.
    class_count: classes of the data set.
    seed: of the attack models, and of the examples that thresholds are chosen on.

  Raises:
    UsageError: the fleet is too small.
    ValueError: the population is missing, or not the fleet's; an example is not in the
      pool, or has another label there.
  """
  if attack == 'shadow':
    settings = {'config': config, 'class_count': class_count, 'seed': seed}
    models = shadow.fit(shadows, **settings)
    chosen = _shadow_thresholds(shadows, **settings)
    return FleetScores(_by_models(models, signals), chosen, models)
  _check_rotations(attack, shadows)
  config = settled(config, shadows)
  fleet = _statistics(attack, shadows)
  target = _attack_target(attack, signals, shadows, fleet=fleet, config=config)
  chosen = _rotation_thresholds(attack, shadows, fleet=fleet, config=config)
  return FleetScores(target, chosen)


def check(
  attacks: Iterable[str],
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> None:
  """Makes sure that a fleet can do what `scores` will want, before it is trained.

  Args:
    attacks: names out of `attack_config.ATTACKS`.
    shadows: of which only labels and memberships are looked at.
    config: of the attacks.
    class_count: classes of the data set.
    seed: of the attack models.

  Raises:
    UsageError: the fleet is too small, or a class is missing in a shadow.
  """
  for attack in attacks:
    if attack == 'shadow':
      shadow.check(shadows, config=config, class_count=class_count, seed=seed)
    elif attack in FLEET_ATTACKS:
      _check_rotations(attack, shadows)


def _check_rotations(attack: str, shadows: Shadows) -> None:
  when = 'to choose thresholds, without one of them, '
  for model in _evenly(len(shadows), TARGETS):
    found = fleet_size.lacking(attack, shadows.members[_rest(attack, shadows, model)])
    fleet_size.check(attack, found, num_shadows=len(shadows), when=when)


def target_scores(
  attack: str,
  signals: Signals,
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> AttackScores:
  """Attacks the target with the fleet: `scores` without the thresholds.

  Raises:
    UsageError: the fleet is too small, see `obstacle`.
    ValueError: see `scores`.
  """
  if attack == 'shadow':
    models = shadow.fit(shadows, config=config, class_count=class_count, seed=seed)
    return _by_models(models, signals)
  found = obstacle(attack, signals, shadows)
  fleet_size.check(attack, found, num_shadows=len(shadows))
  fleet, config = _statistics(attack, shadows), settled(config, shadows)
  return _attack_target(attack, signals, shadows, fleet=fleet, config=config)


def obstacle(attack: str, signals: Signals, shadows: Shadows) -> str | None:
  """Returns why a fleet is too small to attack the target with, or None.

  Args:
    attack: a name out of `attack_config.FLEET_ATTACKS`.
    signals: the target's outputs.
    shadows: the fleet's outputs.
  """
  if attack == 'shadow':
    return None  # whose non-members need not be in the pool
  return fleet_size.lacking(attack, shadows.members[:, _columns(signals, shadows)])


def settled(config: AttackConfig, shadows: Shadows) -> AttackConfig:
  """Decides LiRA's variance for a fleet: with a shadow left out it stays the same."""
  fixed = config.fixed_variance(len(shadows))
  return dataclasses.replace(config, lira_variance='fixed' if fixed else 'per_example')


def signal_scores(attack: str, side: Side) -> np.ndarray:
  """Returns the scores of an attack that compares a signal with a threshold.

  Args:
    attack: a key of `SIGNALS`.
    side: a model's outputs.

  Returns:
    (n,) float64, higher where more likely a member.
  """
  return -getattr(side, SIGNALS[attack])


def model_thresholds(attack: str, shadows: Shadows) -> tuple[Threshold, ...]:
  """Returns thresholds on a signal, chosen on all shadows taken together.

  Each shadow's own signal, of the examples that it was trained on against all those
  that it was not.

  Args:
    attack: a key of `SIGNALS`.
    shadows: the fleet's outputs.
  """
  pairs = []
  for model, members in enumerate(shadows.members):
    values = shadows.by_example(model, lambda side: signal_scores(attack, side))
    inside = members[shadows.usable]
    pairs.append((values[inside], values[~inside]))
  return transfer.thresholds(pairs)


def _by_models(models: shadow.AttackModels, signals: Signals) -> AttackScores:
  return AttackScores(models.score(signals.members), models.score(signals.nonmembers))


def _shadow_thresholds(
  shadows: Shadows, *, config: AttackConfig, class_count: int, seed: int
) -> tuple[Threshold, ...]:
  """Chooses on the last shadow, by attack models fitted on the rest."""
  held_out = len(shadows) - 1
  rest = shadows.only(_rest('shadow', shadows, held_out))
  models = shadow.fit(rest, config=config, class_count=class_count, seed=seed)
  members = shadows.members[held_out]
  rng = np.random.default_rng([seed, held_out])
  sides = [np.flatnonzero(shadows.usable & which) for which in (members, ~members)]
  # As many OUT as IN examples: the same odds as under the half split.
  sides[1] = np.sort(rng.permutation(sides[1])[: len(sides[0])])
  pair = tuple(models.score(shadows.side(held_out, side)) for side in sides)
  return transfer.thresholds([pair])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Statistics:
  """The one number an example and model that LiRA, or RMIA, looks at.

  Attributes:
    members: (models, n) bool.
    pool: (models, n) float64; logit gaps for LiRA, true-class probabilities for RMIA.
    population: (models, z) float64; None for LiRA.
  """

  members: np.ndarray
  pool: np.ndarray
  population: np.ndarray | None

  def only(self, models: np.ndarray) -> '_Statistics':
    population = None if self.population is None else self.population[models]
    return _Statistics(
      members=self.members[models], pool=self.pool[models], population=population
    )

  def examples(self, columns: np.ndarray) -> '_Statistics':
    return dataclasses.replace(
      self, members=self.members[:, columns], pool=self.pool[:, columns]
    )


def _is_rmia(attack: str) -> bool:
  return attack.startswith('rmia')


def _statistic(attack: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
  return true_class_probability if _is_rmia(attack) else logit_gap


def _statistics(attack: str, shadows: Shadows) -> _Statistics:
  pool, population = shadows.gaps, None
  if _is_rmia(attack):
    # As `true_class_probability` of the logits, which all attacks read once.
    pool, population = map(special.expit, (pool, shadows.population_gaps))
  return _Statistics(members=shadows.members, pool=pool, population=population)


def _compare(
  attack: str,
  target: np.ndarray,
  population: np.ndarray | None,
  *,
  fleet: _Statistics,
  config: AttackConfig,
) -> np.ndarray:
  """Returns the scores of a target's statistics (n,), those of its population (z,)."""
  online, shadows = attack in ('lira', 'rmia'), (fleet.pool, fleet.members)
  if not _is_rmia(attack):
    fixed = config.lira_variance == 'fixed'
    return lira(target, *shadows, online=online, fixed_variance=fixed)
  return rmia(
    target,
    *shadows,
    population,
    fleet.population,
    gamma=config.rmia_gamma,
    online=online,
    offline_a=config.rmia_offline_a,
  )


def _attack_target(
  attack: str,
  signals: Signals,
  shadows: Shadows,
  *,
  fleet: _Statistics,
  config: AttackConfig,
) -> AttackScores:
  statistic, population = _statistic(attack), None
  sides = (signals.members, signals.nonmembers)
  target = np.concatenate([statistic(side.logits, side.labels) for side in sides])
  if _is_rmia(attack):
    outputs = _population(signals, shadows)
    population = statistic(outputs.logits, outputs.labels)
  fleet = fleet.examples(_columns(signals, shadows))
  values = _compare(attack, target, population, fleet=fleet, config=config)
  return AttackScores(*np.split(values, [len(signals.members)]))


def _rotation_thresholds(
  attack: str, shadows: Shadows, *, fleet: _Statistics, config: AttackConfig
) -> tuple[Threshold, ...]:
  """Chooses on shadows attacked as targets, each with the rest of the fleet."""
  pairs, usable = [], shadows.usable
  for model in _evenly(len(shadows), TARGETS):
    population = None if fleet.population is None else fleet.population[model]
    rest = fleet.only(_rest(attack, shadows, model))
    values = _compare(attack, fleet.pool[model], population, fleet=rest, config=config)
    members = shadows.members[model]
    pairs.append((values[usable & members], values[usable & ~members]))
  return transfer.thresholds(pairs)


def _evenly(count: int, most: int) -> list[int]:
  """Returns at most so many of `count` positions, evenly, the first and last among."""
  return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def _rest(attack: str, shadows: Shadows, model: int) -> np.ndarray:
  """Returns which shadows attack one of them, (models,) bool."""
  others = np.arange(len(shadows)) != model
  members = shadows.members[:, shadows.usable]
  balanced = others & (members == members[model]).any(axis=1)
  return others if fleet_size.lacking(attack, members[balanced]) else balanced


def _columns(signals: Signals, shadows: Shadows) -> np.ndarray:
  """Returns where in the pool members and, after them, non-members are."""
  sides = (signals.members, signals.nonmembers)
  columns = shadows.positions(np.concatenate([side.ids for side in sides]))
  labels = np.concatenate([side.labels for side in sides])
  _check_labels(labels, shadows.labels[columns], "the fleet's pool")
  return columns


def _population(signals: Signals, shadows: Shadows) -> Side:
  if signals.population is None:
    raise ValueError("RMIA needs the target's outputs on the population")
  _check_labels(
    signals.population.labels, shadows.population_labels, "the fleet's population"
  )
  return signals.population


def _check_labels(labels: np.ndarray, expected: np.ndarray, where: str) -> None:
  if not np.array_equal(labels, expected):
    raise ValueError(f'the labels of {len(labels)} examples are not those of {where}')
