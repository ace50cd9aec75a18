"""Tests of rnn_tf.inference."""

import io
import os
import sys
from unittest import mock

import matplotlib
import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import inference
from rnn_tf.errors import UsageError
from rnn_tf.plot_style import to_png

NAMES = ('cat', 'dog', 'bird')


def answers_of(logits, labels, names=NAMES):
  logits, labels = np.asarray(logits, np.float32), np.asarray(labels)
  return inference.predictions(
    logits, labels, ids=np.arange(len(labels)) * 10, class_names=names
  )


def random_answers(n=200, classes=3, seed=0, names=None):
  rng = np.random.default_rng(seed)
  names = names or tuple(f'class {i}' for i in range(classes))
  logits = rng.normal(size=(n, classes))
  return answers_of(logits, rng.integers(0, classes, n), names)


class PredictionsTest(parameterized.TestCase):
  def test_predictions_agree_with_a_loop(self):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=5, size=(50, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 50)
    answers = answers_of(logits, labels)
    for row, label, guess, probability, wrong in zip(
      logits.tolist(),
      labels,
      answers.predicted,
      answers.probabilities,
      answers.wrong,
      strict=True,
    ):
      powers = [np.exp(value) for value in row]
      self.assertEqual(guess, row.index(max(row)))
      self.assertAlmostEqual(probability, max(powers) / sum(powers), places=12)
      self.assertEqual(wrong, guess != label)

  def test_huge_logits_give_probability_1(self):
    answers = answers_of([[1e4, 0, -1e4]], [0])
    self.assertEqual(answers.probabilities[0], 1)

  def test_first_keeps_the_first_of_everything(self):
    answers = random_answers(10).first(4)
    self.assertEqual(answers.ids.tolist(), [0, 10, 20, 30])
    for values in (answers.labels, answers.predicted, answers.probabilities):
      self.assertLen(values, 4)


class TextTest(parameterized.TestCase):
  def test_listing_names_classes_and_marks_mistakes(self):
    lines = inference.listing(
      answers_of([[2, 0, 0], [0, 3, 0], [0, 0, 4]], [0, 2, 2])
    ).splitlines()
    self.assertLen(lines, 4)
    self.assertEqual(lines[0].split(), ['id', 'predicted', 'actual', 'probability'])
    self.assertEqual(lines[1].split(), ['0', 'cat', 'cat', '0.787'])
    self.assertEqual(lines[2].split(), ['10', 'dog', 'bird', '0.909', 'wrong'])
    self.assertEqual(lines[3].split(), ['20', 'bird', 'bird', '0.965'])

  def test_report_agrees_with_a_loop(self):
    answers = random_answers()
    report = inference.classification_report(answers)
    for label, name in enumerate(answers.class_names):
      pairs = list(
        zip(answers.predicted == label, answers.labels == label, strict=True)
      )
      hits = sum(guess and actual for guess, actual in pairs)
      precision = hits / sum(guess for guess, _ in pairs)
      recall = hits / sum(actual for _, actual in pairs)
      row = report.loc[name]
      self.assertAlmostEqual(row['precision'], precision)
      self.assertAlmostEqual(row['recall'], recall)
      f1 = 2 * precision * recall / (precision + recall)
      self.assertAlmostEqual(row['f1-score'], f1)
      self.assertEqual(row['support'], sum(actual for _, actual in pairs))
    accuracy = report.loc['accuracy', 'f1-score']
    self.assertAlmostEqual(accuracy, np.mean(~answers.wrong))

  def test_class_that_never_occurs_has_zeros_in_the_report(self):
    report = inference.classification_report(answers_of([[1, 0, 0]] * 3, [0, 0, 1]))
    self.assertEqual(report.loc['bird'].tolist(), [0, 0, 0, 0])
    self.assertAlmostEqual(report.loc['accuracy', 'f1-score'], 2 / 3)
    self.assertEqual(
      report.index.tolist(), [*NAMES, 'accuracy', 'macro avg', 'weighted avg']
    )

  def test_report_text_has_every_row_and_no_nan(self):
    text = inference.report_text(inference.classification_report(random_answers()))
    self.assertIn('accuracy', text)
    self.assertNotIn('nan', text.lower())
    self.assertLen(text.splitlines(), 1 + 3 + 3)

  def test_confusion_matrix_agrees_with_a_loop(self):
    answers = random_answers(classes=4)
    matrix = inference.confusion_matrix(answers)
    oracle = np.zeros((4, 4), int)
    for label, guess in zip(answers.labels, answers.predicted, strict=True):
      oracle[label, guess] += 1
    np.testing.assert_array_equal(matrix.to_numpy(), oracle)
    self.assertEqual(matrix.index.name, 'actual')
    self.assertEqual(matrix.columns.name, 'predicted')

  def test_confusion_text_shows_counts_by_name(self):
    text = inference.confusion_text(
      inference.confusion_matrix(answers_of([[1, 0, 0]] * 3, [0, 0, 1]))
    )
    rows = [line.split() for line in text.splitlines()[1:]]
    self.assertEqual(rows[0], list(NAMES))
    self.assertEqual(rows[1:3], [['cat', '2', '0', '0'], ['dog', '1', '0', '0']])

  def test_confusion_text_of_many_classes_says_so(self):
    matrix = inference.confusion_matrix(random_answers(classes=30))
    self.assertIn('30 classes', inference.confusion_text(matrix))


class FigureTest(parameterized.TestCase):
  def decode(self, figure):
    return matplotlib.image.imread(io.BytesIO(to_png(figure)))

  @parameterized.product(count=(1, 4, 5, 7), channels=(1, 2, 3, 4))
  def test_examples_figure_has_an_image_each(self, count, channels):
    images = np.random.default_rng(0).random((9, 6, 5, channels))
    answers = random_answers(9).first(count)
    figure = inference.examples_figure(images, answers, title='a run')
    self.assertLen(figure.axes, count)
    self.assertEqual(self.decode(figure).shape[1], 1200)

  def test_examples_figure_marks_mistakes_and_only_those(self):
    answers = answers_of([[2, 0, 0], [0, 3, 0]], [0, 2])
    images = np.zeros((2, 4, 4, 1))
    right, wrong = inference.examples_figure(images, answers, title='').axes
    self.assertEqual(right.get_title(), 'cat (79%)')
    self.assertEqual(wrong.get_title(), 'dog (91%)\n✗ is bird')
    widths = [axes.spines['left'].get_linewidth() for axes in (right, wrong)]
    self.assertGreater(widths[1], 2 * widths[0])

  def test_examples_figure_of_too_many_shows_the_first(self):
    answers = random_answers(inference.MOST_PICTURES + 5)
    images = np.zeros((len(answers.ids), 2, 2, 1))
    figure = inference.examples_figure(images, answers, title='')
    self.assertLen(figure.axes, inference.MOST_PICTURES)

  @parameterized.parameters(3, 30, 100)
  def test_confusion_figure_names_the_classes(self, classes):
    names = tuple(f'a class with a long name {i}' for i in range(classes))
    matrix = inference.confusion_matrix(random_answers(classes=classes, names=names))
    figure = inference.confusion_figure(matrix, title='a run')
    self.decode(figure)
    (axes,) = figure.axes
    self.assertLessEqual(len(axes.get_yticklabels()), 40)
    self.assertEqual(axes.get_yticklabels()[0].get_text(), 'a class with …')

  def test_same_answers_make_the_same_bytes(self):
    matrix = inference.confusion_matrix(random_answers())
    one, two = (
      to_png(inference.confusion_figure(matrix, title='a run')) for _ in range(2)
    )
    self.assertEqual(one, two)


class ShowTest(parameterized.TestCase):
  def test_without_a_screen_the_picture_is_named(self):
    if sys.platform in ('darwin', 'win32'):
      self.skipTest('there is always a screen on this platform')
    with (
      mock.patch.dict(os.environ, {'DISPLAY': '', 'WAYLAND_DISPLAY': ''}),
      self.assertRaisesRegex(UsageError, '--show: .*look at x/examples.png'),
    ):
      inference.check_screen('x/examples.png')

  def test_without_a_toolkit_the_picture_is_named(self):
    with (
      mock.patch.dict(os.environ, {'DISPLAY': ':0'}),
      mock.patch.object(matplotlib, 'get_backend', return_value='agg'),
      self.assertRaisesRegex(UsageError, '--show: .*look at x/examples.png'),
    ):
      inference.check_screen('x/examples.png')

  def test_with_screen_and_toolkit_nothing_is_said(self):
    with (
      mock.patch.dict(os.environ, {'DISPLAY': ':0'}),
      mock.patch.object(matplotlib, 'get_backend', return_value='TkAgg'),
    ):
      inference.check_screen('x/examples.png')

  def test_show_opens_a_window_with_the_picture(self):
    from matplotlib import pyplot

    self.addCleanup(pyplot.close, 'all')
    answers = answers_of([[2, 0, 0]], [0])
    figure = inference.examples_figure(np.zeros((1, 4, 4, 1)), answers, title='')
    with mock.patch.object(pyplot, 'show') as show:
      pyplot.switch_backend('agg')
      inference.show(to_png(figure), title='a run')
    show.assert_called_once()
    self.assertLen(pyplot.figure('a run').axes, 1)


if __name__ == '__main__':
  absltest.main()
