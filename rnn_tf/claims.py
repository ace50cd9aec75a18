"""What a differentially private run claims, and what would contradict it."""

import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_tf.config import RunConfig
from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import PrivacyConfig
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
  """The (epsilon, delta) of a run's training, and what it follows from.

  Attributes:
    epsilon: the accountant's, for Poisson sampling, of the epochs trained so far;
      None where metrics.csv has none.
    delta: the other half of the guarantee.
    noise_multiplier: standard deviation of the noise, over the clip.
    l2_norm_clip: the norm to which each example's gradient was clipped.
    sampling: how batches were drawn, a name out of `config.DP_SAMPLINGS`.
    secret: whether noise and batches were drawn from what nobody knows; False where
      they follow from `--seed`, and whoever knows that can take the noise away.
  """

  epsilon: float | None
  delta: float
  noise_multiplier: float
  l2_norm_clip: float
  sampling: str
  secret: bool


def of(record: RunRecord) -> Claim | None:
  """Returns what a run claims so far; None for a plain run.

  Raises:
    UsageError: the run's files do not say.
  """
  privacy = record.config.privacy
  if not privacy.dp:
    return None
  if record.finished is not None:
    return _claim(record, record.finished.get('guarantee'), 'result.json')
  # What was promised at the start, and what of it is spent.
  epsilons = record.metrics.get('epsilon')
  epsilon = None if epsilons is None else _finite(epsilons.iloc[-1])
  promised = record.folder.record().get('guarantee')
  if isinstance(promised, dict):
    promised = {'epsilon': 0.0, **promised}
  claim = _claim(record, promised, 'config.json')
  return dataclasses.replace(claim, epsilon=epsilon)


def _claim(record: RunRecord, stated: Any, file: str) -> Claim:
  try:
    values = {field.name: stated[field.name] for field in dataclasses.fields(Claim)}
    for name in ('epsilon', 'delta', 'noise_multiplier', 'l2_norm_clip'):
      if not (isinstance(values[name], numbers.Real) and values[name] >= 0):
        raise ValueError(f'{name} is {values[name]!r}')
  except (KeyError, TypeError, ValueError) as error:
    raise UsageError(
      f'{record.folder}/{file} is damaged: no guarantee of a run with --dp '
      f'({error!r}): train it again with --overwrite'
    ) from error
  return Claim(**values)


def _finite(value: Any) -> float | None:
  return float(value) if np.isfinite(value) else None


def plain_config(config: RunConfig) -> RunConfig:
  """Returns what a run and the plain run to measure it by must have in common."""
  return dataclasses.replace(
    config,
    privacy=PrivacyConfig(),
    # The kernel is a matter of speed, in which private runs have no say.
    training=dataclasses.replace(config.training, recurrent_kernel='auto'),
  )


def is_broken(epsilon: float | None, lower_bound: float | None) -> bool:
  """Whether a lower bound lies above the epsilon claimed; NaN is as None."""
  if epsilon is None or lower_bound is None:
    return False
  return bool(lower_bound > epsilon)


def explain_broken(
  run: str,
  bounds: Mapping[str, float],
  *,
  epsilon: float,
  nonmembers: str,
  sampling: str,
) -> str:
  """Returns the line that says that a guarantee is broken, and why it may seem so.

  Args:
    run: the run's name.
    bounds: attack -> what its scores show, above epsilon; each at 95% confidence.
    epsilon: what the accountant claims.
    nonmembers: the run's `--nonmembers`.
    sampling: the run's `--dp_sampling`.
  """
  alike = nonmembers != 'test'
  shown = ', '.join(f'{bound:.4g} ({attack})' for attack, bound in bounds.items())
  what = 'A broken guarantee'
  if not alike:
    what += ', or sides that are not drawn alike'
  text = (
    f'**{what}**: {run}: the scores of its attacks show an epsilon of at least '
    f'{shown}, at 95% confidence; the accountant claims '
    f'{round_up(epsilon, 4):g}.'
  )
  if alike:
    text += (
      ' Members and non-members come from one pool: the training does not do what the '
      'accountant takes it to do, unless this is one of the bounds (at most 5%) that '
      'chance makes too high.'
    )
  else:
    text += (
      ' Members are training and non-members test images: `--nonmembers=holdout` '
      'draws both from one pool, and tells the two apart.'
    )
  if sampling == 'shuffle':
    text += ' The claim is for Poisson sampling, and this run shuffled.'
  return text
