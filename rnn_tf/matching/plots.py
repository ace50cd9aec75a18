"""Picture of networks at equal accuracy: arrays in, a Figure out."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnn_tf.plot_style import (
  GREY,
  add_legend,
  canvas,
  percent_axis,
  run_colours,
  styled,
)

GAP = 'gap'
"""The criterion whose panels show what the gap gives away by itself."""

_LINES = {True: '-', False: '--'}
_FAMILIES = {True: 'recurrent', False: 'feed-forward'}
_GAP_ALONE = {'color': GREY, 'linestyle': '-', 'linewidth': 0.8}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Path:
  """How an attack's AUC goes with a criterion along the training of one run.

  Attributes:
    network: its name, shared by its seeds.
    recurrent: whether it is a recurrent one.
    attack: the attack's name.
    criterion: key of a panel.
    x: (r,) float, the criterion at each report, a share.
    auc: (r,) float, signed.
  """

  network: str
  recurrent: bool
  attack: str
  criterion: str
  x: np.ndarray
  auc: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean:
  """An attack's AUC on one network at one level of a criterion.

  Attributes:
    network: its name.
    attack: the attack's name.
    criterion: key of a panel.
    level: value of the criterion.
    auc: mean over seeds.
    low: lower end of its 95% interval; NaN where there is none.
    high: upper end.
  """

  network: str
  attack: str
  criterion: str
  level: float
  auc: float
  low: float
  high: float


@styled
def auc_at_equal_accuracy(
  paths: Sequence[Path],
  means: Sequence[Mean],
  *,
  criteria: Mapping[str, str],
  title: str,
  subtitle: str = '',
) -> Figure:
  """Draws AUC against accuracy along the training, a row of panels an attack.

  Runs are thin lines with a dot a report. At each level, marked by a line, the mean
  of a network over its seeds is a large dot with a bar for its 95% interval; the dots
  of one level stand side by side.

  Args:
    paths: one a run, attack and criterion, at least one.
    means: of networks that are in `paths`, may be empty.
    criteria: criterion -> label of its axis, a column of panels each.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  attacks = list(dict.fromkeys(path.attack for path in paths))
  figure, panels = canvas(
    title,
    subtitle,
    height=2.2 + 2.7 * len(attacks),
    rows=len(attacks),
    columns=len(criteria),
  )
  colours = run_colours([path.network for path in paths])
  places = [(attack, criterion) for attack in attacks for criterion in criteria]
  # One scale of AUC for all panels.
  aucs = np.concatenate([path.auc for path in paths])
  low, high = np.nanmin(aucs), np.nanmax(aucs)
  room = 0.06 * (high - low) or 0.01
  for axes, place in zip(panels, places, strict=True):
    attack, criterion = place
    _draw_paths(axes, [p for p in paths if (p.attack, p.criterion) == place], colours)
    _draw_means(axes, [m for m in means if (m.attack, m.criterion) == place], colours)
    if criterion == GAP:
      _draw_gap_alone(axes)
    axes.set_ylim(low - room, high + room)
    axes.set_xlabel(criteria[criterion])
    axes.set_ylabel('AUC')
    percent_axis(axes.xaxis)
    if criterion == next(iter(criteria)):
      axes.set_title(f'{attack} attack')
  add_legend(figure, _handles(paths, colours, gap=GAP in criteria))
  return figure


def _draw_paths(axes: Axes, paths: Sequence[Path], colours: Mapping[str, str]) -> None:
  thin = {'linewidth': 0.9, 'marker': '.', 'markersize': 3, 'alpha': 0.55}
  for path in paths:
    style = _LINES[path.recurrent]
    axes.plot(path.x, path.auc, color=colours[path.network], linestyle=style, **thin)


def _draw_means(axes: Axes, means: Sequence[Mean], colours: Mapping[str, str]) -> None:
  """Draws the means of a level side by side, around a line that marks it."""
  levels = list(dict.fromkeys(mean.level for mean in means))
  low, high = axes.get_xlim()
  networks = len({mean.network for mean in means})
  # Neighbouring levels must not run into each other.
  apart = min([0.016 * (high - low), *(np.diff(sorted(levels)) / (networks + 1))])
  for level in levels:
    axes.axvline(level, color=GREY, linewidth=0.7, linestyle=':', zorder=1)
    there = [mean for mean in means if mean.level == level]
    offsets = apart * (np.arange(len(there)) - (len(there) - 1) / 2)
    for mean, offset in zip(there, offsets, strict=True):
      colour = colours[mean.network]
      x = level + offset
      if not np.isnan(mean.low):
        axes.vlines(x, mean.low, mean.high, color=colour, linewidth=1.8, zorder=4)
      dot = {'marker': 'o', 'markersize': 5, 'markeredgecolor': 'white'}
      axes.plot(x, mean.auc, color=colour, **dot, zorder=5)


def _draw_gap_alone(axes: Axes) -> None:
  """Draws the AUC of an attack that calls members what is classified correctly.

  It has one threshold, so that AUC = 1/2 + (TPR - FPR) / 2, and TPR - FPR is the gap
  (Yeom et al. 2018, arXiv 1709.01604, adversary 1 with the 0-1 loss).
  """
  ends = np.array(axes.get_xlim())
  axes.plot(ends, 0.5 + ends / 2, **_GAP_ALONE, zorder=1.5)
  axes.set_xlim(*ends)


def _handles(
  paths: Sequence[Path], colours: Mapping[str, str], *, gap: bool
) -> list[Line2D]:
  """Returns the legend's entries."""
  recurrent = {path.network: path.recurrent for path in paths}
  handles = [
    Line2D([], [], color=colour, linestyle=_LINES[recurrent[name]], label=name)
    for name, colour in colours.items()
  ]
  if len(set(recurrent.values())) > 1:
    for handle, name in zip(handles, colours, strict=True):
      handle.set_label(f'{name} ({_FAMILIES[recurrent[name]]})')
  dot = {'color': GREY, 'marker': 'o', 'linestyle': '', 'markeredgecolor': 'white'}
  label = 'mean over seeds with its 95% interval'
  handles.append(Line2D([], [], **dot, markersize=6, label=label))
  if gap:
    handles.append(Line2D([], [], **_GAP_ALONE, label='what the gap alone gives away'))
  return handles
