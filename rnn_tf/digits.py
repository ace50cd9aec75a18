"""The embedded data set: scikit-learn's 8x8 digits as a TFDS builder.

It needs no network, so that the whole project can be tried anywhere. Importing
this module registers `digits` with TFDS.
"""

import rnn_tf.stack  # noqa: F401  (before TFDS, which loads TensorFlow)

# isort: split
from collections.abc import Iterator
from typing import Any

import numpy as np
import sklearn.datasets
import sklearn.model_selection
import tensorflow_datasets as tfds

TRAIN_SIZE = 1437
TEST_SIZE = 360
"""A fifth of the 1797 examples, rounded up."""

_SPLIT_SEED = 0
_PIXEL_MAX = 16


class Digits(tfds.core.GeneratorBasedBuilder):
  """The 1797 handwritten digits that scikit-learn carries.

  Images are (8, 8, 1) uint8: scikit-learn's 0 to 16, spread over 0 to 255. 1437
  train and 360 test examples, stratified by class, with a fixed seed.
  """

  VERSION = tfds.core.Version('1.0.0')

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      description='Handwritten digits of 8x8 pixels from scikit-learn.',
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(8, 8, 1)),
          'label': tfds.features.ClassLabel(num_classes=10),
        }
      ),
      supervised_keys=('image', 'label'),
      homepage='https://archive.ics.uci.edu/dataset/80',
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    del dl_manager  # Nothing is downloaded.
    digits = sklearn.datasets.load_digits()
    train, test = sklearn.model_selection.train_test_split(
      np.arange(len(digits.target)),
      train_size=TRAIN_SIZE,
      test_size=TEST_SIZE,
      stratify=digits.target,
      random_state=_SPLIT_SEED,
    )
    return {
      'train': self._generate_examples(digits, np.sort(train)),
      'test': self._generate_examples(digits, np.sort(test)),
    }

  def _generate_examples(
    self, digits: Any, rows: np.ndarray
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    images = np.rint(digits.images * (255 / _PIXEL_MAX)).astype(np.uint8)
    for row in rows.tolist():
      yield row, {'image': images[row][..., None], 'label': int(digits.target[row])}
