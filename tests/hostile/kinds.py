"""Every kind of file that the package reads back, and what reads it.

Which functions read them is listed in `readers`.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Sequence

RUN, TREE, FLEET = 'runs/half-s0', 'runs/tree', 'fleets/mine'
RETRAINED, SHARDED = f'{RUN}-retrain-uniform-10pct', f'{RUN}-sharded2x2-uniform-10pct'
ORIGINAL = f'{RUN}-sharded2x2'
PRIVATE, BEGUN = 'runs/private', 'runs/begun'
"""Where the samples are; `BEGUN` is a run that was interrupted, with a checkpoint."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
  """A kind of file.

  Attributes:
    name: of the kind.
    files: of the samples, below their folder.
    steps: names of what reads it, see `judging.STEPS`; a step that takes long comes
      last, and has its turn once in a while.
    sign: makes whatever vouches for a file's content vouch for what it is now; None
      where nothing does.
  """

  name: str
  files: Sequence[str]
  steps: Sequence[str]
  sign: Callable[[pathlib.Path], None] | None = None


def _sign_shadow(path: pathlib.Path) -> None:
  _note(path.with_suffix('.json'), path, 'sha256')


def _sign_stage(path: pathlib.Path) -> None:
  _note(path.with_suffix('.json'), path, 'sha256')


def _sign_outputs(path: pathlib.Path) -> None:
  result = path.parent.parent.parent / 'result.json'
  _note(result, path, 'shards', int(path.parent.name), 'outputs')


def _note(notes: pathlib.Path, path: pathlib.Path, *way: str | int) -> None:
  values = inner = json.loads(notes.read_text())
  for key in way[:-1]:
    inner = inner[key]
  inner[way[-1]] = hashlib.sha256(path.read_bytes()).hexdigest()
  notes.write_text(json.dumps(values))


_ATTACK, _DELETION = f'{RUN}/attacks/mine', f'{RUN}/deletions/mine'

KINDS = (
  Kind(
    name='config.json',
    files=(f'{RUN}/config.json', f'{TREE}/config.json'),
    steps=('record', 'verify', 'page', 'train', 'infer', 'compare'),
  ),
  Kind(
    name='result.json',
    files=(f'{RUN}/result.json',),
    steps=('record', 'verify', 'page', 'train', 'compare'),
  ),
  Kind(
    name='metrics.csv',
    files=(f'{RUN}/metrics.csv',),
    steps=('record', 'verify', 'page', 'compare'),
  ),
  Kind(
    name='privacy.jsonl',
    files=(f'{RUN}/privacy.jsonl',),
    steps=('record', 'verify', 'page', 'compare'),
  ),
  Kind(
    name='examples.npz',
    files=(f'{RUN}/examples.npz', f'{RETRAINED}/examples.npz'),
    steps=('verify', 'page', 'compare'),
  ),
  Kind(
    name='scores of a report',
    files=(f'{RUN}/scores/epoch-0002.npz',),
    steps=('verify', 'page', 'compare'),
  ),
  Kind(
    name='exposed_images.npz',
    files=(f'{RUN}/exposed_images.npz',),
    steps=('images', 'page', 'compare'),
  ),
  Kind(
    name='checkpoint',
    files=tuple(
      f'{BEGUN}/checkpoint/{name}'
      for name in ('checkpoint', 'ckpt-1.index', 'ckpt-1.data-00000-of-00001')
    ),
    steps=('resume',),
  ),
  Kind(
    name='private run',
    files=tuple(
      f'{PRIVATE}/{name}'
      for name in ('config.json', 'result.json', 'metrics.csv', 'privacy.jsonl')
    ),
    steps=('verify private', 'page private', 'compare'),
  ),
  Kind(
    name='weights',
    files=(f'{RUN}/weights/final.weights.h5', f'{RUN}/weights/best.weights.h5'),
    steps=('infer', 'infer best', 'verify'),
  ),
  Kind(
    name='classical model',
    files=(f'{TREE}/weights/final.skops',),
    steps=('infer tree',),
  ),
  Kind(
    name='attack record',
    files=(f'{_ATTACK}/attack.json', f'{_ATTACK}/privacy.jsonl'),
    steps=('attack record', 'verify', 'page', 'compare'),
  ),
  Kind(
    name='scores of an attack',
    files=(f'{_ATTACK}/scores.npz',),
    steps=('verify', 'page', 'compare'),
  ),
  Kind(
    name='deletion record',
    files=(f'{_DELETION}/deletion.json',),
    steps=('deletion record', 'verify', 'page', 'compare'),
  ),
  Kind(
    name='outputs.npz of a run',
    files=(f'{RETRAINED}/deletions/outputs.npz', f'{RUN}/deletions/outputs.npz'),
    steps=('verify', 'plan', 'unlearn'),
  ),
  Kind(
    name='fleet.json',
    files=(f'{FLEET}/fleet.json',),
    steps=('verify', 'plan', 'unlearn', 'attack'),
  ),
  Kind(
    name='shadow json',
    files=(f'{FLEET}/shadow-0001.json',),
    steps=('verify', 'plan', 'unlearn'),
  ),
  Kind(
    name='shadow npz',
    files=(f'{FLEET}/shadow-0001.npz',),
    steps=('verify', 'plan', 'unlearn'),
    sign=_sign_shadow,
  ),
  Kind(
    name='sharded model',
    files=tuple(
      f'{folder}/{name}'
      for folder in (ORIGINAL, SHARDED)
      for name in ('sharded.json', 'result.json')
    ),
    steps=('sharded', 'verify', 'plan', 'unlearn'),
  ),
  Kind(
    name='outputs.npz of a shard',
    files=(f'{SHARDED}/shards/000/outputs.npz',),
    steps=('sharded', 'verify', 'plan', 'unlearn'),
    sign=_sign_outputs,
  ),
  Kind(
    name='stage json',
    files=(f'{ORIGINAL}/shards/000/slice-000.json',),
    steps=('stage', 'unlearn'),
  ),
  Kind(
    name='stage npz',
    files=(f'{ORIGINAL}/shards/000/slice-000.npz',),
    steps=('stage',),
    sign=_sign_stage,
  ),
  Kind(
    name='page',
    files=(f'{RUN}/report.html', f'{RUN}/inference/report.html'),
    steps=('pages', 'verify', 'infer'),
  ),
)
