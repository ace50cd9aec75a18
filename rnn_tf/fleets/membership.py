"""Which shadow model is trained on which example: the one source of truth.

Both matrices grow by rows: the first rows of a larger fleet are those of a smaller one.
"""

import numpy as np


def half(models: int, examples: int, *, seed: int) -> np.ndarray:
  """Trains each shadow on a random half; models 2p and 2p + 1 on the two halves.

  So with any even number of models each example is IN exactly half of them, and a
  fleet can grow by pairs. (Carlini et al. 2022 draw a matrix of a fixed number of
  models, whose columns are balanced in the same way.)

  Args:
    models: rows.
    examples: columns; of an odd number the second of a pair gets one more.
    seed: of the draws.

  Returns:
    (models, examples) bool, True where a model is trained on an example.
  """
  members = np.zeros((models, examples), bool)
  for model in range(models):
    pair, second = divmod(model, 2)
    order = np.random.default_rng([seed, pair]).permutation(examples)
    first_half = order[: examples // 2]
    members[model, first_half] = True
    if second:
      members[model] = ~members[model]
  return members


def disjoint(
  models: int, usable: np.ndarray, *, train_size: int, seed: int
) -> np.ndarray:
  """Trains each shadow on as many examples, none of which the target was trained on.

  Shokri et al. 2017 (arXiv 1610.05820), section V-C: the shadows' sets may overlap with
  each other, not with the target's.

  Args:
    models: rows.
    usable: (examples,) bool, False for the target's training examples.
    train_size: examples a model is trained on; as many again must be left over.
    seed: of the draws.

  Returns:
    (models, examples) bool, True where a model is trained on an example.

  Raises:
    ValueError: too few examples are usable.
  """
  free = np.flatnonzero(usable)
  if 2 * train_size > len(free):
    raise ValueError(f'{len(free)} examples, needs twice {train_size}')
  members = np.zeros((models, len(usable)), bool)
  for model in range(models):
    order = np.random.default_rng([seed, model]).permutation(len(free))
    members[model, free[order[:train_size]]] = True
  return members


def training_seeds(models: int, *, seed: int) -> list[int]:
  """Returns a seed of weights and batches for each shadow, each below 2**32."""
  return [
    int(np.random.SeedSequence([seed, 1, model]).generate_state(1)[0])
    for model in range(models)
  ]
