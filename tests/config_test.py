import json

from absl.testing import absltest, parameterized

from rnn_tf import config
from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import PrivacyConfig

_PRIVATE = PrivacyConfig(dp=True, dp_target_epsilon=3.0)

_TREE = config.ModelConfig(model='decision_tree')
_ONCE = config.TrainingConfig(epochs=1, seed=3, deterministic=True)


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    (config.DataConfig, {'dataset': ''}, '--dataset'),
    (config.DataConfig, {'train_size': 0}, '--train_size=0'),
    (config.DataConfig, {'test_size': -1}, '--test_size=-1'),
    (config.DataConfig, {'train_fraction': 0.0}, '--train_fraction=0.0'),
    (config.DataConfig, {'train_fraction': 1.5}, '--train_fraction=1.5'),
    (config.DataConfig, {'train_fraction': float('nan')}, '--train_fraction=nan'),
    (config.DataConfig, {'train_fraction': 0.5, 'train_size': 3}, 'one of them'),
    (config.DataConfig, {'nonmembers': 'tests'}, 'did you mean test'),
    (config.DataConfig, {'nonmembers': 'holdout'}, '--train_fraction'),
    (config.ModelConfig, {'model': 'lstn'}, 'did you mean lstm'),
    (config.ModelConfig, {'hidden_size': 0}, '--hidden_size=0'),
    (config.ModelConfig, {'num_layers': 0}, '--num_layers=0'),
    (config.ModelConfig, {'num_conv': 0}, '--num_conv=0'),
    (config.ModelConfig, {'sequence': 'row'}, 'did you mean rows'),
    (
      config.ModelConfig,
      {'model': 'clockwork_rnn', 'clockwork_periods': (2, 1)},
      'must rise',
    ),
    (
      config.ModelConfig,
      {'model': 'clockwork_rnn', 'hidden_size': 2},
      '--hidden_size of at least',
    ),
    (config.TrainingConfig, {'epochs': 0}, '--epochs=0'),
    (config.TrainingConfig, {'batch_size': -4}, '--batch_size=-4'),
    (config.TrainingConfig, {'learning_rate': 0.0}, '--learning_rate=0.0'),
    (config.TrainingConfig, {'learning_rate': float('inf')}, '--learning_rate=inf'),
    (config.TrainingConfig, {'optimizer': 'adan'}, 'did you mean adam'),
    (config.TrainingConfig, {'seed': -1}, '--seed=-1'),
    (config.TrainingConfig, {'seed': 2**32}, 'below 2**32'),
    (
      config.TrainingConfig,
      {'recurrent_kernel': 'splitt'},
      '--recurrent_kernel=splitt: must be one of auto, keras, split',
    ),
    (
      config.TrainingConfig,
      {'recurrent_kernel': 'split', 'mixed_precision': True},
      '--recurrent_kernel=split computes in 32-bit floats',
    ),
    (
      config.RunConfig,
      {
        'privacy': _PRIVATE,
        'training': config.TrainingConfig(mixed_precision=True),
      },
      '--mixed_precision: gradients in 16-bit',
    ),
    (
      config.RunConfig,
      {
        'privacy': _PRIVATE,
        'training': config.TrainingConfig(recurrent_kernel='split'),
      },
      '--recurrent_kernel=split: has no effect with --dp: leave it out',
    ),
    (
      config.RunConfig,
      {
        'model': config.ModelConfig(model='cnn'),
        'training': config.TrainingConfig(recurrent_kernel='keras'),
      },
      '--recurrent_kernel=keras: has no effect with --model=cnn',
    ),
    (
      config.RunConfig,
      {
        'model': config.ModelConfig(model='mlp'),
        'training': config.TrainingConfig(recurrent_kernel='split'),
      },
      '--recurrent_kernel=split: has no effect with --model=mlp',
    ),
    (
      config.RunConfig,
      {'model': config.ModelConfig(model='kmeans')},
      '--epochs=20: --model=kmeans is fitted once, which is one epoch: leave it out',
    ),
    (
      config.RunConfig,
      {'model': _TREE, 'training': config.TrainingConfig(epochs=1, batch_size=8)},
      '--batch_size=8: has no effect with --model=decision_tree, which is fitted at '
      'once and takes --seed alone: leave it out',
    ),
    (
      config.RunConfig,
      {
        'model': _TREE,
        'training': config.TrainingConfig(epochs=1, recurrent_kernel='keras'),
      },
      '--recurrent_kernel=keras: has no effect with --model=decision_tree',
    ),
    (
      config.RunConfig,
      {'model': _TREE, 'training': _ONCE, 'privacy': _PRIVATE},
      '--dp: --model=decision_tree has no gradients',
    ),
    (
      config.RunConfig,
      {
        'model': _TREE,
        'training': _ONCE,
        'data': config.DataConfig(train_fraction=0.5),
        'report': config.ReportConfig(attacks=('shadow',)),
        'attack': config.AttackConfig(attack_features=('posteriors', 'hidden')),
      },
      '--attack_features=hidden: --model=decision_tree has no layer below',
    ),
    (config.ReportConfig, {'attacks': ('treshold',)}, 'did you mean threshold'),
    (config.ReportConfig, {'attacks': ('lr', 'lr')}, 'twice'),
    (config.ReportConfig, {'epochs_per_report': 0}, '--epochs_per_report=0'),
    (config.ReportConfig, {'report_members': 0}, '--report_members=0'),
    (config.ReportConfig, {'attack_engine': 'slow'}, '--attack_engine=slow'),
  )
  def test_bad_value_is_refused_by_name(self, cls, values, part):
    with self.assertRaises(UsageError) as caught:
      cls(**values)
    self.assertIn(part, str(caught.exception))
    self.assertNotIn('\n', str(caught.exception))

  def test_alias_is_resolved(self):
    self.assertEqual(config.DataConfig(dataset='svhn').dataset, 'svhn_cropped')

  def test_json_round_trip_is_equal(self):
    run = config.RunConfig(
      data=config.DataConfig(dataset='cifar10', train_fraction=0.5),
      model=config.ModelConfig(model='clockwork_rnn', clockwork_periods=(1, 3, 9)),
      privacy=_PRIVATE,
      report=config.ReportConfig(attacks=('entropy', 'knn')),
    )
    text = json.dumps(config.to_json(run))
    self.assertEqual(config.from_json(config.RunConfig, json.loads(text)), run)

  def test_classical_run_comes_back_from_json(self):
    run = config.RunConfig(
      model=config.ModelConfig(model='random_forest', num_trees=7, max_depth=3),
      training=_ONCE,
    )
    text = json.dumps(config.to_json(run))
    self.assertEqual(config.from_json(config.RunConfig, json.loads(text)), run)
    self.assertEqual(run.name(), 'digits-random_forest-t7-d3-s3')

  def test_unknown_field_is_refused(self):
    values = config.to_json(config.RunConfig())
    values['training']['momentum'] = 0.9
    with self.assertRaisesRegex(UsageError, 'momentum'):
      config.from_json(config.RunConfig, values)

  def test_differences_name_the_flags(self):
    new = config.RunConfig(
      training=config.TrainingConfig(epochs=3),
      report=config.ReportConfig(attacks=('lr',)),
    )
    self.assertEqual(
      config.differences(config.RunConfig(), new),
      ['--epochs was 20, is 3', '--attacks was threshold,lr, is lr'],
    )

  def test_config_from_before_private_training_still_loads(self):
    values = config.to_json(config.RunConfig())
    del values['privacy'], values['training']['recurrent_kernel']
    loaded = config.from_json(config.RunConfig, json.loads(json.dumps(values)))
    self.assertEqual(loaded, config.RunConfig())

  def test_differences_name_the_flags_of_private_training(self):
    noisy = PrivacyConfig(dp=True, dp_noise_multiplier=1.1)
    self.assertEqual(
      config.differences(
        config.RunConfig(privacy=_PRIVATE), config.RunConfig(privacy=noisy)
      ),
      [
        '--dp_noise_multiplier was None, is 1.1',
        '--dp_target_epsilon was 3.0, is None',
      ],
    )
    lines = config.differences(config.RunConfig(), config.RunConfig(privacy=_PRIVATE))
    self.assertIn('--dp was False, is True', lines)

  @parameterized.parameters(
    (_PRIVATE, 'digits-lstm-dp-eps3-s0'),
    (PrivacyConfig(dp=True, dp_noise_multiplier=1.1), 'digits-lstm-dp-noise1.1-s0'),
    (PrivacyConfig(), 'digits-lstm-s0'),
  )
  def test_run_name_says_how_private(self, privacy, name):
    self.assertEqual(config.RunConfig(privacy=privacy).name(), name)

  @parameterized.parameters(
    ({}, 'lstm'),
    ({'model': 'cnn', 'num_conv': 3}, 'cnn3'),
    ({'model': 'gru', 'bidirectional': True, 'num_layers': 2}, 'bi-gru-2x'),
    ({'model': 'simple_rnn', 'hidden_size': 32}, 'simple-h32'),
    ({'model': 'lstm', 'sequence': 'pixels'}, 'lstm-pixels'),
    (
      {'model': 'clockwork_rnn', 'clockwork_periods': (1, 2)},
      'clockwork-p1.2',
    ),
  )
  def test_label_tells_variants_apart(self, values, label):
    self.assertEqual(config.ModelConfig(**values).label(), label)

  def test_run_name_is_a_plain_folder_name(self):
    run = config.RunConfig(data=config.DataConfig(dataset='a/b:1.0.0'))
    self.assertEqual(run.name(), 'a-b-1.0.0-lstm-s0')


if __name__ == '__main__':
  absltest.main()
