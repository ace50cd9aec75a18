"""The shadow attack: what models with known members say teaches who is a member.

Shokri et al. 2017 (arXiv 1610.05820): shadow models are trained like the target. What
one of them says of an example that it was trained on is labelled IN, of another one
OUT. For each class an attack model learns to tell the two apart, and is then applied to
what the target says of that class's examples.

An attack model takes over the balance of what it learns from: after 10,000 IN and 500
OUT examples it calls nearly everything a member (a score above 0), right or wrong.
`AttackConfig.attack_balance` mends it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import threadpoolctl

from rnn_tf.attack_config import AttackConfig
from rnn_tf.attacks import metrics, trained
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side
from rnn_tf.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassFit:
  """What the attack model of one class has learned from.

  Attributes:
    label: the class.
    n_in: IN examples, over all shadows.
    n_out: OUT examples, over all shadows.
    train_accuracy: share of these examples that it calls right.
  """

  label: int
  n_in: int
  n_out: int
  train_accuracy: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassRow(ClassFit):
  """An attack model, and what it does on the target's examples of its class.

  Attributes:
    n_members: the target's members of this class.
    n_nonmembers: its non-members of this class.
    test_accuracy: balanced: the mean of the shares of both that are called right (of
      one where the other is missing), whose 0.5 is guessing; None where there are none.
    test_auc: signed; None where a side has no examples.
  """

  n_members: int
  n_nonmembers: int
  test_accuracy: float | None
  test_auc: float | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AttackModels:
  """The attack models of all classes.

  Attributes:
    feature_names: what they see, keys of `FEATURES`.
    classes: what each learned from, in the order of the classes.
    models: in the same order, scikit-learn pipelines of a scaler and a classifier.
  """

  feature_names: tuple[str, ...]
  classes: tuple[ClassFit, ...]
  models: tuple[Any, ...]

  def score(self, side: Side) -> np.ndarray:
    """Returns the log-odds of IN by the model of each example's class, (n,) float64.

    Above 0 is a member. Where a class was learned from more IN than OUT examples, its
    scores are higher by about the logarithm of their ratio.

    Raises:
      ValueError: a label without a model, hidden states not kept, outputs not finite.
    """
    _check_labels(side.labels, len(self.models))
    scores = np.empty(len(side))
    with threadpoolctl.threadpool_limits(1):
      for label, model in enumerate(self.models):
        rows = np.flatnonzero(side.labels == label)
        if rows.size:
          values = features(side.select(rows), self.feature_names)
          scores[rows] = _log_odds(model, values)
    return scores


def _check_labels(labels: np.ndarray, class_count: int) -> None:
  if len(labels) and not 0 <= labels.min() <= labels.max() < class_count:
    raise ValueError(f'labels {labels.min()} to {labels.max()}, {class_count} classes')


def _hidden(side: Side) -> np.ndarray:
  if side.hidden is None:
    raise ValueError('attack feature hidden: no hidden states were kept')
  return np.asarray(side.hidden, np.float32)


FEATURES: dict[str, Callable[[Side], np.ndarray]] = {
  'posteriors': lambda side: side.probs,
  'sorted': lambda side: np.sort(side.probs, axis=1)[:, ::-1],
  'logits': lambda side: side.logits,
  'loss': lambda side: side.losses[:, None],
  'hidden': _hidden,
}
"""Name out of `attack_config.ATTACK_FEATURES` -> a model's outputs to columns."""


def features(side: Side, names: tuple[str, ...]) -> np.ndarray:
  """Returns what an attack model sees, (n, k) float64, columns in the order of `names`.

  Args:
    side: a model's outputs.
    names: keys of `FEATURES`: `posteriors` (probabilities in the order of the
      classes), `sorted` (the same, falling), `logits`, `loss` (one column), `hidden`.

  Raises:
    ValueError: hidden states that were not kept, or values that are not finite.
  """
  values = np.column_stack([FEATURES[name](side) for name in names])
  bad = np.count_nonzero(~np.isfinite(values).all(axis=1))
  if bad:
    raise ValueError(f'{"+".join(names)}: {bad} of {len(side)} rows are not finite')
  return np.asarray(values, np.float64)


def _network(count: int, seed: int, epochs: int) -> Any:
  from sklearn import neural_network

  # Batches of 100, or 100 batches an epoch: more of them cost more than they find.
  return neural_network.MLPClassifier(
    hidden_layer_sizes=(20,),
    batch_size=min(count, max(100, count // 100)),
    max_iter=epochs,
    random_state=seed,
  )


def _forest(count: int, seed: int, _: int) -> Any:
  # Trees that draw 10,000 of many more examples find the same in a third of the time.
  forest = trained.ESTIMATORS['rf'](count, seed)
  return forest.set_params(max_samples=min(count, 10_000))


def _boosting(count: int, seed: int, _: int) -> Any:
  from sklearn import ensemble

  # A tenth of a handful of examples cannot say when to stop: fewer trees instead.
  return ensemble.HistGradientBoostingClassifier(
    max_iter=min(200, max(10, count // 10)),
    max_depth=3,
    min_samples_leaf=min(200, max(1, count // 20)),
    early_stopping=count >= 200,
    random_state=seed,
  )


ESTIMATORS: dict[str, Callable[[int, int, int], Any]] = {
  'fc': _network,
  'lr': lambda count, seed, _: trained.ESTIMATORS['lr'](count, seed),
  'rf': _forest,
  'gb': _boosting,
}
"""Attack model -> (examples, seed, epochs) -> untrained scikit-learn classifier."""


def _log_odds(pipeline: Any, values: np.ndarray) -> np.ndarray:
  """Returns log-odds of IN, (n,) float64, finite and without ties at the far ends."""
  scaler, model = pipeline
  values = scaler.transform(values)
  if hasattr(model, 'decision_function'):
    return model.decision_function(values)
  if hasattr(model, 'coefs_'):
    # By hand: from probabilities that are rounded to 1 there is no way back.
    (inner, outer), (inner_bias, outer_bias) = model.coefs_, model.intercepts_
    return (np.maximum(values @ inner + inner_bias, 0) @ outer + outer_bias)[:, 0]
  # Trees that vote in parallel are added in any order: other last bits each time.
  model.n_jobs = 1
  trees = len(model.estimators_)
  # One more tree, which does not know, keeps the odds finite and in their order.
  share = (model.predict_proba(values)[:, 1] * trees + 0.5) / (trees + 1)
  return np.log(share) - np.log1p(-share)


def fit(
  shadows: Shadows, *, config: AttackConfig, class_count: int, seed: int
) -> AttackModels:
  """Trains an attack model for each class on all shadows' outputs.

  The features of one class at a time are in memory. What the target was trained on is
  left out where the shadows are disjoint from it (`Shadows.usable`).

  Args:
    shadows: the fleet.
    config: the attack models, what they see, and how much of it.
    class_count: classes of the data set.
    seed: of all draws, at least 0. A class draws apart from the others.

  Raises:
    UsageError: a class is not IN or not OUT in a shadow, or too few examples are OUT.
    ValueError: labels beyond the classes, hidden states not kept, outputs not finite.
  """
  _check_labels(shadows.labels, class_count)
  masks = _in_and_out(shadows, config.shadow_test_size, class_count, seed)
  fitted = [
    _fit_class(shadows, masks, label=label, config=config, seed=seed)
    for label in range(class_count)
  ]
  classes, models = zip(*fitted, strict=True)
  return AttackModels(
    feature_names=config.attack_features, classes=classes, models=models
  )


def check(
  shadows: Shadows, *, config: AttackConfig, class_count: int, seed: int
) -> None:
  """Raises the UsageError that `fit` would, whatever the shadows' outputs.

  Args are `fit`'s; of the shadows only labels and memberships are looked at.
  """
  _in_and_out(shadows, config.shadow_test_size, class_count, seed)


def _in_and_out(
  shadows: Shadows, size: int | None, class_count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the IN and the OUT examples that each shadow teaches, (models, n) bool."""
  inside = shadows.members & shadows.usable
  outside = ~shadows.members & shadows.usable
  available = outside.sum(axis=1)
  if size is not None and size > available.min():
    raise UsageError(
      f'--shadow_test_size={size}: must be at most {available.min()}, the OUT examples '
      f'of shadow {available.argmin()}'
    )
  drawn = np.zeros_like(outside)
  for number, free in enumerate(outside):
    count = inside[number].sum() if size is None else size
    order = np.random.default_rng([seed, 0, number]).permutation(np.flatnonzero(free))
    drawn[number, order[:count]] = True
  # As many OUT as IN examples are drawn unless their number is given.
  flag = 'shadow_train_size' if size is None else 'shadow_test_size'
  _check_classes(shadows, inside, class_count, name='IN', flag='shadow_train_size')
  _check_classes(shadows, drawn, class_count, name='OUT', flag=flag)
  return inside, drawn


def _check_classes(shadows, mask, class_count, *, name: str, flag: str) -> None:
  for number, row in enumerate(mask):
    counts = np.bincount(shadows.labels[row], minlength=class_count)
    if not counts.all():
      raise UsageError(
        f'class {counts.argmin()}: not one of the {counts.sum()} {name} examples of '
        f'shadow {number} is of it, an attack model needs one of each shadow: give a '
        f'larger --{flag}, or --shadow_split=half'
      )


def _fit_class(shadows, masks, *, label, config, seed) -> tuple[ClassFit, Any]:
  """Trains the attack model of one class on the IN and the OUT examples of it."""
  from sklearn import pipeline, preprocessing

  rng = np.random.default_rng([seed, 1, label])
  of_class = np.flatnonzero(shadows.labels == label)
  # Pairs of a shadow and a place in `of_class`, in the order of the shadows.
  pairs = [np.argwhere(mask[:, of_class]) for mask in masks]
  if config.attack_balance:
    smaller = min(map(len, pairs))
    pairs = [each[np.sort(rng.permutation(len(each))[:smaller])] for each in pairs]
  n_in, n_out = map(len, pairs)
  values = []
  for each in pairs:
    for number in range(len(shadows)):
      rows = of_class[each[each[:, 0] == number, 1]]
      values.append(features(shadows.side(number, rows), config.attack_features))
  values = np.concatenate(values)
  member = np.repeat([1, 0], [n_in, n_out])
  build = ESTIMATORS[config.attack_model]
  estimator = build(len(member), int(rng.integers(2**31)), config.attack_epochs)
  model = pipeline.make_pipeline(preprocessing.StandardScaler(), estimator)
  # Threads would wait for each other. Only what is loaded by now is limited.
  with threadpoolctl.threadpool_limits(1):
    trained.fit_quietly(model, values, member)
    right = float(np.mean((_log_odds(model, values) > 0) == member))
  return ClassFit(label=label, n_in=n_in, n_out=n_out, train_accuracy=right), model


def class_table(
  models: AttackModels, scores: AttackScores, *, members: Side, nonmembers: Side
) -> tuple[ClassRow, ...]:
  """Returns what each attack model learned from and what it does on the target.

  Args:
    models: the attack models.
    scores: theirs of the target's examples.
    members: the target's outputs that the scores were computed from.
    nonmembers: the same.
  """
  rows = []
  for each in models.classes:
    ours = scores.members[members.labels == each.label]
    others = scores.nonmembers[nonmembers.labels == each.label]
    right = [called.mean() for called in (ours > 0, others <= 0) if len(called)]
    rows.append(
      ClassRow(
        **dataclasses.asdict(each),
        n_members=len(ours),
        n_nonmembers=len(others),
        test_accuracy=float(np.mean(right)) if right else None,
        test_auc=metrics.auc(ours, others) if len(ours) and len(others) else None,
      )
    )
  return tuple(rows)


def classification_report(scores: AttackScores) -> dict[str, dict[str, float]]:
  """Returns scikit-learn's report on the calls, a member being a score above 0.

  Args:
    scores: of the target's examples.

  Returns:
    `precision`, `recall`, `f1-score` and `support` of `member`, `non-member`,
    `accuracy` (whose first three are it), `macro avg` and `weighted avg`. The precision
    of a call that was never made is 0.
  """
  from sklearn import metrics as sklearn_metrics

  values = np.concatenate([scores.members, scores.nonmembers])
  report = sklearn_metrics.classification_report(
    np.repeat([1, 0], [len(scores.members), len(scores.nonmembers)]),
    (values > 0).astype(int),
    labels=[1, 0],
    target_names=['member', 'non-member'],
    output_dict=True,
    zero_division=0,
  )
  pooled = dict.fromkeys(('precision', 'recall', 'f1-score'), report['accuracy'])
  report['accuracy'] = {**pooled, 'support': float(len(values))}
  return report
