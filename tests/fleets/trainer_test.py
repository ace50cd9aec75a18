"""One shadow model, trained for real on a few random images."""

import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import engines, models
from rnn_tf import training as target_training
from rnn_tf.errors import UsageError
from rnn_tf.fleets import trainer
from rnn_tf.stack import keras, tf
from tests import small_configs
from tests.fleets import small_fleets


def _examples(plan):
  return trainer.Examples(
    inputs=models.inputs(plan.config.model, plan.pool.images),
    labels=plan.pool.labels,
    population_inputs=models.inputs(plan.config.model, plan.population.images),
    population_labels=plan.population.labels,
    image_shape=plan.pool.images.shape[1:],
    class_count=plan.class_count,
  )


def _task(plan, model=0, **values):
  task = trainer.Task(
    model=model,
    config=plan.shadow_config(model),
    rows=np.flatnonzero(plan.members[model]),
    epochs=plan.epochs,
    hidden=plan.hidden,
    engine=plan.engine,
    parts=1,
  )
  return dataclasses.replace(task, **values)


def _train(plan, model=0, **values):
  return trainer.train(_task(plan, model, **values), _examples(plan))


def _by_hand(plan, model):
  """Trains a shadow batch by batch; returns its logits of the pool, epoch by epoch."""
  config, task, shared = plan.shadow_config(model), _task(plan, model), _examples(plan)
  seed, count = config.training.seed, len(task.rows)
  keras.utils.set_random_seed(seed)
  network = models.build(
    config.model, image_shape=shared.image_shape, num_classes=shared.class_count
  )
  target_training.compile_model(network, config.training, examples=count)
  found = []
  for epoch in range(config.training.epochs):
    order = tf.random.experimental.stateless_shuffle(
      tf.range(count, dtype=tf.int64), seed=[seed, epoch]
    )
    rows = task.rows[order.numpy()]
    for start in range(0, count, config.training.batch_size):
      batch = rows[start : start + config.training.batch_size]
      network.train_on_batch(shared.inputs[batch], shared.labels[batch])
    found.append(network(shared.inputs).numpy())
  return found


class TrainTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.plan = small_fleets.plan(small_configs.run_config(learning_rate=0.02))

  @parameterized.parameters('keras', 'split')
  def test_shadow_is_trained_as_its_config_says(self, engine):
    trained = _train(self.plan, 3, engine=engine)
    for epoch, logits in enumerate(_by_hand(self.plan, 3), start=1):
      found = trained.arrays[f'epoch-{epoch:04d}/pool']
      np.testing.assert_allclose(found, logits, atol=1e-5)
    self.assertGreater(np.abs(found - trained.arrays['epoch-0001/pool']).max(), 1e-3)

  def test_outputs_are_those_of_the_epochs_that_are_due(self):
    config = small_configs.run_config(epochs=3, learning_rate=0.02)
    plan = small_fleets.plan(config, epochs=(1, 3), hidden=True)
    trained = _train(plan)
    n, z = len(plan.pool), len(plan.population)
    shapes = {name: (v.shape, v.dtype.name) for name, v in trained.arrays.items()}
    expected = {}
    for epoch in (1, 3):
      expected[f'epoch-000{epoch}/pool'] = ((n, 3), 'float32')
      expected[f'epoch-000{epoch}/population'] = ((z, 3), 'float32')
      expected[f'epoch-000{epoch}/hidden'] = ((n, 4), 'float16')
    self.assertEqual(shapes, expected)
    self.assertEqual(set(trained.train_accuracy), {1, 3})
    self.assertEqual(set(trained.test_accuracy), {1, 3})
    self.assertGreater(trained.seconds, 0)
    for epoch in (1, 3):
      right = [
        row.argmax() == label
        for row, label, own in zip(
          trained.arrays[f'epoch-000{epoch}/pool'],
          plan.pool.labels,
          plan.members[0],
          strict=True,
        )
        if own
      ]
      self.assertEqual(trained.train_accuracy[epoch], np.mean(right))
      population = trained.arrays[f'epoch-000{epoch}/population']
      right = population.argmax(axis=1) == plan.population.labels
      self.assertEqual(trained.test_accuracy[epoch], right.mean())
      self.assert_below_the_logits(
        trained.arrays[f'epoch-000{epoch}/hidden'],
        trained.arrays[f'epoch-000{epoch}/pool'],
      )

  def assert_below_the_logits(self, hidden, logits):
    """Whether some dense layer makes the logits of the hidden states."""
    columns = np.column_stack([hidden.astype(np.float64), np.ones(len(hidden))])
    solved, *_ = np.linalg.lstsq(columns, logits, rcond=None)
    np.testing.assert_allclose(columns @ solved, logits, atol=2e-3)

  def test_task_decides_every_bit_by_its_seed_and_its_examples(self):
    one = _train(self.plan).arrays
    for name, values in _train(self.plan).arrays.items():
      np.testing.assert_array_equal(one[name], values)
    other_seed = _train(self.plan, config=self.plan.shadow_config(1))
    other_rows = _train(self.plan, rows=_task(self.plan, 1).rows)
    for other in (other_seed, other_rows):
      difference = other.arrays['epoch-0002/pool'] - one['epoch-0002/pool']
      self.assertGreater(np.abs(difference).max(), 1e-3)


class PrivateTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.config = small_configs.run_config(privacy=small_configs.private())

  def _train(self, config, **values):
    plan = small_fleets.plan(config, engine=engines.choose(config))
    return _train(plan, **values).arrays['epoch-0002/pool']

  def test_shadow_of_a_private_target_is_trained_with_its_noise(self):
    private = self._train(self.config)
    plain = self._train(small_configs.run_config())
    self.assertGreater(np.abs(private - plain).max(), 1e-3)
    np.testing.assert_array_equal(self._train(self.config), private)

  def test_engine_is_given_the_guarantee_of_the_shadows_own_size(self):
    seen = []
    install = engines.install

    def watched(model, config, **values):
      seen.append((config, values))
      install(model, config, **values)

    with absltest.mock.patch.object(engines, 'install', watched):
      self._train(self.config, model=2)
    ((config, values),) = seen
    self.assertEqual(values['engine'], 'exact')
    promise = values['guarantee']
    self.assertEqual(promise.noise_multiplier, 1.0)
    self.assertEqual(promise.l2_norm_clip, 1.0)
    self.assertEqual(promise.sampling_probability, 8 / 24)
    self.assertEqual(promise.engine, 'exact')
    self.assertIsNotNone(values['keys'])
    plan = small_fleets.plan(self.config, engine='exact')
    self.assertEqual(config.training.seed, plan.seeds[2])

  def test_noise_is_as_large_as_the_guarantee_says(self):
    # One step of plain descent, of gradients clipped to next to nothing: the noise.
    rate, clip, noise = 3.0, 1e-4, 1e4
    config = small_configs.run_config(
      privacy=small_configs.private(dp_noise_multiplier=noise, dp_l2_norm_clip=clip),
      optimizer='sgd',
      learning_rate=rate,
      epochs=1,
      batch_size=24,
    )
    plan = small_fleets.plan(config, epochs=(1,), engine='exact')
    before, after = [], []
    build = engines.build

    def watched(*args, **values):
      model = build(*args, **values)
      before.extend(weight.copy() for weight in model.get_weights())
      after.append(model)
      return model

    with absltest.mock.patch.object(engines, 'build', watched):
      _train(plan)
    steps = np.concatenate(
      [
        (new - old).ravel()
        for old, new in zip(before, after[0].get_weights(), strict=True)
      ]
    )
    expected = rate * clip * noise / 24
    spread = expected / np.sqrt(2 * len(steps))
    self.assertAlmostEqual(steps.std(), expected, delta=5 * spread)


class KeeperTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.plan = small_fleets.plan()
    self.keeper = trainer.Keeper(
      7, rows=np.arange(4), epochs=(2,), examples=_examples(self.plan)
    )

  def test_epoch_that_is_not_due_is_not_predicted(self):
    self.keeper.keep(1, lambda inputs: self.fail('predicted'))
    self.assertEmpty(self.keeper.trained(1.0).arrays)

  @parameterized.parameters('pool', 'population', 'hidden')
  def test_shadow_that_diverged_is_named(self, where):
    def predict(inputs):
      of_pool = len(inputs) == len(self.plan.pool)
      logits = np.zeros((len(inputs), 3), np.float32)
      hidden = np.zeros((len(inputs), 4), np.float16)
      if of_pool == (where != 'population'):
        (hidden if where == 'hidden' else logits)[-1, 0] = np.inf
      return logits, hidden

    with self.assertRaisesRegex(
      UsageError, 'shadow model 7 has diverged by epoch 2: .*--learning_rate'
    ):
      self.keeper.keep(2, predict)

  def test_diverging_training_ends_in_one_line(self):
    config = small_configs.run_config('mlp', optimizer='sgd', learning_rate=1e30)
    with self.assertRaisesRegex(UsageError, 'shadow model 0 has diverged'):
      _train(small_fleets.plan(config, engine='keras'))


if __name__ == '__main__':
  absltest.main()
