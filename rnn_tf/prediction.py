"""A model's logits for many examples, on all cores."""

import os
from concurrent import futures

import numpy as np

from rnn_tf.stack import keras, tf

CPU_BATCH = 200
GPU_BATCH = 1000


class Predictor:
  """Predicts with a Keras model, several batches at once.

  Traces the model once and sees its weights change, so one predictor serves a whole
  training. On a CPU each core works on a batch of its own: small layers do not split
  well over cores, and a batch of 200 still fits the caches. That is why this is
  faster than `model.predict`; the logits are the same.

  Args:
    model: built, with one input and one output, the logits.
    batch_size: examples a batch; None chooses by device.
    streams: batches at once; None means one a core, or one on a GPU.
  """

  def __init__(
    self,
    model: keras.Model,
    *,
    batch_size: int | None = None,
    streams: int | None = None,
  ):
    on_gpu = bool(tf.config.list_logical_devices('GPU'))
    self._batch_size = batch_size or (GPU_BATCH if on_gpu else CPU_BATCH)
    self._streams = streams or (1 if on_gpu else os.cpu_count() or 1)
    self._classes = model.output_shape[-1]
    shape = (None, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, model.inputs[0].dtype)])
    def logits(batch):
      return model(batch, training=False)

    self._logits = logits.get_concrete_function()

  def __call__(self, inputs: np.ndarray) -> np.ndarray:
    """Returns logits (n, classes) float32 of inputs (n, ...)."""
    outputs = np.empty((len(inputs), self._classes), np.float32)

    def predict(start: int) -> None:
      rows = slice(start, start + self._batch_size)
      outputs[rows] = self._logits(tf.constant(inputs[rows])).numpy()

    starts = range(0, len(inputs), self._batch_size)
    with futures.ThreadPoolExecutor(self._streams) as pool:
      # list() waits for all of them and raises what any of them raised.
      list(pool.map(predict, starts))
    return outputs
