"""Models trained on a Ray cluster: a task each, sent with what it needs.

What all tasks share is placed in the cluster's object store once and fetched once by
each machine, where every process reads the same memory. The results come back to this
process, which alone writes them: machines need no common file system, and a command
that is killed takes its tasks with it and goes on from what is written. A task that
fails - its process was killed, its machine was lost, it raised - is tried again, on
another machine where there is one, and named when all others are done after `TRIES`.
"""

import collections
import dataclasses
import logging
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rnn_tf import cluster_task
from rnn_tf.errors import UsageError
from rnn_tf.run_start import VERSIONED
from rnn_tf.workers import Work

LOG = logging.getLogger('rnn_tf')

TRIES = 3
"""Times that a task is tried."""

PATIENCE = 60.0
"""Seconds without a result after which a line says what is going on."""


_THREADS = ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS')
"""Variables that TensorFlow reads."""


class TasksFailedError(UsageError):
  """Tasks that were given up, after all others were done."""


@dataclasses.dataclass(kw_only=True, eq=False)
class _Task:
  """A task and what became of it.

  Attributes:
    task: the first argument of the work.
    name: for messages.
    threads: of TensorFlow.
    tries: so far.
    node: id of the machine that the present try is made on; '' as long as it waits.
  """

  task: Any
  name: str
  threads: int
  tries: int = 0
  node: str = ''


class Machines:
  """A cluster that this process is connected with; may be used by several threads.

  Args:
    ray: the module, connected.
    gpus: that each model takes.

  Raises:
    UsageError: no machine has as many.
  """

  def __init__(self, ray: types.ModuleType, *, gpus: float):
    self._ray = ray
    self._gpus = gpus
    self._placed: dict[int, tuple[Any, Any]] = {}
    self._versions = cluster_task.versions(VERSIONED)
    self._remote = ray.remote(max_retries=0)(cluster_task.run)
    if not self._fitting():
      most = max((each['Resources'].get('GPU', 0) for each in ray.nodes()), default=0)
      raise UsageError(
        f'--ray_gpus_per_model={gpus:g}: no machine of the cluster has as many '
        f'(the most is {most:g}) besides a CPU: give fewer, or add machines first'
      )

  def _fitting(self) -> list[dict[str, Any]]:
    """Returns the machines that could train a model."""
    found = []
    for each in self._ray.nodes():
      has = each['Resources'].get
      if each['Alive'] and has('CPU', 0) >= 1 and has('GPU', 0) >= self._gpus:
        found.append(each)
    return found

  def check_versions(self) -> None:
    """Makes sure that all machines have the packages of this one.

    Raises:
      UsageError: one has not.
    """
    ray = self._ray
    remote = ray.remote(num_cpus=0, max_retries=2)(cluster_task.check)
    tasks = [
      remote.options(scheduling_strategy=self._on(each, soft=False)).remote(
        self._versions
      )
      for each in self._fitting()
    ]
    try:
      ray.get(tasks)
    except ray.exceptions.RayError as error:
      raise UsageError(f'--fleet=ray: {reason(error)}') from error

  def _on(self, node: Mapping[str, Any], *, soft: bool) -> Any:
    """Returns the wish for a machine; a soft one takes any where that is lost."""
    strategies = self._ray.util.scheduling_strategies
    return strategies.NodeAffinitySchedulingStrategy(node['NodeID'], soft=soft)

  @property
  def at_once(self) -> int:
    """Models that are trained at once by what there is now."""
    total = 0
    for each in self._fitting():
      has = each['Resources'].get
      cpus = int(has('CPU', 0))
      total += min(cpus, int(has('GPU', 0) / self._gpus)) if self._gpus else cpus
    return max(1, total)

  def describe(self) -> str:
    """Returns what there is, such as `2 machines, 4 models at once`."""
    count = len(self._fitting())
    share = f', {self._gpus:g} GPU each' if self._gpus else ''
    return (
      f'{count} machine{"s" * (count > 1)}, {self.at_once} '
      f'model{"s" * (self.at_once > 1)} at once{share}'
    )

  def place(self, shared: Any) -> Any:
    """Puts an object into the cluster's store, once, and returns what stands for it."""
    # The object is kept, so that no other one gets its number.
    if id(shared) not in self._placed:
      self._placed[id(shared)] = shared, self._ray.put(shared)
    return self._placed[id(shared)][1]

  def side_by_side(
    self,
    work: Work,
    tasks: Sequence[Any],
    shared: Any,
    *,
    name: Callable[[Any], str],
    threads: Callable[[Any], int] = lambda task: 1,
    again: str = 'the same command tries again',
  ) -> Iterator[Any]:
    """Yields what `work` makes of each task, in any order.

    Args:
      work: a module's function of a task and `shared`; sets TensorFlow up itself.
      tasks: the first argument of each call; sent with it.
      shared: the second; its arrays are placed once and can only be read.
      name: returns what to call a task, such as `shadow 3`.
      threads: returns the threads of a task's TensorFlow, for which it takes as many
        CPUs, or all of a smaller machine. Tasks of other numbers have other processes.
      again: what to do about those that were given up.

    Raises:
      TasksFailedError: some were given up; all others were yielded before.
    """
    ray, placed = self._ray, self.place(shared)
    waiting = [
      _Task(task=task, name=name(task), threads=threads(task)) for task in tasks
    ]
    running = {self._submit(work, each, placed): each for each in waiting}
    lost: list[str] = []
    try:
      while running:
        ready, _ = ray.wait(list(running), num_returns=1, timeout=PATIENCE)
        if not ready:
          self._say(running.values())
          continue
        stream, task = ready[0], running.pop(ready[0])
        try:
          value = ray.get(next(stream))
        except (ray.exceptions.RayError, StopIteration) as error:
          if self._give_up(task, error):
            lost.append(f'{task.name} ({reason(error)})')
          else:
            running[self._submit(work, task, placed)] = task
          continue
        if not task.node:
          task.node, running[stream] = value, task
        else:
          yield value
    finally:
      for stream in running:
        ray.cancel(stream, force=True)
    if lost:
      raise TasksFailedError(
        f'--fleet=ray: {len(lost)} of {len(tasks)} could not be trained: '
        f'{"; ".join(lost)}: the others are kept, and {again}'
      )

  def _submit(self, work: Work, task: _Task, placed: Any) -> Any:
    """Sends a task; returns the stream of the machine's id and the result."""
    strategy: Any = 'SPREAD'
    others = [each for each in self._fitting() if each['NodeID'] != task.node]
    if task.node and others:
      strategy = self._on(others[task.tries % len(others)], soft=True)
    task.tries, task.node = task.tries + 1, ''
    remote = self._remote.options(
      num_cpus=min(task.threads, self._largest()),
      num_gpus=self._gpus,
      scheduling_strategy=strategy,
      # TensorFlow's threads are those of a process from its first operation on.
      runtime_env={'env_vars': dict.fromkeys(_THREADS, str(task.threads))},
    )
    sent = self._ray.cloudpickle.dumps((work, task.task))
    return remote.remote(sent, [placed], self._versions, bool(self._gpus))

  def _largest(self) -> int:
    """Returns the CPUs of the largest machine."""
    return max((int(each['Resources']['CPU']) for each in self._fitting()), default=1)

  def _give_up(self, task: _Task, error: Exception) -> bool:
    """Says that a try failed; returns whether it was the last."""
    # What is wrong with the request is wrong everywhere.
    last = task.tries == TRIES or isinstance(error, UsageError)
    LOG.warning(
      '%s: try %d of %d failed%s (%s)%s',
      task.name,
      task.tries,
      TRIES,
      f' on machine {task.node[:8]}' if task.node else '',
      reason(error),
      '' if last else ': trying again',
    )
    return last

  def _say(self, tasks: Sequence[_Task]) -> None:
    nodes = collections.Counter(each.node[:8] for each in tasks if each.node)
    LOG.info(
      'at work on %d models by %d of %s; %d wait',
      nodes.total(),
      len(nodes),
      self.describe(),
      len(tasks) - nodes.total(),
    )


def reason(error: Exception) -> str:
  """Returns in a few words why a task failed."""
  import ray

  if isinstance(error, ray.exceptions.WorkerCrashedError):
    return 'its process was killed, most often since memory ran out'
  if isinstance(error, ray.exceptions.NodeDiedError):
    return 'its machine was lost'
  cause = getattr(error, 'cause', None) or error
  known = UsageError, cluster_task.OtherVersionsError
  kind = '' if isinstance(cause, known) else f'{type(cause).__name__}: '
  return f'{kind}{first_line(cause)}'


def first_line(error: Exception) -> str:
  """Returns the first line of what an error says, its kind where it says nothing."""
  lines = str(error).strip().splitlines()
  return lines[0] if lines else type(error).__name__
