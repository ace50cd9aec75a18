from absl.testing import absltest

from rnn_tf.attack_config import AttackConfig
from rnn_tf.attack_names import named_results
from tests import fake_attacks

SMALL = {'members': 60, 'nonmembers': 50}
GB = AttackConfig(attack_model='gb')


def record(label='a', **options):
  return fake_attacks.record(label=label, **{**SMALL, **options})[0]


def names(*records):
  return [name for name, _, _ in named_results(records)]


class NamedResultsTest(absltest.TestCase):
  def test_one_attack_of_a_kind_has_its_plain_name(self):
    found = record(attacks=('shadow', 'lira', 'threshold'))
    self.assertEqual(names(found), ['shadow', 'lira', 'threshold'])

  def test_skipped_attacks_are_left_out(self):
    found = record(attacks=('lira', 'threshold'), skipped={('lira', 'entire')})
    self.assertEqual(names(found), ['threshold'])

  def test_variants_of_the_shadow_attack_are_told_apart(self):
    found = (
      record('a', attacks=('shadow',)),
      record('b', attacks=('shadow',), attack=GB),
    )
    expected = ['shadow (fc-posteriors)', 'shadow (gb-posteriors)']
    self.assertEqual(names(*found), expected)
    # In different runs as well: one name must not stand for two things.
    other = record('b', run='other', attacks=('shadow',), attack=GB)
    self.assertEqual(names(found[0], other), expected)

  def test_fleets_are_told_apart(self):
    found = (
      record('a', attacks=('rmia',), seed=1),
      record('b', attacks=('rmia',), seed=2, num_shadows=4),
    )
    self.assertEqual(names(*found), ['rmia (half 8)', 'rmia (half 4)'])

  def test_what_nothing_else_tells_apart_is_named_by_its_label(self):
    found = (
      record('a', attacks=('lira',), seed=1),
      record('b', attacks=('lira',), seed=2),
    )
    self.assertEqual(names(*found), ['lira (a)', 'lira (b)'])

  def test_runs_made_alike_share_a_name(self):
    found = (
      record(attacks=('lira',)),
      record(attacks=('lira',), run='other', leak=0.5),
    )
    self.assertEqual(names(*found), ['lira', 'lira'])

  def test_the_same_attack_under_two_labels_is_there_once(self):
    found = (
      record('a', attacks=('threshold', 'lira')),
      record('b', attacks=('threshold', 'lira'), num_shadows=4),
    )
    self.assertEqual(
      names(*found),
      ['threshold', 'lira (fixed variance, half 8)', 'lira (fixed variance, half 4)'],
    )
    again = record('c', attacks=('threshold', 'lira'))
    self.assertEqual(names(found[0], again), ['threshold', 'lira'])


if __name__ == '__main__':
  absltest.main()
