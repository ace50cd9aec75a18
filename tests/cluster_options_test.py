"""Flags of the cluster."""

from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.options import cluster
from rnn_tf.options.cluster import ClusterOptions


def _read(*arguments, allowed=cluster.STRATEGIES):
  with flagsaver.flagsaver():
    flags.FLAGS(['test', *arguments])
    return cluster.from_flags(allowed)


class FromFlagsTest(parameterized.TestCase):
  def test_nothing_given_is_the_default(self):
    self.assertEqual(_read(), ClusterOptions())

  @parameterized.parameters(
    ([], 'local', 0.0),
    (['--ray_address=auto'], 'auto', 0.0),
    (
      ['--ray_address=10.0.0.5:6379', '--ray_gpus_per_model=0.25'],
      '10.0.0.5:6379',
      0.25,
    ),
    (['--ray_gpus_per_model=2'], 'local', 2.0),
  )
  def test_what_is_given_is_taken(self, arguments, address, gpus):
    self.assertEqual(
      _read('--fleet=ray', *arguments),
      ClusterOptions(strategy='ray', address=address, gpus_per_model=gpus),
    )

  @parameterized.parameters(
    '', 'head', 'head:', ':6379', 'head:0', 'head:65536', 'a b:1', 'http://head:6379',
    'ray://head:10001', 'me@head:6379', 'head:6379\n', 'head:63 79', 'LOCAL',
  )  # fmt: skip
  def test_address_that_is_none_is_refused(self, address):
    with self.assertRaisesRegex(UsageError, '^--ray_address=') as raised:
      _read('--fleet=ray', f'--ray_address={address}')
    self.assertIn('must be host:port', str(raised.exception))

  @parameterized.parameters('-1', 'nan', 'inf', '1.5', '-0.5')
  def test_share_that_is_none_is_refused(self, share):
    with self.assertRaisesRegex(UsageError, '^--ray_gpus_per_model='):
      _read('--fleet=ray', f'--ray_gpus_per_model={share}')

  @parameterized.parameters('--ray_address=auto', '--ray_gpus_per_model=1')
  def test_flag_without_effect_is_refused(self, flag):
    with self.assertRaisesRegex(UsageError, f'^{flag}.*: has no effect with --fleet='):
      _read(flag)

  def test_strategy_that_a_command_has_not_is_refused(self):
    with self.assertRaisesRegex(
      UsageError, '--fleet=stacked: must be one of auto, ray'
    ):
      _read('--fleet=stacked', allowed=('auto', 'ray'))


if __name__ == '__main__':
  absltest.main()
