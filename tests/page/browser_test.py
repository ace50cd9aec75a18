"""Pages in a real browser: drawn, hovered over, sorted, printed, and never loading."""

import dataclasses
import pathlib

from absl.testing import absltest, parameterized

from rnn_tf.page import blocks, render
from tests.page import browser, sample_page
from tests.page.browser import BrowserCase

setUpModule = browser.start
tearDownModule = browser.stop

CHARTS = ('roc', 'learning', 'utility', 'by-class', 'by-shadows')
SHOWN = CHARTS[:-1]  # The last one is folded away.


class ChartsTest(BrowserCase):
  def test_every_chart_is_drawn_and_nothing_is_loaded(self):
    page = self.open()
    for name in SHOWN:
      shares = page.evaluate(browser.PAINTED, name)
      self.assertNotEmpty(shares)
      for share in shares:  # Points may lie on each other.
        self.assertGreater(share, 0.6, name)
    self.assertIsNone(page.evaluate("chartOf('by-shadows') ?? null"))
    self.unfold(page)
    self.assertEqual(page.evaluate(browser.PAINTED, 'by-shadows'), [1])
    self.assertTrue(
      page.evaluate('[...document.images].every((image) => image.naturalWidth === 32)')
    )
    self.assert_quiet()

  def test_intervals_are_a_band_along_lines_and_bars_through_points(self):
    page = self.open()
    found = page.evaluate("""() => {
      const at = (id, set, index, value) => {
        const chart = chartOf(id);
        const point = chart.data.datasets[set].data[index];
        const {x} = chart.getDatasetMeta(set).data[index];
        return pixels(id)(x, chart.scales.y.getPixelForValue(value(point)))[3];
      };
      return [
        at('learning', 0, 17, (point) => (point.y + point.low) / 2),
        at('learning', 0, 17, (point) => point.low - 0.02),
        at('by-class', 0, 2, (point) => (point.y + point.low) / 2),
        at('by-class', 0, 2, (point) => point.low - 0.004),
      ];
    }""")
    self.assertBetween(found[0], 20, 80)
    self.assertGreater(found[2], 50)
    self.assertEqual((found[1], found[3]), (0, 0))

  def test_values_that_are_missing_are_gaps(self):
    page = self.open()
    found = page.evaluate("""() => {
      const {data} = chartOf('learning').getDatasetMeta(0);
      const [before, after] = [data[11], data[13]];
      return pixels('learning')((before.x + after.x) / 2, (before.y + after.y) / 2)[3];
    }""")
    self.assertEqual(found, 0)

  def test_hovering_tells_series_numbers_interval_and_label(self):
    page = self.open()
    self.assertEqual(
      self.hover(page, 'by-class', 1, 0).splitlines(),
      ['lira', 'class: airplane', 'AUC: 0.6637 [0.6337, 0.6937]'],
    )
    lines = self.hover(page, 'utility', 2, 3).splitlines()
    self.assertEqual(lines[:2], ['early stop', 'early stop, seed 3'])
    self.assertStartsWith(lines[2], 'test accuracy: 0.6')
    page.mouse.move(5, 5)
    self.settle(page)
    self.assertTrue(page.locator('#utility .tooltip').is_hidden())

  def test_references_are_not_hovered_over(self):
    page = self.open()
    self.assertEqual(self.hover(page, 'utility', 3, 0).splitlines()[0], 'plain')

  def test_a_click_on_the_legend_hides_a_series_and_shows_it_again(self):
    page = self.open()
    button = page.locator('#utility .legend button').first
    point = page.evaluate(
      "(({x, y}) => [x, y])(chartOf('utility').getDatasetMeta(0).data[0])"
    )
    alpha = "([x, y]) => pixels('utility')(x, y)[3]"
    self.assertEqual(page.evaluate(alpha, point), 255)
    button.click()
    self.assertEqual(button.get_attribute('aria-pressed'), 'false')
    self.assertLess(page.evaluate(alpha, point), 255)
    button.press('Enter')
    self.assertEqual(button.get_attribute('aria-pressed'), 'true')
    self.assertEqual(page.evaluate(alpha, point), 255)

  def test_values_below_zero_are_left_out_of_logarithmic_axes(self):
    page = self.open()
    skipped = page.evaluate(
      "chartOf('roc').getDatasetMeta(0).data.map((point) => point.skip)"
    )
    self.assertEqual(skipped, [True] + [False] * (len(skipped) - 1))
    ticks = page.evaluate("chartOf('roc').scales.x.ticks.map(({label}) => label)")
    self.assertEqual(ticks, ['0.0001', '0.001', '0.01', '0.1', '1'])

  def test_a_zero_does_not_stretch_a_logarithmic_axis(self):
    axis = blocks.Axis(label='size', scale='log')
    series = blocks.Series(name='a', x=(0, 20, 200), y=(0, 30, 300))
    chart = blocks.Chart(
      name='sizes', title='', description='', x=axis, y=axis, series=(series,)
    )
    section = blocks.Section(name='section', title='', blocks=(chart,))
    page = dataclasses.replace(sample_page.page(), sections=(section,))
    page = self.open('sizes', text=render.render(page))
    found = page.evaluate(
      "[chartOf('sizes').scales.x.min, chartOf('sizes').scales.y.min]"
    )
    self.assertEqual(found, [20, 30])
    ticks = page.evaluate("chartOf('sizes').scales.x.ticks.map(({label}) => label)")
    self.assertEqual(ticks, ['20', '50', '100', '200'])

  def test_steps_keep_the_value_of_the_first_of_two_points(self):
    page = self.open()
    found = page.evaluate("""() => {
      const {data} = chartOf('roc').getDatasetMeta(1);
      const at = data.findIndex((point, index) => index > 40
        && data[index + 1].x - point.x > 4 && point.y - data[index + 1].y > 4);
      const middle = (data[at].x + data[at + 1].x) / 2;
      return [data[at].y, data[at + 1].y].map((y) => pixels('roc')(middle, y)[3]);
    }""")
    self.assertGreater(found[0], 150)
    self.assertLess(found[1], 60)

  def test_the_data_can_be_saved(self):
    page = self.open()
    for name, make in (('roc', sample_page.roc), ('attacks', sample_page.attacks)):
      with page.expect_download() as download:
        page.click(f'#{name} .links a >> nth=0')
      self.assertEqual(download.value.suggested_filename, f'{name}.csv')
      saved = pathlib.Path(download.value.path()).read_text()
      block = make()
      self.assertEqual(saved, block.csv if name == 'attacks' else block.csv())
    self.assertEqual(self.seen.complaints, [])


class TablesTest(BrowserCase):
  def column(self, page, place):
    rows = page.locator('#attacks tbody tr').all()
    return [row.locator('th, td').nth(place).inner_text() for row in rows]

  def test_a_click_sorts_by_numbers_and_another_one_reverses(self):
    page = self.open()
    header = page.locator('#attacks thead th').nth(2)
    self.assertIsNone(header.get_attribute('aria-sort'))
    header.locator('button').click()
    self.assertEqual(header.get_attribute('aria-sort'), 'ascending')
    starts = [text[:5] for text in self.column(page, 2)]
    self.assertEqual(starts, ['0.598', '~0.66', '0.702', '0.738', ''])
    header.locator('button').press('Enter')
    self.assertEqual(header.get_attribute('aria-sort'), 'descending')
    starts = [text[:5] for text in self.column(page, 2)]
    self.assertEqual(starts, ['0.738', '0.702', '~0.66', '0.598', ''])

  def test_equal_cells_keep_their_order_and_texts_come_after_numbers(self):
    page = self.open()
    buttons = page.locator('#attacks thead button')
    buttons.nth(2).click()
    buttons.nth(5).click()
    self.assertEqual(self.column(page, 0), ['mlp', 'rmia', 'rmia', 'lira', 'threshold'])
    self.assertEqual(self.column(page, 1)[1:3], ['8', '64'])
    self.assertEqual(page.locator('#attacks [aria-sort]').count(), 1)
    for _ in range(2):
      buttons.nth(3).click()
      self.assertEqual(self.column(page, 3)[-1], 'n/a')


class ColoursTest(BrowserCase):
  def test_dark_mode_changes_the_page_and_the_charts_that_are_drawn(self):
    page = self.open()
    background = 'luminance(getComputedStyle(document.body).backgroundColor)'
    self.assertGreater(page.evaluate(background), 0.9)
    self.assertLess(page.evaluate(browser.TICKS, 'roc'), 130)
    page.emulate_media(color_scheme='dark')
    self.settle(page)
    self.assertLess(page.evaluate(background), 0.02)
    self.assertGreater(page.evaluate(browser.TICKS, 'roc'), 130)
    for share in page.evaluate(browser.PAINTED, 'learning'):
      self.assertGreater(share, 0.6)

  @parameterized.parameters('light', 'dark')
  def test_every_text_stands_out_from_what_is_behind_it(self, scheme):
    page = self.open(scheme=scheme)
    self.unfold(page)
    for level in ('good', 'warning', 'bad', 'unknown', 'info'):
      page.evaluate(
        "(name) => document.querySelector('.verdict').className = `verdict ${name}`",
        level,
      )
      found = page.evaluate("""() => [...document.querySelectorAll('main *')]
        .filter((each) => [...each.childNodes].some(
          (child) => child.nodeType === 3 && child.textContent.trim()))
        .filter((each) => each.checkVisibility())
        .map((each) => [contrast(each), each.outerHTML.slice(0, 200)])""")
      self.assertGreater(len(found), 100)
      self.assertGreaterEqual(min(found)[0], 4.5, min(found)[1])

  def test_shaded_cells_differ_by_their_shade(self):
    page = self.open()
    shades = page.evaluate("""[...document.querySelectorAll('.shaded')].map((cell) => [
      Number(cell.style.getPropertyValue('--shade')),
      luminance(getComputedStyle(cell).backgroundColor)])""")
    shades.sort()
    self.assertLess(shades[-1][1], shades[0][1] - 0.3)


class SizesTest(BrowserCase):
  @parameterized.parameters('page', 'hostile')
  def test_nothing_is_wider_than_a_phone(self, name):
    page = self.open(name, width=360)
    self.unfold(page)
    self.assertEqual(page.evaluate('document.documentElement.scrollWidth'), 360)
    wide = page.evaluate("""[...document.querySelectorAll('main *')]
      .filter((each) => !each.closest('.scroll, pre'))
      .filter((each) => each.getBoundingClientRect().right > 360)
      .map((each) => each.outerHTML.slice(0, 200))""")
    self.assertEqual(wide, [])
    self.assertEmpty(self.seen.complaints)

  def test_a_wide_table_scrolls_in_its_own_box(self):
    page = self.open(width=360)
    page.evaluate("document.querySelector('#attacks .scroll').scrollLeft = 1000")
    self.assertGreater(
      page.evaluate("document.querySelector('#attacks .scroll').scrollLeft"), 100
    )

  def test_charts_follow_the_width_of_the_window(self):
    page = self.open()
    width = (
      "document.querySelector('#roc .plot > canvas').getBoundingClientRect().width"
    )
    before = page.evaluate(width)
    page.set_viewport_size({'width': 360, 'height': 900})
    self.settle(page)
    self.assertBetween(page.evaluate(width), 280, 345)
    page.set_viewport_size({'width': 1100, 'height': 900})
    self.settle(page)
    self.assertEqual(page.evaluate(width), before)


class PaperTest(BrowserCase):
  def test_paper_is_light_unfolded_and_without_buttons(self):
    page = self.open(scheme='dark')
    page.emulate_media(media='print')
    self.settle(page)
    self.assertEqual(
      page.evaluate('getComputedStyle(document.body).backgroundColor'),
      'rgb(255, 255, 255)',
    )
    for name in CHARTS:
      self.assertLess(page.evaluate(browser.TICKS, name), 130)
      self.assertEqual(page.evaluate('(name) => chartOf(name).width', name), 680)
    self.assertTrue(page.locator('#by-shadows').is_visible())
    self.assertFalse(page.locator('#roc .links').is_visible())
    self.assertFalse(page.locator('nav').is_visible())

  def test_after_printing_the_page_is_as_before(self):
    page = self.open(scheme='dark')
    width = page.evaluate("chartOf('roc').width")
    content = page.pdf(format='A4', prefer_css_page_size=True)
    self.settle(page)
    self.assertStartsWith(content, b'%PDF')
    self.assertGreaterEqual(content.count(b'/Subtype /Image'), len(CHARTS))
    self.assertFalse(page.locator('#by-shadows').is_visible())
    self.assertGreater(page.evaluate(browser.TICKS, 'roc'), 130)
    self.assertEqual(page.evaluate("chartOf('roc').width"), width)
    self.assert_quiet()


class HostileTest(BrowserCase):
  def test_hostile_names_stay_text_whatever_is_done_with_the_page(self):
    page = self.open('hostile')
    self.unfold(page)
    self.assertEqual(page.title(), ' '.join(sample_page.hostile().title.split()))
    for selector in ('.points li', '.cards dt', '.images li', 'thead th'):
      texts = page.locator(selector).all_inner_texts()
      expected = [' '.join(text.split()) for text in sample_page.HOSTILE]
      self.assertEqual([' '.join(text.split()) for text in texts], expected, selector)
    for index, name in enumerate(sample_page.HOSTILE):
      shown = ' '.join(self.hover(page, 'chart', 0, index).split())
      self.assertIn(' '.join(name.split()), shown)
    ticks = page.evaluate("chartOf('chart').scales.x.ticks.map(({label}) => label)")
    self.assertEqual(max(map(len, ticks)), 18)
    for button in page.locator('thead button').all():
      button.click()
    page.locator('.legend button').click()
    for link in page.locator('nav a').all():
      link.click()
    page.emulate_media(media='print')
    self.settle(page)
    self.assert_quiet()

  def test_scripts_and_pictures_that_slip_in_would_not_run_nor_load(self):
    text = render.render(sample_page.page())
    slipped = (
      '<img src="http://127.0.0.1:9/x.png" onerror="alert(1)">'
      '<script>alert(1)</script><script src="http://127.0.0.1:9/x.js"></script>'
      '<iframe src="http://127.0.0.1:9/"></iframe><p onclick="alert(1)">click</p>'
    )
    page = self.open('slipped', text=text.replace('<footer>', f'{slipped}<footer>'))
    page.get_by_text('click', exact=True).click()
    self.assertEqual(self.seen.refused, ['csp', 'csp'])
    self.assertLen(self.seen.requests, 3)
    self.assertNotEmpty(self.seen.complaints)
    for complaint in self.seen.complaints:
      self.assertIn('Content Security Policy', complaint)


class WithoutScriptsTest(BrowserCase):
  def test_without_scripts_charts_point_at_their_data(self):
    page = self.open(scripts=False)
    self.assertTrue(page.locator('#roc noscript').is_visible())
    self.assertIn('its data are in the CSV', page.locator('#roc').inner_text())
    self.assertFalse(page.locator('#roc .plot').is_visible())
    self.assertTrue(page.locator('#roc .links').is_visible())


if __name__ == '__main__':
  absltest.main()
