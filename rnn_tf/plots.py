"""Pictures of a run or of several: arrays in, matplotlib Figures out, no files.

Figures are 8 inches wide: shown at 800 pixels their text is 10 pixels or higher.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from rnn_tf.plot_style import (
  COLOURS,
  GREY,
  STAR,
  Looks,
  add_legend,
  canvas,
  epoch_axis,
  guessing_shades,
  label_ends,
  percent_axis,
  run_colours,
  run_handles,
  shade_guessing,
  styled,
  value_range,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leakage:
  """One attack on the entire data set of one run, report by report.

  Attributes:
    run: the run's name in the legend.
    attack: the attack's name.
    epochs: (r,) int, epochs after which a report was made, rising.
    auc: (r,) float, signed AUC; NaN where the attack was skipped, as below.
    auc_low: (r,) float, lower end of its 95% interval.
    auc_high: (r,) float, upper end.
    advantage: (r,) float, max |TPR - FPR|.
    val_accuracy: (r,) float in [0, 1].
    null_half_width: half the width of the interval around 0.5 that holds 95% of
      the AUCs of guesses.
    n_members: members attacked.
    n_nonmembers: non-members attacked.
  """

  run: str
  attack: str
  epochs: np.ndarray
  auc: np.ndarray
  auc_low: np.ndarray
  auc_high: np.ndarray
  advantage: np.ndarray
  val_accuracy: np.ndarray
  null_half_width: float
  n_members: int
  n_nonmembers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RocCurve:
  """One attack's ROC: fpr and tpr are (k,) float in [0, 1], rising together."""

  run: str
  attack: str
  fpr: np.ndarray
  tpr: np.ndarray
  n_members: int
  n_nonmembers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassLeakage:
  """One attack class by class; arrays are (classes,), NaN where it was skipped.

  Attributes:
    attack: the attack's name.
    auc: signed AUC inside each class.
    auc_low: lower end of its 95% interval.
    auc_high: upper end.
    null_half_width: see `Leakage`.
    n_members: members attacked in each class.
    n_nonmembers: non-members attacked in each class.
  """

  attack: str
  auc: np.ndarray
  auc_low: np.ndarray
  auc_high: np.ndarray
  null_half_width: np.ndarray
  n_members: np.ndarray
  n_nonmembers: np.ndarray


@styled
def learning_curves(
  metrics: Mapping[str, pd.DataFrame], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws loss and accuracy on training and validation data by epoch.

  Args:
    metrics: run's name -> frame with the columns epoch, loss, accuracy,
      val_loss, val_accuracy, one row an epoch.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (left, right) = canvas(title, subtitle, height=4.4)
  alone = len(metrics) == 1
  for run, colour in run_colours(list(metrics)).items():
    frame = metrics[run]
    train = COLOURS[1] if alone else colour
    marker = 'o' if len(frame) == 1 else None
    for axes, quantity in ((left, 'loss'), (right, 'accuracy')):
      axes.plot(frame['epoch'], frame[quantity], '--', marker=marker, color=train)
      axes.plot(frame['epoch'], frame[f'val_{quantity}'], marker=marker, color=colour)
    if frame['val_accuracy'].notna().any():
      best = frame.loc[frame['val_accuracy'].idxmax()]
      right.plot(best['epoch'], best['val_accuracy'], **STAR, color=colour)
      if alone:
        right.set_title(
          f'best {best["val_accuracy"]:.1%}, epoch {best["epoch"]:.0f}',
          loc='right',
          color=colour,
          fontweight='normal',
        )
  left.set(title='Loss', ylabel='cross-entropy (nats per image)')
  right.set(title='Accuracy', ylabel='share classified correctly')
  percent_axis(right.yaxis)
  for axes in (left, right):
    epoch_axis(axes)
  train, val = (COLOURS[1], COLOURS[0]) if alone else (GREY, GREY)
  handles = [] if alone else run_handles(list(metrics))
  handles.append(Line2D([], [], color=train, linestyle='--', label='training'))
  handles.append(Line2D([], [], color=val, label='validation'))
  handles.append(Line2D([], [], color=val, **STAR, label='best validation'))
  add_legend(figure, handles)
  return figure


@styled
def leakage_by_epoch(
  leakages: Sequence[Leakage], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws each attack's AUC with its 95% band, and its advantage, by epoch.

  Args:
    leakages: one for each run and attack, at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (left, right) = canvas(title, subtitle, height=4.6)
  looks = Looks([x.run for x in leakages], [x.attack for x in leakages])
  shades = _shade(left, right, leakages)
  # A band of no width cannot be seen: lone reports have bars, side by side.
  alone = all(len(series.epochs) == 1 for series in leakages)
  for index, series in enumerate(leakages):
    look = looks(series.run, series.attack)
    at = series.epochs + alone * 0.1 * (index - (len(leakages) - 1) / 2)
    band = (at, series.auc_low, series.auc_high)
    left.fill_between(*band, color=look['color'], alpha=0.18, linewidth=0)
    if alone:
      left.vlines(*band, color=look['color'])
    left.plot(at, series.auc, **look)
    right.plot(at, series.advantage, **look)
  left.set(title='AUC, with its 95% interval', ylabel='AUC')
  right.set(title='Advantage', ylabel='max |TPR - FPR|')
  for axes in (left, right):
    epoch_axis(axes, _sizes(leakages))
  right.set_ylim(bottom=0)
  add_legend(figure, [*looks.handles(), *shades])
  return figure


@styled
def privacy_vs_utility(
  leakages: Sequence[Leakage], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws AUC and advantage against *validation* accuracy, a path over the epochs.

  A hollow marker starts each path, a large one with the epoch's number ends it.

  Args:
    leakages: one for each run and attack, at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (left, right) = canvas(title, subtitle, height=4.8)
  looks = Looks([x.run for x in leakages], [x.attack for x in leakages])
  shades = _shade(left, right, leakages)
  for axes, quantity in ((left, 'auc'), (right, 'advantage')):
    ends = []
    for series in leakages:
      kept = np.isfinite(getattr(series, quantity)) & np.isfinite(series.val_accuracy)
      if kept.any():
        x, y = series.val_accuracy[kept], getattr(series, quantity)[kept]
        look = looks(series.run, series.attack)
        _draw_path(axes, x, y, look)
        ends.append((x[-1], y[-1], f'{series.epochs[kept][-1]}', look['color']))
    if quantity == 'advantage':
      axes.set_ylim(bottom=0)
    axes.margins(x=0.08)
    label_ends(axes, ends)
    percent_axis(axes.xaxis)
    axes.set_xlabel(f'validation accuracy\n({_sizes(leakages)})')
  left.set(title='AUC', ylabel='AUC')
  right.set(title='Advantage', ylabel='max |TPR - FPR|')
  marks = [
    Line2D([], [], color=GREY, marker='o', mfc='white', ls='', label='first report'),
    Line2D([], [], color=GREY, marker='o', ms=8, ls='', label='last, and its epoch'),
  ]
  add_legend(figure, looks.handles() + marks + shades)
  return figure


def _draw_path(axes: Axes, x: np.ndarray, y: np.ndarray, look: dict[str, Any]) -> None:
  """Draws one run's way through the plane, small dots at its reports."""
  axes.plot(x, y, **{**look, 'markersize': 3, 'alpha': 0.8})
  big = {'color': look['color'], 'marker': look['marker'], 'linestyle': ''}
  axes.plot(x[:1], y[:1], **big, markersize=6, markerfacecolor='white', zorder=4)
  axes.plot(x[-1:], y[-1:], **big, markersize=8, zorder=5)


@styled
def roc_loglog(curves: Sequence[RocCurve], *, title: str, subtitle: str = '') -> Figure:
  """Draws TPR against FPR on logarithmic axes, down to one false positive.

  Args:
    curves: one for each run and attack, at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (axes,) = canvas(title, subtitle, height=6.4, columns=1)
  looks = Looks([x.run for x in curves], [x.attack for x in curves])
  lowest = min(0.1, 1 / max(curve.n_nonmembers for curve in curves))
  axes.plot([lowest, 1], [lowest, 1], color=GREY, linewidth=1)
  for curve in curves:
    look = {**looks(curve.run, curve.attack), 'marker': None}
    # What is found without any false positive comes in from beyond the left edge.
    edge = lowest / 2
    axes.plot(np.maximum(curve.fpr, edge), np.maximum(curve.tpr, edge), **look)
  for rate in (0.001, 0.01):
    if rate > lowest:
      axes.axvline(rate, color=GREY, linewidth=0.8, linestyle=':')
  axes.set(xscale='log', yscale='log', xlim=(lowest, 1), ylim=(lowest, 1))
  for axis in (axes.xaxis, axes.yaxis):
    axis.set_major_locator(LogLocator(numticks=12))
    percent_axis(axis)
  members, nonmembers = _range(curves, 'n_members'), _range(curves, 'n_nonmembers')
  axes.set_xlabel(f'false positive rate (of {nonmembers} non-members)')
  axes.set_ylabel(f'true positive rate (of {members} members)')
  guess = Line2D([], [], color=GREY, linewidth=1, label='guessing')
  add_legend(figure, [*looks.handles(markers=False), guess])
  return figure


@styled
def auc_by_class(
  leakages: Sequence[ClassLeakage],
  class_names: Sequence[str],
  *,
  title: str,
  subtitle: str = '',
  most: int = 20,
) -> Figure:
  """Draws each class's AUC with its 95% interval, one row a class.

  Args:
    leakages: one for each attack, at least one.
    class_names: (classes,) names in the order of the labels.
    title: first line over the picture.
    subtitle: second line, smaller.
    most: of more classes than this, those with the highest AUC are drawn.
  """
  highest = np.full(len(class_names), -1.0)
  for series in leakages:
    highest = np.fmax(highest, series.auc)
  shown = np.sort(np.argsort(-highest, kind='stable')[:most])
  if len(shown) < len(class_names):
    subtitle += f'\nThe {len(shown)} of {len(class_names)} classes with the highest AUC'
  figure, (axes,) = canvas(title, subtitle, height=2.4 + 0.33 * len(shown), columns=1)
  looks = Looks([''], [x.attack for x in leakages])
  rows = np.arange(len(shown))
  halves = {series.attack: series.null_half_width[shown] for series in leakages}
  shades = [
    axes.barh(rows, 2 * half, left=0.5 - half, height=0.9, **style)
    for half, style in guessing_shades(halves)
  ]
  for index, series in enumerate(leakages):
    offset = 0.5 * ((index + 0.5) / len(leakages) - 0.5)
    _draw_classes(axes, rows + offset, shown, series, looks('', series.attack))
  axes.axvline(0.5, color=GREY, linewidth=1)
  names = [f'{class_names[c]}  ({_class_sizes(leakages, c)})' for c in shown]
  axes.set_yticks(rows, labels=names)
  axes.set_ylim(len(shown) - 0.4, -0.6)
  axes.grid(visible=False, axis='y')
  axes.set_xlabel('AUC, with its 95% interval (in brackets: members + non-members)')
  axes.set_ylabel('class')
  add_legend(figure, [*looks.handles(lines=False), *shades])
  return figure


def _draw_classes(
  axes: Axes, at: np.ndarray, shown: np.ndarray, series: ClassLeakage, look: dict
) -> None:
  """Draws one attack's dots and intervals at the heights `at`."""
  auc = series.auc[shown]
  error = np.abs([auc - series.auc_low[shown], series.auc_high[shown] - auc])
  dots = {'fmt': look['marker'], 'color': look['color'], 'markersize': 5}
  axes.errorbar(auc, at, xerr=error, linewidth=1.4, **dots)
  for height in at[np.isnan(auc)]:
    axes.text(0.5, height, ' skipped', color=look['color'], va='center', size=8)


def _shade(left: Axes, right: Axes, leakages: Sequence[Leakage]) -> list[Patch]:
  """Shades what guessing gives; of runs of different sizes, for the smallest."""
  widest: dict[str, float] = {}
  for x in leakages:
    widest[x.attack] = max(x.null_half_width, widest.get(x.attack, 0.0))
  return shade_guessing(left, right, widest)


def _sizes(leakages: Sequence[Leakage]) -> str:
  members, nonmembers = (
    _range(leakages, 'n_members'),
    _range(leakages, 'n_nonmembers'),
  )
  # A longer text would run out of its panel.
  space = '\n' if len(members + nonmembers) > 16 else ' '
  return f'{members} members,{space}{nonmembers} non-members'


def _range(items: Sequence[Any], field: str) -> str:
  return value_range([getattr(item, field) for item in items])


def _class_sizes(leakages: Sequence[ClassLeakage], label: int) -> str:
  """Returns `5,000 + 1,000`, a class's members and non-members."""
  members = max(int(x.n_members[label]) for x in leakages)
  nonmembers = max(int(x.n_nonmembers[label]) for x in leakages)
  return f'{members:,} + {nonmembers:,}'
