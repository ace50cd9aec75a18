"""One privacy report: TF Privacy's codelab's way against this project's.

python -m benchmarks.privacy_report --dataset=cifar10 --data_dir=DIR

Trains the codelab's CNN (batch 50, Adam 1e-3) for a few epochs, then makes a report
of it in three ways, in turn, several times over:
* codelab: predicts members and non-members in batches of 50; `run_attacks` with
  the threshold and the logistic-regression attack, entire and by class, 1 job;
* ours: predicts members, a batch a core; the same attacks; scores written to npz.
  The non-members' logits are those that validation has made a moment before;
* ours with --report_members.
Prints the median seconds and the ratios, by the clock and by processor time (which
tells more where others use the machine too), and the AUC of the logistic-regression
attack on all examples with five seeds of each implementation.
"""

import argparse
import dataclasses
import pathlib
import tempfile
import time

import numpy as np
from scipy import special

from rnn_tf import datasets, models, training
from rnn_tf.attacks import audit, metrics, tf_privacy
from rnn_tf.attacks.results import to_arrays
from rnn_tf.attacks.signals import Side, Signals
from rnn_tf.config import DataConfig, ModelConfig, ReportConfig, TrainingConfig
from rnn_tf.errors import UsageError
from rnn_tf.prediction import Predictor
from rnn_tf.runs import RunFolder
from rnn_tf.stack import keras
from rnn_tf.stack import tf_privacy as tf_privacy_module

CODELAB_BATCH = 50

MARKS = (
  ('attacks alone', 'attacks', 'ours', 1 / 3),
  ('whole report', 'report', 'ours', 0.60),
  ('whole report, members drawn', 'report', 'drawn', 0.25),
)
"""What is compared, the part timed, whose time, at most this share of codelab's."""


@dataclasses.dataclass
class Clock:
  """Adds up wall and processor seconds of the blocks under `with clock:`."""

  seconds: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2))

  def __enter__(self):
    self._start = np.array([time.perf_counter(), time.process_time()])

  def __exit__(self, *_):
    now = np.array([time.perf_counter(), time.process_time()])
    self.seconds = self.seconds + now - self._start


def trained_model(
  data: datasets.Data, *, epochs: int, weights: pathlib.Path | None
) -> keras.Model:
  """Returns the codelab's CNN after so many epochs.

  Args:
    data: to train on.
    epochs: passes over it.
    weights: `.weights.h5` file to read instead where it exists, and to write.
  """
  config = TrainingConfig(epochs=epochs, batch_size=CODELAB_BATCH)
  keras.utils.set_random_seed(config.seed)
  model = models.build(
    ModelConfig(model='cnn'),
    image_shape=data.train.images.shape[1:],
    num_classes=len(data.class_names),
  )
  training.compile_model(model, config)
  if weights and weights.exists():
    model.load_weights(str(weights))
    return model
  for epoch in range(epochs):
    history = model.fit(
      data.train.images, data.train.labels, batch_size=CODELAB_BATCH, verbose=0
    )
    print(f'epoch {epoch + 1}: accuracy {history.history["accuracy"][0]:.4f}')
  if weights:
    model.save_weights(str(weights))
  return model


def codelab(model: keras.Model, data: datasets.Data) -> dict[str, np.ndarray]:
  """Makes the report as the codelab does; returns seconds by part."""
  mia = tf_privacy_module(
    'privacy_tests.membership_inference_attack.membership_inference_attack'
  )
  structures = tf_privacy_module(
    'privacy_tests.membership_inference_attack.data_structures'
  )
  predicting, attacking = Clock(), Clock()
  with predicting:
    logits = [
      model.predict(split.images, batch_size=CODELAB_BATCH, verbose=0)
      for split in (data.train, data.test)
    ]
    train, test = (special.softmax(values, axis=1) for values in logits)
  np.random.seed(0)
  with attacking, tf_privacy.quiet():
    mia.run_attacks(
      structures.AttackInputData(
        labels_train=data.train.labels,
        labels_test=data.test.labels,
        probs_train=train,
        probs_test=test,
      ),
      structures.SlicingSpec(entire_dataset=True, by_class=True),
      attack_types=(
        structures.AttackType.THRESHOLD_ATTACK,
        structures.AttackType.LOGISTIC_REGRESSION,
      ),
    )
  return _parts(predicting, attacking)


def ours(
  predict: Predictor,
  data: datasets.Data,
  validation: np.ndarray,
  *,
  members: int | None,
) -> dict[str, np.ndarray]:
  """Makes this project's report; returns seconds by part."""
  rows = audit.sample_members(len(data.train), members, seed=0)
  chosen = data.train.select(rows)
  predicting, attacking = Clock(), Clock()
  with predicting:
    logits = predict(chosen.images)
  with attacking:
    signals = Signals(_side(chosen, logits), _side(data.test, validation))
    report = audit.run(
      signals,
      config=ReportConfig(),
      class_count=len(data.class_names),
      model='cnn2',
      epoch=1,
      train_accuracy=0.0,
      val_accuracy=0.0,
      seed=0,
    )
    with tempfile.TemporaryDirectory() as folder:
      run = RunFolder(folder)
      run.write_npz('scores.npz', to_arrays(report, signals))
      run.write_lines(result.to_json() for result in report.results)
  return _parts(predicting, attacking)


def _side(split: datasets.Split, logits: np.ndarray) -> Side:
  return Side(ids=split.ids, labels=split.labels, logits=logits)


def _parts(predicting: Clock, attacking: Clock) -> dict[str, np.ndarray]:
  return {
    'predictions': predicting.seconds,
    'attacks': attacking.seconds,
    'report': predicting.seconds + attacking.seconds,
  }


def compare_auc(signals: Signals, *, seeds: int) -> None:
  """Prints the AUC of both logistic-regression attacks on all examples."""
  values = {}
  for name in ('tf_privacy', 'fast'):
    found = []
    for seed in range(seeds):
      # No classes: the attack on all examples is all that is wanted.
      scores = audit.ENGINES[name](signals, ('lr',), class_count=0, seed=seed)
      pair = scores['lr', 'entire']
      found.append(metrics.auc(pair.members, pair.nonmembers))
    values[name] = found
    text = ', '.join(f'{value:.4f}' for value in found)
    print(f'AUC of lr, {seeds} seeds, {name}: {text}; mean {np.mean(found):.4f}')
  low, high = min(values['tf_privacy']), max(values['tf_privacy'])
  inside = sum(low <= value <= high for value in values['fast'])
  print(f"{inside} of {seeds} of ours lie in TF Privacy's [{low:.4f}, {high:.4f}]")
  pair = [-side.losses for side in (signals.members, signals.nonmembers)]
  print(f'AUC of threshold, both: {metrics.auc(*pair):.4f}')


def print_times(times: dict[str, list[dict[str, np.ndarray]]]) -> None:
  """Prints medians of (wall, processor) seconds and the ratios."""
  medians = {
    way: {part: np.median([run[part] for run in runs], axis=0) for part in runs[0]}
    for way, runs in times.items()
  }
  print(f'{"median seconds, wall (processor)":34}', *(f'{w:>16}' for w in medians))
  for part in ('predictions', 'attacks', 'report'):
    cells = (
      f'{wall:.2f} ({cpu:.2f})' for wall, cpu in (m[part] for m in medians.values())
    )
    print(f'{part:34}', *(f'{cell:>16}' for cell in cells))
  for what, part, way, mark in MARKS:
    wall, cpu = medians[way][part] / medians['codelab'][part]
    print(f'{what:34} ratio {wall:.3f} (processor {cpu:.3f}); mark {mark:.2f}')


def main() -> None:
  """Reads the flags, and measures."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for flag, default, text in (
    ('dataset', 'cifar10', 'data set with images of at least 10 x 10 pixels'),
    ('data_dir', None, 'TFDS folder'),
    ('epochs', 2, 'epochs that the network is trained for first'),
    ('weights', None, 'a saved Keras model, in place of training'),
    ('repeats', 3, 'reports of each kind, made in turn'),
    ('seeds', 5, 'seeds of the lr attack whose AUCs are compared'),
    ('report_members', 10_000, 'members that are drawn for the quicker report'),
  ):
    kind = int if isinstance(default, int) else str
    parser.add_argument(
      f'--{flag}', default=default, type=kind, help=f'{text} (default: {default})'
    )
  try:
    measure(parser.parse_args())
  except UsageError as error:
    parser.error(str(error))


def measure(args: argparse.Namespace) -> None:
  """Trains, times each way in turn, and prints the ratios."""
  data = datasets.load(DataConfig(dataset=args.dataset), data_dir=args.data_dir)
  weights = pathlib.Path(args.weights) if args.weights else None
  model = trained_model(data, epochs=args.epochs, weights=weights)
  predict = Predictor(model)
  validation, members = predict(data.test.images), predict(data.train.images)
  ways = {
    'codelab': lambda: codelab(model, data),
    'ours': lambda: ours(predict, data, validation, members=None),
    'drawn': lambda: ours(predict, data, validation, members=args.report_members),
  }
  times = {way: [] for way in ways}
  for _ in range(args.repeats):
    for way, make in ways.items():
      times[way].append(make())
  print_times(times)
  signals = Signals(_side(data.train, members), _side(data.test, validation))
  compare_auc(signals, seeds=args.seeds)


if __name__ == '__main__':
  main()
