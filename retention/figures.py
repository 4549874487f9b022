"""A measured number with what it rests on, and the intervals that most of them have."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Z95 = 1.959963984540054
FEW = 5
"""Shares of fewer cases than this are not told: they would name accounts rather than measure anything."""
MANY = 500
"""Beyond so many cases a ratio's interval is computed, not drawn."""
WIDE, NARROW = 0.5, 0.2
"""Half-width of the interval against the value: from WIDE on confidence is low, up to NARROW high."""


@dataclass(frozen=True)
class Figure:
    """A value, how many cases it was counted over, and its 95 % interval [low, high].

    None is "not known", never zero. A value without an interval is a count or a sum of everything there is.
    """

    value: float | None
    n: int | None = None
    low: float | None = None
    high: float | None = None

    @property
    def confidence(self) -> str:
        """high, medium or low, by how wide the interval is against the value; none without a value."""
        if self.value is None:
            return "none"
        if self.low is None or self.high is None:
            return "high"
        half = (self.high - self.low) / 2
        size = max(abs(self.value), 1e-12)
        return "high" if half <= NARROW * size else "medium" if half < WIDE * size else "low"


UNKNOWN = Figure(None, 0)


def numbers(held: object) -> Array:
    """A list out of the engine as numbers; null, where nothing was collected, as none."""
    return np.array(held if isinstance(held, list) else [], dtype=np.float64)


def share(part: int, whole: int, *, fewest: int = 1) -> Figure:
    """A share with Wilson's score interval (Wilson 1927); not known for fewer than `fewest` cases.

    >>> found = share(8, 10)
    >>> round(found.value, 2), round(found.low, 3), round(found.high, 3)
    (0.8, 0.49, 0.943)
    """
    if whole < max(fewest, 1):
        return Figure(None, whole)
    p, z2 = part / whole, Z95**2 / whole
    middle, half = (p + z2 / 2) / (1 + z2), Z95 * sqrt(p * (1 - p) / whole + z2 / (4 * whole)) / (1 + z2)
    return Figure(p, whole, max(0.0, middle - half), min(1.0, middle + half))


def mean(values: Array) -> Figure:
    """A mean with the normal interval of its standard error; without an interval for fewer than two values."""
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    centre = float(known.mean())
    if len(known) < 2:
        return Figure(centre, len(known))
    half = Z95 * float(known.std(ddof=1)) / sqrt(len(known))
    return Figure(centre, len(known), centre - half, centre + half)


def median(values: Array) -> Figure:
    """A median with the distribution-free interval from order statistics (binomial, 95 % or more)."""
    known = np.sort(values[~np.isnan(values)])
    n = len(known)
    if not n:
        return UNKNOWN
    middle = float(np.median(known))
    if n < 6:
        return Figure(middle, n)
    from scipy.stats import binom

    rank = int(binom.ppf(0.025, n, 0.5))
    return Figure(middle, n, float(known[max(rank - 1, 0)]), float(known[min(n - rank, n - 1)]))


def ratio(top: Array, bottom: Array, *, draws: int = 1000, seed: int = 0) -> Figure:
    """Sum over sum, with an interval over the cases (one entry of each array a case).

    Up to MANY cases it is the percentile interval of a bootstrap; beyond, that of the linearised ratio (Cochran 1977,
    section 6), which the bootstrap comes to.
    """
    n, whole = len(bottom), float(bottom.sum())
    if not n or whole == 0:
        return Figure(None, n)
    value = float(top.sum()) / whole
    if n > MANY:
        half = Z95 * float(np.sqrt(np.square(top - value * bottom).sum())) / abs(whole)
        return Figure(value, n, value - half, value + half)
    picked = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    below = picked @ bottom
    drawn = (picked @ top)[below != 0] / below[below != 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, n, float(low), float(high))


def difference(a: Figure, b: Figure) -> Figure:
    """What a is above b, for two figures of different cases; n is that of a.

    The interval squares and adds the two half-widths (Newcombe 1998; Zou and Donner 2008 for any figures).
    """
    if a.value is None or b.value is None:
        return Figure(None, a.n)
    gap, n = a.value - b.value, a.n
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Figure(gap, n)
    low = gap - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = gap + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Figure(gap, n, low, high)
