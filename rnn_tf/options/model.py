"""Model: the network."""

from absl import flags

from rnn_tf import config
from rnn_tf.errors import UsageError

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


def from_flags() -> config.ModelConfig:
  """Returns the model config that the flags describe.

  Raises:
    UsageError: a flag was given that has no effect on the chosen model.
  """
  model = config.ModelConfig(
    model=_MODEL.value,
    sequence=_SEQUENCE.value,
    hidden_size=_HIDDEN_SIZE.value,
    num_layers=_NUM_LAYERS.value,
    bidirectional=_BIDIRECTIONAL.value,
    clockwork_periods=_periods(_CLOCKWORK_PERIODS.value),
    num_conv=_NUM_CONV.value,
  )
  used = config.MODEL_FIELDS[model.model]
  for holder in (
    _SEQUENCE,
    _HIDDEN_SIZE,
    _NUM_LAYERS,
    _BIDIRECTIONAL,
    _CLOCKWORK_PERIODS,
    _NUM_CONV,
  ):
    if holder.present and holder.name not in used:
      raise UsageError(
        f'--{holder.name} has no effect with --model={model.model}, which takes '
        f'{", ".join("--" + name for name in used)}: leave it out'
      )
  return model


def _periods(texts: list[str]) -> tuple[int, ...]:
  try:
    return tuple(int(text) for text in texts)
  except ValueError:
    raise UsageError(
      f'--clockwork_periods={",".join(texts)}: must be whole numbers separated by '
      'commas, such as 1,2,4,8'
    ) from None
