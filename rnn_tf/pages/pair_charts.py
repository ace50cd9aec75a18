"""Charts of plain against differentially private runs of one data set."""

from collections.abc import Sequence

import numpy as np

from rnn_tf import claims, seed_groups
from rnn_tf.attacks.results import ENTIRE, AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import (
  Path,
  Picture,
  attacks_of,
  examples,
  guesses,
  listed,
  no_picture,
  numbers,
  padded_axis,
  results_of,
  seeds,
  series,
  spread,
)
from rnn_tf.records import RunRecord
from rnn_tf.rounding import round_up
from rnn_tf.seed_groups import Group

Point = tuple[RunRecord, float, AttackResult]
"""A run, its test accuracy, and an attack on it, all after one epoch."""


def dp_privacy_vs_utility(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> tuple[blocks.Chart, ...]:
  """Returns AUC against test accuracy at the last report, a chart an attack.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.

  Returns:
    No chart of an attack that fewer than two runs have a last report and a test
    accuracy of.
  """
  groups = seed_groups.find(records)
  charts = []
  for attack in attacks_of(records):
    points = {
      name: [each for record in group.records for each in _last(record, attack)]
      for name, group in zip(seed_groups.names(groups), groups, strict=True)
    }
    if sum(map(len, points.values())) > 1:
      levels = dict(zip(points, map(seed_groups.level, groups), strict=True))
      charts.append(_against_accuracy(groups, points, levels, attack, picture))
  return tuple(charts)


def _last(record: RunRecord, attack: str) -> list[Point]:
  """Returns the attack of the last report, with the test accuracy there."""
  accuracies = record.metrics.set_index('epoch')['val_accuracy']
  last = {result.epoch for result in record.last_results()}
  return [
    (record, accuracies[result.epoch], result)
    for result in results_of(record, attack)
    if result.epoch in last and not np.isnan(accuracies[result.epoch])
  ]


def _against_accuracy(
  groups: Sequence[Group],
  points: dict[str, list[Point]],
  levels: dict[str, str],
  attack: str,
  picture: Picture,
) -> blocks.Chart:
  shown = [
    _group_series(name, found, level=levels[name], color=color)
    for color, (name, found) in enumerate(points.items())
    if found
  ]
  shown += _means(groups, points, levels)
  every = [each for found in points.values() for each in found]
  results = [result for _, _, result in every]
  accuracies = [accuracy for _, accuracy, _ in every]
  shown += guesses(results, numbers(accuracies), attacks=[attack])
  texts = [
    f'{name}: AUC {spread([result.auc for _, _, result in found], ".3f")} at a test '
    f'accuracy of {spread([accuracy for _, accuracy, _ in found], ".4f")}'
    for name, found in points.items()
    if found
  ]
  return blocks.Chart(
    name=f'dp-privacy-vs-utility-{blocks.slug(attack)}',
    title=f'Plain and private: AUC of the {attack} attack against test accuracy, last '
    'report',
    description=f'AUC of the {attack} attack against test accuracy at the last report, '
    f'by epsilon. {listed(texts)}.',
    x=padded_axis('test accuracy', accuracies),
    y=blocks.Axis(label='AUC, with its 95% interval'),
    series=tuple(shown),
    picture=picture('dp_privacy_vs_utility'),
    note=f'{examples(results)}; {seeds([record for record, _, _ in every])}. Dashed: '
    'joins the means over finished seeds of what differs by epsilon alone. Grey: where '
    '95% of guesses end.',
  )


def _group_series(
  name: str, found: Sequence[Point], *, level: str, color: int
) -> blocks.Series:
  results = [result for _, _, result in found]
  return blocks.Series(
    name=name,
    x=numbers(accuracy for _, accuracy, _ in found),
    y=numbers(result.auc for result in results),
    low=numbers(result.auc_low for result in results),
    high=numbers(result.auc_high for result in results),
    style='points',
    color=color,
    labels=[f'{level}, {record.name}' for record, _, _ in found],
  )


def _means(
  groups: Sequence[Group],
  points: dict[str, list[Point]],
  levels: dict[str, str],
) -> list[blocks.Series]:
  """Returns the means over seeds, joined where they differ by epsilon alone."""
  paths: dict[str, list[tuple[float, float, str]]] = {}
  for group, (name, found) in zip(groups, points.items(), strict=True):
    counted = [each for each in found if each[0].finished is not None]
    if counted:
      x, y = (
        np.mean([each[1] for each in counted]),
        np.mean([each[2].auc for each in counted]),
      )
      key = str(claims.plain_config(group.config))
      paths.setdefault(key, []).append(
        (x, y, f'{levels[name]}, mean of {len(counted)}')
      )
  several = [path for path in paths.values() if len(path) > 1]
  found = [
    Path(
      run='', **dict(zip(('x', 'y', 'labels'), zip(*path, strict=True), strict=True))
    )
    for path in several
  ]
  joined = series('means over seeds, by epsilon', found, style='dashed')
  return [] if joined is None else [joined]


def epsilon_by_epoch(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> blocks.Chart | None:
  """Returns the epsilon that is claimed, and what the attacks show of it, by epoch.

  Args:
    records: of one data set.
    picture: see `run_lines.Picture`.

  Returns:
    None where no private run knows its epsilon.
  """
  private = [
    record
    for record in records
    if record.config.privacy.dp and 'epsilon' in record.metrics
  ]
  groups = seed_groups.find(private)
  shown, texts = [], []
  for color, name in enumerate(seed_groups.names(groups)):
    group = groups[color].records
    claimed = [
      Path(run=record.name, x=record.metrics['epoch'], y=record.metrics['epsilon'])
      for record in group
    ]
    bounds = list(map(_bounds, group))
    shown += [
      series(f'{name}: claimed', claimed, color=color),
      series(f'{name}: at least', bounds, color=color, style='dashed'),
    ]
    last = max(path.y.iloc[-1] for path in claimed)
    text = f'{name}: {round_up(last, 4):g} claimed at the end'
    highest = [value for path in bounds for value in path.y]
    if highest:
      text += f', at least {max(highest):.3f} by the attacks of some report'
    texts.append(text)
  shown = [each for each in shown if each is not None]
  if not shown:
    return None
  return blocks.Chart(
    name='epsilon-by-epoch',
    title='Epsilon claimed, and what the attacks show of it, by epoch',
    description=f'Epsilon by epoch. {listed(texts)}.',
    x=blocks.Axis(label='epoch'),
    y=blocks.Axis(label='epsilon', low=0.0),
    series=tuple(shown),
    picture=picture('epsilon_by_epoch'),
    note=f'Lines: the accountant. Dashed: the highest lower bound of any attack on all '
    f'examples, each at 95% confidence; {seeds(private)}.',
  )


def _bounds(record: RunRecord) -> Path:
  """Returns the highest lower bound of any attack, report by report."""
  highest: dict[int, AttackResult] = {}
  for result in record.results:
    bound = result.epsilon_lower_bound
    if result.slice != ENTIRE or result.skipped or bound is None:
      continue
    best = highest.get(result.epoch)
    if best is None or bound > best.epsilon_lower_bound:
      highest[result.epoch] = result
  found = highest.values()
  return Path(
    run=record.name,
    x=[result.epoch for result in found],
    y=[result.epsilon_lower_bound for result in found],
    labels=[f'{record.name}, {result.attack}' for result in found],
  )
