"""Nothing is sent anywhere: the commands open no socket, watched by the kernel."""

import os
import pathlib
import shutil
import socket
import tempfile
import unittest

import numpy as np
from absl.testing import absltest, parameterized

from tests import network_filter

_ROOT = pathlib.Path(__file__).parents[1]
REAL = pathlib.Path(os.environ.get('TFDS_DATA_DIR') or _ROOT.parent / 'shared' / 'tfds')

SMALL = (
  *('--model=mlp', '--hidden_size=8', '--epochs=1', '--batch_size=32'),
  *('--train_fraction=0.5', '--nonmembers=holdout', '--run_dir=runs/half'),
)
USER, HOST = 'user-of-this-machine', 'host-of-this-machine'


def setUpModule():
  missing = network_filter.missing()
  if missing:
    raise unittest.SkipTest(missing)


class FilterTest(parameterized.TestCase):
  @parameterized.parameters('AF_INET', 'AF_INET6', 'AF_PACKET', 'AF_NETLINK')
  def test_process_that_opens_a_network_socket_is_killed(self, family):
    kind = 'SOCK_RAW' if family in ('AF_PACKET', 'AF_NETLINK') else 'SOCK_DGRAM'
    line = f'socket.socket(socket.{family}, socket.{kind})'
    # In a thread, and where every error is passed over.
    code = (
      'import contextlib, socket, threading\n'
      'def work():\n'
      f'  with contextlib.suppress(BaseException): {line}\n'
      'thread = threading.Thread(target=work)\n'
      'thread.start(); thread.join(); print("went on")'
    )
    done = network_filter.run('-c', code)
    self.assertEqual((done.returncode, done.stdout), (-network_filter.KILLED, ''))

  def test_what_it_starts_is_killed_as_well(self):
    code = (
      'import subprocess, sys\n'
      'print(subprocess.run([sys.executable, "-c", '
      '"import socket; socket.socket(socket.AF_INET)"]).returncode)'
    )
    done = network_filter.run('-c', code)
    self.assertEqual((done.returncode, done.stdout), (0, f'-{network_filter.KILLED}\n'))

  def test_processes_may_talk_to_each_other(self):
    done = network_filter.run('-c', 'import socket; print(socket.socketpair())')
    self.assertEqual(done.returncode, 0)
    self.assertIn(f'family={int(socket.AF_UNIX)}', done.stdout)


class CommandsTest(absltest.TestCase):
  """Each command as a user calls it, below folders whose names must not get out."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    top = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, top)
    cls.path, cls.home = top / 'folder-of-this-machine', top / 'home-of-this-machine'
    cls.path.mkdir()
    # What Python believes the machine to be called, whatever it is called.
    (top / 'sitecustomize.py').write_text(
      f'import platform, socket\nsocket.gethostname = platform.node = lambda: {HOST!r}'
    )
    cls.environment = {
      **os.environ,
      'PYTHONPATH': f'{top}:{_ROOT}',
      'HOME': str(cls.home),
      'USER': USER,
      'LOGNAME': USER,
      'HOSTNAME': HOST,
    }
    cls.call('train', *SMALL, '--attacks=threshold,lr')

  @classmethod
  def call(cls, command, *flags):
    done = network_filter.run(
      '-m', f'rnn_tf.{command}', *flags, cwd=cls.path, env=cls.environment
    )
    why = 'was killed: it has opened a socket' if done.returncode < 0 else done.stderr
    assert done.returncode == 0, f'{command}: {why}'

  def test_commands_open_no_socket_and_name_neither_machine_nor_user(self):
    fleet = '--attack=lira', '--num_shadows=4', '--fleet=processes'
    self.call('attack', '--run=runs/half', *fleet)
    self.call('infer', '--run=runs/half')
    self.call('report', '--runs=runs/*', '--report_dir=shown')
    names = (USER, HOST, self.path.name, self.home.name, str(_ROOT))
    found, count = [], 0
    for path in self.path.rglob('*'):
      for name in names:
        count += 1
        if name in path.name or (path.is_file() and name in self.text(path)):
          found.append((path.relative_to(self.path), name))
    self.assertEmpty(found)
    self.assertGreater(count, 200)

  def text(self, path):
    """Returns all that is written in a file, as letters."""
    content = path.read_bytes().decode('latin-1')
    if path.suffix == '.npz':
      with np.load(path, allow_pickle=False) as arrays:
        content += ''.join(map(str, arrays))
        content += ''.join(str(a) for a in arrays.values() if a.dtype.kind in 'US')
    return content

  def test_prepared_data_are_read_without_asking_anybody(self):
    if not (REAL / 'mnist').is_dir():
      self.skipTest(f'mnist is not prepared in {REAL}; set TFDS_DATA_DIR')
    data = '--dataset=mnist', f'--data_dir={REAL}', '--train_size=100'
    few = '--test_size=100', '--attacks=', '--run_dir=runs/mnist', '--model=mlp'
    self.call('train', *data, *few, '--epochs=1', '--hidden_size=4')


class DownloadTest(absltest.TestCase):
  def test_downloads_take_ipv6_where_python_can(self):
    # The look for it, which opens a socket, is left out; the answer is not.
    from urllib3.util import connection

    import rnn_tf.stack  # noqa: F401

    self.assertEqual(connection.HAS_IPV6, socket.has_ipv6)


if __name__ == '__main__':
  absltest.main()
