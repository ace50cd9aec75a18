import json

import numpy as np
from absl.testing import absltest

from rnn_tf import run_images
from rnn_tf.errors import UsageError
from rnn_tf.page import figures
from rnn_tf.pages import run_page
from rnn_tf.run_files import RunFiles
from rnn_tf.runs import RunFolder
from tests import fake_attacks, fake_deletions, fake_runs


def said(page):
  return '\n'.join(page.texts)


class _Images:
  def __init__(self, ids):
    self.ids = np.array(ids)
    self.images = np.linspace(0, 1, len(ids) * 16).reshape(len(ids), 4, 4, 1)


class RunPageTest(fake_runs.RunsCase):
  def page(self, folder, **options):
    return figures.read(run_page.write(RunFolder(folder), **options).read_text())

  def test_the_verdict_has_the_numbers_of_the_strongest_attack(self):
    folder = self.run_folder('digits-cnn2-s0', leak=3.0, members=3000, nonmembers=2000)
    lines = [json.loads(x) for x in (folder / 'privacy.jsonl').read_text().splitlines()]
    last = [x for x in lines if x['epoch'] == 4 and x['slice'] == 'entire']
    best = max(last, key=lambda line: line['auc'])
    page = self.page(folder)
    self.assertStartsWith(
      page.numbers['verdict/AUC of the strongest attack'], f'{best["auc"]:.3f} ['
    )
    self.assertIn('gives away who was in its training data', said(page))
    self.assertIn('non-members falsely accused', said(page))

  def test_the_same_folder_gives_the_same_page(self):
    folder = self.run_folder('digits-cnn2-s0')
    first = run_page.write(RunFolder(folder)).read_bytes()
    self.assertEqual(run_page.write(RunFolder(folder)).read_bytes(), first)
    self.assertLess(len(first), 1_000_000)

  def test_the_limit_is_kept_until_another_one_is_given(self):
    folder = self.run_folder('digits-cnn2-s0')
    self.assertEqual(self.page(folder).settings['max_advantage'], 0.1)
    self.page(folder, max_advantage=0.3)
    self.assertEqual(self.page(folder).settings['max_advantage'], 0.3)
    (folder / 'report.html').write_text('mine')
    self.assertEqual(self.page(folder).settings['max_advantage'], 0.1)

  def test_attacks_and_deletions_in_the_folder_are_shown(self):
    folder = self.run_folder('digits-cnn2-s0')
    plain = self.page(folder)
    fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
    fake_deletions.write(folder)
    page = self.page(folder)
    self.assertIn('Attacks with shadow models', said(page))
    self.assertIn('Audit of deletions: mine', said(page))
    self.assertGreater(len(page.numbers), len(plain.numbers))

  def test_a_damaged_attack_is_passed_over_and_said(self):
    folder = self.run_folder('digits-cnn2-s0')
    attack = fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
    (attack / 'attack.json').write_text('{')
    page = self.page(folder)
    self.assertIn('Not shown: attacks/lira-half8', said(page))
    self.assertNotIn('Attacks with shadow models:', said(page))

  def test_an_attack_on_another_training_is_passed_over_and_said(self):
    folder = self.run_folder('digits-cnn2-s0')
    fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=3)
    self.assertIn('is an attack on another training', said(self.page(folder)))

  def test_without_a_report_the_page_says_that_nobody_has_attacked(self):
    folder = self.run_folder('bare', attacks=())
    self.assertIn('Nobody has attacked this model yet', said(self.page(folder)))

  def test_an_unfinished_run_has_a_page_that_says_so(self):
    folder = self.run_folder('digits-cnn2-s1', trained=3)
    self.assertIn('3 of 4 epochs are trained', said(self.page(folder)))

  def test_images_are_shown_only_where_they_were_kept(self):
    folder = self.run_folder('digits-cnn2-s0')
    self.assertNotIn('data:image', run_page.write(RunFolder(folder)).read_text())
    run_images.keep(RunFiles(folder), _Images(range(300)), range(300))
    self.assertIn('data:image', run_page.write(RunFolder(folder)).read_text())

  def test_names_with_html_are_shown_as_text(self):
    folder = self.run_folder('digits-cnn2-s0')
    evil = '<img src=x onerror=alert(1)>'
    fake_runs.change_json(
      folder / 'config.json',
      lambda values: values['data'].update(class_names=[evil, '![x](http://h/x)', 'c']),
    )
    text = run_page.write(RunFolder(folder)).read_text()
    self.assertNotIn('<img src=x', text)
    self.assertIn('&lt;img src=x', text)
    self.assertNotIn('src="http', text)

  def test_a_finished_run_without_epochs_is_damaged(self):
    folder = self.run_folder('digits-cnn2-s0')
    header = (folder / 'metrics.csv').read_text().splitlines()[0]
    (folder / 'metrics.csv').write_text(header + '\n')
    with self.assertRaisesRegex(UsageError, 'metrics.csv is damaged'):
      run_page.write(RunFolder(folder))

  def test_what_was_fitted_at_once_has_no_epoch_to_stop_at(self):
    folder = self.run_folder('digits-cnn2-s0')
    network = said(self.page(folder))
    self.assertIn('epoch by epoch', network)
    self.assertRegex(network, 'Stop after epoch|No epoch to stop at')

    def fitted(values):
      values['config']['model'] = {'model': 'kmeans'}
      values['config']['training'] |= {'epochs': 1}

    fake_runs.change_json(folder / 'config.json', fitted)
    tree = said(self.page(folder))
    self.assertNotIn('epoch by epoch', tree)
    self.assertNotRegex(tree, 'Stop after epoch|No epoch to stop at')

  def test_an_empty_folder_is_no_run(self):
    (self.root / 'empty').mkdir()
    with self.assertRaisesRegex(UsageError, 'has no config.json'):
      run_page.write(RunFolder(self.root / 'empty'))
    self.assertFalse((self.root / 'empty/report.html').exists())


class RunImagesTest(fake_runs.RunsCase):
  def test_kept_images_come_back_by_their_ids(self):
    folder, images = RunFiles(self.root), _Images([7, 3, 5])
    run_images.keep(folder, images, [5, 7])
    kept = run_images.load(folder)
    self.assertEqual(set(kept), {5, 7})
    np.testing.assert_array_equal(kept[5], np.round(images.images[2] * 255))

  def test_only_the_owner_may_read_them(self):
    run_images.keep(RunFiles(self.root), _Images([1]), [1])
    mode = (self.root / run_images.FILE).stat().st_mode & 0o777
    self.assertEqual(mode, 0o600)

  def test_none_removes_what_was_kept(self):
    folder = RunFiles(self.root)
    run_images.keep(folder, _Images([1]), [1])
    run_images.keep(folder, None, [1])
    self.assertEqual(run_images.load(folder), {})

  def test_floats_in_the_file_are_refused(self):
    folder = RunFiles(self.root)
    folder.write_npz(run_images.FILE, {'ids': np.arange(1), 'images': np.ones((1, 2))})
    with self.assertRaisesRegex(UsageError, 'exposed_images.npz is damaged'):
      run_images.load(folder)


if __name__ == '__main__':
  absltest.main()
