"""Private training in process on the embedded digits."""

import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.config import OPTIMIZERS
from rnn_tf.dp import accounting, guarantee, randomness
from rnn_tf.stack import tf
from tests import private_runs


class ExactTest(private_runs.PrivateRunTestCase):
  def test_private_run_records_what_it_promises(self):
    out, err = self.run_to_end(self.path, *private_runs.DP)
    mechanism = accounting.Mechanism(
      noise_multiplier=1.0, sampling_probability=64 / 200, delta=1e-3
    )
    epsilons = [mechanism.epsilon(epoch * 4) for epoch in (1, 2, 3)]
    self.assert_weights_file_tells_no_exact_figure(self.path)
    with self.subTest('metrics.csv'):
      self.assertEqual(epsilons, sorted(set(epsilons)))
      np.testing.assert_allclose(private_runs.epsilons(self.path), epsilons, rtol=1e-5)
    with self.subTest('privacy.jsonl'):
      text = (self.path / 'privacy.jsonl').read_text()
      lines = [json.loads(line) for line in text.splitlines()]
      self.assertNotEmpty(lines)
      for line in lines:
        self.assertEqual(line['epsilon'], epsilons[line['epoch'] - 1])
        self.assertEqual(line['delta'], 1e-3)
        self.assertIn('epsilon_lower_bound', line)
      entire = [r for r in lines if r['slice'] == 'entire']
      for line in entire:
        self.assertGreaterEqual(line['epsilon_lower_bound'], 0)
    with self.subTest('result.json'):
      promise = private_runs.load(self.path / 'result.json')['guarantee']
      self.assertEqual(
        promise,
        {
          'epsilon': epsilons[-1],
          'noise_multiplier': 1.0,
          'l2_norm_clip': 1.0,
          'delta': 1e-3,
          'sampling_probability': 64 / 200,
          'sampling': 'poisson',
          'steps_per_epoch': 4,
          'engine': 'exact',
          'secret': True,
          'sensitivity': 1,
          'steps': 12,
          'accountant': 'PLD',
          'adjacency': 'add or remove one example',
        },
      )
    with self.subTest('screen'):
      (line,) = [x for x in out.splitlines() if x.startswith('guarantee: ')]
      for part in (
        f'epsilon {guarantee.rounded_up(epsilons[-1])} at delta 0.001',
        'PLD accountant',
        'Poisson sampling at rate 0.32',
        'adjacency: add or remove one example',
      ):
        self.assertIn(part, line)
      self.assertNotIn('--deterministic', line)
      self.assertIn('the attacks indicate an epsilon of at least', out)
      self.assertIn(f'epsilon {guarantee.rounded_up(epsilons[1])}', err)
      self.assertIn('engine exact', err)
    with self.subTest('tensorboard'):
      shown = {
        (event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for file in (self.path / 'tensorboard/train').iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
      }
      for epoch, epsilon in enumerate(epsilons, 1):
        self.assertAlmostEqual(shown[epoch, 'privacy/epsilon'], epsilon, places=4)

  def test_plain_run_promises_nothing(self):
    out, _ = self.run_to_end(self.path, *private_runs.SMALL, '--epochs=1')
    self.assertNotIn('epsilon', private_runs.metrics(self.path)[0])
    self.assertIsNone(private_runs.load(self.path / 'result.json')['guarantee'])
    self.assertNotIn('guarantee', out)
    self.assertEqual(private_runs.load(self.path / 'config.json')['engine'], 'split')

  def test_target_is_kept_to_the_last_epoch(self):
    self.run_to_end(
      self.path, *private_runs.SMALL, '--dp', '--dp_target_epsilon=3', '--attacks='
    )
    last = private_runs.epsilons(self.path)[-1]
    self.assertLessEqual(last, 3)
    self.assertGreater(last, 2.9)

  def test_dry_run_states_the_guarantee_and_writes_nothing(self):
    out, err = self.run_to_end(self.path, *private_runs.DP, '--dry_run')
    self.assertFalse(self.path.exists())
    self.assertIn('engine: exact', out)
    self.assertRegex(out, r'privacy: epsilon \d+\.\d+ at delta 0\.001; PLD account')
    self.assertEqual(err, '')

  def test_dry_run_of_plain_training_says_that_there_is_no_guarantee(self):
    out, _ = self.run_to_end(self.path, *private_runs.SMALL, '--dry_run')
    self.assertIn('privacy: no guarantee', out)

  @parameterized.parameters(True, False)
  def test_seeded_noise_is_said_to_be_removable(self, dry_run):
    out, _ = self.run_to_end(
      self.path,
      *private_runs.SEEDED,
      '--epochs=1',
      f'--{"" if dry_run else "no"}dry_run',
    )
    self.assertIn('whoever knows the seed can take it away', out)

  def test_delta_that_lets_an_example_be_published_warns(self):
    _, err = self.run_to_end(self.path, *private_runs.DP, '--dp_delta=0.1', '--dry_run')
    self.assertIn('--dp_delta=0.1: not below 1 / 200 training examples', err)

  @parameterized.parameters(*OPTIMIZERS)
  def test_every_optimizer_trains_privately(self, optimizer):
    self.run_to_end(
      self.path,
      *private_runs.DP,
      '--epochs=1',
      '--attacks=',
      f'--optimizer={optimizer}',
    )
    (row,) = private_runs.metrics(self.path)
    self.assertTrue(np.isfinite(float(row['val_loss'])))
    self.assertGreater(float(row['epsilon']), 0)

  @parameterized.product(
    engine=['tf_privacy_model', 'tf_privacy_optimizer'], model=['lstm', 'mlp']
  )
  def test_tf_privacys_engine_trains_an_epoch(self, engine, model):
    out, _ = self.run_to_end(
      self.path,
      *private_runs.TINY,
      '--batch_size=12',
      '--dp',
      '--dp_noise_multiplier=1',
      '--attacks=',
      f'--dp_engine={engine}',
      f'--model={model}',
    )
    promise = private_runs.load(self.path / 'result.json')['guarantee']
    self.assertEqual((promise['engine'], promise['sampling']), (engine, 'shuffle'))
    self.assertIn('the batches were shuffled', out)
    self.assert_weights_file_tells_no_exact_figure(self.path)

  def test_microbatches_count_double(self):
    out, _ = self.run_to_end(
      self.path,
      *private_runs.TINY,
      '--batch_size=16',
      '--dp',
      '--dp_noise_multiplier=2',
      '--dp_engine=tf_privacy_optimizer',
      '--dp_num_microbatches=4',
      '--attacks=',
    )
    self.assertIn('sensitivity 2 clips', out)
    mechanism = accounting.Mechanism(
      noise_multiplier=1.0, sampling_probability=0.5, delta=1e-2
    )
    self.assertAlmostEqual(
      private_runs.epsilons(self.path)[0], mechanism.epsilon(2), places=4
    )


class RandomnessTest(private_runs.PrivateRunTestCase):
  def setUp(self):
    super().setUp()
    self.other = self.folder / 'other'

  def test_two_secret_runs_differ(self):
    for path in (self.path, self.other):
      self.run_to_end(path, *private_runs.DP, '--epochs=1', '--attacks=')
    one, two = private_runs.weights(self.path), private_runs.weights(self.other)
    for name in one:
      if one[name].size > 1:
        self.assertFalse(np.array_equal(one[name], two[name]), name)

  def test_two_seeded_runs_are_equal(self):
    for path in (self.path, self.other):
      self.run_to_end(path, *private_runs.SEEDED, '--epochs=2')
    self.assert_same_weights(self.path, self.other)
    self.assertEqual(private_runs.metrics(self.path), private_runs.metrics(self.other))

  def test_folder_of_a_secret_run_holds_no_key(self):
    secret = []
    original = randomness.secret_keys

    def keys():
      secret.append(original())
      return secret[-1]

    with absltest.mock.patch.object(randomness, 'secret_keys', keys):
      self.run_to_end(self.path, *private_runs.DP, '--epochs=1', '--attacks=')
    (both,) = secret
    for file in self.path.rglob('*'):
      content = file.read_bytes() if file.is_file() else b''
      for key in (both.noise, both.sampling):
        self.assertNotIn(str(key).encode(), content, file)
        self.assertNotIn(key.to_bytes(8, 'little'), content, file)


if __name__ == '__main__':
  absltest.main()
