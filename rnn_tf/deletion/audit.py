"""Whether deleted examples are gone: attacks on the versions before and after."""

import dataclasses
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import threadpoolctl

from rnn_tf.attacks import fleet_size, trained
from rnn_tf.attacks.results import FOLDS, AttackScores
from rnn_tf.attacks.scores import lira, logit_gap
from rnn_tf.attacks.shadows import Shadows
from rnn_tf.attacks.signals import Side
from rnn_tf.deletion import comparison, figures, two_versions, verdicts
from rnn_tf.deletion.comparison import Scored
from rnn_tf.deletion.figures import Attacked, Scores
from rnn_tf.deletion.results import (
  BEFORE,
  REFERENCE,
  Collateral,
  Findings,
  TwoVersions,
  Verdict,
  Version,
)

ATTACKS = ('threshold', 'lr', 'lira')

# Children of a cell's seed: what an attack model is for.
_FORGOTTEN, _RETAINED, _TWO_VERSIONS = range(3)

_SIDES = ('forgotten', 'retained', 'unseen', 'test')

# Seed -> method -> the version of one forget set.
_Cells = Mapping[int, Mapping[str, Version]]


def run(
  versions: Sequence[Version],
  *,
  attacks: tuple[str, ...],
  shadows: Shadows | None,
  seed: int,
) -> Findings:
  """Attacks all versions, and compares them with each other.

  `threshold` scores by -loss. `lr` learns to tell D_f from H, and apart from that the
  retained examples from H, out of fold; its folds depend on the seeds and the forget
  set but not on the method, so that versions are compared under the same ones. `lira`
  asks the shadow models: online where all examples of all versions have models with and
  without them, else offline; its variance is pooled below 64 of them.

  `lr` and the attack on two versions are left out for a forget set with fewer than
  `trained.MIN_EXAMPLES` of D_f, H or the retained examples at some seed.

  Histograms are of `threshold` and `lira`. That of `threshold` shows the log-odds of
  the true class, a rising function of its score, which itself is all but 0 for most.

  Args:
    versions: at most one a seed, forget set and method; no side is empty. Forget sets,
      seeds and methods are reported in the order of their first version.
    attacks: out of `ATTACKS`, in the order of the results.
    shadows: needed by `lira`; its pool has D_f, the retained examples and H of all
      versions.
    seed: of the attack models, at least 0.

  Raises:
    ValueError: versions of a seed and forget set that are not of the same examples, two
      of one method, an empty side, an attack unknown, or a fleet that is missing, too
      small, or of other examples.
  """
  _check_attacks(attacks, shadows)
  forget_sets = _forget_sets(versions)
  fleet = None
  if 'lira' in attacks:
    fleet = _Fleet.of(shadows, forget_sets.values())
  # Matrices so small gain nothing by threads, which wait for each other on busy cores.
  with threadpoolctl.threadpool_limits(1):
    parts = [
      _audit(cells, _possible(attacks, cells), fleet=fleet, seed=seed)
      for cells in forget_sets.values()
    ]
  return Findings(
    **{
      field.name: tuple(each for part in parts for each in getattr(part, field.name))
      for field in dataclasses.fields(Findings)
    }
  )


def _check_attacks(attacks: tuple[str, ...], shadows: Shadows | None) -> None:
  for attack in attacks:
    if attack not in ATTACKS:
      raise ValueError(f'attacks must be out of {", ".join(ATTACKS)}, got {attack}')
  if 'lira' in attacks and shadows is None:
    raise ValueError('lira needs shadow models, got none')


def _forget_sets(versions: Iterable[Version]) -> dict[str, dict]:
  """Returns forget set -> seed -> method -> version, all checked."""
  made: dict[str, dict[int, dict[str, Version]]] = {}
  for version in versions:
    where = f'{version.forget}, seed {version.seed}'
    cell = made.setdefault(version.forget, {}).setdefault(version.seed, {})
    if version.method in cell:
      raise ValueError(f'{where}: two versions of {version.method}')
    first = next(iter(cell.values()), version)
    for name in (*_SIDES, 'beside_retained'):
      one, other = getattr(first, name), getattr(version, name)
      if not len(other):
        raise ValueError(f'{where}, {version.method}: no example is {name}')
      if not np.array_equal(one.ids, other.ids):
        raise ValueError(
          f'{where}: {first.method} and {version.method} do not have the same examples '
          f'in {name}'
        )
    cell[version.method] = version
  return made


def _possible(attacks: tuple[str, ...], cells: _Cells) -> tuple[str, ...]:
  """Returns the attacks that all seeds of a forget set are large enough for."""
  return tuple(attack for attack in attacks if attack != 'lr' or _learnable(cells))


def _learnable(cells: _Cells) -> bool:
  for by_method in cells.values():
    version = next(iter(by_method.values()))
    fewer = min(len(version.forgotten), len(version.retained))
    if trained.too_small(fewer, min(map(len, _attackable(version)[2:]))):
      return False
  return True


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Fleet:
  """What LiRA looks at of the shadow models, computed once for all versions.

  Attributes:
    shadows: their outputs.
    gaps: (models, n) float64, see `logit_gap`.
    online: whether models with the examples are asked too.
  """

  shadows: Shadows
  gaps: np.ndarray
  online: bool

  @classmethod
  def of(cls, shadows: Shadows, forget_sets: Iterable[_Cells]) -> '_Fleet':
    used = np.zeros(len(shadows.ids), bool)
    for cells in forget_sets:
      for by_method in cells.values():
        used[_columns(next(iter(by_method.values())), shadows)] = True
    members = shadows.members[:, used]
    online = fleet_size.lacking('lira', members) is None
    if not online:
      lacking = fleet_size.lacking('lira_offline', members)
      if lacking:
        raise ValueError(f'too few shadow models for lira: {lacking}')
    gaps = logit_gap(shadows.logits, shadows.labels)
    return cls(shadows=shadows, gaps=gaps, online=online)

  def scores(self, version: Version, gaps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns scores of each of `_attackable`, given their gaps."""
    columns = _columns(version, self.shadows)
    # All at once: a pooled variance is the same for all that are compared.
    values = lira(
      np.concatenate(gaps),
      self.gaps[:, columns],
      self.shadows.members[:, columns],
      online=self.online,
    )
    return np.split(values, np.cumsum(list(map(len, gaps)))[:-1])


def _attackable(version: Version) -> tuple[Side, ...]:
  """Returns D_f, the retained examples, H and, where they are others, theirs."""
  others = () if version.others is None else (version.others,)
  return version.forgotten, version.retained, version.unseen, *others


def _columns(version: Version, shadows: Shadows) -> np.ndarray:
  sides = _attackable(version)
  columns = shadows.positions(np.concatenate([side.ids for side in sides]))
  labels = np.concatenate([side.labels for side in sides])
  if not np.array_equal(labels, shadows.labels[columns]):
    raise ValueError(
      f"the labels of {len(labels)} examples are not those of the fleet's pool"
    )
  return columns


def _audit(
  cells: _Cells, attacks: tuple[str, ...], *, fleet: _Fleet | None, seed: int
) -> Findings:
  """Finds all there is to find of one forget set."""
  methods: dict[str, dict[int, Attacked]] = {}
  found: dict[tuple[str, str], list[tuple[Version, AttackScores]]] = {}
  for by_method in cells.values():
    copies = _uncached(by_method)
    for method, version in by_method.items():
      key = (seed, version.seed, zlib.crc32(version.forget.encode()))
      made, shown = _attack(copies[method], attacks, fleet=fleet, key=key)
      attacked = Attacked(version=version, scores=made, shown=shown)
      methods.setdefault(method, {})[version.seed] = attacked
      before = copies.get(BEFORE.get(method, ''))
      if before is not None and _learnable(cells):
        both = _both_versions(before, copies[method], key=key)
        for name, scores in both.items():
          found.setdefault((method, name), []).append((version, scores))
  of_seeds = {
    method: [figures.of_version(each) for each in by_seed.values()]
    for method, by_seed in methods.items()
  }
  drawn = {method: tuple(by_seed.values()) for method, by_seed in methods.items()}
  return Findings(
    versions=tuple(each for group in of_seeds.values() for each in group),
    pooled=tuple(
      figures.pooled(drawn[method], group) for method, group in of_seeds.items()
    ),
    verdicts=tuple(_verdicts(methods, attacks)),
    two_versions=tuple(_two_versions(*name, seeds) for name, seeds in found.items()),
    collateral=tuple(_collaterals(methods, attacks)),
    histograms=tuple(
      each
      for attack in attacks
      if attack != 'lr'
      for each in figures.histograms(drawn, attack)
    ),
  )


def _uncached(by_method: Mapping[str, Version]) -> dict[str, Version]:
  """Copies versions, not their arrays: what they keep of what is computed goes away."""
  return {
    method: dataclasses.replace(
      version,
      **{
        name: dataclasses.replace(getattr(version, name))
        for name in (*_SIDES, *['others'] * (version.others is not None))
      },
    )
    for method, version in by_method.items()
  }


def _attack(
  version: Version,
  attacks: tuple[str, ...],
  *,
  fleet: _Fleet | None,
  key: tuple[int, ...],
) -> tuple[dict[str, Scores], dict[str, AttackScores]]:
  """Returns each attack's scores, and what its histogram shows."""
  sides = _attackable(version)
  gaps = [logit_gap(side.logits, side.labels) for side in sides]
  made, shown = {}, {}
  for attack in attacks:
    if attack == 'lr':
      made[attack] = _learned(sides, key)
      continue
    if attack == 'threshold':
      values = [-side.losses for side in sides]
      shown[attack] = AttackScores(gaps[0], gaps[2])
    else:
      values = fleet.scores(version, gaps)
      shown[attack] = AttackScores(values[0], values[2])
    made[attack] = Scores(
      forgotten=AttackScores(values[0], values[2]),
      retained=AttackScores(values[1], values[-1]),
    )
  return made, shown


def _learned(sides: tuple[Side, ...], key: tuple[int, ...]) -> Scores:
  values = [trained.features(side) for side in sides]
  return Scores(
    forgotten=trained.scores('lr', values[0], values[2], seed=[*key, _FORGOTTEN]),
    retained=trained.scores('lr', values[1], values[-1], seed=[*key, _RETAINED]),
    folds=FOLDS,
  )


def _both_versions(
  before: Version, after: Version, *, key: tuple[int, ...]
) -> Mapping[str, AttackScores]:
  return two_versions.scores(
    (before.forgotten, before.unseen),
    (after.forgotten, after.unseen),
    seed=[*key, _TWO_VERSIONS],
  )


def _two_versions(
  method: str, features: str, seeds: Sequence[tuple[Version, AttackScores]]
) -> TwoVersions:
  scorings = [
    Scored(
      forget_ids=version.forgotten.ids,
      unseen_ids=version.unseen.ids,
      scores=(scores.members, scores.nonmembers),
    )
    for version, scores in seeds
  ]
  return TwoVersions(
    forget=seeds[0][0].forget,
    method=method,
    features=features,
    seeds=tuple(figures.auc(scores, folds=FOLDS) for _, scores in seeds),
    pooled=comparison.pooled_auc(scorings, folds=FOLDS),
  )


_Methods = Mapping[str, Mapping[int, Attacked]]


def _together(
  methods: _Methods, first: str, second: str
) -> tuple[list[Attacked], list[Attacked]]:
  """Returns two methods' versions at the seeds at which both exist."""
  ones, others = methods.get(first, {}), methods.get(second, {})
  seeds = [seed for seed in ones if seed in others]
  return [ones[seed] for seed in seeds], [others[seed] for seed in seeds]


def _verdicts(methods: _Methods, attacks: tuple[str, ...]) -> Iterator[Verdict]:
  for method in methods:
    pair = _together(methods, method, REFERENCE)
    if method == REFERENCE or not pair[0]:
      continue
    for attack in attacks:
      yield verdicts.verdict(
        figures.compared(*pair, attack=attack, part='forgotten'),
        forget=pair[0][0].version.forget,
        method=method,
        attack=attack,
      )


def _collaterals(methods: _Methods, attacks: tuple[str, ...]) -> Iterator[Collateral]:
  for method in methods:
    after, before = _together(methods, method, BEFORE.get(method, ''))
    if after:
      for attack in attacks:
        yield figures.collateral(before, after, attack=attack)
