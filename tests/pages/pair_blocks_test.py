import csv
import io

from absl.testing import absltest

from rnn_tf.page import blocks
from rnn_tf.pages import pair_blocks
from tests import fake_runs


class PairBlocksTest(fake_runs.RunsCase):
  def found(self, records):
    """Returns the blocks that have a name by it, and the text."""
    shown = pair_blocks.blocks_of(records, picture=lambda name: f'{name}.png')
    (text,) = [each.markdown for each in shown if isinstance(each, blocks.Text)]
    return {each.name: each for each in shown if hasattr(each, 'name')}, text

  def test_plain_runs_have_nothing_to_say(self):
    self.assertEmpty(pair_blocks.blocks_of([self.load()]))

  def test_a_pair_has_tables_and_charts(self):
    records = [self.load('dp', privacy=fake_runs.private(), bound=0.2), self.load('b')]
    found, text = self.found(records)
    self.assertEqual(
      list(found),
      [
        'dp-privacy-vs-utility-threshold',
        'dp-privacy-vs-utility-lr',
        'pairs',
        'seeds',
        'epsilon-by-epoch',
      ],
    )
    self.assertEqual(found['epsilon-by-epoch'].picture, 'epsilon_by_epoch.png')
    self.assertStartsWith(text, 'Epsilon is the accountant')
    self.assertNotIn('\n- ', text)

  def test_tables_have_complete_rows_in_the_order_of_reading(self):
    records = [self.load('dp', privacy=fake_runs.private(), bound=0.2), self.load('b')]
    found, _ = self.found(records)
    pairs, seeds = found['pairs'], found['seeds']
    self.assertEqual(pairs.columns[0], 'DP run')
    self.assertEqual([row[0].text for row in pairs.rows], ['dp', 'dp'])
    self.assertEqual([row[1].text for row in pairs.rows], ['threshold', 'lr'])
    row = next(csv.DictReader(io.StringIO(pairs.csv)))
    self.assertEqual((row['plain_run'], float(row['epsilon'])), ('b', 3.0))
    self.assertEqual(seeds.columns[:2], ('epsilon (delta)', 'attack'))
    self.assertEqual(
      [row[0].text for row in seeds.rows], ['3 (1e-05)'] * 2 + ['plain'] * 2
    )

  def test_what_a_reader_must_know_is_said_with_names_as_they_are(self):
    shuffled = fake_runs.private(dp_sampling='shuffle')
    records = [
      self.load('<b>lone<b>', privacy=fake_runs.private(), epochs=6),
      self.load('shuf_fled', privacy=shuffled, deterministic=True),
      self.load('young', privacy=fake_runs.private(), trained=2),
      self.load('plain'),
    ]
    _, text = self.found(records)
    self.assertIn('\n- \\<b\\>lone\\<b\\>: no plain run to compare with', text)
    self.assertIn('(the nearest is plain)', text)
    self.assertIn('- shuf\\_fled: batches were shuffled', text)
    self.assertIn('- shuf\\_fled: the noise follows from `--seed`', text)
    self.assertIn('- young: unfinished, not in the means', text)


if __name__ == '__main__':
  absltest.main()
