"""A full disk, a folder that cannot be written: one line, and nothing half done.

The disk is really full (a small tmpfs, where these tests may mount one), files may not
grow (a limit of the process), or a change to a file fails as on a full disk, wherever
in a command that is. With room again the same command ends as if nothing had happened.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from tests.faults import folders, sabotage, small
from tests.faults.tally import Tally

TALLY = Tally(
  'Full and read-only disks',
  'injected',
  'one line',
  'not noticed',
  'same result after',
)

COMMANDS = {
  'train mlp': ('train', small.MLP),
  'train lstm': ('train', small.LSTM),
  'train forest': ('train', small.FOREST),
  'attack': ('attack', small.ATTACK),
  'unlearn': ('unlearn', small.UNLEARN),
  'retrain': (
    'unlearn',
    ('--run=runs/mlp-s0', '--fractions=0.1', '--method=retrain', small.DATA),
  ),
  'page': ('report', ('--run=runs/mlp-s0',)),
  'comparison': ('report', small.COMPARE),
  'infer': ('infer', ('--run=runs/mlp-s0', small.DATA)),
}

# Of each command, its folder of results.
PLACES = {
  'train mlp': 'runs',
  'train lstm': 'runs',
  'train forest': 'runs',
  'attack': 'fleets',
  'unlearn': 'runs',
  'retrain': 'runs',
  'page': 'runs',
  'comparison': 'comparison',
  'infer': 'runs',
}


def contents(folder):
  """Returns what a folder holds but checksums of a forest, whose bytes vary."""
  found = folders.contents(folder)
  return {name: sum_ for name, sum_ in found.items() if 'forest-s0/result' not in name}


def mount(folder, *options):
  subprocess.run(['mount', *options, str(folder)], check=True)


def can_mount():
  """Whether these tests may mount a tmpfs."""
  if os.getuid():
    return False
  with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run(
      ['mount', '-t', 'tmpfs', 'tmpfs', folder], capture_output=True
    )
    if done.returncode == 0:
      subprocess.run(['umount', folder], check=True)
    return done.returncode == 0


class DiskTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.addClassCleanup(TALLY.show)
    cls.base = small.prepare(cls.root / 'base', small.MLP)
    cls.whole = {}

  def start_of(self, name, where):
    """Returns a folder in which a command has not been run."""
    folder = folders.copied(self.base, self.root / where)
    if COMMANDS[name][0] == 'train':
      shutil.rmtree(folder / 'runs')
    (folder / PLACES[name]).mkdir(exist_ok=True)
    return folder

  def whole_of(self, name):
    """Returns the files that a command leaves, and how often it changes one."""
    if name not in self.whole:
      folder = self.start_of(name, 'whole')
      command, flags = COMMANDS[name]
      count = small.changes(command, *flags, folder=folder)
      self.whole[name] = contents(folder), count, _size(folder / PLACES[name])
    return self.whole[name]

  def check(self, name, how, outcome, folder):
    """Checks what a command has said that had no room."""
    TALLY.add(how, 'injected')
    if outcome.code == 0:
      TALLY.add(how, 'not noticed')
      return
    about = f'{name}, {how}: {outcome}'
    self.assertTrue(outcome.refused, about)
    self.assertRegex(outcome.line, r'space|large|[Rr]ead-only|ermission', about)
    self.assertRegex(outcome.line, r'runs|fleets|comparison', about)
    TALLY.add(how, 'one line')

  def goes_on(self, name, how, folder):
    """Checks that with room again the command ends as it should have."""
    command, flags = COMMANDS[name]
    outcome = small.run(command, *flags, folder=folder)
    self.assertEqual(outcome.code, 0, f'{name} after {how}: {outcome}')
    found = folders.unlike(self.whole_of(name)[0], contents(folder))
    self.assertEmpty(found, f'{name} after {how}')
    TALLY.add(how, 'same result after')

  @parameterized.parameters(*COMMANDS)
  def test_change_that_finds_no_room_is_one_line(self, name):
    (command, flags), how = COMMANDS[name], 'no room at a change'
    _, count, _ = self.whole_of(name)
    rng = np.random.default_rng([1, list(COMMANDS).index(name)])
    for number in np.sort(rng.choice(count, min(count, 8), replace=False)) + 1:
      folder = self.start_of(name, 'full')
      act = functools.partial(sabotage.full_from, PLACES[name], int(number))
      outcome = small.run(command, *flags, folder=folder, acts=[act])
      self.check(name, how, outcome, folder)
      self.goes_on(name, how, folder)

  @parameterized.product(
    name=['train mlp', 'train lstm', 'attack', 'unlearn', 'comparison'],
    size=[512, 8192, 20000],
  )
  def test_file_that_may_not_grow_is_one_line(self, name, size):
    command, flags = COMMANDS[name]
    folder = self.start_of(name, 'limited')
    act = functools.partial(sabotage.no_file_above, size)
    outcome = small.run(command, *flags, folder=folder, acts=[act])
    self.check(name, 'no file above a size', outcome, folder)
    self.goes_on(name, 'no file above a size', folder)

  @parameterized.product(
    name=['train mlp', 'train lstm', 'train forest', 'attack', 'unlearn', 'comparison'],
    share=[0.1, 0.5, 0.8, 0.95],
  )
  def test_full_disk_is_one_line(self, name, share):
    if not can_mount():
      self.skipTest('mounting a tmpfs takes root')
    command, flags = COMMANDS[name]
    folder = self.start_of(name, 'disk')
    size = int(share * self.whole_of(name)[2])
    with Mounted(folder / PLACES[name], size) as disk:
      outcome = small.run(command, *flags, folder=folder)
      self.check(name, 'full tmpfs', outcome, folder)
      disk.grow()
      self.goes_on(name, 'full tmpfs', folder)

  @parameterized.parameters(*COMMANDS)
  def test_read_only_folder_is_one_line(self, name):
    if not can_mount():
      self.skipTest('mounting a tmpfs takes root, whom permission bits do not stop')
    command, flags = COMMANDS[name]
    folder = self.start_of(name, 'disk')
    with Mounted(folder / PLACES[name], None) as disk:
      disk.read_only()
      outcome = small.run(command, *flags, folder=folder)
      self.assertNotEqual(outcome.code, 0, f'{name}: {outcome}')
      self.check(name, 'read-only', outcome, folder)
      disk.grow()
      self.goes_on(name, 'read-only', folder)


class Mounted:
  """A tmpfs in place of a folder, with what the folder held.

  Args:
    folder: where.
    more: bytes that it has room for besides; None means enough.
  """

  def __init__(self, folder, more):
    self._folder = folder
    held = _size(folder)
    self._size = 2**26 if more is None else max(held + 4096, more)

  def __enter__(self):
    with tempfile.TemporaryDirectory() as before:
      folders.copied(self._folder, pathlib.Path(before, 'held'))
      mount(self._folder, '-t', 'tmpfs', '-o', f'size={self._size}', 'tmpfs')
      shutil.copytree(pathlib.Path(before, 'held'), self._folder, dirs_exist_ok=True)
    return self

  def __exit__(self, *error):
    subprocess.run(['umount', '--lazy', str(self._folder)], check=True)

  def grow(self):
    """Makes room, and lets it be written."""
    mount(self._folder, '-o', f'remount,rw,size={2**26}')

  def read_only(self):
    """Lets nothing be written."""
    mount(self._folder, '-o', 'remount,ro')


def _size(folder):
  """Returns the bytes that a tmpfs needs for a folder's files, whole pages."""
  files = [path for path in folder.rglob('*') if path.is_file()]
  return sum(-(-path.stat().st_size // 4096) * 4096 for path in files)


if __name__ == '__main__':
  absltest.main()
