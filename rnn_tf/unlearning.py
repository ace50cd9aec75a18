"""A deletion from a finished run, put together: models made, audited, written down."""

import dataclasses
import logging
import shlex
import sys
import time
from collections.abc import Iterable

import numpy as np

from rnn_tf import (
  cluster,
  deletion_page,
  deletion_records,
  run_data,
  run_start,
  unlearn_cluster,
  unlearn_models,
  unlearn_versions,
)
from rnn_tf import unlearn_plan as plans
from rnn_tf.callbacks import duration
from rnn_tf.datasets import Data, Split
from rnn_tf.deletion import audit
from rnn_tf.deletion.results import ORIGINAL
from rnn_tf.deletion_records import DeletionRecord, ForgetInfo
from rnn_tf.errors import UsageError
from rnn_tf.runs import RunFolder
from rnn_tf.sharding.sharded import ShardedPlan
from rnn_tf.unlearn_costs import costs, shard_accuracies
from rnn_tf.unlearn_fleet import Fleet, find_fleet
from rnn_tf.unlearn_jobs import Job, Study
from rnn_tf.unlearn_models import Maker
from rnn_tf.unlearn_request import Request, held
from rnn_tf.unlearn_versions import Unseen, versions

LOG = logging.getLogger('rnn_tf')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
  """A request that can be met, nothing written yet.

  Attributes:
    request: what is asked for.
    data: the parent run's.
    pool: its training and holdout examples, by rising ids.
    studies: one a seed.
    unseen: where examples come from that no version was trained on.
    fleet: shadow models for LiRA; None where there are none.
    seconds_per_example: of one epoch of the parent's training.
  """

  request: Request
  data: Data
  pool: Split
  studies: tuple[Study, ...]
  unseen: Unseen
  fleet: Fleet | None
  seconds_per_example: float

  @property
  def jobs(self) -> list[Job]:
    """All versions of all seeds, plain runs first: a version comes after its parent."""
    found = [job for study in self.studies for job in study.jobs]
    return sorted(
      found,
      key=lambda job: (isinstance(job.model, ShardedPlan), job.method != ORIGINAL),
    )


def prepare(request: Request) -> Prepared:
  """Loads the data and plans all models, nothing written.

  Raises:
    UsageError: the request cannot be met.
  """
  plans.check_parent(request.run, request.deletion)
  cluster.check(request.options.cluster)
  engine, _ = run_start.begun_with(request.run)
  unlearn_models.set_up(request.run.config(), engine=engine)
  data = run_data.load(request.run, request.source)
  pool = unlearn_models.pool_of(data)
  studies = plans.studies(request.run, request.deletion, data=data, pool_ids=pool.ids)
  forget = request.deletion.forget
  # Drawn examples have the pool's labels as they are; others may be of a few.
  matched = bool(forget.forget_ids) or forget.forget_class is not None
  unseen = unlearn_versions.unseen_of(request.run, data, matched=matched)
  unlearn_versions.check(unseen, studies, data)
  fleet = find_fleet(
    request.run,
    data,
    held_out=unseen.source == 'holdout',
    wanted=request.options.shadow_fleet,
  )
  return Prepared(
    request=request,
    data=data,
    pool=pool,
    studies=studies,
    unseen=unseen,
    fleet=fleet,
    seconds_per_example=_seconds_per_example(request.run, len(data.train)),
  )


def _seconds_per_example(run: RunFolder, examples: int) -> float:
  seconds = [row['seconds'] for row in run.read_rows()]
  # The first epoch traces the graph as well.
  return float(np.median(seconds[1:] or seconds)) / examples


def describe(prepared: Prepared) -> str:
  """Returns what will be made, what it costs, and what it does not save."""
  todo = [job for job in prepared.jobs if not job.done]
  examples = sum(job.model.examples for job in todo)
  work = examples * prepared.seconds_per_example
  epochs = prepared.request.run.config().training.epochs
  times = examples / (len(prepared.data.train) * epochs)
  lines = [
    f'original: {prepared.request.run}, {len(prepared.data.train):,} training '
    f'examples; unseen: {prepared.unseen.describe()}',
    f'models: {len(prepared.jobs)}, of which {len(todo)} are to be trained',
  ]
  if todo:
    lines[-1] += f': {times:.2f} times the original, about {duration(work)} of training'
  for job in prepared.jobs:
    lines.append(f'  {_describe(job)}')
  lines += _warnings(prepared.jobs)
  if 'retrain' not in prepared.request.deletion.methods:
    lines.append(
      'no verdict without the full retrain to compare with: add retrain to --method'
    )
  lines.append(f'results: {prepared.request.folder}/')
  return '\n'.join(lines)


def _warnings(jobs: Iterable[Job]) -> list[str]:
  """Says which deletions sharding does not make cheaper."""
  touched = [job for job in jobs if _saves_nothing(job)]
  if not touched:
    return []
  labels = dict.fromkeys(job.label for job in touched)
  line = (
    f'no speed-up by sharding: {" and ".join(labels)} '
    f'{"touch" if len(labels) > 1 else "touches"} every shard, in its first slice'
  )
  if all(job.forget.kind == 'uniform' for job in touched):
    line += '; --deletion=grouped confines a deletion to --num_groups of them'
  return [line]


def _describe(job: Job) -> str:
  if job.model is None:
    return f'seed {job.seed}, {job.label}: none, the original as it is'
  name = job.model.folder.path.name
  state = 'there already' if job.done else 'to be trained'
  of = 'training the original' if job.forget is None else 'full retraining'
  text = f'{name}: {job.share:.2f} of {of}'
  if isinstance(job.model, ShardedPlan):
    shards = job.model.assignment.num_shards
    text += f', {job.model.shards_trained} of {shards} shards'
  return f'{text}; {state}'


def _saves_nothing(job: Job) -> bool:
  plan = job.model
  if job.forget is None or not isinstance(plan, ShardedPlan):
    return False
  return all(first == 0 for first in plan.first_stages)


def unlearn(prepared: Prepared) -> DeletionRecord:
  """Makes the models that are missing, audits all, and writes the audit's folder.

  Raises:
    UsageError: a model cannot be trained, or its outputs are damaged.
  """
  request = prepared.request
  maker = Maker(
    prepared.data, prepared.pool, shard_training=request.options.shard_training
  )
  with held(request):
    where = request.options.cluster
    if where.strategy == 'ray':
      unlearn_cluster.make_all(prepared.jobs, maker, data=prepared.data, where=where)
    else:
      unlearn_models.make_all(
        prepared.jobs, maker, seconds_per_example=prepared.seconds_per_example
      )
    record = _audited(prepared, maker)
    _write(request, record)
  return record


def _audited(prepared: Prepared, maker: Maker) -> DeletionRecord:
  request, fleet = prepared.request, prepared.fleet
  config, deletion = request.run.config(), request.deletion
  LOG.info('predicting with %d models', len([j for j in prepared.jobs if j.model]))
  made = versions(
    prepared.studies,
    outputs=lambda job: maker.outputs(job, aggregation=deletion.shards.aggregation),
    data=prepared.data,
    pool=prepared.pool,
    unseen=prepared.unseen,
    deletion_seed=deletion.forget.deletion_seed,
  )
  _check_gone(prepared.jobs)
  attacks = ('threshold', 'lr') + (('lira',) if fleet else ())
  LOG.info('auditing %d versions by %s', len(made), ', '.join(attacks))
  start = time.perf_counter()
  findings = audit.run(
    made,
    attacks=attacks,
    shadows=fleet and fleet.shadows,
    seed=config.training.seed,
  )
  seconds = time.perf_counter() - start
  sharded = 'sharded' in deletion.methods
  return DeletionRecord(
    label=request.folder.path.name,
    asked=request.asked,
    run=request.run.path.resolve().name,
    command=shlex.join(['python', '-m', 'rnn_tf.unlearn', *sys.argv[1:]]),
    dataset=prepared.data.name,
    model=config.model.label(),
    seeds=tuple(study.seed for study in prepared.studies),
    methods=deletion.methods,
    attacks=attacks,
    forget_sets=_forget_infos(prepared.studies),
    unseen=prepared.unseen.source,
    matched=prepared.unseen.matched,
    train_size=len(prepared.data.train),
    epochs=config.training.epochs,
    num_shards=deletion.shards.num_shards if sharded else None,
    num_slices=deletion.shards.num_slices if sharded else None,
    aggregation=deletion.shards.aggregation if sharded else None,
    fleet_name=fleet and fleet.name,
    fleet_size=len(fleet.shadows) if fleet else 0,
    audit_seconds=seconds,
    costs=costs(prepared.jobs),
    shard_accuracies=shard_accuracies(
      prepared.studies, maker, prepared.data, aggregation=deletion.shards.aggregation
    ),
    findings=findings,
  )


def _check_gone(jobs: Iterable[Job]) -> None:
  """Makes sure that no model was trained on what was deleted from it.

  Raises:
    UsageError: one was, or does not say so: its files were edited.
  """
  for job in jobs:
    if job.forget is None or job.model is None:
      continue
    folder = job.model.folder
    kept = folder.read_npz('examples.npz', needs=['train_ids', 'forget_ids'])
    gone = np.array_equal(kept['forget_ids'], job.forget.ids)
    if not gone or np.isin(job.forget.ids, kept['train_ids']).any():
      raise UsageError(
        f'{folder}: its examples.npz does not show that {job.label} was deleted: '
        'delete the folder, and the same command makes the model again'
      )


def _forget_infos(studies: tuple[Study, ...]) -> tuple[ForgetInfo, ...]:
  first = studies[0].forget_sets
  return tuple(
    ForgetInfo(
      label=forget.label,
      kind=forget.kind,
      fraction=forget.fraction,
      count=len(forget.ids),
      groups={
        str(study.seed): study.forget_sets[number].groups
        for study in studies
        if study.forget_sets[number].groups
      },
    )
    for number, forget in enumerate(first)
  )


def _write(request: Request, record: DeletionRecord) -> None:
  """Writes the folder; what marks it as finished comes last."""
  folder = request.folder
  try:
    (folder.path / deletion_records.FILE).unlink(missing_ok=True)
    deletion_page.write(record, folder)
    deletion_records.write(folder, record)
  except OSError as error:
    raise UsageError(
      f'{folder}: cannot be written ({error.strerror}): the models are kept; make room '
      'and start the command again'
    ) from error
