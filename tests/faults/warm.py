"""What every command needs, imported once; children are forked from what is here.

Nothing may run an operation of TensorFlow here: its threads do not survive a fork.
"""

import matplotlib.pyplot  # noqa: F401

from rnn_tf import (  # noqa: F401
  attack,
  experiment,
  infer,
  report,
  reporting,
  shadow_audit,
  train,
  unlearn,
  unlearning,
)
from rnn_tf.pages import comparison_page, inference_page, page_check  # noqa: F401
