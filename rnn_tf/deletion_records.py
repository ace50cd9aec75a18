"""An audit of deletions as one object, written and read; without TensorFlow.

`deletion.json` is written last: where it is, the audit is finished.
"""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from rnn_tf.attack_config import ATTACKS
from rnn_tf.config import NONMEMBERS
from rnn_tf.deletion import results
from rnn_tf.deletion.results import Findings, Rate
from rnn_tf.deletion_config import AGGREGATIONS, METHODS
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from rnn_tf.typed_json import read_typed

FORMAT = 1

FOLDER = 'deletions'
"""The folder, in a run's, of the audits of deletions from it."""

FILE = 'deletion.json'

KINDS = ('uniform', 'grouped', 'class', 'ids')
"""Kinds of forget sets."""

VERSIONS = (results.ORIGINAL, results.SHARDED_ORIGINAL, *METHODS)
"""What a version's method may be."""

WORDS = (results.FORGOTTEN, results.NOT_FORGOTTEN, results.NOT_ENOUGH_DATA)

# Fields that are shares, wherever they are; `forgotten` and `unseen` of histograms.
_SHARES = frozenset(('fraction', 'target_fpr', 'constituents', 'forgotten', 'unseen'))
# And those that may be below 0; what is in neither is a count or an amount.
_SIGNED = frozenset(('value', 'low', 'high', 'edges'))
# How far what was computed in another order may stray.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForgetInfo:
  """A forget set, drawn anew for each seed.

  Attributes:
    label: such as `uniform-5pct`, `grouped1of5-10pct`, `class-3` or `ids-1a2b3c4d`.
    kind: `uniform`, `grouped`, `class` or `ids`.
    fraction: share of the training set asked for; None for `class` and `ids`.
    count: examples of D_f, of each seed the same.
    groups: seed (as text) -> the shards that the deletion was confined to, counted
      from 0; empty but for `grouped`.
  """

  label: str
  kind: str
  fraction: float | None
  count: int
  groups: Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
  """What it took to make one version.

  Attributes:
    seed: of the original's training.
    forget: the forget set's label; '' for originals, which have none.
    method: as in `deletion.results.Version`.
    run: the name of its folder.
    examples: gradients of examples computed: examples x epochs, summed over stages.
    share: of what full retraining without this forget set takes (of training the
      original, for originals), of `examples`.
    seconds: training, summed over models trained side by side; of runs with the
      validation after each epoch, which shards do not have.
    wall_seconds: during which at least one model was trained.
    workers: models trained side by side at most.
    shards_retrained: None but for sharded versions.
    num_shards: None but for sharded versions.
  """

  seed: int
  forget: str
  method: str
  run: str
  examples: int
  share: float
  seconds: float
  wall_seconds: float
  workers: int
  shards_retrained: int | None
  num_shards: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardAccuracy:
  """Test accuracy of a sharded original beside the plain one's.

  Attributes:
    seed: of the plain original's training.
    num_shards: 1 for the plain original.
    num_slices: of each shard.
    aggregation: `mean` or `vote`; '' for the plain original.
    test: accuracy of the whole.
    constituents: accuracies of the shards' models.
  """

  seed: int
  num_shards: int
  num_slices: int
  aggregation: str
  test: Rate
  constituents: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DeletionRecord:
  """What `rnn_tf.unlearn` has made and found.

  Attributes:
    label: the name of the audit's folder.
    asked: what was asked for, in short: the same text for the same deletion.
    run: the parent run's name.
    command: the command line that made it.
    dataset: TFDS name.
    model: the model's label.
    seeds: of the originals.
    methods: asked for, keys of `deletion.results.BEFORE`.
    attacks: made, `threshold`, `lr` and, where there was a fleet, `lira`.
    forget_sets: in the order asked for.
    unseen: where H comes from, `holdout` or `test`.
    matched: whether H was drawn with the labels' shares of D_f.
    train_size: examples of the original's training set.
    epochs: of the original's training.
    num_shards: of the sharded versions; None without them.
    num_slices: of each shard; None without sharded versions.
    aggregation: `mean` or `vote`; None without sharded versions.
    fleet_name: the shadow models' folder; None without.
    fleet_size: shadow models; 0 without.
    audit_seconds: the audit took, from logits to findings.
    costs: a version each.
    shard_accuracies: of all sharded originals of the run that are there.
    findings: what the audit found.
    folder: where it lies; None for one that was not read.
  """

  label: str
  asked: str
  run: str
  command: str
  dataset: str
  model: str
  seeds: tuple[int, ...]
  methods: tuple[str, ...]
  attacks: tuple[str, ...]
  forget_sets: tuple[ForgetInfo, ...]
  unseen: str
  matched: bool
  train_size: int
  epochs: int
  num_shards: int | None
  num_slices: int | None
  aggregation: str | None
  fleet_name: str | None
  fleet_size: int
  audit_seconds: float
  costs: tuple[Cost, ...]
  shard_accuracies: tuple[ShardAccuracy, ...]
  findings: Findings
  folder: RunFiles | None = None


def write(folder: RunFiles, record: DeletionRecord) -> None:
  """Writes `deletion.json`.

  Args:
    folder: of the audit, its name the record's label.
    record: of plain or NumPy numbers.

  Raises:
    ValueError: the record holds what could not be read again, such as a NaN.
  """
  values = dataclasses.asdict(dataclasses.replace(record, folder=None))
  del values['folder']
  values = {'format': FORMAT, **values}
  plain = json.loads(json.dumps(values, default=_number, allow_nan=False))
  _build(folder, plain)
  folder.write_json(FILE, plain)


def load(path: str | os.PathLike) -> DeletionRecord:
  """Reads the folder of an audit.

  Raises:
    UsageError: there is no finished audit in it, or one that another version wrote or
      a hand changed.
  """
  folder = RunFiles(path)
  if not (folder.path / FILE).is_file():
    raise UsageError(
      f'{folder}: has no {FILE}: not an audit of deletions, or an unfinished one: '
      'start its command again'
    )
  values = folder.read_json(FILE)
  try:
    return _build(folder, values)
  except ValueError as error:
    raise UsageError(
      f'{folder}: its {FILE} is damaged, edited or of another version of rnn_tf '
      f'({error}): make the audit again with --overwrite'
    ) from error


def _number(value: Any) -> Any:
  if isinstance(value, np.generic):
    return value.item()
  raise ValueError(f'{value!r} cannot be written')


def _build(folder: RunFiles, values: Any) -> DeletionRecord:
  """Rebuilds a record; raises ValueError where it cannot be one."""
  if not isinstance(values, dict) or values.get('format') != FORMAT:
    raise ValueError(f'{FILE} is not of format {FORMAT}')
  values = {name: value for name, value in values.items() if name != 'format'}
  record = read_typed(DeletionRecord, values, where=FILE, allows=_allows)
  for where, part in _parts(record, FILE):
    if not _HOLDS.get(type(part), lambda part: True)(part):
      raise ValueError(f'{where} contradicts itself: {part}')
  _check_names(record, folder.path.resolve().name)
  _check_once(record)
  if any(len(x.seeds) != len(record.seeds) for x in record.findings.two_versions):
    raise ValueError(f'two_versions has not {len(record.seeds)} seeds')
  return dataclasses.replace(record, folder=folder)


def _allows(name: str, value: float) -> bool:
  least = -math.inf if name in _SIGNED else 0
  return least <= value <= (1 if name in _SHARES else math.inf)


def _parts(value: Any, where: str) -> Iterator[tuple[str, Any]]:
  """Yields the dataclasses in a value, itself among them, and where each is."""
  if dataclasses.is_dataclass(value):
    yield where, value
    for field in dataclasses.fields(value):
      yield from _parts(getattr(value, field.name), f'{where}, {field.name}')
  elif isinstance(value, tuple):
    for number, item in enumerate(value, start=1):
      yield from _parts(item, f'{where} {number}')


def _rising(*values: float) -> bool:
  return bool((np.diff(values) >= -_ROUNDING).all())


def _verdict_holds(verdict: results.Verdict) -> bool:
  """Whether a verdict's word may follow from its interval."""
  low, high = verdict.comparison.low, verdict.comparison.high
  margin = results.MARGIN
  if verdict.word == results.FORGOTTEN:
    return _rising(-margin, low, high, margin)
  if verdict.word == results.NOT_FORGOTTEN:
    return _rising(margin, low) or _rising(high, -margin)
  return True


def _histogram_holds(histogram: results.Histogram) -> bool:
  bins = len(histogram.edges) - 1
  return (
    bool((np.diff(histogram.edges) > 0).all())
    and bins == len(histogram.forgotten) == len(histogram.unseen) > 0
  )


_HOLDS: dict[type, Callable[[Any], bool]] = {
  Rate: lambda x: x.count <= x.n and _rising(0, x.low, x.value, x.high, 1),
  results.Auc: lambda x: _rising(0, x.low, x.value, x.high, 1),
  results.SeedDifference: lambda x: _rising(x.low, x.value, x.high),
  results.Comparison: lambda x: _rising(x.low, x.value, x.high) and abs(x.value) <= 1,
  results.Hit: lambda x: x.false_positives <= x.n_unseen,
  results.Verdict: _verdict_holds,
  results.Collateral: lambda x: x.newly_exposed <= x.exposed_after,
  results.Histogram: _histogram_holds,
  Cost: lambda x: (
    (x.shards_retrained is None) == (x.num_shards is None)
    and (x.num_shards is None or x.shards_retrained <= x.num_shards)
  ),
}
"""Part of a record -> whether its fields can be true together."""


def _rows(record: DeletionRecord) -> dict[str, tuple[Any, ...]]:
  """Returns the record's tables, of which each row is of one forget set and method."""
  findings = record.findings
  names = [field.name for field in dataclasses.fields(findings)]
  return {name: getattr(findings, name) for name in names} | {'costs': record.costs}


def _check_names(record: DeletionRecord, folder: str) -> None:
  """Raises ValueError where something is named that cannot be there."""
  labels = [forget.label for forget in record.forget_sets]
  checks: list[tuple[str, Any, Iterable[Any]]] = [
    ('label', record.label, [folder]),
    ('unseen', record.unseen, NONMEMBERS),
    ('aggregation', record.aggregation, (None, *AGGREGATIONS)),
    *(('methods', method, METHODS) for method in record.methods),
    *(('attacks', attack, ATTACKS) for attack in record.attacks),
    *(('kind', forget.kind, KINDS) for forget in record.forget_sets),
    *(('word', verdict.word, WORDS) for verdict in record.findings.verdicts),
  ]
  shards = [each.aggregation for each in record.shard_accuracies]
  checks += [('aggregation', how, ('', *AGGREGATIONS)) for how in shards]
  for name, rows in _rows(record).items():
    forgets = ['', *labels] if name == 'costs' else labels
    seeds = (None,) if name == 'pooled' else record.seeds
    for row in rows:
      checks.append((f'{name}, forget', row.forget, forgets))
      checks.append((f'{name}, method', row.method, VERSIONS))
      if hasattr(row, 'attack'):
        checks.append((f'{name}, attack', row.attack, record.attacks))
      if hasattr(row, 'seed'):
        checks.append((f'{name}, seed', row.seed, seeds))
  for row in (*record.findings.versions, *record.findings.pooled):
    checks += [('attack', each.attack, record.attacks) for each in row.attacks]
  for name, value, allowed in checks:
    if value not in allowed:
      raise ValueError(f'{name}: {value!r} is none of {", ".join(map(str, allowed))}')


def _check_once(record: DeletionRecord) -> None:
  """Raises ValueError where two rows say something of the same."""
  for name, rows in _rows(record).items():
    seen = set()
    for row in rows:
      fields = ('seed', 'forget', 'method', 'attack', 'features')
      key = tuple(getattr(row, field, None) for field in fields)
      if key in seen:
        said = ', '.join(str(part) for part in key if part is not None)
        raise ValueError(f'{name} has {said} twice')
      seen.add(key)
