import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf.verification import checks as verify_checks
from rnn_tf.verification.checks import Gap


@dataclasses.dataclass(frozen=True)
class Point:
  threshold: float
  count: int


@dataclasses.dataclass(frozen=True)
class Figures:
  auc: float | None
  points: tuple[Point, ...]


class SameTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.75, 0.75, True),
    (0.75, 0.75 * (1 + 5e-10), True),
    (0.75, 0.75 * (1 + 2e-9), False),
    (0.0, 1e-15, True),
    (0.0, 1e-12, False),
    (1e-13, 2e-13, False),
    (3, 3, True),
    (3, 4, False),
    (10**12, 10**12 + 1, False),
    (3, 3.0, True),
    (None, None, True),
    (None, 0.0, False),
    (True, True, True),
    (True, 1.5, False),
    ('lr', 'lr', True),
    ('lr', 0.5, False),
    (float('nan'), 0.5, False),
  )
  def test_values_are_the_same_to_nine_digits(self, stored, recomputed, expected):
    self.assertIs(verify_checks.same(stored, recomputed), expected)

  @parameterized.parameters(
    (0.123457, 0.1234567, True),
    (0.123456, 0.1234567, False),
    (0.123458, 0.1234567, False),
    (233.662, 233.66242, True),
    (0.0, 0.0, True),
    (1e-9, 0.0, False),
    (1.0, 0.9999997, True),
    (-1.5, -1.5000004, True),
  )
  def test_rounded_values_are_the_same_to_their_digits(
    self, stored, recomputed, expected
  ):
    self.assertIs(verify_checks.same(stored, recomputed, digits=6), expected)

  def test_what_is_written_with_six_digits_is_the_same(self):
    rng = np.random.default_rng(0)
    values = rng.normal(size=2000) * 10 ** rng.uniform(-8, 8, size=2000)
    for value in values.tolist():
      stored = float(f'{value:.6g}')
      self.assertTrue(verify_checks.same(stored, value, digits=6), value)
      other = float(f'{stored * (1 + 1.2e-5):.6g}')
      self.assertFalse(verify_checks.same(other, value, digits=6), value)


class FiguresTest(parameterized.TestCase):
  def check(self, stored, recomputed, name=''):
    return list(
      verify_checks.figures(
        'a.json', 'x', stored=stored, recomputed=recomputed, name=name
      )
    )

  def test_each_figure_is_named_by_the_way_to_it(self):
    stored = Figures(auc=0.5, points=(Point(1.0, 3), Point(2.0, 4)))
    again = Figures(auc=0.5, points=(Point(1.0, 3), Point(2.5, 4)))
    found = self.check(stored, again)
    self.assertEqual(
      {each.figure: each.ok for each in found},
      {
        'auc': True,
        'points 1, threshold': True,
        'points 1, count': True,
        'points 2, threshold': False,
        'points 2, count': True,
      },
    )

  def test_what_is_missing_or_more_is_wrong(self):
    stored = Figures(auc=None, points=(Point(1.0, 3),))
    again = Figures(auc=0.5, points=())
    found = {each.figure: each.ok for each in self.check(stored, again)}
    self.assertEqual(found, {'auc': False, 'points 1': False})
    self.assertFalse(self.check({'a': 1}, None, name='all')[0].ok)
    self.assertFalse(self.check(None, {'a': 1}, name='all')[0].ok)
    self.assertTrue(self.check(None, None, name='all')[0].ok)

  def test_mappings_go_by_key_and_lists_are_as_tuples(self):
    (found,) = self.check({'a': [1]}, {'a': (2,)}, name='all')
    self.assertEqual((found.figure, found.ok), ('all, a 1', False))


class ArrayTest(parameterized.TestCase):
  def check(self, stored, recomputed, **options):
    return verify_checks.array(
      'a.npz',
      name='lr',
      stored=np.array(stored),
      recomputed=np.array(recomputed),
      ids=np.arange(10, 10 + len(stored)),
      **options,
    )

  def test_the_first_wrong_score_is_named_with_its_id(self):
    found = self.check([1.0, 2.0, 3.0], [1.0, 2.5, 4.0])
    self.assertFalse(found.ok)
    text = (
      'a.npz: lr: 2 of 3 are not what the stored outputs give: of id 11 it is 2.0, '
      'recomputed 2.5'
    )
    self.assertEqual(str(found), text)

  @parameterized.parameters(
    ([1e-200], [1e-200 * (1 + 1e-8)], None, False),
    ([0.0], [0.0], None, True),
    ([0.0], [1e-200], None, False),
    ([np.nan, 1.0], [np.nan, 1.0], None, True),
    ([np.nan], [1.0], None, False),
    ([1.0], [1.0001], 1e-3, True),
    ([1.0], [1.01], 1e-3, False),
  )
  def test_scores_are_compared_one_by_one(
    self, stored, recomputed, tolerance, expected
  ):
    self.assertIs(self.check(stored, recomputed, tolerance=tolerance).ok, expected)


class TextTest(absltest.TestCase):
  def test_lines_name_file_place_figure_and_both_values(self):
    found = verify_checks.figure(
      'a.json', 'epoch 2', name='auc', stored=0.5, recomputed=0.6
    )
    self.assertEqual(found.subject, 'a.json, epoch 2')
    self.assertEqual(
      str(found),
      'a.json, epoch 2: auc is not what the stored data say: 0.5 (recomputed: 0.6)',
    )
    right = verify_checks.figure('a.json', '', name='auc', stored=1, recomputed=1)
    self.assertEqual(str(right), 'a.json: auc is 1')
    holds = verify_checks.fact('a.json', '', name='ids', problem=None)
    self.assertTrue(holds.ok)
    self.assertEqual(str(holds), 'a.json: ids: right')
    self.assertEqual(str(Gap(what='ids', why='lost')), 'ids: lost')


if __name__ == '__main__':
  absltest.main()
