"""A fleet for a target: planned, trained where it is missing, and read."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

from rnn_tf import cluster
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.fleets import training
from rnn_tf.fleets.folder import FleetFolder, ShadowInfo
from rnn_tf.fleets.plan import FleetPlan
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.options.fleet import FleetOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleet:
  """Trained shadow models.

  Attributes:
    folder: where they are.
    plan: which they are.
    infos: one a shadow.
  """

  folder: FleetFolder
  plan: FleetPlan
  infos: tuple[ShadowInfo, ...]

  def shadows(self, epoch: int) -> Shadows:
    """Returns what they said at an epoch, see `FleetFolder.load`."""
    return self.folder.load(self.plan, epoch=epoch)


def folder_of(plan: FleetPlan, options: FleetOptions) -> FleetFolder:
  """Returns the folder of a fleet, checked, nothing written.

  Raises:
    UsageError: see `FleetFolder.check` and `cluster.check`; or the way to train cannot
      train them.
  """
  folder = FleetFolder(options.fleet_dir or pathlib.Path('fleets') / plan.name())
  folder.check(plan)
  training.choose(options.cluster.strategy, plan, count=len(plan.members))
  cluster.check(options.cluster)
  return folder


def prepare(
  plan: FleetPlan,
  folder: FleetFolder,
  *,
  where: ClusterOptions,
  seconds_per_epoch: Callable[[], float] | None = None,
) -> Fleet:
  """Trains what is missing of a fleet and returns it.

  Args:
    plan: what is needed.
    folder: what `folder_of` returned.
    where: see `training.train`.
    seconds_per_epoch: see `training.train`; None measures it with networks. A part of
      the examples says little of what a classical model takes.
  """
  with folder.open(plan) as full:
    if seconds_per_epoch is None and not plan.config.model.classical:
      seconds_per_epoch = functools.partial(training.time_epoch, full)
    infos = training.train(
      folder, full, where=where, seconds_per_epoch=seconds_per_epoch
    )
  return Fleet(folder=folder, plan=full.without_images(), infos=infos)
