"""Models trained one after the other, or side by side in processes of their own."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rnn_tf import engines
from rnn_tf.errors import UsageError

Work = Callable[[Any, Mapping[str, Any]], Any]


def count(tasks: int) -> int:
  """Returns how many of so many tasks are worked on at once by processes."""
  return min(tasks, engines.cores())


def gpu() -> bool:
  """Returns whether a model takes a GPU, which processes would have to share."""
  return engines.on_gpu()


def side_by_side(
  work: Work,
  tasks: Sequence[Any],
  shared: Mapping[str, Any],
  *,
  what: str,
  instead: str,
) -> Iterator[Any]:
  """Yields what `work` makes of each task, in any order, a process a core.

  Args:
    work: a module's function of a task and `shared`; sets TensorFlow up itself.
    tasks: the first argument of each call; pickled.
    shared: the second; its arrays are mapped into every process's memory.
    what: a task is about, for errors, such as `a shadow model`.
    instead: what to do where memory runs out.

  Raises:
    UsageError: a process was killed.
  """
  import joblib
  from joblib.externals.loky import get_reusable_executor
  from joblib.externals.loky.process_executor import TerminatedWorkerError

  # Arrays are handed over as files that the workers map into memory.
  pool = joblib.Parallel(
    n_jobs=count(len(tasks)), return_as='generator_unordered', pre_dispatch='n_jobs'
  )
  # A worker whose memory has grown is replaced: by design, no news.
  warnings.filterwarnings('ignore', 'A worker stopped while some jobs', UserWarning)
  try:
    yield from pool(joblib.delayed(work)(task, shared) for task in tasks)
  except TerminatedWorkerError as error:
    raise UsageError(
      f'a process that trained {what} was killed, most often since memory ran out: '
      f'what is trained is kept; {instead}'
    ) from error
  finally:
    # Idle workers would hold their memory while the attacks are made.
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
