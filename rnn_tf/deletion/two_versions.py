"""The attacker who has a model both before and after a deletion.

Chen et al. 2021 (When Machine Unlearning Jeopardizes Privacy, CCS; arXiv 2005.02205):
what was deleted is what the two versions differ on. The attack model sees, with p and q
the posteriors of the versions before and after,

  difference         p - q,
  sorted difference  the same with the classes of both in the rising order of p,
  concatenation      p and q,

and, beyond the paper, the loss on the true label, which the attacker knows: the
difference of both versions' losses, or the two.

In place of the shadow models of the paper, which are retrained for each deletion, the
attack model learns from half of D_f and H and scores the other half: the most that a
logistic regression on these features finds, at no training.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnn_tf.attacks import trained
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.signals import Side

ATTACK = 'lr'
"""The attack model, a key of `trained.ESTIMATORS`."""


def _difference(before: Side, after: Side) -> np.ndarray:
  return np.column_stack([before.probs - after.probs, before.losses - after.losses])


def _sorted_difference(before: Side, after: Side) -> np.ndarray:
  # By the logits, in which posteriors that round to the same do not tie.
  order = np.argsort(before.logits, axis=1, kind='stable')
  change = np.take_along_axis(before.probs - after.probs, order, axis=1)
  return np.column_stack([change, before.losses - after.losses])


def _concatenation(before: Side, after: Side) -> np.ndarray:
  return np.column_stack([before.probs, before.losses, after.probs, after.losses])


FEATURES: dict[str, Callable[[Side, Side], np.ndarray]] = {
  'difference': _difference,
  'sorted difference': _sorted_difference,
  'concatenation': _concatenation,
}
"""Name -> the same n examples' outputs before and after -> (n, k) float64."""


def scores(
  before: tuple[Side, Side], after: tuple[Side, Side], *, seed: Any
) -> Mapping[str, AttackScores]:
  """Returns each example's score as one that was deleted, by each of `FEATURES`.

  The scores are out of fold (`metrics.auc_interval` with 2 folds). Of versions that are
  one and the same, both differences are 0 and all examples tie, so that the AUC is
  exactly 0.5; the concatenation then is an attack on the one version, which may well
  find D_f.

  Args:
    before: outputs on D_f and on H of the version with D_f.
    after: the same examples in the same order, of the version without.
    seed: int or sequence of ints; decides the folds, the same for all features.

  Returns:
    Name of the features -> scores, D_f as the members, H as the others.

  Raises:
    ValueError: the examples are not the same, or fewer than `trained.MIN_EXAMPLES` of
      D_f or of H.
  """
  for name, one, other in zip(('D_f', 'H'), before, after, strict=True):
    if not np.array_equal(one.ids, other.ids):
      raise ValueError(f'{name}: the two versions were not asked for the same examples')
  made = {}
  for name, features in FEATURES.items():
    sides = [features(*pair) for pair in zip(before, after, strict=True)]
    made[name] = _attack(*sides, seed=seed)
  return made


def _attack(forgotten: np.ndarray, unseen: np.ndarray, *, seed: Any) -> AttackScores:
  reason = trained.too_small(len(forgotten), len(unseen))
  if reason:
    raise ValueError(reason)
  if not (forgotten.any() or unseen.any()):
    # Two models fitted to nothing might differ in the last digit.
    return AttackScores(np.zeros(len(forgotten)), np.zeros(len(unseen)))
  return trained.scores(ATTACK, forgotten, unseen, seed=seed)
