"""What is trained, as a frozen dataclass that is checked on construction.

Models are networks, which learn step by step, or classical models, which are fitted at
once and know nothing of epochs, batches and gradients.
"""

import dataclasses
from collections.abc import Mapping

from rnn_tf.errors import MOST, UsageError, check_choice, check_count

SEQUENCES = ('rows', 'columns', 'channels', 'pixels')

_RNN_FIELDS = ('sequence', 'hidden_size', 'num_layers', 'bidirectional')

_TREE_FIELDS = ('max_depth', 'min_samples_leaf')

NETWORKS: Mapping[str, tuple[str, ...]] = {
  'lstm': _RNN_FIELDS,
  'gru': _RNN_FIELDS,
  'simple_rnn': _RNN_FIELDS,
  'clockwork_rnn': (*_RNN_FIELDS, 'clockwork_periods'),
  'cnn': ('num_conv',),
  'mlp': ('hidden_size', 'num_layers'),
}
"""Name of a network -> the fields that have an effect on it."""

CLASSICAL: Mapping[str, tuple[str, ...]] = {
  'decision_tree': _TREE_FIELDS,
  'random_forest': ('num_trees', *_TREE_FIELDS),
  'kmeans': ('num_clusters',),
}
"""Name of a classical model -> the fields that have an effect on it."""

MODEL_FIELDS: Mapping[str, tuple[str, ...]] = {**NETWORKS, **CLASSICAL}
"""Model name -> the fields that have an effect on it."""

_MOST: Mapping[str, int] = {
  'hidden_size': 65_536,
  'num_layers': 1_000,
  'num_conv': 100,
  'min_samples_leaf': MOST,
  'num_trees': 100_000,
  'num_clusters': MOST,
}
"""Field -> the largest number that can be tried, if not had: 65,536 units are 64 GB."""

TRAINING_OF_CLASSICAL = ('epochs', 'seed', 'deterministic')
"""Fields of a `TrainingConfig` that classical models take; a fit is one epoch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  """The network, or the classical model.

  Attributes:
    model: a key of `MODEL_FIELDS`.
    sequence: how an image becomes a sequence, see `datasets.as_sequence`.
    hidden_size: units of each recurrent or dense hidden layer.
    num_layers: recurrent or dense hidden layers.
    bidirectional: read the sequence in both directions.
    clockwork_periods: the clock periods of a clockwork RNN's groups, in steps.
    num_conv: convolutional layers of the CNN.
    max_depth: splits from a tree's root to a leaf at most; None grows it to its end.
    min_samples_leaf: training examples that each leaf of a tree holds at least.
    num_trees: trees of the forest.
    num_clusters: of k-means.
  """

  model: str = 'lstm'
  sequence: str = 'rows'
  hidden_size: int = 128
  num_layers: int = 1
  bidirectional: bool = False
  clockwork_periods: tuple[int, ...] = (1, 2, 4, 8)
  num_conv: int = 2
  max_depth: int | None = None
  min_samples_leaf: int = 1
  num_trees: int = 100
  num_clusters: int = 100

  def __post_init__(self):
    object.__setattr__(self, 'clockwork_periods', tuple(self.clockwork_periods))
    check_choice('model', self.model, MODEL_FIELDS)
    check_choice('sequence', self.sequence, SEQUENCES)
    for name, most in _MOST.items():
      check_count(name, getattr(self, name), most=most)
    if self.max_depth is not None:
      check_count('max_depth', self.max_depth)
    self._check_kind()
    if self.model == 'clockwork_rnn':
      self._check_periods()

  def _check_kind(self):
    """Refuses fields of the other kind of models: configs do not keep them."""
    for name in self.foreign_fields():
      value = getattr(self, name)
      if value != type(self).__dataclass_fields__[name].default:
        raise UsageError(
          f'--{name}={value}: has no effect with --model={self.model}, which takes '
          f'{", ".join("--" + each for each in MODEL_FIELDS[self.model])}: leave it out'
        )

  def _check_periods(self):
    periods = self.clockwork_periods
    text = f'--clockwork_periods={",".join(map(str, periods))}'
    if not periods or any(p < 1 for p in periods):
      raise UsageError(f'{text}: needs one or more whole numbers of at least 1')
    if sorted(set(periods)) != list(periods):
      raise UsageError(f'{text}: must rise from group to group')
    if len(periods) > self.hidden_size:
      raise UsageError(
        f'{text}: {len(periods)} groups need --hidden_size of at least as many '
        f'units, not {self.hidden_size}'
      )

  @property
  def classical(self) -> bool:
    """Whether it is fitted at once, not trained in steps."""
    return self.model in CLASSICAL

  def foreign_fields(self) -> tuple[str, ...]:
    """Names of the fields that no model of its kind has, in their order.

    What is stored of a network does not change because there are classical models.
    """
    own, other = (CLASSICAL, NETWORKS) if self.classical else (NETWORKS, CLASSICAL)
    kept = {name for names in own.values() for name in names}
    gone = {name for names in other.values() for name in names} - kept
    return tuple(f.name for f in dataclasses.fields(self) if f.name in gone)

  def label(self) -> str:
    """A short name for folders and legends, such as `lstm` or `cnn2`."""
    if self.model == 'cnn':
      return f'cnn{self.num_conv}'
    defaults = ModelConfig(model=self.model)
    parts = ['bi-' * self.bidirectional + self.model.removesuffix('_rnn')]
    if self.num_layers != defaults.num_layers:
      parts.append(f'{self.num_layers}x')
    if self.hidden_size != defaults.hidden_size:
      parts.append(f'h{self.hidden_size}')
    if self.sequence != defaults.sequence:
      parts.append(self.sequence)
    if self.clockwork_periods != defaults.clockwork_periods:
      parts.append('p' + '.'.join(map(str, self.clockwork_periods)))
    letters = {
      't': 'num_trees',
      'd': 'max_depth',
      'l': 'min_samples_leaf',
      'k': 'num_clusters',
    }
    for letter, name in letters.items():
      if getattr(self, name) != getattr(defaults, name):
        parts.append(f'{letter}{getattr(self, name)}')
    return '-'.join(parts)
