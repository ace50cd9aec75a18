"""Two processes on one folder: the second is refused, and a dead one locks nobody out.

And clocks that jump or stand still: nothing depends on them but what took how long.
"""

import functools
import os
import pathlib
import shutil
import signal
import tempfile
import time

from absl.testing import absltest, parameterized

from tests.faults import children, folders, sabotage, small
from tests.faults.tally import Tally

LOCKS = Tally('Two processes on one folder', 'pairs', 'second refused', 'third went on')

CLOCKS = Tally('Clocks that jump', 'runs', 'same result')

# First the command that holds the folder, then one that must not get it; what the
# first is doing when it is stopped.
PAIRS = {
  'train, train': (('train', small.MLP), ('train', small.MLP), 'writing to'),
  'one fleet, two attacks': (
    ('attack', small.ATTACK),
    ('attack', ('--label=other', *small.ATTACK)),
    'shadow 0:',
  ),
  'one attack twice': (
    ('attack', small.ATTACK),
    ('attack', (*small.ATTACK, '--fleet_dir=fleets/others')),
    'shadow 0:',
  ),
  'unlearn, unlearn': (
    ('unlearn', small.UNLEARN),
    ('unlearn', small.UNLEARN),
    'shard 0 trained',
  ),
  'one model, two audits': (
    ('unlearn', small.UNLEARN),
    ('unlearn', ('--label=other', *small.UNLEARN)),
    'shard 0 trained',
  ),
  'comparison, comparison': (('report', small.COMPARE), ('report', small.COMPARE), ''),
}


class Base(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.base = small.prepare(cls.root / 'base', small.MLP)

  def start_of(self, command, where):
    folder = folders.copied(self.base, self.root / where)
    if command == 'train':
      shutil.rmtree(folder / 'runs')
    return folder


class LockTest(Base):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.addClassCleanup(LOCKS.show)

  @parameterized.parameters(*PAIRS)
  def test_second_process_is_refused_until_the_first_is_killed(self, name):
    (command, flags), second, doing = PAIRS[name]
    folder = self.start_of(command, 'whole')
    small.must(command, *flags, folder=folder)
    whole = folders.contents(folder)
    folder = self.start_of(command, 'locked')
    child = children.Child(command, flags, folder=folder, acts=[sabotage.freeze_clocks])
    # Stopped, it would outlive a test that fails.
    self.addCleanup(lambda: child.alive and child.kill())
    if doing:
      self.assertTrue(child.said(doing), name)
    else:
      self.assertTrue(_appears(folder / 'comparison/table.csv', child), name)
    # It holds what it holds, however quick it would be through.
    os.killpg(child.pid, signal.SIGSTOP)
    LOCKS.add(name, 'pairs')
    outcome = small.run(second[0], *second[1], folder=folder)
    self.assertTrue(outcome.refused, f'{name}: {outcome}')
    self.assertRegex(outcome.line, 'another process (is|makes)', name)
    LOCKS.add(name, 'second refused')
    child.kill()
    self.assertEqual(child.wait().code, -signal.SIGKILL)
    outcome = small.run(command, *flags, folder=folder)
    self.assertEqual(outcome.code, 0, f'{name}: {outcome}')
    self.assertEmpty(folders.unlike(whole, folders.contents(folder)), name)
    LOCKS.add(name, 'third went on')


def _appears(path, child):
  """Waits for a file that a child writes; returns False where it ends without."""
  while child.alive and not path.exists():
    time.sleep(0.005)
  return child.alive


COMMANDS = {
  'train': ('train', small.MLP),
  'attack': ('attack', small.ATTACK),
  'unlearn': ('unlearn', small.UNLEARN),
  'comparison': ('report', small.COMPARE),
}

# Days by which a clock is wrong, readings after which it jumps, and whether it goes to
# and fro: between two runs, within one, and all the time.
JUMPS = ((-400.0, 0, False), (4000.0, 0, False), (-2.0, 5, False), (30.0, 3, True))


class ClockTest(Base):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.addClassCleanup(CLOCKS.show)

  @parameterized.product(name=list(COMMANDS), jump=JUMPS)
  def test_clock_that_jumps_changes_no_result(self, name, jump):
    command, flags = COMMANDS[name]
    days, after, back = jump
    folder = self.start_of(command, 'whole')
    small.must(command, *flags, folder=folder)
    whole = folders.contents(folder, only=folders.NUMBERS)
    folder = self.start_of(command, 'jumped')
    jumping = functools.partial(sabotage.jump_clock, days, after=after, back=back)
    # Killed under one clock, resumed under another, read under the true one.
    killing = functools.partial(sabotage.die_at, '.', 40)
    children.run(command, *flags, folder=folder, acts=[jumping, killing])
    outcome = children.run(
      command, *flags, folder=folder, acts=[] if days < 0 else [jumping]
    )
    CLOCKS.add(name, 'runs')
    self.assertEqual(outcome.code, 0, f'{name}: {outcome}')
    self.assertNotRegex(outcome.err, r'-\d[\d.]* (s|min|h)\b', name)
    found = folders.contents(folder, only=folders.NUMBERS)
    self.assertEmpty(folders.unlike(whole, found), name)
    if command == 'train':
      self.check_seconds(folder / 'runs/mlp-s0/metrics.csv')
    CLOCKS.add(name, 'same result')

  def check_seconds(self, path):
    heads, *rows = (line.split(',') for line in path.read_text().splitlines())
    for row in rows:
      self.assertBetween(float(row[heads.index('seconds')]), 0.0, 600.0)


if __name__ == '__main__':
  absltest.main()
