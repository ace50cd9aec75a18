"""The one exception that a user's mistake ends in."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
  """A request that cannot be met, explained in one line.

  The message names the flag, the value, what is allowed and the next step.
  Commands print it without a traceback and exit with code 2.
  """


def closest_match(value: str, allowed: Iterable[str]) -> str:
  """Returns ` (did you mean X?)`, or nothing where no name comes close."""
  matches = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.5)
  return f' (did you mean {matches[0]}?)' if matches else ''


def check_choice(flag: str, value: str, allowed: Iterable[str]) -> None:
  """Raises UsageError unless `value` is one of the names in `allowed`."""
  allowed = list(allowed)
  if value not in allowed:
    raise UsageError(
      f'--{flag}={value}: must be one of {", ".join(allowed)}'
      f'{closest_match(str(value), allowed)}'
    )


def check_at_least(flag: str, value: int | float, minimum: int | float) -> None:
  """Raises UsageError unless `value` >= `minimum` (NaN is refused too)."""
  if not value >= minimum:
    raise UsageError(f'--{flag}={value}: must be at least {minimum}')


def check_positive(flag: str, value: int | float) -> None:
  """Raises UsageError unless 0 < `value` < infinity (NaN is refused too)."""
  if not 0 < value < float('inf'):
    raise UsageError(f'--{flag}={value}: must be a positive, finite number')
