"""Whether a fleet has the shadow models that an attack needs."""

import numpy as np

from rnn_tf.errors import UsageError

SMALLEST_FLEET = 4
"""Shadows from which on LiRA and RMIA can attack one of them with the others."""


def lacking(attack: str, members: np.ndarray) -> str | None:
  """Returns what the membership (models, n) of a fleet lacks for an attack, or None."""
  if attack == 'shadow':
    return None if len(members) else 'no shadow is left'
  sides = {'without': ~members}
  if attack in ('lira', 'rmia'):
    sides['with'] = members
  for name, side in sides.items():
    counts = side.sum(axis=0)
    if not counts.all():
      missing = np.count_nonzero(counts == 0)
      return f'no shadow is trained {name} {missing} of the {len(counts)} examples'
    if not attack.startswith('rmia') and counts.size and counts.max() < 2:
      return f'one shadow is trained {name} each example: this tells of no variance'
  return None


def check(attack: str, found: str | None, *, num_shadows: int, when: str = '') -> None:
  """Raises UsageError for what `lacking` found, `when` this was looked at."""
  if found:
    raise UsageError(
      f'--num_shadows={num_shadows}: too few for {attack}: {when}{found}: '
      f'give at least {SMALLEST_FLEET}, best an even number'
    )
