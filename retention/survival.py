"""How long until something happens, where for many it has not happened yet: Kaplan and Meier's estimate (1958)."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

from retention.figures import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """The share to whom it has not happened yet, after `days`, with its 95 % interval; `events` of `n` happened."""

    days: Array
    share: Array
    low: Array
    high: Array
    n: int
    events: int

    @property
    def median(self) -> Figure:
        """Days until it has happened to half; not known while it has happened to fewer.

        The interval holds the days at which the interval of the share crosses one half (Brookmeyer and Crowley 1982).
        """
        value = _first(self.days, self.share)
        low, high = _first(self.days, self.low), _first(self.days, self.high)
        return Figure(value, self.n, low if high is not None else None, high)

    def at(self, days: float) -> Figure:
        """The share to whom it has not happened after so many days."""
        before = int(np.searchsorted(self.days, days, "right")) - 1
        if before < 0:
            return Figure(1.0, self.n)
        return Figure(float(self.share[before]), self.n, float(self.low[before]), float(self.high[before]))


def survival(happened: Array, waiting: Array) -> Survival:
    """Kaplan and Meier's curve.

    Args:
        happened: days until it happened, one a case.
        waiting: days watched without it, one a case.
    """
    n, events = len(happened) + len(waiting), len(happened)
    if not events:
        nothing = np.empty(0)
        return Survival(nothing, nothing, nothing, nothing, n, 0)
    found = ecdf(CensoredData(uncensored=happened, right=waiting)).sf
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # where the curve reaches 1 or 0 it has no interval; filled below
        bounds = found.confidence_interval(method="log-log")
    low, high = (np.nan_to_num(side.probabilities, nan=edge) for side, edge in ((bounds.low, 0.0), (bounds.high, 1.0)))
    return Survival(found.quantiles, found.probabilities, low, high, n, events)


def _first(days: Array, share: Array) -> float | None:
    below = np.flatnonzero(share <= 0.5)
    return float(days[below[0]]) if len(below) else None
