"""What an attack says of shadow models, against these where they still are."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnn_tf.attack_records import FILE, FOLDER, AttackRecord
from rnn_tf.attacks import anytime, fleet_attacks, metrics, null_check
from rnn_tf.attacks.intervals import clopper_pearson, null_half_width
from rnn_tf.attacks.results import ENTIRE, FOLDS, TRAINED_ATTACKS
from rnn_tf.attacks.transfer import Threshold
from rnn_tf.records import RunRecord
from rnn_tf.verification import run as verify_run
from rnn_tf.verification import scores as verify_scores
from rnn_tf.verification.checks import (
  TOLERANCE,
  Check,
  Finding,
  Gap,
  aligned,
  fact,
  figure,
  figures,
)
from rnn_tf.verification.fleet import Fleet
from rnn_tf.verification.scores import Kept

REMADE = ('lira', 'lira_offline')
"""Attacks with shadow models that take a moment to be made again, and need nothing
but what the shadow models said of the training pool."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
  """One attack under inspection.

  Attributes:
    run: the target.
    attack: what was found.
    of: the scores, with the outputs.
    fleet: the shadow models; None where they are not there.
  """

  run: RunRecord
  attack: AttackRecord
  of: Kept
  fleet: Fleet | None

  @property
  def file(self) -> str:
    """Name of attack.json below the run's folder."""
    return f'{FOLDER}/{self.attack.label}/{FILE}'

  @property
  def settings(self) -> Mapping[str, Any]:
    """What functions that attack with a fleet want to know."""
    return {
      'config': self.attack.attack,
      'class_count': len(self.run.data.class_names),
      'seed': self.run.config.training.seed,
    }


def check_anytime(case: Case) -> Iterator[Finding]:
  """Checks how strong the attacks are with fewer shadow models."""
  for name, points in case.attack.anytime.items():
    pair = case.of.report.scores.get((name, ENTIRE))
    if pair is None:
      continue
    whole = case.attack.fleet.num_shadows
    if case.fleet is not None and name in REMADE:
      again = anytime.curve(
        name, case.of.signals, case.fleet.shadows, known=pair, **case.settings
      )
    else:
      measured = metrics.measure(pair.members, pair.nonmembers)
      again = tuple(
        _like(point, measured if point.shadows == whole else None, case)
        for point in points
      )
      what = f'{case.file}, anytime, {name}, AUCs with fewer than all shadow models'
      yield Gap(what=what, why='their scores are not kept')
    there = tuple(point.shadows for point in points)
    problem = None if there and there[-1] == whole else f'none with all {whole} of them'
    yield fact(case.file, f'anytime, {name}', name='shadows', problem=problem)
    for stored, other in aligned(points, again):
      place = f'anytime, {name}, {(stored or other).shadows} shadows'
      yield from figures(case.file, place, stored=stored, recomputed=other)


def _like(
  point: anytime.AnytimePoint, measured: metrics.Metrics | None, case: Case
) -> anytime.AnytimePoint:
  """Returns a point as it must be, by its scores or by its own counts."""
  if measured is not None:
    names = ('auc', 'auc_low', 'auc_high', 'tpr_at_fpr')
    return dataclasses.replace(
      point, **{name: getattr(measured, name) for name in names}
    )
  sizes = len(case.of.signals.members), len(case.of.signals.nonmembers)
  rates = []
  for rate, target in zip(point.tpr_at_fpr, metrics.TARGET_FPRS, strict=False):
    low, high = clopper_pearson(rate.true_positives, sizes[0])
    again = dataclasses.replace(
      rate,
      target_fpr=target,
      fpr=rate.false_positives / sizes[1],
      tpr=rate.true_positives / sizes[0],
      tpr_low=low,
      tpr_high=high,
    )
    rates.append(again)
  return dataclasses.replace(point, tpr_at_fpr=tuple(rates))


def check_nulls(case: Case) -> Iterator[Finding]:
  """Checks the attacks where there is nothing to find."""
  checks = case.attack.null_checks
  if not checks:
    return
  remade = {}
  if case.fleet is not None:
    found = null_check.checks(
      [name for name in case.attack.attacks if _is_remade(case, name)],
      case.of.signals,
      case.fleet.shadows,
      nonmembers=case.attack.target.nonmembers,
      **case.settings,
    )
    remade = {(each.attack, each.kind): each for each in found}
  for stored in checks:
    place = f'null check of {stored.attack}, {stored.kind}'
    again = remade.pop((stored.attack, stored.kind), None)
    if again is None:
      again = _like_itself(stored, case)
      what = f'{case.file}, null checks of {stored.attack}, AUC'
      yield Gap(what=what, why='their scores are not kept')
    yield from figures(case.file, place, stored=stored, recomputed=again)
  for attack, kind in remade:
    place = f'null check of {attack}, {kind}'
    yield fact(case.file, place, name='check', problem='there is none')


def _is_remade(case: Case, name: str) -> bool:
  if name in verify_scores.REFITTED:
    return verify_run.why_not_trained(case.run) is None
  return name in REMADE or name in fleet_attacks.SIGNALS


def _like_itself(stored: null_check.NullCheck, case: Case) -> null_check.NullCheck:
  """Returns a check as its own numbers of examples have it."""
  folds = FOLDS if stored.attack in TRAINED_ATTACKS else 1
  sizes = stored.n_members, stored.n_nonmembers
  if stored.kind == null_check.PERMUTED:
    sizes = len(case.of.signals.members), len(case.of.signals.nonmembers)
  half_width = null_half_width(*sizes, folds=folds) if all(sizes) else 0.0
  return dataclasses.replace(
    stored, half_width=half_width, n_members=sizes[0], n_nonmembers=sizes[1]
  )


def check_shadows(case: Case) -> Iterator[Check]:
  """Checks what is said of the shadow models."""
  stored, fleet = case.attack.shadows, case.fleet
  there = [each.model for each in stored]
  problem = None
  if there != list(range(case.attack.fleet.num_shadows)):
    problem = f'models {there}, of {case.attack.fleet.num_shadows}'
  yield fact(case.file, 'shadows', name='models', problem=problem)
  if fleet is None or problem:
    return
  for each in stored:
    expected = {
      'train_size': int(fleet.shadows.members[each.model].sum()),
      'train_accuracy': float(fleet.shadows.train_accuracy[each.model]),
      'test_accuracy': float(fleet.shadows.test_accuracy[each.model]),
      'seconds': float(fleet.seconds[each.model]),
    }
    for name, value in expected.items():
      place = f'shadows, model {each.model}'
      stored_value = getattr(each, name)
      yield figure(case.file, place, name=name, stored=stored_value, recomputed=value)


def check_remade(case: Case) -> Iterator[Finding]:
  """Makes attacks with the shadow models again, and chooses thresholds on them."""
  for name in case.attack.attacks:
    what = f'{case.of.file}, scores of {name}, and thresholds chosen on shadow models'
    if name in TRAINED_ATTACKS or case.fleet is None:
      continue
    if name == 'shadow':
      yield Gap(what=what, why='training the attack models again takes long')
    elif name in fleet_attacks.SIGNALS:
      chosen = fleet_attacks.model_thresholds(name, case.fleet.shadows)
      yield from _check_thresholds(case, name, chosen)
    elif name in REMADE:
      found = fleet_attacks.scores(
        name, case.of.signals, case.fleet.shadows, **case.settings
      )
      key = name, ENTIRE
      if key in case.of.report.scores:
        yield from verify_scores.pair(case.of, key, found.target, tolerance=_spread)
      yield from _check_thresholds(case, name, found.thresholds)
    else:
      yield Gap(what=what, why='the outputs on the test images are not kept')


def _spread(scores: np.ndarray) -> float:
  # A score is a difference: its last digits are those of what is subtracted.
  return TOLERANCE * float(np.std(scores))


def _check_thresholds(
  case: Case, name: str, chosen: tuple[Threshold, ...]
) -> Iterator[Check]:
  result = case.attack.entire(name)
  if result is None:
    return
  for number, (stored, again) in enumerate(
    aligned(result.transfer or (), chosen), start=1
  ):
    # Under another name than what `check_lines` computes from the threshold.
    expected = again and {
      'rule': again.rule,
      'target_fpr': again.target_fpr,
      'threshold': again.value,
    }
    there = stored and {key: getattr(stored, key) for key in expected or {}}
    yield from figures(
      case.of.lines,
      case.of.place(result),
      stored=there,
      recomputed=expected,
      name=f'transfer {number} chosen on shadow models',
    )


PARTS = (check_anytime, check_nulls, check_shadows, check_remade)
"""All checks of this module, of one `Case` each."""
