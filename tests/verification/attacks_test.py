"""Verifies a real attack on a small digits run, untouched and edited by hand."""

import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack, attack_records, train
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.verification import verification
from tests.commands import call
from tests.verifiable_runs import change, moves, sets, takes

RUN = (
  '--model=mlp',
  '--hidden_size=8',
  '--epochs=2',
  '--batch_size=32',
  '--train_fraction=0.5',
  '--nonmembers=holdout',
  '--attacks=threshold,lr',
  '--report_members=300',
)
ATTACK = (
  '--attack=threshold,lr,shadow,lira,rmia',
  '--num_shadows=4',
  '--shadow_test_size=100',
  '--null_check',
  '--fleet=sequential',
  '--num_exposed=3',
  '--label=mine',
)
FOLDER = 'attacks/mine'
JSON, LINES, SCORES = (
  f'{FOLDER}/{name}' for name in ('attack.json', 'privacy.jsonl', 'scores.npz')
)


def line_of(lines, name, part='entire'):
  (found,) = (x for x in lines if (x['attack'], x['slice']) == (name, part))
  return found


def null_of(values, name, kind):
  (found,) = (
    each
    for each in values['null_checks']
    if (each['attack'], each['kind']) == (name, kind)
  )
  return found


def _other_labels(arrays):
  # The run's own report attacks 300 of these members, and knows better.
  arrays['member_labels'][:] = (arrays['member_labels'] + 1) % 10


class VerifyAttacksTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.made = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.made)
    path = cls.made / 'runs/half'
    for command, *flags in (
      (train, *RUN, f'--run_dir={path}'),
      (attack, f'--run={path}', *ATTACK, f'--fleet_dir={cls.made / "fleets/mine"}'),
    ):
      code, _, err = call(command, *flags)
      assert code == 0, err

  def run_folder(self, *, fleet=True):
    """Returns a copy of the run, beside the shadow models or far from them."""
    root = pathlib.Path(self.create_tempdir().full_path)
    shutil.copytree(self.made / 'runs/half', root / 'runs/half')
    path = root / 'runs/half'
    change(path / JSON, lambda x: x.update(command='python -m rnn_tf.attack'))
    if fleet:
      (root / 'fleets').symlink_to(self.made / 'fleets')
    return path

  def verify(self, path):
    return verification.verify(RunFolder(path))

  def assert_found(self, path, expected):
    found = [str(check) for check in self.verify(path).mismatches]
    self.assertTrue(any(expected in x for x in found), f'{expected!r} not in {found}')

  def test_an_untouched_attack_has_no_mismatch(self):
    found = self.verify(self.run_folder())
    self.assertEqual([str(check) for check in found.mismatches], [])
    # Five attacks on the whole and on ten classes.
    self.assertGreater(found.counts[LINES], 5 * 11 * 15)
    self.assertGreater(found.counts[JSON], 200)
    figures = {check.figure for check in found.checks if check.file == SCORES}
    self.assertLessEqual(
      {'lira/entire/members', 'threshold/entire/members', 'lr/class/nonmembers'},
      figures,
    )
    text = '\n'.join(found.not_checked)
    for part in ('scores of shadow', 'scores of rmia', 'null checks of rmia'):
      self.assertIn(part, text)
    self.assertNotIn('lira', text)

  def test_the_command_tells_where_shadow_models_are(self):
    path = self.run_folder(fleet=False)
    place = path.parent.parent / 'of_mine/mine'
    shutil.copytree(self.made / 'fleets/mine', place)
    command = f'python -m rnn_tf.attack --fleet_dir={place}'
    change(path / JSON, sets('command', to=command))
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertNotIn('lira', '\n'.join(found.not_checked))

  @parameterized.parameters(
    ('--fleet_dir={made}/fleets/mine', 'mine', 'they are not looked for'),
    ('', '{made}/fleets/mine', 'is no name of a folder'),
    ('', '../mine', "'../mine' is no name of a folder"),
  )
  def test_shadow_models_anywhere_are_not_read(self, flag, name, text):
    path = self.run_folder(fleet=False)
    flag, name = (each.format(made=self.made) for each in (flag, name))
    change(path / JSON, lambda x: x.update(command=f'a {flag}', fleet_name=name))
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertIn(text, '\n'.join(found.not_checked))

  def test_without_shadow_models_the_rest_is_checked(self):
    found = self.verify(self.run_folder(fleet=False))
    self.assertEqual(found.mismatches, ())
    text = '\n'.join(found.not_checked)
    self.assertIn('the shadow models (fleets/mine) are not there', text)
    self.assertIn('null checks of lira, AUC', text)
    figures = {check.figure for check in found.checks if check.file == SCORES}
    self.assertNotIn('lira/entire/members', figures)

  def test_damaged_shadow_models_are_not_relied_on(self):
    path = self.run_folder(fleet=False)
    fleets = path.parent.parent / 'fleets'
    shutil.copytree(self.made / 'fleets', fleets)
    change(fleets / 'mine/shadow-0001.npz', moves('epoch-0002/pool', 0, by=1.0))
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertIn('shadow-0001.npz does not have its', '\n'.join(found.not_checked))

  def test_shadow_models_of_another_run_are_not_relied_on(self):
    path = self.run_folder(fleet=False)
    fleets = path.parent.parent / 'fleets'
    shutil.copytree(self.made / 'fleets', fleets)
    change(
      fleets / 'mine/fleet.json',
      lambda x: x['key']['model'].update(hidden_size=9),
    )
    found = self.verify(path)
    self.assertIn('another model than that of the run', '\n'.join(found.not_checked))

  def test_an_unfinished_attack_is_said(self):
    path = self.run_folder()
    (path / 'attacks/begun').mkdir()
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertIn('attacks/begun: unfinished', '\n'.join(found.not_checked))

  def test_an_attack_without_scores_is_found(self):
    path = self.run_folder()
    (path / SCORES).unlink()
    self.assert_found(path, f'{SCORES}: scores: they are gone')
    text = '\n'.join(self.verify(path).not_checked)
    self.assertIn(f'{FOLDER}: no scores are there', text)

  def test_other_weights_are_found(self):
    path = self.run_folder()
    with open(path / attack_records.WEIGHTS, 'ab') as file:
      file.write(b'0')
    self.assert_found(path, 'target: weights: the attack was made on')
    (path / attack_records.WEIGHTS).unlink()
    found = self.verify(path)
    self.assertEqual(found.mismatches, ())
    self.assertIn('has no weights/final', '\n'.join(found.not_checked))

  @parameterized.named_parameters(
    ('dataset', sets('dataset', to='mnist'), 'dataset'),
    ('model', sets('model', to='cnn'), 'model'),
    ('class', sets('class_names', 0, to='nil'), 'class_names'),
    ('train_size', moves('target', 'train_size', by=1), 'target: train_size'),
    ('n_members', moves('target', 'n_members', by=-1), 'target: n_members'),
    ('n_nonmembers', moves('target', 'n_nonmembers', by=1), 'target: n_nonmembers'),
    ('nonmembers', sets('target', 'nonmembers', to='test'), 'target: nonmembers'),
    ('accuracy', moves('target', 'train_accuracy', by=-0.01), 'target: train_accuracy'),
    ('test', moves('target', 'test_accuracy', by=-0.01), 'val_accuracy'),
    ('score', moves('exposed', 'lira', 0, 'score', by=0.1), 'lira, rank 1: score'),
    ('rank', sets('exposed', 'lira', 0, 'rank', to=2), 'lira, rank 1: rank'),
    ('id', sets('exposed', 'rmia', 1, 'id', to=1), 'rmia, rank 2: id'),
    ('false', moves('exposed', 'lira', 2, 'false_positives', by=1), 'false_positives'),
    ('of', moves('exposed', 'lira', 2, 'n_nonmembers', by=1), 'rank 3: n_nonmembers'),
    (
      'probability',
      sets('exposed', 'threshold', 0, 'probability', to=0.5),
      'exposed, threshold, rank 1: probability',
    ),
    (
      'in_probability',
      sets('exposed', 'threshold', 0, 'in_probability', to=0.5),
      'exposed, threshold, rank 1: in_probability',
    ),
    (
      'fewer_exposed',
      takes('exposed', 'lira', 2),
      'exposed: lists: lists of',
    ),
    ('call', sets('classification', 'member', 'recall', to=0.9), 'member, recall'),
    ('n_of_class', moves('classes', 3, 'n_members', by=1), 'class 3: n_members'),
    ('class_accuracy', sets('classes', 3, 'test_accuracy', to=0.7), 'test_accuracy'),
    ('class_auc', sets('classes', 4, 'test_auc', to=0.7), 'class 4: test_auc'),
    ('class_label', sets('classes', 4, 'label', to=3), 'classes: labels'),
    (
      'anytime',
      moves('anytime', 'lira', 0, 'auc', by=0.01),
      'lira, 4 shadows: auc',
    ),
    (
      'anytime_tpr',
      moves('anytime', 'rmia', 0, 'tpr_at_fpr', 0, 'tpr', by=0.01),
      'anytime, rmia, 2 shadows: tpr_at_fpr 1, tpr ',
    ),
    (
      'anytime_last',
      moves('anytime', 'rmia', -1, 'auc', by=0.01),
      'rmia, 4 shadows: auc',
    ),
    ('anytime_lost', takes('anytime', 'rmia', -1), 'anytime, rmia: shadows: none with'),
    (
      'null',
      lambda x: null_of(x, 'lira', 'permuted').update(auc=0.5),
      'null check of lira, permuted: auc',
    ),
    (
      'null_width',
      lambda x: null_of(x, 'rmia', 'another model').update(half_width=0.5),
      'null check of rmia, another model: half_width',
    ),
    (
      'null_count',
      lambda x: null_of(x, 'rmia', 'permuted').update(n_members=5),
      'null check of rmia, permuted: n_members',
    ),
    ('null_lost', takes('null_checks', 0), 'null check of threshold, permuted: check'),
    ('shadow', sets('shadows', 1, 'test_accuracy', to=0.5), 'model 1: test_accuracy'),
    ('shadow_train', sets('shadows', 1, 'train_accuracy', to=0.5), 'train_accuracy'),
    ('shadow_size', moves('shadows', 1, 'train_size', by=1), 'model 1: train_size'),
    ('shadow_time', moves('shadows', 1, 'seconds', by=1), 'model 1: seconds'),
    ('shadow_lost', takes('shadows', 1), 'shadows: models'),
  )
  def test_an_edited_record_is_found(self, edit, expected):
    path = self.run_folder()
    change(path / JSON, edit)
    self.assert_found(path, expected)

  @parameterized.named_parameters(
    ('auc', 'lira', 'entire', moves('auc', by=0.01), 'lira on entire: auc'),
    ('class', 'rmia', 'class:2', moves('auc_low', by=-0.01), 'class:2: auc_low'),
    (
      'transfer_tpr',
      'rmia',
      'entire',
      moves('transfer', 0, 'tpr', by=0.01),
      'rmia on entire: transfer 1, tpr',
    ),
    (
      'transfer_count',
      'shadow',
      'entire',
      moves('transfer', 1, 'false_positives', by=1),
      'transfer 2, false_positives',
    ),
    (
      'transfer_threshold',
      'lira',
      'entire',
      moves('transfer', 0, 'threshold', by=1e-6),
      'transfer 1 chosen on shadow models, threshold',
    ),
    (
      'transfer_of_signal',
      'threshold',
      'entire',
      moves('transfer', 2, 'threshold', by=-1e-6),
      'transfer 3 chosen on shadow models, threshold',
    ),
    ('delta', 'lr', 'entire', sets('delta', to=1e-2), 'lr on entire: delta'),
    ('accuracy', 'lr', 'class:1', sets('train_accuracy', to=0.5), 'train_accuracy'),
    ('engine', 'lira', 'class:1', sets('engine', to='tf_privacy'), 'engine'),
  )
  def test_an_edited_line_is_found(self, name, part, edit, expected):
    path = self.run_folder()
    change(path / LINES, lambda lines: edit(line_of(lines, name, part)))
    self.assert_found(path, expected)

  def test_a_lost_line_is_found(self):
    path = self.run_folder()
    change(path / LINES, lambda x: [y for y in x if y['slice'] != 'class:3'])
    self.assert_found(path, 'none of threshold on class:3')

  @parameterized.named_parameters(
    ('lira', sets('lira/entire/members', 5, to=3.0), 'lira/entire/members: 1 of'),
    ('rmia', moves('rmia/entire/members', 5, by=0.9), 'rmia on entire'),
    ('lr', moves('lr/entire/members', 5, by=0.1), 'lr/entire/members'),
    ('threshold', moves('threshold/entire/nonmembers', 5, by=-0.1), 'nonmembers: 1 of'),
    ('logits', moves('member_logits', (5, 2), by=0.1), 'threshold/entire/members'),
    ('ids', lambda x: x['member_ids'].put(0, 999), 'member_ids: 1 are not among'),
    ('labels', _other_labels, 'member_labels: 300 are others'),
    ('labels_in_classes', _other_labels, 'threshold on class:2: n_members'),
  )
  def test_edited_scores_are_found(self, edit, expected):
    path = self.run_folder()
    change(path / SCORES, edit)
    self.assert_found(path, expected)

  def test_damaged_scores_are_an_error(self):
    path = self.run_folder()
    change(path / SCORES, lambda x: x['lira/entire/members'].put(0, np.nan))
    with self.assertRaisesRegex(UsageError, 'scores.npz is damaged'):
      self.verify(path)


if __name__ == '__main__':
  absltest.main()
