"""How forget sets, versions and figures are written in tables, pictures, sentences."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rnn_tf.deletion import results
from rnn_tf.deletion.results import AttackFigures, Auc, Comparison, Hit, Rate
from rnn_tf.deletion_records import ShardAccuracy

METHODS = {
  results.ORIGINAL: 'original',
  'none': 'nothing deleted (negative control)',
  results.REFERENCE: 'full retrain',
  'twin': 'second full retrain (positive control)',
  'finetune': 'fine-tuned',
  results.SHARDED_ORIGINAL: 'sharded original',
  'sharded': 'sharded retrain',
}
"""Method of a version -> its name; in the order in which versions are shown."""

SHOWN_FPR = 0.01
"""The false-positive rate that tables and pictures show; CSV files have all."""

_DRAWN = re.compile(
  r'(?P<kind>uniform|grouped(?P<groups>\d+)of(?P<shards>\d+))'
  r'-(?P<percent>[\d.e+-]+)pct(-d(?P<draw>\d+))?'
)


def forget_name(label: str) -> str:
  """Returns a forget set's name, such as `5%, uniform`; a strange label as it is.

  Args:
    label: such as `uniform-5pct`, `grouped1of5-10pct`, `class-3`, `ids-1a2b3c4d`.
  """
  drawn = _DRAWN.fullmatch(label)
  if drawn:
    where = 'uniform'
    if drawn['groups']:
      shards = 'shard' if drawn['shards'] == '1' else 'shards'
      where = f'within {drawn["groups"]} of {drawn["shards"]} {shards}'
    draw = f', draw {drawn["draw"]}' if drawn['draw'] else ''
    return f'{drawn["percent"]}%, {where}{draw}'
  kind, _, rest = label.partition('-')
  if kind == 'class' and rest:
    return f'class {rest}'
  if kind == 'ids' and rest:
    return f'listed examples ({rest})'
  return label


def method_name(method: str) -> str:
  """Returns the name of a version's method."""
  return METHODS[method]


def sharding_name(each: ShardAccuracy) -> str:
  """Returns how an original puts its shards together, their number apart."""
  if each.num_shards == 1:
    return 'plain original'
  how = {'mean': 'mean of logits', 'vote': 'majority vote'}[each.aggregation]
  return how + (f', {each.num_slices} slices' if each.num_slices > 1 else '')


def ordered(methods: Iterable[str]) -> list[str]:
  """Returns each method once, in the order in which versions are shown."""
  there = set(methods)
  return [method for method in METHODS if method in there]


def in_order(rows: Iterable[Any]) -> list[Any]:
  """Returns rows by `forget`, of each set by `method` as versions are shown."""
  rows = list(rows)
  forgets = list(dict.fromkeys(row.forget for row in rows))
  order = list(METHODS)
  return sorted(rows, key=lambda x: (forgets.index(x.forget), order.index(x.method)))


def seeds_text(seeds: Sequence[int]) -> str:
  """Returns `seed 0`, or `seeds 0, 1, 2`."""
  return 'seed' + 's' * (len(seeds) > 1) + f' {", ".join(map(str, seeds))}'


def count_text(count: int, noun: str) -> str:
  """Returns `1 seed` or `3,000 seeds`."""
  return f'{count:,} {noun}' + 's' * (count != 1)


def shown_hit(figures: AttackFigures) -> Hit | None:
  """Returns what an attack finds at `SHOWN_FPR`; None where it was not asked."""
  for hit in figures.hits:
    if hit.target_fpr == SHOWN_FPR:
      return hit
  return None


def auc_text(auc: Auc) -> str:
  """Returns `0.620 [0.604, 0.636]`, an AUC with its 95% interval."""
  return f'{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]'


def rate_text(rate: Rate) -> str:
  """Returns `5.90% [5.45%, 6.38%]`, a share with its 95% interval."""
  return f'{rate.value:.2%} [{rate.low:.2%}, {rate.high:.2%}]'


def difference_text(comparison: Comparison, *, digits: int = 3) -> str:
  """Returns `+0.003 [-0.008, +0.014]`, a difference with its 95% interval."""
  # Adding 0 turns a -0.0 that rounding leaves into 0.0.
  value, low, high = (
    f'{round(each, digits) + 0.0:+.{digits}f}'
    for each in (comparison.value, comparison.low, comparison.high)
  )
  return f'{value} [{low}, {high}]'


def verdict_text(found: results.Verdict) -> str:
  """Returns a verdict's word; of originals, which nothing was deleted from, none."""
  if found.method not in results.BEFORE:
    return '(before)'
  if found.needed is None:
    return found.word
  return f'{found.word} (about {found.needed:,} deleted examples would be)'
