"""JSON values read as typed objects: what does not fit is refused, not guessed."""

import collections.abc
import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Any

_KINDS = {float: (int, float), int: (int,), str: (str,), bool: (bool,)}


def read_typed(
  hint: Any, value: Any, *, where: str, allows: Callable[[str, float], bool]
) -> Any:
  """Returns what JSON values say, as an object of a type.

  Args:
    hint: a dataclass, `tuple[X, ...]`, `Mapping[str, X]`, `X | None`, or one of int,
      float, str and bool; X is one of these again.
    value: from a JSON file.
    where: the file, for errors.
    allows: whether the field of a name can have a number.

  Raises:
    ValueError: a value is of another type, a number is not finite or not allowed, or a
      field is missing or unknown; and what the dataclasses themselves raise.
  """
  name = where.rpartition(', ')[2]
  origin, parts = typing.get_origin(hint), typing.get_args(hint)
  inside = {'allows': allows}
  if origin in (types.UnionType, typing.Union):
    rest = [part for part in parts if part is not types.NoneType]
    return None if value is None else read_typed(rest[0], value, where=where, **inside)
  if dataclasses.is_dataclass(hint):
    return _read_fields(hint, value, where=where, **inside)
  if origin is tuple and isinstance(value, list):
    return tuple(read_typed(parts[0], item, where=where, **inside) for item in value)
  if origin is collections.abc.Mapping and isinstance(value, dict):
    return {
      key: read_typed(parts[1], item, where=f'{where}, {key}', **inside)
      for key, item in value.items()
    }
  kinds = _KINDS.get(hint, ())
  if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
    raise ValueError(f'{where} is {value!r}')
  if hint in (int, float) and not (math.isfinite(value) and allows(name, value)):
    raise ValueError(f'{where} is {value!r}')
  return hint(value)


def _read_fields(
  cls: type, value: Any, *, where: str, allows: Callable[[str, float], bool]
) -> Any:
  if not isinstance(value, dict):
    raise ValueError(f'{where} is {value!r}')
  hints = typing.get_type_hints(cls)
  unknown = sorted(set(value) - set(hints))
  if unknown:
    raise ValueError(f'{where} has the unknown field {unknown[0]!r}')
  values = {
    name: read_typed(hints[name], item, where=f'{where}, {name}', allows=allows)
    for name, item in value.items()
  }
  try:
    return cls(**values)
  except TypeError as error:
    raise ValueError(f'{where}: {error}') from error
