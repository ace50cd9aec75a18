"""Networks at equal accuracy, as tables: run by run, over seeds, pair by pair.

All intervals are 95% intervals over seeds: for the randomness of training, that is
weights, order of the examples and folds of the attacks. Where all runs have one
`--data_seed` they have the same examples, and the intervals do not cover the choice of
these. Figures of one run at several levels, and of several attacks, are of one
training and not independent.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from rnn_tf.matching.matched import CRITERIA, Course, Network, first_crossing

SIGNIFICANCE = 0.05
"""Chance, at most, that equal networks of an attack and level are told apart."""

HIGHER, LOWER, SAME = 'higher', 'lower', 'not told apart'

NOT_REACHED = 'not reached'
ABOVE = 'above it from the first report on'
UNKNOWN = 'unknown'

_AT_LEVEL = ('epoch', *CRITERIA)
_LEVEL = ['criterion', 'level', 'attack']
_NETWORK = ['network', 'recurrent', 'parameters']
_VALUES = [
  *(*_LEVEL, *_NETWORK, 'run', 'seed', 'data_seed', 'auc'),
  *(*_AT_LEVEL, 'step', 'missing'),
]
_MEANS = [
  *(*_LEVEL, *_NETWORK, 'runs', 'seeds', 'auc', 'auc_deviation', 'auc_low'),
  *('auc_high', *_AT_LEVEL, 'step'),
]
_PAIRS = [
  *(*_LEVEL, 'first', 'second', 'mixed', 'difference', 'low', 'high', 'p', 'method'),
  *('p_holm', 'verdict'),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
  """Two means over seeds.

  Attributes:
    difference: mean of the first - mean of the second.
    low: lower end of the difference's 95% interval.
    high: upper end.
    p: of the two-sided t test that the means are equal.
    method: `paired t` or `Welch`.
  """

  difference: float
  low: float
  high: float
  p: float
  method: str


def values_table(
  networks: Sequence[Network], levels: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
  """Returns one row for each level, attack and run.

  `auc` is the run's where it first reaches the level; `epoch` and the criteria are
  interpolated likewise, and `step` is how far the criterion moved between the two
  reports. All are NaN in a run that has no value there, and `missing` says why.

  Args:
    networks: with different names.
    levels: criterion -> levels.
  """
  courses = [course for network in networks for course in network.courses]
  attacks = list(dict.fromkeys(attack for course in courses for attack in course.auc))
  rows = []
  for criterion, chosen in levels.items():
    for level, attack, network in itertools.product(chosen, attacks, networks):
      for course in network.courses:
        rows.append(
          {
            'criterion': criterion,
            'level': level,
            'attack': attack,
            'network': network.name,
            'recurrent': network.recurrent,
            'parameters': network.parameters,
            'run': course.run,
            'seed': course.seed[0],
            'data_seed': course.seed[1],
            **_at(course, criterion, level=level, attack=attack),
          }
        )
  return pd.DataFrame(rows, columns=_VALUES)


def _at(course: Course, criterion: str, *, level: float, attack: str) -> dict[str, Any]:
  """Returns a run's figures where it first reaches the level."""
  auc = course.auc.get(attack, np.full(len(course.epochs), np.nan))
  known = ~np.isnan(course.criteria[criterion]) & ~np.isnan(auc)
  along = course.criteria[criterion][known]
  crossing = first_crossing(along, level)
  if crossing is None:
    row = dict.fromkeys(('auc', *_AT_LEVEL, 'step'), np.nan)
    if not along.size:
      return {**row, 'missing': UNKNOWN}
    return {**row, 'missing': ABOVE if along[0] > level else NOT_REACHED}
  index, weight = crossing
  before = max(index - 1, 0)
  row = {}
  columns = {'auc': auc, 'epoch': course.epochs, **course.criteria}
  for name, column in columns.items():
    ends = column[known]
    # Of a level that a report meets exactly, the other report has no say.
    row[name] = float(ends[index])
    if weight < 1:
      row[name] = float((1 - weight) * ends[before] + weight * ends[index])
  return {**row, 'step': float(along[index] - along[before]), 'missing': None}


def means_table(values: pd.DataFrame) -> pd.DataFrame:
  """Returns one row for each level, attack and network: mean over seeds and interval.

  `seeds` is how many runs have a value, out of `runs`. The standard deviation has
  n - 1 below it, and the interval is Student's t; both are NaN for less than two
  seeds. `epoch` and the criteria are means, `step` is the largest.

  Args:
    values: made by `values_table`.
  """
  rows = []
  named = _LEVEL + _NETWORK
  for key, part in values.groupby(named, sort=False):
    aucs = part['auc'].dropna().to_numpy()
    low, high = np.clip(t_interval(aucs), 0, 1)
    rows.append(
      {
        **dict(zip(named, key, strict=True)),
        'runs': len(part),
        'seeds': aucs.size,
        'auc': part['auc'].mean(),
        'auc_deviation': part['auc'].std(ddof=1),
        'auc_low': low,
        'auc_high': high,
        **{name: part[name].mean() for name in _AT_LEVEL},
        'step': part['step'].max(),
      }
    )
  return pd.DataFrame(rows, columns=_MEANS)


def t_interval(values: np.ndarray) -> tuple[float, float]:
  """Returns Student's 95% interval of the mean of (n,) values; NaN for n < 2."""
  if values.size < 2:
    return np.nan, np.nan
  half = scipy.stats.t.ppf(0.975, values.size - 1) * scipy.stats.sem(values)
  return float(values.mean() - half), float(values.mean() + half)


def pairs_table(values: pd.DataFrame) -> pd.DataFrame:
  """Returns one row for each level, attack and pair of networks with a value there.

  `difference` is AUC of the first - AUC of the second, means over the runs that have a
  value; it has an interval where both have two or more. `p_holm` is Holm's over the
  pairs of one level and attack (Holm 1979, Scandinavian Journal of Statistics 6):
  `verdict` says that the first is higher or lower where it is at most `SIGNIFICANCE`,
  so that chance tells some pair of equal networks apart at 5% of levels and attacks
  at most. The interval is for the pair alone.

  Args:
    values: made by `values_table`.
  """
  rows = []
  for key, part in values.groupby(_LEVEL, sort=False):
    known = part.dropna(subset='auc')
    networks = dict(list(known.groupby('network', sort=False)))
    found = [
      {
        **dict(zip(_LEVEL, key, strict=True)),
        'first': first,
        'second': second,
        'mixed': _is_recurrent(networks[first]) != _is_recurrent(networks[second]),
        **dataclasses.asdict(
          compare(_by_seed(networks[first]), _by_seed(networks[second]))
        ),
      }
      for first, second in itertools.combinations(networks, 2)
    ]
    adjusted = holm(np.array([row['p'] for row in found]))
    for row, p in zip(found, adjusted, strict=True):
      rows.append({**row, 'p_holm': p, 'verdict': _verdict(row['difference'], p)})
  return pd.DataFrame(rows, columns=_PAIRS)


def _is_recurrent(part: pd.DataFrame) -> bool:
  return bool(part['recurrent'].iloc[0])


def _by_seed(part: pd.DataFrame) -> dict[tuple[int, int], float]:
  """Returns seeds -> AUC."""
  seeds = zip(part['seed'], part['data_seed'], strict=True)
  return dict(zip(seeds, part['auc'], strict=True))


def compare(
  first: Mapping[tuple[int, int], float], second: Mapping[tuple[int, int], float]
) -> Comparison:
  """Returns mean(first) - mean(second) with its interval.

  Of the same seeds, by the paired t test: runs of one seed share the order of the
  examples and the folds of the attacks. Of other seeds, by Welch's.

  Args:
    first: seed -> value.
    second: seed -> value. With less than two values on a side there is no interval.
  """
  paired = set(first) == set(second)
  a = np.array(list(first.values()), np.float64)
  b = np.array([second[seed] for seed in first] if paired else list(second.values()))
  value = float(a.mean() - b.mean()) if a.size and b.size else np.nan
  if min(a.size, b.size) < 2:
    return Comparison(difference=value, low=np.nan, high=np.nan, p=np.nan, method='')
  method = 'paired t' if paired else 'Welch'
  # Without any spread but rounding's, t is infinite or undefined.
  spread = np.ptp(a - b) if paired else max(np.ptp(a), np.ptp(b))
  if spread < 1e-12:
    return Comparison(
      difference=value,
      low=value,
      high=value,
      p=float(abs(value) < 1e-12),
      method=method,
    )
  test = (
    scipy.stats.ttest_rel(a, b)
    if paired
    else scipy.stats.ttest_ind(a, b, equal_var=False)
  )
  low, high = test.confidence_interval(0.95)
  return Comparison(
    difference=value,
    low=float(low),
    high=float(high),
    p=float(test.pvalue),
    method=method,
  )


def holm(p: np.ndarray) -> np.ndarray:
  """Returns Holm's adjusted p-values, (k,) float64; NaN stays and does not count."""
  adjusted = np.full(p.shape, np.nan)
  order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
  factors = np.arange(order.size, 0, -1)
  adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
  return adjusted


def _verdict(difference: float, p: float) -> str:
  """Returns a word, '' where there is no interval."""
  if np.isnan(p):
    return ''
  if p > SIGNIFICANCE:
    return SAME
  return HIGHER if difference > 0 else LOWER
