"""Flags of shadow models and of attacks with them, given to the train command."""

import pathlib

from absl.testing import absltest, parameterized

from rnn_tf import attack_config, train
from rnn_tf.options import cluster, fleet, shadow_attack
from tests import commands

# Flag, with a value -> the attacks that it has an effect on.
_FLAGS = {
  '--num_shadows=10': attack_config.FLEET_ATTACKS,
  '--shadow_split=auto': attack_config.FLEET_ATTACKS,
  '--shadow_train_size=10': attack_config.FLEET_ATTACKS,
  '--shadow_seed=0': attack_config.FLEET_ATTACKS,
  '--fleet=sequential': attack_config.FLEET_ATTACKS,
  '--fleet_dir=fleets/mine': attack_config.FLEET_ATTACKS,
  '--attack_model=fc': ('shadow',),
  '--attack_features=posteriors': ('shadow',),
  '--noattack_balance': ('shadow',),
  '--attack_epochs=50': ('shadow',),
  '--shadow_test_size=10': ('shadow',),
  '--lira_variance=auto': ('lira', 'lira_offline'),
  '--rmia_gamma=2': ('rmia', 'rmia_offline'),
  '--rmia_offline_a=0.3': ('rmia_offline',),
}

_HALF = ('--train_fraction=0.5', '--nonmembers=holdout')


def _name(flag):
  return flag.split('=')[0].replace('--no', '--')


class ShadowOptionsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)

  def call(self, *arguments):
    return commands.call(train, f'--run_dir={self.folder}/run', *arguments)

  def assert_refused(self, arguments, *parts):
    """Exit code 2, one line with all parts, nothing written."""
    code, out, err = self.call(*arguments)
    self.assertEqual((code, out), (2, ''), err)
    self.assertLen(err.splitlines(), 1)
    for part in parts:
      self.assertIn(part, err)
    self.assertEmpty(list(self.folder.iterdir()))

  @parameterized.parameters(*_FLAGS)
  def test_flag_without_an_attack_that_uses_it_is_refused(self, flag):
    needs = ' or '.join(_FLAGS[flag])
    message = f'{_name(flag)}: has no effect without --attacks={needs}: leave it out\n'
    self.assert_refused([flag], message)
    others = [name for name in attack_config.ATTACKS if name not in _FLAGS[flag]]
    self.assert_refused([*_HALF, flag, f'--attacks={",".join(others)}'], message)
    self.assert_refused([flag, '--attacks=', '--dry_run'], message)

  @parameterized.parameters(*_FLAGS)
  def test_flag_is_taken_with_each_attack_that_uses_it(self, flag):
    for attack in _FLAGS[flag]:
      if flag == '--shadow_train_size=10' and attack != 'shadow':
        continue
      code, out, err = self.call(*_HALF, flag, f'--attacks={attack}', '--dry_run')
      self.assertEqual((code, err), (0, ''))
      self.assertIn('shadow models: 10 (', out)

  def test_every_flag_of_shadow_models_is_among_them(self):
    from absl import flags

    defined = {
      flag.name
      for module in (fleet, cluster, shadow_attack)
      for flag in flags.FLAGS.get_key_flags_for_module(module.__name__)
    }
    # These need --fleet=ray, which is among them.
    defined -= {'ray_address', 'ray_gpus_per_model'}
    self.assertEqual({_name(flag) for flag in _FLAGS}, {f'--{n}' for n in defined})

  @parameterized.parameters(
    (['--attacks=shadow', '--num_shadows=1'], ['--num_shadows=1: ', 'at least 2']),
    (['--attacks=shadow', '--shadow_split=disjunct'], ['did you mean disjoint']),
    (['--attacks=shadow', '--shadow_seed=-1'], ['--shadow_seed=-1: must be at least']),
    (
      ['--attacks=shadow', '--fleet=parallel'],
      ['--fleet=parallel: must be one of auto, sequential, processes, stacked'],
    ),
    (['--attacks=shadow', '--fleet=stack', '--dry_run'], ['did you mean stacked']),
    (
      ['--attacks=shadow,lira', '--shadow_split=disjoint'],
      ['--shadow_split=disjoint: lira needs', 'give --shadow_split=half'],
    ),
    (
      ['--attacks=rmia', '--shadow_train_size=100'],
      ['--shadow_train_size=100: has no effect', 'leave it out'],
    ),
    (['--attacks=shadow', '--attack_features='], ['--attack_features is empty: name']),
    (
      ['--attacks=shadow', '--attack_features=hiden'],
      ['--attack_features=hiden: must be one of', 'did you mean hidden'],
    ),
    (['--attacks=shadow', '--attack_model=nn'], ['--attack_model=nn: must be one of']),
    (
      ['--attacks=shadow', '--attack_epochs=9', '--attack_model=rf'],
      ['--attack_epochs=9: has no effect with --attack_model=rf', 'leave it out'],
    ),
    (['--attacks=shadow', '--attack_epochs=x'], ['--attack_epochs=x: must be']),
    (['--attacks=lira', '--lira_variance=both'], ['--lira_variance=both: must be']),
    (['--attacks=rmia', '--rmia_gamma=-1'], ['--rmia_gamma=-1.0: must be a positive']),
  )
  def test_bad_value_is_refused_by_name(self, arguments, parts):
    self.assert_refused([*_HALF, *arguments], *parts)

  @parameterized.parameters(
    (
      ['--attacks=lira', '--train_fraction=0.5'],
      'the attack lira needs non-members out of',
      'train the target with --train_fraction=0.5 --nonmembers=holdout',
    ),
    (
      ['--attacks=rmia_offline'],
      'the attack rmia_offline needs non-members',
      '--nonmembers=holdout',
    ),
    (
      ['--attacks=shadow'],
      'the attack shadow needs examples that the target is not trained on',
      '--train_fraction=0.5 or --train_size',
    ),
  )
  def test_target_without_what_the_attack_needs_is_refused(self, arguments, *parts):
    self.assert_refused(arguments, *parts)

  def test_too_few_examples_for_disjoint_shadows_says_how_many_are_missing(self):
    # 1437 in the pool, of which 437 are left.
    self.assert_refused(
      ['--attacks=shadow', '--train_size=1000'],
      '--shadow_split=disjoint: shadows of 1000 examples need 2000 that the target is '
      'not trained on (IN and OUT), and there are 437: 1563 are missing',
      'give --shadow_split=half, or --shadow_train_size=218 or less',
    )
    self.assert_refused(
      ['--attacks=shadow', '--train_size=1000', '--shadow_train_size=219'],
      '438 that the target',
      '1 are missing',
    )

  @parameterized.parameters(1436, 1437)
  def test_target_that_leaves_nothing_is_refused(self, size):
    self.assert_refused(
      ['--attacks=shadow', f'--train_size={size}'],
      f'--shadow_split=disjoint: the target is trained on all but {1437 - size} of',
      'train one with --train_fraction=0.5 --nonmembers=holdout',
    )

  def test_batch_larger_than_a_shadows_examples_is_refused(self):
    self.assert_refused(
      ['--attacks=shadow', '--train_size=1000', '--shadow_train_size=50'],
      '--batch_size=64: larger than the 50 examples of a shadow model',
    )

  @parameterized.parameters(('lira', 2), ('lira', 3), ('rmia', 2))
  def test_too_few_shadows_are_refused_before_any_is_trained(self, attack, count):
    self.assert_refused(
      [*_HALF, f'--attacks={attack}', f'--num_shadows={count}'],
      f'--num_shadows={count}: too few for {attack}',
      'give at least 4, best an even number',
    )

  def test_private_shadows_cannot_be_stacked(self):
    self.assert_refused(
      [
        *_HALF,
        '--attacks=shadow',
        '--shadow_split=half',
        '--dp',
        '--dp_noise_multiplier=1',
        '--fleet=stacked',
      ],
      '--fleet=stacked: --dp: ',
      'give --fleet=processes, or --fleet=sequential',
    )

  def test_folder_of_something_else_is_refused(self):
    other = pathlib.Path(self.create_tempdir().full_path)
    (other / 'thesis.tex').write_text('precious')
    arguments = [*_HALF, '--attacks=rmia']
    self.assert_refused(
      [*arguments, f'--fleet_dir={other}'],
      f'--fleet_dir={other}: holds something else than a fleet',
      'name an empty or a new folder',
    )
    self.assert_refused(
      [*arguments, f'--fleet_dir={other}/thesis.tex/x'], 'is a file, not a folder'
    )
    self.assertEqual([path.name for path in other.iterdir()], ['thesis.tex'])

  def test_dry_run_says_which_shadows(self):
    code, out, err = self.call(
      *_HALF, '--attacks=lira', '--num_shadows=16', '--dry_run'
    )
    self.assertEqual((code, err), (0, ''))
    self.assertIn('shadow models: 16 (half), trained first', out)
    self.assertEmpty(list(self.folder.iterdir()))

  def test_run_without_such_attacks_has_no_shadows(self):
    _, out, _ = self.call('--dry_run')
    self.assertNotIn('shadow models', out)


if __name__ == '__main__':
  absltest.main()
