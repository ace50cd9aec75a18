"""Opens pages from disk in a real browser, for tests."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from absl.testing import parameterized

from rnn_tf.page import render
from tests.page import sample_page

try:
  from playwright import sync_api
except ImportError:
  sync_api = None

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
# `pixels` gives the red, green, blue and alpha of a chart as it is now, at a point in
# CSS pixels of its canvas; out of a copy, which can be read often.
HELPERS = """
window.chartOf = (id) => Chart.getChart(document.querySelector(`#${id} .plot canvas`));
window.copyOf = ({canvas}) => {
  const context = new OffscreenCanvas(canvas.width, canvas.height)
    .getContext('2d', {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  return context;
};
window.pixels = (id) => {
  const ratio = chartOf(id).currentDevicePixelRatio;
  const copy = copyOf(chartOf(id));
  return (x, y) => [
    ...copy.getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
};
window.rgb = (color) => {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
};
window.luminance = (color) => {
  const [r, g, b] = rgb(color).slice(0, 3).map((value) => value / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
window.behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (rgb(color)[3] === 255) return color;
  }
  return 'white';
};
window.contrast = (element) => {
  const ends = [getComputedStyle(element).color, behind(element)].map(luminance);
  return (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
};
"""


# How bright the numbers along the vertical axis are, from 0 to 255.
TICKS = """(id) => {
  const {chartArea, height, currentDevicePixelRatio: ratio} = chartOf(id);
  const copy = copyOf(chartOf(id));
  const {data} = copy.getImageData(0, 0, chartArea.left * ratio - 4, height * ratio);
  const seen = [];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] > 200) seen.push((data[at] + data[at + 1] + data[at + 2]) / 3);
  }
  return seen.reduce((sum, value) => sum + value, 0) / seen.length;
}"""

# Of each series: the share of its marked points that have its colour in the middle.
PAINTED = """(id) => {
  const chart = chartOf(id);
  const at = pixels(id);
  const sets = chart.data.datasets.filter(({series}) => !series.reference);
  return sets.map((set, index) => {
    const expected = rgb(set.borderColor());
    const points = chart.getDatasetMeta(index).data.filter(
      (point) => !point.skip && point.options.radius > 0);
    const hits = points.filter(({x, y}) => at(x, y).every(
      (value, channel) => Math.abs(value - expected[channel]) < 8));
    return hits.length / points.length;
  });
}"""


def browser_path() -> str | None:
  """Returns a Chromium that runs; stubs that ask for another installer do not."""
  for path in filter(None, map(shutil.which, NAMES)):
    if subprocess.run([path, '--version'], capture_output=True).returncode == 0:
      return path
  return None


class _State:
  """What the tests of a module share: starting a browser takes longer than a test."""

  folder: tempfile.TemporaryDirectory
  playwright = None
  browser = None
  pages: dict[bool, 'Watched']


class Watched:
  """A browser's page; what it complained of, asked for and was refused."""

  def __init__(self, *, scripts):
    context = _State.browser.new_context(java_script_enabled=scripts)
    context.add_init_script(HELPERS)
    self.page = page = context.new_page()
    self.clear()
    page.on('console', lambda message: self.complaints.append(message.text))
    page.on('pageerror', lambda error: self.complaints.append(str(error)))
    page.on('dialog', self.refuse)
    page.on('request', lambda request: self.requests.append(request.url))
    page.on('requestfailed', lambda request: self.refused.append(request.failure))

  def clear(self):
    self.complaints, self.requests, self.refused = [], [], []

  def refuse(self, dialog):
    self.complaints.append(dialog.message)
    dialog.dismiss()


def start():
  if sync_api is None:
    raise unittest.SkipTest('playwright is not installed (make test installs it)')
  path = browser_path()
  if path is None:
    raise unittest.SkipTest(f'no browser: none of {", ".join(NAMES)} runs')
  _State.folder = tempfile.TemporaryDirectory()
  for name in ('page', 'hostile'):
    text = render.render(getattr(sample_page, name)())
    (pathlib.Path(_State.folder.name) / f'{name}.html').write_text(text, 'utf-8')
  _State.playwright = sync_api.sync_playwright().start()
  arguments = ['--no-sandbox'] if os.geteuid() == 0 else []
  _State.browser = _State.playwright.chromium.launch(
    executable_path=path, args=arguments
  )
  _State.pages = {scripts: Watched(scripts=scripts) for scripts in (True, False)}


def stop():
  if _State.browser:
    _State.browser.close()
    _State.playwright.stop()
    _State.folder.cleanup()


class BrowserCase(parameterized.TestCase):
  def open(self, name='page', *, text=None, width=1100, scheme='light', scripts=True):
    """Opens a page from disk, anew; `self.seen` is what it does from then on."""
    path = pathlib.Path(_State.folder.name) / f'{name}.html'
    if text is not None:
      path.write_text(text, 'utf-8')
    self.seen = _State.pages[scripts]
    page = self.seen.page
    page.set_viewport_size({'width': width, 'height': 900})
    page.emulate_media(media='null', color_scheme=scheme)
    page.goto('about:blank')
    self.seen.clear()
    page.goto(path.as_uri())
    if scripts:
      self.settle(page)
    return page

  def settle(self, page):
    """Waits until sizes and colours have been followed."""
    page.evaluate("""() => new Promise((go) => requestAnimationFrame(
      () => requestAnimationFrame(() => setTimeout(go, 0))))""")

  def assert_quiet(self):
    self.assertEqual(self.seen.complaints, [])
    self.assertLen(self.seen.requests, 1)
    self.assertStartsWith(self.seen.requests[0], 'file://')

  def unfold(self, page):
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    self.settle(page)

  def hover(self, page, chart, series, point):
    """Moves the mouse to a point; returns what the tooltip says, None if hidden."""
    canvas = page.locator(f'#{chart} .plot > canvas')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = page.evaluate(
      """([id, series, point]) => {
        const {x, y} = chartOf(id).getDatasetMeta(series).data[point];
        return [x, y];
      }""",
      [chart, series, point],
    )
    page.mouse.move(box['x'] + at[0], box['y'] + at[1])
    self.settle(page)
    tooltip = page.locator(f'#{chart} .tooltip')
    return tooltip.inner_text() if tooltip.is_visible() else None
