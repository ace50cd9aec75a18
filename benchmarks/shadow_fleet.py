"""A fleet of shadow models: this project's ways to train it against others.

python -m benchmarks.shadow_fleet --peers_python=ENV/bin/python --json=FILE

Trains ten models, each an LSTM of 128 units and a Dense layer of 10 with Adam on random
sequences of 28 x 28, in each of these ways, in turn, several times over:
* sequential, processes, stacked: this project's, as with `--fleet`;
* keras: `model.fit` of tf_keras, one model after the other;
* torch: PyTorch's LSTM, one model after the other with PyTorch's own threads;
* torch_side_by_side: the same, the models dealt out to a process a core, each with one
  thread. This is the peer of processes: both spread the models over the cores.

--ways names those that are measured; keras, and stacked, which is for a GPU and slow
without one, are not unless named. PyTorch needs --peers_python, a Python that has
torch, and --peers_dir, a folder with torch_lstm.py.

Training is compared with training: no shadow's outputs are predicted or written, as an
attack would. PyTorch's script neither shuffles nor counts accuracy; Keras and this
project do both.

Each measurement is processes of its own. Prints (medians over rounds, with the least
and the most):
* seconds from the first process' start to the last one's end, so with imports, the
  start of workers, and the tracing of every model. What PyTorch's script trains
  before its timed epochs is taken off, at its own rate;
* examples/s once all that is over: medians over epochs, without each model's first,
  added up over what trains side by side;
* the seconds of start-up that follow from these two, and processor seconds, which tell
  more where others use the machine too;
* what the same start-up and rate come to with 10,000 examples and 20 epochs a model,
  as in a fleet for an attack, where start-up hardly counts. --examples=10000
  --epochs=20 measures that instead, which takes about ten times as long;
and the ratios to processes.
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
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.dp_training import PEERS_DIR, ROOT, write_json
from benchmarks.shadow_fleet_child import FEATURES, FLEETS, STEPS, UNITS, Task, cores
from benchmarks.shadow_fleet_table import PEERS, full_task, print_table

WAYS = (*FLEETS, 'keras', *PEERS)

DEFAULT_WAYS = ('sequential', 'processes', *PEERS)

SCRIPT = 'torch_lstm.py'

WARM_UP_STEPS = 4
"""Steps that the script takes with each model before its timed epochs."""


def run_way(task: Task, args: argparse.Namespace) -> dict[str, Any]:
  """Measures in new processes; returns what it found, or `failed` with a reason.

  Returns:
    `steady` and `rates`, see `shadow_fleet_child.measure`; `whole`, seconds; `cpu`,
    processor seconds; `start`, seconds of `whole` that the steady rate does not
    explain; `full`, seconds it would take at the size of `FULL`.
  """
  cpu, start = _children_cpu(), time.perf_counter()
  try:
    outputs = run_side_by_side(commands(task, args), limit=args.limit)
  except (OSError, RuntimeError) as error:
    return {'failed': str(error)}
  whole, cpu = time.perf_counter() - start, _children_cpu() - cpu
  if task.way in PEERS:
    found = read_peers(task, outputs)
    whole -= found.pop('untimed')
  else:
    found = json.loads(outputs[0].splitlines()[-1])
  began = whole - task.trained / found['steady']
  full = began + full_task(task).trained / found['steady']
  return {'whole': whole, 'cpu': cpu, 'start': began, 'full': full, **found}


def shares(task: Task) -> list[int]:
  """Returns how many models each process of a peer trains."""
  count = 1 if task.way == 'torch' else min(task.models, cores())
  return [len(range(first, task.models, count)) for first in range(count)]


def commands(task: Task, args: argparse.Namespace) -> list[list[str]]:
  """Returns the processes that train the fleet together."""
  if task.way not in PEERS:
    fields = json.dumps(dataclasses.asdict(task))
    return [[sys.executable, '-m', 'benchmarks.shadow_fleet_child', fields]]
  flags = [
    *('--steps', STEPS, '--features', FEATURES, '--hidden', UNITS),
    *('--batch', task.batch, '--examples', task.examples, '--epochs', task.epochs),
    *('--threads', 0 if task.way == 'torch' else 1),
  ]
  script = [args.peers_python, os.path.join(args.peers_dir, SCRIPT), *map(str, flags)]
  return [[*script, '--models', str(models)] for models in shares(task)]


def run_side_by_side(lines: Sequence[Sequence[str]], *, limit: float) -> list[str]:
  """Starts commands at once, waits for all, and returns what each printed.

  Raises:
    OSError: one cannot be started.
    RuntimeError: one failed, or they took more than `limit` seconds.
  """
  end = time.monotonic() + limit
  outputs = []
  with contextlib.ExitStack() as stack:
    started = [stack.enter_context(_process_group(line)) for line in lines]
    for process in started:
      try:
        out, errors = process.communicate(timeout=max(0.0, end - time.monotonic()))
      except subprocess.TimeoutExpired:
        raise RuntimeError(f'took more than {limit} s') from None
      if process.returncode:
        said = (out + errors).strip().splitlines() or ['nothing said']
        raise RuntimeError(f'exit code {process.returncode}: {said[-1]}')
      outputs.append(out)
  return outputs


@contextlib.contextmanager
def _process_group(line: Sequence[str]) -> Iterator[subprocess.Popen]:
  """Yields a process; what it has not ended by then ends with the block."""
  # A group of its own: workers must not outlive a measurement that is given up.
  with subprocess.Popen(
    line,
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  ) as process:
    try:
      yield process
    finally:
      if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
          # Not SIGKILL: joblib's tracker, which this leaves alone, then removes the
          # files that the workers shared.
          os.killpg(process.pid, signal.SIGTERM)


def _children_cpu() -> float:
  """Returns processor seconds of all processes that were started here and have ended.

  Those that they started and waited for are included.
  """
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  return used.ru_utime + used.ru_stime


def read_peers(task: Task, outputs: Sequence[str]) -> dict[str, Any]:
  """Returns what PyTorch's scripts printed.

  Returns:
    `rates`, each process' median; `steady`, their sum; `untimed`, seconds that the
    slowest process spent on steps before its timed epochs.
  """
  rates = [float(re.search(r'median=([\d.]+)', output)[1]) for output in outputs]
  warm_up = min(WARM_UP_STEPS * task.batch, task.examples)
  seconds = (
    models * warm_up / rate for models, rate in zip(shares(task), rates, strict=True)
  )
  return {'rates': rates, 'steady': sum(rates), 'untimed': max(seconds)}


def measure(args: argparse.Namespace) -> None:
  """Measures each way in turn, and prints figures and ratios."""
  facts = machine(args)
  print(', '.join(f'{name} {value}' for name, value in facts.items()))
  if facts['load'] > 0.5:
    print('The machine is not idle, or was not just now: these are no figures to quote')
  found: dict[str, list[dict[str, Any]]] = {way: [] for way in args.ways}
  runs = []
  for number in range(1, args.rounds + 1):
    for way in args.ways:
      if any('failed' in run for run in found[way]):
        continue
      task = Task(way, args.models, args.examples, args.epochs, args.batch)
      load = os.getloadavg()[0]
      run = run_way(task, args)
      found[way].append(run)
      said = f'failed: {run["failed"]}' if 'failed' in run else _said(run)
      print(f'round {number}: {way}: {said}', flush=True)
      runs.append({**dataclasses.asdict(task), 'round': number, 'load': load, **run})
      if args.json:
        write_json(pathlib.Path(args.json), {'machine': facts, 'runs': runs})
  print_table(Task('', args.models, args.examples, args.epochs, args.batch), found)


def machine(args: argparse.Namespace) -> dict[str, Any]:
  """Returns the processor, the versions, and whether others use the machine."""
  facts: dict[str, Any] = {}
  with contextlib.suppress(OSError):
    text = pathlib.Path('/proc/cpuinfo').read_text()
    for model in re.findall(r'model name\s*: (.*)', text)[:1]:
      facts['processor'] = model
  facts |= {'cores': cores(), 'Python': platform.python_version()}
  for package in ('tensorflow', 'tf_keras', 'joblib', 'numpy'):
    facts[package] = importlib.metadata.version(package)
  if set(args.ways) & set(PEERS):
    code = 'import torch; print(torch.__version__)'
    done = subprocess.run(
      [args.peers_python, '-W', 'ignore', '-c', code], capture_output=True, text=True
    )
    facts['torch'] = done.stdout.strip() or 'missing'
  facts['load'] = round(os.getloadavg()[0], 2)
  return facts


def _said(run: Mapping[str, Any]) -> str:
  return f'{run["whole"]:.1f} s, then {run["steady"]:,.0f} examples/s'


NUMBERS = (
  ('models', 10, 2, 'models of the fleet'),
  ('examples', 4096, 1, 'examples a model is trained on, cut to whole batches'),
  ('epochs', 3, 2, 'epochs a model; the first is not in the steady rate'),
  ('batch', 64, 1, 'examples a step'),
  ('rounds', 3, 1, 'rounds, each of which measures everything once'),
  ('limit', 3600, 1, 'seconds after which a measurement is given up'),
)
"""Flags that take a number: name, default, least, help."""


def main() -> None:
  """Reads the flags, and measures."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for flag, default, _, text in NUMBERS:
    parser.add_argument(
      f'--{flag}', default=default, type=int, help=f'{text} (default: {default})'
    )
  for flag, default, text in (
    ('ways', ','.join(DEFAULT_WAYS), f'what is measured, out of {",".join(WAYS)}'),
    ('peers_python', None, 'a Python that has torch'),
    ('peers_dir', str(PEERS_DIR), f'folder with {SCRIPT}'),
    ('json', None, 'file for the raw numbers'),
  ):
    parser.add_argument(
      f'--{flag}', default=default, help=f'{text} (default: {default})'
    )
  args = parser.parse_args()
  for flag, _, least, _ in NUMBERS:
    if getattr(args, flag) < least:
      parser.error(f'--{flag}={getattr(args, flag)}: must be at least {least}')
  if args.examples < args.batch:
    parser.error(f'--examples={args.examples}: must be at least --batch={args.batch}')
  args.examples = args.examples // args.batch * args.batch
  ways = list(dict.fromkeys(args.ways.split(',')))
  if not set(ways) <= set(WAYS):
    parser.error(f'--ways={args.ways}: must be out of {",".join(WAYS)}')
  args.ways = ways
  measure(drop_missing_peers(args))


def drop_missing_peers(args: argparse.Namespace) -> argparse.Namespace:
  """Returns the flags without peers that cannot run, and says so."""
  # Not resolved: a virtual environment's Python is a link.
  args.peers_dir = os.path.abspath(args.peers_dir)
  missing = ''
  if not args.peers_python:
    missing = 'needs --peers_python'
  elif not os.access(args.peers_python, os.X_OK):
    missing = f'--peers_python={args.peers_python}: no such program'
  elif not os.path.exists(os.path.join(args.peers_dir, SCRIPT)):
    missing = f'--peers_dir={args.peers_dir} has no {SCRIPT}'
  else:
    args.peers_python = os.path.abspath(args.peers_python)
  peers = [way for way in args.ways if way in PEERS]
  if peers and missing:
    print(f'skipped: {", ".join(peers)}: {missing}')
    args.ways = [way for way in args.ways if way not in PEERS]
  return args


if __name__ == '__main__':
  main()
