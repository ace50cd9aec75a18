"""Classical models: a decision tree, a random forest, k-means, by scikit-learn.

They are fitted at once and say a posterior, the probability of each class. Everything
that attacks and evaluates wants logits; `Classifier.logits` is the one place where
posteriors become them.
"""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import numpy as np
import threadpoolctl
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier

from rnn_tf.errors import UsageError
from rnn_tf.model_config import ModelConfig

ENGINE = 'sklearn'
"""What a run's record and a fleet's key call the one who fits these models."""

_BLOCK = 2000
"""Images that a thread predicts at once. Fixed, so that a posterior does not depend on
the number of threads."""


def check_size(config: ModelConfig, examples: int, *, of: str = 'the run') -> None:
  """Makes sure that a model can be fitted to so many examples.

  Args:
    config: of a classical model.
    examples: training examples.
    of: whose they are, for the message.

  Raises:
    UsageError: there are fewer than clusters.
  """
  if config.model == 'kmeans' and config.num_clusters > examples:
    raise UsageError(
      f'--num_clusters={config.num_clusters}: more than the {examples} training '
      f'examples of {of}: give at most {examples}, or more examples'
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
  """A fitted model.

  Attributes:
    model: a key of `model_config.CLASSICAL`.
    estimator: scikit-learn's.
    class_count: logits.
    shares: (clusters, classes) float64, the posterior of k-means in each cluster; None
      of trees, which know theirs.
    threads: that predict at once.
  """

  model: str
  estimator: Any
  class_count: int
  shares: np.ndarray | None = None
  threads: int = 1

  def posteriors(self, images: np.ndarray) -> np.ndarray:
    """Returns the probability of each class, (n, classes) float64.

    * A decision tree says the share of each class among the training examples of the
      leaf that an image comes to; grown to its end, 1 for one class.
    * A random forest says the mean of what its trees say.
    * K-means says the share of each class among the training examples of the image's
      cluster, with one example of each class added (Laplace's rule of succession):
      (count + 1) / (all + classes).

    Args:
      images: (n, ...) float32.
    """
    rows = _rows(images)
    found = np.zeros((len(rows), self.class_count))
    predict = _PREDICT[self.model]

    def fill(start: int) -> None:
      block = slice(start, start + _BLOCK)
      predict(self, rows[block], found[block])

    with _one_native_thread(), futures.ThreadPoolExecutor(self.threads) as pool:
      # list() waits for all of them and raises what any of them raised.
      list(pool.map(fill, range(0, len(rows), _BLOCK)))
    return found

  @property
  def votes(self) -> int | None:
    """What a tree's or a forest's posteriors are shares of; None of k-means.

    Of a forest its trees. Of a single tree all training examples: those of a leaf would
    tell its size, and a tree that is grown to its end would say 1/2, not 1.
    """
    if self.model == 'random_forest':
      return len(self.estimator.estimators_)
    return int(self.estimator.tree_.n_node_samples[0]) if self.shares is None else None

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Returns the logs of the posteriors, (n, classes) float32, finite.

    Trees say 0 and 1, whose logs and log-odds are no numbers. So one vote more is
    counted, which is for all classes alike: p becomes (votes p + 1 / classes) /
    (votes + 1), as of a forest with one tree more that does not know. K-means has been
    smoothed already.

    Less would mislead the attacks. A forest of 100 trees cannot tell 1 from 0.995: its
    100 votes are hardly more than 99, and log-odds of 4.7 and 4.0 say so, where a floor
    of 1e-7 puts 13.9 beside 4.6. LiRA fits normal distributions to them: with that
    floor and 8 shadow models it found 4% of the members of a forest on Fashion-MNIST
    at 1% false positives, so it finds 57%; RMIA, which has no such model, 63% both
    times.

    In 32 bits a logit is off by 6e-8 of its size, which is at most some 17. Equal
    posteriors have equal logits: ties stay ties, which with a tree that is grown to its
    end are nearly all training examples. Next to p = 1, where log p alone says nothing,
    losses and log-odds are computed from the logits of the *other* classes, which say
    how much is missing.

    Args:
      images: (n, ...) float32.
    """
    found, votes = self.posteriors(images), self.votes
    if votes is not None:
      found = (votes * found + 1 / self.class_count) / (votes + 1)
    return np.log(found).astype(np.float32)

  @property
  def parameters(self) -> int:
    """How many numbers the model has learned.

    Of a split a pixel and a threshold, of a leaf a share for each class; of a cluster
    its centre and a share for each class.
    """
    if self.shares is not None:
      return self.estimator.cluster_centers_.size + self.shares.size
    splits = sum(int((tree.children_left >= 0).sum()) for tree in self.trees())
    leaves = sum(tree.node_count for tree in self.trees()) - splits
    return 2 * splits + self.class_count * leaves

  def trees(self) -> list[Any]:
    """Returns the nodes of each tree, scikit-learn's `tree_`; none of k-means."""
    if self.model == 'kmeans':
      return []
    grown = getattr(self.estimator, 'estimators_', [self.estimator])
    return [tree.tree_ for tree in grown]


def fit(
  config: ModelConfig,
  images: np.ndarray,
  labels: np.ndarray,
  *,
  class_count: int,
  seed: int,
  threads: int = 1,
) -> Classifier:
  """Fits a model; the same arguments give the same one, with any number of threads.

  Args:
    config: of a classical model.
    images: (n, ...) float32.
    labels: (n,) int64.
    class_count: logits; some classes may have no example.
    seed: of bootstrap samples, ties between pixels, and first centres.
    threads: that may fit trees, and predict, at once.

  Raises:
    UsageError: see `check_size`.
  """
  check_size(config, len(images))
  rows, shares = _rows(images), None
  estimator = _ESTIMATORS[config.model](config, seed, threads)
  if config.model == 'kmeans':
    shares = _cluster(estimator, rows, labels, class_count=class_count)
  else:
    estimator.fit(rows, labels)
  if config.model == 'random_forest':
    # Of the machine, not of the model.
    estimator.set_params(n_jobs=None)
  return Classifier(
    model=config.model,
    estimator=estimator,
    class_count=class_count,
    shares=shares,
    threads=threads,
  )


def _tree(config: ModelConfig, seed: int, threads: int) -> DecisionTreeClassifier:
  del threads  # One tree grows in one thread.
  return DecisionTreeClassifier(
    max_depth=config.max_depth,
    min_samples_leaf=config.min_samples_leaf,
    random_state=seed,
  )


def _forest(config: ModelConfig, seed: int, threads: int) -> RandomForestClassifier:
  return RandomForestClassifier(
    n_estimators=config.num_trees,
    max_depth=config.max_depth,
    min_samples_leaf=config.min_samples_leaf,
    random_state=seed,
    # Each tree has a seed of its own, drawn before the threads start.
    n_jobs=threads,
  )


def _clusters(config: ModelConfig, seed: int, threads: int) -> KMeans:
  del threads  # They would add up the centres in an order that is another each time.
  return KMeans(config.num_clusters, n_init=1, random_state=seed)


_ESTIMATORS: Mapping[str, Callable[[ModelConfig, int, int], Any]] = {
  'decision_tree': _tree,
  'random_forest': _forest,
  'kmeans': _clusters,
}
"""Model name -> function of config, seed and threads that returns an estimator."""


def _cluster(
  estimator: KMeans, rows: np.ndarray, labels: np.ndarray, *, class_count: int
) -> np.ndarray:
  """Fits k-means and returns its posteriors, see `Classifier`."""
  with _one_native_thread(), warnings.catch_warnings():
    # Fewer different images than clusters: some stay empty, and say 1 / classes.
    warnings.simplefilter('ignore', ConvergenceWarning)
    estimator.fit(rows)
  counts = np.zeros((estimator.n_clusters, class_count))
  np.add.at(counts, (estimator.labels_, labels), 1)
  # Which cluster each training example is in is nothing that predicting needs.
  del estimator.labels_
  return (counts + 1) / (counts.sum(axis=1, keepdims=True) + class_count)


def _one_native_thread() -> contextlib.AbstractContextManager:
  """Keeps BLAS and OpenMP at one thread, which makes their sums repeatable."""
  return threadpoolctl.threadpool_limits(1)


def _rows(images: np.ndarray) -> np.ndarray:
  """Returns images flattened, (n, pixels) float32."""
  pixels = int(np.prod(images.shape[1:]))
  return np.ascontiguousarray(images.reshape(len(images), pixels), np.float32)


def _predict_tree(model: Classifier, rows: np.ndarray, out: np.ndarray) -> None:
  tree = model.estimator
  out[:, tree.classes_] = tree.predict_proba(rows, check_input=False)


def _predict_forest(model: Classifier, rows: np.ndarray, out: np.ndarray) -> None:
  # Not the forest's own `predict_proba`: with several jobs it adds up the trees in an
  # order that is another each time.
  forest = model.estimator
  total = np.zeros((len(rows), len(forest.classes_)))
  for tree in forest.estimators_:
    total += tree.predict_proba(rows, check_input=False)
  out[:, forest.classes_] = total / len(forest.estimators_)


def _predict_clusters(model: Classifier, rows: np.ndarray, out: np.ndarray) -> None:
  out[:] = model.shares[model.estimator.predict(rows)]


_PREDICT: Mapping[str, Callable[[Classifier, np.ndarray, np.ndarray], None]] = {
  'decision_tree': _predict_tree,
  'random_forest': _predict_forest,
  'kmeans': _predict_clusters,
}
"""Model name -> function that writes posteriors of (n, pixels) into (n, classes)."""
