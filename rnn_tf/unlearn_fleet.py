"""Shadow models for LiRA on the versions of a run: those that are there already."""

import dataclasses
import itertools
import logging
import pathlib

from rnn_tf import run_start, untrusted
from rnn_tf.attack_config import FleetConfig
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.datasets import Data
from rnn_tf.errors import UsageError
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.fleets.folder import FILE, FleetFolder
from rnn_tf.runs import RunFolder

LOG = logging.getLogger('rnn_tf')

FEWEST = 4
"""Shadow models that LiRA needs."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fleet:
  """Shadow models.

  Attributes:
    name: of their folder.
    shadows: what they said at the original's last epoch.
  """

  name: str
  shadows: Shadows


def find_fleet(
  run: RunFolder, data: Data, *, held_out: bool, wanted: str | None
) -> Fleet | None:
  """Returns shadow models that are there for a run; None where there are none.

  Args:
    run: the parent.
    data: its data.
    held_out: whether unseen examples are of the training pool, as the shadows are.
    wanted: their folder; `none` for no shadow models; None looks in `fleets/`.

  Raises:
    UsageError: the folder that was named cannot be used.
  """
  if wanted == 'none':
    return None
  if not held_out:
    if wanted:
      raise UsageError(
        f'--shadow_fleet={wanted}: LiRA needs unseen examples out of the training '
        'pool: delete from a run that was trained with --train_fraction'
      )
    return None
  path = pathlib.Path(wanted) if wanted else None
  try:
    return _load(run, data, path)
  except UsageError as error:
    if wanted:
      text = str(error).replace('--fleet_dir', '--shadow_fleet')
      raise UsageError(text) from error
    LOG.warning('no LiRA: %s', error)
    return None


def _load(run: RunFolder, data: Data, path: pathlib.Path | None) -> Fleet | None:
  if path is None:
    plan = _plan(run, data, None, count=FEWEST)
    path = pathlib.Path('fleets') / plan.name()
    if not (path / FILE).is_file():
      return None
  elif not (path / FILE).is_file():
    raise UsageError(
      f'--shadow_fleet={path}: no shadow models there: rnn_tf.attack --attack=lira '
      'trains some; or leave the flag out'
    )
  # Pairs, see `membership.half`: an odd one would unbalance them.
  there = {int(each.stem.split('-')[1]) for each in path.glob('shadow-*.json')}
  count = next(n for n in itertools.count() if n not in there) // 2 * 2
  if count < FEWEST:
    raise UsageError(
      f'--shadow_fleet={path}: has {count} shadow models, LiRA needs {FEWEST}'
    )
  plan = _plan(run, data, path, count=count)
  folder = FleetFolder(path)
  folder.check(plan)
  epoch = run.config().training.epochs
  return Fleet(name=path.name, shadows=folder.load(plan, epoch=epoch))


def _plan(
  run: RunFolder, data: Data, path: pathlib.Path | None, *, count: int
) -> fleet_plan.FleetPlan:
  config = run.config()
  fleet = FleetConfig(
    num_shadows=count, shadow_split='half', shadow_seed=_seed(path)
  ).resolved(('lira',))
  return fleet_plan.plan(
    config,
    fleet,
    data=data,
    epochs=(config.training.epochs,),
    hidden=False,
    engine=run_start.begun_with(run)[0],
  )


def _seed(path: pathlib.Path | None) -> int:
  """Returns the seed of the shadow models in a folder."""
  default = FleetConfig().shadow_seed
  if path is None or not (path / FILE).is_file():
    return default
  try:
    key = untrusted.read_json(path / FILE)['key']
    return int(key['members']['shadow_seed'])
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise UsageError(
      f'--shadow_fleet={path}: its {FILE} is damaged ({error}): name another'
    ) from error
