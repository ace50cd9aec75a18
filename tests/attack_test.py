"""Tests of the attack command, on small digits runs."""

import json
import pathlib
import shutil
import stat
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack, attack_records, train
from rnn_tf.attacks import results, scores
from rnn_tf.records import load_run
from tests.commands import call

HALF = ('--train_fraction=0.5', '--nonmembers=holdout')
SMALL = ('--hidden_size=8', '--epochs=2', '--attacks=threshold', '--batch_size=32')


class AttackTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.run_dir = cls.root / 'half'
    cls.train(cls.run_dir, *HALF)

  @classmethod
  def train(cls, run_dir, *flags):
    code, _, err = call(train, *SMALL, *flags, f'--run_dir={run_dir}')
    assert code == 0, err

  def attack(self, *flags, run=None, fleet='fleet'):
    return call(
      attack,
      f'--run={run or self.run_dir}',
      f'--fleet_dir={self.root / fleet}',
      f'--label={self.id().rpartition(".")[2]}',
      '--fleet=sequential',
      *flags,
    )

  def assert_refused(self, outcome, *texts):
    code, out, err = outcome
    self.assertEqual((code, out), (2, ''), err)
    line = err.strip().splitlines()[-1]
    for text in texts:
      self.assertIn(text, line)
    self.assertNotIn('Traceback', err)

  def test_attacks_are_written_and_can_be_recomputed(self):
    flags = '--attack=threshold,lira,rmia,shadow', '--num_shadows=6', '--null_check'
    code, out, err = self.attack(*flags, '--label=all', '--embed_images')
    self.assertEqual(code, 0, err)
    for text in (
      'How strong the attacks are',
      'Where there is nothing to find',
      '| lira',
    ):
      self.assertIn(text, out)
    folder = self.run_dir / 'attacks' / 'all'
    names = {path.name for path in folder.iterdir()}
    self.assertContainsSubset(
      {'attack.json', 'report.md', 'scores.npz', 'exposed.png', 'roc.png'}, names
    )
    self.assertEqual(stat.S_IMODE((folder / 'scores.npz').stat().st_mode), 0o600)
    record = attack_records.load(folder)
    self.assertEqual(results.recompute(record.report()), record.results)
    self.assertLen(record.shadows, 6)
    with np.load(folder / 'scores.npz', allow_pickle=False) as arrays:
      phi = scores.logit_gap(arrays['member_logits'], arrays['member_labels'])
      self.assertEqual(phi.shape, arrays['lira/entire/members'].shape)
      # The run's own report is of the same weights.
      np.testing.assert_array_equal(
        arrays['threshold/entire/members'],
        load_run(self.run_dir).score_arrays(2)['threshold/entire/members'],
      )
    again = self.attack(*flags, '--label=all', '--embed_images')
    self.assertEqual(again[:2], (0, out))
    self.assertIn('there already', again[2])
    self.assert_refused(
      self.attack('--attack=lira', '--num_shadows=6', '--label=all'),
      '--attack was',
      'another --label, or --overwrite',
    )

  def test_shadows_are_shared_and_topped_up(self):
    code, _, err = self.attack('--attack=rmia', '--num_shadows=4', fleet='grows')
    self.assertEqual(code, 0, err)
    more = '--attack=rmia', '--num_shadows=6', '--overwrite'
    code, _, err = self.attack(*more, fleet='grows')
    self.assertEqual(code, 0, err)
    self.assertIn('training 2 of 6 shadow models', err)

  def test_target_of_another_seed_shares_the_shadows(self):
    self.train(self.root / 'other', *HALF, '--seed=1')
    flags = '--attack=rmia', '--num_shadows=4'
    self.assertEqual(self.attack(*flags, fleet='shared')[0], 0)
    code, _, err = self.attack(*flags, run=self.root / 'other', fleet='shared')
    self.assertEqual(code, 0, err)
    self.assertNotIn('training', err)

  def test_fleet_made_otherwise_is_refused(self):
    self.assertEqual(
      self.attack('--attack=rmia', '--num_shadows=4', fleet='mine')[0], 0
    )
    self.train(self.root / 'fast', *HALF, '--learning_rate=0.01')
    self.assert_refused(
      self.attack(
        '--attack=rmia', '--num_shadows=4', run=self.root / 'fast', fleet='mine'
      ),
      '--fleet_dir=',
      'learning_rate was 0.001, is 0.01',
      'name another --fleet_dir',
    )

  def test_disjoint_shadows_of_a_small_target(self):
    self.train(self.root / 'small', '--train_size=300', '--nonmembers=holdout')
    code, out, err = self.attack(
      '--attack=shadow', '--num_shadows=3', run=self.root / 'small', fleet='disjoint'
    )
    self.assertEqual(code, 0, err)
    self.assertIn('disjoint', out)
    record = attack_records.load_all(self.root / 'small')[0]
    self.assertEqual({shadow.train_size for shadow in record.shadows}, {300})
    self.assert_refused(
      self.attack(
        '--attack=shadow',
        '--shadow_train_size=700',
        '--label=large',
        run=self.root / 'small',
        fleet='large',
      ),
      '263 are missing',
      '--shadow_train_size=568',
    )
    self.assertFalse((self.root / 'large').exists())

  def test_whole_pool_leaves_nothing_for_shadows(self):
    self.train(self.root / 'whole')
    self.assert_refused(
      self.attack('--attack=shadow', run=self.root / 'whole'), '--train_fraction=0.5'
    )
    self.assert_refused(
      self.attack('--attack=lira', run=self.root / 'whole'), '--nonmembers=holdout'
    )

  @parameterized.parameters(
    (('--num_shadows=1',), '--num_shadows=1'),
    (('--attack=lyra',), 'did you mean lira'),
    (('--attack=threshold',), 'add one of shadow'),
    (('--attack=',), '--attack is empty'),
    (('--attack=lira', '--shadow_split=disjoint'), '--shadow_split=half'),
    (('--attack=lira', '--attack_model=rf'), '--attack_model: has no effect'),
    (('--attack=lira', '--num_shadows=3'), '--num_shadows=3'),
    (('--attack=shadow', '--attack_features=loss,los'), 'did you mean loss'),
    (('--label=../x',), '--label=../x'),
    (('--fleet=cluster',), '--fleet=cluster'),
  )
  def test_request_that_cannot_be_met_is_refused(self, flags, text):
    self.assert_refused(self.attack(*flags, fleet='refused'), text)

  def test_runs_that_cannot_be_attacked_are_refused(self):
    self.assert_refused(self.attack(run=self.root / 'no'), 'no run there')
    broken = self.root / 'broken'
    shutil.copytree(self.run_dir, broken, ignore=lambda *_: ['result.json', 'attacks'])
    self.assert_refused(self.attack(run=broken), 'not finished')
    (broken / 'result.json').write_text('{}')
    config = json.loads((broken / 'config.json').read_text())
    for changed, text in (
      ({**config, 'format': 99}, 'another version'),
      ({**config, 'config': {**config['config'], 'new': 1}}, 'another version'),
      ({**config, 'data': {}}, 'damaged'),
    ):
      (broken / 'config.json').write_text(json.dumps(changed))
      self.assert_refused(self.attack(run=broken), text)
    checksums = {**config['data']['checksums'], 'holdout': '00000000'}
    changed = {**config, 'data': {**config['data'], 'checksums': checksums}}
    (broken / 'config.json').write_text(json.dumps(changed))
    self.assert_refused(self.attack(run=broken), 'holdout images')
    self.assertFalse((broken / 'attacks').exists())


if __name__ == '__main__':
  absltest.main()
