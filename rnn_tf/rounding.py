"""Upper bounds are rounded up: what is printed must not claim more than was shown."""

import decimal


def round_up(value: float, digits: int) -> float:
  """Returns the least number of so many significant digits that is not below."""
  context = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING)
  return float(context.create_decimal_from_float(value))
