"""Shadow models: how many, on which examples, and where they are kept."""

import dataclasses

from absl import flags

from rnn_tf import attack_config as config
from rnn_tf.options import cluster
from rnn_tf.options.cluster import ClusterOptions

_DEFAULT = config.FleetConfig()

_NUM_SHADOWS = flags.DEFINE_integer(
  'num_shadows',
  _DEFAULT.num_shadows,
  'Shadow models; more make a stronger attack. A larger number trains only those that '
  'are not there yet.',
)
_SHADOW_SPLIT = flags.DEFINE_string(
  'shadow_split',
  _DEFAULT.shadow_split,
  'disjoint (of examples that the target is not trained on), half (each of a random '
  "half of the target's pool, as lira and rmia need it), or auto: half with those.",
)
_SHADOW_TRAIN_SIZE = flags.DEFINE_integer(
  'shadow_train_size',
  _DEFAULT.shadow_train_size,
  'Examples a disjoint shadow is trained on; as many as the target where not given, '
  f'at most {config.DISJOINT_TRAIN_SIZE}.',
)
_SHADOW_SEED = flags.DEFINE_integer(
  'shadow_seed',
  _DEFAULT.shadow_seed,
  "Seed of the membership matrix and of the shadows' training, apart from --seed.",
)
_FLEET_DIR = flags.DEFINE_string(
  'fleet_dir',
  None,
  'Folder of the shadow models; where not given, fleets/ plus a name that stands for '
  'all that makes them. Targets that differ by --seed alone share them.',
)

HOLDERS = (
  _NUM_SHADOWS,
  _SHADOW_SPLIT,
  _SHADOW_TRAIN_SIZE,
  _SHADOW_SEED,
  _FLEET_DIR,
  *cluster.HOLDERS,
)
"""Flags that have no effect where no attack needs shadow models."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FleetOptions:
  """How and where to train shadows: no part of a config, it decides no number."""

  cluster: ClusterOptions = dataclasses.field(default_factory=ClusterOptions)
  fleet_dir: str | None = None


def from_flags() -> config.FleetConfig:
  """Returns the fleet config that the flags describe.

  Raises:
    UsageError: a value is not allowed, one of the options among them.
  """
  options()
  return config.FleetConfig(
    num_shadows=_NUM_SHADOWS.value,
    shadow_split=_SHADOW_SPLIT.value,
    shadow_train_size=_SHADOW_TRAIN_SIZE.value,
    shadow_seed=_SHADOW_SEED.value,
  )


def options() -> FleetOptions:
  """Returns how and where the flags want the shadows trained."""
  return FleetOptions(cluster=cluster.from_flags(), fleet_dir=_FLEET_DIR.value or None)
