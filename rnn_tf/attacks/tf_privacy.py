"""TF Privacy's own attacks and plots, in this project's terms.

The only module that imports them. Its random forest searches over
`max_features='auto'`, a name that scikit-learn dropped: those fits fail and the
search goes on without them. For classifiers 'auto' meant 'sqrt', the other value
in the search, so nothing is lost but time.
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rnn_tf import stack
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import (
  ENTIRE,
  TRAINED_ATTACKS,
  AttackResult,
  AttackScores,
  Report,
)
from rnn_tf.attacks.signals import Signals
from rnn_tf.attacks.trained import MIN_EXAMPLES

_ATTACK_TYPES = {
  'threshold': 'THRESHOLD_ATTACK',
  'entropy': 'THRESHOLD_ENTROPY_ATTACK',
  'lr': 'LOGISTIC_REGRESSION',
  'mlp': 'MULTI_LAYERED_PERCEPTRON',
  'rf': 'RANDOM_FOREST',
  'knn': 'K_NEAREST_NEIGHBORS',
}
"""Attack name -> name in TF Privacy's `AttackType`."""


def _mia(module: str):
  return stack.tf_privacy(f'privacy_tests.membership_inference_attack.{module}')


def scores(
  signals: Signals, attacks: Sequence[str], *, class_count: int, seed: int
) -> dict[tuple[str, str], AttackScores]:
  """Runs TF Privacy's `run_attacks` on the whole and on each class.

  As in its codelab the trained attacks see probabilities and losses; losses and
  entropies are given to it in float64. Its trained attacks score what balancing
  left out with the last fold's model alone, so their AUC strays between seeds by
  far more than their sample sizes would let it.

  Args:
    signals: the model's outputs.
    attacks: names out of `attack_config.ATTACKS`.
    class_count: classes of the data set.
    seed: of numpy's global state, which TF Privacy draws from; it is put back.

  Returns:
    What `Report.scores` holds; an attack without any scores is missing.
  """
  free = [attack for attack in attacks if attack not in TRAINED_ATTACKS]
  trained = [attack for attack in attacks if attack in TRAINED_ATTACKS]
  found = []
  with _seeded(seed), quiet():
    for names, smallest in ((free, 1), (trained, MIN_EXAMPLES)):
      if names:
        found += _run(signals, names, class_count=class_count, smallest=smallest)
  return _by_attack(found, signals)


def _run(signals: Signals, attacks, *, class_count, smallest) -> list:
  structures = _mia('data_structures')
  members, nonmembers = signals.members, signals.nonmembers
  results = _mia('membership_inference_attack').run_attacks(
    structures.AttackInputData(
      labels_train=np.asarray(members.labels),
      labels_test=np.asarray(nonmembers.labels),
      probs_train=members.probs,
      probs_test=nonmembers.probs,
      loss_train=members.losses,
      loss_test=nonmembers.losses,
      entropy_train=members.entropies,
      entropy_test=nonmembers.entropies,
    ),
    structures.SlicingSpec(entire_dataset=True, by_class=range(class_count)),
    attack_types=[structures.AttackType[_ATTACK_TYPES[name]] for name in attacks],
    min_num_samples=smallest,
  )
  return results.single_attack_results


def _by_attack(found: list, signals: Signals) -> dict[tuple[str, str], AttackScores]:
  names = {type_name: name for name, type_name in _ATTACK_TYPES.items()}
  member_labels, nonmember_labels = (
    np.asarray(side.labels) for side in (signals.members, signals.nonmembers)
  )
  gathered = {}
  for single in found:
    attack = names[single.attack_type.name]
    pair = AttackScores(
      np.asarray(single.membership_scores_train, np.float64),
      np.asarray(single.membership_scores_test, np.float64),
    )
    if single.slice_spec.entire_dataset:
      gathered[attack, ENTIRE] = pair
    elif attack in TRAINED_ATTACKS:
      label = single.slice_spec.value
      both = gathered.setdefault(
        (attack, 'class'),
        AttackScores(
          np.full(len(member_labels), np.nan), np.full(len(nonmember_labels), np.nan)
        ),
      )
      both.members[member_labels == label] = pair.members
      both.nonmembers[nonmember_labels == label] = pair.nonmembers
  return gathered


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
  """Seeds numpy's global state for the block and puts it back afterwards."""
  state = np.random.get_state()
  np.random.seed(seed)
  try:
    yield
  finally:
    np.random.set_state(state)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
  """Holds back warnings that say nothing new.

  Its searches do not converge or fit (see the module's head); its bound on
  epsilon, which is not used here, divides by zero at the ends of the ROC curve.
  """
  from sklearn import exceptions

  with warnings.catch_warnings(), np.errstate(divide='ignore', invalid='ignore'):
    warnings.simplefilter('ignore', exceptions.ConvergenceWarning)
    warnings.simplefilter('ignore', exceptions.FitFailedWarning)
    warnings.simplefilter('ignore', FutureWarning)
    warnings.filterwarnings('ignore', 'One or more of the test scores are non-finite')
    yield


def to_collection(reports: Iterable[Report]):
  """Returns TF Privacy's `AttackResultsCollection` of these reports.

  ROC curves are rebuilt from the scores. Metadata carry the *validation* accuracy
  as `accuracy_train`, as TF Privacy's codelab does: that field is what
  `plot_privacy_vs_accuracy` draws, and utility is measured on unseen examples.

  Args:
    reports: any models and epochs; each of one model and one epoch. Attacks with
      shadow models, for which TF Privacy has no type, are left out.
  """
  structures = _mia('data_structures')
  return structures.AttackResultsCollection(
    [_attack_results(report, structures) for report in reports]
  )


def _attack_results(report: Report, structures):
  made = [r for r in report.results if not r.skipped and r.attack in _ATTACK_TYPES]
  first = report.results[0]
  return structures.AttackResults(
    [_single(result, report.slice_scores(result), structures) for result in made],
    structures.PrivacyReportMetadata(
      accuracy_train=first.val_accuracy,
      accuracy_test=first.val_accuracy,
      epoch_num=first.epoch,
      model_variant_label=first.model,
    ),
  )


def _single(result: AttackResult, pair: AttackScores, structures):
  curve = metrics.roc(pair.members, pair.nonmembers)
  where = structures.SingleSliceSpec()
  if result.slice != ENTIRE:
    label = int(result.slice.removeprefix('class:'))
    where = structures.SingleSliceSpec(structures.SlicingFeature.CLASS, label)
  return structures.SingleAttackResult(
    slice_spec=where,
    data_size=structures.DataSize(result.n_members, result.n_nonmembers),
    attack_type=structures.AttackType[_ATTACK_TYPES[result.attack]],
    roc_curve=structures.RocCurve(
      thresholds=curve.thresholds,
      tpr=curve.tpr,
      fpr=curve.fpr,
      test_train_ratio=result.n_nonmembers / result.n_members,
    ),
    # Its bound is not corrected for the choice of thresholds: left out.
    epsilon_lower_bound_value=structures.EpsilonLowerBoundValue(bounds={}),
    membership_scores_train=pair.members,
    membership_scores_test=pair.nonmembers,
  )


def plots(reports: Iterable[Report]) -> Mapping[str, Figure]:
  """Draws TF Privacy's two plots of AUC and attacker advantage.

  Attacks that it has no name for, those with shadow models, are left out.

  Args:
    reports: at least one, of any models and epochs.

  Returns:
    `by_epochs` and `privacy_vs_accuracy`, the latter over validation accuracy.
    The figures are known to pyplot no longer. Nothing where no report has a result of
    its attacks on the entire data set.
  """
  drawn = [_entire_only(report) for report in reports]
  drawn = [report for report in drawn if report.results]
  if not drawn:
    return {}
  collection = to_collection(drawn)
  metric = _mia('data_structures').PrivacyMetric
  chosen = (metric.AUC, metric.ATTACKER_ADVANTAGE)
  with _agg() as close:
    privacy_report = _mia('privacy_report')
    by_epochs = close(privacy_report.plot_by_epochs(collection, chosen))
    against = close(privacy_report.plot_privacy_vs_accuracy(collection, chosen))
  for axis in against.axes:
    axis.set_xlabel('Validation accuracy')
  # A single report is a single point, which a line alone does not show.
  for axis in (*by_epochs.axes, *against.axes):
    for line in axis.lines:
      line.set_marker('.')
  return {'by_epochs': by_epochs, 'privacy_vs_accuracy': against}


def _entire_only(report: Report) -> Report:
  kept = tuple(
    r
    for r in report.results
    if r.slice == ENTIRE and not r.skipped and r.attack in _ATTACK_TYPES
  )
  return Report(
    results=kept,
    scores=report.scores,
    member_labels=report.member_labels,
    nonmember_labels=report.nonmember_labels,
  )


@contextlib.contextmanager
def _agg() -> Iterator:
  """Draws without a screen; yields what takes a figure out of pyplot's hands."""
  from matplotlib import pyplot

  before = matplotlib.get_backend(auto_select=False)
  pyplot.switch_backend('agg')

  def close(figure: Figure) -> Figure:
    pyplot.close(figure)
    return figure

  try:
    yield close
  finally:
    if before:
      pyplot.switch_backend(before)
