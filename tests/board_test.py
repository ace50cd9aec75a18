import contextlib
import dataclasses
import shutil

import numpy as np
from absl.testing import absltest, parameterized
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.plugins.hparams import api_pb2

from rnn_tf import board, config, run_summary
from rnn_tf.attack_config import AttackConfig, FleetConfig, ReportConfig
from rnn_tf.deletion_config import DeletedFrom
from rnn_tf.runs import RunFolder
from tests import events, fake_runs, private_runs, small_configs

_OF_ATTACKS = {
  'privacy/auc',
  'privacy/auc_low',
  'privacy/auc_high',
  'privacy/advantage',
  'privacy/tpr_at_1pct',
  'privacy/tpr_at_0.1pct',
}


def _show(path, finish=False):
  """Writes the board of a run's folder anew, and returns the folder of its files."""
  folder = RunFolder(path)
  shown = board.Board(folder)
  shown.replay(folder.read_rows(), folder.read_lines())
  if finish:
    shown.finish()
  return path / 'tensorboard'


def _tags(scalars, name):
  return {tag for folder, tag in scalars if folder == name}


def _shadows(**values):
  """Returns the config of a run that is attacked with shadow models."""
  return config.RunConfig(
    data=config.DataConfig(train_fraction=0.5, nonmembers='holdout'),
    report=ReportConfig(attacks=('threshold', 'lira')),
    **values,
  )


class EpochsTest(fake_runs.RunsCase):
  def test_each_epoch_is_written_once_with_the_figures_of_the_files(self):
    path = self.run_folder(privacy=fake_runs.private(3.0), claimed=3.0, bound=0.25)
    found = events.scalars(_show(path))
    folder = RunFolder(path)
    expected = {}

    def expect(name, tag, step, value):
      shown = float(np.float32(value))
      expected.setdefault((name, tag), []).append((step, shown))

    for row in folder.read_rows():
      for name in ('loss', 'accuracy'):
        expect('train', name, row['epoch'], row[name])
        expect('validation', name, row['epoch'], row[f'val_{name}'])
      expect('train', 'privacy/epsilon', row['epoch'], row['epsilon'])
    for line in folder.read_lines():
      if line['slice'] == 'entire':
        step, name = line['epoch'], line['attack']
        for field in ('auc', 'auc_low', 'auc_high', 'advantage'):
          expect(name, f'privacy/{field}', step, line[field])
        expect(name, 'privacy/epsilon_lower_bound', step, 0.25)
        strict, stricter = line['tpr_at_fpr']
        self.assertEqual((strict['target_fpr'], stricter['target_fpr']), (0.01, 0.001))
        expect(name, 'privacy/tpr_at_1pct', step, strict['tpr'])
        expect(name, 'privacy/tpr_at_0.1pct', step, stricter['tpr'])
    self.assertEqual(found, expected)
    self.assertEqual([s for s, _ in found['train', 'loss']], [1, 2, 3, 4])
    self.assertEqual([s for s, _ in found['lr', 'privacy/auc']], [2, 4])

  def test_plain_run_has_no_epsilon_and_no_bound(self):
    found = events.scalars(_show(self.run_folder()))
    self.assertEqual(_tags(found, 'train'), {'loss', 'accuracy'})
    self.assertEqual(_tags(found, 'threshold'), _OF_ATTACKS)

  def test_bound_of_zero_is_a_figure(self):
    path = self.run_folder(privacy=fake_runs.private(), bound=0.0)
    found = events.scalars(_show(path))
    self.assertEqual(found['lr', 'privacy/epsilon_lower_bound'], [(2, 0.0), (4, 0.0)])

  def test_skipped_attack_is_not_shown(self):
    found = events.scalars(_show(self.run_folder(skipped={('lr', 'entire')})))
    self.assertEqual(_tags(found, 'lr'), set())
    self.assertEqual(_tags(found, 'threshold'), _OF_ATTACKS)

  def test_what_was_written_before_is_replaced(self):
    path = self.run_folder(trained=2)
    whole = self.run_folder('other')
    before = events.scalars(_show(path))
    (path / 'tensorboard/gone').mkdir()
    for name in ('metrics.csv', 'privacy.jsonl'):
      shutil.copy(whole / name, path / name)
    after = events.scalars(_show(path))
    self.assertEqual(after, events.scalars(_show(whole)))
    self.assertLess(len(before['train', 'loss']), len(after['train', 'loss']))
    self.assertFalse((path / 'tensorboard/gone').exists())
    self.assertLen(events.sessions(path / 'tensorboard')['.'], 1)

  def test_tensorboard_that_watched_forgets_what_is_replaced(self):
    path = self.run_folder()
    train_folder = _show(path) / 'train'
    (file,) = train_folder.iterdir()
    # Files are read in the order of their names, which begin with the second.
    file.rename(train_folder / 'events.out.tfevents.0000000001.early')
    watching = plugin_event_accumulator.EventAccumulator(str(train_folder))
    steps = []
    for _ in range(2):
      watching.Reload()
      steps.append([event.step for event in watching.Tensors('loss')])
      _show(path)
    self.assertEqual(steps, [[1, 2, 3, 4]] * 2)


class SessionTest(fake_runs.RunsCase):
  def test_session_holds_the_hyperparameters_and_no_end(self):
    path = self.run_folder(privacy=fake_runs.private(3.0))
    (start,) = events.sessions(_show(path))['.']
    run = RunFolder(path)
    expected = board.hyperparameters(run.config(), guarantee=run.record()['guarantee'])
    self.assertEqual(events.hparams(start.hparams), expected)
    self.assertEqual(start.group_name, '')

  def test_session_began_when_the_run_began(self):
    path = self.run_folder()
    (start,) = events.sessions(_show(path))['.']
    self.assertEqual(start.start_time_secs, (path / 'config.json').stat().st_mtime)

  def test_finished_session_ends_in_success(self):
    _, end = events.sessions(_show(self.run_folder(), finish=True))['.']
    self.assertEqual(end.status, api_pb2.STATUS_SUCCESS)

  def test_resumed_session_is_there_once_and_has_not_ended(self):
    path = self.run_folder()
    _show(path, finish=True)
    (start,) = events.sessions(_show(path))['.']
    self.assertEqual(start.hparams['dataset'].string_value, 'digits')


class TableTest(fake_runs.RunsCase):
  def test_two_runs_are_two_rows_of_one_table(self):
    one = self.run_folder('one')
    two = self.run_folder(
      'two',
      batch_size=32,
      seed=7,
      attacks=('threshold',),
      privacy=fake_runs.private(3.0),
      claimed=2.5,
      bound=0.5,
    )
    _show(one)
    _show(two, finish=True)
    columns, rows = events.table(self.root / 'runs')
    self.assertEqual(set(rows), {'one/tensorboard', 'two/tensorboard'})
    first, second = rows['one/tensorboard'], rows['two/tensorboard']
    with self.subTest('columns'):
      differ = {info.name for info in columns.hparam_infos if info.differs}
      self.assertEqual(differ, {'batch_size', 'seed', 'dp'})
      names = {(info.name.group, info.name.tag) for info in columns.metric_infos}
      self.assertEqual(names, events.metrics(first).keys() | events.metrics(second))
    with self.subTest('hyper-parameters'):
      shown = [events.hparams(row.hparams) for row in (first, second)]
      self.assertEqual([x['batch_size'] for x in shown], [64, 32])
      self.assertEqual([x['dp'] for x in shown], [False, True])
      self.assertNotIn('dp_target_epsilon', shown[0])
      self.assertEqual(shown[1]['dp_target_epsilon'], 3)
    with self.subTest('metrics'):
      metrics = events.metrics(second)
      last = RunFolder(two).read_rows()[-1]
      (line,) = (
        line
        for line in RunFolder(two).read_lines()
        if (line['epoch'], line['slice']) == (4, 'entire')
      )
      for name, value in {
        ('train', 'accuracy'): last['accuracy'],
        ('validation', 'accuracy'): last['val_accuracy'],
        ('train', 'privacy/epsilon'): 2.5,
        ('threshold', 'privacy/auc'): line['auc'],
        ('threshold', 'privacy/advantage'): line['advantage'],
        ('threshold', 'privacy/epsilon_lower_bound'): 0.5,
      }.items():
        self.assertEqual(metrics[name], (4, float(np.float32(value))), name)
      self.assertIn(('lr', 'privacy/auc'), events.metrics(first))
      self.assertNotIn(('lr', 'privacy/auc'), metrics)
    with self.subTest('end'):
      statuses = [row.sessions[0].status for row in (first, second)]
      self.assertEqual(statuses, [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS])

  def test_two_runs_of_the_same_flags_are_two_rows(self):
    for name in ('one', 'two'):
      _show(self.run_folder(name))
    _, rows = events.table(self.root)
    self.assertLen(rows, 2)
    for row in rows.values():
      self.assertLen(row.sessions, 1)


class HyperparametersTest(parameterized.TestCase):
  def test_defaults_are_the_flags_that_have_a_value(self):
    self.assertEqual(
      board.hyperparameters(config.RunConfig()),
      {
        'dataset': 'digits',
        'nonmembers': 'test',
        'data_seed': 0,
        'model': 'lstm',
        'sequence': 'rows',
        'hidden_size': 128,
        'num_layers': 1,
        'bidirectional': False,
        'epochs': 20,
        'batch_size': 64,
        'optimizer': 'adam',
        'learning_rate': 0.001,
        'learning_rate_decay': 'none',
        'seed': 0,
        'deterministic': False,
        'mixed_precision': False,
        'recurrent_kernel': 'auto',
        'dp': False,
        'attack_engine': 'fast',
      },
    )

  @parameterized.parameters(
    ('mlp', {'hidden_size', 'num_layers'}),
    ('cnn', {'num_conv'}),
    (
      'clockwork_rnn',
      {'sequence', 'hidden_size', 'num_layers', 'bidirectional', 'clockwork_periods'},
    ),
  )
  def test_network_has_the_fields_that_it_heeds(self, model, expected):
    model = config.ModelConfig(model=model)
    found = set(board.hyperparameters(config.RunConfig(model=model)))
    fields = {field.name for field in dataclasses.fields(model)} - {'model'}
    self.assertEqual(found & fields, expected)

  def test_tuple_is_written_as_on_the_command_line(self):
    model = config.ModelConfig(model='clockwork_rnn', clockwork_periods=(1, 3))
    found = board.hyperparameters(config.RunConfig(model=model))
    self.assertEqual(found['clockwork_periods'], '1,3')

  def test_private_run_shows_what_noise_and_delta_came_to(self):
    run = config.RunConfig(
      privacy=small_configs.private(dp_noise_multiplier=None, dp_target_epsilon=3.0)
    )
    self.assertNotIn('dp_noise_multiplier', board.hyperparameters(run))
    guarantee = {'noise_multiplier': 1.25, 'delta': 1e-4, 'secret': True}
    found = board.hyperparameters(run, guarantee=guarantee)
    self.assertEqual(
      {name: value for name, value in found.items() if name.startswith('dp')},
      {
        'dp': True,
        'dp_l2_norm_clip': 1.0,
        'dp_target_epsilon': 3.0,
        'dp_noise_multiplier': 1.25,
        'dp_delta': 1e-4,
        'dp_engine': 'auto',
        'dp_sampling': 'poisson',
      },
    )

  def test_shadow_models_are_shown_where_an_attack_has_some(self):
    fleet, attack = FleetConfig(num_shadows=16), AttackConfig(rmia_gamma=1.5)
    found = board.hyperparameters(_shadows(fleet=fleet, attack=attack))
    self.assertEqual(found['train_fraction'], 0.5)
    self.assertEqual((found['num_shadows'], found['shadow_split']), (16, 'half'))
    self.assertEqual(found['rmia_gamma'], 1.5)
    plain = board.hyperparameters(config.RunConfig(fleet=fleet, attack=attack))
    self.assertNoCommonElements(plain, {'num_shadows', 'rmia_gamma'})

  def test_run_without_attacks_has_no_settings_of_attacks(self):
    run = config.RunConfig(report=ReportConfig(attacks=()))
    self.assertNotIn('attack_engine', board.hyperparameters(run))

  def test_deletion_is_shown_where_there_was_one(self):
    deleted = DeletedFrom(
      parent='digits-lstm-s0', method='retrain', forget='uniform-5pct', checksum='ab12'
    )
    found = board.hyperparameters(config.RunConfig(deleted=deleted))
    self.assertEqual(
      {name: value for name, value in found.items() if name.startswith('deleted')},
      {
        'deleted_parent': 'digits-lstm-s0',
        'deleted_method': 'retrain',
        'deleted_forget': 'uniform-5pct',
        'deleted_checksum': 'ab12',
      },
    )

  def test_every_value_is_one_that_the_plugin_takes(self):
    run = _shadows(
      model=config.ModelConfig(model='clockwork_rnn', bidirectional=True),
      privacy=small_configs.private(),
      deleted=DeletedFrom(parent='x', method='finetune', weights='cd34'),
    )
    found = board.hyperparameters(run)
    self.assertIs(found['bidirectional'], True)
    self.assertLessEqual(set(map(type, found.values())), {bool, int, float, str})
    self.assertNotIn('', found.values())


class TrainedTest(private_runs.PrivateRunTestCase):
  def test_resumed_run_is_shown_as_one_that_was_not_interrupted(self):
    flags = (*private_runs.SMALL, '--deterministic', '--attacks=threshold')
    whole = self.folder / 'whole'
    self.run_to_end(whole, *flags)
    self.run_killed_in_epoch_2(self.path, *flags)
    killed = events.scalars(self.path / 'tensorboard')
    self.assertEqual([step for step, _ in killed['train', 'loss']], [1, 2])
    out, _ = self.run_to_end(self.path, *flags)
    self.assertIn(f'compare runs: tensorboard --logdir {self.folder}\n', out)
    one, two = (events.scalars(path / 'tensorboard') for path in (whole, self.path))
    self.assertEqual(one, two)
    self.assertEqual([step for step, _ in two['train', 'accuracy']], [1, 2, 3])
    _, rows = events.table(self.folder)
    self.assertEqual(set(rows), {'run/tensorboard', 'whole/tensorboard'})
    shown = [events.hparams(row.hparams) for row in rows.values()]
    self.assertEqual(shown[0], shown[1])
    for row in rows.values():
      self.assertEqual(row.sessions[0].status, api_pb2.STATUS_SUCCESS)


class CommandTest(fake_runs.RunsCase):
  @parameterized.parameters(
    ('runs/one', 'runs'), ('one', '.'), ("my 'runs'/one", "'my '\"'\"'runs'\"'\"''")
  )
  def test_summary_names_the_folder_of_the_runs(self, name, quoted):
    folder = RunFolder(name)
    result = RunFolder(self.run_folder()).result() | {'guarantee': None}
    stored = {'result': result, 'config': config.RunConfig()}
    with contextlib.ExitStack() as stack:
      for name, value in stored.items():
        patch = absltest.mock.patch.object(RunFolder, name, return_value=value)
        stack.enter_context(patch)
      lines = run_summary.summary(folder, data_dir=None).splitlines()
    self.assertIn(f'compare runs: tensorboard --logdir {quoted}', lines)


if __name__ == '__main__':
  absltest.main()
