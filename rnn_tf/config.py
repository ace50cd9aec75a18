"""What a run is: frozen dataclasses, checked on construction.

A config holds everything that decides a run's numbers and nothing else: where
the data lies or where the run is written are not part of it. Field names are
the names of the command-line flags. This module knows neither absl nor
TensorFlow nor files.
"""

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from rnn_tf.attack_config import (
  FLEET_ATTACKS,
  PER_EXAMPLE_ATTACKS,
  AttackConfig,
  FleetConfig,
  ReportConfig,
)
from rnn_tf.deletion_config import DeletedFrom
from rnn_tf.errors import (
  UsageError,
  check_at_least,
  check_choice,
  check_positive,
)
from rnn_tf.privacy_config import PrivacyConfig

DATASETS = (
  'digits',
  'mnist',
  'kmnist',
  'fashion_mnist',
  'cifar10',
  'svhn_cropped',
  'stl10',
)
"""Data sets the project is tested with; any TFDS image classification set works."""

DATASET_ALIASES = {'svhn': 'svhn_cropped'}

SEQUENCES = ('rows', 'columns', 'channels', 'pixels')

_RNN_FIELDS = ('sequence', 'hidden_size', 'num_layers', 'bidirectional')

MODEL_FIELDS: Mapping[str, tuple[str, ...]] = {
  'lstm': _RNN_FIELDS,
  'gru': _RNN_FIELDS,
  'simple_rnn': _RNN_FIELDS,
  'clockwork_rnn': (*_RNN_FIELDS, 'clockwork_periods'),
  'cnn': ('num_conv',),
  'mlp': ('hidden_size', 'num_layers'),
}
"""Model name -> the fields that have an effect on it."""

LEARNING_RATE_DECAYS = ('none', 'linear', 'cosine')

OPTIMIZERS = ('adam', 'adagrad', 'rmsprop', 'sgd')

RECURRENT_KERNELS = ('auto', 'keras', 'split')

NONMEMBERS = ('test', 'holdout')


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which examples a run sees, and who counts as a non-member.

  Attributes:
    dataset: TFDS name, aliases resolved.
    train_size: examples drawn from the training pool; None means by fraction.
    train_fraction: share of the training pool drawn; None means all of it.
    test_size: examples drawn from the test split; None means all.
    nonmembers: `test` (the test split) or `holdout` (what `train_size` or
      `train_fraction` left out of the training pool).
    data_seed: seed of these draws; runs with one data seed share their examples,
      whatever their `--seed`.
  """

  dataset: str = 'digits'
  train_size: int | None = None
  train_fraction: float | None = None
  test_size: int | None = None
  nonmembers: str = 'test'
  data_seed: int = 0

  def __post_init__(self):
    name = DATASET_ALIASES.get(self.dataset, self.dataset)
    object.__setattr__(self, 'dataset', name)
    if not name:
      raise UsageError(f'--dataset is empty: name one of {", ".join(DATASETS)}')
    if self.train_size is not None and self.train_fraction is not None:
      raise UsageError(
        f'--train_size={self.train_size} and --train_fraction='
        f'{self.train_fraction} are two ways to say one thing: give one of them'
      )
    if self.train_size is not None:
      check_at_least('train_size', self.train_size, 1)
    if self.test_size is not None:
      check_at_least('test_size', self.test_size, 1)
    if self.train_fraction is not None and not 0 < self.train_fraction <= 1:
      raise UsageError(
        f'--train_fraction={self.train_fraction}: must be above 0 and at most 1'
      )
    check_choice('nonmembers', self.nonmembers, NONMEMBERS)
    whole_pool = self.train_size is None and self.train_fraction in (None, 1.0)
    if self.nonmembers == 'holdout' and whole_pool:
      raise UsageError(
        '--nonmembers=holdout: needs examples left out of the training pool; '
        'add --train_fraction (for example 0.5) or --train_size'
      )
    check_at_least('data_seed', self.data_seed, 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  """The network.

  Attributes:
    model: a key of `MODEL_FIELDS`.
    sequence: how an image becomes a sequence, see `datasets.as_sequence`.
    hidden_size: units of each recurrent or dense hidden layer.
    num_layers: recurrent or dense hidden layers.
    bidirectional: read the sequence in both directions.
    clockwork_periods: the clock periods of a clockwork RNN's groups, in steps.
    num_conv: convolutional layers of the CNN.
  """

  model: str = 'lstm'
  sequence: str = 'rows'
  hidden_size: int = 128
  num_layers: int = 1
  bidirectional: bool = False
  clockwork_periods: tuple[int, ...] = (1, 2, 4, 8)
  num_conv: int = 2

  def __post_init__(self):
    object.__setattr__(self, 'clockwork_periods', tuple(self.clockwork_periods))
    check_choice('model', self.model, MODEL_FIELDS)
    check_choice('sequence', self.sequence, SEQUENCES)
    check_at_least('hidden_size', self.hidden_size, 1)
    check_at_least('num_layers', self.num_layers, 1)
    check_at_least('num_conv', self.num_conv, 1)
    if self.model == 'clockwork_rnn':
      self._check_periods()

  def _check_periods(self):
    periods = self.clockwork_periods
    text = f'--clockwork_periods={",".join(map(str, periods))}'
    if not periods or any(p < 1 for p in periods):
      raise UsageError(f'{text}: needs one or more whole numbers of at least 1')
    if sorted(set(periods)) != list(periods):
      raise UsageError(f'{text}: must rise from group to group')
    if len(periods) > self.hidden_size:
      raise UsageError(
        f'{text}: {len(periods)} groups need --hidden_size of at least as many '
        f'units, not {self.hidden_size}'
      )

  def label(self) -> str:
    """A short name for folders and legends, such as `lstm` or `cnn2`."""
    if self.model == 'cnn':
      return f'cnn{self.num_conv}'
    defaults = ModelConfig(model=self.model)
    parts = ['bi-' * self.bidirectional + self.model.removesuffix('_rnn')]
    if self.num_layers != defaults.num_layers:
      parts.append(f'{self.num_layers}x')
    if self.hidden_size != defaults.hidden_size:
      parts.append(f'h{self.hidden_size}')
    if self.sequence != defaults.sequence:
      parts.append(self.sequence)
    if self.clockwork_periods != defaults.clockwork_periods:
      parts.append('p' + '.'.join(map(str, self.clockwork_periods)))
    return '-'.join(parts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
  """How the network is trained.

  Attributes:
    epochs: passes over the training examples.
    batch_size: examples a step.
    optimizer: one of `OPTIMIZERS`.
    learning_rate: the optimizer's, at the first step.
    learning_rate_decay: `none`, or how it falls to 0 at the last step.
    seed: of the weights, the order of the examples, and the attacks.
    deterministic: bit-for-bit the same numbers on the same machine.
    mixed_precision: compute in 16-bit floats, keep weights in 32.
    recurrent_kernel: who computes the recurrent layers of plain training: `keras`,
      or `split` (this project's, a stream a core); `auto` takes `split` on a CPU, but
      for pixel sequences and with mixed precision.
  """

  epochs: int = 20
  batch_size: int = 64
  optimizer: str = 'adam'
  learning_rate: float = 1e-3
  learning_rate_decay: str = 'none'
  seed: int = 0
  deterministic: bool = False
  mixed_precision: bool = False
  recurrent_kernel: str = 'auto'

  def __post_init__(self):
    check_at_least('epochs', self.epochs, 1)
    check_at_least('batch_size', self.batch_size, 1)
    check_choice('optimizer', self.optimizer, OPTIMIZERS)
    check_positive('learning_rate', self.learning_rate)
    check_choice('learning_rate_decay', self.learning_rate_decay, LEARNING_RATE_DECAYS)
    if not 0 <= self.seed < 2**32:
      raise UsageError(f'--seed={self.seed}: must be at least 0 and below 2**32')
    check_choice('recurrent_kernel', self.recurrent_kernel, RECURRENT_KERNELS)
    if self.recurrent_kernel == 'split' and self.mixed_precision:
      raise UsageError(
        '--recurrent_kernel=split computes in 32-bit floats: leave out '
        '--mixed_precision, or give --recurrent_kernel=keras'
      )

  def steps_per_epoch(self, examples: int) -> int:
    """Returns the number of steps an epoch takes; the last batch may be smaller.

    Raises:
      UsageError: a batch is larger than the data.
    """
    if self.batch_size > examples:
      raise UsageError(
        f'--batch_size={self.batch_size}: larger than the {examples} training examples'
      )
    return -(-examples // self.batch_size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
  """A run: the data, the network, its training, its privacy and the report on it.

  `fleet` and `attack` are those of the report's attacks with shadow models, and have no
  effect where there are none. `deleted` says which deletion has made the run, if any.
  """

  data: DataConfig = DataConfig()
  model: ModelConfig = ModelConfig()
  training: TrainingConfig = TrainingConfig()
  privacy: PrivacyConfig = dataclasses.field(default_factory=PrivacyConfig)
  report: ReportConfig = dataclasses.field(default_factory=ReportConfig)
  fleet: FleetConfig = dataclasses.field(default_factory=FleetConfig)
  attack: AttackConfig = dataclasses.field(default_factory=AttackConfig)
  deleted: DeletedFrom = dataclasses.field(default_factory=DeletedFrom)

  def __post_init__(self):
    if set(self.report.attacks) & set(FLEET_ATTACKS):
      object.__setattr__(self, 'fleet', self.fleet.resolved(self.report.attacks))
      check_can_have_shadows(self.data, self.report.attacks)
    if self.privacy.dp and self.training.mixed_precision:
      raise UsageError(
        '--mixed_precision: gradients in 16-bit floats are not clipped exactly: leave '
        'it out with --dp'
      )
    if 'sequence' in MODEL_FIELDS[self.model.model] and not self.privacy.dp:
      return
    kernel = self.training.recurrent_kernel
    if kernel != 'auto':
      why = '--dp' if self.privacy.dp else f'--model={self.model.model}'
      raise UsageError(
        f'--recurrent_kernel={kernel}: has no effect with {why}: leave it out'
      )

  def name(self) -> str:
    """The name of the run's folder, such as `cifar10-lstm-s0`."""
    dataset = self.data.dataset.replace('/', '-').replace(':', '-')
    parts = [dataset, self.model.label(), self.privacy.label()]
    return '-'.join([*filter(None, parts), f's{self.training.seed}'])


def check_can_have_shadows(data: DataConfig, attacks: Iterable[str]) -> None:
  """Raises UsageError unless a target of this data can be attacked in these ways.

  Args:
    data: the target's.
    attacks: names out of `ATTACKS`.
  """
  per_example = [attack for attack in attacks if attack in PER_EXAMPLE_ATTACKS]
  if per_example and data.nonmembers != 'holdout':
    raise UsageError(
      f"the attack {per_example[0]} needs non-members out of the target's own pool: "
      'train the target with --train_fraction=0.5 --nonmembers=holdout'
    )
  whole_pool = data.train_size is None and data.train_fraction in (None, 1.0)
  if whole_pool and set(attacks) & set(FLEET_ATTACKS):
    raise UsageError(
      'the attack shadow needs examples that the target is not trained on, for the '
      'shadow models: train the target with --train_fraction=0.5 or --train_size'
    )


def to_json(config: Any) -> dict[str, Any]:
  """Returns a config dataclass as plain JSON values (tuples become lists)."""
  return {
    field.name: _plain(getattr(config, field.name))
    for field in dataclasses.fields(config)
  }


def _plain(value: Any) -> Any:
  if dataclasses.is_dataclass(value):
    return to_json(value)
  return list(value) if isinstance(value, tuple) else value


def from_json(cls: type, values: Mapping[str, Any]) -> Any:
  """Rebuilds a config of type `cls` from what `to_json` returned.

  Raises:
    UsageError: a value is not allowed, or a field is unknown: the folder was
      written by another version, or edited.
  """
  hints = typing.get_type_hints(cls)
  unknown = sorted(set(values) - set(hints))
  if unknown:
    raise UsageError(
      f'config has the unknown field {unknown[0]!r}: written by another version '
      'of rnn_tf, or edited'
    )
  kwargs = {}
  for name, value in values.items():
    if dataclasses.is_dataclass(hints[name]):
      value = from_json(hints[name], value)
    elif isinstance(value, list):
      value = tuple(value)
    kwargs[name] = value
  return cls(**kwargs)


def differences(old: Any, new: Any) -> list[str]:
  """Returns one `--flag: old value, new value` line for each field that differs."""
  lines = []
  for field in dataclasses.fields(new):
    before, after = getattr(old, field.name), getattr(new, field.name)
    if isinstance(after, DeletedFrom):
      lines += after.differences(before)
    elif dataclasses.is_dataclass(after):
      lines += differences(before, after)
    elif before != after:
      lines.append(f'--{field.name} was {_text(before)}, is {_text(after)}')
  return lines


def _text(value: Any) -> str:
  return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)
