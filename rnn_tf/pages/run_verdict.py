"""What a run gives away, in plain words and a few numbers: the top of its page."""

import dataclasses
from collections.abc import Sequence

from rnn_tf import attack_verdict, claims
from rnn_tf.attack_config import PER_EXAMPLE_ATTACKS
from rnn_tf.attack_names import named_results
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.page.blocks import Figure, Verdict
from rnn_tf.pages.run_lines import plain
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up

_MUCH_AUC = 0.6
"""An AUC whose interval lies above this is called much."""

_MUCH_RATE = 0.01
"""A rate of members found at 0.1% false positives that lies above this is, too: ten
times what guessing finds."""

_LEAST_SHADOWS = 6
"""Shadow models below which an attack that finds nothing says little."""

_HEADLINES = {
  'bad': 'This model gives away who was in its training data.',
  'warning': 'This model gives away a little of who was in its training data.',
  'good': 'No attack that was made tells members from non-members.',
  'weak': (
    'Nothing was found, but by weak attacks alone: none with shadow models was made.'
  ),
  'none': 'Nobody has attacked this model yet: what it gives away is not known.',
  'few': (
    'Nothing was found, but there are too few examples or shadow models to say much.'
  ),
  'broken': 'The attacks find more than the guarantee of this model allows.',
  'unlike': (
    'The attacks find more than the guarantee of this model allows, or tell test '
    'images from training images.'
  ),
}

_FEW_NONMEMBERS = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
  """One attack's result, and where it comes from.

  Attributes:
    name: of the attack, with the label of its folder where it has shadow models.
    result: on the whole set.
    num_shadows: shadow models that it compares each example with; 0 for other attacks.
  """

  name: str
  result: AttackResult
  num_shadows: int

  @property
  def per_example(self) -> bool:
    """Whether it compares each example with shadow models."""
    return self.num_shadows > 0

  @property
  def enough(self) -> bool:
    """Whether it would have found something, if it finds nothing."""
    return (
      self.num_shadows >= _LEAST_SHADOWS and self.result.n_nonmembers >= _FEW_NONMEMBERS
    )


def found(record: RunRecord, attacks: Sequence[AttackRecord]) -> tuple[Found, ...]:
  """Returns what was found of the model as it is after its last report.

  Args:
    record: the run.
    attacks: with shadow models, on the run.
  """
  found = [
    Found(
      name=result.attack,
      result=result,
      num_shadows=_shadows(result.attack, record.config.fleet.num_shadows),
    )
    for result in record.last_results()
    if result.slice == ENTIRE and not result.skipped
  ]
  for _, attack, result in named_results(attacks):
    # The threshold of the report is that of an attack's folder once more.
    again = any(_figures(result) == _figures(each.result) for each in found)
    if not result.skipped and not again:
      found.append(
        Found(
          name=f'{result.attack}, {attack.label}',
          result=result,
          num_shadows=_shadows(result.attack, len(attack.shadows)),
        )
      )
  return tuple(found)


def _shadows(attack: str, count: int) -> int:
  return count if attack in PER_EXAMPLE_ATTACKS else 0


def _figures(result: AttackResult) -> tuple[object, ...]:
  return result.attack, result.auc, result.auc_low, result.tpr_at_fpr


def verdict(
  record: RunRecord,
  attacks: Sequence[AttackRecord],
  *,
  points: Sequence[str] = (),
  figures: Sequence[Figure] = (),
) -> Verdict:
  """Returns what a run comes to.

  Args:
    record: the run.
    attacks: with shadow models, on the run.
    points: further sentences, in Markdown.
    figures: further numbers.
  """
  results = found(record, attacks)
  level, headline = _level(record, results)
  return Verdict(
    level=level,
    headline=headline,
    figures=(
      *_accuracies(record),
      *_strengths(results),
      *_privacy(record, results),
      *figures,
    ),
    points=(*_points(record, results), *points),
  )


def _level(record: RunRecord, results: Sequence[Found]) -> tuple[str, str]:
  """Returns the level and the headline."""
  if any(claims.is_broken(f.result.epsilon, _bound(f)) for f in results):
    alike = record.config.data.nonmembers != 'test'
    return 'bad', _HEADLINES['broken' if alike else 'unlike']
  if not results:
    return 'unknown', _HEADLINES['none']
  tries = len(results)
  if any(_much(f.result) for f in results):
    return 'bad', _HEADLINES['bad']
  if any(_told_apart(f.result, tries) for f in results):
    return 'warning', _HEADLINES['warning']
  if any(f.enough for f in results):
    return 'good', _HEADLINES['good']
  few = any(f.per_example for f in results)
  return 'unknown', _HEADLINES['few' if few else 'weak']


def _much(result: AttackResult) -> bool:
  point = attack_verdict.strict_point(result.tpr_at_fpr)
  enough = result.n_nonmembers >= _FEW_NONMEMBERS
  return result.auc_low > _MUCH_AUC or (enough and point.tpr_low > _MUCH_RATE)


def _told_apart(result: AttackResult, tries: int) -> bool:
  """Whether a result is more than the best of some guesses would be."""
  # Two tests an attack: each has half of its share of the 5%.
  tries *= 2
  limit = attack_verdict.guessing_limit(result.auc_null_half_width, tries)
  return result.auc - 0.5 > limit or attack_verdict.beats_guessing(
    attack_verdict.strict_point(result.tpr_at_fpr),
    n_members=result.n_members,
    n_nonmembers=result.n_nonmembers,
    tries=tries,
  )


def _accuracies(record: RunRecord) -> list[Figure]:
  last = record.metrics.iloc[-1]
  return [
    Figure(
      label='Test accuracy',
      text=f'{last["val_accuracy"]:.4f}',
      note=f'of {record.data.test:,} test images, after epoch {record.epochs}',
    )
  ]


def _strengths(results: Sequence[Found]) -> list[Figure]:
  if not results:
    return []
  best = max(results, key=lambda each: each.result.auc)
  strict = max(results, key=lambda each: attack_verdict.strict_rank(each.result))
  result = best.result
  figures = [
    Figure(
      label='AUC of the strongest attack',
      text=f'{result.auc:.3f} [{result.auc_low:.3f}, {result.auc_high:.3f}]',
      note=f'{best.name}; guessing is 0.5 ± {result.auc_null_half_width:.3f}; '
      f'{result.n_members:,} members, {result.n_nonmembers:,} non-members',
    )
  ]
  point = attack_verdict.strict_point(strict.result.tpr_at_fpr)
  guessed = attack_verdict.guessing_rate(point, strict.result.n_nonmembers)
  figures.append(
    Figure(
      label='Members found at 0.1% false positives',
      text=f'{point.tpr:.2%} [{point.tpr_low:.2%}, {point.tpr_high:.2%}]',
      note=f'{strict.name}: {point.true_positives:,} of {strict.result.n_members:,} '
      f'members found, {point.false_positives:,} of {strict.result.n_nonmembers:,} '
      f'non-members falsely accused; guessing finds {guessed:.2%}',
    )
  )
  return figures


def _privacy(record: RunRecord, results: Sequence[Found]) -> list[Figure]:
  """Returns the epsilon that is claimed, and what the attacks show of it."""
  claim = claims.of(record)
  text, note = 'none', 'trained without differential privacy'
  if claim is not None and claim.epsilon is None:
    text, note = 'not known yet', 'the run has not said what it has spent'
  elif claim is not None:
    text = f'{round_up(claim.epsilon, 4):g}'
    how = (
      'Poisson sampling'
      if claim.sampling == 'poisson'
      else ('Poisson sampling, but the batches were shuffled')
    )
    note = f'at delta {claim.delta:g}, for {how}'
  figures = [Figure(label='Epsilon claimed', text=text, note=note)]
  bounds = [(_bound(f), f) for f in results if _bound(f) is not None]
  if bounds:
    bound, strongest = max(bounds, key=lambda pair: pair[0])
    figures.append(
      Figure(
        label='Epsilon at least',
        text=f'{bound:.3f}',
        note=f'what the scores of {strongest.name} show, the highest of {len(bounds)} '
        f'bounds at 95% each, delta {strongest.result.delta:g}; no upper limit, '
        'however low',
      )
    )
  return figures


def _bound(each: Found) -> float | None:
  return each.result.epsilon_lower_bound


def _points(record: RunRecord, results: Sequence[Found]) -> list[str]:
  """Returns what the numbers have to be read with."""
  lines = []
  if record.finished is None:
    lines.append(
      f'The run is unfinished: {record.epochs} of {record.config.training.epochs} '
      'epochs are trained.'
    )
  claim = claims.of(record)
  broken = {
    f.name: _bound(f) for f in results if claims.is_broken(f.result.epsilon, _bound(f))
  }
  if broken:
    lines.append(
      claims.explain_broken(
        plain(record.name),
        {plain(name): bound for name, bound in broken.items()},
        epsilon=next(f.result.epsilon for f in results if f.name in broken),
        nonmembers=record.config.data.nonmembers,
        sampling=claim.sampling if claim else '',
      )
    )
  if len(results) > 1:
    lines.append(
      f'The strongest is the best of {len(results)} attacks, picked in hindsight.'
    )
  if results and not any(f.per_example for f in results):
    lines.append(
      'Attacks with shadow models are stronger: `python -m rnn_tf.attack '
      '--attack=lira,rmia` makes them, of a run that was trained on a part of its pool.'
    )
  if results and record.config.data.nonmembers == 'test':
    lines.append(
      'Non-members are test images, which may be easier or harder than training images '
      'by themselves: `--nonmembers=holdout` draws both from one pool.'
    )
  few = [f for f in results if f.result.n_nonmembers < _FEW_NONMEMBERS]
  if few:
    lines.append(
      f'{few[0].result.n_nonmembers:,} non-members are too few to say what happens at '
      '0.1% false positives: one of them is more than that.'
    )
  return lines
