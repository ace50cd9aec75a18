"""What a fleet takes on a cluster, against simulations by hand."""

import numpy as np
from absl.testing import absltest, parameterized

from benchmarks import cluster_law
from benchmarks.cluster_law import Parts


def _by_the_clock(durations, parts, *, workers):
  """Returns the makespan in whole seconds, second by second."""
  machines = -(-workers // parts.per_machine)
  fetched = (machines - 1) * parts.data_bytes / parts.bandwidth
  waiting, left = list(durations), {}
  ready = [
    parts.startup + (fetched if worker >= parts.per_machine else 0)
    for worker in range(workers)
  ]
  done, queue, writing, now = 0, [], 0, 0
  while done < len(durations):
    for worker in range(workers):
      if worker not in left and waiting and now >= ready[worker]:
        left[worker] = waiting.pop(0)
    if not writing and queue:
      queue.pop()
      writing = parts.result_bytes / parts.bandwidth
    now += 1
    for worker in list(left):
      left[worker] -= 1
      if not left[worker]:
        del left[worker]
        queue.append(worker)
    if writing:
      writing -= 1
      done += not writing
    if not parts.result_bytes:
      done, queue = done + len(queue), []
  return parts.head + now


class MakespanTest(parameterized.TestCase):
  @parameterized.product(workers=(1, 2, 3, 7), seed=(0, 1, 2, 3, 4), results=(0, 1, 3))
  def test_every_second_by_hand_gives_the_same(self, workers, seed, results):
    rng = np.random.default_rng([seed, workers])
    durations = rng.integers(1, 30, size=11).tolist()
    parts = Parts(
      seconds=(1.0,),
      startup=4,
      head=5,
      data_bytes=6,
      result_bytes=results,
      bandwidth=1,
      per_machine=2,
    )
    found = cluster_law.makespan(durations, parts, workers=workers)
    expected = _by_the_clock(durations, parts, workers=workers)
    # A writer that looks once a second begins up to one second late.
    self.assertBetween(found, expected - 1 - results, expected)
    if not results:
      self.assertEqual(found, expected)

  def test_more_workers_than_models_help_no_more(self):
    parts = Parts(seconds=(1.0,), startup=2, per_machine=99)
    few, many = (
      cluster_law.makespan([5, 6, 7], parts, workers=workers) for workers in (3, 50)
    )
    self.assertEqual((few, many), (9, 9))


class EstimateTest(absltest.TestCase):
  def test_equal_models_are_divided_evenly(self):
    parts = Parts(seconds=(100.0,), startup=0.0, price=3.6)
    found = cluster_law.estimate(parts, shadows=64, workers=8, draws=5)
    np.testing.assert_allclose(found.hours, [800 / 3600] * 3)
    self.assertAlmostEqual(found.speed_up, 8)
    self.assertAlmostEqual(found.busy, 1)
    self.assertAlmostEqual(found.price, 800 * 8 * 3.6 / 3600)

  def test_same_seed_draws_the_same_and_the_median_lies_inside(self):
    parts = Parts(seconds=(50.0, 100.0, 150.0), startup=10.0)
    one, two = (
      cluster_law.estimate(parts, shadows=16, workers=4, draws=50) for _ in range(2)
    )
    self.assertEqual(one, two)
    middle, low, high = one.hours
    self.assertBetween(middle, low, high)
    self.assertLess(low, high)

  def test_table_has_a_line_for_each(self):
    parts = Parts(seconds=(3600.0,), startup=0.0, price=0.5)
    found = cluster_law.estimate(parts, shadows=16, workers=8, draws=3)
    self.assertEqual(
      cluster_law.table([found]).splitlines()[-1],
      '| 16 | 8 | 2.00 [2.00, 2.00] | 8.0 | 100% | 8.00 |',
    )


if __name__ == '__main__':
  absltest.main()
