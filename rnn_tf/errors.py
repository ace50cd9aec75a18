"""The one exception that a user's mistake ends in."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
  """A request that cannot be met, explained in one line.

  The message names the flag, the value, what is allowed and the next step.
  Commands print it without a traceback and exit with code 2.
  """


_LONGEST = 2000
"""Characters of a message that are shown at most."""


def one_line(text: str) -> str:
  """Returns a text that a terminal shows in one line, whatever it quotes.

  Line breaks, control characters and what turns the direction of writing are escaped;
  of a text that is too long the middle is left out.
  """
  if len(text) > _LONGEST:
    text = f'{text[: _LONGEST * 3 // 4]} ... {text[-_LONGEST // 4 :]}'
  return ''.join(
    c if c.isprintable() else c.encode('unicode_escape').decode() for c in text
  )


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


MOST = 2**31 - 1
"""What anything can be counted to: 32 bits, as in TensorFlow and TFDS."""


def check_count(flag: str, value: int, minimum: int = 1, *, most: int = MOST) -> None:
  """Raises UsageError unless `minimum` <= `value` <= `most`."""
  check_at_least(flag, value, minimum)
  if value > most:
    raise UsageError(f'--{flag}={value}: must be at most {most}')


def check_at_least(flag: str, value: int | float, minimum: int | float) -> None:
  """Raises UsageError unless `value` >= `minimum` (NaN is refused too)."""
  if not value >= minimum:
    raise UsageError(f'--{flag}={value}: must be at least {minimum}')


def check_positive(flag: str, value: int | float) -> None:
  """Raises UsageError unless `value` is a positive number that 32-bit floats have."""
  if not 0 < value < float('inf'):
    raise UsageError(f'--{flag}={value}: must be a positive, finite number')
  # Beyond, 32-bit floats make 0 or infinity of it, or of its products.
  if not 1e-30 <= value <= 1e30:
    raise UsageError(f'--{flag}={value}: must be at least 1e-30 and at most 1e30')
