"""Lists of ids that somebody else has written: one line, or the right ids."""

import dataclasses
import os
import pathlib
import threading
import time

import numpy as np
from absl import flags
from absl.testing import absltest, flagsaver, parameterized
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion_config import ForgetConfig
from rnn_tf.errors import UsageError
from rnn_tf.options import deletion

_IDS = np.arange(10, 60)
_LABELS = _IDS % 3


def _read(path):
  """Returns the ids that a file is read as."""
  with flagsaver.flagsaver():
    flags.FLAGS(['test', f'--forget_ids={path}'])
    return deletion.from_flags().forget.forget_ids


def _chosen(ids):
  """Returns the forget set of a list of ids."""
  (found,) = choose.forget_sets(
    dataclasses.replace(ForgetConfig(), forget_ids=tuple(ids)),
    ids=_IDS,
    labels=_LABELS,
    assignment=sisa.assign(len(_IDS), num_shards=1, num_slices=1, seed=0),
    seed=0,
  )
  return found.ids


class ForgetTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path) / 'ids.txt'

  def refused(self, path, part):
    with self.assertRaises(UsageError) as raised:
      _read(path)
    text = str(raised.exception)
    self.assertStartsWith(text, f'--forget_ids={path}: ')
    self.assertIn(part, text)
    self.assertNotIn('\n', text)

  @parameterized.parameters(
    b'1\n2\n3', b'\xef\xbb\xbf1\r\n2\r\n3\r\n', b'# mine\n\n 1 \n\t2\n3\n'
  )
  def test_ids_are_read_however_they_are_laid_out(self, content):
    self.path.write_bytes(content)
    self.assertEqual(_read(self.path), (1, 2, 3))

  @parameterized.parameters(
    *(
      b'-1',
      b'1.0',
      b'1e3',
      b'1,2',
      b'0x10',
      b'1_000',
      b'+1',
      b'ids',
      b'1' + b'0' * 19,
    ),
    *('\u0661\u0662'.encode(), '\uff11'.encode(), '1\u20282'.encode()),
    *(b'1\x0c2', b'1\x002', b'<script>'),
  )
  def test_line_that_is_no_id_is_named(self, content):
    self.path.write_bytes(b'5\n' + content + b'\n')
    self.refused(self.path, 'line 2 is ')

  @parameterized.parameters(b'', b'\n\n', b'# 1\n#2', b'\xef\xbb\xbf')
  def test_no_ids_are_refused(self, content):
    self.path.write_bytes(content)
    self.refused(self.path, 'has no ids')

  @parameterized.parameters(b'\xff\xfe1\x00', b'\x80\x81', b'1\n\xc3\x28')
  def test_what_is_no_text_is_refused(self, content):
    self.path.write_bytes(content)
    self.refused(self.path, 'is no text')

  def test_what_has_no_end_is_refused_unread(self):
    self.refused('/dev/zero', 'is no regular file')
    os.mkfifo(self.path)
    # Would wait for a writer for ever.
    waiting = threading.Thread(
      target=self.refused, args=(self.path, 'is no regular file'), daemon=True
    )
    waiting.start()
    waiting.join(60)
    self.assertFalse(waiting.is_alive())

  def test_file_beyond_all_reason_is_refused_unread(self):
    with open(self.path, 'wb') as file:
      file.truncate(2**40)
    start = time.monotonic()
    self.refused(self.path, 'has more than')
    self.assertLess(time.monotonic() - start, 60)

  @settings(max_examples=200, deadline=None)
  @given(content=st.binary(max_size=200))
  def test_any_bytes_are_ids_or_one_line(self, content):
    self.path.write_bytes(content)
    try:
      ids = _read(self.path)
    except UsageError as error:
      self.assertStartsWith(str(error), f'--forget_ids={self.path}: ')
    else:
      self.assertTrue(ids)
      self.assertTrue(all(0 <= each < 10**18 for each in ids))


class ChosenTest(parameterized.TestCase):
  @settings(max_examples=100, deadline=None)
  @given(
    ids=st.lists(st.sampled_from(_IDS.tolist()), min_size=1, max_size=80).filter(
      lambda ids: len(set(ids)) < len(_IDS)
    )
  )
  def test_ids_of_training_examples_are_the_set_each_once(self, ids):
    np.testing.assert_array_equal(_chosen(ids), sorted(set(ids)))

  def test_all_but_one_may_go(self):
    np.testing.assert_array_equal(_chosen(_IDS[1:].tolist()), _IDS[1:])

  def test_all_are_refused(self):
    with self.assertRaisesRegex(UsageError, '--forget_ids'):
      _chosen(_IDS.tolist())

  @parameterized.parameters(0, 9, 60, 10**17)
  def test_id_of_no_training_example_is_named(self, other):
    with self.assertRaisesRegex(UsageError, f'--forget_ids.*{other}'):
      _chosen([10, other])


if __name__ == '__main__':
  absltest.main()
