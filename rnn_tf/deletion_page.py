"""What is said and shown of an audit of deletions."""

import pathlib
from collections.abc import Sequence

from matplotlib.figure import Figure

from rnn_tf import deletion_plots, deletion_tables, deletion_verdict, tables
from rnn_tf.attack_config import ATTACKS
from rnn_tf.deletion.results import MARGIN
from rnn_tf.deletion_names import (
  SHOWN_FPR,
  count_text,
  forget_name,
  method_name,
  ordered,
  seeds_text,
)
from rnn_tf.deletion_records import DeletionRecord, ForgetInfo
from rnn_tf.plot_style import to_png
from rnn_tf.run_files import RunFiles

PAGE = 'report.md'

CAPTIONS = {
  'accuracy': 'Accuracy of each version: `training` is what it was trained on itself.',
  'attacks': (
    'How well attacks tell the deleted examples from unseen ones, under each version.'
  ),
  'privacy': (
    'What each version gives away of the deleted examples, against its test accuracy. '
    'Small points are single seeds.'
  ),
  'cost': 'What each method costs, against how far it is from the full retrain.',
  'shards': 'Test accuracy by the number of shards, beside the plain original.',
  **{
    f'scores_{attack}': (
      f'Scores of the deleted and of the unseen examples, {attack} attack. Each panel '
      'has a height of its own; the outermost bins hold what lies beyond them.'
    )
    for attack in ATTACKS
  },
}
"""Picture -> what it shows."""

_TABLES = {
  'verdicts.csv': deletion_tables.verdicts_table,
  'verdicts_by_seed.csv': deletion_tables.verdict_seeds_table,
  'versions.csv': lambda x: deletion_tables.versions_table(x.findings.pooled),
  'versions_by_seed.csv': lambda x: deletion_tables.versions_table(x.findings.versions),
  'costs.csv': deletion_tables.costs_table,
  'two_versions.csv': deletion_tables.two_versions_table,
  'collateral.csv': deletion_tables.collateral_table,
  'shards.csv': deletion_tables.shards_table,
}
"""File -> the table that it holds; without rows it is not written."""

_SECTIONS = (
  ('Verdicts', deletion_tables.verdicts_markdown, 'verdicts'),
  ('Accuracy', deletion_tables.accuracy_markdown, 'versions'),
  ('What the attacks find', deletion_tables.attacks_markdown, 'versions'),
  ('Costs', deletion_tables.costs_markdown, 'costs'),
  ('Both versions in one hand', deletion_tables.two_versions_markdown, 'two_versions'),
  ('The examples that stay', deletion_tables.collateral_markdown, 'collateral'),
  ('Accuracy by the number of shards', deletion_tables.shards_markdown, 'shards'),
)
"""Heading, the table below it, and the file without extension that has more."""

_FPR = f'{SHOWN_FPR:.0%}'

HOW_TO_READ = f"""\
**What is compared.** D_f are the deleted examples, H are unseen ones. The AUC is the
chance that an attack gives a deleted example a higher score, as one that was trained
on, than an unseen one. The reference is the full retrain, a model trained anew without
D_f, not an AUC of 0.5: where D_f and H are not quite alike, a model that has seen
neither tells them apart too. Each difference is taken on the same examples.

**The words.** By one attack a method reads `forgotten` where the 95% interval of its
difference to the full retrain lies within ±{MARGIN:g}, `not forgotten` where it lies
outside, and `not enough data` where it does neither; the last is not a weak
`forgotten`. An AUC far below the full retrain's reads `not forgotten` as well: the
deleted examples then stand out the other way. Over all attacks a method reads
`forgotten` only if it does by each of them. That all must pass is an intersection-union
test, which needs no correction for their number. One attack is enough for `not
forgotten`, so that with k attacks it is said in error up to k times as often as with
one.

**What a verdict is not.** It is on D_f as a whole and by the attacks that were made:
another attack may find more, and single examples of D_f may stand out where the whole
does not. Where the original gives nothing away, every method passes.

**The attacks.** `threshold` scores by the loss. `lr` is a logistic regression on logits
and loss that learns on one half of the examples, with its sides known, and scores the
other. `lira` compares with shadow models that were trained with and without each
example: single models, trained on half of the pool; on sharded versions, and on such as
are trained on fewer or more examples, it is the weaker for that.

**Intervals** are at 95%. Those of AUCs, and of their differences, are DeLong's, with an
example that recurs at several seeds taken for one (a cluster); below ten examples on a
side they are Newcombe's, which are not symmetric. They hold the choice of
the examples and, with several seeds, the randomness of training, of which few seeds
tell little: with three, 95% intervals hold the truth in 91 to 97% of cases. With one
seed they are for the models that there are. Those of accuracies and
rates are Clopper and Pearson's for the counts of all seeds: too narrow where an example
recurs.

**TPR at {_FPR} FPR** is the share of D_f above the threshold that at most {_FPR} of H
exceed, with the number of these false positives: guessing finds {_FPR}. The threshold
is chosen on H, for each version and seed anew.

**Both versions in one hand.** An attacker who has the model before and after a deletion
looks at how its outputs changed (Chen et al. 2021, arXiv 2005.02205). An AUC above 0.5
means that the deletion itself tells what was deleted: so it may be for a full retrain,
the better the original knew the examples. It is no fault of the method, but a reason
not to hand out both. The `concatenation` sees the model before as well, and finds what
that alone gives away.

**The examples that stay** may become easier or harder to tell from H when others go.
`Exposed` are those above the threshold that H gives at the rate named; `newly` those
that were below it before.

**Costs** are gradients of examples computed, examples x epochs, and their share of full
retraining without the same D_f. A deletion that is spread evenly touches every shard:
then all of them are retrained, and only slices save something. One that is confined to
g of n shards costs about g/n. Seconds are those of this machine, whatever else it did,
and no benchmark; those of originals and full retrains include the validation after each
epoch, which shards do not have.
"""


def text(record: DeletionRecord) -> str:
  """Returns what an audit has found, in a few lines for the screen."""
  lines = [f'Deletions from {record.run}: {_made_of(record)}']
  if record.unseen == 'test':
    lines.append('Warning: unseen examples are test images, not drawn as D_f is.')
  for forget in record.forget_sets:
    lines.append(f'{forget_name(forget.label)}: {_size(record, forget)}')
    lines += [f'  {line}' for line in deletion_verdict.lines(record, forget.label)]
  lines += [deletion_verdict.LEGEND, *deletion_verdict.missing(record)]
  return '\n'.join(lines).replace('**', '').replace('`', '') + '\n'


def _made_of(record: DeletionRecord) -> str:
  return f'{record.dataset}, {record.model}, {seeds_text(record.seeds)}'


def _size(record: DeletionRecord, forget: ForgetInfo) -> str:
  share = 100 * forget.count / record.train_size
  return f'{forget.count:,} of {record.train_size:,} training examples ({share:.3g}%)'


def markdown(record: DeletionRecord, shown: Sequence[str] = ()) -> str:
  """Returns the page of an audit.

  Args:
    record: the audit.
    shown: pictures, keys of `CAPTIONS`, that lie beside the page.
  """
  lines = [f'# Deletions from {record.run}: {record.label}', '', *_head(record), '']
  lines += [*_done(record), '## Verdict', '', deletion_verdict.LEGEND, '']
  missing = deletion_verdict.missing(record)
  lines += [f'- {line}' for line in missing] + [''] * bool(missing)
  for forget in record.forget_sets:
    lines += [f'### {forget_name(forget.label)}', '']
    lines += [f'- {x}' for x in deletion_verdict.lines(record, forget.label)] + ['']
  lines += ['## Pictures', ''] if shown else []
  for name in shown:
    lines += [f'![{name}]({name}.png)', '', CAPTIONS[name], '']
  for heading, make, file in _SECTIONS:
    table = make(record)
    if table:
      lines += [f'## {heading}', '', table]
      if file == 'two_versions':
        lines += [deletion_verdict.about_two_versions(record), '']
      lines += [f'With more digits: {_files(record, file)}.', '']
  return '\n'.join([*lines, '## How to read this', '', HOW_TO_READ])


def _files(record: DeletionRecord, file: str) -> str:
  """Returns links to a table, and to that of the single seeds where there is one."""
  link = f'[{file}.csv]({file}.csv)'
  by_seed = f'{file}_by_seed.csv'
  if by_seed in _TABLES and len(record.seeds) > 1:
    link += f', seed by seed [{by_seed}]({by_seed})'
  return link


def _done(record: DeletionRecord) -> list[str]:
  """Says which models the deletion left, and what of it is beyond an audit's doubt."""
  lines = []
  for forget in record.forget_sets:
    made = [
      f'`{cost.run}` ({method_name(cost.method)})'
      for cost in record.costs
      if cost.forget == forget.label and cost.run
    ]
    if made:
      lines.append(f'- {forget_name(forget.label)}: {", ".join(made)}')
  if not lines:
    return []
  return [
    '## What was done',
    '',
    'Models without the deleted examples, beside the original:',
    '',
    *lines,
    '',
    'Each names the deleted examples as `forget_ids` in its `examples.npz`; that none '
    'of them is among its `train_ids` was checked. A full retrain begins with fresh '
    'weights, and a sharded retrain with what its shards were before the first deleted '
    'example: neither has ever seen them, whatever an audit can show. A fine-tuned '
    'model has. The original, the sharded original and shadow models still know them, '
    'until they are removed.',
    '',
  ]


def _head(record: DeletionRecord) -> list[str]:
  """Says what was deleted from what, how, and by what it was audited."""
  lines = [
    f'{_made_of(record)}; trained on {record.train_size:,} examples for '
    f'{count_text(record.epochs, "epoch")}. Deleted, each from the whole training set:',
    '',
  ]
  for forget in record.forget_sets:
    name, size = forget_name(forget.label), _size(record, forget)
    lines.append(f'- {name}: {size}, {_drawn(record, forget)}')
  methods = ', '.join(method_name(method) for method in ordered(record.methods))
  lines += ['', f'Made after the deletion: {methods}.{_sharding(record)}', '']
  fleet = ''
  if record.fleet_name:
    fleet = f' (with {record.fleet_size} shadow models, {record.fleet_name})'
  lines += [f'Attacks: {", ".join(record.attacks)}{fleet}. {_unseen(record)}', '']
  return [*lines, '```', record.command, '```']


def _drawn(record: DeletionRecord, forget: ForgetInfo) -> str:
  """Says which examples a forget set has."""
  several = len(record.seeds) > 1
  if forget.kind == 'grouped':
    shards = '; '.join(
      f'{", ".join(map(str, groups))} for seed {seed}'
      for seed, groups in forget.groups.items()
    )
    return f'drawn at random from some shards alone, counted from 0: {shards}'
  if forget.kind == 'uniform':
    return 'drawn at random from all of them' + ', for each seed anew' * several
  return {'class': 'all of one class', 'ids': 'as listed'}[forget.kind]


def _sharding(record: DeletionRecord) -> str:
  if record.num_shards is None:
    return ''
  slices = count_text(record.num_slices, 'slice')
  how = {'mean': "the mean of their models' logits", 'vote': 'majority vote'}
  return (
    f' Sharded versions have {count_text(record.num_shards, "shard")} of {slices} '
    f'each, and answer by {how[record.aggregation]}.'
  )


def _unseen(record: DeletionRecord) -> str:
  """Says where H comes from, with a warning where it is not like D_f."""
  alike = (
    "with the labels' shares of D_f" if record.matched else 'whatever their labels'
  )
  if record.unseen == 'holdout':
    return (
      'The unseen examples H are out of the pool that the training set was drawn from, '
      f'held out of all training, {alike}.'
    )
  return (
    f'The unseen examples H are test images, {alike}. **Warning: test images are not '
    "drawn as the training set was.** MNIST's, for one, are easier by themselves, so "
    'that an AUC may lie off 0.5 without any memory. Differences to the full retrain '
    'are on the same examples, and suffer less. `--train_fraction`, when the run is '
    'trained, keeps examples of the same pool.'
  )


def pictures(record: DeletionRecord) -> dict[str, Figure]:
  """Returns the pictures of an audit; what there is no data for is left out.

  Returns:
    Name -> Figure; the names are keys of `CAPTIONS`.
  """
  findings = record.findings
  figures = {}
  if findings.pooled:
    figures['accuracy'] = deletion_plots.accuracy_figure(record)
  if any(version.attacks for version in findings.pooled):
    figures['attacks'] = deletion_plots.attacks_figure(record)
    figures['privacy'] = deletion_plots.privacy_figure(record)
  if any(verdict.method in record.methods for verdict in findings.verdicts):
    figures['cost'] = deletion_plots.cost_figure(record)
  if any(each.num_shards > 1 for each in record.shard_accuracies):
    figures['shards'] = deletion_plots.shards_figure(record)
  for attack in record.attacks:
    if any(each.attack == attack for each in findings.histograms):
      figures[f'scores_{attack}'] = deletion_plots.scores_figure(record, attack)
  return figures


def write(record: DeletionRecord, folder: RunFiles) -> list[pathlib.Path]:
  """Writes the audit's page, tables and pictures and returns their paths.

  What an earlier audit has left of these in the folder and this one has not is removed:
  it would be taken for this one's.

  Args:
    record: the audit.
    folder: of the audit.
  """
  figures = pictures(record)
  frames = {file: make(record) for file, make in _TABLES.items()}
  contents = {
    file: tables.to_csv(frame).encode()
    for file, frame in frames.items()
    if not frame.empty
  }
  contents |= {f'{name}.png': to_png(figure) for name, figure in figures.items()}
  contents[PAGE] = markdown(record, list(figures)).encode()
  for name in [*_TABLES, *(f'{name}.png' for name in CAPTIONS)]:
    if name not in contents:
      (folder.path / name).unlink(missing_ok=True)
  for name, content in contents.items():
    folder.write(name, content)
  return [folder.path / name for name in contents]
