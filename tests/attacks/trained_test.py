import numpy as np
from absl.testing import absltest, parameterized
from sklearn import neighbors

from rnn_tf.attacks import metrics, results, trained


def draw(seed, m, n, shift=0.0, columns=5):
  rng = np.random.default_rng(seed)
  members, nonmembers = rng.normal(size=(m, columns)), rng.normal(size=(n, columns))
  members[:, 0] += shift
  return members, nonmembers


class TrainedTest(parameterized.TestCase):
  def test_registry_has_every_trained_attack(self):
    self.assertSameElements(trained.ESTIMATORS, results.TRAINED_ATTACKS)

  @parameterized.product(attack=results.TRAINED_ATTACKS, sizes=((300, 90), (60, 150)))
  def test_shifted_members_are_found(self, attack, sizes):
    scores = trained.scores(attack, *draw(0, *sizes, shift=2.0), seed=0)
    self.assertEqual((len(scores.members), len(scores.nonmembers)), sizes)
    auc = metrics.auc(scores.members, scores.nonmembers)
    self.assertBetween(auc, 0.8, 0.97)  # 0.92 is the best there is

  @parameterized.parameters(*results.TRAINED_ATTACKS)
  def test_seed_decides_everything(self, attack):
    sides = draw(1, 60, 40, shift=1.0)
    np.random.seed(0)
    first = trained.scores(attack, *sides, seed=[3, 1])
    np.random.seed(1)
    again = trained.scores(attack, *sides, seed=[3, 1])
    other = trained.scores(attack, *sides, seed=[3, 2])
    np.testing.assert_array_equal(first.members, again.members)
    np.testing.assert_array_equal(first.nonmembers, again.nonmembers)
    self.assertFalse(np.array_equal(first.members, other.members))

  @parameterized.parameters(*results.TRAINED_ATTACKS)
  def test_smallest_slice_is_scored(self, attack):
    smallest = trained.MIN_EXAMPLES
    scores = trained.scores(attack, *draw(2, smallest, smallest), seed=0)
    metrics.measure(scores.members, scores.nonmembers)

  def test_smaller_slice_is_refused_with_its_sizes(self):
    self.assertIsNone(trained.too_small(10, 10))
    self.assertIn('9 members and 50 non-members', trained.too_small(9, 50))
    with self.assertRaisesRegex(ValueError, '50 members and 9 non-members'):
      trained.scores('lr', *draw(0, 50, 9), seed=0)

  def test_constant_features_are_survived(self):
    scores = trained.scores('lr', np.ones((20, 3)), np.ones((20, 3)), seed=0)
    np.testing.assert_allclose(scores.members, 0, atol=1e-12)

  @parameterized.parameters((301, 90), (90, 301), (10, 11))
  def test_no_example_is_scored_by_a_model_trained_on_it(self, m, n):
    train, test = trained._folds(m, n, np.random.default_rng(0))
    self.assertSameElements(test, [0, 1])
    taken = train >= 0
    np.testing.assert_array_equal(train[taken], test[taken])
    member = np.arange(m + n) < m
    for fold in (0, 1):
      # As many members as non-members train each model, up to the odd one.
      self.assertEqual((train[member] == fold).sum(), (train[~member] == fold).sum())
    # What is left over is dealt out evenly.
    for side in (member, ~member):
      counts = np.bincount(test[side])
      self.assertLessEqual(abs(counts[0] - counts[1]), 1)

  def test_memorising_attack_gains_nothing_from_noise(self):
    # One neighbour recalls its training examples exactly: a leak between folds
    # would give an AUC of 1.
    saved = trained.ESTIMATORS['knn']
    trained.ESTIMATORS['knn'] = lambda *_: neighbors.KNeighborsClassifier(1)
    self.addCleanup(trained.ESTIMATORS.__setitem__, 'knn', saved)
    scores = trained.scores('knn', *draw(5, 900, 300), seed=0)
    value = metrics.auc(scores.members, scores.nonmembers)
    self.assertAlmostEqual(value, 0.5, delta=0.06)

  @parameterized.parameters((150, 150), (300, 60))
  def test_permuted_membership_stays_in_the_null_interval(self, m, n):
    pool, _ = draw(7, 2000, 1)
    rng = np.random.default_rng(8)
    half = metrics.null_half_width(m, n, folds=results.FOLDS)
    inside, covered, runs = 0, 0, 150
    for run in range(runs):
      rows = rng.permutation(len(pool))[: m + n]
      scores = trained.scores('lr', pool[rows[:m]], pool[rows[m:]], seed=run)
      value, low, high = metrics.auc_interval(
        scores.members, scores.nonmembers, folds=results.FOLDS
      )
      inside += abs(value - 0.5) <= half
      covered += low <= 0.5 <= high
    self.assertGreaterEqual(inside / runs, 0.92)
    self.assertGreaterEqual(covered / runs, 0.92)


if __name__ == '__main__':
  absltest.main()
