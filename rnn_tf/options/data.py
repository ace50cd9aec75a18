"""Data: which examples the run sees."""

from absl import flags

from rnn_tf import config

_DEFAULT = config.DataConfig()

_DATASET = flags.DEFINE_string(
  'dataset',
  _DEFAULT.dataset,
  f'{", ".join(config.DATASETS)}, or any other TFDS image classification set. '
  'digits is embedded and needs no network.',
)
_TRAIN_SIZE = flags.DEFINE_integer(
  'train_size',
  None,
  'Examples to train on, drawn from the training pool by --data_seed.',
)
_TRAIN_FRACTION = flags.DEFINE_float(
  'train_fraction', None, 'Share of the training pool to train on (0 to 1).'
)
_TEST_SIZE = flags.DEFINE_integer(
  'test_size', None, 'Examples drawn from the test split; all where not given.'
)
_NONMEMBERS = flags.DEFINE_string(
  'nonmembers',
  _DEFAULT.nonmembers,
  'Who the attacks must tell members from: test (the test split), or holdout '
  '(what --train_size or --train_fraction left out of the same pool).',
)
_DATA_SEED = flags.DEFINE_integer(
  'data_seed', _DEFAULT.data_seed, 'Seed of these draws, apart from --seed.'
)


def from_flags() -> config.DataConfig:
  """Returns the data config that the flags describe."""
  return config.DataConfig(
    dataset=_DATASET.value,
    train_size=_TRAIN_SIZE.value,
    train_fraction=_TRAIN_FRACTION.value,
    test_size=_TEST_SIZE.value,
    nonmembers=_NONMEMBERS.value,
    data_seed=_DATA_SEED.value,
  )
