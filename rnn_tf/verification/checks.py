"""A stored figure beside the same one computed anew, and what cannot be computed."""

import dataclasses
import itertools
import math
import numbers
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 1e-9
"""How far a figure may be from what is computed, as a share of it."""

# Where a figure is 0, or the difference of two that are nearly the same.
_ROUNDING = 1e-14

# Of scores, far below any that two examples do not share.
_TINY = 1e-300

# Bytes of a name, on all usual file systems.
_LONGEST = 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
  """A figure, or a fact, held against the stored data.

  Attributes:
    file: that the figure is in, below the run's folder.
    place: where in the file, such as `epoch 20, threshold on entire`; '' of a file as a
      whole.
    figure: its name, such as `auc`; of a fact what it is about.
    stored: the figure as the file has it; None of a fact.
    recomputed: the same from the stored data; None of a fact.
    ok: whether they are equal, or the fact holds.
    text: of a fact that does not hold, what is the matter; else ''.
  """

  file: str
  place: str
  figure: str
  stored: Any = None
  recomputed: Any = None
  ok: bool
  text: str = ''

  @property
  def subject(self) -> str:
    """The file, and where in it."""
    return f'{self.file}, {self.place}' if self.place else self.file

  def __str__(self) -> str:
    """One line for a reader."""
    if self.text:
      return f'{self.subject}: {self.figure}: {self.text}'
    if self.ok and self.stored is None and self.recomputed is None:
      return f'{self.subject}: {self.figure}: right'
    verb = 'is' if self.ok else 'is not what the stored data say:'
    return (
      f'{self.subject}: {self.figure} {verb} {_shown(self.stored)}'
      + f' (recomputed: {_shown(self.recomputed)})' * (not self.ok)
    )


def _shown(value: Any) -> str:
  return 'missing' if value is None else str(value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gap:
  """What could not be recomputed.

  Attributes:
    what: the figures.
    why: the reason.
  """

  what: str
  why: str

  def __str__(self) -> str:
    """One line for a reader."""
    return f'{self.what}: {self.why}'


Finding = Check | Gap


class MissingError(Exception):
  """What a figure would have to be computed from is not there; the text says why."""


def folder_name(name: str) -> str:
  """Returns the name that a file gives to a folder.

  Raises:
    MissingError: it could point elsewhere than into the folder where it is looked for.
  """
  plain = name == pathlib.PurePath(name).name and name not in ('', '..')
  if not plain or not name.isprintable() or len(name.encode()) > _LONGEST:
    raise MissingError(f'{_shortened(name)!r} is no name of a folder')
  return name


def _shortened(name: str) -> str:
  return name if len(name) <= 80 else f'{name[:80]}...'


def same(stored: Any, recomputed: Any, *, digits: int | None = None) -> bool:
  """Returns whether a stored value is what was computed.

  Args:
    stored: a number, a text or None.
    recomputed: likewise.
    digits: significant ones that a float was rounded to when it was stored; None of one
      that was stored whole, which must be equal to `TOLERANCE`.
  """
  numeric = all(_is_number(value) for value in (stored, recomputed))
  if not numeric or all(isinstance(x, numbers.Integral) for x in (stored, recomputed)):
    return bool(stored == recomputed)
  if digits is None:
    return math.isclose(stored, recomputed, rel_tol=TOLERANCE, abs_tol=_ROUNDING)
  if recomputed == 0:
    return stored == 0
  half = 0.5 * 10.0 ** (math.floor(math.log10(abs(recomputed))) - digits + 1)
  # The nudge is for what lies on the border.
  return abs(stored - recomputed) <= half * (1 + 1e-6)


def _is_number(value: Any) -> bool:
  return isinstance(value, numbers.Real) and not isinstance(value, bool)


def figure(
  file: str,
  place: str,
  *,
  name: str,
  stored: Any,
  recomputed: Any,
  digits: int | None = None,
) -> Check:
  """Returns the check of one figure, see `Check` and `same`."""
  return Check(
    file=file,
    place=place,
    figure=name,
    stored=stored,
    recomputed=recomputed,
    ok=same(stored, recomputed, digits=digits),
  )


def figures(
  file: str, place: str, *, stored: Any, recomputed: Any, name: str = ''
) -> Iterator[Check]:
  """Yields a check of each figure in two values of one structure.

  A figure's name tells the way to it: `tpr_at_fpr 2, threshold`.

  Args:
    file: see `Check`.
    place: see `Check`.
    stored: a dataclass, mapping, tuple or list of such, or a plain value.
    recomputed: likewise.
    name: of the whole.
  """
  stored, recomputed = _parts(stored), _parts(recomputed)
  if isinstance(recomputed, dict) and isinstance(stored, dict):
    for key in dict.fromkeys([*stored, *recomputed]):
      # A part of a list goes by its number, beside the list's name.
      inside = f'{name} {key}' if isinstance(key, int) else f'{name}, {key}'
      yield from figures(
        file,
        place,
        stored=stored.get(key),
        recomputed=recomputed.get(key),
        name=inside if name else str(key),
      )
    return
  yield figure(file, place, name=name, stored=stored, recomputed=recomputed)


def _parts(value: Any) -> Any:
  """Returns a structure's parts by name or number; a plain value as it is."""
  if dataclasses.is_dataclass(value):
    return {
      field.name: getattr(value, field.name) for field in dataclasses.fields(value)
    }
  if isinstance(value, (tuple, list)):
    return dict(enumerate(value, start=1))
  return dict(value) if isinstance(value, Mapping) else value


def fact(file: str, place: str, *, name: str, problem: str | None) -> Check:
  """Returns the check of a fact.

  Args:
    file: see `Check`.
    place: see `Check`.
    name: what it is about.
    problem: what is the matter; None or '' where it holds.
  """
  text = problem or ''
  return Check(file=file, place=place, figure=name, ok=not text, text=text)


def array(
  file: str,
  *,
  name: str,
  stored: np.ndarray,
  recomputed: np.ndarray,
  ids: np.ndarray,
  tolerance: float | None = None,
) -> Check:
  """Returns the check of an array of scores, as one fact.

  Args:
    file: see `Check`.
    name: of the array in the file.
    stored: (n,) float64; NaN where there is no score.
    recomputed: (n,) float64.
    ids: (n,) int64, whose scores they are.
    tolerance: largest difference; None means `TOLERANCE` of each score.
  """
  allowed = {'rtol': TOLERANCE, 'atol': _TINY}
  if tolerance is not None:
    allowed = {'rtol': 0.0, 'atol': tolerance}
  with np.errstate(invalid='ignore'):
    alike = np.isclose(stored, recomputed, equal_nan=True, **allowed)
  wrong = np.flatnonzero(~alike)
  problem = None
  if len(wrong):
    first = wrong[0]
    problem = (
      f'{len(wrong)} of {len(stored)} are not what the stored outputs give: of id '
      f'{ids[first]} it is {stored[first]}, recomputed {recomputed[first]}'
    )
  return fact(file, '', name=name, problem=problem)


def aligned(
  stored: Sequence[Any], recomputed: Sequence[Any]
) -> list[tuple[Any | None, Any | None]]:
  """Returns two lists side by side, None where one is the shorter."""
  return list(itertools.zip_longest(stored, recomputed))
