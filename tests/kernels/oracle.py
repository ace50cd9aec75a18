"""Every example's gradient by a tape of its own: what the kernels are held against."""

import numpy as np

from rnn_tf import models
from rnn_tf.config import ModelConfig
from rnn_tf.stack import keras, tf

CLASSES = 4

RECURRENT = tuple(
  {'model': model, 'bidirectional': both, 'num_layers': layers}
  for model in ('lstm', 'gru', 'simple_rnn', 'clockwork_rnn')
  for both in (False, True)
  for layers in (1, 2)
)
OTHERS = ({'model': 'mlp', 'num_layers': 2}, {'model': 'cnn'})


def name(options):
  """Returns a test's name for model options."""
  config = ModelConfig(**options)
  return config.label().replace('-', '_')


def named(cases):
  """Returns the cases as `named_parameters` takes them."""
  return [(name(case), case) for case in cases]


def build(options, *, seed=0, rows=4, scale=0.3):
  """Returns a model with weights far from their start, and data for it."""
  keras.utils.set_random_seed(seed)
  config = ModelConfig(hidden_size=9, **options)
  shape = (12, 11, 2) if config.model == 'cnn' else (6, 5, 2)
  model = models.build(config, image_shape=shape, num_classes=CLASSES)
  rng = np.random.default_rng(seed)
  for variable in model.trainable_variables:
    noise = scale * rng.standard_normal(variable.shape)
    variable.assign_add(noise.astype(np.float32))
  images = rng.random((rows, *shape), np.float32)
  return model, models.inputs(config, images), rng.integers(0, CLASSES, rows)


def gradients(model, inputs, labels):
  """Returns each example's gradient: a list of arrays a row."""
  found = []
  for row in range(len(labels)):
    with tf.GradientTape() as tape:
      logits = model(inputs[row : row + 1])
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels[row : row + 1], logits
      )
    found.append([g.numpy() for g in tape.gradient(loss, model.trainable_variables)])
  return found


def norms(per_example):
  """Returns each example's norm over all variables, (rows,) float64."""
  return np.array(
    [
      np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in example))
      for example in per_example
    ]
  )


def clipped_sum(per_example, clip):
  """Returns the sum of the gradients, each scaled to a norm of `clip` at most."""
  factors = np.minimum(1, clip / norms(per_example))
  return [
    sum(factor * g for factor, g in zip(factors, each, strict=True))
    for each in zip(*per_example, strict=True)
  ]


def relative_error(found, expected):
  """Returns the largest error of any entry over its variable's largest entry."""
  return max(
    np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True)
  )
