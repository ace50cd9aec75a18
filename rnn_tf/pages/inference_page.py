"""What a run's model says about test images, as an HTML page."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

import rnn_tf
from rnn_tf.attacks.intervals import clopper_pearson
from rnn_tf.inference import Predictions
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import disclosure

PAGE = 'report.html'

_MOST_IMAGES = 60


def page(
  answers: Predictions,
  first: Predictions,
  images: np.ndarray,
  *,
  report: pd.DataFrame,
  matrix: pd.DataFrame,
  run: str,
  weights: str,
  command: str,
) -> str:
  """Returns the page.

  Args:
    answers: on the whole test set.
    first: those that are shown one by one.
    images: (m, height, width, channels) float in [0, 1], the test images.
    report: what `inference.classification_report` returned.
    matrix: what `inference.confusion_matrix` returned.
    run: the run's name.
    weights: `best` or `final`.
    command: that makes the page.
  """
  total = len(answers.ids)
  sections = (
    blocks.Section(
      name='examples',
      title='Test images, predicted and actual',
      blocks=(_shown(first, images), _listing(first)),
    ),
    blocks.Section(
      name='classes', title='Class by class', blocks=(_confusion(matrix), _by(report))
    ),
    blocks.Section(
      name='made',
      title='How this was made',
      blocks=(blocks.Code(title='Command', text=command),),
    ),
  )
  disclosed = disclosure.section(
    sections,
    examples='test images',
    class_names=answers.class_names,
    private=True,
    without_ids='`--num_examples=1` names and shows the fewest.',
  )
  return render(
    blocks.Page(
      title=f'{run}: predictions',
      subtitle=f'{weights} weights, {total:,} test images',
      verdict=_verdict(answers, report),
      sections=(*sections, disclosed),
      settings={'kind': 'inference'},
      version=rnn_tf.__version__,
    )
  )


def _verdict(answers: Predictions, report: pd.DataFrame) -> blocks.Verdict:
  right, total = int((~answers.wrong).sum()), len(answers.ids)
  low, high = clopper_pearson(right, total)
  accuracy = blocks.Figure(
    label='Accuracy',
    text=f'{right / total:.4f} [{low:.4f}, {high:.4f}]',
    note=f'{right:,} of {total:,} test images, 95% interval',
  )
  seen = report.iloc[: len(answers.class_names)]
  worst = seen[seen['support'] > 0]['recall'].idxmin()
  return blocks.Verdict(
    level='info',
    headline=(
      f'{right / total:.1%} of the test images are classified correctly; worst is '
      f'{worst}.'
    ),
    figures=(accuracy,),
    points=('What it gives away of its training data is on the page of the run.',),
  )


def _shown(first: Predictions, images: np.ndarray) -> blocks.Images:
  count = min(len(first.ids), _MOST_IMAGES)
  names = first.class_names
  captions = tuple(
    f'{"✗ " if guess != label else ""}{names[guess]}, {share:.0%}'
    + (f'; is {names[label]}' if guess != label else '')
    for guess, label, share in zip(
      first.predicted[:count],
      first.labels[:count],
      first.probabilities[:count],
      strict=True,
    )
  )
  return blocks.Images(
    name='images',
    title=f'The first {count} test images',
    images=np.round(np.clip(images[:count], 0, 1) * 255).astype(np.uint8),
    captions=captions,
    note='The predicted class and its probability; ✗ is a mistake.',
  )


def _listing(first: Predictions) -> blocks.Details:
  names = first.class_names
  frame = pd.DataFrame(
    {
      'id': first.ids,
      'predicted': [names[guess] for guess in first.predicted],
      'actual': [names[label] for label in first.labels],
      'probability': [f'{share:.3f}' for share in first.probabilities],
      'right': ['no' if wrong else 'yes' for wrong in first.wrong],
    }
  )
  table = blocks.table('predictions', frame, title=f'{len(frame)} test images')
  return blocks.Details(title='The same as a table', blocks=(table,))


def _confusion(matrix: pd.DataFrame) -> blocks.Table:
  counts = matrix.to_numpy()
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  rows = [
    (
      blocks.Cell(text=str(name)),
      *(
        blocks.Cell(text=f'{count:,}', value=float(count), shade=round(share, 3))
        for count, share in zip(row, of_row, strict=True)
      ),
    )
    for name, row, of_row in zip(matrix.index, counts.tolist(), shares, strict=True)
  ]
  off = counts - np.diag(np.diag(counts))
  actual, guess = np.unravel_index(off.argmax(), off.shape)
  said = (
    f'Most often {matrix.index[actual]} is taken for {matrix.columns[guess]}: '
    f'{off.max():,} times.'
    if off.any()
    else 'No class is taken for another.'
  )
  return blocks.Table(
    name='confusion',
    title='Confusion matrix: rows are actual, columns predicted classes',
    columns=('actual', *map(str, matrix.columns)),
    rows=tuple(rows),
    csv=matrix.to_csv(lineterminator='\n'),
    description=said,
    picture='confusion_matrix.png',
  )


def _by(report: pd.DataFrame) -> blocks.Table:
  shown: Mapping[str, list[str]] = {
    name: ['' if np.isnan(value) else f'{value:.3f}' for value in report[name]]
    for name in ('precision', 'recall', 'f1-score')
  }
  frame = pd.DataFrame(
    {'class': report.index, **shown, 'support': report['support'].to_list()}
  )
  return blocks.table(
    'classification',
    frame,
    title='Precision, recall and f1-score',
    csv=report.to_csv(float_format='%.6g', lineterminator='\n'),
  )
