import argparse
import contextlib
import dataclasses
import io
import itertools
import json
import os
import re
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from benchmarks import deletion, deletion_table
from rnn_tf.deletion import sisa
from rnn_tf.sharding.sharded import ShardedPlan

COUNT = 200

QUICK = (
  '--dataset=digits',
  '--epochs=2',
  '--hidden_size=4',
  '--train_size=120',
  '--num_shards=2',
  '--num_slices=1,2',
  '--repeats=1',
  '--audit_examples=1000',
  '--num_shadows=4',
)


def flags(**values):
  args = argparse.Namespace(
    ways=['grouped', 'one_slice', 'uniform', 'uniform_processes', 'audit'],
    num_slices=[1, 2, 4],
    num_shards=5,
    epochs=15,
    fraction=0.05,
    seed=3,
  )
  vars(args).update(values)
  return args


def ways(count=COUNT, **values):
  return {way.label: way for way in deletion_table.ways(count, flags(**values))}


def processed(assignment, deleted, *, epochs):
  """Examples x epochs, as the training counts them."""
  config = mock.Mock()
  config.training.epochs = epochs
  plan = ShardedPlan(
    folder=None,
    config=config,
    assignment=assignment,
    rows=np.arange(len(deleted)),
    deleted=deleted,
    original=mock.Mock(),
    engine='',
    manifest={},
    ids={},
  )
  return plan.examples


def draws(rows, size, *, count):
  """Every way to delete so many of these rows, (count,) bool each."""
  for chosen in itertools.combinations(rows, size):
    yield np.isin(np.arange(count), chosen)


class MeanTest(parameterized.TestCase):
  @parameterized.product(slices=(1, 2, 3), size=(1, 2, 4))
  def test_of_draws_from_a_shard_equals_enumeration(self, slices, size):
    assignment = sisa.assign(13, num_shards=2, num_slices=slices, seed=1)
    rows = np.flatnonzero(assignment.shards == 0)
    costs = [
      processed(assignment, deleted, epochs=6)
      for deleted in draws(rows, size, count=13)
    ]
    found = deletion_table.mean_of_draws(
      [*map(len, assignment.rows(0, without=np.zeros(13, bool)))],
      sisa.stage_epochs(6, slices),
      population=len(rows),
      deleted=size,
    )
    self.assertAlmostEqual(found, np.mean(costs))

  @parameterized.parameters(1, 2, 3)
  def test_of_a_uniform_way_equals_enumeration(self, slices):
    # Few enough examples for shards that no draw touches.
    with mock.patch.object(deletion_table, 'SLICED', ('uniform',)):
      way = ways(
        9, ways=['uniform'], num_slices=[slices], num_shards=3, fraction=2 / 9
      )['uniform']
    costs = [
      processed(way.assignment, deleted, epochs=15)
      for deleted in draws(range(9), 2, count=9)
    ]
    self.assertGreater(max(costs), min(costs))
    self.assertAlmostEqual(way.mean, np.mean(costs))

  @parameterized.parameters(2, 3)
  def test_of_one_slice_equals_enumeration(self, slices):
    way = ways(
      26, ways=['one_slice'], num_slices=[slices], num_shards=2, fraction=3 / 26
    )[f'in one of {slices} slices']
    groups = [
      way.assignment.rows(shard, without=np.zeros(26, bool))[number]
      for shard in range(2)
      for number in range(slices)
    ]
    costs = [
      np.mean(
        [
          processed(way.assignment, deleted, epochs=15)
          for deleted in draws(rows, 3, count=26)
        ]
      )
      for rows in groups
    ]
    self.assertAlmostEqual(way.mean, np.mean(costs))


class WaysTest(absltest.TestCase):
  def test_each_number_of_slices_is_there_once_and_full_retraining_first(self):
    self.assertEqual(
      [*ways()],
      [
        'full retraining',
        'grouped',
        'grouped, 2 slices',
        'grouped, 4 slices',
        'in one of 2 slices',
        'in one of 4 slices',
        'uniform',
        'uniform, processes',
      ],
    )

  def test_grouped_deletes_the_same_from_one_shard_whatever_the_slices(self):
    found = ways()
    grouped = found['grouped']
    self.assertEqual(grouped.deleted.sum(), 10)
    self.assertLen(np.unique(grouped.assignment.shards[grouped.deleted]), 1)
    for label in ('grouped, 2 slices', 'grouped, 4 slices'):
      np.testing.assert_array_equal(found[label].deleted, grouped.deleted)

  def test_one_slice_deletes_from_the_middle_slice_alone(self):
    for slices in (2, 4):
      way = ways()[f'in one of {slices} slices']
      self.assertEqual(way.deleted.sum(), 10)
      shards, numbers = way.assignment.shards, way.assignment.slices
      self.assertEqual({*shards[way.deleted]}, {0})
      self.assertEqual({*numbers[way.deleted]}, {slices // 2})

  def test_slice_too_small_loses_all_of_the_smallest(self):
    way = ways(count=199)['in one of 4 slices']
    self.assertEqual((way.deleted.sum(), way.full), (9, 190 * 15))

  def test_costs_are_those_expected(self):
    found = ways()
    share = {label: way.mean / way.full for label, way in found.items()}
    self.assertEqual(share['full retraining'], 1)
    self.assertAlmostEqual(share['grouped'], 30 / 190)
    # Of each slice that is emptied, the examples of the stages from there on: slices
    # of 20 with 10 epochs a stage, slices of 10 with 6.
    costs = {2: [10 * 40, 10 * 30], 4: [6 * 60, 6 * 60, 6 * 50, 6 * 30]}
    for slices, of_slices in costs.items():
      mean = np.mean(of_slices) / (190 * 15)
      self.assertAlmostEqual(share[f'in one of {slices} slices'], mean)


class MarksTest(parameterized.TestCase):
  def marks(self, **examples):
    found = {}
    for way in ways().values():
      found[way] = [{'examples': examples.get(way.kind, round(way.mean))}]
    return {
      text.split(':')[0]: met for text, met in deletion_table.marks(found, num_shards=5)
    }

  def test_each_way_that_is_judged_is_judged_once(self):
    self.assertSameElements(
      self.marks(uniform=2850),
      [
        'grouped',
        'grouped, 2 slices',
        'grouped, 4 slices',
        'in one of 2 slices',
        'in one of 4 slices',
        'uniform',
      ],
    )
    self.assertTrue(all(self.marks(uniform=2850).values()))

  @parameterized.parameters(
    ('grouped', 655, True),
    ('grouped', 656, False),
    ('uniform', 2793, True),
    ('uniform', 2792, False),
    ('uniform', 2907, True),
    ('uniform', 2908, False),
  )
  def test_mark_is_met_up_to_its_limit(self, kind, examples, met):
    self.assertEqual(self.marks(**{kind: examples})[kind], met)

  @parameterized.parameters((449.0, True), (450.0, False))
  def test_slices_are_judged_by_the_mean_of_draws(self, mean, met):
    made = ways(num_slices=[1, 4])
    made['in one of 4 slices'] = dataclasses.replace(
      made['in one of 4 slices'], mean=mean
    )
    # What was drawn costs next to nothing.
    found = {way: [{'examples': 1}] for way in made.values()}
    *_, last = (
      met
      for text, met in deletion_table.marks(found, num_shards=5)
      if text.startswith('in one of 4 slices: on average')
    )
    self.assertEqual(last, met)

  @parameterized.parameters((29.9, 'met'), (30.0, 'MISSED'))
  def test_audit_is_judged_by_its_median(self, middle, word):
    versions, shadows = deletion_table.audit_inputs(1000, num_shadows=4, seed=0)
    runs = [{'wall': wall, 'cpu': 1.0} for wall in (1.0, middle, 99.0)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      deletion_table.print_audit(runs, versions=versions, num_shadows=len(shadows))
    self.assertIn(f'{middle} (1.0-99.0) s', printed.getvalue())
    self.assertEndsWith(printed.getvalue(), f'below 30 s: {word}\n')


class TimesTest(absltest.TestCase):
  def test_ratios_are_of_medians_with_those_of_rounds_behind(self):
    found = {}
    for way in ways(ways=['grouped', 'uniform_processes'], num_slices=[1]).values():
      factor = {'full': 1, 'grouped': 0.25, 'uniform': 0.5}[way.kind]
      walls = (8.0, 10.0, 40.0) if way.kind == 'full' else (20.0, 8.0, 40.0)
      cpu = None if way.strategy == 'processes' else 6.0 * factor
      found[way] = [
        {
          'models': 1,
          'examples': 100,
          'training': {'wall': factor * wall, 'cpu': cpu},
          'whole': {'wall': factor * wall, 'cpu': 6.0 * factor},
        }
        for wall in walls
      ]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      deletion_table.print_retraining(found, num_shards=5)
    _, training, whole = printed.getvalue().split('\n\n')[:3]
    _, _, _, grouped, uniform = (re.split(' {2,}', x) for x in training.splitlines())
    self.assertEqual(
      grouped,
      [
        'grouped',
        '5.0 (2.0-10.0)',
        '0.500 (0.200-0.625)',
        '1.5 (1.5-1.5)',
        '0.250 (0.250-0.250)',
      ],
    )
    self.assertEqual(uniform[:1] + uniform[3:], ['uniform, processes', '-', '-'])
    self.assertEndsWith(whole, ' 3.0 (3.0-3.0)   0.500 (0.500-0.500)')


class AuditInputsTest(absltest.TestCase):
  def test_versions_divide_the_examples_as_in_cifar10(self):
    versions, shadows = deletion_table.audit_inputs(1000, num_shadows=6, seed=0)
    self.assertEqual(
      [version.method for version in versions],
      ['original', 'sharded_original', 'retrain', 'sharded', 'none'],
    )
    first = versions[0]
    sides = (first.retained, first.forgotten, first.unseen, first.test)
    self.assertEqual([*map(len, sides)], [450, 50, 500, 200])
    self.assertLen(np.unique(np.concatenate([side.ids for side in sides])), 1200)
    np.testing.assert_array_equal(versions[-1].forgotten.logits, first.forgotten.logits)
    np.testing.assert_array_equal(shadows.members.sum(axis=0), 3)
    self.assertEqual(shadows.logits.shape, (6, 1000, 10))
    self.assertEqual(shadows.logits.dtype, np.float32)

  def test_only_versions_trained_on_the_deleted_give_them_away(self):
    versions, _ = deletion_table.audit_inputs(20_000, num_shadows=4, seed=0)
    gaps = {
      version.method: version.unseen.losses.mean() - version.forgotten.losses.mean()
      for version in versions
    }
    for method, gap in gaps.items():
      if method in ('retrain', 'sharded'):
        self.assertLess(abs(gap), 0.15)
      else:
        self.assertGreater(gap, 0.3)


class CommandTest(parameterized.TestCase):
  def run_main(self, *argv):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      deletion.main([*QUICK, *argv])
    return printed.getvalue()

  def test_small_run_measures_every_way_in_turn(self):
    path = os.path.join(self.create_tempdir(), 'raw.json')
    printed = self.run_main('--ways=grouped,one_slice,uniform,audit', f'--json={path}')
    with open(path) as file:
      raw = json.load(file)
    labels = [
      'full retraining',
      'grouped',
      'grouped, 2 slices',
      'in one of 2 slices',
      'uniform',
    ]
    runs = {run['way']: run for run in raw['retraining']}
    self.assertEqual([*runs], labels)
    self.assertEqual([runs[label]['models'] for label in labels], [1, 1, 1, 1, 2])
    # 6 of 120 examples, 2 epochs; shards of 60; slices of 30, 1 and 2 epochs.
    self.assertEqual(runs['full retraining']['examples'], 228)
    self.assertEqual(runs['grouped']['examples'], 108)
    self.assertEqual(runs['in one of 2 slices']['examples'], 108)
    self.assertEqual(runs['uniform']['examples'], 228)
    for run in runs.values():
      for unit in ('wall', 'cpu'):
        self.assertGreater(run['whole'][unit], run['training'][unit])
        self.assertGreater(run['training'][unit], 0)
    self.assertLen(raw['audit'], 1)
    self.assertIn('uniform: 1.000 of the examples x epochs; 0.98 to 1.02: met', printed)
    self.assertIn('audit of 5 versions on 450 + 50 + 500 + 200 examples, 4', printed)

  @parameterized.parameters(
    ('--ways=grouped,none', '--ways=grouped,none: must be out of grouped,'),
    ('--num_slices=1,x', '--num_slices=1,x: must be such as'),
    ('--fraction=0.5', '--fraction=0.5: must be above 0 and, to fit into one of'),
    ('--num_shards=1', '--num_shards=1: must be at least 2'),
    ('--train_size=2000', '--train_size=2000: the data set has 1437'),
  )
  def test_wrong_flag_ends_in_one_line_that_names_it(self, flag, said):
    with (
      contextlib.redirect_stderr(io.StringIO()) as errors,
      self.assertRaises(SystemExit) as ended,
    ):
      self.run_main(flag)
    self.assertEqual(ended.exception.code, 2)
    self.assertIn(said, errors.getvalue())


if __name__ == '__main__':
  absltest.main()
