"""What every command does around its own work.

Flags are parsed without TensorFlow, so that `--help` and a mistyped flag are
answered at once. Exit codes: 0 done, 1 a crash (with traceback), 2 a mistake in
the request (one line), 130 interrupted, 141 nobody reads any more; what a command
returns besides, such as 3 of `rnn_tf.report --verify` where a number is not what the
scores say.
"""

import contextlib
import errno
import functools
import logging
import os
import re
import sys
import textwrap
import types
from collections.abc import Callable, Sequence

from absl import flags

from rnn_tf.config import TrainingConfig
from rnn_tf.errors import UsageError, closest_match, one_line
from rnn_tf.flag_files import expanded

LOG = logging.getLogger('rnn_tf')

_LONGEST_NAME = 100
"""Characters of a flag's name; absl looks for similar ones by a recursion in each."""

_UNWRITABLE = (errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EROFS)
"""Of errors, those that a disk makes, and no program."""


def run(
  main: Callable[[], int | None],
  *,
  command: str,
  description: str,
  options: Sequence[types.ModuleType],
  interrupted: str = 'interrupted',
  argv: Sequence[str] | None = None,
) -> int:
  """Parses the flags, runs `main`, and returns the exit code.

  Args:
    main: the command; results go to stdout, log lines to stderr.
    command: how it is called, such as `python -m rnn_tf.train`.
    description: what it does, for `--help`.
    options: the option modules whose flags the command takes.
    interrupted: what to say on Ctrl-C.
    argv: the arguments with the program's name first; None means `sys.argv`.
  """
  _log_to_stderr()
  argv = list(sys.argv if argv is None else argv)
  if any(argument in ('--help', '-help', '-h') for argument in argv[1:]):
    main = functools.partial(print, _help(command, description, options))
    argv = argv[:1]
  try:
    _parse(argv)
    code = main() or 0
    sys.stdout.flush()
    return code
  except UsageError as error:
    print(one_line(f'{command}: {error}'), file=sys.stderr)
    return 2
  except BrokenPipeError:
    # Whoever reads has seen enough, as of `... | head`: nothing more is to be said.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
  except KeyboardInterrupt:
    print(interrupted, file=sys.stderr)
    return 130
  except OSError as error:
    if error.errno not in _UNWRITABLE:
      raise
    print(one_line(f'{command}: {_unwritten(error)}'), file=sys.stderr)
    return 2


def _unwritten(error: OSError) -> str:
  """Says what a disk that is full or read-only has stopped, and what helps."""
  name = os.fsdecode(error.filename) if error.filename else 'a file of the results'
  return (
    f'{name}: cannot be written ({error.strerror}): make room, or name a folder where '
    'there is; what is finished is kept, the same command goes on'
  )


def _log_to_stderr() -> None:
  handler = logging.StreamHandler(sys.stderr)
  handler.setFormatter(logging.Formatter('%(message)s'))
  LOG.handlers = [handler]
  LOG.propagate = False
  LOG.setLevel(logging.INFO)


def _parse(argv: list[str]) -> None:
  """Parses `argv` into absl's flags; every error becomes a UsageError."""
  argv = [*argv[:1], *expanded(argv[1:])]
  for argument in argv[1:]:
    _check_text(argument)
  try:
    rest = flags.FLAGS(argv)
  except flags.UnrecognizedFlagError as error:
    near = closest_match(error.flagname, flags.FLAGS)
    raise UsageError(
      f'--{error.flagname}: this command has no such flag{near}; --help lists them'
    ) from error
  except flags.IllegalFlagValueError as error:
    raise UsageError(_illegal_value(str(error))) from error
  except (flags.Error, OSError) as error:
    text = ' '.join(str(error).replace('ERROR:: ', '').split())
    raise UsageError(f'{text}; --help lists the flags') from error
  if len(rest) > 1:
    raise UsageError(f'{rest[1]!r} is not a flag: flags look like --name=value')


def _check_text(argument: str) -> None:
  """Refuses names that are no flag's, and values that no file in UTF-8 can hold."""
  flag = argument.partition('=')[0]
  if len(flag) > _LONGEST_NAME:
    raise UsageError(f'{flag[:_LONGEST_NAME]}...: no flag has so long a name')
  if '\0' in argument:
    raise UsageError(f'{flag}: holds a NUL character: leave it out')
  try:
    argument.encode()
  except UnicodeEncodeError:
    raise UsageError(f'{flag}: is not in UTF-8: give another value') from None


def _illegal_value(message: str) -> str:
  """Says what a flag allows, in place of what Python's int() said."""
  match = re.match(r'flag --(\w+)=(.*?): ', message, re.DOTALL)
  if match and match[1] in flags.FLAGS:
    flag = flags.FLAGS[match[1]]
    allowed = 'true or false' if flag.boolean else flag.parser.syntactic_help
    return f'--{match[1]}={match[2]}: must be {allowed}'
  return ' '.join(message.split())


def _help(command: str, description: str, options: Sequence[types.ModuleType]) -> str:
  lines = [description.strip(), '', f'usage: {command} [--flag=value ...]']
  for module in options:
    lines += ['', module.__doc__.splitlines()[0]]
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__):
      name = f'--[no]{flag.name}' if flag.boolean else f'--{flag.name}'
      default = '' if flag.default is None else f' (default: {flag.default_as_str})'
      lines += [f'  {name}']
      lines += textwrap.wrap(
        flag.help + default.replace("'", ''),
        78,
        initial_indent=' ' * 6,
        subsequent_indent=' ' * 6,
      )
  lines += ['', '  --flagfile=FILE', '      Read flags from a file; see flags/.']
  return '\n'.join(lines)


def set_up_tensorflow(
  training: TrainingConfig, *, side_by_side: int | None = None, exact: bool = False
) -> None:
  """Sets what is global to the process: seeds, determinism, threads, GPUs, precision.

  Must be called before the first TensorFlow operation.

  Args:
    training: seed, determinism and precision.
    side_by_side: None leaves the threads to TensorFlow; else so many operations run
      at once, each with one thread, unless TensorFlow runs with others already.
    exact: keep GPUs from rounding float32 products to TF32's 10 bits, with which
      gradients are not clipped to their norm.
  """
  from rnn_tf.stack import keras, tf

  gpus = tf.config.list_physical_devices('GPU')
  for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
  if exact:
    tf.config.experimental.enable_tensor_float_32_execution(False)
  if side_by_side is not None:
    # A second command in one process cannot change them: slower, the numbers hold.
    with contextlib.suppress(RuntimeError):
      tf.config.threading.set_intra_op_parallelism_threads(1)
      tf.config.threading.set_inter_op_parallelism_threads(side_by_side)
  keras.utils.set_random_seed(training.seed)
  if training.deterministic:
    tf.config.experimental.enable_op_determinism()
  half = 'mixed_float16' if gpus else 'mixed_bfloat16'
  keras.mixed_precision.set_global_policy(
    half if training.mixed_precision else 'float32'
  )
