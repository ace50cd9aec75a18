"""Pictures of plain against differentially private runs: arrays in, Figures out."""

import dataclasses
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from rnn_tf.plot_style import (
  COLOURS,
  GREY,
  Looks,
  add_legend,
  canvas,
  epoch_axis,
  percent_axis,
  run_colours,
  run_handles,
  shade_guessing,
  styled,
  value_range,
)

_BLACK = '#000000'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
  """One attack on the entire data set at the last report of one run.

  Attributes:
    run: the run's name.
    group: name of the runs that differ from this one by their seeds alone.
    level: what is written beside the group, such as `ε = 3` or `plain`.
    path: groups of one path are joined by a line, in the order of the points.
    plain: whether the run is not differentially private.
    attack: the attack's name.
    accuracy: validation accuracy at that report, in [0, 1].
    auc: signed.
    auc_low: lower end of its 95% interval.
    auc_high: upper end.
    advantage: max |TPR - FPR|.
    finished: whether the run is; only finished ones count in a mean.
    null_half_width: see `plots.Leakage`.
    n_members: members attacked.
    n_nonmembers: non-members attacked.
  """

  run: str
  group: str
  level: str
  path: str
  plain: bool
  attack: str
  accuracy: float
  auc: float
  auc_low: float
  auc_high: float
  advantage: float
  finished: bool
  null_half_width: float
  n_members: int
  n_nonmembers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpsilonCourse:
  """A run's epsilon by epoch, and what its attacks show of it.

  Attributes:
    group: name, in the legend, of the runs that differ by their seeds alone.
    epochs: (e,) int, rising.
    epsilon: (e,) float, the accountant's after each epoch.
    bounds: attack -> epochs (r,) and lower bounds (r,) of its reports.
  """

  group: str
  epochs: np.ndarray
  epsilon: np.ndarray
  bounds: dict[str, tuple[np.ndarray, np.ndarray]]


@styled
def dp_privacy_vs_utility(
  points: Sequence[Point], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws AUC and advantage against *validation* accuracy, a row of panels an attack.

  Of a group of several seeds, the single runs are small and their mean is large,
  with bars from the lowest to the highest of them.

  Args:
    points: one a run and attack, at least one; groups in the order in which they
      are to be joined.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  attacks = list(dict.fromkeys(point.attack for point in points))
  height = 2.1 + 2.9 * len(attacks)
  figure, panels = canvas(title, subtitle, height=height, rows=len(attacks))
  colours = _colours(points)
  accuracies = [point.accuracy for point in points]
  # One scale for all rows, with room for names at its ends.
  room = 0.15 * (max(accuracies) - min(accuracies)) or 0.01
  for index, attack in enumerate(attacks):
    chosen = [point for point in points if point.attack == attack]
    left, right = panels[2 * index : 2 * index + 2]
    widest = max(point.null_half_width for point in chosen)
    shades = shade_guessing(left, right, {attack: widest})
    for axes, quantity in ((left, 'auc'), (right, 'advantage')):
      names = _draw_groups(axes, chosen, quantity, colours=colours)
      axes.set_xlim(min(accuracies) - room, max(accuracies) + room)
      axes.margins(y=0.15)
      if quantity == 'advantage':
        axes.set_ylim(bottom=0)
      _name_groups(axes, names)
      percent_axis(axes.xaxis)
      axes.set_xlabel('validation accuracy')
    left.set(title=f'AUC, {attack} attack', ylabel='AUC, with its 95% interval')
    right.set(title=f'Advantage, {attack} attack', ylabel='max |TPR - FPR|')
  for axes in panels[-2:]:
    axes.set_xlabel(f'validation accuracy\n({_sizes(points)})')
  add_legend(figure, [*_handles(points, colours), *shades])
  return figure


def _sizes(points: Sequence[Point]) -> str:
  members, nonmembers = (
    value_range([getattr(point, name) for point in points])
    for name in ('n_members', 'n_nonmembers')
  )
  return f'{members} members, {nonmembers} non-members'


def _colours(points: Sequence[Point]) -> dict[str, str]:
  """Returns each group's colour; a lone group of plain runs is black."""
  groups = dict.fromkeys(point.group for point in points)
  plain = {point.group for point in points if point.plain}
  bright = [colour for colour in COLOURS if colour != _BLACK]
  # Two groups of plain runs must not be taken for one.
  others = [group for group in groups if group not in plain or len(plain) > 1]
  if len(others) > len(bright):
    steps = matplotlib.colormaps['viridis'](np.linspace(0, 0.92, len(others)))
    bright = [matplotlib.colors.to_hex(step) for step in steps]
  return dict.fromkeys(groups, _BLACK) | dict(zip(others, bright, strict=False))


def _draw_groups(
  axes: Axes, points: Sequence[Point], quantity: str, *, colours: dict[str, str]
) -> list[tuple[float, float, str, str]]:
  """Draws one panel; returns each group's place for its name, name and colour."""
  groups: dict[str, list[Point]] = {}
  for point in points:
    groups.setdefault(point.group, []).append(point)
  paths: dict[str, list[tuple[float, float]]] = {}
  names = []
  for group, runs in groups.items():
    middle = _draw_group(axes, runs, quantity, colour=colours[group])
    # An unfinished run has no place between those that were trained to the end.
    if any(run.finished for run in runs):
      paths.setdefault(runs[0].path, []).append(middle)
    highest = 'auc_high' if quantity == 'auc' else quantity
    top = max(getattr(run, highest) for run in runs)
    names.append((middle[0], top, runs[0].level, colours[group]))
  for way in paths.values():
    axes.plot(*zip(*way, strict=True), color=GREY, linewidth=0.9, zorder=1.5)
  return names


def _draw_group(
  axes: Axes, runs: Sequence[Point], quantity: str, *, colour: str
) -> tuple[float, float]:
  """Draws the runs of one group; returns where their mean is."""
  alone = len(runs) == 1
  dot = {'color': colour, 'marker': 'o', 'linestyle': ''}
  for run in runs:
    if quantity == 'auc':
      ends = (run.auc_low, run.auc_high)
      strength = {'linewidth': 1.2, 'alpha': 1 if alone else 0.35}
      axes.vlines(run.accuracy, *ends, color=colour, **strength)
    face = colour if run.finished else 'white'
    size = {'markersize': 7 if alone else 3.5, 'markerfacecolor': face}
    axes.plot(run.accuracy, getattr(run, quantity), **dot, **size, zorder=3)
  counted = [run for run in runs if run.finished] or runs
  x = np.array([run.accuracy for run in counted])
  y = np.array([getattr(run, quantity) for run in counted])
  middle = float(x.mean()), float(y.mean())
  if not alone and len(counted) > 1:
    thick = {'color': colour, 'linewidth': 2.2, 'zorder': 4}
    axes.hlines(middle[1], x.min(), x.max(), **thick)
    axes.vlines(middle[0], y.min(), y.max(), **thick)
    axes.plot(*middle, **dot, markersize=8, markeredgecolor='white', zorder=5)
  return middle


def _name_groups(axes: Axes, names: Sequence[tuple[float, float, str, str]]) -> None:
  """Writes each name above its group, higher where another is in the way."""
  (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
  taken: list[tuple[float, float]] = []
  for x, top, text, colour in sorted(names):
    at = (x - x_low) / (x_high - x_low)
    height = (top - y_low) / (y_high - y_low) + 0.03
    while any(abs(at - u) < 0.15 and abs(height - v) < 0.075 for u, v in taken):
      height += 0.01
    taken.append((at, height))
    axes.text(
      at,
      height,
      text,
      transform=axes.transAxes,
      ha='center',
      va='bottom',
      color=colour,
      fontweight='bold',
      path_effects=[withStroke(linewidth=2.5, foreground='white', alpha=0.8)],
      zorder=6,
    )
  # What was written above the panel's edge would lie on its title.
  highest = max(height for _, height in taken) + 0.075
  if highest > 1:
    axes.set_ylim(y_low, y_low + highest * (y_high - y_low))
    for text in axes.texts:
      text.set_y(text.get_position()[1] / highest)


def _handles(points: Sequence[Point], colours: dict[str, str]) -> list[Line2D]:
  """Returns the legend's entries: colours, and sizes of markers."""
  handles = [
    Line2D([], [], color=colour, linewidth=4, label=_short(group))
    for group, colour in colours.items()
  ]
  grey = {'color': GREY, 'marker': 'o', 'linestyle': ''}
  runs = {(point.group, point.run) for point in points}
  if len(runs) > len(colours):
    label = 'mean over seeds; bars: lowest to highest'
    handles.append(Line2D([], [], **grey, markersize=8, label=label))
    handles.append(Line2D([], [], **grey, markersize=3.5, label='one seed'))
  if not all(point.finished for point in points):
    handles.append(Line2D([], [], **grey, mfc='white', label='unfinished'))
  return handles


def _short(name: str, most: int = 72) -> str:
  """Cuts a name that would run out of the picture."""
  return name if len(name) <= most else f'{name[: most - 1]}…'


@styled
def epsilon_by_epoch(
  courses: Sequence[EpsilonCourse], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws the epsilon that is claimed, and what attacks show of it, by epoch.

  Args:
    courses: one a run, at least one.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (axes,) = canvas(title, subtitle, height=4.4, columns=1)
  attacks = [attack for course in courses for attack in course.bounds]
  looks = Looks([course.group for course in courses], attacks)
  colours = run_colours([course.group for course in courses])
  for course in courses:
    axes.plot(course.epochs, course.epsilon, color=colours[course.group])
    for attack, (epochs, bounds) in course.bounds.items():
      look = {**looks(course.group, attack), 'color': colours[course.group]}
      # Bounds are often equal, and often 0: all markers must be seen.
      hollow = {'linestyle': '', 'markerfacecolor': 'none', 'markersize': 6}
      axes.plot(epochs, bounds, **{**look, **hollow}, clip_on=False, zorder=3)
  axes.set_ylim(bottom=0)
  axes.set_ylabel('epsilon')
  epoch_axis(axes)
  handles = run_handles([course.group for course in courses])
  handles.append(Line2D([], [], color=GREY, label='claimed by the accountant'))
  for attack in dict.fromkeys(attacks):
    look = {**looks(courses[0].group, attack), 'color': GREY, 'linestyle': ''}
    look |= {'markerfacecolor': 'none', 'markersize': 6}
    label = f'at least, by the {attack} attack (95%)'
    handles.append(Line2D([], [], label=label, **look))
  add_legend(figure, handles)
  return figure
