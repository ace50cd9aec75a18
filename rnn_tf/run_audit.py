"""What looks at a model after each epoch: evaluation, attacks, and their record."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from rnn_tf import callbacks, datasets, models
from rnn_tf.attack_config import FLEET_ATTACKS
from rnn_tf.attacks import audit, fleet_attacks
from rnn_tf.attacks.results import Report, to_arrays
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import RunConfig
from rnn_tf.dp import accounting, guarantee
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.fleets.fleet import Fleet
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.runs import RunFolder

Predict = Callable[[np.ndarray], np.ndarray]
"""Takes examples as the model takes them, (n, ...) float32; returns (n, values)."""


def report_epochs(config: RunConfig) -> list[int]:
  """Returns the epochs after which a privacy report is made."""
  last, every = config.training.epochs, config.report.epochs_per_report
  if not config.report.attacks:
    return []
  return sorted({*range(every, last + 1, every), last})


def needs_fleet(config: RunConfig) -> bool:
  """Returns whether a report's attacks need shadow models."""
  return bool(set(config.report.attacks) & set(FLEET_ATTACKS))


def needs_hidden(config: RunConfig) -> bool:
  """Returns whether an attack looks at the layer below the logits."""
  features = config.attack.attack_features
  return 'shadow' in config.report.attacks and 'hidden' in features


def trained_fleet(
  config: RunConfig, data: datasets.Data, *, engine: str, options: FleetOptions
) -> Fleet | None:
  """Returns the shadow models that a run's reports need; trains those that are missing.

  Args:
    config: the run's.
    data: the run's.
    engine: who makes the run's model.
    options: how and where to train them.

  Returns:
    None where the reports need none.

  Raises:
    UsageError: they cannot be had.
  """
  if not needs_fleet(config):
    return None
  needed = fleet_plan.plan(
    config,
    config.fleet,
    data=data,
    epochs=tuple(report_epochs(config)),
    hidden=needs_hidden(config),
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
  return fleets.prepare(needed, place, where=options.cluster)


def observers(
  config: RunConfig,
  folder: RunFolder,
  *,
  data: datasets.Data,
  predict: Predict,
  below: Predict | None,
  inputs: np.ndarray,
  promise: guarantee.Guarantee | None,
  fleet: Fleet | None,
) -> tuple[callbacks.Evaluation, callbacks.PrivacyMetrics]:
  """Returns the callbacks that look at the model after each epoch.

  Args:
    config: the run's.
    folder: the run's.
    data: the run's.
    predict: gives the present logits of the model that is trained.
    below: gives its hidden states; None where `needs_hidden` asks for none.
    inputs: the training examples as the model takes them.
    promise: the run's guarantee, if there is one.
    fleet: shadow models of the report's attacks; None where they need none.
  """

  def outputs(split: datasets.Split, inputs: np.ndarray) -> Side:
    return Side(ids=split.ids, labels=split.labels, logits=predict(inputs))

  def hidden(inputs: np.ndarray) -> np.ndarray | None:
    return below and below(inputs).astype(np.float16)

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
      nonmembers, other_inputs = evaluation.side, test_inputs
    else:
      nonmembers, other_inputs = outputs(holdout, holdout_inputs), holdout_inputs
    sides = (outputs(members, inputs), inputs), (nonmembers, other_inputs)
    return Signals(
      *(dataclasses.replace(side, hidden=hidden(values)) for side, values in sides),
      population=evaluation.side,
    )

  privacy = callbacks.PrivacyMetrics(
    signals,
    audit=_audit(config, data, promise=promise, fleet=fleet),
    keep=_keeper(folder),
    due=set(report_epochs(config)),
  )
  return evaluation, privacy


def _audit(
  config: RunConfig,
  data: datasets.Data,
  *,
  promise: guarantee.Guarantee | None,
  fleet: Fleet | None,
) -> Callable[[Signals, int, Mapping[str, float]], Report]:
  def run(signals: Signals, epoch: int, logs: Mapping[str, float]) -> Report:
    return report(
      config,
      signals,
      epoch=epoch,
      data=data,
      accuracies=(float(logs['accuracy']), float(logs['val_accuracy'])),
      promise=promise,
      fleet=fleet and _ask(config, signals, fleet, epoch=epoch, data=data),
    )

  return run


def report(
  config: RunConfig,
  signals: Signals,
  *,
  epoch: int,
  data: datasets.Data,
  accuracies: tuple[float, float],
  promise: guarantee.Guarantee | None,
  fleet: audit.FleetFindings | None,
) -> Report:
  """Makes the report that a run's config asks for.

  Args:
    config: the run's.
    signals: the model's outputs.
    epoch: epochs trained so far.
    data: the run's.
    accuracies: on training and on validation examples.
    promise: the run's guarantee, if there is one.
    fleet: what the shadow models of the same epoch gave, if the attacks need them.
  """
  # A plain run has a lower bound too: what no smaller epsilon could claim of it.
  delta = (
    accounting.default_delta(len(data.train)) if promise is None else promise.delta
  )
  return audit.run(
    signals,
    config=config.report,
    class_count=len(data.class_names),
    model=config.model.label(),
    epoch=epoch,
    train_accuracy=accuracies[0],
    val_accuracy=accuracies[1],
    seed=config.training.seed,
    epsilon=promise and promise.epsilon(epoch),
    delta=delta,
    fleet=fleet,
  )


def _ask(
  config: RunConfig,
  signals: Signals,
  fleet: Fleet,
  *,
  epoch: int,
  data: datasets.Data,
) -> audit.FleetFindings:
  return audit.ask_fleet(
    signals,
    config.report.attacks,
    fleet.shadows(epoch),
    config=config.attack,
    class_count=len(data.class_names),
    seed=config.training.seed,
  )


def _keeper(folder: RunFolder) -> Callable[[int, Signals, Report], None]:
  """Returns a function that adds a report to the run's folder."""
  lines = folder.read_lines()

  def keep(epoch: int, signals: Signals, report: Report) -> None:
    folder.write_npz(f'scores/epoch-{epoch:04d}.npz', to_arrays(report, signals))
    lines.extend(result.to_json() for result in report.results)
    folder.write_lines(lines)

  return keep
