"""Scores of versions made into rates, AUCs, differences and histograms."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rnn_tf.attacks import metrics
from rnn_tf.attacks.intervals import clopper_pearson
from rnn_tf.attacks.results import AttackScores
from rnn_tf.deletion import comparison, results
from rnn_tf.deletion.comparison import Paired, Scored
from rnn_tf.deletion.results import (
  AttackFigures,
  Auc,
  Collateral,
  Histogram,
  Hit,
  Rate,
  Version,
  VersionFigures,
)

BINS = 40
"""Bins of a histogram."""

_TAILS = (0.5, 99.5)

_KEPT_ALL = (results.ORIGINAL, results.SHARDED_ORIGINAL, 'none')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
  """One attack's scores of one version; higher means more likely trained on.

  Attributes:
    forgotten: of D_f, as the members, and of H.
    retained: of the retained examples, as the members, and of unseen ones; an attack
      that learns scores these otherwise than beside D_f.
    folds: models that they come from, see `metrics.auc_interval`.
  """

  forgotten: AttackScores
  retained: AttackScores
  folds: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Attacked:
  """A version, and what the attacks say of each example.

  Attributes:
    version: the version.
    scores: attack -> its scores.
    shown: attack -> what its histogram is of, D_f as the members.
  """

  version: Version
  scores: Mapping[str, Scores]
  shown: Mapping[str, AttackScores]

  def scored(self, attack: str, part: str) -> Scored:
    """Returns an attack's scores and whose they are.

    Args:
      attack: a key of `scores`.
      part: `forgotten` or `retained`, against the unseen examples beside it.
    """
    pair, version = getattr(self.scores[attack], part), self.version
    beside = version.unseen if part == 'forgotten' else version.beside_retained
    return Scored(
      forget_ids=getattr(version, part).ids,
      unseen_ids=beside.ids,
      scores=(pair.members, pair.nonmembers),
    )


def compared(
  first: Sequence[Attacked], second: Sequence[Attacked], *, attack: str, part: str
) -> results.Comparison:
  """Returns the AUCs of `first` minus those of `second`, over seeds.

  Args:
    first: one a seed.
    second: of the same seeds and examples.
    attack: a key of both's scores.
    part: `forgotten` or `retained`, against H.
  """
  pairs = []
  for one, other in zip(first, second, strict=True):
    scored = one.scored(attack, part)
    pairs.append(
      Paired(
        seed=one.version.seed,
        forget_ids=scored.forget_ids,
        unseen_ids=scored.unseen_ids,
        first=scored.scores,
        second=other.scored(attack, part).scores,
      )
    )
  return comparison.compare(pairs, folds=first[0].scores[attack].folds)


def target_fprs(n_unseen: int) -> tuple[float, ...]:
  """Returns the rates of `metrics.TARGET_FPRS` that H is large enough for.

  The highest one in any case, a lower one where it allows a false positive: 0.1% needs
  1,000 examples.
  """
  highest = max(metrics.TARGET_FPRS)
  return tuple(
    target
    for target in metrics.TARGET_FPRS
    # The nudge keeps 0.001 * 1000 from being less than 1.
    if target == highest or target * n_unseen >= 1 - 1e-9
  )


def rate(count: int, n: int) -> Rate:
  """Returns a share with its interval, of n >= 1 examples."""
  low, high = clopper_pearson(int(count), int(n))
  return Rate(count=int(count), n=int(n), value=count / n, low=low, high=high)


def auc(scores: AttackScores, *, folds: int) -> Auc:
  """Returns the AUC of the members against the others, at one seed."""
  value, low, high = metrics.auc_interval(
    scores.members, scores.nonmembers, folds=folds
  )
  return Auc(
    value=value,
    low=low,
    high=high,
    n_first=len(scores.members),
    n_second=len(scores.nonmembers),
  )


def of_version(attacked: Attacked) -> VersionFigures:
  """Returns the figures of one version at one seed."""
  version = attacked.version
  counts = {
    part: (int(side.correct.sum()), len(side))
    for part, side in (
      ('forgotten', version.forgotten),
      ('retained', version.retained),
      ('test', version.test),
    )
  }
  trained_on = [counts['retained']]
  if version.method in _KEPT_ALL:
    trained_on.append(counts['forgotten'])
  return VersionFigures(
    seed=version.seed,
    forget=version.forget,
    method=version.method,
    runs=(version.run,),
    train=rate(*map(sum, zip(*trained_on, strict=True))),
    **{part: rate(*pair) for part, pair in counts.items()},
    attacks=tuple(
      AttackFigures(
        attack=attack,
        forgotten=auc(scores.forgotten, folds=scores.folds),
        retained=auc(scores.retained, folds=scores.folds),
        hits=_hits(scores.forgotten),
      )
      for attack, scores in attacked.scores.items()
    ),
  )


def _hits(scores: AttackScores) -> tuple[Hit, ...]:
  n_unseen = len(scores.nonmembers)
  points = (
    metrics.tpr_at_fpr(scores.members, scores.nonmembers, target_fpr=target)
    for target in target_fprs(n_unseen)
  )
  return tuple(
    Hit(
      target_fpr=point.target_fpr,
      false_positives=point.false_positives,
      n_unseen=n_unseen,
      tpr=rate(point.true_positives, len(scores.members)),
    )
    for point in points
  )


def pooled(
  attacked: Sequence[Attacked], figures: Sequence[VersionFigures]
) -> VersionFigures:
  """Returns the figures of one forget set and method over the seeds.

  Counts are summed, and their intervals take an example that recurs at several seeds
  for several examples. AUCs are meaned, see `comparison.pooled_auc`.

  Args:
    attacked: one a seed, with the same attacks.
    figures: what `of_version` returned for each of them.
  """
  first = figures[0]
  return VersionFigures(
    seed=None,
    forget=first.forget,
    method=first.method,
    runs=tuple(run for each in figures for run in each.runs),
    **{
      part: _summed([getattr(each, part) for each in figures])
      for part in ('train', 'forgotten', 'retained', 'test')
    },
    attacks=tuple(
      _pooled_attack(attacked, of_seeds)
      for of_seeds in zip(*(each.attacks for each in figures), strict=True)
    ),
  )


def _pooled_attack(
  attacked: Sequence[Attacked], of_seeds: Sequence[AttackFigures]
) -> AttackFigures:
  attack = of_seeds[0].attack
  folds = attacked[0].scores[attack].folds
  aucs = {
    part: comparison.pooled_auc(
      [each.scored(attack, part) for each in attacked], folds=folds
    )
    for part in ('forgotten', 'retained')
  }
  # H may be too small for a rate at one of the seeds.
  hits = zip(*(each.hits for each in of_seeds), strict=False)
  return AttackFigures(attack=attack, hits=tuple(map(_pooled_hit, hits)), **aucs)


def _pooled_hit(hits: Sequence[Hit]) -> Hit:
  return Hit(
    target_fpr=hits[0].target_fpr,
    false_positives=sum(hit.false_positives for hit in hits),
    n_unseen=sum(hit.n_unseen for hit in hits),
    tpr=_summed([hit.tpr for hit in hits]),
  )


def _summed(rates: Sequence[Rate]) -> Rate:
  return rate(sum(each.count for each in rates), sum(each.n for each in rates))


def collateral(
  before: Sequence[Attacked], after: Sequence[Attacked], *, attack: str
) -> Collateral:
  """Returns what a deletion does to the retained examples, over seeds.

  Args:
    before: the versions that it was deleted from, one a seed.
    after: of the same seeds.
    attack: a key of both's scores.
  """
  fewest = min(len(each.version.beside_retained) for each in before)
  target = min(target_fprs(fewest))
  exposed = [
    np.concatenate([_exposed(each.scores[attack].retained, target) for each in group])
    for group in (before, after)
  ]
  version = after[0].version
  return Collateral(
    forget=version.forget,
    method=version.method,
    attack=attack,
    comparison=compared(after, before, attack=attack, part='retained'),
    exposed_before=int(exposed[0].sum()),
    exposed_after=int(exposed[1].sum()),
    newly_exposed=int((exposed[1] & ~exposed[0]).sum()),
    target_fpr=target,
  )


def _exposed(scores: AttackScores, target_fpr: float) -> np.ndarray:
  """Returns which of the members are above the threshold that H gives, bool."""
  point = metrics.tpr_at_fpr(scores.members, scores.nonmembers, target_fpr=target_fpr)
  return scores.members > point.threshold


def histograms(
  methods: Mapping[str, Sequence[Attacked]], attack: str
) -> tuple[Histogram, ...]:
  """Returns one histogram a method of one forget set, all on the same edges.

  They reach over the middle 99% of all versions' scores; the outermost bins hold what
  is beyond.

  Args:
    methods: method -> the forget set's version at each seed.
    attack: a key of their `shown`.
  """
  sides = {
    method: [
      np.concatenate([getattr(each.shown[attack], part) for each in attacked])
      for part in ('members', 'nonmembers')
    ]
    for method, attacked in methods.items()
  }
  everything = np.concatenate([side for pair in sides.values() for side in pair])
  edges = np.histogram_bin_edges(np.percentile(everything, _TAILS), bins=BINS)
  forget = next(iter(methods.values()))[0].version.forget
  return tuple(
    Histogram(
      forget=forget,
      method=method,
      attack=attack,
      edges=tuple(edges.tolist()),
      forgotten=_shares(forgotten, edges),
      unseen=_shares(unseen, edges),
    )
    for method, (forgotten, unseen) in sides.items()
  )


def _shares(values: np.ndarray, edges: np.ndarray) -> tuple[float, ...]:
  counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
  return tuple((counts / len(values)).tolist())
