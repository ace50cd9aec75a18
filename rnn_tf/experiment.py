"""One training run, put together from its parts."""

import sys
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from rnn_tf import (
  callbacks,
  datasets,
  engines,
  launch,
  models,
  reporting,
  run_start,
  training,
)
from rnn_tf.attacks import audit, tf_privacy
from rnn_tf.attacks.results import Report, to_arrays
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import RunConfig, to_json
from rnn_tf.dp import accounting, guarantee, randomness
from rnn_tf.errors import UsageError
from rnn_tf.launch import LOG
from rnn_tf.options.source import Source
from rnn_tf.prediction import Predictor
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
    f'privacy reports: {len(report_epochs(config))}',
    f'engine: {engine}',
    f'privacy: {_in_words(promise, epochs)}',
  ]
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


def report_epochs(config: RunConfig) -> list[int]:
  """Returns the epochs after which a privacy report is made."""
  last, every = config.training.epochs, config.report.epochs_per_report
  if not config.report.attacks:
    return []
  return sorted({*range(every, last + 1, every), last})


def train(
  config: RunConfig, folder: RunFolder, source: Source, *, overwrite: bool
) -> None:
  """Trains `config` into `folder`, or goes on with what is there.

  Raises:
    UsageError: the request cannot be met; a new folder is not created then, but
      where memory runs out.
  """
  try:
    _train(config, folder, source, overwrite=overwrite)
  except (tf.errors.ResourceExhaustedError, MemoryError) as error:
    raise UsageError(
      f'{folder}: not enough memory ({str(error).splitlines()[0]}): lower '
      '--batch_size, --hidden_size or --train_size'
    ) from error


def _train(
  config: RunConfig, folder: RunFolder, source: Source, *, overwrite: bool
) -> None:
  data = datasets.load(config.data, data_dir=source.data_dir, download=source.download)
  steps = config.training.steps_per_epoch(len(data.train))
  engine = _engine(config, folder, overwrite=overwrite)
  promise = _promise(config, folder, examples=len(data.train), overwrite=overwrite)
  model = engines.build(
    config,
    engine=engine,
    guarantee=promise,
    image_shape=data.train.images.shape[1:],
    num_classes=len(data.class_names),
    examples=len(data.train),
  )
  folder.open(config, overwrite=overwrite)
  parameters = model.count_params()
  run_start.record(
    config, folder, data=data, parameters=parameters, engine=engine, promise=promise
  )
  checkpoints = training.Checkpoints(folder.path, model)
  first_epoch = checkpoints.restore()
  folder.forget_after(first_epoch)
  keys = _keys(config)
  engines.install(model, config, engine=engine, guarantee=promise, keys=keys)
  _announce(config, folder, data=data, engine=engine, first_epoch=first_epoch)
  inputs = models.inputs(config.model, data.train.images)
  evaluation, privacy = _observers(
    config, folder, data=data, model=model, inputs=inputs, promise=promise
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
  bar = callbacks.ProgressBar(steps, config.training.epochs)
  training.fit(
    model,
    inputs,
    data.train.labels,
    batches=engines.batches(config, engine=engine, keys=keys, first_epoch=first_epoch),
    callbacks=[*[bar] * sys.stderr.isatty(), evaluation, privacy, journal],
  )
  _finish(folder, checkpoints, promise=promise)


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


def _observers(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  model: keras.Model,
  inputs: np.ndarray,
  promise: guarantee.Guarantee | None,
) -> tuple[callbacks.Evaluation, callbacks.PrivacyMetrics]:
  """Returns the callbacks that look at the model after each epoch.

  Args:
    config: the run's.
    folder: the run's.
    data: the run's.
    model: the one that is trained.
    inputs: the training examples as the model takes them.
    promise: the run's guarantee, if there is one.
  """
  predictor = Predictor(model)

  def outputs(split: datasets.Split, inputs: np.ndarray) -> Side:
    return Side(ids=split.ids, labels=split.labels, logits=predictor(inputs))

  members, holdout = data.train, data.holdout
  if config.report.report_members is not None:
    chosen = audit.sample_members(
      len(members), config.report.report_members, seed=config.training.seed
    )
    members, inputs = members.select(chosen), inputs[chosen]
  test_inputs = models.inputs(config.model, data.test.images)
  holdout_inputs = models.inputs(config.model, holdout.images)
  evaluation = callbacks.Evaluation(lambda: outputs(data.test, test_inputs))

  def signals() -> Signals:
    # Validation has just predicted the test set: that is not done twice.
    if config.data.nonmembers == 'test':
      nonmembers = evaluation.side
    else:
      nonmembers = outputs(holdout, holdout_inputs)
    return Signals(members=outputs(members, inputs), nonmembers=nonmembers)

  privacy = callbacks.PrivacyMetrics(
    signals,
    audit=_audit(config, data, promise=promise),
    keep=_keeper(folder),
    due=set(report_epochs(config)),
  )
  return evaluation, privacy


def _audit(
  config: RunConfig, data: datasets.Data, *, promise: guarantee.Guarantee | None
) -> Callable[[Signals, int, Mapping[str, float]], Report]:
  # A plain run has a lower bound too: what no smaller epsilon could claim of it.
  delta = (
    accounting.default_delta(len(data.train)) if promise is None else promise.delta
  )

  def run(signals: Signals, epoch: int, logs: Mapping[str, float]) -> Report:
    return audit.run(
      signals,
      config=config.report,
      class_count=len(data.class_names),
      model=config.model.label(),
      epoch=epoch,
      train_accuracy=float(logs['accuracy']),
      val_accuracy=float(logs['val_accuracy']),
      seed=config.training.seed,
      epsilon=promise and promise.epsilon(epoch),
      delta=delta,
    )

  return run


def _keeper(folder: RunFolder) -> Callable[[int, Signals, Report], None]:
  """Returns a function that adds a report to the run's folder."""
  lines = folder.read_lines()

  def keep(epoch: int, signals: Signals, report: Report) -> None:
    folder.write_npz(f'scores/epoch-{epoch:04d}.npz', to_arrays(report, signals))
    lines.extend(result.to_json() for result in report.results)
    folder.write_lines(lines)

  return keep


def _tf_privacy_plots(record: reporting.RunRecord) -> Mapping[str, Figure]:
  """Returns TF Privacy's own pictures, none for a run without a report."""
  if all(result.skipped for result in record.results):
    return {}
  return tf_privacy.plots(record.reports())


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
  more = {f'tf_privacy_{name}': f for name, f in _tf_privacy_plots(record).items()}
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
