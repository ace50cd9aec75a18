"""The tables of reports/README.md are what the reports say."""

import importlib.util
import pathlib
import tempfile

from absl.testing import absltest

_ROOT = pathlib.Path(__file__).parents[2]


def _load():
  path = _ROOT / 'docs/gallery.py'
  spec = importlib.util.spec_from_file_location('gallery', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


gallery = _load()


class GalleryTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.reports = pathlib.Path(
      self.enterContext(tempfile.TemporaryDirectory(prefix='gallery'))
    )
    folder = self.reports / 'mine'
    folder.mkdir()
    (folder / 'table.csv').write_text(
      'run,dataset,model,epochs,train_examples,val_accuracy,seconds,attack,auc,epsilon\n'
      'a-s0,mnist,lstm,5,100,0.90,30,threshold,0.60,\n'
      'a-s0,mnist,lstm,5,100,0.90,30,lr,0.70,\n'
      'a-s1,mnist,lstm,5,100,0.80,50,threshold,0.50,\n'
      'a-s1,mnist,lstm,5,100,0.80,50,lr,0.60,\n'
      'a-dp-s0,mnist,lstm,5,100,0.70,200,lr,0.50,2.9996\n'
    )
    (folder / 'README.md').write_text(
      '```sh\npython -m rnn_tf.train --seed=0 --run_dir=runs/a-s0\n'
      'python -m rnn_tf.train --seed=1 --run_dir=runs/a-s1\n```\n'
    )

  def test_the_committed_tables_are_what_the_reports_say(self):
    page = (_ROOT / 'reports/README.md').read_text()
    wanted = gallery.updated(page, _ROOT / 'reports')
    self.assertTrue(page == wanted, 'make docs writes reports/README.md anew')

  def test_seeds_are_averaged_and_private_runs_are_apart(self):
    rows = gallery.runs_table(self.reports).splitlines()[2:]
    self.assertLen(rows, 2)
    plain, private = ([cell.strip() for cell in row.split('|')[1:-1]] for row in rows)
    self.assertEqual(
      plain[:9],
      ['mnist', 'lstm', '100, 5 epochs', '2', '.8500', '.550', '.650', '', 'none'],
    )
    self.assertEqual(plain[9], '40 s')
    self.assertEqual(private[8:10], ['3', '3 min'])

  def test_commands_of_several_seeds_stand_once(self):
    text = gallery.commands(self.reports)
    self.assertEqual(text.count('rnn_tf.train'), 1)
    self.assertIn('and 1 more seeds', text)

  def test_what_is_outside_the_marks_stays(self):
    page = f'head\n{gallery.BEGIN}\nold\n{gallery.END}\ntail\n'
    updated = gallery.updated(page, self.reports)
    self.assertStartsWith(updated, 'head\n')
    self.assertEndsWith(updated, '\ntail\n')
    self.assertNotIn('\nold\n', updated)


if __name__ == '__main__':
  absltest.main()
