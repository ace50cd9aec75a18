"""The images of a run's most exposed members, kept where they were asked for.

They are training data: only the owner may read the file, and without
`--embed_images` there is none.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from rnn_tf.run_files import RunFiles

FILE = 'exposed_images.npz'


class Images(Protocol):
  """Images, (n, height, width, channels) float in [0, 1], and their ids, (n,)."""

  images: np.ndarray
  ids: np.ndarray


def keep(folder: RunFiles, images: Images | None, ids: Iterable[int]) -> None:
  """Writes the images of some examples, in place of any that are there.

  Args:
    folder: of a run, or of an attack on one.
    images: theirs among them; None removes the file.
    ids: of the examples, each among those of `images`.
  """
  wanted = np.unique(np.fromiter(ids, np.int64))
  if images is None or not len(wanted):
    (folder.path / FILE).unlink(missing_ok=True)
    return
  order = np.argsort(images.ids)
  rows = order[np.searchsorted(images.ids[order], wanted)]
  pixels = np.round(np.clip(images.images[rows], 0, 1) * 255).astype(np.uint8)
  folder.write_npz(FILE, {'ids': wanted, 'images': pixels})


def load(folder: RunFiles) -> Mapping[int, np.ndarray]:
  """Returns id -> (height, width, channels) uint8, empty where none were kept.

  Raises:
    UsageError: the file is damaged.
  """
  path = folder.path / FILE
  if not path.exists():
    return {}
  arrays = folder.read_npz(FILE, needs=['ids', 'images'])
  ids, images = arrays['ids'], arrays['images']
  if images.dtype != np.uint8 or images.ndim != 4 or len(ids) != len(images):
    raise folder.damaged(path, f'images are {images.dtype} {images.shape}')
  return {int(key): image for key, image in zip(ids, images, strict=True)}
