from absl.testing import absltest, parameterized

from rnn_tf import claims, records
from rnn_tf.errors import UsageError
from tests import fake_runs


class OfTest(fake_runs.RunsCase):
  def test_a_plain_run_claims_nothing(self):
    self.assertIsNone(claims.of(self.load()))

  def test_a_finished_run_claims_what_its_result_says(self):
    claim = claims.of(self.load(privacy=fake_runs.private(), claimed=2.9))
    self.assertEqual((claim.epsilon, claim.delta), (2.9, 1e-5))
    self.assertEqual((claim.noise_multiplier, claim.sampling), (1.1, 'poisson'))
    self.assertTrue(claim.secret)

  def test_an_unfinished_run_claims_what_it_has_spent(self):
    record = self.load(privacy=fake_runs.private(4.0), trained=2, deterministic=True)
    claim = claims.of(record)
    self.assertAlmostEqual(claim.epsilon, 4 * 0.5**0.5, places=4)
    self.assertEqual(claim.delta, 1e-5)
    self.assertEqual(claim.noise_multiplier, 1.1)
    self.assertFalse(claim.secret)

  def test_an_unfinished_run_that_does_not_say_is_refused(self):
    folder = self.run_folder(privacy=fake_runs.private(), trained=2)
    fake_runs.change_json(folder / 'config.json', lambda v: v.update(guarantee=None))
    with self.assertRaisesRegex(UsageError, 'config.json .*no guarantee'):
      claims.of(records.load_run(folder))

  @parameterized.parameters(
    (lambda v: v.pop('guarantee'),),
    (lambda v: v.update(guarantee=[1]),),
    (lambda v: v['guarantee'].pop('delta'),),
    (lambda v: v['guarantee'].update(epsilon='3'),),
    (lambda v: v['guarantee'].update(epsilon=-1),),
  )
  def test_a_finished_run_that_does_not_say_is_refused(self, change):
    folder = self.run_folder(privacy=fake_runs.private())
    fake_runs.change_json(folder / 'result.json', change)
    with self.assertRaisesRegex(UsageError, 'no guarantee'):
      claims.of(records.load_run(folder))


class BrokenTest(parameterized.TestCase):
  @parameterized.parameters(
    (3.0, 3.1, True),
    (3.0, 3.0, False),
    (3.0, 0.0, False),
    (None, 3.0, False),
    (3.0, None, False),
    (float('nan'), 3.0, False),
    (3.0, float('nan'), False),
  )
  def test_a_guarantee_is_broken_by_a_bound_above_it_alone(
    self, epsilon, bound, broken
  ):
    self.assertIs(claims.is_broken(epsilon, bound), broken)

  @parameterized.parameters(
    ('test', 'poisson', 'not drawn alike', 'one pool: the training'),
    ('holdout', 'poisson', 'one pool: the training', 'not drawn alike'),
    ('holdout', 'shuffle', 'this run shuffled', 'not drawn alike'),
  )
  def test_the_line_says_what_else_it_may_be(self, nonmembers, sampling, text, other):
    line = claims.explain_broken(
      'a', {'lr': 1.5}, epsilon=1.0, nonmembers=nonmembers, sampling=sampling
    )
    self.assertIn('at least 1.5 (lr)', line)
    self.assertIn(text, line)
    self.assertNotIn(other, line)


if __name__ == '__main__':
  absltest.main()
