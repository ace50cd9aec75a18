"""A real Ray of two machines on this one, started for tests and stopped after them."""

import os
import secrets
import unittest

CPUS = 1
"""Of each machine."""

_STORE = 80 * 1024**2


def start(test_case):
  """Starts a cluster for a test class; returns it, its address as `address`.

  Args:
    test_case: a class, whose clean-up stops the cluster.

  Raises:
    SkipTest: Ray is not installed.
  """
  # Nothing is sent to Ray's makers by tests either.
  os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
  # Whatever token the user of this machine has for other clusters.
  os.environ.setdefault('RAY_AUTH_MODE', 'token')
  os.environ.setdefault('RAY_AUTH_TOKEN', secrets.token_hex(32))
  try:
    from ray import cluster_utils
  except ImportError:
    raise unittest.SkipTest('Ray is not installed: make venv RAY=1') from None
  node = {'num_cpus': CPUS, 'object_store_memory': _STORE, 'include_dashboard': False}
  cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
  test_case.addClassCleanup(cluster.shutdown)
  cluster.add_node(num_cpus=CPUS, object_store_memory=_STORE)
  return cluster
