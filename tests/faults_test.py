"""A sample of the fault tests, see `tests/faults/`, for the ordinary suite."""

import functools
import pathlib
import shutil
import tempfile

from absl.testing import absltest

from tests.faults import folders, sabotage, small


class FaultsTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.base = small.prepare(cls.root / 'base', small.MLP)
    cls.whole = folders.contents(cls.base)

  def new_folder(self):
    folder = folders.copied(self.base, self.root / 'new')
    shutil.rmtree(folder / 'runs')
    return folder

  def assert_goes_on(self, folder):
    outcome = small.run('train', *small.MLP, folder=folder)
    self.assertEqual(outcome.code, 0, outcome)
    self.assertEmpty(folders.unlike(self.whole, folders.contents(folder)))
    self.assertEmpty(folders.leftovers(folder))

  def test_killed_run_leaves_the_files_of_an_uninterrupted_one(self):
    folder = self.new_folder()
    for number in (50, 20):
      act = functools.partial(sabotage.die_at, '.', number)
      outcome = small.run('train', *small.MLP, folder=folder, acts=[act])
      self.assertEqual(outcome.code, -9, outcome)
    self.assert_goes_on(folder)

  def test_run_that_finds_no_room_goes_on_when_there_is_some(self):
    folder = self.new_folder()
    act = functools.partial(sabotage.full_from, '.', 40)
    outcome = small.run('train', *small.MLP, folder=folder, acts=[act])
    self.assertTrue(outcome.refused, outcome)
    self.assertIn('No space left', outcome.line)
    self.assertIn('runs/mlp-s0', outcome.line)
    self.assert_goes_on(folder)

  def test_flipped_bit_of_the_scores_is_named(self):
    folder = folders.copied(self.base, self.root / 'new')
    path = folder / 'runs/mlp-s0/scores/epoch-0003.npz'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    flags = '--run=runs/mlp-s0', '--verify'
    outcome = small.run('report', *flags, folder=folder)
    self.assertTrue(outcome.refused, outcome)
    self.assertIn('scores/epoch-0003.npz', outcome.line)


if __name__ == '__main__':
  absltest.main()
