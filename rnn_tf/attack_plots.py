"""Pictures of attacks with shadow models: arrays in, matplotlib Figures out, no files.

Look and sizes are those of `plots`.
"""

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
  FixedLocator,
  FuncFormatter,
  LogLocator,
  NullLocator,
  ScalarFormatter,
)
from matplotlib.transforms import Transform

from rnn_tf.attacks import metrics
from rnn_tf.attacks.anytime import AnytimePoint
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.transfer import BEST, TransferPoint
from rnn_tf.plot_style import (
  COLOURS,
  GREY,
  Looks,
  add_legend,
  canvas,
  draw_image,
  percent_axis,
  styled,
  value_range,
)

_MEMBERS, _NONMEMBERS = COLOURS[1], COLOURS[0]
_BINS = 50
# Scores whose middle half takes less than this part of their range are drawn on a
# logarithmic axis; a normal distribution has 3.5.
_SKEWED = 15
_COLUMNS = 5
_GUESSING = {'color': GREY, 'linewidth': 1}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
  """One attack on all examples of one run.

  Attributes:
    name: the attack's, for the legend.
    members: (m,) float64, their scores.
    nonmembers: (n,) float64.
    transfer: thresholds that shadows gave, and what they do; may be empty.
  """

  name: str
  members: np.ndarray
  nonmembers: np.ndarray
  transfer: tuple[TransferPoint, ...] = ()


def _sizes(attacks: Sequence[Scored]) -> tuple[str, str]:
  members = value_range([len(each.members) for each in attacks])
  return members, value_range([len(each.nonmembers) for each in attacks])


@styled
def roc_figure(attacks: Sequence[Scored], *, title: str, subtitle: str = '') -> Figure:
  """Draws TPR against FPR on logarithmic axes, down to one false positive.

  Args:
    attacks: at least one, their names differ.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (axes,) = canvas(title, subtitle, height=6.6, columns=1)
  looks = Looks([''], [each.name for each in attacks])
  lowest = min(0.1, 1 / max(len(each.nonmembers) for each in attacks))
  axes.plot([lowest, 1], [lowest, 1], **_GUESSING)
  handles = []
  for each in attacks:
    look = {**looks('', each.name), 'marker': None}
    roc = metrics.roc(each.members, each.nonmembers)
    # What is found without any false positive comes in from beyond the left edge.
    edge = lowest / 2
    axes.plot(np.maximum(roc.fpr, edge), np.maximum(roc.tpr, edge), **look)
    _draw_thresholds(axes, each, lowest, looks('', each.name))
    auc = metrics.auc(each.members, each.nonmembers)
    handles.append(Line2D([], [], **look, label=f'{each.name}, AUC {auc:.3f}'))
  for rate in metrics.TARGET_FPRS:
    if rate > lowest:
      axes.axvline(rate, color=GREY, linewidth=0.8, linestyle=':')
  axes.set(xscale='log', yscale='log', xlim=(lowest, 1), ylim=(lowest, 1))
  for axis in (axes.xaxis, axes.yaxis):
    axis.set_major_locator(LogLocator(numticks=12))
    percent_axis(axis)
  members, nonmembers = _sizes(attacks)
  axes.set_xlabel(f'false positive rate (of {nonmembers} non-members)')
  axes.set_ylabel(f'true positive rate (of {members} members)')
  handles.append(Line2D([], [], **_GUESSING, label='guessing'))
  if any(each.transfer for each in attacks):
    label = 'thresholds of the shadows'
    look = {'color': GREY, 'marker': 'o', 'mfc': 'white', 'ms': 7, 'linestyle': ''}
    handles.append(Line2D([], [], **look, label=label))
  add_legend(figure, handles)
  return figure


def _draw_thresholds(
  axes: Axes, each: Scored, lowest: float, look: dict[str, Any]
) -> None:
  """Marks what thresholds that were chosen for a false-positive rate really do."""
  points = [point for point in each.transfer if point.rule != BEST]
  rates = [(max(point.fpr, lowest), max(point.tpr, lowest)) for point in points]
  if rates:
    hollow = {'markerfacecolor': 'white', 'markersize': 7, 'linestyle': ''}
    axes.plot(*zip(*rates, strict=True), **{**look, **hollow}, clip_on=False, zorder=4)


@styled
def anytime_figure(
  curves: Mapping[str, Sequence[AnytimePoint]], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws AUC and TPR at 1% FPR, with 95% intervals, by the number of shadow models.

  Args:
    curves: name of an attack -> its points with rising numbers, at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (left, right) = canvas(title, subtitle, height=4.6)
  looks = Looks([''], list(curves))
  rate = max(metrics.TARGET_FPRS)
  for name, points in curves.items():
    look = {**looks('', name), 'markersize': 5}
    at = [point.shadows for point in points]
    rates = [rate_point(point.tpr_at_fpr, rate) for point in points]
    auc = [(point.auc, point.auc_low, point.auc_high) for point in points]
    tpr = [(point.tpr, point.tpr_low, point.tpr_high) for point in rates]
    for axes, values in ((left, auc), (right, tpr)):
      middle, low, high = np.array(values).T
      axes.fill_between(at, low, high, color=look['color'], alpha=0.15, linewidth=0)
      if len(at) == 1:  # A band of no width cannot be seen.
        axes.vlines(at, low, high, color=look['color'])
      axes.plot(at, middle, **look)
  left.axhline(0.5, **_GUESSING)
  right.axhline(rate, **_GUESSING)
  left.set(title='AUC, with its 95% interval', ylabel='AUC')
  right.set(title='TPR at 1% FPR, with its 95% interval', ylabel='members found')
  right.set_ylim(bottom=0)
  percent_axis(right.yaxis)
  numbers = sorted({point.shadows for points in curves.values() for point in points})
  for axes in (left, right):
    _count_shadows(axes, numbers)
  guess = Line2D([], [], **_GUESSING, label='guessing')
  add_legend(figure, [*looks.handles(), guess])
  return figure


def _count_shadows(axes: Axes, numbers: Sequence[int]) -> None:
  axes.set_xscale('log', base=2)
  # Of two that are so near that their texts would touch, the larger is named.
  pairs = zip(numbers, [*numbers[1:], math.inf], strict=True)
  axes.xaxis.set_major_locator(FixedLocator([n for n, up in pairs if up / n > 1.2]))
  axes.xaxis.set_major_formatter(ScalarFormatter())
  axes.xaxis.set_minor_locator(NullLocator())
  if len(numbers) == 1:
    axes.set_xlim(numbers[0] / 2, numbers[0] * 2)
  axes.set_xlabel('shadow models')


def rate_point(points: Sequence[RatePoint], target: float) -> RatePoint:
  """Returns the one of the points that is of a target false-positive rate."""
  (found,) = [point for point in points if point.target_fpr == target]
  return found


@styled
def scores_figure(
  attacks: Sequence[Scored], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws how members and non-members score, a panel an attack.

  The outermost bins hold what lies beyond them, 1% of the scores on either end.

  Args:
    attacks: at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  rows = math.ceil(len(attacks) / 2)
  figure, panels = canvas(title, subtitle, height=1.8 + 2.5 * rows, rows=rows)
  for axes, each in zip(panels, attacks, strict=False):
    _draw_scores(axes, each)
  for axes in panels[::2]:
    axes.set_ylabel('share of the side')
  for axes in panels[len(attacks) :]:
    axes.set_axis_off()
  members, nonmembers = _sizes(attacks)
  handles = [
    Patch(color=_MEMBERS, alpha=0.45, label=f'{members} members'),
    Patch(color=_NONMEMBERS, alpha=0.45, label=f'{nonmembers} non-members'),
  ]
  drawn = {_line(point) for each in attacks for point in each.transfer}
  for style, label in _THRESHOLDS.values():
    if style in drawn:
      look = {'color': 'black', 'linestyle': style, 'linewidth': 1.2}
      handles.append(Line2D([], [], **look, label=label))
  add_legend(figure, handles)
  return figure


# Target false-positive rate of a threshold that is drawn -> line style and name.
_THRESHOLDS = {
  None: ('--', "the shadows' threshold, best accuracy"),
  0.001: (':', "the shadows' threshold, 0.1% FPR"),
}


def _line(point: TransferPoint) -> str | None:
  return _THRESHOLDS.get(point.target_fpr, (None,))[0]


def _draw_scores(axes: Axes, each: Scored) -> None:
  lines = [(point.threshold, _line(point)) for point in each.transfer if _line(point)]
  edges = _edges(axes, each, [threshold for threshold, _ in lines])
  for scores, colour in ((each.members, _MEMBERS), (each.nonmembers, _NONMEMBERS)):
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    share = counts / len(scores)
    axes.stairs(share, edges, fill=True, color=colour, alpha=0.45, linewidth=0)
    axes.stairs(share, edges, color=colour, linewidth=1)
  for threshold, style in lines:
    axes.axvline(threshold, color='black', linestyle=style, linewidth=1.2)
  axes.set(title=each.name, xlabel='score')
  axes.margins(x=0.02)
  percent_axis(axes.yaxis)


def _edges(axes: Axes, each: Scored, shown: Sequence[float]) -> np.ndarray:
  """Returns the bins' edges, and makes the axis logarithmic where scores ask for it."""
  both = np.concatenate([each.members, each.nonmembers])
  low, lower, upper, high = np.quantile(both, [0.01, 0.25, 0.75, 0.99])
  low, high = min([low, *shown]), max([high, *shown])
  if not low < high:
    low, high = low - 0.5, low + 0.5
  if high - low < _SKEWED * (upper - lower):
    return np.linspace(low, high, _BINS + 1)
  # Losses of what was learned by heart, for one: most lie in the first of equal bins.
  near = (upper - lower) / 2
  if low * high >= 0:
    near = np.quantile(np.abs(both), 0.1)
  axes.set_xscale('asinh', linear_width=max(near, 1e-6 * (high - low)))
  scale = axes.xaxis.get_transform()
  ends = scale.transform(np.array([low, high]))
  axes.xaxis.set_major_locator(FixedLocator(_powers(scale, ends)))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
  edges = scale.inverted().transform(np.linspace(*ends, _BINS + 1))
  # Not rounded past a threshold on its way there and back.
  edges[0], edges[-1] = low, high
  return edges


def _powers(scale: Transform, ends: np.ndarray) -> list[float]:
  """Returns 0 and powers of ten, of either sign, a seventh of an axis apart."""
  powers = 10.0 ** np.arange(-12, 13)
  kept: list[float] = []
  for value in [0.0, *(sign * power for power in powers[::-1] for sign in (1, -1))]:
    at = scale.transform(np.array([value, *kept]))
    apart = np.abs(at[1:] - at[0]) > (ends[1] - ends[0]) / 7
    if ends[0] <= at[0] <= ends[1] and apart.all():
      kept.append(value)
  return kept


@styled
def exposed_figure(
  images: np.ndarray,
  exposed: Sequence[Exposed],
  class_names: Sequence[str],
  *,
  title: str,
  subtitle: str = '',
) -> Figure:
  """Draws the members that an attack finds most easily, in a grid.

  Args:
    images: (n, height, width, channels) float in [0, 1], in the order of `exposed`.
    exposed: n members, at least one.
    class_names: (classes,) in the order of the labels.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  rows = math.ceil(len(exposed) / _COLUMNS)
  height = 0.75 + 2.15 * rows
  figure = Figure(figsize=(8, height))
  figure.text(0.02, 1 - 0.1 / height, title, va='top', size=12.5, weight='bold')
  figure.text(0.02, 1 - 0.36 / height, subtitle, va='top', color='#444444')
  ends = {'left': 0.02, 'right': 0.98, 'bottom': 0.08 / height, 'top': 1 - 1.2 / height}
  grid = figure.add_gridspec(rows, _COLUMNS, hspace=0.5, wspace=0.08, **ends)
  for index, (image, each) in enumerate(zip(images, exposed, strict=True)):
    axes = figure.add_subplot(grid[index // _COLUMNS, index % _COLUMNS])
    draw_image(axes, image)
    axes.set_title(
      _exposed_text(each, class_names), loc='center', size=8.5, weight='normal', pad=4
    )
  return figure


def _exposed_text(each: Exposed, class_names: Sequence[str]) -> str:
  name = textwrap.shorten(class_names[each.label], 16, placeholder='…')
  text = f'#{each.rank}: {name} (p {each.probability:.2f})'
  if each.out_probability is not None:
    text += f'\nwithout it p {each.out_probability:.2f}'
  accused = 'nobody' if not each.false_positives else f'{each.false_positives:,}'
  return f'{text}\n{accused} falsely accused'
