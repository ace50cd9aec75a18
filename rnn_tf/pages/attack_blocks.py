"""What a page shows of attacks with shadow models, on one run and on several."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_tf import attack_details, attack_page, attack_verdict, claims
from rnn_tf.attack_names import named_results
from rnn_tf.attack_plots import Scored
from rnn_tf.attack_records import FOLDER, AttackRecord
from rnn_tf.attacks.results import AttackResult
from rnn_tf.page import blocks
from rnn_tf.pages import attack_charts, attack_detail_blocks
from rnn_tf.pages.attack_charts import Curve
from rnn_tf.pages.attack_comparison_blocks import comparison_sections
from rnn_tf.pages.attack_detail_blocks import Images, Named, strongest
from rnn_tf.pages.block_parts import picture, plain

__all__ = ['Headline', 'Images', 'comparison_sections', 'headline', 'sections']

_VARIANT_POINTS = 100
"""Points of each of the curves of one attack's variants."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Headline:
  """What the attacks on a run come to.

  Attributes:
    name: of the strongest attack: the one with the highest TPR at 0.1% FPR, of equal
      ones the higher AUC (`attack_verdict.strict_rank`).
    result: what it found.
    tries: attacks of which it is the strongest.
    beats_guessing: whether it finds more at 0.1% FPR than the best of so many guesses.
    broken: attacks whose scores contradict the epsilon that is claimed.
    failed_checks: null checks that do not hold.
    null_checks: null checks made.
  """

  name: str
  result: AttackResult
  tries: int
  beats_guessing: bool
  broken: tuple[str, ...]
  failed_checks: int
  null_checks: int

  @property
  def sentence(self) -> str:
    """Whom the attack finds, and whom it accuses falsely."""
    result = self.result
    point = attack_verdict.strict_point(result.tpr_at_fpr)
    text = (
      f'{self.name} finds {point.true_positives:,} of {result.n_members:,} members '
      f'while {point.false_positives:,} of {result.n_nonmembers:,} non-members are '
      'falsely accused'
    )
    than = 'more' if self.beats_guessing else 'not provably more'
    return f'{text}: {than} than guessing would.'

  @property
  def figures(self) -> tuple[blocks.Figure, ...]:
    """AUC, TPR at 0.1% FPR and, where there is one, the bound on epsilon."""
    result = self.result
    point = attack_verdict.strict_point(result.tpr_at_fpr)
    found = [
      blocks.Figure(
        label='AUC of the strongest attack with shadow models',
        text=f'{result.auc:.3f} [{result.auc_low:.3f}, {result.auc_high:.3f}]',
        note=f'{self.name}; guesses end within 0.5 ± {result.auc_null_half_width:.3f}',
      ),
      blocks.Figure(
        label='Members that it finds at 0.1% false positives',
        text=f'{point.tpr:.2%} [{point.tpr_low:.2%}, {point.tpr_high:.2%}]',
        note=f'{point.true_positives:,} of {result.n_members:,} members, '
        f'{point.false_positives:,} of {result.n_nonmembers:,} non-members falsely '
        'accused',
      ),
    ]
    if result.epsilon_lower_bound is not None:
      found.append(
        blocks.Figure(
          label='Epsilon at least',
          text=f'{result.epsilon_lower_bound:.3f}',
          note=f'by the scores of {self.name}, at 95% confidence',
        )
      )
    return tuple(found)


def headline(records: Sequence[AttackRecord]) -> Headline | None:
  """Returns what the attacks on a run come to, over all labels.

  Args:
    records: of one run.

  Returns:
    None where no attack was made, or all were skipped.
  """
  named = named_results(records)
  best = strongest(named)
  if best is None:
    return None
  name, _, result = best
  checks = [check for record in records for check in record.null_checks]
  return Headline(
    name=name,
    result=result,
    tries=len(named),
    beats_guessing=attack_verdict.beats_guessing(
      attack_verdict.strict_point(result.tpr_at_fpr),
      n_members=result.n_members,
      n_nonmembers=result.n_nonmembers,
      tries=len(named),
    ),
    broken=tuple(
      name
      for name, _, each in named
      if claims.is_broken(each.epsilon, each.epsilon_lower_bound)
    ),
    failed_checks=sum(not check.holds for check in checks),
    null_checks=len(checks),
  )


def sections(
  records: Sequence[AttackRecord], *, base: str, images: Images | None
) -> tuple[blocks.Section, ...]:
  """Returns what there is to show of the finished attacks on one run.

  All names begin with `attacks`, so that a page can show one run's.

  Args:
    records: of one run; without any there are no sections.
    base: path from the page's folder to the run's, '' or one that ends in a slash.
    images: of the most exposed members, as far as they are there; None where none are
      kept.

  Raises:
    UsageError: an attack's scores are damaged.
    ValueError: the attacks are on several runs.
  """
  if len({record.run for record in records}) > 1:
    raise ValueError('the attacks are on several runs')
  if not records:
    return ()
  named = named_results(records)
  curves = _curves(records, named)
  found = (
    _strength(records, named, curves, base),
    attack_detail_blocks.gain(records, named),
    attack_detail_blocks.fleets(records, named, base),
    attack_detail_blocks.scores(named, curves, base),
    attack_detail_blocks.classes(named),
    attack_detail_blocks.checks(records),
    attack_detail_blocks.exposed(named, images),
  )
  return tuple(section for section in found if section is not None)


def _curves(
  records: Sequence[AttackRecord], named: Sequence[Named]
) -> dict[str, Curve]:
  """Returns name -> curve of the attacks whose scores were kept."""
  reports = {record.label: record.report() for record in records}
  found = {}
  for name, record, result in named:
    report = reports[record.label]
    if report is not None:
      pair = report.slice_scores(result)
      scored = Scored(
        name=name,
        members=pair.members,
        nonmembers=pair.nonmembers,
        transfer=result.transfer or (),
      )
      found[name] = Curve(scored=scored, result=result)
  return found


def _strength(
  records: Sequence[AttackRecord],
  named: Sequence[Named],
  curves: Mapping[str, Curve],
  base: str,
) -> blocks.Section:
  """Returns what was attacked, what it comes to, and how strong each attack is."""
  parts: list[blocks.Block] = [blocks.Text(markdown=_attacked(records))]
  best = strongest(named)
  first = best[1] if best else records[0]
  parts.append(blocks.Text(markdown=_verdict(first)))
  others = [record for record in records if record is not first]
  if others:
    said = [f'{plain(record.label)}:\n\n{_verdict(record)}' for record in others]
    parts.append(
      blocks.Details(
        title='What the other attacks come to',
        blocks=(blocks.Text(markdown='\n\n'.join(said)),),
      )
    )
  parts += _rocs(records, curves, base)
  parts.append(attack_detail_blocks.strength(records))
  parts.append(
    blocks.Details(
      title='How to read this',
      blocks=(blocks.Text(markdown=attack_page.HOW_TO_READ),),
    )
  )
  parts.append(blocks.Details(title='Settings', blocks=_settings(records)))
  return blocks.Section(
    name='attacks', title='Attacks with shadow models', blocks=tuple(parts)
  )


def _attacked(records: Sequence[AttackRecord]) -> str:
  """Says what was attacked, with what, and on whom."""
  first = records[0]
  target = first.target
  text = (
    f'{plain(first.run)} ({plain(first.dataset)}, {plain(first.model)}), after epoch '
    f'{first.epoch}: {target.train_accuracy:.1%} of its {target.train_size:,} training '
    f'and {target.test_accuracy:.1%} of the test images classified correctly. Shadow '
    'models are trained like it on other draws of the data, so that it is known of '
    'them what they were trained on.\n'
  )
  groups: dict[str, list[str]] = {}
  for record in records:
    attacks = ', '.join(record.attacks)
    groups.setdefault(_setting(record), []).append(f'{plain(record.label)} ({attacks})')
  return text + ''.join(
    f'\n- {setting}: {"; ".join(labels)}.' for setting, labels in groups.items()
  )


def _setting(record: AttackRecord) -> str:
  target = record.target
  split = {
    'half': 'each trained on a random half of the pool',
    'disjoint': 'trained on examples that the target was not trained on',
  }[record.fleet.shadow_split]
  others = 'of the test images'
  if target.nonmembers == 'holdout':
    others = 'out of the same pool'
  return (
    f'With {len(record.shadows)} shadow models, {split}, on {target.n_members:,} '
    f'members and {target.n_nonmembers:,} non-members {others}'
  )


def _verdict(record: AttackRecord) -> str:
  return '\n'.join(f'- {line}' for line in attack_verdict.verdict(record))


def _rocs(
  records: Sequence[AttackRecord], curves: Mapping[str, Curve], base: str
) -> list[blocks.Block]:
  """Returns the ROC curves: of each attack's strongest variant, and of all variants."""
  if not curves:
    return [
      blocks.Text(
        markdown='The scores of these attacks were not kept: there are no ROC curves.'
      )
    ]
  kinds: dict[str, list[Curve]] = {}
  for curve in curves.values():
    kinds.setdefault(curve.result.attack, []).append(curve)
  best = [max(group, key=_rank) for group in kinds.values()]
  several = {kind: group for kind, group in kinds.items() if len(group) > 1}
  note = ''
  if several:
    counts = ' and '.join(f'{len(group)} of {kind}' for kind, group in several.items())
    note = f'Of the variants of an attack ({counts}) the strongest one.'
  shown = picture(records[0], 'roc.png', base=base, folder=FOLDER)
  chart = attack_charts.roc_chart(
    'attacks-roc',
    best,
    title='ROC of each attack, on logarithmic axes',
    # A picture is of one label's attacks.
    picture=shown if len(records) == 1 else None,
    note=note,
  )
  variants = [
    attack_charts.roc_chart(
      f'attacks-roc-{blocks.slug(kind)}',
      group,
      title=f'ROC of the variants of {kind}',
      points=_VARIANT_POINTS,
      labelled=False,
    )
    for kind, group in several.items()
  ]
  folded = blocks.Details(title='ROC of all variants', blocks=tuple(variants))
  return [chart, folded] if variants else [chart]


def _rank(curve: Curve) -> tuple[float, float]:
  return attack_verdict.strict_rank(curve.result)


def _settings(records: Sequence[AttackRecord]) -> tuple[blocks.Block, ...]:
  commands = dict.fromkeys(record.command for record in records)
  return (
    blocks.Code(title='Commands', text='\n'.join(commands)),
    *(
      blocks.Code(title=f'Settings of {record.label}', text=_parameters(record))
      for record in records
    ),
  )


def _parameters(record: AttackRecord) -> str:
  values = attack_details.parameters(record)
  return '\n'.join(f'{name} = {_said(value)}' for name, value in values.items())


def _said(value: Any) -> str:
  return ','.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
