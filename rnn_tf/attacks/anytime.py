"""How strong an attack is with fewer shadow models than there are.

From stored outputs: nothing is trained again. Each point is the attack with the first
models of the fleet, in the order in which they are trained, so that the two that share
out the pool between them stay together.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rnn_tf.attack_config import AttackConfig
from rnn_tf.attacks import fleet_attacks, metrics
from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Signals


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnytimePoint:
  """An attack with so many shadow models.

  Attributes:
    attack: a name out of `attack_config.FLEET_ATTACKS`.
    shadows: models that it was made with.
    auc: signed.
    auc_low: lower end of its 95% interval. All points are of the same examples: that
      two intervals overlap does not say that the points do not differ.
    auc_high: upper end of it.
    tpr_at_fpr: one point a target false-positive rate of `metrics.TARGET_FPRS`.
  """

  attack: str
  shadows: int
  auc: float
  auc_low: float
  auc_high: float
  tpr_at_fpr: tuple[RatePoint, ...]

  def to_json(self) -> dict[str, Any]:
    """Returns plain JSON values."""
    values = dataclasses.asdict(self)
    return values | {'tpr_at_fpr': list(values['tpr_at_fpr'])}

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'AnytimePoint':
    """Rebuilds what `to_json` returned."""
    points = tuple(RatePoint(**point) for point in values['tpr_at_fpr'])
    return cls(**{**values, 'tpr_at_fpr': points})


def counts(num_shadows: int) -> tuple[int, ...]:
  """Returns 2, 4, 8, ... below `num_shadows` (at least 2), and `num_shadows`."""
  powers = (2**i for i in range(1, num_shadows.bit_length()))
  return (*(power for power in powers if power < num_shadows), num_shadows)


def curve(
  attack: str,
  signals: Signals,
  shadows: Shadows,
  *,
  config: AttackConfig,
  class_count: int,
  seed: int,
  known: AttackScores | None = None,
) -> tuple[AnytimePoint, ...]:
  """Attacks the target with 2, 4, 8, ... of the shadows, and with all of them.

  Each point costs an attack in proportion to its shadows, all of them together at most
  three times the attack with the whole fleet.

  Args:
    attack: a name out of `attack_config.FLEET_ATTACKS`.
    signals: the target's outputs, at least one member and one non-member.
    shadows: the fleet's outputs, at least two models.
    config: of the attacks; `lira_variance=auto` is decided for each number by itself.
    class_count: classes of the data set.
    seed: of the attack models.
    known: the scores with all of them, where they are there already.

  Returns:
    Points with rising numbers of shadows, without those that are too few for the attack
    (see `fleet_attacks.obstacle`).

  Raises:
    ValueError: see `fleet_attacks.scores`.
  """
  points = []
  for count in counts(len(shadows)):
    fleet = shadows.only(slice(count))
    if fleet_attacks.obstacle(attack, signals, fleet):
      continue
    scores = known if count == len(shadows) else None
    scores = scores or fleet_attacks.target_scores(
      attack, signals, fleet, config=config, class_count=class_count, seed=seed
    )
    measured = metrics.measure(scores.members, scores.nonmembers)
    points.append(
      AnytimePoint(
        attack=attack,
        shadows=count,
        auc=measured.auc,
        auc_low=measured.auc_low,
        auc_high=measured.auc_high,
        tpr_at_fpr=measured.tpr_at_fpr,
      )
    )
  return tuple(points)
