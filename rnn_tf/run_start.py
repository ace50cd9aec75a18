"""What a run is, written when it begins, and what a resumed run must still be."""

import dataclasses
import logging
import pathlib
import shlex
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from rnn_tf import classical, datasets, models, training
from rnn_tf.config import RECURRENT_KERNELS, RunConfig, to_json
from rnn_tf.dp import guarantee
from rnn_tf.dp.guarantee import Guarantee, from_json
from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import DP_ENGINES
from rnn_tf.runs import FORMAT, RunFolder
from rnn_tf.stack import keras

LOG = logging.getLogger('rnn_tf')

VERSIONED = (
  'tensorflow',
  'tf-keras',
  'tensorflow-privacy',
  'tensorflow-datasets',
  'dp-accounting',
  'scikit-learn',
  'numpy',
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Start:
  """What a run takes over from the run that examples were deleted from.

  Attributes:
    engine: who computes the gradients.
    forgotten: (n,) int64, ids of the deleted examples, which `data` has no more; None
      where none were deleted.
    weights: a file of weights to begin with; None begins with fresh ones.
    parts: that the kernels cut a batch into, where it is not this machine's cores that
      decide; None where it is.
  """

  engine: str
  forgotten: np.ndarray | None = None
  weights: pathlib.Path | None = None
  parts: int | None = None

  def give_weights(
    self, model: keras.Model, *, config: RunConfig, data: datasets.Data
  ) -> None:
    """Gives a model the weights to begin with, and nothing of their optimizer."""
    if self.weights is None:
      return
    other = models.build(
      config.model,
      image_shape=data.train.images.shape[1:],
      num_classes=len(data.class_names),
    )
    training.load_weights(other, self.weights)
    model.set_weights(other.get_weights())


def record(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  parameters: int,
  engine: str,
  promise: Guarantee | None,
  forgotten: np.ndarray | None = None,
  command: str = 'rnn_tf.train',
) -> None:
  """Writes what the run is, or makes sure that a resumed one is still that.

  Args:
    config: the run's.
    folder: the run's, open.
    data: the run's.
    parameters: weights of the network; 0 of a model that is not fitted yet.
    engine: who computes the gradients, or fits the model.
    promise: the guarantee of private training.
    forgotten: (n,) int64, ids of examples that were deleted from the data; None of a
      run that none were deleted from.
    command: the module that this process runs.

  Raises:
    UsageError: the data has changed since the run began.
  """
  about = _about(data)
  now = versions()
  if (folder.path / 'config.json').exists():
    _compare(folder, about, now)
    return
  splits = ('train', 'holdout', 'test')
  examples = {f'{name}_ids': getattr(data, name).ids for name in splits}
  if forgotten is not None:
    examples['forget_ids'] = forgotten
  folder.write_npz('examples.npz', examples)
  folder.write_json(
    'config.json',
    {
      'format': FORMAT,
      'name': folder.path.name,
      'config': to_json(config),
      'versions': now,
      'command': shlex.join(['python', '-m', command, *sys.argv[1:]]),
      'data': about,
      'parameters': parameters,
      'engine': engine,
      'guarantee': promise and dataclasses.asdict(promise),
    },
  )


def count(folder: RunFolder, parameters: int) -> None:
  """Notes how large a model is that was not known to be before it was fitted.

  Args:
    folder: the run's, open.
    parameters: numbers that the model has learned.
  """
  stored = folder.record()
  if stored.get('parameters') != parameters:
    folder.write_json('config.json', {**stored, 'parameters': parameters})


def announce(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  engine: str,
  first_epoch: int,
) -> None:
  """Says what is about to be trained, and what it will promise."""
  parameters = folder.record()['parameters']
  LOG.info(
    '%s (%sengine %s) on %s: %s; writing to %s%s',
    config.model.label(),
    f'{parameters:,} parameters, ' if parameters else '',
    engine,
    data.name,
    f'{len(data.train):,} training examples, {len(data.test):,} test examples',
    folder,
    f'; going on after epoch {first_epoch}' if first_epoch else '',
  )
  _, promise = begun_with(folder)
  if promise is not None:
    final = promise.to_json(epochs=config.training.epochs)
    LOG.info('privacy after the last epoch: %s', guarantee.statement(final))


def versions() -> dict[str, str]:
  """Returns the packages that a run's numbers may depend on, and their versions."""
  return {name: metadata.version(name) for name in VERSIONED}


def _about(data: datasets.Data) -> dict[str, Any]:
  """Returns what tells the run's data from any other."""
  return {
    'name': data.name,
    'version': data.version,
    'class_names': list(data.class_names),
    'train': len(data.train),
    'holdout': len(data.holdout),
    'test': len(data.test),
    'image_shape': list(data.train.images.shape[1:]),
    'checksums': {
      'train': data.train.checksum(),
      'holdout': data.holdout.checksum(),
      'test': data.test.checksum(),
    },
  }


def begun_with(folder: RunFolder) -> tuple[str, Guarantee | None]:
  """Returns the engine and the guarantee that a run began with.

  A resumed run keeps them: another machine would choose another engine, another
  version of the accountant another noise.

  Raises:
    UsageError: config.json does not say, or was edited.
  """
  stored = folder.record()
  config = folder.config()
  private = config.privacy.dp
  allowed = DP_ENGINES if private else RECURRENT_KERNELS
  if config.model.classical:
    allowed = (classical.ENGINE,)
  try:
    # Runs from before there was a choice were made by Keras' own step.
    engine = stored.get('engine', 'keras')
    if engine == 'auto' or engine not in allowed:
      raise ValueError(f'engine={engine!r}')
    return engine, from_json(stored.get('guarantee')) if private else None
  except ValueError as error:
    raise UsageError(
      f'{folder}/config.json is damaged or of another version ({error}): name '
      'another --run_dir, or --overwrite'
    ) from error


def check_data(
  folder: RunFolder, splits: Mapping[str, datasets.Split]
) -> tuple[str, ...]:
  """Makes sure that data are those that a finished run was made with.

  Args:
    folder: the run's.
    splits: `train`, `holdout`, `test` or some of them, as they are now.

  Returns:
    The names of the run's classes.

  Raises:
    UsageError: they are not, or config.json does not say.
  """
  try:
    about = folder.record()['data']
    stored = {name: about['checksums'][name] for name in splits}
    names = tuple(about['class_names'])
  except (KeyError, TypeError) as error:
    raise UsageError(
      f'--run={folder}: its config.json is damaged (no {error})'
    ) from error
  for name, split in splits.items():
    if split.checksum() != stored[name]:
      raise UsageError(
        f'--run={folder}: its {name} images are not those of '
        f'{folder.config().data.dataset} as it is now: the data set has changed; point '
        '--data_dir at the one it was trained on'
      )
  return names


def _compare(
  folder: RunFolder, about: Mapping[str, Any], versions: Mapping[str, str]
) -> None:
  """Compares a resumed run's data and packages with those that it began with."""
  stored = folder.record()
  if stored.get('data') != about:
    raise UsageError(
      f'{folder}: began with other examples than {about["name"]} {about["version"]} '
      'holds now: the data set has changed; --overwrite starts again'
    )
  for name, version in versions.items():
    before = stored.get('versions', {}).get(name)
    if before != version:
      LOG.warning('%s began with %s %s, goes on with %s', folder, name, before, version)
