"""Configs of small runs."""

from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
from rnn_tf.privacy_config import PrivacyConfig

RECURRENT = ('lstm', 'gru', 'simple_rnn', 'clockwork_rnn')


def run_config(model='lstm', privacy=None, model_values=None, **training_values):
  values = {'batch_size': 8, 'epochs': 2, **training_values}
  return RunConfig(
    model=ModelConfig(model=model, hidden_size=4, **(model_values or {})),
    training=TrainingConfig(**values),
    privacy=privacy or PrivacyConfig(),
  )


def private(**values):
  return PrivacyConfig(**{'dp': True, 'dp_noise_multiplier': 1.0, **values})
