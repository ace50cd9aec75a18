"""Attacks that learn to tell members from non-members, scored out of fold.

Two models are trained, each on one half of a balanced set of members and
non-members, and each example is scored by a model that has not seen it. Members
(or non-members) left over by the balancing are dealt out to the two models at
random, so that both sides are scored by the same mixture of models and a
difference between the two models cannot pass for membership.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from rnn_tf.attack_config import ATTACKS
from rnn_tf.attacks.results import ENTIRE, FOLDS, AttackScores
from rnn_tf.attacks.signals import Side, Signals

MIN_EXAMPLES = 10
"""Members, and non-members, that a slice needs for a trained attack."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Batch:
  """Training examples of one fold's model: `features`, and `member` as 0 or 1."""

  features: np.ndarray
  member: np.ndarray


def _logistic_regression(count: int, seed: int) -> Any:
  from sklearn import linear_model

  # Columns are standardised and examples many, so any C in 0.01..100 gives the
  # same AUC to 1e-3: TF Privacy's search over ten of them buys nothing.
  del count, seed
  return linear_model.LogisticRegression(C=0.1, solver='newton-cholesky')


def _multilayer_perceptron(count: int, seed: int) -> Any:
  from sklearn import neural_network

  return neural_network.MLPClassifier(
    hidden_layer_sizes=(64,),
    alpha=1e-3,
    batch_size=min(count, 1000, max(16, count // 10)),
    max_iter=30,
    random_state=seed,
  )


def _random_forest(count: int, seed: int) -> Any:
  from sklearn import ensemble

  return ensemble.RandomForestClassifier(
    n_estimators=100,
    max_depth=10,
    min_samples_leaf=min(20, max(1, count // 50)),
    random_state=seed,
    n_jobs=-1,
  )


def _nearest_neighbors(count: int, seed: int) -> Any:
  from sklearn import neighbors

  # A handful of neighbours gives a handful of distinct scores, hence a coarse
  # ROC; the number grows with the sample as the usual square-root rule has it.
  del seed
  return neighbors.KNeighborsClassifier(
    n_neighbors=min(51, max(3, int(count**0.5))), n_jobs=-1
  )


ESTIMATORS: dict[str, Callable[[int, int], Any]] = {
  'lr': _logistic_regression,
  'mlp': _multilayer_perceptron,
  'rf': _random_forest,
  'knn': _nearest_neighbors,
}
"""Attack name -> (training examples, seed) -> untrained scikit-learn classifier."""


def features(side: Side) -> np.ndarray:
  """Returns what the attacks learn from, (n, classes + 1) float64.

  The log-probabilities and the loss. TF Privacy takes probabilities, which are
  all but constant where a model is confident.
  """
  return np.column_stack([side.log_probs, side.losses])


def too_small(n_members: int, n_nonmembers: int) -> str | None:
  """Returns why a slice of this size gets no trained attack, or None."""
  if min(n_members, n_nonmembers) >= MIN_EXAMPLES:
    return None
  return (
    f'{n_members} members and {n_nonmembers} non-members; a trained attack needs '
    f'at least {MIN_EXAMPLES} of each'
  )


def scores(
  attack: str, members: np.ndarray, nonmembers: np.ndarray, *, seed: Any
) -> AttackScores:
  """Returns every example's score from a model that was not trained on it.

  Scores are the models' probabilities of membership (log-odds for `lr`, whose
  probabilities would tie where they round to 1).

  Args:
    attack: a key of `ESTIMATORS`.
    members: features, (m, k) float64, m >= MIN_EXAMPLES.
    nonmembers: features, (n, k) float64, n >= MIN_EXAMPLES.
    seed: int or sequence of ints; decides the folds and the models' own draws.

  Raises:
    ValueError: a side has too few examples.
  """
  reason = too_small(len(members), len(nonmembers))
  if reason:
    raise ValueError(reason)
  rng = np.random.default_rng(seed)
  all_features = np.concatenate([members, nonmembers])
  member = np.repeat([1, 0], [len(members), len(nonmembers)])
  train_fold, test_fold = _folds(len(members), len(nonmembers), rng)
  values = np.empty(len(member))
  for fold in range(FOLDS):
    train, test = train_fold == 1 - fold, test_fold == fold
    batch = _Batch(features=all_features[train], member=member[train])
    model_seed = int(rng.integers(2**31))
    values[test] = _fit_and_score(
      attack, batch, others=all_features[test], seed=model_seed
    )
  return AttackScores(values[: len(members)], values[len(members) :])


def report_scores(
  signals: Signals, attack: str, *, class_count: int, seed: int
) -> dict[tuple[str, str], AttackScores]:
  """Returns the scores of one attack on the whole and inside each class.

  Args:
    signals: a model's outputs.
    attack: out of `TRAINED_ATTACKS`.
    class_count: classes of the data set.
    seed: of the report.

  Returns:
    Scores as `Report.scores` has them, nothing where there are too few examples.
  """
  sides = (signals.members, signals.nonmembers)
  if too_small(*map(len, sides)):
    return {}
  values = [features(side) for side in sides]
  # An attack's numbers must not depend on which others are made beside it.
  key = ATTACKS.index(attack)
  entire = scores(attack, *values, seed=[seed, key, 0])
  inside = AttackScores(*(np.full(len(side), np.nan) for side in sides))
  for label in range(class_count):
    rows = [side.labels == label for side in sides]
    if too_small(*map(np.count_nonzero, rows)):
      continue
    chosen = (value[row] for value, row in zip(values, rows, strict=True))
    pair = scores(attack, *chosen, seed=[seed, key, label + 1])
    inside.members[rows[0]] = pair.members
    inside.nonmembers[rows[1]] = pair.nonmembers
  return {(attack, ENTIRE): entire, (attack, 'class'): inside}


def _folds(n_members, n_nonmembers, rng) -> tuple[np.ndarray, np.ndarray]:
  """Returns the fold each example is trained in (-1: in none) and scored in."""
  smaller = min(n_members, n_nonmembers)
  train = np.full(n_members + n_nonmembers, -1)
  test = np.empty_like(train)
  # Where a side is odd in number, a random fold gets the one more.
  first = rng.integers(FOLDS)
  for start, count in ((0, n_members), (n_members, n_nonmembers)):
    dealt = (np.arange(count) + first) % FOLDS
    order = start + rng.permutation(count)
    test[order] = dealt
    train[order[:smaller]] = dealt[:smaller]
  return train, test


def _fit_and_score(
  attack: str, batch: _Batch, *, others: np.ndarray, seed: int
) -> np.ndarray:
  """Returns the scores of `others`, (n,), by a model trained on `batch`."""
  # Scaled by hand: a pipeline would copy and check the features again.
  mean, spread = batch.features.mean(axis=0), batch.features.std(axis=0)
  spread[spread == 0] = 1
  model = ESTIMATORS[attack](len(batch.member), seed)
  fit_quietly(model, (batch.features - mean) / spread, batch.member)
  others = (others - mean) / spread
  if attack == 'rf':
    # Trees that vote in parallel are added in any order: other last bits each time.
    model.n_jobs = 1
  if attack == 'lr':
    return model.decision_function(others)
  return model.predict_proba(others)[:, 1]


def fit_quietly(model: Any, values: np.ndarray, member: np.ndarray) -> None:
  """Fits; that the perceptron stops at its last step is by design, no news."""
  import warnings

  from sklearn import exceptions

  with warnings.catch_warnings():
    warnings.simplefilter('ignore', exceptions.ConvergenceWarning)
    model.fit(values, member)
