"""A finished run attacked with shadow models, put together from its parts."""

import shlex
import sys
from typing import Any

import numpy as np

from rnn_tf import (
  attack_page,
  attack_records,
  datasets,
  engines,
  launch,
  run_audit,
  run_data,
  run_images,
  run_model,
  run_start,
)
from rnn_tf.attack_records import AttackRecord, ShadowSummary, TargetInfo
from rnn_tf.attack_request import Request, held
from rnn_tf.attacks import (
  anytime,
  audit,
  exposure,
  fleet_attacks,
  null_check,
  shadow,
)
from rnn_tf.attacks.results import ENTIRE, Report, to_arrays
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import RunConfig
from rnn_tf.dp import guarantee
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.launch import LOG
from rnn_tf.runs import RunFolder
from rnn_tf.stack import tf

_LIKE = 0.1
"""Share of the target's training examples by which a shadow may have more or fewer."""


def attack(asked: Request) -> AttackRecord:
  """Attacks the run and writes the attack's folder.

  Raises:
    UsageError: the request cannot be met; the run is left as it was.
  """
  try:
    return _attack(asked)
  except (tf.errors.ResourceExhaustedError, MemoryError) as error:
    raise UsageError(
      f'--run={asked.run}: not enough memory ({str(error).splitlines()[0]}): give '
      '--fleet=sequential, or fewer shadows'
    ) from error


def _attack(asked: Request) -> AttackRecord:
  config = asked.config
  weights = attack_records.weights_checksum(asked.run.path)
  engine, promise = run_start.begun_with(asked.run)
  launch.set_up_tensorflow(
    config.training,
    side_by_side=engines.side_by_side(engine),
    exact=config.privacy.dp,
  )
  data = run_data.load(asked.run, asked.source)
  plan = fleet_plan.plan(
    config,
    config.fleet,
    data=data,
    epochs=(config.training.epochs,),
    hidden=run_audit.needs_hidden(config),
    engine=engine,
  )
  fleet_attacks.check(asked.attacks, plan.memberships(), **_settings(config, data))
  _warn_of_sizes(plan, len(data.train))
  if config.deleted.method:
    LOG.warning(
      'shadow models are trained on the whole pool, the examples deleted from %s among '
      'them: remove %s when you have the result',
      config.deleted.parent,
      asked.fleet.fleet_dir or f'fleets/{plan.name()}',
    )
  place = fleets.folder_of(plan, asked.fleet)
  signals = _signals(asked, data)
  seconds = _seconds_per_epoch(asked.run, plan, len(data.train))
  with held(asked):
    ready = fleets.prepare(
      plan,
      place,
      where=asked.fleet.cluster,
      seconds_per_epoch=lambda: seconds,
    )
    del plan
    record, report = _findings(asked, signals, ready, data=data, promise=promise)
    if attack_records.weights_checksum(asked.run.path) != weights:
      raise UsageError(
        f'--run={asked.run}: has been trained again meanwhile: start the command again'
      )
    _write(asked, record, report, signals, data)
  return record


def _settings(config: RunConfig, data: datasets.Data) -> dict[str, Any]:
  """Returns what every function that attacks with a fleet wants to know."""
  return {
    'config': config.attack,
    'class_count': len(data.class_names),
    'seed': config.training.seed,
  }


def _warn_of_sizes(plan: fleet_plan.FleetPlan, train_size: int) -> None:
  """Says so where shadows are not trained as the target was."""
  if abs(plan.train_size - train_size) > _LIKE * train_size:
    LOG.warning(
      'the shadow models are trained on %d examples each, the target on %d: it is not '
      'one of their kind, and the attacks are the weaker for it',
      plan.train_size,
      train_size,
    )


def _findings(
  asked: Request,
  signals: Signals,
  ready: fleets.Fleet,
  *,
  data: datasets.Data,
  promise: guarantee.Guarantee | None,
) -> tuple[AttackRecord, Report]:
  """Makes the attacks and all that is shown beside them."""
  config, epoch = asked.config, asked.config.training.epochs
  shadows = ready.shadows(epoch)
  LOG.info('attacking with %d shadow models', len(shadows))
  settings = _settings(config, data)
  target = _target(asked, signals, data)
  findings = audit.ask_fleet(signals, asked.attacks, shadows, **settings)
  report = run_audit.report(
    config,
    signals,
    epoch=epoch,
    data=data,
    accuracies=(target.train_accuracy, target.test_accuracy),
    promise=promise,
    fleet=findings,
  )
  record = AttackRecord(
    label=asked.folder.path.name,
    run=asked.run.path.resolve().name,
    command=shlex.join(['python', '-m', 'rnn_tf.attack', *sys.argv[1:]]),
    dataset=data.name,
    model=config.model.label(),
    class_names=data.class_names,
    epoch=epoch,
    fleet=config.fleet,
    attack=config.attack,
    fleet_name=ready.folder.path.name,
    target=target,
    shadows=_summaries(ready),
    results=report.results,
    **_of_shadow(findings, signals),
    null_checks=_null_checks(asked, signals, shadows, **settings),
    anytime=_anytime(asked, signals, shadows, findings, **settings),
    exposed=_exposed(asked, report, signals, shadows),
  )
  return record, report


def _signals(asked: Request, data: datasets.Data) -> Signals:
  """Returns what the target says at its last epoch."""
  config = asked.config
  predict = run_model.predictor(
    asked.run,
    image_shape=data.train.images.shape[1:],
    class_count=len(data.class_names),
    hidden=run_audit.needs_hidden(config),
  )

  def outputs(split: datasets.Split) -> Side:
    logits, below = predict(split.images)
    return Side(split.ids, split.labels, logits, below)

  population = outputs(data.test)
  others = population if config.data.nonmembers == 'test' else outputs(data.holdout)
  return Signals(members=outputs(data.train), nonmembers=others, population=population)


def _seconds_per_epoch(
  run: RunFolder, plan: fleet_plan.FleetPlan, examples: int
) -> float:
  """Returns what a shadow's epoch should take, by what the target's epochs took."""
  seconds = [row['seconds'] for row in run.read_rows()]
  # The first epoch traces the graph as well.
  return float(np.median(seconds[1:] or seconds)) * plan.train_size / examples


def _target(asked: Request, signals: Signals, data: datasets.Data) -> TargetInfo:
  return TargetInfo(
    weights=attack_records.weights_checksum(asked.run.path),
    train_accuracy=float(signals.members.correct.mean()),
    test_accuracy=float(signals.population.correct.mean()),
    train_size=len(data.train),
    n_members=len(signals.members),
    n_nonmembers=len(signals.nonmembers),
    nonmembers=asked.config.data.nonmembers,
  )


def _summaries(ready: fleets.Fleet) -> tuple[ShadowSummary, ...]:
  epoch = ready.plan.config.training.epochs
  return tuple(
    ShadowSummary(
      model=info.model,
      train_size=int(ready.plan.members[info.model].sum()),
      train_accuracy=info.train_accuracy[epoch],
      test_accuracy=info.test_accuracy[epoch],
      seconds=info.seconds,
    )
    for info in ready.infos
  )


def _of_shadow(findings: audit.FleetFindings, signals: Signals) -> dict[str, Any]:
  """Returns what the shadow attack's own report holds, nothing without it."""
  found = findings.attacks.get('shadow')
  if found is None:
    return {'classes': (), 'classification': None}
  return {
    'classes': shadow.class_table(
      found.models,
      found.target,
      members=signals.members,
      nonmembers=signals.nonmembers,
    ),
    'classification': shadow.classification_report(found.target),
  }


def _null_checks(
  asked: Request,
  signals: Signals,
  shadows: Shadows,
  **settings: Any,
) -> tuple[null_check.NullCheck, ...]:
  if not asked.options.null_check:
    return ()
  LOG.info('attacking where there is nothing to find')
  checks = null_check.checks(
    asked.attacks,
    signals,
    shadows,
    nonmembers=asked.config.data.nonmembers,
    **settings,
  )
  for line in null_check.warnings(checks):
    LOG.warning('%s', line)
  return checks


def _anytime(
  asked: Request,
  signals: Signals,
  shadows: Shadows,
  findings: audit.FleetFindings,
  **settings: Any,
) -> dict[str, tuple[anytime.AnytimePoint, ...]]:
  if not asked.options.anytime:
    return {}
  LOG.info('attacking with fewer shadow models, for the curve')
  return {
    name: anytime.curve(name, signals, shadows, known=found.target, **settings)
    for name, found in findings.attacks.items()
  }


def _exposed(
  asked: Request, report: Report, signals: Signals, shadows: Shadows
) -> dict[str, tuple[exposure.Exposed, ...]]:
  count = asked.options.num_exposed
  if not count:
    return {}
  return {
    name: exposure.most_exposed(
      report.scores[name, ENTIRE], signals, count=count, shadows=shadows
    )
    for name in asked.attacks
    if (name, ENTIRE) in report.scores
  }


def _write(
  asked: Request,
  record: AttackRecord,
  report: Report,
  signals: Signals,
  data: datasets.Data,
) -> None:
  """Writes the folder; what marks it as finished comes last."""
  folder, images = asked.folder, data.train if asked.options.embed_images else None
  try:
    (folder.path / attack_records.FILE).unlink(missing_ok=True)
    folder.write_npz(attack_records.SCORES, to_arrays(report, signals))
    exposed = (each.id for found in record.exposed.values() for each in found)
    run_images.keep(folder, images, exposed)
    attack_page.write(record, folder, images=images)
    attack_records.write(folder, record)
  except OSError as error:
    raise UsageError(
      f'{folder}: cannot be written ({error.strerror}): the shadow models are kept; '
      'make room and start the command again'
    ) from error
