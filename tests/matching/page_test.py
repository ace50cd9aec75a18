import numpy as np
from absl.testing import absltest

from rnn_tf import config, plot_style, records
from rnn_tf.errors import UsageError
from rnn_tf.matching import matched
from rnn_tf.matching import page as matched_page
from tests import fake_networks, fake_runs
from tests.plots_test import texts


class SectionTest(fake_runs.RunsCase):
  def network(self, name, model, *, seeds=(0, 1, 2), **options):
    """Writes runs of a network that learns its members from report to report."""
    for seed in seeds:
      folder = self.run_folder(f'{name}-s{seed}', seed=seed, **options)
      fake_runs.change_json(
        folder / 'config.json', lambda v: v['config']['model'].update(model=model)
      )

  def both(self, **options):
    self.network('cnn', 'cnn', epochs=8, leak=2.0, **options)
    self.network('gru', 'gru', epochs=8, leak=2.3, **options)

  def section(self, **options):
    found = records.load_runs([f'{self.root}/runs/*'])
    return matched_page.section(found, **options)

  def test_two_networks_with_seeds_have_tables_and_a_picture(self):
    self.both()
    section = self.section()
    self.assertStartsWith(section.text, '### At equal accuracy\n')
    for name in ('accuracy on members', 'accuracy on test images', 'gap'):
      self.assertIn(f'#### At equal {name}\n', section.text)
    self.assertIn('| gru       | recurrent    | 1,234 ', section.text)
    self.assertIn('0.0% more parameters', section.text)
    self.assertNotIn('differ in how they were trained', section.text)
    self.assertIn('All networks share the range', section.text)
    self.assertIn('| gru - cnn2 | threshold', section.text)
    self.assertIn('not the choice of examples', section.text.replace('\n', ' '))
    self.assertEqual(set(section.values['criterion']), set(matched.CRITERIA))
    self.assertEqual(
      set(section.values['run']),
      {f'{n}-s{s}' for n in ('cnn', 'gru') for s in range(3)},
    )
    self.assertEqual(set(section.means['network']), {'gru', 'cnn2'})
    self.assertEqual(set(section.pairs['first']), {'gru'})
    self.assertIn('digits · at equal accuracy', section.figure.get_suptitle())
    self.assertIn('1,234 to 1,234 parameters; a thin line a run', texts(section.figure))

  def test_a_run_is_drawn_up_to_its_highest_accuracy(self):
    self.both(attacks=('lr',))
    # On test images that is the third report's of four.
    expected = records.load_run(self.root / 'runs/gru-s0').metrics['val_accuracy']
    _, axes, _ = self.section().figure.axes
    lines = [line for line in axes.lines if line.get_marker() == '.']
    self.assertLen(lines, 6)
    for line in lines:
      np.testing.assert_allclose(line.get_xdata(), expected[[1, 3, 5]])

  def test_the_levels_lie_in_what_all_runs_cover(self):
    self.both()
    section = self.section()
    self.assertEqual(set(section.values['missing']), {None})
    for criterion, part in section.values.groupby('criterion'):
      np.testing.assert_allclose(part[criterion], part['level'])

  def test_the_same_runs_give_the_same_section(self):
    self.both(attacks=('lr',))
    first, second = self.section(), self.section()
    self.assertEqual(first.text, second.text)
    self.assertEqual(*(plot_style.to_png(each.figure) for each in (first, second)))

  def test_without_two_networks_of_two_seeds_there_is_no_section(self):
    self.network('cnn', 'cnn')
    self.network('gru', 'gru', seeds=(0,))
    self.assertIsNone(self.section())

  def test_private_runs_are_not_in_it(self):
    self.network('cnn', 'cnn')
    self.network('dp', 'gru', privacy=fake_runs.private())
    self.assertIsNone(self.section())

  def test_models_that_are_no_networks_are_not_in_it(self):
    self.both(attacks=('lr',))
    networks = records.load_runs([f'{self.root}/runs/*'])
    forests = [
      fake_networks.classical(self.load(f'forest-s{seed}', seed=seed))
      for seed in (0, 1)
    ]
    section = matched_page.section([*networks, *forests])
    self.assertNotIn('forest', section.text)
    self.assertEqual(section.text, matched_page.section(networks).text)
    self.assertIsNone(matched_page.section([*forests, networks[0]]))

  def test_networks_that_were_not_attacked_have_no_section(self):
    self.network('cnn', 'cnn', attacks=('lr',), skipped={('lr', 'entire')})
    self.network('gru', 'gru', attacks=('lr',), skipped={('lr', 'entire')})
    self.assertIsNone(self.section())

  def test_levels_can_be_asked_for_and_what_does_not_reach_them_is_named(self):
    self.both()
    section = self.section(levels={'gap': [0.99, 0.98]})
    self.assertIn('Levels as asked for.', section.text)
    self.assertIn(
      '- gru: not reached: 0.980 (3 of 3 runs), 0.990 (3 of 3 runs)', section.text
    )
    gap = section.means[section.means['criterion'] == 'gap']
    self.assertEqual(set(gap['level']), {0.98, 0.99})
    self.assertNotIn('nan', section.text)

  def test_networks_that_share_nothing_are_named_with_their_ranges(self):
    self.network('cnn', 'cnn', leak=0.0, val_accuracy=0.7)
    self.network('gru', 'gru', leak=4.0, val_accuracy=0.2)
    text = self.section().text
    self.assertRegex(
      text,
      r'No two networks share a range of 0.02 or more: '
      r'gru \(0\.\d+ to 0\.\d+\), cnn2 \(0\.\d+ to 0\.\d+\)\.',
    )

  def test_left_out_runs_and_missing_scores_are_named(self):
    self.both()
    self.network('lstm', 'lstm', seeds=(0,))
    self.network('gru-young', 'gru', seeds=(7,), epochs=8, trained=2)
    (self.root / 'runs/gru-s1/scores/epoch-0004.npz').unlink()
    text = self.section().text
    self.assertIn('- Left out: gru-young-s7, lstm-s0: unfinished', text)
    self.assertIn('- gru-s1: of 1 reports no scores were kept', text)

  def test_networks_that_were_trained_differently_say_so(self):
    self.network('cnn', 'cnn', epochs=8, leak=2.0)
    self.network('gru', 'gru', epochs=8, leak=2.3, batch_size=16)
    self.assertIn(
      '- They differ in how they were trained as well: gru: `--batch_size=16`; '
      'cnn2: `--batch_size=64`.',
      self.section().text,
    )

  def test_other_examples_take_back_what_is_said_of_the_same_ones(self):
    self.both()
    self.network('cnn-other', 'cnn', epochs=8, data=config.DataConfig(data_seed=3))
    self.assertNotIn(
      'not the choice of examples', self.section().text.replace('\n', ' ')
    )

  def test_damaged_scores_are_refused(self):
    self.both()
    (self.root / 'runs/gru-s1/scores/epoch-0004.npz').write_bytes(b'no zip')
    with self.assertRaisesRegex(UsageError, 'gru-s1.*damaged'):
      self.section()


if __name__ == '__main__':
  absltest.main()
