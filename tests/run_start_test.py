"""Runs that are killed and resumed keep what they began with."""

import json

from absl.testing import absltest, parameterized

from rnn_tf import engines, run_start
from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig, to_json
from rnn_tf.dp import accounting
from rnn_tf.runs import FORMAT, RunFolder
from tests import private_runs


class ResumeTest(private_runs.PrivateRunTestCase):
  @parameterized.parameters('poisson', 'shuffle')
  def test_resumed_run_ends_as_if_it_had_not_been_killed(self, sampling):
    flags = (*private_runs.SEEDED, f'--dp_sampling={sampling}')
    whole = self.folder / 'whole'
    self.run_to_end(whole, *flags)
    self.run_killed_in_epoch_2(self.path, *flags)
    _, err = self.run_to_end(self.path, *flags)
    self.assertIn('going on after epoch 1', err)
    self.assertEqual(private_runs.metrics(self.path), private_runs.metrics(whole))
    self.assert_same_weights(self.path, whole)
    self.assertEqual(
      private_runs.load(self.path / 'result.json')['guarantee'],
      private_runs.load(whole / 'result.json')['guarantee'],
    )

  @parameterized.parameters('tf_privacy_model', 'tf_privacy_optimizer')
  def test_resumed_run_of_tf_privacy_keeps_its_guarantee(self, engine):
    flags = (
      *private_runs.TINY,
      '--batch_size=16',
      '--model=mlp',
      '--epochs=2',
      '--dp',
      '--dp_noise_multiplier=1',
      f'--dp_engine={engine}',
      '--attacks=',
    )
    self.run_killed_in_epoch_2(self.path, *flags)
    _, err = self.run_to_end(self.path, *flags)
    self.assertIn('going on after epoch 1', err)
    self.assertLen(private_runs.epsilons(self.path), 2)

  def test_resumed_run_keeps_the_noise_and_the_engine_it_began_with(self):
    flags = (*private_runs.SMALL, '--dp', '--dp_target_epsilon=3', '--attacks=')
    self.run_killed_in_epoch_2(self.path, *flags)
    before = private_runs.load(self.path / 'config.json')
    with (
      absltest.mock.patch.object(accounting, 'noise_multiplier', return_value=99.0),
      absltest.mock.patch.object(engines, 'choose', return_value='tf_privacy_model'),
    ):
      _, err = self.run_to_end(self.path, *flags)
    self.assertIn('engine exact', err)
    promise = private_runs.load(self.path / 'result.json')['guarantee']
    self.assertEqual(promise['engine'], 'exact')
    self.assertEqual(
      promise['noise_multiplier'], before['guarantee']['noise_multiplier']
    )
    self.assertLess(promise['noise_multiplier'], 99)
    self.assertEqual(private_runs.load(self.path / 'config.json'), before)

  def test_resumed_plain_run_keeps_its_engine(self):
    flags = (*private_runs.SMALL, '--deterministic', '--attacks=')
    self.run_killed_in_epoch_2(self.path, *flags)
    with absltest.mock.patch.object(engines, 'choose', return_value='keras'):
      _, err = self.run_to_end(self.path, *flags)
    self.assertIn('engine split', err)

  def test_run_that_starts_again_takes_the_noise_of_now(self):
    flags = (*private_runs.SMALL, '--dp', '--dp_target_epsilon=3', '--attacks=')
    self.run_killed_in_epoch_2(self.path, *flags)
    with absltest.mock.patch.object(accounting, 'noise_multiplier', return_value=99.0):
      self.run_to_end(self.path, *flags, '--overwrite')
    promise = private_runs.load(self.path / 'result.json')['guarantee']
    self.assertEqual(promise['noise_multiplier'], 99)

  def test_resumed_run_with_secret_noise_has_the_same_epsilon(self):
    whole = self.folder / 'whole'
    flags = (*private_runs.DP, '--attacks=')
    self.run_to_end(whole, *flags)
    self.run_killed_in_epoch_2(self.path, *flags)
    self.run_to_end(self.path, *flags)
    self.assertEqual(private_runs.epsilons(self.path), private_runs.epsilons(whole))
    self.assertEqual(
      private_runs.load(self.path / 'result.json')['guarantee'],
      private_runs.load(whole / 'result.json')['guarantee'],
    )

  @parameterized.parameters(
    ({'guarantee': None}, 'guarantee: other fields'),
    ({'guarantee': 'strong'}, 'guarantee: other fields'),
    ({'guarantee': {'epsilon': 1.0}}, 'guarantee: other fields'),
    ({'engine': 'keras'}, "engine='keras'"),
    ({'engine': ['exact']}, "engine=['exact']"),
  )
  def test_damaged_record_of_the_guarantee_is_refused(self, change, part):
    flags = (*private_runs.SEEDED, '--epochs=2')
    self.run_killed_in_epoch_2(self.path, *flags)
    self._edit(**change)
    code, _, err = private_runs.run(self.path, *flags)
    self.assertEqual(code, 2)
    self.assertIn(f'config.json is damaged or of another version ({part}', err)
    self.assertLen(err.splitlines(), 1)

  def test_guarantee_without_noise_is_refused(self):
    flags = (*private_runs.SEEDED, '--epochs=2')
    self.run_killed_in_epoch_2(self.path, *flags)
    promise = private_runs.load(self.path / 'config.json')['guarantee']
    self._edit(guarantee={**promise, 'noise_multiplier': 0.0})
    code, _, err = private_runs.run(self.path, *flags)
    self.assertEqual(code, 2)
    self.assertIn('(guarantee: noise_multiplier=0.0): name another --run_dir', err)
    self.assertLen(err.splitlines(), 1)

  def _edit(self, **change):
    record = private_runs.load(self.path / 'config.json')
    (self.path / 'config.json').write_text(json.dumps({**record, **change}))


class BegunWithTest(absltest.TestCase):
  def _folder(self, config, **record):
    folder = RunFolder(self.create_tempdir().full_path)
    values = {'format': FORMAT, 'config': config, **record}
    (folder.path / 'config.json').write_text(json.dumps(values))
    return folder

  def test_run_from_before_there_were_engines_goes_on_with_keras(self):
    config = to_json(RunConfig())
    del config['privacy'], config['training']['recurrent_kernel']
    self.assertEqual(run_start.begun_with(self._folder(config)), ('keras', None))

  def test_plain_run_keeps_its_engine(self):
    config = to_json(
      RunConfig(
        model=ModelConfig(model='gru'), training=TrainingConfig(deterministic=True)
      )
    )
    folder = self._folder(config, engine='split', guarantee=None)
    self.assertEqual(run_start.begun_with(folder), ('split', None))

  def test_engine_that_is_none_is_refused(self):
    for engine in ('auto', 'exact', 'cudnn', 3, None):
      folder = self._folder(to_json(RunConfig()), engine=engine)
      with self.assertRaisesRegex(run_start.UsageError, 'damaged .*engine='):
        run_start.begun_with(folder)


if __name__ == '__main__':
  absltest.main()
