from absl.testing import absltest, parameterized

from rnn_tf import comparison_markdown
from rnn_tf.seed_groups import by_data_set
from tests import fake_runs


class PictureFileTest(parameterized.TestCase):
  @parameterized.parameters(
    ('digits', 'digits-roc.png'),
    ('a b/c', 'a-b-c-roc.png'),
    ('../x', '..-x-roc.png'),
    ('数字_1.0', '数字_1.0-roc.png'),
  )
  def test_what_no_file_name_has_becomes_a_dash(self, data_set, expected):
    self.assertEqual(comparison_markdown.picture_file(data_set, 'roc'), expected)


class PageTest(fake_runs.RunsCase):
  def test_the_page_begins_with_the_mark_and_shows_each_part_once(self):
    found = [self.load('a', attacks=()), self.load('b', dataset='mnist', attacks=())]
    groups = by_data_set(found)
    parts = [
      comparison_markdown.part_of(name, group, {}) for name, group in groups.items()
    ]
    page = comparison_markdown.page(groups, parts, command='the command', note='a note')
    self.assertStartsWith(
      page, f'{comparison_markdown.MARK}\n# 2 runs compared: digits'
    )
    for part in parts:
      self.assertEqual(page.count(part.section), 1)
      self.assertIn(part.text, part.section)
    self.assertLess(page.index('a note'), page.index('## digits'))
    self.assertEndsWith(page, 'the command\n```\n')


if __name__ == '__main__':
  absltest.main()
