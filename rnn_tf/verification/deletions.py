"""Audits of deletions from a run: audited anew, where the models' outputs are kept."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnn_tf import deletion_records
from rnn_tf.deletion import audit
from rnn_tf.deletion.choose import ForgetSet
from rnn_tf.deletion.results import (
  ORIGINAL,
  SHARDED_ORIGINAL,
  Findings,
)
from rnn_tf.deletion_records import FILE, FOLDER
from rnn_tf.records import RunRecord
from rnn_tf.run_files import RunFiles
from rnn_tf.verification import fleet as verify_fleet
from rnn_tf.verification import sums as verify_sums
from rnn_tf.verification import versions as verify_versions
from rnn_tf.verification.checks import (
  Check,
  Finding,
  Gap,
  MissingError,
  fact,
  figure,
  figures,
)
from rnn_tf.verification.fleet import Fleet
from rnn_tf.verification.ids import Examples, Labels
from rnn_tf.verification.versions import Study

_KEPT_ALL = (ORIGINAL, SHARDED_ORIGINAL, 'none')
"""Methods whose models are trained on what is deleted."""

_Forgets = Mapping[tuple[int, str], ForgetSet | str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
  """What a row of a table is of; None where the table has no such column."""

  table: str
  seed: int | None
  forget: str
  method: str
  what: str | None = None

  @property
  def place(self) -> str:
    seed = None if self.seed is None else f'seed {self.seed}'
    parts = self.table, seed, self.forget, self.method, self.what
    return ', '.join(part for part in parts if part)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Again:
  """An audit made anew.

  Attributes:
    findings: of the versions that are there; None where there are none.
    attacks: that could be made.
    lacking: (seed, forget set, method) -> why that version is not there.
    gaps: figures, in words -> why they are not found anew.
  """

  findings: Findings | None
  attacks: tuple[str, ...]
  lacking: Mapping[tuple[int, str, str], str]
  gaps: Mapping[str, str]

  @property
  def partly(self) -> set[str]:
    """Labels of forget sets of which a version is missing."""
    return {forget for _, forget, _ in self.lacking}


def check(record: RunRecord, examples: Examples, labels: Labels) -> Iterator[Finding]:
  """Checks all audits of deletions from a run.

  Args:
    record: the run.
    examples: its examples.
    labels: theirs, as far as they are known.

  Raises:
    UsageError: a file is damaged.
  """
  # Two audits of the same deletion differ by their labels alone.
  done: dict[tuple[Any, ...], _Again] = {}
  for path in sorted(record.folder.path.glob(f'{FOLDER}/*/')):
    name = f'{FOLDER}/{path.name}'
    if not (path / FILE).is_file():
      yield Gap(what=name, why=f'unfinished, it has no {FILE}')
      continue
    study = Study(
      run=record,
      deletion=deletion_records.load(path),
      examples=examples,
      labels=labels,
    )
    yield from _check_study(study, f'{name}/{FILE}', done)


def _check_study(
  study: Study, file: str, done: dict[tuple[Any, ...], _Again]
) -> Iterator[Finding]:
  config, deletion = study.run.config, study.deletion
  expected = {
    'dataset': config.data.dataset,
    'model': config.model.label(),
    'train_size': len(study.examples.train),
    'epochs': config.training.epochs,
  }
  for name, value in expected.items():
    stored = getattr(deletion, name)
    yield figure(file, '', name=name, stored=stored, recomputed=value)
  forgets = verify_versions.forget_sets(study)
  yield from _check_forget_sets(study, file, forgets)
  yield from _check_models(study, file, forgets)
  key = _key(study)
  if key not in done:
    done[key] = _audited_anew(study, forgets)
  yield from _check_findings(study, file, done[key])
  yield from verify_sums.check(study, file)


def _check_forget_sets(study: Study, file: str, forgets: _Forgets) -> Iterator[Finding]:
  """Checks the forget sets against those that the seeds draw."""
  for stored in study.deletion.forget_sets:
    place = f'forget_sets, {stored.label}'
    for seed in study.deletion.seeds:
      made = forgets[seed, stored.label]
      if isinstance(made, str):
        yield Gap(what=f'{file}, {place}, seed {seed}', why=made)
        continue
      expected = {'label': made.label, 'kind': made.kind, 'count': len(made.ids)}
      for name, value in expected.items():
        kept = getattr(stored, name)
        yield figure(
          file, f'{place}, seed {seed}', name=name, stored=kept, recomputed=value
        )
      yield from figures(
        file,
        f'{place}, seed {seed}',
        stored=stored.groups.get(str(seed), ()),
        recomputed=made.groups,
        name='groups',
      )


def _check_models(study: Study, file: str, forgets: _Forgets) -> Iterator[Finding]:
  """Checks that no model was trained on what was deleted from it."""
  seen = set()
  for row in study.deletion.findings.versions:
    name, of = row.runs[0] if row.runs else '', None
    if row.method not in _KEPT_ALL:
      of = forgets[row.seed, row.forget]
    if name in seen or isinstance(of, str):
      continue
    seen.add(name)
    try:
      path = study.folder(name)
    except MissingError as error:
      yield Gap(what=f'{file}, examples of {name}', why=str(error))
      continue
    yield from _check_model(study, path, forget=of)


def _check_model(
  study: Study, path: pathlib.Path, *, forget: ForgetSet | None
) -> Iterator[Check]:
  """Checks the ids of a model beside the run."""
  kept = RunFiles(path).read_npz('examples.npz', needs=['train_ids'])
  gone = np.zeros(0, np.int64) if forget is None else forget.ids
  file, train = f'../{path.name}/examples.npz', study.examples.train
  left = np.intersect1d(kept['train_ids'], gone)
  problem = None
  if len(left):
    problem = f'{len(left)} deleted ones are among them, such as {left[0]}'
  elif not np.array_equal(kept['train_ids'], np.setdiff1d(train, gone)):
    problem = "not the run's own without the deleted ones"
  yield fact(file, '', name='train_ids', problem=problem)
  if forget is not None:
    same = np.array_equal(kept.get('forget_ids'), gone)
    problem = None if same else f'not those of {forget.label}'
    yield fact(file, '', name='forget_ids', problem=problem)


def _audited_anew(study: Study, forgets: _Forgets) -> _Again:
  """Audits the versions that are there at all seeds."""
  lacking: dict[tuple[int, str, str], str] = {}
  made = list(verify_versions.versions(study, forgets, lacking))
  incomplete = {(forget, method) for _, forget, method in lacking}
  made = [each for each in made if (each.forget, each.method) not in incomplete]
  attacks, fleet, gaps = study.deletion.attacks, None, {}
  if 'lira' in attacks:
    try:
      fleet = _fleet(study)
    except MissingError as error:
      attacks = tuple(name for name in attacks if name != 'lira')
      gaps['figures of lira'] = str(error)
  findings = None
  try:
    if made:
      findings = audit.run(
        made,
        attacks=attacks,
        shadows=fleet and fleet.shadows,
        seed=study.run.config.training.seed,
      )
  except ValueError as error:
    gaps['findings'] = str(error)
  return _Again(findings=findings, attacks=attacks, lacking=lacking, gaps=gaps)


def _fleet(study: Study) -> Fleet:
  name, command = str(study.deletion.fleet_name), study.deletion.command
  return verify_fleet.load(
    verify_fleet.find(study.run.folder, name, command=command),
    study.run.config,
    study.examples,
    labels=study.labels,
    count=study.deletion.fleet_size,
    class_count=len(study.run.data.class_names),
  )


def _key(study: Study) -> tuple[Any, ...]:
  """Returns all that decides what an audit of a run finds."""
  deletion = study.deletion
  rows = ((x.seed, x.forget, x.method, x.runs) for x in deletion.findings.versions)
  return (
    *(deletion.attacks, deletion.unseen, deletion.aggregation),
    *(deletion.fleet_name, deletion.fleet_size),
    deletion.matched,
    tuple((x.label, x.kind, x.fraction) for x in deletion.forget_sets),
    tuple(rows),
  )


def _check_findings(study: Study, file: str, again: _Again) -> Iterator[Finding]:
  """Compares all figures with those of the audit made anew."""
  for (seed, forget, method), why in again.lacking.items():
    yield Gap(what=f'{file}, figures of {method}, {forget}, seed {seed}', why=why)
  for what, why in again.gaps.items():
    yield Gap(what=f'{file}, {what}', why=why)
  if again.findings is None:
    return
  if study.test_labels is None:
    what = f'{file}, accuracy on the test images'
    yield Gap(what=what, why='the labels of these are not kept (--nonmembers=holdout)')
  for forget in sorted(again.partly):
    why = 'a version is missing, and all share their edges'
    yield Gap(what=f'{file}, histograms of {forget}', why=why)
  yield from _compare(study, file, again)


def _compare(study: Study, file: str, again: _Again) -> Iterator[Check]:
  stored, found = _rows(study.deletion.findings), _rows(again.findings)
  # No test labels, no accuracy on the test images.
  unknown = {'test'} if study.test_labels is None else set()
  for row in dict.fromkeys([*stored, *found]):
    unmade = row.what in study.deletion.attacks and row.what not in again.attacks
    shared = row.table == 'histograms' and row.forget in again.partly
    if unmade or shared:
      continue
    if row not in stored:
      yield fact(file, row.place, name='row', problem='there is none')
    elif row in found:
      pair = (
        {name: item for name, item in each[row].items() if name not in unknown}
        for each in (stored, found)
      )
      value, other = pair
      yield from figures(file, row.place, stored=value, recomputed=other)
    elif row.forget not in again.partly:
      yield fact(file, row.place, name='row', problem='an audit makes none such')


def _rows(findings: Findings) -> dict[_Row, dict[str, Any]]:
  """Returns the figures of each row of each table."""
  rows = {}
  for table in ('versions', 'pooled'):
    for each in getattr(findings, table):
      row = _Row(table=table, seed=each.seed, forget=each.forget, method=each.method)
      names = ('runs', 'train', 'forgotten', 'retained', 'test')
      rows[row] = {name: getattr(each, name) for name in names}
      for attack in each.attacks:
        rows[dataclasses.replace(row, what=attack.attack)] = _fields(attack)
  for table in ('verdicts', 'two_versions', 'collateral', 'histograms'):
    for each in getattr(findings, table):
      what = each.features if table == 'two_versions' else each.attack
      row = _Row(
        table=table, seed=None, forget=each.forget, method=each.method, what=what
      )
      rows[row] = _fields(each)
  return rows


def _fields(value: Any) -> dict[str, Any]:
  names = [field.name for field in dataclasses.fields(value)]
  skip = ('attack', 'forget', 'method', 'features')
  return {name: getattr(value, name) for name in names if name not in skip}
