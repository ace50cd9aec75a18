from absl import flags
from absl.testing import absltest

from rnn_tf import attack_records, reporting
from rnn_tf.options import page as page_options
from rnn_tf.page import figures
from rnn_tf.pages import comparison_page, run_page
from tests import fake_attacks, fake_deletions, fake_runs


class ComparisonPageTest(fake_runs.RunsCase):
  def write(self, **options):
    records = reporting.load_runs([f'{self.root}/runs/*'])
    out = self.root / 'report'
    made = reporting.compare(records, out)
    settings = {'command': 'the command', 'note': '', 'max_advantage': None, **options}
    settings['equal'] = made.equal
    return comparison_page.write(records, out, **settings).read_text()

  def said(self, **options):
    return '\n'.join(figures.read(self.write(**options)).texts)

  def test_private_and_plain_runs_stand_side_by_side(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-dp-eps3-s0', privacy=fake_runs.private())
    said = self.said()
    self.assertIn('Plain against private', said)
    self.assertIn('2 runs compared', said)
    self.assertIn('the command', said)

  def test_runs_of_two_data_sets_are_shown_apart_with_the_reason(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('mnist-cnn2-s0', dataset='mnist')
    said = self.said()
    self.assertIn('whose accuracies and AUCs do not compare', said)
    self.assertIn('digits: Runs', said)
    self.assertIn('mnist: Runs', said)

  def test_attacks_and_deletions_of_the_runs_are_shown(self):
    for seed in (0, 1):
      folder = self.run_folder(f'digits-cnn2-s{seed}', seed=seed)
      fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
      fake_deletions.write(folder)
    said = self.said()
    self.assertIn('Attacks with shadow models, run by run', said)
    for seed in (0, 1):
      self.assertIn(f'digits-cnn2-s{seed}: Audit of deletions: mine', said)

  def test_the_headline_knows_attacks_with_shadow_models(self):
    folder = self.run_folder('digits-cnn2-s0', leak=0.0)
    fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4, leak=4.0)
    found = figures.read(self.write())
    attack = attack_records.load(folder / 'attacks/lira-half8')
    strongest = max(attack.entire(name).auc for name in attack.attacks)
    self.assertStartsWith(
      found.numbers['verdict/AUC of the strongest attack'], f'{strongest:.3f} ['
    )

  def test_runs_whose_names_look_alike_stand_side_by_side(self):
    names = ('модель', 'другая', 'Mnist_LSTM', 'mnist-lstm')
    for seed, name in enumerate(names):
      folder = self.run_folder(name, seed=seed)
      fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
      fake_deletions.write(folder)
    said = self.said()
    for name in names:
      self.assertIn(f'{name}: Audit of deletions: mine', said)

  def test_attacks_on_several_data_sets_are_not_in_one_chart(self):
    for dataset in ('digits', 'mnist'):
      folder = self.run_folder(f'{dataset}-cnn2-s0', dataset=dataset)
      fake_attacks.write(folder, dataset=dataset, model='cnn2', epoch=4)
    found = figures.read(self.write())
    for dataset in ('digits', 'mnist'):
      self.assertIn(f'{dataset}: Attacks with shadow models, run by run', found.texts)
      rows = found.charts[f'{dataset}-attacks-runs-auc'][1:]
      self.assertEqual({row[0] for row in rows}, {f'{dataset}-cnn2-s0', 'guessing'})
    self.assertIn('digits-attacks-runs-all', found.tables)

  def test_of_many_audits_of_a_run_the_last_are_named_alone(self):
    for name in ('a_b', 'c'):
      folder = self.run_folder(name, seed=len(name))
      for number in range(run_page.MOST_AUDITS + (name == 'a_b')):
        fake_deletions.write(folder, label=f'd{number}')
    text = self.write()
    found = figures.read(text)
    last = f'd{run_page.MOST_AUDITS}'
    for name in ('a_b', 'c'):
      self.assertIn(f'{name}: Audit of deletions: d3', found.texts)
      self.assertNotIn(f'{name}: Audit of deletions: {last}', found.texts)
    (line,) = [each for each in found.texts if 'in full in' in each]
    self.assertEqual(
      line, f'a_b: audit {last}: in full in deletions/{last}/report.md of the run.'
    )

  def test_networks_at_equal_accuracy_are_titled_with_their_data_set(self):
    for dataset in ('digits', 'mnist'):
      for model in ('cnn', 'gru'):
        for seed in (0, 1):
          folder = self.run_folder(
            f'{dataset}-{model}-s{seed}', dataset=dataset, seed=seed, leak=2.0, epochs=8
          )
          fake_runs.change_json(
            folder / 'config.json',
            lambda v, model=model: v['config']['model'].update(model=model),
          )
    found = self.said()
    for dataset in ('digits', 'mnist'):
      self.assertIn(f'{dataset}: At equal accuracy', found)

  def test_the_limit_is_not_that_of_the_page_that_is_there_as_the_flag_says(self):
    self.run_folder('digits-cnn2-s0')
    for given, expected in ((0.3, 0.3), (None, run_page.MAX_ADVANTAGE)):
      settings = figures.read(self.write(max_advantage=given)).settings
      self.assertEqual(settings['max_advantage'], expected)
    (flag,) = flags.FLAGS.flags_by_module_dict()[page_options.__name__]
    self.assertIn(f'of a comparison, {run_page.MAX_ADVANTAGE:g}.', flag.help)

  def test_the_note_is_shown_and_html_in_it_is_text(self):
    self.run_folder('digits-cnn2-s0')
    text = self.write(note='<script>alert(1)</script>')
    self.assertNotIn('<script>alert', text)
    self.assertIn('&lt;script&gt;alert(1)', text)

  def test_pictures_that_lie_beside_the_page_are_linked(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-s1', seed=1)
    text = self.write()
    self.assertIn('./digits-learning_curves.png', text)
    self.assertNotIn('at_equal_accuracy.png', text)

  def test_a_comparison_of_many_runs_stays_below_a_megabyte(self):
    for seed in range(14):
      self.run_folder(f'digits-cnn2-s{seed}', seed=seed)
    self.assertLess(len(self.write()), 1_000_000)


if __name__ == '__main__':
  absltest.main()
