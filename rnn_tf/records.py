"""A run's folder as one object, read and checked; without TensorFlow."""

import dataclasses
import glob
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnn_tf.attacks import result_lines
from rnn_tf.attacks import results as attack_results
from rnn_tf.attacks.results import AttackResult, Report
from rnn_tf.config import RunConfig
from rnn_tf.errors import UsageError, closest_match
from rnn_tf.runs import SHARDED, RunFolder
from rnn_tf.typed_json import read_typed

LOG = logging.getLogger('rnn_tf')

_SECONDS = ('seconds', 'report_seconds')


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataInfo:
  """The data a run was made with.

  Attributes:
    name: TFDS name.
    version: TFDS version.
    class_names: (classes,) in the order of the labels.
    train: training examples.
    holdout: examples of the training pool that were left out.
    test: test examples.
    image_shape: (height, width, channels).
    checksums: split -> a number that changes with any id, label or pixel; empty
      where the run did not keep them.
  """

  name: str
  version: str
  class_names: tuple[str, ...]
  train: int
  holdout: int
  test: int
  image_shape: tuple[int, ...]
  checksums: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
  """What a run has written so far.

  Attributes:
    name: the folder's name.
    folder: where the run lies.
    config: what the run is.
    command: the command line that made it.
    data: the data it was made with.
    parameters: weights of the network.
    metrics: one row an epoch, with the columns epoch, loss, accuracy, val_loss,
      val_accuracy, seconds and others, epsilon among them where training is
      differentially private; at least one row.
    results: every attack, slice and report, by epoch.
    finished: the content of result.json; None while the run is unfinished.
  """

  name: str
  folder: RunFolder
  config: RunConfig
  command: str
  data: DataInfo
  parameters: int
  metrics: pd.DataFrame
  results: tuple[AttackResult, ...]
  finished: Mapping[str, Any] | None

  @property
  def epochs(self) -> int:
    """Epochs trained so far."""
    return len(self.metrics)

  @property
  def seconds(self) -> float:
    """Seconds the run took; of an unfinished run, those of its epochs."""
    if self.finished is not None:
      return float(self.finished['seconds'])
    timed = [name for name in _SECONDS if name in self.metrics]
    return float(self.metrics[timed].to_numpy().sum())

  @property
  def attacks(self) -> tuple[str, ...]:
    """Names of the attacks that were reported, in the order of the reports."""
    return tuple(dict.fromkeys(result.attack for result in self.results))

  def entire(self, attack: str) -> tuple[AttackResult, ...]:
    """Returns an attack's results on the entire data set, by epoch."""
    return tuple(
      result
      for result in self.results
      if result.attack == attack and result.slice == attack_results.ENTIRE
    )

  def last_results(self) -> tuple[AttackResult, ...]:
    """Returns all results of the last report."""
    if not self.results:
      return ()
    last = self.results[-1].epoch
    return tuple(result for result in self.results if result.epoch == last)

  def last_report(self) -> Report | None:
    """Returns the last report with its scores; None where none were kept.

    Raises:
      UsageError: the file of the scores is damaged.
    """
    return self._report(self.results[-1].epoch) if self.results else None

  def reports(self) -> Iterator[Report]:
    """Yields every report whose scores were kept, by epoch.

    Its results carry the run's name in place of the model's, so that reports of
    several runs can be told apart.

    Raises:
      UsageError: a file of scores is damaged.
    """
    for epoch in dict.fromkeys(result.epoch for result in self.results):
      report = self._report(epoch)
      if report is not None:
        yield dataclasses.replace(
          report,
          results=tuple(
            dataclasses.replace(result, model=self.name) for result in report.results
          ),
        )

  def score_arrays(self, epoch: int) -> dict[str, np.ndarray] | None:
    """Returns what was kept of an epoch's report, None where nothing was.

    The names are those of `attacks.results.to_arrays`.

    Raises:
      UsageError: the file is damaged.
    """
    name = f'scores/epoch-{epoch:04d}.npz'
    if not (self.folder.path / name).exists():
      return None
    arrays = self.folder.read_npz(name)
    try:
      attack_results.check_arrays(arrays)
    except (KeyError, ValueError) as error:
      why = f'it has no {error}' if isinstance(error, KeyError) else error
      raise UsageError(f'{self.folder}/{name} is damaged: {why}') from error
    return arrays

  def _report(self, epoch: int) -> Report | None:
    arrays = self.score_arrays(epoch)
    if arrays is None:
      return None
    results = [result for result in self.results if result.epoch == epoch]
    try:
      report = attack_results.report_from_arrays(results, arrays)
      for result in results:
        if not result.skipped:
          report.slice_scores(result)
      return report
    except KeyError as error:
      raise UsageError(
        f'{self.folder}/scores/epoch-{epoch:04d}.npz is damaged: it has no {error}'
      ) from error


def load_run(folder: str | os.PathLike) -> RunRecord:
  """Reads a run's folder; the run may still be going on.

  Args:
    folder: the run's folder.

  Raises:
    UsageError: there is no run in it, or none with a finished epoch, or one that
      another version wrote or a hand changed.
  """
  place = RunFolder(folder)
  if not place.path.is_dir():
    raise UsageError(f'{place}: no such folder')
  record = place.record()
  config = place.config()
  metrics = _metrics(place)
  finished = _finished(place, len(metrics))
  try:
    about = {'checksums': {}, **record['data']}
    about['checksums'] = dict(about['checksums'])
    data = {field.name: about[field.name] for field in dataclasses.fields(DataInfo)}
    return RunRecord(
      name=place.path.resolve().name,
      folder=place,
      config=config,
      command=str(record['command']),
      data=_data(data),
      parameters=read_typed(
        int, record['parameters'], where='parameters', allows=lambda _, n: n >= 0
      ),
      metrics=metrics,
      results=_results(place, len(metrics), finished=finished is not None),
      finished=finished,
    )
  except (KeyError, TypeError, ValueError) as error:
    raise UsageError(
      f'{place}/config.json is damaged or of another version ({error!r}): train the '
      'run again with --overwrite'
    ) from error


def _data(values: Mapping[str, Any]) -> DataInfo:
  """Returns what is known of the data; raises ValueError where it cannot be true."""
  data = read_typed(DataInfo, values, where='data', allows=lambda _, n: n >= 0)
  if not data.class_names or len(set(data.class_names)) < len(data.class_names):
    raise ValueError('data, class_names are none, or one is there twice')
  for name in (data.name, data.version, *data.class_names):
    if not name.isprintable():
      raise ValueError(f'data has the name {name!r}')
  return data


def _metrics(place: RunFolder) -> pd.DataFrame:
  """Reads metrics.csv, of at least one epoch."""
  metrics = pd.DataFrame(place.read_rows())
  if metrics.empty and place.finished:
    raise place.damaged(place.path / 'metrics.csv', 'no epoch, of a finished run')
  if metrics.empty:
    raise UsageError(
      f'{place}: no epoch is finished yet: start its command again to train it'
    )
  return metrics


def _finished(place: RunFolder, epochs: int) -> dict[str, Any] | None:
  """Reads result.json and checks it against metrics.csv."""
  if not place.finished:
    return None
  result = place.result()
  if result.get('epochs') != epochs:
    raise UsageError(
      f'{place}/result.json says {result.get("epochs")} epochs, metrics.csv has '
      f'{epochs}: one of them was edited'
    )
  return result


def _results(place: RunFolder, epochs: int, *, finished: bool):
  """Reads privacy.jsonl; leaves out what a killed run will do again."""
  results: dict[tuple[int, str, str], AttackResult] = {}
  for number, line in enumerate(place.read_lines(), start=1):
    try:
      result = result_lines.read(line, where=f'line {number}')
    except ValueError as error:
      raise UsageError(
        f'{place}/privacy.jsonl, line {number} is no attack result ({error}): it was '
        'edited, or another version wrote it'
      ) from error
    key = result.epoch, result.attack, result.slice
    if key in results:
      raise UsageError(
        f'{place}/privacy.jsonl, line {number}: {result.attack} on {result.slice} at '
        f'epoch {result.epoch} is there twice: the file was edited'
      )
    if result.epoch <= epochs:
      results[key] = result
    elif finished:
      raise UsageError(
        f'{place}/privacy.jsonl, line {number} is of epoch {result.epoch}, metrics.csv '
        f'ends at {epochs}: one of them was edited'
      )
  return tuple(sorted(results.values(), key=lambda result: result.epoch))


def load_runs(patterns: Sequence[str]) -> list[RunRecord]:
  """Reads the runs that folders or globs name, each once, sorted within a glob.

  Runs whose folders have equal names are named with as many parent folders as
  tell them apart.

  Args:
    patterns: such as `runs/cifar10-*`; shell wildcards as `glob` takes them.

  Raises:
    UsageError: a pattern matches nothing, or a folder holds no run that can be
      shown: an unfinished run is taken only if it has a privacy report.
  """
  places: dict[pathlib.Path, pathlib.Path] = {}
  for pattern in patterns:
    found = [pathlib.Path(path) for path in sorted(glob.glob(pattern))]
    found = [path for path in found if path.is_dir()]
    if glob.has_magic(pattern):
      found = _with_something_to_show(found)
    if not found:
      raise UsageError(_no_match(pattern))
    for path in found:
      places.setdefault(path.resolve(), path)
  records = [load_run(path) for path in places.values()]
  for record in records:
    if record.finished is None and not record.results:
      raise UsageError(
        f'--runs: {record.folder} is unfinished and has no privacy report yet: start '
        'its command again, or name the other runs'
      )
  return _named_apart(records)


def _with_something_to_show(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
  """Passes over, and says so, what a pattern matches but cannot be shown."""
  kept = []
  for path in paths:
    if (path / SHARDED).exists():
      LOG.warning('%s: passed over: a sharded model, see deletions/ of its run', path)
    elif not (path / 'config.json').exists():
      LOG.warning('%s: passed over: no run in it', path)
    elif not any((path / name).exists() for name in ('result.json', 'privacy.jsonl')):
      LOG.warning('%s: passed over: unfinished, and no privacy report yet', path)
    else:
      kept.append(path)
  return kept


def _named_apart(records: Sequence[RunRecord]) -> list[RunRecord]:
  paths = [record.folder.path.resolve().parts for record in records]
  for depth in range(1, max(map(len, paths)) + 1):
    names = ['/'.join(path[-depth:]) for path in paths]
    if len(set(names)) == len(names):
      break
  return [
    dataclasses.replace(record, name=name)
    for record, name in zip(records, names, strict=True)
  ]


def _no_match(pattern: str) -> str:
  """Says what runs there are in the folder that the pattern names."""
  parent = pathlib.Path(pattern).parent
  runs = sorted(path.parent.name for path in parent.glob('*/config.json'))
  if not runs:
    return f'--runs={pattern}: matches no folder, and {parent}/ holds no runs'
  near = closest_match(pathlib.Path(pattern).name, runs)
  shown = ', '.join(runs[:20]) + f' and {len(runs) - 20} more' * (len(runs) > 20)
  return f'--runs={pattern}: matches no folder{near}; {parent}/ holds {shown}'
