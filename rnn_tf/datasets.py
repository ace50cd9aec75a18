"""Data sets by TFDS name, as arrays with stable example ids; images as sequences."""

import dataclasses
import zlib

import numpy as np

from rnn_tf import dataset_files
from rnn_tf.config import SEQUENCES, DataConfig
from rnn_tf.errors import UsageError, check_choice

_READ_BATCH = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
  """Labelled examples.

  Attributes:
    images: (n, height, width, channels) float32 in [0, 1].
    labels: (n,) int64.
    ids: (n,) int64, rising: the example's position in TFDS's files of its source.
    source: the TFDS split it comes from, `train` or `test`.
  """

  images: np.ndarray
  labels: np.ndarray
  ids: np.ndarray
  source: str

  def __len__(self) -> int:
    return len(self.ids)

  def checksum(self) -> str:
    """Returns eight hex digits that change with any id, label or pixel."""
    value = 0
    for array in (self.ids, self.labels, self.images):
      value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return f'{value:08x}'

  def select(self, which: np.ndarray) -> 'Split':
    """Returns the examples that a mask or an index array picks."""
    return dataclasses.replace(
      self, images=self.images[which], labels=self.labels[which], ids=self.ids[which]
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
  """A data set as a run sees it.

  Attributes:
    name: TFDS name.
    version: TFDS version.
    class_names: a name for each label.
    train: what is trained on.
    holdout: what `train_size` or `train_fraction` left out of the training pool;
      may be empty.
    test: the test split, or the part of it that `test_size` draws.
  """

  name: str
  version: str
  class_names: tuple[str, ...]
  train: Split
  holdout: Split
  test: Split


def load(
  config: DataConfig, *, data_dir: str | None = None, download: bool = True
) -> Data:
  """Loads a data set into memory.

  One `data_seed` draws the same examples on every machine, and a smaller
  `train_size` draws a part of what a larger one does.

  Args:
    config: which data set, and how much of it.
    data_dir: TFDS folder, looked at first and only written if the data set is
      not there; None means `TFDS_DATA_DIR` or ~/tensorflow_datasets.
    download: whether to download what is not there.

  Raises:
    UsageError: the data set is unknown, missing, damaged, of images that vary in
      size, or smaller than what the config asks for.
  """
  builder = dataset_files.open_dataset(
    config.dataset, data_dir=data_dir, download=download
  )
  rng, _ = _generators(config)
  images, labels = _read(builder, 'train')
  pool = len(labels)
  drawn = _draw(train_count(config, pool), pool, rng)
  left_out = np.setdiff1d(np.arange(pool), drawn)
  train = _split(images, labels, ids=drawn, source='train')
  holdout = _split(images, labels, ids=left_out, source='train')
  del images
  test = _test(config, builder)
  if train.images.shape[1:] != test.images.shape[1:]:
    raise _varying(builder.name, train.images.shape[1:], test.images.shape[1:])
  return Data(
    name=config.dataset,
    version=str(builder.version),
    class_names=tuple(builder.info.features['label'].names),
    train=train,
    holdout=holdout,
    test=test,
  )


def load_test(
  config: DataConfig, *, data_dir: str | None = None, download: bool = True
) -> Split:
  """Loads the `test` of what `load` returns, without reading the rest."""
  builder = dataset_files.open_dataset(
    config.dataset, data_dir=data_dir, download=download
  )
  return _test(config, builder)


def sizes(config: DataConfig, *, data_dir: str | None = None) -> tuple[int, int]:
  """Returns the size of the training pool, and of the test set after `test_size`.

  Nothing is written or downloaded.

  Raises:
    UsageError: as `load`; or the data set is neither prepared nor one of
      `config.DATASETS`, so that its size is not known yet.
  """
  pool, test = dataset_files.split_sizes(config.dataset, data_dir=data_dir)
  return pool, _count('test_size', config.test_size, available=test, what='test')


def train_count(config: DataConfig, pool: int) -> int:
  """Returns how many out of `pool` training examples are trained on.

  Raises:
    UsageError: there are fewer than asked for, or none is left for the holdout.
  """
  size = config.train_size
  if config.train_fraction is not None:
    size = max(1, round(config.train_fraction * pool))
  count = _count('train_size', size, available=pool, what='training')
  if config.nonmembers == 'holdout' and count == pool:
    raise UsageError(
      f'--nonmembers=holdout: none of the {pool} training examples is left out; '
      'lower --train_size or --train_fraction'
    )
  return count


def _count(flag: str, size: int | None, *, available: int, what: str) -> int:
  if size is None:
    return available
  if size > available:
    raise UsageError(
      f'--{flag}={size}: the data set has {available} {what} examples; ask for at '
      'most as many'
    )
  return size


def _generators(config: DataConfig) -> list[np.random.Generator]:
  """Returns the generators that draw from the training pool and the test split."""
  seeds = np.random.SeedSequence(config.data_seed).spawn(2)
  return [np.random.default_rng(seed) for seed in seeds]


def _draw(count: int, available: int, rng: np.random.Generator) -> np.ndarray:
  """Returns `count` out of `available` positions, rising."""
  return np.sort(rng.permutation(available)[:count])


def _test(config: DataConfig, builder: dataset_files.Builder) -> Split:
  _, rng = _generators(config)
  images, labels = _read(builder, 'test')
  count = _count('test_size', config.test_size, available=len(labels), what='test')
  ids = _draw(count, len(labels), rng)
  return _split(images, labels, ids=ids, source='test')


def _split(
  images: np.ndarray, labels: np.ndarray, *, ids: np.ndarray, source: str
) -> Split:
  """Picks `ids` and turns their pixels into float32 in [0, 1], copying them once."""
  picked = np.empty((len(ids), *images.shape[1:]), np.float32)
  scale = np.float32(1 if images.dtype.kind == 'f' else np.iinfo(images.dtype).max)
  for start in range(0, len(ids), _READ_BATCH):
    rows = slice(start, start + _READ_BATCH)
    np.divide(images[ids[rows]], scale, out=picked[rows], casting='same_kind')
  return Split(
    images=picked, labels=labels[ids], ids=ids.astype(np.int64), source=source
  )


def _read(builder: dataset_files.Builder, split: str) -> tuple[np.ndarray, np.ndarray]:
  """Reads a split in the order of its files.

  Returns:
    Images (n, height, width, channels) in TFDS's dtype, and labels (n,) int64.
  """
  images, labels = [], []
  for image, label in dataset_files.batches(builder, split, size=_READ_BATCH):
    if images and image.shape[1:] != images[0].shape[1:]:
      raise _varying(builder.name, images[0].shape[1:], image.shape[1:])
    images.append(image)
    labels.append(label)
  if not images:
    raise UsageError(f'--dataset={builder.name}: its {split} split is empty')
  pixels, classes = np.concatenate(images), np.concatenate(labels).astype(np.int64)
  _check_values(builder, split, images=pixels, labels=classes)
  return pixels, classes


def _check_values(
  builder: dataset_files.Builder,
  split: str,
  *,
  images: np.ndarray,
  labels: np.ndarray,
) -> None:
  classes = builder.info.features['label'].num_classes
  if labels.min() < 0 or labels.max() >= classes:
    raise UsageError(
      f'--dataset={builder.name}: its {split} split has examples without a label'
    )
  if images.dtype.kind == 'f' and not (images.min() >= 0 and images.max() <= 1):
    raise UsageError(
      f'--dataset={builder.name}: its {split} split has pixels outside [0, 1]'
    )


def _varying(name: str, one: tuple[int, ...], other: tuple[int, ...]) -> UsageError:
  shapes = ' and '.join('x'.join(map(str, shape)) for shape in (one, other))
  return UsageError(
    f'--dataset={name}: images of varying size are not supported, it has {shapes}; '
    'choose a data set whose images have one size'
  )


def step_shape(image_shape: tuple[int, int, int], how: str) -> tuple[int, int]:
  """Returns (steps, features) of the sequence that `as_sequence` makes of an image."""
  check_choice('sequence', how, SEQUENCES)
  height, width, channels = image_shape
  return {
    'rows': (height, width * channels),
    'columns': (width, height * channels),
    'channels': (channels, height * width),
    'pixels': (height * width, channels),
  }[how]


_AXES = {
  'rows': (0, 1, 2, 3),
  'columns': (0, 2, 1, 3),
  'channels': (0, 3, 1, 2),
  'pixels': (0, 1, 2, 3),
}
"""Order of an image batch's axes before its last axes become (steps, features)."""


def as_sequence(images: np.ndarray, how: str) -> np.ndarray:
  """Turns images into sequences, as a view on the same memory where that is possible.

  Args:
    images: (n, height, width, channels).
    how: `rows` reads top to bottom, `columns` left to right, `channels` one colour
      plane a step, `pixels` one pixel a step.

  Returns:
    (n, steps, features) as `step_shape` says. A step lists its pixels from top to
    bottom and left to right, with a pixel's channels side by side.

  Raises:
    UsageError: `how` is none of `config.SEQUENCES`.
  """
  shape = step_shape(images.shape[1:], how)
  return images.transpose(_AXES[how]).reshape(len(images), *shape)
