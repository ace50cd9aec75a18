"""Runs over seeds: those that differ by nothing else are a group."""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence

from rnn_tf import claims
from rnn_tf import config as configs
from rnn_tf.config import RunConfig
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up

_SEED = re.compile(r'-s\d+$')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Group:
  """Runs that differ by `--seed` and `--data_seed` alone.

  Attributes:
    config: theirs, with both seeds 0.
    records: the runs, at least one.
    epsilon: the largest that one of them claims; None for plain runs, and while
      none is known.
  """

  config: RunConfig
  records: tuple[RunRecord, ...]
  epsilon: float | None

  @property
  def finished(self) -> tuple[RunRecord, ...]:
    """The runs that are finished."""
    return tuple(record for record in self.records if record.finished is not None)

  @property
  def seeds(self) -> int:
    """How many different seeds the finished runs have."""
    configs = (record.config for record in self.finished)
    return len({(config.training.seed, config.data.data_seed) for config in configs})


def find(records: Iterable[RunRecord]) -> list[Group]:
  """Returns the groups of runs over seeds: by model, by epsilon, plain ones last."""
  found: dict[RunConfig, list[RunRecord]] = {}
  for record in records:
    found.setdefault(_without_seeds(record.config), []).append(record)
  made = []
  for config, members in found.items():
    claimed = [claims.of(record) for record in members]
    epsilons = [c.epsilon for c in claimed if c is not None and c.epsilon is not None]
    epsilon = max(epsilons, default=None)
    made.append(Group(config=config, records=tuple(members), epsilon=epsilon))
  return sorted(
    made,
    key=lambda group: (
      group.config.model.label(),
      not group.config.privacy.dp,
      math.inf if group.epsilon is None else group.epsilon,
    ),
  )


def by_data_set(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
  """Returns the runs of each data set, in the order in which they are named."""
  found: dict[str, list[RunRecord]] = {}
  for record in records:
    found.setdefault(record.data.name, []).append(record)
  return found


def _without_seeds(config: RunConfig) -> RunConfig:
  return dataclasses.replace(
    config,
    data=dataclasses.replace(config.data, data_seed=0),
    training=dataclasses.replace(config.training, seed=0),
  )


def level(group: Group) -> str:
  """Returns `ε = 3` or `plain`, a group's short name."""
  if not group.config.privacy.dp:
    return 'plain'
  target = group.config.privacy.dp_target_epsilon
  epsilon = target if target is not None else group.epsilon
  if epsilon is None:
    return f'noise {group.config.privacy.dp_noise_multiplier:g}'
  return f'ε = {round_up(epsilon, 3):g}'


def names(found: Sequence[Group]) -> list[str]:
  """Returns a name for each group that no other has, such as `plain`.

  Args:
    found: the groups that are shown together.
  """
  parts = [
    [level(group), *[flags] * bool(flags)]
    for group, flags in zip(found, other_flags(found), strict=True)
  ]
  texts = [' '.join(part) for part in parts]
  return [
    # Folders alone tell them apart: a kernel, say, or noise given in two ways.
    f'{text} ({group.records[0].name})' if texts.count(text) > 1 else text
    for text, group in zip(texts, found, strict=True)
  ]


def stems(found: Sequence[Group]) -> list[str] | None:
  """Returns what each group's runs are called but for the seed, such as `mnist-lstm`.

  Args:
    found: the groups that are shown together.

  Returns:
    One name a group; None unless every group has one of its own.
  """
  names = [{_SEED.sub('', record.name) for record in group.records} for group in found]
  if any(len(each) > 1 for each in names):
    return None
  texts = [name for each in names for name in each]
  return texts if len(set(texts)) == len(texts) else None


def other_flags(found: Sequence[Group]) -> list[str]:
  """Returns the flags but those of epsilon that tell each group from the others.

  Args:
    found: the groups that are shown together.

  Returns:
    One text a group, such as `--batch_size=256`; empty where there are no others.
  """
  flags = [_flags(group.config) for group in found]
  every = dict.fromkeys(name for each in flags for name in each)
  different = [
    name for name in every if len({each[name] for each in flags if name in each}) > 1
  ]
  return [
    ' '.join(f'--{name}={each[name]}' for name in different if name in each)
    for each in flags
  ]


def _flags(config: RunConfig) -> dict[str, str]:
  """Returns flag -> value, without those of seeds, epsilon and speed."""
  left_out = {'dp', 'dp_target_epsilon', 'dp_noise_multiplier', 'recurrent_kernel'}
  parts = [config.data, config.training, config.report]
  parts += [config.privacy] * config.privacy.dp
  # In short: a model's label has what matters of its flags, and none of the others.
  flags = {'model': config.model.label()}
  for part in parts:
    for name, value in configs.to_json(part).items():
      if name not in left_out:
        flags[name] = ','.join(map(str, value)) if isinstance(value, list) else value
  return {name: str(value) for name, value in flags.items()}
