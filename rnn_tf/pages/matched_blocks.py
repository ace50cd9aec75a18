"""Networks at equal accuracy, as charts and tables of a page."""

from collections.abc import Iterator

import pandas as pd

from rnn_tf import tables
from rnn_tf.matching.matched import CRITERIA
from rnn_tf.matching.page import HEADING, Section
from rnn_tf.matching.text import NAMES, findings, level_text
from rnn_tf.page import blocks
from rnn_tf.pages.run_lines import plain

_ABOUT = (
  'What a network gives away depends on how far it was trained. Here the networks are '
  'compared where they are equally good; the AUC at a level is interpolated between '
  'the reports before and after the one where a run first gets there.'
)


def section(found: Section, *, name: str, picture: str | None) -> blocks.Section:
  """Returns the section of a comparison's page.

  Args:
    found: what there is to say.
    name: of the section; what is in it is named after it.
    picture: path of the picture from the page; None where there is none.
  """
  parts: list[blocks.Block] = [blocks.Text(markdown=_ABOUT)]
  for criterion in CRITERIA:
    frames = (
      frame[frame['criterion'] == criterion] for frame in (found.means, found.pairs)
    )
    parts += _criterion(
      *frames, name=f'{name}-{blocks.slug(criterion)}', picture=picture
    )
  return blocks.Section(name=name, title=HEADING, blocks=tuple(parts))


def _criterion(
  means: pd.DataFrame, pairs: pd.DataFrame, *, name: str, picture: str | None
) -> Iterator[blocks.Block]:
  """Yields what is shown of one criterion, nothing where it has no common level."""
  if means['auc'].notna().sum() == 0:
    return
  what = NAMES[means['criterion'].iloc[0]]
  sentences = findings(means, pairs)
  yield blocks.Text(markdown=f'**At equal {what}**\n\n' + '\n'.join(sentences))
  for attack, part in means.groupby('attack', sort=False):
    yield _chart(
      part,
      what,
      name=f'{name}-{blocks.slug(attack)}',
      attack=attack,
      sentences=sentences,
      picture=picture,
    )
  if len(pairs):
    yield blocks.table(
      f'{name}-pairs',
      _pairs(pairs),
      title=f'Pairs at equal {what}: AUC of the first - AUC of the second',
      csv=tables.to_csv(pairs),
      note='95% intervals over seeds, each for its pair alone; the last column is by '
      "Holm's correction over the pairs of one attack and level.",
    )


def _chart(
  part: pd.DataFrame,
  what: str,
  *,
  name: str,
  attack: str,
  sentences: list[str],
  picture: str | None,
) -> blocks.Chart:
  series, absent = [], []
  for network, rows in part.groupby('network', sort=False):
    known = rows.dropna(subset='auc')
    if known.empty:
      absent.append(plain(str(network)))
      continue
    series.append(
      blocks.Series(
        name=str(network),
        x=known['level'].tolist(),
        y=known['auc'].tolist(),
        low=known['auc_low'].tolist(),
        high=known['auc_high'].tolist(),
        labels=[
          f'{n} of {m} seeds'
          for n, m in zip(known['seeds'], known['runs'], strict=True)
        ],
      )
    )
  said = [
    line.removeprefix('- ') for line in sentences if f'the {attack} attack' in line
  ]
  return blocks.Chart(
    name=name,
    title=f'AUC of the {attack} attack at equal {what}',
    description=' '.join([f'AUC by {what}, a line a network.', *said]),
    x=blocks.Axis(label=what),
    y=blocks.Axis(label='AUC'),
    series=tuple(series),
    picture=picture,
    note='Means over seeds, 95% intervals of the randomness of training.'
    + f' Not at these levels in any run: {", ".join(absent)}.' * bool(absent),
  )


def _pairs(pairs: pd.DataFrame) -> pd.DataFrame:
  rows = [
    {
      'pair': f'{row["first"]} - {row["second"]}',
      'attack': row['attack'],
      'at': level_text(row['level']),
      'difference': f'{row["difference"]:+.3f}',
      '95% interval': ''
      if pd.isna(row['low'])
      else f'{row["low"]:+.3f} to {row["high"]:+.3f}',
      'verdict': row['verdict'],
    }
    for row in pairs.to_dict('records')
  ]
  return pd.DataFrame(rows)
