"""The numbers of docs/attacks.md are those of the reports, and its formulas right."""

import pathlib
import re

import numpy as np
from absl.testing import absltest, parameterized
from scipy import special

from rnn_tf.attack_config import ATTACKS
from rnn_tf.attacks import intervals, scores
from rnn_tf.attacks.signals import Side

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / 'docs/attacks.md').read_text()

_MATHS = re.compile(r'\$\$.+?\$\$|\$[^$\n]+\$', re.DOTALL)


def reported():
  """Returns the text of the reports that the page links."""
  linked = set(re.findall(r'\.\./(reports/[\w-]+/README\.md)', PAGE))
  return ' '.join((ROOT / path).read_text() for path in sorted(linked))


class NumbersTest(absltest.TestCase):
  def test_each_auc_with_its_interval_is_in_a_linked_report(self):
    quoted = re.findall(r'(\.\d{3})\s\[(\.\d{3}), (\.\d{3})\]', PAGE)
    self.assertGreater(len(quoted), 20)
    text = reported()
    for value, low, high in quoted:
      self.assertIn(f'0{value} [0{low}, 0{high}]', text)

  def test_each_percentage_with_two_digits_is_in_a_linked_report(self):
    quoted = re.findall(r'\b\d+\.\d\d%', PAGE)
    self.assertGreater(len(quoted), 16)
    text = reported()
    for value in quoted:
      self.assertIn(f' {value} ', text)

  def test_how_far_chance_goes_is_what_the_formula_gives(self):
    head, _, row = PAGE[PAGE.index('| m and n') :].splitlines()[:3]
    sizes = [int(cell.replace(',', '')) for cell in head.split('|')[2:-1]]
    widths = [float(cell) for cell in row.split('|')[2:-1]]
    for size, width in zip(sizes, widths, strict=True):
      expected = 1.96 * np.sqrt((2 * size + 1) / (12 * size * size))
      self.assertAlmostEqual(width, expected, delta=0.0005)
      found = intervals.null_half_width(size, size)
      self.assertAlmostEqual(found, expected, places=5)

  def test_every_attack_has_its_part(self):
    headings = ' '.join(re.findall('^### (.*)$', PAGE, re.MULTILINE))
    for attack in ATTACKS:
      self.assertRegex(headings, rf'\b{attack}\b')


class FormulasTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(0)
    self.labels = rng.integers(4, size=9)
    self.logits = rng.normal(size=(9, 4)).astype(np.float32)
    self.members = np.stack(
      [rng.permutation(np.arange(8) < 4) for _ in range(9)], axis=1
    )

  def test_entropy_is_that_of_the_page(self):
    side = Side(np.arange(9), self.labels, self.logits)
    for n, y in enumerate(self.labels):
      p = special.softmax(self.logits[n].astype(np.float64))
      others = sum(p[i] * np.log(1 - p[i]) for i in range(4) if i != y)
      expected = -(1 - p[y]) * np.log(p[y]) - others
      self.assertAlmostEqual(side.entropies[n], expected, places=6)

  def test_phi_is_that_of_the_page(self):
    found = scores.logit_gap(self.logits, self.labels)
    for n, y in enumerate(self.labels):
      z = self.logits[n].astype(np.float64)
      others = sum(np.exp(z[j]) for j in range(4) if j != y)
      self.assertAlmostEqual(found[n], z[y] - np.log(others), places=6)
      p = special.softmax(z)[y]
      self.assertAlmostEqual(found[n], np.log(p / (1 - p)), places=6)

  @parameterized.parameters(True, False)
  def test_rmia_is_the_share_of_the_population_that_is_dominated(self, online):
    rng = np.random.default_rng(1)
    target, shadows = rng.random(9), rng.random((8, 9))
    z_target, z_shadows = rng.random(50), rng.random((8, 50))
    found = scores.rmia(
      target, shadows, self.members, z_target, z_shadows, online=online
    )
    inside, outside = (
      np.array([shadows[side[:, n], n].mean() for n in range(9)])
      for side in (self.members, ~self.members)
    )
    p, p_z = (inside + outside) / 2, z_shadows.mean(axis=0)
    if not online:
      p, p_z = ((1.3 * m + 0.7) / 2 for m in (outside, p_z))
    dominated = [(r / (z_target / p_z) > 2).mean() for r in target / p]
    np.testing.assert_allclose(np.floor(found * 50) / 50, dominated)


class MathsTest(parameterized.TestCase):
  @parameterized.parameters('attacks.md', 'rnns.md')
  def test_formula_has_no_escape_that_markdown_takes_away(self, name):
    formulas = _MATHS.findall((ROOT / 'docs' / name).read_text())
    self.assertGreater(len(formulas), 20)
    for formula in formulas:
      self.assertNotRegex(formula, r'\\[^A-Za-z]')
      self.assertEqual(formula.count('{'), formula.count('}'), formula)


if __name__ == '__main__':
  absltest.main()
