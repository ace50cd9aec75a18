"""The least epsilon that a training can have had, judged by how well an attack does.

Under (epsilon, delta)-differential privacy no test tells members from non-members
better than TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta (Kairouz, Oh
and Viswanath 2015, arXiv 1311.0776). Hence, with the ends of Clopper-Pearson intervals
for the rates (Jagielski, Ullman and Oprea 2020, arXiv 2006.07709; Nasr et al. 2021,
arXiv 2101.04535),

  epsilon >= log((low(TPR) - delta) / high(FPR)), calling high scores members, and
  epsilon >= log((low(TNR) - delta) / high(FNR)), calling low scores non-members.

The threshold, and which of the two, are chosen on a random half of each side, where
they promise most, and bounded on the other half, each rate at half of the error that
the confidence allows. So the choice costs no validity. TF Privacy's bound is the best
of all thresholds, uncorrected: with nothing to find among 1,000 + 1,000 examples it
was above 0 in 94.5% of runs (by Bailey's interval; by Clopper-Pearson's in 14%).

It is assumed that members and non-members are drawn alike, and that examples are
independent, although one model (in a trained attack two more) links their scores. The
bound is one on what this attack on this model shows: a weak attack leaves it at 0,
however large epsilon is.
"""

import numpy as np
from scipy import special

from rnn_tf.attacks import metrics


def epsilon_lower_bound(
  members: np.ndarray,
  nonmembers: np.ndarray,
  *,
  delta: float,
  confidence: float = 0.95,
  seed: int = 0,
) -> float:
  """Returns a lower bound on epsilon that holds at the confidence, at least 0.

  Args:
    members: scores of members, (m,); higher means more likely a member.
    nonmembers: scores of non-members, (n,).
    delta: of the guarantee to be held against, in [0, 1).
    confidence: chance that the bound is not above epsilon, in (0, 1).
    seed: of the halves.

  Returns:
    The bound; 0 where a side has a single example.

  Raises:
    ValueError: a side is empty or has scores that are not finite.
  """
  tail = (1 - confidence) / 2
  rng = np.random.default_rng(seed)
  # Refuses, on the whole sides, what has no place on a curve.
  metrics.roc(members, nonmembers)
  choice_in, proof_in = _halves(members, rng)
  choice_out, proof_out = _halves(nonmembers, rng)
  if not (choice_in.size and choice_out.size):
    return 0.0
  # To call low scores non-members is to call high ones members with sides and signs
  # changed.
  tests = (
    ((choice_in, choice_out), (proof_in, proof_out)),
    ((-choice_out, -choice_in), (-proof_out, -proof_in)),
  )
  promises = [_best_threshold(*choice, delta=delta, tail=tail) for choice, _ in tests]
  best = int(np.argmax([promise for promise, _ in promises]))
  threshold = promises[best][1]
  right, wrong = tests[best][1]
  bound = _log_ratio(
    np.array([np.count_nonzero(right >= threshold)]),
    np.array([np.count_nonzero(wrong >= threshold)]),
    sizes=(right.size, wrong.size),
    delta=delta,
    tail=tail,
  )
  return max(0.0, float(bound[0]))


def _halves(
  scores: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """Deals scores out at random; of an odd number the first half is the smaller."""
  shuffled = rng.permutation(np.asarray(scores, np.float64))
  middle = shuffled.size // 2
  return shuffled[:middle], shuffled[middle:]


def _best_threshold(
  right: np.ndarray, wrong: np.ndarray, *, delta: float, tail: float
) -> tuple[float, float]:
  """Returns the largest bound of any threshold, uncorrected, and that threshold.

  Thresholds are scores, never values between two, so that only their order counts.
  """
  curve = metrics.roc(right, wrong)
  bounds = _log_ratio(
    curve.true_positives,
    curve.false_positives,
    sizes=(right.size, wrong.size),
    delta=delta,
    tail=tail,
  )
  best = int(np.argmax(bounds))
  return float(bounds[best]), float(curve.thresholds[best])


def _log_ratio(
  right: np.ndarray,
  wrong: np.ndarray,
  *,
  sizes: tuple[int, int],
  delta: float,
  tail: float,
) -> np.ndarray:
  """Returns log((low(right rate) - delta) / high(wrong rate)), -inf for log(<= 0).

  Args:
    right: examples rightly above each threshold, (k,).
    wrong: examples wrongly above it, (k,).
    sizes: examples that `right` and `wrong` are out of.
    delta: of the guarantee.
    tail: the chance of each rate to lie beyond its end.
  """
  low = _lower_ends(right, sizes[0], tail)
  high = 1 - _lower_ends(sizes[1] - wrong, sizes[1], tail)
  with np.errstate(divide='ignore'):
    return np.log(np.maximum(low - delta, 0)) - np.log(high)


def _lower_ends(successes: np.ndarray, trials: int, tail: float) -> np.ndarray:
  """Returns Clopper-Pearson's one-sided lower ends of rates, (k,)."""
  # Each count occurs at many thresholds; the inverse is what takes the time.
  counts, where = np.unique(successes, return_inverse=True)
  ends = special.betaincinv(np.maximum(counts, 1), trials - counts + 1, tail)
  return np.where(counts == 0, 0.0, ends)[where]
