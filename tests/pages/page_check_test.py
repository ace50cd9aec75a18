import re

from absl.testing import absltest

from rnn_tf import report
from rnn_tf.pages import run_page
from rnn_tf.runs import RunFolder
from tests import commands, fake_runs


class PageCheckTest(fake_runs.RunsCase):
  """Of the page itself; what the files say is verified in `verification_test`."""

  def setUp(self):
    super().setUp()
    self.run = self.run_folder('digits-cnn2-s0')
    self.path = run_page.write(RunFolder(self.run))

  def page_lines(self):
    _, out, _ = commands.call(report, f'--run={self.run}', '--verify')
    return [line for line in out.splitlines() if 'the page says' in line]

  def change(self, pattern, new):
    text = self.path.read_text()
    changed, count = re.subn(pattern, new, text, count=1)
    self.assertEqual(count, 1, pattern)
    self.assertNotEqual(changed, text)
    self.path.write_text(changed)

  def test_an_untouched_page_has_no_difference(self):
    _, out, _ = commands.call(report, f'--run={self.run}', '--verify')
    self.assertIn('byte for byte what the files amount to', out)

  def test_a_changed_number_of_the_verdict_is_named(self):
    self.change(r'(data-name="verdict/Test accuracy"[^>]*>)[^<]*', r'\g<1>0.9999')
    (line,) = [x for x in self.page_lines() if 'Test accuracy' in x]
    self.assertIn('the page says 0.9999, recomputed 0.7', line)

  def test_a_changed_cell_of_a_table_is_named(self):
    self.change(r'(<td[^>]*>)0\.\d+ \[[^<]*', r'\g<1>0.500 [0.490, 0.510]')
    lines = self.page_lines()
    self.assertNotEmpty(lines)
    self.assertIn('the page says 0.500 [0.490, 0.510]', '\n'.join(lines))

  def test_a_changed_sentence_is_named(self):
    self.change('Nothing was found|This model gives away[^<]*', 'All is well')
    self.assertIn('All is well', '\n'.join(self.page_lines()))

  def test_changed_scripts_are_named(self):
    self.change('</head>', '<script>1</script></head>')
    code, out, _ = commands.call(report, f'--run={self.run}', '--verify')
    self.assertEqual(code, report.FALSE)
    self.assertIn('its markup or scripts were changed', out)

  def test_a_page_of_an_earlier_state_is_told_from_the_files(self):
    lines = (self.run / 'privacy.jsonl').read_text().splitlines(keepends=True)
    last = [line for line in lines if '"epoch": 2' in line]
    (self.run / 'privacy.jsonl').write_text(''.join(last))
    self.assertNotEmpty(self.page_lines())

  def test_a_file_that_is_no_page_is_refused_in_one_line(self):
    self.path.write_text('<p>mine</p>')
    code, out, err = commands.call(report, f'--run={self.run}', '--verify')
    self.assertEqual((code, out), (2, ''))
    self.assertLen(err.splitlines(), 1)
    self.assertIn('no page that rnn_tf made', err)


if __name__ == '__main__':
  absltest.main()
