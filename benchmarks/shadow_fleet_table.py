"""Tables of `benchmarks.shadow_fleet`."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.shadow_fleet_child import Task

PEERS = ('torch', 'torch_side_by_side')

FULL = {'examples': 10_000, 'epochs': 20}
"""What a model of a fleet for an attack is trained on: start-up hardly counts there."""

MARK = 1.6
"""Processes should be at least so many times as fast as sequential."""

COLUMNS = ('whole', 'steady', 'start', 'cpu', 'full')
"""Keys of a measurement that are printed."""

WIDTHS = (22, 24, 20, 20, 24)
"""Characters of these columns."""


def full_task(task: Task) -> Task:
  """Returns the task at the size of `FULL`, in whole batches."""
  examples = max(1, FULL['examples'] // task.batch) * task.batch
  return dataclasses.replace(task, examples=examples, epochs=FULL['epochs'])


def print_table(task: Task, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
  """Prints medians, least and most of each way, and the ratios.

  Args:
    task: whose size is that of all of them.
    found: way -> what each round's `shadow_fleet.run_way` returned.
  """
  full = full_task(task)
  print(
    f'\n{task.models} models, {task.examples:,} examples, {task.epochs} epochs, batch '
    f'size {task.batch}; projected: {full.examples:,} examples, {full.epochs} epochs'
  )
  heads = ('seconds, all in all', 'examples/s, steady', 'start-up s', 'cpu s')
  cells = zip((*heads, 'projected s'), WIDTHS, strict=True)
  print(f'{"":18}', *(f'{head:>{width}}' for head, width in cells))
  complete = {}
  for way, runs in found.items():
    failed = [run['failed'] for run in runs if 'failed' in run]
    if failed:
      print(f'{way:18} {"failed":>{WIDTHS[0]}}: {failed[-1]}')
      continue
    complete[way] = runs
    texts = (_spread([run[key] for run in runs]) for key in COLUMNS)
    cells = zip(texts, WIDTHS, strict=True)
    print(f'{way:18}', *(f'{text:>{width}}' for text, width in cells))
  print_ratios(complete)


def _spread(values: Sequence[float]) -> str:
  """Returns the median, with the least and the most behind it."""
  middle, low, high = (f(values) for f in (statistics.median, min, max))
  form = ',.0f' if middle >= 1000 else '.1f'
  return f'{middle:{form}} ({low:{form}}-{high:{form}})'


def print_ratios(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
  """Prints how many times as fast as each way processes is, and if it should be."""
  own = found.get('processes')
  if not own:
    return
  print(
    '\nHow many times as fast processes is as each (ratio of medians, and the least '
    f'and most of a round); at least {MARK} for sequential, more than 1 for torch'
  )
  heads = ('all in all', 'steady', 'projected')
  print(f'{"":18}', *(f'{head:>26}' for head in heads))
  for way, runs in found.items():
    if way == 'processes':
      continue
    texts = []
    for key in ('whole', 'steady', 'full'):
      values = [_faster(a, b, key) for a, b in zip(own, runs, strict=True)]
      middle = _faster(_middle(own, key), _middle(runs, key), key)
      texts.append(
        f'{middle:.2f} ({min(values):.2f}-{max(values):.2f}){_verdict(way, middle)}'
      )
    print(f'{way:18}', *(f'{text:>26}' for text in texts))


def _middle(runs: Sequence[Mapping[str, Any]], key: str) -> dict[str, float]:
  return {key: statistics.median(run[key] for run in runs)}


def _faster(own: Mapping[str, Any], base: Mapping[str, Any], key: str) -> float:
  """Returns how many times as fast, by a rate or by seconds."""
  if key == 'steady':
    return own[key] / base[key]
  return base[key] / own[key]


def _verdict(way: str, ratio: float) -> str:
  """Returns what to say of a ratio, nothing where it is not judged."""
  if way in PEERS:
    return ' ahead' if ratio > 1 else ' BEHIND'
  if way == 'sequential':
    return ' met' if ratio >= MARK else ' MISSED'
  return ''
