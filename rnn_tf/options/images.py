"""Images: whether results may hold training images."""

from absl import flags

_EMBED_IMAGES = flags.DEFINE_bool(
  'embed_images',
  False,
  'Also keep and show the images of the most exposed members. They are training data: '
  'mind who reads the page.',
)


def from_flags() -> bool:
  """Returns whether images are kept."""
  return _EMBED_IMAGES.value
