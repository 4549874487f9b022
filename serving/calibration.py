"""From component margins to a churn probability: an intercept and a slope for each component."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
        parts = np.array_split(margins, max(1, len(margins) // 10_000))  # a part's draws fit in 20 MB
        drawn = (self.draws[:, :1] + self.draws[:, 1:] @ part.T for part in parts)
        return sigmoid(np.concatenate([[quantile(part, tail) for tail in tails] for part in drawn], axis=1))


def quantile(drawn: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """`np.quantile` of each column of (draws, rows), to the bit; for a single row numpy's takes five times as long."""
    at = (len(drawn) - 1) * share
    below = int(at)
    above = min(below + 1, len(drawn) - 1)
    ordered = np.partition(drawn, (below, above), axis=0)
    low, high, part = ordered[below], ordered[above], at - below
    found: NDArray[np.float64] = low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
    return found
