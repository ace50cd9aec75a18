"""Command-line flags, one module a group.

A command imports the groups that it uses and no others, so that a flag which
has no effect on a command is unknown to it. Defaults come from the config
dataclasses, which also validate; these modules load neither TensorFlow nor
NumPy.
"""
