"""What a model may be; of networks see also config_test."""

from absl.testing import absltest, parameterized

from rnn_tf.config import from_json, to_json
from rnn_tf.errors import UsageError
from rnn_tf.model_config import CLASSICAL, MODEL_FIELDS, NETWORKS, ModelConfig

_OF_NETWORKS = (
  'sequence',
  'hidden_size',
  'num_layers',
  'bidirectional',
  'clockwork_periods',
  'num_conv',
)
_OF_CLASSICAL = ('max_depth', 'min_samples_leaf', 'num_trees', 'num_clusters')


class ModelConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    ({'model': 'decision_tree', 'max_depth': 0}, '--max_depth=0: must be at least 1'),
    ({'model': 'decision_tree', 'min_samples_leaf': 0}, '--min_samples_leaf=0'),
    ({'model': 'random_forest', 'num_trees': 0}, '--num_trees=0: must be at least 1'),
    ({'model': 'kmeans', 'num_clusters': 0}, '--num_clusters=0: must be at least 1'),
    ({'model': 'decision_treee'}, 'did you mean decision_tree'),
    (
      {'model': 'lstm', 'num_trees': 7},
      '--num_trees=7: has no effect with --model=lstm, which takes --sequence, '
      '--hidden_size, --num_layers, --bidirectional: leave it out',
    ),
    (
      {'model': 'kmeans', 'hidden_size': 4},
      '--hidden_size=4: has no effect with --model=kmeans, which takes --num_clusters',
    ),
  )
  def test_bad_value_is_refused_by_name(self, values, part):
    with self.assertRaises(UsageError) as caught:
      ModelConfig(**values)
    self.assertIn(part, str(caught.exception))
    self.assertNotIn('\n', str(caught.exception))

  @parameterized.parameters(
    ({'model': 'decision_tree'}, 'decision_tree'),
    (
      {'model': 'decision_tree', 'max_depth': 5, 'min_samples_leaf': 2},
      'decision_tree-d5-l2',
    ),
    ({'model': 'random_forest'}, 'random_forest'),
    ({'model': 'random_forest', 'num_trees': 50}, 'random_forest-t50'),
    ({'model': 'kmeans', 'num_clusters': 20}, 'kmeans-k20'),
  )
  def test_label_tells_variants_apart(self, values, label):
    self.assertEqual(ModelConfig(**values).label(), label)

  def test_every_model_is_of_one_kind(self):
    self.assertEqual([*NETWORKS, *CLASSICAL], list(MODEL_FIELDS))
    for model in MODEL_FIELDS:
      self.assertEqual(ModelConfig(model=model).classical, model in CLASSICAL)

  @parameterized.parameters(*NETWORKS)
  def test_what_is_stored_of_a_network_knows_no_classical_models(self, model):
    stored = to_json(ModelConfig(model=model))
    self.assertEqual(tuple(stored), ('model', *_OF_NETWORKS))

  @parameterized.parameters(*CLASSICAL)
  def test_what_is_stored_of_a_classical_model_comes_back(self, model):
    name = CLASSICAL[model][0]
    config = ModelConfig(model=model, **{name: 3})
    stored = to_json(config)
    self.assertEqual(tuple(stored), ('model', *_OF_CLASSICAL))
    self.assertEqual(from_json(ModelConfig, stored), config)


if __name__ == '__main__':
  absltest.main()
