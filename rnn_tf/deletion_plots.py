"""Pictures of an audit of deletions: a record in, matplotlib Figures out, no files.

Look and sizes are those of `plots`. A version has one colour and marker in all of them.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

from rnn_tf.deletion.results import MARGIN, REFERENCE, Histogram
from rnn_tf.deletion_names import (
  METHODS,
  SHOWN_FPR,
  forget_name,
  method_name,
  ordered,
  shown_hit,
)
from rnn_tf.deletion_records import DeletionRecord, ShardAccuracy
from rnn_tf.plot_style import (
  COLOURS,
  GREY,
  SHADES,
  add_legend,
  canvas,
  percent_axis,
  styled,
)

_COLOURS = dict(zip(METHODS, [COLOURS[i] for i in (6, 1, 0, 5, 4, 3, 2)], strict=True))
_MARKERS = dict(zip(METHODS, 'oXsD^Pv', strict=True))
_FORGOTTEN, _UNSEEN = COLOURS[1], COLOURS[0]
_SIDES = {'train': 'training', 'forgotten': 'deleted', 'retained': 'retained'}
_SIDES['test'] = 'test'
_LINE = {'color': GREY, 'linewidth': 1, 'zorder': 0.5}
_BAND = {'color': SHADES[0], 'linewidth': 0, 'zorder': 0.1}


def _look(method: str) -> dict[str, Any]:
  return {'color': _COLOURS[method], 'marker': _MARKERS[method], 'linestyle': ''}


def _handles(methods: Iterable[str]) -> list[Line2D]:
  """Returns the legend's entries of versions."""
  return [
    Line2D([], [], **_look(method), markersize=6, label=method_name(method))
    for method in ordered(methods)
  ]


def _ends(value: Any) -> list[list[float]]:
  """Returns what lies below and above a value in its interval, for `errorbar`."""
  return [[max(0.0, value.value - value.low)], [max(0.0, value.high - value.value)]]


def _forgets(record: DeletionRecord) -> list[str]:
  return list(dict.fromkeys(figures.forget for figures in record.findings.pooled))


def _panel_of_each(
  record: DeletionRecord, attacks: Sequence[str], texts: tuple[str, str]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
  """Returns a panel a forget set and attack: rows of sets, columns of attacks.

  Of one attack, the sets stand two in a row.
  """
  keys = [(forget, attack) for forget in _forgets(record) for attack in attacks]
  columns = len(attacks) if len(attacks) > 1 else min(2, len(keys))
  rows = math.ceil(len(keys) / columns)
  figure, panels = canvas(*texts, height=1.9 + 2.4 * rows, columns=columns, rows=rows)
  for axes in panels[len(keys) :]:
    axes.set_axis_off()
  for (forget, attack), axes in zip(keys, panels, strict=False):
    axes.set_title(f'{forget_name(forget)}\n{attack} attack')
    axes.xaxis.set_major_locator(MaxNLocator(4))
  return figure, dict(zip(keys, panels, strict=False))


def _label_outer(panels: Iterable[Axes], x: str, y: str) -> None:
  """Names the axes of the leftmost panels, and of the lowest ones of each column."""
  panels = list(panels)
  columns = panels[0].get_gridspec().ncols
  for index, axes in enumerate(panels):
    if index % columns == 0:
      axes.set_ylabel(y)
    if index + columns >= len(panels):
      axes.set_xlabel(x)


def _share_limits(panels: Iterable[Axes], *, x: bool = True, y: bool = True) -> None:
  """Gives all panels the widest limits that one of them has."""
  panels = list(panels)
  for wanted, get, put in ((x, 'get_xlim', 'set_xlim'), (y, 'get_ylim', 'set_ylim')):
    limits = np.array([getattr(axes, get)() for axes in panels])
    for axes in panels if wanted else ():
      getattr(axes, put)(limits[:, 0].min(), limits[:, 1].max())


@styled
def accuracy_figure(
  record: DeletionRecord, *, title: str, subtitle: str = ''
) -> Figure:
  """Draws accuracies of all versions with 95% intervals, a panel a forget set.

  Args:
    record: with at least one version.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  forgets = _forgets(record)
  columns = min(2, len(forgets))
  rows = math.ceil(len(forgets) / columns)
  height = 1.9 + 2.5 * rows
  figure, panels = canvas(title, subtitle, height=height, columns=columns, rows=rows)
  methods = ordered(figures.method for figures in record.findings.pooled)
  for figures in record.findings.pooled:
    axes = panels[forgets.index(figures.forget)]
    offset = 0.76 * ((methods.index(figures.method) + 0.5) / len(methods) - 0.5)
    for at, side in enumerate(_SIDES):
      rate = getattr(figures, side)
      axes.errorbar(
        at + offset, rate.value, yerr=_ends(rate), **_look(figures.method), markersize=5
      )
  for forget, axes in zip(forgets, panels, strict=False):
    axes.set_title(forget_name(forget))
    axes.set_xticks(range(len(_SIDES)), labels=_SIDES.values())
    axes.set_xlim(-0.5, len(_SIDES) - 0.5)
    axes.grid(visible=False, axis='x')
    for at in range(1, len(_SIDES)):
      axes.axvline(at - 0.5, color=SHADES[0], linewidth=1, zorder=0)
    percent_axis(axes.yaxis)
  for axes in panels[len(forgets) :]:
    axes.set_axis_off()
  _share_limits(panels[: len(forgets)], x=False)
  _label_outer(panels[: len(forgets)], 'examples', 'classified correctly')
  add_legend(figure, _handles(methods))
  return figure


@styled
def attacks_figure(record: DeletionRecord, *, title: str, subtitle: str = '') -> Figure:
  """Draws AUC and TPR on the deleted examples, a row of panels a forget set.

  Around the full retrain's AUC lies a band of the margin, for each attack its own.

  Args:
    record: with at least one version and attack.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  forgets, attacks = _forgets(record), list(record.attacks)
  methods = ordered(figures.method for figures in record.findings.pooled)
  each = len(attacks) * (0.14 * len(methods) + 0.16) + 0.75
  height = 1.9 + each * len(forgets)
  figure, panels = canvas(title, subtitle, height=height, rows=len(forgets))
  for figures in record.findings.pooled:
    row = forgets.index(figures.forget)
    offset = 0.8 * ((methods.index(figures.method) + 0.5) / len(methods) - 0.5)
    for found in figures.attacks:
      at = attacks.index(found.attack)
      values = [(panels[2 * row], found.forgotten)]
      hit = shown_hit(found)
      if hit is not None:
        values.append((panels[2 * row + 1], hit.tpr))
      for axes, value in values:
        look = {**_look(figures.method), 'markersize': 5}
        axes.errorbar(value.value, at + offset, xerr=_ends(value), **look)
      if figures.method == REFERENCE:
        corner = (found.forgotten.value - MARGIN, at - 0.46)
        panels[2 * row].add_patch(Rectangle(corner, 2 * MARGIN, 0.92, **_BAND))
  for row, forget in enumerate(forgets):
    left, right = panels[2 * row : 2 * row + 2]
    left.axvline(0.5, **_LINE)
    right.axvline(SHOWN_FPR, **_LINE)
    left.set_title(forget_name(forget))
    for axes in (left, right):
      axes.set_yticks(range(len(attacks)), labels=attacks)
      axes.set_ylim(len(attacks) - 0.5, -0.5)
      axes.grid(visible=False, axis='y')
    percent_axis(right.xaxis)
    right.tick_params(axis='y', left=False, labelleft=False)
  for axes in panels[1::2]:
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))
  _share_limits(panels[::2], y=False)
  _share_limits(panels[1::2], y=False)
  panels[-2].set_xlabel('AUC, deleted against unseen examples')
  panels[-1].set_xlabel(f'deleted examples found at {SHOWN_FPR:.0%} FPR')
  handles = _handles(methods)
  handles.append(Line2D([], [], **_LINE, label='guessing'))
  if REFERENCE in methods:
    handles.append(_band_handle('of the full retrain'))
  add_legend(figure, handles)
  return figure


def _band_handle(where: str) -> Patch:
  return Patch(color=_BAND['color'], label=f'within {MARGIN:g} {where}')


@styled
def scores_figure(
  record: DeletionRecord, attack: str, *, title: str, subtitle: str = ''
) -> Figure:
  """Draws how D_f and H score under each version, a column of panels a forget set.

  Args:
    record: with at least one histogram of the attack.
    attack: whose scores.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  found = [each for each in record.findings.histograms if each.attack == attack]
  forgets = list(dict.fromkeys(each.forget for each in found))
  methods = ordered(each.method for each in found)
  columns, rows = len(forgets), len(methods)
  height = 2.0 + 0.95 * rows
  figure, panels = canvas(title, subtitle, height=height, columns=columns, rows=rows)
  for axes in panels:
    axes.set(xticks=[], yticks=[])
  for each in found:
    row, column = methods.index(each.method), forgets.index(each.forget)
    axes = panels[columns * row + column]
    _draw_histogram(axes, each)
    axes.tick_params(axis='x', labelbottom=row == rows - 1, labelsize=8.5)
  for forget, axes in zip(forgets, panels, strict=False):
    axes.set_title('\n'.join(textwrap.wrap(forget_name(forget), 16)))
  for method, axes in zip(methods, panels[::columns], strict=True):
    name = '\n'.join(textwrap.wrap(method_name(method), 18))
    axes.set_ylabel(name, rotation=0, ha='right', va='center')
  for axes in panels[-columns:]:
    axes.set_xlabel('score')
  handles = [
    Patch(color=_FORGOTTEN, alpha=0.45, label='deleted examples'),
    Patch(color=_UNSEEN, alpha=0.45, label='unseen examples'),
  ]
  add_legend(figure, handles)
  return figure


def _draw_histogram(axes: Axes, each: Histogram) -> None:
  """Draws one panel; its bins are equally wide on paper, whatever they are."""
  edges = np.arange(len(each.edges))
  for shares, colour in ((each.forgotten, _FORGOTTEN), (each.unseen, _UNSEEN)):
    axes.stairs(shares, edges, fill=True, color=colour, alpha=0.45, linewidth=0)
    axes.stairs(shares, edges, color=colour, linewidth=1)
  axes.set_xlim(0, edges[-1])
  axes.set_ylim(bottom=0)
  bins = len(edges) - 1
  places = [round(bins * part) for part in (0.15, 0.5, 0.85)]
  axes.set_xticks(places, labels=[f'{each.edges[place]:.2g}' for place in places])


@styled
def privacy_figure(record: DeletionRecord, *, title: str, subtitle: str = '') -> Figure:
  """Draws each version's AUC of the deleted examples against its test accuracy.

  Small points are single seeds.

  Args:
    record: with at least one version and attack.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, panels = _panel_of_each(record, record.attacks, (title, subtitle))
  single = record.findings.versions if len(record.seeds) > 1 else ()
  for figures in single:
    for found in figures.attacks:
      axes = panels[figures.forget, found.attack]
      look = {**_look(figures.method), 'markersize': 3, 'alpha': 0.4}
      axes.plot(figures.test.value, found.forgotten.value, **look)
  for figures in record.findings.pooled:
    for found in figures.attacks:
      panels[figures.forget, found.attack].errorbar(
        figures.test.value,
        found.forgotten.value,
        xerr=_ends(figures.test),
        yerr=_ends(found.forgotten),
        **_look(figures.method),
        markersize=6,
        elinewidth=1.1,
      )
  for axes in panels.values():
    axes.axhline(0.5, **_LINE)
    percent_axis(axes.xaxis)
  _share_limits(panels.values())
  _label_outer(panels.values(), 'test accuracy', 'AUC, deleted\nagainst unseen')
  handles = _handles(figures.method for figures in record.findings.pooled)
  add_legend(figure, [*handles, Line2D([], [], **_LINE, label='guessing')])
  return figure


@styled
def cost_figure(record: DeletionRecord, *, title: str, subtitle: str = '') -> Figure:
  """Draws what a method costs against how far it is from the full retrain.

  Args:
    record: with at least one verdict.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  verdicts = record.findings.verdicts
  attacks = [name for name in record.attacks if name in {x.attack for x in verdicts}]
  figure, panels = _panel_of_each(record, attacks, (title, subtitle))
  for verdict in verdicts:
    shares = [
      cost.share
      for cost in record.costs
      if (cost.forget, cost.method) == (verdict.forget, verdict.method)
    ]
    # To leave the original as it is takes nothing, and has no entry.
    panels[verdict.forget, verdict.attack].errorbar(
      np.mean(shares) if shares else 0.0,
      verdict.comparison.value,
      yerr=_ends(verdict.comparison),
      **_look(verdict.method),
      markersize=6,
    )
  for axes in panels.values():
    axes.axhline(0, **_LINE)
    axes.axhspan(-MARGIN, MARGIN, **_BAND)
    axes.axvline(1, color=GREY, linewidth=0.8, linestyle=':', zorder=0.5)
    axes.set_xlim(-0.06, max(1.06, axes.get_xlim()[1]))
    percent_axis(axes.xaxis)
  _share_limits(panels.values())
  _label_outer(panels.values(), 'of full retraining', 'AUC less\nthe full retrain')
  handles = _handles(verdict.method for verdict in verdicts)
  full = Line2D([], [], color=GREY, linewidth=0.8, linestyle=':')
  full.set_label('full retraining')
  add_legend(figure, [*handles, full, _band_handle('of it')])
  return figure


@styled
def shards_figure(record: DeletionRecord, *, title: str, subtitle: str = '') -> Figure:
  """Draws test accuracy by the number of shards; the plain original has one.

  Large points are means over the seeds, small ones single seeds with 95% intervals.

  Args:
    record: with at least one sharded original.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  figure, (axes,) = canvas(title, subtitle, height=4.6, columns=1)
  groups: dict[str, list[ShardAccuracy]] = {}
  for each in record.shard_accuracies:
    groups.setdefault(_shards_name(each), []).append(each)
  handles = []
  for index, (name, found) in enumerate(groups.items()):
    look = {
      'color': (COLOURS[6], *COLOURS[:6])[index % 7],
      'marker': 'osD^vPX'[index % 7],
    }
    numbers = sorted({each.num_shards for each in found})
    shift = 1.035 ** (index - len(groups) / 2)
    means = []
    for number in numbers:
      tests = [each.test for each in found if each.num_shards == number]
      for test in tests:
        small = {'markersize': 3, 'alpha': 0.4, 'linestyle': '', 'elinewidth': 1}
        axes.errorbar(number * shift, test.value, yerr=_ends(test), **look, **small)
      means.append(np.mean([test.value for test in tests]))
    axes.plot(np.array(numbers) * shift, means, **look, markersize=7)
    handles.append(Line2D([], [], **look, markersize=7, label=name))
  numbers = sorted({each.num_shards for each in record.shard_accuracies})
  axes.set_xscale('log', base=2)
  axes.xaxis.set_major_locator(FixedLocator(numbers))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_major_formatter(ScalarFormatter())
  axes.set(xlabel='shards', ylabel='test accuracy')
  percent_axis(axes.yaxis)
  add_legend(figure, handles)
  return figure


def _shards_name(each: ShardAccuracy) -> str:
  if each.num_shards == 1:
    return 'plain original'
  how = {'mean': 'mean of logits', 'vote': 'majority vote'}[each.aggregation]
  return how + (f', {each.num_slices} slices' if each.num_slices > 1 else '')
