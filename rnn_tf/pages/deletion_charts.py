"""Charts of an audit of deletions, for a page.

The pictures of `deletion_plots` show the same. Each version keeps its colour.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean

from rnn_tf.deletion.results import (
  MARGIN,
  ORIGINAL,
  REFERENCE,
  Auc,
  Comparison,
  VersionFigures,
)
from rnn_tf.deletion_names import (
  auc_text,
  difference_text,
  forget_name,
  method_name,
  ordered,
  sharding_name,
)
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.page import blocks

# Those of the pictures.
_COLORS = {
  **{'original': 6, 'none': 1, 'retrain': 0, 'twin': 5, 'finetune': 4},
  **{'sharded_original': 3, 'sharded': 2},
}
_ATTACK_COLORS = {'threshold': 0, 'lr': 4, 'lira': 2}
_SHORT = {'none': 'nothing deleted', 'twin': 'second retrain'}
_WIDTH = 0.7
"""Of a place on an axis, what the series share out."""


def short_name(method: str) -> str:
  """Returns a version's name for where there is little room."""
  return _SHORT.get(method, method_name(method))


def main_attack(record: DeletionRecord) -> str | None:
  """Returns the attack that tells most of the original; None where none was made.

  That is the one with the highest AUC of the deleted examples, on average over the
  forget sets.
  """
  found: dict[str, list[float]] = {}
  for figures in record.findings.pooled:
    for each in figures.attacks:
      values = found.setdefault(each.attack, [])
      if figures.method == ORIGINAL:
        values.append(each.forgotten.value)
  return max(found, key=lambda name: fmean(found[name] or [0.0]), default=None)


def forget_labels(record: DeletionRecord) -> list[str]:
  """Returns the labels of forget sets that there are versions of."""
  return list(dict.fromkeys(each.forget for each in record.findings.pooled))


def forgotten_auc(figures: VersionFigures, attack: str | None) -> Auc | None:
  """Returns the AUC of the deleted examples by an attack; None where there is none."""
  found = [each.forgotten for each in figures.attacks if each.attack == attack]
  return found[0] if found else None


def _versions(record: DeletionRecord) -> list[str]:
  return ordered(each.method for each in record.findings.pooled)


def _offset(place: int, count: int) -> float:
  return _WIDTH * ((place + 0.5) / count - 0.5)


def _points(
  name: str,
  found: Sequence[tuple[float, Auc | Comparison]],
  *,
  color: int | None,
  labels: Sequence[str] | None = None,
) -> blocks.Series:
  """Returns a series of places and values with their intervals."""
  return blocks.Series(
    name=name,
    x=[x for x, _ in found],
    y=[y.value for _, y in found],
    low=[y.low for _, y in found],
    high=[y.high for _, y in found],
    style='points',
    color=color,
    labels=labels,
  )


def _guessing(low: float, high: float) -> blocks.Series:
  return blocks.Series(name='guessing', x=[low, high], y=[0.5, 0.5], reference=True)


def glance(prefix: str, record: DeletionRecord) -> blocks.Chart | None:
  """Returns the AUC of the deleted examples by forget set, a series a version.

  Args:
    prefix: what the chart's name begins with, a slug.
    record: the audit.

  Returns:
    None where no attack was made.
  """
  attack, forgets = main_attack(record), forget_labels(record)
  if attack is None:
    return None
  versions, series = _versions(record), []
  for place, method in enumerate(versions):
    found = [
      (forgets.index(each.forget) + _offset(place, len(versions)), auc)
      for each in record.findings.pooled
      if each.method == method and (auc := forgotten_auc(each, attack))
    ]
    if found:
      series.append(_points(method_name(method), found, color=_COLORS[method]))
  return blocks.Chart(
    name=f'{prefix}-glance',
    title=f'What {attack} finds of the deleted examples, before and after',
    description=f'AUC of {attack} on deleted against unseen examples, with 95% '
    f'intervals, a group of points a forget set. {_before_after(record, attack)} '
    'Guessing is 0.5.',
    x=blocks.Axis(
      label='deleted',
      # On an axis there is room for 18 letters.
      categories=tuple(forget_name(each).replace('within ', '') for each in forgets),
    ),
    y=blocks.Axis(label='AUC, deleted against unseen examples'),
    series=(*series, _guessing(-0.5, len(forgets) - 0.5)),
    note='The full retrain has never seen the deleted examples: it is what the others '
    f'are held against. Of the attacks {attack} finds most of the original.',
  )


def _before_after(record: DeletionRecord, attack: str) -> str:
  """Says the AUC of each version, for each forget set."""
  said = []
  for forget in forget_labels(record):
    found = [
      f'{method_name(each.method)} {auc.value:.3f}'
      for method in _versions(record)
      for each in record.findings.pooled
      if (each.forget, each.method) == (forget, method)
      and (auc := forgotten_auc(each, attack))
    ]
    if found:
      said.append(f'{forget_name(forget)}: {", ".join(found)}.')
  return ' '.join(said)


def attacks(
  name: str, record: DeletionRecord, forget: str, *, picture: str | None = None
) -> blocks.Chart | None:
  """Returns each attack's AUC of one forget set, by version.

  Args:
    name: a slug.
    record: the audit.
    forget: the forget set's label.
    picture: see `blocks.Chart`.

  Returns:
    None where no attack was made on it.
  """
  figures = {x.method: x for x in record.findings.pooled if x.forget == forget}
  versions = ordered(figures)
  made = [
    attack
    for attack in record.attacks
    if any(forgotten_auc(each, attack) for each in figures.values())
  ]
  if not made:
    return None
  series, said = [], []
  for place, attack in enumerate(made):
    aucs = {
      at: auc
      for at, method in enumerate(versions)
      if (auc := forgotten_auc(figures[method], attack))
    }
    found = [(at + _offset(place, len(made)), auc) for at, auc in aucs.items()]
    series.append(_points(attack, found, color=_ATTACK_COLORS.get(attack)))
    texts = [f'{method_name(versions[at])} {auc_text(x)}' for at, x in aucs.items()]
    said.append(f'By {attack}: {", ".join(texts)}.')
  main = main_attack(record)
  level = REFERENCE in figures and forgotten_auc(figures[REFERENCE], main)
  if level:
    ends, line = [-0.5, len(versions) - 0.5], [level.value] * 2
    label = f'full retrain, {main}'
    series.append(blocks.Series(name=label, x=ends, y=line, reference=True))
  return blocks.Chart(
    name=name,
    title=f'AUC of each attack, {forget_name(forget)}',
    description='AUC of deleted against unseen examples under each version, with 95% '
    f'intervals. {" ".join(said)}',
    x=blocks.Axis(label='version', categories=tuple(map(short_name, versions))),
    y=blocks.Axis(label='AUC, deleted against unseen examples'),
    series=tuple(series),
    picture=picture,
  )


def privacy(
  prefix: str, record: DeletionRecord, *, picture: str | None = None
) -> blocks.Chart | None:
  """Returns the AUC of the deleted examples against test accuracy, by version."""
  attack = main_attack(record)
  if attack is None:
    return None
  series, said, accuracies = [], [], []
  for method in _versions(record):
    figures = [
      each
      for each in record.findings.pooled
      if each.method == method and forgotten_auc(each, attack)
    ]
    found = [(each.test.value, forgotten_auc(each, attack)) for each in figures]
    if not found:
      continue
    names = [forget_name(each.forget) for each in figures]
    color = _COLORS[method]
    series.append(_points(method_name(method), found, color=color, labels=names))
    accuracies += [x for x, _ in found]
    said.append(
      f'{method_name(method)}: accuracy {_ends([x for x, _ in found], ".1%")}, AUC '
      f'{_ends([auc.value for _, auc in found], ".3f")}'
    )
  margin = 0.05 * (max(accuracies) - min(accuracies)) or 0.01
  low, high = min(accuracies) - margin, max(accuracies) + margin
  return blocks.Chart(
    name=f'{prefix}-privacy',
    title='What a version gives away of the deleted examples, against its accuracy',
    description=f'AUC of {attack} on deleted against unseen examples, by test '
    f'accuracy, a point a forget set. {"; ".join(said)}.',
    x=blocks.Axis(label='test accuracy', low=low, high=high),
    y=blocks.Axis(label=f'AUC of {attack}, deleted against unseen examples'),
    series=(*series, _guessing(low, high)),
    picture=picture,
  )


def _ends(values: Iterable[float], form: str) -> str:
  """Returns `45.7%`, or `45.2% to 46.3%` where values differ."""
  ends = dict.fromkeys(format(each, form) for each in (min(values), max(values)))
  return ' to '.join(ends)


def costs(
  prefix: str, record: DeletionRecord, *, picture: str | None = None
) -> blocks.Chart | None:
  """Returns how far each method is from the full retrain, by what it costs.

  Returns:
    None where there is no verdict on a method.
  """
  attack = main_attack(record)
  verdicts = [
    each
    for each in record.findings.verdicts
    if each.method in record.methods and each.attack == attack
  ]
  series, said, highest = [], [], 1.0
  for method in ordered(each.method for each in verdicts):
    found, names = [], []
    for each in verdicts:
      if each.method == method:
        key = each.forget, method
        shares = [x.share for x in record.costs if (x.forget, x.method) == key]
        # To leave the original as it is takes nothing, and need not have an entry.
        share = fmean(shares) if shares else 0.0
        found.append((share, each.comparison))
        names.append(forget_name(each.forget))
        said.append(
          f'{method_name(method)}, {names[-1]}: {share:.0%} of full retraining, '
          f'{difference_text(each.comparison)}'
        )
    highest = max(highest, *(x for x, _ in found))
    color = _COLORS[method]
    series.append(_points(method_name(method), found, color=color, labels=names))
  if not series:
    return None
  low, high = -0.06, highest + 0.06
  for level in (-MARGIN, MARGIN):
    line = {'x': [low, high], 'y': [level] * 2, 'style': 'dashed', 'reference': True}
    series.append(blocks.Series(name=f'margin, {level:+g}', **line))
  return blocks.Chart(
    name=f'{prefix}-cost',
    title='What a method costs, against how far it is from the full retrain',
    description=f'AUC of {attack} on the deleted examples less that of the full '
    f'retrain, with 95% intervals, by the share of full retraining that a method '
    f'takes. {"; ".join(said)}. Within {MARGIN:g} a method is as good as the full '
    'retrain.',
    x=blocks.Axis(label='cost, as a share of full retraining', low=low, high=high),
    y=blocks.Axis(label=f'AUC of {attack} less that of the full retrain'),
    series=tuple(series),
    picture=picture,
  )


def shards(
  prefix: str, record: DeletionRecord, *, picture: str | None = None
) -> blocks.Chart | None:
  """Returns test accuracy by the number of shards; None without sharded originals."""
  found = record.shard_accuracies
  numbers = sorted({each.num_shards for each in found})
  if not numbers or numbers[-1] == 1:
    return None
  groups: dict[str, dict[int, list[float]]] = {}
  for each in sorted(found, key=lambda each: each.num_shards):
    group = groups.setdefault(sharding_name(each), {})
    group.setdefault(each.num_shards, []).append(each.test.value)
  series = [
    blocks.Series(
      name=name,
      x=[numbers.index(number) for number in group],
      y=[fmean(tests) for tests in group.values()],
      low=[min(tests) for tests in group.values()],
      high=[max(tests) for tests in group.values()],
    )
    for name, group in groups.items()
  ]
  said = [
    f'{name}, {number} shards: {fmean(tests):.2%}'
    for name, group in groups.items()
    for number, tests in group.items()
  ]
  return blocks.Chart(
    name=f'{prefix}-shards',
    title='Test accuracy by the number of shards',
    description=f'Mean test accuracy over the seeds. {"; ".join(said)}.',
    x=blocks.Axis(label='shards', categories=tuple(map(str, numbers))),
    y=blocks.Axis(label='test accuracy'),
    series=tuple(series),
    picture=picture,
    note='Means over the seeds, from the lowest to the highest one.',
  )
