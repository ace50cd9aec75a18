"""A finished run attacked with shadow models, put together from its parts."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_tf import (
  attack_page,
  attack_records,
  datasets,
  engines,
  launch,
  models,
  run_audit,
  run_start,
  training,
)
from rnn_tf import config as configs
from rnn_tf.attack_config import FLEET_ATTACKS, AttackConfig, FleetConfig
from rnn_tf.attack_records import AttackRecord, ShadowSummary, TargetInfo
from rnn_tf.attacks import anytime, audit, exposure, null_check, shadow
from rnn_tf.attacks.results import ENTIRE, Report, to_arrays
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import RunConfig
from rnn_tf.dp import accounting, guarantee
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.fleets import trainer
from rnn_tf.launch import LOG
from rnn_tf.options.attack import AttackOptions
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.options.source import Source
from rnn_tf.run_files import RunFiles
from rnn_tf.runs import RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Request:
  """What is asked for.

  Attributes:
    run: the target, finished.
    config: the target's, with the report, the fleet and the attack of this request.
    options: what else to make.
    source: where the data lies.
    fleet: how and where to train shadows.
  """

  run: RunFolder
  config: RunConfig
  options: AttackOptions
  source: Source
  fleet: FleetOptions

  @property
  def attacks(self) -> tuple[str, ...]:
    """Names of the attacks."""
    return self.config.report.attacks

  @property
  def folder(self) -> RunFiles:
    """Where the attack is written."""
    return RunFiles(self.run.path / 'attacks' / (self.options.label or self._name()))

  def _name(self) -> str:
    fleet, default = self.config.fleet, FleetConfig()
    parts = ['+'.join(self.attacks)]
    if 'shadow' in self.attacks:
      parts.append(self.config.attack.label())
    parts.append(f'{fleet.shadow_split}{fleet.num_shadows}')
    if fleet.shadow_train_size is not None:
      parts.append(f'of{fleet.shadow_train_size}')
    if fleet.shadow_seed != default.shadow_seed:
      parts.append(f's{fleet.shadow_seed}')
    return '-'.join(parts)


def request(
  run: RunFolder,
  options: AttackOptions,
  *,
  fleet: FleetConfig,
  attack: AttackConfig,
  source: Source,
  where: FleetOptions,
) -> Request:
  """Returns a request that can be met as far as flags alone tell.

  Raises:
    UsageError: it cannot.
  """
  config = dataclasses.replace(
    run.config(), report=options.report, fleet=fleet, attack=attack
  )
  asked = Request(run=run, config=config, options=options, source=source, fleet=where)
  _check_folder(asked)
  return asked


def _check_folder(asked: Request) -> None:
  if asked.options.overwrite or not made(asked):
    return
  record = attack_records.load(asked.folder.path)
  before = _settings(record.attacks, record.fleet, record.attack)
  now = _settings(asked.attacks, asked.config.fleet, asked.config.attack)
  lines = [
    f'{name} was {before[name]}, is {value}'
    for name, value in now.items()
    if before[name] != value
  ]
  if lines:
    raise UsageError(
      f'{asked.folder} holds an attack with other flags ({"; ".join(lines)}): give '
      'another --label, or --overwrite'
    )


def _settings(
  attacks: Sequence[str], fleet: FleetConfig, attack: AttackConfig
) -> dict[str, Any]:
  values = {**configs.to_json(fleet), **configs.to_json(attack)}
  return {'--attack': list(attacks), **{f'--{k}': v for k, v in values.items()}}


def made(asked: Request) -> bool:
  """Returns whether the attack is there already."""
  return (asked.folder.path / attack_records.FILE).is_file()


def attack(asked: Request) -> AttackRecord:
  """Attacks the run and writes the attack's folder.

  Raises:
    UsageError: the request cannot be met; the run is left as it was.
  """
  config = asked.config
  engine, promise = run_start.begun_with(asked.run)
  launch.set_up_tensorflow(
    config.training,
    side_by_side=engines.side_by_side(engine),
    exact=config.privacy.dp,
  )
  data = _data(asked)
  plan = fleet_plan.plan(
    config,
    config.fleet,
    data=data,
    epochs=(config.training.epochs,),
    hidden=run_audit.needs_hidden(config),
    engine=engine,
  )
  place = fleets.folder_of(plan, asked.fleet)
  signals = _signals(asked, data)
  ready = fleets.prepare(
    plan,
    place,
    strategy=asked.fleet.strategy,
    seconds_per_epoch=lambda: _seconds_per_epoch(asked.run, plan, len(data.train)),
  )
  record, report = _attack(asked, signals, ready, data=data, promise=promise)
  _write(asked, record, report, signals, data)
  return record


def _attack(
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
  settings = {
    'config': config.attack,
    'class_count': len(data.class_names),
    'seed': config.training.seed,
  }
  findings = audit.ask_fleet(signals, asked.attacks, shadows, **settings)
  target = _target(config, signals, data)
  report = audit.run(
    signals,
    config=config.report,
    class_count=len(data.class_names),
    model=config.model.label(),
    epoch=epoch,
    train_accuracy=target.train_accuracy,
    val_accuracy=target.test_accuracy,
    seed=config.training.seed,
    epsilon=promise and promise.epsilon(epoch),
    delta=promise.delta if promise else accounting.default_delta(len(data.train)),
    fleet=findings,
  )
  record = AttackRecord(
    label=asked.folder.path.name,
    run=asked.run.path.name,
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
    null_checks=_null_checks(asked, signals, shadows, findings, **settings),
    anytime=_anytime(asked, signals, shadows, **settings),
    exposed=_exposed(asked, report, signals, shadows),
  )
  return record, report


def _data(asked: Request) -> datasets.Data:
  """Loads the run's data and makes sure that it still is that."""
  config = asked.config
  data = datasets.load(
    config.data, data_dir=asked.source.data_dir, download=asked.source.download
  )
  try:
    checksums = asked.run.record()['data']['checksums']
    stored = {name: checksums[name] for name in ('train', 'holdout', 'test')}
  except (KeyError, TypeError) as error:
    raise UsageError(
      f'--run={asked.run}: its config.json is damaged (no {error})'
    ) from error
  for name, checksum in stored.items():
    if getattr(data, name).checksum() != checksum:
      raise UsageError(
        f'--run={asked.run}: its {name} images are not those of {data.name} as it is '
        'now: the data set has changed; point --data_dir at the one it was trained on'
      )
  return data


def _signals(asked: Request, data: datasets.Data) -> Signals:
  """Returns what the target says at its last epoch."""
  config = asked.config
  model = models.build(
    config.model,
    image_shape=data.train.images.shape[1:],
    num_classes=len(data.class_names),
  )
  training.load_weights(model, asked.run.path / 'weights' / 'final.weights.h5')
  hidden = run_audit.needs_hidden(config)
  predict = trainer.predictor(model, hidden=hidden, streams=None)

  def outputs(split: datasets.Split) -> Side:
    logits, below = predict(models.inputs(config.model, split.images))
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


def _target(config: RunConfig, signals: Signals, data: datasets.Data) -> TargetInfo:
  return TargetInfo(
    train_accuracy=float(signals.members.correct.mean()),
    test_accuracy=float(signals.population.correct.mean()),
    train_size=len(data.train),
    n_members=len(signals.members),
    n_nonmembers=len(signals.nonmembers),
    nonmembers=config.data.nonmembers,
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
  findings: audit.FleetFindings,
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
    scores={name: found.target for name, found in findings.attacks.items()},
    **settings,
  )
  for line in null_check.warnings(checks):
    LOG.warning('%s', line)
  return checks


def _anytime(
  asked: Request, signals: Signals, shadows: Shadows, **settings: Any
) -> dict[str, tuple[anytime.AnytimePoint, ...]]:
  if not asked.options.anytime:
    return {}
  LOG.info('attacking with fewer shadow models, for the curve')
  return {
    name: anytime.curve(name, signals, shadows, **settings)
    for name in asked.attacks
    if name in FLEET_ATTACKS
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
  folder = asked.folder
  (folder.path / attack_records.FILE).unlink(missing_ok=True)
  folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
  folder.write_npz(attack_records.SCORES, to_arrays(report, signals))
  attack_page.write(
    record, folder, images=data.train if asked.options.embed_images else None
  )
  attack_records.write(folder, record)
