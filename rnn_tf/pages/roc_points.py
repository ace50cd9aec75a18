"""ROC curves with few points, for charts on logarithmic axes."""

import dataclasses

import numpy as np

from rnn_tf.attacks import metrics
from rnn_tf.page import blocks


def downsample(roc: metrics.Roc, points: int = 150) -> metrics.Roc:
  """Returns a curve of at most so many points of `roc`, for logarithmic axes.

  Read as a staircase (between two points the TPR of the first) it is `roc` itself
  where the corners of that are few enough. Else both ends stay, so do the points that
  give the TPR at each of `metrics.TARGET_FPRS`, and of the others as many as are left
  over, evenly spaced along the curve in |log FPR| + |log TPR|: nowhere is the TPR
  given lower by more than what one such space, and the widest step of `roc`, hold.

  Args:
    roc: an exact curve.
    points: at least 8.
  """
  if points < 8:
    raise ValueError(f'points is {points}, must be at least 8')
  corners = _corners(roc)
  if len(corners) > points:
    corners = corners[_kept(roc, corners, points)]
  return dataclasses.replace(
    roc,
    thresholds=roc.thresholds[corners],
    false_positives=roc.false_positives[corners],
    true_positives=roc.true_positives[corners],
  )


def _corners(roc: metrics.Roc) -> np.ndarray:
  """Returns where the TPR to be had at a FPR rises, and the last point."""
  false, true = roc.false_positives, roc.true_positives
  last = len(false) - 1
  # Of the points straight above each other the highest, without those beside it.
  highest = np.flatnonzero(np.r_[false[1:] != false[:-1], True])
  rises = np.r_[True, true[highest][1:] != true[highest][:-1]]
  return np.union1d(highest[rises], [last])


def _kept(roc: metrics.Roc, corners: np.ndarray, points: int) -> np.ndarray:
  """Returns which of the corners to keep, as places among them."""
  false, true = roc.false_positives[corners], roc.true_positives[corners]
  allowed = np.array(metrics.TARGET_FPRS) * roc.n_nonmembers
  # The nudge is that of `metrics.tpr_at_fpr`.
  targets = np.searchsorted(false, np.floor(allowed + 1e-9), side='right') - 1
  fixed = np.union1d([0, len(corners) - 1], targets)
  # One half stands for none, which has no logarithm.
  steps = [np.diff(np.log(np.maximum(counts, 0.5))) for counts in (false, true)]
  way = np.r_[0.0, np.cumsum(steps[0] + steps[1])]
  even = np.linspace(0, way[-1], points - len(fixed) + 2)[1:-1]
  return np.union1d(fixed, np.searchsorted(way, even))


def log_axes(*rocs: metrics.Roc) -> tuple[blocks.Axis, blocks.Axis]:
  """Returns the axes of a chart of these curves, down to half a false positive.

  What is found without any false positive begins at the left edge.
  """
  members, nonmembers = (
    sorted({getattr(roc, name) for roc in rocs})
    for name in ('n_members', 'n_nonmembers')
  )
  low = 0.5 / nonmembers[-1]
  return (
    blocks.Axis(
      label=f'false-positive rate (of {_range(nonmembers)} non-members)',
      scale='log',
      low=low,
      high=1.0,
    ),
    blocks.Axis(
      label=f'true-positive rate (of {_range(members)} members)',
      scale='log',
      low=min(low, 0.5 / members[-1]),
      high=1.0,
    ),
  )


def _range(counts: list[int]) -> str:
  ends = dict.fromkeys(f'{count:,}' for count in (counts[0], counts[-1]))
  return ' to '.join(ends)


def log_series(
  name: str, roc: metrics.Roc, *, color: int | None = None, points: int = 150
) -> blocks.Series:
  """Returns a curve for a chart with `log_axes`, the counts as what hovering shows.

  Args:
    name: for the legend.
    roc: an exact curve.
    color: see `blocks.Series`.
    points: see `downsample`.
  """
  few = downsample(roc, points)
  # A rate of 0 has no place on the axis: half a false positive is its left edge.
  x = np.maximum(few.false_positives, 0.5) / few.n_nonmembers
  counts = zip(few.true_positives, few.false_positives, strict=True)
  return blocks.Series(
    name=name,
    x=_rounded(x),
    # Nothing found is a gap, since it has no logarithm.
    y=[value or None for value in _rounded(few.tpr)],
    style='steps',
    color=color,
    labels=[f'{true:,} found, {false:,} accused' for true, false in counts],
  )


def _rounded(values: np.ndarray) -> list[float]:
  return [float(f'{value:.5g}') for value in values]


def guessing(*rocs: metrics.Roc) -> blocks.Series:
  """Returns the line of equal rates, for a chart of these curves with `log_axes`."""
  low = log_axes(*rocs)[0].low
  return blocks.Series(name='guessing', x=[low, 1.0], y=[low, 1.0], reference=True)
