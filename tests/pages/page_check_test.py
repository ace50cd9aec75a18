import pathlib
import re
import shutil
import tempfile

from absl.testing import absltest, parameterized

from rnn_tf import report
from rnn_tf.page.names import GENERATOR
from rnn_tf.pages import page_check, run_page
from rnn_tf.runs import RunFolder
from rnn_tf.verification.verification import Check, Verification
from tests import commands, verifiable_runs

ANOTHER = 'its markup or scripts are not those that this version writes'


class PageCheckTest(parameterized.TestCase):
  """Of the page itself; what the files say is verified in `verification_test`."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.made = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.made)
    verifiable_runs.write(cls.made / 'run')
    run_page.write(RunFolder(cls.made / 'run'))

  def setUp(self):
    super().setUp()
    self.run_path = pathlib.Path(self.create_tempdir().full_path) / 'run'
    shutil.copytree(self.made / 'run', self.run_path)
    self.page = self.run_path / run_page.PAGE

  def verify(self):
    """Returns the exit code and the lines that were printed."""
    code, out, _ = commands.call(report, f'--run={self.run_path}', '--verify')
    return code, out.splitlines()

  def change(self, pattern, new):
    text = self.page.read_text()
    changed, count = re.subn(pattern, new, text, count=1)
    self.assertEqual(count, 1, pattern)
    self.assertNotEqual(changed, text)
    self.page.write_text(changed)

  def assert_says(self, *expected):
    """The page is told from the files, in a line that has all of this."""
    code, lines = self.verify()
    self.assertEqual(code, report.FALSE)
    self.assertIn(f'{self.page}: out of date or changed', lines)
    found = [line for line in lines if all(text in line for text in expected)]
    self.assertTrue(found, f'{expected} not in {lines}')

  def test_an_untouched_page_has_no_difference(self):
    code, lines = self.verify()
    self.assertEqual(code, 0)
    self.assertIn(f'{self.page}: byte for byte what the files amount to', lines)
    self.assertEqual(lines[-1], 'TRUE as far as it could be recomputed')

  def test_a_renamed_folder_is_no_lie(self):
    self.run_path = self.run_path.rename(self.run_path.with_name('renamed'))
    self.page = self.run_path / run_page.PAGE
    code, lines = self.verify()
    self.assertEqual(code, 0)
    self.assertIn('of a run then called run', '\n'.join(lines))

  def test_a_changed_number_of_the_verdict_is_named(self):
    self.change(r'(data-name="verdict/Test accuracy"[^>]*>)[^<]*', r'\g<1>0.9999')
    self.assert_says('Test accuracy', 'the page says 0.9999, recomputed 0.7')

  def test_a_changed_cell_of_a_table_is_named(self):
    self.change(r'(<td[^>]*>)0\.\d+ \[[^<]*', r'\g<1>0.500 [0.490, 0.510]')
    self.assert_says('the page says 0.500 [0.490, 0.510], recomputed 0.')

  def test_a_changed_sentence_is_named(self):
    self.change(r'(<p class="subtitle">)[^<]*', r'\g<1>All is well')
    self.assert_says("text: the page says 'All is well', recomputed")

  def forged(self, kind):
    """Changes what a reader of figures passes over."""
    if kind == 'script':
      self.change('</head>', '<script>1</script></head>')
    elif kind == 'style':
      self.change('</head>', '<style>td { display: none }</style></head>')
    elif kind == 'box':
      self.change('</body>', '<div>All is well</div></body>')
    else:
      self.page.write_bytes(self.page.read_bytes().replace(b'\n', b'\r\n'))

  @parameterized.product(
    kind=('script', 'style', 'box'), version=(None, '0.1', '99.0 of mine')
  )
  def test_changed_markup_is_false_whatever_version_is_named(self, kind, version):
    self.forged(kind)
    if version:
      self.change(rf'(content="{GENERATOR} )[^"]*', rf'\g<1>{version}')
    code, lines = self.verify()
    self.assertEqual(code, report.FALSE)
    (line,) = [line for line in lines if ANOTHER in line]
    self.assertIn('it was changed, or another version made it', line)
    self.assertIn(f'python -m rnn_tf.report --run={self.run_path} writes it', line)
    self.assertIn('all figures and texts are the same', '\n'.join(lines))
    self.assertIn('FALSE: 1 difference from', '\n'.join(lines))

  def test_other_ends_of_lines_are_false(self):
    self.forged('ends of lines')
    code, _ = self.verify()
    self.assertEqual(code, report.FALSE)

  def test_a_page_of_an_earlier_state_is_told_from_the_files(self):
    earlier = verifiable_runs.write(self.run_path.parent / 'earlier/run', trained=3)
    shutil.copy(run_page.write(RunFolder(earlier)), self.page)
    self.assert_says('verdict/Test accuracy: the page says', 'recomputed 0.7833')

  def test_without_a_page_the_files_are_verified(self):
    self.page.unlink()
    code, lines = self.verify()
    self.assertEqual(code, 0)
    self.assertIn(
      f'{self.page} is not there: python -m rnn_tf.report --run={self.run_path} writes '
      'it',
      lines,
    )

  @parameterized.parameters(
    (b'<p>mine</p>', 'no page that rnn_tf made'), (b'\xff\xfe', 'cannot be read')
  )
  def test_a_file_that_is_no_page_is_refused_in_one_line(self, content, text):
    self.page.write_bytes(content)
    code, out, err = commands.call(report, f'--run={self.run_path}', '--verify')
    self.assertEqual((code, out), (2, ''))
    self.assertLen(err.splitlines(), 1)
    self.assertIn(text, err)


class TextTest(parameterized.TestCase):
  def last_line(self, **data):
    check = page_check.PageCheck(
      run='runs/mine',
      data=Verification(**data),
      page=(),
      about_page='runs/mine/report.html: as it should be',
    )
    return page_check.text(check).splitlines()[-1]

  def test_only_what_was_recomputed_is_called_true(self):
    checks = (Check(file='a.json', place='', figure='auc', ok=True),)
    self.assertEqual(
      self.last_line(checks=checks, not_checked=()),
      'TRUE: every figure is what the stored data say',
    )
    self.assertEqual(
      self.last_line(checks=checks, not_checked=('a.json, seconds: measured',)),
      'TRUE as far as it could be recomputed',
    )


if __name__ == '__main__':
  absltest.main()
