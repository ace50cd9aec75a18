import dataclasses
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import epsilon_bound, results, signals


def make_report(attack='lr'):
  rng = np.random.default_rng(0)
  member_labels, nonmember_labels = rng.integers(0, 2, 40), rng.integers(0, 2, 30)
  entire = results.AttackScores(rng.normal(1, 1, 40), rng.normal(0, 1, 30))
  inside = results.AttackScores(rng.normal(1, 1, 40), rng.normal(0, 1, 30))
  inside.members[member_labels == 1] = np.nan
  inside.nonmembers[nonmember_labels == 1] = np.nan
  made = [
    results.AttackResult(
      attack=attack,
      engine='fast',
      slice=name,
      model='lstm',
      epoch=2,
      train_accuracy=0.9,
      val_accuracy=0.8,
      n_members=1,
      n_nonmembers=1,
      skipped='too small' if name == 'class:1' else None,
    )
    for name in ('entire', 'class:0', 'class:1')
  ]
  report = results.Report(
    results=tuple(made),
    scores={(attack, 'entire'): entire, (attack, 'class'): inside},
    member_labels=member_labels,
    nonmember_labels=nonmember_labels,
  )
  return dataclasses.replace(report, results=results.recompute(report))


def make_signals(report):
  sides = (
    signals.Side(np.arange(len(labels)), labels, np.zeros((len(labels), 2), np.float32))
    for labels in (report.member_labels, report.nonmember_labels)
  )
  return signals.Signals(*sides)


class ResultsTest(parameterized.TestCase):
  def test_json_round_trip_is_exact(self):
    for result in make_report().results:
      text = json.dumps(result.to_json(), allow_nan=False)
      self.assertEqual(results.AttackResult.from_json(json.loads(text)), result)

  def test_line_written_before_there_was_privacy_is_read(self):
    for result in make_report().results:
      line = result.to_json()
      for name in ('epsilon', 'delta', 'epsilon_lower_bound'):
        self.assertIsNone(line.pop(name))
      self.assertEqual(results.AttackResult.from_json(line), result)

  def test_bound_on_epsilon_is_held_against_the_delta_of_the_result(self):
    report = make_report()
    for delta in (1e-5, 0.1):
      claimed = [
        dataclasses.replace(result, epsilon=3.5, delta=delta)
        for result in report.results
      ]
      made = results.recompute(dataclasses.replace(report, results=tuple(claimed)))
      scores = report.scores['lr', 'entire']
      expected = epsilon_bound.epsilon_lower_bound(
        scores.members, scores.nonmembers, delta=delta
      )
      self.assertEqual([r.epsilon_lower_bound for r in made], [expected, None, None])
      self.assertEqual({(r.epsilon, r.delta) for r in made}, {(3.5, delta)})
      for result in made:
        text = json.dumps(result.to_json(), allow_nan=False)
        self.assertEqual(results.AttackResult.from_json(json.loads(text)), result)

  def test_result_without_a_delta_has_no_bound_on_epsilon(self):
    for result in make_report().results:
      self.assertIsNone(result.epsilon_lower_bound)

  def test_unknown_accuracy_is_null_in_json(self):
    result = make_report().results[0]
    result = dataclasses.replace(result, val_accuracy=float('nan'))
    text = json.dumps(result.to_json(), allow_nan=False)
    self.assertIsNone(json.loads(text)['val_accuracy'])

  def test_skipped_result_has_no_numbers(self):
    result = make_report().results[2]
    self.assertEqual(result.skipped, 'too small')
    self.assertIsNone(result.auc)
    self.assertIsNone(result.tpr_at_fpr)

  def test_class_slice_reads_the_scores_made_inside_it(self):
    report = make_report()
    picked = report.slice_scores(report.results[1])
    inside = report.scores['lr', 'class']
    np.testing.assert_array_equal(
      picked.members, inside.members[report.member_labels == 0]
    )

  def test_class_slice_without_own_scores_reads_those_of_the_whole(self):
    report = make_report()
    entire = report.scores['lr', 'entire']
    report = dataclasses.replace(report, scores={('lr', 'entire'): entire})
    picked = report.slice_scores(report.results[1])
    np.testing.assert_array_equal(
      picked.nonmembers, entire.nonmembers[report.nonmember_labels == 0]
    )

  def test_trained_attack_has_the_wider_intervals(self):
    trained, threshold = (make_report(name).results[0] for name in ('lr', 'threshold'))
    self.assertEqual(trained.auc, threshold.auc)
    self.assertGreater(trained.auc_null_half_width, threshold.auc_null_half_width)
    self.assertLess(trained.auc_low, threshold.auc_low)

  def test_stored_arrays_give_back_every_number(self):
    report = make_report()
    arrays = results.to_arrays(report, make_signals(report))
    path = self.create_tempfile('scores.npz').full_path
    with open(path, 'wb') as file:
      np.savez(file, **arrays)
    with np.load(path, allow_pickle=False) as stored:
      back = results.report_from_arrays(report.results, stored)
      outputs = results.signals_from_arrays(stored)
    self.assertEqual(results.recompute(back), report.results)
    self.assertEqual(set(back.scores), set(report.scores))
    np.testing.assert_array_equal(outputs.members.labels, report.member_labels)

  def test_changed_score_changes_the_numbers(self):
    report = make_report()
    arrays = results.to_arrays(report, make_signals(report))
    arrays['lr/entire/members'] = arrays['lr/entire/members'] + 1
    back = results.report_from_arrays(report.results, arrays)
    again = results.recompute(back)
    self.assertNotEqual(again[0], report.results[0])
    self.assertEqual(again[1:], report.results[1:])


if __name__ == '__main__':
  absltest.main()
