"""A run as TensorBoard shows it: curves, and a line in its table of hyper-parameters.

Below the run's `tensorboard/` the events of `train`, `validation` and of each attack
have a folder each, so that one chart shows them together. The folder itself holds what
the HParams plugin calls a session: the hyper-parameters and, once the run is trained,
its end. Every scalar below a session is a metric of it, by its last value.
"""

import dataclasses
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from rnn_tf.attack_config import FLEET_ATTACKS
from rnn_tf.attacks.results import ENTIRE
from rnn_tf.config import MODEL_FIELDS, RunConfig
from rnn_tf.model_config import TRAINING_OF_CLASSICAL
from rnn_tf.run_files import naming
from rnn_tf.run_places import private_file, private_folder
from rnn_tf.runs import RunFolder
from rnn_tf.stack import tf

SESSION = ''
"""The folder of events that is `tensorboard/` itself."""

FIGURES = ('auc', 'auc_low', 'auc_high', 'advantage', 'epsilon_lower_bound')
"""Fields of an attack's result that are shown; its true-positive rates are besides."""


class Board:
  """Writes a run's hyper-parameters and epochs to TensorBoard.

  A resumed run's earlier epochs are written again from metrics.csv and
  privacy.jsonl, so that neither an epoch nor the run is shown twice.

  Args:
    folder: the run's; its config.json is written.
  """

  def __init__(self, folder: RunFolder):
    self._folder = folder
    self._path = folder.path / 'tensorboard'
    self._writers: dict[str, RecordWriter] = {}

  def replay(self, rows: Sequence[Mapping], lines: Sequence[Mapping]) -> None:
    """Removes what is there, and writes the hyper-parameters and these epochs.

    Args:
      rows: of metrics.csv.
      lines: of privacy.jsonl.
    """
    if self._path.exists():
      tf.io.gfile.rmtree(str(self._path))
    self._begin()
    for row in rows:
      self.add(row, [line for line in lines if line['epoch'] == row['epoch']])

  def _begin(self) -> None:
    # Not at the top: it imports TensorFlow, which `stack` must have done before.
    from tensorboard.plugins.hparams import api as hp

    values = hyperparameters(
      self._folder.config(), guarantee=self._folder.record().get('guarantee')
    )
    # Without a name of its own a session is a row of the table: two runs of the same
    # flags are not averaged. No `hp.hparams_config`, either: TensorBoard would take one
    # run's lists for all of them; without it, it joins those of all runs.
    begin = hp.hparams_pb(
      values,
      trial_id='',
      start_time_secs=(self._folder.path / 'config.json').stat().st_mtime,
    )
    self._write(SESSION, 0, [begin])

  def add(self, row: Mapping[str, float], lines: Sequence[Mapping]) -> None:
    """Writes one epoch.

    Args:
      row: of metrics.csv.
      lines: the epoch's attack results as JSON values, of every slice.
    """
    step = int(row['epoch'])
    train = {name: row[name] for name in ('loss', 'accuracy')}
    if 'epsilon' in row:
      train['privacy/epsilon'] = row['epsilon']
    shown = {
      'train': train,
      'validation': {name: row[f'val_{name}'] for name in ('loss', 'accuracy')},
      **{x['attack']: attack_figures(x) for x in lines if x['slice'] == ENTIRE},
    }
    for name, figures in shown.items():
      if figures:
        self._write(name, step, [scalar_pb(*figure) for figure in figures.items()])

  def finish(self) -> None:
    """Writes that the run has been trained to its end, and closes the files."""
    from tensorboard.plugins.hparams import api_pb2, summary

    end = summary.session_end_pb(api_pb2.STATUS_SUCCESS)
    self._write(SESSION, 0, [Summary.FromString(end.SerializeToString())])
    for writer in self._writers.values():
      writer.close()

  def _write(self, name: str, step: int, summaries: Sequence[Summary]) -> None:
    with naming(self._path):
      if name not in self._writers:
        self._writers[name] = _writer(self._path / name)
      writer = self._writers[name]
      for summary in summaries:
        event = Event(wall_time=time.time(), step=step, summary=summary)
        writer.write(event.SerializeToString())
      writer.flush()


def _writer(folder: pathlib.Path) -> RecordWriter:
  """Returns what appends to a new file of events, which its owner alone may read.

  TensorBoard's own writer leaves that to the umask, and puts the machine's name into
  the file's.
  """
  private_folder(folder)
  now = time.time()
  path = folder / f'events.out.tfevents.{now:010.0f}.{os.getpid()}'
  private_file(path)
  writer = RecordWriter(open(path, 'wb'))  # noqa: SIM115
  # A TensorBoard that watches forgets the files that these take the place of.
  restart = SessionLog(status=SessionLog.START)
  for fields in ({'file_version': 'brain.Event:2'}, {'session_log': restart}):
    writer.write(Event(wall_time=now, **fields).SerializeToString())
  return writer


def attack_figures(line: Mapping[str, Any]) -> dict[str, float]:
  """Returns tag -> value of an attack's result.

  Args:
    line: what `AttackResult.to_json` returned.

  Returns:
    Those of `FIGURES` that there are, and the true-positive rate at each target
    false-positive rate, such as `privacy/tpr_at_0.1pct`; nothing where the attack was
    skipped.
  """
  figures = {name: line.get(name) for name in FIGURES}
  for point in line.get('tpr_at_fpr') or ():
    figures[f'tpr_at_{100 * point["target_fpr"]:g}pct'] = point['tpr']
  return {
    f'privacy/{name}': value for name, value in figures.items() if value is not None
  }


def hyperparameters(
  config: RunConfig, *, guarantee: Mapping[str, Any] | None = None
) -> dict[str, bool | float | str]:
  """Returns what decides a run's numbers, by the names of the flags.

  Args:
    config: the run's.
    guarantee: fields of a private run's `Guarantee`: noise and delta may follow from
      other flags, and are shown as what they came to.

  Returns:
    Values that the HParams plugin takes, tuples as the command line has them. What has
    no effect on the run or no value is left out, so that a column of numbers holds
    nothing else. Which deletion has made a run is in `deleted_parent` and so on.
  """
  asked = set(config.report.attacks)
  values = {
    **dataclasses.asdict(config.data),
    **_fields(config.model, 'model', *MODEL_FIELDS[config.model.model]),
    **_training(config),
    **(dataclasses.asdict(config.privacy) if config.privacy.dp else {'dp': False}),
  }
  if guarantee is not None:
    values |= {f'dp_{name}': guarantee[name] for name in ('noise_multiplier', 'delta')}
  if asked:
    values |= _fields(config.report, 'report_members', 'attack_engine')
  if asked & set(FLEET_ATTACKS):
    values |= dataclasses.asdict(config.fleet) | dataclasses.asdict(config.attack)
  deleted = dataclasses.asdict(config.deleted)
  values |= {f'deleted_{name}': value for name, value in deleted.items()}
  return {
    name: ','.join(map(str, value)) if isinstance(value, tuple) else value
    for name, value in values.items()
    if value is not None and value != ''
  }


def _training(config: RunConfig) -> dict[str, Any]:
  """Returns the training flags that have an effect on the run's model."""
  if config.model.classical:
    return _fields(config.training, *TRAINING_OF_CLASSICAL)
  return dataclasses.asdict(config.training)


def _fields(config: Any, *names: str) -> dict[str, Any]:
  return {name: getattr(config, name) for name in names}
