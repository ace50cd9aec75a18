"""A time limit for TFDS's downloads."""

import contextlib
import logging
from collections.abc import Iterator

import requests
from tensorflow_datasets.core.download import downloader

CONNECT_SECONDS = 10
SILENCE_SECONDS = 60
RETRIES = 1


@contextlib.contextmanager
def bounded() -> Iterator[None]:
  """Makes what TFDS downloads inside the block fail in time.

  TFDS passes no timeout and retries ten times with growing pauses: without a
  network it would be silent for minutes, behind a dead connection for ever. It
  takes no option for either, so its constant and the transport of `requests`
  are exchanged for the while.

  Raises:
    requests.RequestException: from inside the block, where a server does not
      take a connection or sends nothing for too long.
  """
  adapter = requests.adapters.HTTPAdapter
  send, retries = adapter.send, downloader.MAX_RETRIES

  def send_in_time(self, request, *args, timeout=None, **kwargs):
    timeout = timeout or (CONNECT_SECONDS, SILENCE_SECONDS)
    return send(self, request, *args, timeout=timeout, **kwargs)

  log = logging.getLogger('urllib3')
  level = log.level
  adapter.send, downloader.MAX_RETRIES = send_in_time, RETRIES
  # What it says of each attempt is said once, in the end, by the exception.
  log.setLevel(logging.ERROR)
  try:
    yield
  finally:
    adapter.send, downloader.MAX_RETRIES = send, retries
    log.setLevel(level)
