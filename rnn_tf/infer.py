"""Classifies the test images of a finished run.

python -m rnn_tf.infer --run=runs/digits-lstm-s0 --num_examples=20
"""

import pathlib
import shlex
import sys

from rnn_tf import launch
from rnn_tf.errors import UsageError
from rnn_tf.options import inference as inference_options
from rnn_tf.options import source, target
from rnn_tf.run_files import write_atomically
from rnn_tf.run_places import check_writable
from rnn_tf.runs import RunFolder, finished_run

OPTIONS = (target, inference_options, source)


def main() -> None:
  """Prints predictions and scores, and writes pictures and tables."""
  options = inference_options.from_flags()
  folder = finished_run(options.run)
  out = pathlib.Path(options.output_dir or folder.path / 'inference')
  from rnn_tf import inference
  from rnn_tf.page import replacing
  from rnn_tf.pages import inference_page
  from rnn_tf.plot_style import to_png

  check_writable(out, name=f'--output_dir={out}')
  replacing.check(out, kind='inference', flag=f'--output_dir={out}')
  if options.show:
    inference.check_screen(str(out / 'examples.png'))
  answers, images = _predict(folder, options, source.from_flags())
  first = answers.first(options.num_examples)
  report = inference.classification_report(answers)
  matrix = inference.confusion_matrix(answers)
  title = f'{folder.path.name}, {options.weights} weights'
  examples = to_png(inference.examples_figure(images, first, title=title))
  confusion = to_png(inference.confusion_figure(matrix, title=title))
  print(inference.listing(first))
  print(f'\n{inference.report_text(report)}\n\n{inference.confusion_text(matrix)}')
  page = inference_page.page(
    answers,
    first,
    images,
    report=report,
    matrix=matrix,
    run=folder.path.resolve().name,
    weights=options.weights,
    command=shlex.join(['python', '-m', 'rnn_tf.infer', *sys.argv[1:]]),
  )
  _write(
    out,
    {
      'examples.png': examples,
      'classification_report.csv': report.to_csv(float_format='%.6g').encode(),
      'confusion_matrix.csv': matrix.to_csv().encode(),
      'confusion_matrix.png': confusion,
      inference_page.PAGE: page.encode(),
    },
  )
  print(
    f'\naccuracy: {1 - answers.wrong.mean():.4f} on {len(answers.ids)} test images '
    f'({answers.wrong.sum()} wrong), {options.weights} weights'
  )
  print(f'results: {out}/ (open {out}/{inference_page.PAGE})')
  if options.show:
    inference.show(examples, title=title)


def _predict(
  folder: RunFolder, options: inference_options.InferenceOptions, where: source.Source
):
  """Returns the model's answers on the whole test set, and its images."""
  from rnn_tf import datasets, inference, run_model, run_start

  config = folder.config()
  launch.set_up_tensorflow(config.training)
  test = datasets.load_test(
    config.data, data_dir=where.data_dir, download=where.download
  )
  names = run_start.check_data(folder, {'test': test})
  if options.num_examples > len(test):
    raise UsageError(
      f'--num_examples={options.num_examples}: the run has {len(test)} test images'
    )
  predict = run_model.predictor(
    folder,
    image_shape=test.images.shape[1:],
    class_count=len(names),
    weights=options.weights,
  )
  logits, _ = predict(test.images)
  answers = inference.predictions(logits, test.labels, ids=test.ids, class_names=names)
  return answers, test.images


def _write(out: pathlib.Path, files: dict[str, bytes]) -> None:
  try:
    for name, content in files.items():
      write_atomically(out / name, content)
  except OSError as error:
    raise UsageError(
      f'--output_dir={out}: cannot be written ({error.strerror}); name another'
    ) from error


if __name__ == '__main__':
  sys.exit(
    launch.run(
      main, command='python -m rnn_tf.infer', description=__doc__, options=OPTIONS
    )
  )
