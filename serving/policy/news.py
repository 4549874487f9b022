"""What there is to tell about a book at one run, before budget and cool-down: changes, and states that hold on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serving.policy.cadence import freshness
from serving.policy.document import SEVERITIES, Policy, Severity
from serving.policy.responses import window_of
from serving.policy.signs import WarningSign, amount, owner_for
from serving.policy.situation import Previous, Situation


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One piece of news with its response.

    Attributes:
        key: the same for the same news on every run; what dedupe and cool-down go by.
        kind: tier_down, tier_up, score_drop, warning, renewal_window or stale.
        account_id: None when it is about the whole book (stale data).
        at: `as_of` of the run, naive UTC.
        severity: low, medium or high.
        text: what happened, in a sentence.
        play: the play that answers it.
        owner: the role that acts.
        due_in_hours: from `at`.
        due_at: `at` + `due_in_hours`.
        is_urgent: due within `never_hold_hours`: no budget holds it back.
        value_at_risk: money a year; of the whole book for stale data.
        also: other news of the same run and account that the same play answers; not sent by themselves.
        attributes: health_score, tier, churn_probability and days_to_renewal now.
        previous_attributes: the same at the run before; empty when there was none.
    """

    key: str
    kind: str
    account_id: str | None
    at: datetime
    severity: Severity
    text: str
    play: str
    owner: str
    due_in_hours: float
    due_at: datetime
    is_urgent: bool
    value_at_risk: float | None
    attributes: Mapping[str, float | str | None]
    previous_attributes: Mapping[str, float | str | None]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class News:
    """An alert that could be sent, and whether it `is_new` in this run; else it only holds on."""

    alert: Alert
    is_new: bool


def news(
    policy: Policy, situations: Iterable[Situation], warnings: Mapping[str, Sequence[WarningSign]]
) -> Iterator[News]:
    """Everything that could be told about accounts, of the kinds that the policy wants."""
    wanted = policy.alerts.kinds
    for situation in situations:
        for found in _of_account(policy, situation, warnings.get(situation.account_id, ())):
            if found.alert.kind in wanted:
                yield found


def _of_account(policy: Policy, situation: Situation, signs: Sequence[WarningSign]) -> Iterator[News]:
    tier = _tier(policy, situation)
    if tier:
        yield tier
    fell_a_tier = tier is not None and tier.is_new and tier.alert.kind == "tier_down"
    if not (fell_a_tier and "tier_down" in policy.alerts.kinds):
        yield from _score_drop(policy, situation)
    yield from _warnings(policy, situation, signs)
    yield from _renewal(policy, situation)


def _tier(policy: Policy, situation: Situation) -> News | None:
    """A tier that was entered since the run before, or is urgent and seen for the first time."""
    if situation.tier is None:
        return None
    order = [band.name for band in policy.bands]
    rule, before = policy.tiers[situation.tier], situation.previous.tier if situation.previous else None
    rank, old = order.index(rule.id), order.index(before) if before in order else None
    is_new = rule.sla_hours <= policy.alerts.never_hold_hours if old is None else rank != old
    was = f"was {policy.tiers[before].label}" if before in policy.tiers else "first seen"
    alert = _alert(
        policy,
        situation,
        kind="tier_up" if rank == 0 or (old is not None and rank < old) else "tier_down",
        detail=f"tier:{rule.id}",
        severity="low" if rank == 0 else "high" if rank == len(order) - 1 else "medium",
        text=f"Health {amount(situation.health)} is {rule.label}, {was}",
        response=(rule.play, rule.owner, rule.sla_hours),
    )
    return News(alert, is_new)


def _score_drop(policy: Policy, situation: Situation) -> Iterator[News]:
    change = situation.health_change
    if change is None or change > -policy.alerts.score_drop_points:
        return
    play = policy.plays[policy.alerts.score_drop_play]
    text = f"Health fell by {amount(-change)} points to {amount(situation.health)}"
    response = (play.id, play.owner, play.due_in_hours)
    alert = _alert(
        policy, situation, kind="score_drop", detail="score_drop", severity="medium", text=text, response=response
    )
    yield News(alert, True)


def _warnings(policy: Policy, situation: Situation, signs: Sequence[WarningSign]) -> Iterator[News]:
    """Warnings that are new or more severe than at the run before."""
    before = situation.previous.warnings if situation.previous else {}
    rank = SEVERITIES.index
    for sign in signs:
        if rank(sign.severity) < rank(policy.alerts.warning_from):
            continue
        had = before.get(sign.rule)
        is_new = had not in SEVERITIES or rank(sign.severity) > SEVERITIES.index(had)
        alert = _alert(
            policy,
            situation,
            kind="warning",
            detail=f"warning:{sign.rule}:{sign.severity}",
            severity=sign.severity,
            text=f"{sign.title}: {sign.text}",
            response=(sign.play, sign.owner, sign.due_in_hours),
        )
        yield News(alert, is_new)


def _renewal(policy: Policy, situation: Situation) -> Iterator[News]:
    """The narrowest window around the renewal, new when the run before was outside it."""
    window = window_of(policy, situation)
    if window is None or situation.days_to_renewal is None:
        return
    before = situation.previous.days_to_renewal if situation.previous else None
    renews_on = situation.as_of + timedelta(days=situation.days_to_renewal)
    alert = _alert(
        policy,
        situation,
        kind="renewal_window",
        detail=f"renewal:{window.id}:{renews_on:%Y-%m-%d}",
        severity=window.severity,
        text=f"Renews in {amount(situation.days_to_renewal)} days, within {amount(window.days)}",
        response=(window.play, window.owner, window.due_in_hours),
    )
    yield News(alert, before is None or before > window.days)


def stale(policy: Policy, situations: Iterable[Situation], at_risk: float) -> Iterator[Alert]:
    """One alert a component whose data is too old for any of the accounts; `at_risk` of the whole book."""
    if "stale" not in policy.alerts.kinds:
        return
    found = {f.component: (s, f) for s in situations for f in freshness(policy, s) if f.is_stale}
    play = policy.plays[policy.alerts.stale_play]
    for component, (situation, fresh) in found.items():
        days, limit = amount(fresh.days), amount(fresh.limit_days)
        about_one = _alert(
            policy,
            situation,
            kind="stale",
            detail=component,
            severity="medium",
            text=f"The newest {component} data is {days} days old, more than {limit}",
            response=(play.id, play.owner, play.due_in_hours),
        )
        about_all = replace(about_one, account_id=None, key=f"stale:{component}", value_at_risk=at_risk)
        yield replace(about_all, attributes={}, previous_attributes={})


def _alert(
    policy: Policy,
    situation: Situation,
    *,
    kind: str,
    detail: str,
    severity: Severity,
    text: str,
    response: tuple[str, str, float],
) -> Alert:
    play, owner, due_in_hours = response
    return Alert(
        key=f"{situation.account_id}:{detail}",
        kind=kind,
        account_id=situation.account_id,
        at=situation.as_of,
        severity=severity,
        text=text,
        play=play,
        owner=owner_for(policy, situation, owner),
        due_in_hours=due_in_hours,
        due_at=situation.as_of + timedelta(hours=due_in_hours),
        is_urgent=due_in_hours <= policy.alerts.never_hold_hours,
        value_at_risk=situation.value_at_risk,
        attributes=_attributes(situation),
        previous_attributes=_attributes(situation.previous) if situation.previous else {},
    )


def _attributes(at: Situation | Previous) -> dict[str, float | str | None]:
    return {
        "health_score": at.health,
        "tier": at.tier,
        "churn_probability": at.churn_probability,
        "days_to_renewal": at.days_to_renewal,
    }
