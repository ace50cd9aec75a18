"""What an audit of deletions comes to, in sentences."""

import math
from collections.abc import Sequence

from rnn_tf.deletion.results import (
  FORGOTTEN,
  MARGIN,
  NOT_ENOUGH_DATA,
  NOT_FORGOTTEN,
  ORIGINAL,
  REFERENCE,
  SHARDED_ORIGINAL,
  AttackFigures,
  Verdict,
  VersionFigures,
)
from rnn_tf.deletion_names import (
  auc_text,
  difference_text,
  forget_name,
  method_name,
  ordered,
)
from rnn_tf.deletion_records import DeletionRecord


def overall(verdicts: Sequence[Verdict]) -> str:
  """Returns the word for a forget set and method over all attacks.

  It is `FORGOTTEN` only if every attack says so, `NOT_FORGOTTEN` if any attack does,
  else `NOT_ENOUGH_DATA`, as it is without any verdict.

  That all must pass makes `FORGOTTEN` an intersection-union test (Berger 1982,
  Technometrics 24): if by some attack the difference is beyond the margin, all say
  `FORGOTTEN` at most as often as that one does by mistake, once in 40. It takes no
  correction for the number of attacks. `NOT_FORGOTTEN` is the other way round: of k
  attacks it takes one, and it is wrong up to k times as often as one attack is.

  Args:
    verdicts: of one forget set and method, an attack each.
  """
  words = {verdict.word for verdict in verdicts}
  if NOT_FORGOTTEN in words:
    return NOT_FORGOTTEN
  return FORGOTTEN if words == {FORGOTTEN} else NOT_ENOUGH_DATA


def verdicts_on(
  record: DeletionRecord, forget: str, method: str
) -> tuple[Verdict, ...]:
  """Returns the verdicts on one forget set and method, an attack each."""
  return tuple(
    verdict
    for verdict in record.findings.verdicts
    if (verdict.forget, verdict.method) == (forget, method)
  )


def pooled(record: DeletionRecord, forget: str, method: str) -> VersionFigures | None:
  """Returns the figures of one version over the seeds; None if there is none."""
  for figures in record.findings.pooled:
    if (figures.forget, figures.method) == (forget, method):
      return figures
  return None


LEGEND = (
  'Before the deletion, and for the full retrain: AUC of the deleted examples against '
  'unseen ones. For each method: the same less that of the full retrain. In brackets '
  'are 95% intervals.'
)
"""What the figures in `lines` are."""


def lines(record: DeletionRecord, forget: str) -> list[str]:
  """Returns what is to be said of one forget set: before, reference, each method.

  Args:
    record: the audit.
    forget: the forget set's label.
  """
  said = []
  kinds = {each.label: each.kind for each in record.forget_sets}
  drawn = kinds.get(forget) in ('uniform', 'grouped')
  for method in (ORIGINAL, SHARDED_ORIGINAL):
    figures = pooled(record, forget, method)
    if figures is not None and figures.attacks:
      said.append(f'before, {method_name(method)}: {_before(record, figures)}')
  reference = pooled(record, forget, REFERENCE)
  if reference is not None and reference.attacks:
    found = _each_attack(reference.attacks)
    said.append(f'{method_name(REFERENCE)}, the reference: {found}')
  for method in ordered(record.methods):
    found = verdicts_on(record, forget, method)
    if found and method not in _CONTROLS:
      said.append(f'{method_name(method)}: {_after(found, drawn=drawn)}')
  for method, control in _CONTROLS.items():
    found = verdicts_on(record, forget, method)
    if found:
      text = f'{_after(found, drawn=drawn)}{_control(found, control)}'
      said.append(f'{method_name(method)}: {text}')
  return said


def _each_attack(attacks: Sequence[AttackFigures]) -> str:
  return ', '.join(f'{auc_text(each.forgotten)} by {each.attack}' for each in attacks)


def _before(record: DeletionRecord, figures: VersionFigures) -> str:
  """Says what a version before the deletion gives away: whether it could forget."""
  said = _each_attack(figures.attacks)
  found = verdicts_on(record, figures.forget, figures.method)
  aucs = [each.forgotten for each in figures.attacks]
  told = any(auc.low > 0.5 for auc in aucs)
  # Not 0.5 but the full retrain is what counts: where H is easier than D_f, a model
  # that has learned D_f by heart may be at 0.5.
  above = [x for x in found if x.word == NOT_FORGOTTEN and x.comparison.value > 0]
  if above:
    shown = ', '.join(f'{difference_text(x.comparison)} by {x.attack}' for x in above)
    return f'{said}: there is something to forget, {shown} above the full retrain'
  if any(x.word == NOT_FORGOTTEN for x in found):
    return (
      f'{said}: they are told from unseen ones less well than by the full retrain: '
      'look at the scores'
    )
  if told and not found:
    return f'{said}: they can be told from unseen ones'
  few = any(auc.high >= 0.5 + MARGIN for auc in aucs)
  if overall(found) == NOT_ENOUGH_DATA if found else few:
    return f'{said}: whether there is something to forget, so few examples do not show'
  if told:
    return (
      f'{said}: they can be told from unseen ones, but hardly better than by the full '
      f'retrain, which never saw them. {_LITTLE}'
    )
  if all(auc.high < 0.5 for auc in aucs):
    return (
      f'{said}: the unseen examples look more like training examples than those to be '
      'deleted do: the two are not alike'
    )
  return f'{said}: they cannot be told from unseen ones. {_LITTLE}'


_LITTLE = (
  '**There is hardly anything to forget, and the verdict on what was made of it says '
  'little**'
)


def _after(found: Sequence[Verdict], *, drawn: bool) -> str:
  """Returns the word of all attacks, and the differences that it comes from."""
  word = overall(found)
  shown = ', '.join(
    f'{difference_text(verdict.comparison)} by {verdict.attack}' for verdict in found
  )
  text = f'**{word}**: {shown}'
  if word == FORGOTTEN:
    return f'{text}: within {MARGIN:g}'
  if word == NOT_FORGOTTEN:
    guilty = [verdict.attack for verdict in found if verdict.word == word]
    return f'{text}: beyond {MARGIN:g} by {", ".join(guilty)}'
  return f'{text}: {_enough(found, drawn=drawn)}'


def _enough(found: Sequence[Verdict], *, drawn: bool) -> str:
  """Says how much data would be enough, for the attack that needs most."""
  undecided = [verdict for verdict in found if verdict.word == NOT_ENOUGH_DATA]
  near = [verdict.attack for verdict in undecided if verdict.needed is None]
  if near:
    return f'too near to {MARGIN:g} by {", ".join(near)} for any number of examples'
  most = max(undecided, key=lambda verdict: verdict.needed)
  now, seeds = most.comparison.n_forgotten, len(most.comparison.seeds)
  if not drawn:
    return (
      f'about {most.needed:,} deleted examples would be enough, and there are '
      f'{now // seeds:,}: so few show nothing, and how they were deleted is what counts'
    )
  return (
    f'about {most.needed:,} deleted examples over all seeds (now {now:,}) would be '
    f'enough, of {math.ceil(most.needed * seeds / now):,} seeds like these'
  )


def _control(found: Sequence[Verdict], control: dict[str, str]) -> str:
  """Says whether a control reads as it must, and what follows if it does not."""
  word = overall(found)
  if word not in control:
    return '; so it must be'
  what = 'is undecided' if word == NOT_ENOUGH_DATA else 'has failed'
  return f'. **A control {what}**: {control[word]}'


_CONTROLS = {
  'none': {
    FORGOTTEN: (
      'the original itself is within the margin of the full retrain, so `forgotten` '
      'says nothing of any method here'
    ),
    NOT_ENOUGH_DATA: (
      'the original itself cannot be told from the full retrain with so few examples: '
      'take more seeds, a larger share, or a model that was trained for longer'
    ),
  },
  'twin': {
    NOT_FORGOTTEN: (
      'two full retrains differ by more than the margin, and so may any method, by the '
      'randomness of training alone: take more seeds'
    ),
    NOT_ENOUGH_DATA: (
      'the data do not show that even two full retrains agree: take more seeds, or a '
      'larger share'
    ),
  },
}
"""Control -> word that it must not have -> what follows from it."""


def missing(record: DeletionRecord) -> list[str]:
  """Says what the audit cannot say for want of a reference, controls or seeds."""
  said = []
  left_out = [
    f'`{attack}` on {forget_name(forget.label)}'
    for forget in record.forget_sets
    for attack in record.attacks
    if not _made(record, forget.label, attack)
  ]
  if left_out:
    said.append(f'Too few examples for {", ".join(left_out)}: left out.')
  if REFERENCE not in record.methods:
    said.append(
      '**No verdict**: there is no full retrain to compare with: add '
      f'`{REFERENCE}` to `--method`.'
    )
    return said
  if not any(x.method in record.methods for x in record.findings.verdicts):
    said.append(
      '**No verdict**: nothing but the full retrain was made: add the method to be '
      'judged to `--method`.'
    )
    return said
  if 'twin' not in record.methods:
    said.append(
      'Without a positive control: `twin` in `--method` would show whether the audit '
      'takes two full retrains for alike.'
    )
  if len(record.seeds) == 1:
    said.append(
      'One seed: the intervals are for the models that there are. How far another '
      'training would stray is not in them; `--seeds` with three or more adds it.'
    )
  return said


def _made(record: DeletionRecord, forget: str, attack: str) -> bool:
  """Returns whether an attack was made on a forget set's versions."""
  return any(
    each.attack == attack
    for version in record.findings.pooled
    if version.forget == forget
    for each in version.attacks
  )


def about_two_versions(record: DeletionRecord) -> str:
  """Says how often the change from one version to the other tells what was deleted.

  The concatenation is left out, which sees the version before by itself, and so is the
  negative control, whose two versions are one.
  """
  found = [
    each.pooled
    for each in record.findings.two_versions
    if each.method != 'none' and each.features != 'concatenation'
  ]
  if not found:
    return ''
  above = sum(auc.low > 0.5 for auc in found)
  return (
    f'{above} of {len(found)} intervals of the differences lie above 0.5; one in 40 '
    'would by chance.'
  )
