import json

from absl.testing import absltest, parameterized

from rnn_tf import records
from rnn_tf.errors import UsageError
from tests import fake_runs


class LoadRunTest(fake_runs.RunsCase):
  def test_a_finished_run_is_read_whole(self):
    record = self.load(epochs=4)
    self.assertEqual(record.name, 'digits-cnn2-s0')
    self.assertEqual(record.config.model.label(), 'cnn2')
    self.assertEqual(record.data.class_names, ('zero', 'one', 'two'))
    self.assertEqual(record.epochs, 4)
    self.assertEqual(record.seconds, 6.0)
    self.assertEqual(record.attacks, ('threshold', 'lr'))
    self.assertEqual([result.epoch for result in record.entire('lr')], [2, 4])
    self.assertLen(record.last_results(), 2 * (1 + fake_runs.CLASSES))

  def test_the_last_scores_give_the_last_auc(self):
    record = self.load()
    report = record.last_report()
    scores = report.scores['threshold', 'entire']
    above = scores.members[:, None] > scores.nonmembers
    self.assertAlmostEqual(above.mean(), record.entire('threshold')[-1].auc)

  def test_all_reports_carry_the_runs_name(self):
    reports = list(self.load(epochs=6).reports())
    found = [(r.results[0].epoch, r.results[0].model) for r in reports]
    self.assertEqual(found, [(epoch, 'digits-cnn2-s0') for epoch in (2, 4, 6)])

  def test_checksums_are_read_and_empty_where_there_are_none(self):
    sums = {'train': 'a', 'holdout': 'b', 'test': 'c'}
    self.assertEqual(self.load('a', checksums=sums).data.checksums, sums)
    self.assertEqual(self.load('b').data.checksums, {})

  def test_scores_that_were_not_kept_are_none(self):
    folder = self.run_folder()
    for path in (folder / 'scores').iterdir():
      path.unlink()
    record = records.load_run(folder)
    self.assertIsNone(record.last_report())
    self.assertIsNone(record.score_arrays(4))

  def test_a_run_under_way_is_read_up_to_its_last_epoch(self):
    folder = self.run_folder(epochs=6, trained=4)
    lines = (folder / 'metrics.csv').read_text().splitlines(keepends=True)
    (folder / 'metrics.csv').write_text(''.join(lines[:4]))
    record = records.load_run(folder)
    self.assertIsNone(record.finished)
    self.assertEqual(record.epochs, 3)
    self.assertEqual({result.epoch for result in record.results}, {2})
    self.assertEqual(record.seconds, 3.5)

  def test_a_folder_without_a_run_is_refused(self):
    empty = self.root / 'empty'
    empty.mkdir()
    for folder, text in ((empty, 'no config.json'), (self.root / 'no', 'no such')):
      with self.assertRaisesRegex(UsageError, text):
        records.load_run(folder)

  @parameterized.parameters(
    (lambda v: v.update(format=0), 'format 1'),
    (lambda v: v.pop('data'), 'data'),
    (lambda v: v['data'].pop('test'), 'test'),
    (lambda v: v.update(data=[1]), 'damaged'),
    (lambda v: v['data'].update(checksums=[1]), 'damaged'),
    (lambda v: v.pop('parameters'), 'parameters'),
    (lambda v: v['config']['model'].update(unknown=1), 'unknown'),
  )
  def test_a_changed_config_is_refused(self, change, text):
    folder = self.run_folder()
    fake_runs.change_json(folder / 'config.json', change)
    with self.assertRaisesRegex(UsageError, text):
      records.load_run(folder)

  @parameterized.parameters(
    ('config.json', '{"format"', 'config.json'),
    ('metrics.csv', '', 'no epoch'),
    ('metrics.csv', 'epoch,loss\n1,2.0\n', 'no column accuracy'),
    ('metrics.csv', 'epoch,loss\n1,many\n', 'metrics.csv is damaged'),
    ('privacy.jsonl', '{"attack": "lr"}\n', 'line 1 is no attack result'),
    ('privacy.jsonl', '{"attack', 'privacy.jsonl is damaged'),
    ('result.json', '{"epochs": 4}', 'result.json is damaged'),
    ('result.json', '[]', 'result.json is damaged'),
  )
  def test_a_damaged_file_is_refused_by_name(self, file, content, text):
    folder = self.run_folder()
    (folder / file).write_text(content)
    with self.assertRaisesRegex(UsageError, text):
      records.load_run(folder)

  @parameterized.parameters(
    ('"auc": 0.', '"auc": 7.', 'line 1 .*auc is 7'),
    ('"epoch": 4', '"epoch": 5', 'line 9 is of epoch 5'),
    ('"epoch": 4', '"epoch": 2', 'line 9: threshold on entire at epoch 2 .* twice'),
    ('"epoch": 2', '"epoch": "2"', 'line 1 .*epoch is .2.'),
    ('"epsilon": null', '"epsilon": "3"', 'line 1 .*epsilon is .3.'),
    ('bound": null', 'bound": -1', 'line 1 .*epsilon_lower_bound is -1'),
  )
  def test_an_edited_result_is_refused_by_line(self, old, new, text):
    path = self.run_folder() / 'privacy.jsonl'
    path.write_text(path.read_text().replace(old, new))
    with self.assertRaisesRegex(UsageError, text):
      records.load_run(path.parent)

  @parameterized.parameters(
    (lambda v: v.update(tpr_at_fpr=None), 'tpr_at_fpr is missing'),
    (lambda v: v.update(n_members='many'), "n_members is 'many'"),
    (lambda v: v['tpr_at_fpr'][0].update(tpr_low='x'), "tpr_low is 'x'"),
    (lambda v: v['tpr_at_fpr'].pop(), 'tpr_at_fpr is at 0.01, not at 0.01 and 0.001'),
    (lambda v: v.update(epsilon_lower_bound=1.0, delta=None), 'without its delta'),
  )
  def test_an_edited_figure_is_refused_in_one_line(self, change, text):
    path = self.run_folder() / 'privacy.jsonl'
    first, *others = path.read_text().splitlines(keepends=True)
    values = json.loads(first)
    change(values)
    path.write_text(json.dumps(values) + '\n' + ''.join(others))
    with self.assertRaisesRegex(UsageError, f'line 1 is no .*{text}') as raised:
      records.load_run(path.parent)
    self.assertNotIn('\n', str(raised.exception))

  def test_a_result_of_other_epochs_is_refused(self):
    folder = self.run_folder()
    fake_runs.change_json(folder / 'result.json', lambda v: v.update(epochs=9))
    with self.assertRaisesRegex(UsageError, '9 epochs'):
      records.load_run(folder)

  def test_damaged_scores_are_refused(self):
    folder = self.run_folder()
    (folder / 'scores/epoch-0004.npz').write_bytes(b'no zip')
    with self.assertRaisesRegex(UsageError, 'damaged'):
      records.load_run(folder).last_report()


class LoadRunsTest(fake_runs.RunsCase):
  def test_globs_and_names_give_each_run_once_in_order(self):
    for name in ('b', 'a'):
      self.run_folder(name)
    runs = f'{self.root}/runs'
    found = records.load_runs([f'{runs}/b', f'{runs}/*', f'{runs}/../runs/a/'])
    self.assertEqual([record.name for record in found], ['b', 'a'])

  def test_files_among_the_folders_are_passed_over(self):
    (self.run_folder().parent / 'notes.txt').write_text('mine')
    self.assertLen(records.load_runs([f'{self.root}/runs/*']), 1)

  def test_no_match_lists_what_exists_and_the_closest(self):
    self.run_folder('cifar10-cnn2-s0')
    with self.assertRaisesRegex(UsageError, r'did you mean cifar10-cnn2-s0\?'):
      records.load_runs([f'{self.root}/runs/cifar-cnn2*'])
    with self.assertRaisesRegex(UsageError, 'holds no runs'):
      records.load_runs([f'{self.root}/elsewhere/*'])

  def test_an_unfinished_run_needs_a_report(self):
    self.run_folder('young', trained=1)
    with self.assertRaisesRegex(UsageError, 'young is unfinished'):
      records.load_runs([f'{self.root}/runs/*'])

  def test_a_pattern_passes_over_what_cannot_be_shown(self):
    self.run_folder('good')
    (self.run_folder('new', trained=1) / 'privacy.jsonl').unlink()
    (self.root / 'runs/empty').mkdir()
    with self.assertLogs('rnn_tf', 'WARNING') as logs:
      found = records.load_runs([str(self.root / 'runs/*')])
    self.assertEqual([record.name for record in found], ['good'])
    self.assertLen(logs.output, 2)

  def test_an_unfinished_run_with_a_report_is_taken(self):
    self.run_folder('older', trained=3)
    self.assertLen(records.load_runs([f'{self.root}/runs/*']), 1)


if __name__ == '__main__':
  absltest.main()
