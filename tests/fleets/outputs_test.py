"""Outputs that are read model by model, and attacks that need no more of them."""

import dataclasses
import pathlib
import tracemalloc

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.attack_config import FLEET_ATTACKS, AttackConfig
from rnn_tf.attacks import audit, exposure, null_check
from rnn_tf.attacks.scores import logit_gap, true_class_probability
from rnn_tf.errors import UsageError
from rnn_tf.fleets.outputs import StoredArray, StoredOutputs
from tests.attacks import planted_fleet


def stored(folder, values):
  """Returns values (models, ...) in files, as a fleet keeps them."""
  arrays = []
  for model, each in enumerate(values):
    path = pathlib.Path(folder) / f'{values.dtype}-{model}.npz'
    np.savez(path, **{'before': np.arange(model), 'epoch-0001/pool': each})
    arrays.append(StoredArray.find(path, 'epoch-0001/pool'))
  return StoredOutputs(arrays)


def on_disk(folder, shadows):
  """Returns the same fleet with its outputs in files."""
  fields = ('logits', 'hidden', 'population_logits')
  made = {}
  for name in fields:
    place = pathlib.Path(folder) / name
    place.mkdir()
    made[name] = stored(place, getattr(shadows, name))
  return dataclasses.replace(shadows, **made)


class OutputsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.create_tempdir().full_path
    rng = np.random.default_rng(0)
    self.values = rng.normal(size=(5, 7, 3)).astype(np.float32)
    self.outputs = stored(self.folder, self.values)

  def assert_equal(self, found, expected):
    self.assertEqual((found.shape, found.dtype), (expected.shape, expected.dtype))
    self.assertEqual((found.ndim, len(found)), (expected.ndim, len(expected)))
    np.testing.assert_array_equal(np.asarray(found), expected)

  @parameterized.parameters(np.float16, np.float32)
  def test_all_of_them_are_the_array(self, kind):
    values = self.values.astype(kind)
    self.assert_equal(stored(self.folder, values), values)

  @parameterized.parameters(0, 4, -1, np.int64(3))
  def test_model_is_an_array_that_nobody_changes(self, model):
    found = self.outputs[model]
    self.assertIs(type(found), np.ndarray)
    self.assert_equal(found, self.values[model])
    with self.assertRaises(ValueError):
      found[0] = 0

  @parameterized.parameters(
    [slice(1, 4)], [np.arange(5) != 2], [[4, 0]], [np.array([3])], [range(2)]
  )
  def test_some_models_are_not_read(self, which):
    found = self.outputs[which]
    self.assertIsInstance(found, StoredOutputs)
    self.assert_equal(found, self.values[which])

  def test_rows_of_models_are_an_array(self):
    rows = np.array([6, 0, 6])
    for which in (slice(None), np.array([3, 1])):
      self.assert_equal(self.outputs[which, rows], self.values[which][:, rows])

  def test_every_model_is_looked_at_in_turn(self):
    for found, expected in zip(self.outputs, self.values, strict=True):
      np.testing.assert_array_equal(found, expected)
    with self.assertRaises(IndexError):
      self.outputs[5]

  def test_what_is_not_as_it_is_in_memory_is_refused(self):
    path = pathlib.Path(self.folder) / 'other.npz'
    for save, value, message in (
      (np.savez_compressed, self.values[0], 'row by row'),
      (np.savez, np.asfortranarray(self.values[0]), 'row by row'),
      (np.savez, np.arange(3), 'row by row'),
      (np.savez, np.array([{}]), 'allow_pickle=False'),
    ):
      save(path, pool=value)
      with self.assertRaisesRegex(ValueError, f'pool: .*{message}'):
        StoredArray.find(path, 'pool')

  def test_file_that_is_gone_is_named(self):
    pathlib.Path(self.folder, 'float32-3.npz').unlink()
    with self.assertRaisesRegex(UsageError, r'float32-3\.npz: cannot be read any more'):
      self.outputs[3]


class AttackTest(parameterized.TestCase):
  def attack(self, signals, shadows):
    config = AttackConfig(attack_features=('posteriors', 'hidden'), attack_epochs=3)
    settings = {'config': config, 'class_count': 2, 'seed': 1}
    attacks = ('threshold', 'entropy', *FLEET_ATTACKS)
    found = audit.ask_fleet(signals, attacks, shadows, **settings)
    checks = null_check.checks(
      ('lira', 'rmia'), signals, shadows, nonmembers='holdout', **settings
    )
    scores = found.attacks['lira'].target
    exposed = exposure.most_exposed(scores, signals, count=5, shadows=shadows)
    arrays = {name: made.target for name, made in found.attacks.items()}
    return arrays, (found.thresholds, checks, exposed)

  def test_files_and_arrays_give_the_same_bits(self):
    signals, shadows = planted_fleet.make(2, num_shadows=6)
    folder = self.create_tempdir().full_path
    one, rest = self.attack(signals, shadows)
    two, others = self.attack(signals, on_disk(folder, shadows))
    self.assertEqual(rest, others)
    self.assertEqual(list(one), list(FLEET_ATTACKS))
    for name, expected in one.items():
      np.testing.assert_array_equal(two[name].members, expected.members)
      np.testing.assert_array_equal(two[name].nonmembers, expected.nonmembers)

  def test_part_of_a_fleet_keeps_what_is_computed(self):
    _, shadows = planted_fleet.make(3)
    which = np.array([True, False, True, True])
    fresh = shadows.only(which)
    self.assertNotIn('gaps', vars(fresh))
    expected = logit_gap(shadows.logits, shadows.labels)
    np.testing.assert_array_equal(shadows.gaps, expected)
    kept = shadows.only(which)
    np.testing.assert_array_equal(vars(kept)['gaps'], expected[which])
    np.testing.assert_array_equal(fresh.gaps, kept.gaps)
    np.testing.assert_array_equal(
      kept.population_gaps,
      logit_gap(kept.population_logits, kept.population_labels),
    )

  @parameterized.parameters(logit_gap, true_class_probability)
  def test_formulas_read_model_by_model(self, formula):
    _, shadows = planted_fleet.make(4, classes=5)
    outputs = stored(self.create_tempdir().full_path, shadows.logits)
    expected = [formula(logits, shadows.labels) for logits in shadows.logits]
    np.testing.assert_array_equal(formula(outputs, shadows.labels), expected)

  @parameterized.parameters('lira', 'rmia', 'threshold')
  def test_memory_does_not_grow_with_classes_or_all_logits(self, name):
    peaks = {}
    for classes in (5, 80):
      signals, shadows = planted_fleet.make(
        5, num_shadows=16, pool=6000, population=300, classes=classes
      )
      shadows = on_disk(self.create_tempdir().full_path, shadows)
      whole = 16 * 6300 * classes * 4
      settings = {'config': AttackConfig(), 'class_count': classes, 'seed': 0}
      # What is kept of the target's outputs is not the shadows'.
      audit.ask_fleet(signals, (name,), shadows.only(slice(16)), **settings)
      tracemalloc.start()
      audit.ask_fleet(signals, (name,), shadows, **settings)
      peaks[classes] = tracemalloc.get_traced_memory()[1]
      tracemalloc.stop()
    self.assertLess(peaks[80], whole / 3)
    # A block of `scores`, or a chunk, however many classes there are.
    self.assertLess(peaks[80] - peaks[5], 2**22)


if __name__ == '__main__':
  absltest.main()
