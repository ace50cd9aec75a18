"""The versions that a deletion made, put together anew from what each model said.

As `unlearn_versions` does it from the data set; here ids and labels come from the files
of the runs.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Mapping

import numpy as np

from rnn_tf import attack_records, untrusted
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion.results import SHARDED_ORIGINAL, Version
from rnn_tf.deletion_config import ForgetConfig
from rnn_tf.deletion_records import DeletionRecord, ForgetInfo
from rnn_tf.errors import UsageError
from rnn_tf.records import RunRecord
from rnn_tf.run_files import RunFiles
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.verification.checks import MissingError, folder_name
from rnn_tf.verification.ids import FILE, POOL, TEST, Examples, Labels

OUTPUTS = 'deletions/outputs.npz'
"""What a run of its own said at its last epoch, see `unlearn_models.OUTPUTS`."""

SHARDED = (SHARDED_ORIGINAL, 'sharded')

_LABEL = re.compile(
  r'(uniform|grouped(?P<groups>\d+)of(?P<shards>\d+))-[^-]+pct(-d(?P<draw>\d+))?'
)

Outputs = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Study:
  """A deletion from a run, and what is known of its examples.

  Attributes:
    run: the parent.
    deletion: what was found.
    examples: the parent's.
    labels: of these, as far as they are known.
  """

  run: RunRecord
  deletion: DeletionRecord
  examples: Examples
  labels: Labels

  def folder(self, name: str) -> pathlib.Path:
    """Returns where a version's model lies: beside the run.

    Raises:
      MissingError: it does not, or the name leads elsewhere.
    """
    path = self.run.folder.path.resolve().parent / folder_name(name)
    if not path.is_dir():
      raise MissingError(f'its folder {name} is not there')
    return path

  @property
  def test_labels(self) -> np.ndarray | None:
    """Labels of the test images; None where they are not all known."""
    known = self.labels.of_ids(TEST, self.examples.test)
    return known if len(known) and (known >= 0).all() else None


def forget_sets(study: Study) -> dict[tuple[int, str], choose.ForgetSet | str]:
  """Draws the forget sets again.

  Returns:
    (Seed, label) -> the forget set, or why it cannot be drawn.
  """
  found = {}
  for forget in study.deletion.forget_sets:
    for seed in study.deletion.seeds:
      try:
        found[seed, forget.label] = _forget_set(study, forget, seed)
      except (MissingError, UsageError) as error:
        found[seed, forget.label] = str(error)
  return found


def _forget_set(study: Study, forget: ForgetInfo, seed: int) -> choose.ForgetSet:
  train = study.examples.train
  labels, shards, values = study.labels.of_ids(POOL, train), 1, {}
  drawn = _LABEL.fullmatch(forget.label)
  if forget.kind == 'class':
    if (labels < 0).any():
      raise MissingError('the labels of the training examples are not all kept')
    values = {'forget_class': int(forget.label.removeprefix('class-'))}
  elif forget.kind == 'ids':
    return _listed(study, forget, seed)
  elif drawn is None or forget.fraction is None:
    raise MissingError(f'{forget.label} does not say how it was drawn')
  else:
    values = {
      'fractions': (forget.fraction,),
      'deletions': (forget.kind,),
      'num_groups': int(drawn['groups'] or 1),
      'deletion_seed': int(drawn['draw'] or 0),
    }
    shards = int(drawn['shards'] or 1)
  (made,) = choose.forget_sets(
    ForgetConfig(**values),
    ids=train,
    labels=labels,
    assignment=sisa.assign(len(train), num_shards=shards, num_slices=1, seed=seed),
    seed=seed,
  )
  return made


def _listed(study: Study, forget: ForgetInfo, seed: int) -> choose.ForgetSet:
  """Takes a forget set that was listed from a model that knows it."""
  for row in study.deletion.findings.versions:
    if (row.seed, row.forget) == (seed, forget.label) and row.runs:
      path = study.folder(row.runs[0])
      if (path / FILE).is_file():
        ids = RunFiles(path).read_npz(FILE).get('forget_ids', np.zeros(0, np.int64))
        if forget.label == f'ids-{choose.checksum(ids)}':
          return choose.ForgetSet(
            label=forget.label, kind='ids', fraction=None, ids=ids
          )
  raise MissingError('no model keeps the ids that were listed')


def outputs(study: Study, name: str, method: str) -> Outputs:
  """Returns a model's logits on the pool (n, classes) and on the test set (m, classes).

  Args:
    study: the deletion.
    name: of the model's folder.
    method: of the version, see `deletion.results.Version`.

  Raises:
    MissingError: they are not kept, or not of the model as it is now.
    UsageError: they are damaged.
  """
  path = study.folder(name)
  if method in SHARDED:
    folder = ShardedFolder(path)
    if not folder.finished:
      raise MissingError(f'the sharded model {name} is not finished')
    aggregation = str(study.deletion.aggregation)
    pool, test = (sisa.aggregate(logits, aggregation) for logits in folder.load())
  else:
    run = RunFiles(path)
    if not (path / OUTPUTS).is_file():
      raise MissingError(f'its outputs ({name}/{OUTPUTS}) are not kept')
    kept = run.read_npz(OUTPUTS, needs=['identity', 'pool', 'test'])
    try:
      pool, test = (untrusted.check_logits(kept[name]) for name in ('pool', 'test'))
      if kept['identity'].ndim != 1 or not len(kept['identity']):
        raise ValueError('identity is no list')
    except ValueError as error:
      raise UsageError(f'{path}/{OUTPUTS} is damaged: {error}') from error
    weights = attack_records.weights_checksum(path)
    if weights is not None and str(kept['identity'][0]) != weights:
      raise MissingError(f'{name}/{OUTPUTS} is of other weights than it has now')
  sizes = len(study.examples.pool), len(study.examples.test)
  if (len(pool), len(test)) != sizes:
    raise UsageError(
      f'{path}: its outputs are damaged: of {len(pool)} and {len(test)} examples, not '
      f'{sizes[0]} and {sizes[1]}'
    )
  return pool, test


def versions(
  study: Study,
  forgets: Mapping[tuple[int, str], choose.ForgetSet | str],
  lacking: dict[tuple[int, str, str], str],
) -> Iterator[Version]:
  """Yields the versions whose models are there.

  Args:
    study: the deletion.
    forgets: what `forget_sets` returned.
    lacking: is filled: (seed, forget set, method) -> why a version is not there.
  """
  said: dict[str, Outputs] = {}
  for row in study.deletion.findings.versions:
    key = row.seed, row.forget, row.method
    forget, name = forgets[key[:2]], row.runs[0] if row.runs else ''
    try:
      if isinstance(forget, str):
        raise MissingError(forget)
      if name not in said:
        said[name] = outputs(study, name, row.method)
      yield _version(
        study, forget, said[name], name=name, seed=row.seed, method=row.method
      )
    except MissingError as error:
      lacking[key] = str(error)


def _version(
  study: Study,
  forget: choose.ForgetSet,
  logits: Outputs,
  *,
  name: str,
  seed: int,
  method: str,
) -> Version:
  examples = study.examples
  on_pool, on_test = logits
  test = study.labels.of_ids(TEST, examples.test)
  if study.deletion.unseen == 'holdout':
    ids = np.sort(examples.holdout)
    if examples.forgotten is not None:
      ids = ids[~np.isin(ids, examples.forgotten)]
    unseen = _side(study, on_pool, ids)
  else:
    unseen = Side(examples.test, test, on_test)
  kept = np.setdiff1d(examples.train, forget.ids)
  forgotten = _side(study, on_pool, forget.ids)
  retained = _side(study, on_pool, kept)
  for side in (forgotten, retained, unseen):
    if (side.labels < 0).any():
      raise MissingError('the labels of the examples are not all kept')
  others = None
  if study.deletion.matched:
    # No other seed can be asked for where unseen examples are matched.
    draw = [ForgetConfig().deletion_seed, seed]
    rows = choose.matched(unseen.labels, forgotten.labels, seed=draw)
    others, unseen = unseen, unseen.select(rows)
  return Version(
    seed=seed,
    forget=forget.label,
    method=method,
    run=name,
    forgotten=forgotten,
    retained=retained,
    unseen=unseen,
    # Of unknown labels nothing is told: see `verify_deletions`.
    test=Side(examples.test, np.maximum(test, 0), on_test),
    others=others,
  )


def _side(study: Study, logits: np.ndarray, ids: np.ndarray) -> Side:
  pool = study.examples.pool
  return Side(ids, study.labels.of_ids(POOL, ids), logits[np.searchsorted(pool, ids)])
