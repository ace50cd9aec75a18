"""Flag files that are none: always one line that names the file, and exit code 2."""

import contextlib
import os
import pathlib

import hypothesis
from absl.testing import absltest, parameterized
from hypothesis import strategies as st

from rnn_tf import train
from rnn_tf.errors import UsageError
from rnn_tf.flag_files import expanded
from tests import commands

_LINES = st.one_of(
  st.text(max_size=30),
  st.sampled_from(
    [
      *('--epochs=3', '--epoch=3', '--epochs', '--epochs 3', 'epochs=3', '-epochs=3'),
      *('--flagfile=fuzz.flags', '--flagfile=', '--flagfile', '--flagfile fuzz.flags'),
      *('--undefok=x', '--', '# comment', '// comment', '  # comment', '\ufeff', '\0'),
      *('--help', '-h', '--noepochs', '--nodownload', '--model=\x1b[2J', '-' * 70_000),
    ]
  ),
)


class FlagFilesTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = pathlib.Path(self.create_tempdir().full_path)
    self.enter_context(contextlib.chdir(folder))

  def _call(self, *arguments, main=None):
    code, out, err = commands.call(train, *arguments, main=main or (lambda: 0))
    if code == 2:
      self.assertLen(err.splitlines(), 1)
      self.assertEqual(out, '')
    return code, err

  def _epochs(self, content):
    pathlib.Path('some.flags').write_bytes(content)
    found = []

    def main():
      found.append(train.training.from_flags().epochs)

    self.assertEqual(self._call('--flagfile=some.flags', main=main), (0, ''))
    return found[0]

  @parameterized.named_parameters(
    ('plain', b'--epochs=3'),
    ('byte order mark', b'\xef\xbb\xbf# comment\n--epochs=3\n'),
    ('line ends of Windows', b'# comment\r\n\r\n--epochs=3\r\n'),
    ('line ends of old Macs', b'# comment\r--epochs=3\r'),
    ('comments', b'# one\n// two\n   # three\n--epochs=2\n\t--epochs=3  \n'),
    ('flag that is allowed to be unknown', b'--undefok=later\n--later=1\n--epochs=3'),
    ('empty beside', b'\n\n \n--epochs=3'),
  )
  def test_text_with_flags_is_read(self, content):
    self.assertEqual(self._epochs(content), 3)

  def test_file_includes_another_twice(self):
    pathlib.Path('inner.flags').write_text('--epochs=7\n')
    content = b'--flagfile=inner.flags\n--epochs=3\n  --flagfile=inner.flags\n'
    self.assertEqual(self._epochs(content), 7)

  @parameterized.named_parameters(
    ('itself', '--flagfile=one.flags', ''),
    ('by way of another', '--flagfile=two.flags', '--flagfile=one.flags'),
    ('under another name', '--flagfile=./link.flags', ''),
  )
  def test_file_that_includes_itself_is_refused(self, one, two):
    pathlib.Path('one.flags').write_text(one)
    pathlib.Path('two.flags').write_text(two)
    pathlib.Path('link.flags').symlink_to('one.flags')
    code, err = self._call('--flagfile=one.flags')
    self.assertEqual(code, 2)
    self.assertIn('includes itself', err)

  def test_files_that_double_each_other_are_refused(self):
    for number in range(40):
      line = f'--flagfile={number + 1}.flags\n--epochs=1\n'
      pathlib.Path(f'{number}.flags').write_text(2 * line)
    pathlib.Path('40.flags').write_text('--epochs=1')
    code, err = self._call('--flagfile=0.flags')
    self.assertEqual(code, 2)
    self.assertIn('more than 10000 flags', err)

  @parameterized.named_parameters(
    ('binary', bytes(range(256)), 'is no text in UTF-8'),
    ('NUL', b'--epochs=3\0', 'NUL'),
    ('UTF-16', '--epochs=3'.encode('utf-16'), 'is no text in UTF-8'),
    ('huge', b'#' * 2_000_000, 'more than 1048576 bytes'),
    ('long line', b'--model=' + b'x' * 1_000_000, '--model=xxx'),
    ('unknown flag', b'--epoch=3', 'did you mean epochs'),
    ('no flag', b'epochs=3', "'epochs=3' is not a flag"),
    ('two words', b'--epochs 3', 'no such flag'),
    ('no file inside', b'--flagfile=', 'names no file'),
    ('no value inside', b'--flagfile\n--epochs=3', 'names no file'),
    ('missing inside', b'--flagfile=none.flags', '--flagfile=none.flags: No such'),
    ('control characters', b'--epochs=\x1b[2J\x07', r'--epochs=\x1b[2J\x07'),
  )
  def test_file_with_anything_else_is_refused_in_one_line(self, content, part):
    pathlib.Path('bad.flags').write_bytes(content)
    code, err = self._call('--flagfile=bad.flags', main=train.main)
    self.assertEqual(code, 2)
    self.assertIn(part, err)
    self.assertLess(len(err), 2200)
    self.assertTrue(err[:-1].isprintable())

  @parameterized.parameters(
    ('folder', 'no regular file'),
    ('pipe', 'no regular file'),
    ('loop', 'Too many levels'),
    ('dangling', 'No such file'),
    ('/dev/zero', 'no regular file'),
    ('/dev/null', 'no regular file'),
    ('', 'names no file'),
    ('x' * 300, 'File name too long'),
    ('none\nhere', 'No such file'),
    ('b\udcff', 'No such file'),
  )
  def test_place_that_is_no_file_is_refused(self, place, part):
    os.mkdir('folder')
    os.mkfifo('pipe')
    os.symlink('loop', 'loop')
    os.symlink('nowhere', 'dangling')
    for arguments in ([f'--flagfile={place}'], ['--flagfile', place]):
      code, err = self._call(*arguments)
      self.assertEqual(code, 2)
      self.assertIn(part, err)
      self.assertIn('--flagfile', err)

  def test_file_that_may_not_be_read_is_refused(self):
    pathlib.Path('secret.flags').write_text('--epochs=3')
    opened = absltest.mock.patch(
      'pathlib.Path.read_text', side_effect=PermissionError(13, 'Permission denied')
    )
    with opened:
      code, err = self._call('--flagfile=secret.flags')
    self.assertEqual(code, 2)
    self.assertIn('--flagfile=secret.flags: Permission denied', err)

  @hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
  @hypothesis.given(st.lists(_LINES, max_size=6), st.sampled_from(['\n', '\r\n', '\r']))
  def _any_lines(self, lines, end):
    content = end.join(lines).encode('utf-8', 'surrogatepass')
    pathlib.Path('fuzz.flags').write_bytes(content)
    code, _ = self._call('--flagfile=fuzz.flags')
    self.assertIn(code, (0, 2))

  def test_any_lines_are_answered(self):
    self._any_lines()

  @hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
  @hypothesis.given(st.binary(max_size=60))
  def _any_bytes(self, content):
    pathlib.Path('fuzz.flags').write_bytes(content)
    self.assertIn(self._call('--flagfile=fuzz.flags')[0], (0, 2))

  def test_any_bytes_are_answered(self):
    self._any_bytes()

  def test_what_follows_two_dashes_is_left_alone(self):
    self.assertEqual(
      expanded(['--', '--flagfile=none.flags']), ['--', '--flagfile=none.flags']
    )

  def test_missing_file_raises_a_usage_error(self):
    with self.assertRaisesRegex(UsageError, '--flagfile=none.flags'):
      expanded(['--epochs=3', '--flagfile=none.flags'])


class ArgumentsTest(parameterized.TestCase):
  @parameterized.parameters(
    ('--note=a\0b', '--note: holds a NUL character'),
    ('--run_dir=\udcff', '--run_dir: is not in UTF-8'),
    ('--run_dir=a\nb', r'--run_dir=a\nb: holds a control character'),
    ('--run_dir=a\u2028b', r'--run_dir=a\u2028b: holds a control character'),
    ('--epochs=3\n4', r'--epochs=3\n4: must be an integer'),
    ('--epochs=' + '9' * 5000, 'must be an integer'),
    ('--model=a\r\nb', r'--model=a\r\nb: must be one of'),
    ('--no\nthing', r'--no\nthing: this command has no such flag'),
    ('\x1b]0;title\x07', 'is not a flag'),
    ('--dp=maybe', '--dp=maybe: must be true or false'),
    ('--run_dir=' + 'x' * 5000, 'File name too long'),
  )
  def test_error_is_one_printable_line(self, argument, part):
    code, out, err = commands.call(train, argument)
    self.assertEqual((code, out), (2, ''))
    self.assertIn(part, err)
    self.assertTrue(err[:-1].isprintable(), err)
    self.assertLess(len(err), 2200)


if __name__ == '__main__':
  absltest.main()
