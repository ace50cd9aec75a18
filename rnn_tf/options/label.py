"""Label: what the results are called."""

from absl import flags

from rnn_tf.errors import UsageError

_LABEL = flags.DEFINE_string(
  'label',
  None,
  "Name of the results' folder, inside the run's; where not given, one made of what is "
  'asked for.',
)


_LONGEST = 150
"""Bytes of a folder's name, to which no file system says no."""


def from_flags() -> str | None:
  """Returns the label, or None.

  Raises:
    UsageError: it is no name.
  """
  label = _LABEL.value
  if label is not None and (not label or not _plain(label)):
    raise UsageError(
      f'--label={label}: must be a name of letters, digits, dots, dashes, plus signs '
      f'and underscores, at most {_LONGEST} bytes, the first a letter or a digit'
    )
  return label


def _plain(name: str) -> bool:
  short = len(name.encode()) <= _LONGEST
  return short and name[0].isalnum() and all(c.isalnum() or c in '._-+' for c in name)
