"""Cluster: where models are trained, in this process, beside it or on a Ray cluster."""

import dataclasses
import math
import re
from collections.abc import Iterable

from absl import flags

from rnn_tf.errors import UsageError, check_choice

STRATEGIES = ('auto', 'sequential', 'processes', 'stacked', 'ray')

LOCAL = 'local'

_FLEET = flags.DEFINE_string(
  'fleet',
  STRATEGIES[0],
  'How models that need not wait for each other are trained: ray on a cluster, see '
  'docs/cluster.md; shadow models also sequential, processes (one a core, each with '
  'one thread), stacked (many at once, for a GPU); or auto: processes on a CPU, '
  'stacked on a GPU where the model can be.',
)
_RAY_ADDRESS = flags.DEFINE_string(
  'ray_address',
  LOCAL,
  "The cluster of --fleet=ray: its head's host:port, auto for the one that this "
  'machine belongs to, local for one on this machine alone that ends with the command.',
)
_RAY_GPUS = flags.DEFINE_float(
  'ray_gpus_per_model',
  0.0,
  'GPUs that each model of --fleet=ray takes: 0 for none, 0.25 for four models a GPU.',
)

HOLDERS = (_FLEET, _RAY_ADDRESS, _RAY_GPUS)
"""Flags that have no effect where no model is trained besides the run's own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterOptions:
  """Where models are trained: no part of a config, it decides no number.

  Attributes:
    strategy: out of `STRATEGIES`.
    address: of a Ray cluster: `host:port`, `auto` or `local`.
    gpus_per_model: GPUs that a model takes there.
  """

  strategy: str = STRATEGIES[0]
  address: str = LOCAL
  gpus_per_model: float = 0.0


def from_flags(allowed: Iterable[str] = STRATEGIES) -> ClusterOptions:
  """Returns where the flags want models trained.

  Args:
    allowed: those of `STRATEGIES` that a command has.

  Raises:
    UsageError: a value is not allowed, or a flag has no effect.
  """
  check_choice('fleet', _FLEET.value, allowed)
  for holder in (_RAY_ADDRESS, _RAY_GPUS):
    if holder.present and _FLEET.value != 'ray':
      raise UsageError(
        f'--{holder.name}={holder.value}: has no effect with --fleet={_FLEET.value}: '
        'leave it out, or give --fleet=ray'
      )
  _check_address(_RAY_ADDRESS.value)
  gpus = _RAY_GPUS.value
  # Ray gives away whole GPUs, or shares of one.
  if not (0 <= gpus < math.inf) or (gpus > 1 and gpus != int(gpus)):
    raise UsageError(
      f'--ray_gpus_per_model={gpus:g}: must be 0, a share of a GPU such as 0.25, or a '
      'whole number'
    )
  return ClusterOptions(
    strategy=_FLEET.value, address=_RAY_ADDRESS.value, gpus_per_model=gpus
  )


def _check_address(address: str) -> None:
  if address in (LOCAL, 'auto'):
    return
  found = re.fullmatch(r'[^\s/:@]+:(\d{1,5})', address)
  if not found or not 0 < int(found[1]) < 2**16:
    hint = ''
    if address.startswith('ray://'):
      hint = ' (start the command on a machine of the cluster, without ray://)'
    raise UsageError(
      f'--ray_address={address}: must be host:port, such as 10.0.0.5:6379, auto or '
      f'local{hint}'
    )
