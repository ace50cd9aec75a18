"""A fleet's folder; its shadows are trained by nobody."""

import json
import os
import subprocess
import sys

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.fleets import folder as folders
from rnn_tf.fleets import plan as plans
from rnn_tf.fleets.folder import FleetFolder
from tests import small_configs
from tests.fleets import small_fleets


class WholeTest(small_fleets.FleetTestCase):
  @parameterized.product(hidden=[False, True], epoch=[1, 2])
  def test_shadows_come_back_as_they_were_written(self, hidden, epoch):
    self.plan = plan = small_fleets.plan(hidden=hidden, shadow_split='disjoint')
    self.assertEqual(self.pretend()[0], [0, 1, 2, 3])
    shadows = self.load(epoch=epoch)
    fakes = [small_fleets.fake(plan, model) for model in range(4)]
    for what, found in (
      ('pool', shadows.logits),
      ('population', shadows.population_logits),
      *[('hidden', shadows.hidden)] * hidden,
    ):
      expected = np.stack([fake.arrays[f'epoch-{epoch:04d}/{what}'] for fake in fakes])
      np.testing.assert_array_equal(found, expected)
      self.assertEqual(found.dtype, expected.dtype)
    self.assertEqual(shadows.hidden is not None, hidden)
    self.assertEqual(
      shadows.train_accuracy.tolist(), [fake.train_accuracy[epoch] for fake in fakes]
    )
    self.assertEqual(
      shadows.test_accuracy.tolist(), [fake.test_accuracy[epoch] for fake in fakes]
    )
    np.testing.assert_array_equal(shadows.ids, plan.pool.ids)
    np.testing.assert_array_equal(shadows.labels, plan.pool.labels)
    np.testing.assert_array_equal(shadows.population_labels, plan.population.labels)
    np.testing.assert_array_equal(shadows.members, plan.members)
    np.testing.assert_array_equal(shadows.usable, plan.usable)
    self.assertFalse(shadows.usable.all())

  def test_what_is_known_of_a_shadow_comes_back(self):
    self.pretend()
    for model in range(4):
      info = FleetFolder(self.path).info(self.plan, model)
      fake = small_fleets.fake(self.plan, model)
      self.assertEqual((info.model, info.seed), (model, self.plan.seeds[model]))
      self.assertEqual(info.train_accuracy, fake.train_accuracy)
      self.assertEqual(info.test_accuracy, fake.test_accuracy)
      self.assertEqual(info.seconds, fake.seconds)

  def test_part_of_a_fleet_is_a_fleet(self):
    self.pretend()
    few = small_fleets.plan(num_shadows=2)
    shadows = FleetFolder(self.path).load(few, epoch=2)
    small_fleets.assert_same_fleet(shadows, self.load().only(np.arange(2)))

  def test_owner_alone_reads_the_outputs(self):
    old = os.umask(0o022)
    self.addCleanup(os.umask, old)
    self.pretend()
    self.assertEqual(self.path.stat().st_mode & 0o777, 0o700)
    for model in range(4):
      mode = (self.path / f'shadow-{model:04d}.npz').stat().st_mode
      self.assertEqual(mode & 0o777, 0o600)

  def test_nothing_is_pickled(self):
    self.pretend()
    for path in self.path.glob('*.npz'):
      with np.load(path, allow_pickle=False) as file:
        self.assertLen({name: file[name] for name in file.files}, 4)

  def test_check_writes_nothing(self):
    FleetFolder(self.path).check(self.plan)
    self.assertFalse(self.path.exists())


class RefusedTest(small_fleets.FleetTestCase):
  def setUp(self):
    super().setUp()
    self.pretend()
    self.before = small_fleets.contents(self.path)

  def edit(self, change):
    stored = json.loads((self.path / folders.FILE).read_text())
    change(stored)
    (self.path / folders.FILE).write_text(json.dumps(stored))

  def assert_refused(self, plan, *parts):
    """Both by `check` and by `open`, in one line, with nothing written."""
    folder = FleetFolder(self.path)
    errors = []
    with self.assertRaises(UsageError) as caught:
      folder.check(plan)
    errors.append(str(caught.exception))
    with self.assertRaises(UsageError) as caught, folder.open(plan):
      self.fail('opened')
    errors.append(str(caught.exception))
    for error in errors:
      self.assertStartsWith(error, f'--fleet_dir={self.path}: ')
      self.assertRegex(error, 'name another|name an empty')
      self.assertNotIn('\n', error)
      for part in parts:
        self.assertIn(part, error)
    self.assertEqual(small_fleets.contents(self.path), self.before)

  @parameterized.parameters(
    ({'learning_rate': 0.1}, {}, ['learning_rate was 0.001, is 0.1']),
    (
      {'optimizer': 'sgd', 'epochs': 3},
      {},
      ['epochs was 2, is 3', 'optimizer was adam, is sgd'],
    ),
    ({}, {'shadow_seed': 4}, ['shadow_seed was 0, is 4']),
    (
      {},
      {'shadow_split': 'disjoint', 'shadow_train_size': 8},
      ['shadow_split was half, is disjoint', 'shadow_train_size was 24, is 8'],
    ),
    ({'privacy': small_configs.private()}, {}, ['dp was False, is True']),
    ({'model': 'gru'}, {}, ['model was lstm, is gru']),
    ({}, {'of': small_fleets.data(name='mnist')}, ['dataset was digits, is mnist']),
    ({}, {'of': small_fleets.data(50)}, ['pool was ']),
    ({}, {'engine': 'keras'}, ['engine was split, is keras']),
  )
  def test_fleet_made_otherwise_is_refused_by_what_differs(self, config, fleet, parts):
    plan = small_fleets.plan(small_configs.run_config(**config), **fleet)
    self.assert_refused(plan, 'its shadow models were made otherwise', *parts)

  def test_other_target_examples_are_refused_where_shadows_avoid_them(self):
    fleet = {'shadow_split': 'disjoint', 'shadow_train_size': 8}
    self.path = self.path.with_name('disjoint')
    self.pretend(small_fleets.plan(**fleet))
    self.before = small_fleets.contents(self.path)
    other = small_fleets.plan(of=small_fleets.data(seed=1), **fleet)
    self.assert_refused(other, 'made otherwise', 'target was ')

  @parameterized.parameters(*plans.VERSIONED)
  def test_other_version_of_a_package_is_refused(self, name):
    now = self.plan.key['versions'][name]
    self.edit(lambda stored: stored['key']['versions'].update({name: '1'}))
    self.before = small_fleets.contents(self.path)
    self.assert_refused(self.plan, f'{name} was 1, is {now}')

  def test_other_code_is_refused(self):
    now = self.plan.key['code']
    self.edit(lambda stored: stored['key'].update(code='0'))
    self.before = small_fleets.contents(self.path)
    self.assert_refused(self.plan, f'code was 0, is {now}')

  def test_epochs_that_were_not_kept_are_refused(self):
    config = small_configs.run_config(epochs=4)
    self.path = self.path.with_name('other')
    self.pretend(small_fleets.plan(config, epochs=(2, 4)))
    self.before = small_fleets.contents(self.path)
    for asked, missing in (((1, 2, 3, 4), '1, 3'), ((3,), '3')):
      self.assert_refused(
        small_fleets.plan(config, epochs=asked),
        f'kept their outputs of the epochs 2, 4, not of {missing}',
      )

  def test_hidden_states_that_were_not_kept_are_refused(self):
    self.assert_refused(
      small_fleets.plan(hidden=True), 'hidden states', '--attack_features=hidden'
    )

  def test_more_than_is_asked_for_is_fine(self):
    self.path = self.path.with_name('other')
    full = small_fleets.plan(epochs=(1, 2), hidden=True)
    self.pretend(full)
    asked = small_fleets.plan(epochs=(2,), hidden=False, num_shadows=5)
    with FleetFolder(self.path).open(asked) as found:
      self.assertEqual((found.epochs, found.hidden), ((1, 2), True))
      self.assertIs(found.members, asked.members)
    with self.subTest('new shadows keep as much as the old ones'):
      self.assertEqual(self.pretend(asked)[0], [4])
      shadows = FleetFolder(self.path).load(
        small_fleets.plan(hidden=True, num_shadows=5), epoch=1
      )
      self.assertEqual(shadows.hidden.shape[:2], (5, 48))

  @parameterized.parameters(
    b'',
    b'{',
    b'[]',
    b'null',
    b'\xff',
    b'{"format": 1}',
    b'{"format": 1, "key": [], "epochs": [1], "hidden": false}',
    b'{"format": 1, "key": {}, "epochs": 1, "hidden": false}',
    b'{"format": 1, "key": {}, "epochs": ["1"], "hidden": false}',
    b'{"format": 1, "key": {}, "epochs": [1], "hidden": null}',
  )
  def test_damaged_manifest_is_named(self, content):
    (self.path / folders.FILE).write_bytes(content)
    self.before = small_fleets.contents(self.path)
    self.assert_refused(self.plan, 'its fleet.json is damaged (', 'delete this one')

  def test_fleet_of_another_format_is_refused(self):
    self.edit(lambda stored: stored.update(format=2))
    self.before = small_fleets.contents(self.path)
    self.assert_refused(self.plan, 'another version of rnn_tf (format 2)')


class ForeignTest(small_fleets.FleetTestCase):
  def assert_refused(self, part):
    for enter in (FleetFolder(self.path).check, self._enter):
      with self.assertRaisesRegex(UsageError, part) as caught:
        enter(self.plan)
      self.assertStartsWith(str(caught.exception), f'--fleet_dir={self.path}: ')

  def _enter(self, plan):
    with FleetFolder(self.path).open(plan):
      self.fail('opened')

  @parameterized.parameters('thesis.tex', 'shadow-0000.npz', 'tmp')
  def test_folder_of_something_else_is_refused_and_left_alone(self, name):
    self.path.mkdir()
    (self.path / name).write_text('precious')
    self.assert_refused('holds something else than a fleet')
    self.assertEqual([path.name for path in self.path.iterdir()], [name])
    self.assertEqual((self.path / name).read_text(), 'precious')

  def test_file_in_place_of_the_folder_is_refused(self):
    self.path.write_text('precious')
    self.assert_refused('is a file, not a folder')
    self.path = self.path / 'below'
    self.assert_refused('is a file, not a folder')
    self.assertEqual(self.path.parent.read_text(), 'precious')

  def test_folder_without_permission_is_refused(self):
    with absltest.mock.patch.object(os, 'access', return_value=False):
      self.assert_refused(f'no permission to write in {self.path.parent}')

  @parameterized.parameters([[]], [['.lock', '.fleet.json.123.tmp']])
  def test_folder_of_a_process_killed_in_its_first_moments_is_taken(self, names):
    self.path.mkdir()
    for name in names:
      (self.path / name).write_text('')
    FleetFolder(self.path).check(self.plan)
    self.assertEqual(self.pretend()[0], [0, 1, 2, 3])
    self.assertNotIn('.fleet.json.123.tmp', os.listdir(self.path))


class LockTest(small_fleets.FleetTestCase):
  def test_second_use_in_one_process_is_refused(self):
    with FleetFolder(self.path).open(self.plan):
      before = small_fleets.contents(self.path)
      with (
        self.assertRaisesRegex(UsageError, 'another process is training'),
        FleetFolder(self.path).open(self.plan),
      ):
        self.fail('opened')
      self.assertEqual(small_fleets.contents(self.path), before)
    with FleetFolder(self.path).open(self.plan):
      pass

  def test_lock_ends_with_its_process(self):
    self.pretend()
    code = (
      'import fcntl, sys\n'
      'lock = open(sys.argv[1], "w")\n'
      'fcntl.flock(lock, fcntl.LOCK_EX)\n'
      'print("locked", flush=True); sys.stdin.read()'
    )
    other = subprocess.Popen(
      [sys.executable, '-c', code, str(self.path / '.lock')],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )
    self.assertEqual(other.stdout.readline(), b'locked\n')
    with self.assertRaisesRegex(UsageError, f'--fleet_dir={self.path}: another proc'):
      self.pretend()
    # What is there already may be read meanwhile.
    self.load()
    other.kill()
    other.communicate()
    self.assertEqual(self.pretend()[0], [])

  def test_lock_is_given_back_after_an_error(self):
    with self.assertRaises(KeyboardInterrupt), FleetFolder(self.path).open(self.plan):
      raise KeyboardInterrupt
    self.assertEqual(self.pretend()[0], [0, 1, 2, 3])


class DifferencesTest(absltest.TestCase):
  def test_nested_values_are_named_by_their_last_name(self):
    old = {'a': {'b': 1, 'c': 2, 'gone': 0}, 'd': [1], 'e': {'f': 1}}
    new = {'a': {'b': 1, 'c': 3, 'new': 5}, 'd': [2], 'e': None}
    self.assertEqual(
      folders.differences(old, new),
      [
        'c was 2, is 3',
        'gone was 0, is None',
        'new was None, is 5',
        'd was [1], is [2]',
        "e was {'f': 1}, is None",
      ],
    )
    self.assertEqual(folders.differences(old, dict(old)), [])


if __name__ == '__main__':
  absltest.main()
