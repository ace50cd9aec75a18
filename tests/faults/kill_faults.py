"""Commands killed again and again: each ends as if it had not been.

A kill comes before a change to a file, drawn at random out of all that the command
makes (so every window between two of them is hit); a moment after one, while a library
may be writing; or at a random moment. It hits the command and all that it has started,
or the command alone, whose workers are then orphans while the next attempt runs.
"""

import dataclasses
import functools
import pathlib
import shutil
import tempfile
import time

import numpy as np
from absl.testing import absltest, parameterized

from tests.faults import children, folders, sabotage, small
from tests.faults.tally import Tally

TALLY = Tally(
  'Kills (kill -9), and whether the files are those of an uninterrupted run',
  'before a change',
  'after a change',
  'at a moment',
  'parent alone',
  'runs',
  'equal',
)


# Not result.json: a forest's file has other bytes each time, and so another checksum.
FOREST = (*folders.NUMBERS, '.csv', '.skops', '.png')

SHADOWS = (*small.FLEET[1:], '--fleet=sequential', '--attacks=threshold,lira')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
  """A command and how often it is killed.

  Attributes:
    command: a module of rnn_tf.
    flags: of the command.
    at: kills before a change, after a change, at a moment, and at a moment of the
      parent alone.
    only: see `folders.contents`: files that do not depend on clocks of workers.
    data: whether the data set is there already.
  """

  command: str
  flags: tuple[str, ...]
  at: tuple[int, int, int, int]
  only: tuple[str, ...] = ()
  data: bool = True


CASES = {
  'train mlp': Case(command='train', flags=small.MLP, at=(8, 5, 3, 0)),
  'train lstm': Case(command='train', flags=small.LSTM, at=(4, 3, 3, 0)),
  'train private gru': Case(command='train', flags=small.DP, at=(4, 2, 2, 0)),
  'train forest': Case(
    command='train', flags=small.FOREST, at=(4, 0, 2, 0), only=FOREST
  ),
  'train, data to be made': Case(
    command='train', flags=(*small.MLP, '--epochs=1'), at=(4, 2, 2, 0), data=False
  ),
  'train with shadows': Case(
    command='train',
    flags=(*small.MLP, *SHADOWS),
    at=(6, 2, 2, 0),
  ),
  'fleet': Case(command='attack', flags=small.ATTACK, at=(7, 4, 3, 0)),
  'fleet of processes': Case(
    command='attack',
    flags=(*small.ATTACK, '--fleet=processes'),
    at=(2, 2, 2, 4),
    only=folders.NUMBERS,
  ),
  'shards': Case(command='unlearn', flags=small.UNLEARN, at=(7, 4, 3, 0)),
  'shards of processes': Case(
    command='unlearn',
    flags=(*small.SHARDED, '--shard_training=processes'),
    at=(1, 1, 1, 3),
    only=folders.NUMBERS,
  ),
  'retrain': Case(
    command='unlearn',
    flags=('--run=runs/mlp-s0', '--fractions=0.1', '--method=retrain', small.DATA),
    at=(4, 2, 2, 0),
  ),
  'page': Case(command='report', flags=('--run=runs/mlp-s0',), at=(4, 0, 2, 0)),
  'comparison': Case(command='report', flags=small.COMPARE, at=(8, 2, 4, 0)),
  'predictions': Case(
    command='infer', flags=('--run=runs/mlp-s0', small.DATA), at=(3, 0, 1, 0)
  ),
}


class KillTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.addClassCleanup(TALLY.show)
    cls.base = small.prepare(cls.root / 'base', small.MLP, small.LSTM)

  @parameterized.parameters(*CASES)
  def test_killed_command_ends_as_if_it_had_not_been(self, name):
    case = CASES[name]
    Victim(self, name, case, list(CASES).index(name)).kill()

  def start_of(self, case, where):
    """Returns a folder in which the command has not been run."""
    folder = folders.copied(self.base, self.root / where)
    if case.command == 'train':
      shutil.rmtree(folder / 'runs')
    if not case.data:
      shutil.rmtree(folder / 'data')
      (folder / 'data').mkdir()
    return folder


class Victim:
  """Kills one command as often as its case says.

  Args:
    test: asserts.
    name: of the case.
    case: what is killed.
    seed: of the moments.
  """

  def __init__(self, test, name, case, seed):
    self._test, self._name, self._case = test, name, case
    self._rng = np.random.default_rng([seed, 2026])
    folder = test.start_of(case, 'whole')
    self._changes = small.changes(case.command, *case.flags, folder=folder)
    self._whole = folders.contents(folder, only=case.only)
    folder = test.start_of(case, 'timed')
    start = time.monotonic()
    small.must(case.command, *case.flags, folder=folder)
    self._seconds = time.monotonic() - start
    # What is compared does not differ by itself.
    self._compare(folder)

  def kill(self):
    """Kills, restarts, and compares what the survivor leaves."""
    columns = ('before a change', 'after a change', 'at a moment', 'parent alone')
    plan = [c for c, n in zip(columns, self._case.at, strict=True) for _ in range(n)]
    self._rng.shuffle(plan)
    folder = self._test.start_of(self._case, 'killed')
    orphans = []
    while plan:
      child, outcome = self._attempt(folder, plan[-1])
      if outcome is None or outcome.code == -9:
        TALLY.add(self._name, plan.pop())
        orphans.append(child)
        continue
      # It was through before it could be killed: from the start again.
      self._survived(folder, outcome)
      folder = self._test.start_of(self._case, 'killed')
    outcome = small.run(self._case.command, *self._case.flags, folder=folder)
    self._survived(folder, outcome)
    for child in orphans:
      child.wait()

  def _attempt(self, folder, how):
    acts = [sabotage.freeze_clocks]
    number = int(self._rng.integers(1, self._changes + 1))
    delay = self._rng.uniform(0.0, 0.05) if how == 'after a change' else 0.0
    if how in ('before a change', 'after a change'):
      acts.append(functools.partial(sabotage.die_at, '.', number, delay=delay))
    child = children.Child(
      self._case.command, self._case.flags, folder=folder, acts=acts
    )
    if how in ('before a change', 'after a change'):
      return child, child.wait()
    moment = time.monotonic() + self._rng.uniform(0.0, self._seconds)
    while child.alive and time.monotonic() < moment:
      time.sleep(0.002)
    if not child.alive:
      return child, child.wait()
    child.kill(group=how == 'at a moment')
    # Its orphans go on while the next attempt runs.
    return child, None if how == 'parent alone' else child.wait()

  def _survived(self, folder, outcome):
    TALLY.add(self._name, 'runs')
    self._test.assertEqual(outcome.code, 0, f'{self._name}: {outcome}')
    self._compare(folder)
    TALLY.add(self._name, 'equal')

  def _compare(self, folder):
    found = folders.contents(folder, only=self._case.only)
    self._test.assertEmpty(folders.unlike(self._whole, found), self._name)
    self._test.assertEmpty(folders.leftovers(folder), self._name)


if __name__ == '__main__':
  absltest.main()
