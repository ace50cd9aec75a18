"""Fleets for a target, and the reports of a run that has one."""

import csv
import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import datasets, engines, train
from rnn_tf import training as target_training
from rnn_tf.attacks import audit
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as plans
from rnn_tf.fleets import training
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.options.fleet import FleetOptions
from rnn_tf.runs import RunFolder
from tests import commands, small_configs
from tests.fleets import small_fleets


def _options(fleet_dir=None, strategy='auto'):
  return FleetOptions(cluster=ClusterOptions(strategy=strategy), fleet_dir=fleet_dir)


class FolderOfTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path) / 'fleet'

  def test_fleet_without_a_folder_goes_to_one_of_its_name(self):
    plan = small_fleets.plan()
    folder = fleets.folder_of(plan, _options())
    self.assertEqual(folder.path, pathlib.Path('fleets') / plan.name())
    self.assertFalse(folder.path.exists())

  def test_folder_that_is_named_is_taken_and_not_created(self):
    folder = fleets.folder_of(small_fleets.plan(), _options(str(self.path)))
    self.assertEqual(folder.path, self.path)
    self.assertFalse(self.path.exists())

  def test_folder_of_another_fleet_is_refused(self):
    with FleetFolder(self.path).open(small_fleets.plan()):
      pass
    with self.assertRaisesRegex(UsageError, 'shadow_seed was 0, is 1'):
      fleets.folder_of(small_fleets.plan(shadow_seed=1), _options(str(self.path)))

  def test_way_that_cannot_train_the_fleet_is_refused(self):
    plan = small_fleets.plan(
      small_configs.run_config(privacy=small_configs.private()), engine='exact'
    )
    with self.assertRaisesRegex(UsageError, '--fleet=stacked: --dp'):
      fleets.folder_of(plan, _options(str(self.path), 'stacked'))

  @parameterized.parameters((lambda: 7.0, '56 s'), (None, '24 s'))
  def test_prepared_fleet_is_read_at_each_epoch(self, seconds, estimate):
    plan, folder = small_fleets.plan(epochs=(1, 2)), FleetFolder(self.path)
    with (
      absltest.mock.patch.dict(
        training.STRATEGIES, sequential=small_fleets.FakeStrategy()
      ),
      absltest.mock.patch.object(training, 'time_epoch', return_value=3.0),
      small_fleets.logged() as lines,
    ):
      fleet = fleets.prepare(
        plan,
        folder,
        where=ClusterOptions(strategy='sequential'),
        seconds_per_epoch=seconds,
      )
    self.assertStartsWith(lines[1], f'estimate: {estimate}, and some seconds each')
    self.assertEqual([info.model for info in fleet.infos], [0, 1, 2, 3])
    for epoch in (1, 2):
      np.testing.assert_array_equal(
        fleet.shadows(epoch).logits[3],
        small_fleets.fake(plan, 3).arrays[f'epoch-{epoch:04d}/pool'],
      )
    with FleetFolder(self.path).open(plan):
      # The lock is given back: others may use the fleet, and this one still reads it.
      fleet.shadows(1)


_ATTACKS = ('threshold', 'shadow', 'lira', 'rmia')


class ReportTest(absltest.TestCase):
  """One small run with all kinds of attacks, killed in epoch 2 and resumed."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    cls.target, cls.plain, cls.fleet = (
      folder / 'run',
      folder / 'plain',
      folder / 'fleet',
    )
    cls.asked = []
    ask = audit.ask_fleet

    def watched(signals, *args, **settings):
      cls.asked.append((signals, settings))
      return ask(signals, *args, **settings)

    with absltest.mock.patch.object(audit, 'ask_fleet', watched):
      with absltest.mock.patch.object(
        target_training.Checkpoints, 'save', cls._killed_in_epoch_2()
      ):
        cls.killed = cls._train(cls.target, _ATTACKS)
      cls.before = cls._times()
      cls.resumed = cls._train(cls.target, _ATTACKS)
    cls.alone = cls._train(cls.plain, ('threshold',))

  @staticmethod
  def _killed_in_epoch_2():
    save = target_training.Checkpoints.save

    def killed(checkpoints, epoch, **values):
      if epoch == 2:
        raise KeyboardInterrupt
      save(checkpoints, epoch, **values)

    return killed

  @classmethod
  def _train(cls, path, attacks):
    """Returns exit code and log of the train command."""
    shadows = (f'--fleet_dir={cls.fleet}', '--fleet=sequential', '--num_shadows=4')
    code, _, err = commands.call(
      train,
      f'--run_dir={path}',
      '--train_fraction=0.5',
      '--nonmembers=holdout',
      '--test_size=200',
      '--hidden_size=8',
      '--learning_rate=0.02',
      '--epochs=2',
      '--epochs_per_report=1',
      '--deterministic',
      f'--attacks={",".join(attacks)}',
      *shadows * ('lira' in attacks),
    )
    return code, err

  @classmethod
  def _times(cls):
    return {path.name: path.stat().st_mtime_ns for path in cls.fleet.glob('shadow-*')}

  def _shadows(self, epoch):
    config = RunFolder(self.target).config()
    plan = plans.plan(
      config,
      config.fleet,
      data=datasets.load(config.data),
      epochs=(1, 2),
      hidden=False,
      engine=engines.choose(config),
    )
    return FleetFolder(self.fleet).load(plan, epoch=epoch)

  def _lines(self, epoch):
    text = (self.target / 'privacy.jsonl').read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line['epoch'] == epoch]

  def _scores(self, epoch):
    with np.load(self.target / f'scores/epoch-{epoch:04d}.npz') as file:
      return dict(file)

  def test_commands_end_as_they_should(self):
    self.assertEqual(self.killed[0], 130, self.killed[1])
    self.assertEqual(self.resumed[0], 0, self.resumed[1])
    self.assertEqual(self.alone[0], 0, self.alone[1])

  def test_every_report_has_every_attack_with_thresholds_from_the_shadows(self):
    for epoch in (1, 2):
      lines = self._lines(epoch)
      entire = [line for line in lines if line['slice'] == 'entire']
      self.assertEqual([line['attack'] for line in entire], list(_ATTACKS))
      for line in entire:
        self.assertIsNone(line['skipped'])
        rules = [(point['rule'], point['target_fpr']) for point in line['transfer']]
        self.assertEqual(rules, [('accuracy', None), ('fpr', 0.01), ('fpr', 0.001)])
      others = [line for line in lines if line['slice'] != 'entire']
      self.assertLen(others, 10 * len(_ATTACKS))
      self.assertEqual({line['transfer'] for line in others}, {None})

  def test_report_of_an_epoch_is_made_with_the_shadows_of_that_epoch(self):
    for epoch, (signals, settings) in ((1, self.asked[0]), (2, self.asked[-1])):
      stored = self._scores(epoch)
      np.testing.assert_array_equal(signals.members.logits, stored['member_logits'])
      own, other = (
        audit.ask_fleet(signals, _ATTACKS, self._shadows(e), **settings)
        for e in (epoch, 3 - epoch)
      )
      for attack in _ATTACKS[1:]:
        for side in ('members', 'nonmembers'):
          found = stored[f'{attack}/entire/{side}']
          expected = getattr(own.attacks[attack].target, side)
          np.testing.assert_array_equal(found, expected, err_msg=attack)
          not_this = getattr(other.attacks[attack].target, side)
          self.assertFalse(np.array_equal(found, not_this), attack)
      for line in self._lines(epoch):
        if line['slice'] == 'entire':
          chosen = [each.value for each in own.thresholds[line['attack']]]
          self.assertEqual([point['threshold'] for point in line['transfer']], chosen)
          others = [each.value for each in other.thresholds[line['attack']]]
          self.assertNotEqual(chosen, others)

  def test_shadows_do_not_touch_the_target(self):
    tables = []
    for path in (self.target, self.plain):
      with open(path / 'metrics.csv', newline='') as file:
        rows = list(csv.DictReader(file))
      names = ('epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy')
      tables.append([[row[name] for name in names] for row in rows])
    self.assertLen(tables[0], 2)
    self.assertEqual(*tables)
    self.assertNotIn('shadow', self.alone[1])

  def test_shadows_are_trained_first_and_once(self):
    log = self.killed[1]
    self.assertIn('training 4 of 4 shadow models (half) of 718 examples', log)
    self.assertLess(log.index('4 of 4 trained'), log.index('epoch 1/2'))
    resumed = self.resumed[1]
    self.assertIn('going on after epoch 1', resumed)
    self.assertNotIn('shadow models', resumed)
    self.assertEqual(self._times(), self.before)

  def test_result_has_every_attack(self):
    result = json.loads((self.target / 'result.json').read_text())
    self.assertEqual(list(result['privacy']), list(_ATTACKS))


if __name__ == '__main__':
  absltest.main()
