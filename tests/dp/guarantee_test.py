import dataclasses
import functools
import json

from absl.testing import absltest, parameterized

from rnn_tf.config import RunConfig, TrainingConfig
from rnn_tf.dp import accounting, guarantee
from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import PrivacyConfig


def _config(batch_size=20, epochs=3, deterministic=False, **privacy):
  if 'dp_target_epsilon' not in privacy:
    privacy.setdefault('dp_noise_multiplier', 1.0)
  return RunConfig(
    training=TrainingConfig(
      batch_size=batch_size, epochs=epochs, deterministic=deterministic
    ),
    privacy=PrivacyConfig(dp=True, **privacy),
  )


@functools.cache  # It takes a while, and the tests ask for a few plans again and again.
def _plan(config, examples=200, engine='exact'):
  return guarantee.plan(config, examples=examples, engine=engine)


def _microbatches(count, batch_size=20):
  return _config(
    batch_size, dp_engine='tf_privacy_optimizer', dp_num_microbatches=count
  )


class PlanTest(parameterized.TestCase):
  def test_plain_training_promises_nothing(self):
    self.assertIsNone(_plan(RunConfig(), engine='split'))

  def test_promise_has_all_that_epsilon_follows_from(self):
    promise = _plan(_config(dp_l2_norm_clip=0.5), examples=190)
    self.assertEqual(
      promise,
      guarantee.Guarantee(
        noise_multiplier=1.0,
        l2_norm_clip=0.5,
        delta=1e-3,
        sampling_probability=20 / 190,
        sampling='poisson',
        steps_per_epoch=10,
        engine='exact',
        secret=True,
        sensitivity=1,
      ),
    )

  def test_epsilon_is_the_accountants_after_the_steps_of_the_epochs(self):
    promise = _plan(_config())
    mechanism = accounting.Mechanism(
      noise_multiplier=1.0, sampling_probability=0.1, delta=1e-3
    )
    self.assertEqual(promise.epsilon(3), mechanism.epsilon(30))
    self.assertLess(promise.epsilon(1), promise.epsilon(2))

  @parameterized.parameters(1.0, 3.0)
  def test_target_is_reached_and_not_undercut_by_much(self, target):
    promise = _plan(_config(dp_target_epsilon=target))
    self.assertLessEqual(promise.epsilon(3), target)
    self.assertGreater(promise.epsilon(3), 0.99 * target)

  def test_target_nothing_can_reach_is_refused(self):
    with self.assertRaisesRegex(UsageError, '--dp_target_epsilon=1e-09: even'):
      _plan(_config(dp_target_epsilon=1e-9, dp_delta=1e-12))

  def test_noise_that_cannot_be_accounted_for_is_refused(self):
    with self.assertRaisesRegex(UsageError, '--dp_noise_multiplier=0.001: must be'):
      _plan(_config(dp_noise_multiplier=0.001))

  def test_seeded_noise_is_no_secret(self):
    self.assertTrue(_plan(_config()).secret)
    self.assertFalse(_plan(_config(deterministic=True)).secret)


class DeltaTest(parameterized.TestCase):
  @parameterized.parameters(1 / 200, 0.5)
  def test_delta_that_lets_an_example_be_published_warns(self, delta):
    with self.assertLogs('rnn_tf', 'WARNING') as logs:
      promise = guarantee.plan(_config(dp_delta=delta), examples=200, engine='exact')
    self.assertIn('not below 1 / 200 training examples', logs.output[0])
    self.assertEqual(promise.delta, delta)

  @parameterized.parameters(None, 1e-5)
  def test_smaller_delta_does_not_warn(self, delta):
    with self.assertNoLogs('rnn_tf', 'WARNING'):
      promise = guarantee.plan(_config(dp_delta=delta), examples=200, engine='exact')
    self.assertEqual(promise.delta, delta or 1e-3)


class MicrobatchesTest(parameterized.TestCase):
  @parameterized.parameters(
    (3, 200, 'does not divide a batch of 20 examples'),
    (40, 200, 'does not divide a batch of 20 examples'),
    (4, 190, 'does not divide the last batch of 10 examples'),
  )
  def test_count_that_does_not_divide_a_batch_is_refused(self, count, examples, part):
    with self.assertRaisesRegex(UsageError, f'--dp_num_microbatches={count}: {part}'):
      _plan(_microbatches(count), examples, 'tf_privacy_optimizer')

  @parameterized.parameters((5, 190), (20, 200), (4, 200))
  def test_count_that_divides_every_batch_is_taken(self, count, examples):
    promise = _plan(_microbatches(count), examples, 'tf_privacy_optimizer')
    self.assertEqual(promise.engine, 'tf_privacy_optimizer')

  def test_shared_microbatches_double_the_sensitivity(self):
    shared = _plan(_microbatches(5), 200, 'tf_privacy_optimizer')
    alone = _plan(_microbatches(20), 200, 'tf_privacy_optimizer')
    self.assertEqual((shared.sensitivity, alone.sensitivity), (2, 1))
    half = _plan(_config(dp_noise_multiplier=0.5))
    self.assertEqual(shared.epsilon(3), half.epsilon(3))
    self.assertGreater(shared.epsilon(3), alone.epsilon(3))

  def test_noise_too_little_for_shared_microbatches_is_named_as_it_was_given(self):
    config = dataclasses.replace(
      _microbatches(5),
      privacy=dataclasses.replace(_microbatches(5).privacy, dp_noise_multiplier=0.15),
    )
    with self.assertRaisesRegex(UsageError, 'dp_noise_multiplier=0.15 .* at least 0.2'):
      _plan(config, 200, 'tf_privacy_optimizer')

  def test_target_is_reached_with_twice_the_noise_in_shared_microbatches(self):
    config = RunConfig(
      training=TrainingConfig(batch_size=20, epochs=3),
      privacy=PrivacyConfig(
        dp=True,
        dp_target_epsilon=3.0,
        dp_engine='tf_privacy_optimizer',
        dp_num_microbatches=5,
      ),
    )
    promise = _plan(config, 200, 'tf_privacy_optimizer')
    alone = _plan(_config(dp_target_epsilon=3.0))
    self.assertEqual(promise.noise_multiplier, 2 * alone.noise_multiplier)
    self.assertLessEqual(promise.epsilon(3), 3.0)


class JsonTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.promise = _plan(_config())
    self.values = dataclasses.asdict(self.promise)

  def test_fields_come_back_from_json(self):
    values = json.loads(json.dumps(self.values))
    self.assertEqual(guarantee.from_json(values), self.promise)

  @parameterized.parameters(
    ('noise_multiplier', 0.0),
    ('noise_multiplier', '1.0'),
    ('noise_multiplier', float('nan')),
    ('noise_multiplier', True),
    ('l2_norm_clip', -1.0),
    ('delta', 1.0),
    ('sampling_probability', 1.5),
    ('sampling', 'cards'),
    ('steps_per_epoch', 0),
    ('steps_per_epoch', 2.5),
    ('engine', 'keras'),
    ('secret', None),
    ('sensitivity', 0),
  )
  def test_impossible_field_is_refused_by_name(self, name, value):
    with self.assertRaisesRegex(ValueError, f'guarantee: {name}='):
      guarantee.from_json({**self.values, name: value})

  @parameterized.parameters(
    ([],), ('noise',), (None,), ({'noise_multiplier': 1.0},), ({'epsilon': 1.0},)
  )
  def test_anything_but_the_fields_is_refused(self, values):
    with self.assertRaisesRegex(ValueError, 'other fields than noise_multiplier'):
      guarantee.from_json(values)

  def test_result_has_what_a_reader_must_know(self):
    promise = self.promise.to_json(epochs=3)
    self.assertEqual(
      set(promise) - set(self.values), {'epsilon', 'steps', 'accountant', 'adjacency'}
    )
    self.assertEqual(promise['steps'], 30)
    self.assertEqual(promise['epsilon'], self.promise.epsilon(3))


class StatementTest(parameterized.TestCase):
  def _statement(self, config, engine='exact'):
    return guarantee.statement(_plan(config, engine=engine).to_json(epochs=3))

  def test_statement_names_what_the_number_stands_on(self):
    text = self._statement(_config(dp_l2_norm_clip=0.5))
    epsilon = _plan(_config()).epsilon(3)
    for part in (
      f'epsilon {epsilon:.3f} at delta 0.001',
      'PLD accountant',
      'Poisson sampling at rate 0.1, 30 steps',
      'adjacency: add or remove one example',
      'noise multiplier 1, clip 0.5, engine exact',
    ):
      self.assertIn(part, text)
    self.assertNotIn('shuffled', text)
    self.assertNotIn('--deterministic', text)
    self.assertNotIn('sensitivity', text)
    self.assertNotIn('\n', text)

  def test_shuffled_batches_are_not_called_poisson(self):
    text = self._statement(_config(dp_sampling='shuffle'))
    self.assertIn('stated for Poisson sampling at rate 0.1; the batches were', text)

  def test_seeded_noise_is_said_to_be_removable(self):
    text = self._statement(_config(deterministic=True))
    self.assertIn('whoever knows the seed can take it away', text)

  def test_shared_microbatches_are_mentioned(self):
    text = self._statement(_microbatches(5), 'tf_privacy_optimizer')
    self.assertIn('sensitivity 2 clips, for the microbatches', text)


class RoundedUpTest(parameterized.TestCase):
  @parameterized.parameters((3.0, '3.000'), (3.0004, '3.001'), (2.9999, '3.000'))
  def test_printed_epsilon_is_never_below_the_real_one(self, epsilon, text):
    self.assertEqual(guarantee.rounded_up(epsilon), text)


if __name__ == '__main__':
  absltest.main()
