"""An audit of deletions as tables.

Raw for CSV (`..._table`; accuracies and rates are shares of 1, times are seconds) and
readable in Markdown (`..._markdown`; '' where there is nothing to show).
"""

import dataclasses
from collections.abc import Sequence
from operator import attrgetter
from statistics import fmean
from typing import Any

import pandas as pd

from rnn_tf import deletion_readable
from rnn_tf.deletion import verdicts
from rnn_tf.deletion.results import Auc, Comparison, Rate, VersionFigures
from rnn_tf.deletion_names import in_order
from rnn_tf.deletion_records import Cost, DeletionRecord
from rnn_tf.deletion_verdict import overall, verdicts_on


def _markdown(frame: pd.DataFrame, *, once: Sequence[str] = ()) -> str:
  """Returns cells as a Markdown table; '' without rows.

  Args:
    frame: the cells.
    once: columns of which a cell is left empty where it, and those before it in
      `once`, are equal to the row's above.
  """
  if frame.empty:
    return ''
  shown, again = frame.copy(), pd.Series(True, frame.index)
  for column in once:
    again &= frame[column] == frame[column].shift()
    shown.loc[again, column] = ''
  return shown.to_markdown(index=False, disable_numparse=True) + '\n'


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
  """Returns `deletion_readable.verdicts` in Markdown."""
  return _markdown(deletion_readable.verdicts(record), once=('deleted', 'version'))


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
    for side in deletion_readable.SIDES:
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
  """Returns `deletion_readable.accuracy` in Markdown."""
  return _markdown(deletion_readable.accuracy(record), once=('deleted',))


def attacks_markdown(record: DeletionRecord) -> str:
  """Returns `deletion_readable.attacks` in Markdown."""
  return _markdown(deletion_readable.attacks(record), once=('deleted', 'version'))


def costs_table(record: DeletionRecord) -> pd.DataFrame:
  """Returns one row a version and seed; originals have no forget set."""
  names = [field.name for field in dataclasses.fields(Cost)]
  frame = pd.DataFrame(map(dataclasses.asdict, in_order(record.costs)), columns=names)
  return frame.astype({'shards_retrained': 'Int64', 'num_shards': 'Int64'})


def costs_markdown(record: DeletionRecord) -> str:
  """Returns `deletion_readable.costs` in Markdown."""
  return _markdown(deletion_readable.costs(record), once=('deleted',))


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
  """Returns `deletion_readable.two_versions` in Markdown."""
  return _markdown(deletion_readable.two_versions(record), once=('deleted',))


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
  """Returns `deletion_readable.collateral` in Markdown."""
  return _markdown(deletion_readable.collateral(record), once=('deleted', 'version'))


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
    for each in sorted(
      record.shard_accuracies, key=attrgetter(*deletion_readable.SHARDED, 'seed')
    )
  )


def shards_markdown(record: DeletionRecord) -> str:
  """Returns `deletion_readable.shards` in Markdown."""
  return _markdown(deletion_readable.shards(record))
