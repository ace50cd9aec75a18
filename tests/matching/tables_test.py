import math

import numpy as np
import pandas as pd
import scipy.stats
from absl.testing import absltest, parameterized

from rnn_tf.matching import tables as matched_tables
from rnn_tf.matching.tables import ABOVE, HIGHER, LOWER, NOT_REACHED, SAME, UNKNOWN
from tests import fake_networks

LEVELS = {'gap': [0.05, 0.15]}


def rows_of(frame, **values):
  """Returns the rows that have all these values."""
  for name, value in values.items():
    frame = frame[frame[name] == value]
  return frame


class ValuesTableTest(parameterized.TestCase):
  def test_a_rising_run_is_interpolated_as_by_numpy(self):
    network = fake_networks.network(leaks=(0.7,), member=(0.4, 0.52, 0.9))
    (course,) = network.courses
    levels = {'gap': [0.0, 0.03, 0.06, 0.2], 'member_accuracy': [0.45, 0.9]}
    frame = matched_tables.values_table([network], levels)
    self.assertLen(frame, 6 * 2)
    for row in frame.to_dict('records'):
      along = course.criteria[row['criterion']]
      columns = {'auc': course.auc[row['attack']], 'epoch': course.epochs}
      for name, column in {**columns, **course.criteria}.items():
        self.assertAlmostEqual(row[name], np.interp(row['level'], along, column))
      self.assertIsNone(row['missing'])

  def test_a_run_that_falls_back_counts_where_it_first_got_there(self):
    network = fake_networks.network(leaks=(1.0,), gap=(0.1, 0.3, 0.25))
    (course,) = network.courses
    course.auc['threshold'] = np.array([0.5, 0.6, 0.9])
    row = matched_tables.values_table([network], {'gap': [0.2]}).iloc[0]
    self.assertAlmostEqual(row['auc'], 0.55)
    self.assertAlmostEqual(row['epoch'], 4.5)
    self.assertAlmostEqual(row['step'], 0.2)

  @parameterized.parameters(
    (0.15, (0.05, 0.1), NOT_REACHED),
    (0.15, (0.2, 0.1, 0.3), ABOVE),
    (0.15, (math.nan, math.nan), UNKNOWN),
  )
  def test_where_a_level_is_not_met_there_is_no_value_and_a_reason(
    self, level, gap, reason
  ):
    network = fake_networks.network(leaks=(1.0,), member=np.ones(len(gap)), gap=gap)
    row = matched_tables.values_table([network], {'gap': [level]}).iloc[0]
    self.assertEqual(row['missing'], reason)
    self.assertTrue(np.isnan([row['auc'], row['epoch'], row['gap'], row['step']]).all())

  def test_an_attack_that_a_network_does_not_have_is_unknown_there(self):
    first, second = fake_networks.network('a'), fake_networks.network('b')
    for course in second.courses:
      del course.auc['lr']
    frame = matched_tables.values_table([first, second], LEVELS)
    self.assertEqual(
      set(rows_of(frame, network='b', attack='lr')['missing']), {UNKNOWN}
    )
    self.assertTrue(
      rows_of(frame, network='b', attack='threshold')['auc'].notna().all()
    )

  def test_a_skipped_report_is_passed_over(self):
    network = fake_networks.network(leaks=(1.0,), gap=(0.0, 0.1, 0.2))
    network.courses[0].auc['threshold'][:] = (0.5, math.nan, 0.6)
    frame = matched_tables.values_table([network], {'gap': [0.05]})
    self.assertAlmostEqual(rows_of(frame, attack='threshold')['auc'].iloc[0], 0.525)


class MeansTableTest(absltest.TestCase):
  def test_mean_deviation_and_interval_are_students(self):
    network = fake_networks.network(leaks=(0.8, 1.0, 1.3, 0.9))
    values = matched_tables.values_table([network], LEVELS)
    means = matched_tables.means_table(values)
    self.assertLen(means, 4)
    for row in means.to_dict('records'):
      aucs = rows_of(values, level=row['level'], attack=row['attack'])['auc'].to_numpy()
      mean = sum(aucs) / 4
      deviation = math.sqrt(sum((auc - mean) ** 2 for auc in aucs) / 3)
      self.assertAlmostEqual(row['auc'], mean)
      self.assertAlmostEqual(row['auc_deviation'], deviation)
      # 3.1824 is the 97.5% point of Student's t with 3 degrees of freedom.
      self.assertAlmostEqual(row['auc_high'] - mean, 3.18245 * deviation / 2, places=6)
      self.assertAlmostEqual(mean - row['auc_low'], 3.18245 * deviation / 2, places=6)
      self.assertEqual((row['seeds'], row['runs'], row['parameters']), (4, 4, 1000))

  def test_the_interval_holds_the_mean_in_95_percent_of_draws(self):
    rng = np.random.default_rng(0)
    held = 0
    for sample in rng.normal(0.6, 0.01, (1500, 3)):
      low, high = matched_tables.t_interval(sample)
      held += low <= 0.6 <= high
    self.assertBetween(held / 1500, 0.935, 0.965)

  def test_one_seed_has_a_mean_and_no_interval_and_none_has_nothing(self):
    values = matched_tables.values_table(
      [fake_networks.network(leaks=(1.0,), gap=(0.0, 0.1, 0.1))], LEVELS
    )
    one, none = matched_tables.means_table(rows_of(values, attack='lr')).to_dict(
      'records'
    )
    self.assertAlmostEqual(one['auc'], 0.55)
    self.assertTrue(np.isnan([one['auc_low'], one['auc_high']]).all())
    self.assertEqual((one['seeds'], none['seeds'], none['runs']), (1, 0, 1))
    self.assertTrue(np.isnan(none['auc']))

  def test_an_interval_ends_at_the_ends_of_the_scale(self):
    values = matched_tables.values_table(
      [fake_networks.network(leaks=(0.1, 4.9))], {'gap': [0.2]}
    )
    row = matched_tables.means_table(rows_of(values, attack='threshold')).iloc[0]
    self.assertEqual((row['auc_low'], row['auc_high']), (0, 1))

  def test_without_levels_the_tables_have_columns_and_no_rows(self):
    values = matched_tables.values_table([fake_networks.network()], {'gap': []})
    means, pairs = (
      matched_tables.means_table(values),
      matched_tables.pairs_table(values),
    )
    for frame, column in ((values, 'auc'), (means, 'auc_low'), (pairs, 'verdict')):
      self.assertEmpty(frame)
      self.assertIn(column, frame)


class CompareTest(parameterized.TestCase):
  def test_the_same_seeds_are_paired_whatever_their_order(self):
    first = {(0, 0): 0.60, (1, 0): 0.64, (2, 0): 0.62}
    second = {(2, 0): 0.61, (0, 0): 0.58, (1, 0): 0.61}
    found = matched_tables.compare(first, second)
    differences = np.array([0.02, 0.03, 0.01])
    error = differences.std(ddof=1) / math.sqrt(3)
    self.assertEqual(found.method, 'paired t')
    self.assertAlmostEqual(found.difference, 0.02)
    # 4.30265 is the 97.5% point of Student's t with 2 degrees of freedom.
    self.assertAlmostEqual(found.high - 0.02, 4.30265 * error, places=6)
    self.assertAlmostEqual(0.02 - found.low, 4.30265 * error, places=6)
    self.assertAlmostEqual(found.p, 2 * scipy.stats.t.sf(0.02 / error, 2))

  def test_other_seeds_are_compared_by_welch(self):
    first = {(0, 0): 0.60, (1, 0): 0.64, (2, 0): 0.62}
    second = {(0, 0): 0.58, (1, 0): 0.59}
    found = matched_tables.compare(first, second)
    parts = [np.var(list(x.values()), ddof=1) / len(x) for x in (first, second)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1)
    self.assertEqual(found.method, 'Welch')
    self.assertAlmostEqual(found.difference, 0.035)
    half = scipy.stats.t.ppf(0.975, freedom) * error
    self.assertAlmostEqual(found.high - found.low, 2 * half)
    self.assertAlmostEqual(found.p, 2 * scipy.stats.t.sf(0.035 / error, freedom))

  def test_one_run_on_a_side_has_a_difference_and_no_interval(self):
    found = matched_tables.compare({(0, 0): 0.6}, {(0, 0): 0.5, (1, 0): 0.52})
    self.assertAlmostEqual(found.difference, 0.09)
    self.assertTrue(np.isnan([found.low, found.high, found.p]).all())

  @parameterized.parameters((0.0, 1.0), (0.25, 0.0))
  def test_without_any_spread_the_interval_is_a_point(self, shift, p):
    for seeds in ((0, 1), (5, 6)):
      found = matched_tables.compare(
        {(0, 0): 0.6 + shift, (1, 0): 0.6 + shift},
        {(seed, 0): 0.6 for seed in seeds},
      )
      self.assertAlmostEqual(found.difference, shift)
      self.assertEqual(found.low, found.difference)
      self.assertEqual(found.high, found.difference)
      self.assertEqual(found.p, p)

  def test_spread_on_one_side_is_spread(self):
    first, second = {(0, 0): 0.6, (1, 0): 0.6}, {(5, 0): 0.4, (6, 0): 0.5}
    for one, other in ((first, second), (second, first)):
      found = matched_tables.compare(one, other)
      self.assertLess(found.low, found.difference - 0.1)
      self.assertBetween(found.p, 0.05, 0.5)

  def test_rounding_is_no_spread(self):
    first, second = (
      {(s, 0): x + shift for s, x in enumerate((0.1, 0.2, 0.3))} for shift in (0.1, 0.0)
    )
    self.assertNotEqual(first[2, 0] - second[2, 0], first[0, 0] - second[0, 0])
    self.assertEqual(matched_tables.compare(first, second).p, 0.0)


class HolmTest(absltest.TestCase):
  def test_it_rejects_what_stepping_down_rejects(self):
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(200):
      p = rng.uniform(size=6) ** 4
      p[rng.integers(6)] = math.nan
      # Holm 1979: from the smallest on, as long as p <= 0.05 / (number left).
      expected = np.zeros(6, bool)
      left = [i for i in range(6) if not math.isnan(p[i])]
      while left:
        smallest = min(left, key=lambda i: p[i])
        if p[smallest] > 0.05 / len(left):
          break
        expected[smallest] = True
        left.remove(smallest)
      adjusted = matched_tables.holm(p)
      np.testing.assert_array_equal(adjusted <= 0.05, expected)
      np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(p))
      self.assertTrue(np.all((adjusted >= p) | np.isnan(p)))
      rejected += expected.sum()
    self.assertBetween(rejected, 100, 900)

  def test_adjusted_values_are_at_most_one(self):
    np.testing.assert_allclose(matched_tables.holm(np.array([0.9, 0.01])), [0.9, 0.02])
    np.testing.assert_allclose(matched_tables.holm(np.array([0.9, 0.8])), [1, 1])


class PairsTableTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.networks = [
      fake_networks.network('gru', leaks=(1.5, 1.52, 1.49)),
      fake_networks.network('lstm', leaks=(1.5, 1.49, 1.52)),
      fake_networks.network('cnn2', recurrent=False, leaks=(1.0, 1.01, 1.02)),
    ]
    self.values = matched_tables.values_table(self.networks, LEVELS)
    self.pairs = matched_tables.pairs_table(self.values)

  def test_all_pairs_are_compared_at_each_level_and_by_each_attack(self):
    self.assertLen(self.pairs, 2 * 2 * 3)
    rows = rows_of(self.pairs, level=0.15, attack='threshold').to_dict('records')
    found = {(row['first'], row['second']): row for row in rows}
    self.assertEqual(
      {pair: row['verdict'] for pair, row in found.items()},
      {('gru', 'lstm'): SAME, ('gru', 'cnn2'): HIGHER, ('lstm', 'cnn2'): HIGHER},
    )
    self.assertEqual(
      {pair: row['mixed'] for pair, row in found.items()},
      {('gru', 'lstm'): False, ('gru', 'cnn2'): True, ('lstm', 'cnn2'): True},
    )
    means = matched_tables.means_table(self.values)
    aucs = rows_of(means, level=0.15, attack='threshold').set_index('network')['auc']
    for (first, second), row in found.items():
      self.assertAlmostEqual(row['difference'], aucs[first] - aucs[second])
      self.assertEqual(row['method'], 'paired t')

  def test_holm_is_over_the_pairs_of_one_level_and_attack(self):
    for _, part in self.pairs.groupby(['level', 'attack']):
      np.testing.assert_allclose(
        part['p_holm'], matched_tables.holm(part['p'].to_numpy())
      )

  def test_turned_round_the_first_is_lower(self):
    pairs = matched_tables.pairs_table(
      matched_tables.values_table(self.networks[::-1], LEVELS)
    )
    self.assertEqual(set(rows_of(pairs, first='cnn2')['verdict']), {LOWER})

  def test_networks_without_a_value_are_in_no_pair(self):
    low = fake_networks.network('low', gap=(0.0, 0.06, 0.06))
    pairs = matched_tables.pairs_table(
      matched_tables.values_table([*self.networks, low], LEVELS)
    )
    self.assertLen(rows_of(pairs, level=0.05, attack='lr'), 6)
    self.assertLen(rows_of(pairs, level=0.15, attack='lr'), 3)

  def test_a_pair_with_one_seed_has_no_verdict_and_does_not_count_for_the_others(self):
    alone = fake_networks.network('alone', leaks=(1.2,))
    pairs = matched_tables.pairs_table(
      matched_tables.values_table([*self.networks, alone], LEVELS)
    )
    self.assertEqual(set(rows_of(pairs, second='alone')['verdict']), {''})
    others = pairs[pairs['second'] != 'alone'].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, self.pairs)

  def test_equal_networks_are_told_apart_in_at_most_5_percent(self):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
      networks = [
        fake_networks.network(name, leaks=rng.normal(1, 0.1, 3), member=(0.4, 0.8))
        for name in 'abcd'
      ]
      values = matched_tables.values_table(networks, {'gap': [0.1]})
      pairs = matched_tables.pairs_table(rows_of(values, attack='lr'))
      wrong += (pairs['verdict'] != SAME).any()
    self.assertLess(wrong / 200, 0.08)


if __name__ == '__main__':
  absltest.main()
