"""What a page shows of audits of deletions."""

from collections.abc import Sequence

import pandas as pd

from rnn_tf import deletion_page, deletion_verdict
from rnn_tf.deletion.results import (
  BEFORE,
  FORGOTTEN,
  NOT_FORGOTTEN,
  ORIGINAL,
  REFERENCE,
  VersionFigures,
)
from rnn_tf.deletion_names import (
  auc_text,
  forget_name,
  in_order,
  method_name,
  ordered,
  seeds_text,
)
from rnn_tf.deletion_records import FOLDER, DeletionRecord, ForgetInfo
from rnn_tf.page import blocks
from rnn_tf.pages import deletion_charts
from rnn_tf.pages.block_parts import picture, slugs
from rnn_tf.pages.deletion_detail_blocks import folded_tables
from rnn_tf.pages.run_lines import plain

_CONTROLS = ('none', 'twin')
"""Methods that no verdict is sought on: one must not forget, the other must."""

_PICTURES = {
  'attacks': 'attacks',
  'privacy': 'privacy',
  'cost': 'cost',
  'shards': 'shards',
}
"""Chart -> the picture, without extension, that shows the same."""


_DONE = """\
The CSV of the costs names the folder of each model. It names the deleted examples as
`forget_ids` in its `examples.npz`; that none of them is among its `train_ids` was
checked. A full retrain begins with fresh weights, and a sharded retrain with what its
shards were before the first deleted example: neither has ever seen them, whatever an
audit can show. A fine-tuned model has. The original, the sharded original and shadow
models still know them, until they are removed.
"""


def headline(records: Sequence[DeletionRecord]) -> tuple[str, ...]:
  """Returns what audits come to, a sentence or two each, in Markdown.

  Audits that come to the same are named together.

  Args:
    records: of one run.
  """
  labels: dict[str, list[str]] = {}
  for record in records:
    labels.setdefault(_headline(record), []).append(plain(record.label))
  return tuple(f'Deletions ({"; ".join(of)}): {said}' for said, of in labels.items())


def _headline(record: DeletionRecord) -> str:
  """Says what the strongest attack finds before and after, and the verdicts."""
  said = [_before_after(record)]
  for method in ordered(record.methods):
    words = _overall_words(record, method)
    if words and method not in _CONTROLS:
      said.append(f'{method_name(method).capitalize()}: {_counted(words)}.')
  for method in _CONTROLS:
    words = _overall_words(record, method)
    wrong = [word for word in words if (word == FORGOTTEN) == (method == 'none')]
    if wrong:
      said.append(
        f'**A control does not read as it must**: {method_name(method)}: '
        f'{_counted(words)}.'
      )
  if len(said) == 1:
    said += deletion_verdict.missing(record)[-1:]
  elif not _something_to_forget(record):
    said.append(
      'That the original itself gives anything of them away is not shown: then '
      f'`{FORGOTTEN}` says little.'
    )
  return ' '.join(filter(None, said))


def _something_to_forget(record: DeletionRecord) -> bool:
  """Whether by some attack the original is above the full retrain."""
  return any(
    found.word == NOT_FORGOTTEN and found.comparison.value > 0
    for found in record.findings.verdicts
    if found.method == ORIGINAL
  )


def _overall_words(record: DeletionRecord, method: str) -> list[str]:
  """Returns the word for a method on each forget set that there is a verdict on."""
  found = (
    deletion_verdict.verdicts_on(record, forget, method)
    for forget in deletion_charts.forget_labels(record)
  )
  return [deletion_verdict.overall(verdicts) for verdicts in found if verdicts]


def _counted(words: Sequence[str]) -> str:
  """Returns `**forgotten** on 1 of 4 forget sets, **not enough data** on 3`."""
  counts = {word: words.count(word) for word in dict.fromkeys(words)}
  if len(counts) == 1:
    return f'**{words[0]}**'
  sets = f' of {len(words)} forget sets'
  said = [
    f'**{word}** on {count}{sets if index == 0 else ""}'
    for index, (word, count) in enumerate(counts.items())
  ]
  return ', '.join(said)


def _before_after(record: DeletionRecord) -> str:
  """Says how an attack's AUC changes from the original to the full retrain."""
  attack = deletion_charts.main_attack(record)
  said = []
  for method in (ORIGINAL, REFERENCE):
    values = [
      auc.value
      for each in record.findings.pooled
      if each.method == method
      and (auc := deletion_charts.forgotten_auc(each, attack)) is not None
    ]
    if values:
      ends = dict.fromkeys(f'{each:.3f}' for each in (min(values), max(values)))
      said.append(f'{" to ".join(ends)} by the {method_name(method)}')
  if not said:
    return ''
  return (
    f'{attack} tells the deleted examples from unseen ones with an AUC of '
    f'{", and ".join(said)}.'
  )


def sections(
  records: Sequence[DeletionRecord], *, base: str
) -> tuple[blocks.Section, ...]:
  """Returns a section an audit.

  All names begin with `deletion` and the audit's label.

  Args:
    records: of one run.
    base: path from the page's folder to the run's, '' or one that ends in a slash.
  """
  # Every number of the page is named by them: they are kept short.
  names = slugs((record.label for record in records), most=16)
  return tuple(
    _section(record, f'deletion-{names[record.label]}', base) for record in records
  )


def _section(record: DeletionRecord, name: str, base: str) -> blocks.Section:
  def shown(chart: str) -> str | None:
    return picture(record, f'{_PICTURES[chart]}.png', base=base, folder=FOLDER)

  forgets = deletion_charts.forget_labels(record)
  attacks = [
    deletion_charts.attacks(
      f'{name}-attacks-{blocks.slug(forget)}', record, forget, picture=shown('attacks')
    )
    for forget in forgets
  ]
  attacks = [chart for chart in attacks if chart is not None]
  single = len(forgets) == 1
  parts: list[blocks.Block | None] = [
    blocks.Text(markdown=_head(record)),
    *(attacks if single else [deletion_charts.glance(name, record)]),
    _glance_table(record, name),
    *([] if single else _folded('Attack by attack', attacks)),
    *_folded('The verdict in words', [_words(record)]),
    deletion_charts.privacy(name, record, picture=shown('privacy')),
    deletion_charts.costs(name, record, picture=shown('cost')),
    deletion_charts.shards(name, record, picture=shown('shards')),
    *folded_tables(record, name),
    *_folded('What was done', [blocks.Text(markdown=_DONE), _command(record)]),
    *_folded('How to read this', [blocks.Text(markdown=deletion_page.HOW_TO_READ)]),
  ]
  return blocks.Section(
    name=name,
    title=f'Audit of deletions: {record.label}',
    blocks=tuple(part for part in parts if part is not None),
  )


def _folded(title: str, parts: Sequence[blocks.Block]) -> list[blocks.Block]:
  return [blocks.Details(title=title, blocks=tuple(parts))] if parts else []


def _head(record: DeletionRecord) -> str:
  """Says what was deleted from what, and how it was audited."""
  forgets = '\n'.join(
    f'- {forget_name(each.label)}: {each.count:,} of {record.train_size:,} training '
    f'examples, {_drawn(each)}'
    for each in record.forget_sets
  )
  fleet = f' (with {record.fleet_size} shadow models)' if record.fleet_name else ''
  source = 'test images'
  if record.unseen == 'holdout':
    source = 'out of the pool that the training set was drawn from'
  text = (
    f'Deleted from {plain(record.run)} ({plain(record.dataset)}, '
    f'{plain(record.model)}, {seeds_text(record.seeds)}), each from the whole training '
    f'set:\n\n{forgets}\n\n'
    f'Attacks look for the deleted examples: {", ".join(record.attacks)}{fleet}. They '
    f'are held against unseen ones, {source}.'
  )
  if record.unseen == 'test':
    text += (
      ' **Warning: test images are not drawn as the training set was**, so that an AUC '
      'may lie off 0.5 without any memory.'
    )
  missing = deletion_verdict.missing(record)
  return text + ''.join(f'\n\n{line}' for line in missing)


def _drawn(forget: ForgetInfo) -> str:
  return {
    'uniform': 'drawn at random from all of them',
    'grouped': 'drawn at random from some shards alone',
    'class': 'all of one class',
    'ids': 'as listed',
  }[forget.kind]


def _glance_table(record: DeletionRecord, name: str) -> blocks.Table | None:
  """Returns each version's AUCs, accuracies and verdict in a row."""
  rows = []
  for figures in in_order(record.findings.pooled):
    row = {
      'deleted': forget_name(figures.forget),
      'version': deletion_charts.short_name(figures.method),
      'verdict': _word(record, figures),
    }
    for attack in record.attacks:
      auc = deletion_charts.forgotten_auc(figures, attack)
      row[f'AUC by {attack} [95%]'] = auc_text(auc) if auc else ''
    row['deleted right'] = f'{figures.forgotten.value:.1%}'
    row['test right'] = f'{figures.test.value:.1%}'
    rows.append(row)
  if not rows:
    return None
  return blocks.table(
    f'{name}-versions',
    pd.DataFrame(rows),
    title='Before and after',
    note='AUC of deleted against unseen examples; `right` is the share classified '
    'correctly. The verdict is on the difference to the full retrain, by all attacks.',
  )


def _word(record: DeletionRecord, figures: VersionFigures) -> str:
  if figures.method == REFERENCE:
    return '(the reference)'
  found = deletion_verdict.verdicts_on(record, figures.forget, figures.method)
  if not found:
    return ''
  if figures.method not in BEFORE:
    return '(before)'
  return deletion_verdict.overall(found)


def _words(record: DeletionRecord) -> blocks.Text:
  """Returns what `deletion_verdict` says, a list a forget set."""
  parts = [deletion_verdict.LEGEND]
  for forget in deletion_charts.forget_labels(record):
    lines = deletion_verdict.lines(record, forget)
    parts.append(f'**{plain(forget_name(forget))}**')
    parts.append('\n'.join(f'- {line}' for line in lines))
  return blocks.Text(markdown='\n\n'.join(parts))


def _command(record: DeletionRecord) -> blocks.Code:
  return blocks.Code(title='Command', text=record.command)
