"""A command's connection with a Ray cluster."""

import contextlib
import logging
import os
import pathlib
import socket
import types
from collections.abc import Iterator

from rnn_tf import engines
from rnn_tf.errors import UsageError
from rnn_tf.machines import Machines, first_line
from rnn_tf.options.cluster import LOCAL, ClusterOptions

LOG = logging.getLogger('rnn_tf')

_PACKAGE = pathlib.Path(__file__).resolve().parent


def check(options: ClusterOptions) -> None:
  """Makes sure that there is a cluster to connect with, without connecting.

  Args:
    options: of a command; whichever strategy they name.

  Raises:
    UsageError: Ray is wanted and not installed, or nobody answers at an address that
      has a host and a port.
  """
  if options.strategy != 'ray':
    return
  _ray()
  if ':' in options.address:
    _check_answers(options.address)


@contextlib.contextmanager
def connect(options: ClusterOptions) -> Iterator[Machines]:
  """Connects this process with a cluster, and yields its machines.

  Args:
    options: which cluster, and what a model takes there.

  Raises:
    UsageError: Ray is not installed, no cluster answers, or no machine of it is large
      enough.
  """
  check(options)
  ray = _ray()
  _start(ray, options)
  try:
    machines = Machines(ray, gpus=options.gpus_per_model)
    machines.check_versions()
    LOG.info('cluster: %s', machines.describe())
    yield machines
  finally:
    ray.shutdown()


def _ray() -> types.ModuleType:
  # Read when Ray is imported: nothing is sent to its makers, and what is called after
  # the end of a connection does not begin another one.
  os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
  os.environ['RAY_ENABLE_AUTO_CONNECT'] = '0'
  try:
    import ray
  except ImportError as error:
    raise UsageError(
      '--fleet=ray: Ray is not installed: make venv RAY=1, or pip install --no-deps -r '
      'requirements-ray.txt, on every machine of the cluster'
    ) from error
  return ray


def _start(ray: types.ModuleType, options: ClusterOptions) -> None:
  logging.getLogger('ray').setLevel(logging.ERROR)
  address = options.address
  settings = {
    'log_to_driver': False,
    'configure_logging': False,
    # The same code everywhere, whatever version a machine has installed.
    'runtime_env': {'py_modules': [str(_PACKAGE)]},
  }
  settings['address'] = address
  if address == LOCAL:
    # Nobody from outside reaches it.
    settings |= {'_node_ip_address': '127.0.0.1', 'include_dashboard': False}
    settings |= {'num_cpus': engines.cores()}
  try:
    ray.init(**settings)
  except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
    raise UsageError(
      f'--ray_address={address}: {first_line(error)}: start Ray on every machine (ray '
      'start), and this command on one of them; or give --ray_address=local'
    ) from error


def _check_answers(address: str) -> None:
  """Raises UsageError where nothing listens: Ray itself would try for minutes."""
  host, _, port = address.rpartition(':')
  try:
    socket.create_connection((host, int(port)), timeout=10).close()
  except (OSError, UnicodeError) as error:
    why = getattr(error, 'strerror', None) or str(error)
    raise UsageError(
      f'--ray_address={address}: no cluster answers there ({why}): start its head with '
      f'ray start --head --port={port}, or give --ray_address=local'
    ) from error
