"""One training run, put together from its parts."""

import sys

from rnn_tf import (
  callbacks,
  datasets,
  engines,
  launch,
  models,
  reporting,
  run_audit,
  run_start,
  training,
)
from rnn_tf.attacks import fleet_attacks, tf_privacy
from rnn_tf.config import RunConfig, to_json
from rnn_tf.dp import guarantee, randomness
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.fleets.fleet import Fleet
from rnn_tf.launch import LOG
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.options.source import Source
from rnn_tf.runs import RunFolder
from rnn_tf.stack import keras, tf


def plan(config: RunConfig, folder: RunFolder, source: Source) -> str:
  """Returns what a run would do, without doing any of it."""
  pool, test = datasets.sizes(config.data, data_dir=source.data_dir)
  examples = datasets.train_count(config.data, pool)
  steps = config.training.steps_per_epoch(examples)
  lines = [f'run folder: {folder}']
  for group, values in to_json(config).items():
    fields = ' '.join(f'{name}={value}' for name, value in values.items())
    lines.append(f'{group}: {fields}')
  epochs = config.training.epochs
  engine = _engine(config, folder, overwrite=False)
  promise = _promise(config, folder, examples=examples, overwrite=False)
  lines += [
    f'examples: {examples} of {pool} to train on, {test} to test on',
    f'steps: {epochs} epochs x {steps} = {epochs * steps}',
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
) -> None:
  """Trains `config` into `folder`, or goes on with what is there.

  Raises:
    UsageError: the request cannot be met; the folder is as it was then, but where
      memory runs out.
  """
  data = datasets.load(config.data, data_dir=source.data_dir, download=source.download)
  train_on(data, config, folder, options=options, overwrite=overwrite)


def train_on(
  data: datasets.Data,
  config: RunConfig,
  folder: RunFolder,
  *,
  options: FleetOptions,
  overwrite: bool,
  start: run_start.Start | None = None,
  command: str = 'rnn_tf.train',
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

  Raises:
    UsageError: see `train`.
  """
  try:
    _train(
      config,
      folder,
      data,
      options=options,
      overwrite=overwrite,
      start=start,
      command=command,
    )
  except (tf.errors.ResourceExhaustedError, MemoryError) as error:
    raise UsageError(
      f'{folder}: not enough memory ({str(error).splitlines()[0]}): lower '
      '--batch_size, --hidden_size or --train_size'
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
  fleet = _fleet(config, data, engine=engine, options=options)
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
  keys = _keys(config)
  engines.install(model, config, engine=engine, guarantee=promise, keys=keys)
  _announce(config, folder, data=data, engine=engine, first_epoch=first_epoch)
  batches = engines.batches(config, engine=engine, keys=keys, first_epoch=first_epoch)
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
  _finish(folder, checkpoints, promise=promise)


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
  evaluation, privacy = run_audit.observers(
    config,
    folder,
    data=data,
    model=model,
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


def _fleet(
  config: RunConfig, data: datasets.Data, *, engine: str, options: FleetOptions
) -> Fleet | None:
  """Returns the shadow models that the reports need, trained."""
  if not run_audit.needs_fleet(config):
    return None
  needed = fleet_plan.plan(
    config,
    config.fleet,
    data=data,
    epochs=tuple(run_audit.report_epochs(config)),
    hidden=run_audit.needs_hidden(config),
    engine=engine,
  )
  fleet_attacks.check(
    config.report.attacks,
    needed.memberships(),
    config=config.attack,
    class_count=len(data.class_names),
    seed=config.training.seed,
  )
  place = fleets.folder_of(needed, options)
  return fleets.prepare(needed, place, strategy=options.strategy)


def _announce(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  engine: str,
  first_epoch: int,
) -> None:
  """Says what is about to be trained, and what it will promise."""
  record = folder.record()
  LOG.info(
    '%s (%s parameters, engine %s) on %s: %s; writing to %s%s',
    config.model.label(),
    f'{record["parameters"]:,}',
    engine,
    data.name,
    f'{len(data.train):,} training examples, {len(data.test):,} test examples',
    folder,
    f'; going on after epoch {first_epoch}' if first_epoch else '',
  )
  _, promise = run_start.begun_with(folder)
  if promise is not None:
    final = promise.to_json(epochs=config.training.epochs)
    LOG.info('privacy after the last epoch: %s', guarantee.statement(final))


def _engine(config: RunConfig, folder: RunFolder, *, overwrite: bool) -> str:
  """Returns a run's engine; of a resumed run, the one that it began with."""
  if _resumes(folder, overwrite):
    return run_start.begun_with(folder)[0]
  return engines.choose(config)


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


def _finish(
  folder: RunFolder,
  checkpoints: training.Checkpoints,
  *,
  promise: guarantee.Guarantee | None,
) -> None:
  """Writes weights, pictures and, last of all, the result."""
  rows = folder.read_rows()
  best = callbacks.best_epoch(rows)
  checkpoints.finish(best_epoch=best)
  last = rows[-1]
  entire = [
    line
    for line in folder.read_lines()
    if line['epoch'] == last['epoch'] and line['slice'] == 'entire'
  ]
  figures = ('auc', 'auc_low', 'auc_high', 'advantage', 'epsilon_lower_bound')
  record = reporting.load_run(folder.path)
  plots = tf_privacy.plots(record.reports())
  more = {f'tf_privacy_{name}': figure for name, figure in plots.items()}
  reporting.write_run_pictures(record, folder.path / 'plots', more_pictures=more)
  folder.write_json(
    'result.json',
    {
      'epochs': last['epoch'],
      'best_epoch': best,
      'best_val_accuracy': rows[best - 1]['val_accuracy'],
      'train_accuracy': last['accuracy'],
      'val_accuracy': last['val_accuracy'],
      'seconds': sum(row['seconds'] + row['report_seconds'] for row in rows),
      'privacy': {
        line['attack']: {name: line[name] for name in figures}
        for line in entire
        if not line['skipped']
      },
      'guarantee': promise and promise.to_json(epochs=last['epoch']),
    },
  )
  checkpoints.discard()
