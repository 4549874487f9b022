"""How far a figure may be off: the bootstrap over accounts.

Rows of one account repeat each other, so accounts, not rows, are drawn with replacement (the cluster
bootstrap, Davison & Hinkley 1997, section 3.8; Field & Welsh 2007). A draw is a vector of row weights: how
often each row's account was drawn. Statistics therefore take weights, sort once, and need no copies. Cost
grows with rows x draws; beyond some 50,000 rows 200 draws will do.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import EvidenceError

Statistic = Callable[[NDArray[np.float64]], dict[str, float]]
"""Named figures of the rows, each row counted `weight` times."""


@dataclass(frozen=True)
class Figure:
    """A figure with its interval `[low, high]`; NaN where the rows cannot tell."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """`{"value", "low", "high"}` for JSON; NaN and infinity become None."""
        limits = {"value": self.value, "low": self.low, "high": self.high}
        return {name: float(x) if math.isfinite(x) else None for name, x in limits.items()}

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def resampled(clusters: ArrayLike, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Row weights of each draw: how often the row's cluster was drawn. The same seed gives the same draws.

    Raises:
        EvidenceError: if there are no rows.
    """
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    if not len(names):
        raise EvidenceError("intervals: no rows to resample; check that the test period holds snapshots")
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        yield drawn[member].astype(np.float64)


def limits(values: ArrayLike, level: float = 0.95) -> NDArray[np.float64]:
    """Percentile interval of drawn values along the first axis, `(2, …)`; NaN draws are left out."""
    drawn = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(drawn).all(axis=0)
    tails = np.nanquantile(np.where(known, drawn, 0.0), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(known, tails, np.nan)


def clustered(
    statistic: Statistic, clusters: ArrayLike, *, draws: int = 500, seed: int = 0, level: float = 0.95
) -> dict[str, Figure]:
    """Every figure of a statistic with its percentile interval over resampled clusters (accounts).

    Raises:
        EvidenceError: if there are no rows.
    """
    drawn = [statistic(weight) for weight in resampled(clusters, draws, seed)]
    values = statistic(np.ones(len(np.asarray(clusters))))
    tails = {name: limits([draw[name] for draw in drawn], level).tolist() for name in values}
    return {name: Figure(value, *tails[name]) for name, value in values.items()}


def difference(
    statistic: Statistic,
    other: Statistic,
    clusters: ArrayLike,
    *,
    draws: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Figure]:
    """`statistic - other` on the same rows and the same draws: luck common to both cancels.

    Raises:
        EvidenceError: if there are no rows.
    """

    def paired(weight: NDArray[np.float64]) -> dict[str, float]:
        left, right = statistic(weight), other(weight)
        return {name: value - right[name] for name, value in left.items() if name in right}

    return clustered(paired, clusters, draws=draws, seed=seed, level=level)


def wilson(count: float, n: float, level: float = 0.95) -> Figure:
    """Share `count / n` of independent rows with Wilson's score interval (Wilson 1927); NaN without rows.

    >>> print(wilson(0, 10))
    0.0000 (0.0000 to 0.2775)
    """
    if n == 0:
        return Figure(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = count / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Figure(share, max(0.0, centre - half), min(1.0, centre + half))
