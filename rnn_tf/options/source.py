"""Source: where the data lies."""

import dataclasses

from absl import flags

_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Folder of prepared TFDS data sets; where not given, $TFDS_DATA_DIR or '
  '~/tensorflow_datasets.',
)
_DOWNLOAD = flags.DEFINE_bool(
  'download', True, 'Fetch and prepare a data set that is not in --data_dir.'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """Where to look for data: no part of a run's config, it decides no number."""

  data_dir: str | None
  download: bool


def from_flags() -> Source:
  """Returns the source that the flags describe."""
  return Source(data_dir=_DATA_DIR.value, download=_DOWNLOAD.value)
