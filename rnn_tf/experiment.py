"""One training run, put together from its parts."""

import shlex
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rnn_tf import callbacks, datasets, models, reporting, training
from rnn_tf.attacks import audit, tf_privacy
from rnn_tf.attacks.results import Report, to_arrays
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import RunConfig, to_json
from rnn_tf.errors import UsageError
from rnn_tf.launch import LOG
from rnn_tf.options.source import Source
from rnn_tf.prediction import Predictor
from rnn_tf.runs import FORMAT, RunFolder
from rnn_tf.stack import keras, tf

VERSIONED = (
  'tensorflow',
  'tf-keras',
  'tensorflow-privacy',
  'tensorflow-datasets',
  'scikit-learn',
  'numpy',
)


def plan(config: RunConfig, folder: RunFolder, source: Source) -> str:
  """Returns what a run would do, without doing any of it."""
  pool, test = datasets.sizes(config.data, data_dir=source.data_dir)
  examples = datasets.train_count(config.data, pool)
  steps = training.steps_per_epoch(examples, config.training.batch_size)
  lines = [f'run folder: {folder}']
  for group, values in to_json(config).items():
    fields = ' '.join(f'{name}={value}' for name, value in values.items())
    lines.append(f'{group}: {fields}')
  epochs = config.training.epochs
  lines += [
    f'examples: {examples} of {pool} to train on, {test} to test on',
    f'steps: {epochs} epochs x {steps} = {epochs * steps}',
    f'privacy reports: {len(report_epochs(config))}',
    'epsilon: none (not a differentially private optimizer)',
  ]
  return '\n'.join(lines)


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
  steps = training.steps_per_epoch(len(data.train), config.training.batch_size)
  model = build(config, data)
  training.compile_model(model, config.training)
  folder.open(config, overwrite=overwrite)
  _record(config, folder, data=data, parameters=model.count_params())
  checkpoints = training.Checkpoints(folder.path, model)
  first_epoch = checkpoints.restore()
  folder.forget_after(first_epoch)
  LOG.info(
    '%s (%s parameters) on %s: %s; writing to %s%s',
    config.model.label(),
    f'{model.count_params():,}',
    data.name,
    f'{len(data.train):,} training examples, {len(data.test):,} test examples',
    folder,
    f'; going on after epoch {first_epoch}' if first_epoch else '',
  )
  inputs = models.inputs(config.model, data.train.images)
  evaluation, privacy = _observers(
    config, folder, data=data, model=model, inputs=inputs
  )
  journal = callbacks.Journal(
    folder,
    checkpoints,
    evaluation=evaluation,
    privacy=privacy,
    epochs=config.training.epochs,
    show=LOG.info,
  )
  bar = callbacks.ProgressBar(steps, config.training.epochs)
  training.fit(
    model,
    inputs,
    data.train.labels,
    config=config.training,
    first_epoch=first_epoch,
    callbacks=[*[bar] * sys.stderr.isatty(), evaluation, privacy, journal],
  )
  _finish(folder, checkpoints)


def build(config: RunConfig, data: datasets.Data) -> keras.Model:
  """Builds a run's model for its data."""
  return models.build(
    config.model,
    image_shape=data.train.images.shape[1:],
    num_classes=len(data.class_names),
  )


def _record(
  config: RunConfig, folder: RunFolder, *, data: datasets.Data, parameters: int
) -> None:
  """Writes what the run is, or makes sure that a resumed one is still that.

  Raises:
    UsageError: the data has changed since the run began.
  """
  about = {
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
  versions = {name: metadata.version(name) for name in VERSIONED}
  if (folder.path / 'config.json').exists():
    _compare(folder, about, versions)
    return
  examples = {
    f'{name}_ids': getattr(data, name).ids for name in ('train', 'holdout', 'test')
  }
  folder.write_npz('examples.npz', examples)
  folder.write_json(
    'config.json',
    {
      'format': FORMAT,
      'name': folder.path.name,
      'config': to_json(config),
      'versions': versions,
      'command': shlex.join(['python', '-m', 'rnn_tf.train', *sys.argv[1:]]),
      'data': about,
      'parameters': parameters,
    },
  )


def _compare(
  folder: RunFolder, about: Mapping[str, Any], versions: Mapping[str, str]
) -> None:
  """Compares a resumed run's data and packages with those that it began with."""
  record = folder.record()
  if record.get('data') != about:
    raise UsageError(
      f'{folder}: began with other examples than {about["name"]} {about["version"]} '
      'holds now: the data set has changed; --overwrite starts again'
    )
  for name, version in versions.items():
    before = record.get('versions', {}).get(name)
    if before != version:
      LOG.warning('%s began with %s %s, goes on with %s', folder, name, before, version)


def _observers(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  model: keras.Model,
  inputs: np.ndarray,
) -> tuple[callbacks.Evaluation, callbacks.PrivacyMetrics]:
  """Returns the callbacks that look at the model after each epoch.

  Args:
    config: the run's.
    folder: the run's.
    data: the run's.
    model: the one that is trained.
    inputs: the training examples as the model takes them.
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
    audit=_audit(config, len(data.class_names)),
    keep=_keeper(folder),
    due=set(report_epochs(config)),
  )
  return evaluation, privacy


def _audit(
  config: RunConfig, class_count: int
) -> Callable[[Signals, int, Mapping[str, float]], Report]:
  def run(signals: Signals, epoch: int, logs: Mapping[str, float]) -> Report:
    return audit.run(
      signals,
      config=config.report,
      class_count=class_count,
      model=config.model.label(),
      epoch=epoch,
      train_accuracy=float(logs['accuracy']),
      val_accuracy=float(logs['val_accuracy']),
      seed=config.training.seed,
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


def _finish(folder: RunFolder, checkpoints: training.Checkpoints) -> None:
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
  figures = ('auc', 'auc_low', 'auc_high', 'advantage')
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
    },
  )
  checkpoints.discard()
