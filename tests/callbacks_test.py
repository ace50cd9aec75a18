import math

import numpy as np
from absl.testing import absltest, parameterized
from tensorboard.plugins.hparams import api_pb2

from rnn_tf import callbacks
from rnn_tf.attacks.results import AttackResult, Report
from rnn_tf.attacks.signals import Side
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from tests import events, fake_runs

_EPOCHS = 4


class _KilledError(Exception):
  pass


class _Checkpoints:
  """Remembers what was saved; `killed_in` is the epoch before whose saving it dies."""

  def __init__(self, killed_in=None):
    self.saved = []
    self._killed_in = killed_in

  def save(self, epoch, *, best_epoch):
    if epoch == self._killed_in:
      raise _KilledError
    self.saved.append((epoch, best_epoch))


def _logs(epoch):
  """Figures that have more digits than metrics.csv holds."""
  return {
    'loss': 2 / (3 * epoch),
    'accuracy': epoch / 7,
    'val_loss': 1 / (epoch + 2) ** 0.5,
    'val_accuracy': (0.0, 1 / 3, 2 / 3, 2 / 3, 1 / 7)[epoch],
  }


def _report(epoch):
  """Returns an attack's result after even epochs, as `PrivacyMetrics` has it."""
  if epoch % 2:
    return None
  result = AttackResult(
    attack='threshold',
    engine='fast',
    slice='entire',
    model='cnn2',
    epoch=epoch,
    train_accuracy=None,
    val_accuracy=None,
    n_members=0,
    n_nonmembers=0,
    auc=epoch / 6,
    auc_low=epoch / 7,
    auc_high=epoch / 5,
    advantage=epoch / 11,
    tpr_at_fpr=(),
  )
  none = np.zeros(0, np.int64)
  return Report(results=(result,), scores={}, member_labels=none, nonmember_labels=none)


class JournalTest(fake_runs.RunsCase):
  def setUp(self):
    super().setUp()
    self.shown = []

  def start(self, name):
    path = self.run_folder(name, epochs=_EPOCHS, trained=0)
    (path / 'result.json').unlink(missing_ok=True)
    return RunFolder(path)

  def train(self, folder, until=_EPOCHS, killed_in=None, epsilon=None):
    """Does the epochs that are to come; returns the checkpoints that were saved."""
    checkpoints = _Checkpoints(killed_in)
    evaluation = callbacks.Evaluation(lambda: None)
    privacy = callbacks.PrivacyMetrics(
      lambda: None, audit=lambda *_: None, keep=lambda *_: None, due=()
    )
    journal = callbacks.Journal(
      folder,
      checkpoints,
      evaluation=evaluation,
      privacy=privacy,
      epochs=_EPOCHS,
      show=self.shown.append,
      epsilon=epsilon,
    )
    for epoch in range(len(folder.read_rows()) + 1, until + 1):
      privacy.report = _report(epoch)
      if privacy.report:
        lines = [result.to_json() for result in privacy.report.results]
        folder.write_lines([*folder.read_lines(), *lines])
      journal.on_epoch_end(epoch - 1, _logs(epoch))
    return checkpoints.saved

  def scalars(self, folder):
    return events.scalars(folder.path / 'tensorboard')

  def status(self, folder):
    """Returns the statuses with which the run's session has ended."""
    _, *ends = events.sessions(folder.path / 'tensorboard')['.']
    return [end.status for end in ends]

  def test_epoch_is_written_and_checkpointed_with_the_best_so_far(self):
    folder = self.start('run')
    saved = self.train(folder, epsilon=lambda epochs: 0.5 * epochs)
    self.assertEqual(saved, [(1, 1), (2, 2), (3, 2), (4, 2)])
    rows = folder.read_rows()
    self.assertEqual([row['epsilon'] for row in rows], [0.5, 1, 1.5, 2])
    for row in rows:
      for name, value in _logs(row['epoch']).items():
        self.assertAlmostEqual(row[name], value, delta=1e-6)
    self.assertLen(self.shown, _EPOCHS + 2)
    self.assertIn('membership inference: threshold AUC 0.667', self.shown[-1])

  def test_screen_rounds_epsilon_up_from_all_its_digits(self):
    folder = self.start('run')
    self.train(folder, until=1, epsilon=lambda epochs: 4.316002)
    self.assertEqual(folder.read_rows()[0]['epsilon'], 4.316)
    self.assertIn('epsilon 4.317', self.shown[0])

  @parameterized.parameters(1, 2, 3)
  def test_resumed_run_is_shown_as_one_that_was_not_interrupted(self, until):
    whole, resumed = self.start('whole'), self.start('resumed')
    self.train(whole, epsilon=math.sqrt)
    self.train(resumed, until=until, epsilon=math.sqrt)
    self.assertEqual(self.status(resumed), [])
    self.train(resumed, epsilon=math.sqrt)
    self.assertEqual(self.scalars(resumed), self.scalars(whole))
    self.assertEqual(resumed.read_rows(), whole.read_rows())
    self.assertEqual(self.status(resumed), [api_pb2.STATUS_SUCCESS])

  @parameterized.parameters(1, 2, 4)
  def test_epoch_without_a_checkpoint_is_shown_once(self, killed_in):
    whole, killed = self.start('whole'), self.start('killed')
    self.train(whole)
    with self.assertRaises(_KilledError):
      self.train(killed, killed_in=killed_in)
    self.assertLen(self.scalars(killed)['train', 'loss'], killed_in)
    self.assertEqual(self.status(killed), [])
    killed.forget_after(killed_in - 1)
    self.train(killed)
    self.assertEqual(self.scalars(killed), self.scalars(whole))
    self.assertEqual(self.status(killed), [api_pb2.STATUS_SUCCESS])

  def test_run_killed_after_its_last_epoch_ends_although_none_is_left(self):
    folder = self.start('run')
    self.train(folder)
    before = self.scalars(folder)
    self.assertEqual(self.train(folder), [])
    self.assertEqual(self.scalars(folder), before)
    self.assertEqual(self.status(folder), [api_pb2.STATUS_SUCCESS])


class EvaluationTest(parameterized.TestCase):
  def evaluate(self, logits, loss=1.0):
    side = Side(
      ids=np.arange(2), labels=np.array([0, 1]), logits=np.array(logits, np.float32)
    )
    evaluation = callbacks.Evaluation(lambda: side)
    evaluation.on_epoch_begin(0)
    logs = {'loss': loss}
    evaluation.on_epoch_end(0, logs)
    self.assertIs(evaluation.side, side)
    self.assertGreater(evaluation.seconds, 0)
    return logs

  def test_validation_is_added_to_the_logs(self):
    logs = self.evaluate([[0, 0], [2, 0]])
    self.assertEqual(logs['val_accuracy'], 0.5)
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    self.assertAlmostEqual(logs['val_loss'], expected, places=6)

  @parameterized.parameters(
    ([[0, 0], [0, 0]], math.inf, 'the loss became inf'),
    ([[math.nan, 0], [0, 0]], 1.0, 'the val_loss became nan'),
  )
  def test_loss_that_is_no_number_is_refused(self, logits, loss, part):
    with self.assertRaisesRegex(
      UsageError, part + ' in epoch 1: training has diverged'
    ):
      self.evaluate(logits, loss)


class TextTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.4, '0 s'), (89, '89 s'), (90, '2 min'), (5399, '90 min'), (5400, '1.5 h')
  )
  def test_duration_is_said_as_a_person_would(self, seconds, text):
    self.assertEqual(callbacks.duration(seconds), text)

  def test_time_left_is_that_of_the_epochs_after_the_first(self):
    rows = [
      {'epoch': epoch, 'seconds': seconds, 'report_seconds': 1.0, **_logs(epoch)}
      for epoch, seconds in ((1, 1000.0), (2, 2.0), (3, 4.0))
    ]
    self.assertStartsWith(callbacks.epoch_line(rows, 10), 'epoch  3/10  loss 0.2222')
    self.assertEndsWith(callbacks.epoch_line(rows, 10), '  4.0 s  28 s left')
    self.assertEndsWith(callbacks.epoch_line(rows, 3), '  4.0 s')

  def test_epsilon_is_rounded_up(self):
    row = {'epoch': 1, 'seconds': 1, 'report_seconds': 0, 'epsilon': 3.0001, **_logs(1)}
    self.assertIn('epsilon 3.001', callbacks.epoch_line([row], 1))


if __name__ == '__main__':
  absltest.main()
