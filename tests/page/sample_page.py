"""A page with every kind of block, as a report has them, and one of hostile names."""

import dataclasses

import numpy as np
import pandas as pd
import scipy.stats

from rnn_tf.page import blocks

ATTACKS = {'threshold': 0.35, 'lira': 0.9, 'rmia': 0.75}
"""Attack -> how far apart its scores of members and of non-members are."""

HOSTILE = (
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  '![x](http://127.0.0.1:9/x.png)',
  '[a](javascript:alert(1))',
  '<http://127.0.0.1:9/>',
  '[a]: http://127.0.0.1:9/x.png',
  '"\' onmouseover="alert(1)',
  '{{7*7}}{% raw %}',
  '</title></style></textarea><!--',
  '&lt;b&gt;, ""quoted"", comma\nnew line',
)


def page() -> blocks.Page:
  """Returns a page with every kind of block."""
  return blocks.Page(
    title='Membership inference on cifar10-lstm-s0',
    subtitle='CIFAR-10 rows, LSTM of 128 units, after epoch 20 of 20',
    verdict=verdict(),
    sections=(
      blocks.Section(
        name='strength',
        title='How strong the attacks are',
        blocks=(
          blocks.Text(
            markdown='An attack gives each example a score; where members score above '
            'others, the model gives them away. **AUC** is the chance that a member '
            'scores above a non-member, `0.5` for guessing.'
          ),
          roc(),
          attacks(),
        ),
      ),
      blocks.Section(
        name='training',
        title='While the model learned',
        blocks=(learning(), utility(), by_class()),
      ),
      blocks.Section(
        name='exposed',
        title='Who is found',
        blocks=(images(), heat_map(), code(), details()),
      ),
    ),
    settings={'attacks': list(ATTACKS), 'confidence': 0.95, 'note': '</script><b>'},
    version='1.2.3',
  )


def verdict() -> blocks.Verdict:
  """Returns a verdict with figures and points."""
  return blocks.Verdict(
    level='bad',
    headline='An attacker with shadow models tells training examples from others far '
    'better than by guessing.',
    figures=(
      blocks.Figure(
        label='AUC of the strongest attack',
        text='0.738 [0.724, 0.751]',
        note='lira; guessing is 0.5',
      ),
      blocks.Figure(
        label='Members found at 0.1% false positives',
        text='4.1% [3.2%, 5.2%]',
        note='guessing finds 0.1%',
      ),
      blocks.Figure(label='Test accuracy', text='61.8%', note='74.0% when training'),
    ),
    points=(
      'The threshold attack, which needs no shadow models, reaches 0.598.',
      'Where there is nothing to find, all attacks stay within what guessing gives.',
    ),
  )


def roc() -> blocks.Chart:
  """Returns curves on logarithmic axes, with a reference."""
  rng = np.random.default_rng(0)
  series = []
  for name, shift in ATTACKS.items():
    fpr = np.unique(np.concatenate([[0], np.geomspace(1e-4, 1, 160)]))
    tpr = scipy.stats.norm.cdf(scipy.stats.norm.ppf(fpr) + shift)
    tpr = np.maximum.accumulate(tpr * (1 + 0.03 * rng.standard_normal(len(fpr))))
    tpr = np.clip(tpr, 0, 1)
    series.append(blocks.Series(name=name, x=fpr, y=tpr, style='steps'))
  guess = blocks.Series(name='guessing', x=(1e-4, 1), y=(1e-4, 1), reference=True)
  return blocks.Chart(
    name='roc',
    title='Members found against false alarms',
    description='ROC of three attacks on logarithmic axes. lira is highest everywhere.',
    x=blocks.Axis(label='false positive rate', scale='log', low=1e-4, high=1),
    y=blocks.Axis(label='true positive rate', scale='log', low=1e-4, high=1),
    series=(*series, guess),
    picture='plots/roc of all.png',
    note='The left edge is where an attacker is *sure*.',
  )


def learning() -> blocks.Chart:
  """Returns lines with bands and gaps, dashed ones of the same colour."""
  epochs = np.arange(1, 21)
  series = []
  for color, (name, top) in enumerate({'lstm': 0.62, 'gru': 0.66}.items()):
    test = top * (1 - np.exp(-epochs / 4))
    train = (top + 0.12) * (1 - np.exp(-epochs / 5))
    test[12] = np.nan
    series += [
      blocks.Series(
        name=f'{name}, test',
        x=epochs,
        y=test,
        low=test - 0.02,
        high=test + 0.02,
        color=color,
      ),
      blocks.Series(
        name=f'{name}, training', x=epochs, y=train, style='dashed', color=color
      ),
    ]
  return blocks.Chart(
    name='learning',
    title='Accuracy by epoch',
    description='Accuracy of two models on training and test images over 20 epochs.',
    x=blocks.Axis(label='epoch'),
    y=blocks.Axis(label='accuracy', low=0),
    series=tuple(series),
    note='Bands are 95% intervals over seeds; epoch 13 was not reported.',
  )


def utility() -> blocks.Chart:
  """Returns points alone, with labels."""
  rng = np.random.default_rng(1)
  series = []
  for index, name in enumerate(('plain', 'private', 'early stop')):
    accuracy = 0.5 + 0.05 * index + 0.04 * rng.random(6)
    auc = 0.52 + 0.6 * (accuracy - 0.5) + 0.03 * rng.random(6)
    labels = [f'{name}, seed {seed}' for seed in range(6)]
    series.append(
      blocks.Series(name=name, x=accuracy, y=auc, style='points', labels=labels)
    )
  guess = blocks.Series(name='guessing', x=(0.5, 0.64), y=(0.5, 0.5), reference=True)
  return blocks.Chart(
    name='utility',
    title='Privacy against utility',
    description='AUC of the threshold attack against the test accuracy of 18 models.',
    x=blocks.Axis(label='test accuracy'),
    y=blocks.Axis(label='AUC'),
    series=(*series, guess),
    picture='plots/utility.png',
  )


def by_class() -> blocks.Chart:
  """Returns points with intervals over categories."""
  names = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse')
  rng = np.random.default_rng(2)
  series = []
  for index, name in enumerate(('threshold', 'lira')):
    auc = 0.55 + 0.1 * index + 0.05 * rng.random(len(names))
    series.append(
      blocks.Series(
        name=name,
        x=np.arange(len(names)) + 0.16 * index - 0.08,
        y=auc,
        low=auc - 0.03,
        high=auc + 0.03,
        style='points',
      )
    )
  return blocks.Chart(
    name='by-class',
    title='AUC class by class',
    description='AUC of two attacks on eight classes, with 95% intervals.',
    x=blocks.Axis(label='class', categories=names),
    y=blocks.Axis(label='AUC'),
    series=tuple(series),
  )


def attacks() -> blocks.Table:
  """Returns a table with numbers, intervals, equal row headings and empty cells."""
  frame = pd.DataFrame(
    {
      'attack': ['threshold', 'lira', 'rmia', 'rmia', 'mlp'],
      'shadow models': [0, 64, 64, 8, np.nan],
      'AUC': ['0.598 [0.583, 0.612]', '0.738 [0.724, 0.751]', '0.702', '~0.66', ''],
      'TPR at 0.1% FPR': ['0.2% (3 of 1,500)', '4.1%', '3.6%', '1.9%', 'n/a'],
      'epsilon at least': ['0.11', '2.41', '2.10', '1.32', ''],
      'verdict': ['weak', 'strong', 'strong', 'strong', 'skipped'],
    }
  )
  return blocks.table(
    'attacks',
    frame.astype({'shadow models': 'Int64'}).astype(object).fillna(''),
    title='Attacks after the last epoch',
    note='Intervals are at 95%.',
  )


def heat_map() -> blocks.Table:
  """Returns a table of shaded numbers, wider than a phone."""
  rng = np.random.default_rng(3)
  values = 0.5 + 0.3 * rng.random((6, 8))
  values[1, 2] = np.nan
  frame = pd.DataFrame(
    values,
    index=pd.Index([f'{n} epochs' for n in (1, 2, 5, 10, 20, 50)], name='trained for'),
    columns=[f'{n} shadows' for n in (1, 2, 4, 8, 16, 32, 64, 128)],
  )
  return blocks.heat_map(
    'strength-by-shadows',
    frame,
    title='AUC by training length and shadow models',
    description='The stronger the colour, the stronger the attack.',
    low=0.5,
    high=0.8,
    picture='plots/heat.png',
  )


def images() -> blocks.Images:
  """Returns six small images, in colour."""
  rng = np.random.default_rng(4)
  small = rng.integers(0, 256, (6, 8, 8, 3), np.uint8)
  return blocks.Images(
    name='found',
    title='The members that lira finds most easily',
    images=small.repeat(4, axis=1).repeat(4, axis=2),
    captions=tuple(f'{n + 1}. example {97 * n}, truck' for n in range(6)),
    note='All of them are unlike the rest of their class.',
  )


def code() -> blocks.Code:
  """Returns a command."""
  return blocks.Code(
    title='To attack the run again',
    text='python -m rnn_tf.attack --run=runs/cifar10-lstm-s0 \\\n'
    '  --attack=threshold,lira,rmia --num_shadows=64\n',
  )


def details() -> blocks.Details:
  """Returns folded blocks, among them a chart and further folded ones."""
  sizes = np.array([1, 2, 4, 8, 16, 32, 64])
  chart = blocks.Chart(
    name='by-shadows',
    title='AUC by the number of shadow models',
    description='AUC of lira rises from 0.58 with one shadow model to 0.74 with 64.',
    x=blocks.Axis(label='shadow models', scale='log'),
    y=blocks.Axis(label='AUC'),
    series=(blocks.Series(name='lira', x=sizes, y=0.58 + 0.027 * np.log2(sizes)),),
  )
  inner = blocks.Details(
    title='What the words mean',
    blocks=(blocks.Text(markdown='- **member**: trained on\n- **shadow**: a copy'),),
  )
  return blocks.Details(title='By the number of shadow models', blocks=(chart, inner))


def hostile() -> blocks.Page:
  """Returns a page that has hostile names wherever a text may be."""
  every = '\n\n'.join(HOSTILE)
  one = ' '.join(HOSTILE)
  axis = blocks.Axis(label=one, categories=HOSTILE)
  places = tuple(range(len(HOSTILE)))
  series = blocks.Series(name=one, x=places, y=places, style='points', labels=HOSTILE)
  cells = tuple(blocks.Cell(text=text) for text in HOSTILE)
  parts = (
    blocks.Text(markdown=every + '\n\n' + '\n'.join(f'- {text}' for text in HOSTILE)),
    blocks.Chart(
      name='chart',
      title=one,
      description=one,
      x=axis,
      y=dataclasses.replace(axis, categories=()),
      series=(series,),
      picture='javascript:alert(1)//"><img src=x onerror=alert(1)>',
      note=one,
    ),
    blocks.Table(
      name='table',
      title=one,
      columns=HOSTILE,
      rows=(cells, cells[::-1]),
      description=one,
      picture='//127.0.0.1:9/x.png',
      note=one,
    ),
    blocks.Code(title=one, text=every),
    blocks.Images(
      name='images',
      title=one,
      images=np.zeros((len(HOSTILE), 4, 4, 1), np.uint8),
      captions=HOSTILE,
      note=one,
    ),
  )
  return blocks.Page(
    title=one,
    subtitle=one,
    verdict=blocks.Verdict(
      level='unknown',
      headline=one,
      figures=tuple(blocks.Figure(label=t, text=t, note=t) for t in HOSTILE),
      points=HOSTILE,
    ),
    sections=(
      blocks.Section(
        name='section',
        title=one,
        blocks=(*parts[:2], blocks.Details(title=one, blocks=parts[2:])),
      ),
    ),
    settings={text: text for text in HOSTILE},
    version='1.2.3 "><script>alert(1)</script>',
  )
