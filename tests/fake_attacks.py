"""Attacks with made-up figures, as the attack command writes them."""

import pathlib

import numpy as np

from rnn_tf import attack_records
from rnn_tf.attack_config import FLEET_ATTACKS, AttackConfig, FleetConfig
from rnn_tf.attack_records import AttackRecord, ShadowSummary, TargetInfo
from rnn_tf.attacks import metrics, shadow, transfer
from rnn_tf.attacks.anytime import AnytimePoint
from rnn_tf.attacks.exposure import Exposed
from rnn_tf.attacks.intervals import null_half_width
from rnn_tf.attacks.null_check import ANOTHER_MODEL, PERMUTED, NullCheck
from rnn_tf.attacks.results import (
  ENTIRE,
  AttackResult,
  AttackScores,
  Report,
  class_slice,
  to_arrays,
)
from rnn_tf.attacks.shadow import ClassRow
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.run_files import RunFiles

CLASS_NAMES = ('zero', 'one', 'two')

COMMAND = 'python -m rnn_tf.attack --run=runs/x'

# How far members stand out, on average.
_STRENGTHS = {
  'threshold': 0.3,
  'shadow': 0.45,
  'lira': 0.9,
  'lira_offline': 0.6,
  'rmia': 0.8,
  'rmia_offline': 0.7,
}


def scores(attack, *, members=400, nonmembers=300, leak=1.0, seed=0):
  """Returns scores of which the best are members', more so than the rest."""
  rng = np.random.default_rng([seed, *attack.encode()])
  shift = leak * _STRENGTHS.get(attack, 0.4)
  ours, others = rng.normal(size=members), rng.normal(size=nonmembers)
  ours += shift * rng.exponential(size=members)
  if attack.startswith('rmia'):
    return AttackScores(1 / (1 + np.exp(-ours)), 1 / (1 + np.exp(-others)))
  if attack == 'threshold':
    return AttackScores(-np.exp(-ours), -np.exp(-others))
  return AttackScores(ours, others)


def _thresholds(attack, **options):
  pairs = [scores(attack, **{**options, 'seed': seed}) for seed in (101, 102)]
  return transfer.thresholds([(pair.members, pair.nonmembers) for pair in pairs])


def _side(count, seed):
  rng = np.random.default_rng([seed, count])
  labels = np.arange(count) % len(CLASS_NAMES)
  logits = rng.normal(size=(count, len(CLASS_NAMES))).astype(np.float32)
  return Side(ids=10 * np.arange(count), labels=labels, logits=logits)


def signals(*, members=400, nonmembers=300, **_):
  """Returns made-up outputs of the target."""
  return Signals(_side(members, 1), _side(nonmembers, 2))


def report(attacks, *, epoch=4, skipped=(), epsilon=None, delta=1e-5, **options):
  """Returns a report with the figures of made-up scores."""
  skipped = set(skipped)
  outputs = signals(**options)
  found = {(name, ENTIRE): scores(name, **options) for name in attacks}
  empty = Report(
    results=(),
    scores=found,
    member_labels=outputs.members.labels,
    nonmember_labels=outputs.nonmembers.labels,
  )
  results = []
  for name in attacks:
    chosen = transfer.apply(_thresholds(name, **options), np.zeros(1), np.zeros(1))
    for part in (ENTIRE, *map(class_slice, range(len(CLASS_NAMES)))):
      blank = AttackResult(
        attack=name,
        engine='fast',
        slice=part,
        model='cnn2',
        epoch=epoch,
        train_accuracy=0.9,
        val_accuracy=0.7,
        n_members=0,
        n_nonmembers=0,
        epsilon=epsilon,
        delta=delta,
        transfer=chosen if part == ENTIRE else None,
        skipped='too few examples'
        if skipped & {(name, part), (name, ENTIRE)}
        else None,
      )
      known = blank.skipped is None
      results.append(blank.with_scores(empty.slice_scores(blank)) if known else blank)
  return Report(
    results=tuple(results),
    scores={key: pair for key, pair in found.items() if key not in skipped},
    member_labels=empty.member_labels,
    nonmember_labels=empty.nonmember_labels,
  ), outputs


def _classes(pair, outputs):
  rows = []
  for label in range(len(CLASS_NAMES)):
    ours = pair.members[outputs.members.labels == label]
    others = pair.nonmembers[outputs.nonmembers.labels == label]
    right = (ours > 0).sum() + (others <= 0).sum()
    rows.append(
      ClassRow(
        label=label,
        n_in=1000,
        n_out=900,
        train_accuracy=0.65,
        n_members=len(ours),
        n_nonmembers=len(others),
        test_accuracy=float(right / (len(ours) + len(others))),
        test_auc=metrics.auc(ours, others),
      )
    )
  return tuple(rows)


def _checks(attacks, failing):
  half = null_half_width(200, 150)
  return tuple(
    NullCheck(
      attack=name,
      kind=kind,
      auc=0.5 + half * (1.5 if (name, kind) in failing else 0.3),
      half_width=half,
      n_members=200,
      n_nonmembers=150,
    )
    for name in attacks
    for kind in (PERMUTED, ANOTHER_MODEL)
  )


def _anytime(attack, num_shadows, leak, **options):
  points = []
  for count in sorted({2, 4, 8, num_shadows}):
    if count <= num_shadows:
      part = leak * (1 - 0.6 / count)
      pair = scores(attack, **options, leak=part)
      found = metrics.measure(pair.members, pair.nonmembers)
      points.append(
        AnytimePoint(
          attack=attack,
          shadows=count,
          auc=found.auc,
          auc_low=found.auc_low,
          auc_high=found.auc_high,
          tpr_at_fpr=found.tpr_at_fpr,
        )
      )
  return tuple(points)


def _exposed(pair, outputs, count):
  order = np.argsort(-pair.members)[:count]
  return tuple(
    Exposed(
      rank=rank,
      id=int(outputs.members.ids[row]),
      label=int(outputs.members.labels[row]),
      score=float(pair.members[row]),
      false_positives=int((pair.nonmembers >= pair.members[row]).sum()),
      n_nonmembers=len(pair.nonmembers),
      probability=0.98,
      in_probability=0.95,
      out_probability=0.04 * rank / count,
    )
    for rank, row in enumerate(order, start=1)
  )


def record(
  *,
  run='digits-cnn2-s0',
  label='lira-half8',
  dataset='digits',
  model='cnn2',
  attacks=('shadow', 'lira', 'rmia', 'threshold'),
  epoch=4,
  num_shadows=8,
  split='half',
  drawn_from='holdout',
  attack=None,
  failing=(),
  null_checks=True,
  exposed=6,
  accuracies=(0.9, 0.7),
  command=COMMAND,
  **options,
):
  """Returns a record and the arrays of its scores.

  `options` are those of `scores`; `skipped`, `epsilon` and `delta` those of `report`;
  `failing` are null checks that do.
  """
  made, outputs = report(attacks, epoch=epoch, **options)
  shown = {k: v for k, v in options.items() if k in ('members', 'nonmembers', 'seed')}
  leak = options.get('leak', 1.0)
  pair = made.scores.get(('shadow', ENTIRE))
  found = AttackRecord(
    label=label,
    run=run,
    command=command,
    dataset=dataset,
    model=model,
    class_names=CLASS_NAMES,
    epoch=epoch,
    fleet=FleetConfig(num_shadows=num_shadows, shadow_split=split),
    attack=attack or AttackConfig(),
    fleet_name='digits-cnn2-half-0123abcd',
    target=TargetInfo(
      weights='0123456789abcdef',
      train_accuracy=accuracies[0],
      test_accuracy=accuracies[1],
      train_size=len(outputs.members),
      n_members=len(outputs.members),
      n_nonmembers=len(outputs.nonmembers),
      nonmembers=drawn_from,
    ),
    shadows=tuple(
      ShadowSummary(
        model=number,
        train_size=len(outputs.members),
        train_accuracy=0.9 + 0.002 * number,
        test_accuracy=0.7 - 0.002 * number,
        seconds=1.5,
      )
      for number in range(num_shadows)
    ),
    results=made.results,
    classes=_classes(pair, outputs) if pair else (),
    classification=shadow.classification_report(pair) if pair else None,
    null_checks=_checks(attacks, failing) if null_checks else (),
    anytime={
      name: _anytime(name, num_shadows, leak, **shown)
      for name in attacks
      if name in FLEET_ATTACKS
    },
    exposed={
      name: _exposed(scores_, outputs, exposed)
      for (name, _), scores_ in made.scores.items()
    },
  )
  return found, to_arrays(made, outputs)


def write(run_folder, *, label='lira-half8', **options):
  """Writes an attack on a run and returns its folder."""
  folder = RunFiles(pathlib.Path(run_folder) / 'attacks' / label)
  folder.path.mkdir(parents=True)
  made, arrays = record(
    **{'run': pathlib.Path(run_folder).name, **options}, label=label
  )
  folder.write_npz(attack_records.SCORES, arrays)
  attack_records.write(folder, made)
  return folder.path
