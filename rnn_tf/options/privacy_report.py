"""Privacy report: the attacks that are run during training."""

from absl import flags

from rnn_tf import attack_config as config

_DEFAULT = config.ReportConfig()

_ATTACKS = flags.DEFINE_list(
  'attacks',
  list(_DEFAULT.attacks),
  f'Out of {", ".join(config.ATTACKS)}; --attacks= for none.',
)
_EPOCHS_PER_REPORT = flags.DEFINE_integer(
  'epochs_per_report',
  _DEFAULT.epochs_per_report,
  'A report after every so many epochs, and after the last.',
)
_REPORT_MEMBERS = flags.DEFINE_integer(
  'report_members',
  _DEFAULT.report_members,
  'Attack only so many members, drawn by seed: a quicker report.',
)
_ATTACK_ENGINE = flags.DEFINE_string(
  'attack_engine',
  _DEFAULT.attack_engine,
  "fast (this project's), or tf_privacy (TF Privacy's run_attacks, for comparison: "
  'mlp and rf take minutes a report, and the AUC of its trained attacks strays by '
  'more than the interval says).',
)


def from_flags() -> config.ReportConfig:
  """Returns the report config that the flags describe."""
  return config.ReportConfig(
    attacks=tuple(filter(None, _ATTACKS.value)),
    epochs_per_report=_EPOCHS_PER_REPORT.value,
    report_members=_REPORT_MEMBERS.value,
    attack_engine=_ATTACK_ENGINE.value,
  )
