"""Damaged and forged files: one line, never a traceback, a hang, a write or a run."""

import contextlib
import dataclasses
import os
import pathlib
import pickle
import tracemalloc
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_tf import config, untrusted
from rnn_tf.attacks import result_lines
from rnn_tf.errors import UsageError
from rnn_tf.page import figures
from rnn_tf.run_files import RunFiles
from tests import fake_attacks
from tests.hostile import campaign, judging, kinds, mutators, npz_mutators, samples

_QUICK = settings(
  max_examples=150,
  deadline=None,
  derandomize=True,
  suppress_health_check=list(HealthCheck),
)

_SCALARS = st.one_of(
  st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
)
_JSON = st.recursive(
  _SCALARS,
  lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
  ),
  max_leaves=10,
)


_STEPS = frozenset(
  (
    *('record', 'attack record', 'deletion record', 'pages', 'verify', 'page'),
    *('verify private', 'page private'),
  )
)
"""What reads the light samples."""


def _places(values):
  return list(mutators.places(values))


class PropertyTest(absltest.TestCase):
  """Any JSON in any place is a value of the right type, or is refused."""

  @_QUICK
  @given(st.data())
  def test_any_value_in_a_config_is_read_or_refused(self, data):
    values = config.to_json(config.RunConfig())
    place = data.draw(st.sampled_from(_places(values)))
    changed = mutators.replaced(values, place, lambda _: data.draw(_JSON))
    try:
      read = config.from_json(config.RunConfig, changed)
    except UsageError:
      return
    # What is read can be written and read again.
    again = config.from_json(config.RunConfig, config.to_json(read))
    self.assertEqual(again, read)

  @_QUICK
  @given(st.data())
  def test_any_value_in_a_result_is_read_or_refused(self, data):
    made, _ = fake_attacks.report(('threshold',), members=30, nonmembers=30)
    values = made.results[0].to_json()
    place = data.draw(st.sampled_from(_places(values)))
    changed = mutators.replaced(values, place, lambda _: data.draw(_JSON))
    with contextlib.suppress(ValueError):
      result_lines.read(changed, where='line 1')

  @_QUICK
  @given(st.text())
  def test_any_text_is_json_or_a_value_error(self, text):
    with contextlib.suppress(ValueError):
      untrusted.parse_json(text)

  @_QUICK
  @given(st.text())
  def test_any_text_is_a_page_or_refused(self, text):
    with self.assertRaises(UsageError):
      figures.read(text)


class JsonTest(parameterized.TestCase):
  @parameterized.parameters(
    ('[' * mutators.DEEP + ']' * mutators.DEEP, 'nested too deeply'),
    ('{"x":' * mutators.DEEP + '1' + '}' * mutators.DEEP, 'nested too deeply'),
    ('{"a": 1, "a": 2}', "has 'a' twice"),
    ('[NaN]', 'NaN is no number'),
    ('[-Infinity]', 'is no number'),
    ('[1e400]', 'too large'),
    ('9' * 19, 'too large'),
    ('9' * 5000, 'too large'),
    ('["\\ud800"]', 'surrogates'),
    ('["\\uDFFF"]', 'surrogates'),
    ('\ufeff{}', 'BOM'),
  )
  def test_what_programs_read_differently_is_refused(self, text, reason):
    with self.assertRaisesRegex(ValueError, reason):
      untrusted.parse_json(text)

  def test_plain_json_is_read_as_it_is(self):
    text = '{"a": [1, -2.5, "\\ud83d\\ude00 \\u00fc", null, true, 9223372036854775807]}'
    values = {'a': [1, -2.5, '\U0001f600 ü', None, True, 2**63 - 1]}
    self.assertEqual(untrusted.parse_json(text), values)


class NpzTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.content = npz_mutators.pack({'a': np.arange(3), 'b': np.ones(4)})

  def refused(self, content):
    (self.folder / 'x.npz').write_bytes(content)
    with self.assertRaises(UsageError) as caught:
      RunFiles(self.folder).read_npz('x.npz')
    return str(caught.exception)

  def test_pickles_never_run(self):
    canary = self.folder / 'canary'
    for seed in range(20):
      self.refused(
        npz_mutators.pickled(np.random.default_rng(seed), self.content, canary)
      )
    self.assertFalse(canary.exists())
    pickle.loads(pickle.dumps(npz_mutators.Touch(canary))).close()
    self.assertTrue(canary.exists(), 'the canary would have told')

  def test_bomb_is_refused_before_it_unfolds(self):
    content = npz_mutators.bomb(self.content, 'a.npy')
    self.assertLess(len(content), 4 << 20)
    tracemalloc.start()
    self.addCleanup(tracemalloc.stop)
    self.assertIn('unfold to', self.refused(content))
    self.assertLess(tracemalloc.get_traced_memory()[1], 50 << 20)

  def test_header_that_claims_terabytes_is_refused(self):
    for shape in ((10**12,), (2**62,), (-1,)):
      entry = npz_mutators.header(shape) + bytes(64)
      self.refused(npz_mutators.zipped(self.content, {'a.npy': entry}))

  def test_entry_with_a_way_out_of_the_folder_is_written_nowhere(self):
    RunFiles(self.folder).write('x.npz', npz_mutators.pack({'../../y': np.arange(3)}))
    RunFiles(self.folder).read_npz('x.npz')
    self.assertEqual([path.name for path in self.folder.iterdir()], ['x.npz'])

  def test_pipe_is_refused_and_not_waited_for(self):
    os.mkfifo(self.folder / 'x.json')
    with self.assertRaisesRegex(UsageError, 'no regular file'):
      RunFiles(self.folder).read_json('x.json')


class MutationsTest(absltest.TestCase):
  """A few mutations of what needs no training; `campaign` has thousands of all."""

  def setUp(self):
    super().setUp()
    folder = pathlib.Path(self.create_tempdir().full_path)
    samples.make_light(folder / 'genuine')
    (folder / 'bench').mkdir()
    self.bench = judging.Bench(folder / 'genuine', folder / 'bench')
    found = [
      dataclasses.replace(kind, files=[x for x in kind.files if self.is_there(x)])
      for kind in kinds.KINDS
    ]
    self.kinds = [kind for kind in found if kind.files and set(kind.steps) & _STEPS]

  def is_there(self, name):
    return (self.bench.root / name).exists()

  def test_whole_files_are_valid(self):
    self.assertGreater(len(self.kinds), 8)
    for kind in self.kinds:
      content = self.bench.content(kind.files[0])
      steps = [step for step in kind.steps if step in _STEPS][:1]
      outcome = self.bench.judge(kind.files[0], content, kind=kind, steps=steps)
      self.assertEqual(outcome, judging.VALID, kind.name)

  def test_damaged_files_lead_to_one_line(self):
    counts = campaign.run(
      self.bench,
      mutations=4 * len(self.kinds),
      seed=11,
      kinds=self.kinds,
      steps=sorted(_STEPS),
    )
    broken = [line for count in counts.values() for line in count.broken]
    self.assertEqual(broken, [])
    self.assertGreater(sum(count.refused for count in counts.values()), 15)

  def test_what_runs_or_is_written_elsewhere_would_be_found(self):
    kind = self.kinds[0]
    content = self.bench.content(kind.files[0])
    deeds = (
      lambda root: self.bench.canary.touch(),
      lambda root: (root / 'new').touch(),
      lambda root: {}['x'],
      lambda root: _refuse('elsewhere'),
    )
    for deed in deeds:
      step = {'bad': judging.Step(run=deed)}
      with mock.patch.dict(judging.STEPS, step), self.assertRaises(judging.BrokenError):
        self.bench.judge(kind.files[0], content, kind=kind, steps=['bad'])
      self.assertFalse(self.is_there('new'))


def _refuse(text):
  raise UsageError(text)


if __name__ == '__main__':
  absltest.main()
