"""What a comparison of runs comes to: who leaks most, and whose guarantee holds."""

import dataclasses
from collections.abc import Sequence

from rnn_tf import claims, tables
from rnn_tf.attack_verdict import guessing_limit
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import counted, examples, groups, listed, plain, spread
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up

APART = (
  'The runs are of different data sets, whose accuracies and AUCs do not compare: each '
  'data set has charts and tables of its own.'
)

Strongest = tuple[RunRecord, AttackResult]
"""A run, and that of its last report's attacks that has the highest AUC."""


def by_data_set(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
  """Returns the runs of each data set, in the order in which they are named."""
  found: dict[str, list[RunRecord]] = {}
  for record in records:
    found.setdefault(record.data.name, []).append(record)
  return found


def headline(records: Sequence[RunRecord]) -> blocks.Verdict:
  """Returns which runs leak most and least, and whether guarantees hold.

  The level is `bad` where the attacks contradict a guarantee, `unknown` where no run
  has a report, else `info`: to leak less than another run is no verdict on privacy.

  Args:
    records: at least one; each data set is spoken of by itself.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  data_sets = by_data_set(records)
  broken = broken_guarantees(records)
  texts, figures, points = [], [], [APART] * (len(data_sets) > 1)
  if broken:
    texts.append(f'{counted(len(broken), "guarantee")} contradicted by the attacks')
  for name, group in data_sets.items():
    found = _strongest(group)
    if found:
      several = len(data_sets) > 1
      texts.append(f'{name}: ' * several + _sentence(found))
      figures += _figures(found, f'{name}: ' * several)
      points += [f'{plain(name)}: ' * several + point for point in _points(found)]
  known = bool(figures)
  if known:
    tries = sum(len(last_results(record)) for record in records)
    points.append(
      'The strongest attack of a run is that with the highest AUC: of '
      f'{counted(tries, "result")} in all, picked in hindsight.'
    )
  figures += _held(records, len(broken))
  return blocks.Verdict(
    level='bad' if broken else 'info' if known else 'unknown',
    headline='; '.join(texts) + '.' if texts else 'No run has a privacy report yet.',
    figures=tuple(figures),
    points=(*points, *broken, *([] if broken else _about_guarantees(records))),
  )


def broken_guarantees(records: Sequence[RunRecord]) -> list[str]:
  """Returns a line in Markdown for each run whose attacks contradict its epsilon.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  named = [dataclasses.replace(each, name=plain(each.name)) for each in records]
  return tables.broken_guarantees(tables.table(named))


def last_results(record: RunRecord) -> list[AttackResult]:
  """Returns the results of the last report on all examples, without skipped ones."""
  return [r for r in record.last_results() if r.slice == ENTIRE and not r.skipped]


def _strongest(records: Sequence[RunRecord]) -> list[Strongest]:
  """Returns the runs with a report, those that leak most first."""
  found = [
    (record, max(results, key=lambda result: result.auc))
    for record in records
    for results in (last_results(record),)
    if results
  ]
  return sorted(found, key=lambda pair: -pair[1].auc)


def _interval(result: AttackResult) -> str:
  return f'{result.auc:.3f} [{result.auc_low:.3f}, {result.auc_high:.3f}]'


def _sentence(found: Sequence[Strongest]) -> str:
  """Returns who leaks most, in plain words."""
  tries = sum(len(last_results(record)) for record, _ in found)
  # Attacks that are trained may lie higher by chance, and need not be the strongest.
  beyond = any(
    result.auc - 0.5 > guessing_limit(result.auc_null_half_width, tries)
    for record, _ in found
    for result in last_results(record)
  )
  (record, result), (least, other) = found[0], found[-1]
  if not beyond:
    return (
      'no attack on any run can be told from guessing: the highest AUC is '
      f'{result.auc:.3f} ({record.name}, {result.attack})'
    )
  if len(found) == 1:
    return f'{record.name} leaks: AUC {result.auc:.3f} by {result.attack}'
  return (
    f'{record.name} leaks most (AUC {result.auc:.3f} by {result.attack}), '
    f'{least.name} least ({other.auc:.3f} by {other.attack})'
  )


def _figures(found: Sequence[Strongest], said: str) -> list[blocks.Figure]:
  """Returns the AUCs of the runs that leak most and least, if they are two."""
  labels = ['Leaks most', 'Leaks least']
  if len(found) == 1:
    labels = ['AUC of the strongest attack']
  return [
    blocks.Figure(
      label=f'{said}{label}',
      text=_interval(result),
      note=f'AUC of {record.name}, {result.attack} after epoch {result.epoch}; '
      f'guessing is 0.5 ± {result.auc_null_half_width:.3f}; {examples([result])}; seed '
      f'{record.config.training.seed}',
    )
    for label, (record, result) in zip(labels, (found[0], found[-1]), strict=False)
  ]


def _points(found: Sequence[Strongest]) -> list[str]:
  """Says what the order of the runs is worth, in Markdown."""
  lines = []
  (most, first), (least, last) = found[0], found[-1]
  if len(found) > 1:
    worth = 'do not overlap'
    if first.auc_low <= last.auc_high:
      worth = 'overlap: which of the two leaks more may be chance'
    lines.insert(
      0, f'The intervals of {plain(most.name)} and {plain(least.name)} {worth}.'
    )
  over_seeds = groups([record for record, _ in found])
  if 1 < len(over_seeds) < len(found):
    aucs = {record.name: result.auc for record, result in found}
    texts = [
      f'{plain(name)}: {spread([aucs[run.name] for run in runs], ".3f")}'
      for name, runs in over_seeds
    ]
    lines.append(f'AUC of the strongest attack over seeds: {listed(texts)}.')
  return lines


def _private(records: Sequence[RunRecord]) -> list[RunRecord]:
  return [record for record in records if record.config.privacy.dp]


def _held(records: Sequence[RunRecord], broken: int) -> list[blocks.Figure]:
  private = [record for record in _private(records) if _bounds(record)]
  if not private:
    return []
  return [
    blocks.Figure(
      label='Guarantees not contradicted',
      text=f'{len(private) - broken} of {len(private)}',
      note='private runs whose attacks show no epsilon above the one claimed, which '
      'proves none of them',
    )
  ]


def _bounds(record: RunRecord) -> list[tuple[float, str, str]]:
  """Returns lower bound, run and attack of the last report's results."""
  return [
    (result.epsilon_lower_bound, record.name, result.attack)
    for result in last_results(record)
    if result.epsilon_lower_bound is not None
  ]


def _about_guarantees(records: Sequence[RunRecord]) -> list[str]:
  """Says of the private runs what is claimed, and what the attacks show of it."""
  private = _private(records)
  if not private:
    return []
  known = [claims.of(record).epsilon for record in private]
  epsilons = [round_up(each, 4) for each in known if each is not None]
  claim = f'{counted(len(private), "private run")}'
  if epsilons:
    claim += f', with an epsilon of {spread(epsilons, "g")} claimed'
  bounds = [bound for record in private for bound in _bounds(record)]
  if not bounds:
    return [f'{claim}: no attack was held against it.']
  bound, run, attack = max(bounds)
  return [
    f'{claim}: no attack of the last reports contradicts a guarantee. The highest '
    f'lower bound of epsilon that their scores give is {bound:.3f} ({plain(run)}, '
    f'{plain(attack)}); however low, it proves nothing.'
  ]
