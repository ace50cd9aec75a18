import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attacks import result_lines, results


def line(**changes):
  """Returns a line of privacy.jsonl, with some fields changed."""
  rng = np.random.default_rng(0)
  blank = results.AttackResult(
    attack='threshold',
    engine='fast',
    slice='entire',
    model='cnn2',
    epoch=3,
    train_accuracy=0.9,
    val_accuracy=None,
    n_members=40,
    n_nonmembers=30,
    delta=1e-5,
  )
  scores = results.AttackScores(rng.normal(1, 1, 40), rng.normal(0, 1, 30))
  values = json.loads(json.dumps(blank.with_scores(scores).to_json()))
  return {**values, **changes}


SKIPPED = dict.fromkeys(
  ('auc', 'auc_low', 'auc_high', 'auc_null_half_width', 'advantage', 'ppv')
) | {'tpr_at_fpr': None, 'epsilon_lower_bound': None, 'skipped': 'too few'}


class ReadTest(parameterized.TestCase):
  def test_what_was_written_is_read_again(self):
    found = result_lines.read(line(), where='line 1')
    self.assertEqual(found, results.AttackResult.from_json(line()))
    self.assertEqual(found.to_json(), results.AttackResult.from_json(line()).to_json())

  def test_a_line_from_before_there_was_a_transfer_is_read(self):
    values = line()
    del values['transfer']
    self.assertIsNone(result_lines.read(values, where='line 1').transfer)

  def test_a_skipped_slice_needs_no_figures_and_no_examples(self):
    found = result_lines.read(line(**SKIPPED, n_members=0), where='line 1')
    self.assertEqual((found.skipped, found.auc), ('too few', None))

  @parameterized.parameters(
    ({'auc': None}, 'line 7, auc is missing'),
    ({'auc': float('nan')}, 'line 7, auc is nan'),
    ({'auc_high': 1.5}, 'auc_high is 1.5'),
    ({'ppv': None}, 'ppv is missing'),
    ({'advantage': True}, 'advantage is True'),
    ({'tpr_at_fpr': None}, 'tpr_at_fpr is missing'),
    ({'tpr_at_fpr': []}, 'tpr_at_fpr is at no rate, not at 0.01 and 0.001'),
    ({'n_members': 'many'}, "n_members is 'many'"),
    ({'n_members': 0}, 'n_members is 0'),
    ({'n_nonmembers': 10**400}, 'too large'),
    ({'epoch': 0}, 'epoch is 0'),
    ({'delta': None, 'epsilon_lower_bound': 0.5}, 'without its delta'),
    ({'epsilon': '3'}, "epsilon is '3'"),
    ({'delta': 2.0}, 'delta is 2.0'),
    ({'more': 1}, "unknown field 'more'"),
  )
  def test_a_line_that_cannot_be_is_refused(self, changes, text):
    with self.assertRaisesRegex(ValueError, text):
      result_lines.read(line(**changes), where='line 7')

  @parameterized.parameters(
    (lambda points: points.pop(0), 'at 0.001, not'),
    (lambda points: points.reverse(), 'at 0.001 and 0.01, not'),
    (lambda points: points.append(points[0]), 'at 0.01 and 0.001 and 0.01, not'),
    (lambda points: points[1].update(target_fpr=0.05), 'at 0.01 and 0.05, not'),
    (lambda points: points[1].update(tpr_low='x'), "tpr_low is 'x'"),
    (lambda points: points[1].pop('fpr'), 'fpr'),
  )
  def test_other_points_than_the_target_rates_are_refused(self, change, text):
    values = line()
    change(values['tpr_at_fpr'])
    with self.assertRaisesRegex(ValueError, text):
      result_lines.read(values, where='line 7')

  @parameterized.parameters(3, None, ([],), 'text')
  def test_what_is_no_object_is_refused(self, values):
    with self.assertRaisesRegex(ValueError, 'line 7'):
      result_lines.read(values, where='line 7')


if __name__ == '__main__':
  absltest.main()
