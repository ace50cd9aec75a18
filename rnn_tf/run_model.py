"""The model of a run that is there, read from its folder."""

import hashlib
import pathlib

from rnn_tf import classical_file, engines, models, training
from rnn_tf.fleets import trainer
from rnn_tf.runs import RunFolder


def predictor(
  run: RunFolder,
  *,
  image_shape: models.ImageShape,
  class_count: int,
  weights: str = 'final',
  hidden: bool = False,
) -> trainer.Predict:
  """Returns a function from images (n, height, width, channels) to what a run's model
  says of them.

  Args:
    run: finished.
    image_shape: (height, width, channels).
    class_count: logits.
    weights: `final`, or `best`: of the epoch with the highest validation accuracy; of
      a classical model, which has one epoch, both are the same.
    hidden: whether to return the layer below the logits as well; networks have one.

  Returns:
    Images to logits (n, classes) float32 and hidden (n, units) float16 or None.

  Raises:
    UsageError: the weights are missing, damaged, or of another model.
  """
  config, folder = run.config().model, run.path / 'weights'
  name = 'final.skops' if config.classical else f'{weights}.weights.h5'
  _check_sum(run, folder / name)
  if config.classical:
    fitted = classical_file.load(
      folder / name,
      config,
      image_shape=image_shape,
      class_count=class_count,
      threads=engines.cores(),
    )
    return lambda images: (fitted.logits(images), None)
  model = models.build(config, image_shape=image_shape, num_classes=class_count)
  training.load_weights(model, folder / name)
  predict = trainer.predictor(model, hidden=hidden, streams=None)
  return lambda images: predict(models.inputs(config, images))


def _check_sum(run: RunFolder, path: pathlib.Path) -> None:
  """Raises UsageError unless weights are those that the run ended with."""
  # Runs of earlier versions do not tell.
  sums = run.result().get('weights') if run.finished else None
  expected = sums.get(path.name) if isinstance(sums, dict) else None
  if expected is not None and path.is_file():
    with open(path, 'rb') as file:
      if hashlib.file_digest(file, 'sha256').hexdigest() != expected:
        raise run.damaged(path, 'does not have its checksum')
