"""An attack with shadow models before it is made: what is asked, and what is there."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

from rnn_tf import attack_records, run_images, run_places
from rnn_tf import config as configs
from rnn_tf.attack_config import AttackConfig, FleetConfig
from rnn_tf.config import RunConfig
from rnn_tf.errors import UsageError
from rnn_tf.options.attack import AttackOptions
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.options.source import Source
from rnn_tf.run_files import RunFiles
from rnn_tf.run_places import check_writable
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
  # Hours of training must not end at a folder's door.
  check_writable(asked.folder.path, name=f'--run={asked.run}')
  if asked.options.overwrite or not made(asked):
    return
  record = attack_records.load(asked.folder.path)
  if record.target.weights != attack_records.weights_checksum(asked.run.path):
    raise UsageError(
      f'{asked.folder} holds an attack on an earlier training of {asked.run}: give '
      '--overwrite'
    )
  before = _settings(record.attacks, record.fleet, record.attack)
  now = _settings(asked.attacks, asked.config.fleet, asked.config.attack)
  lines = [
    f'{name} was {before[name]}, is {value}'
    for name, value in now.items()
    if before[name] != value
  ]
  lines += [f'it was made without {flag}' for flag in _not_made(asked, record)]
  if lines:
    raise UsageError(
      f'{asked.folder} holds an attack with other flags ({"; ".join(lines)}): give '
      'another --label, or --overwrite'
    )


def _not_made(asked: Request, record: attack_records.AttackRecord) -> list[str]:
  """Returns the flags that ask for more than the attack that is there has."""
  options = asked.options
  pictured = (asked.folder.path / run_images.FILE).exists()
  listed = max(map(len, record.exposed.values()), default=0)
  members = record.target.n_members
  return [
    flag
    for flag, lacking in {
      '--null_check': options.null_check and not record.null_checks,
      '--anytime': options.anytime and not record.anytime,
      f'--num_exposed={options.num_exposed}': (
        listed < min(options.num_exposed, members)
      ),
      '--embed_images': options.embed_images and not pictured,
    }.items()
    if lacking
  ]


def _settings(
  attacks: Sequence[str], fleet: FleetConfig, attack: AttackConfig
) -> dict[str, Any]:
  values = {**configs.to_json(fleet), **configs.to_json(attack)}
  return {'--attack': list(attacks), **{f'--{k}': v for k, v in values.items()}}


def made(asked: Request) -> bool:
  """Returns whether the attack is there already."""
  return (asked.folder.path / attack_records.FILE).is_file()


def held(asked: Request) -> contextlib.AbstractContextManager[None]:
  """Holds the lock of the attack's folder, see `run_places.held`."""
  busy = 'another process is making this attack: wait for it, or give another --label'
  return run_places.held(asked.folder.path, busy=busy)
