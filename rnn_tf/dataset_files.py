"""Where TFDS keeps a prepared data set: find it, make it, say what is wrong.

Everything that a user's disk or network can do wrong ends here in a UsageError
of one line.
"""

import rnn_tf.stack  # noqa: F401  (before TFDS, which loads TensorFlow)

# isort: split
import contextlib
import io
import logging
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlparse

import numpy as np
import requests
import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core.download import download_manager
from tensorflow_datasets.core.download.util import DownloadError

from rnn_tf import digits, downloads
from rnn_tf.config import DATASETS
from rnn_tf.errors import UsageError, closest_match
from rnn_tf.stack import tf

Builder = tfds.core.DatasetBuilder

LOG = logging.getLogger(__name__)

_NAME = re.compile(r'\w+(/[\w.\-]+)?(:[\d.*]+)?')
"""TFDS name, perhaps with a config and a version; no community name space."""

_SIZES = {
  'digits': (digits.TRAIN_SIZE, digits.TEST_SIZE),
  'mnist': (60000, 10000),
  'kmnist': (60000, 10000),
  'fashion_mnist': (60000, 10000),
  'cifar10': (50000, 10000),
  'svhn_cropped': (73257, 26032),
  'stl10': (5000, 8000),
}
"""Train and test examples of `config.DATASETS`, for before they are prepared."""

_BAD_FOLDER = (
  AssertionError,
  KeyError,
  OSError,
  RuntimeError,
  TypeError,
  ValueError,
  json_format.Error,
  tf.errors.OpError,
)
"""What TFDS raises on a prepared folder that is incomplete or damaged."""

_BAD_PREPARATION = (
  *_BAD_FOLDER,
  DownloadError,
  ImportError,
  download_manager.NonMatchingChecksumError,
)
"""What TFDS raises where it cannot download or prepare."""


def open_dataset(
  name: str, *, data_dir: str | None = None, download: bool = True
) -> Builder:
  """Returns the builder of a data set that is prepared on disk.

  Nothing is written where the data is there already. `digits`, which needs no
  download, is prepared in the user's cache where `data_dir` cannot be written.

  Args:
    name: TFDS name, with a config or a version if need be.
    data_dir: TFDS folder; None means `TFDS_DATA_DIR` or ~/tensorflow_datasets.
    download: whether to download what is not there.

  Raises:
    UsageError: the name is unknown, it is no image classification set, or it is
      not there and cannot be made.
  """
  root = _root(data_dir)
  builder = _builder(name, root)
  _check_features(builder)
  if not _is_prepared(builder):
    builder = _prepared(builder, name, root=root, download=download)
  _check_splits(builder)
  return builder


def split_sizes(name: str, *, data_dir: str | None = None) -> tuple[int, int]:
  """Returns the number of train and of test examples; writes nothing.

  Raises:
    UsageError: as `open_dataset`; or the data set is not there, and not known.
  """
  builder = _builder(name, _root(data_dir))
  _check_features(builder)
  _check_splits(builder)
  splits = builder.info.splits
  if splits:
    return splits['train'].num_examples, splits['test'].num_examples
  if name not in _SIZES:
    raise UsageError(
      f'--dataset={name}: is not prepared in {builder.data_dir}, and how many '
      'examples it has is not known before; leave --dry_run out to download it'
    )
  return _SIZES[name]


def _root(data_dir: str | None) -> str:
  if data_dir is None:
    return _default_root()
  root = os.path.expanduser(data_dir)
  if not os.path.isdir(root):
    raise UsageError(
      f'--data_dir={data_dir}: no such folder; create it, or leave the flag out '
      f'to use {_default_root()}'
    )
  return root


def _default_root() -> str:
  # Not TFDS' constant, which is read once, when TFDS is imported.
  return os.path.expanduser(os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets')


def _builder(name: str, root: str) -> Builder:
  if not _NAME.fullmatch(name):
    raise _unknown(name)
  try:
    with _quiet(progress=False):
      return tfds.builder(name, data_dir=root, try_gcs=False)
  except tfds.core.DatasetNotFoundError as error:
    raise _unknown(name) from error
  except _BAD_FOLDER as error:
    base, *refined = re.split('[/:]', name)
    folder = pathlib.Path(root, base)
    # A config or version that does not exist fails as a damaged folder does.
    if folder.exists() and not refined:
      raise _damaged(folder, error) from error
    raise UsageError(
      f'--dataset={name}: cannot be opened ({_reason(error)})'
    ) from error


def _unknown(name: str) -> UsageError:
  with _quiet(progress=False):
    known = tfds.list_builders(with_community_datasets=False)
  near = closest_match(name, DATASETS) or closest_match(name, known)
  return UsageError(
    f'--dataset={name}: no such data set{near}; known to work: '
    f'{", ".join(DATASETS)}; any other TFDS image classification set may be named'
  )


def _check_features(builder: Builder) -> None:
  features = builder.info.features
  found = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
  if not isinstance(found.get('image'), tfds.features.Image) or not isinstance(
    found.get('label'), tfds.features.ClassLabel
  ):
    listed = ', '.join(f'{k} ({type(v).__name__})' for k, v in found.items())
    raise UsageError(
      f'--dataset={builder.name}: not an image classification set: needs the '
      f'features image (Image) and label (ClassLabel), has {listed or features}; '
      f'known to work: {", ".join(DATASETS)}'
    )
  _check_classes(builder.name, found['label'])


def _check_classes(name: str, label: tfds.features.ClassLabel) -> None:
  """Refuses what a finished run could not be read with."""
  if label.num_classes is not None and label.num_classes < 2:
    raise UsageError(
      f'--dataset={name}: has one class, which leaves nothing to classify: name another'
    )
  for each in label.names or ():
    if not each.isprintable() or label.names.count(each) > 1:
      raise UsageError(
        f'--dataset={name}: the name of its class {each!r} is there twice, or holds a '
        'control character: name another'
      )


def _check_splits(builder: Builder) -> None:
  splits = sorted(builder.info.splits)
  if not splits and _is_prepared(builder):
    raise _damaged(builder.data_dir, ValueError('dataset_info.json names no split'))
  # Also empty where TFDS is mocked in tests: any split can then be read.
  if splits and not {'train', 'test'} <= set(splits):
    raise UsageError(
      f'--dataset={builder.name}: needs the splits train and test with labels, has '
      f'{", ".join(splits)}; known to work: {", ".join(DATASETS)}'
    )


def _is_prepared(builder: Builder) -> bool:
  return os.path.isdir(builder.data_dir)


def _prepared(builder: Builder, name: str, *, root: str, download: bool) -> Builder:
  """Downloads and prepares what is not there, and returns its builder."""
  embedded = builder.name == 'digits'
  if not (embedded or download):
    raise UsageError(
      f'--nodownload: {root} has no {builder.info.full_name}; point --data_dir at a '
      'folder that has it, or allow the download with --download'
    )
  if not _is_writable(root):
    if not embedded:
      raise UsageError(
        f'--data_dir={root}: has no {builder.info.full_name}, and cannot be written '
        'to download it; point --data_dir at a folder that can'
      )
    root = _cache_root()
    builder = _builder(name, root)
    if _is_prepared(builder):
      return builder
  verb = 'preparing' if embedded else 'downloading and preparing'
  LOG.info('%s %s in %s', verb, builder.info.full_name, root)
  try:
    with _quiet(progress=not embedded), downloads.bounded():
      builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
      )
  except _BAD_PREPARATION as error:
    if not _is_prepared(builder):
      raise _not_prepared(builder, error) from error
    # Another process has prepared it in the meantime.
    return _builder(name, root)
  return builder


def _is_writable(folder: str) -> bool:
  """Whether files can be made in `folder`, or it can be made itself.

  A folder without any write permission counts as read-only for root as well.
  """
  path = pathlib.Path(folder).absolute()
  while not path.exists():
    path = path.parent
  return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)


def _cache_root() -> str:
  cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  root = os.path.join(cache, 'rnn_tf', 'tfds')
  try:
    os.makedirs(root, exist_ok=True)
  except OSError as error:
    raise UsageError(
      f'--data_dir: neither the TFDS folder nor {root} can be written '
      f'({_reason(error)}); point --data_dir at a folder that can'
    ) from error
  return root


def _damaged(folder: Any, error: Exception) -> UsageError:
  return UsageError(
    f'--data_dir: the prepared data set in {folder} is incomplete or damaged '
    f'({_reason(error)}); delete that folder to have it prepared again, or '
    'point --data_dir elsewhere'
  )


def _not_prepared(builder: Builder, error: Exception) -> UsageError:
  name = builder.name
  if isinstance(error, requests.RequestException):
    url = getattr(error.request, 'url', None)
    host = urlparse(url).hostname if url else 'its server'
    return UsageError(
      f'--dataset={name}: could not be downloaded, {host} does not answer; connect to '
      'the network, or point --data_dir at a folder that has the data set'
    )
  if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and isinstance(error, AssertionError):
    return UsageError(
      f'--dataset={name}: TFDS cannot download it by itself; prepare it as '
      f'https://www.tensorflow.org/datasets/catalog/{name} says and point --data_dir '
      'at the folder'
    )
  return UsageError(
    f'--dataset={name}: could not be prepared in {builder.data_dir} '
    f'({_reason(error)}); point --data_dir at a folder that has the data set'
  )


def _reason(error: Exception) -> str:
  """The first line of an error, without what TFDS and TensorFlow wrap it in."""
  lines = str(error).strip().splitlines() or ['no details']
  text = re.sub(r'^\{\{.*?\}\} |^Failed to construct dataset .*?\}": ', '', lines[0])
  text = re.sub(r' \[Op:.*$', '', text).strip()
  return f'{type(error).__name__}: {text[:200]}'


def batches(
  builder: Builder, split: str, *, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields a split in the order of its files.

  Args:
    builder: what `open_dataset` returned.
    split: `train` or `test`.
    size: examples a batch, where all images have one size by declaration;
      otherwise they come one by one.

  Yields:
    Images (n, height, width, channels) in TFDS's dtype, labels (n,) int64.

  Raises:
    UsageError: the files are incomplete or damaged.
  """
  one_size = None not in builder.info.features['image'].shape
  try:
    with _quiet(progress=False):
      dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # One file after the other: ids must not depend on the number of threads.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        decoders=tfds.decode.PartialDecoding({'image': True, 'label': True}),
      )
    for batch in dataset.batch(size if one_size else 1).as_numpy_iterator():
      yield batch['image'], batch['label']
  except _BAD_FOLDER as error:
    raise _damaged(builder.data_dir, error) from error


@contextlib.contextmanager
def _quiet(*, progress: bool) -> Iterator[None]:
  """Keeps what TFDS prints and logs off the screen.

  Args:
    progress: whether its progress bars may show, on a terminal.
  """
  tfds.display_progress_bar(progress and sys.stderr.isatty())
  level = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.disable(level)
