from absl.testing import absltest

from rnn_tf.matching import matched
from rnn_tf.matching import tables as matched_tables
from rnn_tf.matching import text as matched_text
from tests import fake_networks

LEVELS = {'gap': [0.05, 0.15]}


class TextCase(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.networks = [
      fake_networks.network('gru', leaks=(1.5, 1.52, 1.49)),
      fake_networks.network('cnn2', recurrent=False, leaks=(1.0, 1.01, 1.02)),
    ]

  def frames(self, networks=None, levels=None):
    values = matched_tables.values_table(networks or self.networks, levels or LEVELS)
    means = matched_tables.means_table(values)
    return values, means, matched_tables.pairs_table(values)


class FindingsTest(TextCase):
  def findings(self, networks=None, levels=None):
    _, means, pairs = self.frames(networks, levels)
    return matched_text.findings(means, pairs)

  def test_they_say_the_highest_level_and_who_is_ahead_there(self):
    threshold, lr, _ = self.findings()
    self.assertEqual(
      threshold,
      "- At a gap of 0.150 the threshold attack's AUC is 0.613 for gru, 0.576 for "
      'cnn2; 1 of 1 pairs told apart.',
    )
    self.assertIn("the lr attack's AUC is 0.725 for gru, 0.651 for cnn2", lr)

  def test_where_something_else_is_equal_they_say_the_gap(self):
    other = fake_networks.network('mlp', recurrent=False, gap=(0.0, 0.05, 0.1))
    networks = [*self.networks, other]
    lines = self.findings(networks, {'member_accuracy': [0.5, 0.7]})
    self.assertIn('At an accuracy on members of 0.700', lines[0])
    self.assertEqual(
      lines[2], '- Their gap is 0.150 for gru, 0.150 for cnn2, 0.075 for mlp there.'
    )

  def test_recurrent_networks_are_counted_against_feed_forward_ones(self):
    self.assertEqual(
      self.findings()[-1],
      '- Over all levels and attacks, the AUC on a recurrent network - that on a '
      'feed-forward one is from +0.012 to +0.074: higher in 4 of 4 comparisons, lower '
      'in 0, not told apart in 0.',
    )

  def test_networks_of_one_kind_are_not_counted(self):
    networks = [self.networks[0], fake_networks.network('lstm')]
    self.assertLen(self.findings(networks), 2)

  def test_a_level_that_nobody_reaches_is_not_the_highest(self):
    lines = self.findings(levels={'gap': [0.15, 0.9]})
    self.assertIn('At a gap of 0.150', lines[0])

  def test_without_intervals_nothing_is_told_apart_or_counted(self):
    networks = [
      fake_networks.network(name, recurrent=name == 'a', leaks=(1.0,)) for name in 'ab'
    ]
    lines = self.findings(networks)
    self.assertLen(lines, 2)
    self.assertNotIn('told apart', lines[0])


class MarkdownTest(TextCase):
  def cells(self, text):
    rows = [line.strip('|').split('|') for line in text.splitlines()]
    self.assertLen({len(row) for row in rows}, 1)
    return [[cell.strip() for cell in row] for row in rows[:1] + rows[2:]]

  def test_networks_have_their_size_and_their_range(self):
    chosen = {name: matched.choose_levels(self.networks, name) for name in ('gap',)}
    head, gru, cnn = self.cells(matched_text.networks_markdown(self.networks, chosen))
    self.assertEqual(head[-1], 'gap, of all seeds')
    self.assertEqual(gru, ['gru', 'recurrent', '1,000', '3', '0.000 to 0.200'])
    self.assertEqual(cnn[:2], ['cnn2', 'feed-forward'])

  def test_a_network_whose_seeds_share_no_range_has_the_extent_of_them_all(self):
    apart = matched.Network(
      name='apart',
      recurrent=True,
      parameters=1,
      flags='',
      courses=(
        fake_networks.course(gap=(0.1, 0.12, 0.11)),
        fake_networks.course(gap=(0.2, 0.25, 0.3)),
      ),
    )
    blind = fake_networks.network('blind', gap=[float('nan')] * 3)
    levels = matched.choose_levels([apart, blind], 'gap')
    texts = [matched_text.range_text(levels, name) for name in ('apart', 'blind')]
    self.assertEqual(texts, ['none, some in 0.100 to 0.300', 'unknown'])

  def test_means_stand_by_level_and_network_with_all_attacks(self):
    _, means, _ = self.frames()
    head, *rows = self.cells(matched_text.means_markdown(means))
    self.assertEqual(
      head[-2:], ['AUC, threshold [95% interval]', 'AUC, lr [95% interval]']
    )
    self.assertEqual([row[0] for row in rows], ['0.050', '', '0.150', ''])
    row = means[(means['level'] == 0.15) & (means['network'] == 'cnn2')].iloc[0]
    self.assertEqual(
      rows[3][1:7], ['cnn2', '3 of 3', '7.5', '0.7000', '0.5500', '0.1500']
    )
    self.assertEqual(rows[3][7], f'0.576 [{row["auc_low"]:.3f}, {row["auc_high"]:.3f}]')

  def test_pairs_have_a_column_a_level_with_interval_and_verdict(self):
    _, _, pairs = self.frames()
    head, *rows = self.cells(matched_text.pairs_markdown(pairs))
    self.assertEqual(head, ['pair', 'attack', 'at 0.050', 'at 0.150'])
    self.assertLen(rows, 2)
    row = pairs.iloc[0]
    self.assertEqual(
      rows[0],
      [
        'gru - cnn2',
        'threshold',
        f'+0.012 [{row["low"]:+.3f}, {row["high"]:+.3f}] higher',
        rows[0][3],
      ],
    )

  def test_a_pair_without_a_value_somewhere_has_an_empty_cell(self):
    low = fake_networks.network('low', gap=(0.0, 0.06, 0.06))
    _, _, pairs = self.frames([self.networks[0], low])
    _, first, _ = self.cells(matched_text.pairs_markdown(pairs))
    self.assertNotEmpty(first[2])
    self.assertLen(first, 3)
    _, _, pairs = self.frames([*self.networks, low])
    rows = self.cells(matched_text.pairs_markdown(pairs))
    self.assertEqual({row[3] for row in rows if 'low' in row[0]}, {''})

  def test_what_is_missing_is_said_with_its_reason_once_for_all_attacks(self):
    networks = [
      fake_networks.network('low', gap=(0.0, 0.06, 0.06)),
      fake_networks.network('high', gap=(0.1, 0.2, 0.3)),
      *self.networks,
    ]
    values, _, _ = self.frames(networks)
    lines = [line for line in matched_text.missing(values) if line.startswith('- ')]
    self.assertEqual(
      lines,
      [
        '- high: above it from the first report on: 0.050 (3 of 3 runs)',
        '- low: not reached: 0.150 (3 of 3 runs)',
      ],
    )
    self.assertEmpty(matched_text.missing(self.frames()[0]))

  def test_levels_keep_all_their_digits(self):
    self.assertEqual(matched_text.level_text(0.1), '0.100')
    self.assertEqual(matched_text.level_text(0.12345), '0.12345')


if __name__ == '__main__':
  absltest.main()
