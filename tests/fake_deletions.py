"""Audits of deletions with made-up figures, as the deletion command writes them."""

import pathlib
from itertools import product

import numpy as np

from rnn_tf import deletion_records
from rnn_tf.attacks import intervals
from rnn_tf.deletion import results
from rnn_tf.deletion.results import (
  BEFORE,
  MARGIN,
  ORIGINAL,
  REFERENCE,
  SHARDED_ORIGINAL,
)
from rnn_tf.deletion_records import Cost, DeletionRecord, ForgetInfo, ShardAccuracy
from rnn_tf.run_files import RunFiles

COMMAND = 'python -m rnn_tf.unlearn --run=runs/digits-lstm-s0'

TRAIN_SIZE, TEST_SIZE = 10_000, 2_000

FEATURES = ('difference', 'sorted difference', 'concatenation')

# How much of what the original gives away a version still does.
_KEPT = {
  **{'original': 1.0, 'none': 1.0, 'retrain': 0.0, 'twin': 0.01, 'finetune': 0.5},
  **{'sharded_original': 0.6, 'sharded': 0.02},
}
_STRENGTHS = {'threshold': 1.0, 'lr': 1.1, 'lira': 1.6}
_ACCURACIES = {'sharded_original': -0.03, 'sharded': -0.035, 'retrain': -0.005}
_SHARES = {
  **{'original': 1.0, 'sharded_original': 1.0, 'retrain': 1.0, 'twin': 1.0},
  **{'none': 0.0, 'finetune': 0.2, 'sharded': 0.9},
}


class _Maker:
  """Makes the figures of one audit; the same ones for the same settings."""

  def __init__(self, *, seeds, attacks, size, leak, rates):
    self.seeds, self.attacks = seeds, attacks
    self.size, self.leak, self.rates = size, leak, rates

  def _noise(self, scale, *key):
    words = ' '.join(map(str, key)).replace('none', 'original')
    return scale * np.random.default_rng(list(words.encode())).normal()

  def rate(self, share, n):
    count = round(float(np.clip(share, 0, 1)) * n)
    low, high = intervals.clopper_pearson(count, n)
    return results.Rate(count=count, n=n, value=count / n, low=low, high=high)

  def auc_value(self, seed, forget, method, attack, *, side='forgotten'):
    kept = _KEPT[method] if side == 'forgotten' else max(_KEPT[method], 0.9)
    value = 0.5 + kept * self.leak * _STRENGTHS[attack]
    return value + self._noise(0.004, seed, forget, method, attack, side)

  def auc(self, values, n):
    value, n = float(np.mean(values)), n * len(values)
    low, high = intervals.newcombe_interval(value, n, n)
    return results.Auc(value=value, low=low, high=high, n_first=n, n_second=n)

  def hit(self, target, method, attack, *, n):
    share = target + 1.5 * _KEPT[method] * self.leak * _STRENGTHS[attack]
    return results.Hit(
      target_fpr=target,
      false_positives=int(target * n),
      n_unseen=n,
      tpr=self.rate(share, n),
    )

  def figures(self, seeds, forget, method, *, pooled):
    n = self.size * len(seeds)
    attacks = []
    for attack in self.attacks:
      key = (forget, method, attack)
      hits = tuple(self.hit(target, *key[1:], n=n) for target in self.rates)
      ours = [self.auc_value(seed, *key) for seed in seeds]
      rest = [self.auc_value(seed, *key, side='retained') for seed in seeds]
      attacks.append(
        results.AttackFigures(
          attack=attack,
          forgotten=self.auc(ours, self.size),
          retained=self.auc(rest, self.size),
          hits=hits,
        )
      )
    shift = _ACCURACIES.get(method, 0)
    shift += np.mean([self._noise(0.003, seed, forget, method) for seed in seeds])
    known = 0.09 * _KEPT[method]
    return results.VersionFigures(
      seed=None if pooled else seeds[0],
      forget=forget,
      method=method,
      runs=tuple(f'digits-lstm-s{seed}-{forget}-{method}' for seed in seeds),
      train=self.rate(0.98 + shift, TRAIN_SIZE * len(seeds)),
      forgotten=self.rate(0.89 + known + shift, n),
      retained=self.rate(0.98 + shift, (TRAIN_SIZE - self.size) * len(seeds)),
      test=self.rate(0.88 + shift, TEST_SIZE * len(seeds)),
      attacks=tuple(attacks),
    )

  def comparison(self, forget, pair, attack, *, side='forgotten', n=None):
    n = n or self.size
    half = 0.7 * intervals.null_half_width(n, self.size)
    differences = []
    for seed in self.seeds:
      value = self.auc_value(seed, forget, pair[0], attack, side=side)
      value -= self.auc_value(seed, forget, pair[1], attack, side=side)
      ends = {'low': value - half, 'high': value + half}
      differences.append(results.SeedDifference(seed=seed, value=value, **ends))
    value = float(np.mean([each.value for each in differences]))
    half /= np.sqrt(len(differences))
    return results.Comparison(
      value=value,
      low=value - half,
      high=value + half,
      seeds=tuple(differences),
      n_forgotten=n * len(differences),
      n_unseen=self.size * len(differences),
    )

  def verdict(self, forget, method, attack):
    found = self.comparison(forget, (method, REFERENCE), attack)
    return results.Verdict(
      forget=forget, method=method, attack=attack, comparison=found, **word(found)
    )

  def two_versions(self, forget, method, features):
    strength = self.leak * (1 - _KEPT[method]) * (1 + 0.2 * FEATURES.index(features))
    values = [
      0.5 + strength + self._noise(0.005, seed, forget, method, features)
      for seed in self.seeds
    ]
    return results.TwoVersions(
      forget=forget,
      method=method,
      features=features,
      seeds=tuple(self.auc([value], self.size) for value in values),
      pooled=self.auc(values, self.size),
    )

  def collateral(self, forget, method, attack):
    pair = (method, BEFORE[method])
    return results.Collateral(
      forget=forget,
      method=method,
      attack=attack,
      comparison=self.comparison(
        forget, pair, attack, side='retained', n=TRAIN_SIZE - self.size
      ),
      exposed_before=900,
      exposed_after=880,
      newly_exposed=0 if method == 'none' else 120,
      target_fpr=self.rates[-1],
    )

  def histogram(self, forget, method, attack):
    edges = np.linspace(-6, 2, 41)
    shift = 8 * _KEPT[method] * self.leak * _STRENGTHS[attack]
    centres = (edges[1:] + edges[:-1]) / 2
    shares = [np.exp(-((centres + 2 - move) ** 2) / 2) for move in (shift, 0)]
    ours, others = (tuple((share / share.sum()).tolist()) for share in shares)
    return results.Histogram(
      forget=forget,
      method=method,
      attack=attack,
      edges=tuple(edges.tolist()),
      forgotten=ours,
      unseen=others,
    )


def word(comparison):
  """Returns the word of a verdict, and how many examples it takes."""
  low, high = comparison.low, comparison.high
  if low >= -MARGIN and high <= MARGIN:
    return {'word': results.FORGOTTEN, 'needed': None}
  if low > MARGIN or high < -MARGIN:
    return {'word': results.NOT_FORGOTTEN, 'needed': None}
  return {'word': results.NOT_ENOUGH_DATA, 'needed': 4 * comparison.n_forgotten}


def verdict(
  value, half, *, attack='threshold', method='sharded', forget='uniform-5pct'
):
  """Returns the verdict on a difference of two AUCs and half its interval's width."""
  seeds = tuple(
    results.SeedDifference(
      seed=seed, value=value, low=value - 1.4 * half, high=value + 1.4 * half
    )
    for seed in (0, 1)
  )
  found = results.Comparison(
    value=value,
    low=value - half,
    high=value + half,
    seeds=seeds,
    n_forgotten=1000,
    n_unseen=1000,
  )
  return results.Verdict(
    forget=forget, method=method, attack=attack, comparison=found, **word(found)
  )


def _forget(label, size, seeds):
  kind = 'grouped' if label.startswith('grouped') else label.partition('-')[0]
  groups = {str(seed): (seed % 5,) for seed in seeds} if kind == 'grouped' else {}
  fraction = size / TRAIN_SIZE if kind in ('uniform', 'grouped') else None
  return ForgetInfo(
    label=label, kind=kind, fraction=fraction, count=size, groups=groups
  )


def _cost(seed, forget, method):
  share = _SHARES[method] - 0.01 * seed * (method == 'sharded')
  sharded = method.startswith('sharded')
  touched = 1 if forget.startswith('grouped') else 5
  if sharded and forget.startswith('grouped'):
    share = 0.2
  return Cost(
    seed=seed,
    forget=forget,
    method=method,
    run=f'digits-lstm-s{seed}-{forget}-{method}',
    examples=int(share * 20 * TRAIN_SIZE),
    share=share,
    seconds=100 * share,
    wall_seconds=60 * share,
    workers=2,
    shards_retrained=touched if sharded else None,
    num_shards=5 if sharded else None,
  )


def _shard_accuracy(maker, seed, number, aggregation):
  value = 0.88 - 0.012 * (number - 1) ** 0.5 - 0.004 * (aggregation == 'vote')
  return ShardAccuracy(
    seed=seed,
    num_shards=number,
    num_slices=1,
    aggregation=aggregation,
    test=maker.rate(value + 0.002 * seed, TEST_SIZE),
    constituents=(value - 0.02,) * number if number > 1 else (value,),
  )


def _originals(methods):
  return [ORIGINAL, SHARDED_ORIGINAL] if 'sharded' in methods else [ORIGINAL]


def _findings(maker, forgets, methods):
  versions = [*_originals(methods), *methods]
  compared = [method for method in versions if method != REFERENCE]
  attacks, shown = maker.attacks, [x for x in maker.attacks if x != 'lr']
  return results.Findings(
    versions=tuple(
      maker.figures((seed,), *key, pooled=False)
      for seed in maker.seeds
      for key in product(forgets, versions)
    ),
    pooled=tuple(
      maker.figures(maker.seeds, *key, pooled=True)
      for key in product(forgets, versions)
    ),
    verdicts=tuple(
      maker.verdict(*key)
      for key in product(forgets, compared, attacks)
      if REFERENCE in methods
    ),
    two_versions=tuple(
      maker.two_versions(*key) for key in product(forgets, methods, FEATURES)
    ),
    collateral=tuple(
      maker.collateral(*key) for key in product(forgets, methods, attacks)
    ),
    histograms=tuple(
      maker.histogram(*key) for key in product(forgets, versions, shown)
    ),
  )


def _costs(forgets, methods, seeds):
  made = [*product([''], _originals(methods)), *product(forgets, methods)]
  return tuple(_cost(seed, *key) for key in made for seed in seeds if key[1] != 'none')


def _shard_accuracies(maker, methods, num_shards):
  kinds = [(1, '')]
  if 'sharded' in methods:
    kinds += [(number, how) for number in num_shards for how in ('mean', 'vote')]
  return tuple(
    _shard_accuracy(maker, seed, *kind) for seed in maker.seeds for kind in kinds
  )


def record(
  *,
  label='mine',
  forgets=('uniform-5pct', 'grouped1of5-5pct'),
  methods=('retrain', 'twin', 'none', 'sharded'),
  seeds=(0, 1, 2),
  attacks=('threshold', 'lr'),
  size=500,
  leak=0.12,
  rates=(0.01, 0.001),
  unseen='holdout',
  matched=True,
  command=COMMAND,
  num_shards=(2, 5, 10),
):
  """Returns an audit; `leak` is the original's AUC less 0.5, `size` that of D_f."""
  maker = _Maker(seeds=seeds, attacks=attacks, size=size, leak=leak, rates=rates)
  sharded = 'sharded' in methods
  return DeletionRecord(
    label=label,
    asked='retrain+sharded5-uniform-5+10pct',
    run='digits-lstm-s0',
    command=command,
    dataset='digits',
    model='lstm-64',
    seeds=tuple(seeds),
    methods=tuple(methods),
    attacks=tuple(attacks),
    forget_sets=tuple(_forget(forget, size, seeds) for forget in forgets),
    unseen=unseen,
    matched=matched,
    train_size=TRAIN_SIZE,
    epochs=20,
    num_shards=5 if sharded else None,
    num_slices=1 if sharded else None,
    aggregation='mean' if sharded else None,
    fleet_name='digits-lstm-half-0123abcd' if 'lira' in attacks else None,
    fleet_size=16 if 'lira' in attacks else 0,
    audit_seconds=12.5,
    costs=_costs(forgets, methods, seeds),
    shard_accuracies=_shard_accuracies(maker, methods, num_shards),
    findings=_findings(maker, forgets, methods),
  )


def write(run_folder, *, label='mine', **options):
  """Writes an audit of deletions from a run and returns its folder."""
  folder = RunFiles(pathlib.Path(run_folder) / deletion_records.FOLDER / label)
  deletion_records.write(folder, record(label=label, **options))
  return folder.path
