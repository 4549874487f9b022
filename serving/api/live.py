"""Score rows now, with the live model: what is answered of a stored score, from the same functions."""

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
from serving.holding import marked
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
    by the changed inputs alone; `held_out` is why no play may reach the account.
    """

    score: Score
    as_of: datetime
    baseline: Sequence[float | None] | None = None
    data_as_of: dict[str, datetime | None] | None = None
    value_rank: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    held_out: str | None = None


def score_rows(
    live: Live, policy: Policy, business_model: str, rows: Array, known: Sequence[Known], *, explain: bool
) -> list[Scored]:
    """Rows (n, features) of the live model, scored; without `explain` the numbers and the tier alone."""
    if not len(rows):
        return []
    bundle = live.bundle
    found = score(bundle, rows)
    worth = yearly_value(live.names, rows)
    lost = value_at_risk(found.probability, worth)
    features = [[_known(value) for value in row] for row in rows.tolist()]
    if not explain:
        scores = [_flat(bundle, found, worth, lost, one.score, (), i) for i, one in enumerate(known)]
        return [Scored(score=one, features=row) for one, row in zip(scores, features, strict=True)]
    usual = np.array([_unlisted(one.baseline, rows.shape[1]) for one in known])
    told = reasons(bundle, found, rows, usual, peers=None)
    return [
        _assessed(
            live,
            policy,
            business_model,
            Scored(
                score=_flat(bundle, found, worth, lost, one.score, told[i], i),
                detail=_detail(live, found, features[i], told[i], one, i),
                features=features[i],
            ),
            told[i],
            one,
        )
        for i, one in enumerate(known)
    ]


def _flat(bundle: Bundle, found: Scores, worth: Array, lost: Array, of: Score, told: Sequence[Reason], i: int) -> Score:
    def at(values: Array) -> float | None:
        return _known(values[i])

    raising = [reason.text for reason in told if reason.contribution > 0]
    first, second, third, *_ = [*raising, None, None, None]
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
        top_driver_1=first,
        top_driver_2=second,
        top_driver_3=third,
    )


def _detail(
    live: Live, found: Scores, features: Sequence[float | None], told: Sequence[Reason], known: Known, i: int
) -> dict[str, Any]:
    """What answers are made from of a stored score's details; no one asks for the drivers of all signals."""
    newest = known.data_as_of or {}
    parts = {c: _component(found, c, i) if c in live.bundle.health_components else {} for c in live.components}
    if live.bundle.is_learned:
        for part, log_odds in zip(parts.values(), found.terms[i].tolist(), strict=True):
            part["log_odds"] = _known(log_odds)
    for c, part in parts.items():
        inputs = [features[place] for place in live.components[c]]
        part["coverage"] = (len(inputs) - inputs.count(None)) / len(inputs)
        part["data_as_of"] = newest.get(c)
    return {"components": parts, "reasons": [row_of(reason) for reason in told]}


def _component(found: Scores, component: str, i: int) -> dict[str, Any]:
    score_, share = found.component_scores[component][i], found.shares[component][i]
    return {"score": _known(score_), "weight": _known(share), "points": _known(score_ * share)}


def _assessed(
    live: Live, policy: Policy, business_model: str, row: Scored, told: Sequence[Reason], known: Known
) -> Scored:
    """With the policy's part: risk level, warnings, actions."""
    score_, values = row.score, row.features or []
    features = dict(zip(live.names, values, strict=True))
    usual = known.baseline or [None] * len(values)
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
        baseline=dict(zip(live.names, usual, strict=True)),
        inputs={name: known.facts.get(name) for name in policy.inputs},
        reasons=tuple(told),
        previous=_previous(known),
        data_as_of={c: moment for c, moment in (known.data_as_of or {}).items() if moment is not None},
    )
    warnings = rules.warning_signs(policy, situation)
    found = completed(policy, row, situation, warnings, None, values, list(usual))
    return marked(found, known.held_out) if known.held_out else found


def _previous(known: Known) -> Previous | None:
    """Health and tier of the run before, which is all that warnings and actions ask of it."""
    score_ = known.score
    if score_.previous_health is None:
        return None
    return Previous(as_of=known.as_of, health=score_.previous_health, tier=score_.previous_tier)


def _unlisted(values: Sequence[float | None] | None, size: int) -> list[float]:
    return [_or_nan(value) for value in values] if values else [nan] * size


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
