"""Networks at equal accuracy, in words and in Markdown tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from rnn_tf.matching.matched import CRITERIA, Levels, Network
from rnn_tf.matching.tables import HIGHER, LOWER, SAME
from rnn_tf.tables import accuracy, number

NAMES = {
  'member_accuracy': 'accuracy on members',
  'val_accuracy': 'accuracy on test images',
  'gap': 'gap',
}
"""Criterion -> its name."""

_AT = {
  'member_accuracy': 'an accuracy on members',
  'val_accuracy': 'an accuracy on test images',
  'gap': 'a gap',
}


def networks_markdown(networks: Sequence[Network], chosen: Mapping[str, Levels]) -> str:
  """Returns the table of the networks: size, seeds, and what all seeds cover."""
  rows = [
    {
      'network': network.name,
      'kind': 'recurrent' if network.recurrent else 'feed-forward',
      'parameters': f'{network.parameters:,}',
      'seeds': f'{len(network.courses)}',
      **{
        f'{NAMES[name]}, of all seeds': range_text(levels, network.name)
        for name, levels in chosen.items()
      },
    }
    for network in networks
  ]
  return _markdown(rows)


def range_text(levels: Levels, network: str) -> str:
  """Returns what all runs of a network cover, or else what some do, in words."""
  ends, extent = levels.ranges[network], levels.extents[network]
  if ends is not None:
    return ends_text(ends)
  return 'unknown' if extent is None else f'none, some in {ends_text(extent)}'


def ends_text(ends: tuple[float, float]) -> str:
  """Returns `0.500 to 0.600`."""
  return f'{ends[0]:.3f} to {ends[1]:.3f}'


def _markdown(rows: Sequence[Mapping[str, str]]) -> str:
  return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + '\n'


def findings(means: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
  """Returns a sentence an attack on the highest level, and one on all levels.

  Where it is not the gap that is equal, a sentence says how large it is there.

  Args:
    means: of one criterion, see `matched_tables.means_table`.
    pairs: of the same, see `matched_tables.pairs_table`.
  """
  known = means.dropna(subset='auc')
  top = known[known['level'] == known['level'].max()]
  lines = []
  for attack, part in top.groupby('attack', sort=False):
    ordered = part.sort_values('auc', ascending=False, kind='stable')
    shown = ', '.join(
      f'{number(auc)} for {name}'
      for name, auc in zip(ordered['network'], ordered['auc'], strict=True)
    )
    row = part.iloc[0]
    line = f'- At {_AT[row["criterion"]]} of {level_text(row["level"])} the {attack} '
    line += f"attack's AUC is {shown}"
    here = pairs[(pairs['attack'] == attack) & (pairs['level'] == row['level'])]
    judged = here[here['verdict'] != '']
    if len(judged):
      apart = (judged['verdict'] != SAME).sum()
      line += f'; {apart} of {len(judged)} pairs told apart'
    lines.append(f'{line}.')
  return lines + _gaps(top) + _mixed(pairs)


def _gaps(top: pd.DataFrame) -> list[str]:
  """Says the gap of the networks at a level of something else."""
  there = top.drop_duplicates('network').dropna(subset='gap')
  if there.empty or there['criterion'].iloc[0] == 'gap':
    return []
  there = there.sort_values('gap', ascending=False, kind='stable')
  gaps = zip(there['network'], there['gap'], strict=True)
  shown = ', '.join(f'{number(gap)} for {name}' for name, gap in gaps)
  return [f'- Their gap is {shown} there.']


def _mixed(pairs: pd.DataFrame) -> list[str]:
  """Sums up the comparisons of recurrent with feed-forward networks."""
  mixed = pairs[pairs['mixed'].astype(bool) & (pairs['verdict'] != '')]
  if mixed.empty:
    return []
  count = mixed['verdict'].value_counts()
  low, high = mixed['difference'].min(), mixed['difference'].max()
  return [
    '- Over all levels and attacks, the AUC on a recurrent network - that on a '
    f'feed-forward one is from {low:+.3f} to {high:+.3f}: higher in '
    f'{count.get(HIGHER, 0)} of {len(mixed)} comparisons, lower in '
    f'{count.get(LOWER, 0)}, not told apart in {count.get(SAME, 0)}.'
  ]


def means_markdown(means: pd.DataFrame) -> str:
  """Returns the table over seeds of one criterion: a row a level and network."""
  rows = []
  known = means[means['seeds'] > 0]
  for level, there in known.groupby('level', sort=False):
    for network, part in there.groupby('network', sort=False):
      first = part.iloc[0]
      row = {
        'level': '' if rows and rows[-1]['at'] == level else level_text(level),
        'at': level,
        'network': network,
        'seeds': f'{first["seeds"]} of {first["runs"]}',
        'epoch': f'{first["epoch"]:.1f}',
        **{NAMES[name]: accuracy(first[name]) for name in CRITERIA},
      }
      for attack in means['attack'].unique():
        row[f'AUC, {attack} [95% interval]'] = _auc(part[part['attack'] == attack])
      rows.append(row)
  return _markdown([{k: v for k, v in row.items() if k != 'at'} for row in rows])


def _auc(part: pd.DataFrame) -> str:
  if part.empty:
    return ''
  row = part.iloc[0]
  if pd.isna(row['auc_low']):
    return number(row['auc'])
  return f'{number(row["auc"])} [{number(row["auc_low"])}, {number(row["auc_high"])}]'


def missing(values: pd.DataFrame) -> list[str]:
  """Returns a line for each network that has no value somewhere, and why."""
  gone = values[values['missing'].notna()]
  gone = gone.drop_duplicates(['network', 'level', 'run', 'missing'])
  texts: dict[tuple[str, str], list[str]] = {}
  for (network, why, level), part in gone.groupby(
    ['network', 'missing', 'level'], sort=False
  ):
    runs = values[values['network'] == network]['run'].nunique()
    texts.setdefault((network, why), []).append(
      f'{level_text(level)} ({len(part)} of {runs} runs)'
    )
  lines = [f'- {name}: {why}: {", ".join(at)}' for (name, why), at in texts.items()]
  return ['No value, as nothing is extrapolated:', '', *lines, ''] if lines else []


def pairs_markdown(pairs: pd.DataFrame) -> str:
  """Returns the table of pairs of one criterion: a row a pair, a column a level."""
  rows = []
  for (first, second, attack), part in pairs.groupby(
    ['first', 'second', 'attack'], sort=False
  ):
    cells = {'pair': f'{first} - {second}', 'attack': attack}
    cells |= {f'at {level_text(level)}': '' for level in pairs['level'].unique()}
    for row in part.to_dict('records'):
      cells[f'at {level_text(row["level"])}'] = _difference(row)
    rows.append(cells)
  return _markdown(rows)


def _difference(row: Mapping[str, object]) -> str:
  text = f'{row["difference"]:+.3f}'
  if pd.isna(row['low']):
    return text
  return f'{text} [{row["low"]:+.3f}, {row["high"]:+.3f}] {row["verdict"]}'


def level_text(level: float) -> str:
  """Returns a level with three digits, and more where it has more."""
  return max(f'{level:.3f}', f'{level:.6g}', key=len)
