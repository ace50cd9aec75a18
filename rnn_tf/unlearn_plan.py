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

from rnn_tf import attack_records, config, run_start
from rnn_tf.attack_config import MODEL_ATTACKS
from rnn_tf.config import RunConfig
from rnn_tf.datasets import Data
from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion.choose import ForgetSet
from rnn_tf.deletion.results import ORIGINAL, SHARDED_ORIGINAL
from rnn_tf.deletion.sisa import Assignment
from rnn_tf.deletion_config import DeletedFrom, DeletionConfig
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.sharding import sharded
from rnn_tf.sharding.folder import ShardedFolder
from rnn_tf.sharding.sharded import ShardedPlan

_PURPOSE_TWIN = 103

RETRAINED = ('retrain', 'twin', 'finetune')
"""Methods whose models are runs of their own."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Retraining:
  """A run that is trained like the original, or on from it, on fewer examples.

  Attributes:
    folder: of the run.
    config: of the run.
    forgotten: (n,) int64, ids that it is not trained on; empty for originals.
    weights: a file of weights to begin with; None begins with fresh ones.
    engine: who computes the gradients.
    examples: examples x epochs that it processes.
  """

  folder: RunFolder
  config: RunConfig
  forgotten: np.ndarray
  weights: pathlib.Path | None
  engine: str
  examples: int

  @property
  def finished(self) -> bool:
    """Whether it is there."""
    return self.folder.finished


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Job:
  """One version of one seed's model.

  Attributes:
    seed: the original's.
    forget: its forget set; None for originals.
    method: as in `deletion.results.Version`.
    model: how it is made; None for `none`, which is the original.
    share: of what full retraining takes, in examples x epochs; originals of what
      the original takes.
  """

  seed: int
  forget: ForgetSet | None
  method: str
  model: Retraining | ShardedPlan | None
  share: float

  @property
  def label(self) -> str:
    """The forget set's label, '' for originals."""
    return '' if self.forget is None else self.forget.label

  @property
  def done(self) -> bool:
    """Whether nothing is to be trained for it."""
    if isinstance(self.model, ShardedPlan):
      return self.model.folder.finished
    return self.model is None or self.model.finished


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Study:
  """Everything that one seed's original is to become.

  Attributes:
    seed: the original's.
    original: its folder.
    config: the original's.
    assignment: of its training examples to shards.
    forget_sets: drawn from its training set.
    jobs: in the order in which they can be made.
  """

  seed: int
  original: RunFolder
  config: RunConfig
  assignment: Assignment
  forget_sets: tuple[ForgetSet, ...]
  jobs: tuple[Job, ...]

  def job(self, method: str, forget: ForgetSet | None) -> Job | None:
    """Returns the job of a method and a forget set; None where there is none."""
    label = '' if forget is None else forget.label
    for job in self.jobs:
      if (job.method, job.label) == (method, label):
        return job
    return None


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
  if 'sharded' in deletion.methods:
    shards = deletion.shards
    sharded.check(own, shards.num_shards, shards.num_slices)
  if 'finetune' in deletion.methods and own.privacy.dp:
    raise UsageError(
      '--method=finetune: the run was trained with --dp, and more steps would cost '
      'more epsilon than it says: give --method=retrain'
    )
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
    assignment = sisa.assign(
      len(train),
      num_shards=shards.num_shards,
      num_slices=shards.num_slices,
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
      config=original.config,
      assignment=assignment,
      forget_sets=forget_sets,
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
    weights: pathlib.Path | None = None,
  ) -> Retraining:
    if (folder.path / 'config.json').is_file():
      lines = config.differences(folder.config(), wanted)
      if lines:
        raise UsageError(
          f'{folder} holds another run ({"; ".join(lines)}): move it away or delete it'
        )
    else:
      folder.check(wanted, overwrite=False)
    examples = len(self.data.train) - len(forgotten)
    wanted.training.steps_per_epoch(examples)
    return Retraining(
      folder=folder,
      config=wanted,
      forgotten=forgotten,
      weights=weights,
      engine=run_start.begun_with(self.run)[0],
      examples=examples * wanted.training.epochs,
    )

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
      parent=original.folder.path.resolve().name,
      method=method,
      forget=forget.label,
      checksum=forget.checksum(),
      weights=checksum,
    )
    path = original.folder.path
    return self._checked(
      RunFolder(path.with_name(f'{path.resolve().name}-{name}-{forget.label}')),
      dataclasses.replace(own, training=training, report=report, deleted=deleted),
      forgotten=forget.ids,
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
    name = f'{path.resolve().name}-{self.deletion.shards.label()}'
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
        'parent': path.resolve().name,
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
