import dataclasses

from absl.testing import absltest, parameterized

from rnn_tf import deletion_records, deletion_verdict
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import deletion_blocks
from tests import fake_deletions


def every(parts):
  """Returns all blocks, those that are folded away among them."""
  found = []
  for part in parts:
    found.append(part)
    if isinstance(part, blocks.Details):
      found += every(part.blocks)
  return found


def parts_of(sections):
  return every(part for section in sections for part in section.blocks)


def by_name(sections):
  return {part.name: part for part in parts_of(sections) if hasattr(part, 'name')}


def texts(sections):
  found = [x.markdown for x in parts_of(sections) if isinstance(x, blocks.Text)]
  return '\n\n'.join(found)


def html(sections):
  page = blocks.Page(
    title='t',
    subtitle='s',
    verdict=blocks.Verdict(level='unknown', headline='h'),
    sections=tuple(sections),
    settings={},
    version='0',
  )
  return render(page)


def with_verdicts(made, *found):
  findings = dataclasses.replace(made.findings, verdicts=found)
  return dataclasses.replace(made, findings=findings)


class SectionsTest(absltest.TestCase):
  def test_without_audits_there_is_nothing(self):
    self.assertEqual(deletion_blocks.sections([], base=''), ())

  def test_each_audit_has_a_section_of_names_of_its_own(self):
    labels = ('deletion', 'retrain+sharded5 of 10%', 'retrain+sharded5 of 20%')
    records = [fake_deletions.record(label=label) for label in labels]
    sections = deletion_blocks.sections(records, base='')
    self.assertEqual(
      [section.name for section in sections],
      ['deletion-deletion', 'deletion-retrain-sharded5', 'deletion-retrain-sharded5-2'],
    )
    names = [section.name for section in sections]
    names += [part.name for part in parts_of(sections) if hasattr(part, 'name')]
    self.assertLen(set(names), len(names))
    # The renderer checks it as well.
    html(sections)

  def test_an_audit_has_all_its_parts(self):
    made = fake_deletions.record(label='d')
    found = by_name(deletion_blocks.sections([made], base=''))
    self.assertContainsSubset(
      {
        *('glance', 'versions', 'attacks-uniform-5pct', 'attacks-grouped1of5-5pct'),
        *('privacy', 'cost', 'shards', 'verdicts', 'accuracy', 'found', 'costs'),
        *('both', 'stay', 'by-shards'),
      },
      {name.removeprefix('deletion-d-') for name in found},
    )

  def test_of_one_forget_set_the_attacks_are_drawn_at_once(self):
    made = fake_deletions.record(label='d', forgets=('uniform-5pct',))
    (section,) = deletion_blocks.sections([made], base='')
    self.assertNotIn('deletion-d-glance', by_name([section]))
    self.assertEqual(section.blocks[1].name, 'deletion-d-attacks-uniform-5pct')

  def test_before_and_after_stand_in_one_table(self):
    made = fake_deletions.record(label='d', attacks=('threshold', 'lira'))
    table = by_name(deletion_blocks.sections([made], base=''))['deletion-d-versions']
    rows = {
      (row[0].text, row[1].text): dict(zip(table.columns, row, strict=True))
      for row in table.rows
    }
    self.assertLen(rows, 2 * 6)
    original = rows['5%, uniform', 'original']
    retrain = rows['5%, uniform', 'full retrain']
    sharded = rows['5%, uniform', 'sharded retrain']
    self.assertEqual(original['verdict'].text, '(before)')
    self.assertEqual(retrain['verdict'].text, '(the reference)')
    word = deletion_verdict.overall(
      deletion_verdict.verdicts_on(made, 'uniform-5pct', 'sharded')
    )
    self.assertEqual(sharded['verdict'].text, word)
    (figures,) = [
      each
      for each in made.findings.pooled
      if (each.forget, each.method) == ('uniform-5pct', 'original')
    ]
    (auc,) = [x.forgotten for x in figures.attacks if x.attack == 'lira']
    self.assertAlmostEqual(original['AUC by lira [95%]'].value, auc.value, places=3)
    self.assertGreater(
      original['AUC by lira [95%]'].value, retrain['AUC by lira [95%]'].value
    )
    self.assertEqual(original['deleted right'].text, f'{figures.forgotten.value:.1%}')

  def test_what_was_deleted_is_said(self):
    made = fake_deletions.record(attacks=('lira',), unseen='test')
    text = texts(deletion_blocks.sections([made], base=''))
    self.assertIn('5%, uniform: 500 of 10,000 training examples', text)
    self.assertIn('lira (with 16 shadow models)', text)
    self.assertIn('Warning: test images', text)
    for line in deletion_verdict.lines(made, 'uniform-5pct'):
      self.assertIn(line, text)

  def test_html_in_names_passes_as_text(self):
    evil = '<script>alert(1)</script>'
    made = dataclasses.replace(
      fake_deletions.record(), label=evil, run='a<b>*c*', command=evil
    )
    page = html(deletion_blocks.sections([made], base=''))
    self.assertNotIn(evil, page)
    self.assertIn('&lt;script&gt;alert(1)', page)
    self.assertIn('a&lt;b&gt;*c*', page)


class MissingTest(parameterized.TestCase):
  def test_pictures_are_named_where_they_are(self):
    run = self.create_tempdir('run').full_path
    folder = fake_deletions.write(run)
    record = deletion_records.load(folder)
    found = by_name(deletion_blocks.sections([record], base='../run/'))
    self.assertIsNone(found['deletion-mine-privacy'].picture)
    (folder / 'privacy.png').write_bytes(b'')
    (folder / 'attacks.png').write_bytes(b'')
    found = by_name(deletion_blocks.sections([record], base='../run/'))
    where = '../run/deletions/mine'
    self.assertEqual(found['deletion-mine-privacy'].picture, f'{where}/privacy.png')
    self.assertEqual(
      found['deletion-mine-attacks-uniform-5pct'].picture, f'{where}/attacks.png'
    )
    self.assertIsNone(found['deletion-mine-cost'].picture)

  @parameterized.parameters(
    {'methods': ('retrain',)},
    {'methods': ('finetune',)},
    {'attacks': ()},
    {'forgets': ()},
  )
  def test_what_is_not_there_is_left_out(self, **options):
    made = fake_deletions.record(**options)
    html(deletion_blocks.sections([made], base=''))
    self.assertLen(deletion_blocks.headline([made]), 1)


class HeadlineTest(absltest.TestCase):
  def test_before_and_after_and_the_words_are_said(self):
    made = fake_deletions.record(label='my_audit', methods=('retrain', 'sharded'))
    made = with_verdicts(
      made,
      fake_deletions.verdict(0.1, 0.01, method='original'),
      fake_deletions.verdict(0.001, 0.01),
      fake_deletions.verdict(0.1, 0.01, forget='grouped1of5-5pct'),
    )
    (line,) = deletion_blocks.headline([made])
    self.assertStartsWith(line, r'Deletions (my\_audit): lr tells')
    for method in ('original', 'full retrain'):
      self.assertRegex(line, rf'0\.\d{{3}} (to 0\.\d{{3}} )?by the {method}')
    self.assertIn(
      'Sharded retrain: **forgotten** on 1 of 2 forget sets, **not forgotten** on 1.',
      line,
    )
    self.assertNotIn('says little', line)

  def test_audits_that_come_to_the_same_are_named_together(self):
    labels = ('one', 'two')
    made = [fake_deletions.record(label=label) for label in labels]
    other = fake_deletions.record(label='three', methods=('retrain', 'finetune'))
    lines = deletion_blocks.headline([*made, other])
    self.assertLen(lines, 2)
    self.assertStartsWith(lines[0], 'Deletions (one; two): ')
    self.assertStartsWith(lines[1], 'Deletions (three): ')

  def test_a_word_on_all_sets_is_said_once(self):
    made = fake_deletions.record(methods=('retrain', 'sharded'))
    pair = (
      fake_deletions.verdict(0.1, 0.01),
      fake_deletions.verdict(0.1, 0.01, forget='grouped1of5-5pct'),
    )
    (line,) = deletion_blocks.headline([with_verdicts(made, *pair)])
    self.assertIn('Sharded retrain: **not forgotten**.', line)

  def test_where_nothing_is_to_be_forgotten_it_is_said(self):
    made = fake_deletions.record(methods=('retrain', 'sharded'))
    made = with_verdicts(
      made,
      fake_deletions.verdict(0.001, 0.01, method='original'),
      fake_deletions.verdict(0.001, 0.01),
    )
    (line,) = deletion_blocks.headline([made])
    self.assertIn('`forgotten` says little', line)

  def test_controls_that_fail_are_named(self):
    made = fake_deletions.record(methods=('retrain', 'twin', 'none'))
    good = (
      fake_deletions.verdict(0.1, 0.01, method='none'),
      fake_deletions.verdict(0.001, 0.01, method='twin'),
    )
    (line,) = deletion_blocks.headline([with_verdicts(made, *good)])
    self.assertNotIn('A control', line)
    bad = (
      fake_deletions.verdict(0.001, 0.01, method='none'),
      fake_deletions.verdict(0.001, 0.1, method='twin'),
    )
    (line,) = deletion_blocks.headline([with_verdicts(made, *bad)])
    self.assertIn('nothing deleted (negative control): **forgotten**', line)
    self.assertIn('second full retrain (positive control): **not enough data**', line)

  def test_without_a_reference_there_is_no_verdict(self):
    made = fake_deletions.record(methods=('finetune',))
    (line,) = deletion_blocks.headline([made])
    self.assertIn('**No verdict**', line)


if __name__ == '__main__':
  absltest.main()
