import dataclasses

from absl.testing import absltest, parameterized

from rnn_tf import config
from rnn_tf.deletion_config import (
  METHODS,
  DeletedFrom,
  DeletionConfig,
  ForgetConfig,
  ShardConfig,
)
from rnn_tf.errors import UsageError

_NAN = float('nan')


class RefusedTest(parameterized.TestCase):
  def assert_refused(self, make, values, *parts):
    with self.assertRaises(UsageError) as caught:
      make(**values)
    text = str(caught.exception)
    self.assertNotIn('\n', text)
    self.assertStartsWith(text, '--')
    for part in parts:
      self.assertIn(part, text)

  @parameterized.parameters(
    ({'fractions': ()}, '--fractions is empty: give shares such as 0.05,0.10'),
    ({'fractions': (0.05, 0.0)}, '--fractions=0: must lie between 0 and 1'),
    ({'fractions': (1.0,)}, '--fractions=1: must lie between 0 and 1'),
    ({'fractions': (-0.1,)}, '--fractions=-0.1: must lie between 0 and 1'),
    ({'fractions': (_NAN,)}, '--fractions=nan: must lie between 0 and 1'),
    ({'fractions': (0.1, 0.05, 0.1)}, '--fractions=0.1,0.05,0.1: names one of them'),
    ({'deletions': ()}, '--deletion is empty: name some of uniform, grouped'),
    ({'deletions': ('uniformly',)}, '--deletion=uniformly: must be', 'mean uniform?'),
    ({'deletions': ('grouped', 'grouped')}, '--deletion=grouped,grouped: names one'),
    ({'num_groups': 0}, '--num_groups=0: must be at least 1'),
    ({'forget_class': -1}, '--forget_class=-1: must be at least 0'),
    ({'forget_class': 3, 'forget_ids': (1,)}, '--forget_ids and --forget_class: give'),
    ({'deletion_seed': -1}, '--deletion_seed=-1: must be at least 0'),
  )
  def test_forget_set_that_cannot_be_is_refused(self, values, *parts):
    self.assert_refused(ForgetConfig, values, *parts)

  @parameterized.parameters(
    ({'num_shards': 1}, '--num_shards=1: must be at least 2'),
    ({'num_slices': 0}, '--num_slices=0: must be at least 1'),
    ({'aggregation': 'median'}, '--aggregation=median: must be one of mean, vote'),
    ({'aggregation': 'votes'}, 'did you mean vote?'),
  )
  def test_sharded_model_that_cannot_be_is_refused(self, values, *parts):
    self.assert_refused(ShardConfig, values, *parts)

  @parameterized.parameters(
    ({'methods': ()}, '--method is empty: name some of retrain, sharded, finetune'),
    ({'methods': ('retrain', 'shard')}, '--method=shard: must be', 'mean sharded?'),
    ({'methods': ('twin', 'twin')}, '--method=twin,twin: names one of them twice'),
    ({'finetune_epochs': 0}, '--finetune_epochs=0: must be at least 1'),
    ({'seeds': (1, 2, 1)}, '--seeds=1,2,1: names one seed twice'),
    ({'seeds': (0, -1)}, '--seeds=-1: must be at least 0 and below 2**32'),
    ({'seeds': (2**32,)}, '--seeds=4294967296: must be at least 0 and below 2**32'),
    (
      {'forget': ForgetConfig(deletions=('grouped',), num_groups=6)},
      '--num_groups=6: there are --num_shards=5 groups: give at most as many',
    ),
  )
  def test_deletion_that_cannot_be_is_refused(self, values, *parts):
    self.assert_refused(DeletionConfig, values, *parts)


class AllowedTest(parameterized.TestCase):
  def test_defaults_are_a_deletion(self):
    deletion = DeletionConfig()
    self.assertEqual(deletion.methods, ('retrain', 'sharded'))
    self.assertEqual(deletion.forget.fractions, (0.05, 0.1))
    self.assertEqual(deletion.shards.num_shards, 5)

  def test_values_at_the_edge_are_taken(self):
    DeletionConfig(
      methods=METHODS,
      seeds=(0, 2**32 - 1),
      finetune_epochs=1,
      shards=ShardConfig(num_shards=2),
      forget=ForgetConfig(
        fractions=(1e-6, 0.999), deletions=('grouped', 'uniform'), num_groups=2
      ),
    )
    self.assertEqual(ForgetConfig(forget_class=0).forget_class, 0)

  @parameterized.parameters(
    ({}, 'sharded5'),
    ({'num_slices': 4}, 'sharded5x4'),
    ({'num_shards': 20, 'num_slices': 2, 'aggregation': 'vote'}, 'sharded20x2'),
  )
  def test_label_tells_models_that_are_trained_otherwise_apart(self, values, label):
    # The aggregation is no part: it needs no other model.
    self.assertEqual(ShardConfig(**values).label(), label)

  def test_configs_are_frozen(self):
    with self.assertRaises(dataclasses.FrozenInstanceError):
      DeletionConfig().methods = ('none',)

  def test_run_that_a_deletion_made_survives_the_round_trip(self):
    deleted = DeletedFrom(
      parent='mine-s0', method='retrain', forget='uniform-5pct', checksum='0123abcd'
    )
    run = config.RunConfig(deleted=deleted)
    again = config.from_json(config.RunConfig, config.to_json(run))
    self.assertEqual(again, run)
    (line,) = config.differences(config.RunConfig(), run)
    self.assertEqual(
      line,
      'the deletion was none, is retrain of mine-s0 without uniform-5pct (0123abcd)',
    )

  def test_run_from_before_there_were_deletions_is_of_none(self):
    values = config.to_json(config.RunConfig())
    del values['deleted']
    again = config.from_json(config.RunConfig, values)
    self.assertEqual(again.deleted, DeletedFrom())
    self.assertEqual(again.deleted.method, '')


if __name__ == '__main__':
  absltest.main()
