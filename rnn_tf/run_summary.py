"""The last lines on the screen of a training."""

import shlex
from collections.abc import Mapping
from typing import Any

from rnn_tf.runs import RunFolder


def summary(folder: RunFolder, *, data_dir: str | None) -> str:
  """Returns the last lines on the screen: the result, and what to do next."""
  result, fitted = folder.result(), folder.config().model.classical
  lines = [
    f'{"training" if fitted else "running training"} accuracy '
    f'{result["train_accuracy"]:.4f}, test accuracy {result["val_accuracy"]:.4f}'
  ]
  if not fitted:
    lines[0] += (
      f' after {result["epochs"]} epochs; best {result["best_val_accuracy"]:.4f} after '
      f'epoch {result["best_epoch"]}'
    )
  for attack, figures in result['privacy'].items():
    lines.append(
      f'{attack} attack: AUC {figures["auc"]:.3f} [{figures["auc_low"]:.3f}, '
      f'{figures["auc_high"]:.3f}], advantage {figures["advantage"]:.3f}'
    )
  lines += privacy_lines(result)
  board = shlex.join(['tensorboard', '--logdir', str(folder.path.parent)])
  lines += [
    f'results: {folder}/ (open {shlex.quote(str(folder.path / "report.html"))})',
    f'compare runs: {board}',
    'next: python -m rnn_tf.infer '
    + shlex.join([f'--run={folder}', *[f'--data_dir={data_dir}'] * bool(data_dir)]),
  ]
  return '\n'.join(lines)


def privacy_lines(result: Mapping[str, Any]) -> list[str]:
  """Returns what a finished run promises, and what the attacks indicate of it."""
  from rnn_tf.dp.guarantee import statement

  promise = result.get('guarantee')
  lines = [f'guarantee: {statement(promise)}'] if promise else []
  bounds = {
    attack: figures['epsilon_lower_bound']
    for attack, figures in result['privacy'].items()
    if figures.get('epsilon_lower_bound') is not None
  }
  if not bounds:
    return lines
  shown = ', '.join(f'{bound:.3f} ({attack})' for attack, bound in bounds.items())
  lines.append(
    f'the attacks indicate an epsilon of at least {shown}, each at 95%; that is no '
    'upper limit, however low'
  )
  if promise and max(bounds.values()) > promise['epsilon']:
    lines.append(
      'BROKEN GUARANTEE: the attacks find more than the guarantee allows, or members '
      'and non-members are not drawn alike (see --nonmembers=holdout)'
    )
  return lines
