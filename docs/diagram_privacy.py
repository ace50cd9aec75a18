"""The guide's diagrams of attacks, private training and deletion."""

import numpy as np
from diagram_canvas import COLOURS, Canvas
from matplotlib.patches import Circle


def membership(labels, font) -> Canvas:
  """Shadow models teach an attack model, which is then asked about the target."""
  canvas = Canvas(9.6, 4.8, labels=labels, font=font)
  canvas.panel(0.2, 1.75, 6.75, 4.65, colour='blue')
  canvas.text(0.35, 4.44, 'what the attacker trains', align='left', bold=True)
  attack = canvas.box(8.1, 2.9, 'attack model', size=(1.4, 0.6), colour='orange')
  for y, number in ((3.75, '1'), (2.4, 'N')):
    seen = canvas.box(1.1, y + 0.26, 'own data: IN', size=(1.45, 0.4), colour='green')
    unseen = canvas.box(1.1, y - 0.26, 'own data: OUT', size=(1.45, 0.4), colour='grey')
    shadow = canvas.box(3.55, y, f'shadow model {number}', size=(1.5, 0.6))
    said = canvas.box(
      5.65, y, 'outputs, with\nIN or OUT beside', size=(1.7, 0.6), colour='yellow'
    )
    canvas.arrow(seen.right(), shadow.left(0.72))
    canvas.arrow(unseen.right(), shadow.left(0.28), dashed=True)
    canvas.arrow(shadow, said)
    canvas.arrow(said.right(), attack.left(0.75 if number == '1' else 0.4))
  canvas.text(3.55, 3.08, '· · ·', font_size=13)
  canvas.text(2.32, 4.16, 'trained on', font_size=8.5)
  canvas.text(2.32, 3.33, 'only asked', font_size=8.5)
  canvas.text(8.1, 3.5, 'learns to tell\nIN from OUT', font_size=9)

  canvas.panel(0.2, 0.25, 6.75, 1.55, colour='grey')
  canvas.text(0.35, 1.37, 'what he attacks', align='left', bold=True)
  example = canvas.box(1.1, 0.75, 'one example', size=(1.45, 0.5), colour='white')
  target = canvas.box(3.55, 0.75, 'target model', size=(1.5, 0.6), colour='purple')
  output = canvas.box(5.65, 0.75, 'its output', size=(1.7, 0.5), colour='yellow')
  answer = canvas.box(8.7, 0.75, 'member or not?', size=(1.5, 0.5), colour='orange')
  canvas.arrow(example, target)
  canvas.arrow(target, output)
  canvas.arrow(output.right(), attack.bottom(0.25), via=[(7.75, 0.75)])
  canvas.arrow((8.7, attack.bottom()[1]), answer)
  return canvas


_GRADIENTS = ((0.08, 0.5), (1.05, 0.3), (0.7, 0.95), (-0.32, 0.36), (0.4, -0.3))

_CLIP = 0.62


def dp_sgd(labels, font) -> Canvas:
  """A step of DP-SGD: each gradient clipped, the sum made noisy."""
  canvas = Canvas(9.4, 3.9, labels=labels, font=font)
  titles = ('1. one gradient\nan example', '2. each clipped\nto norm $C$')
  formulas = ('$g_i$', r'$\bar g_i=g_i\,\min(1,\,C/\|g_i\|)$')
  gradients = np.array(_GRADIENTS)
  norms = np.linalg.norm(gradients, axis=1, keepdims=True)
  clipped = gradients * np.minimum(1, _CLIP / norms)
  for x, title, formula, vectors in zip(
    (1.3, 4.3), titles, formulas, (gradients, clipped), strict=True
  ):
    origin = np.array((x, 1.65))
    canvas.axes.add_patch(
      Circle(origin, _CLIP, fc='#F2F2F2', ec=COLOURS['grey'][0], ls=(0, (4, 3)))
    )
    for vector, norm in zip(vectors, norms[:, 0], strict=True):
      colour = 'orange' if norm > _CLIP else 'blue'
      canvas.arrow(tuple(origin), tuple(origin + vector), colour=colour)
    canvas.text(x, 3.5, title, bold=True)
    canvas.text(x, 0.45, formula)
  canvas.text(1.3, 0.87, 'radius $C$', font_size=9, colour='grey')
  for x in (2.85, 5.45):
    canvas.arrow((x, 1.75), (x + 0.45, 1.75), colour='grey')
  origin, total = np.array((6.7, 1.1)), clipped.sum(axis=0)
  tip = origin + total
  noise = np.random.default_rng(3).normal(size=(260, 2)) * 0.24
  canvas.axes.scatter(*(tip + noise).T, s=5, color=COLOURS['yellow'][0], alpha=0.25)
  noisy = tip + np.array((0.42, -0.3))
  canvas.arrow(tuple(origin), tuple(tip), colour='blue')
  canvas.arrow(tuple(tip), tuple(noisy), colour='orange', dashed=True)
  canvas.arrow(tuple(origin), tuple(noisy))
  canvas.text(7.55, 3.5, '3. added up,\nwith normal noise', bold=True)
  canvas.text(7.55, 0.45, r'$\sum_i\bar g_i+\mathcal{N}(0,\,\sigma^2C^2 I)$')
  canvas.text(6.95, 2.02, 'sum', colour='blue', align='right')
  canvas.text(8.2, 1.25, 'what the weights see', font_size=9)
  return canvas


def sharded(labels, font) -> Canvas:
  """Sharded retraining: a deletion trains one shard's model again."""
  canvas = Canvas(9.2, 4.9, labels=labels, font=font)
  xs, light, line = (1.9, 3.35, 4.8, 6.25, 7.7), '#BBD9EC', COLOURS['orange'][0]
  canvas.text(4.8, 4.65, 'the training set, dealt into shards', bold=True)
  mean = canvas.box(
    4.8, 0.95, 'mean of the logits, or a vote', size=(3.0, 0.45), colour='green'
  )
  for number, x in enumerate(xs, start=1):
    hit = number == 3
    rows = [[light] * 6 for _ in range(3)]
    if hit:
      rows[1][3] = line
    canvas.cells((x - 0.48, 4.1), rows, size=(0.16, 0.24))
    canvas.text(x, 4.28, f'shard {number}', font_size=9)
    model = canvas.box(
      x, 2.25, f'model {number}', size=(1.05, 0.5), colour='orange' if hit else 'blue'
    )
    canvas.arrow((x, 3.34), model, colour='orange' if hit else None)
    canvas.arrow(model, mean.top(0.1 + 0.2 * (number - 1)))
    canvas.text(
      x + 0.09,
      2.93,
      'trained again\nfrom slice 2 on' if hit else 'kept',
      colour='orange' if hit else None,
      font_size=9,
      align='left',
    )
  for number, y in ((1, 3.98), (2, 3.74), (3, 3.5)):
    canvas.text(1.3, y, f'slice {number}', font_size=8.5, align='right')
  canvas.text(1.3, 2.25, 'a model\na shard', font_size=9, align='right')
  answer = canvas.box(4.8, 0.25, 'class', size=(1.0, 0.38), colour='green')
  canvas.arrow(mean, answer)
  canvas.cells((7.2, 0.75), [[line]], size=(0.16, 0.24))
  canvas.text(7.45, 0.63, 'deleted example', align='left', font_size=9)
  return canvas


PRIVACY = {
  'membership': membership,
  'dp-sgd': dp_sgd,
  'sharded': sharded,
}
"""File name without its ending -> (labels, font) to the drawn canvas."""
