"""One attack in detail: its models, its checks and whom it finds, as tables.

Raw for CSV (`..._table`), readable (`..._readable`), and that in Markdown
(`..._markdown`).
"""

from typing import Any

import pandas as pd

from rnn_tf import config as configs
from rnn_tf.attack_records import AttackRecord
from rnn_tf.attack_tables import to_markdown
from rnn_tf.tables import accuracy, number

MOST_ROWS = 20
"""Shadow models and exposed members that a Markdown table lists at most."""


def parameters(record: AttackRecord) -> dict[str, Any]:
  """Returns the flags that had a say in the attack, and their values."""
  fleet = configs.to_json(record.fleet)
  if record.fleet.shadow_split == 'half':
    fleet.pop('shadow_train_size')
  used = {
    'attack_': 'shadow' in record.attacks,
    'shadow_test_size': 'shadow' in record.attacks,
    'lira_': any(name.startswith('lira') for name in record.attacks),
    'rmia_gamma': any(name.startswith('rmia') for name in record.attacks),
    'rmia_offline': 'rmia_offline' in record.attacks,
  }
  attack = {
    name: value
    for name, value in configs.to_json(record.attack).items()
    if any(name.startswith(start) and is_used for start, is_used in used.items())
  }
  if attack.get('attack_model') != 'fc':
    attack.pop('attack_epochs', None)
  return {
    'dataset': record.dataset,
    'target_model': record.model,
    'target_epochs': record.epoch,
    'target_train_size': record.target.train_size,
    'nonmembers': record.target.nonmembers,
    'attack': list(record.attacks),
    **fleet,
    **attack,
  }


def shadows_table(record: AttackRecord) -> pd.DataFrame:
  """Returns one row a model: the target first, then the shadows; times are seconds."""
  target = {
    'model': 'target',
    'train_examples': record.target.train_size,
    'train_accuracy': record.target.train_accuracy,
    'test_accuracy': record.target.test_accuracy,
    'seconds': None,
  }
  return pd.DataFrame(
    [
      target,
      *(
        {
          'model': f'shadow {shadow.model}',
          'train_examples': shadow.train_size,
          'train_accuracy': shadow.train_accuracy,
          'test_accuracy': shadow.test_accuracy,
          'seconds': shadow.seconds,
        }
        for shadow in record.shadows
      ),
    ]
  )


def shadows_readable(record: AttackRecord) -> pd.DataFrame:
  """Returns the accuracies of target and shadows, and the shadows' mean, for readers.

  The target is the first row, the mean the last.
  """
  frame = shadows_table(record)
  rows = []
  for values in frame.to_dict('records'):
    seconds = '' if pd.isna(values['seconds']) else f'{values["seconds"]:,.1f}'
    rows.append(
      {
        'model': values['model'],
        'training examples': f'{values["train_examples"]:,}',
        'train acc': accuracy(values['train_accuracy']),
        'test acc': accuracy(values['test_accuracy']),
        'seconds': seconds,
      }
    )
  shadows = frame.iloc[1:]
  rows.append(
    {
      'model': f'mean of {len(shadows)} shadows',
      'training examples': '',
      'train acc': accuracy(shadows['train_accuracy'].mean()),
      'test acc': accuracy(shadows['test_accuracy'].mean()),
      'seconds': f'{shadows["seconds"].mean():,.1f}',
    }
  )
  return pd.DataFrame(rows)


def shadows_markdown(record: AttackRecord) -> str:
  """Returns `shadows_readable` in Markdown, of many shadows the first ones."""
  frame = shadows_readable(record)
  if len(record.shadows) > MOST_ROWS:
    left_out = pd.DataFrame([dict.fromkeys(frame.columns, '...')])
    frame = pd.concat([frame.iloc[: MOST_ROWS + 1], left_out, frame.iloc[-1:]])
  return to_markdown(frame)


def class_table(record: AttackRecord) -> pd.DataFrame:
  """Returns one row for each class's attack model; empty without the shadow attack."""
  return pd.DataFrame(
    {
      'class': record.class_names[row.label],
      'label': row.label,
      'n_in': row.n_in,
      'n_out': row.n_out,
      'train_accuracy': row.train_accuracy,
      'n_members': row.n_members,
      'n_nonmembers': row.n_nonmembers,
      'test_accuracy': row.test_accuracy,
      'test_auc': row.test_auc,
    }
    for row in record.classes
  )


def class_readable(record: AttackRecord) -> pd.DataFrame:
  """Returns the attack models class by class, for readers."""
  return pd.DataFrame(
    [
      {
        'class': values['class'],
        'trained on IN + OUT': f'{values["n_in"]:,} + {values["n_out"]:,}',
        'train acc': accuracy(values['train_accuracy']),
        'tested on members + non-members': (
          f'{values["n_members"]:,} + {values["n_nonmembers"]:,}'
        ),
        'balanced test acc': accuracy(values['test_accuracy']),
        'test AUC': number(values['test_auc']),
      }
      for values in class_table(record).to_dict('records')
    ]
  )


def class_markdown(record: AttackRecord) -> str:
  """Returns `class_readable` in Markdown."""
  return to_markdown(class_readable(record))


def classification_table(record: AttackRecord) -> pd.DataFrame:
  """Returns precision, recall, f1-score and support of the shadow attack's calls."""
  frame = pd.DataFrame(record.classification or {}).T
  return frame.rename_axis('called').reset_index()


def classification_text(record: AttackRecord) -> str:
  """Returns the classification report as scikit-learn lays it out."""
  frame = classification_table(record).set_index('called').rename_axis(None)
  frame['support'] = frame['support'].astype(int)
  return frame.to_string(float_format=lambda value: f'{value:.3f}')


def null_table(record: AttackRecord) -> pd.DataFrame:
  """Returns one row a null check; empty where none was made."""
  return pd.DataFrame(
    {
      'attack': check.attack,
      'kind': check.kind,
      'auc': check.auc,
      'half_width': check.half_width,
      'n_members': check.n_members,
      'n_nonmembers': check.n_nonmembers,
      'holds': check.holds,
    }
    for check in record.null_checks
  )


def null_readable(record: AttackRecord) -> pd.DataFrame:
  """Returns the null checks for readers."""
  return pd.DataFrame(
    [
      {
        'attack': check.attack,
        'nothing to find in': check.kind,
        'AUC': f'{check.auc:.4f}',
        'guesses end within': f'0.5 ± {check.half_width:.4f}',
        'members + non-members': f'{check.n_members:,} + {check.n_nonmembers:,}',
        'holds': 'yes' if check.holds else '**no**',
      }
      for check in record.null_checks
    ]
  )


def null_markdown(record: AttackRecord) -> str:
  """Returns `null_readable` in Markdown."""
  return to_markdown(null_readable(record))


def exposed_table(record: AttackRecord) -> pd.DataFrame:
  """Returns one row for each attack and member that it finds most easily."""
  return pd.DataFrame(
    {
      'attack': attack,
      'rank': each.rank,
      'id': each.id,
      'class': record.class_names[each.label],
      'score': each.score,
      'false_positives': each.false_positives,
      'fpr': each.fpr,
      'probability': each.probability,
      'in_probability': each.in_probability,
      'out_probability': each.out_probability,
    }
    for attack, members in record.exposed.items()
    for each in members
  )


def exposed_readable(record: AttackRecord, attack: str) -> pd.DataFrame:
  """Returns the members that one attack finds most easily, for readers."""
  return pd.DataFrame(
    [
      {
        'rank': str(each.rank),
        'id': str(each.id),
        'class': record.class_names[each.label],
        'non-members scored as high': f'{each.false_positives}/{each.n_nonmembers}',
        'p of its class': number(each.probability),
        'mean p, shadows with it': number(each.in_probability),
        'mean p, shadows without it': number(each.out_probability),
      }
      for each in record.exposed[attack]
    ]
  )


def exposed_markdown(record: AttackRecord, attack: str) -> str:
  """Returns `exposed_readable` in Markdown, of many members the first ones."""
  return to_markdown(exposed_readable(record, attack).iloc[:MOST_ROWS])
