"""What the models of a deletion cost, and what sharding costs in accuracy."""

import glob
import logging
from collections.abc import Iterable, Sequence

import numpy as np

from rnn_tf.datasets import Data
from rnn_tf.deletion import sisa
from rnn_tf.deletion.figures import rate
from rnn_tf.deletion_records import Cost, ShardAccuracy
from rnn_tf.errors import UsageError
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.unlearn_jobs import Job, Study
from rnn_tf.unlearn_models import Maker

LOG = logging.getLogger('rnn_tf')


def costs(jobs: Iterable[Job]) -> tuple[Cost, ...]:
  """Returns what each version took to make."""
  return tuple(_cost(job) for job in jobs)


def _cost(job: Job) -> Cost:
  model, values = job.model, {}
  if isinstance(model, ShardedPlan):
    result = model.folder.result()
    values = {name: result[name] for name in ('seconds', 'wall_seconds', 'workers')}
    values |= {
      'shards_retrained': model.shards_trained,
      'num_shards': model.assignment.num_shards,
    }
  else:
    rows = model.folder.read_rows() if model is not None else []
    seconds = float(sum(row['seconds'] for row in rows))
    values = {
      'seconds': seconds,
      'wall_seconds': seconds,
      'workers': 1,
      'shards_retrained': None,
      'num_shards': None,
    }
  return Cost(
    seed=job.seed,
    forget=job.label,
    method=job.method,
    run=model.folder.path.resolve().name if model is not None else '',
    examples=model.examples if model is not None else 0,
    share=job.share,
    **values,
  )


def shard_accuracies(
  studies: Sequence[Study], maker: Maker, data: Data, *, aggregation: str
) -> tuple[ShardAccuracy, ...]:
  """Returns the test accuracy of all sharded originals that lie beside the originals.

  Args:
    studies: made, one a seed.
    maker: of their models.
    data: the parent run's.
    aggregation: of sharded models.
  """
  found = []
  for study in studies:
    plain = study.jobs[0]
    _, on_test = maker.outputs(plain, aggregation=aggregation)
    found.append(
      _accuracy(study, data, on_test, num_shards=1, num_slices=1, aggregation='')
    )
    for (num_shards, num_slices), each in _beside(study):
      found.append(
        _accuracy(
          study,
          data,
          sisa.aggregate(each, aggregation),
          num_shards=num_shards,
          num_slices=num_slices,
          aggregation=aggregation,
          each=each,
        )
      )
  return tuple(found)


def _beside(study: Study) -> list[tuple[tuple[int, int], np.ndarray]]:
  """Returns what sharded originals of a study's original say of the test set.

  Returns:
    One for each number of shards and slices: these, and logits (shards, m, classes).
  """
  path = study.original.path
  found = {}
  for place in path.parent.glob(f'{glob.escape(path.name)}-sharded*'):
    folder = ShardedFolder(place)
    try:
      if folder.finished and _is_of(study, folder):
        key = folder.manifest()['key']
        _, each = folder.load()
        found[int(key['num_shards']), int(key['num_slices'])] = each
    except UsageError as error:
      LOG.warning('passed over: %s', error)
  return sorted(found.items())


def _is_of(study: Study, folder: ShardedFolder) -> bool:
  """Returns whether a sharded model differs from a study's in its numbers alone."""
  key, shards = study.sharded_key, ('num_shards', 'num_slices')
  stored = folder.manifest()['key']
  return {**stored, **{name: key[name] for name in shards}} == key


def _accuracy(
  study: Study,
  data: Data,
  logits: np.ndarray,
  *,
  num_shards: int,
  num_slices: int,
  aggregation: str,
  each: np.ndarray | None = None,
) -> ShardAccuracy:
  labels = data.test.labels
  right = int((logits.argmax(axis=1) == labels).sum())
  constituents = () if each is None else (each.argmax(axis=2) == labels).mean(axis=1)
  return ShardAccuracy(
    seed=study.seed,
    num_shards=num_shards,
    num_slices=num_slices,
    aggregation=aggregation,
    test=rate(right, len(labels)),
    constituents=tuple(map(float, constituents)),
  )
