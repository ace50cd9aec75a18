"""What a page shows of attacks with shadow models behind how strong they are."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rnn_tf import attack_details, attack_tables, attack_verdict, tables
from rnn_tf.attack_records import FOLDER, AttackRecord
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.results import AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages import attack_charts
from rnn_tf.pages.attack_charts import Curve
from rnn_tf.pages.block_parts import picture, slugs

Images = Mapping[int, np.ndarray]
"""Id of a member -> its image, (height, width, channels) uint8."""

Named = tuple[str, AttackRecord, AttackResult]
"""An attack's name, where it is from, and what it found; see `named_results`."""

_IDENTITY = (
  *('run', 'label', 'shadow_split', 'num_shadows', 'attack', 'variant', 'epoch'),
  *('n_members', 'n_nonmembers'),
)

_GIVEN = 'shadows_'
"""What columns begin with that are about thresholds that shadow models gave."""

_SAME = {
  'guesses end within': '95% of guesses end within {}.',
  'shadows': 'Shadow models and how they were drawn: {}.',
}
"""Column of a table for readers -> how it is said once, of all rows."""


def strongest(named: Sequence[Named]) -> Named | None:
  """Returns the attack that finds most at 0.1% false positives; None of none."""
  return max(named, key=lambda each: attack_verdict.strict_rank(each[2]), default=None)


def strength(records: Sequence[AttackRecord]) -> blocks.Table:
  """Returns how strong each attack is."""
  frame = attack_tables.attack_table(records)
  first = ('attack', 'AUC [95% interval]', 'TPR at 0.1% FPR [95% interval]')
  first += ('epsilon at least', 'TPR at 1% FPR [95% interval]')
  shown, note = _compact(attack_tables.strength_readable(frame), frame, first=first)
  return blocks.table(
    'attacks-strength',
    shown,
    title='How strong each attack is',
    csv=tables.to_csv(frame[[name for name in frame if not name.startswith(_GIVEN)]]),
    note=f'Thresholds are chosen in hindsight; in brackets behind each rate are the '
    f'members found, and the non-members falsely accused. {note}',
  )


def gain(
  records: Sequence[AttackRecord], named: Sequence[Named]
) -> blocks.Section | None:
  """Returns what thresholds that the shadow models gave do on the target."""
  best = {
    each[2].attack: (each[1].label, each[2].attack)
    for each in sorted(named, key=lambda each: attack_verdict.strict_rank(each[2]))
  }
  every = attack_tables.attack_table(records)
  keys = zip(every['label'], every['attack'], strict=True)
  frame = every[[key in best.values() for key in keys]]
  shown = attack_tables.gain_readable(frame)
  if shown.empty:
    return None
  ppv = [name for name in shown if name.startswith('PPV')]
  first = ('attack', 'threshold for', *ppv, 'TPR [95% interval]')
  # There is one of each attack: that is name enough.
  shown = shown.drop(columns='label', errors='ignore')
  shown, note = _compact(shown, frame, first=first)
  columns = [*_IDENTITY, *(name for name in every if name.startswith(_GIVEN))]
  if len(frame) < len(every):
    note += ' Of each attack the strongest variant; the CSV has all.'
  text = (
    "The best threshold in hindsight is nobody's to pick. These were chosen on the "
    'shadow models, whose members are known: what they do on the target is what an '
    'attacker gets. The PPV is the share of members among those called members, and '
    'depends on how many of the examples attacked are members: a half, a tenth, or a '
    'hundredth; in brackets it is for the less favourable ends of the intervals.'
  )
  table = blocks.table(
    'attacks-gain',
    shown,
    title='Thresholds that the shadow models gave, and what they do',
    csv=tables.to_csv(every[columns]),
    note=f'In brackets behind each rate are the counts. {note}',
  )
  return blocks.Section(
    name='attacks-attacker',
    title='What an attacker gets',
    blocks=(blocks.Text(markdown=text), table),
  )


def _compact(
  shown: pd.DataFrame, frame: pd.DataFrame, *, first: Sequence[str]
) -> tuple[pd.DataFrame, str]:
  """Returns a table without what is the same in all its rows, and a line with that.

  Args:
    shown: for readers, made from `frame`.
    frame: out of an `attack_table`.
    first: columns that are moved to the front, if they are there.
  """
  said = []
  first = [name for name in first if name in shown]
  shown = shown[[*first, *(name for name in shown if name not in first)]]
  sizes = frame[['n_members', 'n_nonmembers']].drop_duplicates()
  if len(sizes) == 1:
    # Counts without `/25000` behind them.
    shown = shown.replace(r'(\(|; )(\d+)/\d+(?=[;)])', r'\1\2', regex=True)
    members, others = sizes.iloc[0]
    said.append(f'All of {members:,} members and {others:,} non-members.')
  for name, text in _SAME.items():
    if name in shown and shown[name].nunique() == 1:
      said.append(text.format(shown[name].iloc[0]))
      shown = shown.drop(columns=name)
  return shown, ' '.join(said)


def fleets(
  records: Sequence[AttackRecord], named: Sequence[Named], base: str
) -> blocks.Section:
  """Returns how strong attacks are with fewer shadows, and how accurate those are."""
  parts: list[blocks.Block] = []
  found = [each for each in named if each[1].anytime.get(each[2].attack)]
  if found:
    shown = None
    # A picture is of one label's attacks.
    if len({record.label for _, record, _ in found}) == 1:
      shown = picture(found[0][1], 'anytime.png', base=base, folder=FOLDER)
    curves = {name: record.anytime[result.attack] for name, record, result in found}
    parts += attack_charts.anytime_charts('attacks-anytime', curves, picture=shown)
  first: dict[tuple, AttackRecord] = {}
  for record in records:
    first.setdefault((record.fleet_name, record.shadows), record)
  names = slugs(record.label for record in first.values())
  accuracies = [
    blocks.table(
      f'attacks-shadows-{names[record.label]}',
      attack_details.shadows_readable(record),
      title=f'Accuracies of the target and of the shadow models {record.fleet_name}',
      csv=tables.to_csv(attack_details.shadows_table(record)),
    )
    for record in first.values()
  ]
  parts.append(
    blocks.Details(title='How accurate each of them is', blocks=tuple(accuracies))
  )
  return blocks.Section(
    name='attacks-fleet', title='The shadow models', blocks=tuple(parts)
  )


def scores(
  named: Sequence[Named], curves: Mapping[str, Curve], base: str
) -> blocks.Section | None:
  """Returns how members and non-members score by the strongest attack."""
  best = strongest([each for each in named if each[0] in curves])
  if best is None:
    return None
  name, record, _ = best
  chart = attack_charts.scores_chart(
    'attacks-scores',
    curves[name].scored,
    picture=picture(record, 'scores.png', base=base, folder=FOLDER),
  )
  return blocks.Section(
    name='attacks-sides', title='How the two sides score', blocks=(chart,)
  )


def classes(named: Sequence[Named]) -> blocks.Section | None:
  """Returns how well the shadow attack does class by class."""
  found = [each for each in named if each[2].attack == 'shadow' and each[1].classes]
  best = strongest(found)
  if best is None:
    return None
  name, record, _ = best
  parts: list[blocks.Block] = [
    blocks.table(
      'attacks-classes',
      attack_details.class_readable(record),
      title=f'An attack model a class, {name}',
      csv=tables.to_csv(attack_details.class_table(record)),
    )
  ]
  if record.classification is not None:
    parts.append(_calls(record, name))
  if len(found) > 1:
    heat = _class_map([record for _, record, _ in found])
    folded = blocks.Details(title=f'In detail: {name}', blocks=tuple(parts))
    parts = [heat, folded]
  return blocks.Section(
    name='attacks-by-class',
    title='The shadow attack, class by class',
    blocks=tuple(parts),
  )


def _calls(record: AttackRecord, name: str) -> blocks.Table:
  frame = attack_details.classification_table(record)
  shown = frame.copy()
  for column in ('precision', 'recall', 'f1-score'):
    shown[column] = [f'{value:.3f}' for value in frame[column]]
  shown['support'] = [f'{value:,.0f}' for value in frame['support']]
  return blocks.table(
    'attacks-calls',
    shown,
    title=f'Calls on the target, {name}',
    csv=tables.to_csv(frame),
    note='A member is a score above 0. Where the sides are of unequal number, the '
    'recall of `macro avg` is the balanced accuracy.',
  )


def _class_map(records: Sequence[AttackRecord]) -> blocks.Table:
  """Returns the AUC class by class, a column a label."""
  names = records[0].class_names
  frame = pd.DataFrame(
    {
      record.label: pd.Series({row.label: row.test_auc for row in record.classes})
      for record in records
    },
    dtype=float,
  )
  description = (
    'AUC of the shadow attack on the examples of each class, by the label of the '
    'attack; guessing is 0.5.'
  )
  mean = frame.mean(axis=1).dropna()
  if len(mean):
    high, low = mean.idxmax(), mean.idxmin()
    description += (
      f' On average it is highest for {names[high]} ({mean[high]:.3f}) and lowest for '
      f'{names[low]} ({mean[low]:.3f}).'
    )
  frame.index = pd.Index([names[label] for label in frame.index], name='class')
  return blocks.heat_map(
    'attacks-class-auc',
    frame,
    title='AUC on the examples of each class, by the label of the attack',
    description=description,
    low=0.5,
    high=1.0,
  )


def checks(records: Sequence[AttackRecord]) -> blocks.Section | None:
  """Returns the attacks where there is nothing to find."""
  found = [record for record in records if record.null_checks]
  if not found:
    return None
  shown, raw = [], []
  for record in found:
    for frame, parts in (
      (attack_details.null_readable(record), shown),
      (attack_details.null_table(record), raw),
    ):
      if len(found) > 1:
        frame.insert(1, 'label', record.label)
      parts.append(frame)
  every = [check for record in found for check in record.null_checks]
  failed = sum(not check.holds for check in every)
  said = (
    'An attack that finds something where nothing is does not measure membership. '
    '`permuted`: the whole attack, with membership dealt out anew at random. `another '
    'model`: a shadow model in place of the target, on what it was not trained on. '
    f'{failed} of {len(every)} lie outside their 95% intervals; {len(every) / 20:.1f} '
    'of as many do so by chance.'
  )
  table = blocks.table(
    'attacks-null',
    pd.concat(shown),
    title='Attacks where there is nothing to find',
    csv=tables.to_csv(pd.concat(raw)),
  )
  return blocks.Section(
    name='attacks-checks',
    title='Where there is nothing to find',
    blocks=(blocks.Text(markdown=said), table),
  )


def exposed(named: Sequence[Named], images: Images | None) -> blocks.Section | None:
  """Returns the members that the strongest attack finds most easily."""
  best = strongest([each for each in named if each[1].exposed.get(each[2].attack)])
  if best is None:
    return None
  name, record, result = best
  found = record.exposed[result.attack]
  shown = attack_details.exposed_readable(record, result.attack)
  accused = [f'{each.false_positives:,} of {each.n_nonmembers:,}' for each in found]
  shown['non-members scored as high'] = accused
  shown.insert(3, 'score', [f'{each.score:.4g}' for each in found])
  shown = shown.loc[:, (shown != '').any()]
  raw = attack_details.exposed_table(record)
  table = blocks.table(
    'attacks-exposed',
    shown.rename(columns={'non-members scored as high': 'falsely accused with it'}),
    title=f'The {len(found)} members that {name} finds most easily',
    csv=tables.to_csv(raw[raw['attack'] == result.attack]),
    note='Ids are positions in the training split of the data set. `p` is the '
    'probability that a model gives the class of the example; who is accused with a '
    'member are non-members that score at least as high.',
  )
  return blocks.Section(
    name='attacks-members',
    title='The members that are found most easily',
    blocks=(table, _pictured(found, record.class_names, images)),
  )


def _pictured(
  found: Sequence[Exposed], class_names: Sequence[str], images: Images | None
) -> blocks.Block:
  """Returns the members' images, or where they are to be had."""
  there = [each for each in found if each.id in (images or {})]
  if not there:
    return blocks.Text(
      markdown="Their images are training data, and not kept in the run's folder: "
      '`--embed_images` shows them.'
    )
  return blocks.Images(
    name='attacks-images',
    title='Their images',
    images=np.stack([images[each.id] for each in there]),
    captions=tuple(_caption(each, class_names) for each in there),
    note='These are training data: mind who reads this page.',
  )


def _caption(each: Exposed, class_names: Sequence[str]) -> str:
  text = f'{each.rank}: {class_names[each.label]} ({each.id}), p {each.probability:.2f}'
  if each.out_probability is not None:
    text += f', without it {each.out_probability:.2f}'
  return text
