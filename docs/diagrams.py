"""Draws the guide's diagrams.

python docs/diagrams.py                                      docs/images/*.png
python docs/diagrams.py --labels=docs/images/zh/labels.json  docs/images/zh/*.png
"""

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Mapping

from diagram_canvas import LATIN_FONT, MissingLabelError
from diagram_cells import CELLS
from diagram_networks import NETWORKS
from diagram_privacy import PRIVACY
from matplotlib import font_manager

IMAGES = pathlib.Path(__file__).parent / 'images'

DIAGRAMS = {**NETWORKS, **CELLS, **PRIVACY}
"""File name without its ending -> (labels, font) to the drawn canvas."""

CJK_FONTS = (
  'Noto Sans CJK SC',
  'Noto Sans SC',
  'Source Han Sans SC',
  'Source Han Sans CN',
  'WenQuanYi Micro Hei',
  'WenQuanYi Zen Hei',
  'Microsoft YaHei',
  'PingFang SC',
  'Noto Sans CJK JP',
)
"""Families that have Chinese letters, the first one installed is taken."""

_CJK = re.compile('[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]')


class FontMissingError(Exception):
  """No font is installed for the letters of the labels."""


def main(argv: list[str] | None = None) -> int:
  """Writes every diagram; returns the exit code.

  Args:
    argv: the command line's arguments; None takes them from there.
  """
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--labels', type=pathlib.Path, help='JSON: English label -> label to write'
  )
  parser.add_argument(
    '--output_dir',
    type=pathlib.Path,
    help='where to write; the default is docs/images, or the folder of --labels',
  )
  flags = parser.parse_args(argv)
  folder = flags.output_dir or (flags.labels.parent if flags.labels else IMAGES)
  try:
    labels = read_labels(flags.labels) if flags.labels else {}
    font = font_for(labels)
    canvases = {name: draw(labels, font) for name, draw in DIAGRAMS.items()}
  except (FontMissingError, OSError, ValueError) as error:
    return _complain(f'--labels={flags.labels}: {error}')
  except MissingLabelError as error:
    return _complain(f'--labels={flags.labels}: has nothing for {error}: add it')
  folder.mkdir(parents=True, exist_ok=True)
  for name, canvas in canvases.items():
    path = folder / f'{name}.png'
    partial = path.with_suffix('.partial')
    partial.write_bytes(canvas.to_png())
    partial.replace(path)
    print(path)
  return 0


def read_labels(path: pathlib.Path) -> dict[str, str]:
  """Reads English label -> label to write.

  Raises:
    OSError: the file cannot be read.
    ValueError: it is no JSON object of strings.
  """
  labels = json.loads(path.read_text(encoding='utf-8'))
  if not isinstance(labels, dict) or not all(
    isinstance(label, str) for label in labels.values()
  ):
    raise ValueError('must be a JSON object, English label -> label to write')
  return labels


def font_for(labels: Mapping[str, str]) -> str:
  """Returns a family of fonts that has the labels' letters.

  Raises:
    FontMissingError: Chinese letters are needed, and no font has them.
  """
  if not any(map(_CJK.search, labels.values())):
    return LATIN_FONT
  families = installed_families()
  for family in CJK_FONTS:
    if family in families:
      return family
  raise FontMissingError(
    'has Chinese letters, for which no font is installed: install one, for example '
    'fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora); known are '
    f'{", ".join(CJK_FONTS)}'
  )


def installed_families() -> set[str]:
  """Returns the families that matplotlib can draw with.

  Its list of fonts is a cache: fonts that were installed since are added.
  """
  manager = font_manager.fontManager
  known = {font.fname for font in manager.ttflist}
  for path in sorted(font_manager.findSystemFonts()):
    if path not in known and re.search('CJK|Han|SC|Hei|PingFang', path):
      manager.addfont(path)
  return {font.name for font in manager.ttflist}


def _complain(message: str) -> int:
  print(message, file=sys.stderr)
  return 2


if __name__ == '__main__':
  sys.exit(main())
