import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

from rnn_tf import report
from tests import commands, fake_runs


class ReportTest(fake_runs.RunsCase):
  def call(self, *arguments):
    return commands.call(report, *arguments)

  def test_the_command_writes_the_report_and_prints_its_table(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-s1', seed=1, trained=3)
    code, out, err = self.call(
      f'--runs={self.root}/runs/*',
      f'--report_dir={self.root}/report',
      '--notf_privacy_plots',
    )
    self.assertEqual((code, err), (0, ''))
    self.assertIn('| digits-cnn2-s0', out)
    self.assertIn('3 of 4, unfinished', out)
    self.assertEndsWith(
      out,
      f'{self.root}/report/report.html (and README.md, table.csv, 6 pictures beside '
      'it)\n',
    )
    self.assertTrue((self.root / 'report/report.html').is_file())
    self.assertTrue((self.root / 'report/README.md').is_file())

  def test_tf_privacys_own_plots_are_among_the_pictures(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('bare', attacks=())
    code, _, _ = self.call(
      f'--runs={self.root}/runs/*',
      f'--report_dir={self.root}/report',
      '--tf_privacy_plots',
    )
    self.assertEqual(code, 0)
    page = (self.root / 'report/README.md').read_text()
    for name in ('by_epochs', 'privacy_vs_accuracy'):
      self.assertIn(f'(digits-tf_privacy_{name}.png)', page)
      self.assertTrue((self.root / f'report/digits-tf_privacy_{name}.png').is_file())

  def test_private_runs_are_printed_beside_their_plain_ones(self):
    self.run_folder('digits-cnn2-s0')
    self.run_folder('digits-cnn2-dp-eps3-s0', privacy=fake_runs.private())
    code, out, _ = self.call(
      f'--runs={self.root}/runs/*',
      f'--report_dir={self.root}/report',
      '--notf_privacy_plots',
    )
    self.assertEqual(code, 0)
    self.assertIn('Plain against differentially private', out)
    self.assertIn('AUC plain - DP', out)
    self.assertTrue((self.root / 'report/digits-dp_privacy_vs_utility.png').is_file())

  def test_no_match_is_a_usage_error_that_writes_nothing(self):
    self.run_folder('digits-cnn2-s0')
    code, out, err = self.call(
      f'--runs={self.root}/runs/digit-cnn*', f'--report_dir={self.root}/report'
    )
    self.assertEqual((code, out), (2, ''))
    self.assertIn('did you mean digits-cnn2-s0?', err)
    self.assertLen(err.splitlines(), 1)
    self.assertFalse((self.root / 'report').exists())

  def test_without_a_report_dir_or_runs_the_command_says_what_to_name(self):
    code, _, err = self.call('--runs=runs/*', '--report_dir=')
    self.assertEqual(code, 2)
    self.assertIn('--report_dir', err)
    code, _, err = self.call('--runs=', '--report_dir=x')
    self.assertEqual(code, 2)
    self.assertIn('--runs', err)

  def test_one_run_has_its_page_written_into_its_folder(self):
    folder = self.run_folder('digits-cnn2-s0')
    code, out, err = self.call(f'--run={folder}', '--max_advantage=0.3')
    self.assertEqual((code, err), (0, ''))
    self.assertEqual(out, f'report: {folder}/report.html\n')
    self.assertIn('advantage of at most 0.3', (folder / 'report.html').read_text())

  @parameterized.parameters(
    (('--run=x', '--report_dir=y'), '--report_dir has no effect with --run=x'),
    (('--run=x', '--runs=y'), '--runs has no effect'),
    (('--run=x', '--note=y'), '--note has no effect'),
    (('--verify',), 'name the run to verify'),
    (('--run=x', '--verify', '--max_advantage=0.1'), '--max_advantage=0.1 has no'),
    (('--run=x', '--max_advantage=0'), 'must be above 0 and at most 1'),
    (('--run=x', '--max_advantage=nan'), 'must be above 0 and at most 1'),
    (('--run=nowhere',), '--run=nowhere: no run there'),
    (('--run=nowhere', '--verify'), '--run=nowhere: no run there'),
  )
  def test_a_request_that_cannot_be_met_is_one_line(self, flags, line):
    code, out, err = self.call(*flags)
    self.assertEqual((code, out), (2, ''))
    self.assertIn(line, err)
    self.assertLen(err.splitlines(), 1)

  def test_help_loads_nothing_heavy(self):
    code = (
      'import sys; from rnn_tf import launch, report; '
      "launch.run(report.main, command='r', description='', options=report.OPTIONS, "
      "argv=['r', '--help']); "
      "print([m for m in ('matplotlib', 'numpy', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run(
      [sys.executable, '-c', code],
      capture_output=True,
      text=True,
      check=True,
      cwd=pathlib.Path(__file__).parents[1],
    )
    self.assertIn('--[no]tf_privacy_plots', done.stdout)
    self.assertEndsWith(done.stdout, '[]\n')


if __name__ == '__main__':
  absltest.main()
