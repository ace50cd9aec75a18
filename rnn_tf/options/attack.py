"""Attack: by which attacks, and what to show."""

import dataclasses

from absl import flags

from rnn_tf import attack_config as config
from rnn_tf.errors import UsageError, check_choice, check_count
from rnn_tf.options import images, label, overwrite, target

_ATTACK = flags.DEFINE_list(
  'attack', ['shadow'], f'Out of {", ".join(config.ATTACKS)}.'
)
_NULL_CHECK = flags.DEFINE_bool(
  'null_check',
  False,
  'Also make each attack where there is nothing to find: on permuted membership, and '
  'on a shadow model in place of the target. An AUC off its null interval is a '
  'warning.',
)
_ANYTIME = flags.DEFINE_bool(
  'anytime', True, 'Also make each attack with fewer shadows, for the curve.'
)
_NUM_EXPOSED = flags.DEFINE_integer(
  'num_exposed', 20, 'Most exposed members to list, for each attack.'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackOptions:
  """What to attack, how, and where to put it."""

  run: str
  report: config.ReportConfig
  null_check: bool
  anytime: bool
  num_exposed: int
  embed_images: bool
  label: str | None
  overwrite: bool


def from_flags() -> AttackOptions:
  """Returns the options that the flags describe.

  Raises:
    UsageError: a value is not allowed, or --run is missing.
  """
  run = target.from_flags()
  attacks = tuple(filter(None, _ATTACK.value))
  if not attacks:
    raise UsageError(f'--attack is empty: name some of {", ".join(config.ATTACKS)}')
  for attack in attacks:
    check_choice('attack', attack, config.ATTACKS)
  if not set(attacks) & set(config.FLEET_ATTACKS):
    raise UsageError(
      f'--attack={",".join(attacks)}: none of them needs shadow models, and the others '
      'are made while a run is trained (--attacks of rnn_tf.train): add one of '
      f'{", ".join(config.FLEET_ATTACKS)}'
    )
  check_count('num_exposed', _NUM_EXPOSED.value, 0)
  if images.from_flags() and not _NUM_EXPOSED.value:
    raise UsageError(
      '--embed_images: has no effect with --num_exposed=0, which lists nobody: leave '
      'one of them out'
    )
  return AttackOptions(
    run=run,
    report=config.ReportConfig(attacks=attacks),
    null_check=_NULL_CHECK.value,
    anytime=_ANYTIME.value,
    num_exposed=_NUM_EXPOSED.value,
    embed_images=images.from_flags(),
    label=label.from_flags(),
    overwrite=overwrite.from_flags(),
  )
