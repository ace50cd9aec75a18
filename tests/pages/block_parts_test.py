import dataclasses

from absl.testing import absltest

from rnn_tf import attack_records
from rnn_tf.pages.block_parts import picture, slugs
from tests import fake_attacks


class SlugsTest(absltest.TestCase):
  def test_names_that_look_alike_get_different_slugs(self):
    found = slugs(['a_b', 'a b', 'A-B', 'c'])
    self.assertEqual(found, {'a_b': 'a-b', 'a b': 'a-b-2', 'A-B': 'a-b-3', 'c': 'c'})

  def test_long_names_are_cut_and_differ_still(self):
    found = slugs(['shards of ten-1', 'shards of ten-2'], most=10)
    self.assertEqual(list(found.values()), ['shards-of', 'shards-of-2'])


class PictureTest(absltest.TestCase):
  def test_a_picture_is_found_from_the_page(self):
    run = self.create_tempdir('run').full_path
    folder = fake_attacks.write(run, members=60, nonmembers=50, exposed=0)
    record = attack_records.load(folder)
    where = {'base': '../runs/run/', 'folder': attack_records.FOLDER}
    self.assertIsNone(picture(record, 'roc.png', **where))
    (folder / 'roc.png').write_bytes(b'')
    self.assertEqual(
      picture(record, 'roc.png', **where), '../runs/run/attacks/lira-half8/roc.png'
    )
    unread = dataclasses.replace(record, folder=None)
    self.assertIsNone(picture(unread, 'roc.png', **where))


if __name__ == '__main__':
  absltest.main()
