"""How often a company scores, by its business model, and when the data behind a score is too old."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.policy.document import Business, Policy
from serving.policy.situation import Situation

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Freshness:
    """How old a component's newest row is: `days` old at `as_of`, None when there is none.

    It `is_stale` when older than `limit_days`; a component whose sources are not mapped is not stale but absent.
    """

    component: str
    data_as_of: datetime | None
    days: float | None
    limit_days: float
    is_stale: bool


def freshness(policy: Policy, situation: Situation) -> tuple[Freshness, ...]:
    """The age of each component's data against the limit of the business model."""
    limits = _business(policy, situation.business_model).data_days
    return tuple(
        _fresh(component, situation.data_as_of[component], limit, situation.as_of)
        for component, limit in limits.items()
        if component in situation.data_as_of
    )


def score_is_stale(policy: Policy, business_model: str, *, scored_at: datetime | None, now: datetime) -> bool:
    """Whether a score is older than the cadence, (every days, infinity); one that was never made is."""
    every = _business(policy, business_model).score_every_days
    return scored_at is None or now - scored_at > every * DAY


def due(policy: Policy, business_model: str, *, last_scored: datetime | None, tier: str | None, now: datetime) -> bool:
    """Whether an account is to be scored again: at or past its cadence, which is shorter in a watched tier."""
    rule = _business(policy, business_model)
    every = rule.watch_every_days if tier in rule.watch_tiers else rule.score_every_days
    return last_scored is None or now - last_scored >= every * DAY


def _fresh(component: str, newest: datetime | None, limit: float, as_of: datetime) -> Freshness:
    days = None if newest is None else (as_of - newest) / DAY
    return Freshness(component, newest, days, limit, days is not None and days > limit)


def _business(policy: Policy, business_model: str) -> Business:
    return policy.business[business_model]
