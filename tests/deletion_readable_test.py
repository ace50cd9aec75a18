import dataclasses

from absl.testing import absltest, parameterized

from rnn_tf import deletion_readable, deletion_tables
from tests import fake_deletions

TABLES = (
  *('verdicts', 'accuracy', 'attacks', 'costs', 'two_versions', 'collateral'),
  'shards',
)


def record(**options):
  return fake_deletions.record(**options)


class ReadableTest(parameterized.TestCase):
  @parameterized.parameters(*TABLES)
  def test_every_row_says_all_that_it_is_of(self, name):
    frame = getattr(deletion_readable, name)(record())
    self.assertNotEmpty(frame)
    named = [column for column in ('deleted', 'version', 'attack') if column in frame]
    self.assertFalse((frame[named] == '').any(axis=None))
    self.assertFalse(frame.isna().any(axis=None))
    key = named or ['shards', 'aggregation']
    self.assertFalse(frame[key].duplicated().any())

  @parameterized.parameters(*TABLES)
  def test_markdown_has_the_same_cells_without_repetition(self, name):
    made = record()
    rows = getattr(deletion_readable, name)(made).to_dict('records')
    text = getattr(deletion_tables, f'{name}_markdown')(made)
    lines = text.splitlines()[2:]
    self.assertLen(lines, len(rows))
    for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
      cells = [cell.strip() for cell in line.split('|')[1:-1]]
      for (column, value), cell in zip(row.items(), cells, strict=True):
        if cell != value:
          # Left out, since the row above says it.
          self.assertEqual((cell, value), ('', rows[place - 1][column]))

  @parameterized.parameters('verdicts', 'shards', 'attacks')
  def test_what_is_not_there_is_empty(self, name):
    made = dataclasses.replace(
      record(methods=('finetune',), attacks=()), shard_accuracies=()
    )
    self.assertEmpty(getattr(deletion_readable, name)(made))
    self.assertEqual(getattr(deletion_tables, f'{name}_markdown')(made), '')


if __name__ == '__main__':
  absltest.main()
