import itertools

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import config, records
from rnn_tf.errors import UsageError
from rnn_tf.matching import matched
from tests import fake_networks, fake_runs


def naive_crossing(values, level):
  """Walks along the reports; returns where between them the level is met."""
  if values[0] >= level:
    return 0.0 if values[0] == level else None
  for index in range(1, len(values)):
    if values[index - 1] < level <= values[index]:
      share = (level - values[index - 1]) / (values[index] - values[index - 1])
      return index - 1 + share
  return None


class FirstCrossingTest(parameterized.TestCase):
  @parameterized.parameters(
    ([0.2, 0.4, 0.6], 0.5, (2, 0.5)),
    ([0.2, 0.4, 0.6], 0.2, (0, 1.0)),
    ([0.2, 0.4, 0.6], 0.4, (1, 1.0)),
    ([0.2, 0.6, 0.3, 0.8], 0.5, (1, 0.75)),
    ([0.2, 0.1, 0.3], 0.2, (0, 1.0)),
    ([0.2, 0.1, 0.3], 0.25, (2, 0.75)),
    ([0.2, 0.4], 0.5, None),
    ([0.2, 0.4], 0.1, None),
    ([0.5, 0.1, 0.3], 0.2, None),
    ([], 0.2, None),
  )
  def test_a_level_is_met_where_it_is_first_reached_from_below(
    self, values, level, expected
  ):
    found = matched.first_crossing(np.array(values), level)
    if expected is None:
      self.assertIsNone(found)
    else:
      self.assertEqual(found[0], expected[0])
      self.assertAlmostEqual(found[1], expected[1])

  def test_on_wandering_courses_it_is_where_a_walk_finds_it(self):
    rng = np.random.default_rng(0)
    met = 0
    for _ in range(300):
      values = rng.normal(0.05, 0.1, 8).cumsum()
      level = rng.choice([rng.uniform(-0.2, 0.8), rng.choice(values)])
      expected = naive_crossing(values, level)
      found = matched.first_crossing(values, level)
      self.assertEqual(found is None, expected is None)
      if found is not None:
        met += 1
        self.assertAlmostEqual(found[0] - 1 + found[1], expected)
      low, high = matched.covered(values)
      self.assertEqual(found is not None, low <= level <= high)
    self.assertBetween(met, 50, 280)

  def test_reports_without_a_value_cover_nothing(self):
    self.assertEqual(matched.covered(np.array([np.nan, 0.3, 0.7, 0.6])), (0.3, 0.7))
    self.assertIsNone(matched.covered(np.array([np.nan])))


class ChooseLevelsTest(parameterized.TestCase):
  def choose(self, *ranges):
    networks = [
      fake_networks.network(f'n{i}', leaks=(1.0,), member=ends)
      for i, ends in enumerate(ranges)
    ]
    return matched.choose_levels(networks, 'member_accuracy')

  def test_levels_are_the_quarter_points_of_what_all_share(self):
    levels = self.choose((0.3, 0.7), (0.26, 0.8), (0.1, 0.9))
    self.assertEqual(levels.shared_by, ('n0', 'n1', 'n2'))
    self.assertEqual(levels.shared, (0.3, 0.7))
    self.assertEqual(levels.values, (0.4, 0.5, 0.6))

  def test_in_a_narrow_range_they_have_three_digits_and_stay_apart(self):
    levels = self.choose((0.5, 0.6), (0.4, 0.52))
    self.assertEqual(levels.values, (0.505, 0.51, 0.515))

  def test_a_network_covers_what_all_its_runs_cover(self):
    spread = fake_networks.network('spread', leaks=(1.0,), member=(0.2, 0.6))
    more = fake_networks.course('late', member=(0.4, 0.9), seed=1)
    spread = fake_networks.Network(
      **{**vars(spread), 'courses': (*spread.courses, more)}
    )
    other = fake_networks.network('other', member=(0.0, 1.0))
    levels = matched.choose_levels([spread, other], 'member_accuracy')
    self.assertEqual(levels.ranges['spread'], (0.4, 0.6))
    self.assertEqual(levels.extents['spread'], (0.2, 0.9))
    self.assertEqual(levels.shared, (0.4, 0.6))

  def test_without_a_range_of_all_it_is_that_of_the_most_networks(self):
    levels = self.choose((0.2, 0.3), (0.5, 0.9), (0.4, 0.8), (0.45, 0.6), (0.2, 0.35))
    self.assertEqual(levels.shared_by, ('n1', 'n2', 'n3'))
    self.assertEqual(levels.shared, (0.5, 0.6))
    self.assertEqual(levels.ranges['n0'], (0.2, 0.3))

  def test_where_no_two_share_enough_there_are_no_levels(self):
    levels = self.choose((0.2, 0.3), (0.29, 0.5), (0.7, 0.8))
    self.assertEqual((levels.shared, levels.shared_by, levels.values), (None, (), ()))

  def test_a_run_without_the_criterion_leaves_its_network_without_a_range(self):
    blind = fake_networks.network('blind', gap=[np.nan] * 3)
    levels = matched.choose_levels([blind, fake_networks.network()], 'gap')
    self.assertIsNone(levels.ranges['blind'])
    self.assertIsNone(levels.extents['blind'])
    self.assertIsNone(levels.shared)

  def test_the_choice_is_the_best_of_all_sets_of_networks(self):
    rng = np.random.default_rng(1)
    for _ in range(100):
      ends = np.sort(rng.uniform(0, 1, (5, 2)))
      ends[:, 1] = np.minimum(ends[:, 1], ends[:, 0] + 0.3)
      levels = self.choose(*ends)
      best = (1, 0.0)
      for size in range(2, 6):
        for chosen in itertools.combinations(ends, size):
          width = min(high for _, high in chosen) - max(low for low, _ in chosen)
          if width >= matched.LEAST_RANGE:
            best = max(best, (size, width))
      if levels.shared is None:
        self.assertEqual(best, (1, 0.0))
        continue
      low, high = levels.shared
      self.assertLen(levels.shared_by, best[0])
      self.assertAlmostEqual(high - low, best[1])
      for value in levels.values:
        self.assertBetween(value, low, high)
      self.assertLen(set(levels.values), 3)


class FindTest(fake_runs.RunsCase):
  def find(self, **options):
    return matched.find(records.load_runs([f'{self.root}/runs/*']), **options)

  def recurrent(self, name, **options):
    folder = self.run_folder(name, **options)
    fake_runs.change_json(
      folder / 'config.json', lambda v: v['config']['model'].update(model='lstm')
    )
    return folder

  def test_models_that_are_no_networks_are_left_out(self):
    self.run_folder('cnn')
    found = [
      *records.load_runs([f'{self.root}/runs/*']),
      *(fake_networks.classical(self.load(f'f{seed}', seed=seed)) for seed in (0, 1)),
    ]
    self.assertEqual([network.name for network in matched.find(found)], ['cnn2'])

  def test_accuracies_are_those_of_the_kept_scores(self):
    record = self.load()
    course = matched.course(record)
    self.assertEqual(list(course.epochs), [2, 4])
    for index, epoch in enumerate((2, 4)):
      arrays = record.score_arrays(epoch)
      right = {
        side: np.mean(
          [
            max(range(fake_runs.CLASSES), key=lambda c, row=row: row[c]) == label
            for row, label in zip(
              arrays[f'{side}_logits'], arrays[f'{side}_labels'], strict=True
            )
          ]
        )
        for side in ('member', 'nonmember')
      }
      self.assertAlmostEqual(course.criteria['member_accuracy'][index], right['member'])
      self.assertAlmostEqual(
        course.criteria['gap'][index], right['member'] - right['nonmember']
      )
    np.testing.assert_allclose(
      course.criteria['val_accuracy'], record.metrics['val_accuracy'][[1, 3]]
    )
    for attack in ('threshold', 'lr'):
      expected = [result.auc for result in record.entire(attack)]
      np.testing.assert_array_equal(course.auc[attack], expected)

  def test_without_scores_only_the_test_accuracy_is_known(self):
    record = self.load()
    (record.folder.path / 'scores/epoch-0004.npz').unlink()
    course = matched.course(record)
    for name in ('member_accuracy', 'gap'):
      self.assertEqual(list(np.isnan(course.criteria[name])), [False, True])
    self.assertFalse(np.isnan(course.criteria['val_accuracy']).any())

  def test_a_skipped_attack_has_no_auc(self):
    course = matched.course(self.load(skipped={('lr', 'entire')}))
    self.assertTrue(np.isnan(course.auc['lr']).all())
    self.assertFalse(np.isnan(course.auc['threshold']).any())

  def test_damaged_scores_are_refused(self):
    record = self.load()
    arrays = record.score_arrays(4)
    arrays.pop('nonmember_logits')
    record.folder.write_npz('scores/epoch-0004.npz', arrays)
    with self.assertRaisesRegex(UsageError, 'epoch-0004.npz is damaged.*nonmember_lo'):
      self.find()

  def test_networks_are_named_and_recurrent_ones_come_first(self):
    self.run_folder('cnn-s0')
    self.recurrent('lstm-s0')
    self.recurrent('lstm-s1', seed=1)
    found = self.find()
    self.assertEqual(
      [(n.name, n.recurrent) for n in found], [('lstm', True), ('cnn2', False)]
    )
    self.assertEqual([c.seed for c in found[0].courses], [(0, 0), (1, 0)])
    self.assertEqual(found[0].parameters, 1234)

  def test_other_flags_stand_beside_the_names(self):
    self.run_folder('cnn')
    self.recurrent('lstm', batch_size=16)
    self.run_folder('alone', data=config.DataConfig(test_size=50), seed=3, trained=3)
    self.assertEqual(
      [(network.name, network.flags) for network in self.find()],
      [('lstm', '--batch_size=16'), ('cnn2', '--batch_size=64')],
    )

  def test_flags_are_in_the_names_where_the_model_does_not_tell_them_apart(self):
    self.run_folder('a')
    self.run_folder('b', batch_size=16)
    self.run_folder('c', privacy=fake_runs.private())
    self.assertCountEqual(
      [(network.name, network.flags) for network in self.find()],
      [('--batch_size=64', ''), ('--batch_size=16', ''), ('ε = 3 --batch_size=64', '')],
    )

  def test_a_private_network_says_so_in_its_name(self):
    self.run_folder('cnn')
    self.recurrent('lstm', privacy=fake_runs.private())
    self.assertEqual(
      [network.name for network in self.find()], ['ε = 3 --model=lstm', '--model=cnn2']
    )

  def test_unfinished_runs_repeated_seeds_and_runs_without_reports_are_left_out(self):
    self.run_folder('a')
    self.run_folder('again')
    self.run_folder('young', trained=3, seed=5)
    self.run_folder('other', data=config.DataConfig(data_seed=4))
    self.run_folder('blind', attacks=())
    (network,) = self.find()
    self.assertEqual([c.run for c in network.courses], ['a', 'other'])
    self.assertEqual([c.seed for c in network.courses], [(0, 0), (0, 4)])

  def test_scores_of_networks_with_too_few_seeds_are_not_read(self):
    folder = self.run_folder('a')
    (folder / 'scores/epoch-0004.npz').write_bytes(b'no zip')
    self.assertEmpty(self.find(least_seeds=2))
    with self.assertRaises(UsageError):
      self.find()


if __name__ == '__main__':
  absltest.main()
