import dataclasses
import warnings

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special
from sklearn import linear_model

from rnn_tf import attack_config
from rnn_tf.attack_config import AttackConfig
from rnn_tf.attacks import metrics, shadow
from rnn_tf.attacks.results import AttackScores
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.errors import UsageError

CLASSES = 3
FEATURE_SETS = (('posteriors',), ('sorted', 'loss'), ('logits', 'hidden'))


def make_shadows(seed=0, *, gain=0.0, models=4, n=400, share=0.5):
  """A fleet that is surer of IN examples by `gain`, in its hidden states too."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, CLASSES, n)
  members = rng.random((models, n)).argsort(axis=1) < round(share * n)
  logits = rng.normal(size=(models, n, CLASSES))
  logits[:, np.arange(n), labels] += 1 + gain * members
  hidden = rng.normal(size=(models, n, 4))
  hidden[:, :, 0] += gain * members
  return Shadows(
    ids=np.arange(n),
    labels=labels,
    usable=np.ones(n, bool),
    members=members,
    logits=logits.astype(np.float32),
    hidden=hidden.astype(np.float16),
    population_labels=labels[:0],
    population_logits=logits[:, :0],
    train_accuracy=np.ones(models),
    test_accuracy=np.ones(models),
  )


def make_target(seed=100, *, gain=0.0, n=1200):
  fleet = make_shadows(seed, gain=gain, models=1, n=n)
  return fleet.side(0, fleet.members[0]), fleet.side(0, ~fleet.members[0])


def fit(shadows, *, seed=0, class_count=CLASSES, **config):
  return shadow.fit(
    shadows, config=AttackConfig(**config), class_count=class_count, seed=seed
  )


def score(models, sides):
  return AttackScores(*map(models.score, sides))


def select(shadows, which):
  """The fleet on some of its pool."""
  return dataclasses.replace(
    shadows,
    **{name: getattr(shadows, name)[which] for name in ('ids', 'labels', 'usable')},
    members=shadows.members[:, which],
    logits=shadows.logits[:, which],
    hidden=shadows.hidden[:, which],
  )


class SignalTest(parameterized.TestCase):
  def test_registries_have_every_model_and_feature(self):
    self.assertSameElements(shadow.ESTIMATORS, attack_config.ATTACK_MODELS)
    self.assertSameElements(shadow.FEATURES, attack_config.ATTACK_FEATURES)

  @parameterized.product(
    attack_model=attack_config.ATTACK_MODELS, attack_features=FEATURE_SETS
  )
  def test_surer_members_are_found(self, attack_model, attack_features):
    models = fit(
      make_shadows(gain=1.5), attack_model=attack_model, attack_features=attack_features
    )
    sides = make_target(gain=1.5)
    scores = score(models, sides)
    self.assertEqual(scores.members.dtype, np.float64)
    auc = metrics.auc(scores.members, scores.nonmembers)
    half = metrics.null_half_width(*map(len, sides))
    self.assertGreater(auc, 0.5 + 4 * half)
    # Calls are about as good as the order, hence 0 is where they change.
    right = np.mean(scores.members > 0) + np.mean(scores.nonmembers <= 0)
    self.assertGreater(right / 2, 0.5 + 2 * half)

  @parameterized.parameters(*attack_config.ATTACK_MODELS)
  def test_permuted_shadows_teach_nothing(self, attack_model):
    shadows = make_shadows(1, gain=1.5)
    order = np.random.default_rng(0).permutation(len(shadows.labels))
    shadows = dataclasses.replace(shadows, members=shadows.members[:, order])
    sides = make_target(1)
    scores = score(fit(shadows, attack_model=attack_model), sides)
    auc = metrics.auc(scores.members, scores.nonmembers)
    self.assertAlmostEqual(auc, 0.5, delta=metrics.null_half_width(*map(len, sides)))

  def test_target_that_leaks_nothing_stays_in_the_null_interval(self):
    models = fit(make_shadows(gain=1.5), attack_model='lr')
    inside, runs = 0, 60
    for run in range(runs):
      sides = make_target(200 + run, n=300)
      scores = score(models, sides)
      auc = metrics.auc(scores.members, scores.nonmembers)
      inside += abs(auc - 0.5) <= metrics.null_half_width(*map(len, sides))
    self.assertGreaterEqual(inside / runs, 0.9)

  @parameterized.parameters(*attack_config.ATTACK_MODELS)
  def test_seed_decides_everything(self, attack_model):
    shadows, (side, _) = make_shadows(share=0.4, gain=1.0), make_target()
    config = {'attack_model': attack_model, 'attack_epochs': 5}
    np.random.seed(0)
    first = fit(shadows, seed=3, **config).score(side)
    np.random.seed(1)
    np.testing.assert_array_equal(first, fit(shadows, seed=3, **config).score(side))
    self.assertFalse(np.array_equal(first, fit(shadows, seed=4, **config).score(side)))

  def test_class_is_scored_alike_whichever_others_there_are(self):
    # Few OUT examples: all of them are drawn, with the other class or without.
    shadows, (side, _) = make_shadows(share=0.75, gain=1.0), make_target()
    config = {'attack_model': 'fc', 'attack_balance': True, 'attack_epochs': 5}
    first = fit(shadows, **config).score(side)
    fewer = select(shadows, shadows.labels < CLASSES - 1)
    rows = side.labels < CLASSES - 1
    alone = fit(fewer, class_count=CLASSES - 1, **config).score(side.select(rows))
    np.testing.assert_array_equal(first[rows], alone)


class ScoreTest(parameterized.TestCase):
  def test_scores_match_attack_models_made_example_by_example(self):
    names = ('hidden', 'sorted', 'loss', 'logits', 'posteriors')
    shadows, (side, _) = make_shadows(gain=1.0), make_target()

    def row(logits, hidden, label):
      probs = special.softmax(logits.astype(np.float64))
      loss = [-np.log(probs[label])]
      columns = [hidden.astype(np.float64), sorted(probs)[::-1], loss, logits, probs]
      return np.concatenate(columns)

    expected = np.empty(len(side))
    for label in range(CLASSES):
      rows, member = [], []
      for model in range(len(shadows)):
        for i in np.flatnonzero(shadows.labels == label):
          rows.append(row(shadows.logits[model, i], shadows.hidden[model, i], label))
          member.append(shadows.members[model, i])
      rows = np.array(rows)
      mean, spread = rows.mean(axis=0), rows.std(axis=0)
      naive = linear_model.LogisticRegression(C=0.1, tol=1e-8)
      naive.fit((rows - mean) / spread, member)
      of_class = np.flatnonzero(side.labels == label)
      rows = [row(side.logits[i], side.hidden[i], label) for i in of_class]
      expected[of_class] = naive.decision_function((rows - mean) / spread)
    models = fit(shadows, attack_model='lr', attack_features=names)
    np.testing.assert_allclose(models.score(side), expected, atol=1e-3)

  @parameterized.parameters(*attack_config.ATTACK_MODELS)
  def test_scores_are_the_log_odds_of_the_probability(self, attack_model):
    models = fit(make_shadows(gain=1.5), attack_model=attack_model)
    side, _ = make_target(gain=1.5)
    scores, names = models.score(side), models.feature_names
    for label, model in enumerate(models.models):
      rows = side.labels == label
      values = shadow.features(side.select(rows), names)
      share = model.predict_proba(values)[:, 1]
      if attack_model == 'rf':
        share = (share * 100 + 0.5) / 101
      np.testing.assert_allclose(special.expit(scores[rows]), share, rtol=1e-9)

  @parameterized.parameters('fc', 'lr')
  def test_probabilities_that_round_to_one_keep_their_order(self, attack_model):
    models = fit(
      make_shadows(gain=1.5), attack_model=attack_model, attack_features=('loss',)
    )
    side, _ = make_target()
    side = dataclasses.replace(side, logits=side.logits * 1000)
    wrong = ~side.correct
    self.assertLen(np.unique(models.score(side)[wrong]), wrong.sum())

  def test_unanimous_trees_give_finite_scores(self):
    models = fit(make_shadows(gain=30.0), attack_model='rf')
    scores = models.score(make_target(gain=30.0)[0])
    self.assertTrue(np.isfinite(scores).all())
    self.assertAlmostEqual(scores.max(), np.log(100.5 / 0.5))

  @parameterized.parameters(*attack_config.ATTACK_MODELS)
  def test_constant_outputs_are_survived(self, attack_model):
    shadows = make_shadows()
    flat = np.full_like(shadows.logits, 0.1)
    shadows = dataclasses.replace(shadows, logits=flat)
    models = fit(shadows, attack_model=attack_model)
    side, _ = make_target()
    scores = models.score(dataclasses.replace(side, logits=side.logits * 0 + 0.1))
    for label in range(CLASSES):
      np.testing.assert_allclose(np.ptp(scores[side.labels == label]), 0, atol=1e-12)
    # As many IN as OUT examples, but for chance in each class.
    self.assertLess(np.abs(scores).max(), 0.5)


class ExamplesTest(parameterized.TestCase):
  """Which examples attack models learn from."""

  @parameterized.parameters((0.25, 100), (0.75, 100), (0.5, 200))
  def test_as_many_out_as_in_examples_where_there_are_so_many(self, share, n_out):
    shadows = make_shadows(share=share)
    classes = fit(shadows, attack_model='lr').classes
    self.assertEqual([each.label for each in classes], list(range(CLASSES)))
    for each in classes:
      of_class = shadows.labels == each.label
      self.assertEqual(each.n_in, shadows.members[:, of_class].sum())
    self.assertEqual(sum(each.n_out for each in classes), 4 * n_out)

  def test_number_of_out_examples_is_what_is_asked_for(self):
    shadows = make_shadows()
    classes = fit(shadows, attack_model='lr', shadow_test_size=30).classes
    self.assertEqual(sum(each.n_in for each in classes), shadows.members.sum())
    self.assertEqual(sum(each.n_out for each in classes), 4 * 30)
    everything = fit(shadows, attack_model='lr', shadow_test_size=200).classes
    self.assertEqual(sum(each.n_out for each in everything), 4 * 200)

  def test_shadows_draw_apart(self):
    shadows = make_shadows()
    shadows.members[:] = shadows.members[0]
    _, out = shadow._in_and_out(shadows, 100, CLASSES, 0)
    self.assertLen(np.unique(out, axis=0), len(shadows))

  def test_out_examples_are_drawn_uniformly(self):
    shadows = make_shadows(n=60)
    runs, size = 400, 10
    drawn = np.zeros(shadows.members.shape)
    shadows = dataclasses.replace(shadows, labels=np.zeros(60, np.int64))
    for seed in range(runs):
      inside, out = shadow._in_and_out(shadows, size, 1, seed)
      np.testing.assert_array_equal(inside, shadows.members)
      np.testing.assert_array_equal(out.sum(axis=1), size)
      drawn += out
    self.assertEqual(drawn[shadows.members].max(), 0)
    share = drawn[~shadows.members] / runs
    # Five standard deviations around 10 of 30.
    np.testing.assert_allclose(share, 1 / 3, atol=5 * (2 / 9 / runs) ** 0.5)

  def test_more_out_examples_than_there_are_is_refused_with_their_number(self):
    shadows = make_shadows()
    # Some of the seven are IN for other shadows: shadow 2 has the fewest left.
    shadows.usable[np.flatnonzero(~shadows.members[2])[:7]] = False
    with self.assertRaisesRegex(
      UsageError, '--shadow_test_size=194: must be at most 193, the OUT .* shadow 2'
    ):
      fit(shadows, shadow_test_size=194)

  def test_balance_equalises_each_class_and_moves_the_calls(self):
    shadows, sides = make_shadows(share=0.8), make_target()
    as_it_is = fit(shadows, attack_model='lr')
    balanced = fit(shadows, attack_model='lr', attack_balance=True)
    for before, after in zip(as_it_is.classes, balanced.classes, strict=True):
      self.assertGreater(before.n_in, 3 * before.n_out)
      self.assertEqual((after.n_in, after.n_out), (before.n_out, before.n_out))
    # Nothing leaks: the balance alone decides who is called a member.
    self.assertGreater(np.mean(as_it_is.score(sides[0]) > 0), 0.95)
    self.assertBetween(np.mean(balanced.score(sides[0]) > 0), 0.3, 0.7)
    shift = np.mean(as_it_is.score(sides[0]) - balanced.score(sides[0]))
    self.assertAlmostEqual(shift, np.log(4), delta=0.3)

  def test_examples_that_the_attacker_has_not_are_left_alone(self):
    shadows = make_shadows()
    shadows.usable[::3] = False
    shadows.logits[:, ::3] = np.nan
    counts = [each.n_in for each in fit(shadows, attack_model='lr').classes]
    self.assertEqual(sum(counts), (shadows.members & shadows.usable).sum())


class BadInputTest(parameterized.TestCase):
  @parameterized.named_parameters(
    ('in', True, {}, 'IN examples of shadow 3 .*larger --shadow_train_size, or --sh'),
    ('out', False, {}, 'OUT examples of shadow 3 .*larger --shadow_train_size'),
    ('out_of_a_size', False, {'shadow_test_size': 50}, 'larger --shadow_test_size'),
  )
  def test_class_absent_from_a_shadow_is_refused(self, inside, config, message):
    shadows = make_shadows()
    shadows.members[3, shadows.labels == 1] = not inside
    with self.assertRaisesRegex(UsageError, f'^class 1: .*{message}'):
      fit(shadows, **config)
    blind = dataclasses.replace(shadows, logits=None)
    with self.assertRaisesRegex(UsageError, f'^class 1: .*{message}'):
      shadow.check(blind, config=AttackConfig(**config), class_count=CLASSES, seed=0)

  def test_class_that_no_shadow_has_is_refused(self):
    with self.assertRaisesRegex(UsageError, f'^class {CLASSES}: .* shadow 0 '):
      fit(make_shadows(), class_count=CLASSES + 1)

  def test_hidden_states_that_were_not_kept_are_missed(self):
    shadows, (side, _) = make_shadows(), make_target()
    config = {'attack_model': 'lr', 'attack_features': ('hidden',)}
    models = fit(shadows, **config)
    with self.assertRaisesRegex(ValueError, 'no hidden states'):
      models.score(dataclasses.replace(side, hidden=None))
    with self.assertRaisesRegex(ValueError, 'no hidden states'):
      fit(dataclasses.replace(shadows, hidden=None), **config)

  def test_label_without_an_attack_model_is_refused(self):
    shadows, (side, _) = make_shadows(), make_target()
    with self.assertRaisesRegex(ValueError, 'labels 0 to 2, 2 classes'):
      fit(shadows, class_count=2)
    models = fit(shadows, attack_model='lr')
    with self.assertRaisesRegex(ValueError, 'labels 1 to 3, 3 classes'):
      models.score(dataclasses.replace(side, labels=side.labels + 1))

  def test_outputs_that_are_not_finite_are_refused(self):
    models, (side, _) = fit(make_shadows(), attack_model='gb'), make_target()
    logits = side.logits.copy()
    logits[np.flatnonzero(side.labels == 0)[:2], 1] = np.inf
    with (
      self.assertRaisesRegex(ValueError, 'posteriors: 2 of .* not finite'),
      np.errstate(invalid='ignore'),
    ):
      models.score(dataclasses.replace(side, logits=logits))


class TableTest(absltest.TestCase):
  def test_class_table_matches_counts_by_hand(self):
    models = fit(make_shadows(gain=1.0), attack_model='lr')
    members, nonmembers = make_target(gain=1.0)
    scores = score(models, (members, nonmembers))
    rows = shadow.class_table(models, scores, members=members, nonmembers=nonmembers)
    for label, (known, row) in enumerate(zip(models.classes, rows, strict=True)):
      self.assertEqual(dataclasses.asdict(row) | vars(known), vars(row))
      self.assertEqual(row.label, label)
      ours = scores.members[members.labels == label]
      others = scores.nonmembers[nonmembers.labels == label]
      self.assertEqual((row.n_members, row.n_nonmembers), (len(ours), len(others)))
      found = sum(s > 0 for s in ours) / len(ours)
      spared = sum(s <= 0 for s in others) / len(others)
      self.assertAlmostEqual(row.test_accuracy, (found + spared) / 2)
      wins = np.mean([[a > b for b in others] for a in ours])
      self.assertAlmostEqual(row.test_auc, wins)

  def test_train_accuracy_is_of_the_examples_learned_from(self):
    shadows = make_shadows(gain=1.0)
    models = fit(shadows, attack_model='rf')
    for each in models.classes:
      of_class = shadows.labels == each.label
      right = []
      for model, row in enumerate(shadows.members):
        called = models.score(shadows.side(model, of_class)) > 0
        right.append(called == row[of_class])
      self.assertAlmostEqual(each.train_accuracy, np.mean(right))

  def test_class_that_the_target_lacks_has_no_numbers(self):
    models = fit(make_shadows(), attack_model='lr')
    members, nonmembers = make_target()
    members = members.select(members.labels == 0)
    nonmembers = nonmembers.select(nonmembers.labels != 2)
    scores = score(models, (members, nonmembers))
    both, one, none = shadow.class_table(
      models, scores, members=members, nonmembers=nonmembers
    )
    self.assertIsNotNone(both.test_auc)
    self.assertEqual(one.n_members, 0)
    self.assertIsNone(one.test_auc)
    called = scores.nonmembers[nonmembers.labels == 1] > 0
    self.assertAlmostEqual(one.test_accuracy, 1 - called.mean())
    self.assertEqual((none.n_members, none.n_nonmembers), (0, 0))
    self.assertEqual((none.test_accuracy, none.test_auc), (None, None))


class ReportTest(absltest.TestCase):
  def test_report_matches_counts_by_hand(self):
    # A score of 0 is no member: 3 of 4 members and 4 of 6 non-members are right.
    scores = AttackScores(
      np.array([2.0, 1.0, 0.1, 0.0]), np.array([3.0, 0.5, 0.0, -1.0, -2.0, -3.0])
    )
    report = shadow.classification_report(scores)
    self.assertEqual(
      list(report), ['member', 'non-member', 'accuracy', 'macro avg', 'weighted avg']
    )
    expected = {
      'member': (3 / 5, 3 / 4, 2 / 3, 4),
      'non-member': (4 / 5, 4 / 6, 8 / 11, 6),
      'accuracy': (0.7, 0.7, 0.7, 10),
      'macro avg': (0.7, 17 / 24, (2 / 3 + 8 / 11) / 2, 10),
      'weighted avg': (0.72, 0.7, 0.4 * 2 / 3 + 0.6 * 8 / 11, 10),
    }
    for row, values in expected.items():
      self.assertEqual(
        list(report[row]), ['precision', 'recall', 'f1-score', 'support']
      )
      np.testing.assert_allclose(list(report[row].values()), values)
      self.assertEqual({type(value) for value in report[row].values()}, {float})

  def test_nobody_called_a_member_gives_a_precision_of_zero(self):
    with warnings.catch_warnings():
      warnings.simplefilter('error')
      report = shadow.classification_report(
        AttackScores(np.full(3, -1), np.full(2, -1))
      )
    self.assertEqual(report['member']['precision'], 0)
    self.assertEqual(report['member']['recall'], 0)
    self.assertEqual(report['accuracy']['f1-score'], 0.4)


if __name__ == '__main__':
  absltest.main()
