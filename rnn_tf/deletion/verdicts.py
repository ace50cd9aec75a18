"""Whether a difference to the full retrain is small enough to be called none."""

from rnn_tf.attacks.intervals import Z95
from rnn_tf.deletion import results
from rnn_tf.deletion.results import MARGIN, Comparison, Verdict
from rnn_tf.rounding import round_up

NEAREST = 1e-3
"""Nearer to the margin than this, a difference is not told from it by more data."""

# Half the interval's width over the margin with which no difference is shown as none in
# 4 of 5 cases: z(0.975) / (z(0.975) + z(0.9)).
_PLANNED = Z95 / (Z95 + 1.2815515655446004)


def verdict(
  comparison: Comparison, *, forget: str, method: str, attack: str
) -> Verdict:
  """Returns what a difference to the full retrain amounts to, by `results.MARGIN`.

  It is `FORGOTTEN` where the interval lies within -+`MARGIN`, its ends included,
  `NOT_FORGOTTEN` where it has no point in common with that, else `NOT_ENOUGH_DATA`.
  Then `needed` examples of D_f, over all seeds and with H at least in proportion, would
  be enough if the interval became narrower with the square root of the number, as it
  does if the examples are of more seeds; more examples of the same seeds leave
  training's randomness as large as it is. Enough is what shows a version that does not
  differ at all to be forgotten in 4 of 5 cases: 1.96 + 1.28 standard errors (the normal
  distribution's 97.5% and 90% quantiles) fit into the margin. Where the difference is
  beyond the margin and its interval leaves 0 out, it is what parts the interval from
  the margin if the difference stays as it is.

  Args:
    comparison: AUC of D_f against H, the version's minus the full retrain's.
    forget: the forget set's label.
    method: the version's.
    attack: whose AUC it is.
  """
  low, high = comparison.low, comparison.high
  word, needed = results.NOT_ENOUGH_DATA, None
  if max(-low, high) <= MARGIN:
    word = results.FORGOTTEN
  elif low > MARGIN or high < -MARGIN:
    word = results.NOT_FORGOTTEN
  else:
    needed = _needed(comparison)
  return Verdict(
    forget=forget,
    method=method,
    attack=attack,
    comparison=comparison,
    word=word,
    needed=needed,
  )


def _needed(comparison: Comparison) -> int | None:
  """Returns examples of D_f, rounded up to two significant digits, or None."""
  value, low, high = comparison.value, comparison.low, comparison.high
  beyond = abs(value) - MARGIN
  if beyond > 0 and (low > 0 or high < 0):
    if beyond < NEAREST:
      return None
    # Only the side towards the margin is in the way.
    times = (value - low if value > 0 else high - value) / beyond
  else:
    times = (high - low) / 2 / (_PLANNED * MARGIN)
    if times <= 1:
      return None
  exact = comparison.n_forgotten * times**2
  return int(round_up(max(exact, comparison.n_forgotten + 1), 2))


def sentence(found: Verdict) -> str:
  """Returns a verdict in plain words, with its numbers."""
  comparison = found.comparison
  value, low, high = map(_signed, (comparison.value, comparison.low, comparison.high))
  about = (
    f'AUC of D_f against H differs from the full retrain by {value} [{low}, {high}]'
  )
  if found.word == results.FORGOTTEN:
    return f'forgotten: {about}, within {MARGIN:g}'
  if found.word == results.NOT_FORGOTTEN:
    return f'not forgotten: {about}'
  if found.needed is None:
    enough = f'it lies too near the margin of {MARGIN:g} for that'
  else:
    enough = (
      f'about {found.needed:,} deleted examples (now {comparison.n_forgotten:,}) would '
      'be enough'
    )
  return f'not enough data to say: {about}; {enough}'


def _signed(value: float) -> str:
  # Adding 0 turns a -0.0 that rounding leaves into 0.0.
  return f'{round(value, 3) + 0.0:+.3f}'
