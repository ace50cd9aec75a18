"""The guide's diagrams of gated cells; each function fills a canvas."""

from diagram_canvas import Canvas, Node

_TIMES = r'$\times$'
_SIGMA = r'$\sigma$'


def lstm_cell(labels, font) -> Canvas:
  """The LSTM cell: a memory that gates write, keep and read."""
  canvas = Canvas(8.6, 4.6, labels=labels, font=font)
  canvas.panel(1.2, 0.68, 7.3, 4.25)
  forget_gate, input_gate, candidate, output_gate = _gates(canvas)
  forget = canvas.circle(2.1, 3.75, _TIMES)
  write = canvas.circle(3.675, 2.85, _TIMES)
  add = canvas.circle(3.675, 3.75, '$+$')
  squash = canvas.box(5.85, 3.1, 'tanh', size=(0.62, 0.4), colour='yellow')
  read = canvas.circle(5.85, 2.3, _TIMES)

  canvas.arrow((0.3, 3.75), forget, colour='blue')
  canvas.arrow(forget, add, colour='blue')
  canvas.arrow(add, (8.2, 3.75), colour='blue')
  canvas.dot(5.85, 3.75)
  canvas.arrow((5.85, 3.75), squash)
  canvas.arrow(squash, read)
  canvas.arrow(forget_gate, forget)
  canvas.arrow(input_gate.top(), write.left(), via=[(3.15, 2.85)])
  canvas.arrow(candidate.top(), write.right(), via=[(4.2, 2.85)])
  canvas.arrow(write, add)
  canvas.arrow(output_gate.top(), read.left(), via=[(5.25, 2.3)])
  canvas.arrow(read, (8.2, 2.3), colour='blue')

  _formulas(
    canvas,
    [
      *((0.62, 3.95, 'c_{t-1}'), (0.62, 1.32, 'h_{t-1}'), (1.55, 0.2, 'x_t')),
      *((7.75, 3.95, 'c_t'), (7.75, 2.5, 'h_t'), (1.92, 2.6, 'f')),
      *((2.98, 2.4, 'i'), (4.38, 2.4, r'\tilde c'), (5.08, 2.15, 'o')),
    ],
  )
  canvas.text(4.8, 4.05, 'memory', colour='blue', bold=True)
  canvas.text(6.6, 2.5, 'state', colour='blue', bold=True)
  canvas.text(2.85, 3.95, 'keep', font_size=8.5)
  canvas.text(3.86, 3.28, 'write', font_size=8.5, align='left')
  canvas.text(6.04, 2.66, 'read', font_size=8.5, align='left')
  return canvas


def _gates(canvas: Canvas) -> list[Node]:
  """Draws the LSTM's three gates and its candidate, and what they are fed with."""
  gates = []
  canvas.arrow((0.3, 1.12), (5.25, 1.12), head=False)
  canvas.arrow((1.55, 0.35), (1.55, 1.12), head=False)
  canvas.dot(1.55, 1.12)
  for x, symbol, kind, colour in (
    (2.1, _SIGMA, 'forget gate', 'orange'),
    (3.15, _SIGMA, 'input gate', 'green'),
    (4.2, 'tanh', 'candidate', 'yellow'),
    (5.25, _SIGMA, 'output gate', 'purple'),
  ):
    gate = canvas.box(x, 1.75, symbol, size=(0.62, 0.42), colour=colour)
    canvas.text(x, 0.89, kind, font_size=8.5)
    canvas.arrow((x, 1.12), gate)
    if kind != 'output gate':
      canvas.dot(x, 1.12)
    gates.append(gate)
  return gates


def gru_cell(labels, font) -> Canvas:
  """The GRU cell, its reset gate after the product with the recurrent weights."""
  canvas = Canvas(8.6, 4.3, labels=labels, font=font)
  canvas.panel(1.2, 0.7, 7.3, 3.95)
  reset = canvas.box(2.3, 1.75, _SIGMA, size=(0.62, 0.42), colour='orange')
  update = canvas.box(5.05, 1.75, _SIGMA, size=(0.62, 0.42), colour='green')
  inner = canvas.box(2.3, 2.72, '$h_{t-1}U_h+c_h$', size=(1.4, 0.42), colour='blue')
  gated = canvas.circle(3.5, 2.72, _TIMES)
  candidate = canvas.box(4.2, 2.72, 'tanh', size=(0.62, 0.42), colour='yellow')
  write = canvas.circle(5.6, 2.72, _TIMES)
  keep = canvas.circle(5.05, 3.55, _TIMES)
  add = canvas.circle(6.45, 3.55, '$+$')

  canvas.arrow((0.3, 3.55), keep, colour='blue')
  canvas.arrow(keep, add, colour='blue')
  canvas.arrow(add, (8.2, 3.55), colour='blue')
  canvas.arrow((1.42, 3.55), (1.42, 1.12), head=False)
  canvas.arrow((1.42, 2.72), inner)
  canvas.arrow((1.42, 1.12), (5.05, 1.12), head=False)
  canvas.arrow((2.3, 1.12), reset)
  canvas.arrow((5.05, 1.12), update)
  canvas.arrow((4.2, 0.3), candidate)
  for x, y in ((1.42, 3.55), (1.42, 2.72), (2.3, 1.12), (4.2, 1.12)):
    canvas.dot(x, y)
  canvas.arrow(inner, gated)
  canvas.arrow(reset.right(), gated.bottom(), via=[(3.5, 1.75)])
  canvas.arrow(gated, candidate)
  canvas.arrow(candidate, write)
  canvas.arrow(update, keep)
  canvas.arrow(update.right(), write.bottom(), via=[(5.6, 1.75)])
  canvas.arrow(write.right(), add.bottom(), via=[(6.45, 2.72)])

  _formulas(
    canvas,
    [
      *((0.62, 3.74, 'h_{t-1}'), (7.75, 3.74, 'h_t'), (4.2, 0.17, 'x_t')),
      *((3.05, 1.92, 'r'), (4.78, 2.9, r'\tilde h'), (4.9, 2.3, 'z')),
      *((5.92, 2.1, '1-z'), (3.83, 2.2, 'x_tW_h+b_h')),
    ],
  )
  canvas.text(2.3, 0.9, 'reset gate', font_size=8.5)
  canvas.text(5.05, 0.9, 'update gate', font_size=8.5)
  canvas.text(3.3, 3.74, 'old state', colour='blue', bold=True)
  canvas.text(5.75, 3.74, 'keep', font_size=8.5)
  canvas.text(6.52, 3.1, 'renew', font_size=8.5, align='left')
  return canvas


def _formulas(canvas: Canvas, placed: list[tuple[float, float, str]]) -> None:
  for x, y, formula in placed:
    size = 8.5 if len(formula) > 8 else 9.5
    canvas.text(x, y, f'${formula}$', font_size=size)


CELLS = {'lstm-cell': lstm_cell, 'gru-cell': gru_cell}
"""File name without its ending -> (labels, font) to the drawn canvas."""
