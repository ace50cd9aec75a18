import dataclasses
import json

from absl.testing import absltest, parameterized

from rnn_tf import attack_config as attacks
from rnn_tf import config as configs
from rnn_tf.attack_config import AttackConfig, FleetConfig, ReportConfig
from rnn_tf.config import DataConfig, RunConfig
from rnn_tf.errors import UsageError

_HOLDOUT = DataConfig(train_fraction=0.5, nonmembers='holdout')


class ValuesTest(parameterized.TestCase):
  @parameterized.parameters(
    (FleetConfig, {'num_shadows': 1}, '--num_shadows=1: one shadow has nobody'),
    (FleetConfig, {'num_shadows': 0}, 'must be at least 2'),
    (FleetConfig, {'shadow_split': 'halves'}, 'did you mean half'),
    (
      FleetConfig,
      {'shadow_train_size': 1},
      '--shadow_train_size=1: must be at least 2',
    ),
    (
      FleetConfig,
      {'shadow_train_size': 10, 'shadow_split': 'half'},
      '--shadow_train_size=10: has no effect with --shadow_split=half',
    ),
    (FleetConfig, {'shadow_seed': -1}, '--shadow_seed=-1: must be at least 0'),
    (FleetConfig, {'shadow_seed': 2**32}, 'below 2**32'),
    (AttackConfig, {'attack_model': 'svm'}, '--attack_model=svm: must be one of fc'),
    (AttackConfig, {'attack_features': ()}, '--attack_features is empty: name some of'),
    (AttackConfig, {'attack_features': ('losses',)}, 'did you mean loss'),
    (AttackConfig, {'attack_features': ('loss', 'loss')}, 'names one twice'),
    (AttackConfig, {'attack_epochs': 0}, '--attack_epochs=0: must be at least 1'),
    (AttackConfig, {'shadow_test_size': 1}, '--shadow_test_size=1: must be at least 2'),
    (AttackConfig, {'lira_variance': 'pooled'}, '--lira_variance=pooled: must be one'),
    (AttackConfig, {'rmia_gamma': 0.0}, '--rmia_gamma=0.0: must be a positive'),
    (AttackConfig, {'rmia_gamma': float('nan')}, '--rmia_gamma=nan: must be'),
    (AttackConfig, {'rmia_offline_a': -0.1}, '--rmia_offline_a=-0.1: must be'),
    (AttackConfig, {'rmia_offline_a': 1.1}, 'at least 0 and at most 1'),
    (AttackConfig, {'rmia_offline_a': float('nan')}, '--rmia_offline_a=nan: must be'),
    (ReportConfig, {'attacks': ('lyra',)}, 'did you mean lira'),
  )
  def test_bad_value_is_refused_by_name(self, cls, values, part):
    with self.assertRaises(UsageError) as caught:
      cls(**values)
    self.assertIn(part, str(caught.exception))
    self.assertNotIn('\n', str(caught.exception))

  @parameterized.parameters(
    (FleetConfig, {'num_shadows': 2}),
    (FleetConfig, {'shadow_seed': 2**32 - 1}),
    (FleetConfig, {'shadow_train_size': 2, 'shadow_split': 'disjoint'}),
    (AttackConfig, {'rmia_offline_a': 0.0}),
    (AttackConfig, {'rmia_offline_a': 1.0}),
    (AttackConfig, {'attack_features': attacks.ATTACK_FEATURES}),
  )
  def test_value_at_the_limit_is_taken(self, cls, values):
    made = cls(**values)
    for name, value in values.items():
      self.assertEqual(getattr(made, name), value)


class ResolvedTest(parameterized.TestCase):
  @parameterized.parameters(
    (('shadow',), 'disjoint'),
    (('threshold', 'shadow'), 'disjoint'),
    (('lira',), 'half'),
    (('lira_offline',), 'half'),
    (('rmia',), 'half'),
    (('shadow', 'rmia_offline'), 'half'),
  )
  def test_auto_becomes_what_the_attacks_need(self, asked, split):
    fleet = FleetConfig(num_shadows=6, shadow_seed=3).resolved(asked)
    self.assertEqual(
      fleet, FleetConfig(num_shadows=6, shadow_seed=3, shadow_split=split)
    )
    self.assertEqual(fleet.resolved(asked), fleet)

  def test_split_that_was_asked_for_stays(self):
    for split in ('half', 'disjoint'):
      fleet = FleetConfig(shadow_split=split)
      self.assertEqual(fleet.resolved(('shadow', 'threshold')), fleet)

  @parameterized.parameters(*attacks.PER_EXAMPLE_ATTACKS)
  def test_disjoint_shadows_have_no_example_of_the_target(self, attack):
    with self.assertRaisesRegex(
      UsageError, f'--shadow_split=disjoint: {attack} needs .*give --shadow_split=half'
    ):
      FleetConfig(shadow_split='disjoint').resolved(('shadow', attack))

  def test_size_of_a_shadow_is_refused_where_auto_means_half(self):
    with self.assertRaisesRegex(UsageError, '--shadow_train_size=10: has no effect'):
      FleetConfig(shadow_train_size=10).resolved(('lira',))
    fleet = FleetConfig(shadow_train_size=10).resolved(('shadow',))
    self.assertEqual(fleet.shadow_train_size, 10)


class UseTest(parameterized.TestCase):
  @parameterized.parameters(
    ('auto', 63, True),
    ('auto', 64, False),
    ('fixed', 64, True),
    ('per_example', 2, False),
  )
  def test_variance_is_pooled_below_64_shadows(self, asked, count, pooled):
    self.assertEqual(AttackConfig(lira_variance=asked).fixed_variance(count), pooled)

  @parameterized.parameters(
    ({}, 'fc-posteriors'),
    (
      {'attack_model': 'gb', 'attack_features': ('sorted', 'loss')},
      'gb-sorted+loss',
    ),
    (
      {'attack_balance': True, 'shadow_test_size': 100},
      'fc-posteriors-balanced-out100',
    ),
  )
  def test_label_tells_settings_apart(self, values, label):
    self.assertEqual(AttackConfig(**values).label(), label)

  def test_list_of_attacks_becomes_a_tuple(self):
    self.assertEqual(ReportConfig(attacks=['lr']).attacks, ('lr',))
    features = AttackConfig(attack_features=['loss']).attack_features
    self.assertEqual(features, ('loss',))

  def test_every_attack_is_of_one_kind(self):
    self.assertEqual(
      set(attacks.ATTACKS), {*attacks.MODEL_ATTACKS, *attacks.FLEET_ATTACKS}
    )
    self.assertFalse(set(attacks.MODEL_ATTACKS) & set(attacks.FLEET_ATTACKS))


class RunTest(parameterized.TestCase):
  """A whole run's config, which knows both the attacks and the data."""

  def test_run_resolves_the_split(self):
    for attack, split in (('shadow', 'disjoint'), ('rmia', 'half')):
      run = RunConfig(data=_HOLDOUT, report=ReportConfig(attacks=(attack,)))
      self.assertEqual(run.fleet.shadow_split, split)
    self.assertEqual(RunConfig().fleet.shadow_split, 'auto')

  @parameterized.parameters(
    ('lira', {'train_fraction': 0.5}, '--train_fraction=0.5 --nonmembers=holdout'),
    ('rmia_offline', {}, 'the attack rmia_offline needs non-members'),
    ('shadow', {}, 'the attack shadow needs examples that the target is not trained'),
    ('shadow', {'train_fraction': 1.0}, '--train_fraction=0.5 or --train_size'),
  )
  def test_target_without_what_attacks_need_is_refused(self, attack, data, part):
    with self.assertRaises(UsageError) as caught:
      RunConfig(data=DataConfig(**data), report=ReportConfig(attacks=('lr', attack)))
    self.assertIn(part, str(caught.exception))
    self.assertNotIn('\n', str(caught.exception))

  @parameterized.parameters({'train_fraction': 0.5}, {'train_size': 10})
  def test_shadow_attack_is_content_with_part_of_the_pool(self, **data):
    RunConfig(data=DataConfig(**data), report=ReportConfig(attacks=('shadow',)))

  def test_json_round_trip_is_equal(self):
    run = RunConfig(
      data=_HOLDOUT,
      report=ReportConfig(attacks=('shadow', 'lira')),
      fleet=FleetConfig(num_shadows=4, shadow_seed=9),
      attack=AttackConfig(attack_features=('sorted', 'hidden'), rmia_gamma=1.5),
    )
    text = json.dumps(configs.to_json(run))
    self.assertEqual(configs.from_json(RunConfig, json.loads(text)), run)

  def test_run_from_before_shadow_models_still_loads(self):
    values = configs.to_json(RunConfig())
    del values['fleet'], values['attack']
    self.assertEqual(configs.from_json(RunConfig, values), RunConfig())

  def test_differences_name_the_flags(self):
    old = RunConfig(data=_HOLDOUT, report=ReportConfig(attacks=('lira',)))
    new = dataclasses.replace(
      old,
      fleet=FleetConfig(num_shadows=16),
      attack=AttackConfig(attack_features=('sorted', 'loss')),
    )
    self.assertEqual(
      configs.differences(old, new),
      [
        '--num_shadows was 10, is 16',
        '--attack_features was posteriors, is sorted,loss',
      ],
    )


if __name__ == '__main__':
  absltest.main()
