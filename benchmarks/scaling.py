"""How time and memory grow with examples, classes and shadow models.

python -m benchmarks.scaling --output_dir=DIR
python -m benchmarks.scaling --output_dir=DIR --quick

Measures, on made-up data, the code that the commands call:
* train: an epoch of an LSTM of 32 units on images of 28 x 28 (the second one);
* report: the attacks at the end of an epoch, threshold and logistic regression, on the
  whole and on each class, with as many non-members as members; without predictions;
* page: the end of a run of that size: pictures, result and page;
* lira, rmia: reading the files of shadow models, scoring a target (half of the pool are
  members), choosing thresholds on four shadows;
* unlearn audit: all attacks on the versions of a model before and after a deletion,
  five a seed, with 16 shadow models, always 10 classes.

Each measurement is a process of its own, pinned to --cores processors (one by default)
with as many threads, at every size alike. Its work is done once at a small size, so
that imports and first calls are in neither seconds nor growth. Nobody trains shadows:
at most 8 different outputs are written, all other files are links to those, so that the
disk stays small and a file is read from memory more often than a user's would be.

Small sizes come first. A size whose series (all but the number of examples the same)
says that it would take more than --seconds_per_point or --memory_gb is left out and
listed; one that takes three times as long is given up. A process counts from its start.

Writes into --output_dir: measurements.jsonl (a line each, when it is made: the same
command goes on where it was stopped), scaling.md and scaling.png. Exponents are fitted
to processor seconds, which others on the machine disturb less; wall seconds are beside.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import scaling_table
from benchmarks.scaling_child import AUDIT_VERSIONS, WORKS, Point
from benchmarks.scaling_table import Found, said
from benchmarks.shadow_fleet import machine, run_side_by_side
from rnn_tf import plot_style

RAW, TABLE, PICTURE = 'measurements.jsonl', 'scaling.md', 'scaling.png'

FLEET_ATTACKS = ('lira', 'rmia')

PATIENCE = 3
"""A measurement may take so many times the seconds that a point may."""

QUICK = {
  'what': ['report', 'lira'],
  'examples': [400, 1000, 2000],
  'classes': [10],
  'shadows': [4],
}
"""What --quick measures: that everything works, no figures."""


def points(args: argparse.Namespace) -> list[Point]:
  """Returns all that is to be measured, the small sizes first."""
  found = []
  for what in args.what:
    models, classes = [1], args.classes
    if what in FLEET_ATTACKS:
      models = args.shadows
    elif what == 'unlearn audit':
      models, classes = args.versions, [10]
    found += [
      Point(what=what, examples=n, classes=c, models=m, cores=args.cores)
      for n in args.examples
      for c in classes
      for m in models
    ]
  return sorted(found, key=lambda p: (p.examples * p.models, p.examples))


def expected(point: Point, found: Found) -> tuple[float, float] | None:
  """Returns the seconds and the bytes that a point should take, by smaller ones.

  From the two largest sizes of its series, or the only one, a power of the examples
  between 1 and 2 is carried on.

  Args:
    point: to be measured.
    found: what has been.

  Returns:
    None where nothing smaller of its series has been measured.
  """
  smaller = sorted(
    (each for each in found if _same_series(each, point)),
    key=lambda each: each.examples,
  )
  if not smaller:
    return None
  last = found[smaller[-1]]
  values = []
  for figure in (_after_start, scaling_table.grown):
    power = 1.0
    if len(smaller) > 1:
      before = smaller[-2]
      rise = max(1.0, figure(last)) / max(1.0, figure(found[before]))
      power = math.log(rise) / math.log(smaller[-1].examples / before.examples)
    ratio = (point.examples / smaller[-1].examples) ** min(2.0, max(1.0, power))
    values.append(figure(last) * ratio)
  return last['start'] + values[0], last['baseline'] + values[1]


def _after_start(run: Mapping[str, Any]) -> float:
  return float(run['rest'])


def _same_series(one: Point, other: Point) -> bool:
  return (
    one.examples < other.examples
    and dataclasses.replace(one, examples=other.examples) == other
  )


def seconds_left(todo: Sequence[Point], found: Found) -> float:
  """Returns about how long the rest will take, as far as what is there tells.

  What has no series yet takes in proportion to examples x models what the largest of
  its kind took.
  """
  total = 0.0
  for point in todo:
    known = expected(point, found)
    alike = [each for each in found if each.what == point.what]
    if known:
      total += known[0]
    elif alike:
      largest = max(alike, key=_size)
      run = found[largest]
      total += run['start'] + run['rest'] * max(1.0, _size(point) / _size(largest))
    else:
      total += 15.0
  return total


def _size(point: Point) -> int:
  return point.examples * point.models


def too_large(point: Point, found: Found, args: argparse.Namespace) -> str | None:
  """Returns why a point is not measured, or None."""
  known = expected(point, found)
  if known is None:
    return None
  seconds, memory = known[0], known[1] / 1e9
  if seconds > args.seconds_per_point:
    return (
      f'would take about {seconds:,.0f} s (--seconds_per_point='
      f'{args.seconds_per_point:g})'
    )
  if memory > args.memory_gb:
    return f'would take about {memory:.1f} GB (--memory_gb={args.memory_gb:g})'
  return None


def measure(args: argparse.Namespace) -> None:
  """Measures what is missing, and writes the table and the picture."""
  folder = pathlib.Path(args.output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  facts = machine(argparse.Namespace(ways=[]))
  print(', '.join(f'{name} {value}' for name, value in facts.items()))
  limit = PATIENCE * args.seconds_per_point
  asked, (found, failed) = points(args), read(folder / RAW, limit=limit)
  left_out: dict[Point, str] = {}
  todo = [point for point in asked if point not in found]
  print(f'{len(asked) - len(todo)} of {len(asked)} measured already', flush=True)
  while todo:
    point = todo.pop(0)
    why = failed.get(point) or _blocked(point, left_out)
    why = why or too_large(point, found, args)
    if why:
      left_out[point] = why
      continue
    run = _run(point, limit=limit)
    line = {'point': dataclasses.asdict(point), 'load': os.getloadavg()[0], **run}
    with open(folder / RAW, 'a', encoding='utf-8') as file:
      file.write(json.dumps(line) + '\n')
    if 'failed' in run:
      left_out[point] = run['failed']
    else:
      found[point] = run
    rest = [each for each in todo if not too_large(each, found, args)]
    print(
      f'{len(asked) - len(todo)}/{len(asked)}  {said(point)}: {_in_words(run)}; about '
      f'{seconds_left(rest, found) / 60:.0f} min left',
      flush=True,
    )
  write(folder, {p: found[p] for p in asked if p in found}, left_out, facts)


def _blocked(point: Point, left_out: Mapping[Point, str]) -> str | None:
  """Returns why a point is not tried where a smaller one of its series was not made."""
  smaller = [each for each in left_out if _same_series(each, point)]
  if not smaller:
    return None
  least = min(smaller, key=lambda each: each.examples)
  return f'as {least.examples:,} examples'


def _run(point: Point, *, limit: float) -> dict[str, Any]:
  """Measures a point in a new process; returns `failed` with a reason if it cannot."""
  fields = json.dumps(dataclasses.asdict(point))
  line = [sys.executable, '-m', 'benchmarks.scaling_child', fields]
  begin = time.perf_counter()
  try:
    (said_by_child,) = run_side_by_side([line], limit=limit)
  except (OSError, RuntimeError) as error:
    gave_up = str(error).startswith('took more')
    return {'failed': str(error), 'limit': limit if gave_up else 0}
  run = json.loads(said_by_child.splitlines()[-1])
  # The child's clock starts when Python has: what came before is its start as well.
  missed = time.perf_counter() - begin - run['start'] - run['rest']
  return {**run, 'start': run['start'] + max(0.0, missed)}


def _in_words(run: Mapping[str, Any]) -> str:
  if 'failed' in run:
    return f'failed: {run["failed"]}'
  return (
    f'processor {run["cpu"]:.2f} s, wall {run["wall"]:.2f} s, peak '
    f'{run["peak"] / 1e9:.2f} GB, of which {scaling_table.grown(run) / 1e9:.2f} grown'
  )


def read(
  path: pathlib.Path, *, limit: float
) -> tuple[dict[Point, Any], dict[Point, str]]:
  """Returns what was measured, and what need not be tried again and why.

  Tried again is what failed otherwise than by taking more than `limit` seconds, and
  what a killed process has written half of.
  """
  found, failed = {}, {}
  for line in _lines(path):
    point = Point(**line['point'])
    if 'failed' not in line:
      found[point] = line
    elif line['limit'] >= limit:
      failed[point] = line['failed']
  return found, failed


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  if not path.exists():
    return
  text = path.read_text(encoding='utf-8')
  if text and not text.endswith('\n'):
    text = text[: text.rfind('\n') + 1]
    path.write_text(text, encoding='utf-8')
  for line in text.splitlines():
    yield json.loads(line)


def write(
  folder: pathlib.Path,
  found: Found,
  left_out: Mapping[Point, str],
  facts: Mapping[str, Any],
) -> None:
  """Writes the table and the picture, and prints the table."""
  cores = sorted({point.cores for point in found})
  notes = (
    ', '.join(f'{name} {value}' for name, value in facts.items() if name != 'load')
    + f'. Each process was pinned to {"/".join(map(str, cores))} of the processors, '
    'with as many threads.'
  )
  if not all(run['exact'] for run in found.values()):
    notes += ' Peaks include what making the inputs took: only Linux can tell it apart.'
  text = scaling_table.markdown(found, left_out=left_out, notes=notes)
  (folder / TABLE).write_text(text, encoding='utf-8')
  (folder / PICTURE).write_bytes(plot_style.to_png(scaling_table.picture(found)))
  print(f'\n{text}\n{folder / TABLE}\n{folder / PICTURE}')


LISTS = (
  ('examples', '1000,5000,20000,50000,200000', 400, 'examples'),
  ('classes', '10,100', 2, 'classes'),
  ('shadows', '4,16,64,256', 4, 'shadow models of lira and rmia'),
  ('versions', '5,15', AUDIT_VERSIONS, 'versions of the unlearn audit, five a seed'),
)
"""Flags that take numbers: name, default, least, help."""

NUMBERS = (
  ('cores', 1, 1, int, 'processors, and threads, of each measurement'),
  ('seconds_per_point', 300, 1, float, 'what a measurement may take'),
  ('memory_gb', 16, 1, float, 'what a measurement may take, 10^9 bytes'),
)
"""Flags that take a number: name, default, least, type, help."""


def flags() -> argparse.ArgumentParser:
  """Returns the parser of the flags."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--what', default=','.join(WORKS), help='out of %(default)s (default: all)'
  )
  for flag, default, _, text in LISTS:
    parser.add_argument(
      f'--{flag}', default=default, help=f'{text} (default: {default})'
    )
  for flag, default, _, kind, text in NUMBERS:
    parser.add_argument(
      f'--{flag}', default=default, type=kind, help=f'{text} (default: {default})'
    )
  parser.add_argument('--output_dir', required=True, help='created where missing')
  parser.add_argument(
    '--quick', action='store_true', help='a minute, small sizes: only that all works'
  )
  return parser


def main(argv: Sequence[str] | None = None) -> None:
  """Reads the flags, and measures."""
  parser = flags()
  args = parser.parse_args(argv)
  for flag, _, least, _, _ in NUMBERS:
    if not getattr(args, flag) >= least:
      parser.error(f'--{flag}={getattr(args, flag)}: must be at least {least}')
  for flag, _, least, _ in LISTS:
    values = getattr(args, flag).split(',')
    if not all(each.isdecimal() and int(each) >= least for each in values):
      parser.error(f'--{flag}={",".join(values)}: numbers, each at least {least}')
    setattr(args, flag, sorted({int(each) for each in values}))
  args.what = list(dict.fromkeys(args.what.split(',')))
  if not set(args.what) <= set(WORKS):
    parser.error(f'--what={",".join(args.what)}: must be out of {",".join(WORKS)}')
  if args.quick:
    vars(args).update(QUICK)
  measure(args)


if __name__ == '__main__':
  main()
