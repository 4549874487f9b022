"""From rows of features to scores that add up.

intercept + sum of drivers = calibrated log-odds = logit of the churn probability; a component's term is the
sum of its drivers; the health score is the health components' terms on a scale of 0 to 100.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving import explain
from serving.bundle import Bundle
from serving.calibration import sigmoid
from serving.health import TYPICAL, component_score, health, shares, typical_scores, weighted
from serving.tiers import tiers_of

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n rows. Arrays are (n,), (n, components) or (n, features) in the bundle's order.

    `probability` of churn within the horizon and its 95 % `interval` (2, n), NaN at a cold start; `drivers` are
    calibrated contributions in log-odds (above 0 raises the risk), `terms` their sums by component. `health` in
    [0, 100], higher is safer; `component_scores` and `shares` (weights as they act on the row) are keyed by
    health component and multiply to its points.
    """

    probability: Array
    interval: Array
    log_odds: Array
    intercept: float
    drivers: Array
    terms: Array
    component_scores: dict[str, Array]
    shares: dict[str, Array]
    health: Array
    tier: NDArray[np.object_]

    def take(self, order: NDArray[np.integer[Any]]) -> "Scores":
        """Those of the rows at these places."""
        return Scores(
            probability=self.probability[order],
            interval=self.interval[:, order],
            log_odds=self.log_odds[order],
            intercept=self.intercept,
            drivers=self.drivers[order],
            terms=self.terms[order],
            component_scores={name: found[order] for name, found in self.component_scores.items()},
            shares={name: found[order] for name, found in self.shares.items()},
            health=self.health[order],
            tier=self.tier[order],
        )


def score(bundle: Bundle, rows: Array, explained: Array | None = None) -> Scores:
    """Score rows (n, features) in the order of `bundle.features`; NaN is an unknown value.

    `explained` are their SHAP values (n, features + 1), where another machine has worked them out.
    """
    if bundle.booster is None or bundle.calibration is None:
        return _typical(bundle, rows)
    contributions = (explain.contributions(bundle.booster, rows) if explained is None else explained)[:, :-1]
    drivers = contributions * _slopes(bundle)
    margins = by_component(bundle, contributions)
    terms = bundle.calibration.terms(margins)
    log_odds = bundle.calibration.intercept + drivers.sum(axis=1)
    place = {c: i for i, c in enumerate(bundle.components)}
    found = {c: component_score(terms[:, place[c]], bundle.scales[c]) for c in bundle.health_components}
    share = shares(found, bundle.weights)
    points = weighted(found, share, bundle.weights)
    return Scores(
        probability=sigmoid(log_odds),
        interval=bundle.calibration.interval(margins),
        log_odds=log_odds,
        intercept=bundle.calibration.intercept,
        drivers=drivers,
        terms=terms,
        component_scores=found,
        shares=share,
        health=points,
        tier=tiers_of(points, bundle.tiers),
    )


def by_component(bundle: Bundle, contributions: Array) -> Array:
    """Sums of contributions (n, features) over each component's features: (n, components)."""
    return np.array([contributions.take(columns, axis=1).sum(axis=1) for columns in _columns(bundle)]).T


@lru_cache(maxsize=4)
def _columns(bundle: Bundle) -> list[NDArray[np.intp]]:
    """Positions of each component's features; looking them up takes longer than adding up a row's."""
    return [bundle.columns(c) for c in bundle.components]


@lru_cache(maxsize=4)
def _slopes(bundle: Bundle) -> Array:
    """The calibration's slope of each feature."""
    assert bundle.calibration is not None
    return np.array([bundle.calibration.slopes[spec.component] for spec in bundle.features])


def _typical(bundle: Bundle, rows: Array) -> Scores:
    """Cold start: typical weights and step maps; no probability, no drivers."""
    found = plain_scores([spec.name for spec in bundle.features], rows)
    held = {c: s for c, s in found.items() if c in bundle.health_components}
    weights = {c: TYPICAL.get(c, 0.0) for c in bundle.health_components}
    points = health(held, weights)
    unknown = np.full(len(rows), np.nan)
    nothing = np.zeros((len(rows), 0))
    return Scores(
        probability=unknown,
        interval=np.full((2, len(rows)), np.nan),
        log_odds=unknown,
        intercept=0.0,
        drivers=nothing,
        terms=nothing,
        component_scores=held,
        shares=shares(held, weights),
        health=points,
        tier=tiers_of(points, bundle.tiers),
    )


def plain_scores(names: list[str], rows: Array) -> dict[str, Array]:
    """Component scores by the shipped step maps, from the features that carry their plain inputs.

    Logins a week are the days of use a week, over the last 28 days. All rows of a component without inputs are NaN.
    """

    def column(name: str) -> Array:
        unknown = np.full(len(rows), np.nan)
        return rows[:, names.index(name)] if name in names else unknown

    return typical_scores(
        logins_per_week=column("active_days_28d") / 4,
        nps=column("nps_last"),
        csat=column("csat_last"),
        recent_tickets=column("tickets_28d"),
        open_tickets=column("tickets_open"),
        sentiment=column("sentiment_last"),
        days_since_contact=column("days_since_two_way_contact"),
    )
