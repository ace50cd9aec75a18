import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import deletion_records
from rnn_tf.errors import UsageError
from rnn_tf.run_files import RunFiles
from tests import fake_deletions, fake_runs

SMALL = {'forgets': ('uniform-5pct', 'class-3'), 'methods': ('retrain', 'sharded')}

ALL_METHODS = ('retrain', 'twin', 'none', 'finetune', 'sharded')


class Case(fake_runs.RunsCase):
  def audit(self, **options):
    return fake_deletions.write(self.root / 'runs/x', **options)

  def folder(self, label='mine'):
    return RunFiles(self.root / 'runs/x/deletions' / label)


class WriteAndLoadTest(Case):
  @parameterized.parameters(
    {},
    {'methods': ALL_METHODS, 'attacks': ('threshold', 'lr', 'lira')},
    {'methods': ('finetune',), 'seeds': (7,), 'forgets': ('class-3',)},
    {'forgets': ('ids-1a2b3c4d',), 'rates': (0.05,), 'unseen': 'test', 'num_shards': ()}
    | {'methods': ('retrain',)},
  )
  def test_what_was_written_is_read_again(self, **options):
    made = fake_deletions.record(**options)
    deletion_records.write(self.folder(), made)
    found = deletion_records.load(self.folder().path)
    self.assertEqual(found.folder.path, self.folder().path)
    for field in dataclasses.fields(made):
      if field.name != 'folder':
        self.assertEqual(getattr(found, field.name), getattr(made, field.name))

  def test_the_folder_is_not_written(self):
    found = deletion_records.load(self.audit(**SMALL))
    deletion_records.write(self.folder(), found)
    self.assertNotIn('folder', self.folder().read_json('deletion.json'))
    self.assertNotIn(str(self.root), (self.folder().path / 'deletion.json').read_text())

  def test_numpy_numbers_are_written(self):
    made = fake_deletions.record()
    made = dataclasses.replace(
      made, train_size=np.int64(77), audit_seconds=np.float32(0.5)
    )
    deletion_records.write(self.folder(), made)
    found = deletion_records.load(self.folder().path)
    self.assertEqual((found.train_size, found.audit_seconds), (77, 0.5))

  @parameterized.parameters(
    ({'audit_seconds': float('nan')}, 'nan|not JSON compliant'),
    ({'audit_seconds': -1.0}, 'audit_seconds is -1'),
    ({'label': 'other'}, "label: 'other' is none of mine"),
    ({'dataset': {1, 2}}, 'cannot be written'),
  )
  def test_what_could_not_be_read_is_not_written(self, changes, text):
    made = dataclasses.replace(fake_deletions.record(), **changes)
    with self.assertRaisesRegex(ValueError, text):
      deletion_records.write(self.folder(), made)
    self.assertFalse(self.folder().path.exists())


def first(values, *names):
  """Returns the first item of a nested list of the file."""
  for name in names:
    values = values[name]
  return values[0]


def rate(values):
  return first(values, 'findings', 'pooled')['test']


def figures(values):
  return first(first(values, 'findings', 'pooled'), 'attacks')


def verdict(values):
  return first(values, 'findings', 'verdicts')


def claim(values, word, low, value, high):
  verdict(values)['word'] = word
  verdict(values)['comparison'].update(low=low, value=value, high=high)


class DamagedTest(Case):
  @parameterized.parameters(
    (lambda v: v.update(format=2), 'not of format 1'),
    (lambda v: v.pop('costs'), 'costs'),
    (lambda v: v.update(more=1), "unknown field 'more'"),
    (lambda v: v.update(folder={}), 'folder is'),
    (lambda v: v.update(label='other'), "label: 'other'"),
    (lambda v: v.update(unseen='all'), "unseen: 'all'"),
    (lambda v: v.update(methods=['wipe']), "methods: 'wipe'"),
    (lambda v: v.update(attacks=['threshold']), "'lr' is none of threshold"),
    (lambda v: v.update(aggregation='best'), "aggregation: 'best'"),
    (lambda v: v.update(seeds=[0, 1]), 'seed: 2 is none of 0, 1'),
    (lambda v: v.update(epochs='20'), "epochs is '20'"),
    (lambda v: v.update(train_size=-5), 'train_size is -5'),
    (lambda v: first(v, 'forget_sets').update(fraction=1.5), 'fraction is 1.5'),
    (lambda v: first(v, 'forget_sets').update(kind='odd'), "kind: 'odd'"),
    (lambda v: first(v, 'forget_sets').update(groups={'0': ['a']}), "0 is 'a'"),
    (lambda v: v['forget_sets'].pop(0), "forget: 'uniform-5pct' is none of"),
    (lambda v: first(v, 'costs').update(method='wipe'), "costs, method: 'wipe'"),
    (lambda v: first(v, 'costs').update(share=-0.1), 'share is -0.1'),
    (lambda v: first(v, 'costs').update(num_shards=5), 'costs 1 contradicts itself'),
    (lambda v: v['costs'].append(v['costs'][0]), 'costs has 0, , original twice'),
    (
      lambda v: first(v, 'shard_accuracies').update(constituents=[1.2]),
      'constituents is 1.2',
    ),
    (lambda v: rate(v).update(value=1.2), 'pooled 1, test contradicts itself'),
    (lambda v: rate(v).update(low=0.99), 'pooled 1, test contradicts itself'),
    (lambda v: rate(v).update(count=9**9), 'pooled 1, test contradicts itself'),
    (lambda v: rate(v).update(n=None), 'n is None'),
    (lambda v: figures(v)['forgotten'].update(low=-0.1), 'forgotten contradicts'),
    (lambda v: figures(v).update(attack='guess'), "attack: 'guess'"),
    (lambda v: first(figures(v), 'hits').update(target_fpr=2), 'target_fpr is 2'),
    (
      lambda v: first(figures(v), 'hits').update(false_positives=9**9),
      'hits 1 contradicts',
    ),
    (lambda v: first(v, 'findings', 'pooled').update(seed=0), 'pooled, seed: 0'),
    (lambda v: first(v, 'findings', 'versions').update(seed=9), 'versions, seed: 9'),
    (lambda v: verdict(v).update(word='gone'), "word: 'gone'"),
    (lambda v: verdict(v).update(needed=-3), 'needed is -3'),
    (lambda v: verdict(v).pop('comparison'), 'comparison'),
    (lambda v: v['findings']['verdicts'].append(verdict(v)), 'verdicts has .* twice'),
    (lambda v: claim(v, 'forgotten', -0.01, 0.01, 0.03), 'verdicts 1 contradicts'),
    (lambda v: claim(v, 'not forgotten', 0.01, 0.03, 0.05), 'verdicts 1 contra'),
    (lambda v: claim(v, 'not enough data', 0.03, 0.01, 0.05), 'comparison contra'),
    (
      lambda v: first(v, 'findings', 'two_versions').update(method='wipe'),
      "two_versions, method: 'wipe'",
    ),
    (
      lambda v: first(v, 'findings', 'two_versions')['seeds'].pop(),
      'two_versions has not 3 seeds',
    ),
    (
      lambda v: first(v, 'findings', 'collateral').update(newly_exposed=9**9),
      'collateral 1 contradicts',
    ),
    (
      lambda v: first(v, 'findings', 'histograms')['edges'].pop(),
      'histograms 1 contradicts',
    ),
    (
      lambda v: first(v, 'findings', 'histograms').update(unseen=[-0.1] * 40),
      'unseen is -0.1',
    ),
  )
  def test_a_changed_audit_is_refused_with_file_and_reason(self, change, text):
    folder = self.audit(**SMALL)
    fake_runs.change_json(folder / 'deletion.json', change)
    with self.assertRaisesRegex(UsageError, text) as raised:
      deletion_records.load(folder)
    self.assertIn(f'{folder}: its deletion.json', str(raised.exception))
    self.assertIn('--overwrite', str(raised.exception))

  @parameterized.parameters(
    ('forgotten', -0.02, 0.0, 0.02),
    ('not forgotten', 0.021, 0.03, 0.05),
    ('not forgotten', -0.05, -0.03, -0.021),
    ('not enough data', -0.01, 0.01, 0.03),
    ('not enough data', -0.01, 0.0, 0.01),
  )
  def test_words_that_their_intervals_allow_are_read(self, word, *values):
    folder = self.audit(**SMALL)
    fake_runs.change_json(folder / 'deletion.json', lambda v: claim(v, word, *values))
    found = deletion_records.load(folder).findings.verdicts[0]
    self.assertEqual((found.word, found.comparison.value), (word, values[1]))

  @parameterized.parameters('', '[]', '{"format": 1', 'null')
  def test_a_file_that_is_no_object_is_refused(self, content):
    folder = self.audit(**SMALL)
    (folder / 'deletion.json').write_text(content)
    with self.assertRaisesRegex(UsageError, 'deletion.json'):
      deletion_records.load(folder)

  def test_an_unfinished_audit_is_refused_with_the_next_step(self):
    with self.assertRaisesRegex(UsageError, 'no deletion.json.*start its command'):
      deletion_records.load(self.root)


if __name__ == '__main__':
  absltest.main()
