"""Deletion: which examples, by which method, and how sharded models are made."""

import dataclasses
import pathlib

from absl import flags

from rnn_tf import deletion_config as config
from rnn_tf.errors import UsageError, check_choice
from rnn_tf.options import cluster
from rnn_tf.options.cluster import ClusterOptions

_FORGET = config.ForgetConfig()
_SHARDS = config.ShardConfig()

_METHOD = flags.DEFINE_list(
  'method',
  list(config.DeletionConfig().methods),
  f'Out of {", ".join(config.METHODS)}: full retraining (the reference), retraining '
  'the shards that held deleted examples, training the old weights on, nothing at all '
  '(the negative control), full retraining once more with another seed (the positive '
  'control).',
)
_FRACTIONS = flags.DEFINE_list(
  'fractions',
  [f'{fraction:g}' for fraction in _FORGET.fractions],
  'Shares of the training set to delete, each drawn from the whole of it.',
)
_DELETION = flags.DEFINE_list(
  'deletion',
  list(_FORGET.deletions),
  'uniform draws from all examples, which touches every shard; grouped from those of '
  '--num_groups shards.',
)
_NUM_GROUPS = flags.DEFINE_integer(
  'num_groups',
  _FORGET.num_groups,
  'Shards, drawn by seed, that a grouped deletion is confined to.',
)
_FORGET_CLASS = flags.DEFINE_integer(
  'forget_class', None, 'Delete all training examples of this label instead.'
)
_FORGET_IDS = flags.DEFINE_string(
  'forget_ids',
  None,
  'Delete these examples instead: a text file, an id a line, as in train_ids of a '
  "run's examples.npz.",
)
_DELETION_SEED = flags.DEFINE_integer(
  'deletion_seed', _FORGET.deletion_seed, "Seed of the draws, beside the run's own."
)
_NUM_SHARDS = flags.DEFINE_integer(
  'num_shards',
  _SHARDS.num_shards,
  'Models of a sharded model, a part of the data each.',
)
_NUM_SLICES = flags.DEFINE_integer(
  'num_slices',
  _SHARDS.num_slices,
  'Parts of a shard, added one after the other; more save more of a deletion.',
)
_AGGREGATION = flags.DEFINE_string(
  'aggregation',
  _SHARDS.aggregation,
  "How a sharded model predicts: mean of its models' logits, or vote.",
)
_SHARD_TRAINING = flags.DEFINE_string(
  'shard_training',
  config.STRATEGIES[0],
  'How shards are trained: sequential, processes (one a core, each with one thread), '
  'or auto: processes on a CPU, sequential on a GPU.',
)
_FINETUNE_EPOCHS = flags.DEFINE_integer(
  'finetune_epochs', None, "Epochs of --method=finetune; the run's where not given."
)
_SEEDS = flags.DEFINE_list(
  'seeds',
  [],
  "Repeat with originals of these seeds, trained where they are missing; the run's own "
  'where not given. Several make the intervals narrower, and tell what chance does.',
)
_SHADOW_FLEET = flags.DEFINE_string(
  'shadow_fleet',
  None,
  'Folder of shadow models (--shadow_split=half) to attack with by LiRA as well; where '
  "not given, the run's own in fleets/ if they are there; none leaves LiRA out.",
)


_LARGEST = 2**28
"""Bytes of a list of ids: more than thirty million of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeletionOptions:
  """What decides no number of a model: where all are trained, and LiRA's fleet."""

  cluster: ClusterOptions
  shard_training: str
  shadow_fleet: str | None


def from_flags() -> config.DeletionConfig:
  """Returns the deletion that the flags describe.

  Raises:
    UsageError: a value is not allowed, or a flag has no effect.
  """
  methods = tuple(filter(None, _METHOD.value))
  _check_used(methods)
  forget = config.ForgetConfig(
    fractions=tuple(_number('fractions', text, float) for text in _FRACTIONS.value),
    deletions=tuple(filter(None, _DELETION.value)),
    num_groups=_NUM_GROUPS.value,
    forget_class=_FORGET_CLASS.value,
    forget_ids=_ids(_FORGET_IDS.value),
    deletion_seed=_DELETION_SEED.value,
  )
  return config.DeletionConfig(
    methods=methods,
    forget=forget,
    shards=config.ShardConfig(
      num_shards=_NUM_SHARDS.value,
      num_slices=_NUM_SLICES.value,
      aggregation=_AGGREGATION.value,
    ),
    finetune_epochs=_FINETUNE_EPOCHS.value,
    seeds=tuple(_number('seeds', text, int) for text in _SEEDS.value),
  )


def options() -> DeletionOptions:
  """Returns how the flags want it done."""
  check_choice('shard_training', _SHARD_TRAINING.value, config.STRATEGIES)
  where = cluster.from_flags(('auto', 'ray'))
  if where.strategy == 'ray' and _SHARD_TRAINING.present:
    raise UsageError(
      f'--shard_training={_SHARD_TRAINING.value}: has no effect with --fleet=ray, '
      'which trains every shard on the cluster: leave one of them out'
    )
  return DeletionOptions(
    cluster=where,
    shard_training=_SHARD_TRAINING.value,
    shadow_fleet=_SHADOW_FLEET.value or None,
  )


def _number(flag: str, text: str, kind: type) -> float | int:
  try:
    return kind(text)
  except ValueError:
    what = 'whole numbers' if kind is int else 'numbers such as 0.05'
    raise UsageError(f'--{flag}={text}: must be {what}, with commas between') from None


def _check_used(methods: tuple[str, ...]) -> None:
  """Refuses flags that would have no effect."""
  given = _FORGET_IDS.present or _FORGET_CLASS.present
  drawn = (_FRACTIONS, _DELETION, _NUM_GROUPS, _DELETION_SEED)
  grouped = not given and 'grouped' in _DELETION.value
  rules = [
    *((flag, not given, '--forget_ids or --forget_class') for flag in drawn),
    (_NUM_GROUPS, grouped, '--deletion=uniform'),
    (_NUM_SHARDS, grouped or 'sharded' in methods, 'no --method=sharded'),
    (_NUM_SLICES, 'sharded' in methods, 'no --method=sharded'),
    (_AGGREGATION, 'sharded' in methods, 'no --method=sharded'),
    (_SHARD_TRAINING, 'sharded' in methods, 'no --method=sharded'),
    (_FINETUNE_EPOCHS, 'finetune' in methods, 'no --method=finetune'),
  ]
  for flag, used, why in rules:
    if flag.present and not used:
      raise UsageError(f'--{flag.name}: has no effect with {why}: leave it out')


def _ids(path: str | None) -> tuple[int, ...]:
  """Reads a file of ids; lines that begin with # are comments.

  Raises:
    UsageError: it cannot be read, or a line is no id.
  """
  if path is None:
    return ()
  ids = []
  for number, line in enumerate(_text(path).split('\n'), start=1):
    text = line.strip()
    if not text or text.startswith('#'):
      continue
    if not (text.isascii() and text.isdigit() and len(text) < 19):
      raise UsageError(
        f'--forget_ids={path}: line {number} is {text[:40]!r}: must be an id, a whole '
        'number, a line each'
      )
    ids.append(int(text))
  if not ids:
    raise UsageError(f'--forget_ids={path}: has no ids: give an id a line')
  return tuple(ids)


def _text(path: str) -> str:
  file = pathlib.Path(path)
  try:
    # A pipe or a device may have no end, or never begin.
    if file.exists() and not (file.is_file() or file.is_dir()):
      raise ValueError('is no regular file')
    if file.is_file() and file.stat().st_size > _LARGEST:
      raise ValueError(f'has more than {_LARGEST} bytes')
    return file.read_text(encoding='utf-8-sig')
  except (OSError, ValueError) as error:
    why = getattr(error, 'strerror', None) or error
    if isinstance(error, UnicodeError):
      why = 'is no text'
    raise UsageError(
      f'--forget_ids={path}: {why}: name a text file, an id a line'
    ) from error
