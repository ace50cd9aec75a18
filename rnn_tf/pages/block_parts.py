"""What the sections on attacks and on deletions have in common."""

from collections.abc import Iterable

from rnn_tf.attack_records import AttackRecord
from rnn_tf.deletion_records import DeletionRecord
from rnn_tf.page import blocks


def slugs(names: Iterable[str], *, most: int = 64) -> dict[str, str]:
  """Returns name -> slug; of names that would have the same one, the later a number.

  Args:
    names: such as labels.
    most: characters that are kept of a slug.
  """
  found: dict[str, str] = {}
  for name in dict.fromkeys(names):
    slug = first = blocks.slug(blocks.slug(name)[:most])
    count = 1
    while slug in found.values():
      count += 1
      slug = f'{first}-{count}'
    found[name] = slug
  return found


def picture(
  record: AttackRecord | DeletionRecord, file: str, *, base: str, folder: str
) -> str | None:
  """Returns the path of a picture from the page's folder; None where there is none.

  Args:
    record: whose picture.
    file: its name.
    base: path from the page's folder to the run's, '' or one that ends in a slash.
    folder: name of the folder, in the run's, that the record's own is in.
  """
  if record.folder is None or not (record.folder.path / file).is_file():
    return None
  return f'{base}{folder}/{record.label}/{file}'
