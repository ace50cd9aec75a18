"""How the project's pictures look: canvas, colours, legends, PNG bytes.

Colours are Okabe and Ito's, which colour-blind readers tell apart; attacks
differ in line style and marker as well. The user's matplotlib settings and
pyplot's state play no part.
"""

import functools
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import scipy.stats
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

DPI = 150

COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
GREY = '#6b6b6b'
SHADES = ('#e8e8e8', '#d6d6d6', '#c4c4c4')
STAR = {'marker': '*', 'markersize': 11, 'linestyle': ''}
# The default attacks come first, with the two most distant looks. An attack keeps
# its look from picture to picture; one that is not listed takes a look that is free.
_ATTACKS = (
  *('threshold', 'lr', 'entropy', 'mlp', 'rf', 'knn'),
  *('shadow', 'lira', 'lira_offline', 'rmia', 'rmia_offline'),
)
# The last four are as far from each other and from the others as those are, to
# readers with protanopia and deuteranopia as well.
_ATTACK_COLOURS = (*COLOURS, '#8A2BE2', '#332288', '#A0522D', '#004D40')
_LINES = (
  *('-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2))),
  *((0, (3, 1)), (0, (12, 1)), (0, (2, 1)), (0, (9, 1, 3, 1)), (0, (1, 1, 4, 2))),
)
_MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '*', '<', 'p', '>')
_STYLE = {
  'axes.axisbelow': True,
  'axes.edgecolor': GREY,
  'axes.grid': True,
  'axes.spines.right': False,
  'axes.spines.top': False,
  'axes.titlelocation': 'left',
  'axes.titlesize': 10.5,
  'axes.titleweight': 'bold',
  'font.size': 9.5,
  'grid.color': '#ececec',
  'legend.frameon': False,
  'lines.linewidth': 1.6,
  'lines.markersize': 4,
}


def styled(function: Callable[..., Any]) -> Callable[..., Any]:
  """Makes `function` draw in the project's style, whatever the user's matplotlibrc."""

  @functools.wraps(function)
  def wrapper(*args, **kwargs):
    with matplotlib.style.context(['default', _STYLE]):
      return function(*args, **kwargs)

  return wrapper


@styled
def to_png(figure: Figure) -> bytes:
  """Returns the figure as PNG, equal bytes for equal figures (no date, no version)."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=DPI, metadata={'Software': None})
  return buffer.getvalue()


def canvas(
  title: str, subtitle: str, *, height: float, columns: int = 2, rows: int = 1
) -> tuple[Figure, Sequence[Axes]]:
  """Returns a figure 8 inches wide with its title, and its panels side by side.

  Args:
    title: first line, bold.
    subtitle: lines below it, smaller.
    height: inches.
    columns: panels side by side.
    rows: of panels, returned one after the other.
  """
  figure = Figure(figsize=(8, height), layout='constrained')
  figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06, wspace=0.04)
  panels = figure.subplots(rows, columns, squeeze=False).ravel()
  # A text of as many empty lines makes the layout leave room for the subtitle,
  # which needs another size and weight than the title.
  lines = len(subtitle.splitlines())
  figure.suptitle(
    title + '\n' * lines, x=0.012, ha='left', fontsize=12.5, fontweight='bold'
  )
  if subtitle:
    figure.text(
      0.012, 1 - 0.30 / height, subtitle, ha='left', va='top', color='#444444'
    )
  return figure, panels


def epoch_axis(axes: Axes, note: str = '') -> None:
  """Counts epochs along the x axis, with a note below."""
  axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
  low, high = axes.get_xlim()
  if high - low < 1:  # One epoch alone: no fractions around it.
    middle = round((low + high) / 2)
    axes.set_xlim(middle - 1, middle + 1)
  axes.set_xlabel(f'epoch\n({note})' if note else 'epoch')


def percent_axis(axis: Axis) -> None:
  """Shows shares as `70%` or `0.1%`."""
  axis.set_major_formatter(FuncFormatter(lambda value, _: f'{100 * value:.6g}%'))


def shade_guessing(
  auc: Axes, advantage: Axes, half_widths: Mapping[str, float]
) -> list[Patch]:
  """Shades where 95% of attacks that only guess end; returns the legend's entries.

  The advantage is the two-sample Kolmogorov-Smirnov statistic; the 95% point of
  a guess is 1.358 sqrt(1/m + 1/n), and 1/m + 1/n is 12 times the AUC's variance.

  Args:
    auc: panel of the AUC.
    advantage: panel of the advantage.
    half_widths: attack -> half the width of its AUC's interval around 0.5.
  """
  handles = []
  auc.axhline(0.5, color=GREY, linewidth=1)
  for half, style in guessing_shades(half_widths):
    auc.axhspan(0.5 - half, 0.5 + half, linewidth=0, **style)
    deviation = half / scipy.stats.norm.ppf(0.975)
    limit = scipy.stats.kstwobign.ppf(0.95) * np.sqrt(12) * deviation
    advantage.axhspan(0, limit, linewidth=0, **style)
    handles.append(Patch(color=style['color'], label=style['label']))
  return handles


def guessing_shades(
  half_widths: Mapping[str, Any],
) -> list[tuple[Any, dict[str, Any]]]:
  """Returns each different width with its shade and label, the widest first.

  Args:
    half_widths: attack -> half a width, or an array of them.
  """
  groups: dict[bytes, list[str]] = {}
  for attack, half in half_widths.items():
    groups.setdefault(np.round(half, 4).tobytes(), []).append(attack)
  names = sorted(groups.values(), key=lambda x: -np.nanmax(half_widths[x[0]]))
  shades = []
  for index, attacks in enumerate(names):
    label = 'where 95% of guesses end'
    if len(names) > 1:
      label += f' ({", ".join(attacks)})'
    colour = SHADES[min(index, len(SHADES) - 1)]
    style = {'color': colour, 'label': label, 'zorder': 0.1 * index}
    shades.append((half_widths[attacks[0]], style))
  return shades


def value_range(values: Sequence[int]) -> str:
  """Returns `10,000`, or `5,000 to 10,000` where the values differ."""
  low, high = min(values), max(values)
  return f'{low:,}' if low == high else f'{low:,} to {high:,}'


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
  """Writes each path's last epoch beside its end, once where ends coincide."""
  (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
  taken: list[tuple[float, float]] = []
  for x, y, text, colour in ends:
    at = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
    if any(abs(at[0] - u) < 0.08 and abs(at[1] - v) < 0.05 for u, v in taken):
      continue
    taken.append(at)
    axes.annotate(
      text,
      (x, y),
      xytext=(7, 0),
      textcoords='offset points',
      va='center',
      color=colour,
      fontweight='bold',
      zorder=6,
    )


def add_legend(figure: Figure, handles: Sequence[Any]) -> None:
  """Puts the legend under the panels, in as many columns as have room."""
  longest = max(len(handle.get_label()) for handle in handles)
  columns = int(np.clip(100 // (longest + 8), 1, len(handles)))
  figure.legend(handles=list(handles), loc='outside lower center', ncols=columns)


def draw_image(axes: Axes, image: np.ndarray) -> None:
  """Draws an image, (height, width, channels) float in [0, 1], without axes."""
  if image.shape[-1] not in (3, 4):
    image = image.mean(axis=-1)
  axes.imshow(image, cmap='gray', vmin=0, vmax=1, interpolation='nearest')
  axes.set(xticks=[], yticks=[])
  axes.grid(visible=False)


def run_colours(runs: Sequence[str]) -> dict[str, str]:
  """Returns each run's colour; of more than seven runs, along a dark-to-light map."""
  names = list(dict.fromkeys(runs))
  colours = COLOURS
  if len(names) > len(COLOURS):
    steps = matplotlib.colormaps['viridis'](np.linspace(0, 0.92, len(names)))
    colours = [matplotlib.colors.to_hex(step) for step in steps]
  return dict(zip(names, colours, strict=False))


def run_handles(runs: Sequence[str]) -> list[Line2D]:
  """Returns legend entries that say which colour is which run."""
  return [
    Line2D([], [], color=colour, linewidth=4, label=run)
    for run, colour in run_colours(runs).items()
  ]


class Looks:
  """The look of each run's and attack's line.

  With one run, colour, line style and marker say the attack. With several, the
  colour says the run, line style and marker the attack.
  """

  def __init__(self, runs: Sequence[str], attacks: Sequence[str]):
    self._colours = run_colours(runs)
    self._alone = len(self._colours) == 1
    order = list(dict.fromkeys([*_ATTACKS, *attacks]))
    self._attacks = [name for name in order if name in attacks]
    free = [i for i, name in enumerate(_ATTACKS) if name not in attacks]
    others = [name for name in order if name not in _ATTACKS]
    self._indices = {name: i for i, name in enumerate(_ATTACKS)} | dict(
      zip(others, itertools.cycle(free or range(len(_ATTACKS))), strict=False)
    )

  def __call__(self, run: str, attack: str) -> dict[str, Any]:
    """Returns colour, line style and marker, as `Axes.plot` takes them."""
    index = self._indices[attack]
    return {
      'color': _ATTACK_COLOURS[index] if self._alone else self._colours[run],
      'linestyle': _LINES[index],
      'marker': _MARKERS[index],
    }

  def handles(self, *, lines: bool = True, markers: bool = True) -> list[Line2D]:
    """Returns the legend's entries, without lines or without markers if so asked."""
    entries = [] if self._alone else run_handles(list(self._colours))
    for attack in self._attacks:
      look = (
        self('', attack) if self._alone else self(next(iter(self._colours)), attack)
      )
      if not self._alone:
        look['color'] = GREY
      if not lines:
        look['linestyle'] = ''
      if not markers:
        look['marker'] = None
      entries.append(Line2D([], [], label=f'{attack} attack', **look))
    return entries
