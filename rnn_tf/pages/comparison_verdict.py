"""What a comparison of runs comes to: who leaks most, and whose guarantee holds."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from rnn_tf import attack_verdict, claims
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages import run_verdict
from rnn_tf.pages.run_lines import counted, examples, groups, listed, plain, spread
from rnn_tf.pages.run_verdict import Found
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up
from rnn_tf.seed_groups import by_data_set

APART = (
  'The runs are of different data sets, whose accuracies and AUCs do not compare: each '
  'data set has charts and tables of its own.'
)

Attacks = Mapping[str, Sequence[AttackRecord]]
"""Name of a run -> the attacks with shadow models on it; runs without any may lack."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
  """A run, and what was found of it.

  Attributes:
    record: the run.
    found: by all attacks, at least one.
    shadowed: whether attacks with shadow models are among them.
  """

  record: RunRecord
  found: tuple[Found, ...]
  shadowed: bool

  @property
  def name(self) -> str:
    """The run's name."""
    return self.record.name

  @property
  def best(self) -> Found:
    """What the attack with the highest AUC found."""
    return max(self.found, key=lambda each: each.result.auc)


def headline(records: Sequence[RunRecord], attacks: Attacks) -> blocks.Verdict:
  """Returns which runs leak most and least, and whether guarantees hold.

  The level is `bad` where the attacks contradict a guarantee, `unknown` where no
  attack has a result, else `info`: to leak less than another run is no verdict on
  privacy.

  Args:
    records: at least one; each data set is spoken of by itself.
    attacks: with shadow models, on the runs.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  data_sets = by_data_set(records)
  several = len(data_sets) > 1
  runs = {name: _runs(group, attacks) for name, group in data_sets.items()}
  every = [run for group in runs.values() for run in group]
  broken = _broken(records, attacks)
  texts, figures, points = [], [], [APART] * several
  if broken:
    texts.append(_contradicted([each for each in records if each.name in broken]))
  for name, group in runs.items():
    if group:
      texts.append(f'{name}: ' * several + _sentence(group))
      figures += _figures(group, f'{name}: ' * several)
      points += [f'{plain(name)}: ' * several + point for point in _points(group)]
  if every:
    points.append(
      'The strongest attack of a run is that with the highest AUC: of '
      f'{counted(_tries(every), "result")} in all, picked in hindsight.'
    )
  figures += _held(every, len(broken))
  return blocks.Verdict(
    level='bad' if broken else 'info' if every else 'unknown',
    headline='; '.join(texts) + '.'
    if texts
    else 'No attack on these runs has a result yet.',
    figures=tuple(figures),
    points=(
      *points,
      *broken.values(),
      *([] if broken else _about_guarantees(records, every)),
    ),
  )


def broken_guarantees(records: Sequence[RunRecord], attacks: Attacks) -> list[str]:
  """Returns a line in Markdown for each run whose attacks contradict its epsilon.

  Args:
    records: the runs.
    attacks: with shadow models, on the runs.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  return list(_broken(records, attacks).values())


def _broken(records: Sequence[RunRecord], attacks: Attacks) -> dict[str, str]:
  """Returns run -> the line of `broken_guarantees`."""
  lines = {}
  for record in records:
    broken = [
      each
      for each in run_verdict.found(record, attacks.get(record.name, ()))
      if claims.is_broken(each.result.epsilon, each.result.epsilon_lower_bound)
    ]
    if broken:
      claim = claims.of(record)
      lines[record.name] = claims.explain_broken(
        plain(record.name),
        {plain(each.name): each.result.epsilon_lower_bound for each in broken},
        epsilon=broken[0].result.epsilon,
        nonmembers=record.config.data.nonmembers,
        sampling=claim.sampling if claim else '',
      )
  return lines


def last_results(record: RunRecord) -> list[AttackResult]:
  """Returns the results of the last report on all examples, without skipped ones."""
  return [r for r in record.last_results() if r.slice == ENTIRE and not r.skipped]


def _contradicted(broken: Sequence[RunRecord]) -> str:
  """Says how many runs' guarantees are contradicted, or may seem so."""
  text = f'{counted(len(broken), "guarantee")} contradicted by the attacks'
  if any(record.config.data.nonmembers == 'test' for record in broken):
    text += ', or test images told from training images'
  return text


def _runs(records: Sequence[RunRecord], attacks: Attacks) -> list[_Run]:
  """Returns the runs of which something was found, those that leak most first."""
  runs = []
  for record in records:
    found = run_verdict.found(record, attacks.get(record.name, ()))
    if found:
      shadowed = len(found) > len(run_verdict.found(record, ()))
      runs.append(_Run(record=record, found=found, shadowed=shadowed))
  return sorted(runs, key=lambda run: -run.best.result.auc)


def _tries(runs: Sequence[_Run]) -> int:
  return sum(len(run.found) for run in runs)


def _interval(result: AttackResult) -> str:
  return f'{result.auc:.3f} [{result.auc_low:.3f}, {result.auc_high:.3f}]'


def _beyond(runs: Sequence[_Run]) -> bool:
  """Whether some AUC is more than the best of so many guesses would have."""
  # Attacks that are trained may lie higher by chance, and need not be the strongest.
  return any(
    each.result.auc - 0.5
    > attack_verdict.guessing_limit(each.result.auc_null_half_width, _tests(runs))
    for run in runs
    for each in run.found
  )


def _tests(runs: Sequence[_Run]) -> int:
  """Returns how often guesses could have been taken for more: twice an attack."""
  return 2 * _tries(runs)


def _strict(runs: Sequence[_Run]) -> tuple[_Run, Found] | None:
  """Returns who finds most at 0.1% false positives, of those that do not guess."""
  found = [
    (run, each)
    for run in runs
    for each in run.found
    if attack_verdict.beats_guessing(
      attack_verdict.strict_point(each.result.tpr_at_fpr),
      n_members=each.result.n_members,
      n_nonmembers=each.result.n_nonmembers,
      tries=_tests(runs),
    )
  ]
  rank = attack_verdict.strict_rank
  return max(found, key=lambda pair: rank(pair[1].result), default=None)


def _sentence(runs: Sequence[_Run]) -> str:
  """Returns who leaks most, in plain words."""
  (most, best), (least, other) = ((run, run.best) for run in (runs[0], runs[-1]))
  if not _beyond(runs):
    highest = f'{best.result.auc:.3f} ({most.name}, {best.name})'
    strict = _strict(runs)
    if strict is None:
      return (
        'no attack on any run can be told from guessing: the highest AUC is ' + highest
      )
    run, each = strict
    return (
      f'no AUC can be told from that of guessing, the highest is {highest}, but '
      f'{each.name} finds '
      f'{attack_verdict.strict_point(each.result.tpr_at_fpr).tpr:.2%} of the members '
      f'of {run.name} at 0.1% false positives, more than guessing would'
    )
  if len(runs) == 1:
    return f'{most.name} leaks: AUC {best.result.auc:.3f} by {best.name}'
  return (
    f'{most.name} leaks most (AUC {best.result.auc:.3f} by {best.name}), '
    f'{least.name} least ({other.result.auc:.3f} by {other.name})'
  )


def _figures(runs: Sequence[_Run], said: str) -> list[blocks.Figure]:
  """Returns the AUCs of the runs that leak most and least, if they are two."""
  labels = ['Leaks most', 'Leaks least']
  if len(runs) == 1:
    labels = ['AUC of the strongest attack']
  figures = []
  for label, run in zip(labels, (runs[0], runs[-1]), strict=False):
    result = run.best.result
    figures.append(
      blocks.Figure(
        label=f'{said}{label}',
        text=_interval(result),
        note=f'AUC of {run.name}, {run.best.name} after epoch {result.epoch}; '
        f'guessing is 0.5 ± {result.auc_null_half_width:.3f}; {examples([result])}; '
        f'seed {run.record.config.training.seed}',
      )
    )
  return figures


def _points(runs: Sequence[_Run]) -> list[str]:
  """Says what the order of the runs is worth, in Markdown."""
  lines = []
  most, least = runs[0], runs[-1]
  if len(runs) > 1:
    worth = 'do not overlap'
    if most.best.result.auc_low <= least.best.result.auc_high:
      worth = 'overlap: which of the two leaks more may be chance'
    lines.append(
      f'The intervals of {plain(most.name)} and {plain(least.name)} {worth}.'
    )
  shadowed = [run.name for run in runs if run.shadowed]
  if 0 < len(shadowed) < len(runs):
    lines.append(
      'Attacks with shadow models, which are stronger, were made on '
      f'{len(shadowed)} of {len(runs)} runs ({plain(listed(shadowed))}): the order of '
      'the runs may be due to that.'
    )
  over_seeds = groups([run.record for run in runs])
  if 1 < len(over_seeds) < len(runs):
    aucs = {run.name: run.best.result.auc for run in runs}
    texts = [
      f'{plain(name)}: {spread([aucs[each.name] for each in group], ".3f")}'
      for name, group in over_seeds
    ]
    lines.append(f'AUC of the strongest attack over seeds: {listed(texts)}.')
  return lines


def _private(records: Sequence[RunRecord]) -> list[RunRecord]:
  return [record for record in records if record.config.privacy.dp]


def _held(runs: Sequence[_Run], broken: int) -> list[blocks.Figure]:
  held = {run for _, run, _ in _bounds(runs)}
  if not held:
    return []
  return [
    blocks.Figure(
      label='Guarantees not contradicted',
      text=f'{len(held) - broken} of {len(held)}',
      note='private runs whose attacks show no epsilon above the one claimed, which '
      'proves none of them',
    )
  ]


def _bounds(runs: Sequence[_Run]) -> Iterator[tuple[float, str, str]]:
  """Yields lower bound of epsilon, run and attack of all results on private runs."""
  for run in runs:
    for each in run.found if run.record.config.privacy.dp else ():
      if each.result.epsilon_lower_bound is not None:
        yield each.result.epsilon_lower_bound, run.name, each.name


def _about_guarantees(records: Sequence[RunRecord], runs: Sequence[_Run]) -> list[str]:
  """Says of the private runs what is claimed, and what the attacks show of it."""
  private = _private(records)
  if not private:
    return []
  known = [claims.of(record).epsilon for record in private]
  epsilons = [round_up(each, 4) for each in known if each is not None]
  claim = f'{counted(len(private), "private run")}'
  if epsilons:
    claim += f', with an epsilon of {spread(epsilons, "g")} claimed'
  bounds = list(_bounds(runs))
  if not bounds:
    return [f'{claim}: no attack was held against it.']
  bound, run, attack = max(bounds)
  return [
    f'{claim}: no attack contradicts a guarantee. The highest lower bound of epsilon '
    f"that the attacks' scores give is {bound:.3f} ({plain(run)}, {plain(attack)}); "
    'however low, it proves nothing.'
  ]
