import csv
import dataclasses
import io

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack_records, attack_verdict
from rnn_tf.attack_config import AttackConfig
from rnn_tf.attack_plots import rate_point
from rnn_tf.errors import UsageError
from rnn_tf.page import blocks
from rnn_tf.page.render import render
from rnn_tf.pages import attack_blocks
from tests import fake_attacks

SMALL = {'members': 300, 'nonmembers': 200, 'num_shadows': 4, 'exposed': 4}

GRADIENT = AttackConfig(attack_model='gb')


def every(parts):
  """Returns all blocks, those that are folded away among them."""
  found = []
  for part in parts:
    found.append(part)
    if isinstance(part, blocks.Details):
      found += every(part.blocks)
  return found


def by_name(sections):
  parts = every(part for section in sections for part in section.blocks)
  return {part.name: part for part in parts if hasattr(part, 'name')}


def texts(sections):
  parts = every(part for section in sections for part in section.blocks)
  found = [part.markdown for part in parts if isinstance(part, blocks.Text)]
  return '\n\n'.join(found)


def html(sections):
  verdict = blocks.Verdict(level='unknown', headline='h')
  page = blocks.Page(
    title='t',
    subtitle='s',
    verdict=verdict,
    sections=tuple(sections),
    settings={},
    version='0',
  )
  return render(page)


class Case(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.run = self.create_tempdir('digits-cnn2-s0').full_path

  def attack(self, *, label='lira-half8', **options):
    folder = fake_attacks.write(self.run, label=label, **{**SMALL, **options})
    return attack_records.load(folder)

  def variants(self):
    """Returns attacks under three labels, two of them shadow attacks."""
    return [
      self.attack(attacks=('threshold', 'lira', 'rmia', 'shadow')),
      self.attack(label='gb_all', attacks=('shadow',), attack=GRADIENT, seed=3),
      self.attack(label='gb-all', attacks=('lira_offline',), null_checks=False),
    ]


class SectionsTest(Case):
  def test_without_attacks_there_is_nothing(self):
    self.assertEqual(attack_blocks.sections([], base='', images=None), ())

  def test_attacks_on_several_runs_are_refused(self):
    found = [self.attack(), fake_attacks.record(run='other', **SMALL)[0]]
    with self.assertRaisesRegex(ValueError, 'several runs'):
      attack_blocks.sections(found, base='', images=None)

  def test_one_attack_has_all_its_parts(self):
    found = by_name(attack_blocks.sections([self.attack()], base='', images=None))
    self.assertContainsSubset(
      {
        *('attacks-roc', 'attacks-strength', 'attacks-gain', 'attacks-anytime-auc'),
        *('attacks-anytime-tpr', 'attacks-shadows-lira-half8', 'attacks-scores'),
        *('attacks-classes', 'attacks-calls', 'attacks-null', 'attacks-exposed'),
      },
      set(found),
    )
    self.assertLen(found['attacks-roc'].series, 4 + 1)
    # One label: nothing has to be told apart, nor a map drawn.
    self.assertNotIn('label', found['attacks-strength'].columns)
    self.assertNotIn('attacks-class-auc', found)

  def test_names_are_unique_and_begin_alike(self):
    sections = attack_blocks.sections(self.variants(), base='', images=None)
    names = [section.name for section in sections]
    parts = every(part for section in sections for part in section.blocks)
    names += [part.name for part in parts if hasattr(part, 'name')]
    self.assertLen(set(names), len(names))
    for name in names:
      self.assertEqual(blocks.slug(name), name)
      self.assertStartsWith(name, 'attacks')
    # The renderer checks it as well.
    html(sections)

  def test_of_variants_the_strongest_is_drawn_and_all_below(self):
    records = self.variants()
    found = by_name(attack_blocks.sections(records, base='', images=None))
    names = [each.name for each in found['attacks-roc'].series]
    self.assertLen([name for name in names if name.startswith('shadow')], 1)
    shadows = [record.entire('shadow') for record in records[:2]]
    best = max(range(2), key=lambda place: attack_verdict.strict_rank(shadows[place]))
    self.assertIn(f'shadow ({("fc", "gb")[best]}-posteriors)', names)
    variants = [each.name for each in found['attacks-roc-shadow'].series]
    self.assertEqual(
      variants, ['shadow (fc-posteriors)', 'shadow (gb-posteriors)', 'guessing']
    )
    self.assertIn('2 of shadow', found['attacks-roc'].note)

  def test_what_was_attacked_is_said_once_for_attacks_alike(self):
    text = texts(attack_blocks.sections(self.variants(), base='', images=None))
    self.assertIn('90.0% of its 300 training and 70.0% of the test images', text)
    self.assertEqual(text.count('With 4 shadow models'), 1)
    self.assertIn(r'rmia, shadow); gb\_all (shadow); gb\-all (lira_offline).', text)

  def test_the_verdict_is_the_strongest_attacks_and_the_others_are_folded(self):
    records = self.variants()
    (first, *_) = attack_blocks.sections(records, base='', images=None)
    strongest = max(
      (record.entire(name) for record in records for name in record.attacks),
      key=attack_verdict.strict_rank,
    )
    place = [strongest in record.results for record in records].index(True)
    shown = first.blocks[1].markdown
    for line in attack_verdict.verdict(records[place]):
      self.assertIn(line, shown)
    folded = first.blocks[2].blocks[0].markdown
    for record in records[:place] + records[place + 1 :]:
      for line in attack_verdict.verdict(record):
        self.assertIn(line, folded)

  def test_numbers_of_the_tables_are_those_of_the_results(self):
    record = self.attack()
    found = by_name(attack_blocks.sections([record], base='', images=None))
    result = record.entire('lira')
    table = found['attacks-strength']
    (row,) = [row for row in table.rows if row[0].text.startswith('lira')]
    cells = dict(zip(table.columns, row, strict=True))
    self.assertAlmostEqual(cells['AUC [95% interval]'].value, result.auc, places=3)
    point = rate_point(result.tpr_at_fpr, 0.01)
    text = cells['TPR at 1% FPR [95% interval]'].text
    self.assertIn(f'({point.true_positives}; {point.false_positives})', text)
    self.assertIn('300 members and 200 non-members', table.note)
    rows = list(csv.DictReader(io.StringIO(table.csv)))
    self.assertEqual([each['attack'] for each in rows], list(record.attacks))
    self.assertEqual(float(rows[1]['auc']), float(f'{result.auc:.6g}'))
    self.assertNotIn('shadows_accuracy_threshold', rows[0])
    gains = list(csv.DictReader(io.StringIO(found['attacks-gain'].csv)))
    self.assertIn('shadows_0.1pct_ppv_at_10pct', gains[0])

  def test_html_in_names_passes_as_text(self):
    evil = '<script>alert(1)</script>'
    record = self.attack()
    record = dataclasses.replace(
      record,
      label='a<b>|*c*',
      run=evil,
      class_names=(evil, '**bold**', '&amp;'),
      command=f'python -m rnn_tf.attack --run={evil}',
    )
    other = dataclasses.replace(record, label='a-b-c', attack=GRADIENT)
    sections = attack_blocks.sections([record, other], base='', images=None)
    cells = [
      cell.text
      for part in by_name(sections).values()
      if isinstance(part, blocks.Table)
      for row in part.rows
      for cell in row
    ]
    self.assertIn(evil, cells)
    self.assertIn('a<b>|*c*', cells)
    page = html(sections)
    self.assertNotIn(evil, page)
    self.assertIn('&lt;script&gt;alert(1)', page)
    self.assertIn('a&lt;b&gt;|*c*', page)


class MissingTest(Case):
  def test_without_scores_tables_are_left_and_it_is_said(self):
    record = self.attack()
    (record.folder.path / attack_records.SCORES).unlink()
    sections = attack_blocks.sections([record], base='', images=None)
    found = by_name(sections)
    self.assertIn('attacks-strength', found)
    self.assertNoCommonElements({'attacks-roc', 'attacks-scores'}, found)
    self.assertIn('there are no ROC curves', texts(sections))

  def test_damaged_scores_are_a_users_error(self):
    record = self.attack()
    (record.folder.path / attack_records.SCORES).write_bytes(b'no zip')
    with self.assertRaises(UsageError):
      attack_blocks.sections([record], base='', images=None)

  def test_skipped_attacks_alone_have_a_table(self):
    record = self.attack(
      attacks=('lira',), skipped={('lira', 'entire')}, null_checks=False
    )
    found = by_name(attack_blocks.sections([record], base='', images=None))
    (row,) = found['attacks-strength'].rows
    self.assertIn('skipped', [cell.text for cell in row])
    self.assertNotIn('attacks-gain', found)

  def test_pictures_are_named_where_they_are(self):
    record = self.attack()
    names = ('roc', 'scores')
    for name in names:
      (record.folder.path / f'{name}.png').write_bytes(b'')
    found = by_name(attack_blocks.sections([record], base='../x/', images=None))
    for name in names:
      self.assertEqual(
        found[f'attacks-{name}'].picture, f'../x/attacks/lira-half8/{name}.png'
      )
    self.assertIsNone(found['attacks-anytime-auc'].picture)
    # No picture shows the attacks of several labels.
    other = self.attack(label='other', attacks=('rmia_offline',))
    found = by_name(attack_blocks.sections([record, other], base='', images=None))
    self.assertIsNone(found['attacks-roc'].picture)


class ImagesTest(Case):
  def exposed(self, record, images):
    found = by_name(attack_blocks.sections([record], base='', images=images))
    name, _ = max(
      ((name, record.entire(name)) for name in record.exposed),
      key=lambda each: attack_verdict.strict_rank(each[1]),
    )
    return record.exposed[name], found

  def test_members_are_listed_with_those_accused_beside_them(self):
    record = self.attack()
    members, found = self.exposed(record, None)
    table = found['attacks-exposed']
    self.assertLen(table.rows, 4)
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    first = members[0]
    self.assertEqual(cells['id'].text, str(first.id))
    accused = f'{first.false_positives} of 200'
    self.assertEqual(cells['falsely accused with it'].text, accused)
    self.assertAlmostEqual(cells['score'].value, first.score, places=2)
    self.assertEqual(cells['mean p, shadows with it'].text, '0.950')

  def test_without_images_it_is_said_how_to_get_them(self):
    record = self.attack()
    for images in (None, {}):
      sections = attack_blocks.sections([record], base='', images=images)
      self.assertNotIn('attacks-images', by_name(sections))
      self.assertIn('--embed_images', texts(sections))

  def test_images_that_are_there_are_shown_in_order(self):
    record = self.attack()
    members, _ = self.exposed(record, None)
    images = {
      each.id: np.full((8, 8, 1), each.rank, np.uint8) for each in reversed(members[:3])
    }
    _, found = self.exposed(record, images)
    shown = found['attacks-images']
    self.assertEqual(shown.images[:, 0, 0, 0].tolist(), [1, 2, 3])
    self.assertStartsWith(shown.captions[0], '1: ')
    self.assertIn(str(members[0].id), shown.captions[0])


if __name__ == '__main__':
  absltest.main()
