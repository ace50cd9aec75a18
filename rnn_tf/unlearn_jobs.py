"""The models that a deletion needs: which they are, where, and what they take."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnn_tf.config import RunConfig
from rnn_tf.deletion.choose import ForgetSet
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.sharding.sharded import ShardedPlan

RETRAINED = ('retrain', 'twin', 'finetune')
"""Methods whose models are runs of their own."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Retraining:
  """A run that is trained like the original, or on from it, on fewer examples.

  Attributes:
    folder: of the run.
    config: of the run.
    forgotten: (n,) int64, ids that it is not trained on; empty for originals.
    weights: a file of weights to begin with; None begins with fresh ones.
    engine: who computes the gradients.
    examples: examples x epochs that it processes.
  """

  folder: RunFolder
  config: RunConfig
  forgotten: np.ndarray
  weights: pathlib.Path | None
  engine: str
  examples: int

  @property
  def finished(self) -> bool:
    """Whether it is there."""
    return self.folder.finished


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Job:
  """One version of one seed's model.

  Attributes:
    seed: the original's.
    forget: its forget set; None for originals.
    method: as in `deletion.results.Version`.
    model: how it is made; None for `none`, which is the original.
    share: of what full retraining takes, in examples x epochs; originals of what
      the original takes.
  """

  seed: int
  forget: ForgetSet | None
  method: str
  model: Retraining | ShardedPlan | None
  share: float

  @property
  def label(self) -> str:
    """The forget set's label, '' for originals."""
    return '' if self.forget is None else self.forget.label

  @property
  def done(self) -> bool:
    """Whether nothing is to be trained for it."""
    if isinstance(self.model, ShardedPlan):
      return self.model.folder.finished
    return self.model is None or self.model.finished


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Study:
  """Everything that one seed's original is to become.

  Attributes:
    seed: the original's.
    original: its folder.
    forget_sets: drawn from its training set.
    sharded_key: what decides a sharded original of it, see `sharding.folder`.
    jobs: in the order in which they can be made.
  """

  seed: int
  original: RunFolder
  forget_sets: tuple[ForgetSet, ...]
  sharded_key: Mapping[str, Any]
  jobs: tuple[Job, ...]


@contextlib.contextmanager
def advice_of_unlearn(folder: RunFolder) -> Iterator[None]:
  """Lets errors of a model's folder say what helps here: the folder is nobody's choice.

  Raises:
    UsageError: what was raised inside, with that advice.
  """
  try:
    yield
  except UsageError as error:
    raise UsageError(
      f'{error}. (Unless another process is at work in it, move the folder {folder} '
      'away or delete it, and the same command makes the model again)'
    ) from error
