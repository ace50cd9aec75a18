"""Run folders with made-up figures, as a training run writes them."""

import dataclasses
import json
import pathlib

import numpy as np
from absl.testing import parameterized

from rnn_tf import config, records
from rnn_tf.attacks import results
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.runs import RunFolder

CLASSES = 3
PLAIN = config.PrivacyConfig()


class RunsCase(parameterized.TestCase):
  """A test with a folder of its own for runs."""

  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.create_tempdir().full_path)

  def run_folder(self, name='digits-cnn2-s0', **options):
    return write(self.root / 'runs' / name, **options)

  def load(self, name='digits-cnn2-s0', **options):
    return records.load_run(self.run_folder(name, **options))


def write(
  path,
  *,
  dataset='digits',
  epochs=4,
  trained=None,
  attacks=('threshold', 'lr'),
  members=300,
  nonmembers=200,
  leak=0.5,
  skipped=(),
  seed=0,
  batch_size=64,
  deterministic=False,
  data=None,
  privacy=PLAIN,
  claimed=None,
  bound=None,
  val_accuracy=0.7,
  shuffled=False,
  checksums=None,
):
  """Writes a run of `epochs` epochs, of which `trained` are done; None means all.

  A differentially private run claims `claimed`, by default the epsilon it was asked
  for, after its last epoch; `bound` is what its attacks show. `val_accuracy` is that
  of the last epoch, and `shuffled` keeps the examples in another order.
  """
  folder = RunFolder(path)
  folder.path.mkdir(parents=True)
  run = config.RunConfig(
    data=data or config.DataConfig(dataset=dataset),
    model=config.ModelConfig(model='cnn'),
    training=config.TrainingConfig(
      epochs=epochs, seed=seed, batch_size=batch_size, deterministic=deterministic
    ),
    privacy=privacy,
    report=config.ReportConfig(attacks=attacks),
  )
  record = _config(run, folder.path.name, members, nonmembers) | _guarantee(run)
  if checksums is not None:
    record['data']['checksums'] = checksums
  folder.write_json('config.json', record)
  trained = epochs if trained is None else trained
  rows = [_row(epoch, epochs) for epoch in range(1, trained + 1)]
  for row in rows:
    row['val_accuracy'] += val_accuracy - 0.7
  if privacy.dp:
    claimed = privacy.dp_target_epsilon if claimed is None else claimed
    for row in rows:
      row['epsilon'] = claimed * (row['epoch'] / epochs) ** 0.5
  folder.write_rows(rows)
  rng = np.random.default_rng(seed)
  lines = []
  for epoch in range(2, trained + 1, 2):
    scale = leak * epoch / epochs
    report, signals = _report(
      rng, attacks, members, nonmembers, scale, rows[epoch - 1], skipped
    )
    epsilon = rows[epoch - 1].get('epsilon')
    lines += [_claiming(x, epsilon, bound).to_json() for x in report.results]
    arrays = results.to_arrays(report, signals)
    if shuffled:
      arrays = shuffle(arrays)
    folder.write_npz(f'scores/epoch-{epoch:04d}.npz', arrays)
  folder.write_lines(lines)
  if trained == epochs:
    epsilon = rows[-1].get('epsilon')
    folder.write_json('result.json', _result(rows) | _guarantee(run, epsilon=epsilon))
  return pathlib.Path(path)


def private(epsilon=3.0, **options):
  """Returns the privacy config of a run that asks for `epsilon`."""
  return config.PrivacyConfig(
    dp=True, dp_target_epsilon=epsilon, dp_delta=1e-5, **options
  )


def shuffle(arrays):
  """Returns a report's arrays with the examples in another order."""
  arrays = dict(arrays)
  for side in ('member', 'nonmember'):
    count = len(arrays[f'{side}_ids'])
    order = np.random.default_rng(count).permutation(count)
    for name in list(arrays):
      if name.startswith(f'{side}_') or name.endswith(f'/{side}s'):
        arrays[name] = arrays[name][order]
  return arrays


def _claiming(result, epsilon, bound):
  """Returns the result with what a private run claims and the attack shows."""
  entire = result.slice == results.ENTIRE
  return dataclasses.replace(
    result,
    epsilon=epsilon,
    delta=None if epsilon is None and bound is None else 1e-5,
    epsilon_lower_bound=bound if entire and not result.skipped else None,
  )


def _guarantee(run, **more):
  """Returns what a private run adds to its config.json and to its result."""
  if not run.privacy.dp:
    return {}
  return {
    'guarantee': {
      **more,
      'delta': 1e-5,
      'noise_multiplier': 1.1,
      'l2_norm_clip': run.privacy.dp_l2_norm_clip,
      'steps': 100,
      'sampling_probability': 0.1,
      'sampling': run.privacy.dp_sampling,
      'accountant': 'PLD',
      'adjacency': 'add or remove one example',
      'engine': 'exact',
      'secret': not run.training.deterministic,
    }
  }


def _config(run, name, members, nonmembers):
  dataset, seed = run.data.dataset, run.training.seed
  return {
    'format': 1,
    'name': name,
    'config': config.to_json(run),
    'versions': {},
    'command': f'python -m rnn_tf.train --dataset={dataset} --seed={seed}',
    'data': {
      'name': dataset,
      'version': '1.0.0',
      'class_names': ['zero', 'one', 'two'],
      'train': members,
      'holdout': 0,
      'test': nonmembers,
      'image_shape': [8, 8, 1],
    },
    'parameters': 1234,
  }


def _result(rows):
  return {
    'epochs': len(rows),
    'best_epoch': len(rows),
    'best_val_accuracy': rows[-1]['val_accuracy'],
    'train_accuracy': rows[-1]['accuracy'],
    'val_accuracy': rows[-1]['val_accuracy'],
    'seconds': 1.5 * len(rows),
    'privacy': {},
  }


def _row(epoch, epochs):
  part = epoch / epochs
  return {
    'epoch': epoch,
    'loss': 2.3 * (1 - 0.8 * part),
    'accuracy': 0.3 + 0.6 * part,
    'val_loss': 2.3 - 2.0 * part + 1.2 * part**2,
    'val_accuracy': 0.3 + 1.2 * part - 0.8 * part**2,
    'seconds': 1.0,
    'report_seconds': 0.5 * (epoch % 2 == 0),
  }


def _side(rng, count, shift):
  labels = np.arange(count) % CLASSES
  logits = rng.normal(size=(count, CLASSES)).astype(np.float32)
  logits[np.arange(count), labels] += shift
  return Side(ids=np.arange(count), labels=labels, logits=logits)


def _report(rng, attacks, members, nonmembers, leak, row, skipped):
  signals = Signals(_side(rng, members, 1 + leak), _side(rng, nonmembers, 1.0))
  scores, blank = {}, []
  for attack in attacks:
    noise = rng.normal(size=members + nonmembers) * (attack != 'threshold')
    scores[attack, results.ENTIRE] = results.AttackScores(
      noise[:members] - signals.members.losses,
      noise[members:] - signals.nonmembers.losses,
    )
    for part in (results.ENTIRE, *map(results.class_slice, range(CLASSES))):
      left_out = (attack, part) in skipped
      share = 1 if part == results.ENTIRE else CLASSES
      blank.append(
        results.AttackResult(
          attack=attack,
          engine='fast',
          slice=part,
          model='cnn2',
          epoch=row['epoch'],
          train_accuracy=row['accuracy'],
          val_accuracy=row['val_accuracy'],
          n_members=members // share,
          n_nonmembers=nonmembers // share,
          skipped='too few examples' if left_out else None,
        )
      )
  report = results.Report(
    results=tuple(blank),
    scores=scores,
    member_labels=signals.members.labels,
    nonmember_labels=signals.nonmembers.labels,
  )
  return (
    results.Report(
      results=results.recompute(report),
      scores=scores,
      member_labels=report.member_labels,
      nonmember_labels=report.nonmember_labels,
    ),
    signals,
  )


def change_json(path, change):
  """Rewrites a JSON file after `change(values)`, as an editor would."""
  values = json.loads(path.read_text())
  change(values)
  path.write_text(json.dumps(values))
