import math
import subprocess
import sys

import dp_accounting
from absl.testing import absltest, parameterized
from dp_accounting import pld, rdp

from rnn_tf.dp import accounting
from rnn_tf.errors import UsageError

MNIST = 256 / 60_000


def make(noise=1.0, rate=MNIST, delta=1e-5):
  return accounting.Mechanism(
    noise_multiplier=noise, sampling_probability=rate, delta=delta
  )


def by_accountant(accountant, *, noise, rate, steps, delta):
  """What dp-accounting itself makes of the event, by one of its accountants."""
  event = dp_accounting.PoissonSampledDpEvent(
    rate, dp_accounting.GaussianDpEvent(noise)
  )
  accountant.compose(dp_accounting.SelfComposedDpEvent(event, steps))
  return accountant.get_epsilon(delta)


class MechanismTest(parameterized.TestCase):
  @parameterized.parameters(
    (1.0, MNIST, 470, 1e-5),
    (0.7, 64 / 1437, 230, 1e-4),
    (2.0, 1.0, 40, 1e-5),
    (30.0, 1.0, 1000, 1e-9),
    (1.5, 0.001, 100_000, 1e-6),
  )
  def test_epsilon_equals_that_of_the_pld_accountant(self, noise, rate, steps, delta):
    expected = by_accountant(
      pld.PLDAccountant(), noise=noise, rate=rate, steps=steps, delta=delta
    )
    got = make(noise, rate, delta).epsilon(steps)
    self.assertAlmostEqual(got / expected, 1, delta=1e-6)

  def test_full_batches_match_one_step_with_less_noise(self):
    one = make(2.0 / 5, rate=1.0).epsilon(1)
    self.assertAlmostEqual(make(2.0, rate=1.0).epsilon(25), one, places=5)

  def test_coarser_grid_gives_a_slightly_larger_bound(self):
    fine = by_accountant(
      pld.PLDAccountant(), noise=0.29, rate=0.01, steps=10, delta=1e-5
    )
    self.assertBetween(make(0.29, 0.01).epsilon(10), fine, fine * 1.001)

  def test_renyi_accountant_is_never_below(self):
    setting = {'noise': 1.1, 'rate': MNIST, 'steps': 2000, 'delta': 1e-5}
    renyi = by_accountant(rdp.RdpAccountant(), **setting)
    self.assertLess(make(1.1).epsilon(2000), renyi * 1.001)

  def test_epsilon_rises_with_steps_and_falls_with_noise(self):
    mechanism = make()
    by_steps = [mechanism.epsilon(steps) for steps in (0, 1, 10, 100, 1000)]
    self.assertEqual(by_steps[0], 0)
    self.assertEqual(by_steps, sorted(by_steps))
    self.assertLess(by_steps[1], by_steps[-1])
    by_noise = [make(noise).epsilon(100) for noise in (4, 2, 1, 0.6)]
    self.assertEqual(by_noise, sorted(by_noise))
    self.assertEqual(mechanism.epsilon(100), by_steps[3])

  @parameterized.parameters((0.1, 60), (0.15, 4700), (1e9, 1))
  def test_extreme_noise_has_a_finite_epsilon(self, noise, steps):
    epsilon = make(noise).epsilon(steps)
    self.assertTrue(math.isfinite(epsilon))
    self.assertIsInstance(epsilon, float)

  def test_bound_holds_where_the_library_overflows(self):
    # Its own answer at 0.15 is infinity, and 0.152 has more noise.
    self.assertBetween(make(0.15).epsilon(4700), make(0.152).epsilon(4700), 746)

  @parameterized.parameters(1e-9, 0.05, 0.0999, 0.0, math.inf, math.nan)
  def test_noise_that_cannot_be_accounted_for_is_refused(self, noise):
    with self.assertRaisesRegex(
      UsageError, f'--dp_noise_multiplier={noise:g}: .*at least 0.1'
    ):
      make(noise)

  @parameterized.parameters(1e-13, 0.0, 1.0)
  def test_delta_that_cannot_be_accounted_for_is_refused(self, delta):
    with self.assertRaisesRegex(UsageError, f'--dp_delta={delta:g}: .*1e-12'):
      make(delta=delta)

  @parameterized.parameters(0.0, 1.01)
  def test_sampling_probability_that_is_none_is_refused(self, rate):
    with self.assertRaisesRegex(ValueError, 'sampling probability'):
      make(rate=rate)


class NoiseMultiplierTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.5, MNIST, 4700), (0.01, MNIST, 470), (2.0, 1.0, 100), (8.0, 0.5, 20)
  )
  def test_noise_found_is_the_least_that_reaches_the_target(self, target, rate, steps):
    noise = accounting.noise_multiplier(
      target, sampling_probability=rate, steps=steps, delta=1e-5
    )
    self.assertEqual(noise, float(f'{noise:.4g}'))
    self.assertLessEqual(make(noise, rate).epsilon(steps), target)
    self.assertGreater(make(noise * 0.998, rate).epsilon(steps), target)

  def test_target_beyond_the_least_noise_gives_the_least_noise(self):
    noise = accounting.noise_multiplier(
      1e6, sampling_probability=0.5, steps=1000, delta=1e-5
    )
    self.assertEqual(noise, accounting.MIN_NOISE_MULTIPLIER)

  def test_target_out_of_reach_is_refused_with_what_is_reachable(self):
    with self.assertRaises(UsageError) as caught:
      accounting.noise_multiplier(
        1e-6, sampling_probability=MNIST, steps=4700, delta=1e-5
      )
    text = str(caught.exception)
    self.assertIn('--dp_target_epsilon=1e-06: even --dp_noise_multiplier=10000', text)
    reachable = float(text.partition('no less than ')[2].split()[0])
    self.assertLessEqual(
      accounting.noise_multiplier(
        reachable, sampling_probability=MNIST, steps=4700, delta=1e-5
      ),
      accounting.MAX_NOISE_MULTIPLIER,
    )

  def test_no_step_has_no_noise(self):
    with self.assertRaisesRegex(ValueError, 'at least one step'):
      accounting.noise_multiplier(1.0, sampling_probability=0.1, steps=0, delta=1e-5)


class DefaultDeltaTest(parameterized.TestCase):
  @parameterized.parameters(
    (1, 0.1),
    (9, 0.1),
    (10, 0.01),
    (1437, 1e-4),
    (50_000, 1e-5),
    (60_000, 1e-5),
    (99_999, 1e-5),
    (100_000, 1e-6),
    (100_001, 1e-6),
  )
  def test_delta_is_the_power_of_ten_below_one_over_the_examples(self, n, expected):
    self.assertEqual(accounting.default_delta(n), expected)
    self.assertLess(accounting.default_delta(n), 1 / n)

  def test_no_examples_have_no_delta(self):
    with self.assertRaisesRegex(ValueError, 'at least one example'):
      accounting.default_delta(0)


class ImportTest(absltest.TestCase):
  def test_module_loads_nothing_heavy(self):
    code = (
      'import sys; import rnn_tf.dp.accounting; '
      'assert not {"tensorflow", "dp_accounting", "scipy"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


if __name__ == '__main__':
  absltest.main()
