"""The Chinese pages have the structure, commands, numbers and links of the English."""

# ruff: noqa: RUF001 -- Chinese punctuation is meant.

import pathlib
import re
from collections import Counter

from absl.testing import absltest, parameterized
from markdown_it import MarkdownIt

from rnn_tf.deletion import results

DOCS = pathlib.Path(__file__).parents[2] / 'docs'
ZH = DOCS / 'zh'
GLOSSARY = ZH / 'glossary.md'

PENDING = ()
"""English pages whose Chinese versions are still to come."""

CHINESE_ONLY = ('glossary.md',)

PAGES = sorted(path.name for path in DOCS.glob('*.md'))

_FENCED = re.compile(r'^```.*?^```$', re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r'`([^`]+)`')
_FORMULA = re.compile(r'\$\$.+?\$\$|\$[^$\n]+\$', re.DOTALL)
_LINK = re.compile(r'\]\(([^)\s]+)\)')
_FLAG = re.compile(r'(?<![\w-])--[a-z][a-z_]*')
_NUMBER = re.compile(r'(?:\d+(?:,\d{3})*(?:\.\d+)?|(?<![\d.])\.\d+)(?:e-?\d+)?%?')
_HEADING = re.compile(r'^(#+) (.*)$', re.MULTILINE)
_AROUND = re.compile(r'^(\[English\]|中文版).*$', re.MULTILINE)
_TABLE_ROW = re.compile(r'^\|.*\|$', re.MULTILINE)


def markdown(text):
  return MarkdownIt('commonmark').enable('table').parse(text)


def without_code(text):
  return _SPAN.sub('', _FENCED.sub('', text))


def headings(text):
  return _HEADING.findall(_FENCED.sub('', text))


def anchors(text):
  """Returns the anchors that GitHub gives the headings, in their order."""
  return [
    re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')
    for _, title in headings(text)
  ]


def sections(text):
  """Returns the text below each heading, and before the first one."""
  code = iter(_FENCED.findall(text))
  # A comment in code looks like a heading.
  parts = re.split(r'^#+ .*$', _FENCED.sub('\0', text), flags=re.MULTILINE)
  return [re.sub('\0', lambda _: next(code), part) for part in parts]


def code_blocks(text):
  """Returns the fenced blocks; what a comment says is left out."""
  return [re.sub(r' *#.*', '#', block) for block in _FENCED.findall(text)]


def spans(text):
  found = _SPAN.findall(_FENCED.sub('', text))
  return {' '.join(span.split()) for span in found}


def numbers(text):
  """Returns the numbers of the prose and of tables, code and formulas left out."""
  text = _FORMULA.sub('', without_code(text))
  return _NUMBER.findall(_LINK.sub(']', text))


def tables(text):
  """Returns the numbers of each row."""
  return [sorted(numbers(row)) for row in _TABLE_ROW.findall(_FENCED.sub('', text))]


def blocks(text):
  """Returns the kinds of the paragraphs, list items, cells and blocks of code."""
  kinds = [token.type for token in markdown(text)]
  return [kind for kind in kinds if kind.endswith(('_open', 'fence', 'code_block'))]


def formulas(text):
  """Returns the formulas, words in them left out."""
  found = _FORMULA.findall(without_code(text))
  bare = [re.sub(r'\\text\{[^}]*\}', r'\\text', formula) for formula in found]
  return sorted(re.sub(r'[\s.,;，。；]+(?=\$+$)', '', formula) for formula in bare)


def symbols(text):
  """Returns the symbols of the formulas that are indented lines; words are none."""
  lines = [token.content for token in markdown(text) if token.type == 'code_block']
  found = re.findall(r'[A-Za-z]+(?:_[A-Za-z]+)?', ' '.join(lines))
  return sorted(each for each in found if not each.islower() or '_' in each)


def target(link, page):
  """Returns the path that a link of a page leads to, and its anchor or ''."""
  path, _, anchor = link.partition('#')
  return ((page.parent / path).resolve() if path else page), anchor


def destination(link, page):
  """Returns where a link leads, the same for a link of a page in both languages.

  Args:
    link: as it is written.
    page: path of the page that it is on.

  Returns:
    An address, or a path and the position of the heading: of an English page instead
    of the Chinese one, and of an English picture instead of the Chinese one.
  """
  if re.match('[a-z]+:', link):
    return link, None
  path, anchor = target(link, page)
  place = None
  if anchor and path.suffix == '.md' and path.exists():
    found = anchors(path.read_text())
    place = found.index(anchor) if anchor in found else anchor
  if path.parent == DOCS / 'images/zh':
    return str(DOCS / 'images' / path.name), None
  in_chinese = DOCS / 'images/zh' / path.name
  if page.parent == ZH and path.parent == DOCS / 'images' and in_chinese.exists():
    return str(in_chinese), None
  if path.is_relative_to(ZH):
    path = DOCS / path.relative_to(ZH)
  return str(path), None if path.name in PENDING else place


def destinations(text, page):
  found = [destination(link, page) for link in _LINK.findall(without_code(text))]
  return sorted(found, key=str)


def differences(english, chinese, *, name):
  """Returns a line for each thing that two versions of a page do not share.

  Args:
    english: text of the English page.
    chinese: text of the Chinese page.
    name: that of both files.
  """
  english, chinese = (_AROUND.sub('', text) for text in (english, chinese))
  levels = [[level for level, _ in headings(text)] for text in (english, chinese)]
  if levels[0] != levels[1]:
    return [f'headings: {levels[0]} and {levels[1]}']
  lines, words = [], ' '.join(english.split())
  titles = ['the top', *(title for _, title in headings(chinese))]
  parts = map(sections, (english, chinese))
  for title, one, other in zip(titles, *parts, strict=True):
    # Words that the tool prints may be code in the Chinese page alone.
    strange = {each for each in spans(other) - spans(one) if each not in words}
    pairs = {
      'blocks': (blocks(one), blocks(other)),
      'code': (code_blocks(one), code_blocks(other)),
      'flags': (set(_FLAG.findall(one)), set(_FLAG.findall(other))),
      'numbers': (set(numbers(one)), set(numbers(other))),
      'tables': (tables(one), tables(other)),
      'formulas': (formulas(one), formulas(other)),
      'symbols': (symbols(one), symbols(other)),
      'links': (destinations(one, DOCS / name), destinations(other, ZH / name)),
      'code in the English text': (spans(one) - spans(other), set()),
      'code in the Chinese text': (set(), strange),
    }
    for what, (found, translated) in pairs.items():
      if found != translated:
        lines.append(f'{title}: {what}: {_apart(found, translated)}')
  return lines


def _apart(one, other):
  one, other = (Counter(map(str, each)) for each in (one, other))
  return f'only English {[*(one - other)]}, only Chinese {[*(other - one)]}'


class PagesTest(parameterized.TestCase):
  @parameterized.parameters(*PAGES)
  def test_page_has_a_chinese_version_that_says_the_same(self, name):
    if name in PENDING:
      self.assertFalse((ZH / name).exists(), f'{name} is there: take it off PENDING')
      return
    english, chinese = ((folder / name).read_text() for folder in (DOCS, ZH))
    self.assertEmpty(differences(english, chinese, name=name))

  def test_chinese_page_has_an_english_one(self):
    found = {path.name for path in ZH.glob('*.md')}
    self.assertEmpty(found - set(PAGES) - set(CHINESE_ONLY))

  @parameterized.parameters(*sorted(path.name for path in ZH.glob('*.md')))
  def test_links_of_a_chinese_page_resolve(self, name):
    page = ZH / name
    links = _LINK.findall(without_code(page.read_text()))
    self.assertNotEmpty(links)
    for link in links:
      if re.match('[a-z]+:', link):
        continue
      path, anchor = target(link, page)
      if path.parent == ZH and path.name in PENDING:
        continue
      self.assertTrue(path.exists(), link)
      if anchor:
        self.assertIn(anchor, anchors(path.read_text()), link)

  @parameterized.parameters(*sorted(path.name for path in ZH.glob('*.md')))
  def test_no_mark_of_markdown_is_left_as_text(self, name):
    # Stars beside full-width punctuation are no emphasis.
    text = _FORMULA.sub('', (ZH / name).read_text())
    for token in markdown(text):
      for child in token.children or ():
        if child.type == 'text':
          self.assertNotRegex(child.content, r'[*`]|\]\(')

  @parameterized.parameters(*sorted(path.name for path in ZH.glob('*.md')))
  def test_formula_stands_apart_from_chinese(self, name):
    # GitHub shows no formula that follows a mark or is followed by a character.
    text = without_code((ZH / name).read_text())
    for formula in _FORMULA.finditer(text):
      around = text[formula.start() - 1] + text[formula.end()]
      self.assertRegex(around, r'^\s\W$', formula[0])


class GlossaryTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    rows = [
      [cell.strip() for cell in row.strip('|').split('|')]
      for row in _TABLE_ROW.findall(GLOSSARY.read_text())
    ]
    self.rows = [row for row in rows if row[0] not in ('英文', '---')]
    self.pages = '\n'.join(
      path.read_text() for path in ZH.glob('*.md') if path != GLOSSARY
    )

  def test_row_is_a_term_in_two_languages_and_its_explanation(self):
    self.assertGreater(len(self.rows), 60)
    for row in self.rows:
      self.assertLen(row, 3)
      self.assertTrue(all(row), row)

  def test_term_has_one_translation_and_is_used(self):
    english = [row[0] for row in self.rows]
    self.assertCountEqual(english, set(english))
    terms = [term for row in self.rows for term in row[1].split('，')]
    self.assertCountEqual(terms, set(terms))
    for term in terms:
      self.assertIn(term, self.pages)

  def test_translation_that_is_not_chosen_is_not_used(self):
    rejected = [
      term
      for row in self.rows
      for found in re.findall('又译：(.*)$', row[2])
      for term in found.split('、')
    ]
    self.assertGreater(len(rejected), 4)
    for term in rejected:
      self.assertNotIn(term, self.pages)

  def test_words_of_the_verdict_are_those_that_the_audit_prints(self):
    english = {row[0].strip('`') for row in self.rows if row[0].startswith('`')}
    words = {results.FORGOTTEN, results.NOT_FORGOTTEN, results.NOT_ENOUGH_DATA}
    self.assertEqual(english, words)


_ENGLISH = """# A title

Some words on 1,000 examples and `lira`, see
[flags](../flags/), [deletion](deletion.md).

## Another title

```
python -m rnn_tf.train --dp    # why
```

    G = sum over t of a_t d_t,

| you want | flag |
|---|---|
| less | `--epochs=5`, .98 |

It prints forgotten; $x_t$ and ![a cell](images/gru-cell.png).
"""

_CHINESE = """# 标题

[English](../page.md) · [目录](README.md) · [术语表](glossary.md)

`lira` 与 1,000 个样本，见[删除](deletion.md)、[选项](../../flags/)。

## 另一个标题

```
python -m rnn_tf.train --dp    # 原因
```

    G = Σ_t a_t d_t，

| 目的 | 选项 |
|---|---|
| 更少 | `--epochs=5`，.98 |

它打印 `forgotten`（已遗忘）；$x_t$ 和 ![单元](../images/zh/gru-cell.png)。
"""


class DifferencesTest(parameterized.TestCase):
  def test_translation_has_no_difference(self):
    self.assertEmpty(differences(_ENGLISH, _CHINESE, name='page.md'))

  @parameterized.parameters(
    ('## Another title', 'Another title', 'headings'),
    ('--dp    #', '--dp --seed=1    #', 'flags'),
    ('rnn_tf.train', 'rnn_tf.infer', 'code'),
    ('1,000', '1,001', 'numbers'),
    ('.98 |', '.98, .98 |', 'tables'),
    ('| less | `--epochs=5`, .98 |\n', '', 'tables'),
    ('|---|---|', '|---|---|---|', 'blocks'),
    ('`lira`, see', '`lira`.\n\nSee', 'blocks'),
    ('`lira`', '`rmia`', 'code in the English text'),
    ('`lira`', 'LiRA', 'code in the Chinese text'),
    ('prints forgotten', 'prints', 'code in the Chinese text'),
    ('$x_t$', '$x_s$', 'formulas'),
    ('a_t d_t,', 'a_t,', 'symbols'),
    ('deletion.md', 'flags.md', 'links'),
    ('gru-cell', 'lstm-cell', 'links'),
  )
  def test_edit_of_the_english_page_alone_is_noticed(self, old, new, what):
    self.assertEqual(_ENGLISH.count(old), 1)
    found = differences(_ENGLISH.replace(old, new), _CHINESE, name='page.md')
    self.assertRegex('\n'.join(found), rf'(?m)^(.*: )?{what}: ')

  @parameterized.parameters(
    ('1,000', '1000', 'numbers'),
    ('--epochs=5', '--epoch=5', 'flags'),
    ('.98', '.89', 'tables'),
    ('../images/zh/', '../images/', 'links'),
    ('../../flags/', '../flags/', 'links'),
    ('`forgotten`', '`not forgotten`', 'code in the Chinese text'),
  )
  def test_edit_of_the_chinese_page_alone_is_noticed(self, old, new, what):
    self.assertEqual(_CHINESE.count(old), 1)
    found = differences(_ENGLISH, _CHINESE.replace(old, new), name='page.md')
    self.assertRegex('\n'.join(found), rf'(?m)^(.*: )?{what}: ')


if __name__ == '__main__':
  absltest.main()
