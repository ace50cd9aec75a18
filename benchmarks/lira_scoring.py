"""Scoring with LiRA: TF Privacy's `compute_score_lira` against this project's `lira`.

python -m benchmarks.lira_scoring --large --json=FILE

Scores the same made-up statistics of shadow models with both, online, in turn and in
one process, several times over, with variances of each example's own and pooled ones.
TF Privacy takes a list of arrays for each side: these lists are made beforehand, and
not timed. It divides variances by counts, this project by degrees of freedom: the
residuals that it is given are larger by the root of the ratio, so that both must give
the same scores, and the largest difference is printed. It is called with means, which
it computes faster than the medians that are its default.
Prints median milliseconds (with the least and the most) by the clock, the ratios, by
processor time as well, which tells more where others use the machine too; with --large
how long `lira`, `rmia` and `logit_gap` take on 50,000 examples and 256 models, and how
much memory they take beside their arguments and results.
"""

import argparse
import os
import pathlib
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from benchmarks.dp_training import write_json
from rnn_tf import stack
from rnn_tf.attacks import scores

MARK = 20
"""How many times faster than TF Privacy this project is to be."""

LARGE = {'examples': 50_000, 'models': 256}

POPULATION = 10_000
"""Examples of the population that RMIA is timed with."""

LOGITS = {'models': 16, 'examples': 60_000, 'classes': 10}
"""What `logit_gap` is timed on."""


def statistics_of(*, examples: int, models: int, seed: int) -> dict[str, np.ndarray]:
  """Returns phi of a target and of shadow models, and who was trained on what."""
  rng = np.random.default_rng(seed)
  members = np.argsort(rng.random((models, examples)), axis=0) < models // 2
  difficulty = rng.normal(3, 4, examples)
  phi = difficulty + rng.normal(size=(models, examples)) + 2 * members
  target = difficulty + rng.normal(size=examples) + 2 * (rng.random(examples) < 0.5)
  return {'target': target, 'shadows': phi, 'members': members}


def tf_privacy_lists(
  shadows: np.ndarray, members: np.ndarray, *, pooled: bool
) -> list[list[np.ndarray]]:
  """Returns IN and OUT statistics as TF Privacy takes them, residuals enlarged."""
  sides = []
  for which in (members, ~members):
    columns = zip(shadows.T, which.T, strict=True)
    groups = [column[chosen] for column, chosen in columns]
    ratio = sum(map(len, groups)) / sum(len(group) - 1 for group in groups)
    side = []
    for group in groups:
      stretch = np.sqrt(ratio if pooled else len(group) / (len(group) - 1))
      side.append((group.mean() + stretch * (group - group.mean()))[:, None])
    sides.append(side)
  return sides


def clock(function: Callable[[], Any]) -> tuple[dict[str, float], Any]:
  """Returns wall and processor seconds of a call, and what it returned."""
  wall, cpu = time.perf_counter(), time.process_time()
  found = function()
  seconds = {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}
  return seconds, found


def peak_memory(function: Callable[[], np.ndarray]) -> float:
  """Returns the megabytes that a call takes beside its arguments and its result."""
  tracemalloc.start()
  found = function()
  peak = tracemalloc.get_traced_memory()[1] - found.nbytes
  tracemalloc.stop()
  return peak / 1e6


def compare(args: argparse.Namespace, *, pooled: bool) -> dict[str, Any]:
  """Times both on the same statistics; returns seconds and the largest difference."""
  data = statistics_of(examples=args.examples, models=args.models, seed=args.seed)
  lists = tf_privacy_lists(data['shadows'], data['members'], pooled=pooled)
  theirs = stack.tf_privacy('privacy_tests.membership_inference_attack.advanced_mia')
  ways = {
    'tf_privacy': lambda: (
      -theirs.compute_score_lira(
        data['target'][:, None], *lists, fix_variance=pooled, median_or_mean='mean'
      )
    ),
    'ours': lambda: scores.lira(**data, fixed_variance=pooled),
  }
  times, found = {way: [] for way in ways}, {}
  for _ in range(args.repeats):
    for way, score in ways.items():
      seconds, found[way] = clock(score)
      times[way].append(seconds)
  apart = np.abs(found['ours'] - found['tf_privacy'])
  return {
    'variance': 'pooled' if pooled else 'own',
    'times': times,
    'largest_difference': float(apart.max()),
    'largest_score': float(np.abs(found['tf_privacy']).max()),
  }


def large(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
  """Times this project's functions on a large fleet; returns seconds and megabytes."""
  data = statistics_of(**LARGE, seed=args.seed)
  narrow = {**data, 'shadows': data['shadows'].astype(np.float32)}
  probs = [special.expit(data[name]) for name in ('target', 'shadows')]
  others = statistics_of(
    examples=POPULATION, models=LARGE['models'], seed=args.seed + 1
  )
  others = [special.expit(others[name]) for name in ('target', 'shadows')]
  rng = np.random.default_rng([args.seed, 2])
  logits = rng.standard_normal(tuple(LOGITS.values()), dtype=np.float32)
  labels = rng.integers(0, LOGITS['classes'], LOGITS['examples'])
  calls = {
    'lira, pooled': lambda: scores.lira(**data, fixed_variance=True),
    'lira, own': lambda: scores.lira(**data, fixed_variance=False),
    'lira, own, float32': lambda: scores.lira(**narrow, fixed_variance=False),
    'lira, offline': lambda: scores.lira(**data, online=False),
    'rmia': lambda: scores.rmia(*probs, data['members'], *others),
    'logit_gap': lambda: scores.logit_gap(logits, labels),
  }
  found = {}
  for name, call in calls.items():
    times = [clock(call)[0] for _ in range(args.repeats)]
    found[name] = {'times': times, 'megabytes': peak_memory(call)}
  return found


def describe(times: list[Mapping[str, float]]) -> str:
  """Returns median, least and most milliseconds by the clock, as text."""
  wall = [1000 * each['wall'] for each in times]
  return f'{statistics.median(wall):,.1f} ms ({min(wall):,.1f}-{max(wall):,.1f})'


def print_comparison(found: Mapping[str, Any]) -> None:
  """Prints one comparison, and whether the mark is met."""
  print(f'{found["variance"]} variance')
  for way, times in found['times'].items():
    print(f'  {way:12} {describe(times)}')
  ratio, by_cpu = (
    statistics.median(each[unit] for each in found['times']['tf_privacy'])
    / statistics.median(each[unit] for each in found['times']['ours'])
    for unit in ('wall', 'cpu')
  )
  verdict = 'met' if ratio >= MARK else 'MISSED'
  print(
    f'  times faster {ratio:.1f} (by processor time {by_cpu:.1f}); at least {MARK}: '
    f'{verdict}'
  )
  print(
    f'  largest difference {found["largest_difference"]:.1e} of scores up to '
    f'{found["largest_score"]:.3g}'
  )


def measure(args: argparse.Namespace) -> None:
  """Makes all measurements, and prints them."""
  print(
    f'{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f}, Python '
    f'{platform.python_version()}, numpy {np.__version__}\n'
    f'{args.examples:,} examples, {args.models} models, {args.repeats} repeats'
  )
  raw = {**vars(args), 'load': os.getloadavg()[0], 'comparisons': []}
  for pooled in (False, True):
    raw['comparisons'].append(compare(args, pooled=pooled))
    print_comparison(raw['comparisons'][-1])
  if args.large:
    print(
      f'{LARGE["examples"]:,} examples, {LARGE["models"]} models; logits of '
      f'{LOGITS["models"]} models, {LOGITS["examples"]:,} examples, '
      f'{LOGITS["classes"]} classes'
    )
    raw['large'] = large(args)
    for name, row in raw['large'].items():
      memory = f'{row["megabytes"]:.0f} MB beside its arguments'
      print(f'  {name:20} {describe(row["times"])}, {memory}')
  if args.json:
    write_json(pathlib.Path(args.json), raw)


def main() -> None:
  """Reads the flags, and measures."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  least = {'examples': 1, 'models': 4, 'repeats': 1, 'seed': 0}
  for flag, default, text in (
    ('examples', 10_000, 'examples scored'),
    ('models', 64, 'shadow models'),
    ('repeats', 5, 'times that each is timed, in turn'),
    ('seed', 0, 'of the statistics'),
  ):
    help_text = f'{text} (default: {default}; at least {least[flag]})'
    parser.add_argument(f'--{flag}', default=default, type=int, help=help_text)
  parser.add_argument('--large', action='store_true', help='time a large fleet, too')
  parser.add_argument('--json', help='file for the raw numbers')
  args = parser.parse_args()
  for flag, value in least.items():
    if getattr(args, flag) < value:
      parser.error(f'--{flag}={getattr(args, flag)}: must be at least {value}')
  measure(args)


if __name__ == '__main__':
  main()
