"""Calls a command in this process, as a shell would."""

import contextlib
import io

from absl.testing import flagsaver

from rnn_tf import launch


def call(command, *arguments, main=None, **options):
  """Returns exit code, stdout and stderr of a command module with these flags.

  `main` stands in for the command's own, `options` go to `launch.run`.
  """
  out, err = io.StringIO(), io.StringIO()
  name = f'python -m {command.__name__}'
  with (
    flagsaver.flagsaver(),
    contextlib.redirect_stdout(out),
    contextlib.redirect_stderr(err),
  ):
    code = launch.run(
      main or command.main,
      command=name,
      description='',
      options=command.OPTIONS,
      argv=[name, *arguments],
      **options,
    )
  return code, out.getvalue(), err.getvalue()
