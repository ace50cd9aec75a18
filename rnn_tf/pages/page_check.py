"""Whether a run's files and its page tell the truth."""

import dataclasses

from rnn_tf.errors import UsageError
from rnn_tf.page import figures
from rnn_tf.pages import run_page
from rnn_tf.runs import RunFolder
from rnn_tf.untrusted import read_bytes
from rnn_tf.verification import verification
from rnn_tf.verification.verification import Verification

_MOST = 40
"""Differences named one by one; of more, how many there are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageCheck:
  """What came of it.

  Attributes:
    run: the run's folder.
    data: of the files.
    page: a line for each difference between the page that is there and the one that
      the files amount to.
    about_page: what was compared, or why nothing was.
  """

  run: str
  data: Verification
  page: tuple[str, ...]
  about_page: str

  @property
  def true(self) -> bool:
    """Whether nothing was found."""
    return not self.data.mismatches and not self.page


def verify(run: str) -> PageCheck:
  """Recomputes the figures of a run's files, and compares its page with the files.

  Raises:
    UsageError: there is no run, or a file is damaged.
  """
  folder = RunFolder(run)
  data = verification.verify(folder)
  page, about = _page(folder)
  return PageCheck(run=str(folder), data=data, page=page, about_page=about)


def _page(folder: RunFolder) -> tuple[tuple[str, ...], str]:
  path = folder.path / run_page.PAGE
  if not path.exists():
    return (), f'{path} is not there: python -m rnn_tf.report --run={folder} writes it'
  try:
    content = read_bytes(path)
    old = figures.read(content.decode('utf-8'), name=str(path))
  except (OSError, ValueError) as error:
    raise UsageError(f'{path} cannot be read: {error}') from error
  # A page keeps the name that its run's folder had: a copy is no lie.
  name = old.settings.get('run')
  name = name if isinstance(name, str) else None
  expected = run_page.make(folder, max_advantage=run_page.limit_of(old), name=name)
  # What a reader of figures passes over, scripts and styles, decides what is seen: the
  # bytes count.
  if content == expected.encode():
    moved = f', of a run then called {name}' * (name != folder.path.resolve().name)
    return (), f'{path}: byte for byte what the files amount to{moved}'
  found = figures.differences(old, figures.read(expected, name=str(path)))
  if found:
    return tuple(found), f'{path}: out of date or changed'
  line = (
    f'{path.name}: its markup or scripts are not those that this version writes: it '
    'was changed, or another version made it; python -m rnn_tf.report '
    f'--run={folder} writes it anew'
  )
  return (line,), f'{path}: all figures and texts are the same, the rest is not'


def text(check: PageCheck) -> str:
  """Returns what is printed."""
  data = check.data
  lines = [f'{check.run}: {len(data.checks):,} figures recomputed']
  lines += [f'  {file}: {count:,}' for file, count in data.counts.items()]
  lines.append(check.about_page)
  if data.not_checked:
    lines.append('not recomputed:')
    lines += [f'  {line}' for line in data.not_checked]
  wrong = [str(each) for each in data.mismatches] + list(check.page)
  if not wrong:
    told = 'TRUE: every figure is what the stored data say'
    if data.not_checked:
      told = 'TRUE as far as it could be recomputed'
    return '\n'.join([*lines, told])
  count = f'{len(wrong):,} difference' + 's' * (len(wrong) > 1)
  lines.append(f'FALSE: {count} from what the stored data say:')
  lines += [f'  {line}' for line in wrong[:_MOST]]
  if len(wrong) > _MOST:
    lines.append(f'  and {len(wrong) - _MOST:,} more')
  return '\n'.join(lines)
