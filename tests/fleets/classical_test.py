"""Shadow models that are fitted: the same each time, named by what makes them."""

import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import classical, engines
from rnn_tf.attack_config import FleetConfig
from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
from rnn_tf.errors import UsageError
from rnn_tf.fleets import fleet as fleets
from rnn_tf.fleets import plan as plans
from rnn_tf.fleets import training
from rnn_tf.options.cluster import ClusterOptions
from rnn_tf.options.fleet import FleetOptions
from tests import small_configs
from tests.fleets import small_fleets

_SMALL = {
  'decision_tree': {},
  'random_forest': {'num_trees': 5},
  'kmeans': {'num_clusters': 6},
}


def _config(model='decision_tree', *, seed=0, **values):
  return RunConfig(
    model=ModelConfig(model=model, **{**_SMALL[model], **values}),
    training=TrainingConfig(epochs=1, seed=seed),
  )


def _plan(config=None, *, num_shadows=4, of=None, split='half'):
  return plans.plan(
    config or _config(),
    FleetConfig(num_shadows=num_shadows, shadow_split=split),
    data=of or small_fleets.data(),
    epochs=(1,),
    hidden=False,
    engine=classical.ENGINE,
  )


class ClassicalFleetTest(small_fleets.FleetTestCase):
  @parameterized.parameters(*_SMALL)
  def test_shadows_are_fitted_to_their_own_examples(self, model):
    plan = _plan(_config(model))
    self.train(plan)
    shadows = self.load(plan, epoch=1)
    for number, own in enumerate(plan.members):
      expected = classical.fit(
        plan.config.model,
        plan.pool.images[own],
        plan.pool.labels[own],
        class_count=small_fleets.CLASSES,
        seed=plan.seeds[number],
      )
      np.testing.assert_array_equal(
        shadows.logits[number], expected.logits(plan.pool.images)
      )
      np.testing.assert_array_equal(
        shadows.population_logits[number], expected.logits(plan.population.images)
      )
    self.assertIsNone(shadows.hidden)

  def test_all_ways_fit_the_same_shadows(self):
    def here(work, tasks, shared, **_):
      return (work(task, shared) for task in tasks)

    plan = _plan(_config('random_forest'), num_shadows=2)
    self.train(plan, self.folder / 'sequential', 'sequential')
    with absltest.mock.patch.object(training.workers, 'side_by_side', here):
      self.train(plan, self.folder / 'processes', 'processes')
    small_fleets.assert_same_fleet(
      *(self.load(plan, self.folder / way, 1) for way in ('sequential', 'processes'))
    )

  def test_larger_fleet_fits_only_what_is_new(self):
    self.train(_plan(num_shadows=2))
    before = small_fleets.contents(self.path)
    _, lines = self.train(_plan(num_shadows=4))
    self.assertStartsWith(lines[0], 'training 2 of 4 shadow models')
    after = small_fleets.contents(self.path)
    self.assertEqual({name: after[name] for name in before}, before)

  def test_no_estimate_is_made_of_a_part_of_the_examples(self):
    plan = _plan(num_shadows=2)
    where = ClusterOptions(strategy='sequential')
    options = FleetOptions(cluster=where, fleet_dir=str(self.path))
    with small_fleets.logged() as lines:
      fleets.prepare(plan, fleets.folder_of(plan, options), where=where)
    self.assertLen(lines, 3)
    self.assertEmpty([line for line in lines if line.startswith('estimate')])

  def test_more_clusters_than_a_shadow_has_examples_are_refused(self):
    with self.assertRaisesRegex(
      UsageError, '--num_clusters=25: more than the 24 training examples of a shadow'
    ):
      _plan(_config('kmeans', num_clusters=25))
    _plan(_config('kmeans', num_clusters=24))

  def test_few_examples_are_enough_without_batches(self):
    plan = _plan(of=small_fleets.data(20))
    self.assertLess(plan.train_size, plan.config.training.batch_size)


class ChooseTest(parameterized.TestCase):
  @parameterized.parameters(
    ('auto', False, 'processes'),
    ('auto', True, 'processes'),
    ('sequential', True, 'sequential'),
    ('processes', False, 'processes'),
  )
  def test_a_gpu_changes_nothing(self, strategy, gpu, name):
    with (
      absltest.mock.patch.object(engines, 'on_gpu', return_value=gpu),
      absltest.mock.patch.object(engines, 'cores', return_value=2),
    ):
      self.assertEqual(training.choose(strategy, _plan(), count=4), name)

  def test_stacked_is_refused_with_the_way_out(self):
    with self.assertRaises(UsageError) as caught:
      training.choose('stacked', _plan(), count=4)
    self.assertEqual(
      str(caught.exception),
      '--fleet=stacked: --model=decision_tree: only networks can be stacked: give '
      '--fleet=processes, or --fleet=sequential',
    )


class KeyTest(parameterized.TestCase):
  def test_what_decides_a_shadow_is_in_the_key(self):
    keys = [
      _plan(config).key
      for config in (
        _config(),
        _config(max_depth=3),
        _config(min_samples_leaf=2),
        _config('random_forest'),
        _config('random_forest', num_trees=6),
        _config('kmeans'),
        _config('kmeans', num_clusters=7),
      )
    ]
    for number, key in enumerate(keys):
      self.assertNotIn(key, keys[:number])

  def test_target_of_another_seed_has_the_same_shadows(self):
    one, other = _plan(_config(seed=1)), _plan(_config(seed=2))
    self.assertEqual((one.key, one.name()), (other.key, other.name()))
    self.assertRegex(one.name(), '^digits-decision_tree-half-[0-9a-f]{8}$')

  def test_key_names_scikit_learn_and_no_network_code(self):
    key = _plan().key
    self.assertEqual(set(key['versions']), {'scikit-learn', 'numpy'})
    self.assertEqual(key['engine'], 'sklearn')
    self.assertEqual(key['code'], plans.code_checksum(classic=True))
    self.assertNotEqual(key['code'], small_fleets.code())
    self.assertNotIn('hidden_size', key['model'])

  def test_key_of_a_network_knows_no_classical_models(self):
    key = small_fleets.plan(small_configs.run_config()).key
    self.assertNotIn('scikit-learn', key['versions'])
    for name in ('max_depth', 'min_samples_leaf', 'num_trees', 'num_clusters'):
      self.assertNotIn(name, key['model'])

  def test_key_survives_more_shadows_and_other_uses(self):
    config = dataclasses.replace(_config(), fleet=FleetConfig(num_shadows=6))
    self.assertEqual(_plan(config, num_shadows=8).key, _plan().key)


if __name__ == '__main__':
  absltest.main()
