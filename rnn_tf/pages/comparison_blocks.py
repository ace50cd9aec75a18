"""Several runs beside each other, data set by data set, as sections of a page."""

import dataclasses
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from rnn_tf import config as configs
from rnn_tf import stopping
from rnn_tf.page import blocks
from rnn_tf.pages import epoch_charts, pair_blocks, run_blocks, run_charts
from rnn_tf.pages.block_parts import slugs
from rnn_tf.pages.comparison_verdict import (
  Attacks,
  broken_guarantees,
  headline,
  last_results,
)
from rnn_tf.pages.run_lines import Picture, counted, listed, no_picture, plain, seeds
from rnn_tf.records import RunRecord
from rnn_tf.seed_groups import by_data_set

__all__ = [
  'commands',
  'data_set_sections',
  'headline',
  'prefixed',
  'sections',
  'warnings',
]

_NO_ATTACKS: Attacks = types.MappingProxyType({})


def sections(
  records: Sequence[RunRecord],
  *,
  attacks: Attacks = _NO_ATTACKS,
  max_advantage: float | None = None,
  pictures: Callable[[str], Picture] = lambda _: no_picture,
  command: str = '',
) -> tuple[blocks.Section, ...]:
  """Returns the sections of a comparison: of each data set its own, then the commands.

  Args:
    records: at least one, no two of one name.
    attacks: with shadow models, on the runs.
    max_advantage: see `stopping.recommend`; None recommends nothing.
    pictures: data set -> its pictures, see `run_lines.Picture`.
    command: the command line that makes the comparison.

  Raises:
    UsageError: scores, ids or guarantees of a run are damaged.
  """
  groups = by_data_set(records)
  prefixes = slugs(groups)
  found = [
    section
    for name, group in groups.items()
    for section in data_set_sections(
      group,
      prefix=prefixes[name],
      attacks=attacks,
      max_advantage=max_advantage,
      picture=pictures(name),
      titled=len(groups) > 1,
    )
  ]
  return (*found, commands(records, command=command))


def data_set_sections(
  records: Sequence[RunRecord],
  *,
  prefix: str,
  attacks: Attacks = _NO_ATTACKS,
  max_advantage: float | None = None,
  picture: Picture = no_picture,
  titled: bool = False,
) -> tuple[blocks.Section, ...]:
  """Returns the sections on the runs of one data set, without those that are empty.

  Args:
    records: at least one.
    prefix: what all names in them begin with, a slug that no other data set has.
    attacks: with shadow models, on the runs.
    max_advantage: see `stopping.recommend`; None recommends nothing.
    picture: see `run_lines.Picture`.
    titled: whether the titles begin with the data set's name.

  Raises:
    UsageError: scores, ids or guarantees of a run are damaged.
  """
  name = records[0].data.name
  contents = _contents(records, attacks, max_advantage, picture)
  found = []
  for (short, title), content in contents.items():
    shown = [block for block in content if block is not None]
    if shown:
      found.append(
        blocks.Section(
          name=f'{prefix}-{short}',
          title=f'{name}: {title}' if titled else title,
          blocks=tuple(prefixed(prefix, block) for block in shown),
        )
      )
  return tuple(found)


def _contents(
  records: Sequence[RunRecord],
  attacks: Attacks,
  max_advantage: float | None,
  picture: Picture,
) -> dict[tuple[str, str], Iterable[blocks.Block | None]]:
  """Returns what each section holds, by its name and its title."""
  advice = []
  if max_advantage is not None:
    advice = [stopping.recommend(r, max_advantage=max_advantage) for r in records]
  shown = {'picture': picture}
  return {
    ('overview', 'Runs'): (
      _about(records),
      *_warned(records, attacks),
      run_blocks.runs_table(records),
    ),
    ('utility', 'Privacy against utility'): (
      run_charts.privacy_vs_utility(records, **shown),
      run_blocks.stopping_table(advice) if advice else None,
    ),
    ('private', 'Plain against private'): pair_blocks.blocks_of(records, **shown),
    ('leakage', 'Leakage by epoch'): epoch_charts.leakage_by_epoch(
      records, advice=advice, **shown
    ),
    ('strict', 'Few false positives'): run_charts.roc(records, **shown),
    ('classes', 'Class by class'): (run_blocks.class_heat_map(records, **shown),),
    ('training', 'Learning curves'): epoch_charts.learning_curves(records, **shown),
  }


def prefixed(prefix: str, block: blocks.Block) -> blocks.Block:
  """Returns a block with all names in it behind a prefix, a slug."""
  if isinstance(block, blocks.Details):
    inner = tuple(prefixed(prefix, each) for each in block.blocks)
    return dataclasses.replace(block, blocks=inner)
  if hasattr(block, 'name'):
    return dataclasses.replace(block, name=f'{prefix}-{block.name}')
  return block


def _about(records: Sequence[RunRecord]) -> blocks.Text:
  """Says which examples the runs had."""
  versions = dict.fromkeys(record.data.version for record in records)
  name = plain(f'{records[0].data.name} {", ".join(versions)}')
  head = f'{name}, {counted(len(records), "run")}'
  # The seeds are no reason to name each run.
  found: dict[str, list[str]] = {}
  for record in records:
    text = run_blocks.sizes(record).rpartition('; seed')[0]
    found.setdefault(text, []).append(record.name)
  if len(found) == 1:
    return blocks.Text(markdown=f'{head}: {text}; {seeds(records)}.')
  lines = [f'- {plain(listed(runs, 6))}: {text}' for text, runs in found.items()]
  return blocks.Text(markdown='\n'.join([f'{head}; {seeds(records)}:', '', *lines]))


def _warned(records: Sequence[RunRecord], attacks: Attacks) -> list[blocks.Text]:
  lines = [f'- {line}' for line in warnings(records, attacks)]
  if not lines:
    return []
  head = ['Mind, when reading this:', '']
  return [blocks.Text(markdown='\n'.join([*head, *lines]))]


def warnings(records: Sequence[RunRecord], attacks: Attacks = _NO_ATTACKS) -> list[str]:
  """Returns what speaks against taking the runs' figures side by side, in Markdown.

  Args:
    records: at least one, of one data set.
    attacks: with shadow models, on the runs.

  Raises:
    UsageError: a finished run with `--dp` does not say what it claims.
  """
  lines = broken_guarantees(records, attacks)
  sizes = {run_blocks.sizes(record).partition(';')[0] for record in records}
  attacked = {
    (result.n_members, result.n_nonmembers)
    for record in records
    for result in last_results(record)
  }
  if len(sizes) > 1 or len(attacked) > 1:
    lines.append(
      'The runs differ in their examples, see above: accuracies and AUCs of runs that '
      'were trained, or attacked, on more examples are not those of runs with fewer.'
    )
  if len({record.config.data.nonmembers for record in records}) > 1:
    lines.append(
      'Non-members are test images in some runs, and out of the pool of the training '
      'images in others: the same attack need not find the same.'
    )
  elif records[0].config.data.nonmembers == 'test':
    lines.append(
      'Non-members are test images, which may be easier or harder than training images '
      'by themselves: `--nonmembers=holdout` draws both from one pool.'
    )
  for text, names in _states(records).items():
    lines.append(f'{text}: {plain(listed(names, 12))}')
  return [*lines, *_skipped(records)]


def _states(records: Sequence[RunRecord]) -> dict[str, list[str]]:
  """Returns what is missing -> the runs that miss it."""
  found: dict[str, list[str]] = {}
  for record in records:
    if record.finished is None:
      asked = record.config.training.epochs
      text = f'{record.name} ({record.epochs} of {asked} epochs)'
      found.setdefault('Unfinished', []).append(text)
    if not record.results:
      found.setdefault('No privacy report', []).append(record.name)
  return found


def _skipped(records: Sequence[RunRecord]) -> list[str]:
  """Returns a line for each attack that was skipped for one reason."""
  found: dict[tuple[str, str], dict[str, list[str]]] = {}
  for record in records:
    for result in record.last_results():
      if result.skipped:
        runs = found.setdefault((result.attack, result.skipped), {})
        runs.setdefault(record.name, []).append(result.slice)
  return [
    f'{plain(attack)} skipped in the last report ({plain(reason)}): '
    + plain(listed([f'{run} on {", ".join(parts)}' for run, parts in runs.items()]))
    for (attack, reason), runs in found.items()
  ]


def commands(records: Sequence[RunRecord], *, command: str = '') -> blocks.Section:
  """Returns the section with the runs' commands and the flags in which they differ.

  Args:
    records: at least one.
    command: the command line that makes the comparison.
  """
  lines = [f'# {" ".join(record.name.split())}\n{record.command}' for record in records]
  if command:
    lines.append(f'# This page\n{command}')
  shown: list[blocks.Block] = [blocks.Code(title='Commands', text='\n'.join(lines))]
  if len(records) > 1:
    shown.append(blocks.Details(title='Flags that differ', blocks=(_flags(records),)))
  return blocks.Section(
    name='commands', title='Commands that made this', blocks=tuple(shown)
  )


def _flags(records: Sequence[RunRecord]) -> blocks.Block:
  """Returns the flags in which the runs differ, a row a run."""
  values = [_flat(record) for record in records]
  every = dict.fromkeys(name for each in values for name in each)
  different = [name for name in every if len({each.get(name) for each in values}) > 1]
  if not different:
    return blocks.Text(markdown='The runs do not differ by any flag.')
  rows = [
    {'run': record.name, **{name: each.get(name, '') for name in different}}
    for record, each in zip(records, values, strict=True)
  ]
  return blocks.table('flags', pd.DataFrame(rows), title='Flags that differ')


def _flat(record: RunRecord) -> dict[str, str]:
  """Returns flag -> value, and what else makes a run what it is."""
  flags = {'data version': record.data.version, 'parameters': f'{record.parameters:,}'}
  for part, values in configs.to_json(record.config).items():
    for name, value in values.items():
      flag = f'deleted: {name}' if part == 'deleted' else f'--{name}'
      flags[flag] = _text(value)
  return flags


def _text(value: Any) -> str:
  if isinstance(value, list):
    return ','.join(map(str, value))
  return 'not given' if value is None else str(value)
