"""From component margins to a churn probability: an intercept and a slope for each component."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

AT_ONCE = 10_000
"""Rows whose draws are held at once, 20 MB."""


def sigmoid(log_odds: ArrayLike) -> NDArray[np.float64]:
    """Probability in [0, 1] of finite log-odds, without overflow at either end."""
    probability: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -np.asarray(log_odds, dtype=np.float64)))
    return probability


@dataclass(frozen=True, eq=False)
class Calibration:
    """`logit p = intercept + sum over components of slope x margin`, fitted on later history than the model.

    A slope of 1 trusts a component's margin as the model gave it, below 1 shrinks it, 0 drops it.
    The model's own base value is inside the intercept. `draws` are clustered bootstrap refits, one a row:
    intercept, then the slopes in order; `seed` repeats their resampling. With the method "none" the model was
    taken as it is: nothing was fitted, so the draws are all the same and no interval is known.
    """

    intercept: float
    slopes: Mapping[str, float]
    draws: NDArray[np.float64] = field(repr=False)
    method: str = "component"
    seed: int = 0

    def terms(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated log-odds by component, `(rows, components)`; with the intercept they sum to all."""
        return margins * np.array(list(self.slopes.values()), dtype=np.float64)

    def log_odds(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated log-odds of leaving, from margins `(rows, components)` in the order of the slopes."""
        total: NDArray[np.float64] = self.intercept + self.terms(margins).sum(axis=1)
        return total

    def apply(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated churn probability of each row."""
        return sigmoid(self.log_odds(margins))

    def interval(self, margins: NDArray[np.float64], level: float = 0.95) -> NDArray[np.float64]:
        """Low and high probability of each row, `(2, rows)`: how far calibration may be off; NaN where unknown."""
        if self.method == "none":
            return np.full((2, len(margins)), np.nan)
        tails = (1 - level) / 2, (1 + level) / 2
        found = np.empty((2, len(margins)))
        for start in range(0, len(margins), AT_ONCE):
            drawn = self.draws[:, :1] + self.draws[:, 1:] @ margins[start : start + AT_ONCE].T
            found[:, start : start + AT_ONCE] = quantiles(drawn, tails)
        return sigmoid(found)


def quantiles(drawn: NDArray[np.float64], shares: Sequence[float]) -> list[NDArray[np.float64]]:
    """`np.quantile` of each column of (draws, rows), to the bit; for a single row numpy's takes five times as long."""
    last = len(drawn) - 1
    places = [(int(last * share), min(int(last * share) + 1, last)) for share in shares]
    ordered = np.partition(drawn, [at for both in places for at in both], axis=0)
    found = []
    for share, (below, above) in zip(shares, places, strict=True):
        low, high, part = ordered[below], ordered[above], last * share - below
        found.append(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))
    return found
