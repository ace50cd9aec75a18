from absl.testing import absltest

from rnn_tf import config, records, seed_groups
from tests import fake_runs


class ByDataSetTest(fake_runs.RunsCase):
  def test_data_sets_and_their_runs_stay_in_order(self):
    found = [self.load('m', dataset='mnist'), self.load('a'), self.load('b')]
    found.append(self.load('n', dataset='mnist'))
    groups = seed_groups.by_data_set(found)
    self.assertEqual(
      [(name, [record.name for record in group]) for name, group in groups.items()],
      [('mnist', ['m', 'n']), ('digits', ['a', 'b'])],
    )


class FindTest(fake_runs.RunsCase):
  def find(self):
    return seed_groups.find(records.load_runs([f'{self.root}/runs/*']))

  def test_runs_that_differ_by_seeds_alone_are_a_group(self):
    self.run_folder('a')
    self.run_folder('b', seed=1)
    self.run_folder('c', data=config.DataConfig(data_seed=4))
    self.run_folder('d', batch_size=16)
    groups = self.find()
    self.assertEqual(
      [[record.name for record in group.records] for group in groups],
      [['a', 'b', 'c'], ['d']],
    )
    self.assertEqual(groups[0].seeds, 3)

  def test_groups_are_in_the_order_of_epsilon_and_plain_ones_last(self):
    self.run_folder('0')
    for epsilon in (10, 8, 3):
      self.run_folder(f'dp{epsilon}', privacy=fake_runs.private(float(epsilon)))
    groups = self.find()
    levels = ['ε = 3', 'ε = 8', 'ε = 10', 'plain']
    self.assertEqual([seed_groups.level(group) for group in groups], levels)
    self.assertEqual(seed_groups.names(groups), levels)

  def test_a_level_without_a_target_is_named_by_what_was_claimed(self):
    privacy = config.PrivacyConfig(dp=True, dp_noise_multiplier=1.1)
    self.run_folder('a', privacy=privacy, claimed=2.345)
    self.assertEqual(seed_groups.names(self.find()), ['ε = 2.35'])

  def test_other_flags_are_in_the_names(self):
    self.run_folder('a', privacy=fake_runs.private(), batch_size=256)
    self.run_folder('b')
    self.assertEqual(
      seed_groups.names(self.find()),
      ['ε = 3 --batch_size=256', 'plain --batch_size=64'],
    )

  def test_privacy_flags_are_named_where_they_differ(self):
    for clip in (0.5, 1.0):
      privacy = fake_runs.private(dp_l2_norm_clip=clip)
      self.run_folder(f'clip{clip}', privacy=privacy)
    self.run_folder('plain')
    self.assertEqual(
      seed_groups.names(self.find()),
      ['ε = 3 --dp_l2_norm_clip=0.5', 'ε = 3 --dp_l2_norm_clip=1.0', 'plain'],
    )

  def test_what_flags_do_not_tell_apart_is_told_apart_by_a_run(self):
    self.run_folder('target', privacy=fake_runs.private())
    privacy = config.PrivacyConfig(dp=True, dp_noise_multiplier=1.1, dp_delta=1e-5)
    self.run_folder('noise', privacy=privacy, claimed=3.0)
    self.assertCountEqual(
      seed_groups.names(self.find()), ['ε = 3 (target)', 'ε = 3 (noise)']
    )

  def test_unfinished_runs_and_repeated_seeds_do_not_count(self):
    self.run_folder('a')
    self.run_folder('again')
    self.run_folder('young', trained=3, seed=5)
    (group,) = self.find()
    self.assertEqual((len(group.records), len(group.finished), group.seeds), (3, 2, 1))


if __name__ == '__main__':
  absltest.main()
