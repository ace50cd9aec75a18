"""Model: the network, or the classical model."""

from absl import flags

from rnn_tf import config
from rnn_tf.errors import UsageError, check_choice

_DEFAULT = config.ModelConfig()

_MODEL = flags.DEFINE_string(
  'model', _DEFAULT.model, f'{", ".join(config.MODEL_FIELDS)}.'
)
_SEQUENCE = flags.DEFINE_string(
  'sequence',
  _DEFAULT.sequence,
  'How a recurrent model reads an image: rows (28 steps of 28 values on MNIST), '
  'columns, channels (one step a colour), pixels (one step a pixel).',
)
_HIDDEN_SIZE = flags.DEFINE_integer(
  'hidden_size', _DEFAULT.hidden_size, 'Units of each hidden layer.'
)
_NUM_LAYERS = flags.DEFINE_integer(
  'num_layers', _DEFAULT.num_layers, 'Hidden layers, recurrent or dense.'
)
_BIDIRECTIONAL = flags.DEFINE_bool(
  'bidirectional', _DEFAULT.bidirectional, 'Read the sequence in both directions.'
)
_CLOCKWORK_PERIODS = flags.DEFINE_list(
  'clockwork_periods',
  list(map(str, _DEFAULT.clockwork_periods)),
  'Clock period of each group of a clockwork RNN, in steps.',
)
_NUM_CONV = flags.DEFINE_integer(
  'num_conv', _DEFAULT.num_conv, 'Convolutional layers of the cnn.'
)
_MAX_DEPTH = flags.DEFINE_integer(
  'max_depth',
  _DEFAULT.max_depth,
  'Splits from the root to a leaf of a decision_tree or of a random_forest, at most; '
  'where not given, trees grow until each leaf holds one class.',
)
_MIN_SAMPLES_LEAF = flags.DEFINE_integer(
  'min_samples_leaf',
  _DEFAULT.min_samples_leaf,
  'Training examples in each leaf of a tree, at least.',
)
_NUM_TREES = flags.DEFINE_integer(
  'num_trees', _DEFAULT.num_trees, 'Trees of a random_forest.'
)
_NUM_CLUSTERS = flags.DEFINE_integer(
  'num_clusters',
  _DEFAULT.num_clusters,
  'Clusters of kmeans; the shares of the classes in a cluster are what it says of an '
  'image.',
)

_HOLDERS = (
  _SEQUENCE,
  _HIDDEN_SIZE,
  _NUM_LAYERS,
  _BIDIRECTIONAL,
  _CLOCKWORK_PERIODS,
  _NUM_CONV,
  _MAX_DEPTH,
  _MIN_SAMPLES_LEAF,
  _NUM_TREES,
  _NUM_CLUSTERS,
)


def from_flags() -> config.ModelConfig:
  """Returns the model config that the flags describe.

  Raises:
    UsageError: a flag was given that has no effect on the chosen model.
  """
  check_choice('model', _MODEL.value, config.MODEL_FIELDS)
  used = config.MODEL_FIELDS[_MODEL.value]
  for holder in _HOLDERS:
    if holder.present and holder.name not in used:
      raise UsageError(
        f'--{holder.name} has no effect with --model={_MODEL.value}, which takes '
        f'{", ".join("--" + name for name in used)}: leave it out'
      )
  return config.ModelConfig(
    model=_MODEL.value,
    sequence=_SEQUENCE.value,
    hidden_size=_HIDDEN_SIZE.value,
    num_layers=_NUM_LAYERS.value,
    bidirectional=_BIDIRECTIONAL.value,
    clockwork_periods=_periods(_CLOCKWORK_PERIODS.value),
    num_conv=_NUM_CONV.value,
    max_depth=_MAX_DEPTH.value,
    min_samples_leaf=_MIN_SAMPLES_LEAF.value,
    num_trees=_NUM_TREES.value,
    num_clusters=_NUM_CLUSTERS.value,
  )


def _periods(texts: list[str]) -> tuple[int, ...]:
  try:
    return tuple(int(text) for text in texts)
  except ValueError:
    raise UsageError(
      f'--clockwork_periods={",".join(texts)}: must be whole numbers separated by '
      'commas, such as 1,2,4,8'
    ) from None
