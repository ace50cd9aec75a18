"""The sections of a run's page that come from the run itself."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnn_tf import config as configs
from rnn_tf import stopping
from rnn_tf.attacks import exposure
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.results import ENTIRE, signals_from_arrays
from rnn_tf.page import blocks
from rnn_tf.pages import epoch_charts, run_blocks, run_charts
from rnn_tf.records import RunRecord

EXPOSED = 12
"""Most exposed members that are listed."""


def most_exposed(record: RunRecord) -> tuple[str | None, tuple[Exposed, ...]]:
  """Returns the strongest attack of the last report, and whom it finds most easily.

  Returns:
    None and nobody, where there is no report whose scores were kept.
  """
  report = record.last_report()
  results = [r for r in record.last_results() if r.slice == ENTIRE and not r.skipped]
  if report is None or not results:
    return None, ()
  attack = max(results, key=lambda result: result.auc).attack
  arrays = record.score_arrays(results[0].epoch)
  found = exposure.most_exposed(
    report.scores[attack, ENTIRE], signals_from_arrays(arrays), count=EXPOSED
  )
  return attack, found


def _picture(record: RunRecord) -> Callable[[str], str | None]:
  """Returns what knows the path of each of the run's pictures, from its page."""

  def path(name: str) -> str | None:
    path = f'plots/{name}.png'
    return path if (record.folder.path / path).exists() else None

  return path


def training(
  record: RunRecord, advice: stopping.Recommendation
) -> list[blocks.Section]:
  """Returns what was seen while the model was learning."""
  picture = _picture(record)
  leakage: list[blocks.Block | None] = [
    *epoch_charts.leakage_by_epoch([record], advice=[advice], picture=picture),
    run_charts.privacy_vs_utility([record], picture=picture),
    run_blocks.stopping_table([advice]) if record.results else None,
  ]
  attacks: list[blocks.Block | None] = [
    run_blocks.attack_table(record, name='report-attacks'),
    *run_charts.roc([record], picture=picture),
    run_blocks.class_heat_map([record], picture=picture),
  ]
  found = (
    ('leakage', 'What leaks, epoch by epoch', leakage),
    ('report', 'The attacks of the last report', attacks),
    (
      'learning',
      'Learning',
      list(epoch_charts.learning_curves([record], picture=picture)),
    ),
  )
  # What was fitted at once has no course.
  shown = ('report',) if record.config.model.classical else [name for name, *_ in found]
  return [
    blocks.Section(name=name, title=title, blocks=tuple(filter(None, parts)))
    for name, title, parts in found
    if name in shown and any(parts)
  ]


def exposed(
  record: RunRecord, images: Mapping[int, np.ndarray]
) -> list[blocks.Section]:
  """Returns the members that the strongest attack of the last report finds first."""
  attack, found = most_exposed(record)
  if not found:
    return []
  shown: list[blocks.Block] = [_exposed_table(record, attack, found)]
  pictured = [each for each in found if each.id in images]
  if pictured:
    names = record.data.class_names
    shown.append(
      blocks.Images(
        name='report-exposed-images',
        title='Their images',
        images=np.stack([images[each.id] for each in pictured]),
        captions=tuple(f'{each.id}: {names[each.label]}' for each in pictured),
        note='These are training data: mind who reads this page.',
      )
    )
  else:
    shown.append(
      blocks.Text(
        markdown='Their images are training data and are not kept: `--embed_images` '
        'of rnn_tf.train and rnn_tf.attack keeps and shows them.'
      )
    )
  return [
    blocks.Section(name='report-exposed', title='The most exposed', blocks=tuple(shown))
  ]


def _exposed_table(
  record: RunRecord, attack: str, found: Sequence[Exposed]
) -> blocks.Table:
  names = record.data.class_names
  frame = pd.DataFrame(
    {
      'rank': [each.rank for each in found],
      'id': [each.id for each in found],
      'class': [names[each.label] for each in found],
      'score': [f'{each.score:.4g}' for each in found],
      'falsely accused with it': [
        f'{each.false_positives:,} of {each.n_nonmembers:,} non-members'
        for each in found
      ],
      'probability of its class': [f'{each.probability:.4f}' for each in found],
    }
  )
  note = (
    'Ids are positions in the training split of the data set. Whoever accuses this '
    'member accuses all non-members with as high a score.'
  )
  if found[0].score == found[-1].score:
    note += (
      ' All of these have one score, and others may have it too: they are the first of '
      'them in the order of their ids, and no more exposed than these.'
    )
  return blocks.table(
    'report-exposed-table',
    frame,
    title=f'The {len(found)} members that {attack} finds first, after epoch '
    f'{record.results[-1].epoch}',
    csv=pd.DataFrame(map(dataclasses.asdict, found)).to_csv(
      index=False, lineterminator='\n'
    ),
    note=note,
  )


def made(record: RunRecord, commands: Sequence[str]) -> blocks.Section:
  """Returns the commands, the config, the versions and the data.

  Args:
    record: the run.
    commands: command lines of what else there is in its folder.
  """
  stored = record.folder.record()
  flags = [
    {'group': group, 'flag': f'--{name}', 'value': _text(value)}
    for group, values in configs.to_json(record.config).items()
    for name, value in values.items()
  ]
  versions = [
    {'package': name, 'version': str(version)}
    for name, version in _pairs(stored.get('versions'))
  ]
  about = [{'what': 'seed', 'value': str(record.config.training.seed)}]
  about += [
    {'what': f'checksum of the {split} examples', 'value': str(value)}
    for split, value in record.data.checksums.items()
  ]
  tables = [
    blocks.table('config', pd.DataFrame(flags), title='Every flag'),
    blocks.table('data', pd.DataFrame(about), title='Seed and data'),
  ]
  if versions:
    tables.append(blocks.table('versions', pd.DataFrame(versions), title='Versions'))
  return blocks.Section(
    name='made',
    title='How this was made',
    blocks=(
      blocks.Code(
        title='Commands', text='\n'.join(dict.fromkeys([record.command, *commands]))
      ),
      blocks.Code(
        title='Does this page tell the truth? Recomputed from the stored scores:',
        text='python -m rnn_tf.report --verify --run=RUN',
      ),
      blocks.Details(title='Config, data and versions', blocks=tuple(tables)),
    ),
  )


def _pairs(value: Any) -> list[tuple[str, Any]]:
  return list(value.items()) if isinstance(value, dict) else []


def _text(value: Any) -> str:
  return ','.join(map(str, value)) if isinstance(value, list) else str(value)
