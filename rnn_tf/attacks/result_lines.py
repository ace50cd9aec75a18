"""Results read back from JSON lines, which a hand may have edited."""

import math
from collections.abc import Iterable
from typing import Any

from rnn_tf.attacks import metrics
from rnn_tf.attacks.metrics import RatePoint
from rnn_tf.attacks.results import AttackResult
from rnn_tf.typed_json import read_typed

# Fields that are shares, wherever they are.
_SHARES = frozenset(
  (
    *('auc', 'auc_low', 'auc_high', 'auc_null_half_width', 'half_width', 'advantage'),
    *('ppv', 'fpr', 'fpr_low', 'fpr_high', 'tpr', 'tpr_low', 'tpr_high', 'target_fpr'),
    *('train_accuracy', 'val_accuracy', 'test_accuracy', 'test_auc', 'probability'),
    *('in_probability', 'out_probability', 'precision', 'recall', 'f1-score', 'delta'),
  )
)
# And those that may be below 0; what is in neither is a count or an amount.
_SIGNED = frozenset(('score', 'threshold'))

_FIGURES = (
  *('auc', 'auc_low', 'auc_high', 'auc_null_half_width', 'advantage', 'ppv'),
  'tpr_at_fpr',
)
"""Fields that a result has unless its slice was skipped."""


def allows(name: str, value: float) -> bool:
  """Returns whether the field of a name can have a number, see `read_typed`."""
  least = -math.inf if name in _SIGNED else 0
  return least <= value <= (1 if name in _SHARES else math.inf)


def read(values: Any, *, where: str) -> AttackResult:
  """Returns the result that a line holds.

  Args:
    values: of the line.
    where: the line, for errors, such as `line 3`.

  Raises:
    ValueError: a value is missing or cannot be what it says.
  """
  try:
    result = read_typed(AttackResult, values, where=where, allows=allows)
  except OverflowError as error:
    raise ValueError(f'{where} has a number that is too large') from error
  if result.epoch < 1:
    raise ValueError(f'{where}, epoch is {result.epoch}')
  if result.epsilon_lower_bound is not None and result.delta is None:
    raise ValueError(f'{where} has an epsilon_lower_bound without its delta')
  if result.skipped:
    return result
  for name in _FIGURES:
    if getattr(result, name) is None:
      raise ValueError(f'{where}, {name} is missing')
  for name in ('n_members', 'n_nonmembers'):
    if getattr(result, name) < 1:
      raise ValueError(f'{where}, {name} is 0 where nothing was skipped')
  check_rates(result.tpr_at_fpr, where=where)
  return result


def check_rates(points: Iterable[RatePoint], *, where: str) -> None:
  """Raises ValueError unless there is one point a target false-positive rate."""
  rates = tuple(point.target_fpr for point in points)
  if rates != metrics.TARGET_FPRS:
    raise ValueError(
      f'{where}, tpr_at_fpr is at {_listed(rates)}, not at '
      f'{_listed(metrics.TARGET_FPRS)}'
    )


def _listed(rates: tuple[float, ...]) -> str:
  return ' and '.join(map(str, rates)) or 'no rate'
