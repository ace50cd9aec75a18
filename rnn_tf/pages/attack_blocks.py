"""What a page shows of attacks with shadow models, on one run and on several."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnn_tf import attack_details, attack_page, attack_verdict
from rnn_tf.attack_names import named_results
from rnn_tf.attack_plots import Scored
from rnn_tf.attack_records import FOLDER, AttackRecord
from rnn_tf.page import blocks
from rnn_tf.pages import attack_charts, attack_detail_blocks
from rnn_tf.pages.attack_charts import Curve
from rnn_tf.pages.attack_comparison_blocks import comparison_sections
from rnn_tf.pages.attack_detail_blocks import Images, Named, strongest
from rnn_tf.pages.block_parts import picture
from rnn_tf.pages.run_lines import plain

__all__ = ['Images', 'comparison_sections', 'sections']

_VARIANT_POINTS = 100
"""Points of each of the curves of one attack's variants."""


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
