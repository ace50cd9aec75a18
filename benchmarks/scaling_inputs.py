"""What `benchmarks.scaling` measures on: made-up data and outputs, and fleets."""

import dataclasses
import os
import pathlib

import numpy as np

from rnn_tf.attack_config import FleetConfig
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side
from rnn_tf.config import ModelConfig, RunConfig, TrainingConfig
from rnn_tf.datasets import Data, Split
from rnn_tf.fleets import folder as fleet_folder
from rnn_tf.fleets import plan as fleet_plan
from rnn_tf.fleets.folder import FleetFolder
from rnn_tf.fleets.outputs import StoredArray, StoredOutputs
from rnn_tf.fleets.plan import FleetPlan
from rnn_tf.fleets.trainer import Trained, array_name


def data(*, train: int, test: int, classes: int, holdout: int = 0) -> Data:
  """Returns a data set of images of one pixel, which nobody looks at.

  Args:
    train: examples to train on.
    test: examples to test on.
    classes: of the data, equally frequent.
    holdout: examples of the training pool that are left out.
  """

  def split(first: int, count: int, source: str) -> Split:
    random = np.random.default_rng([1, first, count])
    return Split(
      images=np.zeros((count, 1, 1, 1), np.float32),
      labels=random.permutation(np.arange(count) % classes),
      ids=first + np.arange(count),
      source=source,
    )

  return Data(
    name='made up',
    version='1',
    class_names=tuple(map(str, range(classes))),
    train=split(0, train, 'train'),
    holdout=split(train, holdout, 'train'),
    test=split(0, test, 'test'),
  )


def logits(
  labels: np.ndarray, classes: int, *, seed: int, leak: float = 0.0
) -> np.ndarray:
  """Returns made-up logits, (n, classes) float32, higher by 2 + leak at the label."""
  random = np.random.default_rng([2, seed, len(labels)])
  values = random.standard_normal((len(labels), classes), dtype=np.float32)
  values[np.arange(len(labels)), labels] += 2 + leak
  return values


def side(split: Split, classes: int, *, leak: float = 0.0) -> Side:
  """Returns a model's made-up outputs."""
  values = logits(split.labels, classes, seed=0, leak=leak)
  return Side(split.ids, split.labels, values)


def plan(data: Data, *, num_shadows: int) -> FleetPlan:
  """Returns a fleet of one epoch, each shadow on half of the pool."""
  config = RunConfig(
    model=ModelConfig(model='lstm', hidden_size=1),
    training=TrainingConfig(epochs=1, batch_size=1),
  )
  return fleet_plan.plan(
    config,
    FleetConfig(num_shadows=num_shadows, shadow_split='half'),
    data=data,
    epochs=(1,),
    hidden=False,
    engine='split',
  ).without_images()


def write_fleet(plan: FleetPlan, path: pathlib.Path, *, distinct: int) -> None:
  """Writes the files of all shadows; they share the outputs of a few.

  All of them would fill a disk: 256 x 200,000 x 100 logits are 20 GB. What is read and
  computed does not depend on it, but a disk is spared what the memory keeps of files.

  Args:
    plan: the fleet.
    path: of its folder.
    distinct: shadows whose outputs are written, the others' files are links.
  """
  place, splits = FleetFolder(path), {'pool': plan.pool, 'population': plan.population}
  infos, right = [], []
  for model in range(min(distinct, len(plan.members))):
    arrays = {
      array_name(1, what): logits(split.labels, plan.class_count, seed=1 + model)
      for what, split in splits.items()
    }
    right.append(
      {
        what: _right(split, arrays[array_name(1, what)])
        for what, split in splits.items()
      }
    )
    place.write_shadow(plan, model, _trained(arrays, right[-1], plan.members[model]))
    infos.append(place.info(plan, model))
  for model in range(len(infos), len(plan.members)):
    base = model % len(infos)
    own = plan.members[model]
    known = _trained({}, right[base], own)
    os.link(path / f'shadow-{base:04d}.npz', path / f'shadow-{model:04d}.npz')
    info = dataclasses.replace(
      infos[base],
      model=model,
      seed=plan.seeds[model],
      members=fleet_folder._checksum(own),
      train_accuracy=known.train_accuracy,
    )
    place.write_json(f'shadow-{model:04d}.json', dataclasses.asdict(info))


def _right(split: Split, logits: np.ndarray) -> np.ndarray:
  return logits.argmax(axis=1) == split.labels


def _trained(
  arrays: dict[str, np.ndarray], right: dict[str, np.ndarray], own: np.ndarray
) -> Trained:
  return Trained(
    arrays=arrays,
    train_accuracy={1: float(right['pool'][own].mean())},
    test_accuracy={1: float(right['population'].mean())},
    seconds=1.0,
  )


def stored(shadows: Shadows, path: pathlib.Path) -> Shadows:
  """Returns shadow models whose outputs on the pool are in files, as in a fleet's."""
  path.mkdir()
  arrays = []
  for model, logits in enumerate(shadows.logits):
    np.savez(path / f'{model}.npz', pool=logits)
    arrays.append(StoredArray.find(path / f'{model}.npz', 'pool'))
  none = shadows.population_logits[:, :0].copy()
  return dataclasses.replace(
    shadows, logits=StoredOutputs(arrays), population_logits=none
  )
