"""Small runs of made-up outputs whose figures all follow from what they store.

They are put together as training does it, but for the network: its outputs are random.
"""

import csv
import dataclasses
import io
import json
import pathlib
from importlib import metadata

import numpy as np

from rnn_tf import config
from rnn_tf.attacks import audit, results
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.dp import accounting, guarantee
from rnn_tf.privacy_config import PrivacyConfig
from rnn_tf.runs import RunFolder

POOL, TRAIN, TEST, CLASSES = 90, 50, 60, 3

EPOCHS = 4

PLAIN = PrivacyConfig()

PRIVATE = PrivacyConfig(dp=True, dp_noise_multiplier=2.0, dp_l2_norm_clip=1.0)


def run_config(*, nonmembers='test', privacy=PLAIN, report_members=None):
  return config.RunConfig(
    data=config.DataConfig(train_size=TRAIN, nonmembers=nonmembers, data_seed=3),
    model=config.ModelConfig(model='cnn'),
    training=config.TrainingConfig(epochs=EPOCHS, batch_size=16, seed=5),
    privacy=privacy,
    report=config.ReportConfig(
      attacks=('threshold', 'entropy', 'lr'),
      epochs_per_report=2,
      report_members=report_members,
    ),
  )


def write(path, *, trained=EPOCHS, **options):
  """Writes a run of which so many epochs are trained, and returns its folder."""
  folder, run = RunFolder(path), run_config(**options)
  folder.path.mkdir(parents=True)
  seed, _ = np.random.SeedSequence(run.data.data_seed).spawn(2)
  drawn = np.sort(np.random.default_rng(seed).permutation(POOL)[:TRAIN])
  ids = {
    'train_ids': drawn,
    'holdout_ids': np.setdiff1d(np.arange(POOL), drawn),
    'test_ids': np.arange(TEST),
  }
  folder.write_npz('examples.npz', ids)
  promise = guarantee.plan(run, examples=TRAIN, engine='exact')
  folder.write_json('config.json', _about(folder, run, promise))
  rows, lines = [], []
  for epoch in range(1, trained + 1):
    rows.append(_epoch(folder, run, ids, lines, epoch=epoch, promise=promise))
  folder.write_rows(rows)
  folder.write_lines(lines)
  if trained == EPOCHS:
    _finish(folder, lines, promise)
  return folder.path


def _about(folder, run, promise):
  sizes = {'train': TRAIN, 'holdout': POOL - TRAIN, 'test': TEST}
  return {
    'format': 1,
    'name': folder.path.name,
    'config': config.to_json(run),
    'versions': {name: metadata.version(name) for name in ('scikit-learn', 'numpy')},
    'command': 'python -m rnn_tf.train',
    'data': {
      'name': 'digits',
      'version': '1.0.0',
      'class_names': ['zero', 'one', 'two'],
      'image_shape': [8, 8, 1],
      **sizes,
    },
    'parameters': 1234,
    'engine': 'exact' if promise else 'keras',
    'guarantee': promise and dataclasses.asdict(promise),
  }


def _side(ids, *, key, shift):
  labels = np.random.default_rng([key, 1]).integers(CLASSES, size=POOL)[ids]
  logits = np.random.default_rng([key, shift]).normal(size=(len(ids), CLASSES))
  logits[np.arange(len(ids)), labels] += 0.3 * shift
  return Side(ids=ids, labels=labels, logits=logits.astype(np.float32))


def _epoch(folder, run, ids, lines, *, epoch, promise):
  test = _side(ids['test_ids'], key=2, shift=1 + epoch)
  row = {
    'epoch': epoch,
    'loss': 2.0 / epoch,
    'accuracy': 0.3 + 0.123456789 * epoch,
    'val_loss': float(test.losses.mean()),
    'val_accuracy': float(test.correct.mean()),
    'seconds': 1.234567 * epoch,
    'report_seconds': 0.0,
  }
  if promise is not None:
    row['epsilon'] = promise.epsilon(epoch)
  if epoch % 2 == 0:
    row['report_seconds'] = 0.7
    chosen = audit.sample_members(
      TRAIN, run.report.report_members, seed=run.training.seed
    )
    signals = Signals(
      _side(ids['train_ids'][chosen], key=1, shift=3 + epoch),
      test
      if run.data.nonmembers == 'test'
      else _side(ids['holdout_ids'], key=1, shift=2 + epoch),
    )
    delta = promise.delta if promise else accounting.default_delta(TRAIN)
    report = audit.run(
      signals,
      config=run.report,
      class_count=CLASSES,
      model=run.model.label(),
      epoch=epoch,
      train_accuracy=row['accuracy'],
      val_accuracy=row['val_accuracy'],
      seed=run.training.seed,
      epsilon=promise and promise.epsilon(epoch),
      delta=delta,
    )
    lines.extend(result.to_json() for result in report.results)
    arrays = results.to_arrays(report, signals)
    folder.write_npz(f'scores/epoch-{epoch:04d}.npz', arrays)
  return row


def _finish(folder, lines, promise):
  rows = folder.read_rows()
  best = max(rows, key=lambda row: (row['val_accuracy'], -row['epoch']))
  figures = ('auc', 'auc_low', 'auc_high', 'advantage', 'epsilon_lower_bound')
  folder.write_json(
    'result.json',
    {
      'epochs': EPOCHS,
      'best_epoch': best['epoch'],
      'best_val_accuracy': best['val_accuracy'],
      'train_accuracy': rows[-1]['accuracy'],
      'val_accuracy': rows[-1]['val_accuracy'],
      'seconds': sum(row['seconds'] + row['report_seconds'] for row in rows),
      'privacy': {
        line['attack']: {name: line[name] for name in figures}
        for line in lines
        if line['epoch'] == EPOCHS and line['slice'] == 'entire'
      },
      'guarantee': promise and promise.to_json(epochs=EPOCHS),
    },
  )


def change(path, edit):
  """Edits a file by hand: `edit` gets what it holds, and changes or returns it.

  Of an npz the arrays, of a jsonl a list of dicts, of a csv a list of dicts of texts,
  of a json its values.
  """
  path = pathlib.Path(path)
  if path.suffix == '.npz':
    with np.load(path) as file:
      values = {name: np.array(file[name]) for name in file}
    values = _edited(values, edit)
    np.savez(path, **values)
  elif path.suffix == '.jsonl':
    values = [json.loads(line) for line in path.read_text().splitlines()]
    values = _edited(values, edit)
    path.write_text(''.join(json.dumps(line) + '\n' for line in values))
  elif path.suffix == '.csv':
    values = list(csv.DictReader(io.StringIO(path.read_text())))
    values = _edited(values, edit)
    text = io.StringIO()
    writer = csv.DictWriter(text, values[0], lineterminator='\n')
    writer.writeheader()
    writer.writerows(values)
    path.write_text(text.getvalue())
  else:
    values = _edited(json.loads(path.read_text()), edit)
    path.write_text(json.dumps(values))


def _edited(values, edit):
  made = edit(values)
  return values if made is None else made


def _led(values, way):
  for key in way:
    values = values[key]
  return values


def sets(*way, to):
  """Returns an edit that puts a value where keys and positions lead to."""

  def edit(values):
    inner = _led(values, way[:-1])
    assert inner[way[-1]] != to, 'this edit changes nothing'
    inner[way[-1]] = to

  return edit


def moves(*way, by):
  """Returns an edit that adds to a number where keys and positions lead to."""

  def edit(values):
    _led(values, way[:-1])[way[-1]] += by

  return edit


def takes(*way):
  """Returns an edit that takes away what is where keys and positions lead to."""

  def edit(values):
    del _led(values, way[:-1])[way[-1]]

  return edit
