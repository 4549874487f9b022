"""What plays changed, from cases: rates, the effect against a holdout, and their intervals, clustered by account.

An account that was treated several times is several cases that are not independent, so every variance is that of the
accounts' sums (the linearised ratio estimator of survey sampling: Cochran 1977, section 6; Rao and Scott 1992).
"""

from dataclasses import dataclass
from math import sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from retention.figures import Z95, Figure

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Closed cases as columns: `account` numbers the accounts, `worth` is what it is worth to save the case's account.

    `is_held` is the arm that was drawn, `is_treated` what was done: they differ where a held-out account was treated,
    or where one that might be treated was not.
    """

    account: NDArray[np.int64]
    is_held: Flags
    is_treated: Flags
    is_saved: Flags
    worth: Array

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.account)

    def where(self, chosen: Flags) -> Self:
        """Some of the cases."""
        return type(self)(
            account=self.account[chosen],
            is_held=self.is_held[chosen],
            is_treated=self.is_treated[chosen],
            is_saved=self.is_saved[chosen],
            worth=self.worth[chosen],
        )


def rate(cases: Cases, *, fewest: int = 1) -> Figure:
    """The save rate of some cases: Wilson's interval at the number of cases that the clustering leaves.

    Not known for fewer than `fewest` cases.
    """
    n = len(cases)
    if n < max(fewest, 1):
        return Figure(None, n)
    p = float(cases.is_saved.mean())
    found = _clustered(cases.account, cases.is_saved.astype(float), np.ones(n))
    plain = p * (1 - p) / n
    effective = n if plain == 0 else n / max(1.0, found / plain)
    z2 = Z95**2 / effective
    middle, half = (p + z2 / 2) / (1 + z2), Z95 * sqrt(p * (1 - p) / effective + z2 / (4 * effective)) / (1 + z2)
    return Figure(p, n, max(0.0, middle - half), min(1.0, middle + half))


def effect(cases: Cases, weight: Array | None = None, *, fewest: int = 1) -> Figure:
    """What being treated adds to the chance to stay, from the two arms that were drawn: treated less holdout.

    Where some of the holdout were treated, or some of the others were not, the difference between the arms is divided
    by the difference of what was done in them (Wald 1940; Bloom 1984): the effect on those who are treated because
    they were not held out. Not known where an arm has fewer than `fewest` cases, or where what was done hardly differs.

    Args:
        cases: of both arms.
        weight: of each case, such as its worth; by default all count alike.
        fewest: cases that an arm must have.
    """
    w = np.ones(len(cases)) if weight is None else weight
    held, n = cases.is_held, len(cases)
    if min(held.sum(), (~held).sum()) < max(fewest, 1) or not w[held].sum() or not w[~held].sum():
        return Figure(None, n)
    done = [float(np.average(cases.is_treated[arm], weights=w[arm])) for arm in (~held, held)]
    take_up = done[0] - done[1]
    if take_up < LEAST_TAKE_UP:
        return Figure(None, n)
    saved = [float(np.average(cases.is_saved[arm], weights=w[arm])) for arm in (~held, held)]
    change = (saved[0] - saved[1]) / take_up
    rest = cases.is_saved - change * cases.is_treated
    error = sqrt(
        sum(_variance(cases.account[arm], rest[arm], w[arm], p) for arm, p in zip((~held, held), saved, strict=True))
    )
    accounts = min(len(np.unique(cases.account[arm])) for arm in (~held, held))
    half = error / take_up * float(student.ppf(0.975, max(1, accounts - 1)))
    return Figure(change, n, change - half, change + half)


LEAST_TAKE_UP = 0.1
"""Difference between the arms in what was done, below which a holdout tells nothing."""


def share_saved(cases: Cases, weight: Array) -> Figure:
    """The share saved of what the cases weigh, such as of their worth."""
    n = len(cases)
    if not n or not weight.sum():
        return Figure(None, n)
    value = float(np.average(cases.is_saved, weights=weight))
    half = Z95 * sqrt(_variance(cases.account, cases.is_saved.astype(float), weight, value))
    return Figure(value, n, value - half, value + half)


def mean_of(account: NDArray[np.int64], values: Array) -> Figure:
    """A mean of values of cases, with the interval of its clustered standard error."""
    n = len(values)
    if not n:
        return Figure(None, 0)
    centre = float(values.mean())
    sums = np.bincount(np.unique(account, return_inverse=True)[1], weights=values - centre)
    g = len(sums)
    if g < 2:
        return Figure(centre, n)
    half = float(student.ppf(0.975, g - 1)) * sqrt(float((sums**2).sum()) * g / (g - 1)) / n
    return Figure(centre, n, centre - half, centre + half)


def scaled(figure: Figure, factor: float, shift: float = 0.0) -> Figure:
    """A figure times a factor, plus a shift, with its interval."""
    if figure.value is None:
        return figure
    ends = [None if end is None else factor * end + shift for end in (figure.low, figure.high)]
    low, high = ends if factor >= 0 else reversed(ends)
    return Figure(factor * figure.value + shift, figure.n, low, high)


def _variance(account: NDArray[np.int64], values: Array, weight: Array, saved: float) -> float:
    """Variance of a weighted mean by accounts, never less than that of independent cases with one more of each kind.

    `saved` is the share of those saved. Where all were saved the sums of the accounts do not vary, yet the share is
    not known for certain (Agresti and Caffo 2000).
    """
    size = float(weight.sum()) ** 2 / float((weight**2).sum())
    p = (saved * size + 1) / (size + 2)
    return max(_clustered(account, values, weight), p * (1 - p) / (size + 2))


def _clustered(account: NDArray[np.int64], values: Array, weight: Array) -> float:
    """Variance of a weighted mean, by the sums of the accounts."""
    _, place = np.unique(account, return_inverse=True)
    sums = np.bincount(place, weights=weight * (values - np.average(values, weights=weight)))
    accounts = len(sums)
    return float((sums**2).sum()) / float(weight.sum()) ** 2 * (accounts / (accounts - 1) if accounts > 1 else 1.0)
