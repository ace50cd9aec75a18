"""Training: how the model learns."""

from absl import flags

from rnn_tf import config
from rnn_tf.model_config import CLASSICAL
from rnn_tf.options import model, privacy

_DEFAULT = config.TrainingConfig()

_EPOCHS = flags.DEFINE_integer(
  'epochs',
  _DEFAULT.epochs,
  'Passes over the training examples; where not given, 1 of models that are fitted at '
  f'once ({", ".join(CLASSICAL)}), which take --seed alone of what follows.',
)
_BATCH_SIZE = flags.DEFINE_integer(
  'batch_size',
  _DEFAULT.batch_size,
  'Examples a step; with --dp the number that is expected, see --dp_sampling.',
)
_OPTIMIZER = flags.DEFINE_string(
  'optimizer', _DEFAULT.optimizer, f'{", ".join(config.OPTIMIZERS)}.'
)
_LEARNING_RATE = flags.DEFINE_float(
  'learning_rate', _DEFAULT.learning_rate, "The optimizer's step size."
)
_LEARNING_RATE_DECAY = flags.DEFINE_string(
  'learning_rate_decay',
  _DEFAULT.learning_rate_decay,
  'How the step size falls to 0 by the last step: none, linear, cosine. Noise from '
  '--dp counts for less where the last steps are small.',
)
_SEED = flags.DEFINE_integer(
  'seed',
  _DEFAULT.seed,
  'Seed of the weights, the order of the examples, and the attacks.',
)
_DETERMINISTIC = flags.DEFINE_bool(
  'deterministic',
  _DEFAULT.deterministic,
  'Bit-for-bit the same numbers from the same command on the same machine; slower. '
  'With --dp the noise then follows from --seed, and who knows that can take it away.',
)
_MIXED_PRECISION = flags.DEFINE_bool(
  'mixed_precision',
  _DEFAULT.mixed_precision,
  'Compute in 16-bit floats (float16 on a GPU, bfloat16 on a CPU).',
)
_RECURRENT_KERNEL = flags.DEFINE_string(
  'recurrent_kernel',
  _DEFAULT.recurrent_kernel,
  'Who computes the recurrent layers of plain training: keras, split (gradients '
  'written out, a stream for each core; the same to float error), or auto: split on a '
  'CPU but for --sequence=pixels and with --mixed_precision, keras elsewhere.',
)


_OF_NETWORKS = (
  _BATCH_SIZE,
  _OPTIMIZER,
  _LEARNING_RATE,
  _LEARNING_RATE_DECAY,
  _MIXED_PRECISION,
  _RECURRENT_KERNEL,
)
"""Flags that have no effect on classical models, beside those of `options.privacy`."""


def from_flags() -> config.TrainingConfig:
  """Returns the training config that the flags describe.

  Raises:
    UsageError: a flag was given that has no effect on the chosen model.
  """
  epochs, chosen = _EPOCHS.value, model.from_flags()
  if chosen.classical:
    _check_classical(chosen.model)
    epochs = epochs if _EPOCHS.present else 1
  return config.TrainingConfig(
    epochs=epochs,
    batch_size=_BATCH_SIZE.value,
    optimizer=_OPTIMIZER.value,
    learning_rate=_LEARNING_RATE.value,
    learning_rate_decay=_LEARNING_RATE_DECAY.value,
    seed=_SEED.value,
    deterministic=_DETERMINISTIC.value,
    mixed_precision=_MIXED_PRECISION.value,
    recurrent_kernel=_RECURRENT_KERNEL.value,
  )


def _check_classical(name: str) -> None:
  """Refuses flags of networks, private training's among them."""
  private = flags.FLAGS.get_key_flags_for_module(privacy.__name__)
  for holder in (*_OF_NETWORKS, *private):
    if holder.present:
      raise config.no_effect_on_classical(holder.name, name)
