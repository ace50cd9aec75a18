"""Damaged files of every kind: named, made again, or of no harm; never silently wrong.

A file is cut short, emptied, has single bits flipped at seeded places, or is replaced
by random bytes or by the same file of another run. The command that reads it then has
to end with one line that names the file, to make it again, or to leave exactly what it
leaves of whole files.
"""

import dataclasses
import functools
import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from tests.faults import folders, sabotage, small
from tests.faults.tally import Tally

TALLY = Tally(
  'Damaged files',
  'injected',
  'detected by name',
  'made again',
  'harmless',
  'silently wrong',
  'crashed',
)

FLIPS, CUTS = 8, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
  """A kind of file, and who reads it.

  Attributes:
    start: the prepared folder that it is in.
    file: a glob in it; the first match is damaged.
    command: a module of rnn_tf, and its flags.
    names: words of which the line must have one, besides the file's own name.
  """

  start: str
  file: str
  command: tuple[str, tuple[str, ...]]
  names: tuple[str, ...] = ()


TRAIN = ('train', small.MLP)
PAGE = ('report', ('--run=runs/mlp-s0',))
VERIFY = ('report', ('--run=runs/mlp-s0', '--verify'))
INFER = ('infer', ('--run=runs/mlp-s0', small.DATA))
ATTACK = ('attack', small.ATTACK)
UNLEARN = ('unlearn', small.UNLEARN)
RUN, SHARDED = 'runs/mlp-s0', 'runs/mlp-s0-sharded3x2'

KINDS = {
  'checkpoint, state': Kind(
    start='killed', file=f'{RUN}/checkpoint/checkpoint', command=TRAIN
  ),
  'checkpoint, index': Kind(
    start='killed', file=f'{RUN}/checkpoint/*.index', command=TRAIN, names=('ckpt-',)
  ),
  'checkpoint, data': Kind(
    start='killed', file=f'{RUN}/checkpoint/*.data-*', command=TRAIN, names=('ckpt-',)
  ),
  'best weights, resumed': Kind(
    start='killed', file=f'{RUN}/weights/epoch-*', command=TRAIN
  ),
  'scores npz, resumed': Kind(
    start='killed', file=f'{RUN}/scores/*.npz', command=TRAIN
  ),
  'examples npz, resumed': Kind(
    start='killed', file=f'{RUN}/examples.npz', command=TRAIN
  ),
  'metrics csv, resumed': Kind(
    start='killed', file=f'{RUN}/metrics.csv', command=TRAIN
  ),
  'privacy jsonl, resumed': Kind(
    start='killed', file=f'{RUN}/privacy.jsonl', command=TRAIN
  ),
  'config json, resumed': Kind(
    start='killed', file=f'{RUN}/config.json', command=TRAIN
  ),
  'final weights': Kind(
    start='done', file=f'{RUN}/weights/final.weights.h5', command=ATTACK
  ),
  'best weights': Kind(
    start='done', file=f'{RUN}/weights/best.weights.h5', command=INFER
  ),
  'scores npz': Kind(start='done', file=f'{RUN}/scores/*.npz', command=VERIFY),
  'examples npz': Kind(start='done', file=f'{RUN}/examples.npz', command=VERIFY),
  'metrics csv': Kind(start='done', file=f'{RUN}/metrics.csv', command=VERIFY),
  'privacy jsonl': Kind(start='done', file=f'{RUN}/privacy.jsonl', command=VERIFY),
  'config json': Kind(start='done', file=f'{RUN}/config.json', command=VERIFY),
  'result json': Kind(start='done', file=f'{RUN}/result.json', command=VERIFY),
  'page': Kind(start='done', file=f'{RUN}/report.html', command=VERIFY),
  'fleet npz': Kind(start='fleet', file='fleets/four/*.npz', command=ATTACK),
  'shadow json': Kind(
    start='fleet', file='fleets/four/shadow-0000.json', command=ATTACK
  ),
  'fleet json': Kind(start='fleet', file='fleets/four/fleet.json', command=ATTACK),
  'attack json': Kind(
    start='attacked', file=f'{RUN}/attacks/*/attack.json', command=VERIFY
  ),
  'attack jsonl': Kind(
    start='attacked', file=f'{RUN}/attacks/*/privacy.jsonl', command=VERIFY
  ),
  'attack scores': Kind(
    start='attacked', file=f'{RUN}/attacks/*/scores.npz', command=VERIFY
  ),
  'stage npz': Kind(
    start='shards', file=f'{SHARDED}/shards/000/slice-000.npz', command=UNLEARN
  ),
  'stage json': Kind(
    start='shards', file=f'{SHARDED}/shards/000/slice-000.json', command=UNLEARN
  ),
  'shard outputs': Kind(
    start='sharded', file=f'{SHARDED}/shards/000/outputs.npz', command=UNLEARN
  ),
  'sharded json': Kind(
    start='sharded', file=f'{SHARDED}/sharded.json', command=UNLEARN
  ),
  'sharded result': Kind(
    start='sharded', file=f'{SHARDED}/result.json', command=UNLEARN
  ),
  'outputs npz': Kind(
    start='sharded', file=f'{RUN}/deletions/outputs.npz', command=UNLEARN
  ),
  'deletion json': Kind(
    start='deleted', file=f'{RUN}/deletions/*/deletion.json', command=VERIFY
  ),
  'classical model': Kind(
    start='forest',
    file='runs/forest-s0/weights/final.skops',
    command=('infer', ('--run=runs/forest-s0', small.DATA)),
  ),
  'tfrecord': Kind(
    start='done',
    file='data/digits/1.0.0/*test.tfrecord*',
    command=INFER,
    names=('data/digits',),
  ),
  'tfds json': Kind(
    start='done',
    file='data/digits/1.0.0/dataset_info.json',
    command=INFER,
    names=('data/digits',),
  ),
}


class DamageTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.addClassCleanup(TALLY.show)
    cls.starts = _starts(cls.root)
    cls.whole = {}

  def outcome_of(self, kind, where):
    """Returns what a command says, and what is there then."""
    command, flags = kind.command
    outcome = small.run(command, *flags, folder=where)
    return outcome, folders.contents(where)

  def whole_of(self, kind):
    """Returns stdout and files where nothing is damaged."""
    key = kind.start, kind.command
    if key not in self.whole:
      where = folders.copied(self.starts[kind.start], self.root / 'whole')
      outcome, found = self.outcome_of(kind, where)
      self.assertEqual(outcome.code, 0, f'{key}: {outcome}')
      self.whole[key] = outcome.out, found
    return self.whole[key]

  @parameterized.parameters(*KINDS)
  def test_damaged_file_is_named_or_made_again(self, name):
    kind, wrong = KINDS[name], []
    out, whole = self.whole_of(kind)
    found = sorted(self.starts[kind.start].glob(kind.file))
    self.assertNotEmpty(found, name)
    file = found[0].relative_to(self.starts[kind.start])
    content = found[0].read_bytes()
    rng = np.random.default_rng([list(KINDS).index(name), 7])
    for how, damaged in _damages(content, rng):
      where = folders.copied(self.starts[kind.start], self.root / 'damaged')
      (where / file).write_bytes(damaged)
      outcome, files = self.outcome_of(kind, where)
      # What was damaged and is not read by the command stays as it is.
      unlike = set(folders.unlike(whole, files)) - {str(file)}
      names = (file.name, file.stem, *kind.names)
      verdict = _verdict(outcome, unlike, names, same=outcome.out == out)
      TALLY.add(name, 'injected')
      TALLY.add(name, verdict)
      if verdict in ('silently wrong', 'crashed'):
        said = outcome.err[-600:] if outcome.code else sorted(unlike)
        wrong.append(f'{name}, {how}: {verdict}: {outcome.code} {said}')
    self.assertEmpty(wrong, '\n'.join(wrong))


def _verdict(outcome, unlike, names, *, same):
  said = outcome.out + outcome.err
  named = any(each in said for each in names)
  if outcome.refused or outcome.code == 3:
    return 'detected by name' if named else 'crashed'
  if outcome.code != 0:
    return 'crashed'
  if not unlike and same:
    again = named and ('again' in outcome.err or 'damaged' in outcome.err)
    return 'made again' if again else 'harmless'
  return 'silently wrong'


def _damages(content, rng):
  """Yields how a file is damaged and what it holds then."""
  yield 'emptied', b''
  yield 'replaced', rng.bytes(len(content))
  for place in rng.integers(1, len(content), CUTS):
    yield f'cut at {place}', content[:place]
  for bit in rng.integers(0, 8 * len(content), FLIPS):
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << (bit % 8)
    yield f'bit {bit % 8} of byte {bit // 8} flipped', bytes(flipped)


def _starts(root):
  """Returns name -> folder in which a command has got so far."""
  made = {'done': small.prepare(root / 'done', small.MLP)}
  made['killed'] = _killed(made['done'], root / 'killed', TRAIN, 'epoch-0003.npz')
  made['attacked'] = folders.copied(made['done'], root / 'attacked')
  small.must(*_flat(ATTACK), folder=made['attacked'])
  made['fleet'] = folders.copied(made['attacked'], root / 'fleet')
  shutil.rmtree(made['fleet'] / RUN / 'attacks')
  made['deleted'] = folders.copied(made['done'], root / 'deleted')
  small.must(*_flat(UNLEARN), folder=made['deleted'])
  made['sharded'] = folders.copied(made['deleted'], root / 'sharded')
  for label in (made['sharded'] / RUN / 'deletions').glob('*/'):
    shutil.rmtree(label)
  shutil.rmtree(made['sharded'] / 'runs/mlp-s0-sharded3x2-uniform-10pct')
  made['shards'] = folders.copied(made['sharded'], root / 'shards')
  (made['shards'] / SHARDED / 'result.json').unlink()
  made['forest'] = small.prepare(root / 'forest', small.FOREST)
  return made


def _flat(command):
  return command[0], *command[1]


def _killed(done, folder, command, name):
  """Returns a folder in which a run has been killed when it was to write a file."""
  folders.copied(done, folder)
  shutil.rmtree(folder / 'runs')
  act = functools.partial(sabotage.die_on, name)
  outcome = small.run(*_flat(command), folder=folder, acts=[act])
  assert outcome.code == -9, str(outcome)
  return folder


if __name__ == '__main__':
  absltest.main()
