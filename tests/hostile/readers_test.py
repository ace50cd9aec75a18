"""Whoever reads a file is listed, and nothing that is read can run."""

import ast

from absl.testing import absltest, parameterized

from tests.hostile import kinds, readers, source

# What turns a file's content into objects of any type, or runs it.
_MODULES = frozenset(
  (
    *('pickle', 'cPickle', '_pickle', 'dill', 'cloudpickle', 'marshal', 'shelve'),
    *('yaml', 'ruamel', 'jsonpickle', 'pandas.io.pickle', 'imp', 'code', 'runpy'),
    *('tomllib', 'configparser', 'xml', 'lxml', 'joblib.numpy_pickle'),
  )
)
_CALLS = frozenset(
  (
    *('eval', 'exec', 'compile', '__import__', 'joblib.load', 'torch.load'),
    *('keras.models.load_model', 'tf.keras.models.load_model', 'load_model'),
    *('model_from_json', 'model_from_yaml', 'pd.read_pickle', 'pandas.read_pickle'),
    *('tf.saved_model.load', 'skops.io.load', 'os.system', 'os.popen'),
    *('deserialize', 'enable_unsafe_deserialization', 'unsafe_load'),
  )
)
_TRUSTED = {
  'decision_tree': ('sklearn.tree._tree.Tree',),
  'random_forest': ('sklearn.tree._tree.Tree',),
  'kmeans': (),
}


class ListedTest(absltest.TestCase):
  def test_every_place_that_reads_a_file_is_listed(self):
    found = {place: sorted(names) for place, names in source.readers().items()}
    listed = {place for places in readers.READERS.values() for place in places}
    listed |= set(readers.ELSEWHERE)
    new = {place: names for place, names in found.items() if place not in listed}
    self.assertEqual(
      new, {}, 'say in tests/hostile/readers.py what kind of file these read'
    )
    self.assertEqual(listed - set(found), set(), 'these do not read files any more')

  def test_every_kind_has_samples_and_readers(self):
    self.assertEqual({kind.name for kind in kinds.KINDS}, set(readers.READERS))

  def test_what_reads_is_found_in_source(self):
    text = (
      'def one():\n  return np.load(x)\n'
      'class Two:\n  def three(self):\n    with open(x) as file:\n      pass\n'
      'open(x, "wb")\n'
    )
    found = [
      inside for inside, call in source.calls(ast.parse(text)) if source.reads(call)
    ]
    self.assertEqual(found, ['one', 'Two.three'])


class NothingRunsTest(parameterized.TestCase):
  def test_nothing_is_imported_that_unpickles(self):
    found = []
    for module, tree in source.modules():
      for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
          names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
          names = [node.module or '', *(f'{node.module}.{x.name}' for x in node.names)]
        bad = [n for n in names if n in _MODULES or n.split('.')[0] in _MODULES]
        found += [f'{module} imports {name}' for name in bad]
    self.assertEqual(found, [])

  def test_nothing_is_called_that_runs_what_a_file_holds(self):
    found = []
    for module, tree in source.modules():
      for _, call in source.calls(tree):
        name = source.called(call)
        # re.compile and model.compile are of another kind.
        if name in _CALLS or name.split('.')[-1] in _CALLS - {'compile'}:
          found.append(f'{module} calls {name}')
    self.assertEqual(found, [])

  def test_every_npz_is_read_without_pickles(self):
    found = []
    for module, tree in source.modules():
      for _, call in source.calls(tree):
        words = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if words.get('allow_pickle', 'False') != 'False':
          found.append(f'{module}: allow_pickle={words["allow_pickle"]}')
        if source.called(call) == 'np.load' and 'allow_pickle' not in words:
          found.append(f'{module}: np.load without allow_pickle=False')
    self.assertEqual(found, [])

  def test_skops_is_told_to_trust_a_fixed_list_of_types(self):
    from rnn_tf import classical_file

    self.assertEqual(classical_file.TRUSTED, _TRUSTED)
    found = {
      (module, ast.unparse(keyword.value))
      for module, tree in source.modules()
      for _, call in source.calls(tree)
      for keyword in call.keywords
      if keyword.arg == 'trusted'
    }
    expected = {('rnn_tf.classical_file', 'list(TRUSTED[config.model])')}
    self.assertEqual(found, expected)


if __name__ == '__main__':
  absltest.main()
