"""Names for the attacks on runs, in legends and rows: no longer than needed."""

import dataclasses
from collections.abc import Callable, Sequence

from rnn_tf.attack_config import MODEL_ATTACKS
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks.results import AttackResult


def named_results(
  records: Sequence[AttackRecord],
) -> list[tuple[str, AttackRecord, AttackResult]]:
  """Returns the results on all examples, each with a name.

  The same attack that gave the same figures under two labels of a run is there once. A
  run has no name twice, and what has one name in several runs was made alike. A name is
  the attack's alone where that will do, else it has the variant, the fleet, or the
  label as well.

  Args:
    records: of one run or of several.
  """
  found = {}
  for record in records:
    for attack in record.attacks:
      result = record.entire(attack)
      if result is not None:
        # Not the thresholds: those of a model's own signal depend on the fleet.
        figures = dataclasses.replace(result, transfer=None)
        key = record.run, _settings(record, attack), figures
        found.setdefault(key, (record, result))
  kept = list(found.values())
  attacks = dict.fromkeys(result.attack for _, result in kept)
  levels = {attack: _level(attack, kept) for attack in attacks}
  return [
    (levels[result.attack](record, result.attack), record, result)
    for record, result in kept
  ]


def _settings(record: AttackRecord, attack: str) -> str:
  """Returns what an attack depends on, beside the run."""
  return '' if attack in MODEL_ATTACKS else _by_fleet(record, attack)


def _level(
  attack: str, kept: Sequence[tuple[AttackRecord, AttackResult]]
) -> Callable[[AttackRecord, str], str]:
  """Returns the shortest way to name an attack that does what `named_results` says."""
  records = [record for record, result in kept if result.attack == attack]
  for level in (_by_attack, _by_variant, _by_fleet):
    names = [level(record, attack) for record in records]
    in_runs = {(record.run, name) for record, name in zip(records, names, strict=True)}
    settings = {
      (name, _settings(r, attack)) for r, name in zip(records, names, strict=True)
    }
    if len(in_runs) == len(records) and len(settings) == len(set(names)):
      return level
  return _by_label


def _by_attack(record: AttackRecord, attack: str) -> str:
  del record
  return attack


def _by_variant(record: AttackRecord, attack: str) -> str:
  variant = record.variant(attack)
  return f'{attack} ({variant})' if variant else attack


def _by_fleet(record: AttackRecord, attack: str) -> str:
  fleet = f'{record.fleet.shadow_split} {record.fleet.num_shadows}'
  parts = [record.variant(attack), fleet]
  return f'{attack} ({", ".join(filter(None, parts))})'


def _by_label(record: AttackRecord, attack: str) -> str:
  return f'{attack} ({record.label})'
