"""Score rows now, with the live model: the same details as a stored score has, from the same functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retention.value import value_at_risk, yearly_value
from serving import policy as rules
from serving.api.models import Live
from serving.assess import completed
from serving.bundle import Bundle
from serving.policy import Policy, Previous, Situation
from serving.reasons import Reason, reasons
from serving.score import Scores, score
from serving.store.records import row_of
from serving.store.scores import Score, Scored

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a row besides its features: all of a stored account for a what-if, else its id alone.

    `facts` are those that persons had told when the account was scored, so that a what-if differs from the stored score
    by the changed inputs alone.
    """

    score: Score
    as_of: datetime
    baseline: Sequence[float | None] | None = None
    data_as_of: dict[str, datetime | None] | None = None
    value_rank: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


def score_rows(
    live: Live, policy: Policy, business_model: str, rows: Array, known: Sequence[Known], *, explain: bool
) -> list[Scored]:
    """Rows (n, features) of the live model, scored; without `explain` the numbers and the tier alone."""
    if not len(rows):
        return []
    bundle = live.bundle
    found = score(bundle, rows)
    worth = yearly_value([spec.name for spec in bundle.features], rows)
    lost = value_at_risk(found.probability, worth)
    plain = [
        Scored(score=_flat(bundle, found, worth, lost, one.score, i), features=_listed(rows[i]))
        for i, one in enumerate(known)
    ]
    if not explain:
        return plain
    usual = np.array([_unlisted(one.baseline, rows.shape[1]) for one in known])
    told = reasons(bundle, found, rows, usual, peers=None)
    return [
        _assessed(live, policy, business_model, _detailed(live, found, rows, told[i], row, known[i], i), known[i])
        for i, row in enumerate(plain)
    ]


def _flat(bundle: Bundle, found: Scores, worth: Array, lost: Array, of: Score, i: int) -> Score:
    def at(values: Array) -> float | None:
        return None if isnan(values[i]) else float(values[i])

    return replace(
        of,
        status="ok" if bundle.is_learned else "cold_start",
        churn_probability=at(found.probability),
        churn_probability_low=at(found.interval[0]),
        churn_probability_high=at(found.interval[1]),
        intercept=found.intercept if bundle.is_learned else None,
        log_odds=at(found.log_odds),
        health_score=at(found.health),
        tier=found.tier[i],
        yearly_value=at(worth),
        value_at_risk=at(lost),
    )


def _detailed(
    live: Live, found: Scores, rows: Array, told: Sequence[Reason], row: Scored, known: Known, i: int
) -> Scored:
    bundle = live.bundle
    raising = [reason.text for reason in told if reason.contribution > 0]
    first, second, third, *_ = [*raising, None, None, None]
    drivers: list[dict[str, Any]] = []
    if bundle.is_learned:
        names = live.signals
        moved = names.contributions(found.drivers[i : i + 1])[0].tolist()
        drivers = [{"component": c, "signal": s, "log_odds": x} for (c, s), x in zip(names.names, moved, strict=True)]
    detail = {
        "components": {c: _component(bundle, found, rows, known, c, i) for c in bundle.components},
        "drivers": drivers,
        "reasons": [row_of(reason) for reason in told],
    }
    score_ = replace(row.score, top_driver_1=first, top_driver_2=second, top_driver_3=third)
    return replace(row, score=score_, detail=detail)


def _component(bundle: Bundle, found: Scores, rows: Array, known: Known, component: str, i: int) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if component in bundle.health_components:
        points, share = found.component_scores[component][i], found.shares[component][i]
        part = {"score": _known(points), "weight": _known(share), "points": _known(points * share)}
    if bundle.is_learned:
        part["log_odds"] = _known(found.terms[i, bundle.components.index(component)])
    part["coverage"] = float((~np.isnan(rows[i, bundle.columns(component)])).mean())
    part["data_as_of"] = (known.data_as_of or {}).get(component)
    return part


def _assessed(live: Live, policy: Policy, business_model: str, row: Scored, known: Known) -> Scored:
    """With the policy's part: risk level, warnings, actions."""
    names, score_ = [spec.name for spec in live.bundle.features], row.score
    features = dict(zip(names, row.features or (), strict=True))
    usual = known.baseline or [None] * len(names)
    situation = Situation(
        account_id=score_.account_id,
        as_of=known.as_of,
        business_model=business_model,
        segment=score_.segment,
        owner=score_.owner,
        health=score_.health_score,
        tier=score_.tier,
        churn_probability=score_.churn_probability,
        yearly_value=score_.yearly_value,
        value_rank=known.value_rank,
        value_at_risk=score_.value_at_risk,
        days_to_renewal=features.get("days_to_renewal"),
        inactive=score_.inactive,
        features=features,
        baseline=dict(zip(names, usual, strict=True)),
        inputs={name: known.facts.get(name) for name in policy.inputs},
        reasons=tuple(Reason(**reason) for reason in row.detail["reasons"]),
        previous=_previous(known),
        data_as_of={c: moment for c, moment in (known.data_as_of or {}).items() if moment is not None},
    )
    warnings = rules.warning_signs(policy, situation)
    return completed(policy, row, situation, warnings, None, list(row.features or ()), list(usual))


def _previous(known: Known) -> Previous | None:
    """Health and tier of the run before, which is all that warnings and actions ask of it."""
    score_ = known.score
    if score_.previous_health is None:
        return None
    return Previous(as_of=known.as_of, health=score_.previous_health, tier=score_.previous_tier)


def _listed(row: Array) -> list[float | None]:
    return [_known(value) for value in row.tolist()]


def _unlisted(values: Sequence[float | None] | None, size: int) -> list[float]:
    return [_or_nan(value) for value in values] if values else [nan] * size


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
