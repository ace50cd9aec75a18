"""The guide's diagrams of recurrent networks; each function fills a canvas."""

import itertools

import numpy as np
from diagram_canvas import COLOURS, Canvas, Node

_BLUE, _GREY = COLOURS['blue'][0], '#E2E2E2'


def _shirt(side: int = 14) -> list[list[str]]:
  """Returns the pixels of a T-shirt as colours, rows from top to bottom."""
  rows = []
  for y in np.linspace(0, 1, side):
    for_row = []
    for x in np.abs(np.linspace(-1, 1, side)):
      body = x < 0.56 and not (x < 0.22 and y < 0.1)
      sleeve = 0.4 * (x - 0.4) < y < 0.45 - 0.2 * (x - 0.5) and x < 0.95
      for_row.append(f'{0.25 + 0.35 * x:.2f}' if body or sleeve else '0.93')
    rows.append(for_row)
  return rows


def _strip(canvas: Canvas, x: float, y: float, *, row: int) -> Node:
  """Draws one row of the image around its middle; returns its place."""
  pixels = [_shirt()[row]]
  canvas.cells((x - 0.49, y + 0.07), pixels, size=(0.07, 0.14))
  return Node(x, y, 0.98, 0.14)


def _chain(canvas: Canvas, xs, y: float, names, *, colour: str = 'blue') -> list[Node]:
  """Draws cells side by side; a name of None leaves room for dots."""
  nodes = []
  for x, name in zip(xs, names, strict=True):
    if name is None:
      canvas.text(x, y, '· · ·', font_size=13)
      nodes.append(Node(x, y, 0.6, 0.56))
    else:
      nodes.append(canvas.box(x, y, name, size=(0.78, 0.56), colour=colour))
  return nodes


def rnn_unrolled(labels, font) -> Canvas:
  """A recurrent layer as a loop, and the same unrolled over the rows of an image."""
  canvas = Canvas(9, 3.9, labels=labels, font=font)
  canvas.text(1.05, 3.62, 'one cell with a loop', bold=True)
  canvas.cells((0.56, 1.26), _shirt(), size=(0.07, 0.07))
  image = Node(1.05, 0.77, 0.98, 0.98)
  canvas.text(1.05, 0.13, 'image', font_size=9)
  cell = canvas.box(1.05, 2.05, '$h$', size=(0.78, 0.56))
  canvas.arrow(image.top(), cell.bottom())
  canvas.text(1.24, 1.53, '$W$')
  canvas.arrow(
    cell.right(), cell.top(0.75), via=[(1.85, 2.05), (1.85, 2.75), (1.245, 2.75)]
  )
  canvas.text(2.0, 2.42, '$U$')
  canvas.arrow(cell.top(0.35), (cell.top(0.35)[0], 3.2))
  canvas.text(0.78, 2.88, '$V$')
  canvas.text(0.93, 3.32, '$z$')
  canvas.text(2.55, 2.05, '=', font_size=18)

  canvas.text(5.6, 3.62, 'the same cell at every step: same $W$, $U$, $b$', bold=True)
  xs = (3.9, 5.05, 6.2, 7.35)
  cells = _chain(canvas, xs, 2.05, ('$h_1$', '$h_2$', None, '$h_T$'))
  start = canvas.circle(3.02, 2.05, '$0$', radius=0.17)
  for before, after in zip([start, *cells[:-1]], cells, strict=True):
    canvas.arrow(before, after)
    middle = (before.right()[0] + after.left()[0]) / 2
    canvas.text(middle - 0.02, 2.22, '$U$')
  for x, cell, row, name in zip(xs, cells, (0, 2, 5, 12), '12.T', strict=True):
    strip = _strip(canvas, x, 1.0, row=row)
    if name == '.':
      continue
    canvas.arrow(strip.top(), cell.bottom())
    canvas.text(x + 0.19, 1.45, '$W$')
    canvas.text(x, 0.74, f'$x_{name}$')
  canvas.text(5.6, 0.42, 'rows from top to bottom, one at each step', font_size=9)
  logits = canvas.box(7.35, 3.05, 'logits $z$', size=(0.95, 0.4), colour='green')
  canvas.arrow(cells[-1], logits)
  canvas.text(7.54, 2.58, '$V$')
  answer = canvas.box(
    8.4, 3.05, 'softmax:\nclass', size=(0.85, 0.55), colour='green', font_size=9
  )
  canvas.arrow(logits, answer)
  return canvas


def bptt(labels, font) -> Canvas:
  """How the gradient flows back through the steps, and is summed over them."""
  canvas = Canvas(9, 4.3, labels=labels, font=font)
  xs = (1.0, 2.35, 3.7, 5.05)
  cells = _chain(canvas, xs, 3.0, ('$h_1$', None, '$h_{T-1}$', '$h_T$'))
  loss = canvas.box(5.05, 4.0, 'loss $L$', size=(0.95, 0.4), colour='green')
  canvas.arrow(cells[-1].top(0.3), loss.bottom(0.34))
  canvas.arrow(loss.bottom(0.66), cells[-1].top(0.7), colour='orange')
  canvas.text(5.55, 3.53, '$g_T$', colour='orange', align='left')
  for before, after in itertools.pairwise(cells):
    canvas.arrow(before.right(0.72), after.left(0.72))
    canvas.arrow(after.left(0.28), before.right(0.28), colour='orange')
    middle = (before.right()[0] + after.left()[0]) / 2
    canvas.text(middle, 3.32, '$U$')
    canvas.text(middle, 2.68, r'$U^\top$', colour='orange')
  canvas.text(0.3, 4.05, 'forward', align='left')
  canvas.arrow((1.1, 4.05), (1.7, 4.05))
  canvas.text(0.3, 3.78, 'back', align='left', colour='orange')
  canvas.arrow((1.7, 3.78), (1.1, 3.78), colour='orange')

  total = canvas.box(
    3.02,
    0.5,
    r'$\partial L/\partial W=\sum_t x_t^\top\delta_t$      '
    r'$\partial L/\partial U=\sum_t h_{t-1}^\top\delta_t$',
    size=(5.2, 0.5),
    colour='orange',
  )
  for x, cell, name in zip(xs, cells, ('1', None, 'T-1', 'T'), strict=True):
    if name is None:
      canvas.text(x, 1.67, '· · ·', font_size=13)
      continue
    share = canvas.box(
      x, 1.67, rf'$\delta_{{{name}}}$', size=(0.78, 0.5), colour='yellow'
    )
    canvas.arrow(cell, share, colour='orange')
    canvas.arrow(share.bottom(), (x, total.top()[1]), colour='orange')
  canvas.text(2.35, 1.04, 'every step adds its share\nto the same weights', font_size=9)
  canvas.text(5.15, 2.3, r'$\odot\,(1-h_T^2)$', colour='orange', align='left')
  _norms(canvas)
  return canvas


def _norms(canvas: Canvas) -> None:
  """Draws how a gradient shrinks or grows by a constant factor a step."""
  axes = canvas.figure.add_axes((0.735, 0.2, 0.235, 0.6))
  axes.set_zorder(-1)  # The labels are the canvas'.
  steps = np.arange(28)
  for factor, name in ((1.25, 'orange'), (1.0, 'grey'), (0.8, 'blue')):
    axes.semilogy(steps, factor**steps, color=COLOURS[name][0], lw=1.8)
  axes.set_xlim(0, 27)
  axes.set_ylim(1e-3, 1e3)
  axes.set_xticks([0, 9, 18, 27])
  axes.minorticks_off()
  axes.tick_params(labelsize=8)
  axes.spines[['top', 'right']].set_visible(False)
  canvas.text(7.68, 3.8, 'size of the gradient', bold=True)
  canvas.text(7.68, 3.58, 'if each step back multiplies it', font_size=9)
  canvas.text(7.68, 0.35, 'steps back from the last', font_size=9)
  canvas.text(6.78, 3.3, 'by 1.25: explodes', colour='orange', align='left')
  canvas.text(8.2, 2.3, 'by 1', colour='grey', align='left')
  canvas.text(6.72, 1.1, 'by 0.8: vanishes', colour='blue', align='left')


def bidirectional(labels, font) -> Canvas:
  """Two layers that read the sequence from both ends."""
  canvas = Canvas(8.6, 4.0, labels=labels, font=font)
  xs = (2.2, 3.5, 4.8, 6.1)
  names = ('1', '2', None, 'T')
  forward = _chain(
    canvas, xs, 1.75, [n and rf'$\overrightarrow{{h}}_{n}$' for n in names]
  )
  backward = _chain(
    canvas,
    xs,
    2.85,
    [n and rf'$\overleftarrow{{h}}_{n}$' for n in names],
    colour='orange',
  )
  for before, after in itertools.pairwise(forward):
    canvas.arrow(before, after, colour='blue')
  for before, after in itertools.pairwise(backward):
    canvas.arrow(after, before, colour='orange')
  for x, name, row, one, other in zip(
    xs, names, (0, 2, 5, 12), forward, backward, strict=True
  ):
    strip = _strip(canvas, x, 0.75, row=row)
    if name is None:
      continue
    canvas.text(x, 0.48, f'$x_{name}$')
    canvas.arrow(strip.top(0.35), (x - 0.147, one.bottom()[1]))
    corner = x + 0.52
    canvas.arrow(
      strip.top(0.75), other.bottom(0.85), via=_around(x, corner), colour='grey'
    )
  canvas.text(0.25, 1.75, 'reads downwards', colour='blue', align='left')
  canvas.text(0.25, 2.85, 'reads upwards', colour='orange', align='left')
  both = canvas.box(
    7.6,
    2.3,
    r'$[\overrightarrow{h}_T,\ \overleftarrow{h}_1]$',
    size=(1.25, 0.5),
    colour='green',
  )
  canvas.arrow(forward[-1].right(), both.bottom(), via=[(7.6, 1.75)], colour='blue')
  canvas.arrow(
    backward[0].top(),
    both.top(),
    via=[(2.2, 3.5), (7.6, 3.5)],
    colour='orange',
  )
  canvas.text(7.6, 1.45, 'last state of each', font_size=9)
  logits = canvas.box(7.6, 0.75, 'logits $z$', size=(1.0, 0.42), colour='green')
  canvas.arrow(both.right(), logits.right(), via=[(8.4, 2.3), (8.4, 0.75)])
  return canvas


def _around(x: float, corner: float) -> list[tuple[float, float]]:
  return [(x + 0.245, 1.1), (corner, 1.1), (corner, 2.3), (x + 0.273, 2.3)]


def deep(labels, font) -> Canvas:
  """Recurrent layers on top of each other."""
  canvas = Canvas(7.6, 4.4, labels=labels, font=font)
  xs, names = (2.3, 3.6, 4.9, 6.2), ('1', '2', None, 'T')
  layers = [
    _chain(
      canvas,
      xs,
      y,
      [n and rf'$h_{n}^{{({depth})}}$' for n in names],
      colour=colour,
    )
    for depth, y, colour in ((1, 1.55, 'blue'), (2, 2.65, 'purple'))
  ]
  for layer in layers:
    for before, after in itertools.pairwise(layer):
      canvas.arrow(before, after)
  for x, name, row, low, high in zip(xs, names, (0, 2, 5, 12), *layers, strict=True):
    strip = _strip(canvas, x, 0.65, row=row)
    if name is None:
      continue
    canvas.text(x, 0.38, f'$x_{name}$')
    canvas.arrow(strip.top(), low.bottom())
    canvas.arrow(low, high)
  canvas.text(0.25, 1.55, 'layer 1\nsays something\nat every step', align='left')
  canvas.text(0.25, 2.65, 'layer 2\nreads what\nlayer 1 says', align='left')
  logits = canvas.box(6.2, 3.85, 'logits $z$', size=(1.0, 0.42), colour='green')
  canvas.arrow(layers[1][-1], logits)
  canvas.text(5.5, 3.85, 'only the last state of the last layer goes on', align='right')
  return canvas


def clockwork(labels, font) -> Canvas:
  """A clockwork RNN's groups: who hears whom, and who ticks when."""
  canvas = Canvas(8.8, 3.9, labels=labels, font=font)
  periods, side = (1, 2, 4, 8), 0.46
  corner = (1.3, 2.75)
  heard = [[_BLUE if a >= b else _GREY for b in periods] for a in periods]
  canvas.cells(corner, heard, size=(side, side))
  canvas.text(2.2, 3.6, 'who hears whom', bold=True)
  canvas.text(2.2, 3.3, 'to the group of period', font_size=9)
  canvas.text(0.58, 1.83, 'from\nthe group\nof period', font_size=9)
  ticks = [
    [_BLUE if step % period == 0 else _GREY for step in range(17)] for period in periods
  ]
  canvas.cells((4.45, 2.75), ticks, size=(0.24, side))
  canvas.text(6.49, 3.6, 'who ticks at which step', bold=True)
  for row, period in enumerate(periods):
    y = corner[1] - (row + 0.5) * side
    canvas.text(1.17, y, str(period), align='right')
    canvas.text(corner[0] + (row + 0.5) * side, 2.92, str(period))
    canvas.text(4.3, y, str(period), align='right')
  canvas.text(6.49, 3.3, 'step', font_size=9)
  canvas.text(3.65, 1.83, 'group\nof period', font_size=9)
  for step in range(0, 17, 4):
    canvas.text(4.57 + 0.24 * step, 2.92, str(step), font_size=9)
  canvas.text(2.2, 0.62, 'slow groups speak to fast ones,\nnever the other way round')
  canvas.text(6.49, 0.62, 'a group that does not tick\nkeeps its state')
  return canvas


NETWORKS = {
  'rnn-unrolled': rnn_unrolled,
  'bptt': bptt,
  'bidirectional': bidirectional,
  'deep': deep,
  'clockwork': clockwork,
}
"""File name without its ending -> (labels, font) to the drawn canvas."""
