"""What finished runs keep: who may read each file, and that images are not among it."""

import contextlib
import os
import pathlib
import re
import shutil
import stat
import tempfile
from unittest import mock

import h5py
import numpy as np
from absl.testing import absltest, parameterized

from rnn_tf import attack, datasets, infer, report, train, training, unlearn
from rnn_tf.config import DataConfig
from rnn_tf.run_files import write_atomically
from rnn_tf.run_places import private_folder
from rnn_tf.stack import keras, tf
from tests.commands import call

SMALL = (
  *('--model=mlp', '--hidden_size=8', '--epochs=2', '--batch_size=32'),
  *('--train_fraction=0.5', '--nonmembers=holdout', '--attacks=threshold,lr'),
)
FLEET = '--attack=lira', '--num_shadows=4', '--fleet=sequential'
DELETION = (
  *('--fractions=0.05', '--num_shards=2', '--method=retrain,sharded'),
  '--shard_training=sequential',
)

PRIVATE, FOLDER = 0o600, 0o700
SHARED, SHARED_FOLDER = 0o666, 0o777
"""What the umask of the tests, 0, leaves of files that are made to be shown."""

# Of the networks that are trained: the run, its full retrain, the originals of others.
_RUN = 'runs/[^/]+'
_PICTURES = 'learning_curves|leakage_by_epoch|privacy_vs_utility|roc|auc_by_class'
_ATTACK, _AUDIT = f'{_RUN}/attacks/[^/]+', f'{_RUN}/deletions/[^/]+'
_MODEL, _SHARD = 'runs/[^/]+-sharded2[^/]*', r'shards/\d{3}'
MODES = (
  # Whose runs and fleets there are is nobody's business either.
  ('runs|fleets', FOLDER),
  (_RUN, FOLDER),
  (rf'{_RUN}/(config|result)\.json', PRIVATE),
  (rf'{_RUN}/(metrics\.csv|privacy\.jsonl)', PRIVATE),
  # Scores, logits and ids of examples, and images where they were asked for.
  (f'{_RUN}/scores', FOLDER),
  (rf'{_RUN}/scores/epoch-\d{{4}}\.npz', PRIVATE),
  (rf'{_RUN}/(examples|exposed_images)\.npz', PRIVATE),
  (rf'{_RUN}/report\.html', PRIVATE),
  # A model remembers what it was trained on.
  (f'{_RUN}/(weights|checkpoint)', FOLDER),
  (rf'{_RUN}/weights/(best|final)\.weights\.h5', PRIVATE),
  (
    rf'{_RUN}/checkpoint/(checkpoint|ckpt-2\.(index|data-00000-of-00001)|epoch-0002\.json)',
    PRIVATE,
  ),
  (f'{_RUN}/plots', FOLDER),
  (rf'{_RUN}/plots/({_PICTURES}|tf_privacy_\w+)\.png', PRIVATE),
  (f'{_RUN}/tensorboard(/(train|validation|threshold|lr))?', FOLDER),
  (rf'{_RUN}/tensorboard/(\w+/)?events\.out\.tfevents\.\d+\.\d+', PRIVATE),
  (rf'({_RUN}|{_ATTACK}|{_AUDIT}|fleets/[^/]+)/\.lock', PRIVATE),
  (rf'{_RUN}/(attacks|deletions)(/[^/.]+)?', FOLDER),
  (rf'{_RUN}/deletions/outputs\.npz', PRIVATE),
  (rf'{_ATTACK}/(attack\.json|privacy\.jsonl|report\.md)', PRIVATE),
  (rf'{_ATTACK}/(scores|exposed_images)\.npz', PRIVATE),
  (rf'{_ATTACK}/(attacks|exposed|shadows)\.csv', PRIVATE),
  (rf'{_ATTACK}/(anytime|exposed|roc|scores)\.png', PRIVATE),
  (rf'{_AUDIT}/(\w+\.(json|jsonl|npz|csv|png)|report\.md)', PRIVATE),
  (rf'{_MODEL}/shards(/\d+)?', FOLDER),
  (rf'{_MODEL}/sharded\.json', PRIVATE),
  (rf'{_MODEL}/{_SHARD}/(outputs|slice-\d+)\.npz', PRIVATE),
  (rf'{_MODEL}/{_SHARD}/slice-\d+\.json', PRIVATE),
  (f'{_RUN}/inference', FOLDER),
  (rf'{_RUN}/inference/(report\.html|examples\.png)', PRIVATE),
  (rf'{_RUN}/inference/(classification_report|confusion_matrix)\.(csv|png)', PRIVATE),
  ('fleets/[^/]+', FOLDER),
  (r'fleets/[^/]+/(fleet\.json|shadow-\d{4}\.(json|npz))', PRIVATE),
  # A comparison is made to be shown.
  ('shown', SHARED_FOLDER),
  (r'shown/(report\.html|README\.md|\w+\.(csv|md)|[\w-]+\.png)', SHARED),
)
"""Path below the folder that the commands worked in -> its mode, whatever the umask."""


@contextlib.contextmanager
def umask(value):
  before = os.umask(value)
  try:
    yield
  finally:
    os.umask(before)


def mode(path):
  return stat.S_IMODE(path.stat().st_mode)


class KeptFilesTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.root = pathlib.Path(tempfile.mkdtemp())
    cls.addClassCleanup(shutil.rmtree, cls.root)
    cls.shown, cls.bare = cls.root / 'runs/shown', cls.root / 'runs/bare'
    # The checkpoint stays, as of a run that is killed after its last epoch.
    kept = mock.patch.object(training.Checkpoints, 'discard')
    with umask(0), kept:
      for folder, images in ((cls.shown, ['--embed_images']), (cls.bare, [])):
        cls.run_command(train, *SMALL, *images, f'--run_dir={folder}')
        fleet = f'--fleet_dir={cls.root}/fleets/one'
        cls.run_command(attack, f'--run={folder}', *FLEET, fleet, *images)
      cls.run_command(unlearn, f'--run={cls.bare}', *DELETION)
      cls.without_infer = cls.files(cls.root / 'runs')
      cls.run_command(infer, f'--run={cls.bare}')
      cls.run_command(
        report,
        f'--runs={cls.root}/runs/*',
        f'--report_dir={cls.root}/shown',
      )

    data = datasets.load(DataConfig(dataset='digits'))
    images = np.concatenate([data.train.images, data.test.images])
    cls.size = images[0].size
    cls.known = {each.tobytes() for each in cls.pixels(images)}

  @classmethod
  def run_command(cls, command, *flags):
    code, _, err = call(command, *flags)
    assert code == 0, err

  @classmethod
  def files(cls, folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())

  def test_each_file_and_folder_has_the_mode_that_the_table_says(self):
    used, wrong = set(), {}
    for path in sorted(self.root.rglob('*')):
      name = path.relative_to(self.root).as_posix()
      found = [row for row in MODES if re.fullmatch(row[0], name)]
      used.update(found)
      if [oct(expected) for _, expected in found] != [oct(mode(path))]:
        wrong[name] = oct(mode(path)), found
    self.assertEmpty(wrong, 'the table says something else, nothing, or two things')
    self.assertEmpty([row for row in MODES if row not in used], 'not made by any run')

  def test_the_umask_decides_of_nothing_but_what_is_made_to_be_shown(self):
    wide = [
      path.relative_to(self.root).parts[0]
      for path in self.root.rglob('*')
      if mode(path) & 0o077
    ]
    self.assertEqual(set(wide), {'shown'})

  @classmethod
  def pixels(cls, array):
    """Returns every stretch of an array as long as an image, as levels of gray."""
    rows = np.asarray(array, np.float64).reshape(-1, cls.size)
    return np.round(rows * (255 if np.abs(rows).max() <= 1 else 1)).astype(np.int16)

  def holds_images(self, array):
    if array.dtype.kind not in 'fiu' or array.size == 0 or array.size % self.size:
      return False
    return any(each.tobytes() in self.known for each in self.pixels(array))

  def arrays(self, path):
    """Returns name -> array of a file of arrays, weights or a checkpoint."""
    if path.suffix == '.npz':
      with np.load(path, allow_pickle=False) as file:
        return dict(file)
    if path.suffix == '.h5':
      found = {}
      with h5py.File(path) as file:
        file.visititems(
          lambda name, item: (
            found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
          )
        )
      return found
    if path.suffix == '.index':
      reader = tf.train.load_checkpoint(str(path.with_suffix('')))
      names = reader.get_variable_to_shape_map()
      return {name: np.asarray(reader.get_tensor(name)) for name in names}
    return {}

  def with_images(self, paths):
    return {
      path.relative_to(self.root).as_posix()
      for path in paths
      if any(map(self.holds_images, self.arrays(path).values()))
      or (path.suffix in ('.html', '.md') and 'data:image' in path.read_text())
    }

  def test_images_are_kept_and_shown_where_they_were_asked_for(self):
    label = next((self.shown / 'attacks').iterdir()).name
    self.assertEqual(
      self.with_images(self.files(self.shown)),
      {
        'runs/shown/exposed_images.npz',
        'runs/shown/report.html',
        f'runs/shown/attacks/{label}/exposed_images.npz',
      },
    )

  def test_no_file_holds_an_image_where_none_was_asked_for(self):
    # The run, its attack, its deletion, the retrained models and the shadow models.
    asked = self.files(self.shown)
    paths = [path for path in self.without_infer if path not in asked]
    paths += [*self.files(self.root / 'fleets'), *self.files(self.root / 'shown')]
    kinds = [path.suffix for path in paths if self.arrays(path)]
    self.assertContainsSubset({'.npz', '.h5', '.index'}, kinds)
    self.assertEmpty(self.with_images(paths))
    pictures = {path.name for path in paths if 'exposed' in path.name}
    self.assertEqual(pictures, {'exposed.csv'})

  def test_infer_shows_test_images_which_is_what_it_is_asked_for(self):
    made = set(self.files(self.root / 'runs')) - set(self.without_infer)
    self.assertEqual({path.parent for path in made}, {self.bare / 'inference'})
    self.assertEqual(self.with_images(made), {'runs/bare/inference/report.html'})
    self.assertIn('examples.png', {path.name for path in made})


class WritingTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir())

  @parameterized.parameters((True, PRIVATE, FOLDER), (False, SHARED, SHARED_FOLDER))
  def test_file_has_its_mode_while_it_is_written_and_when_it_is_rewritten(
    self, private, file_mode, folder_mode
  ):
    path = self.path / 'new/folder/file'
    modes, flush = [], os.fsync

    def flushed(file):
      modes.append(stat.S_IMODE(os.fstat(file).st_mode))
      flush(file)

    with umask(0), mock.patch.object(os, 'fsync', flushed):
      for content in (b'old', b'new'):
        write_atomically(path, content, private=private)
        self.assertEqual(mode(path), file_mode)
        self.assertEqual(mode(path.parent), folder_mode)
    self.assertEqual(modes, [file_mode] * 2)

  def test_file_that_others_could_read_is_the_owners_once_it_is_rewritten(self):
    path = self.path / 'scores.npz'
    with umask(0):
      path.touch(SHARED)
      # What a killed process with this number has left.
      (self.path / f'.scores.npz.{os.getpid()}.tmp').touch(SHARED)
      write_atomically(path, b'new')
    self.assertEqual(mode(path), PRIVATE)

  def test_folder_that_is_there_keeps_its_mode(self):
    with umask(0):
      (self.path / 'mine').mkdir(0o755)
      private_folder(self.path / 'mine/runs/one')
    self.assertEqual(mode(self.path / 'mine'), 0o755)
    self.assertEqual(mode(self.path / 'mine/runs'), FOLDER)
    self.assertEqual(mode(self.path / 'mine/runs/one'), FOLDER)

  def test_file_in_the_way_of_a_folder_is_no_folder(self):
    (self.path / 'file').touch()
    with self.assertRaises(FileExistsError):
      private_folder(self.path / 'file')


class CheckpointsTest(absltest.TestCase):
  def test_weights_are_for_the_owner_from_their_first_moment(self):
    path = pathlib.Path(self.create_tempdir())
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile('sgd', 'mse')
    modes, save = [], keras.Model.save_weights

    def saved(model, to):
      modes.append(mode(to))
      save(model, to)
      modes.append(mode(to))

    with umask(0), mock.patch.object(keras.Model, 'save_weights', saved):
      checkpoints = training.Checkpoints(path, model)
      self.assertEqual(mode(path / 'checkpoint'), FOLDER)
      # Half a file of a process that was killed, as an earlier version made it.
      (path / 'weights').mkdir(mode=FOLDER)
      (path / 'weights/.tmp.epoch-0001.weights.h5').touch(SHARED)
      checkpoints.save(1, best_epoch=1)
    self.assertEqual(modes, [PRIVATE, PRIVATE])
    found = {each: mode(each) for each in path.glob('*/*')}
    self.assertLen(found, 4)
    self.assertEqual(set(found.values()), {PRIVATE})


if __name__ == '__main__':
  absltest.main()
