import dataclasses

import numpy as np
from absl.testing import absltest

from rnn_tf import attack_records, attack_verdict, config
from rnn_tf.attacks import results
from rnn_tf.pages import comparison_verdict
from tests import fake_attacks, fake_runs


class HeadlineTest(fake_runs.RunsCase):
  def test_the_runs_that_leak_most_and_least_are_named_with_intervals(self):
    records = [
      self.load('weak', leak=0.7),
      self.load('strong', leak=2.0, seed=1),
      self.load('middle', leak=1.2, seed=2),
    ]
    verdict = comparison_verdict.headline(records, {})
    self.assertEqual(verdict.level, 'info')
    strongest = {
      record.name: max(
        (record.entire(attack)[-1] for attack in record.attacks), key=lambda r: r.auc
      )
      for record in records
    }
    most, least = strongest['strong'], strongest['weak']
    self.assertEqual(
      verdict.headline,
      f'strong leaks most (AUC {most.auc:.3f} by {most.attack}), weak least '
      f'({least.auc:.3f} by {least.attack}).',
    )
    self.assertEqual(
      [figure.text for figure in verdict.figures],
      [f'{r.auc:.3f} [{r.auc_low:.3f}, {r.auc_high:.3f}]' for r in (most, least)],
    )
    self.assertIn('300 members, 200 non-members; seed 1', verdict.figures[0].note)
    self.assertIn('of 6 results in all', ' '.join(verdict.points))
    self.assertIn('The intervals of strong and weak do not overlap.', verdict.points)

  def test_overlapping_intervals_may_be_chance(self):
    records = [self.load('a'), self.load('b', seed=1)]
    points = ' '.join(comparison_verdict.headline(records, {}).points)
    self.assertIn('overlap: which of the two leaks more may be chance', points)

  def test_where_nothing_leaks_no_run_is_said_to_leak_most(self):
    records = [self.load(f'r{seed}', leak=0.0, seed=seed) for seed in range(3)]
    verdict = comparison_verdict.headline(records, {})
    self.assertStartsWith(
      verdict.headline, 'no attack on any run can be told from guessing: the highest'
    )

  def test_one_run_has_one_figure(self):
    verdict = comparison_verdict.headline([self.load(leak=2.0)], {})
    self.assertLen(verdict.figures, 1)
    self.assertStartsWith(verdict.headline, 'digits-cnn2-s0 leaks: AUC ')

  def test_groups_over_seeds_have_their_range(self):
    records = [self.load(f'a{seed}', seed=seed, leak=1.0) for seed in range(2)]
    records.append(self.load('b', privacy=fake_runs.private()))
    points = ' '.join(comparison_verdict.headline(records, {}).points)
    aucs = sorted(
      max(record.entire(attack)[-1].auc for attack in record.attacks)
      for record in records[:2]
    )
    self.assertIn(f'plain, 2 runs: {aucs[0]:.3f} to {aucs[1]:.3f}', points)

  def test_runs_without_reports_leave_it_unknown(self):
    verdict = comparison_verdict.headline([self.load(attacks=())], {})
    self.assertEqual(verdict.level, 'unknown')
    self.assertEqual(verdict.headline, 'No attack on these runs has a result yet.')
    self.assertEmpty(verdict.figures)

  def test_data_sets_are_spoken_of_apart(self):
    records = [
      self.load('a', leak=2.0),
      self.load('b', dataset='other', leak=0.0),
      self.load('c', dataset='other', leak=0.0, seed=1),
    ]
    verdict = comparison_verdict.headline(records, {})
    self.assertStartsWith(verdict.headline, 'digits: a leaks: AUC ')
    self.assertIn('; other: no attack on any run', verdict.headline)
    self.assertEqual(verdict.points[0], comparison_verdict.APART)
    self.assertStartsWith(verdict.points[1], 'other: The intervals of c and b')
    self.assertIn('of 6 results in all', verdict.points[2])
    self.assertEqual(
      [figure.label for figure in verdict.figures],
      [
        'digits: AUC of the strongest attack',
        'other: Leaks most',
        'other: Leaks least',
      ],
    )


class ShadowAttacksTest(fake_runs.RunsCase):
  """Attacks with shadow models count as those of the reports do."""

  def attack(self, record, **options):
    path = fake_attacks.write(
      record.folder.path, dataset='digits', model='cnn2', epoch=4, **options
    )
    return (attack_records.load(path),)

  def test_the_strongest_attack_may_be_one_with_shadow_models(self):
    record = self.load(leak=0.5)
    attacks = self.attack(record, attacks=('lira', 'rmia'), leak=4.0)
    strongest = max(
      (attacks[0].entire(n) for n in ('lira', 'rmia')), key=lambda r: r.auc
    )
    self.assertGreater(strongest.auc, max(r.auc for r in record.last_results()))
    verdict = comparison_verdict.headline([record], {record.name: attacks})
    name = f'{strongest.attack}, lira-half8'
    self.assertEqual(
      verdict.headline, f'{record.name} leaks: AUC {strongest.auc:.3f} by {name}.'
    )
    (figure,) = verdict.figures
    self.assertEqual(figure.label, 'AUC of the strongest attack')
    self.assertStartsWith(figure.text, f'{strongest.auc:.3f} [')
    self.assertIn(name, figure.note)
    self.assertIn('400 members, 300 non-members', figure.note)
    self.assertIn('of 4 results in all', ' '.join(verdict.points))

  def test_they_tell_a_run_from_guessing_that_reports_do_not(self):
    record = self.load(leak=0.0)
    for attacks, expected in (
      ({}, 'no attack on any run can be told from guessing'),
      ({record.name: self.attack(record, leak=4.0)}, f'{record.name} leaks: AUC '),
    ):
      verdict = comparison_verdict.headline([record], attacks)
      self.assertStartsWith(verdict.headline, expected)

  def test_a_run_without_a_report_is_known_by_them(self):
    record = self.load(attacks=())
    attacks = self.attack(record, attacks=('lira',), leak=4.0)
    verdict = comparison_verdict.headline([record], {record.name: attacks})
    self.assertEqual(verdict.level, 'info')
    self.assertStartsWith(verdict.headline, f'{record.name} leaks: AUC ')

  def test_runs_that_were_attacked_with_less_are_not_called_better(self):
    runs = [self.load(name, seed=seed) for seed, name in enumerate(('a_b', 'c'))]
    attacks = {'a_b': self.attack(runs[0], leak=4.0)}
    said = 'were made on 1 of 2 runs (a\\_b): the order of the runs may be due to that'
    self.assertIn(said, ' '.join(comparison_verdict.headline(runs, attacks).points))
    attacks['c'] = self.attack(runs[1], leak=4.0)
    points = ' '.join(comparison_verdict.headline(runs, attacks).points)
    self.assertNotIn('may be due to that', points)

  def test_members_found_where_few_are_accused_are_more_than_guessing(self):
    record = self.load(attacks=())
    rng = np.random.default_rng(0)
    # A twentieth of the members stand out, too few to be seen in the AUC.
    pair = results.AttackScores(rng.normal(size=400), rng.normal(size=300))
    pair.members[:20] = 9.0
    pair.members[20:] -= 0.15
    (attack,) = self.attack(record, attacks=('lira',))
    found = tuple(
      r.with_scores(pair) if r.slice == results.ENTIRE else r for r in attack.results
    )
    attack = dataclasses.replace(attack, results=found)
    verdict = comparison_verdict.headline([record], {record.name: (attack,)})
    auc = attack.entire('lira').auc
    point = attack_verdict.strict_point(attack.entire('lira').tpr_at_fpr)
    self.assertBetween(point.tpr, 0.05, 0.06)
    self.assertEqual(
      verdict.headline,
      'no AUC can be told from that of guessing, the highest is '
      f'{auc:.3f} ({record.name}, lira, lira-half8), but lira, lira-half8 finds '
      f'{point.tpr:.2%} of the members of {record.name} at 0.1% false positives, '
      'more than guessing would.',
    )

  def test_they_may_contradict_a_guarantee_that_reports_do_not(self):
    held = config.DataConfig(train_fraction=0.5, nonmembers='holdout')
    record = self.load(privacy=fake_runs.private(), bound=0.5, data=held)
    (attack,) = self.attack(record, attacks=('lira',), epsilon=3.0)
    for bound, level in ((2.5, 'info'), (3.5, 'bad')):
      found = tuple(
        dataclasses.replace(r, epsilon_lower_bound=bound) for r in attack.results
      )
      attacks = {record.name: (dataclasses.replace(attack, results=found),)}
      verdict = comparison_verdict.headline([record], attacks)
      self.assertEqual(verdict.level, level)
      self.assertIn(f'{bound}', verdict.points[-1])
      self.assertIn('lira, lira\\-half8', verdict.points[-1])
    self.assertStartsWith(verdict.headline, '1 guarantee contradicted by the attacks; ')
    self.assertEqual(verdict.figures[-1].text, '0 of 1')
    self.assertLen(comparison_verdict.broken_guarantees([record], attacks), 1)
    self.assertEmpty(comparison_verdict.broken_guarantees([record], {}))


class GuaranteeTest(fake_runs.RunsCase):
  def test_a_guarantee_that_holds_is_said_to_prove_nothing(self):
    records = [
      self.load('a', privacy=fake_runs.private(), bound=0.25),
      self.load('b', privacy=fake_runs.private(8.0), bound=0.5, seed=1),
      self.load('plain', bound=5.0),
    ]
    verdict = comparison_verdict.headline(records, {})
    self.assertEqual(verdict.level, 'info')
    self.assertEqual(verdict.figures[-1].text, '2 of 2')
    last = verdict.points[-1]
    self.assertStartsWith(last, '2 private runs, with an epsilon of 3 to 8 claimed')
    self.assertIn('is 0.500 (b, threshold)', last)

  def test_a_broken_guarantee_comes_first(self):
    records = [
      self.load('a_b', privacy=fake_runs.private(), bound=3.5),
      self.load('b', privacy=fake_runs.private(8.0), bound=0.5),
    ]
    verdict = comparison_verdict.headline(records, {})
    self.assertEqual(verdict.level, 'bad')
    self.assertStartsWith(
      verdict.headline,
      '1 guarantee contradicted by the attacks, or test images told from training '
      'images; ',
    )
    self.assertEqual(verdict.figures[-1].text, '1 of 2')
    self.assertStartsWith(verdict.points[-1], '**A broken guarantee')
    # A name is not Markdown.
    self.assertIn('a\\_b', verdict.points[-1])

  def test_without_bounds_nothing_is_held_against_a_run(self):
    verdict = comparison_verdict.headline([self.load(privacy=fake_runs.private())], {})
    self.assertIn('no attack was held against it', verdict.points[-1])
    self.assertNotIn('Guarantees', ' '.join(f.label for f in verdict.figures))


if __name__ == '__main__':
  absltest.main()
