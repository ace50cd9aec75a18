"""Charts of privacy against utility, and of ROCs: of one run, or of several."""

import itertools
import logging
from collections.abc import Sequence

import numpy as np

from rnn_tf import stopping
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.errors import UsageError
from rnn_tf.page import blocks
from rnn_tf.pages import roc_points
from rnn_tf.pages.run_lines import (
  ABOUT_GROUPS,
  Line,
  Path,
  Picture,
  attacks_of,
  counted,
  examples,
  guesses,
  lines,
  listed,
  no_picture,
  padded_axis,
  plain,
  results_of,
  seeds,
  series,
  spread,
)
from rnn_tf.records import RunRecord
from rnn_tf.stopping import EpochLeakage

LOG = logging.getLogger('rnn_tf')

_POINTS = 360
"""Points of all curves of the ROC charts: 150 of each, fewer of many."""

_FEW = 100
"""Points of a curve from which on it is drawn as the staircase that it is."""


def privacy_vs_utility(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> blocks.Chart | None:
  """Returns the AUC against the test accuracy, every epoch with a report a point.

  Of one run there is a series for each attack. Of several the AUC is that of the
  strongest attack after each epoch, which is what the Pareto front is of.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.

  Returns:
    None where no epoch has both a report and a test accuracy.
  """
  epochs = {record.name: stopping.by_epoch(record) for record in records}
  points = list(itertools.chain(*epochs.values()))
  if not points:
    return None
  found, alone = lines(records), len(records) == 1
  places = stopping.pareto_front((each.accuracy, each.by_auc.auc) for each in points)
  front = [points[place] for place in places]
  accuracies = [each.accuracy for each in points]
  results = [r for record in records for r in _all_results(record)]
  shown = [
    # What comes first is drawn on top.
    series('Pareto front', [_path('', front)], style='dashed'),
    *(_by_attack(records[0]) if alone else _by_line(found, epochs)),
    *guesses(results, accuracies, attacks=attacks_of(records)),
  ]
  note = (
    'Each point is an epoch with a report, joined in their order; '
    f'{examples(results)}; {seeds(records)}. Pareto front: the epochs that no other '
    'one beats, by being at least as accurate and leaking no more to its strongest '
    'attack, picked in hindsight; differences within the intervals may be chance. '
    'Grey: where 95% of guesses end.'
  )
  if len(found) < len(records):
    note += f' {ABOUT_GROUPS}'
  return blocks.Chart(
    name='privacy-vs-utility',
    title='AUC' + ' of the strongest attack' * (not alone) + ' against test accuracy',
    description=f'Attack AUC against test accuracy. {_about_front(front)} '
    f'{counted(len(points), "epoch")} of {counted(len(records), "run")} in all. Last: '
    f'{listed([_about_last(line, epochs) for line in found])}.',
    x=padded_axis('test accuracy', accuracies),
    y=blocks.Axis(label='AUC' if alone else 'AUC of the strongest attack'),
    series=tuple(each for each in shown if each is not None),
    picture=picture('privacy_vs_utility'),
    note=note,
  )


def _by_attack(record: RunRecord) -> list[blocks.Series | None]:
  return [
    series(attack, [_attack_path(record, attack)], color=place)
    for place, attack in enumerate(attacks_of([record]))
  ]


def _by_line(
  found: Sequence[Line], epochs: dict[str, list[EpochLeakage]]
) -> list[blocks.Series | None]:
  return [
    series(
      line.name,
      [_path(record.name, epochs[record.name]) for record in line.records],
      color=line.color,
    )
    for line in found
  ]


def _all_results(record: RunRecord) -> list[AttackResult]:
  return [result for attack in record.attacks for result in results_of(record, attack)]


def _path(run: str, found: Sequence[EpochLeakage]) -> Path:
  return Path(
    run=run,
    x=[each.accuracy for each in found],
    y=[each.by_auc.auc for each in found],
    labels=[f'{_named(each)}, {each.by_auc.attack}{_ends(each)}' for each in found],
  )


def _ends(each: EpochLeakage) -> str:
  return f' [{each.by_auc.auc_low:.3f}, {each.by_auc.auc_high:.3f}]'


def _attack_path(record: RunRecord, attack: str) -> Path:
  rows = zip(record.metrics['epoch'], record.metrics['val_accuracy'], strict=True)
  accuracies = {int(epoch): value for epoch, value in rows}
  results = [
    result
    for result in results_of(record, attack)
    if not np.isnan(accuracies[result.epoch])
  ]
  return Path(
    run=record.name,
    x=[accuracies[result.epoch] for result in results],
    y=[result.auc for result in results],
    labels=[
      f'{record.name}, epoch {r.epoch} [{r.auc_low:.3f}, {r.auc_high:.3f}]'
      for r in results
    ],
  )


def _named(each: EpochLeakage) -> str:
  return f'{each.run}, epoch {each.epoch}'


def _about_front(front: Sequence[EpochLeakage]) -> str:
  texts = [f'{_named(p)} ({p.accuracy:.4f}, AUC {p.by_auc.auc:.3f})' for p in front]
  return f'On the Pareto front: {listed(texts)}.'


def _about_last(line: Line, epochs: dict[str, list[EpochLeakage]]) -> str:
  lasts = [epochs[record.name][-1] for record in line.records if epochs[record.name]]
  if not lasts:
    return f'{line.name}: none'
  most = max(lasts, key=lambda each: each.by_auc.auc)
  text = f'accuracy {most.accuracy:.4f}, AUC {most.by_auc.auc:.3f}{_ends(most)}'
  if len(lasts) > 1:
    return f'{line.name}, of which {most.run} leaks most: {text}'
  return f'{line.name}: {text}'


def roc(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> tuple[blocks.Chart, ...]:
  """Returns the ROCs of the last reports, on logarithmic axes.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.

  Returns:
    Of one run a chart of all attacks, of several a chart of each; none where no scores
    were kept.

  Raises:
    UsageError: the scores of a run are damaged.
  """
  curves = {record.name: last_rocs(record) for record in records}
  attacks = list(dict.fromkeys(a for found in curves.values() for a in found))
  if not attacks:
    return ()
  count = sum(map(len, curves.values()))
  points = int(np.clip(_POINTS // count, 20, 150))
  if len(records) == 1:
    return (_roc(records, attacks, curves, points=points, picture=picture),)
  return tuple(
    _roc(records, [attack], curves, points=points, picture=picture)
    for attack in attacks
  )


def last_rocs(record: RunRecord) -> dict[str, metrics.Roc]:
  """Returns attack -> exact ROC on the entire data set, of the last report.

  Raises:
    UsageError: the scores are damaged.
  """
  report = record.last_report()
  if report is None:
    if record.results:
      LOG.warning('%s: no scores of the last report: no ROC', record.folder)
    return {}
  found = {}
  for result in report.results:
    if result.slice == ENTIRE and not result.skipped:
      try:
        scores = report.slice_scores(result)
        found[result.attack] = metrics.roc(scores.members, scores.nonmembers)
      except (KeyError, ValueError) as error:
        raise UsageError(
          f'{record.folder}: the scores of epoch {result.epoch} are damaged ({error})'
        ) from error
  return found


def _roc(
  records: Sequence[RunRecord],
  attacks: Sequence[str],
  curves: dict[str, dict[str, metrics.Roc]],
  *,
  points: int,
  picture: Picture,
) -> blocks.Chart:
  """Returns one chart: the attacks of one run, or one attack on several."""
  found, alone = lines(records), len(records) == 1
  # Between few points the staircase would seem to lie lower than it does.
  style = 'steps' if points > _FEW else 'line'
  shown, rocs = [], []
  for line in found:
    for place, attack in enumerate(attacks):
      ours = [(r.name, curves[r.name].get(attack)) for r in line.records]
      ours = [(run, curve) for run, curve in ours if curve is not None]
      rocs += [curve for _, curve in ours]
      paths = [_roc_path(run, curve, points, len(ours) > 1) for run, curve in ours]
      color = place if alone else line.color
      name = attack if alone else line.name
      shown.append(series(name, paths, style=style, color=color))
  about = [_about_rates(line, attack, curves) for line in found for attack in attacks]
  results = [
    result
    for record in records
    for result in record.last_results()
    if result.slice == ENTIRE and result.attack in attacks and not result.skipped
  ]
  x, y = roc_points.log_axes(*rocs)
  title = 'ROC' if alone else f'ROC of the {attacks[0]} attack'
  note = f'{examples(results)}; {seeds(records)}. The left edge is no false positive.'
  if style == 'line':
    note += ' Between its points a curve is drawn straight.'
  without = [plain(record.name) for record in records if not curves[record.name]]
  if without:
    note += f' Without a report, or its scores: {listed(without)}.'
  if len(found) < len(records):
    note += f' {ABOUT_GROUPS}'
  return blocks.Chart(
    name='roc' + ('' if alone else f'-{blocks.slug(attacks[0])}'),
    title=f'{title}, last report, on logarithmic axes',
    description=f'{title} of the last report, on logarithmic axes. '
    f'{listed([*filter(None, about)])}.',
    x=x,
    y=y,
    series=(*(each for each in shown if each), roc_points.guessing(*rocs)),
    picture=picture('roc'),
    note=note,
  )


def _roc_path(run: str, curve: metrics.Roc, points: int, named: bool) -> Path:
  few = roc_points.log_series(run, curve, points=points)
  labels = [f'{run}: {label}' for label in few.labels] if named else few.labels
  return Path(run=run, x=few.x, y=few.y, labels=labels)


def _about_rates(
  line: Line, attack: str, curves: dict[str, dict[str, metrics.Roc]]
) -> str:
  """Says what is found at the rates that a report gives; nothing without a curve."""
  ours = [curves[record.name].get(attack) for record in line.records]
  ours = [curve for curve in ours if curve is not None]
  if not ours:
    return ''
  texts = []
  for target in metrics.TARGET_FPRS:
    true, false = zip(*(_found(curve, target) for curve in ours), strict=True)
    shares = [t / curve.n_members for t, curve in zip(true, ours, strict=True)]
    texts.append(
      f'{spread(shares, ".2%")} of the members found ({spread(true, ",")}) at '
      f'{target:.1%} false positives ({spread(false, ",")} non-members falsely accused)'
    )
  return f'{line.name}, {attack}: {", ".join(texts)}'


def _found(curve: metrics.Roc, target: float) -> tuple[int, int]:
  """Returns members and non-members called members, at most so many of the latter."""
  allowed = np.floor(target * curve.n_nonmembers + 1e-9)
  place = np.searchsorted(curve.false_positives, allowed, side='right') - 1
  return int(curve.true_positives[place]), int(curve.false_positives[place])
