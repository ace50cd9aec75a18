import csv
import dataclasses
import io

import numpy as np
import pandas as pd
from absl.testing import absltest, parameterized

from rnn_tf import reporting, run_images
from rnn_tf.page import blocks, figures
from rnn_tf.pages import comparison_page, disclosure, run_page
from rnn_tf.run_files import RunFiles
from rnn_tf.runs import RunFolder
from tests import fake_attacks, fake_deletions, fake_runs
from tests.pages import inference_page_test

CLASSES = ('zero', 'one', 'two')


def said(*parts, **options):
  """Returns what is said of a page with these blocks in one section."""
  sections = [blocks.Section(name='part', title='A part', blocks=parts)]
  values = {'examples': 'training examples', 'class_names': CLASSES, 'private': True}
  found = disclosure.section(sections, **{**values, **options})
  return found.blocks[0].markdown


def table(frame, **options):
  return blocks.table('t', pd.DataFrame(frame), title='T', **options)


def chart(label, **options):
  series = blocks.Series(name='s', x=[0.1], y=[0.2])
  axes = {'x': blocks.Axis(label=label), 'y': blocks.Axis(label='y'), **options}
  return blocks.Chart(name='c', title='C', description='', series=(series,), **axes)


def images(count, captions=None):
  pixels = np.zeros((count, 2, 2, 1), np.uint8)
  captions = captions or ('',) * count
  return blocks.Images(name='i', title='I', images=pixels, captions=captions)


def disclosed(text):
  """Returns the lines of a page's section, by what they begin with."""
  texts = list(figures.read(text).texts)
  last = len(texts) - 1 - texts[::-1].index('What this page discloses')
  lines = texts[last + 1 :]
  return {line.partition(':')[0]: line for line in lines}


class SectionTest(parameterized.TestCase):
  def test_page_without_examples_says_so(self):
    text = said(table({'run': ['a'], 'AUC': ['0.5']}), without_ids='do this')
    self.assertIn('**Single examples:** none is named', text)
    self.assertIn('**Images:** none of an example', text)
    self.assertIn('**Classes:** none is named', text)
    self.assertNotIn('do this', text)
    self.assertNotIn('Before it is shown', text)

  def test_ids_are_counted_once_wherever_they_stand(self):
    shown = table({'id': [7, 8], 'class': ['one', 'two'], 'score': ['1', '2']})
    # Columns and rows of the download alone count as well, and so does what is folded.
    hidden = table({'rank': [1]}, csv='id,logit\n8,0.5\n9,0.6\n')
    text = said(
      shown,
      blocks.Details(title='D', blocks=(hidden,)),
      without_ids='do this',
      without_images='do that',
    )
    self.assertIn('the ids of 3 training examples, in *A part*', text)
    self.assertIn(r'class, score, rank, logit\.', text.replace('.\n', r'\.'))
    self.assertIn('**Before it is shown to others:** do this', text)
    self.assertNotIn('do that', text)

  def test_images_are_counted_and_how_to_show_none_is_said(self):
    text = said(images(3), without_images='do that')
    self.assertIn('**Images:** 3 images of training examples', text)
    self.assertIn('**Before it is shown to others:** do that', text)

  @parameterized.parameters(
    (table({'class': ['one', 'all'], 'AUC': ['1', '2']}), 'the names of 1 of 3: one.'),
    (table({'AUC': ['threshold'], 'zero': ['1'], 'two': ['']}), '2 of 3: zero; two.'),
    (images(1, ['✗ one, 40%; is two']), '2 of 3: one; two.'),
    (images(1, ['3: zero (17), p 0.50']), '1 of 3: zero.'),
    # Where classes are digits, a rank is no class.
    (table({'rank': ['one']}), 'none is named'),
  )
  def test_classes_are_those_that_are_named(self, block, expected):
    self.assertIn(expected, said(block))

  def test_what_curves_and_counts_of_scores_tell_is_said_where_there_are_some(self):
    roc = 'false-positive rate (of 300 non-members)'
    self.assertIn('no score can be computed back', said(chart(roc)))
    self.assertIn('Scores without names', said(chart('score (bins of unequal width)')))
    text = said(chart('epoch'))
    self.assertNotIn('Curves', text)
    self.assertNotIn('Scores without names', text)

  @parameterized.parameters(
    ('python -m rnn_tf.train --seed=1', 'name no path', None),
    ('a --run_dir=runs/x\n# b\nb --run=runs/x', 'hold 1 path: runs/x.', 'from the top'),
    ("a --data_dir='/home/me/my data'", '1 path from the top', None),
    ('a --note="goes\non"', 'name no path', None),
    ("a '--note=of ~/x, and/or y' --ray_address=h:1", 'hold 1 path: h:1.', 'and/or'),
    ('a --data_dir=~/data', '1 path from the top', None),
  )
  def test_paths_are_those_that_were_typed(self, command, expected, unexpected):
    text = said(blocks.Code(title='Commands', text=command)).replace('\\', '')
    self.assertIn(expected, text)
    if unexpected:
      self.assertNotIn(unexpected, text)

  def test_who_may_read_it_is_said(self):
    self.assertIn('mode 0600', said())
    self.assertIn('umask', said(private=False))

  def test_names_are_no_markdown(self):
    found = said(table({'class': ['*<b>*']}), class_names=('*<b>*',))
    self.assertNotIn(': *<b>*', found)


class PagesTest(fake_runs.RunsCase):
  def run_with_all(self):
    folder = self.run_folder('digits-cnn2-s0')
    fake_attacks.write(folder, dataset='digits', model='cnn2', epoch=4)
    fake_deletions.write(folder)
    return folder

  def page(self, folder):
    return disclosed(run_page.write(RunFolder(folder)).read_text())

  def test_page_of_a_run_names_as_many_ids_as_it_says(self):
    folder = self.run_with_all()
    text = run_page.write(RunFolder(folder)).read_text()
    tables = figures.read(text).tables
    ids = {
      row['id']
      for name in ('report-exposed-table', 'attacks-exposed')
      for row in csv.DictReader(io.StringIO(tables[name]))
    }
    found = disclosed(text)
    self.assertIn(f'the ids of {len(ids)} training examples', found['Single examples'])
    self.assertIn('The most exposed; ', found['Single examples'])
    self.assertEqual(found['Images'], 'Images: none of an example.')
    self.assertIn('No flag leaves the ids out', found['Before it is shown to others'])
    self.assertNotIn('--embed_images', found['Before it is shown to others'])

  def test_page_with_images_says_how_many_and_how_to_show_none(self):
    folder = self.run_with_all()
    pixels = np.linspace(0, 1, 300 * 16).reshape(300, 4, 4, 1)
    kept = _Kept(images=pixels, ids=np.arange(300))
    run_images.keep(RunFiles(folder), kept, range(300))
    text = run_page.write(RunFolder(folder)).read_text()
    found = disclosed(text)
    count = text.count('src="data:image/png')
    self.assertGreater(count, 0)
    self.assertStartsWith(found['Images'], f'Images: {count} images of training')
    self.assertIn('--embed_images', found['Before it is shown to others'])
    # What it says to do does it.
    (folder / run_images.FILE).unlink()
    self.assertIn('none of an example', self.page(folder)['Images'])

  def test_comparison_names_no_example_as_the_page_of_a_run_says_of_it(self):
    folder = self.run_with_all()
    records = reporting.load_runs([str(folder)])
    made = reporting.compare(records, self.root / 'report')
    text = comparison_page.write(
      records,
      self.root / 'report',
      command='python -m rnn_tf.report',
      note='',
      max_advantage=None,
      equal=made.equal,
    ).read_text()
    found = disclosed(text)
    self.assertIn('none is named', found['Single examples'])
    self.assertIn('none of an example', found['Images'])
    self.assertNotIn('Before it is shown to others', found)
    # Told from the page itself, not from what made it.
    tables = figures.read(text).tables.values()
    headers = [next(csv.reader(io.StringIO(text))) for text in tables]
    self.assertNotEmpty(headers)
    self.assertFalse(any('id' in header for header in headers))

  def test_predictions_are_of_test_images_that_are_shown(self):
    _, text = inference_page_test.page(shown=7)
    found = disclosed(text)
    self.assertIn('the ids of 7 test images', found['Single examples'])
    self.assertIn('7 images of test images', found['Images'])
    self.assertIn('3 of 3: zero; one; two', found['Classes'])
    self.assertIn('--num_examples=1', found['Before it is shown to others'])


@dataclasses.dataclass(frozen=True)
class _Kept:
  images: np.ndarray
  ids: np.ndarray


if __name__ == '__main__':
  absltest.main()
