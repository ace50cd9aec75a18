import dataclasses

from absl.testing import absltest, parameterized

from rnn_tf import deletion_names
from rnn_tf.deletion import results
from tests import fake_deletions


class ForgetNameTest(parameterized.TestCase):
  @parameterized.parameters(
    ('uniform-5pct', '5%, uniform'),
    ('uniform-0.5pct', '0.5%, uniform'),
    ('uniform-10pct-d3', '10%, uniform, draw 3'),
    ('grouped1of5-10pct', '10%, within 1 of 5 shards'),
    ('grouped2of10-2.5pct-d1', '2.5%, within 2 of 10 shards, draw 1'),
    ('class-3', 'class 3'),
    ('ids-1a2b3c4d', 'listed examples (1a2b3c4d)'),
    ('something', 'something'),
    ('uniform-5', 'uniform-5'),
    ('class-', 'class-'),
  )
  def test_a_label_has_its_name(self, label, name):
    self.assertEqual(deletion_names.forget_name(label), name)


class VersionsTest(absltest.TestCase):
  def test_every_method_has_a_name_of_its_own(self):
    methods = {results.ORIGINAL, results.SHARDED_ORIGINAL, *results.METHODS}
    names = {deletion_names.method_name(method) for method in methods}
    self.assertLen(names, len(methods))
    self.assertIn('nothing deleted (negative control)', names)
    self.assertIn('second full retrain (positive control)', names)

  def test_rows_are_in_order_of_forget_sets_and_then_of_versions(self):
    rows = fake_deletions.record(forgets=('uniform-9pct', 'class-1')).findings.pooled
    found = deletion_names.in_order(reversed(rows))
    keys = [(row.forget, row.method) for row in found]
    order = ['original', 'none', 'retrain', 'twin', 'sharded_original', 'sharded']
    self.assertEqual(
      keys, [(forget, x) for forget in ('class-1', 'uniform-9pct') for x in order]
    )
    self.assertEqual(deletion_names.ordered(x for _, x in keys), order)

  def test_a_sharding_is_named_without_the_number_of_shards(self):
    plain, two, *_ = fake_deletions.record(seeds=(0,)).shard_accuracies
    name = deletion_names.sharding_name
    self.assertEqual((name(plain), name(two)), ('plain original', 'mean of logits'))
    other = dataclasses.replace(two, aggregation='vote', num_slices=4)
    self.assertEqual(name(other), 'majority vote, 4 slices')


class FiguresTest(absltest.TestCase):
  def test_figures_stand_with_their_intervals(self):
    auc = results.Auc(value=0.62, low=0.6042, high=0.6359, n_first=9, n_second=9)
    self.assertEqual(deletion_names.auc_text(auc), '0.620 [0.604, 0.636]')
    rate = results.Rate(count=6, n=100, value=0.06, low=0.0223, high=0.126)
    self.assertEqual(deletion_names.rate_text(rate), '6.00% [2.23%, 12.60%]')

  def test_differences_have_signs_and_no_negative_nought(self):
    found = fake_deletions.verdict(-0.0001, 0.012).comparison
    self.assertEqual(deletion_names.difference_text(found), '+0.000 [-0.012, +0.012]')
    self.assertEqual(
      deletion_names.difference_text(found, digits=4), '-0.0001 [-0.0121, +0.0119]'
    )

  def test_counts_and_seeds_have_their_plural(self):
    self.assertEqual(deletion_names.seeds_text((7,)), 'seed 7')
    self.assertEqual(deletion_names.seeds_text((0, 2)), 'seeds 0, 2')
    self.assertEqual(deletion_names.count_text(1, 'slice'), '1 slice')
    self.assertEqual(deletion_names.count_text(2000, 'slice'), '2,000 slices')

  def test_the_hit_that_is_shown_is_that_at_one_percent(self):
    figures = fake_deletions.record().findings.pooled[0].attacks[0]
    self.assertEqual(deletion_names.shown_hit(figures), figures.hits[0])
    other = dataclasses.replace(figures, hits=figures.hits[1:])
    self.assertIsNone(deletion_names.shown_hit(other))


if __name__ == '__main__':
  absltest.main()
