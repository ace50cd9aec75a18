"""The data of a run that is there: its data set without what was deleted from it."""

import dataclasses

import numpy as np

from rnn_tf import datasets, run_start
from rnn_tf.datasets import Data, Split
from rnn_tf.deletion_config import FINETUNE
from rnn_tf.errors import UsageError
from rnn_tf.options.source import Source
from rnn_tf.runs import RunFolder


def load(run: RunFolder, source: Source) -> Data:
  """Loads a run's data and makes sure that they still are those.

  Args:
    run: finished.
    source: where the data set lies.

  Raises:
    UsageError: the data set is not there, or not the one that it was.
  """
  config = run.config()
  data = datasets.load(config.data, data_dir=source.data_dir, download=source.download)
  if config.deleted.method:
    seen = config.deleted.method == FINETUNE
    data = without(data, _deleted(run, data), seen=seen)
  splits = {name: getattr(data, name) for name in ('train', 'holdout', 'test')}
  run_start.check_data(run, splits)
  return data


def _deleted(run: RunFolder, data: Data) -> np.ndarray:
  """Returns the ids that a run was not trained on although its flags say so."""
  kept = run.read_npz('examples.npz', needs=['train_ids'])['train_ids']
  deleted = np.setdiff1d(data.train.ids, kept)
  if not len(deleted):
    raise UsageError(
      f'--run={run}: its examples.npz is damaged: it names all of the data set, and '
      'examples were deleted'
    )
  return deleted


def without(data: Data, ids: np.ndarray, *, seen: bool) -> Data:
  """Returns data of which examples are trained on no more.

  Args:
    data: a run's.
    ids: (n,) int64, all in `data.train`.
    seen: whether the weights have been trained on them before: such are neither
      members nor non-members, and left out. Others become holdout.
  """
  gone = np.isin(data.train.ids, ids)
  holdout = data.holdout
  if not seen:
    holdout = merged(holdout, data.train.select(gone))
  return dataclasses.replace(data, train=data.train.select(~gone), holdout=holdout)


def merged(one: Split, other: Split) -> Split:
  """Returns the examples of two splits of one source, by rising ids."""
  ids = np.concatenate([one.ids, other.ids])
  order = np.argsort(ids)
  return Split(
    images=np.concatenate([one.images, other.images])[order],
    labels=np.concatenate([one.labels, other.labels])[order],
    ids=ids[order],
    source=other.source,
  )
