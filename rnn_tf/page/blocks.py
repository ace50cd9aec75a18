"""What a page is made of; nothing of how it looks.

Names (of sections, charts, tables and so on) are slugs, unique on a page: they are
the anchors of its links, the file names of its downloads, and what `figures` calls
a number by.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnn_tf.page.tables import Cell, Table, heat_map, table

__all__ = [
  'LEVELS',
  'SCALES',
  'STYLES',
  'Axis',
  'Block',
  'Cell',
  'Chart',
  'Code',
  'Details',
  'Figure',
  'Images',
  'Page',
  'Section',
  'Series',
  'Table',
  'Text',
  'Verdict',
  'heat_map',
  'slug',
  'table',
]

LEVELS = ('good', 'warning', 'bad', 'unknown', 'info')
"""What a verdict amounts to; shown by a word and a sign, not by colour alone. `info` is
no verdict on privacy."""

SCALES = ('linear', 'log')

STYLES = ('line', 'dashed', 'points', 'steps')
"""How a series is drawn: joined points, the same dashed, points alone, or a staircase
(between two points the value of the first)."""

_SLUG = re.compile(r'[^a-z0-9]+')


def slug(text: str) -> str:
  """Returns a name out of a text: lower-case letters, digits and dashes."""
  return _SLUG.sub('-', text.lower()).strip('-') or 'unnamed'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
  """One axis of a chart.

  Attributes:
    label: what it shows, with the unit.
    scale: one of `SCALES`; on `log` values of 0 and below are left out.
    low: where it begins, None to let the data decide.
    high: where it ends, None likewise.
    categories: the names of the places 0, 1, 2 and so on, on a vertical axis from the
      top; empty for numbers.
  """

  label: str
  scale: str = 'linear'
  low: float | None = None
  high: float | None = None
  categories: tuple[str, ...] = ()

  def __post_init__(self):
    if self.scale not in SCALES:
      raise ValueError(f'scale is {self.scale!r}, not one of {SCALES}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
  """Points of one kind.

  Attributes:
    name: for the legend.
    x: (n,) numbers; places where the axis has categories.
    y: (n,) numbers; None or NaN is a gap.
    low: (n,) lower ends of intervals of y, a band or bars; None without any.
    high: (n,) upper ends of them.
    style: one of `STYLES`.
    color: which of the page's colours, from 0; series of one colour belong together.
      None takes the next one.
    labels: (n,) what hovering shows besides the numbers; None for nothing.
    reference: a line to measure by (guessing, say): thin, grey, not hovered over.
  """

  name: str
  x: Sequence[float]
  y: Sequence[float | None]
  low: Sequence[float | None] | None = None
  high: Sequence[float | None] | None = None
  style: str = 'line'
  color: int | None = None
  labels: Sequence[str] | None = None
  reference: bool = False

  def __post_init__(self):
    if self.style not in STYLES:
      raise ValueError(f'style is {self.style!r}, not one of {STYLES}')
    for name in ('y', 'low', 'high', 'labels'):
      values = getattr(self, name)
      if values is not None and len(values) != len(self.x):
        raise ValueError(f'{name} has {len(values)} values, x has {len(self.x)}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
  """A chart that a reader can hover over.

  Attributes:
    name: a slug.
    title: a line above it.
    description: what it shows, in words, for who cannot see it.
    x: the horizontal axis.
    y: the vertical axis.
    series: at least one.
    picture: path of the same as PNG, from the page's folder; None where there is none.
    note: a line below it, in Markdown.
  """

  name: str
  title: str
  description: str
  x: Axis
  y: Axis
  series: tuple[Series, ...]
  picture: str | None = None
  note: str = ''

  def csv(self) -> str:
    """Returns the data: series, x, y, and low, high, label where there are any."""
    frames = [_series_frame(each) for each in self.series]
    columns = [
      name
      for name in ('series', 'x', 'y', 'low', 'high', 'label')
      if any(name in frame for frame in frames)
    ]
    frame = pd.concat(frames).reindex(columns=columns)
    return frame.to_csv(index=False, float_format='%.6g', lineterminator='\n')


def _series_frame(series: Series) -> pd.DataFrame:
  values = {'x': series.x, 'y': series.y, 'low': series.low, 'high': series.high}
  values['label'] = series.labels
  kept = {name: list(each) for name, each in values.items() if each is not None}
  return pd.DataFrame({'series': [series.name] * len(series.x), **kept})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text:
  """Paragraphs and lists in Markdown; no links, pictures or HTML."""

  markdown: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Code:
  """Lines to be read as they are: commands, values. `title` says what they are."""

  title: str
  text: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Images:
  """Small images side by side.

  Attributes:
    name: a slug.
    title: a line above them.
    images: (n, height, width, channels) uint8, 1 or 3 channels.
    captions: (n,) what each is.
    note: a line below them, in Markdown.
  """

  name: str
  title: str
  images: np.ndarray
  captions: tuple[str, ...]
  note: str = ''

  def __post_init__(self):
    if self.images.dtype != np.uint8 or self.images.ndim != 4:
      raise ValueError(f'images are {self.images.dtype} {self.images.shape}')
    if len(self.images) != len(self.captions):
      raise ValueError(f'{len(self.images)} images, {len(self.captions)} captions')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
  """Blocks that are folded away until a reader asks for them."""

  title: str
  blocks: tuple['Block', ...]


Block = Chart | Table | Text | Code | Images | Details


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  """A part of the page with a heading, which its contents list names."""

  name: str
  title: str
  blocks: tuple[Block, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
  """A number that a verdict rests on.

  Attributes:
    label: what it is, such as `AUC of the strongest attack`.
    text: the number, such as `0.71 [0.70, 0.72]`.
    note: in plain words, such as `guessing is 0.5`.
  """

  label: str
  text: str
  note: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
  """What the page says, before all else.

  Attributes:
    level: one of `LEVELS`.
    headline: one sentence in plain words.
    figures: the numbers that it rests on.
    points: further sentences, in Markdown.
  """

  level: str
  headline: str
  figures: tuple[Figure, ...] = ()
  points: tuple[str, ...] = ()

  def __post_init__(self):
    if self.level not in LEVELS:
      raise ValueError(f'level is {self.level!r}, not one of {LEVELS}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
  """A page.

  Attributes:
    title: of the window, and the heading.
    subtitle: a line below it.
    verdict: what it comes to.
    sections: in the order of reading.
    settings: what it was made with besides the runs, plain JSON values.
    version: of the package that made it.
  """

  title: str
  subtitle: str
  verdict: Verdict
  sections: tuple[Section, ...]
  settings: Mapping[str, Any]
  version: str
