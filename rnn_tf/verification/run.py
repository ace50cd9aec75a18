"""A run's reports, its metrics.csv and its result.json against what is stored."""

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import numpy as np

from rnn_tf.attack_config import FLEET_ATTACKS
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.config import RunConfig
from rnn_tf.dp import accounting
from rnn_tf.dp.guarantee import Guarantee
from rnn_tf.records import RunRecord
from rnn_tf.verification import ids as verify_ids
from rnn_tf.verification import scores as verify_scores
from rnn_tf.verification.checks import Check, Finding, Gap, fact, figure, figures
from rnn_tf.verification.ids import Examples, Labels
from rnn_tf.verification.scores import Kept

METRICS, LINES, RESULT = 'metrics.csv', 'privacy.jsonl', 'result.json'

DIGITS = 6
"""Significant digits of metrics.csv."""

SECONDS = ('seconds', 'report_seconds')
"""Columns of metrics.csv that a run's time is the sum of."""

_SHOWN = ('auc', 'auc_low', 'auc_high', 'advantage', 'epsilon_lower_bound')
"""Fields of a result that result.json repeats."""

_TRAINERS = ('scikit-learn', 'numpy')
"""Packages of which another version may train an attack otherwise."""


def why_not_trained(record: RunRecord) -> str | None:
  """Returns why trained attacks cannot be trained again as they were, or None."""
  versions = record.folder.record().get('versions', {})
  for name in _TRAINERS:
    before, now = versions.get(name), metadata.version(name)
    if before != now:
      return f'they were made with {name} {before}, this is {now}'
  return None


def check_reports(
  record: RunRecord,
  examples: Examples,
  labels: Labels,
  *,
  promise: Guarantee | None,
) -> Iterator[Finding]:
  """Checks privacy.jsonl against the scores, and these against the outputs.

  Args:
    record: the run.
    examples: its examples.
    labels: theirs, as far as they are known.
    promise: its guarantee, as recomputed.

  Raises:
    UsageError: a file of scores is damaged.
  """
  yield from _check_due(record)
  epochs = dict.fromkeys(result.epoch for result in record.results)
  for epoch in epochs:
    found = [result for result in record.results if result.epoch == epoch]
    arrays, file = record.score_arrays(epoch), f'scores/epoch-{epoch:04d}.npz'
    yield verify_scores.check_kept(file, there=arrays is not None)
    if arrays is None:
      yield Gap(what=f'{LINES}, epoch {epoch}', why=f'no scores are there ({file})')
      yield from _check_row(record, found, None, examples)
      continue
    where = f'epoch {epoch}'
    of = verify_scores.kept(
      record.folder, found, arrays, file=file, lines=LINES, where=where
    )
    last = epoch == max(epochs)
    yield from _check_examples(record, of, arrays, examples, labels)
    yield from _check_report(record, of, last=last, promise=promise)
    yield from _check_row(record, found, of, examples)
  if set(record.config.report.attacks) & set(FLEET_ATTACKS):
    yield Gap(
      what=f'{LINES}, scores and thresholds of attacks with shadow models',
      why='the scores are taken as they are; rnn_tf.attack makes such attacks anew',
    )


def due(config: RunConfig) -> list[int]:
  """Returns the epochs of a run's reports, as `run_audit` has them."""
  last, every = config.training.epochs, config.report.epochs_per_report
  return sorted({*range(every, last + 1, every), last}) if config.report.attacks else []


def _check_due(record: RunRecord) -> Iterator[Check]:
  """Checks that there is a report of each epoch that was due, and no other."""
  expected = {epoch for epoch in due(record.config) if epoch <= record.epochs}
  there = {result.epoch for result in record.results}
  for epoch in sorted(expected | there):
    problem = None
    if epoch not in there:
      problem = 'there is none, although one was due'
    elif epoch not in expected:
      problem = 'there is one, although none was due'
    yield fact(LINES, f'epoch {epoch}', name='report', problem=problem)
  if record.finished is None:
    return
  for path in sorted(record.folder.path.glob('scores/epoch-*.npz')):
    epoch = path.name.removeprefix('epoch-').removesuffix('.npz')
    if not epoch.isdigit() or int(epoch) not in there:
      name = f'scores/{path.name}'
      yield fact(name, '', name='report', problem=f'there is none in {LINES}')


def _check_examples(
  record: RunRecord,
  of: Kept,
  arrays: Mapping[str, np.ndarray],
  examples: Examples,
  labels: Labels,
) -> Iterator[Check]:
  yield from verify_ids.check_sides(
    of.file, arrays, examples, members=examples.attacked
  )
  yield from labels.check(
    record.folder,
    of.file,
    arrays,
    source=examples.source,
    class_count=len(record.data.class_names),
  )


def _check_report(
  record: RunRecord, of: Kept, *, last: bool, promise: Guarantee | None
) -> Iterator[Finding]:
  config, found = record.config, of.report.results
  classes = len(record.data.class_names)
  yield from verify_scores.check_present(
    of,
    attacks=config.report.attacks,
    engine=config.report.attack_engine,
    class_count=classes,
  )
  # That all say the same of an epoch; metrics.csv is held against it.
  accuracies = {
    name: verify_scores.common(found, name)
    for name in ('train_accuracy', 'val_accuracy')
  }
  context = {'model': config.model.label(), **accuracies}
  context |= promised(record, promise, found=found)
  yield from verify_scores.check_context(of, context)
  yield from verify_scores.check_lines(of)
  why_not, which = why_not_trained(record), None
  if not last:
    why_not = 'the attack is trained again for the last report only'
    which = 'scores/ of earlier reports'
  yield from verify_scores.check_scores(
    of,
    class_count=classes,
    seed=config.training.seed,
    why_not=why_not,
    which=which,
  )


def promised(
  record: RunRecord, promise: Guarantee | None, *, found: tuple[AttackResult, ...]
) -> dict[str, Any]:
  """Returns the epsilon and delta that results of one epoch must have.

  Args:
    record: the run.
    promise: its guarantee, as recomputed.
    found: the results.
  """
  if promise is not None:
    return {'epsilon': promise.epsilon(found[0].epoch), 'delta': promise.delta}
  # Runs from before plain ones had a lower bound have no delta either.
  if all(each.delta is None and each.epsilon_lower_bound is None for each in found):
    return {'epsilon': None}
  delta = accounting.default_delta(record.data.train)
  return {'epsilon': None, 'delta': delta}


def _check_row(
  record: RunRecord, found: list[AttackResult], of: Kept | None, examples: Examples
) -> Iterator[Check]:
  """Checks an epoch's row of metrics.csv against its report."""
  epoch = found[0].epoch
  row = record.metrics.iloc[epoch - 1]
  names = {'accuracy': 'train_accuracy', 'val_accuracy': 'val_accuracy'}
  values = {key: verify_scores.common(found, name) for key, name in names.items()}
  if of is not None and examples.source == verify_ids.TEST:
    # The non-members are the whole test set, on which the run was validated.
    side = of.signals.nonmembers
    values['val_accuracy'] = float(side.correct.mean())
    values['val_loss'] = float(side.losses.mean())
    for result in found:
      yield figure(
        LINES,
        of.place(result),
        name='val_accuracy from outputs',
        stored=result.val_accuracy,
        recomputed=values['val_accuracy'],
      )
  for name, value in values.items():
    if value is None:
      continue
    yield figure(
      METRICS,
      f'epoch {epoch}',
      name=name,
      stored=float(row[name]),
      recomputed=value,
      digits=DIGITS,
    )


def check_metrics(record: RunRecord, examples: Examples) -> Iterator[Gap]:
  """Says what of metrics.csv cannot be computed."""
  yield Gap(
    what=f'{METRICS}, loss and accuracy',
    why='they are running means over the steps of an epoch (accuracy is held against '
    f'{LINES} where there is a report)',
  )
  yield Gap(what=f'{METRICS}, seconds and report_seconds', why='they were measured')
  if examples.source == verify_ids.POOL:
    why = 'the outputs on the test images are not kept (--nonmembers=holdout)'
    yield Gap(what=f'{METRICS}, val_loss and val_accuracy', why=why)
  elif len(due(record.config)) < record.epochs:
    why = 'outputs are kept where there is a report'
    yield Gap(what=f'{METRICS}, val_loss and val_accuracy of other epochs', why=why)


def check_result(record: RunRecord, *, promise: Guarantee | None) -> Iterator[Finding]:
  """Checks result.json against metrics.csv and privacy.jsonl.

  Args:
    record: the run.
    promise: its guarantee, as recomputed.
  """
  result = record.finished
  if result is None:
    yield Gap(what=RESULT, why='the run is not finished')
    return
  rows = record.metrics
  best = int(rows['val_accuracy'].to_numpy().argmax())
  last = rows.iloc[-1]
  expected = {
    'epochs': record.config.training.epochs,
    'best_epoch': best + 1,
    'best_val_accuracy': float(rows['val_accuracy'].iloc[best]),
    'train_accuracy': float(last['accuracy']),
    'val_accuracy': float(last['val_accuracy']),
    'seconds': float(rows.filter(items=SECONDS).to_numpy().sum()),
  }
  for name, value in expected.items():
    yield figure(RESULT, '', name=name, stored=result[name], recomputed=value)
  entire = {
    line.attack: {name: getattr(line, name) for name in _SHOWN}
    for line in record.last_results()
    if line.slice == ENTIRE and not line.skipped and line.epoch == record.epochs
  }
  for attack in dict.fromkeys([*entire, *result['privacy']]):
    yield from figures(
      RESULT,
      'privacy',
      stored=result['privacy'].get(attack),
      recomputed=entire.get(attack),
      name=attack,
    )
  stated = promise and promise.to_json(epochs=record.epochs)
  yield from figures(
    RESULT, '', stored=result.get('guarantee'), recomputed=stated, name='guarantee'
  )


def check_guarantee(
  record: RunRecord, *, stored: Guarantee | None, promise: Guarantee | None
) -> Iterator[Check]:
  """Checks the guarantee in config.json, and epsilon in metrics.csv.

  Args:
    record: the run.
    stored: what config.json has.
    promise: what follows from the run's config.
  """
  yield from figures(
    'config.json',
    '',
    stored=stored and dataclasses.asdict(stored),
    recomputed=promise and dataclasses.asdict(promise),
    name='guarantee',
  )
  there = 'epsilon' in record.metrics
  if there != (promise is not None):
    problem = 'is missing' if promise else 'is there, without --dp'
    yield fact(METRICS, '', name='epsilon', problem=problem)
    return
  for epoch in record.metrics['epoch'] if there else ():
    yield figure(
      METRICS,
      f'epoch {int(epoch)}',
      name='epsilon',
      stored=float(record.metrics['epsilon'].iloc[int(epoch) - 1]),
      recomputed=promise.epsilon(int(epoch)),
      digits=DIGITS,
    )
