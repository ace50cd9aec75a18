"""What a deletion from a run makes: originals, forget sets, and models to be trained.

Every model is a sibling of the run that it is made of: `runs/x-retrain-uniform-5pct`,
`runs/x-sharded5`, `runs/x-sharded5-grouped1of5-5pct`.
"""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_tf import attack_records, classical, config, run_start
from rnn_tf.attack_config import MODEL_ATTACKS
from rnn_tf.config import RunConfig
from rnn_tf.datasets import Data
from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion.choose import ForgetSet
from rnn_tf.deletion.results import ORIGINAL, SHARDED_ORIGINAL
from rnn_tf.deletion.sisa import Assignment
from rnn_tf.deletion_config import FINETUNE, DeletedFrom, DeletionConfig
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.sharding import sharded
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.unlearn_jobs import (
  RETRAINED,
  Job,
  Retraining,
  Study,
  advice_of_unlearn,
)

_PURPOSE_TWIN = 103


def check_parent(run: RunFolder, deletion: DeletionConfig) -> None:
  """Makes sure that a run can be deleted from in the ways asked for.

  Raises:
    UsageError: it cannot.
  """
  own = run.config()
  if own.deleted.method == FINETUNE:
    raise UsageError(
      f'--run={run}: was fine-tuned, and its weights have seen what was deleted '
      f'before: name the run that it was made of, {own.deleted.parent}'
    )
  for method in ('sharded', FINETUNE) if own.model.classical else ():
    if method in deletion.methods:
      raise UsageError(
        f'--method={method}: --model={own.model.model} is fitted at once, not trained '
        'on, slice by slice or from old weights: give some of retrain, twin, none'
      )
  if 'sharded' in deletion.methods:
    shards = deletion.shards
    sharded.check(own, shards.num_shards, shards.num_slices)
  if FINETUNE in deletion.methods and own.privacy.dp:
    raise UsageError(
      '--method=finetune: the run was trained with --dp, and more steps would cost '
      'more epsilon than it says: give --method=retrain'
    )


def studies(
  run: RunFolder, deletion: DeletionConfig, *, data: Data, pool_ids: np.ndarray
) -> tuple[Study, ...]:
  """Returns what is to be made, nothing written.

  Args:
    run: finished, the parent.
    deletion: from it.
    data: the run's.
    pool_ids: (n,) int64 rising, of the whole training pool.

  Raises:
    UsageError: a folder holds something else, or the request cannot be met.
  """
  own = run.config()
  maker = _Maker(run=run, deletion=deletion, data=data, pool_ids=pool_ids)
  seeds = deletion.seeds or (own.training.seed,)
  return tuple(maker.study(seed) for seed in seeds)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Maker:
  """Plans the studies of one request."""

  run: RunFolder
  deletion: DeletionConfig
  data: Data
  pool_ids: np.ndarray

  def study(self, seed: int) -> Study:
    shards, train = self.deletion.shards, self.data.train
    original = self._original(seed)
    grouped = 'grouped' in self.deletion.forget.deletions
    used = grouped or 'sharded' in self.deletion.methods
    assignment = sisa.assign(
      len(train),
      num_shards=shards.num_shards if used else 1,
      num_slices=shards.num_slices if used else 1,
      seed=seed,
    )
    forget_sets = choose.forget_sets(
      self.deletion.forget,
      ids=train.ids,
      labels=train.labels,
      assignment=assignment,
      seed=seed,
    )
    jobs = [
      Job(seed=seed, forget=None, method=ORIGINAL, model=original, share=1.0),
      *self._retrained(original, seed, forget_sets),
      *self._sharded(original, seed, forget_sets, assignment),
    ]
    return Study(
      seed=seed,
      original=original.folder,
      forget_sets=forget_sets,
      sharded_key=self._key(original, assignment, None),
      jobs=tuple(jobs),
    )

  def _original(self, seed: int) -> Retraining:
    own = self.run.config()
    folder, wanted = self.run, own
    if seed != own.training.seed:
      if own.deleted.method:
        raise UsageError(
          f'--seeds={seed}: the run is itself what a deletion left, of one seed alone: '
          'leave --seeds out'
        )
      training = dataclasses.replace(own.training, seed=seed)
      wanted = dataclasses.replace(own, training=training)
      path = self.run.path
      stem = path.name.removesuffix(f'-s{own.training.seed}')
      folder = RunFolder(path.with_name(f'{stem}-s{seed}'))
    return self._checked(folder, wanted, forgotten=np.zeros(0, np.int64))

  def _checked(
    self,
    folder: RunFolder,
    wanted: RunConfig,
    *,
    forgotten: np.ndarray,
    engine: str | None = None,
    weights: pathlib.Path | None = None,
  ) -> Retraining:
    if (folder.path / 'config.json').is_file():
      with advice_of_unlearn(folder):
        self._check_same(folder, wanted, forgotten)
        engine = run_start.begun_with(folder)[0]
    else:
      with advice_of_unlearn(folder):
        folder.check(wanted, overwrite=False)
      # An original of another seed is trained as the parent was.
      engine = engine or run_start.begun_with(self.run)[0]
    examples = len(self.data.train) - len(forgotten)
    if wanted.model.classical:
      classical.check_size(wanted.model, examples, of=folder.path.name)
    elif examples < wanted.training.batch_size:
      raise UsageError(
        f'{folder.path.name}: {examples} training examples are left, fewer than the '
        f"run's --batch_size={wanted.training.batch_size}: delete less"
      )
    return Retraining(
      folder=folder,
      config=wanted,
      forgotten=forgotten,
      weights=weights,
      engine=engine,
      examples=examples * wanted.training.epochs,
    )

  def _check_same(
    self, folder: RunFolder, wanted: RunConfig, forgotten: np.ndarray
  ) -> None:
    """Makes sure that a run that is there is the one that is wanted.

    Raises:
      UsageError: it has another config, or was made of other examples.
    """
    lines = list(config.differences(folder.config(), wanted))
    about, data = folder.record().get('data', {}), self.data
    test = about.get('checksums', {}).get('test')
    if (about.get('version'), test) != (data.version, data.test.checksum()):
      lines.append(f'its data set was not {data.name} {data.version} as it is now')
    kept = folder.read_npz('examples.npz', needs=['train_ids'])['train_ids']
    if not np.array_equal(kept, np.setdiff1d(data.train.ids, forgotten)):
      lines.append('it was trained on other examples')
    if lines:
      raise UsageError(f'{folder} holds another run ({"; ".join(lines)})')

  def _retrained(
    self, original: Retraining, seed: int, forget_sets: Sequence[ForgetSet]
  ) -> list[Job]:
    jobs = []
    for method in ('retrain', 'twin', 'finetune', 'none'):
      for forget in forget_sets if method in self.deletion.methods else ():
        model = None
        if method in RETRAINED:
          model = self._retraining(original, method, forget)
        share = (model.examples / self._full(original, forget)) if model else 0.0
        jobs.append(
          Job(seed=seed, forget=forget, method=method, model=model, share=share)
        )
    return jobs

  def _full(self, original: Retraining, forget: ForgetSet | None) -> int:
    """Examples x epochs of full retraining; of the original without a forget set."""
    gone = 0 if forget is None else len(forget.ids)
    return (len(self.data.train) - gone) * original.config.training.epochs

  def _retraining(
    self, original: Retraining, method: str, forget: ForgetSet
  ) -> Retraining:
    own = original.config
    training, weights, checksum = own.training, None, ''
    if method == 'twin':
      key = [training.seed, _PURPOSE_TWIN]
      (seed,) = np.random.SeedSequence(key).generate_state(1)
      training = dataclasses.replace(training, seed=int(seed))
    name = method
    if method == 'finetune':
      weights = original.folder.path / attack_records.WEIGHTS
      checksum = attack_records.weights_checksum(original.folder.path) or ''
      if self.deletion.finetune_epochs is not None:
        epochs = self.deletion.finetune_epochs
        training = dataclasses.replace(training, epochs=epochs)
        name += f'{epochs}'
    # Attacks with shadow models would train shadows of their own for each run.
    attacks = tuple(name for name in own.report.attacks if name in MODEL_ATTACKS)
    report = dataclasses.replace(
      own.report, attacks=attacks, epochs_per_report=training.epochs
    )
    deleted = DeletedFrom(
      parent=original.folder.path.name,
      method=method,
      forget=forget.label,
      checksum=forget.checksum(),
      weights=checksum,
    )
    path = original.folder.path
    return self._checked(
      RunFolder(path.with_name(f'{path.name}-{name}-{forget.label}')),
      dataclasses.replace(own, training=training, report=report, deleted=deleted),
      forgotten=forget.ids,
      engine=original.engine,
      weights=weights,
    )

  def _sharded(
    self,
    original: Retraining,
    seed: int,
    forget_sets: Sequence[ForgetSet],
    assignment: Assignment,
  ) -> list[Job]:
    if 'sharded' not in self.deletion.methods:
      return []
    whole = self._sharded_plan(original, assignment, forget=None, of=None)
    jobs = [
      Job(
        seed=seed,
        forget=None,
        method=SHARDED_ORIGINAL,
        model=whole,
        share=whole.examples / self._full(original, None),
      )
    ]
    for forget in forget_sets:
      choose.check_shards_left(forget, ids=self.data.train.ids, assignment=assignment)
      plan = self._sharded_plan(original, assignment, forget=forget, of=whole.folder)
      share = plan.examples / self._full(original, forget)
      jobs.append(
        Job(seed=seed, forget=forget, method='sharded', model=plan, share=share)
      )
    return jobs

  def _sharded_plan(
    self,
    original: Retraining,
    assignment: Assignment,
    *,
    forget: ForgetSet | None,
    of: ShardedFolder | None,
  ) -> ShardedPlan:
    train, path = self.data.train, original.folder.path
    name = f'{path.name}-{self.deletion.shards.label()}'
    if forget is not None:
      name += f'-{forget.label}'
    deleted = np.zeros(len(train), bool)
    if forget is not None:
      deleted = np.isin(train.ids, forget.ids)
    folder = ShardedFolder(path.with_name(name))
    key = self._key(original, assignment, forget)
    folder.check(key)
    return ShardedPlan(
      folder=folder,
      config=original.config,
      assignment=assignment,
      rows=np.searchsorted(self.pool_ids, train.ids),
      deleted=deleted,
      original=of,
      engine=original.engine,
      manifest={
        'name': name,
        'parent': path.name,
        'sharded_parent': None if of is None else of.path.name,
        'command': shlex.join(['python', '-m', 'rnn_tf.unlearn', *sys.argv[1:]]),
        'versions': run_start.versions(),
        'key': key,
      },
      ids={
        'train_ids': train.ids[~deleted],
        'forget_ids': train.ids[deleted],
        'shards': assignment.shards[~deleted],
        'slices': assignment.slices[~deleted],
      },
    )

  def _key(
    self, original: Retraining, assignment: Assignment, forget: ForgetSet | None
  ) -> dict[str, Any]:
    """Returns everything that decides a sharded model, as JSON values."""
    own, data = original.config, self.data
    return {
      'data': {
        'dataset': data.name,
        'version': data.version,
        'train': data.train.checksum(),
        'holdout': data.holdout.checksum(),
        'test': data.test.checksum(),
      },
      'model': config.to_json(own.model),
      'training': config.to_json(own.training),
      'engine': original.engine,
      'num_shards': assignment.num_shards,
      'num_slices': assignment.num_slices,
      'forget': '' if forget is None else forget.checksum(),
    }
