"""TF Privacy's own differentially private training, for comparison.

Both divide a batch by its own size. Their noise comes from TensorFlow's global
generator, which takes 32 bits of seed: it is seeded anew whenever a run starts or
resumes, so that no noise is ever used twice.
"""

import functools
from collections.abc import Callable

from rnn_tf.stack import keras, tf_privacy


def sequential(
  *, l2_norm_clip: float, noise_multiplier: float, use_xla: bool = False
) -> Callable[..., keras.Sequential]:
  """Returns DPSequential as a function of the layers and the name.

  Its train step runs `vectorized_map` over the examples. Recurrent layers must be
  unrolled for that.

  Args:
    l2_norm_clip: of each example's gradient.
    noise_multiplier: over the clip.
    use_xla: compile the step, which is faster and takes long to begin.
  """
  return functools.partial(
    tf_privacy('keras_models.dp_keras_model').DPSequential,
    l2_norm_clip=l2_norm_clip,
    noise_multiplier=noise_multiplier,
    use_xla=use_xla,
  )


_LEGACY = {
  'adam': keras.optimizers.legacy.Adam,
  'adagrad': keras.optimizers.legacy.Adagrad,
  'rmsprop': keras.optimizers.legacy.RMSprop,
  'sgd': keras.optimizers.legacy.SGD,
}


def optimizer(
  name: str,
  *,
  learning_rate: float,
  l2_norm_clip: float,
  noise_multiplier: float,
  num_microbatches: int | None,
) -> keras.optimizers.legacy.Optimizer:
  """Returns DPKerasAdamOptimizer, or the same of another optimizer.

  It takes a vector of losses, and a jacobian of it.

  Args:
    name: out of `config.OPTIMIZERS`.
    learning_rate: the optimizer's.
    l2_norm_clip: of each microbatch's mean gradient.
    noise_multiplier: over the clip.
    num_microbatches: of a batch; None means one for each example.
  """
  module = tf_privacy('optimizers.dp_optimizer_keras')
  make = module.make_gaussian_query_optimizer_class(
    module.make_keras_generic_optimizer_class(_LEGACY[name])
  )
  return make(
    l2_norm_clip=l2_norm_clip,
    noise_multiplier=noise_multiplier,
    num_microbatches=num_microbatches,
    learning_rate=learning_rate,
  )
