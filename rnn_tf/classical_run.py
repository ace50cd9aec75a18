"""A run of a classical model: fitted, reported on, kept. A fit is one epoch."""

import logging
import pathlib
import shutil

import numpy as np

from rnn_tf import (
  callbacks,
  classical,
  classical_file,
  datasets,
  engines,
  run_audit,
  run_end,
  run_start,
)
from rnn_tf.attacks.signals import Side
from rnn_tf.classical import Classifier
from rnn_tf.config import RunConfig
from rnn_tf.fleets.fleet import Fleet
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.run_files import write_atomically
from rnn_tf.runs import RunFolder

LOG = logging.getLogger('rnn_tf')

WEIGHTS = 'weights/final.skops'
"""The model, in the run's folder; of the best epoch as well, which is the only one."""


def train(
  config: RunConfig,
  folder: RunFolder,
  data: datasets.Data,
  *,
  options: FleetOptions,
  overwrite: bool,
  start: run_start.Start | None = None,
  command: str = 'rnn_tf.train',
  embed_images: bool = False,
) -> None:
  """Fits a run's model, or ends a run whose model is fitted already.

  Arguments are those of `experiment.train_on`.

  Raises:
    UsageError: the request cannot be met; the folder is as it was then.
  """
  classical.check_size(config.model, len(data.train))
  engine = classical.ENGINE
  # Before the run's folder is touched: what a fleet cannot do is known then.
  fleet = run_audit.trained_fleet(config, data, engine=engine, options=options)
  folder.open(config, overwrite=overwrite)
  run_start.record(
    config,
    folder,
    data=data,
    parameters=0,
    engine=engine,
    promise=None,
    forgotten=start and start.forgotten,
    command=command,
  )
  fitted = _Fitted(folder.path / WEIGHTS, config, data)
  done = fitted.restore()
  folder.forget_after(done)
  run_start.announce(config, folder, data=data, engine=engine, first_epoch=done)
  if not done:
    _fit(config, folder, data=data, fitted=fitted, fleet=fleet)
  images = data.train if embed_images else None
  run_end.finish(folder, fitted, promise=None, images=images)


class _Fitted:
  """A run's model, in memory and in its file: what `training.Checkpoints` is to others.

  Args:
    path: of the file.
    config: the run's.
    data: the run's.

  Attributes:
    model: None before it is fitted or read.
  """

  def __init__(self, path: pathlib.Path, config: RunConfig, data: datasets.Data):
    self._path = path
    self._config = config
    self._data = data
    self.model: Classifier | None = None

  def restore(self) -> int:
    """Reads the file and returns 1, the epochs that are done; 0 where there is none.

    Raises:
      UsageError: the file is damaged.
    """
    if not self._path.exists():
      return 0
    self.model = classical_file.load(
      self._path,
      self._config.model,
      image_shape=self._data.train.images.shape[1:],
      class_count=len(self._data.class_names),
      threads=engines.cores(),
    )
    return 1

  def fit(self) -> None:
    """Fits the model to the training examples."""
    self.model = classical.fit(
      self._config.model,
      self._data.train.images,
      self._data.train.labels,
      class_count=len(self._data.class_names),
      seed=self._config.training.seed,
      threads=engines.cores(),
    )

  def predict(self, images: np.ndarray) -> np.ndarray:
    """Returns the model's logits."""
    return self.model.logits(images)

  def save(self, epoch: int, *, best_epoch: int) -> None:
    """Writes the file: from here on the run is not fitted again."""
    del epoch, best_epoch  # Both are 1.
    write_atomically(self._path, classical_file.dump(self.model))

  def finish(self, *, best_epoch: int) -> None:
    """Does nothing: the file is there."""

  def discard(self) -> None:
    """Removes what only a run that is resumed would need."""
    shutil.rmtree(self._path.parent.parent / 'checkpoint', ignore_errors=True)


def _fit(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  fitted: _Fitted,
  fleet: Fleet | None,
) -> None:
  """Fits the model, watched by the callbacks of an epoch."""
  members = data.train
  evaluation, privacy = run_audit.observers(
    config,
    folder,
    data=data,
    predict=fitted.predict,
    below=None,
    inputs=members.images,
    promise=None,
    fleet=fleet,
  )
  journal = callbacks.Journal(
    folder, fitted, evaluation=evaluation, privacy=privacy, epochs=1, show=LOG.info
  )
  observers = evaluation, privacy, journal
  for observer in observers:
    observer.on_epoch_begin(0)
  fitted.fit()
  # Before the epoch is committed, which is sealed with config.json as it is.
  run_start.count(folder, fitted.model.parameters)
  side = Side(members.ids, members.labels, fitted.predict(members.images))
  logs = {'loss': float(side.losses.mean()), 'accuracy': float(side.correct.mean())}
  for observer in observers:
    observer.on_epoch_end(0, logs)
