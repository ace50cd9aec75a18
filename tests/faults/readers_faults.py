"""Every file that is read back, damaged and forged in thousands of ways."""

import pathlib

from absl.testing import absltest

from tests.hostile import campaign, judging, samples

MUTATIONS = 6000

MINUTES = 12
"""After which no more is tried, on a slow machine."""


class ReadersFaults(absltest.TestCase):
  def test_no_file_leads_to_more_than_one_line(self):
    folder = pathlib.Path(self.create_tempdir().full_path)
    samples.make(folder / 'genuine')
    (folder / 'bench').mkdir()
    bench = judging.Bench(folder / 'genuine', folder / 'bench')
    counts = campaign.run(bench, mutations=MUTATIONS, seed=0, minutes=MINUTES)
    print(f'\n{campaign.table(counts)}')
    broken = [line for count in counts.values() for line in count.broken]
    self.assertEqual(broken, [])


if __name__ == '__main__':
  absltest.main()
