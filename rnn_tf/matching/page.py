"""The comparison page's part on networks at equal accuracy."""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from rnn_tf.matching import matched
from rnn_tf.matching import tables as matched_tables
from rnn_tf.matching.matched import CRITERIA, Levels, Network
from rnn_tf.matching.plots import Mean, Path, auc_at_equal_accuracy
from rnn_tf.matching.text import (
  NAMES,
  ends_text,
  findings,
  means_markdown,
  missing,
  networks_markdown,
  pairs_markdown,
  range_text,
)
from rnn_tf.records import RunRecord

HEADING = 'At equal accuracy'

CAPTION = 'AUC against accuracy along the training'

_ABOUT = """\
What a network gives away depends on how far it was trained. Here networks are compared
where they are equally good: at one accuracy on the members (with the weights as they
are after the epoch), at one accuracy on the test images (while it rises), and at one
gap (accuracy on members - accuracy on non-members). A run's AUC at a level is
interpolated linearly between the report before and the one after it first gets there;
nothing is extrapolated. Levels are the quarter points of the range that all runs of
the networks cover. An attack that knows no more than whether each answer is right has
the AUC 0.5 + gap / 2.
"""

_ABOUT_INTERVALS = """\
Intervals are 95% intervals over seeds (Student's t; of differences paired by seed where
both networks have the same seeds, else Welch's): for the randomness of training{data}.
`higher` and `lower` are by Holm's correction over the pairs of one attack and level, at
5%; the intervals are each for its pair alone, and may leave out 0 where the networks
are `not told apart`. Levels and attacks are of the same runs: their verdicts are not
independent.
"""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Section:
  """What there is to say of the networks of one data set at equal accuracy.

  Attributes:
    text: Markdown, the heading first, without the picture.
    values: run by run, see `matched_tables.values_table`.
    means: over seeds, see `matched_tables.means_table`.
    pairs: pair by pair, see `matched_tables.pairs_table`.
    figure: the picture.
  """

  text: str
  values: pd.DataFrame
  means: pd.DataFrame
  pairs: pd.DataFrame
  figure: Figure


def section(
  records: Sequence[RunRecord], *, levels: Mapping[str, Sequence[float]] | None = None
) -> Section | None:
  """Returns the section on the plain runs of one data set.

  Args:
    records: of one data set; private runs have a section of their own, and models
      that are no networks are left out.
    levels: criterion -> levels, in place of those that `matched.choose_levels` takes.

  Returns:
    None unless two networks have two seeds each, without which nothing can be told
    apart, and some attack on them.

  Raises:
    UsageError: the scores of a run are damaged.
  """
  plain = [
    record
    for record in records
    if not (record.config.privacy.dp or record.config.model.classical)
  ]
  networks = matched.find(plain, least_seeds=2)
  paths = list(_paths(networks))
  if len(networks) < 2 or not paths:
    return None
  chosen = {name: matched.choose_levels(networks, name) for name in CRITERIA}
  asked = {name: tuple(sorted(each)) for name, each in (levels or {}).items()}
  taken = {name: each.values for name, each in chosen.items()} | asked
  values = matched_tables.values_table(networks, taken)
  means = matched_tables.means_table(values)
  pairs = matched_tables.pairs_table(values)
  lines = [f'### {HEADING}', '', _ABOUT, networks_markdown(networks, chosen)]
  lines += [*_notes(networks, plain), '', _about_intervals(networks)]
  for name in CRITERIA:
    lines += [f'#### At equal {NAMES[name]}', '']
    lines += [_about_levels(chosen[name], asked=name in asked), '']
    if taken[name]:
      frames = (frame[frame['criterion'] == name] for frame in (values, means, pairs))
      lines += _criterion(*frames)
  return Section(
    text='\n'.join(lines),
    values=values,
    means=means,
    pairs=pairs,
    figure=_figure(networks, paths, means=means, data=plain[0].data.name),
  )


def _notes(networks: Sequence[Network], records: Sequence[RunRecord]) -> list[str]:
  """Returns what the tables have to be read with, a line each."""
  sizes = [network.parameters for network in networks]
  lines = [
    f'- The largest network has {max(sizes) / min(sizes) - 1:.1%} more parameters than '
    'the smallest.'
  ]
  trained: dict[str, list[str]] = {}
  for network in networks:
    trained.setdefault(network.flags, []).append(network.name)
  if len(trained) > 1:
    each = [f'{", ".join(names)}: `{flags}`' for flags, names in trained.items()]
    lines.append(f'- They differ in how they were trained as well: {"; ".join(each)}.')
  used = {course.run for network in networks for course in network.courses}
  others = [record.name for record in records if record.name not in used]
  if others:
    lines.append(
      f'- Left out: {", ".join(others)}: unfinished, without a report, of a seed that '
      'is there already, or of the only one.'
    )
  gaps = {
    course.run: int(pd.isna(course.criteria['gap']).sum())
    for network in networks
    for course in network.courses
  }
  lines += [
    f'- {run}: of {count} reports no scores were kept: they count for the accuracy on '
    'test images only.'
    for run, count in gaps.items()
    if count
  ]
  return lines


def _about_intervals(networks: Sequence[Network]) -> str:
  seeds = {course.seed[1] for network in networks for course in network.courses}
  data = ', not the choice of examples, which all runs share' * (len(seeds) == 1)
  return textwrap.fill(_ABOUT_INTERVALS.format(data=data), 88) + '\n'


def _about_levels(levels: Levels, *, asked: bool) -> str:
  """Says which networks share a range, and which do not."""
  if asked:
    return 'Levels as asked for.'
  ranges = {name: f'{name} ({range_text(levels, name)})' for name in levels.ranges}
  if levels.shared is None:
    return (
      f'No two networks share a range of {matched.LEAST_RANGE:g} or more: '
      f'{", ".join(ranges.values())}.'
    )
  if len(levels.shared_by) == len(ranges):
    return f'All networks share the range {ends_text(levels.shared)}.'
  others = [text for name, text in ranges.items() if name not in levels.shared_by]
  return (
    f'There is no range of {matched.LEAST_RANGE:g} or more that all networks share: '
    f'levels are from {ends_text(levels.shared)}, shared by '
    f'{", ".join(levels.shared_by)}, but not by {", ".join(others)}.'
  )


def _criterion(
  values: pd.DataFrame, means: pd.DataFrame, pairs: pd.DataFrame
) -> list[str]:
  """Returns the lines on one criterion: findings, and tables."""
  if not means['seeds'].any():
    return missing(values)
  lines = [
    *findings(means, pairs),
    '',
    means_markdown(means),
    f'The two reports around a level are up to {means["step"].max():.3f} apart in '
    'what is matched.',
    '',
    *missing(values),
  ]
  if not pairs.empty:
    lines += [
      'AUC of the first network - AUC of the second:',
      '',
      pairs_markdown(pairs),
    ]
  return lines


def _figure(
  networks: Sequence[Network], paths: Sequence[Path], *, means: pd.DataFrame, data: str
) -> Figure:
  fields = ('network', 'attack', 'criterion', 'level', 'auc')
  at = [
    Mean(**{f: row[f] for f in fields}, low=row['auc_low'], high=row['auc_high'])
    for row in means.dropna(subset='auc').to_dict('records')
  ]
  sizes = [network.parameters for network in networks]
  return auc_at_equal_accuracy(
    paths,
    at,
    criteria=NAMES,
    title=f'{data} · {HEADING.lower()}',
    subtitle=f'{min(sizes):,} to {max(sizes):,} parameters; a thin line a run',
  )


def _paths(networks: Sequence[Network]) -> Iterator[Path]:
  """Yields each run's course up to the first highest value of the criterion."""
  for network in networks:
    for course in network.courses:
      for attack, auc in course.auc.items():
        for criterion, along in course.criteria.items():
          known = ~(pd.isna(along) | pd.isna(auc))
          if known.any():
            x = along[known]
            rising = slice(int(x.argmax()) + 1)
            yield Path(
              network=network.name,
              recurrent=network.recurrent,
              attack=attack,
              criterion=criterion,
              x=x[rising],
              auc=auc[known][rising],
            )
