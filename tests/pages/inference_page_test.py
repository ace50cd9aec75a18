import numpy as np
from absl.testing import absltest

from rnn_tf import inference
from rnn_tf.page import figures
from rnn_tf.pages import inference_page


def page(count=50, names=('zero', 'one', 'two'), shown=10):
  rng = np.random.default_rng(0)
  answers = inference.predictions(
    rng.normal(size=(count, 3)),
    rng.integers(3, size=count),
    ids=np.arange(count),
    class_names=names,
  )
  text = inference_page.page(
    answers,
    answers.first(shown),
    rng.uniform(size=(count, 6, 6, 1)),
    report=inference.classification_report(answers),
    matrix=inference.confusion_matrix(answers),
    run='digits-lstm-s0',
    weights='best',
    command='python -m rnn_tf.infer',
  )
  return answers, text


class InferencePageTest(absltest.TestCase):
  def test_the_verdict_is_the_accuracy_with_its_interval(self):
    answers, text = page()
    found = figures.read(text)
    right = 1 - answers.wrong.mean()
    self.assertStartsWith(found.numbers['verdict/Accuracy'], f'{right:.4f} [')

  def test_as_many_images_are_shown_as_were_asked_for(self):
    _, text = page(shown=7)
    self.assertEqual(text.count('src="data:image/png'), 7)
    _, text = page(count=200, shown=150)
    self.assertEqual(text.count('src="data:image/png'), 60)

  def test_the_confusion_matrix_has_all_counts(self):
    answers, text = page()
    numbers = figures.read(text).numbers
    cells = [v for k, v in numbers.items() if k.startswith('confusion/')]
    self.assertEqual(sum(map(int, cells)), len(answers.ids))

  def test_class_names_with_html_are_text(self):
    _, text = page(names=('<b>x</b>', 'one', 'two'))
    self.assertNotIn('<b>x', text)
    self.assertIn('&lt;b&gt;x', text)


if __name__ == '__main__':
  absltest.main()
