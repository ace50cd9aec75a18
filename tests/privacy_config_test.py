from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.privacy_config import PrivacyConfig

_NAN = float('nan')


def _config(**values):
  return PrivacyConfig(**{'dp': True, 'dp_noise_multiplier': 1.1, **values})


class PrivacyConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    ({'dp_l2_norm_clip': 0.0}, '--dp_l2_norm_clip=0.0: must be a positive'),
    ({'dp_l2_norm_clip': -1.0}, '--dp_l2_norm_clip=-1.0'),
    ({'dp_l2_norm_clip': _NAN}, '--dp_l2_norm_clip=nan'),
    ({'dp_l2_norm_clip': float('inf')}, '--dp_l2_norm_clip=inf'),
    ({'dp_noise_multiplier': 0.0}, '--dp_noise_multiplier=0.0: must be a positive'),
    ({'dp_noise_multiplier': -1.0}, '--dp_noise_multiplier=-1.0'),
    ({'dp_noise_multiplier': _NAN}, '--dp_noise_multiplier=nan'),
    (
      {'dp_noise_multiplier': None, 'dp_target_epsilon': 0.0},
      '--dp_target_epsilon=0.0: must be a positive',
    ),
    (
      {'dp_noise_multiplier': None, 'dp_target_epsilon': _NAN},
      '--dp_target_epsilon=nan',
    ),
    ({'dp_target_epsilon': 3.0}, 'give one of them'),
    ({'dp_noise_multiplier': None}, 'Give --dp_target_epsilon (for example 3)'),
    ({'dp_delta': 0.0}, '--dp_delta=0.0: must be at least 1e-12, below'),
    ({'dp_delta': 1.0}, '--dp_delta=1.0'),
    ({'dp_delta': _NAN}, '--dp_delta=nan'),
    ({'dp_engine': 'exakt'}, '--dp_engine=exakt: must be one of auto, exact'),
    ({'dp_sampling': 'poison'}, 'did you mean poisson'),
    (
      {'dp_engine': 'tf_privacy_model', 'dp_sampling': 'poisson'},
      '--dp_sampling=poisson: --dp_engine=tf_privacy_model divides',
    ),
    (
      {'dp_engine': 'tf_privacy_optimizer', 'dp_sampling': 'poisson'},
      'give --dp_sampling=shuffle',
    ),
    ({'dp_num_microbatches': 2}, 'only --dp_engine=tf_privacy_optimizer'),
    (
      {'dp_engine': 'tf_privacy_model', 'dp_num_microbatches': 2},
      'only --dp_engine=tf_privacy_optimizer',
    ),
    (
      {'dp_engine': 'tf_privacy_optimizer', 'dp_num_microbatches': 0},
      '--dp_num_microbatches=0: must be at least 1',
    ),
  )
  def test_bad_value_is_refused_by_name(self, values, part):
    with self.assertRaises(UsageError) as caught:
      _config(**values)
    self.assertIn(part, str(caught.exception))
    self.assertNotIn('\n', str(caught.exception))

  @parameterized.parameters(
    ('auto', 'poisson'),
    ('exact', 'poisson'),
    ('tf_privacy_model', 'shuffle'),
    ('tf_privacy_optimizer', 'shuffle'),
  )
  def test_sampling_follows_from_the_engine_where_not_given(self, engine, sampling):
    self.assertEqual(_config(dp_engine=engine).dp_sampling, sampling)

  def test_shuffle_that_was_asked_for_is_kept(self):
    self.assertEqual(_config(dp_sampling='shuffle').dp_sampling, 'shuffle')

  def test_only_the_optimizer_of_tf_privacy_takes_microbatches(self):
    config = _config(dp_engine='tf_privacy_optimizer', dp_num_microbatches=4)
    self.assertEqual(config.dp_num_microbatches, 4)

  @parameterized.parameters(
    ({'dp_noise_multiplier': None, 'dp_target_epsilon': 3.0}, 'dp-eps3'),
    ({'dp_noise_multiplier': None, 'dp_target_epsilon': 0.5}, 'dp-eps0.5'),
    ({'dp_noise_multiplier': 1.1}, 'dp-noise1.1'),
  )
  def test_label_says_how_private(self, values, label):
    self.assertEqual(_config(**values).label(), label)

  def test_plain_training_has_no_label_and_needs_no_noise(self):
    self.assertEqual(PrivacyConfig().label(), '')


if __name__ == '__main__':
  absltest.main()
