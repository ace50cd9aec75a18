"""What an attack sees of a model: its outputs on members and on non-members."""

import dataclasses
import functools

import numpy as np
from scipy import special


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
  """A model's outputs on the members, or on the non-members.

  All that follows from the logits is computed in float64 and without rounding the
  confident predictions' probabilities to 1, which would make their losses tie at 0.

  Attributes:
    ids: (n,) int64, positions in the file order of the data set.
    labels: (n,) int64.
    logits: (n, classes) float32.
    hidden: (n, units) float16, the layer below the logits (of a recurrent network its
      last state); None where nobody asked for it.
  """

  ids: np.ndarray
  labels: np.ndarray
  logits: np.ndarray
  hidden: np.ndarray | None = None

  def __post_init__(self):
    n = len(self.labels)
    if self.hidden is not None and len(self.hidden) != n:
      raise ValueError(f'expected {n} hidden states, got {len(self.hidden)}')
    if self.logits.ndim != 2 or len(self.logits) != n or len(self.ids) != n:
      raise ValueError(
        'expected ids (n,), labels (n,) and logits (n, classes), got '
        f'{self.ids.shape}, {self.labels.shape} and {self.logits.shape}'
      )

  def __len__(self) -> int:
    return len(self.labels)

  @functools.cached_property
  def log_probs(self) -> np.ndarray:
    """Log-softmax of the logits, (n, classes) float64, exact next to 0."""
    rows, top = np.arange(len(self)), self.logits.argmax(axis=1)
    shifted = np.asarray(self.logits, np.float64)
    shifted = shifted - shifted[rows, top][:, None]
    odds = np.exp(shifted)
    # Without the top class's 1, which would swallow what log1p can tell.
    odds[rows, top] = 0
    return shifted - np.log1p(odds.sum(axis=1))[:, None]

  @functools.cached_property
  def probs(self) -> np.ndarray:
    """Probabilities, (n, classes) float64."""
    return np.exp(self.log_probs)

  @functools.cached_property
  def losses(self) -> np.ndarray:
    """Cross-entropy of each example in nats, (n,) float64."""
    return -self.log_probs[np.arange(len(self)), self.labels]

  @functools.cached_property
  def entropies(self) -> np.ndarray:
    """Modified prediction entropy in nats, (n,) float64.

    Low where the model is sure *and right*: with p the probabilities and y the
    label, -(1 - p_y) log p_y - sum over i != y of p_i log(1 - p_i)
    (Song and Mittal 2021, arXiv 2003.10595, equation 8; TF Privacy's choice).
    """
    if not len(self):
      return np.zeros(0)
    rows = np.arange(len(self))
    rest = self._log_rest()
    terms = self.probs * rest
    terms[rows, self.labels] = -np.exp(rest[rows, self.labels]) * self.losses
    return -terms.sum(axis=1)

  @functools.cached_property
  def correct(self) -> np.ndarray:
    """Whether the most likely class is the label, (n,) bool."""
    return self.logits.argmax(axis=1) == self.labels

  def _log_rest(self) -> np.ndarray:
    """log(1 - p), (n, classes) float64, exact where p is next to 1."""
    top = self.log_probs.argmax(axis=1)
    rows = np.arange(len(self))
    others = self.log_probs.copy()
    others[rows, top] = -np.inf
    # Only the most likely class can be above 1/2, where 1 - p cancels.
    rest = np.log1p(-np.minimum(self.probs, 0.5))
    rest[rows, top] = special.logsumexp(others, axis=1)
    return rest

  def select(self, which: np.ndarray) -> 'Side':
    """Returns the examples that a mask or an index array picks."""
    hidden = None if self.hidden is None else self.hidden[which]
    return Side(self.ids[which], self.labels[which], self.logits[which], hidden)


@dataclasses.dataclass(frozen=True, eq=False)
class Signals:
  """A model's outputs on both sides.

  Attributes:
    members: examples that it was trained on.
    nonmembers: examples that it was not trained on.
    population: examples that are neither, nor in any shadow model's training set;
      None where no attack needs them.
  """

  members: Side
  nonmembers: Side
  population: Side | None = None
