"""What is answered about stored accounts: lists, history, explanation, decisions."""

from typing import Literal

from serving.api.answers import Answer, ComponentOut, Envelope, ModelOut, Moment, Object, Points, Result, Share


class AccountLine(Answer):
    """An account in a list: scalars alone, as a CRM holds them."""

    external_id: str
    name: str | None
    segment: str | None
    owner: str | None
    status: Literal["ok", "insufficient_data"]
    health_score: Points | None
    tier: str | None
    risk_level: Literal["high", "medium", "low"] | None
    churn_probability: Share | None
    yearly_value: float | None
    at_risk_value: float | None
    renewal_at: Moment | None
    driver: str | None
    top_driver_1: str | None
    top_driver_2: str | None
    top_driver_3: str | None
    previous_score: Points | None
    previous_tier: str | None
    trend: Literal["up", "down", "same"] | None
    last_changed: Moment | None
    is_stale: bool
    inactive: bool | None
    disagrees: Literal["hidden_risk", "overstated_risk"] | None


class AccountPage(Envelope):
    """A page of the latest run's accounts; `cursor` asks for the next page, null on the last."""

    accounts: list[AccountLine]
    cursor: str | None
    as_of: Moment | None


class DecisionOut(Answer):
    """What somebody decided about an account; it supersedes the decision before it."""

    id: int
    external_id: str
    at: Moment
    by: str
    choice: Literal["accept", "override", "dismiss"]
    play: str | None
    reason: str | None
    values: Object
    supersedes: int | None


class AccountAnswer(Envelope):
    """An account's stored score with all that explains it, and the decision in force.

    `now` is its score with the events that were posted since the run, by the live model; null where there are none.
    """

    model: ModelOut | None
    account: Result
    now: Result | None
    decision: DecisionOut | None


class DecisionAnswer(Envelope):
    """A decision."""

    decision: DecisionOut


class Decisions(Envelope):
    """An account's decisions, newest first."""

    decisions: list[DecisionOut]


class PastScore(Answer):
    """An account's score at an earlier moment."""

    as_of: Moment
    scored_at: Moment
    model_version: str
    health_score: Points | None
    tier: str | None
    risk_level: str | None
    churn_probability: Share | None
    at_risk_value: float | None


class HistoryAnswer(Envelope):
    """An account's scores, oldest first."""

    external_id: str
    history: list[PastScore]


class DriverOut(Answer):
    """A signal's part of the calibrated log-odds, and of the probability in percentage points."""

    component: str
    signal: str
    log_odds: float
    contribution_pp: float


class ExplanationAnswer(Envelope):
    """Why the score is what it is: `intercept` + all drivers = `log_odds` = logit of the probability.

    The components' points sum to the health score. Null and empty at a cold start, where there is no probability.
    """

    external_id: str
    model_version: str
    as_of: Moment
    churn_probability: Share | None
    log_odds: float | None
    intercept: float | None
    drivers: list[DriverOut]
    health_score: Points | None
    components: list[ComponentOut]
