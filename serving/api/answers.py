"""What is answered. Null is "not known", never zero. `health_score` up is good; `churn_probability` up is bad."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[
    datetime,
    AfterValidator(_in_utc),
]
"""A moment in UTC, written with a Z; naive ones are UTC already."""
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
Object = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
"""JSON that the endpoint hands through."""


class Answer(BaseModel):
    """A part of an answer; all of its members are always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Fault(Answer):
    """A value that is not allowed."""

    where: str
    what: str


class ProblemAnswer(Answer):
    """What went wrong, as RFC 9457 says it."""

    type: str
    title: str
    status: int
    detail: str | None
    request_id: str
    errors: list[Fault] = Field(default_factory=list)


class Polarity(Answer):
    """Which way each number is good."""

    health_score: Literal["higher is safer"] = "higher is safer"
    churn_probability: Literal["higher is riskier"] = "higher is riskier"


class ModelOut(Answer):
    """The model that gave the numbers; a version of null is a model that is not registered."""

    name: str
    version: str | None
    run_id: str | None = None
    trained_at: Moment | None = None
    horizon_days: int | None = None


class ComponentOut(Answer):
    """A component; `score x weight = points` where it is part of health, and the points sum to the health score."""

    name: str
    in_health: bool
    score: Points | None = None
    weight: Share | None = None
    points: Points | None = None
    log_odds: float | None = None
    coverage: Share | None = None
    data_as_of: Moment | None = None
    stale: bool = False


class FactorOut(Answer):
    """A signal that moved the score; `contribution` is in log-odds, `contribution_pp` in points of probability."""

    feature: str
    label: str
    value: float | None
    baseline: float | None
    peer_percentile: float | None = None
    direction: Literal["raises_risk", "lowers_risk"]
    contribution: float
    contribution_pp: float
    component: str
    signal: str


class ActionOut(Answer):
    """A play to carry out, by whom, until when, and the figure it is judged by."""

    play: str
    title: str
    owner: str
    due_in_hours: float
    due_at: Moment
    success_metric: str
    because: list[str]
    held_out: bool = Field(False, description="drawn to be left alone, so that effects can be measured: do not act")
    held_out_because: str | None = None


class WarningOut(Answer):
    """A warning sign, and the response it calls for."""

    rule: str
    title: str
    component: str
    severity: Literal["low", "medium", "high"]
    text: str
    play: str
    owner: str
    due_in_hours: float


class ChurnTypeOut(Answer):
    """The kind of churn to prevent."""

    type: str
    intent: Literal["voluntary", "involuntary"]
    strategy: str


class DataQuality(Answer):
    """How much of the inputs is known: `coverage` of all, the components with nothing, and what to mind."""

    coverage: Share | None
    missing: list[str]
    warnings: list[str]


class ChangedInput(Answer):
    """An input that a what-if changed."""

    feature: str
    label: str
    before: float | str | None
    after: float | str | None


class WhatIfOut(Answer):
    """What was changed, the live model's numbers without the change, and by how much they moved."""

    changed: list[ChangedInput]
    health_score_before: Points | None
    churn_probability_before: Share | None
    tier_before: str | None
    health_score_change: float | None
    churn_probability_change: float | None


class Result(Answer):
    """One account's prediction, in the order asked. Other than `ok`: null for what is not known, `error` says why.

    `source`: `stored` is the last run's, `live` was computed for this request, `what_if` too, on changed inputs.
    `events_since` are the events posted of the account that the last run does not count; `live` and `what_if` count
    them, as of the next midnight (`as_of`).
    """

    external_id: str
    status: Literal["ok", "not_found", "invalid", "insufficient_data"]
    error: str | None = None
    source: Literal["stored", "live", "what_if"] | None = None
    model_version: str | None = None
    scored_at: Moment | None = None
    as_of: Moment | None = None
    events_since: int = 0
    name: str | None = None
    segment: str | None = None
    owner: str | None = None
    churn_probability: Share | None = None
    churn_probability_interval: tuple[Share, Share] | None = None
    base_rate: Share | None = None
    health_score: Points | None = None
    tier: str | None = None
    tier_label: str | None = None
    previous_score: Points | None = None
    previous_tier: str | None = None
    trend: Literal["up", "down", "same"] | None = None
    last_changed: Moment | None = None
    change_explained: Object | None = None
    components: list[ComponentOut] = Field(default_factory=list)
    top_factors: list[FactorOut] = Field(default_factory=list)
    top_driver_1: str | None = None
    top_driver_2: str | None = None
    top_driver_3: str | None = None
    reason: str | None = None
    risk_level: Literal["high", "medium", "low"] | None = None
    driver: str | None = None
    yearly_value: float | None = None
    at_risk_value: float | None = None
    renewal_at: Moment | None = None
    churn_type_hint: ChurnTypeOut | None = None
    recommended_actions: list[ActionOut] = Field(default_factory=list)
    warnings: list[WarningOut] = Field(default_factory=list)
    data_quality: DataQuality | None = None
    is_stale: bool = False
    inactive: bool | None = None
    disagrees: Literal["hidden_risk", "overstated_risk"] | None = None
    fallback: str | None = None
    what_if: WhatIfOut | None = None


class Envelope(Answer):
    """What every answer about accounts begins with."""

    request_id: str
    polarity: Polarity = Field(default_factory=Polarity)


class Predictions(Envelope):
    """Predictions in the order asked; `model` is null when nothing is live and nothing was scored yet."""

    model: ModelOut | None
    results: list[Result]
