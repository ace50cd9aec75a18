"""What an audit of deletions looks at, and what it finds.

The forget set D_f is what is deleted, the retained examples are the rest of the
training set, and the unseen ones H are examples like those of D_f that no version was
ever trained on.
"""

import dataclasses

from rnn_tf.attacks.signals import Side

ORIGINAL = 'original'
SHARDED_ORIGINAL = 'sharded_original'
REFERENCE = 'retrain'

MARGIN = 0.02
"""A difference of two AUCs within it is taken for none."""

FORGOTTEN = 'forgotten'
NOT_FORGOTTEN = 'not forgotten'
NOT_ENOUGH_DATA = 'not enough data'

BEFORE = {
  'retrain': ORIGINAL,
  'twin': ORIGINAL,
  'none': ORIGINAL,
  'finetune': ORIGINAL,
  'sharded': SHARDED_ORIGINAL,
}
"""Way to delete -> the version that it was deleted from.

`retrain` is full retraining, the reference; `twin` is full retraining once more with
another seed, the positive control; `none` leaves the original as it is, the negative
control; `finetune` goes on training the original's weights on the retained examples;
`sharded` retrains the shards that held deleted examples.
"""

METHODS = tuple(BEFORE)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Version:
  """One model's outputs, on what one forget set divides the examples into.

  All versions of one seed and forget set have the same examples in the same order.

  Attributes:
    seed: of the original's training; every seed has forget sets of its own.
    forget: the forget set's label, such as `uniform-5pct`.
    method: `ORIGINAL`, `SHARDED_ORIGINAL`, or a key of `BEFORE`.
    run: the name of the model's folder.
    forgotten: outputs on D_f.
    retained: on the rest of the original training set.
    unseen: on H.
    test: on the test set.
    others: on the unseen examples that the retained ones are held against; None where
      H is drawn like them, too, and not for the sake of a class or of given examples.
  """

  seed: int
  forget: str
  method: str
  run: str
  forgotten: Side
  retained: Side
  unseen: Side
  test: Side
  others: Side | None = None

  @property
  def beside_retained(self) -> Side:
    """The unseen examples that the retained ones are held against."""
    return self.unseen if self.others is None else self.others


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rate:
  """A share of `n` examples with its 95% Clopper-Pearson interval."""

  count: int
  n: int
  value: float
  low: float
  high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Auc:
  """An AUC with its 95% interval; `n_first` against `n_second` examples.

  Pooled over seeds it is the mean of theirs, and the sizes are sums over them.
  """

  value: float
  low: float
  high: float
  n_first: int
  n_second: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hit:
  """The share of D_f called members where few of H are.

  Attributes:
    target_fpr: the highest share of H that may be called members.
    false_positives: examples of H above the threshold.
    n_unseen: examples of H.
    tpr: share of D_f above the threshold, which is chosen on H.
  """

  target_fpr: float
  false_positives: int
  n_unseen: int
  tpr: Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackFigures:
  """What one attack finds of one version.

  Attributes:
    attack: `threshold`, `lr` or `lira`.
    forgotten: AUC of D_f against H.
    retained: AUC of the retained examples against `Version.beside_retained`.
    hits: one a false-positive rate.
  """

  attack: str
  forgotten: Auc
  retained: Auc
  hits: tuple[Hit, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionFigures:
  """Utility of one version, and what the attacks find of it.

  Attributes:
    seed: as in `Version`; None where the figures are pooled over seeds.
    forget: as in `Version`.
    method: as in `Version`.
    runs: names of the folders.
    train: accuracy on what the version was trained on.
    forgotten: accuracy on D_f.
    retained: accuracy on the retained examples.
    test: accuracy on the test set.
    attacks: in the order asked for.
  """

  seed: int | None
  forget: str
  method: str
  runs: tuple[str, ...]
  train: Rate
  forgotten: Rate
  retained: Rate
  test: Rate
  attacks: tuple[AttackFigures, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedDifference:
  """The difference of two AUCs at one seed, with DeLong's paired 95% interval."""

  seed: int
  value: float
  low: float
  high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
  """AUC of one version minus AUC of another one, on the same examples, over seeds.

  Attributes:
    value: mean over the seeds.
    low: lower end of the 95% interval of the mean.
    high: upper end.
    seeds: one a seed.
    n_forgotten: examples of D_f, summed over the seeds.
    n_unseen: examples of H, summed over the seeds.
  """

  value: float
  low: float
  high: float
  seeds: tuple[SeedDifference, ...]
  n_forgotten: int
  n_unseen: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
  """Whether a method has deleted a forget set, by one attack.

  Attributes:
    forget: the forget set's label.
    method: as in `Version`, but for the reference; that of an original tells how far a
      model is from the reference that was trained on D_f.
    attack: whose AUC of D_f against H is compared.
    comparison: the method's AUC minus that of the full retrain.
    word: `FORGOTTEN` (the interval lies within -+`MARGIN`), `NOT_FORGOTTEN` (it lies
      outside) or `NOT_ENOUGH_DATA`.
    needed: deleted examples, over all seeds, that would be enough to say, see
      `comparison.verdict`; None where there are enough, or no number would be (the
      difference is at the margin).
  """

  forget: str
  method: str
  attack: str
  comparison: Comparison
  word: str
  needed: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoVersions:
  """What an attacker learns who has the model before and after a deletion.

  Attributes:
    forget: the forget set's label.
    method: a key of `BEFORE`.
    features: `difference`, `sorted difference` or `concatenation`.
    seeds: AUC of D_f against H at each seed.
    pooled: over the seeds.
  """

  forget: str
  method: str
  features: str
  seeds: tuple[Auc, ...]
  pooled: Auc


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collateral:
  """What a deletion does to the examples that stay.

  Attributes:
    forget: the forget set's label.
    method: a key of `BEFORE`.
    attack: by which attack.
    comparison: AUC of the retained examples against unseen ones, after minus before;
      its `n_forgotten` counts retained examples.
    exposed_before: retained examples above the threshold at the lowest of the hits'
      false-positive rates at which H is large enough, under the version before; over
      seeds.
    exposed_after: under the version after.
    newly_exposed: above it after but not before.
    target_fpr: that rate.
  """

  forget: str
  method: str
  attack: str
  comparison: Comparison
  exposed_before: int
  exposed_after: int
  newly_exposed: int
  target_fpr: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histogram:
  """How an attack's scores of D_f and of H are spread under one version, all seeds.

  Attributes:
    forget: the forget set's label.
    method: as in `Version`.
    attack: whose scores.
    edges: (bins + 1,) rising; the same for all versions of a forget set. Scores beyond
      them are in the outermost bins.
    forgotten: (bins,) shares of D_f.
    unseen: (bins,) shares of H.
  """

  forget: str
  method: str
  attack: str
  edges: tuple[float, ...]
  forgotten: tuple[float, ...]
  unseen: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
  """All that an audit finds.

  Attributes:
    versions: a seed, forget set and method each.
    pooled: a forget set and method each, over the seeds.
    verdicts: a forget set, method and attack each; none where there is no reference.
    two_versions: a forget set, method and features each.
    collateral: a forget set, method and attack each.
    histograms: a forget set, method and attack each.
  """

  versions: tuple[VersionFigures, ...]
  pooled: tuple[VersionFigures, ...]
  verdicts: tuple[Verdict, ...]
  two_versions: tuple[TwoVersions, ...]
  collateral: tuple[Collateral, ...]
  histograms: tuple[Histogram, ...]
