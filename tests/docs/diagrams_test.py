import contextlib
import functools
import importlib
import io
import itertools
import json
import pathlib
import re
import sys
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

DOCS = pathlib.Path(__file__).parents[2] / 'docs'
CHINESE = DOCS / 'images/zh/labels.json'

# The script is run by its path, so that its neighbours are found beside it.
with mock.patch.object(sys, 'path', [str(DOCS), *sys.path]):
  diagrams = importlib.import_module('diagrams')

SLACK = 1.5  # Pixels by which a label may touch.


def run(*arguments):
  """Returns the exit code, and what was printed and complained."""
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = diagrams.main([*map(str, arguments)])
  return code, out.getvalue(), err.getvalue()


@functools.cache
def drawn(name, chinese):
  """Returns a canvas, and the boxes of its labels in pixels."""
  labels = diagrams.read_labels(CHINESE) if chinese else {}
  canvas = diagrams.DIAGRAMS[name](labels, diagrams.font_for(labels))
  canvas.figure.canvas.draw()
  inside = [(text, node, text.get_window_extent()) for text, node in canvas.inside]
  free = [(text, text.get_window_extent()) for text in canvas.free]
  return canvas, inside, free


def place_of(node, canvas):
  corners = canvas.axes.transData.transform([(*node.left(0),), (*node.right(1),)])
  return [*corners[0], *corners[1]]


def overlap(one, other):
  """Returns by how many pixels two rectangles (x0, y0, x1, y1) overlap."""
  width = min(one[2], other[2]) - max(one[0], other[0])
  height = min(one[3], other[3]) - max(one[1], other[1])
  return min(width, height)


def label_sets():
  """Returns whether labels are Chinese ones, of the sets that can be drawn here."""
  with contextlib.suppress(diagrams.FontMissingError):
    diagrams.font_for(diagrams.read_labels(CHINESE))
    return [False, True]
  return [False]


class LayoutTest(parameterized.TestCase):
  @parameterized.parameters(*diagrams.DIAGRAMS)
  def test_label_in_a_box_stays_in_it(self, name):
    for chinese in label_sets():
      canvas, inside, _ = drawn(name, chinese)
      for text, node, box in inside:
        left, bottom, right, top = place_of(node, canvas)
        fits = left < box.x0 and box.x1 < right and bottom < box.y0 and box.y1 < top
        self.assertTrue(fits, text.get_text())

  @parameterized.parameters(*diagrams.DIAGRAMS)
  def test_free_label_touches_no_label_and_no_box(self, name):
    for chinese in label_sets():
      canvas, _, free = drawn(name, chinese)
      places = [(text.get_text(), box.extents) for text, box in free]
      boxes = [('a box', place_of(node, canvas)) for node in canvas.nodes]
      for (text, one), (other_text, other) in [
        *itertools.combinations(places, 2),
        *itertools.product(places, boxes),
      ]:
        self.assertLess(overlap(one, other), SLACK, f'{text!r} on {other_text!r}')

  @parameterized.parameters(*diagrams.DIAGRAMS)
  def test_nothing_is_cut_off_at_the_rim(self, name):
    for chinese in label_sets():
      canvas, _, free = drawn(name, chinese)
      right, top = canvas.figure.bbox.max
      boxes = [box.extents for _, box in free]
      boxes += [place_of(node, canvas) for node in canvas.nodes]
      for box in boxes:
        self.assertGreaterEqual(min(box[:2]), 0)
        self.assertLessEqual(box[2], right)
        self.assertLessEqual(box[3], top)


class ScriptTest(absltest.TestCase):
  def test_script_writes_every_picture_as_it_is_in_the_repository(self):
    folder = pathlib.Path(self.create_tempdir().full_path)
    code, out, _ = run(f'--output_dir={folder}')
    self.assertEqual(code, 0)
    self.assertLen(out.split(), len(diagrams.DIAGRAMS))
    for name in diagrams.DIAGRAMS:
      png = (folder / f'{name}.png').read_bytes()
      self.assertLess(len(png), 200_000, name)
      kept = Image.open(DOCS / f'images/{name}.png')
      np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(png))),
        np.asarray(kept),
        f'{name}: draw it again with python docs/diagrams.py',
      )

  def test_same_diagram_gives_same_bytes(self):
    for name in ('bptt', 'dp-sgd'):
      first, second = (
        diagrams.DIAGRAMS[name]({}, diagrams.LATIN_FONT).to_png() for _ in range(2)
      )
      self.assertEqual(first, second)

  def test_chinese_set_is_complete_and_small(self):
    pictures = {path.stem: path for path in CHINESE.parent.glob('*.png')}
    self.assertSameElements(pictures, diagrams.DIAGRAMS)
    for path in pictures.values():
      self.assertLess(path.stat().st_size, 200_000)

  def test_label_that_no_diagram_shows_is_not_in_the_chinese_set(self):
    shown = set()

    class Recording(dict):
      def __contains__(self, label):
        shown.add(label)
        return super().__contains__(label)

    labels = Recording(diagrams.read_labels(CHINESE))
    for draw in diagrams.DIAGRAMS.values():
      draw(labels, diagrams.LATIN_FONT)
    self.assertSameElements(labels, shown)

  def test_missing_label_is_named_and_nothing_written(self):
    folder = pathlib.Path(self.create_tempdir().full_path)
    labels = {label: label for label in diagrams.read_labels(CHINESE)}
    del labels['shadow model 1']
    path = folder / 'labels.json'
    path.write_text(json.dumps(labels))
    code, _, err = run(f'--labels={path}')
    self.assertEqual(code, 2)
    self.assertIn('shadow model 1', err)
    self.assertEqual([*folder.iterdir()], [path])

  def test_without_a_chinese_font_the_message_says_what_to_install(self):
    with mock.patch.object(diagrams, 'installed_families', return_value={'Arial'}):
      code, out, err = run(f'--labels={CHINESE}')
    self.assertEqual((code, out), (2, ''))
    self.assertRegex(err, 'fonts-noto-cjk')

  def test_labels_that_are_no_object_are_refused(self):
    path = self.create_tempfile(content='["image"]').full_path
    code, _, err = run(f'--labels={path}')
    self.assertEqual(code, 2)
    self.assertIn('must be a JSON object', err)


def links(page):
  """Returns the targets of a page's links and pictures, code left out."""
  text = re.sub(r'```.*?```|`[^`]*`', '', page.read_text(), flags=re.DOTALL)
  return re.findall(r'\]\(([^)\s]+)\)', text)


def anchors(page):
  """Returns the anchors that GitHub gives a page's headings."""
  text = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)
  headings = re.findall(r'^#+ (.*)$', text, flags=re.MULTILINE)
  return {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}


class PagesTest(parameterized.TestCase):
  @parameterized.parameters(*(path.name for path in sorted(DOCS.glob('*.md'))))
  def test_links_of_a_page_resolve(self, name):
    page = DOCS / name
    for link in links(page):
      if re.match('[a-z]+:', link):
        continue
      target, _, anchor = link.partition('#')
      path = (DOCS / target).resolve() if target else page
      self.assertTrue(path.exists(), link)
      if anchor and path.suffix == '.md':
        self.assertIn(anchor, anchors(path), link)

  @parameterized.parameters(*diagrams.DIAGRAMS)
  def test_diagram_is_shown_by_a_page(self, name):
    shown = [link for page in DOCS.glob('*.md') for link in links(page)]
    self.assertIn(f'images/{name}.png', shown)


if __name__ == '__main__':
  absltest.main()
