"""From a score with its details, stored or live, to the answer: every number as it is, none computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from serving.api.account_answers import AccountLine
from serving.api.age import Age
from serving.api.answers import ComponentOut, Result
from serving.policy import Policy
from serving.store.scores import Score, Scored

Source = Literal["stored", "live", "what_if"]
SAME_POINTS = 0.5
"""Health that moved by less than this, in points, stayed the same."""
SAME = (
    *("name", "segment", "owner", "health_score", "tier", "risk_level", "churn_probability", "yearly_value"),
    *("renewal_at", "driver", "top_driver_1", "top_driver_2", "top_driver_3", "previous_tier", "inactive"),
    "disagrees",
)
"""Scalars that an answer has as a score has them."""
FALLBACK = "no model is learned yet: health comes from the typical weights, and there is no churn probability"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the results of one answer have in common: when and by what they were made, and how much to tell.

    `age` is that of stored scores; None for what was computed for this answer.
    """

    policy: Policy
    scored_at: datetime
    as_of: datetime
    model_version: str | None
    base_rate: float | None = None
    factors: int = 3
    explain: bool = True
    age: Age | None = None


def result_of(scored: Scored, setting: Setting, source: Source) -> Result:
    """The answer about one account; its parts are checked all at once, which takes a third of one by one."""
    score, detail = scored.score, scored.detail
    known = score.health_score is not None
    told = _explained(scored, setting) if setting.explain else {}
    return Result.model_validate(
        {
            "external_id": score.account_id,
            "status": "ok" if known else "insufficient_data",
            "error": None if known else "too little is known of it for a score",
            "source": source,
            "model_version": setting.model_version,
            "scored_at": setting.scored_at,
            "as_of": setting.as_of,
            "churn_probability_interval": _interval(score),
            "base_rate": setting.base_rate,
            "churn_type_hint": detail.get("churn_type"),
            "fallback": FALLBACK if score.status == "cold_start" else None,
            "change_explained": scored.change,
            **_flat(score, setting.age),
            "tier_label": _label(setting.policy, score.tier),
            **told,
        }
    )


def line_of(score: Score, age: Age) -> AccountLine:
    """The account in a list."""
    status = "insufficient_data" if score.health_score is None else "ok"
    return AccountLine(external_id=score.account_id, status=status, **_flat(score, age))


def components_of(detail: Mapping[str, Any]) -> list[ComponentOut]:
    """The components, those of the health score first."""
    return [ComponentOut.model_validate(row) for row in _components(detail)]


def _components(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    stale = {one["component"] for one in detail.get("freshness") or () if one["is_stale"]}
    found = [
        {**part, "name": name, "in_health": "score" in part, "stale": name in stale}
        for name, part in (detail.get("components") or {}).items()
    ]
    return sorted(found, key=lambda component: not component["in_health"])


def _flat(score: Score, age: Age | None) -> dict[str, Any]:
    """The scalars that lists and results share."""
    return {
        **{name: getattr(score, name) for name in SAME},
        "is_stale": age.is_stale(score) if age else score.is_stale,
        "at_risk_value": score.value_at_risk,
        "previous_score": score.previous_health,
        "trend": _trend(score),
        "last_changed": score.changed_at,
    }


def _explained(scored: Scored, setting: Setting) -> dict[str, Any]:
    detail = scored.detail
    components = _components(detail)
    return {
        "components": components,
        "top_factors": [_factor(reason) for reason in (detail.get("reasons") or [])[: setting.factors]],
        "reason": _reason(setting.policy, scored.score),
        "recommended_actions": detail.get("actions") or [],
        "warnings": detail.get("warnings") or [],
        "data_quality": _quality(scored, components, setting.age),
    }


def _factor(reason: Mapping[str, Any]) -> dict[str, Any]:
    direction = "raises_risk" if reason["contribution"] > 0 else "lowers_risk"
    return {**reason, "label": reason["text"], "direction": direction}


def _reason(policy: Policy, score: Score) -> str | None:
    """One sentence for a field of a CRM."""
    told = [text for text in (score.top_driver_1, score.top_driver_2, score.top_driver_3) if text]
    label = _label(policy, score.tier)
    if label is None:
        return None
    return f"{label}: {'. '.join(told)}" if told else f"{label}: nothing raises the risk much"


def _label(policy: Policy, tier: str | None) -> str | None:
    rule = policy.tiers.get(tier or "")
    return rule.label if rule else tier


def _interval(score: Score) -> tuple[float, float] | None:
    low, high = score.churn_probability_low, score.churn_probability_high
    return None if low is None or high is None else (low, high)


def _trend(score: Score) -> Literal["up", "down", "same"] | None:
    if score.health_score is None or score.previous_health is None:
        return None
    moved = score.health_score - score.previous_health
    if abs(moved) < SAME_POINTS:
        return "same"
    return "up" if moved > 0 else "down"


def _quality(scored: Scored, components: Sequence[Mapping[str, Any]], age: Age | None) -> dict[str, Any]:
    features = scored.features or ()
    coverage = (len(features) - features.count(None)) / len(features) if features else None
    missing = [one["name"] for one in components if one.get("coverage") == 0]
    stale = [f"{one['name']}: its newest data is too old" for one in components if one["stale"]]
    old = [f"the score is {age.in_words(scored.score.tier)}"] if age and age.is_old(scored.score.tier) else []
    return {"coverage": coverage, "missing": missing, "warnings": [*(f"{c}: no data" for c in missing), *stale, *old]}
