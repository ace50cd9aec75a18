"""Private training: this project's engines against what you would run instead.

python -m benchmarks.dp_training --peers_python=ENV/bin/python --json=FILE

Trains an LSTM of 128 units and a Dense layer of 10 with Adam on random sequences, in
each of these ways, in turn, several times over:
* keras: Keras' own step, as with --recurrent_kernel=keras; not private;
* split: this project's kernels, not private;
* exact, exact_shuffle: this project's DP-SGD (noise 1, clip 1, as in all private
  ways), batches by Poisson sampling or of one size;
* tf_privacy_model, tf_privacy_model_xla: TF Privacy's DPSequential, unrolled;
* tf_privacy_optimizer: its DPKerasAdamOptimizer, a microbatch for each example;
* torch, torch_one_thread, opacus_hooks, opacus_ghost: PyTorch's LSTM, not private,
  and Opacus' DPLSTM. They need --peers_python, a Python that has torch and opacus,
  and --peers_dir, a folder with torch_lstm.py and opacus_lstm.py.
Each measurement is a process of its own, since threads and peak memory are a process'.
Prints examples/s and processor seconds for 1,000 examples, which tell more where
others use the machine too (medians, with the least and the most); the peak memory and
what of it came after imports and data; the seconds until a first step has ended, the
tracing and compiling of TensorFlow included; and the ratios of medians that matter.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import dp_training_child
from benchmarks.dp_training_child import PEERS, Task

ROOT = pathlib.Path(__file__).resolve().parent.parent

PEERS_DIR = ROOT / 'benchmarks' / 'peers'

SHARES = {
  'keras': 1,
  'split': 1,
  'exact': 1,
  'exact_shuffle': 1,
  'tf_privacy_model': 16,
  'tf_privacy_model_xla': 8,
  'tf_privacy_optimizer': 32,
  'torch': 1,
  'torch_one_thread': 1,
  'opacus_hooks': 16,
  'opacus_ghost': 16,
}
"""Way -> it trains on `--examples` over this, so that no epoch takes minutes."""

BETTER = {
  'better tf_privacy_model': ('tf_privacy_model', 'tf_privacy_model_xla'),
  'better torch': ('torch', 'torch_one_thread'),
}
"""Name -> ways of which the one with more examples/s counts."""


WIDTHS = (25, 20, 15, 10)
"""Characters of the columns after the first."""


@dataclasses.dataclass(frozen=True)
class Mark:
  """A ratio that is printed.

  Attributes:
    what: a key of a cell's summary.
    way: whose figure.
    base: over whose; None takes the figure itself.
    mark: at least this for `rate`, at most this for others; None is not judged.
    batch: the only batch size at which it is judged; None means all.
  """

  what: str
  way: str
  base: str | None
  mark: float | None
  batch: int | None = None


MARKS = (
  Mark('rate', 'exact', 'keras', 1.0),
  Mark('rate', 'exact', 'split', 0.9),
  Mark('rate', 'exact', 'opacus_hooks', 12),
  Mark('rate', 'exact', 'opacus_ghost', None),
  Mark('rate', 'exact', 'tf_privacy_optimizer', 40),
  Mark('rate', 'exact', 'better tf_privacy_model', None),
  Mark('rate', 'split', 'keras', 1.4),
  Mark('rate', 'split', 'better torch', 1.0, batch=256),
  Mark('peak', 'exact', 'keras', 1.5),
  Mark('first_step', 'exact', None, 10),
  Mark('first_step', 'split', None, 10),
)

NAMES = {
  'rate': 'examples/s',
  'peak': 'peak memory',
  'first_step': 'seconds until a first step',
}


def run_child(task: Task, args: argparse.Namespace) -> dict[str, Any]:
  """Measures in a new process; returns what it found, or `failed` with a reason."""
  if task.way in PEERS:
    # By its path: Opacus installs a package that is called benchmarks as well.
    command = [args.peers_python, dp_training_child.__file__]
  else:
    command = [sys.executable, '-m', 'benchmarks.dp_training_child']
  command += [json.dumps(dataclasses.asdict(task)), args.peers_dir]
  try:
    done = subprocess.run(
      command, cwd=ROOT, capture_output=True, text=True, timeout=args.limit
    )
  except subprocess.TimeoutExpired:
    return {'failed': f'took more than {args.limit} s'}
  except OSError as error:
    return {'failed': str(error)}
  if done.returncode:
    said = (done.stdout + done.stderr).strip().splitlines() or ['nothing said']
    return {'failed': f'exit code {done.returncode}: {said[-1]}'}
  return json.loads(done.stdout.splitlines()[-1])


def tasks(args: argparse.Namespace) -> Iterator[Task]:
  """Yields one round's measurements."""
  for shape in args.shapes:
    for batch in args.batches:
      for way in args.ways:
        # Whole batches, so that every step has as many examples; two at least.
        steps = max(2, args.examples // SHARES[way] // batch)
        yield Task(way=way, shape=shape, batch=batch, examples=steps * batch)


def measure(args: argparse.Namespace) -> None:
  """Times each way in turn, and prints figures and ratios."""
  print_machine(args)
  cells: dict[str, dict[str, list[dict[str, Any]]]] = {}
  raw = []
  for number in range(1, args.repeats + 1):
    for task in tasks(args):
      found = cells.setdefault(task.cell, {}).setdefault(task.way, [])
      if found and 'failed' in found[-1]:
        continue
      load = os.getloadavg()[0]
      found.append(run_child(task, args))
      if 'failed' in found[-1]:
        said = f'failed: {found[-1]["failed"]}'
      else:
        said = f'{statistics.median(found[-1]["rates"]):,.0f} examples/s'
      print(f'round {number}: {task.cell}: {task.way}: {said}', flush=True)
      raw.append(
        {**dataclasses.asdict(task), 'round': number, 'load': load, **found[-1]}
      )
      if args.json:
        write_json(pathlib.Path(args.json), raw)
  for name, ways in cells.items():
    print_cell(name, ways)


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes a file under a temporary name and renames it."""
  temporary = path.with_name(f'.tmp.{path.name}')
  temporary.write_text(json.dumps(content, indent=1) + '\n')
  temporary.replace(path)


def print_machine(args: argparse.Namespace) -> None:
  """Prints the processor, the versions, and whether others use the machine."""
  with contextlib.suppress(OSError):
    text = pathlib.Path('/proc/cpuinfo').read_text()
    for model in re.findall(r'model name\s*: (.*)', text)[:1]:
      print(model, end=', ')
  print(f'{os.cpu_count()} cores, Python {platform.python_version()}', end='')
  for package in ('tensorflow', 'tf_keras', 'tensorflow_privacy', 'numpy'):
    print(f', {package} {importlib.metadata.version(package)}', end='')
  print()
  if set(args.ways) & set(PEERS):
    code = 'import opacus, torch; print("torch", torch.__version__, end="");'
    code += 'print(", opacus", opacus.__version__)'
    subprocess.run(
      [args.peers_python, '-W', 'ignore', '-c', code], stderr=subprocess.DEVNULL
    )
  load = os.getloadavg()[0]
  if load > 0.5:
    print(
      f'load average {load:.2f}: the machine is not idle, or was not just now. Peers '
      'suffer most: their threads wait for each other, in processor time too'
    )
  sys.stdout.flush()


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any] | None:
  """Returns medians over epochs and rounds, None where every run failed."""
  runs = [run for run in runs if 'failed' not in run]
  if not runs:
    return None
  rates, cpu = ([each for run in runs for each in run[key]] for key in ('rates', 'cpu'))
  middle = {
    key: statistics.median(run[key] for run in runs) for key in ('base', 'peak')
  }
  first = [run['first_step'] for run in runs if run['first_step'] is not None]
  return {
    'rate': statistics.median(rates),
    'range': (min(rates), max(rates)),
    'cpu': statistics.median(cpu),
    'cpu_range': (min(cpu), max(cpu)),
    **middle,
    'first_step': statistics.median(first) if first else None,
  }


def print_cell(name: str, ways: Mapping[str, list[dict[str, Any]]]) -> None:
  """Prints the figures of one shape and batch size, and their ratios."""
  heads = ('examples/s', 'cpu s / 1,000', 'peak MB', '1st step s')
  print(
    f'\n{name:22}',
    *(f'{head:>{width}}' for head, width in zip(heads, WIDTHS, strict=True)),
  )
  found = {way: summarize(runs) for way, runs in ways.items()}
  for way, row in found.items():
    if row is None:
      print(f'{way:22} {"failed":>{WIDTHS[0]}}: {ways[way][-1]["failed"]}')
      continue
    rate = f'{row["rate"]:,.0f} ({row["range"][0]:,.0f}-{row["range"][1]:,.0f})'
    low, high = row['cpu_range']
    cpu = f'{row["cpu"]:.3g} ({low:.3g}-{high:.3g})'
    memory = f'{row["peak"]:,.0f} (+{_grown(row):,.0f})'
    first = '-' if row['first_step'] is None else f'{row["first_step"]:.1f}'
    cells = zip((rate, cpu, memory, first), WIDTHS, strict=True)
    print(f'{way:22}', *(f'{cell:>{width}}' for cell, width in cells))
  found = {way: row for way, row in found.items() if row is not None}
  for better, candidates in BETTER.items():
    rows = [found[way] for way in candidates if way in found]
    if rows:
      found[better] = max(rows, key=lambda row: row['rate'])
  batch = int(name.split()[-1])
  for mark in MARKS:
    if mark.way in found and (mark.base is None or mark.base in found):
      print_mark(mark, found, batch)


def print_mark(mark: Mark, found: Mapping[str, dict[str, Any]], batch: int) -> None:
  """Prints a ratio, and whether it is what it should be."""
  own, text = found[mark.way], f'{NAMES[mark.what]}: {mark.way}'
  value, more = own[mark.what], ''
  if mark.base is not None:
    base = found[mark.base]
    value /= base[mark.what]
    text += f' / {mark.base}'
    if mark.what == 'rate':
      more = f' (by processor time {base["cpu"] / own["cpu"]:.2f})'
    if mark.what == 'peak':
      more = f' (of what came after imports {_grown(own) / _grown(base):.2f})'
  verdict = ''
  if mark.mark is not None and mark.batch in (None, batch):
    least = mark.what == 'rate'
    met = value >= mark.mark if least else value <= mark.mark
    verdict = f'; {"at least" if least else "at most"} {mark.mark:g}: '
    verdict += 'met' if met else 'MISSED'
  print(f'  {text:52} {value:.3g}{more}{verdict}')


def _grown(row: Mapping[str, Any]) -> float:
  return row['peak'] - row['base']


def _shape(text: str) -> tuple[int, int]:
  steps, features = text.split('x')
  return int(steps), int(features)


def _way(text: str) -> str:
  if text not in SHARES:
    raise ValueError
  return text


FLAGS = (
  ('shapes', _shape, '28x28,32x96', 'sequences, as STEPSxFEATURES'),
  ('batches', int, '64,256', 'batch sizes'),
  ('ways', _way, ','.join(SHARES), 'what is measured'),
)
"""Flags that take a list: name, an element's parser, default, help."""


def main() -> None:
  """Reads the flags, and measures."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for flag, _, default, text in FLAGS:
    help_text = f'{text}, with commas between (default: {default})'
    parser.add_argument(f'--{flag}', default=default, help=help_text)
  for flag, default, text in (
    ('repeats', 3, 'rounds, each of which measures everything once'),
    ('examples', 16_384, 'examples an epoch; slow ways take a part of them'),
    ('limit', 300, 'seconds after which a measurement is given up'),
    ('peers_python', None, 'a Python that has torch and opacus'),
    ('peers_dir', str(PEERS_DIR), 'folder with torch_lstm.py and opacus_lstm.py'),
    ('json', None, 'file for the raw numbers'),
  ):
    kind = int if isinstance(default, int) else str
    parser.add_argument(
      f'--{flag}', default=default, type=kind, help=f'{text} (default: {default})'
    )
  args = parser.parse_args()
  for flag, parse, _, _ in FLAGS:
    text = getattr(args, flag)
    try:
      setattr(args, flag, [parse(each) for each in text.split(',')])
    except ValueError:
      parser.error(f'--{flag}={text}: see --help')
  measure(drop_missing_peers(args))


def drop_missing_peers(args: argparse.Namespace) -> argparse.Namespace:
  """Returns the flags without peers that cannot run, and says so."""
  # Not resolved: a virtual environment's Python is a link.
  args.peers_dir = os.path.abspath(args.peers_dir)
  peers = [way for way in args.ways if way in PEERS]
  scripts = sorted({PEERS[way][0] for way in peers})
  absent = [s for s in scripts if not os.path.exists(os.path.join(args.peers_dir, s))]
  missing = ''
  if not args.peers_python:
    missing = 'needs --peers_python'
  elif not os.access(args.peers_python, os.X_OK):
    missing = f'--peers_python={args.peers_python}: no such program'
  elif absent:
    missing = f'--peers_dir={args.peers_dir} has no {", ".join(absent)}'
  else:
    args.peers_python = os.path.abspath(args.peers_python)
  if peers and missing:
    print(f'skipped: {", ".join(peers)}: {missing}')
    args.ways = [way for way in args.ways if way not in PEERS]
  return args


if __name__ == '__main__':
  main()
