"""The tables and the picture of what `benchmarks.scaling` measured."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks import scaling_law
from benchmarks.scaling_child import WORKS, Point
from benchmarks.scaling_law import NEEDED, Law
from rnn_tf import plot_style

FULL_GB = 24
"""Memory whose filling is extrapolated to, 10^9 bytes."""

SECONDS_NOISE, MEMORY_NOISE = 0.02, 4e6
"""What seconds and bytes may err by however small they are: a timer's tick, and what
the allocator has kept or given back."""

Found = Mapping[Point, Mapping[str, Any]]
"""Point -> what `scaling_child.measure` returned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
  """Measurements that differ in one size alone.

  Attributes:
    points: in the order of that size.
    sizes: that size of each.
    runs: what was found at each.
  """

  points: tuple[Point, ...]
  sizes: tuple[int, ...]
  runs: tuple[Mapping[str, Any], ...]

  def seconds(self) -> Law | None:
    """Returns the law of the processor seconds."""
    values = [cpu(run) for run in self.runs]
    return scaling_law.fit(self.sizes, values, noise=SECONDS_NOISE)

  def memory(self) -> Law | None:
    """Returns the law of the bytes that the memory grew by."""
    values = [grown(run) for run in self.runs]
    return scaling_law.fit(self.sizes, values, noise=MEMORY_NOISE)

  def each(self) -> float | None:
    """Returns bytes for one more, between the two largest sizes."""
    if len(self.sizes) < 2:
      return None
    (n, first), (m, second) = list(zip(self.sizes, map(grown, self.runs), strict=True))[
      -2:
    ]
    return (second - first) / (m - n)

  def full(self) -> float | None:
    """Returns the size at which `FULL_GB` would be full, by the law of the memory."""
    law = self.memory()
    return law and law.reaches(FULL_GB * 1e9 - self.runs[-1]['baseline'])


def grown(run: Mapping[str, Any]) -> float:
  """Returns the bytes that a measurement took beside the process as it was before."""
  return max(0.0, float(run['peak'] - run['baseline']))


def cpu(run: Mapping[str, Any]) -> float:
  """Returns the processor seconds of a measurement."""
  return float(run['cpu'])


def series(found: Found, name: str) -> list[Series]:
  """Returns measurements that differ in one field of their points, at least two each.

  Args:
    found: all of them.
    name: of the field.
  """
  groups: dict[tuple, list[Point]] = {}
  kinds = list(WORKS)
  for point in sorted(
    found, key=lambda each: (kinds.index(each.what), each.classes, each.models)
  ):
    rest = dataclasses.asdict(point) | {name: None}
    groups.setdefault(tuple(rest.values()), []).append(point)
  made = []
  for points in groups.values():
    points.sort(key=lambda point: getattr(point, name))
    if len(points) > 1:
      made.append(
        Series(
          points=tuple(points),
          sizes=tuple(getattr(point, name) for point in points),
          runs=tuple(found[point] for point in points),
        )
      )
  return made


def markdown(found: Found, *, left_out: Mapping[Point, str], notes: str) -> str:
  """Returns the page: what was measured, the laws, and what was left out.

  Args:
    found: all measurements.
    left_out: point -> why it was not measured.
    notes: a paragraph on the machine.
  """
  parts = ['# Growth', notes, HOW_TO_READ]
  parts += ['## Against examples', _table(_EXAMPLES, _example_rows(found))]
  rows = list(_model_rows(found))
  if rows:
    parts += ['## Against shadow models, or versions', _table(_MODELS, rows)]
  rows = list(_class_rows(found))
  if rows:
    parts += ['## Against classes', _table(_CLASSES, rows)]
  if left_out:
    lines = (f'* {said(point)}: {why}' for point, why in left_out.items())
    parts += ['## Left out', '\n'.join(lines)]
  return '\n\n'.join(parts) + '\n'


HOW_TO_READ = f"""\
Seconds are of the work, without starting the process and importing. Processor seconds
are the main figure, to which exponents are fitted: others may use the machine. Memory
is what the process had at most while it worked. What it *grew* by is that less what it
had before its inputs were made, after imports and a small work of the same kind; for
the size at which {FULL_GB} GB (10^9 bytes) would be full, that is added again.

Exponents are b of a + c x^b, fitted to all sizes by relative least squares, with a 95%
interval where there are {NEEDED} sizes or more. *Flat* is what did not grow to three
times its fixed part, or its least value: of that these sizes do not tell an exponent.
Sizes marked ~ are extrapolated by the law beyond the largest one measured, and the less
certain the further away."""

_EXAMPLES = (
  *('', 'classes', 'models', 'examples', 'processor s', 'wall s', 'peak GB'),
  *('exponent of seconds', 'of memory', 'bytes an example', f'{FULL_GB} GB full at'),
)

_MODELS = (
  *('', 'examples', 'classes', 'models', 'processor s', 'grown MB', 'all logits MB'),
  *('exponent of seconds', 'of memory', 'bytes a model', f'{FULL_GB} GB full at'),
)

_CLASSES = (
  *('', 'examples', 'models', 'classes', 'processor s', 'ratio', 'grown MB', 'ratio'),
  'bytes a class',
)


def _example_rows(found: Found) -> Iterable[Sequence[str]]:
  for each in series(found, 'examples'):
    point, run = each.points[-1], each.runs[-1]
    yield (
      *(point.what, f'{point.classes}', f'{point.models}'),
      f'{each.sizes[0]:,} to {each.sizes[-1]:,}',
      *(f'{run["cpu"]:.2f}', f'{run["wall"]:.2f}', f'{run["peak"] / 1e9:.2f}'),
      *(exponent(law) for law in (each.seconds(), each.memory())),
      _number(each.each()),
      _full(each),
    )


def _model_rows(found: Found) -> Iterable[Sequence[str]]:
  """Yields a row for the most examples of each kind and number of classes."""
  largest: dict[tuple, Series] = {}
  for each in series(found, 'models'):
    point = each.points[-1]
    key = (point.what, point.classes, point.cores)
    if key not in largest or largest[key].points[-1].examples < point.examples:
      largest[key] = each
  for each in largest.values():
    point, run = each.points[-1], each.runs[-1]
    logits = point.examples * point.classes * point.models * 4 / 1e6
    yield (
      *(point.what, f'{point.examples:,}', f'{point.classes}'),
      f'{each.sizes[0]} to {each.sizes[-1]}',
      *(f'{run["cpu"]:.2f}', f'{grown(run) / 1e6:,.0f}', f'{logits:,.0f}'),
      *(exponent(law) for law in (each.seconds(), each.memory())),
      _number(each.each()),
      _full(each),
    )


def _class_rows(found: Found) -> Iterable[Sequence[str]]:
  """Yields a row for the most examples of each kind and number of models."""
  largest: dict[tuple, Series] = {}
  for each in series(found, 'classes'):
    point = each.points[-1]
    key = (point.what, point.models, point.cores)
    if key not in largest or largest[key].points[-1].examples < point.examples:
      largest[key] = each
  for each in largest.values():
    point, ends = each.points[-1], (each.runs[0], each.runs[-1])
    seconds, memory = ([of(run) for run in ends] for of in (cpu, grown))
    yield (
      *(point.what, f'{point.examples:,}', f'{point.models}'),
      f'{each.sizes[0]}, {each.sizes[-1]}',
      *(f'{seconds[0]:.2f}, {seconds[1]:.2f}', _ratio(seconds)),
      *(f'{memory[0] / 1e6:,.0f}, {memory[1] / 1e6:,.0f}', _ratio(memory)),
      _number(each.each()),
    )


def exponent(law: Law | None) -> str:
  """Returns an exponent with its interval, or why there is none."""
  if law is None:
    return '-'
  if not law.told:
    return 'flat'
  ends = '' if law.interval is None else ' [{:.2f}, {:.2f}]'.format(*law.interval)
  return f'{law.exponent:.2f}{ends}'


def _full(each: Series) -> str:
  law, size = each.memory(), each.full()
  if law is None or not law.told or size is None:
    return '-'
  return f'{"~" if size > each.sizes[-1] else ""}{float(f"{size:.2g}"):,.0f}'


def _ratio(ends: Sequence[float]) -> str:
  return f'{ends[1] / ends[0]:.2f}' if ends[0] else '-'


def _number(value: float | None) -> str:
  return '-' if value is None else f'{value:,.0f}'


def said(point: Point) -> str:
  """Returns a point in words."""
  models = f', {point.models} models' if point.models > 1 else ''
  return f'{point.what}, {point.examples:,} examples, {point.classes} classes{models}'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  lines = [heads, ['---'] * len(heads), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


@plot_style.styled
def picture(found: Found) -> Figure:
  """Returns seconds and memory against examples, with the most models of each kind."""
  figure, panels = plot_style.canvas(
    'Growth with the number of examples',
    'solid: the fewest classes, dashed: more; in brackets shadow models or versions',
    height=4.2,
  )
  lines = _lines(found)
  kinds = list(dict.fromkeys(each.points[0].what for each, _ in lines))
  for each, dashed in lines:
    point = each.points[0]
    label = f'{point.what}{f" ({point.models})" if point.models > 1 else ""}'
    style = {
      'color': plot_style.COLOURS[kinds.index(point.what)],
      'linestyle': '--' if dashed else '-',
      'marker': 'o',
      'label': None if dashed else label,
    }
    panels[0].plot(each.sizes, [cpu(run) for run in each.runs], **style)
    panels[1].plot(each.sizes, [max(1e5, grown(r)) / 1e9 for r in each.runs], **style)
  for axes, title in zip(
    panels, ('Processor seconds', 'Memory grown, GB'), strict=True
  ):
    axes.set(xscale='log', yscale='log', title=title, xlabel='examples')
  handles, _ = panels[0].get_legend_handles_labels()
  if handles:
    plot_style.add_legend(figure, handles)
  return figure


def _lines(found: Found) -> list[tuple[Series, bool]]:
  """Returns what is drawn, and whether it is dashed."""
  kinds: dict[str, list[Series]] = {}
  for each in series(found, 'examples'):
    kinds.setdefault(each.points[0].what, []).append(each)
  lines = []
  for group in kinds.values():
    most = max(each.points[0].models for each in group)
    chosen = [each for each in group if each.points[0].models == most]
    fewest = min(each.points[0].classes for each in chosen)
    lines += [(each, each.points[0].classes > fewest) for each in chosen]
  return lines
