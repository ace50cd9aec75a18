"""An audit of deletions as tables of cells that are meant for readers.

Each row says all that it is of; a table is empty where there is nothing to show.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from statistics import fmean
from typing import Any

import pandas as pd

from rnn_tf.deletion_names import (
  SHOWN_FPR,
  auc_text,
  difference_text,
  forget_name,
  in_order,
  method_name,
  rate_text,
  shown_hit,
  verdict_text,
)
from rnn_tf.deletion_records import Cost, DeletionRecord
from rnn_tf.plot_style import value_range

SIDES = {
  'train': 'training examples',
  'forgotten': 'deleted',
  'retained': 'retained',
  'test': 'test',
}
"""Fields of `VersionFigures` that are accuracies -> what they are of."""

SHARDED = ('num_shards', 'num_slices', 'aggregation')
"""Fields of `ShardAccuracy` that say which kind of original it is of."""


def _named(row: Any) -> dict[str, str]:
  """Returns the cells that say what a row is of."""
  names = {'deleted': forget_name(row.forget), 'version': method_name(row.method)}
  return {**names, 'attack': row.attack} if hasattr(row, 'attack') else names


def verdicts(record: DeletionRecord) -> pd.DataFrame:
  """Returns the verdicts for readers."""
  rows = [
    {
      **_named(found),
      'AUC less the full retrain [95%]': difference_text(found.comparison, digits=4),
      'verdict': verdict_text(found),
      'D_f + H': f'{found.comparison.n_forgotten:,} + {found.comparison.n_unseen:,}',
      'seeds': str(len(found.comparison.seeds)),
    }
    for found in in_order(record.findings.verdicts)
  ]
  return pd.DataFrame(rows)


def accuracy(record: DeletionRecord) -> pd.DataFrame:
  """Returns the accuracies of all versions over the seeds, for readers."""
  rows = [
    {
      **_named(figures),
      **{
        f'{name} [95%]': rate_text(getattr(figures, side))
        for side, name in SIDES.items()
      },
    }
    for figures in in_order(record.findings.pooled)
  ]
  return pd.DataFrame(rows)


def attacks(record: DeletionRecord) -> pd.DataFrame:
  """Returns what the attacks find of all versions over the seeds, for readers."""
  rows = []
  for figures in in_order(record.findings.pooled):
    for attack in figures.attacks:
      hit = shown_hit(attack)
      rate, false = '', ''
      if hit is not None:
        rate = f'{rate_text(hit.tpr)} ({hit.tpr.count:,}/{hit.tpr.n:,})'
        false = f'{hit.false_positives:,}/{hit.n_unseen:,}'
      rows.append(
        {
          **_named(figures),
          'attack': attack.attack,
          'AUC, D_f against H [95%]': auc_text(attack.forgotten),
          'AUC, retained against H [95%]': auc_text(attack.retained),
          f'TPR on D_f at {SHOWN_FPR:.0%} FPR [95%]': rate,
          'false positives': false,
        }
      )
  return pd.DataFrame(rows)


def costs(record: DeletionRecord) -> pd.DataFrame:
  """Returns what making the versions took, means over the seeds, for readers."""
  rows = []
  for group in _groups(in_order(record.costs), 'forget', 'method'):
    first = group[0]
    rows.append(
      {
        'deleted': forget_name(first.forget) if first.forget else '(originals)',
        'version': method_name(first.method),
        'examples x epochs': _mean(group, 'examples', ',.0f'),
        'of full retraining': _mean(group, 'share', '.1%'),
        'seconds, summed': _mean(group, 'seconds', ',.1f'),
        'seconds, wall': _mean(group, 'wall_seconds', ',.1f'),
        'workers': value_range([cost.workers for cost in group]),
        'shards retrained': _shards(group),
        'seeds': str(len(group)),
      }
    )
  return pd.DataFrame(rows)


def _groups(rows: Iterable[Any], *names: str) -> list[list[Any]]:
  """Returns the rows that agree in some fields together."""
  groups: dict[Any, list[Any]] = {}
  for row in rows:
    groups.setdefault(attrgetter(*names)(row), []).append(row)
  return list(groups.values())


def _mean(rows: Sequence[Any], name: str, form: str) -> str:
  return format(fmean(getattr(row, name) for row in rows), form)


def _shards(costs: Sequence[Cost]) -> str:
  if costs[0].num_shards is None:
    return ''
  retrained = value_range([cost.shards_retrained for cost in costs])
  return f'{retrained} of {costs[0].num_shards}'


def two_versions(record: DeletionRecord) -> pd.DataFrame:
  """Returns the attack on two versions for readers, a column for each features."""
  rows = []
  found = in_order(record.findings.two_versions)
  for group in _groups(found, 'forget', 'method'):
    cells = {f'AUC, {each.features} [95%]': auc_text(each.pooled) for each in group}
    pooled = group[0].pooled
    sizes = f'{pooled.n_first:,} + {pooled.n_second:,}'
    rows.append({**_named(group[0]), **cells, 'D_f + H': sizes})
  return pd.DataFrame(rows)


def collateral(record: DeletionRecord) -> pd.DataFrame:
  """Returns what deletions do to the retained examples, for readers."""
  rows = [
    {
      **_named(found),
      'AUC, after less before [95%]': difference_text(found.comparison, digits=4),
      'exposed before': f'{found.exposed_before:,}',
      'after': f'{found.exposed_after:,}',
      'newly': f'{found.newly_exposed:,}',
      'of retained': f'{found.comparison.n_forgotten:,}',
      'at FPR': f'{100 * found.target_fpr:.6g}%',
    }
    for found in in_order(record.findings.collateral)
  ]
  return pd.DataFrame(rows)


def shards(record: DeletionRecord) -> pd.DataFrame:
  """Returns the accuracy by number of shards, means over the seeds, for readers."""
  rows = []
  found = sorted(record.shard_accuracies, key=attrgetter(*SHARDED, 'seed'))
  for group in _groups(found, *SHARDED):
    tests = [each.test.value for each in group]
    alone = [value for each in group for value in each.constituents]
    sharded = group[0].num_shards > 1
    rows.append(
      {
        'shards': str(group[0].num_shards),
        'slices': str(group[0].num_slices) if sharded else '',
        'aggregation': group[0].aggregation,
        'test acc': f'{fmean(tests):.2%}',
        'lowest to highest seed': f'{min(tests):.2%} to {max(tests):.2%}',
        "a shard's model alone": (f'{fmean(alone):.2%}' if sharded and alone else ''),
        'seeds': str(len(group)),
      }
    )
  return pd.DataFrame(rows)
