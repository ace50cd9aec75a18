"""What an attack comes to, in sentences."""

from collections.abc import Sequence
from typing import Any

from scipy import stats

from rnn_tf import claims
from rnn_tf.attack_config import PER_EXAMPLE_ATTACKS
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attack_tables import at_least
from rnn_tf.attacks import null_check, transfer
from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.attacks.transfer import PRIORS, TransferPoint

_RELIABLE = 6
"""Shadow models from which on their thresholds can be relied on."""

_FEW = 10
"""Examples called members below which their share of members says nothing."""

_STRICT = 0.001
"""The false-positive rate that the verdict is about."""

_CHANCE = 0.05
"""How often a verdict may take the best of some guesses for more than that."""


def verdict(record: AttackRecord) -> list[str]:
  """Returns what the attack comes to, a sentence or two a line."""
  results = [r for r in map(record.entire, record.attacks) if r is not None]
  lines = []
  if results:
    tries = len(results)
    lines.append(_about_auc(max(results, key=lambda result: result.auc), tries))
    lines += _about_strict(max(results, key=strict_rank), tries)
  lines += about_guarantee(record)
  compared = set(record.attacks) & set(PER_EXAMPLE_ATTACKS)
  if compared and record.fleet.num_shadows < _RELIABLE:
    lines.append(
      f'Thresholds that fewer than {_RELIABLE} shadow models give for '
      f'{", ".join(sorted(compared))} cannot be relied on: an attacked shadow and its '
      'counterpart on the other half are left out.'
    )
  if record.target.nonmembers == 'test':
    lines.append(
      'Non-members are test images, which may be easier or harder than training images '
      'by themselves: `--nonmembers=holdout`, when the target is trained, draws both '
      'from one pool.'
    )
  lines += [
    f'{result.attack}: skipped: {result.skipped}'
    for result in record.results
    if result.skipped and result.slice == ENTIRE
  ]
  return lines + about_null_checks(record)


def about_guarantee(record: AttackRecord) -> list[str]:
  """Says so where an attack's scores contradict the epsilon that is claimed."""
  broken = [
    result
    for result in map(record.entire, record.attacks)
    if result and claims.is_broken(result.epsilon, result.epsilon_lower_bound)
  ]
  if not broken:
    return []
  line = claims.explain_broken(
    record.run,
    {result.attack: result.epsilon_lower_bound for result in broken},
    epsilon=broken[0].epsilon,
    nonmembers=record.target.nonmembers,
    sampling='',
  )
  return [line]


def _about_auc(best: AttackResult, tries: int) -> str:
  half = best.auc_null_half_width
  limit = guessing_limit(half, tries)
  found = (
    f'{best.auc:.3f} [{best.auc_low:.3f}, {best.auc_high:.3f}] ({best.attack}); '
    f'95% of guesses end within 0.5 ± {half:.3f}'
  )
  if best.auc - 0.5 <= limit:
    if tries > 1:
      found += f', the best of {tries} guesses within 0.5 ± {limit:.3f}'
    return f'No attack can be told from guessing by its AUC: the highest is {found}.'
  return f'The highest AUC is {found}.'


def guessing_limit(half_width: float, tries: int) -> float:
  """Returns how far above 0.5 the best of some guesses may come by chance.

  Args:
    half_width: 95% of the AUCs of one guess lie within 0.5 -+ this.
    tries: guesses; each has its share of the 5% (Bonferroni).
  """
  return half_width * stats.norm.isf(_CHANCE / 2 / tries) / stats.norm.isf(_CHANCE / 2)


def guessing_rate(point: RatePoint, n_nonmembers: int) -> float:
  """Returns the share of members that guessing finds at a point of the ROC.

  Its threshold is the score of the next non-member behind the false positives, above
  which a guess lies with this probability in the mean.
  """
  return (point.false_positives + 1) / (n_nonmembers + 1)


def strict_rank(result: AttackResult) -> tuple[float, float]:
  """Returns what the strongest attack has most of: TPR at 0.1% FPR, then AUC."""
  return strict_point(result.tpr_at_fpr).tpr, result.auc


def strict_point(points: Sequence[Any]) -> Any:
  """Returns the point at a false-positive rate of 0.1%."""
  (found,) = [point for point in points if point.target_fpr == _STRICT]
  return found


def beats_guessing(
  point: RatePoint, *, n_members: int, n_nonmembers: int, tries: int = 1
) -> bool:
  """Returns whether so many members above a threshold are too many for chance.

  The threshold is itself a score: that of the non-member behind the k false positives.
  A guess lies above it with a probability that is Beta(k + 1, n - k) distributed, so
  that of m members so many do as a beta-binomial variable says: twice as many as
  expected are nothing special where k is small.

  Args:
    point: of the attack.
    n_members: m.
    n_nonmembers: n.
    tries: attacks of which this is the best one (Bonferroni).
  """
  false = point.false_positives
  above = stats.betabinom(n_members, false + 1, n_nonmembers - false)
  return bool(above.sf(point.true_positives - 1) * tries < _CHANCE)


def _about_strict(result: AttackResult, tries: int) -> list[str]:
  """Says whom the attack finds that finds most at 0.1% FPR, and what that is worth."""
  point = strict_point(result.tpr_at_fpr)
  sizes = {'n_members': result.n_members, 'n_nonmembers': result.n_nonmembers}
  beats = beats_guessing(point, **sizes, tries=tries)
  if not point.true_positives:
    return ['Where 0.1% of the non-members may be accused, no attack finds a member.']
  than = 'more' if beats else 'not provably more'
  line = (
    f'Where 0.1% of the non-members may be accused, {result.attack} finds most: '
    f'{point.true_positives:,} of {result.n_members:,} members ({point.tpr:.2%}, 95% '
    f'interval {point.tpr_low:.2%} to {point.tpr_high:.2%}) and '
    f'accuses {point.false_positives:,} of {result.n_nonmembers:,} non-members: {than} '
    f'than guessing, which finds {guessing_rate(point, result.n_nonmembers):.2%}.'
  )
  if result.n_nonmembers * _STRICT < 1:
    line += f' Of {result.n_nonmembers:,} non-members 0.1% is less than one.'
  if not result.transfer:
    return [line]
  return [line, _about_transfer(result, strict_point(result.transfer))]


def _about_transfer(result: AttackResult, point: TransferPoint) -> str:
  line = (
    'With the threshold that the shadow models gave for 0.1%, as an attacker has it, '
    f'{result.attack} finds {point.true_positives:,} members and accuses '
    f'{point.false_positives:,} non-members ({point.fpr:.2%}).'
  )
  called = point.true_positives + point.false_positives
  if 0 < called < _FEW:
    return f'{line} Of so few accused the share of members says nothing.'
  shares = []
  for prior in PRIORS:
    value = transfer.ppv(point.tpr, point.fpr, prior=prior)
    if value is None:
      return line
    least = transfer.ppv(point.tpr_low, point.fpr_high, prior=prior)
    said = ' of the examples attacked is one' if prior == PRIORS[0] else ' is'
    shares.append(
      f'{value:.1%} (at least {at_least(least)}) if one in {1 / prior:.0f}{said}'
    )
  return f'{line} Of those accused so many are members: {", ".join(shares)} (the PPV).'


def about_null_checks(record: AttackRecord) -> list[str]:
  """Says whether the attacks find nothing where there is nothing to find."""
  checks = record.null_checks
  if not checks:
    return ['Not checked where there is nothing to find: `--null_check` does it.']
  failed = null_check.warnings(checks)
  if not failed:
    return [f'All {len(checks)} null checks hold: nothing is found where nothing is.']
  head = (
    f'**{len(failed)} of {len(checks)} null checks lie outside their 95% intervals**, '
    f'{len(checks) / 20:.1f} of as many do so by chance:'
  )
  return [head, *failed]
