"""Fits one classical shadow model and returns what it says; knows no files."""

import time

from rnn_tf import classical, engines
from rnn_tf.fleets import trainer
from rnn_tf.fleets.trainer import Examples, Task, Trained


def train(task: Task, examples: Examples) -> Trained:
  """Fits a shadow, which is its one epoch.

  The same task gives the same shadow to the last bit, with any number of threads.

  Args:
    task: of a classical model.
    examples: the fleet's; inputs are images.
  """
  start = time.perf_counter()
  model = classical.fit(
    task.config.model,
    examples.inputs[task.rows],
    examples.labels[task.rows],
    class_count=examples.class_count,
    seed=task.config.training.seed,
    threads=task.parts or engines.cores(),
  )
  keeper = trainer.Keeper(
    task.model, rows=task.rows, epochs=task.epochs, examples=examples
  )
  keeper.keep(1, lambda images: (model.logits(images), None))
  return keeper.trained(time.perf_counter() - start)
