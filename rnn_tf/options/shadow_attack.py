"""Attacks with shadow models: what is learned from the shadows."""

from collections.abc import Iterable

from absl import flags

from rnn_tf import attack_config as config
from rnn_tf.errors import UsageError
from rnn_tf.options import fleet

_DEFAULT = config.AttackConfig()

_ATTACK_MODEL = flags.DEFINE_string(
  'attack_model',
  _DEFAULT.attack_model,
  'Of the shadow attack, one a class: fc (a hidden layer of 20 units), lr, rf, or gb '
  '(gradient-boosted trees).',
)
_ATTACK_FEATURES = flags.DEFINE_list(
  'attack_features',
  list(_DEFAULT.attack_features),
  f'What an attack model sees, out of {", ".join(config.ATTACK_FEATURES)}; hidden is '
  "the layer below the logits, a recurrent network's last state.",
)
_ATTACK_BALANCE = flags.DEFINE_bool(
  'attack_balance',
  _DEFAULT.attack_balance,
  'Let attack models learn from as many OUT as IN examples of each class.',
)
_ATTACK_EPOCHS = flags.DEFINE_integer(
  'attack_epochs',
  _DEFAULT.attack_epochs,
  'Passes of fc over its examples, at most; it stops when it gains nothing.',
)
_SHADOW_TEST_SIZE = flags.DEFINE_integer(
  'shadow_test_size',
  _DEFAULT.shadow_test_size,
  'OUT examples of each shadow that attack models learn from; as many as IN where not '
  'given.',
)
_LIRA_VARIANCE = flags.DEFINE_string(
  'lira_variance',
  _DEFAULT.lira_variance,
  'fixed (pooled over the examples), per_example, or auto: fixed below '
  f'{config.FIXED_BELOW} shadows.',
)
_RMIA_GAMMA = flags.DEFINE_float(
  'rmia_gamma',
  _DEFAULT.rmia_gamma,
  "How much more likely an example's ratio must be than the population's.",
)
_RMIA_OFFLINE_A = flags.DEFINE_float(
  'rmia_offline_a',
  _DEFAULT.rmia_offline_a,
  'Slope by which rmia_offline guesses what shadows with the example would say.',
)

_OF_SHADOW = (
  _ATTACK_MODEL,
  _ATTACK_FEATURES,
  _ATTACK_BALANCE,
  _ATTACK_EPOCHS,
  _SHADOW_TEST_SIZE,
)

_NEEDS = (
  *((holder, config.FLEET_ATTACKS) for holder in fleet.HOLDERS),
  *((holder, ('shadow',)) for holder in _OF_SHADOW),
  (_LIRA_VARIANCE, ('lira', 'lira_offline')),
  (_RMIA_GAMMA, ('rmia', 'rmia_offline')),
  (_RMIA_OFFLINE_A, ('rmia_offline',)),
)
"""Flag -> the attacks that it has an effect on."""


def from_flags() -> config.AttackConfig:
  """Returns the attack config that the flags describe."""
  return config.AttackConfig(
    attack_model=_ATTACK_MODEL.value,
    attack_features=tuple(filter(None, _ATTACK_FEATURES.value)),
    attack_balance=_ATTACK_BALANCE.value,
    attack_epochs=_ATTACK_EPOCHS.value,
    shadow_test_size=_SHADOW_TEST_SIZE.value,
    lira_variance=_LIRA_VARIANCE.value,
    rmia_gamma=_RMIA_GAMMA.value,
    rmia_offline_a=_RMIA_OFFLINE_A.value,
  )


def check_used(attacks: Iterable[str], *, flag: str) -> None:
  """Raises UsageError where a flag was given that nothing asked for looks at.

  Args:
    attacks: names out of `attack_config.ATTACKS`.
    flag: that names the attacks, for the message.
  """
  attacks = tuple(attacks)
  for holder, needs in _NEEDS:
    if holder.present and not set(needs) & set(attacks):
      raise UsageError(
        f'--{holder.name}: has no effect without --{flag}={" or ".join(needs)}: leave '
        'it out'
      )
  if _ATTACK_EPOCHS.present and _ATTACK_MODEL.value != 'fc':
    raise UsageError(
      f'--attack_epochs={_ATTACK_EPOCHS.value}: has no effect with --attack_model='
      f'{_ATTACK_MODEL.value}, fc alone is trained in passes: leave it out'
    )
