"""Posteriors against naive oracles, and that they are the same each time."""

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import classical
from rnn_tf.attacks import scores
from rnn_tf.attacks.signals import Side
from rnn_tf.errors import UsageError
from rnn_tf.model_config import CLASSICAL, ModelConfig

_CLASSES = 4
_SHAPE = (5, 4, 1)


def _examples(count=90, seed=0, classes=(0, 1, 3)):
  """Returns noisy images of some classes, and their labels; class 2 has none."""
  rng = np.random.default_rng(seed)
  labels = rng.choice(classes, count)
  centres = np.random.default_rng(9).random((_CLASSES, *_SHAPE))
  images = centres[labels] + rng.normal(scale=0.3, size=(count, *_SHAPE))
  return images.astype(np.float32), labels


def _fit(model, *, seed=0, threads=1, **values):
  images, labels = _examples()
  return classical.fit(
    ModelConfig(model=model, **values),
    images,
    labels,
    class_count=_CLASSES,
    seed=seed,
    threads=threads,
  )


class PosteriorsTest(parameterized.TestCase):
  @parameterized.parameters({}, {'max_depth': 2}, {'min_samples_leaf': 8})
  def test_tree_says_the_shares_of_its_leaves(self, **values):
    model = _fit('decision_tree', **values)
    images, labels = _examples()
    others, _ = _examples(seed=1)
    leaf_of = model.estimator.apply
    leaves, others_leaves = (
      leaf_of(each.reshape(len(each), -1)) for each in (images, others)
    )
    expected = np.zeros((len(others), _CLASSES))
    for row, leaf in enumerate(others_leaves):
      for label in labels[leaves == leaf]:
        expected[row, label] += 1 / (leaves == leaf).sum()
    np.testing.assert_allclose(model.posteriors(others), expected, atol=1e-12)

  def test_tree_that_is_grown_to_its_end_says_1_of_its_examples(self):
    images, labels = _examples()
    said = _fit('decision_tree').posteriors(images)
    np.testing.assert_array_equal(said, np.eye(_CLASSES)[labels])

  @parameterized.parameters({}, {'max_depth': 3, 'min_samples_leaf': 2})
  def test_forest_says_the_mean_of_its_trees(self, **values):
    model = _fit('random_forest', num_trees=7, **values)
    others, _ = _examples(seed=1)
    rows = others.reshape(len(others), -1)
    expected = np.zeros((len(others), _CLASSES))
    for tree in model.estimator.estimators_:
      expected[:, [0, 1, 3]] += tree.predict_proba(rows) / 7
    np.testing.assert_allclose(model.posteriors(others), expected, atol=1e-12)
    own = model.estimator.predict_proba(rows)
    np.testing.assert_allclose(model.posteriors(others)[:, [0, 1, 3]], own, atol=1e-12)

  def test_kmeans_says_the_smoothed_shares_of_the_nearest_centre(self):
    model = _fit('kmeans', num_clusters=6)
    images, labels = _examples()
    others, _ = _examples(seed=1)
    centres = model.estimator.cluster_centers_

    def nearest(image):
      return min(range(6), key=lambda k: ((image.ravel() - centres[k]) ** 2).sum())

    of_training = [nearest(image) for image in images]
    expected = []
    for image in others:
      inside = [
        y for y, k in zip(labels, of_training, strict=True) if k == nearest(image)
      ]
      counts = [inside.count(label) for label in range(_CLASSES)]
      expected.append([(c + 1) / (len(inside) + _CLASSES) for c in counts])
    np.testing.assert_allclose(model.posteriors(others), expected, atol=1e-12)

  def test_centres_are_the_means_of_their_clusters(self):
    model = _fit('kmeans', num_clusters=6)
    rows = _examples()[0].reshape(90, -1)
    where = model.estimator.predict(rows)
    means = [rows[where == cluster].mean(axis=0) for cluster in range(6)]
    np.testing.assert_allclose(model.estimator.cluster_centers_, means, atol=1e-5)

  def test_no_model_says_which_cluster_its_examples_are_in(self):
    self.assertNotIn('labels_', vars(_fit('kmeans', num_clusters=6).estimator))

  def test_fewer_different_images_than_clusters_leave_some_empty(self):
    images = np.repeat(_examples(3)[0], 5, axis=0)
    model = classical.fit(
      ModelConfig(model='kmeans', num_clusters=8),
      images,
      np.zeros(15, np.int64),
      class_count=_CLASSES,
      seed=0,
    )
    empty = (model.shares == 1 / _CLASSES).all(axis=1)
    self.assertEqual(empty.sum(), 5)

  @parameterized.parameters(*CLASSICAL)
  def test_no_image_gets_no_posterior(self, model):
    said = _fit(model, **_small(model)).logits(np.zeros((0, *_SHAPE), np.float32))
    self.assertEqual(said.shape, (0, _CLASSES))


def _small(model):
  return {'random_forest': {'num_trees': 5}, 'kmeans': {'num_clusters': 6}}.get(
    model, {}
  )


class LogitsTest(parameterized.TestCase):
  @parameterized.parameters(*CLASSICAL)
  def test_logits_are_finite_and_rank_as_posteriors_do(self, name):
    model = _fit(name, **_small(name))
    others, _ = _examples(seed=1)
    logits, said = model.logits(others), model.posteriors(others)
    self.assertEqual(logits.dtype, np.float32)
    self.assertTrue(np.isfinite(logits).all())
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-6)
    # Equal posteriors, and none but those, have equal logits.
    for label in range(_CLASSES):
      _, ranks = np.unique(said[:, label].round(12), return_inverse=True)
      _, found = np.unique(logits[:, label], return_inverse=True)
      np.testing.assert_array_equal(found, ranks)

  def test_forest_counts_one_vote_more_for_all_classes(self):
    model = _fit('random_forest', num_trees=5)
    others, _ = _examples(seed=1)
    votes = np.rint(model.posteriors(others) * 5)
    np.testing.assert_allclose(
      model.logits(others), np.log((votes + 1 / _CLASSES) / 6), atol=1e-6
    )

  def test_kmeans_is_smoothed_once(self):
    model = _fit('kmeans', num_clusters=6)
    others, _ = _examples(seed=1)
    np.testing.assert_allclose(
      model.logits(others), np.log(model.posteriors(others)), atol=1e-6
    )

  @parameterized.parameters(({}, 90), ({'max_depth': 2}, 90))
  def test_votes_of_a_tree_are_its_training_examples(self, values, votes):
    self.assertEqual(_fit('decision_tree', **values).votes, votes)

  def test_log_odds_of_a_sure_tree_are_finite_and_tie(self):
    images, labels = _examples()
    logits = _fit('decision_tree').logits(images)
    gaps = scores.logit_gap(logits, labels)
    self.assertLen(set(gaps), 1)
    # 90 votes and a quarter of one, against three quarters.
    self.assertAlmostEqual(gaps[0], np.log(90.25 / 0.75), places=5)
    side = Side(np.arange(90), labels, logits)
    np.testing.assert_allclose(side.losses, -np.log(90.25 / 91), atol=1e-8)

  def test_next_to_1_the_log_odds_keep_their_digits(self):
    # The posterior of a tree of 50,000 examples is 1 - 1.5e-5 in 32 bits.
    votes, classes = 50_000, 10
    p = np.full((1, classes), 1 / classes) / (votes + 1)
    p[0, 3] += votes / (votes + 1)
    gap = scores.logit_gap(np.log(p).astype(np.float32), np.array([3]))[0]
    self.assertAlmostEqual(gap, np.log((votes + 0.1) / 0.9), places=5)


class SameNumbersTest(parameterized.TestCase):
  @parameterized.product(model=list(CLASSICAL), threads=[1, 2, 3])
  def test_seed_decides_everything_and_threads_nothing(self, model, threads):
    others, _ = _examples(5000, seed=1)
    expected = _fit(model, seed=4, **_small(model)).logits(others)
    again = _fit(model, seed=4, threads=threads, **_small(model)).logits(others)
    np.testing.assert_array_equal(again, expected)

  @parameterized.parameters('random_forest', 'kmeans')
  def test_another_seed_is_another_model(self, model):
    others, _ = _examples(seed=1)
    one, two = (_fit(model, seed=seed, **_small(model)) for seed in (0, 1))
    self.assertFalse(np.array_equal(one.logits(others), two.logits(others)))

  def test_global_state_of_numpy_is_neither_used_nor_changed(self):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    expected = _fit('random_forest', num_trees=5).logits(_examples(seed=1)[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(4)
    again = _fit('random_forest', num_trees=5).logits(_examples(seed=1)[0])
    np.testing.assert_array_equal(again, expected)


class SizesTest(parameterized.TestCase):
  def test_parameters_of_a_tree_are_its_splits_and_leaves(self):
    model = _fit('decision_tree', max_depth=1)
    # One split: a pixel and a threshold; two leaves of four shares.
    self.assertEqual(model.parameters, 2 + 2 * _CLASSES)

  def test_parameters_of_a_forest_are_those_of_its_trees(self):
    model = _fit('random_forest', num_trees=3, max_depth=1)
    self.assertEqual(model.parameters, 3 * (2 + 2 * _CLASSES))

  def test_parameters_of_kmeans_are_centres_and_shares(self):
    model = _fit('kmeans', num_clusters=6)
    self.assertEqual(model.parameters, 6 * (20 + _CLASSES))

  def test_more_clusters_than_examples_are_refused(self):
    with self.assertRaisesRegex(
      UsageError,
      '^--num_clusters=91: more than the 90 training examples of the run: give at most',
    ):
      _fit('kmeans', num_clusters=91)
    classical.check_size(ModelConfig(model='kmeans', num_clusters=90), 90)
    classical.check_size(ModelConfig(model='random_forest'), 1)


if __name__ == '__main__':
  absltest.main()
