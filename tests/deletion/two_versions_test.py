import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import metrics, trained
from rnn_tf.attacks.results import FOLDS
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import two_versions

CLASSES = 4


def outputs(seed, *, sizes=(150, 400), drop=0.0, noise=0.5):
  """Outputs on D_f and H before and after; the label's logit of D_f drops."""
  rng = np.random.default_rng(seed)
  before, after = [], []
  for number, (size, lost) in enumerate(zip(sizes, (drop, 0.0), strict=True)):
    ids, labels = np.arange(size) + 1000 * number, rng.integers(0, CLASSES, size)
    logits = rng.normal(0, 2, (size, CLASSES))
    for versions, less in ((before, 0.0), (after, lost)):
      seen = logits + rng.normal(0, noise, logits.shape)
      seen[np.arange(size), labels] -= less
      versions.append(Side(ids, labels, seen.astype(np.float32)))
  return tuple(before), tuple(after)


def aucs(before, after, seed=0):
  made = two_versions.scores(before, after, seed=seed)
  return {
    name: metrics.auc(pair.members, pair.nonmembers) for name, pair in made.items()
  }


class TwoVersionsTest(parameterized.TestCase):
  def test_examples_whose_posterior_drops_are_found_by_all_features(self):
    found = aucs(*outputs(0, drop=2.0))
    self.assertEqual(list(found), ['difference', 'sorted difference', 'concatenation'])
    for name, value in found.items():
      self.assertGreater(value, 0.8, name)

  def test_nothing_is_found_where_nothing_was_deleted(self):
    half = metrics.null_half_width(150, 400, folds=FOLDS)
    inside = [
      abs(value - 0.5) <= half
      for seed in range(30)
      for value in aucs(*outputs(seed), seed=seed).values()
    ]
    self.assertGreaterEqual(np.mean(inside), 0.9)

  @parameterized.parameters(((150, 400),), ((11, 37),))
  def test_versions_that_are_the_same_differ_in_nothing(self, sizes):
    before, _ = outputs(1, sizes=sizes)
    found = aucs(before, before)
    self.assertEqual((found['difference'], found['sorted difference']), (0.5, 0.5))

  def test_concatenation_of_one_version_is_an_attack_on_it(self):
    _, after = outputs(1, drop=3.0)
    self.assertGreater(aucs(after, after)['concatenation'], 0.7)

  def test_features_are_those_of_the_paper_and_the_losses(self):
    before, after = (sides[0] for sides in outputs(2, sizes=(20, 20), drop=1.0))
    made = {name: form(before, after) for name, form in two_versions.FEATURES.items()}
    for row in range(20):
      p, q = (np.exp(s.logits[row].astype(float)) for s in (before, after))
      p, q = p / p.sum(), q / q.sum()
      losses = [-np.log(each[before.labels[row]]) for each in (p, q)]
      order = sorted(range(CLASSES), key=lambda c: p[c])
      change = losses[0] - losses[1]
      expected = {
        'difference': [*(p - q), change],
        'sorted difference': [*((p - q)[c] for c in order), change],
        'concatenation': [*p, losses[0], *q, losses[1]],
      }
      for name, values in expected.items():
        np.testing.assert_allclose(made[name][row], values, rtol=1e-9, atol=1e-9)

  def test_seed_decides_the_folds(self):
    sides = outputs(3, drop=1.0)
    one, again, other = (
      two_versions.scores(*sides, seed=[4, seed])['difference'] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.members, again.members)
    np.testing.assert_array_equal(one.nonmembers, again.nonmembers)
    self.assertFalse(np.array_equal(one.members, other.members))

  def test_other_examples_are_refused(self):
    before, after = outputs(4)
    swapped = (after[0], after[1].select(np.arange(400)[::-1]))
    with self.assertRaisesRegex(ValueError, 'H: .*not .*the same examples'):
      two_versions.scores(before, swapped, seed=0)

  def test_too_few_examples_are_refused(self):
    size = trained.MIN_EXAMPLES - 1
    before, after = outputs(5, sizes=(size, 50))
    with self.assertRaisesRegex(ValueError, f'{size} members and 50'):
      two_versions.scores(before, after, seed=0)
    # Also where there would be nothing to fit.
    with self.assertRaisesRegex(ValueError, f'{size} members and 50'):
      two_versions.scores(before, before, seed=0)


if __name__ == '__main__':
  absltest.main()
