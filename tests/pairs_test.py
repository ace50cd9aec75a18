import functools
import math

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import config, pairs, records
from rnn_tf.attacks import metrics
from rnn_tf.errors import UsageError
from tests import fake_runs

PRIVATE = fake_runs.private()


def rewrite(folder, change, epoch=4):
  """Rewrites a report's arrays after `change(arrays)`."""
  name = f'scores/epoch-{epoch:04d}.npz'
  record = records.load_run(folder)
  arrays = record.folder.read_npz(name)
  change(arrays)
  record.folder.write_npz(name, arrays)


def add_noise(arrays, seed):
  rng = np.random.default_rng(seed)
  for side in ('members', 'nonmembers'):
    scores = arrays[f'threshold/entire/{side}']
    scores += rng.normal(size=len(scores))


class FindTest(fake_runs.RunsCase):
  def find(self):
    return pairs.find(records.load_runs([f'{self.root}/runs/*']))

  def pair(self):
    (pair,), unpaired = self.find()
    self.assertEmpty(unpaired)
    return pair

  def test_runs_that_differ_by_privacy_alone_are_a_pair(self):
    self.run_folder('private', privacy=PRIVATE, bound=0.2)
    self.run_folder('plain')
    pair = self.pair()
    self.assertEqual((pair.private.name, pair.plain.name), ('private', 'plain'))
    self.assertEqual(pair.epoch, 4)
    self.assertEqual([each.attack for each in pair.attacks], ['threshold', 'lr'])
    self.assertEqual(pair.attacks[0].private.epsilon_lower_bound, 0.2)
    self.assertAlmostEqual(pair.attacks[0].private.epsilon, 3.0)

  def test_the_difference_is_paired_delongs_whatever_the_order_of_the_ids(self):
    kept = [
      records.load_run(self.run_folder('private', privacy=PRIVATE, leak=0.1)),
      records.load_run(self.run_folder('plain', leak=1.0)),
    ]
    for seed, record in enumerate(kept):
      # Noise of its own, so that the two do not rank the examples alike.
      rewrite(record.folder.path, functools.partial(add_noise, seed=seed))
    private, plain = (
      record.last_report().scores['threshold', 'entire'] for record in kept
    )
    by_hand = metrics.paired_delong(
      (plain.members, plain.nonmembers), (private.members, private.nonmembers)
    )
    rewrite(
      self.root / 'runs/private',
      lambda arrays: arrays.update(fake_runs.shuffle(arrays)),
    )
    found = self.pair().attacks[0].difference
    self.assertGreater(found.high - found.low, 0.01)
    for name in ('value', 'low', 'high'):
      self.assertAlmostEqual(getattr(found, name), getattr(by_hand, name), places=12)

  def test_a_trained_attacks_interval_is_wider_by_the_root_of_its_folds(self):
    rng = np.random.default_rng(0)
    first, second = ((rng.normal(0.5, 1, 300), rng.normal(size=200)) for _ in range(2))
    plain = pairs.auc_difference(first, second, attack='threshold')
    wide = pairs.auc_difference(first, second, attack='lr')
    self.assertEqual(wide.value, plain.value)
    self.assertAlmostEqual(
      wide.high - wide.low, math.sqrt(2) * (plain.high - plain.low)
    )

  def test_an_unfinished_run_is_compared_after_as_many_epochs(self):
    self.run_folder('private', privacy=PRIVATE, epochs=8, trained=5)
    self.run_folder('plain', epochs=8)
    pair = self.pair()
    self.assertEqual(pair.epoch, 4)
    self.assertEqual({each.plain.epoch for each in pair.attacks}, {4})

  def test_an_old_config_without_privacy_is_a_plain_runs(self):
    self.run_folder('private', privacy=PRIVATE)
    folder = self.run_folder('plain')

    def forget(values):
      values['config'].pop('privacy')
      values['config']['training'].pop('recurrent_kernel')

    fake_runs.change_json(folder / 'config.json', forget)
    self.assertEqual(self.pair().plain.name, 'plain')

  def test_the_kernel_plays_no_part(self):
    for name, privacy in (('private', PRIVATE), ('plain', fake_runs.PLAIN)):
      folder = self.run_folder(name, privacy=privacy)
      fake_runs.change_json(
        folder / 'config.json', lambda v: v['config']['model'].update(model='lstm')
      )
    fake_runs.change_json(
      folder / 'config.json',
      lambda v: v['config']['training'].update(recurrent_kernel='keras'),
    )
    self.assertEqual(self.pair().plain.config.training.recurrent_kernel, 'keras')

  @parameterized.parameters(
    ({'batch_size': 256}, '--batch_size was 64, is 256'),
    ({'seed': 1}, '--seed was 0, is 1'),
    ({'attacks': ('lr',)}, '--attacks was threshold,lr, is lr'),
    (
      {'data': config.DataConfig(data_seed=3)},
      '--data_seed was 0, is 3',
    ),
  )
  def test_another_flag_parts_two_runs_and_is_named(self, options, reason):
    self.run_folder('private', privacy=PRIVATE, **options)
    self.run_folder('plain')
    self.run_folder('further', epochs=6, batch_size=16, seed=2)
    found, (lone,) = self.find()
    self.assertEmpty(found)
    self.assertEqual(lone.nearest.name, 'plain')
    self.assertEqual(lone.reasons, (reason,))

  def test_other_examples_part_two_runs(self):
    sums = {'train': 'a', 'holdout': '', 'test': 'b'}
    self.run_folder('private', privacy=PRIVATE, checksums=sums)
    self.run_folder('plain', checksums=sums | {'train': 'c'})
    _, (lone,) = self.find()
    self.assertEqual(lone.reasons, ('the train examples are others (checksum)',))

  def test_other_ids_part_two_runs(self):
    for name, privacy, first in (
      ('private', PRIVATE, 0),
      ('plain', fake_runs.PLAIN, 7),
    ):
      record = records.load_run(self.run_folder(name, privacy=privacy))
      ids = {f'{split}_ids': np.arange(9) for split in ('train', 'holdout', 'test')}
      record.folder.write_npz(
        'examples.npz', ids | {'test_ids': np.arange(first, first + 9)}
      )
    _, (lone,) = self.find()
    self.assertEqual(lone.reasons, ('the test examples are others (ids)',))

  def test_reports_on_other_members_part_two_runs(self):
    folder = self.run_folder('private', privacy=PRIVATE)
    self.run_folder('plain')
    rewrite(folder, lambda arrays: arrays.update(member_ids=arrays['member_ids'] + 1))
    _, (lone,) = self.find()
    self.assertEqual(lone.reasons, ('the reports are on other members (ids)',))

  def test_another_version_of_the_data_set_parts_two_runs(self):
    folder = self.run_folder('private', privacy=PRIVATE)
    self.run_folder('plain')
    fake_runs.change_json(
      folder / 'config.json', lambda v: v['data'].update(version='2.0.0')
    )
    _, (lone,) = self.find()
    self.assertIn('version 1.0.0, is 2.0.0', lone.reasons[0])

  def test_without_a_plain_run_there_is_no_nearest(self):
    self.run_folder('private', privacy=PRIVATE)
    found, (lone,) = self.find()
    self.assertEmpty(found)
    self.assertIsNone(lone.nearest)
    self.assertEmpty(lone.reasons)

  def test_plain_runs_alone_give_nothing(self):
    self.run_folder('plain')
    self.assertEqual(self.find(), ([], []))

  def test_pairs_are_in_the_order_of_epsilon(self):
    for epsilon in (10, 2, 1):
      self.run_folder(f'dp-eps{epsilon}', privacy=fake_runs.private(float(epsilon)))
    self.run_folder('plain')
    found, _ = self.find()
    names = [pair.private.name for pair in found]
    self.assertEqual(names, ['dp-eps1', 'dp-eps2', 'dp-eps10'])

  def test_runs_without_reports_are_compared_in_accuracy(self):
    self.run_folder('private', privacy=PRIVATE, attacks=())
    self.run_folder('plain', attacks=())
    pair = self.pair()
    self.assertEqual((pair.epoch, pair.attacks), (4, ()))

  def test_a_skipped_attack_has_no_difference(self):
    self.run_folder('private', privacy=PRIVATE, skipped={('lr', 'entire')})
    self.run_folder('plain')
    threshold, lr = self.pair().attacks
    self.assertIsNotNone(threshold.difference)
    self.assertIsNone(lr.difference)

  def test_scores_that_were_not_kept_leave_no_difference_and_a_warning(self):
    self.run_folder('private', privacy=PRIVATE)
    (self.run_folder('plain') / 'scores/epoch-0004.npz').unlink()
    with self.assertLogs('rnn_tf', 'WARNING'):
      pair = self.pair()
    self.assertIsNone(pair.attacks[0].difference)

  @parameterized.parameters(
    (lambda a: a.pop('member_ids'), "no 'member_ids'"),
    (lambda a: a['member_ids'].fill(1), 'member_ids, or one of them twice'),
    (lambda a: a.pop('lr/entire/nonmembers'), 'lr attack, nonmembers'),
    (lambda a: a['lr/entire/members'].fill(np.nan), 'lr attack, members'),
    (lambda a: a.update({'lr/entire/members': np.zeros(3)}), 'lr/entire/members'),
  )
  def test_damaged_scores_are_refused(self, change, text):
    folder = self.run_folder('private', privacy=PRIVATE)
    self.run_folder('plain')
    rewrite(folder, change)
    with self.assertRaisesRegex(UsageError, f'epoch.*4.* damaged.*{text}'):
      self.find()


if __name__ == '__main__':
  absltest.main()
