"""A canvas for block diagrams: boxes, arrows that end at their boxes, labels.

All lengths and places are in inches, from the lower left corner.
"""

import dataclasses
import io
import re
from collections.abc import Mapping, Sequence

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text

DPI = 150

Point = tuple[float, float]

COLOURS = {
  'blue': ('#0072B2', '#DCEBF5'),
  'orange': ('#D55E00', '#FBE6DA'),
  'green': ('#009E73', '#DDF2EB'),
  'purple': ('#9A4C7C', '#F5E6EF'),
  'yellow': ('#A87500', '#FCF1DB'),
  'grey': ('#6b6b6b', '#F2F2F2'),
  'white': ('#6b6b6b', '#FFFFFF'),
}
"""Name -> colours of lines and of areas; Okabe and Ito's, which all readers tell
apart, the lighter two darkened for thin lines."""

BLACK = '#222222'

_STYLE = {
  'figure.facecolor': 'white',
  'mathtext.fontset': 'dejavusans',
  'text.color': BLACK,
}

LATIN_FONT = 'DejaVu Sans'
"""Has all that labels without words need, and comes with matplotlib."""

_MATHS = re.compile(r'\$[^$]*\$')


class MissingLabelError(Exception):
  """A set of labels lacks one that a diagram shows."""


@dataclasses.dataclass(frozen=True)
class Node:
  """A box or a circle on the canvas, by its middle and its size."""

  x: float
  y: float
  width: float
  height: float
  round: bool = False

  def left(self, share: float = 0.5) -> Point:
    """Returns the point of the left side, `share` of the way up."""
    return self.x - self.width / 2, self.y + (share - 0.5) * self.height

  def right(self, share: float = 0.5) -> Point:
    """Returns the point of the right side, `share` of the way up."""
    return self.x + self.width / 2, self.y + (share - 0.5) * self.height

  def top(self, share: float = 0.5) -> Point:
    """Returns the point of the upper side, `share` of the way to the right."""
    return self.x + (share - 0.5) * self.width, self.y + self.height / 2

  def bottom(self, share: float = 0.5) -> Point:
    """Returns the point of the lower side, `share` of the way to the right."""
    return self.x + (share - 0.5) * self.width, self.y - self.height / 2

  def towards(self, point: Point) -> Point:
    """Returns where the line from the middle to `point` leaves the node."""
    dx, dy = point[0] - self.x, point[1] - self.y
    if self.round:
      shrink = self.width / 2 / (dx**2 + dy**2) ** 0.5
    else:
      shrink = 0.5 / max(abs(dx) / self.width, abs(dy) / self.height)
    return self.x + dx * shrink, self.y + dy * shrink


class Canvas:
  """A white page to draw on.

  Attributes:
    figure: what is drawn so far.
    axes: its only axes.
    inside: (text, node) of each label that stands in a node.
    free: the labels that stand in none.
    nodes: boxes and circles, panels not among them.

  Args:
    width: inches.
    height: inches.
    labels: English label -> what to write in its place; empty for English. Labels
      without words (formulas, numbers) need none.
    font: the family of words.
  """

  def __init__(
    self,
    width: float,
    height: float,
    *,
    labels: Mapping[str, str],
    font: str = LATIN_FONT,
  ):
    self._labels, self._font = labels, font
    with matplotlib.style.context(['default', _STYLE]):
      self.figure = Figure(figsize=(width, height), dpi=DPI)
      self.axes = self.figure.add_axes((0, 0, 1, 1))
    self.axes.set_xlim(0, width)
    self.axes.set_ylim(0, height)
    self.axes.axis('off')
    self.inside: list[tuple[Text, Node]] = []
    self.free: list[Text] = []
    self.nodes: list[Node] = []

  def translated(self, label: str) -> str:
    """Returns what is written for an English label.

    Raises:
      MissingLabelError: there are other labels, and none for this one.
    """
    if not self._labels or not _has_words(label):
      return label
    if label not in self._labels:
      raise MissingLabelError(label)
    return self._labels[label]

  def box(
    self,
    x: float,
    y: float,
    label: str = '',
    *,
    size: tuple[float, float] = (1.0, 0.5),
    colour: str = 'blue',
    font_size: float = 10,
  ) -> Node:
    """Draws a box around its middle, with a label in it."""
    node = Node(x, y, *size)
    line, area = COLOURS[colour]
    corner = node.left()[0], node.bottom()[1]
    style = 'round,pad=0,rounding_size=0.07'
    self.axes.add_patch(
      FancyBboxPatch(corner, *size, boxstyle=style, ec=line, fc=area, lw=1.3, zorder=2)
    )
    return self._labelled(node, label, font_size)

  def circle(
    self,
    x: float,
    y: float,
    label: str = '',
    *,
    radius: float = 0.19,
    colour: str = 'white',
    font_size: float = 10,
  ) -> Node:
    """Draws a circle around its middle, with a label in it."""
    node = Node(x, y, 2 * radius, 2 * radius, round=True)
    line, area = COLOURS[colour]
    self.axes.add_patch(Circle((x, y), radius, ec=line, fc=area, lw=1.3, zorder=2))
    return self._labelled(node, label, font_size)

  def _labelled(self, node: Node, label: str, font_size: float) -> Node:
    self.nodes.append(node)
    if label:
      text = self._write((node.x, node.y), label, font_size=font_size)
      self.inside.append((text, node))
    return node

  def panel(
    self, left: float, bottom: float, right: float, top: float, *, colour: str = 'grey'
  ) -> None:
    """Draws a dashed frame behind all else."""
    line, area = COLOURS[colour]
    self.axes.add_patch(
      FancyBboxPatch(
        (left, bottom),
        right - left,
        top - bottom,
        boxstyle='round,pad=0,rounding_size=0.1',
        ec=line,
        fc=area,
        lw=1,
        ls=(0, (4, 3)),
        alpha=0.5,
        zorder=0,
      )
    )

  def cells(
    self, corner: Point, values: Sequence[Sequence[str]], *, size: tuple[float, float]
  ) -> None:
    """Draws a table of plain cells downwards from its upper left corner.

    Args:
      corner: the upper left one.
      values: for each row the areas' colours.
      size: of a cell.
    """
    width, height = size
    for row, colours in enumerate(values):
      for column, colour in enumerate(colours):
        place = corner[0] + column * width, corner[1] - (row + 1) * height
        self.axes.add_patch(
          Rectangle(place, width, height, fc=colour, ec='white', lw=0.6, zorder=2)
        )

  def text(
    self,
    x: float,
    y: float,
    label: str,
    *,
    colour: str | None = None,
    font_size: float = 9.5,
    align: str = 'center',
    bold: bool = False,
  ) -> None:
    """Writes a label around its middle, or from its left (right) end."""
    text = self._write((x, y), label, font_size=font_size, align=align)
    text.set_color(COLOURS[colour][0] if colour else BLACK)
    if bold:
      text.set_fontweight('bold')
    self.free.append(text)

  def _write(
    self, place: Point, label: str, *, font_size: float, align: str = 'center'
  ) -> Text:
    families = [self._font, LATIN_FONT] if _has_words(label) else [LATIN_FONT]
    with matplotlib.style.context(['default', _STYLE]):
      return self.axes.text(
        *place,
        self.translated(label),
        ha=align,
        va='center',
        fontsize=font_size,
        family=families,
        linespacing=1.35,
        zorder=4,
      )

  def arrow(
    self,
    start: Node | Point,
    end: Node | Point,
    *,
    via: Sequence[Point] = (),
    colour: str | None = None,
    dashed: bool = False,
    head: bool = True,
  ) -> None:
    """Draws an arrow, from and to the rims of nodes.

    Args:
      start: a node, or a point.
      end: a node, or a point.
      via: corners in between.
      colour: None for black.
      dashed: whether the line is dashed.
      head: False for a plain line.
    """
    points = [start, *via, end]
    if isinstance(start, Node):
      points[0] = start.towards(_middle(points[1]))
    if isinstance(end, Node):
      points[-1] = end.towards(_middle(points[-2]))
    self.axes.add_patch(
      FancyArrowPatch(
        path=Path(points),
        arrowstyle='-|>' if head else '-',
        mutation_scale=11,
        color=COLOURS[colour][0] if colour else BLACK,
        lw=1.3,
        ls=(0, (3, 2)) if dashed else '-',
        joinstyle='miter',
        zorder=1,
      )
    )

  def dot(self, x: float, y: float) -> None:
    """Marks where lines meet; lines that cross without it do not."""
    self.axes.add_patch(Circle((x, y), 0.035, color=BLACK, zorder=3))

  def to_png(self) -> bytes:
    """Returns the picture; equal bytes for equal drawings (no date, no version)."""
    buffer = io.BytesIO()
    with matplotlib.style.context(['default', _STYLE]):
      self.figure.savefig(buffer, format='png', dpi=DPI, metadata={'Software': None})
    return buffer.getvalue()


def _has_words(label: str) -> bool:
  return bool(re.search('[A-Za-z]{2}', _MATHS.sub('', label)))


def _middle(place: Node | Point) -> Point:
  return (place.x, place.y) if isinstance(place, Node) else place
