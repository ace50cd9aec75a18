"""Every flag file in flags/ is a training that can be asked for."""

import pathlib

from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from rnn_tf import config
from rnn_tf.options import data, model, privacy, privacy_report, training

_ROOT = pathlib.Path(__file__).parents[1]
_FILES = sorted((_ROOT / 'flags').glob('*.flags'))


class FlagfilesTest(parameterized.TestCase):
  @parameterized.named_parameters((path.stem, path) for path in _FILES)
  def test_file_is_a_valid_run_named_as_it_says(self, path):
    with flagsaver.flagsaver():
      rest = flags.FLAGS(['train', f'--flagfile={path}'])
      run = config.RunConfig(
        data=data.from_flags(),
        model=model.from_flags(),
        training=training.from_flags(),
        privacy=privacy.from_flags(),
        report=privacy_report.from_flags(),
      )
    self.assertEqual(rest, ['train'])
    # What comes after the name, such as `-half`, tells files of one name apart.
    name = run.name().removesuffix(f'-s{run.training.seed}')
    self.assertRegex(path.stem, f'^{name}(-[a-z]+)?$')

  @parameterized.named_parameters((path.stem, path) for path in _FILES)
  def test_file_starts_with_its_purpose(self, path):
    self.assertRegex(path.read_text(), r'\A# \w.{20}')

  def test_readme_names_no_file_that_is_not_there(self):
    text = (_ROOT / 'README.md').read_text()
    named = {
      word for word in text.replace('`', ' ').split() if 'flagfile=flags/' in word
    }
    self.assertNotEmpty(named)
    for word in named:
      self.assertTrue((_ROOT / word.removeprefix('--flagfile=')).exists(), word)


if __name__ == '__main__':
  absltest.main()
