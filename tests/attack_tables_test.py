import csv
import io

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack_tables, tables
from rnn_tf.attack_config import AttackConfig
from rnn_tf.attacks.intervals import clopper_pearson
from tests import fake_attacks

MEMBERS, NONMEMBERS = 300, 200
SMALL = {'members': MEMBERS, 'nonmembers': NONMEMBERS, 'num_shadows': 4, 'exposed': 0}


def record(**options):
  return fake_attacks.record(**{**SMALL, **options})[0]


def row(attack='lira', **options):
  frame = attack_tables.attack_table([record(**options)])
  (found,) = frame[frame['attack'] == attack].to_dict('records')
  return found


class AttackTableTest(parameterized.TestCase):
  def test_a_row_holds_the_figures_of_run_and_attack(self):
    result = record().entire('lira')
    found = row()
    self.assertEqual((found['run'], found['label']), ('digits-cnn2-s0', 'lira-half8'))
    self.assertEqual((found['num_shadows'], found['shadow_split']), (4, 'half'))
    self.assertEqual(found['variant'], 'fixed variance')
    self.assertEqual(found['auc'], result.auc)
    self.assertEqual(found['best_balanced_accuracy'], (1 + result.advantage) / 2)
    self.assertEqual(found['epsilon_lower_bound'], result.epsilon_lower_bound)

  def test_rates_are_those_of_the_scores(self):
    pair = fake_attacks.scores('lira', members=MEMBERS, nonmembers=NONMEMBERS)
    found = row()
    # Of 200 non-members 1% are two: the third highest is the threshold.
    threshold = np.sort(pair.nonmembers)[-3]
    true = int((pair.members > threshold).sum())
    self.assertEqual(found['true_positives_at_1pct'], true)
    self.assertEqual(found['false_positives_at_1pct'], 2)
    ends = found['tpr_low_at_1pct'], found['tpr_high_at_1pct']
    self.assertEqual(ends, clopper_pearson(true, MEMBERS))

  @parameterized.parameters('accuracy', '1pct', '0.1pct')
  def test_what_a_threshold_of_the_shadows_gives_is_counted_on_the_target(self, name):
    pair = fake_attacks.scores('lira', members=MEMBERS, nonmembers=NONMEMBERS)
    found = row()
    threshold = found[f'shadows_{name}_threshold']
    tpr, fpr = (pair.members > threshold).mean(), (pair.nonmembers > threshold).mean()
    self.assertAlmostEqual(found[f'shadows_{name}_tpr'], tpr)
    self.assertAlmostEqual(found[f'shadows_{name}_fpr'], fpr)
    self.assertAlmostEqual(
      found[f'shadows_{name}_balanced_accuracy'], (tpr + 1 - fpr) / 2
    )
    # A thousand examples, of which 10% are members.
    called = 100 * tpr + 900 * fpr
    ppv = found[f'shadows_{name}_ppv_at_10pct']
    self.assertAlmostEqual(ppv, 100 * tpr / called)
    self.assertLessEqual(found[f'shadows_{name}_ppv_low_at_10pct'], ppv)

  def test_no_threshold_does_better_than_the_best_in_hindsight(self):
    for attack in ('shadow', 'lira', 'rmia', 'threshold'):
      found = row(attack)
      self.assertLessEqual(
        found['shadows_accuracy_balanced_accuracy'], found['best_balanced_accuracy']
      )

  def test_skipped_attacks_have_a_row_that_says_so(self):
    found = record(attacks=('lira', 'threshold'), skipped={('lira', 'entire')})
    text = attack_tables.strength_markdown(attack_tables.attack_table([found]))
    (line,) = [line for line in text.splitlines() if 'lira' in line]
    self.assertIn('skipped', line)

  def test_csv_reads_back(self):
    frame = attack_tables.attack_table([record()])
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(frame))))
    self.assertLen(rows, 4)
    np.testing.assert_allclose(
      [float(each['auc']) for each in rows], frame['auc'], rtol=1e-5
    )


class ReadableTest(absltest.TestCase):
  def frame(self):
    found = [record(run='a|b', label='one'), record(run='a|b', label='two', seed=1)]
    return attack_tables.attack_table([*found, record(run='c', label='one')])

  def test_every_row_says_all_that_it_is_of(self):
    frame = self.frame()
    shown = attack_tables.strength_readable(frame)
    self.assertEqual(list(shown['run']), ['a|b'] * 8 + ['c'] * 4)
    self.assertEqual(list(shown['label']), list(frame['label']))
    gains = attack_tables.gain_readable(frame)
    self.assertLen(gains, 3 * 12)
    self.assertEqual(list(gains['label'])[::3], list(frame['label']))
    self.assertFalse((gains[['run', 'label', 'attack']] == '').any(axis=None))

  def test_markdown_has_the_same_cells_without_repetition(self):
    frame = self.frame()
    for readable, markdown in (
      (attack_tables.strength_readable, attack_tables.strength_markdown),
      (attack_tables.gain_readable, attack_tables.gain_markdown),
    ):
      rows = readable(frame).to_dict('records')
      lines = markdown(frame).replace('a\\|b', 'a/b').splitlines()[2:]
      self.assertLen(lines, len(rows))
      for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
        cells = [cell.strip() for cell in line.split('|')[1:-1]]
        for (name, value), cell in zip(row.items(), cells, strict=True):
          if cell != value.replace('|', '/'):
            # Left out, since the row above says it.
            self.assertEqual((cell, value), ('', rows[place - 1][name]))


class MarkdownTest(absltest.TestCase):
  def test_lower_bounds_are_rounded_down(self):
    found = [attack_tables.at_least(share) for share in (0.09999, 0.1, 0.0, 1.0)]
    self.assertEqual(found, ['9.9%', '10.0%', '0.0%', '100.0%'])

  def test_one_attack_is_not_told_apart_from_others(self):
    frame = attack_tables.attack_table([record()])
    for text in (
      attack_tables.strength_markdown(frame),
      attack_tables.gain_markdown(frame),
    ):
      self.assertStartsWith(text, '| attack')
      self.assertLen({line.count('|') for line in text.splitlines()}, 1)

  def test_runs_and_labels_are_told_apart_and_said_once(self):
    config = AttackConfig(attack_model='gb')
    found = [
      record(run='a|b', label='one', accuracies=(0.95, 0.5)),
      record(run='a|b', label='two', accuracies=(0.95, 0.5), attack=config),
      record(run='c', label='one'),
    ]
    text = attack_tables.strength_markdown(attack_tables.attack_table(found))
    lines = text.splitlines()[2:]
    self.assertLen(lines, 12)
    self.assertEqual(text.count('a\\|b'), 1)
    self.assertEqual([line.count(' one ') for line in lines], [1, *[0] * 7, 1, 0, 0, 0])
    self.assertIn('0.9500 / 0.5000', lines[0])
    self.assertIn('shadow (gb-posteriors)', lines[4])

  def test_counts_and_intervals_stand_beside_the_rates(self):
    text = attack_tables.strength_markdown(attack_tables.attack_table([record()]))
    result = record().entire('lira')
    (point,) = [p for p in result.tpr_at_fpr if p.target_fpr == 0.01]
    self.assertIn(
      f'{point.tpr:.2%} [{point.tpr_low:.2%}, {point.tpr_high:.2%}] '
      f'({point.true_positives}/300; 2/200)',
      text,
    )
    self.assertIn(f'0.5 ± {result.auc_null_half_width:.3f}', text)

  def test_each_attack_has_three_thresholds(self):
    frame = attack_tables.attack_table([record()])
    text = attack_tables.gain_markdown(frame)
    self.assertLen(text.splitlines(), 2 + 3 * 4)
    best = row()['best_balanced_accuracy']
    (line,) = [x for x in text.splitlines() if 'lira' in x]
    self.assertIn('best accuracy', line)
    self.assertIn(f'{best:.3f}', line)

  def test_where_nobody_is_called_a_member_there_is_no_ppv(self):
    frame = attack_tables.attack_table([record(attacks=('lira',))])
    for prior in ('50pct', '10pct', '1pct'):
      frame[f'shadows_0.1pct_ppv_at_{prior}'] = None
    text = attack_tables.gain_markdown(frame)
    self.assertEqual(text.splitlines()[4].count('nobody called'), 3)

  def test_without_shadow_thresholds_there_is_no_second_table(self):
    frame = attack_tables.attack_table([record(attacks=('lira',))])
    frame['shadows_accuracy_threshold'] = None
    self.assertEqual(attack_tables.gain_markdown(frame), '')

  def test_a_bound_above_the_claim_is_said_to_break_it(self):
    found = record(attacks=('lira',), epsilon=1e-6, leak=5, members=3000)
    text = attack_tables.strength_markdown(attack_tables.attack_table([found]))
    self.assertIn('guarantee broken', text)
    plain = record(attacks=('lira',), delta=None)
    text = attack_tables.strength_markdown(attack_tables.attack_table([plain]))
    self.assertNotIn('epsilon', text)


if __name__ == '__main__':
  absltest.main()
