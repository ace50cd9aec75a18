import contextlib
import io
import json
import pathlib
import sys
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from benchmarks import scaling, scaling_child, scaling_law, scaling_table
from benchmarks.scaling_child import Point

SIZES = (1000, 5000, 20_000, 50_000, 200_000)


def planted(fixed, factor, exponent, sizes=SIZES):
  return [fixed + factor * size**exponent for size in sizes]


def run(*, cpu=1.0, memory=1e6, rest=1.0, **values):
  """A measurement, as a child returns it."""
  return {
    'cpu': cpu,
    'wall': 1.5 * cpu,
    'baseline': 5e8,
    'inputs': 5e8,
    'peak': 5e8 + memory,
    'exact': True,
    'start': 2.0,
    'rest': rest,
    **values,
  }


def args(**values):
  parsed = scaling.flags().parse_args(['--output_dir=unused'])
  vars(parsed).update(
    what=['lira', 'train'], examples=[1000, 4000], classes=[10], shadows=[4, 16]
  )
  vars(parsed).update(values)
  return parsed


class LawTest(parameterized.TestCase):
  @parameterized.product(exponent=(0.5, 1.0, 1.3, 2.0), fixed=(0.0, 3e-3, 50.0))
  def test_planted_exponent_is_found(self, exponent, fixed):
    law = scaling_law.fit(SIZES, planted(fixed, 1e-4, exponent))
    self.assertAlmostEqual(law.exponent, exponent, delta=1e-4)
    self.assertAlmostEqual(law.fixed, fixed, delta=1e-3 * (fixed + 1e-4))
    self.assertAlmostEqual(law.factor, 1e-4, delta=1e-6)

  def test_interval_holds_the_truth_about_as_often_as_it_says(self):
    rng = np.random.default_rng(0)
    hits, widths = 0, []
    for _ in range(200):
      errors = np.exp(rng.normal(0, 0.05, len(SIZES)))
      law = scaling_law.fit(SIZES, planted(1.0, 3e-4, 1.1) * errors)
      low, high = law.interval
      self.assertBetween(law.exponent, low, high)
      hits += low <= 1.1 <= high
      widths.append(high - low)
    self.assertBetween(hits, 170, 200)
    self.assertBetween(np.median(widths), 0.05, 0.8)

  def test_noise_keeps_small_values_from_deciding(self):
    values = planted(0.0, 1e3, 1.0)
    values[0] += 2e6
    rough = scaling_law.fit(SIZES, values)
    law = scaling_law.fit(SIZES, values, noise=4e6)
    self.assertLess(abs(law.exponent - 1), abs(rough.exponent - 1))
    self.assertAlmostEqual(law.exponent, 1, delta=0.1)

  def test_size_at_which_a_planted_law_reaches_a_value(self):
    law = scaling_law.fit(SIZES, planted(7.0, 2e-3, 1.25))
    size = law.reaches(1e6)
    self.assertAlmostEqual(7.0 + 2e-3 * size**1.25, 1e6, delta=100)
    self.assertIsNone(law.reaches(6.0))

  @parameterized.parameters([[2.0] * 5], [[2.0, 2.1, 2.2, 2.3, 4.0]], [[0.0] * 5])
  def test_what_hardly_grows_has_no_exponent(self, values):
    self.assertFalse(scaling_law.fit(SIZES, values, noise=0.1).told)

  def test_too_few_sizes_give_no_interval_or_no_law(self):
    values = planted(1.0, 1e-3, 1.0)
    self.assertIsNone(scaling_law.fit(SIZES[:3], values[:3]).interval)
    self.assertIsNone(scaling_law.fit(SIZES[:2], values[:2]))


class TableTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.found = {
      Point(what='lira', examples=n, classes=c, models=m): run(
        cpu=0.01 + 1e-6 * n * m * c / 10, memory=24 * n * m
      )
      for n in SIZES
      for c in (10, 100)
      for m in (4, 16, 64, 256)
    }

  def rows(self, text, heading):
    """Cells of a table, without its heads."""
    part = text.split(f'## {heading}\n\n')[1].split('\n\n')[0]
    return [line.strip('| ').split(' | ') for line in part.splitlines()][2:]

  def test_rows_say_what_was_planted(self):
    left_out = {Point(what='train', examples=9, classes=2): 'too slow'}
    text = scaling_table.markdown(self.found, left_out=left_out, notes='A machine.')
    self.assertIn('A machine.', text)
    self.assertTrue(text.endswith('* train, 9 examples, 2 classes: too slow\n'))
    examples = self.rows(text, 'Against examples')
    self.assertLen(examples, 8)
    (row,) = [row for row in examples if row[:3] == ['lira', '10', '256']]
    self.assertEqual(row[3:7], ['1,000 to 200,000', '51.21', '76.81', '1.73'])
    self.assertEqual(row[7:9], ['1.00 [1.00, 1.00]', '1.00 [1.00, 1.00]'])
    # Of 24 x 256 bytes an example, (24e9 - 5e8) / 6144 fill what the process leaves.
    self.assertEqual(row[9:], ['6,144', '~3,800,000'])
    models = self.rows(text, 'Against shadow models, or versions')
    self.assertLen(models, 2)
    self.assertEqual(models[0][:4], ['lira', '200,000', '10', '4 to 256'])
    self.assertEqual(models[0][4:7], ['51.21', '1,229', '2,048'])
    self.assertEqual(models[1][6], '20,480')
    self.assertEqual(models[0][9:], ['4,800,000', '~4,900'])
    classes = self.rows(text, 'Against classes')
    self.assertLen(classes, 4)
    (row,) = [row for row in classes if row[2] == '256']
    self.assertEqual(
      row[3:], ['10, 100', '51.21, 512.01', '10.00', '1,229, 1,229', '1.00', '0']
    )

  def test_series_too_short_or_flat_says_so(self):
    points = [Point(what='page', examples=n, classes=10) for n in SIZES]
    flat = {point: run(cpu=2.0, memory=0.0) for point in points}
    short = {point: flat[point] for point in points[:2]}
    for found, expected in ((flat, 'flat'), (short, '-')):
      text = scaling_table.markdown(found, left_out={}, notes='')
      (row,) = self.rows(text, 'Against examples')
      self.assertEqual(row[7:9] + row[10:], [expected, expected, '-'])
      self.assertNotIn('## Left out', text)
      self.assertNotIn('## Against classes', text)

  def test_picture_shows_the_most_models_of_each_kind(self):
    figure = scaling_table.picture(self.found)
    lines = figure.axes[0].get_lines()
    self.assertEqual([line.get_linestyle() for line in lines], ['-', '--'])
    self.assertEqual(lines[0].get_label(), 'lira (256)')
    np.testing.assert_array_equal(lines[0].get_xdata(), SIZES)
    np.testing.assert_allclose(
      figure.axes[1].get_lines()[0].get_ydata(), np.array(SIZES) * 24 * 256 / 1e9
    )


class PlanTest(parameterized.TestCase):
  def test_points_are_of_every_size_small_ones_first(self):
    found = scaling.points(args(what=list(scaling_child.WORKS), versions=[5]))
    self.assertLen(set(found), len(found))
    self.assertLen(found, 2 * (3 + 2 * 2 + 1))
    sizes = [point.examples * point.models for point in found]
    self.assertEqual(sizes, sorted(sizes))
    audits = [point for point in found if point.what == 'unlearn audit']
    self.assertEqual({(p.classes, p.models) for p in audits}, {(10, 5)})

  def test_what_is_expected_follows_the_series(self):
    first, second, third, other = (
      Point(what='train', examples=n, classes=c)
      for n, c in ((1000, 10), (2000, 10), (8000, 10), (2000, 100))
    )
    self.assertIsNone(scaling.expected(third, {}))
    self.assertIsNone(scaling.expected(third, {other: run()}))
    found = {first: run(rest=4.0, memory=1e8)}
    self.assertEqual(scaling.expected(third, found), (2 + 4 * 8, 5e8 + 8e8))
    found[second] = run(rest=4.0 * 2**1.5, memory=1e8)
    seconds, memory = scaling.expected(third, found)
    self.assertAlmostEqual(seconds, 2 + 4 * 2**1.5 * 4**1.5)
    # Never below a straight line.
    self.assertAlmostEqual(memory, 5e8 + 4e8)
    for flag, value in (('seconds_per_point', 90), ('memory_gb', 0.8)):
      few = args(**{flag: value})
      self.assertIn(f'--{flag}={value}', scaling.too_large(third, found, few))
    self.assertIsNone(scaling.too_large(third, found, args()))


class ResumeTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.asked = []
    self.rest = lambda point: 1.0

  def _child(self, lines, *, limit):
    self.assertEqual(limit, 900)
    ((python, _, module, fields),) = lines
    self.assertEqual((python, module), (sys.executable, 'benchmarks.scaling_child'))
    point = Point(**json.loads(fields))
    self.asked.append(point)
    rest = self.rest(point)
    if isinstance(rest, BaseException):
      raise rest
    memory = 1e5 * point.examples
    return [f'a warning\n{json.dumps(run(memory=memory, rest=rest))}\n']

  def measure(self, **values):
    """Returns what is printed."""
    self.asked = []
    with (
      mock.patch.object(scaling, 'run_side_by_side', self._child),
      mock.patch.object(scaling, 'machine', lambda _: {'cores': 2, 'load': 0.0}),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      scaling.measure(args(output_dir=str(self.folder), **values))
    return out.getvalue()

  def test_killed_run_goes_on(self):
    kill = {'after': 4}

    def rest(point):
      del point
      return KeyboardInterrupt() if len(self.asked) > kill['after'] else 1.0

    self.rest = rest
    with self.assertRaises(KeyboardInterrupt):
      self.measure()
    done = self.asked[:4]
    path = self.folder / scaling.RAW
    self.assertLen(path.read_text().splitlines(), 4)
    with open(path, 'a') as file:
      file.write('{"point": {"wh')
    kill['after'] = 100
    out = self.measure()
    self.assertIn('4 of 6 measured already', out)
    self.assertIn('6/6', out)
    self.assertEmpty(set(done) & set(self.asked))
    self.assertLen(path.read_text().splitlines(), 6)
    self.assertIn('0 min left', out.splitlines()[3])
    self.measure()
    self.assertEmpty(self.asked)
    self.assertIn('| lira | 10 | 16 |', (self.folder / scaling.TABLE).read_text())
    for file in self.folder.iterdir():
      self.assertLess(file.stat().st_size, 1e6)

  def test_what_takes_too_much_is_left_out_and_listed(self):
    self.rest = lambda point: point.examples / 2 if point.what == 'train' else 1.0
    self.measure(examples=[400, 1000, 4000, 8000], memory_gb=1)
    trained = [point.examples for point in self.asked if point.what == 'train']
    self.assertEqual(trained, [400])
    text = (self.folder / scaling.TABLE).read_text()
    self.assertIn('train, 1,000 examples, 10 classes: would take about 502 s', text)
    self.assertIn('train, 4,000 examples, 10 classes: as 1,000 examples', text)
    self.assertIn(
      '8,000 examples, 10 classes, 16 models: would take about 1.3 GB', text
    )

  def test_what_failed_is_tried_again_unless_it_was_too_slow(self):
    slow = RuntimeError('took more than 900 s')
    self.rest = lambda point: (
      RuntimeError('exit code 1: broken')
      if point.what == 'lira' and point.models == 4
      else slow
      if point.what == 'train'
      else 1.0
    )
    self.measure()
    text = (self.folder / scaling.TABLE).read_text()
    self.assertIn('lira, 1,000 examples, 10 classes, 4 models: exit code 1: br', text)
    self.assertIn('train, 1,000 examples, 10 classes: took more than 900 s', text)
    self.rest = lambda point: 1.0
    self.measure()
    self.assertEqual({(p.what, p.models) for p in self.asked}, {('lira', 4)})


class FlagsTest(parameterized.TestCase):
  @parameterized.parameters(
    ('--what=trai', 'must be out of train,report,page,lira,rmia,unlearn audit'),
    ('--examples=1000,x', '--examples=1000,x: numbers, each at least 400'),
    ('--shadows=2', '--shadows=2: numbers, each at least 4'),
    ('--memory_gb=nan', '--memory_gb=nan: must be at least 1'),
  )
  def test_wrong_flag_is_named(self, flag, message):
    with (
      contextlib.redirect_stderr(io.StringIO()) as err,
      self.assertRaises(SystemExit),
    ):
      scaling.main(['--output_dir=unused', flag])
    self.assertIn(message, err.getvalue())


class ChildTest(parameterized.TestCase):
  @parameterized.parameters('report', 'lira', 'rmia', 'unlearn audit')
  def test_small_work_is_measured(self, what):
    point = Point(what=what, examples=600, classes=10, models=5)
    with mock.patch.object(scaling_child, 'WARM_UP', 400):
      found = json.loads(json.dumps(scaling_child.measure(point)))
    self.assertGreater(found['cpu'], 0)
    self.assertGreater(found['wall'], 0)
    self.assertLess(found['wall'], found['rest'])
    self.assertGreater(found['peak'], 5e7)
    self.assertLess(abs(found['peak'] - found['baseline']), 3e8)

  def test_peak_is_of_what_was_metered(self):
    before = np.ones(30_000_000)
    with scaling_child.Meter() as meter:
      within = np.ones(10_000_000)
    self.assertGreaterEqual(meter.peak - meter.inputs, within.nbytes * 0.9)
    del before
    with scaling_child.Meter() as meter:
      pass
    if meter.exact:
      self.assertLess(meter.peak - meter.inputs, within.nbytes)

  def test_shadows_that_share_a_file_are_a_fleet(self):
    folder = pathlib.Path(self.create_tempdir().full_path)
    from benchmarks import scaling_inputs
    from rnn_tf.fleets.folder import FleetFolder

    data = scaling_inputs.data(train=30, holdout=30, test=12, classes=3)
    plan = scaling_inputs.plan(data, num_shadows=6)
    scaling_inputs.write_fleet(plan, folder / 'fleet', distinct=2)
    shadows = FleetFolder(folder / 'fleet').load(plan, epoch=1)
    self.assertEqual(shadows.logits.shape, (6, 60, 3))
    self.assertFalse(np.array_equal(shadows.logits[0], shadows.logits[1]))
    np.testing.assert_array_equal(shadows.logits[4], shadows.logits[0])
    np.testing.assert_array_equal(plan.members.sum(axis=0), 3)


if __name__ == '__main__':
  absltest.main()
