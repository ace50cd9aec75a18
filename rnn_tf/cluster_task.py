"""What a machine of a cluster does with a task; loads nothing heavy by itself."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
  sent: bytes, placed: Sequence[Any], expected: Mapping[str, str], gpu: bool
) -> Iterator[Any]:
  """Yields this machine's id, and then what the work makes of a task.

  Args:
    sent: the work, a function of a task and of what all share, and the task, in Ray's
      own format: what it imports is loaded after the id is told.
    placed: one reference to what all tasks share, which is fetched after that, too.
    expected: what `versions` gave where the command was started.
    gpu: whether the task may use what GPUs it was given.

  Raises:
    OtherVersionsError: this machine has other versions.
  """
  import ray

  yield ray.get_runtime_context().get_node_id()
  check(expected)
  work, task = ray.cloudpickle.loads(sent)
  shared = ray.get(placed[0])
  if not gpu:
    # They are others' shares. TensorFlow looks at its first operation.
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
  yield work(task, shared)
