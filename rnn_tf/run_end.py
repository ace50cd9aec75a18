"""How a run ends: weights, pictures, the result, and the page that shows it."""

import hashlib
from typing import Protocol

from rnn_tf import callbacks, reporting, run_images
from rnn_tf.attacks import tf_privacy
from rnn_tf.dp import guarantee
from rnn_tf.pages import run_page, run_sections
from rnn_tf.runs import RunFolder


class Keeper(Protocol):
  """Who keeps a run's model, such as `training.Checkpoints`."""

  def finish(self, *, best_epoch: int) -> None:
    """Leaves the files of the finished model."""

  def discard(self) -> None:
    """Removes what only a resumed run would need."""


def finish(
  folder: RunFolder,
  keeper: Keeper,
  *,
  promise: guarantee.Guarantee | None,
  images: run_images.Images | None,
) -> None:
  """Writes weights, pictures, the result and the page.

  Args:
    folder: the run's, all epochs trained.
    keeper: of its model.
    promise: the guarantee of private training.
    images: the training examples', where those of the most exposed may be kept.
  """
  rows = folder.read_rows()
  best = callbacks.best_epoch(rows)
  keeper.finish(best_epoch=best)
  last = rows[-1]
  entire = [
    line
    for line in folder.read_lines()
    if line['epoch'] == last['epoch'] and line['slice'] == 'entire'
  ]
  figures = ('auc', 'auc_low', 'auc_high', 'advantage', 'epsilon_lower_bound')
  record = reporting.load_run(folder.path)
  _, exposed = run_sections.most_exposed(record)
  run_images.keep(folder, images, [each.id for each in exposed])
  plots = tf_privacy.plots(record.reports())
  more = {f'tf_privacy_{name}': figure for name, figure in plots.items()}
  reporting.write_run_pictures(record, folder.path / 'plots', more_pictures=more)
  folder.write_json(
    'result.json',
    {
      'epochs': last['epoch'],
      'best_epoch': best,
      'best_val_accuracy': rows[best - 1]['val_accuracy'],
      'train_accuracy': last['accuracy'],
      'val_accuracy': last['val_accuracy'],
      'seconds': sum(row['seconds'] + row['report_seconds'] for row in rows),
      'privacy': {
        line['attack']: {name: line[name] for name in figures}
        for line in entire
        if not line['skipped']
      },
      'guarantee': promise and promise.to_json(epochs=last['epoch']),
      # Their formats have no checksums of their own that are looked at.
      'weights': {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder.path / 'weights').glob('[!.]*'))
      },
    },
  )
  keeper.discard()
  run_page.write(folder)
