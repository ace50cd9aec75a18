"""One training run, put together from its parts."""

import sys

from rnn_tf import (
  callbacks,
  classical,
  classical_run,
  datasets,
  engines,
  launch,
  models,
  run_audit,
  run_end,
  run_start,
  training,
)
from rnn_tf.config import RunConfig, to_json
from rnn_tf.dp import guarantee, randomness
from rnn_tf.errors import UsageError
from rnn_tf.fleets.fleet import Fleet
from rnn_tf.launch import LOG
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.options.source import Source
from rnn_tf.prediction import Predictor
from rnn_tf.runs import RunFolder
from rnn_tf.stack import keras, tf


def plan(config: RunConfig, folder: RunFolder, source: Source) -> str:
  """Returns what a run would do, without doing any of it."""
  pool, test = datasets.sizes(config.data, data_dir=source.data_dir)
  examples = datasets.train_count(config.data, pool)
  lines = [f'run folder: {folder}']
  for group, values in to_json(config).items():
    fields = ' '.join(f'{name}={value}' for name, value in values.items())
    lines.append(f'{group}: {fields}')
  epochs = config.training.epochs
  engine = _engine(config, folder, overwrite=False)
  promise = _promise(config, folder, examples=examples, overwrite=False)
  lines += [
    f'examples: {examples} of {pool} to train on, {test} to test on',
    f'steps: {_steps(config, examples)}',
    f'privacy reports: {len(run_audit.report_epochs(config))}',
    f'engine: {engine}',
    f'privacy: {_in_words(promise, epochs)}',
  ]
  if run_audit.needs_fleet(config):
    lines.append(
      f'shadow models: {config.fleet.num_shadows} ({config.fleet.shadow_split}), '
      'trained first where they are not there yet'
    )
  return '\n'.join(lines)


def _steps(config: RunConfig, examples: int) -> str:
  """Returns how a model is made; raises UsageError where it cannot be."""
  if config.model.classical:
    classical.check_size(config.model, examples)
    return 'none, the model is fitted at once'
  epochs, steps = config.training.epochs, config.training.steps_per_epoch(examples)
  return f'{epochs} epochs x {steps} = {epochs * steps}'


def set_up(config: RunConfig, folder: RunFolder, *, overwrite: bool) -> None:
  """Sets TensorFlow up for a run, before its first operation."""
  engine = _engine(config, folder, overwrite=overwrite)
  launch.set_up_tensorflow(
    config.training,
    side_by_side=engines.side_by_side(engine),
    exact=config.privacy.dp,
  )


def _in_words(promise: guarantee.Guarantee | None, epochs: int) -> str:
  if promise is None:
    return 'no guarantee: the training is not differentially private'
  return guarantee.statement(promise.to_json(epochs=epochs))


def train(
  config: RunConfig,
  folder: RunFolder,
  source: Source,
  *,
  options: FleetOptions,
  overwrite: bool,
  embed_images: bool,
) -> None:
  """Trains `config` into `folder`, or goes on with what is there.

  Raises:
    UsageError: the request cannot be met; the folder is as it was then, but where
      memory runs out.
  """
  data = datasets.load(config.data, data_dir=source.data_dir, download=source.download)
  train_on(
    data,
    config,
    folder,
    options=options,
    overwrite=overwrite,
    embed_images=embed_images,
  )


def train_on(
  data: datasets.Data,
  config: RunConfig,
  folder: RunFolder,
  *,
  options: FleetOptions,
  overwrite: bool,
  start: run_start.Start | None = None,
  command: str = 'rnn_tf.train',
  embed_images: bool = False,
) -> None:
  """Trains as `train` does, on data that are loaded.

  Args:
    data: the run's.
    config: the run's.
    folder: the run's.
    options: of the shadow models that reports need.
    overwrite: whether to delete what is there.
    start: what is taken over from another run; None of a run of its own.
    command: the module that this process runs, for the record.
    embed_images: whether the most exposed members' images are kept.

  Raises:
    UsageError: see `train`.
  """
  # A classical model is fitted, a network trained.
  make = classical_run.train if config.model.classical else _train
  try:
    make(
      config,
      folder,
      data,
      options=options,
      overwrite=overwrite,
      start=start,
      command=command,
      embed_images=embed_images,
    )
  except (tf.errors.ResourceExhaustedError, MemoryError) as error:
    size = '--num_trees' if config.model.classical else '--batch_size, --hidden_size'
    first_line = (str(error) or 'allocation failed').splitlines()[0]
    raise UsageError(
      f'{folder}: not enough memory ({first_line}): lower {size} or --train_size'
    ) from error


def _train(
  config: RunConfig,
  folder: RunFolder,
  data: datasets.Data,
  *,
  options: FleetOptions,
  overwrite: bool,
  start: run_start.Start | None,
  command: str,
  embed_images: bool,
) -> None:
  config.training.steps_per_epoch(len(data.train))
  engine = start.engine if start else _engine(config, folder, overwrite=overwrite)
  promise = _promise(config, folder, examples=len(data.train), overwrite=overwrite)
  model = engines.build(
    config,
    engine=engine,
    guarantee=promise,
    image_shape=data.train.images.shape[1:],
    num_classes=len(data.class_names),
    examples=len(data.train),
  )
  # Before the run's folder is touched: what a fleet cannot do is known then.
  fleet = run_audit.trained_fleet(config, data, engine=engine, options=options)
  folder.open(config, overwrite=overwrite)
  run_start.record(
    config,
    folder,
    data=data,
    parameters=model.count_params(),
    engine=engine,
    promise=promise,
    forgotten=start and start.forgotten,
    command=command,
  )
  checkpoints = training.Checkpoints(folder.path, model)
  first_epoch = checkpoints.restore()
  if start is not None and not first_epoch:
    start.give_weights(model, config=config, data=data)
  folder.forget_after(first_epoch)
  keys, parts = _keys(config), start and start.parts
  engines.install(
    model, config, engine=engine, guarantee=promise, keys=keys, parts=parts
  )
  run_start.announce(config, folder, data=data, engine=engine, first_epoch=first_epoch)
  batches = engines.batches(
    config, engine=engine, keys=keys, first_epoch=first_epoch, parts=parts
  )
  _fit(
    config,
    folder,
    data=data,
    model=model,
    batches=batches,
    checkpoints=checkpoints,
    promise=promise,
    fleet=fleet,
  )
  images = data.train if embed_images else None
  run_end.finish(folder, checkpoints, promise=promise, images=images)


def _fit(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  model: keras.Model,
  batches: training.Batches,
  checkpoints: training.Checkpoints,
  promise: guarantee.Guarantee | None,
  fleet: Fleet | None,
) -> None:
  """Trains the epochs that are to come, watched by the callbacks."""
  inputs = models.inputs(config.model, data.train.images)
  below = run_audit.needs_hidden(config)
  evaluation, privacy = run_audit.observers(
    config,
    folder,
    data=data,
    predict=Predictor(model),
    below=Predictor(models.representation(model)) if below else None,
    inputs=inputs,
    promise=promise,
    fleet=fleet,
  )
  journal = callbacks.Journal(
    folder,
    checkpoints,
    evaluation=evaluation,
    privacy=privacy,
    epochs=config.training.epochs,
    show=LOG.info,
    epsilon=promise and promise.epsilon,
  )
  steps = config.training.steps_per_epoch(len(data.train))
  bar = callbacks.ProgressBar(steps, config.training.epochs)
  training.fit(
    model,
    inputs,
    data.train.labels,
    batches=batches,
    callbacks=[*[bar] * sys.stderr.isatty(), evaluation, privacy, journal],
  )


def _engine(config: RunConfig, folder: RunFolder, *, overwrite: bool) -> str:
  """Returns a run's engine; of a resumed run, the one that it began with."""
  if _resumes(folder, overwrite):
    return run_start.begun_with(folder)[0]
  return classical.ENGINE if config.model.classical else engines.choose(config)


def _promise(
  config: RunConfig, folder: RunFolder, *, examples: int, overwrite: bool
) -> guarantee.Guarantee | None:
  """Returns a run's guarantee; of a resumed run, the one that it began with."""
  if _resumes(folder, overwrite):
    return run_start.begun_with(folder)[1]
  return guarantee.plan(config, examples=examples, engine=engines.choose(config))


def _resumes(folder: RunFolder, overwrite: bool) -> bool:
  return not overwrite and (folder.path / 'config.json').exists()


def _keys(config: RunConfig) -> randomness.Keys | None:
  if not config.privacy.dp:
    return None
  if config.training.deterministic:
    return randomness.repeatable_keys(config.training.seed)
  return randomness.secret_keys()
