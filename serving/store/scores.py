"""One account's score in one run, and how a scored book becomes such rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from serving.plain import plain_rows
from serving.store.columns import finite

PARTS = ("score", "weight", "points", "log_odds", "coverage", "data_as_of")
"""What the book tells of each component, as `{component}_{part}`."""

MIRRORED = (
    *("status", "segment", "owner", "inactive", "health_score", "tier", "yearly_value", "value_at_risk"),
    *("churn_probability", "churn_probability_low", "churn_probability_high", "intercept", "log_odds"),
)
"""Columns of the book that a score mirrors under the same name."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scalars of one account in one run: what lists show, filter and sort, and what a CRM field can hold.

    `health_score` in [0, 100], up is good; `churn_probability` in [0, 1], up is bad; None is "not known", never 0.
    `driver` is the key of what raises the risk most (a filter), `top_driver_1..3` say it in words. `previous_health`
    and `previous_tier` are those of the run before; `changed_at` is the date since which it has this tier.
    `disagrees` says that health and probability do (`serving.policy.disagreement`).
    """

    account_id: str
    status: str = "ok"
    name: str | None = None
    segment: str | None = None
    owner: str | None = None
    inactive: bool | None = None
    is_stale: bool = False
    churn_probability: float | None = None
    churn_probability_low: float | None = None
    churn_probability_high: float | None = None
    intercept: float | None = None
    log_odds: float | None = None
    health_score: float | None = None
    tier: str | None = None
    risk_level: str | None = None
    yearly_value: float | None = None
    value_at_risk: float | None = None
    renewal_at: datetime | None = None
    driver: str | None = None
    top_driver_1: str | None = None
    top_driver_2: str | None = None
    top_driver_3: str | None = None
    previous_health: float | None = None
    previous_tier: str | None = None
    changed_at: datetime | None = None
    disagrees: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A score with all that explains it.

    `detail` holds JSON: `components` (name -> score, weight, points, log_odds, coverage, data_as_of), `drivers`,
    `reasons`, `actions`, `warnings` and whatever else the run adds. `change` says what moved the score since the run
    before. `features` and `baseline` are in the order of the model's features, None where not known: a what-if and
    an explanation of a change need them.
    """

    score: Score
    detail: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] | None = None
    features: list[float | None] | None = None
    baseline: list[float | None] | None = None

    @property
    def account_id(self) -> str:
        """Whose score it is."""
        return self.score.account_id


def rows_of(book: pa.Table, previous: Mapping[str, Scored] | None = None) -> list[Scored]:
    """The rows of a scored book (`serving.book.score_book`), one an account, in its order.

    The policy's part (risk level, actions, warnings, staleness, driver key) is added with `dataclasses.replace`.
    List columns `features` and `baseline`, where the book has them, become the inputs; `days_to_renewal` becomes
    `renewal_at`; `name` is taken over.

    Args:
        book: one row an account.
        previous: the run before (`runs.before`), for `previous_health`, `previous_tier` and `changed_at`.
    """
    components = [name.removesuffix("_coverage") for name in book.column_names if name.endswith("_coverage")]
    return [_scored(row, components, (previous or {}).get(row["account_id"])) for row in plain_rows(book)]


def _scored(row: dict[str, Any], components: list[str], previous: Scored | None) -> Scored:
    told = [reason for reason in row.get("reasons") or [] if reason["contribution"] > 0]
    texts = [reason["text"] for reason in told] + [None, None, None]
    days = finite(row.get("days_to_renewal"))
    before = previous.score if previous else None
    score = Score(
        account_id=row["account_id"],
        **{name: row[name] for name in MIRRORED},
        name=row.get("name"),
        renewal_at=None if days is None else row["as_of"] + timedelta(days=days),
        driver=told[0]["signal"] if told else None,
        top_driver_1=texts[0],
        top_driver_2=texts[1],
        top_driver_3=texts[2],
        previous_health=before.health_score if before else None,
        previous_tier=before.tier if before else None,
        changed_at=before.changed_at if before and before.tier == row["tier"] else row["as_of"],
    )
    return Scored(
        score=score, detail=_detail(row, components), features=row.get("features"), baseline=row.get("baseline")
    )


def _detail(row: dict[str, Any], components: list[str]) -> dict[str, Any]:
    parts = {c: {part: row[f"{c}_{part}"] for part in PARTS if f"{c}_{part}" in row} for c in components}
    for part in parts.values():
        newest = part.get("data_as_of")
        part["data_as_of"] = newest.isoformat() if newest else None
    return {"components": parts, "drivers": row.get("drivers") or [], "reasons": row.get("reasons") or []}
