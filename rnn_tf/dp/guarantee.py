"""What a differentially private training promises, epoch by epoch."""

import dataclasses
import functools
import logging
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

from rnn_tf.config import RunConfig
from rnn_tf.dp import accounting
from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import DP_ENGINES, DP_SAMPLINGS, MIN_NOISE_MULTIPLIER
from rnn_tf.rounding import round_up

LOG = logging.getLogger('rnn_tf')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guarantee:
  """The noise of a training, and what follows from it.

  Attributes:
    noise_multiplier: standard deviation of the noise on the sum, over the clip.
    l2_norm_clip: the norm to which gradients are clipped.
    delta: of the guarantee.
    sampling_probability: chance of an example to be in a step's batch.
    sampling: `poisson`, or `shuffle`, for which epsilon is stated as if it were.
    steps_per_epoch: steps an epoch.
    engine: who clips.
    secret: whether noise and batches are drawn from entropy that nobody knows.
    sensitivity: how far one example moves the sum, over the clip; 2 where several
      examples share a clipped gradient, else 1.
  """

  noise_multiplier: float
  l2_norm_clip: float
  delta: float
  sampling_probability: float
  sampling: str
  steps_per_epoch: int
  engine: str
  secret: bool
  sensitivity: int = 1

  def epsilon(self, epochs: int) -> float:
    """Returns epsilon after so many epochs."""
    return self._mechanism.epsilon(epochs * self.steps_per_epoch)

  @functools.cached_property
  def _mechanism(self) -> accounting.Mechanism:
    # Kept, since it remembers what it has computed.
    return accounting.Mechanism(
      noise_multiplier=self.noise_multiplier / self.sensitivity,
      sampling_probability=self.sampling_probability,
      delta=self.delta,
    )

  def to_json(self, *, epochs: int) -> dict[str, Any]:
    """Returns all that a reader must know to judge the epsilon after `epochs`."""
    return {
      'epsilon': self.epsilon(epochs),
      **dataclasses.asdict(self),
      'steps': epochs * self.steps_per_epoch,
      'accountant': accounting.ACCOUNTANT,
      'adjacency': accounting.ADJACENCY,
    }


def from_json(values: Any) -> Guarantee:
  """Rebuilds a guarantee from its fields.

  Raises:
    ValueError: they are not the fields of a guarantee, or cannot have been.
  """
  kinds = typing.get_type_hints(Guarantee)
  if not isinstance(values, dict) or set(values) != set(kinds):
    raise ValueError('guarantee: other fields than ' + ', '.join(kinds))
  for name, kind in kinds.items():
    allowed = (float, int) if kind is float else (kind,)
    if type(values[name]) not in allowed or not _POSSIBLE[name](values[name]):
      raise ValueError(f'guarantee: {name}={values[name]!r}')
  return Guarantee(**values)


_POSSIBLE: Mapping[str, Callable[[Any], bool]] = {
  'noise_multiplier': lambda value: 0 < value < math.inf,
  'l2_norm_clip': lambda value: 0 < value < math.inf,
  'delta': lambda value: 0 < value < 1,
  'sampling_probability': lambda value: 0 < value <= 1,
  'sampling': lambda value: value in DP_SAMPLINGS,
  'steps_per_epoch': lambda value: value > 0,
  'engine': lambda value: value in DP_ENGINES,
  'secret': lambda value: True,
  'sensitivity': lambda value: value in (1, 2),
}
"""Field of a guarantee -> whether it can have a value of the right type."""


def plan(config: RunConfig, *, examples: int, engine: str) -> Guarantee | None:
  """Returns what a run will promise, None where it is not differentially private.

  Args:
    config: the run's; its batches fit the data.
    examples: training examples.
    engine: who clips, `exact` or one of TF Privacy's.

  Raises:
    UsageError: no noise reaches the epsilon, or the noise is below what can be
      accounted for.
  """
  privacy, training = config.privacy, config.training
  if not privacy.dp:
    return None
  steps_per_epoch = training.steps_per_epoch(examples)
  delta = _delta(privacy.dp_delta, examples)
  rate = training.batch_size / examples
  sensitivity = _sensitivity(config)
  noise = privacy.dp_noise_multiplier
  if noise is not None and noise < sensitivity * MIN_NOISE_MULTIPLIER:
    raise UsageError(
      f'--dp_noise_multiplier={noise:g} with --dp_num_microbatches='
      f'{privacy.dp_num_microbatches}: must be at least '
      f'{sensitivity * MIN_NOISE_MULTIPLIER:g}, since examples share a clipped gradient'
    )
  if noise is None:
    noise = sensitivity * accounting.noise_multiplier(
      privacy.dp_target_epsilon,
      sampling_probability=rate,
      steps=steps_per_epoch * training.epochs,
      delta=delta,
    )
  guarantee = Guarantee(
    noise_multiplier=noise,
    l2_norm_clip=privacy.dp_l2_norm_clip,
    delta=delta,
    sampling_probability=rate,
    sampling=privacy.dp_sampling,
    steps_per_epoch=steps_per_epoch,
    engine=engine,
    secret=not training.deterministic,
    sensitivity=sensitivity,
  )
  _check_microbatches(config, examples)
  return guarantee


def _delta(asked: float | None, examples: int) -> float:
  """Returns the delta, with a warning where it is one that allows too much."""
  if asked is None:
    return accounting.default_delta(examples)
  if asked >= 1 / examples:
    LOG.warning(
      '--dp_delta=%g: not below 1 / %d training examples: such a guarantee allows '
      'publishing an example outright',
      asked,
      examples,
    )
  return asked


def _sensitivity(config: RunConfig) -> int:
  """Returns 2 where examples share a microbatch, else 1.

  An example changes the mean gradient of its microbatch, which is clipped after
  that, by up to twice the clip.
  """
  count = config.privacy.dp_num_microbatches
  return 1 if count is None or count == config.training.batch_size else 2


def _check_microbatches(config: RunConfig, examples: int) -> None:
  """Refuses batches that microbatches do not divide, the last one included."""
  count = config.privacy.dp_num_microbatches
  if count is None:
    return
  batch_size = config.training.batch_size
  for size, which in ((batch_size, 'a'), (examples % batch_size, 'the last')):
    if size % count:
      raise UsageError(
        f'--dp_num_microbatches={count}: does not divide {which} batch of {size} '
        f'examples ({examples} in batches of {batch_size}): choose --batch_size and '
        '--train_size so that it does, or leave it out'
      )


def rounded_up(epsilon: float) -> str:
  """Returns an upper bound with three decimals, never a smaller one than it is.

  Of one below 0.01 two digits are shown.
  """
  if 0 < epsilon < 0.01:
    return f'{round_up(epsilon, 2):g}'
  # 3.0004 must not become 3.000; the nudge keeps 3.0 from becoming 3.001.
  return f'{math.ceil(epsilon * 1000 - 1e-6) / 1000:.3f}'


def statement(promise: dict[str, Any]) -> str:
  """Returns what `Guarantee.to_json` holds, as one line for a reader."""
  drawn = {
    'poisson': 'Poisson sampling at rate {:.6g}',
    'shuffle': 'stated for Poisson sampling at rate {:.6g}; the batches were shuffled',
  }[promise['sampling']].format(promise['sampling_probability'])
  text = (
    f'epsilon {rounded_up(promise["epsilon"])} at delta {promise["delta"]:g}; '
    f'{promise["accountant"]} accountant, {drawn}, {promise["steps"]} steps, '
    f'adjacency: {promise["adjacency"]}; noise multiplier '
    f'{promise["noise_multiplier"]:g}, clip {promise["l2_norm_clip"]:g}, engine '
    f'{promise["engine"]}'
  )
  if promise['sensitivity'] > 1:
    text += f'; sensitivity {promise["sensitivity"]} clips, for the microbatches'
  if not promise['secret']:
    text += (
      '. --deterministic draws the noise from --seed: whoever knows the seed can take '
      'it away, so do not release this model'
    )
  return text
