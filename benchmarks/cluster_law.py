"""How long a fleet takes on a cluster, and what it costs: a simulation of its parts.

Shadow models are dealt out to workers one after the other, each to the worker that is
free first, as a cluster does with tasks of which each takes a CPU (list scheduling,
Graham 1966). Before its first model a worker starts a process and loads TensorFlow, and
its machine fetches the data, which all machines draw from the head at once: they share
its bandwidth. The results go to the head, one after the other, which writes them. All
machines are paid for until the last result is written.
"""

import dataclasses
import heapq
from collections.abc import Sequence

import numpy as np

GIGABIT = 1e9 / 8
"""Bytes a second."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
  """What a fleet is made of.

  Attributes:
    seconds: that shadow models took, each, one worker a core; drawn from.
    startup: seconds from a worker's start to its first training.
    head: seconds before the first task and after the last result: reading the data,
      connecting.
    data_bytes: that each machine but the head fetches once.
    result_bytes: of a shadow's outputs.
    bandwidth: of the head, bytes a second.
    per_machine: workers of a machine.
    price: of a worker for an hour.
  """

  seconds: tuple[float, ...]
  startup: float
  head: float = 0.0
  data_bytes: float = 0.0
  result_bytes: float = 0.0
  bandwidth: float = 10 * GIGABIT
  per_machine: int = 8
  price: float = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
  """What a fleet takes; each value is the median of draws, with 95% of them.

  Attributes:
    shadows: models.
    workers: models at once.
    hours: from the command to its end, and the bounds of 95% of the draws.
    price: of all workers for that time.
    busy: share of the workers' time that they train.
    speed_up: over one worker, of the medians.
  """

  shadows: int
  workers: int
  hours: tuple[float, float, float]
  price: float
  busy: float
  speed_up: float


def makespan(durations: Sequence[float], parts: Parts, *, workers: int) -> float:
  """Returns the seconds from the command to its end.

  Args:
    durations: seconds of each model, in the order in which they are sent.
    parts: of the fleet; its own seconds are not looked at.
    workers: models at once.
  """
  machines = -(-workers // parts.per_machine)
  # The head has the data; all others draw at once.
  fetched = (machines - 1) * parts.data_bytes / parts.bandwidth
  free = []
  for worker in range(min(workers, len(durations))):
    on_head = worker < parts.per_machine
    free.append(parts.startup + (0.0 if on_head else fetched))
  heapq.heapify(free)
  ends = []
  for duration in durations:
    end = heapq.heappop(free) + duration
    heapq.heappush(free, end)
    ends.append(end)
  written = 0.0
  for end in sorted(ends):
    written = max(written, end) + parts.result_bytes / parts.bandwidth
  return parts.head + written


def estimate(
  parts: Parts, *, shadows: int, workers: int, draws: int = 1000, seed: int = 0
) -> Estimate:
  """Returns what so many shadows take with so many workers.

  Args:
    parts: of the fleet.
    shadows: models.
    workers: models at once.
    draws: of durations out of `parts.seconds`, with replacement.
    seed: of the draws.
  """
  rng = np.random.default_rng([seed, shadows])
  drawn = rng.choice(parts.seconds, size=(draws, shadows))
  many = np.array([makespan(row, parts, workers=workers) for row in drawn])
  one = np.array([makespan(row, parts, workers=1) for row in drawn])
  low, middle, high = np.quantile(many, [0.025, 0.5, 0.975])
  return Estimate(
    shadows=shadows,
    workers=workers,
    hours=tuple(float(each) / 3600 for each in (middle, low, high)),
    price=float(middle) / 3600 * workers * parts.price,
    busy=float(np.median(drawn.sum(axis=1) / (many * workers))),
    speed_up=float(np.median(one) / middle),
  )


def table(estimates: Sequence[Estimate]) -> str:
  """Returns a Markdown table, a line an estimate."""
  lines = [
    '| shadow models | workers | hours [95% of draws] | speed-up | busy | price |',
    '|---:|---:|---:|---:|---:|---:|',
  ]
  for each in estimates:
    middle, low, high = each.hours
    lines.append(
      f'| {each.shadows} | {each.workers} | {middle:.2f} [{low:.2f}, {high:.2f}] '
      f'| {each.speed_up:.1f} | {100 * each.busy:.0f}% | {each.price:.2f} |'
    )
  return '\n'.join(lines)
