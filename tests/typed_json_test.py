import dataclasses
from collections.abc import Mapping

from absl.testing import absltest, parameterized

from rnn_tf.typed_json import read_typed


@dataclasses.dataclass(frozen=True)
class Inner:
  share: float
  count: int = 3


@dataclasses.dataclass(frozen=True)
class Outer:
  name: str
  right: bool
  inner: tuple[Inner, ...]
  by_name: Mapping[str, float]
  maybe: Inner | None


VALUES = {
  'name': 'a',
  'right': True,
  'inner': [{'share': 0.5, 'count': 1}, {'share': 1}],
  'by_name': {'x': 0.25},
  'maybe': None,
}


def read(values, hint=Outer):
  return read_typed(
    hint, values, where='file', allows=lambda name, value: name != 'share' or value >= 0
  )


class ReadTypedTest(parameterized.TestCase):
  def test_values_become_objects_of_their_types(self):
    found = read(VALUES)
    inner = (Inner(0.5, 1), Inner(1.0))
    self.assertEqual(found, Outer('a', True, inner, {'x': 0.25}, None))
    self.assertIsInstance(found.inner[1].share, float)
    self.assertEqual(read({**VALUES, 'maybe': {'share': 0}}).maybe, Inner(0.0))

  @parameterized.parameters(
    ({'name': 1}, 'file, name is 1'),
    ({'right': 1}, 'file, right is 1'),
    ({'inner': {'share': 1}}, 'file, inner is'),
    ({'inner': [{'share': True}]}, 'file, inner, share is True'),
    ({'inner': [{'share': '0.5'}]}, 'file, inner, share is'),
    ({'inner': [{'share': float('nan')}]}, 'file, inner, share is nan'),
    ({'inner': [{'share': float('inf')}]}, 'file, inner, share is inf'),
    ({'inner': [{'share': -1}]}, 'file, inner, share is -1'),
    ({'inner': [{'share': 1, 'count': 1.5}]}, 'file, inner, count is 1.5'),
    ({'inner': [{'count': 1}]}, 'file, inner: .*share'),
    ({'inner': [{'share': 1, 'more': 1}]}, "unknown field 'more'"),
    ({'inner': None}, 'file, inner is None'),
    ({'by_name': {'x': None}}, 'file, by_name, x is None'),
    ({'by_name': [1]}, 'file, by_name is'),
    ({'maybe': 5}, 'file, maybe is 5'),
  )
  def test_what_does_not_fit_is_refused_with_its_place(self, change, text):
    with self.assertRaisesRegex(ValueError, text):
      read({**VALUES, **change})


if __name__ == '__main__':
  absltest.main()
