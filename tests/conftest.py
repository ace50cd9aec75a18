"""Lets absltest's test cases, which read absl flags, run under pytest."""

from absl import flags

flags.FLAGS.mark_as_parsed()
