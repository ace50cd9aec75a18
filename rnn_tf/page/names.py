"""How the numbers of a page are called, and the page itself."""

GENERATOR = 'rnn_tf'
"""What made a page; its version follows."""


class Names:
  """Gives each number of a page a name of its own, in the order of the page."""

  def __init__(self):
    self._taken: set[str] = set()

  def __call__(self, *parts: str) -> str:
    """Returns the parts joined by slashes; the second of a name gets ` #2`."""
    first = name = '/'.join(' '.join(part.split()) for part in parts)
    count = 1
    while name in self._taken:
      count += 1
      name = f'{first} #{count}'
    self._taken.add(name)
    return name
