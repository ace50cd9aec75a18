"""What happens at the end of an epoch, in this order.

`Evaluation` predicts the validation set once and adds its loss and accuracy to
the logs; `PrivacyMetrics` attacks the model, reusing those predictions;
`Journal` writes the epoch down, shows it and takes the checkpoint. Nothing is
final before the checkpoint: a run that is killed earlier does the epoch again.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from rnn_tf.attacks.results import AttackResult, Report
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.board import Board
from rnn_tf.dp.guarantee import rounded_up
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.stack import keras
from rnn_tf.training import Checkpoints


class Evaluation(keras.callbacks.Callback):
  """Predicts the validation set after each epoch, once for everybody.

  Args:
    predict: returns the model's present outputs on the validation set.

  Attributes:
    side: the last epoch's labels and logits.
    seconds: time the last epoch took, training and this evaluation.
  """

  def __init__(self, predict: Callable[[], Side]):
    super().__init__()
    self._predict = predict
    self.side: Side | None = None
    self.seconds = 0.0

  def on_epoch_begin(self, epoch, logs=None):
    """Starts the clock."""
    self._start = time.perf_counter()

  def on_epoch_end(self, epoch, logs):
    """Adds val_loss and val_accuracy to the logs.

    Raises:
      UsageError: a loss is no longer a number: the training has diverged.
    """
    self.side = self._predict()
    logs['val_loss'] = float(self.side.losses.mean())
    logs['val_accuracy'] = float(self.side.correct.mean())
    for name in ('loss', 'val_loss'):
      if not np.isfinite(logs[name]):
        raise UsageError(
          f'the {name} became {logs[name]} in epoch {epoch + 1}: training has '
          f'diverged; what was written for the {epoch} epochs before is kept; lower '
          '--learning_rate and start again with --overwrite or another --run_dir'
        )
    self.seconds = time.perf_counter() - self._start


class PrivacyMetrics(keras.callbacks.Callback):
  """Attacks the model after the epochs that are due.

  Args:
    signals: returns the model's present outputs on members and non-members.
    audit: (signals, epoch, logs) -> the attacks' results and scores.
    keep: (epoch, signals, report) -> None, writes them down.
    due: the epochs, from 1, after which a report is made.

  Attributes:
    report: the last epoch's report, None where it had none.
    seconds: time that report took.
  """

  def __init__(
    self,
    signals: Callable[[], Signals],
    *,
    audit: Callable[[Signals, int, Mapping[str, float]], Report],
    keep: Callable[[int, Signals, Report], None],
    due: Collection[int],
  ):
    super().__init__()
    self._signals = signals
    self._audit = audit
    self._keep = keep
    self._due = due
    self.report: Report | None = None
    self.seconds = 0.0

  def on_epoch_end(self, epoch, logs):
    """Makes the report where one is due."""
    self.report, self.seconds = None, 0.0
    epoch += 1
    if epoch not in self._due:
      return
    start = time.perf_counter()
    signals = self._signals()
    self.report = self._audit(signals, epoch, logs)
    self._keep(epoch, signals, self.report)
    self.seconds = time.perf_counter() - start


class Journal(keras.callbacks.Callback):
  """Writes each epoch to metrics.csv and TensorBoard, shows it, checkpoints it.

  Args:
    folder: the run's.
    checkpoints: the run's.
    evaluation: runs before this callback.
    privacy: runs before this callback.
    epochs: of the whole run.
    show: prints one line.
    epsilon: epochs -> what has been spent by then; None without privacy.
  """

  def __init__(
    self,
    folder: RunFolder,
    checkpoints: Checkpoints,
    *,
    evaluation: Evaluation,
    privacy: PrivacyMetrics,
    epochs: int,
    show: Callable[[str], None],
    epsilon: Callable[[int], float] | None = None,
  ):
    super().__init__()
    self._folder = folder
    self._checkpoints = checkpoints
    self._evaluation = evaluation
    self._privacy = privacy
    self._epochs = epochs
    self._show = show
    self._epsilon = epsilon
    self._rows = folder.read_rows()
    self._board = Board(folder)
    self._board.replay(self._rows, folder.read_lines())
    self._finish_when_due()

  def on_epoch_end(self, epoch, logs):
    """Commits the epoch."""
    row = {
      'epoch': epoch + 1,
      **{name: float(logs[name]) for name in ('loss', 'accuracy', 'val_loss')},
      'val_accuracy': float(logs['val_accuracy']),
      'seconds': self._evaluation.seconds,
      'report_seconds': self._privacy.seconds,
    }
    if self._epsilon is not None:
      row['epsilon'] = self._epsilon(epoch + 1)
    self._rows.append(row)
    self._folder.write_rows(self._rows)
    # With the digits that the file has, which are all that a resumed run knows.
    written = self._folder.read_rows()
    results = self._privacy.report.results if self._privacy.report else ()
    self._board.add(written[-1], [result.to_json() for result in results])
    self._folder.seal(epoch + 1)
    self._checkpoints.save(epoch + 1, best_epoch=best_epoch(written))
    self._folder.unseal_before(epoch + 1)
    self._finish_when_due()
    self._show(epoch_line(self._rows, self._epochs))
    if results:
      self._show(privacy_line(results))

  def _finish_when_due(self) -> None:
    # Asked at the start too: a run that was killed after its last epoch trains none.
    if len(self._rows) == self._epochs:
      self._board.finish()


def best_epoch(rows: Sequence[Mapping[str, float]]) -> int:
  """Returns the first epoch with the highest validation accuracy."""
  return int(max(rows, key=lambda row: (row['val_accuracy'], -row['epoch']))['epoch'])


def epoch_line(rows: Sequence[Mapping[str, float]], epochs: int) -> str:
  """Returns the last epoch's figures and an estimate of the time left."""
  row = rows[-1]
  width = len(str(epochs))
  figures = '  '.join(
    f'{name} {row[name]:.4f}'
    for name in ('loss', 'accuracy', 'val_loss', 'val_accuracy')
  )
  if 'epsilon' in row:
    figures += f'  epsilon {rounded_up(row["epsilon"])}'
  line = (
    f'epoch {int(row["epoch"]):{width}}/{epochs}  {figures}  {row["seconds"]:.1f} s'
  )
  # The first epoch traces the graph; it says little about the others.
  timed = rows[1:] or rows
  each = sum(r['seconds'] + r['report_seconds'] for r in timed) / len(timed)
  left = each * (epochs - row['epoch'])
  return f'{line}  {duration(left)} left' if left else line


def duration(seconds: float) -> str:
  """Returns a duration as a person would say it, such as `4 min`."""
  if seconds < 90:
    return f'{seconds:.0f} s'
  return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'


def privacy_line(results: Sequence[AttackResult]) -> str:
  """Returns the AUC of each attack on all examples, with its interval."""
  parts = [
    f'{r.attack} AUC {r.auc:.3f} [{r.auc_low:.3f}, {r.auc_high:.3f}]{_at_least(r)}'
    if r.skipped is None
    else f'{r.attack} skipped ({r.skipped})'
    for r in results
    if r.slice == 'entire'
  ]
  return '  membership inference: ' + ', '.join(parts)


def _at_least(result: AttackResult) -> str:
  if result.epsilon is None or result.epsilon_lower_bound is None:
    return ''
  return f' (epsilon at least {result.epsilon_lower_bound:.2f})'


class ProgressBar(keras.callbacks.Callback):
  """Shows the steps of the running epoch on a terminal.

  Args:
    steps: steps an epoch.
    epochs: of the whole run.
  """

  def __init__(self, steps: int, epochs: int):
    super().__init__()
    # Without this Keras would copy the logs from the device at every step.
    self._supports_tf_logs = True
    self._steps = steps
    self._epochs = epochs

  def on_epoch_begin(self, epoch, logs=None):
    """Opens a bar."""
    title = f'epoch {epoch + 1}/{self._epochs}'
    self._bar = tqdm(total=self._steps, desc=title, unit='step', leave=False)

  def on_train_batch_end(self, batch, logs=None):
    """Moves it on."""
    self._bar.update()

  def on_epoch_end(self, epoch, logs=None):
    """Closes it."""
    self._bar.close()
