import dataclasses
import json
import pathlib
import shutil

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import config as configs
from rnn_tf.attack_config import AttackConfig, ReportConfig
from rnn_tf.errors import UsageError
from rnn_tf.fleets import plan as plans
from tests import small_configs
from tests.fleets import small_fleets

_DISJOINT = {'shadow_split': 'disjoint', 'shadow_train_size': 16}


class JoinTest(parameterized.TestCase):
  @parameterized.parameters(
    ([1, 4, 6], [0, 2, 3, 5]), ([0, 1, 2], [3, 4]), ([3, 4], [0, 1, 2]), ([0, 1], [])
  )
  def test_pool_has_rising_ids_and_each_ones_own_image_and_label(self, train, holdout):
    pool, of_target = plans.join(small_fleets.split(train), small_fleets.split(holdout))
    expected = sorted([*train, *holdout])
    np.testing.assert_array_equal(pool.ids, expected)
    np.testing.assert_array_equal(pool.labels, [each % 3 for each in expected])
    np.testing.assert_array_equal(pool.images, small_fleets.images(expected))
    self.assertEqual(pool.images.dtype, np.float32)
    self.assertEqual(of_target.tolist(), [each in train for each in expected])

  def test_pool_is_the_same_whatever_the_target_was_trained_on(self):
    pools = [
      plans.join(data.train, data.holdout)[0].checksum()
      for data in (small_fleets.data(seed=0), small_fleets.data(seed=1, train=9))
    ]
    self.assertEqual(*pools)


class PlanTest(parameterized.TestCase):
  def test_half_takes_all_of_the_pool(self):
    data = small_fleets.data(49)
    plan = small_fleets.plan(of=data)
    self.assertTrue(plan.usable.all())
    self.assertEqual(plan.members.shape, (4, 49))
    self.assertEqual(plan.train_size, 24)
    np.testing.assert_array_equal(plan.members.sum(axis=0), 2)
    self.assertIs(plan.population, data.test)
    self.assertEqual(plan.class_count, 3)

  def test_disjoint_takes_nothing_of_the_target(self):
    data = small_fleets.data()
    plan = small_fleets.plan(of=data, shadow_split='disjoint')
    np.testing.assert_array_equal(plan.pool.ids[~plan.usable], data.train.ids)
    np.testing.assert_array_equal(plan.members.sum(axis=1), len(data.train))
    self.assertFalse(plan.members[:, ~plan.usable].any())

  @parameterized.parameters((None, 12), (9, 9))
  def test_disjoint_shadow_is_as_large_as_the_target_up_to_a_limit(self, asked, size):
    with absltest.mock.patch.object(plans, 'DISJOINT_TRAIN_SIZE', 12):
      plan = small_fleets.plan(shadow_split='disjoint', shadow_train_size=asked)
    self.assertEqual(plan.train_size, size)
    np.testing.assert_array_equal(plan.members.sum(axis=1), size)

  def test_too_few_examples_for_disjoint_shadows_says_how_many_are_missing(self):
    data = small_fleets.data(48, train=17)
    with self.assertRaises(UsageError) as caught:
      small_fleets.plan(of=data, shadow_split='disjoint')
    self.assertEqual(
      str(caught.exception),
      '--shadow_split=disjoint: shadows of 17 examples need 34 that the target is not '
      'trained on (IN and OUT), and there are 31: 3 are missing; give '
      '--shadow_split=half, or --shadow_train_size=15 or less',
    )
    fits = small_fleets.plan(of=data, shadow_split='disjoint', shadow_train_size=15)
    self.assertEqual(fits.train_size, 15)

  @parameterized.parameters(45, 48)
  def test_target_trained_on_all_but_all_leaves_nothing_to_try(self, train):
    data = small_fleets.data(48, train=train)
    with self.assertRaisesRegex(UsageError, f'on all but {48 - train} of its pool'):
      small_fleets.plan(of=data, shadow_split='disjoint')

  @parameterized.parameters(
    ({}, 25, 24),
    ({'shadow_split': 'disjoint', 'shadow_train_size': 10}, 11, 10),
  )
  def test_batch_larger_than_a_shadows_examples_is_refused(self, fleet, batch, size):
    config = small_configs.run_config(batch_size=batch)
    with self.assertRaisesRegex(
      UsageError, f'--batch_size={batch}: larger than the {size} examples of a shadow'
    ):
      small_fleets.plan(config, **fleet)
    small_fleets.plan(small_configs.run_config(batch_size=size), **fleet)

  def test_shadow_differs_from_the_target_by_its_seed_alone(self):
    config = small_configs.run_config(privacy=small_configs.private(), seed=5)
    plan = small_fleets.plan(config, engine='exact')
    self.assertLen(set(plan.seeds), 4)
    for model, seed in enumerate(plan.seeds):
      self.assertEqual(
        configs.differences(config, plan.shadow_config(model)),
        [f'--seed was 5, is {seed}'],
      )


def _with(config, part, **values):
  changed = dataclasses.replace(getattr(config, part), **values)
  return dataclasses.replace(config, **{part: changed})


_PRIVATE = small_configs.run_config(privacy=small_configs.private())

_BASE = small_configs.run_config()

OTHER_CONFIGS = {
  'model': _with(_BASE, 'model', model='gru'),
  'hidden_size': _with(_BASE, 'model', hidden_size=5),
  'num_layers': _with(_BASE, 'model', num_layers=2),
  'bidirectional': _with(_BASE, 'model', bidirectional=True),
  'sequence': _with(_BASE, 'model', sequence='columns'),
  'optimizer': _with(_BASE, 'training', optimizer='sgd'),
  'learning_rate': _with(_BASE, 'training', learning_rate=0.1),
  'learning_rate_decay': _with(_BASE, 'training', learning_rate_decay='cosine'),
  'epochs': _with(_BASE, 'training', epochs=3),
  'batch_size': _with(_BASE, 'training', batch_size=9),
  'deterministic': _with(_BASE, 'training', deterministic=True),
  'mixed_precision': _with(_BASE, 'training', mixed_precision=True),
  'recurrent_kernel': _with(_BASE, 'training', recurrent_kernel='keras'),
  'dp': _with(_BASE, 'privacy', dp=True, dp_noise_multiplier=1.0),
}

OTHER_PRIVACY = {
  'dp_noise_multiplier': 2.0,
  'dp_l2_norm_clip': 0.5,
  'dp_delta': 1e-3,
  'dp_sampling': 'shuffle',
}


class KnownBeforeTrainingTest(absltest.TestCase):
  def test_memberships_are_a_fleet_without_outputs(self):
    plan = small_fleets.plan(shadow_split='disjoint')
    shadows = plan.memberships()
    self.assertLen(shadows, 4)
    for name in ('members', 'usable'):
      np.testing.assert_array_equal(getattr(shadows, name), getattr(plan, name))
    np.testing.assert_array_equal(shadows.ids, plan.pool.ids)
    np.testing.assert_array_equal(shadows.labels, plan.pool.labels)
    self.assertEqual(shadows.logits.size, 0)

  def test_plan_without_images_is_the_same_but_for_them(self):
    plan = small_fleets.plan()
    light = plan.without_images()
    self.assertEqual((light.pool.images.size, light.population.images.size), (0, 0))
    self.assertEqual((light.key, light.name()), (plan.key, plan.name()))
    np.testing.assert_array_equal(light.pool.ids, plan.pool.ids)
    np.testing.assert_array_equal(light.population.labels, plan.population.labels)
    self.assertLen(plan.pool.images, 48)


class KeyTest(parameterized.TestCase):
  def assert_other_fleet(self, one, other):
    self.assertNotEqual(one.key, other.key)
    self.assertNotEqual(one.name(), other.name())

  def assert_same_fleet(self, one, other):
    self.assertEqual(one.key, other.key)
    self.assertEqual(one.name(), other.name())

  @parameterized.parameters(*OTHER_CONFIGS)
  def test_target_trained_otherwise_has_other_shadows(self, name):
    plan = small_fleets.plan(OTHER_CONFIGS[name])
    self.assert_other_fleet(small_fleets.plan(_BASE), plan)

  @parameterized.parameters(*OTHER_PRIVACY.items())
  def test_target_with_other_privacy_has_other_shadows(self, name, value):
    other = _with(_PRIVATE, 'privacy', **{name: value})
    self.assert_other_fleet(small_fleets.plan(_PRIVATE), small_fleets.plan(other))

  @parameterized.parameters(
    {'name': 'mnist'}, {'pool': 50}, {'test': 10}, {'pool': 48, 'test': 8}
  )
  def test_other_data_is_another_fleet(self, **values):
    one, other = small_fleets.plan(), small_fleets.plan(of=small_fleets.data(**values))
    self.assertNotEqual(one.key, other.key)

  def test_other_pixel_is_another_fleet(self):
    data = small_fleets.data()
    data.holdout.images[3, 1, 1] += 1e-6
    one, other = small_fleets.plan(), small_fleets.plan(of=data)
    self.assertNotEqual(one.key['checksums']['pool'], other.key['checksums']['pool'])

  @parameterized.parameters(
    {'shadow_seed': 1},
    {'shadow_split': 'disjoint'},
    {'shadow_split': 'disjoint', 'shadow_train_size': 9},
  )
  def test_other_membership_is_another_fleet(self, **values):
    self.assert_other_fleet(small_fleets.plan(), small_fleets.plan(**values))

  def test_other_size_of_disjoint_shadows_is_another_fleet(self):
    self.assert_other_fleet(
      small_fleets.plan(shadow_split='disjoint', shadow_train_size=9),
      small_fleets.plan(shadow_split='disjoint', shadow_train_size=10),
    )

  def test_other_engine_is_refused_in_the_same_folder(self):
    one, other = small_fleets.plan(), small_fleets.plan(engine='keras')
    self.assertNotEqual(one.key, other.key)
    self.assertEqual(one.name(), other.name())

  def test_targets_own_examples_matter_where_shadows_avoid_them(self):
    one, other = (
      small_fleets.plan(of=small_fleets.data(seed=seed), **_DISJOINT) for seed in (0, 1)
    )
    self.assert_other_fleet(one, other)

  def test_targets_own_examples_do_not_matter_in_a_half_fleet(self):
    self.assert_same_fleet(
      small_fleets.plan(of=small_fleets.data(seed=0)),
      small_fleets.plan(of=small_fleets.data(seed=1, train=20)),
    )

  @parameterized.parameters({'shadow_split': 'half'}, _DISJOINT)
  def test_what_decides_no_output_does_not_matter(self, **fleet):
    one = small_fleets.plan(_BASE, **fleet)
    with self.subTest('seed of the target'):
      other = _with(_BASE, 'training', seed=7)
      self.assert_same_fleet(one, small_fleets.plan(other, **fleet))
    with self.subTest('number of shadows'):
      more = small_fleets.plan(_BASE, **fleet, num_shadows=8)
      self.assert_same_fleet(one, more)
      self.assertEqual(more.seeds[:4], one.seeds)
      np.testing.assert_array_equal(more.members[:4], one.members)
    with self.subTest('what is kept'):
      other = small_fleets.plan(_BASE, **fleet, epochs=(2,), hidden=True)
      self.assert_same_fleet(one, other)
    with self.subTest('how it is used'):
      other = dataclasses.replace(
        _BASE,
        report=ReportConfig(attacks=('threshold',), epochs_per_report=1),
        attack=AttackConfig(attack_model='rf'),
      )
      self.assert_same_fleet(one, small_fleets.plan(other, **fleet))

  def test_key_survives_json(self):
    # Tuples would come back as lists.
    key = small_fleets.plan(small_configs.run_config('clockwork_rnn'), **_DISJOINT).key
    self.assertEqual(json.loads(json.dumps(key)), key)

  def test_name_says_what_it_can(self):
    name = small_fleets.plan(small_configs.run_config(seed=31)).name()
    self.assertRegex(name, '^digits-lstm-h4-half-[0-9a-f]{8}$')
    name = small_fleets.plan(_PRIVATE, **_DISJOINT).name()
    self.assertRegex(name, '^digits-lstm-h4-dp-noise1-disjoint-[0-9a-f]{8}$')


class CodeChecksumTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    source = pathlib.Path(plans.__file__).resolve().parents[1]
    self.package = pathlib.Path(self.create_tempdir().full_path) / 'rnn_tf'
    shutil.copytree(source, self.package, ignore=shutil.ignore_patterns('__pycache__'))
    self.before = small_fleets.code()

  def _append(self, name, text):
    path = self.package / name
    path.write_text((path.read_text() if path.exists() else '') + text)

  def test_copy_has_the_same(self):
    self.assertRegex(self.before, '^[0-9a-f]{8}$')
    self.assertEqual(plans.code_checksum(self.package), self.before)
    self.assertEqual(small_fleets.plan().key['code'], self.before)
    self.assertEqual(plans.code_checksum(), self.before)

  def test_every_statement_counts(self):
    seen = {self.before}
    for name in (
      'datasets.py',
      'dp/accounting.py',
      'dp/gaussian.py',
      'engines.py',
      'fleets/membership.py',
      'fleets/stacked.py',
      'fleets/trainer.py',
      'kernels/cells.py',
      'kernels/new.py',
      'models.py',
      'training.py',
    ):
      self._append(name, '\n_X = 1\n')
      found = plans.code_checksum(self.package)
      self.assertNotIn(found, seen, name)
      seen.add(found)

  def test_comments_docstrings_and_layout_do_not_count(self):
    path = self.package / 'training.py'
    text = path.read_text()
    changed = text.replace('    """Records an epoch;', '\n    # Why.\n    """Notes it;')
    self.assertNotEqual(changed, text)
    path.write_text('# A comment.\n\n\n"""Another docstring."""\n' + changed)
    self.assertEqual(plans.code_checksum(self.package), self.before)

  def _checksum(self, text):
    """Of a package that is one small module."""
    (self.package / 'one.py').write_text(text)
    with absltest.mock.patch.object(plans, '_MAKERS', ('one.py',)):
      return plans.code_checksum(self.package)

  def test_no_two_statements_count_as_one(self):
    texts = (
      *('', 'x = 0', 'x = 0.0', 'x = False', 'x = None', "x = ''", "x = b''"),
      *('x = ()', 'x = []', 'x = [0]', "x = ['']", 'x: int', 'x: int = 0'),
      *('f(*a)', 'f(**a)', 'f(a)', 'f(a=a)', 'f(a=0)', 'f(a=False)'),
      *('def f(*, a, b=1): x = 0', 'def f(*, a=1, b): x = 0'),
      *('def f(a=1, *, b): x = 0', 'def f(a, *, b=1): x = 0', 'def f(a, b=1): x = 0'),
      *("x = f'{a}'", "x = f'{a!r}'", "x = f'{a:3}'", "x = f'a'", "x = 'a'"),
      *("x = f'a{b}'", "x = f'{a}b'", "x = f'{a}{b}'", "x = f'{b}{a}'"),
      *('import a', 'from a import b', 'from .a import b', 'from a import b as c'),
      *('{**a}', '{None: a}', '{a}', 'a < b', 'a > b', '-a', 'not a'),
      *('async def f(): x = 0', 'def f(): x = 0', 'def f(): return'),
      *('for a in b: x = 0', 'for a in b: x = 0\nelse: y = 0', 'while a: x = 0'),
      *('def f(): yield', 'lambda: 0', 'lambda: False', 'a[0]', 'a[:0]', 'a[0:]'),
    )
    found = {}
    for text in texts:
      found.setdefault(self._checksum(text), []).append(text)
    self.assertLen(texts, len(set(texts)))
    self.assertEqual([same for same in found.values() if len(same) > 1], [])

  @parameterized.parameters(
    ('x = 1', '"""One."""\n\n# Two.\nx   =   (\n  1\n)'),
    ('def f():\n  return 1', 'def f():\n  "Says."\n  return 1'),
    ('class A:\n  x = 1', 'class A:\n  x = 1\n  """Of x."""'),
    ("x = 'ab'", 'x = \'a\' "b"'),
    ("x = f'a{b}cd'", "x = f'a{b}c' 'd'"),
    ("x = f'a{b}cd'", "x = (f'a{b}c'\n  f'd')"),
  )
  def test_what_python_reads_as_one_counts_as_one(self, one, other):
    self.assertEqual(self._checksum(one), self._checksum(other))

  def test_code_that_decides_no_output_does_not_count(self):
    self._append('plots.py', '\n_X = 1\n')
    self._append('kernels/README.md', 'x')
    self.assertEqual(plans.code_checksum(self.package), self.before)


if __name__ == '__main__':
  absltest.main()
