"""Makes the models of a deletion, and what each says of every example."""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from rnn_tf import (
  attack_records,
  datasets,
  engines,
  experiment,
  launch,
  models,
  run_data,
  run_model,
  run_start,
)
from rnn_tf.callbacks import duration
from rnn_tf.config import RunConfig
from rnn_tf.datasets import Data, Split
from rnn_tf.deletion import sisa
from rnn_tf.deletion_config import FINETUNE
from rnn_tf.errors import UsageError
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.runs import RunFolder
from rnn_tf.sharding import sharded
from rnn_tf.sharding.constituent import Examples
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.stack import keras, tf
from rnn_tf.unlearn_jobs import Job, Retraining, advice_of_unlearn

LOG = logging.getLogger('rnn_tf')

OUTPUTS = 'deletions/outputs.npz'
"""What a run says at its last epoch, in its folder."""


def set_up(config: RunConfig, *, engine: str) -> None:
  """Sets TensorFlow up for a model, as training it alone would.

  Threads and memory can be set before the first operation only: call it before data
  are loaded, too.

  Args:
    config: the model's.
    engine: who computes its gradients.
  """
  launch.set_up_tensorflow(
    config.training,
    side_by_side=engines.side_by_side(engine),
    exact=config.privacy.dp,
  )


def config_of(model: Retraining) -> RunConfig:
  """Returns a run's config, with the checksum of the weights that it begins with."""
  if model.weights is None:
    return model.config
  # An original of another seed may not have been there when this was planned.
  checksum = attack_records.weights_checksum(model.weights.parent.parent)
  deleted = dataclasses.replace(model.config.deleted, weights=checksum or '')
  return dataclasses.replace(model.config, deleted=deleted)


def train_run(data: Data, model: Retraining, *, parts: int | None = None) -> None:
  """Trains a run, or goes on with it; TensorFlow is set up.

  Args:
    data: the parent run's.
    model: the run.
    parts: see `run_start.Start`.

  Raises:
    UsageError: it cannot be trained.
  """
  config = config_of(model)
  start = run_start.Start(engine=model.engine, parts=parts)
  if config.deleted.method:
    start = dataclasses.replace(start, forgotten=model.forgotten, weights=model.weights)
    seen = config.deleted.method == FINETUNE
    data = run_data.without(data, model.forgotten, seen=seen)
  experiment.train_on(
    data,
    config,
    model.folder,
    options=FleetOptions(),
    overwrite=False,
    start=start,
    command='rnn_tf.unlearn',
  )
  model.folder.close()


class Maker:
  """Makes models that are not there yet.

  Args:
    data: the parent run's.
    pool: its training and holdout examples.
    shard_training: how shards are trained, see `deletion_config.STRATEGIES`.
  """

  def __init__(self, data: Data, pool: Split, *, shard_training: str):
    self._data = data
    self._pool = pool
    self._shard_training = shard_training
    self._examples: Examples | None = None
    # Of hundreds of megabytes, once for all models.
    self._checksums = pool.checksum(), data.test.checksum()

  def make(self, job: Job) -> None:
    """Trains what a job still lacks; a killed training goes on where it was.

    Raises:
      UsageError: it cannot be trained.
    """
    if job.done:
      return
    try:
      if isinstance(job.model, ShardedPlan):
        set_up(job.model.config, engine=job.model.engine)
        examples = self.shared(job.model)
        sharded.train(job.model, examples, strategy=self._shard_training)
      else:
        set_up(job.model.config, engine=job.model.engine)
        with advice_of_unlearn(job.model.folder):
          train_run(self._data, job.model)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
      raise UsageError(
        f'not enough memory ({str(error).splitlines()[0]}): what is trained is kept; '
        'give --shard_training=sequential, or delete from a run of fewer examples'
      ) from error
    # What Keras keeps of a model that nobody needs any more.
    keras.backend.clear_session()

  def shared(self, plan: ShardedPlan) -> Examples:
    """Returns what the shards of all models share."""
    if self._examples is None:
      model = plan.config.model
      self._examples = Examples(
        inputs=models.inputs(model, self._pool.images),
        labels=self._pool.labels,
        test_inputs=models.inputs(model, self._data.test.images),
        image_shape=self._pool.images.shape[1:],
        class_count=len(self._data.class_names),
      )
    return self._examples

  def outputs(self, job: Job, *, aggregation: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a made model says, predicting where it has not been kept.

    Args:
      job: of which the model is there.
      aggregation: of sharded models.

    Returns:
      Logits of the pool (n, classes) and of the test set (m, classes), float32.
    """
    if isinstance(job.model, ShardedPlan):
      pool, test = job.model.folder.load()
      return sisa.aggregate(pool, aggregation), sisa.aggregate(test, aggregation)
    return self._run_outputs(job.model.folder)

  def _run_outputs(self, run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Returns a run's logits at its last epoch, and keeps them beside the run."""
    weights = attack_records.weights_checksum(run.path)
    identity = np.array([str(weights), *self._checksums])
    if (run.path / OUTPUTS).exists():
      kept = run.read_npz(OUTPUTS, needs=['identity', 'pool', 'test'])
      if np.array_equal(kept['identity'], identity):
        return kept['pool'], kept['test']
    predict = run_model.predictor(
      run,
      image_shape=self._pool.images.shape[1:],
      class_count=len(self._data.class_names),
    )
    outputs = {
      name: predict(split.images)[0]
      for name, split in (('pool', self._pool), ('test', self._data.test))
    }
    run.write_npz(OUTPUTS, {'identity': identity, **outputs})
    return outputs['pool'], outputs['test']


def make_all(jobs: Sequence[Job], maker: Maker, *, seconds_per_example: float) -> None:
  """Makes all models that are missing, and says how far it is.

  Args:
    jobs: in the order in which they can be made.
    maker: makes them.
    seconds_per_example: that one example takes in one epoch, for the estimates.
  """
  todo = [job for job in jobs if not job.done]
  left = sum(job.model.examples for job in todo)
  for number, job in enumerate(todo, start=1):
    LOG.info(
      'model %d of %d: %s; about %s left',
      number,
      len(todo),
      job.model.folder.path.name,
      duration(left * seconds_per_example),
    )
    maker.make(job)
    left -= job.model.examples


def pool_of(data: datasets.Data) -> Split:
  """Returns a run's whole training pool by rising ids."""
  return run_data.merged(data.holdout, data.train)
