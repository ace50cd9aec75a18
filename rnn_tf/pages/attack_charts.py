"""Charts of attacks with shadow models, for a page.

The pictures of `attack_plots` show the same.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rnn_tf.attack_plots import Scored, rate_point
from rnn_tf.attacks import metrics
from rnn_tf.attacks.anytime import AnytimePoint
from rnn_tf.attacks.results import AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages import roc_points

ROC_POINTS = 150
"""Points that a curve has at most."""

_STRICT = min(metrics.TARGET_FPRS)
_RATE = max(metrics.TARGET_FPRS)
# The page has eight colours: those that are shown together most often differ.
_COLORS = {
  name: color
  for color, name in enumerate(
    ('threshold', 'shadow', 'lira', 'rmia', 'lira_offline', 'rmia_offline')
  )
}
_BEST = "the shadows' threshold, best accuracy"
_BINS = 50
# Scores whose middle half takes less than this part of their range get bins of unequal
# width; a normal distribution has 3.5.
_SKEWED = 15


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
  """An attack whose scores are known.

  Attributes:
    scored: its name and scores.
    result: what they amount to.
  """

  scored: Scored
  result: AttackResult


def roc_chart(
  name: str,
  curves: Sequence[Curve],
  *,
  title: str,
  points: int = ROC_POINTS,
  labelled: bool = True,
  picture: str | None = None,
  note: str = '',
) -> blocks.Chart:
  """Returns the ROC curves of some attacks, on logarithmic axes.

  Args:
    name: a slug.
    curves: at least one, their names differ.
    title: see `blocks.Chart`.
    points: that each has at most, see `roc_points.downsample`.
    labelled: whether hovering shows counts.
    picture: see `blocks.Chart`.
    note: see `blocks.Chart`.
  """
  rocs = [metrics.roc(each.scored.members, each.scored.nonmembers) for each in curves]
  kinds = [each.result.attack for each in curves]
  series = [
    roc_points.log_series(
      each.scored.name,
      roc,
      color=_COLORS.get(kind) if len(set(kinds)) == len(kinds) else None,
      points=points,
    )
    for each, roc, kind in zip(curves, rocs, kinds, strict=True)
  ]
  if not labelled:
    series = [dataclasses.replace(each, labels=None) for each in series]
  x, y = roc_points.log_axes(*rocs)
  return blocks.Chart(
    name=name,
    title=title,
    description=_about_rocs(curves),
    x=x,
    y=y,
    series=(*series, roc_points.guessing(*rocs)),
    picture=picture,
    note=note,
  )


def _about_rocs(curves: Sequence[Curve]) -> str:
  found = [
    (rate_point(each.result.tpr_at_fpr, _STRICT), each.scored.name, each.result)
    for each in curves
  ]
  found.sort(key=lambda each: -each[0].tpr)
  best, name, result = found[0]
  loose = rate_point(result.tpr_at_fpr, _RATE)
  text = (
    'True-positive rate against false-positive rate, both on logarithmic axes. '
    f'At {_STRICT:.1%} false positives {name} finds most: {best.tpr:.2%} of the '
    f'members ({best.true_positives:,} of {result.n_members:,}), and {loose.tpr:.2%} '
    f'at {_RATE:.0%}; its AUC is {result.auc:.3f}. '
  )
  others = [
    f'{other} {point.tpr:.2%} (AUC {result.auc:.3f})'
    for point, other, result in found[1:]
  ]
  if others:
    text += f'The others there: {", ".join(others)}. '
  return f'{text}Guessing would find as large a share of members as it accuses.'


def anytime_charts(
  prefix: str,
  curves: Mapping[str, Sequence[AnytimePoint]],
  *,
  picture: str | None = None,
) -> tuple[blocks.Chart, blocks.Chart]:
  """Returns AUC and TPR at 1% FPR, with intervals, by the number of shadow models.

  Args:
    prefix: what the charts' names begin with, a slug.
    curves: name of an attack -> its points with rising numbers, at least one.
    picture: see `blocks.Chart`.
  """
  auc = {
    name: [(each.auc, each.auc_low, each.auc_high) for each in points]
    for name, points in curves.items()
  }
  rates = {
    name: [
      (rate.tpr, rate.tpr_low, rate.tpr_high)
      for rate in (rate_point(each.tpr_at_fpr, _RATE) for each in points)
    ]
    for name, points in curves.items()
  }
  counts = {name: [p.shadows for p in points] for name, points in curves.items()}
  return (
    _by_shadows(
      f'{prefix}-auc',
      counts,
      auc,
      what='AUC',
      guess=0.5,
      picture=picture,
      note='All of the same examples: that two intervals overlap does not say that the '
      'attacks do not differ.',
    ),
    _by_shadows(
      f'{prefix}-tpr',
      counts,
      rates,
      what=f'Members found at {_RATE:.0%} false positives',
      guess=_RATE,
      picture=picture,
    ),
  )


def _by_shadows(
  name: str,
  counts: Mapping[str, Sequence[int]],
  values: Mapping[str, Sequence[tuple[float, float, float]]],
  *,
  what: str,
  guess: float,
  picture: str | None,
  note: str = '',
) -> blocks.Chart:
  """Returns a chart of (value, low, high) by the number of shadow models."""
  series = []
  numbers = sorted({count for each in counts.values() for count in each})
  places = {number: place for place, number in enumerate(numbers)}
  for attack, found in values.items():
    middle, low, high = zip(*found, strict=True)
    series.append(
      blocks.Series(
        name=attack,
        x=[places[count] for count in counts[attack]],
        y=middle,
        low=low,
        high=high,
        color=_COLORS.get(attack),
      )
    )
  ends = [0, len(numbers) - 1]
  series.append(blocks.Series(name='guessing', x=ends, y=[guess] * 2, reference=True))
  said = [
    f'{attack} from {found[0][0]:.3f} with {counts[attack][0]} to {found[-1][0]:.3f} '
    f'with {counts[attack][-1]}'
    for attack, found in values.items()
  ]
  return blocks.Chart(
    name=name,
    title=f'{what}, by the number of shadow models',
    description=f'{what} with 95% intervals: {"; ".join(said)}. Guessing: {guess:g}.',
    x=blocks.Axis(label='shadow models', categories=tuple(map(str, numbers))),
    y=blocks.Axis(label=what),
    series=tuple(series),
    picture=picture,
    note=note,
  )


def scores_chart(
  name: str, scored: Scored, *, picture: str | None = None
) -> blocks.Chart:
  """Returns how members and non-members score by one attack.

  The outermost bins hold what lies beyond them, 1% of the scores on either end.

  Args:
    name: a slug.
    scored: the attack.
    picture: see `blocks.Chart`.
  """
  thresholds = _thresholds(scored)
  edges, even = _edges(scored, [value for _, value in thresholds])
  x = edges if even else np.arange(len(edges))
  series = _sides(scored, edges, x)
  highest = max(max(each.y) for each in series)
  for label, value in thresholds:
    series.append(
      blocks.Series(
        name=label,
        x=[float(np.interp(value, edges, x))] * 2,
        y=[0.0, highest],
        style='dashed' if label == _BEST else 'line',
        reference=True,
      )
    )
  categories = () if even else tuple(f'{edge:.3g}' for edge in edges)
  return blocks.Chart(
    name=name,
    title=f'Scores of members and of non-members, {scored.name}',
    description=_about_scores(scored),
    x=blocks.Axis(
      label='score' if even else 'score (bins of unequal width)', categories=categories
    ),
    y=blocks.Axis(label='share of the side', low=0.0),
    series=tuple(series),
    picture=picture,
    note='The outermost bins hold what lies beyond them.',
  )


def _sides(scored: Scored, edges: np.ndarray, x: np.ndarray) -> list[blocks.Series]:
  """Returns the shares of each side in bins, whose edges are shown at places x."""
  sides = {
    f'{len(scored.members):,} members': scored.members,
    f'{len(scored.nonmembers):,} non-members': scored.nonmembers,
  }
  series = []
  for color, (side, values) in zip((1, 0), sides.items(), strict=True):
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    share = counts / len(values)
    # A staircase ends where the last bin does.
    y = [*share, share[-1]]
    series.append(blocks.Series(name=side, x=list(x), y=y, style='steps', color=color))
  return series


def _thresholds(scored: Scored) -> list[tuple[str, float]]:
  """Returns name and value of two thresholds that the shadows gave."""
  names = {None: _BEST, _STRICT: f"the shadows' threshold, {_STRICT:.1%} FPR"}
  return [
    (names[point.target_fpr], point.threshold)
    for point in scored.transfer
    if point.target_fpr in names
  ]


def _edges(scored: Scored, shown: Sequence[float]) -> tuple[np.ndarray, bool]:
  """Returns the bins' edges, and whether they are evenly spaced."""
  both = np.concatenate([scored.members, scored.nonmembers])
  low, lower, upper, high = np.quantile(both, [0.01, 0.25, 0.75, 0.99])
  low, high = min([low, *shown]), max([high, *shown])
  if not low < high:
    low, high = low - 0.5, low + 0.5
  if high - low < _SKEWED * (upper - lower):
    return np.linspace(low, high, _BINS + 1), True
  # Losses of what was learned by heart, for one: most lie in the first of equal bins.
  near = (upper - lower) / 2
  if low * high >= 0:
    near = np.quantile(np.abs(both), 0.1)
  near = max(near, 1e-6 * (high - low))
  ends = np.arcsinh(np.array([low, high]) / near)
  edges = near * np.sinh(np.linspace(*ends, _BINS + 1))
  # Not rounded past a threshold on its way there and back.
  edges[0], edges[-1] = low, high
  return edges, False


def _about_scores(scored: Scored) -> str:
  ours, others = (
    np.quantile(values, [0.25, 0.5, 0.75])
    for values in (scored.members, scored.nonmembers)
  )
  return (
    f'How the scores of {scored.name} are spread. Members: median {ours[1]:.3g}, the '
    f'middle half from {ours[0]:.3g} to {ours[2]:.3g}. Non-members: median '
    f'{others[1]:.3g}, the middle half from {others[0]:.3g} to {others[2]:.3g}.'
  )
