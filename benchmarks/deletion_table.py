"""What `benchmarks.deletion` compares, what it should cost, and the tables of it."""

import argparse
import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import choose, sisa
from rnn_tf.deletion.results import BEFORE, ORIGINAL, SHARDED_ORIGINAL, Version
from rnn_tf.deletion.sisa import Assignment
from rnn_tf.deletion_config import ForgetConfig

SLICED = ('grouped', 'one_slice')
"""Ways that are measured with each number of slices."""

RETRAINING = (*SLICED, 'uniform', 'uniform_processes')

SLACK = 1.15
"""A deletion confined to one of n shards is to process at most so many nths."""

EVERYWHERE = 0.02
"""A deletion from all shards is to process as much as full retraining, give or take."""

AUDIT_SECONDS = 30
"""The audit is to take less."""

PARTS = {
  'training': 'Training: building, tracing, gradients, keeping every stage',
  'whole': 'All in all: and predicting the training and the test set, once a model',
}
"""Part of a measurement -> its table's title."""

CLASSES = 10
"""Of the logits that are audited."""

_WIDTHS = (28, 6, 8, 18, 8, 14)

Run = Mapping[str, Any]
"""A measurement: `models` trained, `examples` x epochs processed, and of each of
`PARTS` `wall` and `cpu`, seconds; `cpu` is None where it is not known."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Way:
  """One way to delete from a training set of n examples.

  Attributes:
    kind: `full`, or out of `RETRAINING`, without `_processes`.
    label: for the tables.
    assignment: of the examples to shards and slices; one shard for `full`.
    deleted: (n,) bool.
    full: examples x epochs that full retraining without them processes.
    mean: examples x epochs that this way processes, on average over the deletions of
      its kind that might have been drawn.
    strategy: out of `sharded.STRATEGIES`.
  """

  kind: str
  label: str
  assignment: Assignment
  deleted: np.ndarray
  full: int
  mean: float
  strategy: str = 'sequential'


def mean_of_draws(
  sizes: Sequence[int], epochs: Sequence[int], *, population: int, deleted: int
) -> float:
  """Returns examples x epochs that a deletion costs one shard, on average over draws.

  A stage sees the first M examples of the shard, of which K are deleted. It is trained
  on the other M - K unless K is 0; K is hypergeometric:
  E[(M - K) 1(K > 0)] = M - E[K] - M P(K = 0).

  Args:
    sizes: examples of the shard's slices.
    epochs: of its stages.
    population: examples that the deleted ones are drawn from, the shard's among them.
    deleted: how many are drawn.
  """
  seen = np.cumsum(sizes)
  spared = stats.hypergeom.pmf(0, population, seen, deleted)
  return float(seen * (1 - deleted / population - spared) @ np.array(epochs))


def mean_of_slices(
  sizes: Sequence[int], epochs: Sequence[int], *, deleted: int
) -> float:
  """Returns the same where all deleted are in one slice, any as likely as another."""
  costs = []
  for number in range(len(sizes)):
    left = np.array(sizes)
    left[number] -= deleted
    costs.append(sisa.examples_processed(left, epochs, first_stage=number))
  return float(np.mean(costs))


def ways(count: int, args: argparse.Namespace) -> list[Way]:
  """Returns full retraining, and the ways to retrain shards that are asked for.

  Args:
    count: training examples.
    args: the flags.

  Raises:
    UsageError: there are too few examples for the flags.
  """
  whole = sisa.assign(count, num_shards=1, num_slices=1, seed=args.seed)
  deleted = _draw('uniform', whole, args)
  examples = (count - int(deleted.sum())) * args.epochs
  found = [
    Way(
      kind='full',
      label='full retraining',
      assignment=whole,
      deleted=deleted,
      full=examples,
      mean=examples,
    )
  ]
  for name in args.ways:
    for slices in args.num_slices if name in SLICED else (1,):
      if name in RETRAINING and (name, slices) != ('one_slice', 1):
        assignment = sisa.assign(
          count, num_shards=args.num_shards, num_slices=slices, seed=args.seed
        )
        found.append(_way(name, assignment, args))
  return found


def _way(name: str, assignment: Assignment, args: argparse.Namespace) -> Way:
  kind, processes, _ = name.partition('_processes')
  deleted = _draw(kind, assignment, args)
  count, gone, slices = len(deleted), int(deleted.sum()), assignment.num_slices
  epochs = sisa.stage_epochs(args.epochs, slices)
  means = []
  for shard in range(assignment.num_shards):
    sizes = [*map(len, assignment.rows(shard, without=np.zeros(count, bool)))]
    if kind == 'one_slice':
      means.append(mean_of_slices(sizes, epochs, deleted=gone))
    else:
      population = count if kind == 'uniform' else sum(sizes)
      means.append(mean_of_draws(sizes, epochs, population=population, deleted=gone))
  label = f'in one of {slices} slices' if kind == 'one_slice' else kind
  label += f', {slices} slices' * (kind == 'grouped' and slices > 1)
  return Way(
    kind=kind,
    label=label + ', processes' * bool(processes),
    assignment=assignment,
    deleted=deleted,
    full=(count - gone) * args.epochs,
    # All shards; or one of them, any as likely as another.
    mean=sum(means) if kind == 'uniform' else float(np.mean(means)),
    strategy='processes' if processes else 'sequential',
  )


def _draw(kind: str, assignment: Assignment, args: argparse.Namespace) -> np.ndarray:
  """Returns which examples are deleted, (n,) bool."""
  count = len(assignment.shards)
  if kind == 'one_slice':
    slices = assignment.num_slices
    groups = assignment.shards * slices + assignment.slices
    wanted = min(round(args.fraction * count), int(np.bincount(groups).min()))
    # Of shard 0: who is in it has been drawn.
    chosen = np.flatnonzero(groups == slices // 2)
    ids = np.random.default_rng([args.seed, slices]).permutation(chosen)[:wanted]
  else:
    (forget,) = choose.forget_sets(
      ForgetConfig(fractions=(args.fraction,), deletions=(kind,)),
      ids=np.arange(count),
      labels=np.zeros(count, np.int64),
      assignment=assignment,
      seed=args.seed,
    )
    choose.check_shards_left(forget, ids=np.arange(count), assignment=assignment)
    ids = forget.ids
  return np.isin(np.arange(count), ids)


def audit_inputs(
  count: int, *, num_shadows: int, seed: int
) -> tuple[list[Version], Shadows]:
  """Makes up what the versions of a model, and shadow models, say.

  Args:
    count: examples, of which the first half was trained on, and the first tenth of that
      is deleted. A fifth as many are there to test on.
    num_shadows: models, of which half were trained on each example.
    seed: of all that is drawn.
  """
  rng = np.random.default_rng([seed, count])
  ids = np.arange(count + count // 5)
  labels = rng.integers(0, CLASSES, len(ids))
  usual = rng.normal(0, 2, (len(ids), CLASSES))
  usual[ids, labels] += 2

  def model(trained_on: np.ndarray) -> np.ndarray:
    logits = usual + rng.normal(0, 1, usual.shape)
    logits[trained_on, labels[trained_on]] += 1
    return logits.astype(np.float32)

  parts = np.split(ids, [count // 20, count // 2, count])
  rows = dict(zip(('forgotten', 'retained', 'unseen', 'test'), parts, strict=True))
  said = {name: model(ids[: count // 2]) for name in (ORIGINAL, SHARDED_ORIGINAL)}
  said |= {name: model(rows['retained']) for name in ('retrain', 'sharded')}
  said['none'] = said[BEFORE['none']]
  versions = [
    Version(
      seed=seed,
      forget='uniform-10pct',
      method=method,
      run=method,
      **{name: Side(of, labels[of], logits[of]) for name, of in rows.items()},
    )
    for method, logits in said.items()
  ]
  members = np.argsort(rng.random((num_shadows, count)), axis=0) < num_shadows // 2
  logits = np.stack([model(np.flatnonzero(row)) for row in members])
  return versions, Shadows(
    ids=ids[:count],
    labels=labels[:count],
    usable=np.ones(count, bool),
    members=members,
    logits=logits[:, :count],
    hidden=None,
    population_labels=labels[count:],
    population_logits=logits[:, count:],
    train_accuracy=np.ones(num_shadows),
    test_accuracy=np.ones(num_shadows),
  )


def print_retraining(found: Mapping[Way, Sequence[Run]], *, num_shards: int) -> None:
  """Prints what was processed, the seconds, ratios to full retraining, and the marks.

  Args:
    found: way -> its measurements, a round each; full retraining first.
    num_shards: of the sharded models.
  """
  heads = ('', 'models', 'deleted', 'examples x epochs', 'of full', 'mean of draws')
  lines = [heads]
  for way, runs in found.items():
    models, examples = runs[0]['models'], runs[0]['examples']
    shares = (examples / way.full, way.mean / way.full)
    numbers = (f'{each:,}' for each in (models, int(way.deleted.sum()), examples))
    lines.append((way.label, *numbers, *(f'{share:.3f}' for share in shares)))
  for label, *cells in lines:
    texts = zip(cells, _WIDTHS[1:], strict=True)
    print(f'{label:{_WIDTHS[0]}}', *(f'{text:>{width}}' for text, width in texts))
  for part, title in PARTS.items():
    print(f'\n{title}')
    _print_times(found, part)
  print()
  for text, met in marks(found, num_shards=num_shards):
    print(f'{text}: {"met" if met else "MISSED"}')


def _print_times(found: Mapping[Way, Sequence[Run]], part: str) -> None:
  """Prints medians over rounds, with the least and the most, and ratios of medians."""
  heads = ('wall s', 'of full', 'cpu s', 'of full')
  print(f'{"":{_WIDTHS[0]}}', *(f'{head:>21}' for head in heads))
  full = next(iter(found.values()))
  for way, runs in found.items():
    cells = []
    for unit in ('wall', 'cpu'):
      seconds, base = ([run[part][unit] for run in each] for each in (runs, full))
      if None in seconds:
        cells += ['-', '-']
        continue
      ratio = statistics.median(seconds) / statistics.median(base)
      each = [one / other for one, other in zip(seconds, base, strict=True)]
      cells += [
        _spread(statistics.median(seconds), seconds, '.1f'),
        _spread(ratio, each, '.3f'),
      ]
    print(f'{way.label:{_WIDTHS[0]}}', *(f'{cell:>21}' for cell in cells))


def _spread(middle: float, values: Sequence[float], form: str) -> str:
  return f'{middle:{form}} ({min(values):{form}}-{max(values):{form}})'


def marks(
  found: Mapping[Way, Sequence[Run]], *, num_shards: int
) -> Iterator[tuple[str, bool]]:
  """Yields what each way should process, as text, and whether it does.

  Args:
    found: way -> its measurements; processes, which process the same, are not judged.
    num_shards: of the sharded models.
  """
  most, without_slices = SLACK / num_shards, None
  for way, runs in found.items():
    share, mean = (each / way.full for each in (runs[0]['examples'], way.mean))
    text = f'{way.label}: {share:.3f} of the examples x epochs; '
    if way.strategy == 'processes' or way.kind == 'full':
      continue
    if way.kind == 'grouped':
      if way.assignment.num_slices == 1:
        without_slices = mean
      yield f'{text}at most {SLACK:g} / {num_shards} = {most:.3f}', share <= most
    elif way.kind == 'uniform':
      low, high = 1 - EVERYWHERE, 1 + EVERYWHERE
      yield f'{text}{low:g} to {high:g}', low <= share <= high
    elif without_slices is not None:
      yield (
        f'{way.label}: on average {mean:.3f} of the examples x epochs; below '
        f'{without_slices:.3f}, grouped without slices',
        mean < without_slices,
      )


def print_audit(
  runs: Sequence[Mapping[str, float]], *, versions: Sequence[Version], num_shadows: int
) -> None:
  """Prints the audit's seconds, and whether they are as few as they should be.

  Args:
    runs: a round each, with `wall` and `cpu`, seconds.
    versions: that were audited.
    num_shadows: shadow models.
  """
  first = versions[0]
  sizes = (first.retained, first.forgotten, first.unseen, first.test)
  wall, cpu = ([run[unit] for run in runs] for unit in ('wall', 'cpu'))
  middle = statistics.median(wall)
  print(
    f'\naudit of {len(versions)} versions on '
    f'{" + ".join(f"{len(side):,}" for side in sizes)} examples, {num_shadows} shadow '
    f'models: {_spread(middle, wall, ".1f")} s, cpu '
    f'{_spread(statistics.median(cpu), cpu, ".1f")} s; below {AUDIT_SECONDS} s: '
    f'{"met" if middle < AUDIT_SECONDS else "MISSED"}'
  )
