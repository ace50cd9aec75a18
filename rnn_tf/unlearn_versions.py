"""What an audit looks at: every model's outputs, divided by every forget set."""

import dataclasses
import logging
from collections.abc import Callable, Sequence

import numpy as np

from rnn_tf.attacks.signals import Side
from rnn_tf.datasets import Data, Split
from rnn_tf.deletion import choose
from rnn_tf.deletion.choose import ForgetSet
from rnn_tf.deletion.results import ORIGINAL, Version
from rnn_tf.runs import RunFolder
from rnn_tf.unlearn_jobs import Job, Study

LOG = logging.getLogger('rnn_tf')

FEWEST = 100
"""Held-out examples with fewer than which the test set stands for the unseen ones."""

Outputs = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unseen:
  """Examples that no version was trained on.

  Attributes:
    source: `holdout`, of the same pool as the training set, or `test`.
    split: the examples.
    matched: whether each forget set is compared with such that have its labels'
      shares, instead of with all of them.
  """

  source: str
  split: Split
  matched: bool = False

  def describe(self) -> str:
    """Returns how many there are, and where they come from."""
    where = 'held out of the training pool'
    return f'{len(self.split):,} {where if self.source == "holdout" else "test images"}'

  def rows(self, labels: np.ndarray, *, seed: Sequence[int]) -> np.ndarray:
    """Returns which of them a forget set is compared with, (k,) int64 rising.

    Args:
      labels: (n,) int64, the forget set's.
      seed: of the draw, where there is one.

    Raises:
      UsageError: a label has no unseen example.
    """
    if not self.matched:
      return np.arange(len(self.split))
    return choose.matched(self.split.labels, labels, seed=seed)


def unseen_of(run: RunFolder, data: Data, *, matched: bool) -> Unseen:
  """Returns a run's unseen examples, and warns where they are not drawn alike.

  Args:
    run: the parent.
    data: its data.
    matched: see `Unseen`.
  """
  holdout = data.holdout
  kept = run.read_npz('examples.npz')
  if 'forget_ids' in kept:
    # An earlier version has seen what was deleted then.
    holdout = holdout.select(~np.isin(holdout.ids, kept['forget_ids']))
  if len(holdout) >= FEWEST:
    return Unseen(source='holdout', split=holdout, matched=matched)
  LOG.warning(
    'unseen examples are those of the test set, which may be drawn otherwise than the '
    'training set: an original trained with --train_fraction leaves some of its own '
    '(%d are needed, this one left %d)',
    FEWEST,
    len(holdout),
  )
  return Unseen(source='test', split=data.test, matched=matched)


def versions(
  studies: Sequence[Study],
  *,
  outputs: Callable[[Job], Outputs],
  data: Data,
  pool: Split,
  unseen: Unseen,
  deletion_seed: int,
) -> list[Version]:
  """Returns every model under every forget set of its seed.

  Args:
    studies: made, one a seed.
    outputs: a model's logits on the pool and on the test set.
    data: the parent run's.
    pool: the whole training pool, by rising ids.
    unseen: examples that no version was trained on.
    deletion_seed: of the draw of those that a forget set is compared with.
  """
  found = []
  for study in studies:
    said = {}
    for job in study.jobs:
      if job.model is not None:
        said[job.method, job.label] = outputs(job)
    said |= {
      ('none', job.label): said[ORIGINAL, ''] for job in study.jobs if job.model is None
    }
    names = {(job.method, job.label): _name(job, study) for job in study.jobs}
    for forget in study.forget_sets:
      cut = _Cut(forget, data=data, pool=pool, unseen=unseen)
      labels = pool.labels[cut.forgotten]
      rows = unseen.rows(labels, seed=[deletion_seed, study.seed])
      for (method, label), logits in said.items():
        if label in ('', forget.label):
          found.append(
            cut.version(
              logits,
              rows,
              seed=study.seed,
              method=method,
              run=names[method, label],
            )
          )
  return found


def _name(job: Job, study: Study) -> str:
  folder = study.original if job.model is None else job.model.folder
  return folder.path.resolve().name


class _Cut:
  """What one forget set divides the examples into."""

  def __init__(self, forget: ForgetSet, *, data: Data, pool: Split, unseen: Unseen):
    self._forget = forget
    self._data = data
    self._pool = pool
    self._unseen = unseen
    kept = data.train.ids[~np.isin(data.train.ids, forget.ids)]
    self.forgotten = np.searchsorted(pool.ids, forget.ids)
    self._retained = np.searchsorted(pool.ids, kept)

  def version(
    self, logits: Outputs, rows: np.ndarray, *, seed: int, method: str, run: str
  ) -> Version:
    on_pool, on_test = logits
    test = self._data.test
    unseen = self._unseen.split
    if self._unseen.source == 'holdout':
      of_unseen = on_pool[np.searchsorted(self._pool.ids, unseen.ids)]
    else:
      of_unseen = on_test
    others = Side(unseen.ids, unseen.labels, of_unseen)
    return Version(
      seed=seed,
      forget=self._forget.label,
      method=method,
      run=run,
      forgotten=self._side(on_pool, self.forgotten),
      retained=self._side(on_pool, self._retained),
      unseen=others.select(rows) if self._unseen.matched else others,
      test=Side(test.ids, test.labels, on_test),
      others=others if self._unseen.matched else None,
    )

  def _side(self, logits: np.ndarray, rows: np.ndarray) -> Side:
    return Side(self._pool.ids[rows], self._pool.labels[rows], logits[rows])


def check(unseen: Unseen, studies: Sequence[Study], data: Data) -> None:
  """Makes sure that each forget set has unseen examples to be compared with.

  Raises:
    UsageError: a label of one has none.
  """
  for study in studies:
    for forget in study.forget_sets:
      rows = np.searchsorted(data.train.ids, forget.ids)
      unseen.rows(data.train.labels[rows], seed=[0])
