"""Randomness that privacy rests on: secret, or repeatable and then not private.

Numbers come from TensorFlow's stateless generators (Philox), keyed with 63 bits of
the operating system's entropy. That is a statistical, not a cryptographic
generator, and its normals are floating-point numbers (Mironov 2012): the guarantee
is that of the usual DP-SGD software.
"""

import dataclasses
import secrets

import numpy as np

from rnn_tf.stack import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
  """One key for the noise, one for the draws of the batches.

  Attributes:
    noise: below 2**63.
    sampling: below 2**63.
    secret: whether they came from the operating system and are written nowhere.
  """

  noise: int
  sampling: int
  secret: bool


def secret_keys() -> Keys:
  """Returns new keys; a resumed run goes on with others, which is as private."""
  return Keys(noise=secrets.randbits(63), sampling=secrets.randbits(63), secret=True)


def repeatable_keys(seed: int) -> Keys:
  """Returns keys that follow from a run's seed, which its folder records.

  Whoever knows the seed can take the noise away again: for tests and for comparing
  runs, not for a model that is released.
  """
  noise, sampling = np.random.SeedSequence(seed).generate_state(2, np.uint64) >> 1
  return Keys(noise=int(noise), sampling=int(sampling), secret=False)


def seed(key: int, counter: tf.Tensor | int) -> tf.Tensor:
  """Returns the seed of one draw; another counter is another, independent draw."""
  return tf.stack([tf.constant(key, tf.int64), tf.cast(counter, tf.int64)])
