"""Charts by epoch, of one run or of several of one data set together."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rnn_tf.attacks.results import AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import (
  ABOUT_GROUPS,
  Line,
  Path,
  Picture,
  attacks_of,
  examples,
  guesses,
  lines,
  listed,
  no_picture,
  numbers,
  results_of,
  seeds,
  series,
  spread,
)
from rnn_tf.records import RunRecord
from rnn_tf.stopping import Recommendation

_EPOCHS = 120
"""Epochs of all runs that are shown in full; of more every second, or fewer."""


def learning_curves(
  records: Sequence[RunRecord], *, picture: Picture = no_picture
) -> tuple[blocks.Chart, ...]:
  """Returns accuracy and loss on training and test images by epoch, two charts.

  Args:
    records: at least one, of one data set.
    picture: see `run_lines.Picture`.
  """
  found = lines(records)
  note = (
    'On training images: the mean over the epoch, while the network was learning; on '
    f'test images: after it. {_examples_of(records)}; {seeds(records)}.'
  )
  step = -(-sum(record.epochs for record in records) // _EPOCHS)
  if step > 1:
    note += f' Of the epochs between, one in {step} is shown.'
  if len(found) < len(records):
    note += f' {ABOUT_GROUPS}'
  charts = []
  for quantity, label in (
    ('accuracy', 'accuracy (share classified correctly)'),
    ('loss', 'cross-entropy (nats per image)'),
  ):
    shown = []
    for line in found:
      for column, what, style in (
        (f'val_{quantity}', 'test', 'line'),
        (quantity, 'training', 'dashed'),
      ):
        paths = [_epochs(record, column, step) for record in line.records]
        name = f'{line.name}, {what}' if len(found) > 1 else what
        color = line.color + (what == 'training' and len(found) == 1)
        shown.append(series(name, paths, style=style, color=color))
    about = listed([_about_training(line, quantity) for line in found])
    charts.append(
      blocks.Chart(
        name=f'{quantity}-by-epoch',
        title=f'{quantity.capitalize()} by epoch',
        description=f'{quantity.capitalize()} on training and on test images by epoch: '
        f'{about}.',
        x=blocks.Axis(label='epoch'),
        y=blocks.Axis(label=label),
        series=tuple(shown),
        picture=picture('learning_curves'),
        note=note,
      )
    )
  return tuple(charts)


def _examples_of(records: Sequence[RunRecord]) -> str:
  train, test = (
    spread([getattr(record.data, name) for record in records], ',')
    for name in ('train', 'test')
  )
  return f'{train} training and {test} test images'


def _epochs(record: RunRecord, column: str, step: int) -> Path:
  """Returns a column by epoch; one in `step` epochs, and the first, best and last."""
  metrics = record.metrics
  epochs = metrics['epoch']
  kept = (epochs % step == 0) | epochs.isin([epochs.iloc[0], epochs.iloc[-1]])
  kept |= metrics['val_accuracy'] == metrics['val_accuracy'].max()
  kept |= metrics['val_loss'] == metrics['val_loss'].min()
  shown = metrics[kept]
  return Path(run=record.name, x=shown['epoch'], y=shown[column])


def _about_training(line: Line, quantity: str) -> str:
  """Says what a line comes to at its end, and what it was at its best."""
  frames = [record.metrics for record in line.records]
  last = pd.DataFrame([frame.iloc[-1] for frame in frames])
  epochs = spread(last['epoch'], '.0f')
  text = f'{line.name}: after epoch {epochs}'
  best = np.fmax.reduce if quantity == 'accuracy' else np.fmin.reduce
  for column, what in ((quantity, 'training'), (f'val_{quantity}', 'test')):
    if last[column].notna().any():
      text += f', {spread(last[column], ".4f")} on {what} images'
  tests = [frame.set_index('epoch')[f'val_{quantity}'].dropna() for frame in frames]
  tests = [test for test in tests if len(test)]
  if not tests:
    return text
  extremes = [best(test) for test in tests]
  places = [
    test[test == value].index[0] for test, value in zip(tests, extremes, strict=True)
  ]
  word = 'highest' if quantity == 'accuracy' else 'lowest'
  return (
    f'{text}; on test images the {word} is {spread(extremes, ".4f")}, '
    f'after epoch {spread(places, ".0f")}'
  )


def leakage_by_epoch(
  records: Sequence[RunRecord],
  *,
  advice: Sequence[Recommendation] = (),
  picture: Picture = no_picture,
) -> tuple[blocks.Chart, ...]:
  """Returns the AUC of the attacks by epoch, beside where guesses end.

  Args:
    records: at least one, of one data set.
    advice: recommended epochs of some of them, which are marked.
    picture: see `run_lines.Picture`.

  Returns:
    Of one run a chart of all attacks, of several a chart of each; none without a
    report.
  """
  marks = {each.run: each.epoch for each in advice if each.epoch is not None}
  attacks = attacks_of(records)
  if not attacks:
    return ()
  if len(records) > 1:
    return tuple(_leakage(records, (attack,), marks, picture) for attack in attacks)
  return (_leakage(records, attacks, marks, picture),)


def _leakage(
  records: Sequence[RunRecord],
  attacks: tuple[str, ...],
  marks: Mapping[str, int],
  picture: Picture,
) -> blocks.Chart:
  """Returns one chart: the attacks of one run, or one attack on several."""
  found, alone = lines(records), len(records) == 1
  shown = []
  for line in found:
    for place, attack in enumerate(attacks):
      paths = [_aucs(record, attack) for record in line.records]
      name = attack if alone else line.name
      shown.append(series(name, paths, color=place if alone else line.color))
  results = [r for record in records for a in attacks for r in results_of(record, a)]
  marked = [r for r in results if marks.get(r.model) == r.epoch]
  if marked:
    # What comes first is drawn on top.
    shown.insert(0, _mark(results, marked[0].epoch) if alone else _marks(marked))
  shown += guesses(results, [each.epoch for each in results], attacks=attacks)
  title = 'AUC by epoch' if alone else f'AUC of the {attacks[0]} attack by epoch'
  bands = ', with 95% intervals' if len(found) == len(records) else ''
  note = f'{examples(results)}; {seeds(records)}. 0.5 is guessing; grey: where 95% of '
  note += 'guesses end.'
  if not bands:
    note += f' {ABOUT_GROUPS}'
  return blocks.Chart(
    name='leakage-by-epoch' + ('' if alone else f'-{blocks.slug(attacks[0])}'),
    title=f'{title}{bands}',
    description=f'{title}: {listed(_about_leakage(found, attacks))}. {note}',
    x=blocks.Axis(label='epoch'),
    y=blocks.Axis(label='AUC'),
    series=tuple(each for each in shown if each is not None),
    picture=picture('leakage_by_epoch'),
    note=note,
  )


def _aucs(record: RunRecord, attack: str) -> Path:
  results = results_of(record, attack)
  columns = {
    axis: [getattr(result, name) for result in results]
    for axis, name in (
      *(('x', 'epoch'), ('y', 'auc')),
      *(('low', 'auc_low'), ('high', 'auc_high')),
    )
  }
  return Path(run=record.name, **columns)


def _mark(results: Sequence[AttackResult], epoch: int) -> blocks.Series:
  """Returns a line that marks an epoch of the only run."""
  ends = [0.5, *(r.auc_low for r in results), *(r.auc_high for r in results)]
  return blocks.Series(
    name=f'recommended: stop after epoch {epoch}',
    x=[epoch, epoch],
    y=numbers([min(ends), max(ends)]),
    style='dashed',
    reference=True,
  )


def _marks(marked: Sequence[AttackResult]) -> blocks.Series:
  return blocks.Series(
    name='recommended epoch',
    x=[result.epoch for result in marked],
    y=numbers(result.auc for result in marked),
    style='points',
    labels=[
      f'{result.model}, epoch {result.epoch}, {result.attack}' for result in marked
    ],
  )


def _about_leakage(found: Sequence[Line], attacks: Sequence[str]) -> list[str]:
  texts = []
  for line in found:
    for attack in attacks:
      courses = [results_of(record, attack) for record in line.records]
      courses = [course for course in courses if course]
      if not courses:
        continue
      first, last = ([course[end] for course in courses] for end in (0, -1))
      text = f'{line.name}, {attack}: '
      if first != last:
        text += f'{_auc(first)} after epoch {_epoch(first)}, '
      texts.append(f'{text}{_auc(last)} after epoch {_epoch(last)}')
  return texts


def _auc(results: Sequence[AttackResult]) -> str:
  if len(results) == 1:
    (one,) = results
    return f'{one.auc:.3f} [{one.auc_low:.3f}, {one.auc_high:.3f}]'
  return spread([result.auc for result in results], '.3f')


def _epoch(results: Sequence[AttackResult]) -> str:
  return spread([result.epoch for result in results], '.0f')
