from absl.testing import absltest

from rnn_tf.pages import comparison_verdict
from tests import fake_runs


class HeadlineTest(fake_runs.RunsCase):
  def test_the_runs_that_leak_most_and_least_are_named_with_intervals(self):
    records = [
      self.load('weak', leak=0.7),
      self.load('strong', leak=2.0, seed=1),
      self.load('middle', leak=1.2, seed=2),
    ]
    verdict = comparison_verdict.headline(records)
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
    points = ' '.join(comparison_verdict.headline(records).points)
    self.assertIn('overlap: which of the two leaks more may be chance', points)

  def test_where_nothing_leaks_no_run_is_said_to_leak_most(self):
    records = [self.load(f'r{seed}', leak=0.0, seed=seed) for seed in range(3)]
    verdict = comparison_verdict.headline(records)
    self.assertStartsWith(
      verdict.headline, 'no attack on any run can be told from guessing: the highest'
    )

  def test_one_run_has_one_figure(self):
    verdict = comparison_verdict.headline([self.load(leak=2.0)])
    self.assertLen(verdict.figures, 1)
    self.assertStartsWith(verdict.headline, 'digits-cnn2-s0 leaks: AUC ')

  def test_groups_over_seeds_have_their_range(self):
    records = [self.load(f'a{seed}', seed=seed, leak=1.0) for seed in range(2)]
    records.append(self.load('b', privacy=fake_runs.private()))
    points = ' '.join(comparison_verdict.headline(records).points)
    aucs = sorted(
      max(record.entire(attack)[-1].auc for attack in record.attacks)
      for record in records[:2]
    )
    self.assertIn(f'plain, 2 runs: {aucs[0]:.3f} to {aucs[1]:.3f}', points)

  def test_runs_without_reports_leave_it_unknown(self):
    verdict = comparison_verdict.headline([self.load(attacks=())])
    self.assertEqual(verdict.level, 'unknown')
    self.assertEqual(verdict.headline, 'No run has a privacy report yet.')
    self.assertEmpty(verdict.figures)

  def test_data_sets_are_spoken_of_apart(self):
    records = [
      self.load('a', leak=2.0),
      self.load('b', dataset='other', leak=0.0),
      self.load('c', dataset='other', leak=0.0, seed=1),
    ]
    verdict = comparison_verdict.headline(records)
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


class GuaranteeTest(fake_runs.RunsCase):
  def test_a_guarantee_that_holds_is_said_to_prove_nothing(self):
    records = [
      self.load('a', privacy=fake_runs.private(), bound=0.25),
      self.load('b', privacy=fake_runs.private(8.0), bound=0.5, seed=1),
      self.load('plain', bound=5.0),
    ]
    verdict = comparison_verdict.headline(records)
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
    verdict = comparison_verdict.headline(records)
    self.assertEqual(verdict.level, 'bad')
    self.assertStartsWith(verdict.headline, '1 guarantee contradicted by the attacks; ')
    self.assertEqual(verdict.figures[-1].text, '1 of 2')
    self.assertStartsWith(verdict.points[-1], '**A broken guarantee')
    # A name is not Markdown.
    self.assertIn('a\\_b', verdict.points[-1])

  def test_without_bounds_nothing_is_held_against_a_run(self):
    verdict = comparison_verdict.headline([self.load(privacy=fake_runs.private())])
    self.assertIn('no attack was held against it', verdict.points[-1])
    self.assertNotIn('Guarantees', ' '.join(f.label for f in verdict.figures))


if __name__ == '__main__':
  absltest.main()
