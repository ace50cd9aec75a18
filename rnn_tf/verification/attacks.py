"""Attacks on a run with shadow models against the scores that were kept of them."""

import dataclasses
from collections.abc import Iterator

from rnn_tf import attack_records
from rnn_tf.attack_config import FLEET_ATTACKS
from rnn_tf.attack_records import FILE, FOLDER, SCORES, AttackRecord
from rnn_tf.dp.guarantee import Guarantee
from rnn_tf.records import RunRecord
from rnn_tf.verification import attack_record as verify_attack_record
from rnn_tf.verification import fleet as verify_fleet
from rnn_tf.verification import ids as verify_ids
from rnn_tf.verification import run as verify_run
from rnn_tf.verification import scores as verify_scores
from rnn_tf.verification.attack_record import Case
from rnn_tf.verification.checks import Finding, Gap, MissingError, fact, figure
from rnn_tf.verification.fleet import Fleet
from rnn_tf.verification.ids import Examples, Labels


def files(record: RunRecord) -> list[str]:
  """Returns the names of the files of scores of a run's finished attacks."""
  paths = sorted(record.folder.path.glob(f'{FOLDER}/*/{FILE}'))
  names = [f'{FOLDER}/{path.parent.name}/{SCORES}' for path in paths]
  return [name for name in names if (record.folder.path / name).exists()]


def check(
  record: RunRecord,
  examples: Examples,
  labels: Labels,
  *,
  promise: Guarantee | None,
) -> Iterator[Finding]:
  """Checks all attacks on a run.

  Args:
    record: the run.
    examples: its examples.
    labels: theirs, as far as they are known.
    promise: its guarantee, as recomputed.

  Raises:
    UsageError: a file is damaged.
  """
  fleets: dict[tuple[str, int], Fleet] = {}
  for path in sorted(record.folder.path.glob(f'{FOLDER}/*/')):
    name = f'{FOLDER}/{path.name}'
    if not (path / FILE).is_file():
      yield Gap(what=name, why=f'unfinished, it has no {FILE}')
      continue
    attack = attack_records.load(path)
    yield from _check_target(record, attack, examples)
    case = _case(record, attack)
    yield verify_scores.check_kept(f'{name}/{SCORES}', there=case is not None)
    if case is None:
      yield Gap(what=name, why=f'no scores are there ({SCORES})')
      continue
    try:
      fleet = _fleet(record, attack, examples, labels=labels, known=fleets)
      case = dataclasses.replace(case, fleet=fleet)
    except MissingError as error:
      what = f'{name}, all that is said of shadow models, scores of attacks with them'
      yield Gap(what=what, why=str(error))
    yield from _check_case(case, examples, labels, promise=promise)


def _fleet(
  record: RunRecord,
  attack: AttackRecord,
  examples: Examples,
  *,
  labels: Labels,
  known: dict[tuple[str, int], Fleet],
) -> Fleet:
  key = attack.fleet_name, attack.fleet.num_shadows
  if key not in known:
    known.clear()
    known[key] = verify_fleet.load(
      verify_fleet.find(record.folder, attack.fleet_name, command=attack.command),
      record.config,
      examples,
      labels=labels,
      count=attack.fleet.num_shadows,
      class_count=len(record.data.class_names),
    )
  return known[key]


def _case(record: RunRecord, attack: AttackRecord) -> Case | None:
  """Puts an attack and its scores together; None where these are gone."""
  base = f'{FOLDER}/{attack.label}'
  if not (attack.folder.path / SCORES).exists():
    return None
  of = verify_scores.kept(
    record.folder,
    attack.results,
    attack.folder.read_npz(SCORES),
    file=f'{base}/{SCORES}',
    lines=f'{base}/privacy.jsonl',
  )
  return Case(run=record, attack=attack, of=of, fleet=None)


def _check_target(
  record: RunRecord, attack: AttackRecord, examples: Examples
) -> Iterator[Finding]:
  """Checks that an attack is one on this run as it is now."""
  file, config = f'{FOLDER}/{attack.label}/{FILE}', record.config
  expected = {
    'dataset': config.data.dataset,
    'model': config.model.label(),
    'class_names': record.data.class_names,
    'epoch': record.epochs,
  }
  for name, value in expected.items():
    stored = getattr(attack, name)
    yield figure(file, '', name=name, stored=stored, recomputed=value)
  expected = {
    'train_size': len(examples.train),
    'n_members': len(examples.train),
    'n_nonmembers': len(examples.nonmembers),
    'nonmembers': config.data.nonmembers,
  }
  for name, value in expected.items():
    stored = getattr(attack.target, name)
    yield figure(file, 'target', name=name, stored=stored, recomputed=value)
  checksum = attack_records.weights_checksum(record.folder.path)
  if checksum is None:
    why = f'the run has no {attack_records.WEIGHTS} any more'
    yield Gap(what=f'{file}, target, weights', why=why)
  else:
    problem = None
    if checksum != attack.target.weights:
      problem = (
        f'the attack was made on {attack.target.weights}, {attack_records.WEIGHTS} now '
        f'is {checksum}'
      )
    yield fact(file, 'target', name='weights', problem=problem)


def _check_case(
  case: Case, examples: Examples, labels: Labels, *, promise: Guarantee | None
) -> Iterator[Finding]:
  of, run, attack = case.of, case.run, case.attack
  arrays = attack.folder.read_npz(SCORES)
  classes = len(run.data.class_names)
  yield from verify_ids.check_sides(of.file, arrays, examples, members=examples.train)
  yield from labels.check(
    run.folder, of.file, arrays, source=examples.source, class_count=classes
  )
  yield from verify_scores.check_present(
    of, attacks=attack.attacks, engine=_engine(case), class_count=classes
  )
  found = attack.results
  context = {'model': attack.model, 'epoch': attack.epoch}
  context |= {
    'train_accuracy': attack.target.train_accuracy,
    'val_accuracy': attack.target.test_accuracy,
  }
  context |= verify_run.promised(run, promise, found=found)
  yield from verify_scores.check_context(of, context)
  yield from verify_scores.check_lines(of)
  why_not = verify_run.why_not_trained(run)
  seed = run.config.training.seed
  yield from verify_scores.check_scores(
    of, class_count=classes, seed=seed, why_not=why_not
  )
  yield from verify_attack_record.check(case)


def _engine(case: Case) -> str:
  """Returns who made the attacks that need no shadow models."""
  made = [r for r in case.attack.results if r.attack not in FLEET_ATTACKS]
  return verify_scores.common(made, 'engine') if made else 'fast'
