"""Which examples a run has seen: its ids and labels, held against each other.

Nothing here looks at images: that ids and labels are the data set's is beyond what a
run's folder can tell.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rnn_tf.config import DataConfig
from rnn_tf.deletion import choose
from rnn_tf.errors import UsageError
from rnn_tf.records import RunRecord
from rnn_tf.run_files import RunFiles
from rnn_tf.verification.checks import Check, Finding, Gap, fact, figure

FILE = 'examples.npz'

POOL, TEST = 'train', 'test'
"""Where examples come from; ids of one have nothing to do with those of the other."""

_UNKNOWN = -1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
  """The ids of a run's examples.

  Attributes:
    train: (n,) int64, trained on.
    holdout: (h,) int64, of the same pool.
    test: (t,) int64.
    forgotten: (f,) int64, deleted from the pool; None where no deletion made the run.
    attacked: (m,) int64 rising, the members that reports attack.
    nonmembers: (k,) int64, the other examples that they attack.
    source: of these, `POOL` or `TEST`.
  """

  train: np.ndarray
  holdout: np.ndarray
  test: np.ndarray
  forgotten: np.ndarray | None
  attacked: np.ndarray
  nonmembers: np.ndarray
  source: str

  @property
  def pool(self) -> np.ndarray:
    """Ids of training and held-out examples, (n + h,) int64 rising."""
    return np.union1d(self.train, self.holdout)


def load(record: RunRecord) -> Examples:
  """Reads a run's examples.npz.

  Raises:
    UsageError: it is missing or damaged.
  """
  names = [f'{name}_ids' for name in ('train', 'holdout', 'test')]
  arrays = record.folder.read_npz(FILE, needs=names)
  for name in (*names, *{'forget_ids'} & set(arrays)):
    if arrays[name].ndim != 1 or arrays[name].dtype.kind not in 'iu':
      raise UsageError(f'{record.folder}/{FILE} is damaged: {name} are no ids')
  train, holdout, test = (arrays[name] for name in names)
  held_out = record.config.data.nonmembers == 'holdout'
  size, seed = record.config.report.report_members, record.config.training.seed
  attacked = np.sort(train)
  if size is not None and size < len(train):
    # As `attacks.audit.sample_members` draws them, whose module needs TensorFlow.
    drawn = np.random.default_rng(seed).permutation(len(train))[:size]
    attacked = attacked[np.sort(drawn)]
  return Examples(
    train=train,
    holdout=holdout,
    test=test,
    forgotten=arrays.get('forget_ids'),
    attacked=attacked,
    nonmembers=holdout if held_out else test,
    source=POOL if held_out else TEST,
  )


def check(record: RunRecord, examples: Examples) -> Iterator[Finding]:
  """Checks examples.npz against itself, config.json and the seed of the draws."""
  for name in ('train', 'holdout', 'test'):
    ids = getattr(examples, name)
    yield _fact(f'{name}_ids', _unsorted(ids))
    yield figure(
      'config.json',
      'data',
      name=name,
      stored=getattr(record.data, name),
      recomputed=len(ids),
    )
  both = np.intersect1d(examples.train, examples.holdout)
  yield _fact('train_ids and holdout_ids', _some(both, 'on both sides'))
  pool = examples.pool
  if examples.forgotten is not None:
    gone = np.intersect1d(examples.forgotten, examples.train)
    yield _fact('forget_ids', _unsorted(examples.forgotten))
    yield _fact('forget_ids and train_ids', _some(gone, 'on both sides'))
    yield figure(
      'config.json',
      'deleted',
      name='checksum',
      stored=record.config.deleted.checksum,
      recomputed=choose.checksum(examples.forgotten),
    )
    pool = np.union1d(pool, examples.forgotten)
  whole = np.array_equal(pool, np.arange(len(pool)))
  yield _fact('the training pool', None if whole else 'its ids are not 0, 1, 2, ...')
  if whole:
    yield _draw(record.config.data, examples, pool=len(pool))
  yield Gap(
    what='images, labels and checksums of the data set',
    why='a run does not keep its images',
  )


def _fact(name: str, problem: str | None) -> Check:
  return fact(FILE, '', name=name, problem=problem)


def _draw(config: DataConfig, examples: Examples, *, pool: int) -> Check:
  """Checks that the training examples are those that the seed draws."""
  size = pool
  if config.train_size is not None:
    size = min(config.train_size, pool)
  elif config.train_fraction is not None:
    size = max(1, round(config.train_fraction * pool))
  # As `datasets.load` draws them, which loads TensorFlow.
  seed, _ = np.random.SeedSequence(config.data_seed).spawn(2)
  drawn = np.random.default_rng(seed).permutation(pool)[:size]
  if examples.forgotten is None:
    wrong = np.setxor1d(examples.train, drawn)
  else:
    # Of a run that an earlier deletion had left, more than these are missing.
    known = np.union1d(examples.train, examples.forgotten)
    wrong = np.setdiff1d(known, drawn)
  how = f'not as --data_seed={config.data_seed} draws them'
  return _fact('the draw of train_ids', _some(wrong, how))


def _unsorted(ids: np.ndarray) -> str | None:
  twice = len(ids) - len(np.unique(ids))
  if twice:
    return f'{twice} of {len(ids)} are there twice'
  return None if (np.diff(ids) > 0).all() else 'they do not rise'


def _some(ids: np.ndarray, what: str) -> str | None:
  if not len(ids):
    return None
  return f'{len(ids)} are {what}, such as {ids[0]}'


def check_sides(
  file: str,
  arrays: Mapping[str, np.ndarray],
  examples: Examples,
  *,
  members: np.ndarray,
) -> Iterator[Check]:
  """Checks whose outputs a file has, `member_ids` and `nonmember_ids`.

  Args:
    file: of the outputs.
    arrays: its content.
    examples: the run's.
    members: (m,) int64, whom it should have as members.
  """
  found, others = arrays['member_ids'], arrays['nonmember_ids']
  expected = {POOL: 'holdout_ids', TEST: 'test_ids'}[examples.source]
  strange = np.setdiff1d(found, examples.train)
  sides = (
    ('member_ids', _some(strange, 'not among train_ids') or _side(found, members)),
    ('nonmember_ids', _nonmembers(others, examples, expected)),
  )
  for name, problem in sides:
    yield fact(file, '', name=name, problem=problem)
  if examples.source == POOL:
    both = np.intersect1d(found, others)
    problem = _some(both, 'on both sides')
    yield fact(file, '', name='member_ids and nonmember_ids', problem=problem)


def _nonmembers(found: np.ndarray, examples: Examples, expected: str) -> str | None:
  strange = np.setdiff1d(found, examples.nonmembers)
  return _some(strange, f'not among {expected}') or _side(found, examples.nonmembers)


def _side(found: np.ndarray, expected: np.ndarray) -> str | None:
  twice = len(found) - len(np.unique(found))
  if twice:
    return f'{twice} of {len(found)} are there twice'
  return _some(np.setdiff1d(expected, found), 'missing') or _some(
    np.setdiff1d(found, expected), 'not those that the seed draws'
  )


class Labels:
  """The labels of a run's examples, as far as its files tell them.

  Args:
    known: `POOL` or `TEST` -> ids (n,) and labels (n,), int64.
  """

  def __init__(self, known: Mapping[str, tuple[np.ndarray, np.ndarray]]):
    self._known = {}
    for source, (ids, labels) in known.items():
      # Of an id that is there twice the first label counts.
      ids, first = np.unique(ids, return_index=True)
      self._known[source] = ids, labels[first]

  @classmethod
  def of(
    cls, record: RunRecord, examples: Examples, *, more: Sequence[str]
  ) -> 'Labels':
    """Collects what a run's files say; the first file that knows a label counts.

    Args:
      record: the run.
      examples: its examples.
      more: names of npz files of outputs beside those of its reports.
    """
    names = sorted(path.name for path in record.folder.path.glob('scores/epoch-*.npz'))
    sides = ('member', 'nonmember')
    needs = [f'{side}_{what}' for side in sides for what in ('ids', 'labels')]
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {POOL: [], TEST: []}
    for name in [*(f'scores/{name}' for name in names[:1]), *more]:
      arrays = record.folder.read_npz(name, needs=needs)
      for side, source in zip(sides, (POOL, examples.source), strict=True):
        pair = arrays[f'{side}_ids'], arrays[f'{side}_labels']
        numbers = pair[1].dtype.kind in 'iu' and pair[0].ndim == 1
        if numbers and pair[0].shape == pair[1].shape:
          found[source].append(pair)
    return cls(
      {
        source: tuple(np.concatenate(part) for part in zip(*pairs, strict=True))
        for source, pairs in found.items()
        if pairs
      }
    )

  def of_ids(self, source: str, ids: np.ndarray) -> np.ndarray:
    """Returns labels (n,) int64, below 0 where one is not known."""
    known, labels = self._known.get(source, (np.zeros(0, int), np.zeros(0, int)))
    found = np.full(len(ids), _UNKNOWN)
    if len(known):
      where = np.minimum(np.searchsorted(known, ids), len(known) - 1)
      there = known[where] == ids
      found[there] = labels[where[there]]
    return found

  def check(
    self,
    folder: RunFiles,
    file: str,
    arrays: Mapping[str, np.ndarray],
    *,
    source: str,
    class_count: int,
  ) -> Iterator[Check]:
    """Checks the labels in a file of outputs.

    Args:
      folder: that the file is in.
      file: of the outputs.
      arrays: its content.
      source: of the non-members.
      class_count: classes of the data set.

    Raises:
      UsageError: a label is of no class.
    """
    for side, where in (('member', POOL), ('nonmember', source)):
      ids, labels = arrays[f'{side}_ids'], arrays[f'{side}_labels']
      if len(labels) and not 0 <= labels.min() <= labels.max() < class_count:
        raise UsageError(
          f'{folder}/{file} is damaged: {side}_labels from {labels.min()} to '
          f'{labels.max()}, of {class_count} classes'
        )
      wrong = ids[self.of_ids(where, ids) != labels]
      problem = _some(wrong, 'others than in another file of outputs of this run')
      yield fact(file, '', name=f'{side}_labels', problem=problem)
