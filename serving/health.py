"""The health score: component scores in [0, 100], their weights, and the sum of their products.

Learned: a component's term is its part of the calibrated log-odds of leaving. Its score says where that term
lies between the riskiest and the safest of history; its weight says how far the terms of history spread.
Typical: with too little history to learn from, step maps of plain inputs and the weights 45/25/20/10.

Every function takes numbers or arrays of rows alike. NaN means "not known" and is left out, never imputed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.errors import ServingError

TYPICAL = {"usage": 0.45, "feedback": 0.25, "support": 0.20, "relationship": 0.10}
"""Customary weights, each inside its customary range; they sum to one."""

RANGES = {"usage": (0.40, 0.50), "feedback": (0.20, 0.25), "support": (0.15, 0.20), "relationship": (0.10, 0.15)}
"""Customary range `[low, high]` of each weight."""

Steps = Sequence[tuple[float, float]]
"""A step map: `(floor, score)` with rising floors; a value in `[floor, next floor)` has that score."""

STEPS: Steps = ((-math.inf, 25), (1, 50), (3, 75), (5, 100))
"""Logins a week: 5 or more score 100, `[3, 5)` 75, `[1, 3)` 50, below one 25."""

NPS_STEPS: Steps = ((-math.inf, 25), (7, 50), (9, 100))
"""Answers 0-10: promoters 100, passives (a hidden risk) 50, detractors 25."""

RATING_STEPS: Steps = ((-math.inf, 25), (3, 50), (4, 75), (5, 100))
"""Ratings 1-5, a survey's CSAT or the owner's own sentiment."""

CONTACT_STEPS: Steps = ((-math.inf, 100), (15, 75), (31, 50), (91, 25))
"""Days since the last contact: within two weeks, a month, a quarter, longer."""

VOLUME_STEPS: Steps = ((-math.inf, 75), (1, 100), (3, 75), (6, 50), (9, 25))
"""Tickets of the last 28 days, U-shaped: one or two show a customer at work, many a customer in trouble."""

BACKLOG_STEPS: Steps = ((-math.inf, 100), (2, 75), (3, 50), (5, 25))
"""Tickets still open."""


@dataclass(frozen=True)
class Scale:
    """Safest (`low`) and riskiest (`high`) term of a component in history, in calibrated log-odds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ServingError(f"scale: needs finite low <= high, got [{self.low}, {self.high}]; retrain")

    @property
    def span(self) -> float:
        """Log-odds between the safest and the riskiest; 0 for a component that told nobody apart."""
        return self.high - self.low


def component_score(term: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    """Where a term lies on its scale: 100 at the safest, 0 at the riskiest of history, clipped beyond.

    A component without spread has weight 0 and scores 50, neither safe nor risky. NaN stays NaN.
    """
    value = np.asarray(term, dtype=np.float64)
    if scale.span == 0:
        return np.where(np.isnan(value), np.nan, 50.0)
    score: NDArray[np.float64] = 100 * np.minimum(np.maximum((scale.high - value) / scale.span, 0.0), 1.0)
    return score


def weights(scales: Mapping[str, Scale]) -> dict[str, float]:
    """Each component's share of the summed spans: non-negative, sum one.

    Equal weights if no component has any spread: history then prefers none of them (and every score is 50).
    """
    total = math.fsum(scale.span for scale in scales.values())
    if total == 0:
        return {name: 1 / len(scales) for name in scales}
    return {name: scale.span / total for name, scale in scales.items()}


def shares(scores: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    """Weights as they act on each row: renormalised over the components whose score is known, 0 elsewhere.

    NaN in a row that knows no component with a weight. `health = sum of share x score`, so that
    `shares[c] * scores[c]` are the points of component c.
    """
    known = {c: weights[c] * ~np.isnan(_score(scores, c)) for c in _smallest_first(weights)}
    total = sum(known.values(), start=np.zeros(()))
    total = np.where(total > 0, total, np.nan)
    return {c: known[c] / total for c in weights}


def health(scores: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Weighted mean of the known component scores, in [0, 100], higher is safer; NaN where none is known.

    >>> float(health({"usage": 80, "feedback": 75, "support": 60, "relationship": 70}, TYPICAL))
    73.75
    """
    return weighted(scores, shares(scores, weights), weights)


def weighted(
    scores: Mapping[str, ArrayLike], shares: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """`health`, where the `shares` of these weights are known already."""
    total = np.zeros(())
    for c in _smallest_first(weights):
        score = _score(scores, c)
        total = total + shares[c] * np.where(np.isnan(score), 0.0, score)
    return np.minimum(np.maximum(total, 0.0), 100.0)


def _score(scores: Mapping[str, ArrayLike], name: str) -> NDArray[np.float64]:
    return np.asarray(scores.get(name, np.nan), dtype=np.float64)


def _smallest_first(weights: Mapping[str, float]) -> list[str]:
    """One order of summing for every order of naming; the typical weights then sum to exactly 1."""
    return sorted(weights, key=lambda name: (weights[name], name))


def distance_from_ranges(weights: Mapping[str, float]) -> dict[str, float]:
    """How far each weight lies outside its customary range: negative below, 0 inside; no other names."""
    named = {c: w for c, w in weights.items() if c in RANGES}
    return {c: w - min(max(w, RANGES[c][0]), RANGES[c][1]) for c, w in named.items()}


def step_score(value: ArrayLike, steps: Steps = STEPS) -> NDArray[np.float64]:
    """Score of a value on a step map, half-open; NaN stays NaN.

    >>> step_score([7, 5, 4.9, 3, 1, 0.5, 0]).tolist()
    [100.0, 100.0, 75.0, 75.0, 50.0, 25.0, 25.0]
    """
    number = np.asarray(value, dtype=np.float64)
    floors, scores = np.array(steps, dtype=np.float64).T
    return np.where(np.isnan(number), np.nan, scores[np.searchsorted(floors, number, side="right") - 1])


def support_score(
    recent_tickets: ArrayLike, open_tickets: ArrayLike, logins_per_week: ArrayLike
) -> NDArray[np.float64]:
    """The worse of ticket volume (28 days, U-shaped) and backlog; 25 for silence together with low usage.

    No tickets is a bad sign only when hardly anybody signs in either (less than one login a week).
    """
    silent = (np.asarray(recent_tickets) == 0) & (np.asarray(logins_per_week) < 1)
    worse = np.fmin(step_score(recent_tickets, VOLUME_STEPS), step_score(open_tickets, BACKLOG_STEPS))
    return np.where(silent, 25.0, worse)


def typical_scores(
    *,
    logins_per_week: ArrayLike = np.nan,
    nps: ArrayLike = np.nan,
    csat: ArrayLike = np.nan,
    recent_tickets: ArrayLike = np.nan,
    open_tickets: ArrayLike = np.nan,
    sentiment: ArrayLike = np.nan,
    days_since_contact: ArrayLike = np.nan,
) -> dict[str, NDArray[np.float64]]:
    """Component scores without a model: step maps of plain inputs, the mean where a component has two.

    Units: logins a week, NPS answer 0-10, CSAT and sentiment 1-5, tickets of 28 days and open ones, days.
    """
    feedback = step_score(nps, NPS_STEPS), step_score(csat, RATING_STEPS)
    relationship = step_score(sentiment, RATING_STEPS), step_score(days_since_contact, CONTACT_STEPS)
    return {
        "usage": step_score(logins_per_week, STEPS),
        "feedback": _mean_of_known(*feedback),
        "support": support_score(recent_tickets, open_tickets, logins_per_week),
        "relationship": _mean_of_known(*relationship),
    }


def _mean_of_known(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of two scores, either one where the other is NaN."""
    return (np.fmin(first, second) + np.fmax(first, second)) / 2


def typical_health(scores: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Health under the typical weights: for a company with too few churned accounts to learn from."""
    return health(scores, TYPICAL)
