"""The only door to TensorFlow, Keras and TF Privacy.

TF Privacy 0.9 is written for Keras 2, for scikit-learn before 1.5, and imports
tf.estimator when it is imported as a whole. Before anything is loaded this
module therefore
* selects legacy Keras (`TF_USE_LEGACY_KERAS=1`),
* sets TF Privacy's own switch `sys.skip_tf_privacy_import`, so that submodules
  can be imported by their full path without the package's `__init__`,
* gives scikit-learn back the name `sklearn.utils.parallel_backend`.
It also keeps `urllib3`, which TensorFlow imports, from opening a socket to see whether
the machine has IPv6: nothing here opens one, but to download a data set.
Everything else in the project imports `tf` and `keras` from here, and TF
Privacy through `tf_privacy`.
"""

import contextlib
import importlib
import os
import socket
import sys
import tempfile
import types
from collections.abc import Iterator

os.environ['TF_USE_LEGACY_KERAS'] = '1'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
sys.skip_tf_privacy_import = True


def _import_urllib3() -> None:
  """Imports urllib3 without its look for IPv6, which binds a socket.

  It then takes what Python was built with: where the machine has no IPv6, a download
  turns from such an address to the next one.
  """
  built_with = socket.has_ipv6
  socket.has_ipv6 = False
  try:
    from urllib3.util import connection
  finally:
    socket.has_ipv6 = built_with
  connection.HAS_IPV6 = built_with


_import_urllib3()


@contextlib.contextmanager
def _start_up_notes_held_back() -> Iterator[None]:
  """Keeps what TensorFlow's C++ prints while loading off the screen.

  Its notes on oneDNN and CUDA do not heed its log level. Should the block raise,
  they are printed after all.
  """
  sys.stderr.flush()
  screen = os.dup(2)
  with tempfile.TemporaryFile() as notes:
    os.dup2(notes.fileno(), 2)
    try:
      yield
    except BaseException:
      notes.seek(0)
      os.write(screen, notes.read())
      raise
    finally:
      os.dup2(screen, 2)
      os.close(screen)


with _start_up_notes_held_back():
  import tensorflow as tf
  import tf_keras as keras

  # The first look for GPUs prints as well, an error where there are none.
  tf.config.list_physical_devices('GPU')

__all__ = ['keras', 'tf', 'tf_privacy']


def tf_privacy(module: str) -> types.ModuleType:
  """Imports a module of TF Privacy.

  Args:
    module: path below `tensorflow_privacy.privacy`, for example
      `privacy_tests.membership_inference_attack.data_structures`.
  """
  import joblib
  import sklearn.utils

  if not hasattr(sklearn.utils, 'parallel_backend'):
    sklearn.utils.parallel_backend = joblib.parallel_backend
  return importlib.import_module(f'tensorflow_privacy.privacy.{module}')
