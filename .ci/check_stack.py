"""Runs TF Privacy's own tests, which its wheels carry, against what is installed.

Each test module runs in a process of its own, because some switch eager
execution off for good, and is imported through `rnn_tf.stack` like everything
that the project uses. Tests that need what the lock does not hold are listed as
left out. The exit code is 1 if any other test fails.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

USED = (
  'analysis',
  'dp_query/dp_query_test.py',
  'dp_query/gaussian_query_test.py',
  'dp_query/nested_query_test.py',
  'dp_query/normalized_query_test.py',
  'fast_gradient_clipping/clip_grads_test.py',
  'fast_gradient_clipping/gradient_clipping_utils_test.py',
  'keras_models',
  'optimizers',
  'privacy_tests',
)
"""What the project uses or compares itself with, below tensorflow_privacy/privacy."""

NO_ESTIMATOR = 'needs tf.estimator, which TensorFlow no longer has'

DISTRIBUTED = 'trains in several processes, which the project does not do'

LEFT_OUT = {
  'keras_models.dp_keras_model_distributed_test': DISTRIBUTED,
  'optimizers.dp_optimizer_keras_sparse_distributed_test': DISTRIBUTED,
}
"""Test module -> why it is not run."""

KNOWN_FAILURES: dict[str, str] = {}
"""Test id -> why it fails here although the code under test is fine."""

TIMEOUT = 900  # seconds for one module


@dataclasses.dataclass
class Outcome:
  """What became of one test module.

  Attributes:
    module: path below tensorflow_privacy/privacy, dotted.
    passed: number of tests that passed.
    failed: (test id, last line of its traceback).
    left_out: (test id, reason).
    seconds: wall-clock time, the start of the process included.
  """

  module: str
  passed: int = 0
  failed: list[tuple[str, str]] = dataclasses.field(default_factory=list)
  left_out: list[tuple[str, str]] = dataclasses.field(default_factory=list)
  seconds: float = 0.0


class _NoEstimator(types.ModuleType):
  """Stands where tf.estimator was: a test that reaches for it is skipped."""

  def __getattr__(self, name):
    if name.startswith('__'):
      raise AttributeError(name)
    raise unittest.SkipTest(NO_ESTIMATOR)


def _load(module: str) -> unittest.TestSuite:
  """Imports a test module through the project's door and collects its tests."""
  sys.path.insert(0, str(ROOT))
  from rnn_tf import stack

  stack.tf.estimator = stack.tf.compat.v1.estimator = _NoEstimator('estimator')
  loaded = stack.tf_privacy(module)
  from absl import flags

  flags.FLAGS([sys.argv[0]])
  return unittest.defaultTestLoader.loadTestsFromModule(loaded)


def run_here(module: str) -> Outcome:
  """Runs the tests of one module in this process."""
  outcome = Outcome(module)
  try:
    suite = _load(module)
  except unittest.SkipTest as reason:
    outcome.left_out.append((f'{module} (all of it)', str(reason)))
    return outcome
  result = unittest.TextTestRunner(verbosity=2).run(suite)
  # A test with sub-tests may fail more than once; it counts once.
  failed = {_id(test): text for test, text in result.failures + result.errors}
  for test in result.unexpectedSuccesses:
    failed[_id(test)] = 'passed, although it is marked as an expected failure'
  outcome.failed = [
    (name, text.strip().split('\n')[-1]) for name, text in failed.items()
  ]
  for test, reason in result.skipped:
    if reason != NO_ESTIMATOR:
      reason = f'skipped by TF Privacy itself: {reason}'
    # tf.test.TestCase carries a `test_session`, which is a helper and no test.
    if not _id(test).endswith('.test_session'):
      outcome.left_out.append((_id(test), reason))
  outcome.passed = result.testsRun - len(failed) - len(result.skipped)
  return outcome


def _id(test: unittest.TestCase) -> str:
  return test.id().removeprefix('tensorflow_privacy.privacy.')


def run_apart(module: str) -> Outcome:
  """Runs the tests of one module in a process of its own."""
  if module in LEFT_OUT:
    return Outcome(module, left_out=[(f'{module} (all of it)', LEFT_OUT[module])])
  start = time.monotonic()
  with tempfile.TemporaryDirectory() as folder:
    answer = pathlib.Path(folder, 'outcome.json')
    command = [sys.executable, __file__, '--module', module, '--answer', str(answer)]
    try:
      done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        timeout=TIMEOUT,
      )
      output = done.stdout
    except subprocess.TimeoutExpired:
      output = f'no end after {TIMEOUT} s'
    if answer.exists():
      outcome = Outcome(**json.loads(answer.read_text()))
    else:
      last_line = (output.strip().split('\n') or [''])[-1]
      outcome = Outcome(module, failed=[(f'{module} (all of it)', last_line)])
  outcome.seconds = time.monotonic() - start
  if outcome.failed:
    print(output, file=sys.stderr)
  return outcome


def find_modules() -> list[str]:
  """Returns the dotted names of the test modules under `USED`.

  Raises:
    FileNotFoundError: an entry of `USED` has none, so the list is out of date.
  """
  package = importlib.util.find_spec('tensorflow_privacy')
  base = pathlib.Path(package.origin).parent / 'privacy'
  modules = []
  for entry in USED:
    path = base / entry
    files = [path] if path.is_file() else sorted(path.rglob('*_test.py'))
    if not files:
      raise FileNotFoundError(f'TF Privacy has no tests in {path}')
    modules += ['.'.join(f.relative_to(base).with_suffix('').parts) for f in files]
  return modules


def report(outcomes: list[Outcome]) -> int:
  """Prints what was left out, what failed and the counts; returns the exit code."""
  reasons = collections.defaultdict(list)
  unexpected = []
  for outcome in outcomes:
    for test, reason in outcome.left_out:
      reasons[reason].append(test)
    for test, reason in outcome.failed:
      if test in KNOWN_FAILURES:
        reasons[f'known failure: {KNOWN_FAILURES[test]}'].append(test)
      else:
        unexpected.append((test, reason))
  for reason, tests in reasons.items():
    print(f'\nLeft out, {reason}:', *tests, sep='\n  ')
  if unexpected:
    print('\nFailed:', *(f'{test}: {why}' for test, why in unexpected), sep='\n  ')
  names = ('tensorflow-privacy', 'tensorflow', 'tf-keras', 'numpy', 'scikit-learn')
  versions = ', '.join(f'{name} {importlib.metadata.version(name)}' for name in names)
  print(f'\n{versions}, Python {platform.python_version()}')
  print(
    f'{sum(outcome.passed for outcome in outcomes)} passed, '
    f'{len(unexpected)} failed, {sum(map(len, reasons.values()))} left out, '
    f'in {len(outcomes)} modules'
  )
  return 1 if unexpected else 0


def main() -> int:
  """Runs every module, or with --module one of them in this process."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
  parser.add_argument('--only', default='', help='modules whose name contains this')
  parser.add_argument('--module', help=argparse.SUPPRESS)
  parser.add_argument('--answer', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.module:
    outcome = run_here(args.module)
    pathlib.Path(args.answer).write_text(json.dumps(dataclasses.asdict(outcome)))
    return 0
  modules = [module for module in find_modules() if args.only in module]
  if not modules:
    parser.error(f'--only={args.only}: no test module has this in its name')
  outcomes = []
  with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
    futures = [pool.submit(run_apart, module) for module in modules]
    for future in concurrent.futures.as_completed(futures):
      outcome = future.result()
      outcomes.append(outcome)
      print(
        f'{outcome.module}: {outcome.passed} passed, {len(outcome.failed)} failed, '
        f'{len(outcome.left_out)} left out, {outcome.seconds:.0f} s',
        flush=True,
      )
  return report(sorted(outcomes, key=lambda outcome: outcome.module))


if __name__ == '__main__':
  sys.exit(main())
