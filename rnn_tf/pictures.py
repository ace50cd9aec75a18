"""Runs as pictures: what a run has recorded, as the arrays that `plots` draws."""

import logging
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rnn_tf import claims, pair_plots, plots, seed_groups
from rnn_tf.attacks import metrics
from rnn_tf.attacks.results import ENTIRE, AttackResult, class_slice
from rnn_tf.errors import UsageError
from rnn_tf.plot_style import value_range
from rnn_tf.records import RunRecord

LOG = logging.getLogger('rnn_tf')


def pictures(records: Sequence[RunRecord]) -> dict[str, Figure]:
  """Returns the pictures that show one run, or several of one data set together.

  Args:
    records: at least one; what they have no data for is left out.

  Returns:
    Name -> Figure; the names are learning_curves, leakage_by_epoch,
    privacy_vs_utility and roc.

  Raises:
    UsageError: the scores of a run are damaged.
  """
  title, subtitle = _titles(records)
  texts = {'title': title, 'subtitle': subtitle}
  curves = {record.name: record.metrics for record in records}
  figures = {'learning_curves': plots.learning_curves(curves, **texts)}
  leakages = [x for record in records for x in _leakages(record)]
  if leakages:
    figures['leakage_by_epoch'] = plots.leakage_by_epoch(leakages, **texts)
    figures['privacy_vs_utility'] = plots.privacy_vs_utility(leakages, **texts)
  rocs = [x for record in records for x in _rocs(record)]
  if rocs:
    figures['roc'] = plots.roc_loglog(rocs, **texts)
  return figures


def privacy_pictures(records: Sequence[RunRecord]) -> dict[str, Figure]:
  """Returns the pictures of differentially private runs, none where all are plain.

  Args:
    records: at least one, of one data set; what they have no data for is left out.

  Returns:
    Name -> Figure; the names are dp_privacy_vs_utility, which takes two runs, and
    epsilon_by_epoch.
  """
  title, subtitle = _titles(records)
  texts = {'title': title, 'subtitle': subtitle}
  private = [record for record in records if record.config.privacy.dp]
  figures = {}
  points = _points(records) if private else []
  if len({point.run for point in points}) > 1:
    figures['dp_privacy_vs_utility'] = pair_plots.dp_privacy_vs_utility(points, **texts)
  courses = _epsilon_courses(private)
  if courses:
    figures['epsilon_by_epoch'] = pair_plots.epsilon_by_epoch(courses, **texts)
  return figures


def _points(records: Sequence[RunRecord]) -> list[pair_plots.Point]:
  """Returns each run's last report on the entire data set, group by group."""
  groups = seed_groups.find(records)
  points = []
  for group, name in zip(groups, seed_groups.names(groups), strict=True):
    for record in group.records:
      val_accuracy = _val_accuracy(record)
      for result in record.last_results():
        if result.slice != ENTIRE or result.skipped:
          continue
        points.append(
          pair_plots.Point(
            run=record.name,
            group=name,
            level=seed_groups.level(group),
            path=str(claims.plain_config(group.config)),
            plain=not group.config.privacy.dp,
            attack=result.attack,
            accuracy=val_accuracy[result.epoch],
            finished=record.finished is not None,
            null_half_width=result.auc_null_half_width,
            **{
              field: getattr(result, field)
              for field in ('auc', 'auc_low', 'auc_high', 'advantage')
            },
            n_members=result.n_members,
            n_nonmembers=result.n_nonmembers,
          )
        )
  return points


def _epsilon_courses(records: Sequence[RunRecord]) -> list[pair_plots.EpsilonCourse]:
  """Returns the epsilon of each differentially private run, group by group."""
  groups = seed_groups.find(records)
  courses = []
  for group, name in zip(groups, seed_groups.names(groups), strict=True):
    for record in group.records:
      if 'epsilon' in record.metrics:
        courses.append(
          pair_plots.EpsilonCourse(
            group=name,
            epochs=record.metrics['epoch'].to_numpy(),
            epsilon=record.metrics['epsilon'].to_numpy(np.float64),
            bounds=_bounds(record),
          )
        )
  return courses


def _bounds(record: RunRecord) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  bounds = {}
  for attack in record.attacks:
    results = [r for r in record.entire(attack) if r.epsilon_lower_bound is not None]
    if results:
      epochs = np.array([result.epoch for result in results])
      bounds[attack] = epochs, _values(results, 'epsilon_lower_bound')
  return bounds


def _run_title(record: RunRecord) -> str:
  model = record.config.model.label()
  return f'{record.data.name} · {model} · {record.parameters:,} parameters'


def _run_subtitle(record: RunRecord) -> str:
  training = record.config.training
  epochs = f'{record.epochs} epoch' + 's' * (record.epochs > 1)
  if record.epochs < training.epochs:
    epochs = f'{record.epochs} of {training.epochs} epochs'
  return (
    f'{sizes(record)}; {epochs}, batch {training.batch_size}, {training.optimizer} '
    f'{training.learning_rate:g}, seed {training.seed}'
  )


def sizes(record: RunRecord) -> str:
  """Returns how many examples a run had, in words."""
  text = f'{record.data.train:,} training and {record.data.test:,} test images'
  if record.config.data.nonmembers == 'holdout':
    text += f', {record.data.holdout:,} held out'
  return text


def _titles(group: Sequence[RunRecord]) -> tuple[str, str]:
  if len(group) == 1:
    return _run_title(group[0]), _run_subtitle(group[0])
  models = list(dict.fromkeys(record.config.model.label() for record in group))
  shown = ', '.join(models[:4]) + ', ...' * (len(models) > 4)
  train = value_range([record.data.train for record in group])
  test = value_range([record.data.test for record in group])
  subtitle = f'{train} training and {test} test images'
  return f'{group[0].data.name} · {shown} · {len(group)} runs', subtitle


def _leakages(record: RunRecord) -> list[plots.Leakage]:
  """Returns each attack's course; attacks that were always skipped have none."""
  courses = []
  val_accuracy = _val_accuracy(record)
  for attack in record.attacks:
    results = record.entire(attack)
    if all(result.skipped for result in results):
      continue
    courses.append(
      plots.Leakage(
        run=record.name,
        attack=attack,
        epochs=np.array([result.epoch for result in results]),
        val_accuracy=np.array([val_accuracy[result.epoch] for result in results]),
        null_half_width=np.nanmax(_values(results, 'auc_null_half_width')),
        n_members=max(result.n_members for result in results),
        n_nonmembers=max(result.n_nonmembers for result in results),
        **{
          field: _values(results, field)
          for field in ('auc', 'auc_low', 'auc_high', 'advantage')
        },
      )
    )
  return courses


def _val_accuracy(record: RunRecord) -> dict[int, float]:
  """Returns epoch -> validation accuracy."""
  return dict(zip(record.metrics['epoch'], record.metrics['val_accuracy'], strict=True))


def _values(results: Sequence[AttackResult | None], field: str) -> np.ndarray:
  """Returns a field of each result as float64, NaN where there is none."""
  return np.array([getattr(result, field, None) for result in results], np.float64)


def _rocs(record: RunRecord) -> list[plots.RocCurve]:
  """Returns the ROC of each attack of the last report."""
  report = record.last_report()
  if report is None:
    if record.results:
      LOG.warning(
        '%s: no scores of the last report: left out of the ROC', record.folder
      )
    return []
  curves = []
  for result in report.results:
    if result.slice != ENTIRE or result.skipped:
      continue
    try:
      scores = report.slice_scores(result)
      roc = metrics.roc(scores.members, scores.nonmembers)
    except (KeyError, ValueError) as error:
      raise UsageError(
        f'{record.folder}: the scores of epoch {result.epoch} are damaged ({error})'
      ) from error
    curves.append(
      plots.RocCurve(
        run=record.name,
        attack=result.attack,
        fpr=roc.fpr,
        tpr=roc.tpr,
        n_members=roc.n_members,
        n_nonmembers=roc.n_nonmembers,
      )
    )
  return curves


def class_picture(record: RunRecord) -> Figure | None:
  """Returns the last report class by class, or None where no class has a number."""
  found = {(result.attack, result.slice): result for result in record.last_results()}
  labels = range(len(record.data.class_names))
  leakages = []
  for attack in record.attacks:
    results = [found.get((attack, class_slice(label))) for label in labels]
    auc = _values(results, 'auc')
    if np.isnan(auc).all():
      continue
    leakages.append(
      plots.ClassLeakage(
        attack=attack,
        auc=auc,
        auc_low=_values(results, 'auc_low'),
        auc_high=_values(results, 'auc_high'),
        null_half_width=_values(results, 'auc_null_half_width'),
        n_members=np.nan_to_num(_values(results, 'n_members')).astype(int),
        n_nonmembers=np.nan_to_num(_values(results, 'n_nonmembers')).astype(int),
      )
    )
  if not leakages:
    return None
  return plots.auc_by_class(
    leakages,
    record.data.class_names,
    title=_run_title(record),
    subtitle=f'{_run_subtitle(record)}; report of epoch {record.results[-1].epoch}',
  )
