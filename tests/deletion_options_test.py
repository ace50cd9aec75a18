"""Flags of deletions, given to the unlearn command."""

import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import absltest, parameterized

from rnn_tf import unlearn
from rnn_tf.deletion_config import METHODS, DeletionConfig
from rnn_tf.options import deletion, dry_run, label
from tests import commands

_DRAWN = ('--fractions=0.1', '--deletion=uniform', '--num_groups=1')
_OF_SHARDS = (
  '--num_slices=2',
  '--aggregation=vote',
  '--shard_training=sequential',
)

# Flags, the first of which has no effect -> what it has none with.
_WITHOUT_EFFECT = {
  **{
    (flag, given): '--forget_ids or --forget_class'
    for flag in (*_DRAWN, '--deletion_seed=1')
    for given in ('--forget_class=3', '--forget_ids={ids}')
  },
  ('--num_groups=1',): '--deletion=uniform',
  ('--num_groups=2', '--deletion=uniform'): '--deletion=uniform',
  **{
    (flag, f'--method={methods}'): 'no --method=sharded'
    for flag in ('--num_shards=3', *_OF_SHARDS)
    for methods in ('retrain', 'retrain,twin,finetune,none')
  },
  ('--num_slices=1', '--method=retrain', '--deletion=grouped'): 'no --method=sharded',
  ('--num_shards=4', '--method=none', '--forget_class=0'): 'no --method=sharded',
  ('--finetune_epochs=3',): 'no --method=finetune',
  ('--finetune_epochs=3', '--method=retrain,none'): 'no --method=finetune',
}

_TAKEN = (
  ('--num_groups=2', '--deletion=grouped'),
  ('--num_groups=2', '--deletion=uniform,grouped', '--method=retrain'),
  # Groups are shards, whoever is trained on them.
  ('--num_shards=3', '--deletion=grouped', '--method=retrain'),
  ('--num_shards=3', '--method=retrain,sharded'),
  *((flag, '--method=sharded') for flag in _OF_SHARDS),
  ('--finetune_epochs=3', '--method=retrain,finetune'),
  ('--deletion_seed=1', '--fractions=0.2'),
  ('--forget_class=3', '--num_shards=3'),
)


def _name(flag):
  return flag.partition('=')[0].removeprefix('--')


class OptionsTestCase(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.ids = self.folder / 'ids.txt'
    self.ids.write_text('3\n1\n')

  def call(self, *arguments, read=deletion.from_flags):
    """Returns exit code, stderr, and what the flags say."""
    found = []
    code, out, err = commands.call(
      unlearn,
      *(each.format(ids=self.ids) for each in arguments),
      main=lambda: found.append(read()),
    )
    self.assertEqual(out, '')
    return code, err, found

  def taken(self, *arguments, **kwargs):
    code, err, found = self.call(*arguments, **kwargs)
    self.assertEqual((code, err), (0, ''))
    return found[0]

  def refused(self, arguments, *parts, **kwargs):
    """Whether flags end in exit code 2 and one line with all parts."""
    code, err, found = self.call(*arguments, **kwargs)
    self.assertEqual((code, found), (2, []), err)
    self.assertLen(err.splitlines(), 1, err)
    self.assertStartsWith(err, 'python -m rnn_tf.unlearn: --')
    for part in parts:
      self.assertIn(part, err)


class DeletionTest(OptionsTestCase):
  def test_no_flags_are_the_defaults_of_the_config(self):
    self.assertEqual(self.taken(), DeletionConfig())

  def test_every_flag_reaches_the_config(self):
    found = self.taken(
      '--method=twin,sharded,finetune',
      '--fractions=0.2,0.05',
      '--deletion=grouped,uniform',
      '--num_groups=3',
      '--deletion_seed=7',
      '--num_shards=4',
      '--num_slices=6',
      '--aggregation=vote',
      '--finetune_epochs=2',
      '--seeds=5,0',
    )
    self.assertEqual(found.methods, ('twin', 'sharded', 'finetune'))
    self.assertEqual(found.forget.fractions, (0.2, 0.05))
    self.assertEqual(found.forget.deletions, ('grouped', 'uniform'))
    self.assertEqual((found.forget.num_groups, found.forget.deletion_seed), (3, 7))
    self.assertEqual((found.shards.num_shards, found.shards.num_slices), (4, 6))
    self.assertEqual(found.shards.aggregation, 'vote')
    self.assertEqual((found.finetune_epochs, found.seeds), (2, (5, 0)))
    self.assertEqual(self.taken('--forget_class=0').forget.forget_class, 0)

  @parameterized.parameters(*_WITHOUT_EFFECT)
  def test_flag_without_effect_is_refused(self, *arguments):
    why = _WITHOUT_EFFECT[arguments]
    self.refused(
      arguments, f'--{_name(arguments[0])}: has no effect with {why}: leave it out\n'
    )

  @parameterized.parameters(*_TAKEN)
  def test_flag_with_an_effect_is_taken(self, *arguments):
    self.assertNotEqual(self.taken(*arguments), DeletionConfig())

  def test_every_flag_that_can_be_without_effect_is_among_them(self):
    defined = {
      flag.name for flag in flags.FLAGS.get_key_flags_for_module(deletion.__name__)
    }
    always = {'method', 'seeds', 'shadow_fleet', 'forget_ids', 'forget_class'}
    refused = {_name(arguments[0]) for arguments in _WITHOUT_EFFECT}
    self.assertEqual(refused | always, defined)
    self.assertEqual(refused & always, set())
    taken = {_name(flag) for arguments in _TAKEN for flag in arguments}
    self.assertContainsSubset(refused, taken)

  @parameterized.parameters(
    (['--fractions='], '--fractions is empty: give shares such as 0.05,0.10'),
    (['--fractions=5%'], '--fractions=5%: must be numbers such as 0.05, with commas'),
    (['--fractions=0.05,'], '--fractions=: must be numbers such as 0.05'),
    (['--fractions=5'], '--fractions=5: must lie between 0 and 1, such as 0.05'),
    (['--fractions=0'], '--fractions=0: must lie between 0 and 1'),
    (['--fractions=nan'], '--fractions=nan: must lie between 0 and 1'),
    (['--fractions=0.1,0.10'], '--fractions=0.1,0.1: names one of them twice'),
    (['--method='], '--method is empty: name some of retrain, sharded, finetune'),
    (['--method=retrian'], '--method=retrian: must be one of', 'mean retrain?'),
    (['--method=none,none'], '--method=none,none: names one of them twice'),
    (['--deletion='], '--deletion is empty: name some of uniform, grouped'),
    (['--deletion=group'], '--deletion=group: must be one of', 'mean grouped?'),
    (['--deletion=grouped', '--num_groups=0'], '--num_groups=0: must be at least 1'),
    (
      ['--deletion=grouped', '--num_groups=6'],
      '--num_groups=6: there are --num_shards=5 groups: give at most as many',
    ),
    (
      ['--deletion=grouped', '--num_groups=3', '--num_shards=2'],
      '--num_groups=3: there are --num_shards=2 groups',
    ),
    (['--deletion=grouped', '--num_groups=x'], '--num_groups=x: must be an integer'),
    (['--num_shards=1'], '--num_shards=1: must be at least 2'),
    (['--num_slices=0'], '--num_slices=0: must be at least 1'),
    (['--aggregation=median'], '--aggregation=median: must be one of mean, vote'),
    (['--forget_class=-1'], '--forget_class=-1: must be at least 0'),
    (['--forget_class=cat'], '--forget_class=cat: must be an integer'),
    (
      ['--forget_class=1', '--forget_ids={ids}'],
      '--forget_ids and --forget_class: giv',
    ),
    (['--deletion_seed=-1'], '--deletion_seed=-1: must be at least 0'),
    (['--finetune_epochs=0', '--method=finetune'], '--finetune_epochs=0: must be at'),
    (['--seeds=0,one'], '--seeds=one: must be whole numbers, with commas between'),
    (['--seeds=0,1.5'], '--seeds=1.5: must be whole numbers'),
    (['--seeds=1,1'], '--seeds=1,1: names one seed twice'),
    (['--seeds=-1'], '--seeds=-1: must be at least 0 and below 2**32'),
  )
  def test_bad_value_is_refused_by_name(self, arguments, *parts):
    self.refused(arguments, *parts)


class ForgetIdsTest(OptionsTestCase):
  def read(self, text):
    self.ids.write_bytes(text if isinstance(text, bytes) else text.encode())
    return self.taken('--forget_ids={ids}').forget.forget_ids

  @parameterized.parameters(
    ('3\n1\n', (3, 1)),
    ('# of the complaint\n\n 12 \n#13\n0', (12, 0)),
    ('7\r\n8\r\n', (7, 8)),
    ('9' * 18, (10**18 - 1,)),
    # Given twice, deleted once: see `choose`.
    ('5\n5\n', (5, 5)),
  )
  def test_file_is_an_id_a_line(self, text, ids):
    self.assertEqual(self.read(text), ids)

  @parameterized.parameters(
    ('3\n-1\n', "line 2 is '-1': must be an id, a whole number, a line each"),
    ('1,2\n', "line 1 is '1,2': must be"),
    ('# x\n\n1.5\n', "line 3 is '1.5': must be"),
    ('٣\n', "line 1 is '٣': must be"),
    ('1_000\n', "line 1 is '1_000': must be"),
    ('9' * 19, 'line 1 is'),
    ('x' * 500, f"line 1 is '{'x' * 40}': must be"),
    ('', 'has no ids: give an id a line'),
    ('# none\n\n', 'has no ids: give an id a line'),
    (b'\xff\xfe1\n', 'is no text: name a text file, an id a line'),
  )
  def test_file_of_something_else_is_refused(self, text, part):
    self.ids.write_bytes(text if isinstance(text, bytes) else text.encode())
    self.refused(['--forget_ids={ids}'], f'--forget_ids={self.ids}: {part}')

  def test_file_that_cannot_be_read_is_refused(self):
    self.refused(
      [f'--forget_ids={self.folder}/none.txt'],
      'none.txt: No such file or directory: name a text file, an id a line',
    )
    self.refused([f'--forget_ids={self.folder}'], 'Is a directory: name a text file')
    self.refused(['--forget_ids='], '--forget_ids=: ')


class HowTest(OptionsTestCase):
  def test_how_it_is_done_decides_no_number(self):
    found = self.taken(
      '--shard_training=processes', '--shadow_fleet=fleets/x', read=deletion.options
    )
    self.assertEqual(found.shard_training, 'processes')
    self.assertEqual(found.shadow_fleet, 'fleets/x')
    same = self.taken('--shard_training=processes', '--shadow_fleet=fleets/x')
    self.assertEqual(same, DeletionConfig())

  def test_not_given_is_chosen_later(self):
    for arguments in ((), ('--shadow_fleet=',)):
      found = self.taken(*arguments, read=deletion.options)
      self.assertEqual((found.shard_training, found.shadow_fleet), ('auto', None))

  def test_unknown_way_to_train_shards_is_refused(self):
    self.refused(
      ['--shard_training=process'],
      '--shard_training=process: must be one of auto, sequential, processes',
      'did you mean processes?',
      read=deletion.options,
    )

  @parameterized.parameters(
    ([], False), (['--dry_run'], True), (['--nodry_run'], False)
  )
  def test_dry_run_is_what_it_says(self, arguments, expected):
    self.assertEqual(self.taken(*arguments, read=dry_run.from_flags), expected)

  def test_option_modules_load_without_tensorflow(self):
    code = (
      'import sys; from rnn_tf.options import deletion, dry_run, label\n'
      'heavy = {"tensorflow", "numpy", "tensorflow_datasets"} & set(sys.modules)\n'
      'sys.exit(f"loaded {heavy}" if heavy else 0)'
    )
    done = subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    self.assertEqual((done.returncode, done.stderr), (0, ''))

  def test_help_names_every_method(self):
    text = flags.FLAGS['method'].help
    self.assertIn(f'Out of {", ".join(METHODS)}: ', text)


class LabelTest(OptionsTestCase):
  def label(self, *arguments):
    return self.taken(*arguments, read=label.from_flags)

  def test_label_is_taken_as_it_is(self):
    self.assertIsNone(self.label())
    for name in ('mine', 'retrain+sharded5x4-uniform-5pct', 'v1.2_final', 'größer'):
      self.assertEqual(self.label(f'--label={name}'), name)

  @parameterized.parameters('', '.', '..', '.hidden', 'a/b', '../x', 'a b', 'a:', '*')
  def test_label_that_is_no_name_is_refused(self, name):
    self.refused(
      [f'--label={name}'],
      f'--label={name}: must be a name of letters, digits, dots, dashes, plus signs',
      read=label.from_flags,
    )


if __name__ == '__main__':
  absltest.main()
