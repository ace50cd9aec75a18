"""What the figures of a deletion must be by each other, and what its models took.

This holds without any model's outputs: shares follow from counts, means from the seeds'
values, verdicts from intervals, costs from examples and epochs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tf.deletion import figures as rates
from rnn_tf.deletion import sisa, verdicts
from rnn_tf.deletion.results import (
  BEFORE,
  ORIGINAL,
  REFERENCE,
  AttackFigures,
  Auc,
  Comparison,
  Rate,
  VersionFigures,
)
from rnn_tf.deletion_records import Cost, ShardAccuracy
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.verification.checks import (
  Check,
  Finding,
  Gap,
  MissingError,
  fact,
  figure,
  figures,
)
from rnn_tf.verification.ids import FILE
from rnn_tf.verification.versions import SHARDED, Study

_PARTS = ('train', 'forgotten', 'retained', 'test')

_Versions = Mapping[tuple[int, str, str], VersionFigures]


def check(study: Study, file: str) -> Iterator[Finding]:
  """Checks an audit against itself, and what is said of its models.

  Args:
    study: the deletion.
    file: of its record.

  Raises:
    UsageError: the folder of a model is damaged.
  """
  found = study.deletion.findings
  versions = {(row.seed, row.forget, row.method): row for row in found.versions}
  yield _expected(study, file, versions)
  for row in found.versions:
    place = f'versions, seed {row.seed}, {row.forget}, {row.method}'
    yield from _of_counts(file, place, row)
  for row in found.pooled:
    yield from _pooled(study, file, row, versions)
  for row in found.verdicts:
    place = f'verdicts, {row.forget}, {row.method}, {row.attack}'
    pair = row.method, REFERENCE
    yield from _comparison(file, place, row, versions, pair=pair, part='forgotten')
    again = verdicts.verdict(
      row.comparison, forget=row.forget, method=row.method, attack=row.attack
    )
    for name in ('word', 'needed'):
      stored, recomputed = getattr(row, name), getattr(again, name)
      yield figure(file, place, name=name, stored=stored, recomputed=recomputed)
  for row in found.collateral:
    place = f'collateral, {row.forget}, {row.method}, {row.attack}'
    pair = row.method, BEFORE.get(row.method, '')
    yield from _comparison(file, place, row, versions, pair=pair, part='retained')
  for row in found.two_versions:
    place = f'two_versions, {row.forget}, {row.method}, {row.features}'
    yield from _mean(file, place, row.pooled, row.seeds, name='pooled')
  for row in found.histograms:
    place = f'histograms, {row.forget}, {row.method}, {row.attack}'
    for name in ('forgotten', 'unseen'):
      total = math.fsum(getattr(row, name))
      yield figure(file, place, name=f'{name}, sum', stored=total, recomputed=1.0)
  yield from _costs(study, file, versions)
  yield from _shard_accuracies(study, file, versions)


def _expected(study: Study, file: str, versions: _Versions) -> Check:
  """Checks that there is a version of each seed, forget set and method."""
  deletion = study.deletion
  methods = {ORIGINAL, *deletion.methods, *(BEFORE[name] for name in deletion.methods)}
  missing = [
    f'{method} of {forget.label}, seed {seed}'
    for seed in deletion.seeds
    for forget in deletion.forget_sets
    for method in sorted(methods)
    if (seed, forget.label, method) not in versions
  ]
  problem = f'there is none of {missing[0]}' if missing else None
  return fact(file, 'versions', name='rows', problem=problem)


def _of_counts(file: str, place: str, row: VersionFigures) -> Iterator[Check]:
  """Checks the shares in a row against their counts."""
  for part in _PARTS:
    yield from _rate(file, place, getattr(row, part), name=part)
  for attack in row.attacks:
    for number, hit in enumerate(attack.hits, start=1):
      name = f'hits {number}, tpr'
      yield from _rate(file, f'{place}, {attack.attack}', hit.tpr, name=name)


def _rate(file: str, place: str, stored: Rate, *, name: str) -> Iterator[Check]:
  again = rates.rate(stored.count, stored.n) if stored.n else stored
  yield from figures(file, place, stored=stored, recomputed=again, name=name)


def _mean(
  file: str, place: str, stored: Auc, seeds: Sequence[Auc], *, name: str
) -> Iterator[Check]:
  """Checks a pooled AUC against those of the seeds."""
  expected = {
    'value': float(np.mean([each.value for each in seeds])),
    'n_first': sum(each.n_first for each in seeds),
    'n_second': sum(each.n_second for each in seeds),
  }
  for key, value in expected.items():
    yield figure(
      file,
      place,
      name=f'{name}, {key}',
      stored=getattr(stored, key),
      recomputed=value,
    )


def _pooled(
  study: Study, file: str, row: VersionFigures, versions: _Versions
) -> Iterator[Check]:
  place = f'pooled, {row.forget}, {row.method}'
  keys = [(seed, row.forget, row.method) for seed in study.deletion.seeds]
  seeds = [versions[key] for key in keys if key in versions]
  names = tuple(name for each in seeds for name in each.runs)
  yield from figures(file, place, stored=row.runs, recomputed=names, name='runs')
  for part in _PARTS if seeds else ():
    summed = _summed([getattr(each, part) for each in seeds])
    stored = getattr(row, part)
    yield from figures(file, place, stored=stored, recomputed=summed, name=part)
  for attack in row.attacks:
    here = f'{place}, {attack.attack}'
    of_seeds = [x for each in seeds for x in each.attacks if x.attack == attack.attack]
    for part in ('forgotten', 'retained') if of_seeds else ():
      parts = [getattr(each, part) for each in of_seeds]
      yield from _mean(file, here, getattr(attack, part), parts, name=part)
    for number, hits in enumerate(
      zip(attack.hits, *(each.hits for each in of_seeds), strict=False), start=1
    ):
      stored, *each = hits
      for name in ('false_positives', 'n_unseen'):
        yield figure(
          file,
          here,
          name=f'hits {number}, {name}',
          stored=getattr(stored, name),
          recomputed=sum(getattr(hit, name) for hit in each),
        )
      summed = _summed([hit.tpr for hit in each])
      name = f'hits {number}, tpr'
      yield from figures(file, here, stored=stored.tpr, recomputed=summed, name=name)


def _summed(parts: Sequence[Rate]) -> Rate:
  return rates.rate(sum(each.count for each in parts), sum(each.n for each in parts))


def _comparison(
  file: str,
  place: str,
  row: Any,
  versions: _Versions,
  *,
  pair: tuple[str, str],
  part: str,
) -> Iterator[Check]:
  """Checks a difference of AUCs against the AUCs.

  Args:
    file: of the record.
    place: of the row.
    row: a verdict or a collateral.
    versions: by seed, forget set and method.
    pair: methods, of which the second is subtracted.
    part: whose AUC, see `AttackFigures`.
  """
  stored: Comparison = row.comparison
  sizes = [0, 0]
  for number, each in enumerate(stored.seeds, start=1):
    place_in = f'comparison, seeds {number}'
    found = [
      getattr(attack, part)
      for method in pair
      for attack in _attacks(versions.get((each.seed, row.forget, method)))
      if attack.attack == row.attack
    ]
    if len(found) < 2:
      problem = 'there are no AUCs to compare'
      yield fact(file, place, name=place_in, problem=problem)
      continue
    sizes = [sizes[0] + found[0].n_first, sizes[1] + found[0].n_second]
    difference = found[0].value - found[1].value
    name = f'{place_in}, value'
    yield figure(file, place, name=name, stored=each.value, recomputed=difference)
  expected = {
    'value': float(np.mean([each.value for each in stored.seeds] or [0.0])),
    'n_forgotten': sizes[0],
    'n_unseen': sizes[1],
  }
  for name, value in expected.items():
    kept = getattr(stored, name)
    name = f'comparison, {name}'
    yield figure(file, place, name=name, stored=kept, recomputed=value)


def _attacks(row: VersionFigures | None) -> tuple[AttackFigures, ...]:
  return () if row is None else row.attacks


def _costs(study: Study, file: str, versions: _Versions) -> Iterator[Finding]:
  """Checks what the models took against their own files."""
  sizes = {forget.label: forget.count for forget in study.deletion.forget_sets}
  # Originals are the same under all forget sets, and `none` is the original.
  names = {(seed, method): row.runs for (seed, _, method), row in versions.items()}
  names |= {key: row.runs for key, row in versions.items()}
  for row in study.deletion.costs:
    place = f'costs, seed {row.seed}, {row.forget or "nothing"}, {row.method}'
    key = (row.seed, row.forget, row.method) if row.forget else (row.seed, row.method)
    name = '' if row.method == 'none' else ', '.join(names.get(key, ()))
    yield figure(file, place, name='run', stored=row.run, recomputed=name)
    try:
      expected = _cost(study, row) if row.run else dict.fromkeys(_MEASURED, 0)
    except MissingError as error:
      yield Gap(what=f'{file}, {place}', why=str(error))
      continue
    full = (
      study.deletion.train_size - sizes.get(row.forget, 0)
    ) * study.deletion.epochs
    expected['share'] = expected['examples'] / full
    for name, value in expected.items():
      stored = getattr(row, name)
      yield figure(file, place, name=name, stored=stored, recomputed=value)


_MEASURED = ('examples', 'seconds', 'wall_seconds')


def _cost(study: Study, row: Cost) -> dict[str, Any]:
  path = study.folder(row.run)
  if row.method not in SHARDED:
    folder = RunFiles(path)
    rows = folder.read_rows()
    examples = len(folder.read_npz(FILE, needs=['train_ids'])['train_ids'])
    seconds = float(sum(each['seconds'] for each in rows))
    return {
      'examples': examples * len(rows),
      'seconds': seconds,
      'wall_seconds': seconds,
      'workers': 1,
      'shards_retrained': None,
      'num_shards': None,
    }
  result = ShardedFolder(path).result()
  try:
    trained = [each for each in result['shards'] if each['first_stage'] is not None]
    return {
      **{name: result[name] for name in (*_MEASURED, 'workers')},
      'shards_retrained': len(trained),
      'num_shards': len(result['shards']),
    }
  except KeyError as error:
    raise UsageError(f'{path}: its result.json is damaged: no {error}') from error


def _shard_accuracies(
  study: Study, file: str, versions: _Versions
) -> Iterator[Finding]:
  """Checks the accuracies of sharded originals beside the plain one's."""
  labels = study.test_labels
  for row in study.deletion.shard_accuracies:
    place = f'shard_accuracies, seed {row.seed}, {row.num_shards} shards'
    yield from _rate(file, place, row.test, name='test')
    if row.num_shards == 1:
      plain = [
        each
        for (seed, _, method), each in versions.items()
        if (seed, method) == (row.seed, ORIGINAL)
      ]
      for each in plain[:1]:
        yield from figures(
          file,
          place,
          stored=row.test,
          recomputed=each.test,
          name='test of the original',
        )
    elif labels is not None:
      yield from _shards(study, file, row, place=place, labels=labels)
    else:
      why = 'the labels of the test images are not kept (--nonmembers=holdout)'
      yield Gap(what=f'{file}, shard_accuracies of shards', why=why)


def _shards(
  study: Study, file: str, row: ShardAccuracy, *, place: str, labels: np.ndarray
) -> Iterator[Finding]:
  originals = {
    each.seed: each.runs[0]
    for each in study.deletion.findings.versions
    if each.method == ORIGINAL and each.runs
  }
  slices = f'x{row.num_slices}' if row.num_slices > 1 else ''
  name = f'{originals.get(row.seed, "")}-sharded{row.num_shards}{slices}'
  try:
    _, logits = ShardedFolder(study.folder(name)).load()
  except MissingError as error:
    yield Gap(what=f'{file}, {place}', why=str(error))
    return
  right = sisa.aggregate(logits, row.aggregation).argmax(axis=1) == labels
  yield from figures(
    file,
    place,
    stored=row.test,
    recomputed=rates.rate(int(right.sum()), len(labels)),
    name='test from outputs',
  )
  each = (logits.argmax(axis=2) == labels).mean(axis=1).tolist()
  stored = row.constituents
  yield from figures(file, place, stored=stored, recomputed=each, name='constituents')
