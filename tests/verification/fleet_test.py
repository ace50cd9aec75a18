import contextlib
import pathlib

from absl.testing import absltest, parameterized

from rnn_tf.run_files import RunFiles
from rnn_tf.verification import fleet
from rnn_tf.verification.checks import MissingError


class FindTest(parameterized.TestCase):
  """A folder with runs and shadow models, the current folder, and one elsewhere."""

  def setUp(self):
    super().setUp()
    root = pathlib.Path(self.create_tempdir().full_path).resolve()
    self.project, self.here, self.elsewhere = (
      root / name for name in ('project', 'here', 'elsewhere')
    )
    self.run_path = self.project / 'runs/half'
    for path in (self.run_path, self.here):
      path.mkdir(parents=True)
    self.enter_context(contextlib.chdir(self.here))

  def fleet(self, path):
    path.mkdir(parents=True)
    (path / fleet.FILE).write_text('{}')
    return path

  def find(self, name='mine', command='python -m rnn_tf.attack'):
    return fleet.find(RunFiles(self.run_path), name, command=command).path

  def test_the_usual_places_are_the_current_folder_and_the_one_of_the_runs(self):
    beside = self.fleet(self.project / 'fleets/mine')
    self.assertEqual(self.find(), beside)
    here = self.fleet(self.here / 'fleets/mine')
    self.assertEqual(self.find().resolve(), here)

  @parameterized.parameters('fleet_dir=', 'fleet_dir ', 'shadow_fleet=')
  def test_a_command_leads_below_the_current_folder_and_that_of_the_runs(self, flag):
    for place in (self.here / 'of_mine/mine', self.project / 'others/mine'):
      self.fleet(place)
      self.assertEqual(self.find(command=f'attack --{flag}{place}'), place)
    found = self.find(command=f'attack --{flag}of_mine/mine')
    self.assertEqual(found.resolve(), self.here / 'of_mine/mine')

  @parameterized.parameters(
    '{elsewhere}/mine', '../elsewhere/mine', 'link', 'of_mine/../../elsewhere/mine'
  )
  def test_a_command_leads_nowhere_else(self, place):
    self.fleet(self.elsewhere / 'mine')
    (self.here / 'link').symlink_to(self.elsewhere / 'mine')
    place = place.format(elsewhere=self.elsewhere)
    with self.assertRaisesRegex(MissingError, 'elsewhere they are not looked for'):
      self.find(command=f'attack --fleet_dir={place}')

  def test_the_root_of_the_file_system_is_no_folder_of_runs(self):
    self.fleet(self.elsewhere / 'mine')
    with self.assertRaises(MissingError):
      fleet.find(
        RunFiles('/half'), 'mine', command=f'a --fleet_dir={self.elsewhere}/mine'
      )

  @parameterized.parameters('a' * 5000, 'a\0b', 'others', '.')
  def test_a_command_that_names_no_such_fleet_is_passed_over(self, place):
    self.fleet(self.here / 'others')
    usual = self.fleet(self.project / 'fleets/mine')
    self.assertEqual(self.find(command=f'attack --fleet_dir={place}'), usual)

  @parameterized.parameters(
    '', '.', '..', '../elsewhere', 'mine/', 'a/b', '/', '{elsewhere}'
  )
  def test_a_name_that_leads_elsewhere_is_refused(self, name):
    self.fleet(self.elsewhere)
    name = name.format(elsewhere=self.elsewhere)
    self.fleet(self.here / 'fleets')
    with self.assertRaisesRegex(MissingError, 'is no name of a folder'):
      self.find(name, command=f'attack --fleet_dir={name}')


if __name__ == '__main__':
  absltest.main()
