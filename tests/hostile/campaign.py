"""Thousands of damaged files, and what came of each.

python -m tests.hostile.campaign --mutations=20000 --seed=0
"""

import argparse
import collections
import dataclasses
import math
import pathlib
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence

import numpy as np

from tests.hostile import judging, mutators, samples
from tests.hostile.kinds import KINDS, Kind


@dataclasses.dataclass(kw_only=True)
class Count:
  """What came of the mutations of one kind of file.

  Attributes:
    refused: in one line.
    valid: read like a genuine file.
    broken: a line each for a traceback, or worse.
  """

  refused: int = 0
  valid: int = 0
  broken: list[str] = dataclasses.field(default_factory=list)

  @property
  def tried(self) -> int:
    """All of them."""
    return self.refused + self.valid + len(self.broken)


def run(
  bench: judging.Bench,
  *,
  mutations: int,
  seed: int,
  kinds: Sequence[Kind] = KINDS,
  steps: Sequence[str] = tuple(judging.STEPS),
  minutes: float = math.inf,
) -> dict[str, Count]:
  """Damages files one after the other, the kinds in turn.

  Args:
    bench: holds the files.
    mutations: how many.
    seed: the same for the same mutations.
    kinds: of files.
    steps: names of what may read them.
    minutes: after which no more is begun.

  Returns:
    Kind -> what came of it.
  """
  counts: dict[str, Count] = collections.defaultdict(Count)
  end = time.monotonic() + 60 * minutes
  for number in range(mutations):
    if time.monotonic() > end:
      break
    rng = np.random.default_rng([seed, number])
    kind = kinds[number % len(kinds)]
    name = kind.files[rng.integers(len(kind.files))]
    way, content = mutators.mutate(
      rng,
      bench.content(name),
      suffix=pathlib.PurePath(name).suffix,
      canary=bench.canary,
    )
    possible = [step for step in kind.steps if step in steps]
    drawn = [s for s in possible if rng.random() < judging.STEPS[s].often]
    try:
      outcome = bench.judge(
        name,
        content,
        kind=kind,
        steps=drawn or possible[:1],
        sign=bool(rng.random() < 0.8),
      )
    except judging.BrokenError as error:
      where = _where(error.__cause__)
      line = f'{number}: {name}, {way}: {error}{where}'
      print(line, flush=True)
      counts[kind.name].broken.append(line)
    else:
      setattr(counts[kind.name], outcome, getattr(counts[kind.name], outcome) + 1)
  return counts


def _where(error: BaseException | None) -> str:
  """Returns the line of the package that an error went through last."""
  frames = traceback.extract_tb(error.__traceback__) if error else []
  ours = [frame for frame in frames if '/rnn_tf/' in frame.filename]
  if not ours:
    return ''
  return f' ({pathlib.Path(ours[-1].filename).name}:{ours[-1].lineno})'


def table(counts: dict[str, Count]) -> str:
  """Returns the counts for a terminal."""
  lines = [f'{"file":24} {"tried":>6} {"refused":>8} {"valid":>6} {"broken":>7}']
  total = Count()
  for name, count in counts.items():
    lines.append(_line(name, count))
    total.refused += count.refused
    total.valid += count.valid
    total.broken += count.broken
  return '\n'.join([*lines, _line('all', total)])


def _line(name: str, count: Count) -> str:
  return (
    f'{name:24} {count.tried:6} {count.refused:8} {count.valid:6} {len(count.broken):7}'
  )


def main(argv: Sequence[str] | None = None) -> int:
  """Makes the samples, damages them, prints the counts; returns 1 if some broke."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--mutations', type=int, default=2000)
  parser.add_argument('--minutes', type=float, default=math.inf)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--samples', help='a folder of samples that are there')
  parser.add_argument('--kinds', help='names of kinds, with commas between them')
  parser.add_argument('--steps', help='names of steps, with commas between them')
  asked = parser.parse_args(argv)
  kinds = KINDS
  if asked.kinds:
    kinds = [kind for kind in KINDS if kind.name in asked.kinds.split(',')]
  steps = asked.steps.split(',') if asked.steps else tuple(judging.STEPS)
  with tempfile.TemporaryDirectory() as folder:
    genuine = pathlib.Path(asked.samples or f'{folder}/genuine')
    if not asked.samples:
      samples.make(genuine)
    (pathlib.Path(folder) / 'bench').mkdir()
    bench = judging.Bench(genuine, pathlib.Path(folder) / 'bench')
    counts = run(
      bench,
      mutations=asked.mutations,
      seed=asked.seed,
      kinds=kinds,
      steps=steps,
      minutes=asked.minutes,
    )
  print(table(counts))
  return any(count.broken for count in counts.values())


if __name__ == '__main__':
  sys.exit(main())
