"""What a trained network says about a test set: logits in, text and figures out.

Nothing here touches a file or pyplot's state, but `show`, which opens a window.
"""

import dataclasses
import io
import math
import os
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import sklearn.metrics
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from rnn_tf.errors import UsageError
from rnn_tf.plot_style import COLOURS, DPI, GREY, canvas, draw_image, styled

MOST_PICTURES = 100
"""Images a grid shows at most."""

MOST_COLUMNS = 20
"""Classes up to which a confusion matrix fits a terminal."""

_COLUMNS = 5
_WRONG = COLOURS[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
  """A network's answers.

  Attributes:
    ids: (n,) int64, the examples' positions in TFDS's files.
    labels: (n,) int64, the actual classes.
    predicted: (n,) int64, the classes with the highest logit.
    probabilities: (n,) float64, what the softmax gives the predicted classes.
    class_names: a name for each class.
  """

  ids: np.ndarray
  labels: np.ndarray
  predicted: np.ndarray
  probabilities: np.ndarray
  class_names: tuple[str, ...]

  @property
  def wrong(self) -> np.ndarray:
    """(n,) bool."""
    return self.predicted != self.labels

  def first(self, count: int) -> 'Predictions':
    """Returns the first `count`."""
    picked = {
      name: getattr(self, name)[:count]
      for name in ('ids', 'labels', 'predicted', 'probabilities')
    }
    return dataclasses.replace(self, **picked)


def predictions(
  logits: np.ndarray,
  labels: np.ndarray,
  *,
  ids: np.ndarray,
  class_names: Sequence[str],
) -> Predictions:
  """Reads the network's answers from its logits.

  Args:
    logits: (n, classes) float.
    labels: (n,) int64.
    ids: (n,) int64.
    class_names: (classes,).
  """
  return Predictions(
    ids=ids,
    labels=labels,
    predicted=logits.argmax(axis=1).astype(np.int64),
    probabilities=special.softmax(logits.astype(np.float64), axis=1).max(axis=1),
    class_names=tuple(class_names),
  )


def listing(answers: Predictions) -> str:
  """Returns a line for each example, after one that names the columns."""
  names = answers.class_names
  width = max(9, *map(len, names))
  number = max(2, len(str(answers.ids.max())))
  lines = [f'{"id":>{number}}  {"predicted":{width}}  {"actual":{width}}  probability']
  for example, guess, label, probability in zip(
    answers.ids, answers.predicted, answers.labels, answers.probabilities, strict=True
  ):
    lines.append(
      f'{example:{number}}  {names[guess]:{width}}  {names[label]:{width}}  '
      f'{probability:11.3f}{"  wrong" if guess != label else ""}'
    )
  return '\n'.join(lines)


def classification_report(answers: Predictions) -> pd.DataFrame:
  """Returns precision, recall, f1-score and support by class, then averages.

  The row `accuracy` has the accuracy in its f1-score. A figure with no example
  to divide by is 0. Scikit-learn's `classification_report` as a frame.
  """
  values = sklearn.metrics.classification_report(
    answers.labels,
    answers.predicted,
    labels=np.arange(len(answers.class_names)),
    target_names=answers.class_names,
    output_dict=True,
    zero_division=0,
  )
  # Where all classes occur scikit-learn has an accuracy, else a micro average.
  values.pop('micro avg', None)
  values['accuracy'] = {
    'f1-score': float(np.mean(~answers.wrong)),
    'support': len(answers.labels),
  }
  rows = [*answers.class_names, 'accuracy', 'macro avg', 'weighted avg']
  frame = pd.DataFrame([values[row] for row in rows], index=rows)
  frame = frame[['precision', 'recall', 'f1-score', 'support']]
  return frame.astype({'support': int}).rename_axis('class')


def confusion_matrix(answers: Predictions) -> pd.DataFrame:
  """Returns counts, a row for each actual and a column for each predicted class."""
  classes = len(answers.class_names)
  counts = sklearn.metrics.confusion_matrix(
    answers.labels, answers.predicted, labels=np.arange(classes)
  )
  names = list(answers.class_names)
  return pd.DataFrame(
    counts,
    index=pd.Index(names, name='actual'),
    columns=pd.Index(names, name='predicted'),
  )


def report_text(report: pd.DataFrame) -> str:
  """Returns the classification report for a terminal."""
  shown = report.rename_axis(None)
  return shown.to_string(float_format=lambda x: f'{x:.3f}', na_rep='')


def confusion_text(matrix: pd.DataFrame) -> str:
  """Returns the confusion matrix for a terminal, or why it is not shown there."""
  if len(matrix) > MOST_COLUMNS:
    return f'({len(matrix)} classes: too many for the screen)'
  shown = matrix.rename_axis(index=None, columns=None)
  shown.columns = [name[:12] for name in shown.columns]
  head = 'rows: actual class, columns: predicted class'
  return f'{head}\n{shown.to_string(line_width=None)}'


@styled
def examples_figure(images: np.ndarray, answers: Predictions, *, title: str) -> Figure:
  """Draws images in a grid, each with its predicted class; mistakes are framed.

  Args:
    images: (m, height, width, channels) float in [0, 1].
    answers: those of the first n <= m images; of more than `MOST_PICTURES` the
      first are drawn.
    title: first line over the picture.
  """
  count = min(len(answers.ids), MOST_PICTURES)
  wrong = answers.wrong[:count]
  rows = math.ceil(count / _COLUMNS)
  height = 0.85 + 1.75 * rows
  figure = Figure(figsize=(8, height))
  figure.text(0.02, 1 - 0.1 / height, title, va='top', size=12.5, weight='bold')
  subtitle = f'{wrong.sum()} of {count} wrong; mistakes are framed and name the actual'
  figure.text(0.02, 1 - 0.36 / height, f'{subtitle} class', va='top', color='#444444')
  grid = figure.add_gridspec(
    rows,
    _COLUMNS,
    left=0.02,
    right=0.98,
    top=1 - 0.95 / height,
    bottom=0.08 / height,
    hspace=0.38,
    wspace=0.08,
  )
  for index in range(count):
    axes = figure.add_subplot(grid[index // _COLUMNS, index % _COLUMNS])
    draw_image(axes, images[index])
    _label_image(axes, answers, index)
  return figure


def _label_image(axes: Axes, answers: Predictions, index: int) -> None:
  names = answers.class_names
  guess, label = answers.predicted[index], answers.labels[index]
  wrong = bool(answers.wrong[index])
  text = f'{_short(names[guess])} ({answers.probabilities[index]:.0%})'
  if wrong:
    text = f'{text}\n✗ is {_short(names[label])}'
  axes.set_title(
    text,
    loc='center',
    size=9,
    color=_WRONG if wrong else 'black',
    weight='bold' if wrong else 'normal',
    pad=4,
  )
  for spine in axes.spines.values():
    spine.set(visible=True, color=_WRONG if wrong else GREY, linewidth=3 * wrong + 0.5)


def _short(name: str, most: int = 14) -> str:
  return name if len(name) <= most else f'{name[: most - 1]}…'


@styled
def confusion_figure(matrix: pd.DataFrame, *, title: str) -> Figure:
  """Draws the confusion matrix; colour is the share of the actual class.

  Args:
    matrix: what `confusion_matrix` returns.
    title: first line over the picture.
  """
  counts = matrix.to_numpy()
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  correct = f'{np.trace(counts)} of {counts.sum()} correct'
  figure, (axes,) = canvas(
    title, f'{correct}; dark is a large share of the row', height=7.4, columns=1
  )
  axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
  axes.grid(visible=False)
  axes.set(xlabel='predicted class', ylabel='actual class')
  few = len(matrix) <= MOST_COLUMNS
  # Of many classes only as many are named as there is room for.
  ticks = range(0, len(matrix), math.ceil(len(matrix) / 40))
  names = [_short(matrix.index[tick]) for tick in ticks]
  long = max(map(len, names)) > 2
  axes.set_yticks(ticks, names, size=9 if few else 6)
  axes.set_xticks(ticks, names, size=9 if few else 6, rotation=45 * long)
  if few:
    for (row, column), count in np.ndenumerate(counts):
      if count:
        light = 'white' if shares[row, column] > 0.5 else 'black'
        axes.text(column, row, count, ha='center', va='center', color=light, size=8)
  return figure


def check_screen(instead: str) -> None:
  """Raises UsageError unless a window can be opened.

  Args:
    instead: the picture that can be looked at in its place.
  """
  unix = sys.platform not in ('darwin', 'win32')
  if unix and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
    why = 'there is no screen here (DISPLAY is not set)'
  elif not _interactive_backend():
    why = 'matplotlib has no window toolkit here (install PyQt6, or Tk)'
  else:
    return
  raise UsageError(f'--show: {why}; leave it out and look at {instead}')


def _interactive_backend() -> bool:
  import matplotlib
  from matplotlib.backends import BackendFilter, backend_registry

  # Resolves to a toolkit that is installed; Agg, which draws files, is the last.
  backend = matplotlib.get_backend().lower()
  return backend in backend_registry.list_builtin(BackendFilter.INTERACTIVE)


def show(png: bytes, *, title: str) -> None:
  """Shows a picture in a window and returns when that is closed."""
  from matplotlib import image, pyplot

  pixels = image.imread(io.BytesIO(png))
  height, width = pixels.shape[:2]
  figure = pyplot.figure(title, figsize=(width / DPI, height / DPI), dpi=DPI)
  axes = figure.add_axes((0, 0, 1, 1))
  axes.imshow(pixels)
  axes.set_axis_off()
  pyplot.show()
