"""Attack results against the scores they came from, and scores against outputs."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import threadpoolctl

from rnn_tf.attack_config import FLEET_ATTACKS
from rnn_tf.attacks import fleet_attacks, results, trained
from rnn_tf.attacks.results import ENTIRE, TRAINED_ATTACKS, AttackResult, AttackScores
from rnn_tf.attacks.signals import Signals
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from rnn_tf.verification.checks import Check, Finding, Gap, array, fact, figure, figures

REFITTED = ('lr',)
"""Trained attacks that take a moment to be trained again."""

_MEASURED = (
  *('n_members', 'n_nonmembers', 'auc', 'auc_low', 'auc_high', 'auc_null_half_width'),
  *('advantage', 'ppv', 'tpr_at_fpr', 'epsilon_lower_bound', 'transfer'),
)
"""Fields of a result that follow from scores."""

_TRAINED_TOLERANCE = 1e-6
"""How far the scores of an attack that was trained again may stray, as a share of their
spread: sums in another order, on another machine, end in other last digits."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
  """What was kept of one report.

  Attributes:
    folder: of the files.
    file: of the scores, below the run's folder.
    lines: the file of the results, below the run's folder.
    where: place of the results in it, such as `epoch 20`; '' of a file with one report.
    report: the results with their scores.
    signals: the model's outputs that the scores were computed from.
  """

  folder: RunFiles
  file: str
  lines: str
  where: str
  report: results.Report
  signals: Signals

  def place(self, result: AttackResult) -> str:
    """Returns where a result is, such as `epoch 20, threshold on entire`."""
    what = f'{result.attack} on {result.slice}'
    return f'{self.where}, {what}' if self.where else what


def kept(
  folder: RunFiles,
  found: Sequence[AttackResult],
  arrays: Mapping[str, np.ndarray],
  *,
  file: str,
  lines: str,
  where: str = '',
) -> Kept:
  """Puts what was kept of one report together, see `Kept`.

  Raises:
    UsageError: arrays are missing, or not of one size.
  """
  try:
    results.check_arrays(arrays)
    signals = results.signals_from_arrays(arrays)
    report = results.report_from_arrays(found, arrays)
  except KeyError as error:
    raise UsageError(f'{folder}/{file} is damaged: it has no {error}') from error
  except ValueError as error:
    raise UsageError(f'{folder}/{file} is damaged: {error}') from error
  return Kept(
    folder=folder, file=file, lines=lines, where=where, report=report, signals=signals
  )


def check_kept(file: str, *, there: bool) -> Check:
  """Checks that the scores of a report are there: it is never written without them."""
  problem = None if there else 'they are gone, although there is a report of them'
  return fact(file, '', name='scores', problem=problem)


def check_lines(of: Kept) -> Iterator[Check]:
  """Checks every figure of a report's results against the scores.

  Raises:
    UsageError: scores are missing, or no numbers.
  """
  for result in of.report.results:
    sizes = _sizes(of.signals, result)
    reason = _too_small(result, sizes)
    problem = None
    if bool(reason) != bool(result.skipped):
      problem = f'it is not skipped, although there are {reason}'
      if not reason:
        problem = f'it is ({result.skipped}), but {sizes} examples are enough'
    yield fact(of.lines, of.place(result), name='skipped', problem=problem)
    if result.skipped or reason:
      for name, size in zip(('n_members', 'n_nonmembers'), sizes, strict=True):
        stored = getattr(result, name)
        place = of.place(result)
        yield figure(of.lines, place, name=name, stored=stored, recomputed=size)
      continue
    yield from _check_line(of, result)


def _check_line(of: Kept, result: AttackResult) -> Iterator[Check]:
  try:
    again = result.with_scores(of.report.slice_scores(result))
  except KeyError as error:
    raise UsageError(f'{of.folder}/{of.file} is damaged: it has no {error}') from error
  except ValueError as error:
    raise UsageError(
      f'{of.folder}/{of.file} is damaged: {result.attack} on {result.slice}: {error}'
    ) from error
  for name in _MEASURED:
    stored, recomputed = getattr(result, name), getattr(again, name)
    if stored is None and recomputed is None:
      continue
    yield from figures(
      of.lines, of.place(result), stored=stored, recomputed=recomputed, name=name
    )


def _sizes(signals: Signals, result: AttackResult) -> tuple[int, int]:
  """Returns how many members and non-members are in a result's slice."""
  sides = signals.members, signals.nonmembers
  if result.slice == ENTIRE:
    return len(sides[0]), len(sides[1])
  label = result.slice.removeprefix('class:')
  ours, others = (np.count_nonzero(side.labels.astype(str) == label) for side in sides)
  return int(ours), int(others)


def _too_small(result: AttackResult, sizes: tuple[int, int]) -> str | None:
  if result.attack in TRAINED_ATTACKS:
    return trained.too_small(*sizes)
  return None if min(sizes) else f'{sizes[0]} members and {sizes[1]} non-members'


def check_present(
  of: Kept, *, attacks: Sequence[str], engine: str, class_count: int
) -> Iterator[Check]:
  """Checks that a report has a result of each attack and slice, and no other.

  Args:
    of: the report.
    attacks: made.
    engine: who made those without shadow models.
    class_count: classes of the data set, each a slice.
  """
  slices = [ENTIRE, *map(results.class_slice, range(class_count))]
  expected = [f'{attack} on {part}' for attack in attacks for part in slices]
  there = [f'{result.attack} on {result.slice}' for result in of.report.results]
  missing = [name for name in expected if name not in there]
  strange = [name for name in there if name not in expected]
  problem = f'there is none of {missing[0]}' if missing else None
  if strange:
    problem = f'there is one of {strange[0]}, which was not asked for'
  yield fact(of.lines, of.where, name='results', problem=problem)
  for result in of.report.results:
    made_by = 'fast' if result.attack in FLEET_ATTACKS else engine
    yield figure(
      of.lines,
      of.place(result),
      name='engine',
      stored=result.engine,
      recomputed=made_by,
    )


def check_context(of: Kept, expected: Mapping[str, Any]) -> Iterator[Check]:
  """Checks what all results of a report must say alike.

  Args:
    of: the report.
    expected: field of a result -> its value.
  """
  for result in of.report.results:
    for name, value in expected.items():
      yield figure(
        of.lines,
        of.place(result),
        name=name,
        stored=getattr(result, name),
        recomputed=value,
      )


def common(found: Iterable[AttackResult], name: str) -> Any:
  """Returns what most results have in a field; the first of what equally many have."""
  values = collections.Counter(getattr(result, name) for result in found)
  return values.most_common(1)[0][0]


def check_scores(
  of: Kept,
  *,
  class_count: int,
  seed: int,
  why_not: str | None = None,
  which: str | None = None,
) -> Iterator[Finding]:
  """Checks scores against the outputs that they were computed from.

  Args:
    of: a report.
    class_count: classes of the data set.
    seed: of attacks that are trained on the outputs; those that take a moment are
      trained again.
    why_not: why they are not; None where they are.
    which: what to call the file where scores are not checked; None takes its name.
  """
  engines = {result.attack: result.engine for result in of.report.results}
  for attack, engine in engines.items():
    what = f'{which or of.file}, scores of {attack}'
    if (attack, ENTIRE) not in of.report.scores:
      continue
    if attack in fleet_attacks.SIGNALS:
      yield from _check_signal(of, attack)
    elif attack in FLEET_ATTACKS:
      continue
    elif engine != 'fast':
      yield Gap(what=what, why=f'made by --attack_engine={engine}')
    elif attack not in REFITTED:
      yield Gap(what=what, why='training the attack again takes long')
    elif why_not:
      yield Gap(what=what, why=why_not)
    else:
      yield from _check_trained(of, attack, class_count=class_count, seed=seed)


def _check_signal(of: Kept, attack: str) -> Iterator[Check]:
  sides = of.signals.members, of.signals.nonmembers
  again = AttackScores(*(fleet_attacks.signal_scores(attack, side) for side in sides))
  yield from pair(of, (attack, ENTIRE), again)


def pair(
  of: Kept,
  key: tuple[str, str],
  again: AttackScores,
  *,
  tolerance: Callable[[np.ndarray], float] | None = None,
) -> Iterator[Check]:
  """Checks an attack's scores of both sides.

  Args:
    of: a report with scores of that key.
    key: see `Report.scores`.
    again: the scores computed anew.
    tolerance: scores of both sides -> the largest difference; None means that of
      `verify_checks.array`.
  """
  stored = of.report.scores[key]
  allowed = None
  if tolerance is not None:
    allowed = tolerance(np.concatenate([again.members, again.nonmembers]))
  for name, side in (
    ('members', of.signals.members),
    ('nonmembers', of.signals.nonmembers),
  ):
    yield array(
      of.file,
      name='/'.join((*key, name)),
      stored=getattr(stored, name),
      recomputed=getattr(again, name),
      ids=side.ids,
      tolerance=allowed,
    )


def _check_trained(
  of: Kept, attack: str, *, class_count: int, seed: int
) -> Iterator[Check]:
  found = refit(of.signals, attack, class_count=class_count, seed=seed)
  for key, again in found.items():
    if key in of.report.scores:
      yield from pair(of, key, again, tolerance=_spread)
    else:
      name = '/'.join(key)
      yield fact(of.file, '', name=name, problem='there are no such scores')


def _spread(scores: np.ndarray) -> float:
  return _TRAINED_TOLERANCE * float(np.nanstd(scores))


def refit(
  signals: Signals, attack: str, *, class_count: int, seed: int
) -> dict[tuple[str, str], AttackScores]:
  """Trains an attack again, see `trained.report_scores`."""
  # Matrices so small gain nothing by threads, which wait for each other on busy cores.
  with threadpoolctl.threadpool_limits(1):
    return trained.report_scores(signals, attack, class_count=class_count, seed=seed)
