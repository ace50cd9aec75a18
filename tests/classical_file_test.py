"""Files of classical models: what is written is read, what is not so is refused."""

import json
import pathlib
import zipfile

import numpy as np
import skops.io
from absl.testing import absltest, parameterized
from sklearn.linear_model import LogisticRegression

from rnn_tf import classical, classical_file
from rnn_tf.errors import UsageError
from rnn_tf.model_config import CLASSICAL, ModelConfig

_CLASSES = 3
_SHAPE = (4, 3, 1)
_CONFIGS = {
  'decision_tree': ModelConfig(model='decision_tree'),
  'random_forest': ModelConfig(model='random_forest', num_trees=4),
  'kmeans': ModelConfig(model='kmeans', num_clusters=5),
}


def _images(seed=0):
  return np.random.default_rng(seed).random((60, *_SHAPE), np.float32)


def _model(name):
  labels = np.random.default_rng(1).integers(0, _CLASSES, 60)
  return classical.fit(_CONFIGS[name], _images(), labels, class_count=_CLASSES, seed=0)


class FileTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir().full_path) / 'final.skops'

  def write(self, name, **changes):
    """Writes a model's file, of which some of the content is changed."""
    model = _model(name)
    content = {
      'format': classical_file.FORMAT,
      'model': name,
      'class_count': _CLASSES,
      'estimator': model.estimator,
      'shares': model.shares,
    }
    skops.io.dump({**content, **changes}, self.path)

  def load(self, name, **values):
    config = values.pop('config', _CONFIGS[name])
    given = {'image_shape': _SHAPE, 'class_count': _CLASSES, **values}
    return classical_file.load(self.path, config, **given)

  def assert_refused(self, name, *parts, **values):
    with self.assertRaises(UsageError) as caught:
      self.load(name, **values)
    text = str(caught.exception)
    self.assertStartsWith(text, f'{self.path}: ')
    self.assertIn('--overwrite', text)
    self.assertNotIn('\n', text)
    for part in parts:
      self.assertIn(part, text)

  @parameterized.parameters(*CLASSICAL)
  def test_what_is_written_is_read(self, name):
    model = _model(name)
    self.path.write_bytes(classical_file.dump(model))
    found = self.load(name, threads=2)
    others = _images(seed=2)
    np.testing.assert_array_equal(found.logits(others), model.logits(others))
    self.assertEqual(found.parameters, model.parameters)

  @parameterized.parameters(*CLASSICAL)
  def test_nothing_but_the_listed_types_is_to_be_trusted(self, name):
    content = classical_file.dump(_model(name))
    self.assertEqual(
      skops.io.get_untrusted_types(data=content), list(classical_file.TRUSTED[name])
    )

  def test_file_that_is_not_there_is_refused(self):
    self.assert_refused('kmeans', 'no such file: train the run to its end')

  @parameterized.parameters(*CLASSICAL)
  def test_damaged_file_is_refused(self, name):
    whole = classical_file.dump(_model(name))
    middle = len(whole) // 2
    for content in (
      b'',
      b'no zip',
      whole[:middle],
      whole[:middle] + bytes(20) + whole[middle + 20 :],
    ):
      self.path.write_bytes(content)
      self.assert_refused(name, 'damaged')

  def test_type_that_nobody_trusts_is_refused(self):
    self.write('kmeans', shares=pathlib.PurePosixPath('/etc'))
    self.assert_refused('kmeans', 'Untrusted types found', 'PurePosixPath')

  def test_code_that_a_file_names_is_refused_and_not_run(self):
    self.write('kmeans')
    target = self.path.with_name('was_run')
    with zipfile.ZipFile(self.path) as file:
      members = {name: file.read(name) for name in file.namelist()}
    schema = json.loads(members['schema.json'])
    schema['content']['shares'] = {
      '__class__': 'Popen',
      '__module__': 'subprocess',
      '__loader__': 'ObjectNode',
      '__id__': 1,
      'content': {
        '__class__': 'str',
        '__module__': 'builtins',
        '__loader__': 'JsonNode',
        '__id__': 2,
        'content': json.dumps(f'touch {target}'),
        'is_json': True,
      },
    }
    members['schema.json'] = json.dumps(schema).encode()
    with zipfile.ZipFile(self.path, 'w') as file:
      for name, content in members.items():
        file.writestr(name, content)
    self.assert_refused('kmeans', 'Untrusted types found', 'subprocess.Popen')
    self.assertFalse(target.exists())

  @parameterized.parameters(
    ({'format': 2}, 'format is 2, not 1'),
    ({'model': 'kmeans'}, "model is 'kmeans', not 'decision_tree'"),
    ({'class_count': 4}, 'class_count is 4, not 3'),
    ({'estimator': LogisticRegression()}, 'a LogisticRegression, not a DecisionTree'),
    ({'more': 1}, 'not class_count, estimator'),
  )
  def test_strange_content_is_refused(self, changes, part):
    self.write('decision_tree', **changes)
    self.assert_refused('decision_tree', part)

  @parameterized.parameters([()], [{'a': 1}], 3)
  def test_file_of_something_else_is_refused(self, content):
    skops.io.dump(content, self.path)
    self.assert_refused('kmeans', 'not class_count, estimator')

  @parameterized.parameters(
    ('decision_tree', {'image_shape': (4, 4, 1)}, 'a tree of'),
    ('random_forest', {'image_shape': (2, 3, 1)}, 'a tree of'),
    ('kmeans', {'image_shape': (4, 4, 1)}, 'centres are not (5, 16) finite numbers'),
    ('decision_tree', {'class_count': 2}, 'class_count is 3, not 2'),
    (
      'random_forest',
      {'config': ModelConfig(model='random_forest', num_trees=5)},
      '4 trees, not 5',
    ),
    (
      'kmeans',
      {'config': ModelConfig(model='kmeans', num_clusters=6)},
      'centres are not (6, 12)',
    ),
  )
  def test_model_of_another_run_is_refused(self, name, values, part):
    self.write(name)
    self.assert_refused(name, part, **values)

  @parameterized.parameters(
    ('left_child', 0, 10**6),
    ('left_child', 0, 0),
    ('right_child', 0, -7),
    ('feature', 0, 12),
    ('feature', 0, -1),
  )
  def test_tree_whose_indices_lead_out_of_it_is_refused(self, field, node, value):
    estimator = _model('decision_tree').estimator
    # A view of the nodes themselves.
    estimator.tree_.__getstate__()['nodes'][field][node] = value
    self.write('decision_tree', estimator=estimator)
    self.assert_refused('decision_tree', 'a tree whose nodes are not in it')

  def test_tree_that_claims_more_nodes_than_it_has_is_refused(self):
    self.write('decision_tree')
    content = skops.io.load(self.path, trusted=classical_file.TRUSTED['decision_tree'])
    tree = content['estimator'].tree_
    count, tree.node_count = tree.node_count, tree.node_count + 1000
    # scikit-learn itself cuts a file's number down to the nodes that are there.
    with absltest.mock.patch.object(skops.io, 'loads', return_value=content):
      self.assert_refused('decision_tree', f'a tree of {count + 1000} nodes')

  def test_tree_whose_shares_are_none_is_refused(self):
    estimator = _model('decision_tree').estimator
    estimator.tree_.value[0, 0, 0] = 2
    self.write('decision_tree', estimator=estimator)
    self.assert_refused('decision_tree', 'shares are no shares')

  def test_centres_and_shares_that_are_no_numbers_are_refused(self):
    shares = _model('kmeans').shares.copy()
    shares[0, 0] = np.nan
    self.write('kmeans', shares=shares)
    self.assert_refused('kmeans', 'shares are not (5, 3) finite numbers')
    self.write('kmeans', shares=np.ones((5, 3)))
    self.assert_refused('kmeans', 'do not add up to 1')


if __name__ == '__main__':
  absltest.main()
