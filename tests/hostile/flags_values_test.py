"""Whatever the flags say, the answer is 0, or 2 and one line; nothing is written."""

import contextlib
import os
import pathlib
import tempfile
from unittest import mock

import hypothesis
from absl import flags
from absl.testing import absltest, parameterized
from hypothesis import strategies as st

from rnn_tf import attack, config, infer, report, train, unlearn
from tests import commands, fake_runs

_EXAMPLES = 60
"""Command lines that are tried, of each command."""


class _Stop(Exception):  # noqa: N818
  """Everything that flags can say is fine: the work would begin."""


_WORK = {
  train: ('rnn_tf.experiment.set_up', 'rnn_tf.experiment.plan'),
  attack: ('rnn_tf.shadow_audit.attack',),
  unlearn: ('rnn_tf.unlearning.prepare',),
  infer: ('rnn_tf.infer._predict',),
  report: (
    'rnn_tf.pages.run_page.write',
    'rnn_tf.pages.page_check.verify',
    'rnn_tf.run_places.held_to_show',
    'rnn_tf.attacks.tf_privacy.plots',
  ),
}
"""Command -> where its work begins."""

_WHOLE = st.one_of(
  st.integers(-2, 12),
  st.integers(),
  st.sampled_from([2**31, 2**32, 2**63, 2**64, 10**30, -(10**30)]),
).map(str)

_FLOATS = st.one_of(
  st.floats().map(str),
  st.sampled_from(['nan', 'inf', '-inf', '1e-320', '-0.0', '0', '1', '0.5', '1e400']),
)

_TEXT = st.one_of(
  st.text(
    st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=9
  ),
  st.sampled_from(
    [
      *(
        '',
        ' ',
        '-',
        '--',
        '-rf',
        '~',
        '%s',
        '{0}',
        'a,b',
        ',',
        ',,',
        'a,a',
        '..',
        '.',
      ),
      *('a\nb', 'a\r\nb', 'a\x85b', 'a\u2028b', '\x1b[31m', '\u202e'),
      *(
        'é',
        'e\u0301',
        '\uff11\uff12',
        '"',
        "'",
        '<b>',
        '9' * 5000,
        'x' * 300,
        'x' * 5000,
      ),
    ]
  ),
)

_PLACES = [
  *('.', '..', '/', 'runs', 'runs/mine', 'runs/mine/', 'runs/*', 'runs/**', '[', 'new'),
  *('a_file', 'a_file/below', 'loop', 'dangling', 'link', 'loop/x', 'runs/none', '~'),
  *('/proc', '/proc/self/mem', '/dev/null', '/dev/null/x', '/dev/zero', 'pipe', '~x'),
  *('x' * 300, 'x/' * 3000, 'n\n', '/proc/self/fd/0', 'runs/mine/..'),
]


def _flags(command):
  """Returns name -> flag of a command."""
  found = [
    flag
    for module in command.OPTIONS
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__)
  ]
  return {flag.name: flag for flag in found}


def _words(flag):
  """Returns words out of a flag's help, some of which it allows."""
  return [word.strip('.,;:()') for word in flag.help.split()] or ['x']


def _values(flag):
  """Returns a strategy for what is given to a flag."""
  texts = st.one_of(st.sampled_from(_words(flag)), st.sampled_from(_PLACES), _TEXT)
  kind = flag.flag_type()
  if kind == 'int':
    own = _WHOLE
  elif kind == 'float':
    own = _FLOATS
  elif 'comma' in kind:
    own = st.lists(texts | _FLOATS | _WHOLE, max_size=4).map(','.join)
  else:
    own = texts
  # Four times in five what is of its type.
  return st.one_of(own, own, own, own, _TEXT)


@st.composite
def _argument(draw, found):
  name = draw(st.sampled_from(sorted(found)))
  flag = found[name]
  if flag.boolean:
    value = draw(st.sampled_from(['', '=true', '=false', '=maybe', '=', '=1']))
    return f'--{name}{value}' if value or draw(st.booleans()) else f'--no{name}'
  return f'--{name}={draw(_values(flag))}'


def _arguments(command):
  return st.lists(_argument(_flags(command)), min_size=1, max_size=5)


def _tree(folder):
  """Returns what there is in a folder, and when it was changed."""
  return {path: path.lstat().st_mtime_ns for path in pathlib.Path(folder).rglob('*')}


class FlagValuesTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
    fake_runs.write(
      cls.folder / 'runs' / 'mine',
      data=config.DataConfig(train_fraction=0.5, nonmembers='holdout'),
      members=100,
      nonmembers=100,
    )
    (cls.folder / 'a_file').write_text('1\n2\n')
    os.mkfifo(cls.folder / 'pipe')
    for name, target in {'loop': 'loop', 'dangling': 'nowhere', 'link': 'runs'}.items():
      (cls.folder / name).symlink_to(target)
    cls.enterClassContext(contextlib.chdir(cls.folder))

  def _check(self, command, arguments):
    """Calls a command up to its work, and checks what it answers."""

    def main():
      with contextlib.suppress(_Stop):
        command.main()

    with contextlib.ExitStack() as stack:
      for place in _WORK[command]:
        stack.enter_context(mock.patch(place, side_effect=_Stop))
      code, _, err = commands.call(command, *arguments, main=main)
    self.assertIn(code, (0, 2), err)
    if code == 2:
      lines = err.splitlines()
      self.assertTrue(lines[-1].startswith(f'python -m {command.__name__}: '), err)
      said = [line for line in lines if 'passed over' not in line]
      self.assertLen(said, 1)
      self.assertRegex(err, '--|runs')
      self.assertLess(len(err), 2200)

  @parameterized.named_parameters(
    (command.__name__.rpartition('.')[2], command) for command in _WORK
  )
  def test_any_values_of_any_flags_are_answered(self, command):
    before = _tree(self.folder)
    required = {
      attack: ['--run=runs/mine'],
      unlearn: ['--run=runs/mine'],
      infer: ['--run=runs/mine'],
      report: ['--runs=runs/mine', '--report_dir=new', '--notf_privacy_plots'],
      train: ['--run_dir=new'],
    }[command]

    @hypothesis.settings(
      max_examples=_EXAMPLES,
      deadline=None,
      derandomize=True,
      database=None,
      suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.integers(0, 9), _arguments(command))
    def answered(bare, arguments):
      self._check(command, arguments if bare == 0 else [*required, *arguments])

    answered()
    self.assertEqual(_tree(self.folder), before)


if __name__ == '__main__':
  absltest.main()
