"""Outputs of a made-up target and fleet: unequal examples, and a leak of known size."""

import numpy as np

from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals

UNITS = 3
"""Hidden units of the made-up models."""


def make(
  seed,
  *,
  num_shadows=4,
  pool=120,
  population=80,
  classes=2,
  leak=1.0,
  shift=0.0,
  split='half',
  noise=0.7,
):
  """Returns the target's `Signals` and the `Shadows`.

  Args:
    seed: of everything.
    num_shadows: models 2p and 2p + 1 are trained on the two halves of what is usable.
    pool: examples of the pool; half of them are the target's.
    population: examples outside of it.
    classes: of the data.
    leak: what training on an example adds to its own class's logit.
    shift: what makes the target's members easier by themselves, for every model.
    split: `half` (non-members are the other half of the pool, and all is usable), or
      `disjoint` (the target's members are not usable, non-members are the population).
    noise: of each logit, from model to model.
  """
  rng = np.random.default_rng(seed)
  count = pool + population
  labels = rng.integers(0, classes, count)
  difficulty = rng.normal(1, 2, (count, classes))
  ours = rng.permutation(pool) < pool // 2
  difficulty[np.flatnonzero(ours), labels[:pool][ours]] += shift
  usable = np.ones(pool, bool) if split == 'half' else ~ours
  members = np.zeros((num_shadows, pool), bool)
  where = np.flatnonzero(usable)
  for model in range(num_shadows):
    if model % 2 == 0:
      half = rng.permutation(len(where)) < len(where) // 2
    members[model, where] = half if model % 2 == 0 else ~half

  def outputs(trained_on):
    logits = difficulty + rng.normal(0, noise, difficulty.shape)
    logits[np.flatnonzero(trained_on), labels[:pool][trained_on]] += leak
    return logits.astype(np.float32)

  logits = np.array([outputs(row) for row in members])
  target = outputs(ours)
  # Not where the examples are in the arrays; those of the population are of another
  # split, hence not apart from them.
  ids = np.r_[3 * np.arange(pool) + 1, np.arange(population)]

  def side(rows):
    return Side(ids[rows], labels[rows], target[rows], hidden(target[rows]))

  others = side(np.arange(pool, count))
  # In no order of the pool's.
  mine = side(rng.permutation(np.flatnonzero(ours)))
  rest = side(rng.permutation(np.flatnonzero(~ours))) if split == 'half' else others
  shadows = Shadows(
    ids=ids[:pool],
    labels=labels[:pool],
    usable=usable,
    members=members,
    logits=logits[:, :pool],
    hidden=hidden(logits[:, :pool]),
    population_labels=labels[pool:],
    population_logits=logits[:, pool:],
    train_accuracy=np.ones(num_shadows),
    test_accuracy=np.ones(num_shadows),
  )
  return Signals(mine, rest, others), shadows


def hidden(logits):
  """Made-up states: the first logits, again."""
  return np.repeat(logits[..., :1], UNITS, axis=-1).astype(np.float16)
