"""A classical model as a file that runs no code when it is read.

skops writes scikit-learn's models without pickle, and reads no type but those that it
knows and those that it is told to trust. What such a file *holds* is checked here: a
tree is trusted with its indices, which scikit-learn follows without looking.
"""

import io
import pathlib
import warnings
import zipfile
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.tree import DecisionTreeClassifier

from rnn_tf.classical import Classifier
from rnn_tf.errors import UsageError
from rnn_tf.model_config import ModelConfig
from rnn_tf.untrusted import check_archive, read_bytes

FORMAT = 1

TRUSTED = {
  'decision_tree': ('sklearn.tree._tree.Tree',),
  'random_forest': ('sklearn.tree._tree.Tree',),
  'kmeans': (),
}
"""Model name -> types that its file may hold beside what skops trusts by itself."""

_KINDS = {
  'decision_tree': DecisionTreeClassifier,
  'random_forest': RandomForestClassifier,
  'kmeans': KMeans,
}


def dump(model: Classifier) -> bytes:
  """Returns the content of a model's file."""
  # Half a second to load, for those who need it.
  import skops.io

  buffer = io.BytesIO()
  content = {
    'format': FORMAT,
    'model': model.model,
    'class_count': model.class_count,
    'estimator': model.estimator,
    'shares': model.shares,
  }
  skops.io.dump(content, buffer, compression=zipfile.ZIP_DEFLATED)
  return buffer.getvalue()


def load(
  path: pathlib.Path,
  config: ModelConfig,
  *,
  image_shape: tuple[int, int, int],
  class_count: int,
  threads: int = 1,
) -> Classifier:
  """Reads a model's file; nothing in it is run.

  Args:
    path: of what `dump` returned.
    config: the model that it must be.
    image_shape: (height, width, channels) that it must take.
    class_count: logits that it must give.
    threads: that predict at once.

  Raises:
    UsageError: the file is missing, damaged, of another model or of other types.
  """
  import skops.io

  try:
    content = read_bytes(path)
    check_archive(content)
    with warnings.catch_warnings():
      # What another version of scikit-learn wrote and this one cannot use fails below.
      warnings.simplefilter('ignore', InconsistentVersionWarning)
      found = skops.io.loads(content, trusted=list(TRUSTED[config.model]))
    model = _model(found, config, class_count=class_count, threads=threads)
    _check(model, config, pixels=int(np.prod(image_shape)))
    return model
  except FileNotFoundError:
    raise UsageError(
      f'{path}: no such file: train the run to its end, or anew with --overwrite'
    ) from None
  except Exception as error:  # zipfile, json, skops and scikit-learn raise their own.
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    raise UsageError(
      f'{path}: damaged, of another model or of other types than {config.model} needs '
      f'({first_line}): train the run anew with --overwrite'
    ) from error


def _model(
  found: Any, config: ModelConfig, *, class_count: int, threads: int
) -> Classifier:
  """Returns the model that a file's content is; raises ValueError where it is none."""
  names = {'format', 'model', 'class_count', 'estimator', 'shares'}
  if type(found) is not dict or set(found) != names:
    raise ValueError(f'not {", ".join(sorted(names))}')
  expected = {'format': FORMAT, 'model': config.model, 'class_count': class_count}
  for name, value in expected.items():
    if found[name] != value:
      raise ValueError(f'{name} is {found[name]!r}, not {value!r}')
  return Classifier(
    model=config.model,
    estimator=found['estimator'],
    class_count=class_count,
    shares=found['shares'],
    threads=threads,
  )


def _check(model: Classifier, config: ModelConfig, *, pixels: int) -> None:
  """Raises ValueError or what NumPy raises unless a model can be used as it is."""
  estimator = model.estimator
  _check_kind(estimator, _KINDS[config.model])
  if config.model == 'kmeans':
    _check_clusters(model, config, pixels=pixels)
    # As many as the processors of whoever wrote it.
    estimator._n_threads = 1
  else:
    classes = np.asarray(estimator.classes_)
    if not np.isin(classes, np.arange(model.class_count)).all():
      raise ValueError(f'classes {classes}')
    grown = [estimator]
    if config.model == 'random_forest':
      grown = estimator.estimators_
      if len(grown) != config.num_trees:
        raise ValueError(f'{len(grown)} trees, not {config.num_trees}')
    for tree in grown:
      _check_kind(tree, DecisionTreeClassifier)
      _check_tree(tree.tree_, pixels=pixels, classes=len(classes))
  # Attributes that are missing, or do not fit together, show when it is used.
  said = np.exp(model.logits(np.zeros((1, pixels), np.float32)))
  if not np.isclose(said.sum(), 1, atol=1e-4):
    raise ValueError('its posteriors do not add up to 1')


def _check_kind(found: Any, kind: type) -> None:
  if type(found) is not kind:
    raise ValueError(f'a {type(found).__name__}, not a {kind.__name__}')


def _check_clusters(model: Classifier, config: ModelConfig, *, pixels: int) -> None:
  arrays = {
    'centres': (model.estimator.cluster_centers_, (config.num_clusters, pixels)),
    'shares': (model.shares, (config.num_clusters, model.class_count)),
  }
  for name, (array, shape) in arrays.items():
    if array.shape != shape or array.dtype.kind != 'f' or not np.isfinite(array).all():
      raise ValueError(f'{name} are not {shape} finite numbers')


def _check_tree(tree: Any, *, pixels: int, classes: int) -> None:
  """Makes sure that following a tree's indices stays in it, and comes to an end."""
  shape = tree.n_features, tree.n_outputs, tree.max_n_classes
  # First of all: its arrays are views of as many nodes as it claims to have.
  if not 0 < tree.node_count <= tree.capacity or shape != (pixels, 1, classes):
    raise ValueError(
      f'a tree of {tree.node_count} nodes, pixels, outputs and classes {shape}'
    )
  nodes = np.arange(tree.node_count)
  left, right = tree.children_left, tree.children_right
  leaf = left == -1
  # A child comes after its parent, so that there is no way back.
  inside = (left > nodes) & (right > nodes) & (np.maximum(left, right) < len(nodes))
  inside &= (tree.feature >= 0) & (tree.feature < pixels)
  if not (leaf | inside).all():
    raise ValueError('a tree whose nodes are not in it')
  if not ((tree.value >= 0) & (tree.value <= 1 + 1e-9)).all():
    raise ValueError('a tree whose shares are no shares')
