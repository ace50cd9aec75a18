from absl.testing import absltest

from rnn_tf import config, records
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import comparison_blocks
from tests import fake_runs

_NASTY = '<img src=x onerror=alert(1)>'


def _page(found):
  return blocks.Page(
    title='Runs',
    subtitle='',
    verdict=comparison_blocks.headline(found, {}),
    sections=comparison_blocks.sections(found, max_advantage=0.1, command='report it'),
    settings={},
    version='1',
  )


def _text(section):
  return '\n'.join(
    block.markdown for block in section.blocks if isinstance(block, blocks.Text)
  )


class SectionsTest(fake_runs.RunsCase):
  def titles(self, found, **options):
    sections = comparison_blocks.sections(found, **options)
    return [section.title for section in sections]

  def test_plain_and_private_runs_have_all_sections(self):
    found = [self.load('a', privacy=fake_runs.private()), self.load('b')]
    self.assertEqual(
      self.titles(found),
      [
        'Runs',
        'Privacy against utility',
        'Plain against private',
        'Leakage by epoch',
        'Few false positives',
        'Class by class',
        'Learning curves',
        'Commands that made this',
      ],
    )

  def test_runs_without_reports_have_what_there_is(self):
    self.assertEqual(
      self.titles([self.load(attacks=())]),
      ['Runs', 'Learning curves', 'Commands that made this'],
    )

  def test_data_sets_have_sections_and_names_of_their_own(self):
    found = [self.load('a'), self.load('b', dataset='oth/er')]
    sections = comparison_blocks.sections(
      found, pictures=lambda data_set: lambda name: f'{data_set}-{name}.png'
    )
    self.assertEqual(sections[0].title, 'digits: Runs')
    self.assertEqual(sections[-2].title, 'oth/er: Learning curves')
    self.assertEqual(sections[-2].name, 'oth-er-training')
    chart = sections[-2].blocks[0]
    self.assertEqual(chart.name, 'oth-er-accuracy-by-epoch')
    self.assertEqual(chart.picture, 'oth/er-learning_curves.png')

  def test_data_sets_whose_names_look_alike_have_names_of_their_own(self):
    found = [
      self.load(f'r{index}', dataset=name)
      for index, name in enumerate(('数字', '图像', 'Mnist', 'mnist'))
    ]
    html = render(_page(found))
    for name in ('unnamed', 'unnamed-2', 'mnist', 'mnist-2'):
      self.assertIn(f'id="{name}-overview"', html)

  def test_recommendations_are_shown_if_asked_for(self):
    found = [self.load('a'), self.load('b', seed=1)]
    for asked in (None, 0.5):
      (section,) = [
        each
        for each in comparison_blocks.sections(found, max_advantage=asked)
        if each.name == 'digits-utility'
      ]
      names = [block.name for block in section.blocks]
      self.assertEqual('digits-stopping' in names, asked is not None)

  def test_a_page_can_be_made_of_any_runs(self):
    found = [
      self.load('plain'),
      self.load('private', privacy=fake_runs.private(), bound=3.5),
      self.load('young', epochs=8, trained=5, seed=1),
      self.load('none', attacks=(), seed=2),
      self.load('skipped', skipped={('lr', 'entire'), ('lr', 'class:1')}, seed=3),
      self.load('else', dataset='other', members=30),
    ]
    page = _page(found)
    # Names that are there twice, or no slugs, are an error of the renderer's.
    html = render(page)
    for name in ('digits-leakage-by-epoch-threshold', 'other-leakage-by-epoch'):
      self.assertIn(f'id="{name}"', html)
    self.assertIn('report it', html)

  def test_html_in_names_is_shown_as_it_is(self):
    path = self.run_folder(_NASTY, privacy=fake_runs.private(), bound=3.5)

    def change(values):
      values['data']['class_names'][1] = '<script>alert(2)</script>'

    fake_runs.change_json(path / 'config.json', change)
    found = [
      records.load_run(path),
      self.load(f'{_NASTY}2', skipped={('lr', 'class:1')}),
      self.load(f'{_NASTY}3', trained=2, dataset='*b*'),
    ]
    html = render(_page(found))
    self.assertNotIn('<img', html)
    self.assertNotIn('<script>alert', html)
    self.assertNotIn('<em>b</em>', html)
    self.assertIn('&lt;img src=x onerror=alert(1)&gt;', html)
    self.assertIn('&lt;script&gt;alert(2)&lt;/script&gt;', html)
    # No backslash of the Markdown is left over.
    self.assertNotIn('\\&lt;img', html)


class OverviewTest(fake_runs.RunsCase):
  def overview(self, found):
    return _text(comparison_blocks.sections(found)[0])

  def test_equal_sizes_are_said_once(self):
    text = self.overview([self.load('a'), self.load('b', seed=1)])
    self.assertStartsWith(
      text,
      'digits 1\\.0\\.0, 2 runs: 300 training and 200 test images; attacked: 300 '
      'members, 200 non-members (test images); seeds 0, 1.',
    )

  def test_different_sizes_are_said_for_each_and_warned_of(self):
    text = self.overview([self.load('a'), self.load('b', members=600)])
    self.assertIn('- a: 300 training', text)
    self.assertIn('- b: 600 training', text)
    self.assertIn('The runs differ in their examples', text)


class WarningsTest(fake_runs.RunsCase):
  def test_missing_parts_and_skipped_attacks_are_named(self):
    found = [
      self.load('a', skipped={('lr', 'class:1'), ('lr', 'class:2')}),
      self.load('young', trained=2),
      self.load('none', attacks=()),
    ]
    lines = comparison_blocks.warnings(found)
    self.assertIn('Unfinished: young \\(2 of 4 epochs\\)', lines)
    self.assertIn('No privacy report: none', lines)
    self.assertIn(
      'lr skipped in the last report (too few examples): a on class:1, class:2', lines
    )
    self.assertNotIn('differ in their examples', ' '.join(lines))

  def test_broken_guarantees_come_first(self):
    record = self.load(privacy=fake_runs.private(), bound=3.5)
    self.assertStartsWith(
      comparison_blocks.warnings([record])[0], '**A broken guarantee'
    )

  def test_non_members_that_are_test_images_are_warned_of(self):
    (line,) = comparison_blocks.warnings([self.load('a')])
    self.assertIn('`--nonmembers=holdout`', line)
    held = config.DataConfig(train_fraction=0.5, nonmembers='holdout')
    self.assertEmpty(comparison_blocks.warnings([self.load('b', data=held)]))
    lines = comparison_blocks.warnings([self.load('c'), self.load('d', data=held)])
    self.assertIn('test images in some runs', ' '.join(lines))


class CommandsTest(fake_runs.RunsCase):
  def test_each_run_has_its_command_and_the_flags_that_differ(self):
    found = [self.load('a'), self.load('b', seed=1, batch_size=32)]
    code, details = comparison_blocks.commands(found, command='report it').blocks
    self.assertEqual(
      code.text.splitlines(),
      [
        '# a',
        'python -m rnn_tf.train --dataset=digits --seed=0',
        '# b',
        'python -m rnn_tf.train --dataset=digits --seed=1',
        '# This page',
        'report it',
      ],
    )
    (table,) = details.blocks
    self.assertEqual(table.columns, ('run', '--batch_size', '--seed'))
    self.assertEqual(
      [[cell.text for cell in row] for row in table.rows],
      [['a', '64', '0'], ['b', '32', '1']],
    )

  def test_runs_of_equal_flags_are_said_to_be_so(self):
    _, details = comparison_blocks.commands([self.load('a'), self.load('b')]).blocks
    self.assertIn('do not differ', details.blocks[0].markdown)

  def test_one_run_has_its_command_alone(self):
    self.assertLen(comparison_blocks.commands([self.load()]).blocks, 1)


if __name__ == '__main__':
  absltest.main()
