import dataclasses
import json

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack_records
from rnn_tf.attack_config import AttackConfig
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from tests import fake_attacks, fake_runs

SMALL = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'exposed': 2}


class Case(fake_runs.RunsCase):
  def attack(self, label='lira-half8', **options):
    return fake_attacks.write(self.root / 'runs/x', label=label, **{**SMALL, **options})


def parts(record):
  """What must be the same after writing and reading, without the folder."""
  return {
    field.name: getattr(record, field.name)
    for field in dataclasses.fields(record)
    if field.name != 'folder'
  }


class WriteAndLoadTest(Case):
  def test_what_was_written_is_read_again(self):
    folder = RunFiles(self.root / 'runs/x/attacks/mine')
    skipped = {('lira', 'class:1'), ('rmia', 'entire')}
    made, _ = fake_attacks.record(label='mine', skipped=skipped, **SMALL)
    attack_records.write(folder, made)
    found = attack_records.load(folder.path)
    self.assertEqual(parts(found), parts(made))
    self.assertEqual(found.attacks, ('shadow', 'lira', 'rmia', 'threshold'))
    self.assertIsNone(found.entire('rmia'))
    self.assertEqual(found.entire('lira').slice, 'entire')

  def test_an_attack_without_extras_is_read_again(self):
    options = {'attacks': ('threshold',), 'null_checks': False, 'exposed': 0}
    found = attack_records.load(self.attack(**options))
    self.assertEqual(found.classes, ())
    self.assertIsNone(found.classification)
    self.assertEqual((found.null_checks, found.anytime), ((), {}))

  def test_numpy_numbers_are_written_and_nan_is_not(self):
    folder = RunFiles(self.root / 'runs/x/attacks/mine')
    made, _ = fake_attacks.record(label='mine', **SMALL)
    row = dataclasses.replace(
      made.classes[0], n_in=np.int64(7), test_auc=float('nan'), test_accuracy=None
    )
    attack_records.write(folder, dataclasses.replace(made, classes=(row,)))
    (found,) = attack_records.load(folder.path).classes
    self.assertEqual((found.n_in, found.test_auc), (7, None))
    self.assertNotIn('NaN', (folder.path / 'attack.json').read_text())

  def test_what_could_not_be_read_is_not_written(self):
    folder = RunFiles(self.root / 'runs/x/attacks/mine')
    made, _ = fake_attacks.record(label='mine', **SMALL)
    target = dataclasses.replace(made.target, test_accuracy=float('nan'))
    with self.assertRaisesRegex(ValueError, 'target, test_accuracy is None'):
      attack_records.write(folder, dataclasses.replace(made, target=target))
    self.assertFalse(folder.path.exists())

  def test_the_report_has_the_scores_of_the_results(self):
    found = attack_records.load(self.attack())
    report = found.report()
    scores = report.slice_scores(found.entire('lira'))
    above = scores.members[:, None] > scores.nonmembers
    self.assertAlmostEqual(above.mean(), found.entire('lira').auc)

  def test_scores_that_were_not_kept_are_none(self):
    folder = self.attack()
    (folder / 'scores.npz').unlink()
    self.assertIsNone(attack_records.load(folder).report())
    self.assertIsNone(fake_attacks.record(**SMALL)[0].report())

  def test_variants_say_how_an_attack_was_set(self):
    config = AttackConfig(attack_model='gb', rmia_gamma=1.5, rmia_offline_a=0.5)
    few = fake_attacks.record(attack=config, **SMALL)[0]
    many = fake_attacks.record(**{**SMALL, 'num_shadows': 64})[0]
    self.assertEqual(few.variant('shadow'), 'gb-posteriors')
    self.assertEqual(few.variant('lira_offline'), 'fixed variance')
    self.assertEqual(many.variant('lira'), 'per-example variance')
    self.assertEqual(few.variant('rmia'), 'gamma 1.5')
    self.assertEqual(few.variant('rmia_offline'), 'gamma 1.5, a 0.5')
    self.assertEqual((many.variant('rmia'), few.variant('threshold')), ('', ''))


class LoadAllTest(Case):
  def test_finished_attacks_are_sorted_and_others_passed_over(self):
    for label in ('b', 'a'):
      self.attack(label)
    unfinished = self.root / 'runs/x/attacks/c'
    unfinished.mkdir()
    (self.root / 'runs/x/attacks/note.txt').write_text('mine')
    with self.assertLogs('rnn_tf', 'WARNING') as logs:
      found = attack_records.load_all(self.root / 'runs/x')
    self.assertEqual([record.label for record in found], ['a', 'b'])
    self.assertLen(logs.output, 1)
    self.assertIn(f'{unfinished}: passed over', logs.output[0])
    self.assertLen(attack_records.load_all(RunFiles(self.root / 'runs/x')), 2)

  def test_a_run_without_attacks_has_none(self):
    self.assertEqual(attack_records.load_all(self.root), ())


class DamagedTest(Case):
  @parameterized.parameters(
    (lambda v: v.update(format=2), 'not of format 1'),
    (lambda v: v.pop('exposed'), 'no exposed'),
    (lambda v: v.update(more=1), "unknown field 'more'"),
    (lambda v: v.update(label='other'), "label: 'other'"),
    (lambda v: v.update(epoch='4'), "epoch is '4'"),
    (lambda v: v.update(epoch=5), 'is of epoch 4, not 5'),
    (lambda v: v.update(class_names=['zero']), 'none of 1 classes'),
    (lambda v: v.update(folder={}), 'folder'),
    (lambda v: v['fleet'].update(num_shadows=1), 'num_shadows=1'),
    (lambda v: v['attack'].update(attack_model='svm'), 'attack_model=svm'),
    (lambda v: v['target'].update(train_accuracy=1.2), 'train_accuracy is 1.2'),
    (lambda v: v['target'].update(nonmembers='all'), "nonmembers: 'all'"),
    (lambda v: v['target'].update(n_members=-1), 'n_members is -1'),
    (lambda v: v['shadows'][0].pop('seconds'), 'seconds'),
    (lambda v: v['classes'][0].update(label=7), 'label 7'),
    (lambda v: v['classification'].pop('member'), 'classification'),
    (lambda v: v['classification']['member'].update(recall=2), 'recall is 2'),
    (lambda v: v['null_checks'][0].update(kind='other'), "'other' is none of permuted"),
    (lambda v: v['null_checks'][0].update(auc=1.5), 'auc is 1.5'),
    (lambda v: v['anytime'].update(new=[]), "anytime: 'new'"),
    (lambda v: v['anytime']['lira'][0].update(auc_low=-0.1), 'auc_low is -0.1'),
    (lambda v: v['anytime']['lira'][0]['tpr_at_fpr'][0].pop('tpr'), 'tpr'),
    (lambda v: v['anytime']['lira'][0]['tpr_at_fpr'].pop(0), 'is at 0.001, not at'),
    (lambda v: v['exposed']['lira'][0].update(id=1.5), 'id is 1.5'),
  )
  def test_a_changed_attack_is_refused_with_file_and_reason(self, change, text):
    folder = self.attack()
    fake_runs.change_json(folder / 'attack.json', change)
    with self.assertRaisesRegex(UsageError, text) as raised:
      attack_records.load(folder)
    self.assertIn(f'{folder}: its attack.json', str(raised.exception))

  @parameterized.parameters('', '[]', '{"format": 1', 'null')
  def test_a_file_that_is_no_object_is_refused(self, content):
    folder = self.attack()
    (folder / 'attack.json').write_text(content)
    with self.assertRaisesRegex(UsageError, 'attack.json'):
      attack_records.load(folder)

  def change_line(self, folder, change):
    path = folder / 'privacy.jsonl'
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))

  @parameterized.parameters(
    (lambda lines: lines.append(lines[0]), 'shadow on entire twice'),
    (lambda lines: lines[1].update(auc=1.5), 'line 2, auc is 1.5'),
    (lambda lines: lines[0].update(auc=None), 'line 1, auc is missing'),
    (lambda lines: lines[0]['tpr_at_fpr'].pop(), 'tpr_at_fpr is at 0.01, not at'),
    (lambda lines: lines[0].update(delta=None, epsilon_lower_bound=1.0), 'its delta'),
    (lambda lines: lines[0].update(attack='guess'), "attack: 'guess'"),
    (lambda lines: lines[0].update(n_members='60'), 'n_members'),
    (lambda lines: lines[0]['transfer'][0].update(tpr=-0.5), 'transfer, tpr is -0.5'),
    (lambda lines: lines.clear(), 'none of'),
  )
  def test_changed_results_are_refused(self, change, text):
    folder = self.attack()
    self.change_line(folder, change)
    with self.assertRaisesRegex(UsageError, text):
      attack_records.load(folder)

  def test_an_unfinished_attack_is_refused_with_the_next_step(self):
    with self.assertRaisesRegex(UsageError, 'no attack.json.*start its command'):
      attack_records.load(self.root)

  def test_scores_of_other_examples_are_refused(self):
    folder = self.attack()
    arrays = RunFiles(folder).read_npz('scores.npz')
    changes = (
      {'lira/entire/members': arrays['lira/entire/members'][:-1]},
      {'lira/entire/members': np.full(60, np.nan)},
      {'member_labels': np.zeros(60, np.int64)},
    )
    for change in changes:
      RunFiles(folder).write_npz('scores.npz', {**arrays, **change})
      with self.assertRaisesRegex(UsageError, 'scores.npz is damaged.*(on |each of)'):
        attack_records.load(folder).report()
    del arrays['lira/entire/members']
    RunFiles(folder).write_npz('scores.npz', arrays)
    with self.assertRaisesRegex(UsageError, 'scores.npz is damaged'):
      attack_records.load(folder).report()


if __name__ == '__main__':
  absltest.main()
