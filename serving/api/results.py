"""From a score with its details, stored or live, to the answer: every number as it is, none computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from serving.api.account_answers import AccountLine
from serving.api.age import Age
from serving.api.answers import ActionOut, ChurnTypeOut, ComponentOut, DataQuality, FactorOut, Result, WarningOut
from serving.policy import Policy
from serving.store.scores import Score, Scored

Source = Literal["stored", "live", "what_if"]
SAME_POINTS = 0.5
"""Health that moved by less than this, in points, stayed the same."""
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
    """The answer about one account."""
    score, detail = scored.score, scored.detail
    known = score.health_score is not None
    told = _explained(scored, setting) if setting.explain else {}
    return Result(
        external_id=score.account_id,
        status="ok" if known else "insufficient_data",
        error=None if known else "too little is known of it for a score",
        source=source,
        model_version=setting.model_version,
        scored_at=setting.scored_at,
        as_of=setting.as_of,
        churn_probability_interval=_interval(score),
        base_rate=setting.base_rate,
        churn_type_hint=_churn_type(detail),
        fallback=FALLBACK if score.status == "cold_start" else None,
        change_explained=scored.change,
        **_flat(score, setting.age),
        tier_label=_label(setting.policy, score.tier),
        **told,
    )


def line_of(score: Score, age: Age) -> AccountLine:
    """The account in a list."""
    status = "insufficient_data" if score.health_score is None else "ok"
    return AccountLine(external_id=score.account_id, status=status, **_flat(score, age))


def components_of(detail: Mapping[str, Any]) -> list[ComponentOut]:
    """The components, those of the health score first."""
    stale = {one["component"] for one in detail.get("freshness") or () if one["is_stale"]}
    found = [
        ComponentOut(name=name, in_health="score" in part, stale=name in stale, **part)
        for name, part in (detail.get("components") or {}).items()
    ]
    return sorted(found, key=lambda component: not component.in_health)


def _flat(score: Score, age: Age | None) -> dict[str, Any]:
    """The scalars that lists and results share."""
    same = (
        *("name", "segment", "owner", "health_score", "tier", "risk_level", "churn_probability", "yearly_value"),
        *("renewal_at", "driver", "top_driver_1", "top_driver_2", "top_driver_3", "previous_tier"),
        "inactive",
    )
    return {
        **{name: getattr(score, name) for name in same},
        "is_stale": age.is_stale(score) if age else score.is_stale,
        "at_risk_value": score.value_at_risk,
        "previous_score": score.previous_health,
        "trend": _trend(score),
        "last_changed": score.changed_at,
    }


def _explained(scored: Scored, setting: Setting) -> dict[str, Any]:
    detail = scored.detail
    components = components_of(detail)
    factors = [_factor(reason) for reason in (detail.get("reasons") or [])[: setting.factors]]
    return {
        "components": components,
        "top_factors": factors,
        "reason": _reason(setting.policy, scored.score),
        "recommended_actions": [ActionOut.model_validate(_only(ActionOut, row)) for row in detail.get("actions") or ()],
        "warnings": [WarningOut.model_validate(_only(WarningOut, row)) for row in detail.get("warnings") or ()],
        "data_quality": _quality(scored, components, setting.age),
    }


def _only(kind: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in kind.model_fields if name in row}


def _factor(reason: Mapping[str, Any]) -> FactorOut:
    raises = reason["contribution"] > 0
    told = {name: reason[name] for name in FactorOut.model_fields if name in reason}
    return FactorOut(**told, label=reason["text"], direction="raises_risk" if raises else "lowers_risk")


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


def _churn_type(detail: Mapping[str, Any]) -> ChurnTypeOut | None:
    kind = detail.get("churn_type")
    return None if kind is None else ChurnTypeOut(**kind)


def _quality(scored: Scored, components: Sequence[ComponentOut], age: Age | None) -> DataQuality:
    known = [value is not None for value in scored.features or ()]
    missing = [component.name for component in components if component.coverage == 0]
    stale = [f"{component.name}: its newest data is too old" for component in components if component.stale]
    old = [f"the score is {age.in_words(scored.score.tier)}"] if age and age.is_old(scored.score.tier) else []
    coverage = sum(known) / len(known) if known else None
    return DataQuality(coverage=coverage, missing=missing, warnings=[*(f"{c}: no data" for c in missing), *stale, *old])
