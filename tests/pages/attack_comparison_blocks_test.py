import csv
import io

from absl.testing import absltest

from rnn_tf import attack_verdict
from rnn_tf.attack_config import AttackConfig
from rnn_tf.page import blocks
from rnn_tf.pages import attack_blocks
from rnn_tf.pages.attack_comparison_blocks import comparison_sections
from tests import fake_attacks

SMALL = {'members': 300, 'nonmembers': 200, 'num_shadows': 4, 'exposed': 0}


def record(**options):
  return fake_attacks.record(**{**SMALL, **options})[0]


def runs():
  """Returns run -> attacks on it, one attack of which one run alone has."""
  return {
    'a': [record(run='a', attacks=('lira', 'threshold'))],
    'none': [],
    '<b>': [
      record(run='<b>', attacks=('lira', 'rmia'), seed=2),
      record(run='<b>', label='shadow', attacks=('shadow',), seed=3),
      record(
        run='<b>',
        label='gb',
        attacks=('shadow',),
        attack=AttackConfig(attack_model='gb'),
        seed=4,
      ),
    ],
  }


def named(sections):
  return {part.name: part for part in sections[0].blocks if hasattr(part, 'name')}


class ComparisonTest(absltest.TestCase):
  def test_without_attacks_there_is_nothing(self):
    self.assertEqual(comparison_sections({}), ())
    self.assertEqual(comparison_sections({'a': []}), ())
    self.assertIs(attack_blocks.comparison_sections, comparison_sections)

  def test_a_table_has_a_row_an_attack_and_a_column_a_run(self):
    found = runs()
    table = named(comparison_sections(found))['attacks-runs-auc-table']
    self.assertEqual(table.columns, ('attack', 'a', '<b>'))
    rows = {row[0].text: row[1:] for row in table.rows}
    self.assertCountEqual(
      rows,
      [
        *('lira', 'threshold', 'rmia'),
        *('shadow (fc-posteriors)', 'shadow (gb-posteriors)'),
      ],
    )
    first = found['a'][0].entire('lira')
    expected = f'{first.auc:.3f} [{first.auc_low:.3f}, {first.auc_high:.3f}]'
    self.assertEqual(rows['lira'][0].text, expected)
    self.assertEqual(rows['threshold'][1].text, '')

  def test_the_csv_has_a_row_an_attack_and_run(self):
    found = runs()
    table = named(comparison_sections(found))['attacks-runs-tpr-table']
    rows = list(csv.DictReader(io.StringIO(table.csv)))
    self.assertLen(rows, 6)
    keys = {(row['attack'], row['run']): float(row['tpr']) for row in rows}
    point = attack_verdict.strict_point(found['a'][0].entire('threshold').tpr_at_fpr)
    self.assertAlmostEqual(keys['threshold', 'a'], point.tpr, places=5)

  def test_points_of_the_runs_stand_side_by_side(self):
    found = runs()
    chart = named(comparison_sections(found))['attacks-runs-auc']
    self.assertEqual(chart.x.categories, ('lira', 'threshold', 'rmia', 'shadow'))
    first, second, guessing = chart.series
    self.assertEqual((first.name, second.name), ('a', '<b>'))
    self.assertEqual([round(x) for x in first.x], [0, 1])
    self.assertEqual([round(x) for x in second.x], [0, 2, 3])
    self.assertLess(first.x[0], second.x[0])
    result = found['a'][0].entire('lira')
    self.assertEqual((first.y[0], first.low[0]), (result.auc, result.auc_low))
    self.assertTrue(guessing.reference)

  def test_of_variants_a_run_shows_its_strongest(self):
    found = runs()
    chart = named(comparison_sections(found))['attacks-runs-auc']
    variants = [each.entire('shadow') for each in found['<b>'][1:]]
    best = max((0, 1), key=lambda at: attack_verdict.strict_rank(variants[at]))
    self.assertEqual(chart.series[1].y[2], variants[best].auc)
    label = ('shadow (fc-posteriors)', 'shadow (gb-posteriors)')[best]
    self.assertEqual(chart.series[1].labels[2], label)
    self.assertIn('variants', chart.note)

  def test_words_give_the_best_of_each_run(self):
    found = runs()
    chart = named(comparison_sections(found))['attacks-runs-auc']
    for run, records in found.items():
      results = [each.entire(name) for each in records for name in each.attacks]
      if results:
        best = max(result.auc for result in results)
        self.assertIn(f'{run} {best:.3f} [', chart.description)

  def test_skipped_attacks_are_in_the_last_table_alone(self):
    skipped = record(run='a', attacks=('lira',), skipped={('lira', 'entire')})
    (section,) = comparison_sections({'a': [skipped]})
    (details,) = section.blocks
    self.assertIsInstance(details, blocks.Details)
    cells = [cell.text for cell in details.blocks[0].rows[0]]
    self.assertIn('skipped', cells)


if __name__ == '__main__':
  absltest.main()
