"""A command's connection with a Ray cluster."""

import contextlib
import logging
import os
import pathlib
import secrets
import socket
import tempfile
import types
from collections.abc import Iterator, Mapping
from typing import Any

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
  _ray(options.address)
  if ':' in options.address:
    _check_answers(options.address)


@contextlib.contextmanager
def connect(options: ClusterOptions) -> Iterator[Machines]:
  """Connects this process with a cluster, and yields its machines.

  Args:
    options: which cluster, and what a model takes there.

  Raises:
    UsageError: Ray is not installed, no cluster answers, no machine of it is large
      enough, or one has other packages.
  """
  check(options)
  ray = _ray(options.address)
  with contextlib.ExitStack() as stack:
    settings = {'address': options.address}
    if options.address == LOCAL:
      settings |= stack.enter_context(_local())
    stack.callback(ray.shutdown)
    _start(ray, settings)
    machines = Machines(ray, gpus=options.gpus_per_model)
    machines.check_versions()
    LOG.info('cluster: %s', machines.describe())
    yield machines


@contextlib.contextmanager
def _local() -> Iterator[dict[str, Any]]:
  """Yields the settings of a Ray that nobody else can reach or read.

  Ray itself would leave its token in the home folder, where another cluster finds it,
  and its logs where all users of the machine may read them.
  """
  with tempfile.TemporaryDirectory(prefix='ray-', ignore_cleanup_errors=True) as path:
    yield {
      '_node_ip_address': '127.0.0.1',
      # Ray lets everybody into its own folder.
      '_temp_dir': str(pathlib.Path(path, 'r')),
      'include_dashboard': False,
      'num_cpus': engines.cores(),
    }


def _ray(address: str) -> types.ModuleType:
  # Read when Ray is imported: nothing is sent to its makers, and what is called after
  # the end of a connection does not begin another one.
  os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
  os.environ['RAY_ENABLE_AUTO_CONNECT'] = '0'
  if address == LOCAL:
    os.environ.setdefault('RAY_AUTH_MODE', 'token')
    os.environ.setdefault('RAY_AUTH_TOKEN', secrets.token_hex(32))
  try:
    import ray
  except ImportError as error:
    raise UsageError(
      '--fleet=ray: Ray is not installed: make venv RAY=1, or pip install --no-deps -r '
      'requirements-ray.txt, on every machine of the cluster'
    ) from error
  return ray


def _start(ray: types.ModuleType, settings: Mapping[str, Any]) -> None:
  logging.getLogger('ray').setLevel(logging.ERROR)
  # What fails is said by `Machines`; Ray would print it among the results.
  ray._private.worker.print_to_stdstream = lambda *args, **kwargs: None
  try:
    ray.init(
      log_to_driver=False,
      configure_logging=False,
      # The same code everywhere, whatever version a machine has installed.
      runtime_env={'py_modules': [str(_PACKAGE)]},
      **settings,
    )
  except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
    raise UsageError(
      f'--ray_address={settings["address"]}: {first_line(error)}: start Ray on every '
      'machine (ray start), and this command on one of them; where the cluster has '
      'token authentication, with RAY_AUTH_MODE=token and its token; or give '
      '--ray_address=local'
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
