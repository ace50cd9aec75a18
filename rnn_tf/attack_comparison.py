"""Attacks on several runs side by side, as a picture."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from rnn_tf.attack_names import named_results
from rnn_tf.attack_plots import rate_point
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import AttackResult
from rnn_tf.plot_style import (
  GREY,
  SHADES,
  add_legend,
  canvas,
  percent_axis,
  run_colours,
  styled,
)

_GUESSING = {'color': GREY, 'linewidth': 1}


@styled
def comparison_figure(
  records: Sequence[AttackRecord], *, title: str, subtitle: str = ''
) -> Figure:
  """Draws each attack's AUC and TPR at 1% and 0.1% FPR, a row an attack, by run.

  Args:
    records: attacks on the runs, with at least one that was not skipped.
    title: first line over the picture.
    subtitle: second line, smaller.
  """
  found = named_results(records)
  # The variants of an attack stand together.
  order = list(dict.fromkeys(result.attack for _, _, result in found))
  found.sort(key=lambda each: order.index(each[2].attack))
  names = list(dict.fromkeys(name for name, _, _ in found))
  colours = run_colours([record.run for record in records])
  height = 1.9 + 0.2 * len(colours) + len(names) * max(0.42, 0.2 * len(colours))
  figure, panels = canvas(title, subtitle, height=height, columns=3)
  for name, record, result in found:
    place = list(colours).index(record.run)
    offset = 0.7 * ((place + 0.5) / len(colours) - 0.5)
    _draw_row(panels, names.index(name) + offset, result, colours[record.run])
  widest = max(result.auc_null_half_width for _, _, result in found)
  panels[0].axvspan(0.5 - widest, 0.5 + widest, color=SHADES[0], linewidth=0, zorder=0)
  panels[0].axvline(0.5, **_GUESSING)
  panels[0].set(title='AUC', xlabel='AUC')
  for axes, rate in zip(panels[1:], metrics.TARGET_FPRS, strict=True):
    axes.axvline(rate, **_GUESSING)
    axes.set(title=f'TPR at {100 * rate:g}% FPR', xlabel='members found', xscale='log')
    low = axes.get_xlim()[0]
    axes.set_xlim(min(low, rate / 2), 1)
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    percent_axis(axes.xaxis)
  for axes in panels:
    axes.set_yticks(range(len(names)), labels=[_folded(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis='y')
    axes.tick_params(axis='y', left=False, labelleft=axes is panels[0])
  handles = [
    Line2D([], [], color=colours[run], marker='o', linestyle='', label=text)
    for run, text in _run_texts(records).items()
  ]
  handles.append(Line2D([], [], **_GUESSING, label='guessing'))
  handles.append(Patch(color=SHADES[0], label='where 95% of guesses end'))
  add_legend(figure, handles)
  return figure


def _draw_row(
  panels: Sequence[Axes], at: float, result: AttackResult, colour: str
) -> None:
  """Draws one result's dots and 95% intervals at a height, in all panels."""
  points = [rate_point(result.tpr_at_fpr, rate) for rate in metrics.TARGET_FPRS]
  values = [(result.auc, result.auc_low, result.auc_high)]
  values += [(point.tpr, point.tpr_low, point.tpr_high) for point in points]
  # A logarithmic axis has no 0: what found nobody is hollow, at less than one member.
  edge = 0.5 / result.n_members
  for axes, (value, low, high) in zip(panels, values, strict=True):
    axes.hlines(at, max(low, edge), high, color=colour, linewidth=1.6)
    face = colour if value > 0 else 'white'
    dot = {'marker': 'o', 'markersize': 5, 'markerfacecolor': face}
    axes.plot(max(value, edge), at, color=colour, **dot)


def _folded(name: str) -> str:
  return '\n'.join(textwrap.wrap(name, 24))


def _run_texts(records: Sequence[AttackRecord]) -> dict[str, str]:
  """Returns run -> its name and its accuracies, for the legend."""
  return {
    record.run: (
      f'{record.run}: {record.target.train_accuracy:.1%} of training, '
      f'{record.target.test_accuracy:.1%} of test images right'
    )
    for record in records
  }
