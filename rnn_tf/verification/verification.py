"""A run's folder verified: every figure that its stored scores and ids can give.

Figures are computed anew from what they were computed from, by the same functions, and
compared with what the files say; see `verify_run`, `verify_attacks` and
`verify_deletions`. What cannot be computed is listed with the reason. It is the files
that are held against each other: who edits outputs, scores and figures alike, and
well, is not found out.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from rnn_tf.dp import guarantee
from rnn_tf.dp.guarantee import Guarantee
from rnn_tf.errors import UsageError
from rnn_tf.records import RunRecord, load_run
from rnn_tf.runs import RunFolder
from rnn_tf.verification import attacks as verify_attacks
from rnn_tf.verification import deletions as verify_deletions
from rnn_tf.verification import ids as verify_ids
from rnn_tf.verification import run as verify_run
from rnn_tf.verification.checks import Check, Finding, Gap
from rnn_tf.verification.ids import Labels

__all__ = ['Check', 'Verification', 'verify']


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
  """What came of verifying a run.

  Attributes:
    checks: a figure or a fact each, no figure twice.
    not_checked: what could not be recomputed, and why; a line each.
  """

  checks: tuple[Check, ...]
  not_checked: tuple[str, ...]

  @property
  def mismatches(self) -> tuple[Check, ...]:
    """Figures that are not what the stored data say, and facts that do not hold."""
    return tuple(check for check in self.checks if not check.ok)

  @property
  def counts(self) -> Mapping[str, int]:
    """File -> how many figures and facts of it were checked, in the order of these."""
    return dict(collections.Counter(check.file for check in self.checks))


def verify(folder: RunFolder) -> Verification:
  """Recomputes what a run's folder says from what it has stored.

  Beside the folder itself, deletions are checked against the models that they made,
  and attacks against the shadow models, where these are still there.

  Args:
    folder: of a run, finished or not.

  Raises:
    UsageError: there is no run in it, or a file is damaged.
  """
  record = load_run(folder.path)
  checks: dict[tuple[str, str, str], Check] = {}
  gaps: dict[str, None] = {}
  for finding in _findings(record):
    if isinstance(finding, Check):
      # Of one figure that can be had in two ways the first counts.
      key = finding.file, finding.place, finding.figure
      checks.setdefault(key, finding)
    else:
      gaps[str(finding)] = None
  return Verification(checks=tuple(checks.values()), not_checked=tuple(gaps))


def _findings(record: RunRecord) -> Iterator[Finding]:
  examples = verify_ids.load(record)
  labels = Labels.of(record, examples, more=verify_attacks.files(record))
  stored, promise = _promises(record)
  others = (
    Gap(what='config.json, parameters', why='no network is built'),
    Gap(
      what='config.json, command, versions, engine, and name, version, class names and '
      'image shape of the data',
      why='nothing else that is stored tells them',
    ),
    Gap(
      what='pictures, tensorboard/, inference/, and *.md and *.csv of attacks and '
      'deletions',
      why='they repeat what is checked, or show images',
    ),
  )
  parts: Iterable[Iterable[Finding]] = (
    verify_ids.check(record, examples),
    verify_run.check_guarantee(record, stored=stored, promise=promise),
    verify_run.check_reports(record, examples, labels, promise=promise),
    verify_run.check_metrics(record, examples),
    verify_run.check_result(record, promise=promise),
    verify_attacks.check(record, examples, labels, promise=promise),
    verify_deletions.check(record, examples, labels),
    others,
  )
  for part in parts:
    yield from part


def _promises(record: RunRecord) -> tuple[Guarantee | None, Guarantee | None]:
  """Returns the guarantee that config.json has, and that which its flags give.

  Raises:
    UsageError: what config.json has is none.
  """
  values, stored = record.folder.record(), None
  if values.get('guarantee') is not None:
    try:
      stored = guarantee.from_json(values['guarantee'])
    except ValueError as error:
      raise UsageError(
        f'{record.folder}/config.json is damaged or of another version ({error})'
      ) from error
  examples, engine = record.data.train, str(values.get('engine', 'keras'))
  promise = guarantee.plan(record.config, examples=examples, engine=engine)
  return stored, promise
