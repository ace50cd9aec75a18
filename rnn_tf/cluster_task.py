"""What a machine of a cluster does with a task; loads nothing heavy by itself."""

import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class OtherVersionsError(Exception):
  """A machine has other packages than the one that the command was started on."""


def versions(packages: Iterable[str]) -> dict[str, str]:
  """Returns what must be the same on all machines for the numbers to be.

  Args:
    packages: names on PyPI; one that is not installed has the version `not there`.
  """
  found = {'Python': '.'.join(platform.python_version_tuple()[:2])}
  for name in packages:
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      found[name] = 'not there'
  return found


def check(expected: Mapping[str, str]) -> None:
  """Raises OtherVersionsError unless this machine has these versions."""
  for name, found in versions(name for name in expected if name != 'Python').items():
    if found != expected[name]:
      raise OtherVersionsError(
        f'{name} is {found} on {platform.node()}, {expected[name]} where the command '
        'was started: install the same requirements.txt on all machines'
      )


def run(
  work: Callable[[Any, Any], Any],
  task: Any,
  shared: Any,
  expected: Mapping[str, str],
  gpu: bool,
) -> Iterator[Any]:
  """Yields this machine's id, and then what `work` makes of a task.

  Args:
    work: a function of a task and `shared`.
    task: sent with it.
    shared: what all tasks share.
    expected: what `versions` gave where the command was started.
    gpu: whether the task may use what GPUs it was given.

  Raises:
    OtherVersionsError: this machine has other versions.
  """
  import ray

  yield ray.get_runtime_context().get_node_id()
  check(expected)
  if not gpu:
    # They are others' shares. TensorFlow looks at its first operation.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
  yield work(task, shared)
