import csv
import dataclasses
import subprocess
import sys
from unittest import mock

import numpy as np
from absl.testing import absltest

from rnn_tf import attack_page, attack_records, datasets
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from tests import fake_attacks, fake_runs
from tests.reporting_test import ROOT

SMALL = {'members': 60, 'nonmembers': 50, 'num_shadows': 4, 'exposed': 3}

FILES = {
  'report.md',
  'attacks.csv',
  'shadows.csv',
  'classes.csv',
  'null_checks.csv',
  'exposed.csv',
  'roc.png',
  'anytime.png',
  'scores.png',
}

WITHOUT_PICTURES = mock.patch.object(
  attack_page, 'pictures', lambda record, images=None: {}
)


def record(**options):
  return fake_attacks.record(**{**SMALL, **options})[0]


class TextTest(absltest.TestCase):
  def test_the_text_has_all_parts(self):
    found = attack_page.text(record())
    for part in (
      '# Attack on digits-cnn2-s0: lira-half8',
      "'num_shadows': 4,",
      '| target',
      'trained on IN + OUT',
      'weighted avg',
      '## Where there is nothing to find',
      '## The members that lira finds most easily',
      '## How to read this',
    ):
      self.assertIn(part, found)

  def test_parts_without_data_are_left_out(self):
    found = attack_page.text(record(attacks=('lira',), null_checks=False, exposed=0))
    for part in ('class by class', 'Where there is nothing', 'most easily', 'weighted'):
      self.assertNotIn(part, found)


class WriteTest(fake_runs.RunsCase):
  def setUp(self):
    super().setUp()
    self.made, arrays = fake_attacks.record(**SMALL)
    self.folder = RunFiles(self.root / 'runs/digits-cnn2-s0/attacks/lira-half8')
    self.folder.path.mkdir(parents=True)
    self.folder.write_npz(attack_records.SCORES, arrays)

  def contents(self):
    found = {path.name: path.read_bytes() for path in self.folder.path.iterdir()}
    del found[attack_records.SCORES]
    return found

  def images(self):
    rng = np.random.default_rng(0)
    return datasets.Split(
      images=rng.random((60, 8, 8, 1), np.float32),
      labels=np.zeros(60, np.int64),
      ids=10 * np.arange(60),
      source='train',
    )

  def test_page_tables_and_pictures_are_written_twice_the_same(self):
    paths = attack_page.write(self.made, self.folder)
    first = self.contents()
    self.assertEqual(set(first), FILES)
    self.assertEqual({path.name for path in paths}, FILES)
    page = first['report.md'].decode()
    self.assertStartsWith(page, attack_page.text(self.made))
    for name in FILES:
      if name.endswith('.png'):
        self.assertIn(f']({name})', page)
    self.assertNotIn(str(self.root), page)
    attack_page.write(self.made, self.folder)
    self.assertEqual(self.contents(), first)
    # What is written afterwards can be read with the page beside it.
    attack_records.write(self.folder, self.made)
    self.assertLen(attack_records.load_all(self.folder.path.parents[1]), 1)

  def test_images_of_the_exposed_are_theirs(self):
    images = self.images()
    with mock.patch.object(attack_page.attack_plots, 'exposed_figure') as draw:
      attack_page.pictures(self.made, images)
    shown, exposed = draw.call_args.args[:2]
    self.assertEqual(exposed, self.made.exposed['lira'])
    for image, each in zip(shown, exposed, strict=True):
      np.testing.assert_array_equal(image, images.images[each.id // 10])

  def test_pictures_of_members_do_not_outlive_the_wish_for_them(self):
    with mock.patch.object(attack_page, 'run_pictures', lambda *args, **kw: {}):
      attack_page.write(self.made, self.folder, self.images())
    self.assertIn('exposed.png', self.contents())
    made = dataclasses.replace(self.made, exposed={})
    (self.folder.path / 'mine.png').write_bytes(b'mine')
    with WITHOUT_PICTURES:
      attack_page.write(made, self.folder)
    found = self.contents()
    self.assertNotIn('exposed.png', found)
    self.assertNotIn('exposed.csv', found)
    self.assertEqual(found['mine.png'], b'mine')

  @WITHOUT_PICTURES
  def test_the_tables_hold_the_figures(self):
    attack_page.write(self.made, self.folder)
    with open(self.folder.path / 'attacks.csv', newline='') as file:
      rows = list(csv.DictReader(file))
    self.assertEqual([row['attack'] for row in rows], list(self.made.attacks))
    self.assertAlmostEqual(
      float(rows[1]['auc']), self.made.entire('lira').auc, places=5
    )

  def test_damaged_scores_write_nothing(self):
    (self.folder.path / attack_records.SCORES).write_bytes(b'no zip')
    with self.assertRaisesRegex(UsageError, 'damaged'):
      attack_page.write(self.made, self.folder)
    self.assertEqual(self.contents(), {})

  def test_the_module_loads_neither_tensorflow_nor_pyplot(self):
    code = (
      'import sys; import rnn_tf.attack_page; '
      'print([m for m in ("matplotlib.pyplot", "tensorflow") if m in sys.modules])'
    )
    done = subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    self.assertEqual(done.stdout.strip(), '[]')


if __name__ == '__main__':
  absltest.main()
