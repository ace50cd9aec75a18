"""Names that are HTML, in every page: shown as they are, and nothing of them runs."""

import html.parser
import pathlib
import shutil

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import inference, report
from rnn_tf.pages import inference_page
from tests import commands, fake_attacks, fake_deletions, fake_runs
from tests.page import browser

NAMES = (
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(2)>',
  "' onmouseover='alert(3)",
  'javascript:alert(4)',
  '[x](javascript:alert(5))',
  '</script><svg onload=alert(6)>',
)


class Tags(html.parser.HTMLParser):
  """Collects what a page would run or load."""

  def __init__(self, text):
    super().__init__()
    self.found = []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    for name, value in attrs:
      address = (value or '').strip().lower()
      if name.startswith('on') or address.startswith('javascript:'):
        self.found.append((tag, name, value))
    if tag == 'img' and dict(attrs).get('src') == 'x':
      self.found.append((tag, 'src', 'x'))


def write(root):
  """Writes a run with attacks and a deletion, all named as HTML; returns the run."""
  # A slash parts folders.
  path = root / 'runs' / NAMES[1]
  fake_runs.write(path)
  for name in NAMES:
    if '/' not in name:
      fake_attacks.write(path, label=name)
  fake_deletions.write(path, label=NAMES[1])
  fake_runs.change_json(path / 'config.json', _rename)
  return path


def _rename(values):
  values['command'] = '\n'.join(NAMES)
  values['data']['class_names'] = list(NAMES[:3])
  values['data']['version'] = NAMES[5]
  values['versions'] = {NAMES[0]: NAMES[1]}


class MarkupTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.create_tempdir().full_path)
    self.run_path = write(self.root)

  def report(self, *flags):
    code, _, err = commands.call(report, *flags)
    self.assertEqual(code, 0, err)

  def assert_harmless(self, text):
    self.assertEqual(Tags(text).found, [])
    self.assertNotIn('<script>alert', text)
    self.assertNotIn('<img src=x', text)
    self.assertNotIn('<svg onload', text)
    self.assertIn('&lt;', text)

  def test_page_of_a_run(self):
    self.report(f'--run={self.run_path}')
    self.assert_harmless((self.run_path / 'report.html').read_text())

  def test_page_of_a_comparison_and_its_readme(self):
    shutil.copytree(self.run_path, self.root / 'runs' / NAMES[3])
    out = self.root / 'report'
    self.report(
      f'--runs={self.root}/runs/*',
      f'--report_dir={out}',
      f'--note={" ".join(NAMES)}',
      '--notf_privacy_plots',
    )
    self.assert_harmless((out / 'report.html').read_text())

  def test_page_of_predictions(self):
    self.assert_harmless(inference_text())


def inference_text():
  """Returns the page of predictions of classes that are named as HTML."""
  rng = np.random.default_rng(0)
  answers = inference.predictions(
    rng.normal(size=(6, len(NAMES))),
    np.arange(6) % len(NAMES),
    ids=np.arange(6),
    class_names=NAMES,
  )
  return inference_page.page(
    answers,
    answers.first(3),
    rng.random((6, 4, 4, 1)).astype(np.float32),
    report=inference.classification_report(answers),
    matrix=inference.confusion_matrix(answers),
    run=NAMES[1],
    weights='final',
    command=' '.join(NAMES),
  )


class BrowserTest(browser.BrowserCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    browser.start()
    cls.addClassCleanup(browser.stop)

  def test_nothing_runs_in_the_page_of_a_run(self):
    root = pathlib.Path(self.create_tempdir().full_path)
    path = write(root)
    code, _, err = commands.call(report, f'--run={path}')
    self.assertEqual(code, 0, err)
    self.unfold(self.open('markup', text=(path / 'report.html').read_text()))
    self.assert_quiet()

  def test_nothing_runs_in_the_page_of_predictions(self):
    self.unfold(self.open('markup', text=inference_text()))
    self.assert_quiet()


if __name__ == '__main__':
  absltest.main()
