"""Writes the tables of reports/README.md from the CSV files of the reports.

python docs/gallery.py            writes them
python docs/gallery.py --check    exit code 1 if they are not what the files say
"""

import pathlib
import re
import sys
from collections.abc import Iterable

import pandas as pd

REPORTS = pathlib.Path(__file__).parents[1] / 'reports'

BEGIN = '<!-- Below: written by docs/gallery.py. -->'
END = '<!-- Above: written by docs/gallery.py. -->'

_SEED = re.compile(r'-s\d+$')
_WEAK = ('threshold', 'lr')


def runs_table(reports: pathlib.Path) -> str:
  """Returns the table of all runs in Markdown, seeds together.

  Args:
    reports: folder of report folders, each with a table.csv or none.
  """
  rows = []
  for path in sorted(reports.glob('*/table.csv')):
    frame = pd.read_csv(path)
    frame['group'] = [_SEED.sub('', name) for name in frame['run']]
    strong = _strongest(path.with_name('attacks.csv'))
    for (data_set, group), part in frame.groupby(['dataset', 'group'], sort=True):
      rows.append(_run_row(path.parent, data_set, part, strong.get(group, '')))
  return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + '\n'


def _run_row(
  folder: pathlib.Path, data_set: str, part: pd.DataFrame, strong: str
) -> dict[str, str]:
  runs = part.drop_duplicates('run')
  values = {
    'data set': data_set,
    'model': runs['model'].iloc[0],
    'trained on': f'{runs["train_examples"].iloc[0]:,}, '
    f'{runs["epochs"].iloc[0]} epochs',
    'seeds': str(len(runs)),
    'test accuracy': _mean(runs['val_accuracy'], 4),
  }
  for attack in _WEAK:
    aucs = part.loc[part['attack'] == attack, 'auc'].dropna()
    values[f'AUC {attack}'] = _mean(aucs, 3)
  values['strongest with shadow models'] = strong
  epsilons = runs['epsilon'].dropna() if 'epsilon' in runs else runs['run'].head(0)
  values['epsilon'] = f'{epsilons.max():.3g}' if len(epsilons) else 'none'
  values['time'] = _duration(runs['seconds'].mean())
  values['report'] = _link(folder)
  return values


def _strongest(path: pathlib.Path) -> dict[str, str]:
  """Returns group -> the attack with the highest AUC and its figures."""
  if not path.exists():
    return {}
  frame = pd.read_csv(path)
  frame['group'] = [_SEED.sub('', name) for name in frame['run']]
  found = {}
  for group, part in frame.dropna(subset='auc').groupby('group'):
    best = part.loc[part['auc'].idxmax()]
    found[group] = (
      f'{best["attack"]} {_short(best["auc"])}, TPR {best["tpr_at_0.1pct"]:.2%} at '
      '0.1% FPR'
    )
  return found


def deletions_table(reports: pathlib.Path) -> str:
  """Returns the table of all deletions in Markdown."""
  rows = []
  for path in sorted(reports.glob('*/verdicts.csv')):
    versions = pd.read_csv(path.with_name('versions.csv'))
    costs = pd.read_csv(path.with_name('costs.csv'))
    verdicts = pd.read_csv(path)
    pairs = verdicts[['forget', 'method']].drop_duplicates()
    for forget, method in pairs.itertuples(index=False):
      if 'original' in method:
        continue
      one = verdicts[(verdicts['forget'] == forget) & (verdicts['method'] == method)]
      rows.append(_deletion_row(path.parent, one, versions, costs))
  return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + '\n'


def _deletion_row(
  folder: pathlib.Path, one: pd.DataFrame, versions: pd.DataFrame, costs: pd.DataFrame
) -> dict[str, str]:
  forget, method = one['forget'].iloc[0], one['method'].iloc[0]

  def auc(which: str) -> pd.Series:
    picked = (versions['forget'] == forget) & (versions['method'] == which)
    return versions[picked & (versions['attack'] == 'threshold')]

  after = auc(method)
  spent = costs[(costs['forget'] == forget) & (costs['method'] == method)]
  threshold = one[one['attack'] == 'threshold'].iloc[0]
  return {
    'deleted': forget,
    'method': method,
    'AUC before': _mean(auc('original')['forgotten_auc'], 3),
    'after': _mean(after['forgotten_auc'], 3),
    'less the full retrain': f'{threshold["auc_difference"]:+.3f} '
    f'[{threshold["auc_difference_low"]:+.3f}, '
    f'{threshold["auc_difference_high"]:+.3f}]',
    'verdict of all attacks': one['overall'].iloc[0],
    'test accuracy': _mean(after['test_accuracy'], 4),
    'cost': _mean(spent['share'], 2) if len(spent) else '0',
    'report': _link(folder),
  }


def commands(reports: pathlib.Path) -> str:
  """Returns the commands of each report, in Markdown."""
  lines = []
  for page in sorted(reports.glob('*/README.md')):
    found = [
      line
      for line in page.read_text(encoding='utf-8').splitlines()
      if line.startswith('python -m rnn_tf.')
    ]
    if found:
      lines += [f'**{page.parent.name}**', '', '```sh', *_short_list(found), '```', '']
  return '\n'.join(lines)


def _short_list(found: Iterable[str]) -> list[str]:
  """Returns commands each once; of several seeds the first, with their number."""
  groups: dict[str, list[str]] = {}
  for line in dict.fromkeys(found):
    key = re.sub(r'--seed=\d+', '--seed=N', line)
    groups.setdefault(re.sub(r'-s\d+\b', '-sN', key), []).append(line)
  return [
    lines[0] + (f'  # and {len(lines) - 1} more seeds' if len(lines) > 1 else '')
    for lines in groups.values()
  ]


def text(reports: pathlib.Path) -> str:
  """Returns all that is written between the two marks."""
  return '\n'.join(
    [
      BEGIN,
      '',
      '## All runs',
      '',
      'Means over the seeds, after the last epoch. Intervals, sizes and more digits '
      'are in each report.',
      '',
      runs_table(reports),
      '## All deletions',
      '',
      'AUC of the deleted against unseen examples, threshold attack; the cost is a '
      'share of full retraining.',
      '',
      deletions_table(reports),
      '## Commands',
      '',
      commands(reports),
      END,
    ]
  )


def updated(page: str, reports: pathlib.Path) -> str:
  """Returns the page with what is between the marks written anew."""
  head, _, rest = page.partition(BEGIN)
  _, _, tail = rest.partition(END)
  return head + text(reports) + (tail or '\n')


def _link(folder: pathlib.Path) -> str:
  """Returns links to a report and, where there is one, to its page."""
  link = f'[{folder.name}]({folder.name}/README.md)'
  page = folder / 'report.html'
  return link + f', [page]({folder.name}/report.html)' * page.exists()


def _mean(values: pd.Series, digits: int) -> str:
  return _short(values.mean(), digits) if len(values) else ''


def _short(value: float, digits: int = 3) -> str:
  """Returns a share without the 0 before the point."""
  return f'{value:.{digits}f}'.removeprefix('0')


def _duration(seconds: float) -> str:
  return f'{seconds:.0f} s' if seconds < 90 else f'{seconds / 60:.0f} min'


def main(arguments: list[str]) -> int:
  """Writes or checks reports/README.md; returns the exit code."""
  path = REPORTS / 'README.md'
  before = path.read_text(encoding='utf-8')
  after = updated(before, REPORTS)
  if arguments == ['--check']:
    if before != after:
      print(f'{path} is not what the reports say: python docs/gallery.py')
    return int(before != after)
  path.write_text(after, encoding='utf-8')
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
