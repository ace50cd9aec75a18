"""Pictures of an audit of deletions: a record in, matplotlib Figures out, no files.

Look and sizes are those of `plots`. Each version keeps its look; intervals are at 95%.
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
  seeds_text,
  sharding_name,
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
_SIDES = ('train', 'forgotten', 'retained', 'test')
_SIDE_NAMES = ('training', 'deleted', 'retained', 'test')
_LINE = {'color': GREY, 'linewidth': 1, 'zorder': 1}
_WITHIN = f"within {MARGIN:g} of the full retrain's AUC"
_BAND = {'color': SHADES[0], 'linewidth': 0, 'zorder': 0.1}


def _titles(record: DeletionRecord, what: str = '') -> tuple[str, str]:
  size = f'{record.train_size:,} training examples'
  below = f'from {record.run}, {size}, {seeds_text(record.seeds)}{what}'
  title = f'{record.dataset} · {record.model} · deletions'
  return title, '\n'.join(textwrap.wrap(below, 100))


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


def _there(record: DeletionRecord) -> tuple[list[str], list[str]]:
  """Returns the labels of forget sets, and the methods, that there are versions of."""
  pooled = record.findings.pooled
  forgets = dict.fromkeys(figures.forget for figures in pooled)
  return list(forgets), ordered(figures.method for figures in pooled)


def _grid(
  record: DeletionRecord, names: Sequence[str], columns: int
) -> tuple[Figure, Sequence[Axes]]:
  """Returns a figure, and a panel of each name; places that are left are empty."""
  rows = math.ceil(len(names) / columns)
  height = 1.9 + 2.4 * rows
  figure, panels = canvas(*_titles(record), height=height, columns=columns, rows=rows)
  for axes in panels[len(names) :]:
    axes.set_axis_off()
  for name, axes in zip(names, panels, strict=False):
    axes.set_title(name)
  return figure, panels[: len(names)]


def _panel_of_each(
  record: DeletionRecord, attacks: Sequence[str]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
  """Returns a panel a forget set and attack: rows of sets, columns of attacks.

  Of one attack, the sets stand two in a row.
  """
  keys = [(forget, attack) for forget in _there(record)[0] for attack in attacks]
  # The set is named in a row's first panel alone: three names have no room.
  names = [
    f'{forget_name(forget) if attack == attacks[0] else ""}\n{attack} attack'
    for forget, attack in keys
  ]
  columns = len(attacks) if len(attacks) > 1 else min(2, len(keys))
  figure, panels = _grid(record, names, columns)
  for axes in panels:
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    percent_axis(axes.xaxis)
  return figure, dict(zip(keys, panels, strict=True))


def _share_axes(panels: Iterable[Axes], x: str, y: str, *, columns: int = 0) -> None:
  """Gives all panels the same limits, and names and numbers to the outer ones alone."""
  panels = list(panels)
  columns = columns or panels[0].get_gridspec().ncols
  for get, put in (('get_xlim', 'set_xlim'), ('get_ylim', 'set_ylim')):
    limits = np.array([getattr(axes, get)() for axes in panels])
    for axes in panels:
      getattr(axes, put)(limits[:, 0].min(), limits[:, 1].max())
  for index, axes in enumerate(panels):
    left, lowest = index % columns == 0, index + columns >= len(panels)
    axes.set(xlabel=x if lowest else '', ylabel=y if left else '')
    axes.tick_params(labelleft=left, labelbottom=lowest)


@styled
def accuracy_figure(record: DeletionRecord) -> Figure:
  """Draws accuracies of all versions, a panel a forget set.

  Args:
    record: with at least one version.
  """
  forgets, methods = _there(record)
  names = [forget_name(forget) for forget in forgets]
  figure, panels = _grid(record, names, min(2, len(forgets)))
  for figures in record.findings.pooled:
    axes = panels[forgets.index(figures.forget)]
    offset = 0.76 * ((methods.index(figures.method) + 0.5) / len(methods) - 0.5)
    for at, side in enumerate(_SIDES):
      rate = getattr(figures, side)
      look = {**_look(figures.method), 'markersize': 5}
      axes.errorbar(at + offset, rate.value, yerr=_ends(rate), **look)
  for axes in panels:
    axes.set_xticks(range(len(_SIDES)), labels=_SIDE_NAMES)
    axes.set_xlim(-0.5, len(_SIDES) - 0.5)
    axes.grid(visible=False, axis='x')
    for at in range(1, len(_SIDES)):
      axes.axvline(at - 0.5, color=SHADES[0], linewidth=1, zorder=0)
    percent_axis(axes.yaxis)
  _share_axes(panels, 'examples', 'classified correctly')
  add_legend(figure, _handles(methods))
  return figure


@styled
def attacks_figure(record: DeletionRecord) -> Figure:
  """Draws AUC and TPR on the deleted examples, a row of panels a forget set.

  Around the full retrain's AUC lies a band of the margin, for each attack its own.

  Args:
    record: with at least one version and attack.
  """
  forgets, methods = _there(record)
  each = len(record.attacks) * (0.13 * len(methods) + 0.16) + 0.5
  height = 2.2 + each * len(forgets)
  figure, panels = canvas(*_titles(record), height=height, rows=len(forgets))
  for figures in record.findings.pooled:
    left, right = panels[2 * forgets.index(figures.forget) :][:2]
    offset = 0.8 * ((methods.index(figures.method) + 0.5) / len(methods) - 0.5)
    look = {**_look(figures.method), 'markersize': 5}
    for found in figures.attacks:
      at, auc, hit = (
        record.attacks.index(found.attack),
        found.forgotten,
        shown_hit(found),
      )
      left.errorbar(auc.value, at + offset, xerr=_ends(auc), **look)
      if hit is not None:
        right.errorbar(hit.tpr.value, at + offset, xerr=_ends(hit.tpr), **look)
      if figures.method == REFERENCE:
        corner = (auc.value - MARGIN, at - 0.46)
        left.add_patch(Rectangle(corner, 2 * MARGIN, 0.92, **_BAND))
  for forget, left, right in zip(forgets, panels[::2], panels[1::2], strict=True):
    left.axvline(0.5, **_LINE)
    right.axvline(SHOWN_FPR, **_LINE)
    left.set_title(forget_name(forget))
    percent_axis(right.xaxis)
    right.set_xlim(left=min(0, right.get_xlim()[0]))
  _share_axes(panels[::2], 'AUC, deleted against unseen examples', '', columns=1)
  found_at = f'deleted examples found at {SHOWN_FPR:.0%} FPR'
  _share_axes(panels[1::2], found_at, '', columns=1)
  for index, axes in enumerate(panels):
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_yticks(range(len(record.attacks)), labels=record.attacks)
    axes.set_ylim(len(record.attacks) - 0.5, -0.5)
    axes.grid(visible=False, axis='y')
    axes.tick_params(axis='y', left=False, labelleft=index % 2 == 0)
  handles = [*_handles(methods), Line2D([], [], **_LINE, label='guessing')]
  if REFERENCE in methods:
    handles.append(Patch(color=_BAND['color'], label=_WITHIN))
  add_legend(figure, handles)
  return figure


@styled
def scores_figure(record: DeletionRecord, attack: str) -> Figure:
  """Draws how D_f and H score under each version, a column of panels a forget set.

  Args:
    record: with at least one histogram of the attack.
    attack: whose scores.
  """
  found = [each for each in record.findings.histograms if each.attack == attack]
  forgets = list(dict.fromkeys(each.forget for each in found))
  methods = ordered(each.method for each in found)
  columns, rows = len(forgets), len(methods)
  shape = {'height': 2 + 0.95 * rows, 'columns': columns, 'rows': rows}
  figure, panels = canvas(*_titles(record, f'; {attack} attack'), **shape)
  for axes in panels:
    axes.set(xticks=[], yticks=[])
  for each in found:
    row, column = methods.index(each.method), forgets.index(each.forget)
    _draw_histogram(panels[columns * row + column], each, numbers=row == rows - 1)
  for forget, axes in zip(forgets, panels, strict=False):
    axes.set_title('\n'.join(textwrap.wrap(forget_name(forget), 64 // columns)))
  for method, axes in zip(methods, panels[::columns], strict=True):
    name = '\n'.join(textwrap.wrap(method_name(method), 18))
    axes.set_ylabel(name, rotation=0, ha='right', va='center')
  # It rises with the score, which itself is all but 0 for most.
  shown = 'log-odds of the class' if attack == 'threshold' else 'score'
  for axes in panels[-columns:]:
    axes.set_xlabel(shown)
  sides = {'deleted examples': _FORGOTTEN, 'unseen examples': _UNSEEN}
  add_legend(figure, [Patch(color=c, alpha=0.45, label=x) for x, c in sides.items()])
  return figure


def _draw_histogram(axes: Axes, each: Histogram, *, numbers: bool) -> None:
  for shares, colour in ((each.forgotten, _FORGOTTEN), (each.unseen, _UNSEEN)):
    axes.stairs(shares, each.edges, fill=True, color=colour, alpha=0.45, linewidth=0)
    axes.stairs(shares, each.edges, color=colour, linewidth=1)
  axes.set_xlim(each.edges[0], each.edges[-1])
  axes.set_ylim(bottom=0)
  axes.xaxis.set_major_locator(MaxNLocator(3))
  axes.tick_params(axis='x', labelbottom=numbers)


@styled
def privacy_figure(record: DeletionRecord) -> Figure:
  """Draws each version's AUC of the deleted examples against its test accuracy.

  Small points are single seeds.

  Args:
    record: with at least one version and attack.
  """
  made = {found.attack for x in record.findings.pooled for found in x.attacks}
  figure, panels = _panel_of_each(record, [x for x in record.attacks if x in made])
  for figures in record.findings.versions if len(record.seeds) > 1 else ():
    for found in figures.attacks:
      look = {**_look(figures.method), 'markersize': 3.5, 'alpha': 0.45}
      at = figures.test.value, found.forgotten.value
      panels[figures.forget, found.attack].plot(*at, **look)
  for figures in record.findings.pooled:
    # What is left as it was lies under the original: large enough to be seen there.
    under = figures.method == 'none'
    size = {'markersize': 10 if under else 6, 'zorder': 2.1 if under else 2.5}
    for found in figures.attacks:
      x, y = figures.test, found.forgotten
      bars = {'xerr': _ends(x), 'yerr': _ends(y), 'elinewidth': 1.1}
      look = {**_look(figures.method), **size, **bars}
      panels[figures.forget, found.attack].errorbar(x.value, y.value, **look)
  for axes in panels.values():
    axes.axhline(0.5, **_LINE)
  _share_axes(panels.values(), 'test accuracy', 'AUC, deleted\nagainst unseen')
  handles = [*_handles(_there(record)[1]), Line2D([], [], **_LINE, label='guessing')]
  add_legend(figure, handles)
  return figure


@styled
def cost_figure(record: DeletionRecord) -> Figure:
  """Draws what a method costs against how far it is from the full retrain.

  Args:
    record: with at least one verdict on a method.
  """
  verdicts = [x for x in record.findings.verdicts if x.method in record.methods]
  attacks = [name for name in record.attacks if name in {x.attack for x in verdicts}]
  figure, panels = _panel_of_each(record, attacks)
  for verdict in verdicts:
    key = verdict.forget, verdict.method
    shares = [x.share for x in record.costs if (x.forget, x.method) == key]
    # To leave the original as it is takes nothing, and need not have an entry.
    x, y = np.mean(shares) if shares else 0.0, verdict.comparison
    look = {**_look(verdict.method), 'markersize': 6}
    panels[verdict.forget, verdict.attack].errorbar(x, y.value, yerr=_ends(y), **look)
  full = {'color': GREY, 'linewidth': 0.9, 'linestyle': ':'}
  for axes in panels.values():
    axes.axhline(0, **_LINE)
    axes.axhspan(-MARGIN, MARGIN, **_BAND)
    axes.axvline(1, **full, zorder=1)
    axes.set_xlim(-0.06, max(1.06, axes.get_xlim()[1]))
  _share_axes(panels.values(), 'of full retraining', 'AUC less\nthe full retrain')
  price = Line2D([], [], **full, label='cost of full retraining')
  handles = [*_handles(verdict.method for verdict in verdicts), price]
  add_legend(figure, [*handles, Patch(color=_BAND['color'], label=_WITHIN)])
  return figure


@styled
def shards_figure(record: DeletionRecord) -> Figure:
  """Draws test accuracy by the number of shards; the plain original has one.

  Large points are means over the seeds, small ones single seeds with their intervals.

  Args:
    record: with at least one sharded original.
  """
  figure, (axes,) = canvas(*_titles(record), height=4.6, columns=1)
  groups: dict[str, list[ShardAccuracy]] = {}
  for each in sorted(record.shard_accuracies, key=lambda each: each.num_shards > 1):
    groups.setdefault(sharding_name(each), []).append(each)
  handles, numbers = [], sorted({x.num_shards for x in record.shard_accuracies})
  for index, (name, found) in enumerate(groups.items()):
    look = {**_look(list(METHODS)[index % len(METHODS)]), 'linestyle': '-'}
    shift = 1.04 ** (index - len(groups) / 2) if found[0].num_shards > 1 else 1
    there = sorted({each.num_shards for each in found})
    means = []
    for number in there:
      tests = [each.test for each in found if each.num_shards == number]
      small = {**look, 'linestyle': '', 'markersize': 3.5, 'alpha': 0.45}
      for test in tests:
        axes.errorbar(number * shift, test.value, yerr=_ends(test), **small)
      means.append(np.mean([test.value for test in tests]))
    axes.plot(np.array(there) * shift, means, **look, markersize=7)
    handles.append(Line2D([], [], **look, markersize=7, label=name))
  axes.set_xscale('log', base=2)
  axes.xaxis.set_major_locator(FixedLocator(numbers))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_major_formatter(ScalarFormatter())
  axes.set(xlabel='shards', ylabel='test accuracy')
  percent_axis(axes.yaxis)
  add_legend(figure, handles)
  return figure
