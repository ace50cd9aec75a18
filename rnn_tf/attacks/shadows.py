"""What an attack sees of a fleet of shadow models at one epoch."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from rnn_tf.attacks.scores import logit_gap
from rnn_tf.attacks.signals import Side

# Logits of a model that are looked at together: some arrays of 2 MB in float64.
_CHUNK_VALUES = 2**18


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shadows:
  """The shadow models' outputs on their pool, and on a population apart from it.

  Outputs may be of what stands in for an array and is read model by model, such as
  `fleets.outputs.StoredOutputs`: all of them may be larger than the memory.

  Attributes:
    ids: (n,) int64, rising; the pool's examples, as positions in the file order of
      the data set's training split.
    labels: (n,) int64.
    usable: (n,) bool, what the attacker of the shadow attack has; not so are, in a
      disjoint fleet, the target's own training examples.
    members: (models, n) bool, the membership matrix: IN is what a model was trained on.
    logits: (models, n, classes) float32.
    hidden: (models, n, units) float16; None where the fleet did not keep it.
    population_labels: (z,) int64, of examples that no shadow was trained on.
    population_logits: (models, z, classes) float32.
    train_accuracy: (models,) float64, on each shadow's IN examples.
    test_accuracy: (models,) float64, on the population.
  """

  ids: np.ndarray
  labels: np.ndarray
  usable: np.ndarray
  members: np.ndarray
  logits: np.ndarray
  hidden: np.ndarray | None
  population_labels: np.ndarray
  population_logits: np.ndarray
  train_accuracy: np.ndarray
  test_accuracy: np.ndarray

  def __len__(self) -> int:
    return len(self.members)

  @functools.cached_property
  def gaps(self) -> np.ndarray:
    """The pool's logit gaps, (models, n) float64, see `scores.logit_gap`."""
    return logit_gap(self.logits, self.labels)

  @functools.cached_property
  def population_gaps(self) -> np.ndarray:
    """The population's logit gaps, (models, z) float64."""
    return logit_gap(self.population_logits, self.population_labels)

  def only(self, models: np.ndarray | slice) -> 'Shadows':
    """Returns the fleet of the models that a mask, an index array or a slice picks.

    A slice copies nothing.
    """
    few = dataclasses.replace(
      self,
      members=self.members[models],
      logits=self.logits[models],
      hidden=None if self.hidden is None else self.hidden[models],
      population_logits=self.population_logits[models],
      train_accuracy=self.train_accuracy[models],
      test_accuracy=self.test_accuracy[models],
    )
    # What has been computed already is not read and computed again.
    for name in ('gaps', 'population_gaps'):
      if name in vars(self):
        vars(few)[name] = vars(self)[name][models]
    return few

  def without(self, model: int) -> 'Shadows':
    """Returns the fleet without one model, as the attacker of that model has it."""
    return self.only(np.arange(len(self)) != model)

  def side(self, model: int, which: np.ndarray) -> Side:
    """Returns one model's outputs on some of the pool, to attack it as a target.

    Args:
      model: position in the fleet.
      which: mask or positions in the pool.
    """
    hidden = None if self.hidden is None else self.hidden[model][which]
    return Side(self.ids[which], self.labels[which], self.logits[model][which], hidden)

  def by_example(self, model: int, values: Callable[[Side], np.ndarray]) -> np.ndarray:
    """Returns numbers of the usable examples, (m,), from one model's outputs on them.

    Args:
      model: position in the fleet.
      values: takes the outputs on some examples, and returns a number of each.
    """
    rows = np.flatnonzero(self.usable)
    size = max(1, _CHUNK_VALUES // self.logits.shape[-1])
    chunks = np.split(rows, range(size, len(rows), size))
    return np.concatenate([values(self.side(model, chunk)) for chunk in chunks])

  def positions(self, ids: np.ndarray) -> np.ndarray:
    """Returns where in the pool examples are, (len(ids),) int64.

    Raises:
      ValueError: an example is not in the pool.
    """
    found = np.searchsorted(self.ids, ids)
    found = np.minimum(found, len(self.ids) - 1)
    missing = np.count_nonzero(self.ids[found] != ids)
    if missing:
      raise ValueError(f"{missing} of {len(ids)} examples are not in the fleet's pool")
    return found
