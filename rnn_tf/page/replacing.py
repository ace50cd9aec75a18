"""Whether a page may take the place of the one that is there."""

import pathlib

from rnn_tf.errors import UsageError
from rnn_tf.page import figures
from rnn_tf.untrusted import read_text

PAGE = 'report.html'

KINDS = {
  'comparison': 'a comparison',
  'inference': 'predictions',
  'run': 'a run',
}
"""What a page's settings call its kind -> what it is the page of."""


def check(folder: pathlib.Path, *, kind: str, flag: str) -> None:
  """Refuses to write a page where another would be lost.

  Args:
    folder: where the page is to be written as report.html.
    kind: a name out of `KINDS`; a page of the same kind may be replaced.
    flag: what names the folder, with its value, such as `--report_dir=reports/x`.

  Raises:
    UsageError: there is a report.html that is no page of this kind.
  """
  path = folder / PAGE
  if not path.exists():
    return
  found = None
  try:
    page = figures.read(read_text(path))
    found = page.settings.get('kind')
  except (OSError, ValueError, UsageError):
    pass
  if found == kind:
    return
  what = KINDS.get(str(found))
  said = f'the page of {what}' if what else f'no page of {KINDS[kind]}'
  raise UsageError(
    f'{flag}: its {PAGE} is {said} and would be lost: name another folder, or move '
    'the file away'
  )
