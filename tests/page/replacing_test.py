import pathlib

from absl.testing import absltest, parameterized

from rnn_tf.errors import UsageError
from rnn_tf.page import blocks, replacing
from rnn_tf.page.render import render


def page(settings):
  return render(
    blocks.Page(
      title='t',
      subtitle='',
      verdict=blocks.Verdict(level='info', headline='h'),
      sections=(),
      settings=settings,
      version='1',
    )
  )


class CheckTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.path = self.folder / replacing.PAGE

  def check(self, kind, *, folder=None):
    replacing.check(folder or self.folder, kind=kind, flag='--report_dir=x')

  @parameterized.parameters(*replacing.KINDS)
  def test_a_page_of_the_same_kind_may_be_replaced(self, kind):
    self.path.write_text(page({'kind': kind}))
    self.check(kind)

  def test_where_no_page_is_one_may_be_written(self):
    self.check('run')
    self.check('run', folder=self.folder / 'missing')
    (self.folder / 'file').write_text('')
    self.check('run', folder=self.folder / 'file')

  def test_a_page_of_another_kind_is_kept_and_named(self):
    self.path.write_text(page({'kind': 'run'}))
    for kind in ('comparison', 'inference'):
      with self.assertRaisesRegex(
        UsageError,
        '^--report_dir=x: its report.html is the page of a run and would be lost: name '
        'another folder',
      ):
        self.check(kind)

  @parameterized.parameters(
    b'',
    b'<h1>my own</h1>',
    b'\xff\xfe',
    page({}).encode(),
    page({'kind': 'novel'}).encode(),
    page({'kind': ['run']}).encode(),
    page({'kind': 'run'}).encode()[:-40],
  )
  def test_what_is_not_read_as_a_page_of_the_kind_is_kept(self, content):
    self.path.write_bytes(content)
    with self.assertRaisesRegex(UsageError, 'is no page of a run and would be lost'):
      self.check('run')

  def test_a_folder_of_that_name_is_refused(self):
    self.path.mkdir()
    with self.assertRaisesRegex(UsageError, 'no page of a run'):
      self.check('run')


if __name__ == '__main__':
  absltest.main()
