"""How often a company scores, by its business model, and when the data behind a score is too old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from serving.policy.document import Business, Policy
from serving.policy.signs import WarningSign
from serving.policy.situation import Situation

DAY = timedelta(days=1)
Scope = Literal["book", "watch"]
"""Whom a run is about: every account, or those that are watched more often."""


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


def every_days(policy: Policy, business_model: str, tier: str | None) -> float:
    """How often accounts of a tier are scored: more often in a watched tier."""
    rule = _business(policy, business_model)
    return min(rule.watch_every_days, rule.score_every_days) if tier in rule.watch_tiers else rule.score_every_days


def score_is_stale(
    policy: Policy, business_model: str, *, scored_at: datetime | None, now: datetime, tier: str | None = None
) -> bool:
    """Whether a score is older than the cadence of its tier, (every days, infinity); one that was never made is."""
    return scored_at is None or now - scored_at > every_days(policy, business_model, tier) * DAY


def due(policy: Policy, business_model: str, *, last_scored: datetime | None, tier: str | None, now: datetime) -> bool:
    """Whether an account is to be scored again: at or past its cadence, which is shorter in a watched tier."""
    return last_scored is None or now - last_scored >= every_days(policy, business_model, tier) * DAY


def scope_due(
    policy: Policy, business_model: str, *, last_book: datetime | None, last_run: datetime | None, now: datetime
) -> Scope | None:
    """Which run is due: of the book, of the watched accounts, or none; the arguments are moments of earlier runs."""
    if due(policy, business_model, last_scored=last_book, tier=None, now=now):
        return "book"
    watched = _business(policy, business_model).watch_tiers
    is_watched = any(due(policy, business_model, last_scored=last_run, tier=tier, now=now) for tier in watched)
    return "watch" if is_watched else None


def is_due(policy: Policy, situation: Situation, warnings: Sequence[WarningSign]) -> bool:
    """Whether a watch run is about this account: by its tier now or when it was last told of, or because it is urgent.

    `situation.previous` is the score that people were last told of. Urgent is a warning that is due within the hours
    for which nothing is held back.
    """
    before, hurry = situation.previous, policy.alerts.never_hold_hours
    tiers = {situation.tier, before.tier if before else None}
    last = before.as_of if before else None
    model, now = situation.business_model, situation.as_of
    by_cadence = any(due(policy, model, last_scored=last, tier=tier, now=now) for tier in tiers)
    return by_cadence or any(sign.due_in_hours <= hurry for sign in warnings)


def _fresh(component: str, newest: datetime | None, limit: float, as_of: datetime) -> Freshness:
    days = None if newest is None else (as_of - newest) / DAY
    return Freshness(component, newest, days, limit, days is not None and days > limit)


def _business(policy: Policy, business_model: str) -> Business:
    return policy.business[business_model]
