"""Inference: what to show of a run."""

import dataclasses

from absl import flags

from rnn_tf.errors import check_choice, check_count
from rnn_tf.options import target

WEIGHTS = ('best', 'final')

_WEIGHTS = flags.DEFINE_string(
  'weights',
  WEIGHTS[0],
  'best (of the epoch with the highest validation accuracy) or final.',
)
_NUM_EXAMPLES = flags.DEFINE_integer(
  'num_examples', 20, 'Test images, from the first on, to list and to draw.'
)
_SHOW = flags.DEFINE_bool('show', False, 'Also open a window with these images.')
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir',
  None,
  'Folder for the pictures and tables; where not given, inference/ inside the run.',
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InferenceOptions:
  """What to infer, and where to put it."""

  run: str
  weights: str
  num_examples: int
  show: bool
  output_dir: str | None


def from_flags() -> InferenceOptions:
  """Returns the options that the flags describe.

  Raises:
    UsageError: a value is not allowed, or --run is missing.
  """
  run = target.from_flags()
  check_choice('weights', _WEIGHTS.value, WEIGHTS)
  check_count('num_examples', _NUM_EXAMPLES.value)
  return InferenceOptions(
    run=run,
    weights=_WEIGHTS.value,
    num_examples=_NUM_EXAMPLES.value,
    show=_SHOW.value,
    output_dir=_OUTPUT_DIR.value,
  )
