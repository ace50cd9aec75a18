import dataclasses
import html

import markdown_it
from absl.testing import absltest, parameterized

from rnn_tf.deletion_config import DeletedFrom
from rnn_tf.pages import run_lines
from tests import fake_runs


class LinesTest(fake_runs.RunsCase):
  def test_few_runs_have_a_line_each(self):
    records = [self.load(f'r{seed}', seed=seed) for seed in range(6)]
    found = run_lines.lines(records)
    self.assertEqual([line.name for line in found], [f'r{i}' for i in range(6)])
    self.assertEqual([line.color for line in found], list(range(6)))

  def test_of_many_runs_those_that_differ_by_seeds_share_a_line(self):
    records = [self.load(f'r{seed}', seed=seed) for seed in range(4)]
    private = fake_runs.private()
    records += [self.load(f'p{s}', seed=s, privacy=private) for s in range(3)]
    found = run_lines.lines(records)
    self.assertEqual([line.name for line in found], ['ε = 3, 3 runs', 'plain, 4 runs'])
    self.assertCountEqual([r for line in found for r in line.records], records)

  def test_what_equal_deletions_have_left_shares_a_line(self):
    records = [self.load(f'r{seed}', seed=seed) for seed in range(3)]
    for record in records[:]:
      for forget in ('uniform-5pct', 'uniform-10pct'):
        deleted = DeletedFrom(
          parent=record.name, method='retrain', forget=forget, checksum=record.name
        )
        config = dataclasses.replace(record.config, deleted=deleted)
        name = f'{record.name}-{forget}'
        records.append(dataclasses.replace(record, name=name, config=config))
    found = run_lines.lines(records)
    self.assertEqual(
      [line.name for line in found],
      [
        'plain, 3 runs',
        'retrain, uniform-5pct, 3 runs',
        'retrain, uniform-10pct, 3 runs',
      ],
    )
    self.assertCountEqual([r for line in found for r in line.records], records)

  def test_many_runs_that_differ_otherwise_have_a_line_each(self):
    records = [self.load(f'r{size}', batch_size=size) for size in range(8, 16)]
    self.assertLen(run_lines.lines(records), 8)


class SeriesTest(parameterized.TestCase):
  def test_one_path_keeps_its_intervals(self):
    path = run_lines.Path(
      run='a', x=[1, 2], y=[0.5, 0.123456789], low=[0, 0.1], high=[1, 1]
    )
    series = run_lines.series('name', [path], color=3)
    self.assertEqual((series.x, series.y), ([1, 2], [0.5, 0.12346]))
    self.assertEqual((series.low, series.high), ([0, 0.1], [1, 1]))
    self.assertEqual((series.name, series.color), ('name', 3))

  def test_several_paths_are_parted_by_gaps_and_labelled_by_run(self):
    paths = [
      run_lines.Path(run='a', x=[1, 2], y=[3, float('nan')], low=[0, 0], high=[4, 4]),
      run_lines.Path(run='empty', x=[], y=[]),
      run_lines.Path(run='b', x=[5], y=[6]),
    ]
    series = run_lines.series('name', paths)
    self.assertEqual(series.x, [1, 2, 2, 5])
    self.assertEqual(series.y, [3, None, None, 6])
    self.assertEqual(series.labels, ['a', 'a', '', 'b'])
    self.assertIsNone(series.low)

  def test_points_need_no_gaps(self):
    paths = [run_lines.Path(run=run, x=[1], y=[2]) for run in 'ab']
    self.assertEqual(run_lines.series('name', paths, style='points').y, [2, 2])

  def test_nothing_gives_nothing(self):
    self.assertIsNone(run_lines.series('name', [run_lines.Path(run='a', x=[], y=[])]))


class TextTest(parameterized.TestCase):
  @parameterized.parameters(
    *('<b>x</b>', '*a* _b_', '`code', '[a](http://b)', '![a](b)', '1. a', '# a', '- a'),
    *('a|b', 'a\\*b', '&amp;', '<http://a.b>', '~~a~~', 'runs/a_b_c-s0'),
  )
  def test_plain_names_are_shown_by_markdown_as_they_are(self, name):
    markdown = markdown_it.MarkdownIt('commonmark')
    shown = markdown.render(run_lines.plain(name))
    self.assertEqual(shown, f'<p>{html.escape(name, quote=False)}</p>\n')

  def test_a_name_of_several_lines_is_one_line(self):
    self.assertEqual(run_lines.plain('a\n\nb'), 'a b')

  @parameterized.parameters(([0.5, 0.5001], '0.50'), ([0.6, 0.5], '0.50 to 0.60'))
  def test_a_spread_names_both_ends_where_they_differ(self, values, text):
    self.assertEqual(run_lines.spread([*values, float('nan')], '.2f'), text)

  def test_long_lists_are_cut_and_say_so(self):
    self.assertEqual(run_lines.listed(['a', 'b'], 2), 'a; b')
    self.assertEqual(run_lines.listed(['a', 'b', 'c', 'd'], 2), 'a; b; and 2 more')

  def test_an_axis_has_room_at_both_ends(self):
    axis = run_lines.padded_axis('x', [0.5, float('nan'), 1.0])
    self.assertEqual((axis.low, axis.high), (0.48, 1.02))
    self.assertLess(run_lines.padded_axis('x', [0.5]).low, 0.5)


class ExamplesTest(fake_runs.RunsCase):
  def test_sizes_and_seeds_are_ranges(self):
    records = [self.load('a'), self.load('b', members=1200, seed=4)]
    results = [record.entire('lr')[0] for record in records]
    self.assertEqual(
      run_lines.examples(results), '300 to 1,200 members, 200 non-members'
    )
    self.assertEqual(run_lines.seeds(records), 'seeds 0, 4')

  def test_guessing_has_a_band_for_each_width(self):
    record = self.load()
    results = [r for a in record.attacks for r in run_lines.results_of(record, a)]
    bands = run_lines.guesses(results, [4, 2], attacks=record.attacks)
    self.assertEqual([b.name for b in bands], ['guessing (lr)', 'guessing (threshold)'])
    for band in bands:
      self.assertEqual((band.x, band.y, band.reference), ([2, 4], [0.5, 0.5], True))
    half = record.entire('threshold')[0].auc_null_half_width
    self.assertAlmostEqual(bands[1].high[0], 0.5 + half, places=4)
    (alone,) = run_lines.guesses(results, [4, 2], attacks=['lr'])
    self.assertEqual(alone.name, 'guessing')

  def test_skipped_results_are_left_out(self):
    record = self.load(skipped={('lr', 'entire')})
    self.assertEqual(run_lines.attacks_of([record]), ('threshold',))
    self.assertEmpty(run_lines.results_of(record, 'lr'))


if __name__ == '__main__':
  absltest.main()
