"""What the attacks on a model are: frozen dataclasses, checked on construction."""

import dataclasses
import math
from collections.abc import Iterable

from rnn_tf.errors import UsageError, check_choice, check_count, check_positive

PER_EXAMPLE_ATTACKS = ('lira', 'lira_offline', 'rmia', 'rmia_offline')
"""Attacks that compare a model with shadow models with and without the example."""

FLEET_ATTACKS = ('shadow', *PER_EXAMPLE_ATTACKS)
"""Attacks that need a fleet of shadow models."""

MODEL_ATTACKS = ('threshold', 'entropy', 'lr', 'mlp', 'rf', 'knn')
"""Attacks that need nothing but the model."""

ATTACKS = (*MODEL_ATTACKS, *FLEET_ATTACKS)

ATTACK_ENGINES = ('fast', 'tf_privacy')

SHADOW_SPLITS = ('auto', 'disjoint', 'half')

ATTACK_MODELS = ('fc', 'lr', 'rf', 'gb')

ATTACK_FEATURES = ('posteriors', 'sorted', 'logits', 'loss', 'hidden')

LIRA_VARIANCES = ('auto', 'fixed', 'per_example')

MOST_SHADOWS = 10_000

FIXED_BELOW = 64
"""Shadow models below which LiRA pools the variance (Carlini et al. 2022, VI-C)."""

DISJOINT_TRAIN_SIZE = 10_000
"""Examples a disjoint shadow is trained on, if the target is not trained on fewer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig:
  """The privacy report that is made during training.

  Attributes:
    attacks: names out of `ATTACKS`; empty means no report.
    epochs_per_report: a report after every so many epochs, and after the last.
    report_members: members attacked, drawn by seed; None means all of them.
    attack_engine: `fast` (this project's) or `tf_privacy` (TF Privacy's own
      `run_attacks`, slower, for comparison).
  """

  attacks: tuple[str, ...] = ('threshold', 'lr')
  epochs_per_report: int = 2
  report_members: int | None = None
  attack_engine: str = 'fast'

  def __post_init__(self):
    object.__setattr__(self, 'attacks', tuple(self.attacks))
    for attack in self.attacks:
      check_choice('attacks', attack, ATTACKS)
    if len(set(self.attacks)) != len(self.attacks):
      raise UsageError(f'--attacks={",".join(self.attacks)}: names one attack twice')
    check_count('epochs_per_report', self.epochs_per_report)
    if self.report_members is not None:
      check_count('report_members', self.report_members)
    check_choice('attack_engine', self.attack_engine, ATTACK_ENGINES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FleetConfig:
  """The shadow models.

  Attributes:
    num_shadows: models in the fleet.
    shadow_split: `disjoint` draws each shadow's examples from those that the target
      was not trained on; `half` trains each on a random half of the target's pool,
      two shadows on the two halves; `auto` is `half` where an attack of
      `PER_EXAMPLE_ATTACKS` is asked for, else `disjoint`.
    shadow_train_size: examples a disjoint shadow is trained on; None means as many as
      the target, at most `DISJOINT_TRAIN_SIZE`.
    shadow_seed: of the membership matrix and of the shadows' training.
  """

  num_shadows: int = 10
  shadow_split: str = 'auto'
  shadow_train_size: int | None = None
  shadow_seed: int = 0

  def __post_init__(self):
    if self.num_shadows < 2:
      raise UsageError(
        f'--num_shadows={self.num_shadows}: one shadow has nobody to be compared with; '
        'must be at least 2'
      )
    check_count('num_shadows', self.num_shadows, 2, most=MOST_SHADOWS)
    check_choice('shadow_split', self.shadow_split, SHADOW_SPLITS)
    if self.shadow_train_size is not None:
      check_count('shadow_train_size', self.shadow_train_size, 2)
      if self.shadow_split == 'half':
        raise UsageError(
          f'--shadow_train_size={self.shadow_train_size}: has no effect with '
          '--shadow_split=half, whose shadows are trained on half of the pool: leave '
          'it out'
        )
    if not 0 <= self.shadow_seed < 2**32:
      raise UsageError(
        f'--shadow_seed={self.shadow_seed}: must be at least 0 and below 2**32'
      )

  def resolved(self, attacks: Iterable[str]) -> 'FleetConfig':
    """Returns this config with `auto` replaced by what the attacks need.

    Raises:
      UsageError: an attack needs the other split.
    """
    per_example = [attack for attack in attacks if attack in PER_EXAMPLE_ATTACKS]
    split = self.shadow_split
    if split == 'auto':
      split = 'half' if per_example else 'disjoint'
    if split == 'disjoint' and per_example:
      raise UsageError(
        f'--shadow_split=disjoint: {per_example[0]} needs shadows with and without '
        "each of the target's examples: give --shadow_split=half"
      )
    return dataclasses.replace(self, shadow_split=split)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackConfig:
  """How the shadow models are used.

  Attributes:
    attack_model: of the shadow attack, one a class: `fc` (one hidden layer of 20 units
      with ReLU), `lr`, `rf` or `gb` (gradient-boosted trees).
    attack_features: what an attack model sees, joined, out of `ATTACK_FEATURES`.
    attack_balance: learn from as many OUT as IN examples of each class.
    attack_epochs: passes of `fc` over its examples, at most.
    shadow_test_size: OUT examples of each shadow that attack models learn from; None
      means as many as IN, where there are so many.
    lira_variance: `fixed` pools the residuals of all examples, `per_example` does
      not, `auto` is `fixed` below `FIXED_BELOW` shadows.
    rmia_gamma: see `attacks.scores.rmia`.
    rmia_offline_a: see `attacks.scores.rmia`.
  """

  attack_model: str = 'fc'
  attack_features: tuple[str, ...] = ('posteriors',)
  attack_balance: bool = False
  attack_epochs: int = 50
  shadow_test_size: int | None = None
  lira_variance: str = 'auto'
  rmia_gamma: float = 2.0
  rmia_offline_a: float = 0.3

  def __post_init__(self):
    object.__setattr__(self, 'attack_features', tuple(self.attack_features))
    check_choice('attack_model', self.attack_model, ATTACK_MODELS)
    if not self.attack_features:
      raise UsageError(
        f'--attack_features is empty: name some of {", ".join(ATTACK_FEATURES)}'
      )
    for name in self.attack_features:
      check_choice('attack_features', name, ATTACK_FEATURES)
    if len(set(self.attack_features)) < len(self.attack_features):
      raise UsageError(
        f'--attack_features={",".join(self.attack_features)}: names one twice'
      )
    check_count('attack_epochs', self.attack_epochs)
    if self.shadow_test_size is not None:
      check_count('shadow_test_size', self.shadow_test_size, 2)
    check_choice('lira_variance', self.lira_variance, LIRA_VARIANCES)
    check_positive('rmia_gamma', self.rmia_gamma)
    if not (0 <= self.rmia_offline_a <= 1 and math.isfinite(self.rmia_offline_a)):
      raise UsageError(
        f'--rmia_offline_a={self.rmia_offline_a}: must be at least 0 and at most 1'
      )

  def fixed_variance(self, num_shadows: int) -> bool:
    """Returns whether LiRA pools the variance with so many shadows."""
    if self.lira_variance == 'auto':
      return num_shadows < FIXED_BELOW
    return self.lira_variance == 'fixed'

  def label(self) -> str:
    """A short name of the shadow attack's settings, such as `fc-posteriors`."""
    parts = [self.attack_model, '+'.join(self.attack_features)]
    if self.attack_balance:
      parts.append('balanced')
    if self.shadow_test_size is not None:
      parts.append(f'out{self.shadow_test_size}')
    return '-'.join(parts)
