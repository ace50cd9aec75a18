"""What a trained recurrent classifier gives away about its training data.

Importing this package is cheap: TensorFlow is loaded by the modules that
compute with it, through `rnn_tf.stack`.
"""

__version__ = '0.1.0'
