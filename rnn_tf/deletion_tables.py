"""An audit of deletions as tables.

Raw for CSV (`..._table`; accuracies and rates are shares of 1, times are seconds) and
readable (`..._markdown`; '' where there is nothing to show).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from statistics import fmean
from typing import Any

import pandas as pd

from rnn_tf.deletion import verdicts
from rnn_tf.deletion.results import Auc, Comparison, Rate, VersionFigures
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
from rnn_tf.deletion_verdict import overall, verdicts_on
from rnn_tf.plot_style import value_range

_SIDES = {
  'train': 'training examples',
  'forgotten': 'deleted',
  'retained': 'retained',
  'test': 'test',
}
"""Fields of `VersionFigures` that are accuracies -> what they are of."""

_SHARDED = ('num_shards', 'num_slices', 'aggregation')


def _markdown(rows: Sequence[Mapping[str, str]], *, once: Sequence[str] = ()) -> str:
  """Returns cells as a Markdown table; '' without rows.

  Args:
    rows: column -> cell.
    once: columns of which a cell is left empty where it, and those before it in
      `once`, are equal to the row's above.
  """
  shown, above = [], {}
  for row in rows:
    cells = dict(row)
    for column in once:
      if above.get(column) != row[column]:
        break
      cells[column] = ''
    shown.append(cells)
    above = row
  if not rows:
    return ''
  return pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True) + '\n'


def _named(row: Any) -> dict[str, str]:
  """Returns the cells that say what a row is of."""
  names = {'deleted': forget_name(row.forget), 'version': method_name(row.method)}
  return {**names, 'attack': row.attack} if hasattr(row, 'attack') else names


def _raw(row: Any) -> dict[str, str]:
  """Returns the columns that say what a row is of."""
  names = ('forget', 'method', 'attack', 'features')
  return {name: getattr(row, name) for name in names if hasattr(row, name)}


def _interval(name: str, value: Rate | Auc | Comparison) -> dict[str, float]:
  return {name: value.value, f'{name}_low': value.low, f'{name}_high': value.high}


def verdicts_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns one row for each forget set, method and attack; `overall` is of all."""
  return pd.DataFrame(
    {
      **_raw(found),
      **_interval('auc_difference', found.comparison),
      'verdict': found.word,
      'overall': overall(verdicts_on(record, found.forget, found.method)),
      'n_forgotten': found.comparison.n_forgotten,
      'n_forgotten_needed': found.needed,
      'n_unseen': found.comparison.n_unseen,
      'seeds': ' '.join(str(each.seed) for each in found.comparison.seeds),
      'in_words': verdicts.sentence(found),
    }
    for found in in_order(record.findings.verdicts)
  )


def verdict_seeds_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns the differences behind the verdicts, a row a seed."""
  return pd.DataFrame(
    {
      **_raw(found),
      'seed': each.seed,
      **_interval('auc_difference', each),
    }
    for found in in_order(record.findings.verdicts)
    for each in found.comparison.seeds
  )


def verdicts_markdown(record: DeletionRecord) -> str:
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
  return _markdown(rows, once=('deleted', 'version'))


def versions_table(versions: Sequence[VersionFigures]) -> pd.DataFrame:
  """Returns one row for each version and attack, of single seeds or over all.

  Args:
    versions: `seed` is empty where their figures are over all seeds.
  """
  rows = []
  for figures in in_order(versions):
    values = {
      'seed': figures.seed,
      **_raw(figures),
      'runs': ' '.join(figures.runs),
    }
    for side in _SIDES:
      rate = getattr(figures, side)
      values |= _interval(f'{side}_accuracy', rate)
      values |= {f'{side}_correct': rate.count, f'{side}_n': rate.n}
    if not figures.attacks:
      rows.append(values)
    for attack in figures.attacks:
      rows.append({**values, **_attack_values(attack)})
  return pd.DataFrame(rows).astype({'seed': 'Int64'} if rows else {})


def _attack_values(attack: Any) -> dict[str, Any]:
  values = {'attack': attack.attack}
  for name in ('forgotten', 'retained'):
    auc = getattr(attack, name)
    values |= _interval(f'{name}_auc', auc)
    values |= {f'{name}_auc_n': auc.n_first, f'{name}_auc_n_unseen': auc.n_second}
  for hit in attack.hits:
    at = f'{100 * hit.target_fpr:.6g}pct'
    values |= _interval(f'forgotten_tpr_at_{at}', hit.tpr)
    values[f'true_positives_at_{at}'] = hit.tpr.count
    values[f'false_positives_at_{at}'] = hit.false_positives
  return values


def accuracy_markdown(record: DeletionRecord) -> str:
  """Returns the accuracies of all versions over the seeds, for readers."""
  rows = [
    {
      **_named(figures),
      **{
        f'{name} [95%]': rate_text(getattr(figures, side))
        for side, name in _SIDES.items()
      },
    }
    for figures in in_order(record.findings.pooled)
  ]
  return _markdown(rows, once=('deleted',))


def attacks_markdown(record: DeletionRecord) -> str:
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
  return _markdown(rows, once=('deleted', 'version'))


def costs_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns one row a version and seed; originals have no forget set."""
  names = [field.name for field in dataclasses.fields(Cost)]
  frame = pd.DataFrame(map(dataclasses.asdict, in_order(record.costs)), columns=names)
  return frame.astype({'shards_retrained': 'Int64', 'num_shards': 'Int64'})


def costs_markdown(record: DeletionRecord) -> str:
  """Returns what making the versions took, means over the seeds, for readers."""
  rows = []
  for costs in _groups(in_order(record.costs), 'forget', 'method'):
    first = costs[0]
    rows.append(
      {
        'deleted': forget_name(first.forget) if first.forget else '(originals)',
        'version': method_name(first.method),
        'examples x epochs': _mean(costs, 'examples', ',.0f'),
        'of full retraining': _mean(costs, 'share', '.1%'),
        'seconds, summed': _mean(costs, 'seconds', ',.1f'),
        'seconds, wall': _mean(costs, 'wall_seconds', ',.1f'),
        'workers': value_range([cost.workers for cost in costs]),
        'shards retrained': _shards(costs),
        'seeds': str(len(costs)),
      }
    )
  return _markdown(rows, once=('deleted',))


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


def two_versions_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns the attack on two versions, a row a seed, and one over all of them."""
  rows = []
  for found in in_order(record.findings.two_versions):
    seeds = zip(record.seeds, found.seeds, strict=True)
    for seed, auc in (*seeds, (None, found.pooled)):
      rows.append(
        {
          **_raw(found),
          'seed': seed,
          **_interval('auc', auc),
          'n_forgotten': auc.n_first,
          'n_unseen': auc.n_second,
        }
      )
  return pd.DataFrame(rows).astype({'seed': 'Int64'} if rows else {})


def two_versions_markdown(record: DeletionRecord) -> str:
  """Returns the attack on two versions for readers, a column for each features."""
  rows = []
  found = in_order(record.findings.two_versions)
  for group in _groups(found, 'forget', 'method'):
    cells = {f'AUC, {each.features} [95%]': auc_text(each.pooled) for each in group}
    pooled = group[0].pooled
    sizes = f'{pooled.n_first:,} + {pooled.n_second:,}'
    rows.append({**_named(group[0]), **cells, 'D_f + H': sizes})
  return _markdown(rows, once=('deleted',))


def collateral_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns one row for each forget set, method and attack, over the seeds."""
  names = ('target_fpr', 'exposed_before', 'exposed_after', 'newly_exposed')
  return pd.DataFrame(
    {
      **_raw(found),
      **_interval('retained_auc_difference', found.comparison),
      'n_retained': found.comparison.n_forgotten,
      'n_unseen': found.comparison.n_unseen,
      **{name: getattr(found, name) for name in names},
    }
    for found in in_order(record.findings.collateral)
  )


def collateral_markdown(record: DeletionRecord) -> str:
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
  return _markdown(rows, once=('deleted', 'version'))


def shards_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns the test accuracy of each original, sharded or plain (1 shard)."""
  return pd.DataFrame(
    {
      'seed': each.seed,
      'num_shards': each.num_shards,
      'num_slices': each.num_slices,
      'aggregation': each.aggregation,
      **_interval('test_accuracy', each.test),
      'test_correct': each.test.count,
      'test_n': each.test.n,
      'constituent_lowest': min(each.constituents, default=None),
      'constituent_mean': fmean(each.constituents) if each.constituents else None,
      'constituent_highest': max(each.constituents, default=None),
    }
    for each in sorted(record.shard_accuracies, key=attrgetter(*_SHARDED, 'seed'))
  )


def shards_markdown(record: DeletionRecord) -> str:
  """Returns the accuracy by number of shards, means over the seeds, for readers."""
  rows = []
  found = sorted(record.shard_accuracies, key=attrgetter(*_SHARDED, 'seed'))
  for group in _groups(found, *_SHARDED):
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
  return _markdown(rows)
