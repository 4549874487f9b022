"""What to do about an account now: one list of actions from its tier, risk level, warnings, renewal and drivers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

from serving.policy.document import Policy, Window
from serving.policy.drivers import TopDriver
from serving.policy.risk import Risk
from serving.policy.signs import WarningSign, amount, owner_for
from serving.policy.situation import Situation

TERM_AGE = "term_age_days"


@dataclass(frozen=True, kw_only=True)
class Action:
    """A play to carry out on an account.

    `owner` is a role. `due_at` is `as_of` of the situation plus `due_in_hours`; naive UTC. `because` says what asked
    for it, most urgent first. `key` is the same on every run, so a store keeps the deadline of an action that is
    still open instead of moving it on. `held_out`: the account was drawn to be left alone, and the play is what would
    be done else.
    """

    key: str
    account_id: str
    play: str
    title: str
    owner: str
    due_in_hours: float
    due_at: datetime
    success_metric: str
    because: tuple[str, ...]
    held_out: bool = False
    held_out_because: str | None = None


def actions(
    policy: Policy, situation: Situation, warnings: Sequence[WarningSign], risk: Risk, top: Sequence[TopDriver]
) -> list[Action]:
    """Every play that something asks for, each once, most urgent first.

    A play asked for several times has the earliest deadline with its owner, and all reasons. Drivers ask only on an
    account of high or medium risk: what weighs on a healthy account is watched, not treated.

    Args:
        policy: the rules in force.
        situation: the account.
        warnings: its `warning_signs`.
        risk: its `risk_level`.
        top: its `top_drivers`.
    """
    asked = [
        *_by_tier(policy, situation),
        *_by_warnings(policy, situation, warnings),
        *_by_renewal(policy, situation),
        *_by_risk(policy, situation, risk),
        *_by_drivers(policy, situation, risk, top),
    ]
    merged: dict[str, Action] = {}
    for action in sorted(asked, key=lambda action: action.due_in_hours):
        first = merged.setdefault(action.play, action)
        if first is not action:
            because = dict.fromkeys((*first.because, *action.because))
            merged[action.play] = replace(first, because=tuple(because))
    return list(merged.values())


def window_of(policy: Policy, situation: Situation) -> Window | None:
    """The narrowest renewal window that the account is in, [0, days]; None outside all of them.

    A window no shorter than the account's whole term is left out: a monthly contract is always within 30 days.
    """
    days, age = situation.days_to_renewal, situation.features.get(TERM_AGE)
    if days is None:
        return None
    term = inf if age is None else age + days
    inside = [window for window in policy.renewal.values() if 0 <= days <= window.days < term]
    return min(inside, key=lambda window: window.days, default=None)


def _by_tier(policy: Policy, situation: Situation) -> list[Action]:
    if situation.tier is None:
        return []
    rule = policy.tiers[situation.tier]
    because = f"health {amount(situation.health)} is {rule.label}"
    return [_action(policy, situation, rule.play, rule.owner, rule.sla_hours, because, rule.success_metric)]


def _by_warnings(policy: Policy, situation: Situation, warnings: Sequence[WarningSign]) -> list[Action]:
    return [
        _action(policy, situation, sign.play, sign.owner, sign.due_in_hours, f"{sign.rule}: {sign.text}")
        for sign in warnings
    ]


def _by_renewal(policy: Policy, situation: Situation) -> list[Action]:
    window = window_of(policy, situation)
    if window is None:
        return []
    because = f"renews in {amount(situation.days_to_renewal)} days"
    return [_action(policy, situation, window.play, window.owner, window.due_in_hours, because)]


def _by_risk(policy: Policy, situation: Situation, risk: Risk) -> list[Action]:
    if risk.treatment is None:
        return []
    rule, because = risk.treatment, f"{risk.level} risk: {'; '.join(risk.because)}"
    return [_action(policy, situation, rule.play, rule.owner, rule.due_in_hours, because, rule.success_metric)]


def _by_drivers(policy: Policy, situation: Situation, risk: Risk, top: Sequence[TopDriver]) -> list[Action]:
    if risk.level not in ("high", "medium"):
        return []
    return [
        _action(
            policy,
            situation,
            one.driver.play,
            one.driver.owners[0],
            policy.plays[one.driver.play].due_in_hours,
            f"{one.driver.title}: {one.because[0]}",
            one.driver.success_metrics[0],
        )
        for one in top
    ]


def _action(
    policy: Policy,
    situation: Situation,
    play: str,
    owner: str,
    due_in_hours: float,
    because: str,
    success_metric: str | None = None,
) -> Action:
    rule = policy.plays[play]
    return Action(
        key=f"{situation.account_id}:{play}",
        account_id=situation.account_id,
        play=play,
        title=rule.title,
        owner=owner_for(policy, situation, owner),
        due_in_hours=due_in_hours,
        due_at=situation.as_of + timedelta(hours=due_in_hours),
        success_metric=success_metric or rule.success_metrics[0],
        because=(because,),
    )
