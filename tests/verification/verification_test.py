import dataclasses
import functools
import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import run_audit
from rnn_tf.attacks import audit, results, trained
from rnn_tf.dp import accounting
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.verification import run as verify_run
from rnn_tf.verification import scores as verify_scores
from rnn_tf.verification import verification
from tests import fake_runs, verifiable_runs
from tests.verifiable_runs import takes

LAST = 'scores/epoch-0004.npz'


def on(lines, attack='threshold', part='entire', epoch=4):
  """Returns one line of privacy.jsonl."""
  (found,) = (
    line
    for line in lines
    if (line['attack'], line['slice'], line['epoch']) == (attack, part, epoch)
  )
  return found


def adds(name, by=0.01, **which):
  """Returns an edit that moves a figure of a line."""

  def edit(lines):
    on(lines, **which)[name] += by

  return edit


def at(name, number, *, to, **which):
  """Returns an edit of a point of a line's TPR at FPR."""

  def edit(lines):
    on(lines, **which)['tpr_at_fpr'][number][name] = to

  return edit


def swaps(name, first, second):
  """Returns an edit that exchanges two values of an array."""

  def edit(arrays):
    arrays[name][[first, second]] = arrays[name][[second, first]]

  return edit


def puts(name, place, value):
  """Returns an edit that puts a value into an array."""

  def edit(arrays):
    arrays[name][place] = value

  return edit


def cell(epoch, name, to):
  """Returns an edit of one cell of metrics.csv."""

  def edit(rows):
    rows[epoch - 1][name] = to

  return edit


def stretched(arrays):
  arrays['entropy/entire/nonmembers'] *= 1 + 3e-8


def other_label(arrays):
  arrays['member_labels'][0] = (arrays['member_labels'][0] + 1) % 3


def exchanged_ids(arrays):
  """A training example and a held-out one change places, everywhere in the file."""
  arrays['train_ids'][0], arrays['holdout_ids'][0] = (
    arrays['holdout_ids'][0],
    arrays['train_ids'][0],
  )
  for name in ('train_ids', 'holdout_ids'):
    arrays[name].sort()


class Case(parameterized.TestCase):
  """Runs that are written once, and copied to be edited."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # The accountant takes seconds; what it gives is tested where it is.
    compute = functools.cache(accounting.Mechanism._compute)
    patch = absltest.mock.patch.object(
      accounting.Mechanism,
      '_compute',
      lambda self, steps, *, thrift=1: compute(self, steps, thrift=thrift),
    )
    patch.start()
    cls.addClassCleanup(patch.stop)
    cls.written = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.written)

  def run_folder(self, **options):
    """Returns a copy of a run; the options are those of `verifiable_runs.write`."""
    name = '-'.join(f'{key}={value}' for key, value in options.items()) or 'plain'
    name = f'run-{hash(name) % 10**8}'
    if not (self.written / name).exists():
      verifiable_runs.write(self.written / name, **options)
    path = pathlib.Path(self.create_tempdir().full_path) / 'run'
    shutil.copytree(self.written / name, path)
    return path

  def verify(self, path):
    return verification.verify(RunFolder(path))

  def assert_found(self, path, expected):
    """A mismatch says what is expected, in one line."""
    found = [str(check) for check in self.verify(path).mismatches]
    self.assertTrue(found, 'no mismatch')
    self.assertTrue(
      any(expected in line for line in found), f'{expected!r} not in {found}'
    )
    for line in found:
      self.assertNotIn('\n', line)


class UntouchedTest(Case):
  @parameterized.named_parameters(
    ('plain', {}),
    ('holdout', {'nonmembers': 'holdout'}),
    ('private', {'privacy': verifiable_runs.PRIVATE}),
    ('of_some_members', {'report_members': 24}),
    ('unfinished', {'trained': 3}),
    ('unfinished_without_report', {'trained': 1}),
  )
  def test_an_untouched_run_has_no_mismatch(self, options):
    found = self.verify(self.run_folder(**options))
    self.assertEqual([str(check) for check in found.mismatches], [])
    self.assertTrue(all(str(check) for check in found.checks))
    self.assertEqual(sum(found.counts.values()), len(found.checks))

  def test_counts_tell_how_much_of_each_file_was_checked(self):
    counts = self.verify(self.run_folder()).counts
    # Three attacks, the whole and three classes, two reports, and every figure of each.
    self.assertGreater(counts['privacy.jsonl'], 3 * 4 * 2 * (9 + 2 * 8))
    # Accuracy, validation accuracy and loss of two reports; no epsilon.
    self.assertEqual(counts['metrics.csv'], 2 * 3)
    self.assertLessEqual({'examples.npz', LAST, 'result.json'}, set(counts))

  def test_what_cannot_be_computed_is_said(self):
    text = '\n'.join(self.verify(self.run_folder(nonmembers='holdout')).not_checked)
    for part in ('running means', 'outputs on the test images', 'last report only'):
      self.assertIn(part, text)

  def test_what_config_alone_says_is_not_checked(self):
    text = '\n'.join(self.verify(self.run_folder()).not_checked)
    self.assertIn('config.json, command, versions, engine, and name, version', text)

  def test_another_version_of_what_trains_attacks_is_said(self):
    path = self.run_folder()
    verifiable_runs.change(
      path / 'config.json', lambda v: v['versions'].update({'scikit-learn': '1.0'})
    )
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    text = '\n'.join(found.not_checked)
    self.assertIn(f'{LAST}, scores of lr: they were made with scikit-learn 1.0', text)

  def test_examples_in_another_order_are_the_same(self):
    path = self.run_folder()
    verifiable_runs.change(path / 'scores/epoch-0002.npz', fake_runs.shuffle)
    # The bound's halves are drawn by position, nothing else.
    found = {check.figure for check in self.verify(path).mismatches}
    self.assertLessEqual(found, {'epsilon_lower_bound'})


class EditedTest(Case):
  @parameterized.named_parameters(
    ('auc', adds('auc'), 'epoch 4, threshold on entire: auc is not'),
    ('auc_in_the_ninth_digit', adds('auc', 3e-9), 'threshold on entire: auc is not'),
    ('auc_low', adds('auc_low'), 'auc_low'),
    ('auc_high', adds('auc_high', -0.01, attack='lr'), 'lr on entire: auc_high'),
    ('half_width', adds('auc_null_half_width'), 'auc_null_half_width'),
    (
      'advantage',
      adds('advantage', -0.01, epoch=2),
      'epoch 2, threshold on entire: ',
    ),
    ('ppv', adds('ppv', -0.01, part='class:1'), 'threshold on class:1: ppv'),
    ('members', adds('n_members', 1), 'n_members'),
    ('nonmembers', adds('n_nonmembers', 1, part='class:0'), 'class:0: n_nonmembers'),
    ('bound', adds('epsilon_lower_bound'), 'epsilon_lower_bound'),
    ('bound_missing', lambda x: on(x).update(epsilon_lower_bound=None), 'lower_bound'),
    ('delta', lambda x: on(x).update(delta=1e-3), 'entire: delta'),
    ('epsilon', lambda x: on(x).update(epsilon=3.0), 'entire: epsilon is not'),
    ('threshold', at('threshold', 0, to=-0.1), 'tpr_at_fpr 1, threshold'),
    ('fpr', at('fpr', 1, to=0.5), 'tpr_at_fpr 2, fpr'),
    (
      'false_positives',
      at('false_positives', 0, to=3),
      'tpr_at_fpr 1, false_positives',
    ),
    ('tpr', at('tpr', 0, to=0.9), 'tpr_at_fpr 1, tpr '),
    ('true_positives', at('true_positives', 0, to=44), 'tpr_at_fpr 1, true_positives'),
    ('tpr_low', at('tpr_low', 0, to=0.01), 'tpr_at_fpr 1, tpr_low'),
    ('tpr_high', at('tpr_high', 0, to=0.9, attack='lr'), 'tpr_at_fpr 1, tpr_high'),
    ('model', lambda x: on(x).update(model='lstm'), 'model'),
    ('engine', lambda x: on(x).update(engine='tf_privacy'), 'engine'),
    ('train_accuracy', adds('train_accuracy', attack='lr'), 'lr on entire: train_acc'),
    ('val_accuracy', adds('val_accuracy'), 'threshold on entire: val_accuracy'),
    ('skipped', lambda x: on(x).update(skipped='too few'), 'skipped: it is (too few)'),
    ('attack', lambda x: [y for y in x if y['attack'] != 'lr'], 'none of lr on entire'),
    ('slice', lambda x: [y for y in x if y['slice'] != 'class:2'], 'on class:2'),
    ('report', lambda x: [y for y in x if y['epoch'] != 2], 'epoch 2: report'),
    ('last_report', lambda x: [y for y in x if y['epoch'] != 4], 'epoch 4: report'),
    (
      'another_report',
      lambda x: x + [{**y, 'epoch': 3} for y in x if y['epoch'] == 4],
      'epoch 3: report',
    ),
  )
  def test_an_edited_line_is_found(self, edit, expected):
    path = self.run_folder()
    verifiable_runs.change(path / 'privacy.jsonl', edit)
    self.assert_found(path, expected)

  @parameterized.named_parameters(
    ('score', puts('threshold/entire/members', 7, -0.5), 'threshold/entire/members'),
    (
      'score_in_the_eighth_digit',
      stretched,
      'entropy/entire/nonmembers',
    ),
    ('scores_swapped', swaps('threshold/entire/members', 3, 9), 'of id'),
    ('trained_score', puts('lr/entire/members', 2, 4.0), 'lr/entire/members'),
    ('trained_in_class', puts('lr/class/nonmembers', 2, 4.0), 'lr/class/nonmembers'),
    ('logits', puts('member_logits', (4, 1), 9.0), 'threshold/entire/members: 1 of'),
    ('label', other_label, 'member_labels: 1 are others than in another'),
    ('member_twice', puts('member_ids', 1, 0), 'member_ids: 1 of 50 are'),
    ('member_id', swaps('member_ids', 0, 1), 'member_labels'),
    ('nonmember_id', puts('nonmember_ids', 5, 77), 'nonmember_ids: 1 are not among'),
    (
      'fewer',
      lambda x: {
        k: v[1:] if k.endswith('nonmembers') or k.startswith('nonmember') else v
        for k, v in x.items()
      },
      'nonmember_ids: 1 are missing',
    ),
  )
  def test_edited_scores_are_found(self, edit, expected):
    path = self.run_folder()
    if expected == 'member_labels':
      # Only where labels differ does it show which of two examples is which.
      with np.load(path / LAST) as file:
        labels = file['member_labels']
      edit = swaps('member_ids', 0, int(np.flatnonzero(labels != labels[0])[0]))
    verifiable_runs.change(path / LAST, edit)
    self.assert_found(path, expected)

  @parameterized.named_parameters(
    ('train', lambda x: x.update(train_ids=x['train_ids'][1:]), 'data: train is not'),
    ('exchanged', exchanged_ids, 'the draw of train_ids'),
    ('exchanged_seen', exchanged_ids, 'member_ids: 1 are not among train_ids'),
    ('both', lambda x: x.update(holdout_ids=x['train_ids']), 'on both sides'),
    ('twice', puts('test_ids', 3, 4), 'test_ids: 1 of 60 are there twice'),
    ('order', swaps('holdout_ids', 3, 4), 'holdout_ids: they do not rise'),
    ('pool', puts('holdout_ids', -1, 99), 'the training pool'),
  )
  def test_edited_ids_are_found(self, edit, expected):
    path = self.run_folder()
    verifiable_runs.change(path / 'examples.npz', edit)
    self.assert_found(path, expected)

  def test_an_example_on_both_sides_is_found(self):
    path = self.run_folder(nonmembers='holdout')
    verifiable_runs.change(
      path / LAST, lambda x: x['nonmember_ids'].put(0, x['member_ids'][0])
    )
    self.assert_found(path, 'member_ids and nonmember_ids: 1 are on both sides')

  def test_members_that_the_seed_does_not_draw_are_found(self):
    path = self.run_folder(report_members=24)

    def edit(arrays):
      with np.load(path / 'examples.npz') as file:
        others = np.setdiff1d(file['train_ids'], arrays['member_ids'])
      arrays['member_ids'][0] = others[0]

    verifiable_runs.change(path / LAST, edit)
    self.assert_found(path, 'member_ids: 1 are missing')

  @parameterized.named_parameters(
    ('accuracy', 4, 'accuracy', '0.9', 'epoch 4: accuracy'),
    ('sixth_digit', 2, 'accuracy', '0.546915', 'epoch 2: accuracy'),
    ('val_accuracy', 4, 'val_accuracy', '0.9999', 'epoch 4: val_accuracy'),
    ('val_loss', 2, 'val_loss', '0.001', 'epoch 2: val_loss'),
    ('best', 1, 'val_accuracy', '0.9999', 'result.json: best_epoch'),
    ('best_accuracy', 3, 'val_accuracy', '0.9999', 'best_val_accuracy'),
    ('seconds', 3, 'seconds', '60', 'result.json: seconds'),
    ('report_seconds', 2, 'report_seconds', '60', 'result.json: seconds'),
  )
  def test_an_edited_cell_is_found(self, epoch, name, to, expected):
    path = self.run_folder()
    verifiable_runs.change(path / 'metrics.csv', cell(epoch, name, to))
    self.assert_found(path, expected)

  @parameterized.named_parameters(
    ('best_epoch', lambda x: x.update(best_epoch=1), 'best_epoch'),
    ('best', lambda x: x.update(best_val_accuracy=0.99), 'best_val_accuracy'),
    ('train', lambda x: x.update(train_accuracy=0.99), 'train_accuracy'),
    ('val', lambda x: x.update(val_accuracy=0.99), 'val_accuracy'),
    ('seconds', lambda x: x.update(seconds=1.0), 'seconds'),
    ('auc', lambda x: x['privacy']['lr'].update(auc=0.5), 'privacy: lr, auc'),
    ('low', lambda x: x['privacy']['lr'].update(auc_low=0.5), 'privacy: lr, auc_low'),
    ('lost', takes('privacy', 'lr'), 'privacy: lr'),
    ('more', lambda x: x['privacy'].update(mlp={'auc': 0.5}), 'privacy: mlp'),
    ('guarantee', lambda x: x.update(guarantee={'epsilon': 1.0}), 'guarantee'),
  )
  def test_an_edited_result_is_found(self, edit, expected):
    path = self.run_folder()
    verifiable_runs.change(path / 'result.json', edit)
    self.assert_found(path, f'result.json{", " * ("privacy:" in expected)}')
    self.assert_found(path, expected)

  def test_reports_without_scores_are_found(self):
    path = self.run_folder()
    shutil.rmtree(path / 'scores')
    found = self.verify(path)
    self.assertEqual(
      [str(check) for check in found.mismatches],
      [
        f'scores/epoch-000{epoch}.npz: scores: they are gone, although there is a '
        'report of them'
        for epoch in (2, 4)
      ],
    )
    text = '\n'.join(found.not_checked)
    self.assertIn('privacy.jsonl, epoch 4: no scores are there', text)

  def test_scores_without_a_report_are_found(self):
    path = self.run_folder()
    shutil.copy(path / LAST, path / 'scores/epoch-0003.npz')
    self.assert_found(path, 'scores/epoch-0003.npz: report: there is none')

  def test_an_edited_size_of_the_data_is_found(self):
    path = self.run_folder()
    verifiable_runs.change(path / 'config.json', lambda x: x['data'].update(test=61))
    self.assert_found(path, 'config.json, data: test is not')

  def test_another_seed_of_the_draw_is_found(self):
    path = self.run_folder()
    verifiable_runs.change(
      path / 'config.json', lambda x: x['config']['data'].update(data_seed=4)
    )
    self.assert_found(path, 'not as --data_seed=4 draws them')


class GuaranteeTest(Case):
  @parameterized.named_parameters(
    (
      'result',
      'result.json',
      lambda x: x['guarantee'].update(epsilon=0.5),
      'result.json: guarantee, epsilon is not',
    ),
    (
      'steps',
      'result.json',
      lambda x: x['guarantee'].update(steps=1),
      'guarantee, steps',
    ),
    ('gone', 'result.json', lambda x: x.update(guarantee=None), 'guarantee is not'),
    (
      'noise',
      'config.json',
      lambda x: x['guarantee'].update(noise_multiplier=3.0),
      'config.json: guarantee, noise_multiplier',
    ),
    (
      'rate',
      'config.json',
      lambda x: x['guarantee'].update(sampling_probability=0.1),
      'guarantee, sampling_probability',
    ),
    (
      'secret',
      'config.json',
      lambda x: x['guarantee'].update(secret=False),
      'guarantee, secret',
    ),
    ('cell', 'metrics.csv', cell(3, 'epsilon', '0.1'), 'metrics.csv, epoch 3: epsilon'),
    (
      'column',
      'metrics.csv',
      lambda rows: [row.pop('epsilon') for row in rows] and None,
      'metrics.csv: epsilon: is missing',
    ),
    (
      'line',
      'privacy.jsonl',
      lambda x: on(x, part='class:1').update(epsilon=0.1),
      'threshold on class:1: epsilon is not',
    ),
  )
  def test_an_edited_guarantee_is_found(self, file, edit, expected):
    path = self.run_folder(privacy=verifiable_runs.PRIVATE)
    verifiable_runs.change(path / file, edit)
    self.assert_found(path, expected)


class DamagedTest(Case):
  @parameterized.named_parameters(
    ('no_ids', 'examples.npz', takes('train_ids'), 'train_ids'),
    ('no_numbers', 'examples.npz', lambda x: x.update(test_ids=np.ones(3)), 'no ids'),
    ('no_scores', LAST, takes('lr/entire/members'), 'damaged'),
    ('no_side', LAST, takes('lr/entire/nonmembers'), 'damaged'),
    ('fewer', LAST, lambda x: x.update(member_ids=x['member_ids'][1:]), 'damaged'),
    ('not_finite', LAST, puts('threshold/entire/members', 0, np.nan), 'not finite'),
    ('no_logits', LAST, puts('member_logits', (0, 0), np.inf), 'no numbers'),
    ('no_class', LAST, puts('member_labels', 0, 7), 'of 3 classes'),
    ('line', 'privacy.jsonl', lambda x: x[0].update(auc='high'), 'privacy.jsonl'),
    ('target', 'privacy.jsonl', at('target_fpr', 0, to=0.05), 'tpr_at_fpr is at 0.05'),
    (
      'point',
      'privacy.jsonl',
      lambda x: takes(1)(on(x)['tpr_at_fpr']),
      'tpr_at_fpr is at 0.01, not',
    ),
    ('result', 'result.json', lambda x: x.update(epochs=3), 'result.json'),
  )
  def test_a_damaged_file_is_an_error_of_one_line(self, file, edit, expected):
    path = self.run_folder()
    verifiable_runs.change(path / file, edit)
    with self.assertRaisesRegex(UsageError, expected) as caught:
      self.verify(path)
    self.assertNotIn('\n', str(caught.exception))

  def test_a_guarantee_that_is_none_is_an_error(self):
    path = self.run_folder(privacy=verifiable_runs.PRIVATE)
    verifiable_runs.change(path / 'config.json', lambda x: x.update(guarantee=[1]))
    with self.assertRaisesRegex(UsageError, r'config\.json'):
      self.verify(path)

  def test_no_run_and_no_ids_are_errors(self):
    with self.assertRaisesRegex(UsageError, 'no such folder'):
      self.verify(self.written / 'nowhere')
    path = self.run_folder()
    (path / 'examples.npz').unlink()
    with self.assertRaisesRegex(UsageError, r'no examples\.npz'):
      self.verify(path)


class SameAsElsewhereTest(parameterized.TestCase):
  """What is written here a second time, to do without TensorFlow."""

  @parameterized.product(every=(1, 2, 3, 5), epochs=(1, 4, 6))
  def test_reports_are_due_when_training_makes_them(self, every, epochs):
    run = verifiable_runs.run_config()
    run = dataclasses.replace(
      run,
      training=dataclasses.replace(run.training, epochs=epochs),
      report=dataclasses.replace(run.report, epochs_per_report=every),
    )
    self.assertEqual(verify_run.due(run), run_audit.report_epochs(run))

  def test_an_attack_is_trained_as_the_audit_trains_it(self):
    folder = pathlib.Path(self.create_tempdir().full_path) / 'run'
    verifiable_runs.write(folder)
    with np.load(folder / LAST) as file:
      signals = results.signals_from_arrays(dict(file))
    again = verify_scores.refit(signals, 'lr', class_count=3, seed=5)
    config = verifiable_runs.run_config().report
    made = audit.run(
      signals,
      config=config,
      class_count=3,
      model='m',
      epoch=1,
      train_accuracy=0.0,
      val_accuracy=0.0,
      seed=5,
    )
    for key, pair in again.items():
      np.testing.assert_allclose(pair.members, made.scores[key].members, rtol=1e-9)
      np.testing.assert_allclose(
        pair.nonmembers, made.scores[key].nonmembers, rtol=1e-9
      )

  def test_too_few_examples_are_not_trained_on(self):
    side = verifiable_runs._side(np.arange(trained.MIN_EXAMPLES - 1), key=1, shift=1)
    signals = results.Signals(side, side)
    self.assertEqual(verify_scores.refit(signals, 'lr', class_count=3, seed=0), {})


if __name__ == '__main__':
  absltest.main()
