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
  check_choice,
  check_count,
  check_positive,
)
from rnn_tf.model_config import MODEL_FIELDS, TRAINING_OF_CLASSICAL, ModelConfig
from rnn_tf.model_config import SEQUENCES as SEQUENCES
from rnn_tf.privacy_config import PrivacyConfig
from rnn_tf.typed_json import read_typed

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

LEARNING_RATE_DECAYS = ('none', 'linear', 'cosine')

OPTIMIZERS = ('adam', 'adagrad', 'rmsprop', 'sgd')

RECURRENT_KERNELS = ('auto', 'keras', 'split')

NONMEMBERS = ('test', 'holdout')

MOST_EPOCHS = 1_000_000


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
      check_count('train_size', self.train_size)
    if self.test_size is not None:
      check_count('test_size', self.test_size)
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
    check_count('data_seed', self.data_seed, 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
  """How the network is trained; of classical models see `TRAINING_OF_CLASSICAL`.

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
    check_count('epochs', self.epochs, most=MOST_EPOCHS)
    check_count('batch_size', self.batch_size)
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
  """A run: the data, the model, its training, its privacy and the report on it.

  `fleet` and `attack` are those of the report's attacks with shadow models, and have no
  effect where there are none. `deleted` says which deletion has made the run, if any.
  """

  data: DataConfig = DataConfig()
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
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
    if self.model.classical:
      self._check_classical()
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

  def _check_classical(self):
    """Refuses what networks alone have."""
    model = f'--model={self.model.model}'
    if self.training.epochs != 1:
      raise UsageError(
        f'--epochs={self.training.epochs}: {model} is fitted once, which is one epoch: '
        'leave it out'
      )
    if self.privacy.dp:
      raise UsageError(
        f'--dp: {model} has no gradients that could be clipped and made noisy: leave '
        'it out, or take a network'
      )
    for field in dataclasses.fields(TrainingConfig):
      value = getattr(self.training, field.name)
      if field.name not in TRAINING_OF_CLASSICAL and value != field.default:
        raise no_effect_on_classical(f'{field.name}={value}', self.model.model)
    if 'shadow' in self.report.attacks and 'hidden' in self.attack.attack_features:
      raise UsageError(
        f'--attack_features=hidden: {model} has no layer below its posteriors: leave '
        'hidden out'
      )

  def name(self) -> str:
    """The name of the run's folder, such as `cifar10-lstm-s0`."""
    dataset = self.data.dataset.replace('/', '-').replace(':', '-')
    parts = [dataset, self.model.label(), self.privacy.label()]
    return '-'.join([*filter(None, parts), f's{self.training.seed}'])


def no_effect_on_classical(flag: str, model: str) -> UsageError:
  """Returns the error for a flag of training, such as `batch_size=8`.

  Args:
    flag: without its dashes.
    model: a key of `CLASSICAL`.
  """
  return UsageError(
    f'--{flag}: has no effect with --model={model}, which is fitted at once and takes '
    '--seed alone: leave it out'
  )


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
  """Returns a config dataclass as plain JSON values (tuples become lists).

  Of a model it leaves out what models of its kind do not have, see `ModelConfig`.
  """
  left_out = config.foreign_fields() if isinstance(config, ModelConfig) else ()
  return {
    field.name: _plain(getattr(config, field.name))
    for field in dataclasses.fields(config)
    if field.name not in left_out
  }


def _plain(value: Any) -> Any:
  if dataclasses.is_dataclass(value):
    return to_json(value)
  return list(value) if isinstance(value, tuple) else value


def from_json(cls: type, values: Mapping[str, Any]) -> Any:
  """Rebuilds a config of type `cls` from what `to_json` returned.

  Raises:
    UsageError: a value is not allowed or of another type, or a field is unknown: the
      folder was written by another version, or edited.
  """
  if not isinstance(values, Mapping):
    raise UsageError(f'{cls.__name__} is {values!r}')
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
    else:
      value = _typed(hints[name], value, where=name)
    kwargs[name] = value
  return cls(**kwargs)


def _typed(hint: Any, value: Any, *, where: str) -> Any:
  try:
    return read_typed(hint, value, where=where, allows=lambda name, number: True)
  except ValueError as error:
    raise UsageError(str(error)) from error


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
