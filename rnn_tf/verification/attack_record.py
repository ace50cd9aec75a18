"""What an attack's record says, against the scores that were kept of it."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from rnn_tf.attacks import exposure, shadow
from rnn_tf.attacks.results import ENTIRE
from rnn_tf.verification import shadow_models as verify_shadow_models
from rnn_tf.verification.checks import Finding, Gap, aligned, fact, figure, figures
from rnn_tf.verification.shadow_models import Case


def check(case: Case) -> Iterator[Finding]:
  """Checks all that attack.json says of an attack's scores.

  What needs the shadow models is left out, without a word, where they are not there.
  """
  parts: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _check_accuracies,
    _check_classes,
    _check_exposed,
    *verify_shadow_models.PARTS,
  )
  for part in parts:
    try:
      yield from part(case)
    except ValueError as error:
      # Examples that are not the fleet's; `verify_ids` has said which.
      name = part.__name__.removeprefix('_').removeprefix('check_')
      yield Gap(what=f'{case.file}, {name}', why=f'{error}')


def _check_accuracies(case: Case) -> Iterator[Finding]:
  target, signals = case.attack.target, case.of.signals
  sides = {'train_accuracy': signals.members}
  if target.nonmembers == 'test':
    sides['test_accuracy'] = signals.nonmembers
  else:
    what = f'{case.file}, target, test_accuracy'
    yield Gap(what=what, why='the outputs on the test images are not kept')
  for name, side in sides.items():
    yield figure(
      case.file,
      'target',
      name=name,
      stored=getattr(target, name),
      recomputed=float(side.correct.mean()),
    )


def _check_classes(case: Case) -> Iterator[Finding]:
  """Checks what is said of the shadow attack's models, one a class."""
  attack, of = case.attack, case.of
  pair = of.report.scores.get(('shadow', ENTIRE))
  if pair is None:
    return
  yield from figures(
    case.file,
    '',
    stored=attack.classification,
    recomputed=shadow.classification_report(pair),
    name='classification',
  )
  blank = shadow.AttackModels(
    feature_names=(),
    classes=tuple(
      shadow.ClassFit(
        **{f.name: getattr(row, f.name) for f in dataclasses.fields(shadow.ClassFit)}
      )
      for row in attack.classes
    ),
    models=(),
  )
  again = shadow.class_table(
    blank, pair, members=of.signals.members, nonmembers=of.signals.nonmembers
  )
  fitted = {field.name for field in dataclasses.fields(shadow.ClassFit)} - {'label'}
  labels = tuple(row.label for row in attack.classes)
  expected = tuple(range(len(case.run.data.class_names)))
  problem = None if labels == expected else f'they are of the classes {labels}'
  yield fact(case.file, 'classes', name='labels', problem=problem)
  for stored, row in zip(attack.classes, again, strict=True):
    for field in dataclasses.fields(row):
      if field.name not in fitted:
        yield figure(
          case.file,
          f'classes, class {row.label}',
          name=field.name,
          stored=getattr(stored, field.name),
          recomputed=getattr(row, field.name),
        )
  what = f'{case.file}, classes, {", ".join(sorted(fitted))}; scores of shadow'
  yield Gap(what=what, why='training the attack models again takes long')


def _check_exposed(case: Case) -> Iterator[Finding]:
  """Checks the lists of the members that are found most easily."""
  attack, of = case.attack, case.of
  counts = {len(members) for members in attack.exposed.values()}
  problem = f'lists of different lengths: {sorted(counts)}' if len(counts) > 1 else None
  yield fact(case.file, 'exposed', name='lists', problem=problem)
  for name, stored in attack.exposed.items():
    pair = of.report.scores.get((name, ENTIRE))
    if pair is None:
      problem = 'there are no scores of this attack'
      yield fact(case.file, f'exposed, {name}', name='members', problem=problem)
      continue
    again = exposure.most_exposed(
      pair,
      of.signals,
      count=len(stored),
      shadows=case.fleet and case.fleet.shadows,
    )
    if case.fleet is None:
      unknown = ('in_probability', 'out_probability')
      stored, again = (_without(members, unknown) for members in (stored, again))
    for rank, (one, other) in enumerate(aligned(stored, again), start=1):
      place = f'exposed, {name}, rank {rank}'
      yield from figures(case.file, place, stored=one, recomputed=other)


def _without(members: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
  return tuple(dataclasses.replace(x, **dict.fromkeys(names)) for x in members)
