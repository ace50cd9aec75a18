"""What is deleted from a run, and how: frozen dataclasses, checked on construction."""

import dataclasses

from rnn_tf.errors import UsageError, check_choice, check_count

FINETUNE = 'finetune'

METHODS = ('retrain', 'sharded', FINETUNE, 'none', 'twin')

DELETIONS = ('uniform', 'grouped')

AGGREGATIONS = ('mean', 'vote')

STRATEGIES = ('auto', 'sequential', 'processes')
"""Ways to train the shards of a model."""


def percent(fraction: float) -> str:
  """Returns a share as labels have it, such as `5` for 0.05."""
  return f'{100 * fraction:.6g}'


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeletedFrom:
  """Which deletion has made a run; all empty for a run that was trained as it is.

  Attributes:
    parent: the name of the run that examples were deleted from.
    method: out of `METHODS`, but for `sharded` and `none`, which make no such runs.
    forget: the forget set's label.
    checksum: of the forget set's ids.
    weights: checksum of the parent's weights where training began with them.
  """

  parent: str = ''
  method: str = ''
  forget: str = ''
  checksum: str = ''
  weights: str = ''

  def differences(self, before: 'DeletedFrom') -> list[str]:
    """Returns a line where another deletion was made before this one."""
    if before == self:
      return []
    return [f'the deletion was {before.describe()}, is {self.describe()}']

  def describe(self) -> str:
    """Returns the deletion in words, such as `retrain of x without uniform-5pct`."""
    if not self.method:
      return 'none'
    weights = f', from the weights {self.weights}' if self.weights else ''
    return (
      f'{self.method} of {self.parent} without {self.forget} ({self.checksum}){weights}'
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForgetConfig:
  """Which examples are deleted.

  Attributes:
    fractions: of the original training set; each is a forget set of its own, drawn
      from the whole, not from what another one leaves.
    deletions: `uniform` draws from all examples, `grouped` from those of
      `num_groups` shards; each with each fraction.
    num_groups: shards that a grouped deletion is confined to.
    forget_class: delete all examples of this label instead; None means not.
    forget_ids: delete these examples instead; empty means not.
    deletion_seed: of the draws, beside the original's own seed.
  """

  fractions: tuple[float, ...] = (0.05, 0.1)
  deletions: tuple[str, ...] = ('uniform',)
  num_groups: int = 1
  forget_class: int | None = None
  forget_ids: tuple[int, ...] = ()
  deletion_seed: int = 0

  def __post_init__(self):
    if self.forget_ids and self.forget_class is not None:
      raise UsageError('--forget_ids and --forget_class: give one of them')
    if self.forget_class is not None:
      check_count('forget_class', self.forget_class, 0)
    if not self.fractions:
      raise UsageError('--fractions is empty: give shares such as 0.05,0.10')
    for fraction in self.fractions:
      if not 0 < fraction < 1:
        raise UsageError(
          f'--fractions={fraction:g}: must lie between 0 and 1, such as 0.05'
        )
    _check_names('deletion', self.deletions, DELETIONS)
    if len(set(map(percent, self.fractions))) != len(self.fractions):
      text = ','.join(map(str, self.fractions))
      raise UsageError(f'--fractions={text}: names one of them twice')
    check_count('num_groups', self.num_groups)
    check_count('deletion_seed', self.deletion_seed, 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardConfig:
  """How a sharded model is made (SISA, Bourtoule et al. 2021, arXiv 1912.03817).

  Attributes:
    num_shards: models, each trained on a part of its own; also the groups of
      `ForgetConfig`.
    num_slices: parts of a shard, added one after the other, a checkpoint after each.
    aggregation: `mean` of the models' logits, or majority `vote`.
  """

  num_shards: int = 5
  num_slices: int = 1
  aggregation: str = 'mean'

  def __post_init__(self):
    check_count('num_shards', self.num_shards, 2)
    check_count('num_slices', self.num_slices)
    check_choice('aggregation', self.aggregation, AGGREGATIONS)

  def label(self) -> str:
    """A short name for folders, such as `sharded5` or `sharded5x4`."""
    slices = f'x{self.num_slices}' if self.num_slices > 1 else ''
    return f'sharded{self.num_shards}{slices}'


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeletionConfig:
  """A deletion from a finished run.

  Attributes:
    methods: out of `METHODS`.
    forget: which examples.
    shards: how sharded models are made.
    finetune_epochs: epochs of `finetune`; None means as many as the original's.
    seeds: of the originals; empty means the run's own alone.
  """

  methods: tuple[str, ...] = ('retrain', 'sharded')
  forget: ForgetConfig = dataclasses.field(default_factory=ForgetConfig)
  shards: ShardConfig = dataclasses.field(default_factory=ShardConfig)
  finetune_epochs: int | None = None
  seeds: tuple[int, ...] = ()

  def __post_init__(self):
    _check_names('method', self.methods, METHODS)
    if self.finetune_epochs is not None:
      check_count('finetune_epochs', self.finetune_epochs)
    if len(set(self.seeds)) != len(self.seeds):
      text = ','.join(map(str, self.seeds))
      raise UsageError(f'--seeds={text}: names one seed twice')
    for seed in self.seeds:
      if not 0 <= seed < 2**32:
        raise UsageError(f'--seeds={seed}: must be at least 0 and below 2**32')
    if self.forget.num_groups > self.shards.num_shards:
      raise UsageError(
        f'--num_groups={self.forget.num_groups}: there are '
        f'--num_shards={self.shards.num_shards} groups: give at most as many'
      )


def _check_names(flag: str, names: tuple[str, ...], allowed: tuple[str, ...]) -> None:
  if not names:
    raise UsageError(f'--{flag} is empty: name some of {", ".join(allowed)}')
  for name in names:
    check_choice(flag, name, allowed)
  if len(set(names)) != len(names):
    raise UsageError(f'--{flag}={",".join(names)}: names one of them twice')
