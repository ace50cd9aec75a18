"""Whether an attack finds nothing where there is nothing to find.

Two checks of each attack. `permuted`: the whole attack, what it learns included, is
made with membership dealt out anew at random, that in the target and that in the
shadows; an AUC outside its null interval is a fault of the attack (a leak between what
it learns from and what it scores, say). `another model`: a shadow model in place of the
target, with the target's membership, on the examples that this shadow was not trained
on. It has seen neither side, so that an AUC outside the null interval says that the two
sides differ by themselves: MNIST's test set, for one, is easier than its training set.

One shadow is attacked, so that each check fails by chance in one run of 20, as a 95%
interval does.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf.attack_config import ATTACKS, FLEET_ATTACKS, AttackConfig
from rnn_tf.attacks import fleet_attacks, metrics, trained
from rnn_tf.attacks.intervals import null_half_width
from rnn_tf.attacks.results import FOLDS, TRAINED_ATTACKS, AttackScores
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import NONMEMBERS
from rnn_tf.errors import check_choice

PERMUTED = 'permuted'

ANOTHER_MODEL = 'another model'

# What a seed's children are for.
_SHADOW_CHILD, _ORDER_CHILD, _ATTACK_CHILD = 0, 1, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class NullCheck:
  """An attack where there is nothing to find.

  Attributes:
    attack: a name out of `attack_config.ATTACKS`.
    kind: `PERMUTED` or `ANOTHER_MODEL`.
    auc: signed.
    half_width: 95% of AUCs lie within 0.5 -+ this if there is nothing.
    n_members: examples attacked as members.
    n_nonmembers: examples attacked as non-members.
  """

  attack: str
  kind: str
  auc: float
  half_width: float
  n_members: int
  n_nonmembers: int

  @property
  def holds(self) -> bool:
    """Whether the AUC lies in its null interval."""
    return abs(self.auc - 0.5) <= self.half_width

  def to_json(self) -> dict[str, Any]:
    """Returns plain JSON values."""
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'NullCheck':
    """Rebuilds what `to_json` returned."""
    return cls(**values)


def checks(
  attacks: Sequence[str],
  signals: Signals,
  shadows: Shadows,
  *,
  nonmembers: str,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> tuple[NullCheck, ...]:
  """Makes both checks of each attack.

  Attacks with a fleet attack the shadow with the fleet without it.

  Args:
    attacks: names out of `attack_config.ATTACKS`.
    signals: the target's outputs.
    shadows: the fleet's outputs; the target's members are in its pool.
    nonmembers: `holdout` where the target's non-members are in the pool, too; `test`
      where they are the fleet's population, in the same order.
    config: of the attacks with a fleet.
    class_count: classes of the data set.
    seed: of the shadow drawn, the order, and the attacks.

  Returns:
    `PERMUTED` and `ANOTHER_MODEL` of each attack, in the order of `attacks`. Left out
    is what there are too few examples for, and `ANOTHER_MODEL` of a shadow attack that
    sees hidden states on `test`, where the fleet keeps none.

  Raises:
    UsageError: the fleet is too small for an attack.
    ValueError: non-members that are not where `nonmembers` says, and all that
      `fleet_attacks.scores` raises.
  """
  check_choice('nonmembers', nonmembers, NONMEMBERS)
  config = fleet_attacks.settled(config, shadows)
  settings = {'config': config, 'class_count': class_count, 'seed': seed}
  model = int(np.random.default_rng([seed, _SHADOW_CHILD]).integers(len(shadows)))
  cases = {
    PERMUTED: _Permuted.of(signals, shadows, seed=seed),
    ANOTHER_MODEL: _Stranger.of(signals, shadows, model=model, nonmembers=nonmembers),
  }
  found = (
    _check(attack, kind, case.scores(attack, **settings))
    for attack in attacks
    for kind, case in cases.items()
  )
  return tuple(check for check in found if check is not None)


def warnings(found: Iterable[NullCheck]) -> list[str]:
  """Returns a line for each check that does not hold."""
  return [_warning(check) for check in found if not check.holds]


def _warning(check: NullCheck) -> str:
  outside = f'outside 0.5 ± {check.half_width:.4f}'
  if check.kind == PERMUTED:
    return (
      f'{check.attack}: AUC {check.auc:.4f} with permuted membership, {outside}: one '
      'run of 20 is so by chance; if it is so of targets of other seeds, the attack '
      'finds what is not there'
    )
  errs = 'overstate' if check.auc > 0.5 else 'understate'
  return (
    f'{check.attack}: AUC {check.auc:.4f} of a model that was trained on neither side, '
    f'{outside}: if non-members are test images, the sides differ by themselves and '
    f'the AUCs of this run {errs} membership: draw both from one pool with '
    '--nonmembers=holdout; if they are from one pool already, this is chance, as in '
    'one run of 20'
  )


def _check(attack: str, kind: str, pair: AttackScores | None) -> NullCheck | None:
  if pair is None or not (len(pair.members) and len(pair.nonmembers)):
    return None
  sizes = (len(pair.members), len(pair.nonmembers))
  folds = FOLDS if attack in TRAINED_ATTACKS else 1
  return NullCheck(
    attack=attack,
    kind=kind,
    auc=metrics.auc(pair.members, pair.nonmembers),
    half_width=null_half_width(*sizes, folds=folds),
    n_members=sizes[0],
    n_nonmembers=sizes[1],
  )


def _scores(
  attack: str,
  signals: Signals,
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
) -> AttackScores | None:
  """Makes the attack, or returns None where there is too little for it."""
  sides = (signals.members, signals.nonmembers)
  if not all(map(len, sides)):
    return None
  if attack in fleet_attacks.SIGNALS:
    return AttackScores(*(fleet_attacks.signal_scores(attack, side) for side in sides))
  if attack in TRAINED_ATTACKS:
    if trained.too_small(*map(len, sides)):
      return None
    key = [seed, _ATTACK_CHILD, ATTACKS.index(attack)]
    return trained.scores(attack, *map(trained.features, sides), seed=key)
  sees_hidden = attack == 'shadow' and 'hidden' in config.attack_features
  if sees_hidden and any(side.hidden is None for side in sides):
    return None
  return fleet_attacks.target_scores(
    attack, signals, shadows, config=config, class_count=class_count, seed=seed
  )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Permuted:
  """The target and the shadows, their examples dealt out anew.

  Attributes:
    signals: the target's outputs on two new sides of the same sizes.
    shadows: the fleet, the columns of its membership matrix in another order: each
      example has another one's memberships.
  """

  signals: Signals
  shadows: Shadows

  @classmethod
  def of(cls, signals: Signals, shadows: Shadows, *, seed: int) -> '_Permuted':
    rng = np.random.default_rng([seed, _ORDER_CHILD])
    both = _joined(signals.members, signals.nonmembers)
    order = rng.permutation(len(both))
    sides = (both.select(part) for part in np.split(order, [len(signals.members)]))
    members, usable = shadows.members.copy(), np.flatnonzero(shadows.usable)
    members[:, usable] = members[:, rng.permutation(usable)]
    return cls(
      signals=Signals(*sides, signals.population),
      shadows=dataclasses.replace(shadows, members=members),
    )

  def scores(self, attack: str, **settings: Any) -> AttackScores | None:
    return _scores(attack, self.signals, self.shadows, **settings)


def _joined(first: Side, second: Side) -> Side:
  hidden = None
  if first.hidden is not None and second.hidden is not None:
    hidden = np.concatenate([first.hidden, second.hidden])
  return Side(
    np.concatenate([first.ids, second.ids]),
    np.concatenate([first.labels, second.labels]),
    np.concatenate([first.logits, second.logits]),
    hidden,
  )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Stranger:
  """A shadow in place of the target, and who was not in its training.

  Attributes:
    signals: its outputs on the target's sides.
    rest: the fleet without it.
    unseen_members: (m,) bool, which of the members it was not trained on.
    unseen_nonmembers: (n,) bool.
  """

  signals: Signals
  rest: Shadows
  unseen_members: np.ndarray
  unseen_nonmembers: np.ndarray

  @classmethod
  def of(
    cls, signals: Signals, shadows: Shadows, *, model: int, nonmembers: str
  ) -> '_Stranger':
    population = None
    if signals.population is not None:
      population = _on_population(signals.population, shadows, model)
    columns = shadows.positions(signals.members.ids)
    if nonmembers == 'test':
      others = _on_population(signals.nonmembers, shadows, model)
      unseen = np.ones(len(others), bool)
    else:
      where = shadows.positions(signals.nonmembers.ids)
      others, unseen = shadows.side(model, where), ~shadows.members[model, where]
    return cls(
      signals=Signals(shadows.side(model, columns), others, population),
      rest=shadows.without(model),
      unseen_members=~shadows.members[model, columns],
      unseen_nonmembers=unseen,
    )

  def scores(self, attack: str, **settings: Any) -> AttackScores | None:
    """Makes the attack on what the shadow has not seen."""
    signals = self.signals
    if attack in FLEET_ATTACKS:
      # On all, of which some are left out afterwards: of four shadows one remains that
      # was not trained on an example unseen, which tells LiRA of no variance.
      pair = _scores(attack, signals, self.rest, **settings)
      return pair and AttackScores(
        pair.members[self.unseen_members], pair.nonmembers[self.unseen_nonmembers]
      )
    unseen = Signals(
      signals.members.select(self.unseen_members),
      signals.nonmembers.select(self.unseen_nonmembers),
    )
    return _scores(attack, unseen, self.rest, **settings)


def _on_population(side: Side, shadows: Shadows, model: int) -> Side:
  """Returns a shadow's outputs on the population, whose ids `side` knows."""
  if not np.array_equal(side.labels, shadows.population_labels):
    raise ValueError(
      f'{len(side)} examples are not the {len(shadows.population_labels)} of the '
      "fleet's population: their labels differ"
    )
  return Side(side.ids, side.labels, shadows.population_logits[model])
