"""Which news of one run becomes an alert, which waits, and which was told already."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serving.policy.document import Policy
from serving.policy.news import Alert, News, news, stale
from serving.policy.signs import WarningSign, amount
from serving.policy.situation import Situation


@dataclass(frozen=True, kw_only=True, slots=True)
class PastAlert:
    """An alert of an earlier run, as a store remembers it: sent, or held back (`is_sent` false)."""

    key: str
    at: datetime
    is_sent: bool = True
    is_urgent: bool = False


@dataclass(frozen=True)
class AlertRun:
    """The alerts of one run, each list most urgent first, then most value at risk.

    `sent` go out now. `held_back` are beyond the daily budget: a store keeps them (`PastAlert(is_sent=False)`), and
    they come up again on every later run while what they tell of still holds. `cooling_down` were sent before,
    within the cool-down. `told` says all that in a sentence.
    """

    sent: tuple[Alert, ...]
    held_back: tuple[Alert, ...]
    cooling_down: tuple[Alert, ...]
    told: str


def alerts(
    policy: Policy,
    situations: Sequence[Situation],
    warnings: Mapping[str, Sequence[WarningSign]],
    past: Iterable[PastAlert],
    *,
    about: Container[str] | None = None,
) -> AlertRun:
    """The alerts of one run.

    News of one account that the same play answers is one alert, the most urgent, with the rest under `also`. An
    alert with the key of one sent less than `cool_down_days` ago waits. Of the others, those due within
    `never_hold_hours` (a red account, a detractor) are always sent and do not use the budget up; the rest are sent,
    most value at risk first, until `daily_budget` of the calendar day (UTC) is reached, earlier runs counted in.

    Args:
        policy: the rules.
        situations: every account of the run.
        warnings: what `warning_signs` said, by account id.
        past: earlier alerts, sent or held back, as far as `look_back` reaches.
        about: the accounts that are due in a watch run, None for all; what is about no single account is always told.
    """
    if not situations:
        return AlertRun((), (), (), "no account, no alert")
    now = max(situation.as_of for situation in situations)
    earlier = list(past)
    found = worth_telling(policy, situations, warnings, waiting(earlier), about=about)
    at_risk = sum(situation.value_at_risk or 0.0 for situation in situations)
    return within_budget(policy, [*found, *stale(policy, situations, at_risk)], earlier, now=now)


def waiting(past: Iterable[PastAlert]) -> frozenset[str]:
    """Keys of the alerts that were held back when they last came up."""
    last: dict[str, PastAlert] = {}
    for one in sorted(past, key=lambda one: (one.at, one.is_sent)):
        last[one.key] = one
    return frozenset(key for key, one in last.items() if not one.is_sent)


def worth_telling(
    policy: Policy,
    situations: Iterable[Situation],
    warnings: Mapping[str, Sequence[WarningSign]],
    held_back: Container[str],
    *,
    about: Container[str] | None = None,
) -> list[Alert]:
    """What is new of these accounts in this run, and what was held back and still holds; one an account and play."""
    found = (_in_turn(one, about) for one in news(policy, situations, warnings))
    chosen = {each.alert.key: each.alert for each in found if each.is_new or each.alert.key in held_back}
    return _one_a_play(sorted(chosen.values(), key=_order))


def within_budget(policy: Policy, found: Iterable[Alert], past: Sequence[PastAlert], *, now: datetime) -> AlertRun:
    """The alerts of a run out of all that is `worth_telling` of its book."""
    fresh, cooling = _by_cool_down(policy, sorted(found, key=_order), past, now)
    urgent = [alert for alert in fresh if alert.is_urgent]
    rest = [alert for alert in fresh if not alert.is_urgent]
    left = max(0, policy.alerts.daily_budget - _used(past, now))
    sent, held = (*urgent, *rest[:left]), tuple(rest[left:])
    return AlertRun(sent, held, tuple(cooling), _told(policy, sent, held, cooling))


def look_back(policy: Policy) -> timedelta:
    """How far `past` has to reach back: over the cool-down, and over the slowest cadence with one run missed."""
    slowest = max(business.score_every_days for business in policy.business.values())
    return timedelta(days=max(policy.alerts.cool_down_days, 2 * slowest))


def _in_turn(one: News, about: Container[str] | None) -> News:
    """News of an account that the run is not about is none yet; what was held back before goes on waiting."""
    account_id = one.alert.account_id
    return one if about is None or account_id is None or account_id in about else replace(one, is_new=False)


def _order(alert: Alert) -> tuple[bool, float, float, str]:
    return (not alert.is_urgent, -(alert.value_at_risk or 0.0), alert.due_in_hours, alert.key)


def _by_cool_down(
    policy: Policy, found: Sequence[Alert], past: Iterable[PastAlert], now: datetime
) -> tuple[list[Alert], list[Alert]]:
    """Those that may be sent, and those whose key was sent within (now - cool-down, now]."""
    since = now - timedelta(days=policy.alerts.cool_down_days)
    recent = {one.key for one in past if one.is_sent and one.at > since}
    return [a for a in found if a.key not in recent], [a for a in found if a.key in recent]


def _one_a_play(found: Sequence[Alert]) -> list[Alert]:
    """The first alert of each account and play, with the texts of the others."""
    merged: dict[tuple[str, str], Alert] = {}
    for alert in found:
        about = (alert.account_id or alert.key, alert.play)
        first = merged.get(about)
        merged[about] = replace(first, also=(*first.also, alert.text)) if first else alert
    return list(merged.values())


def _used(past: Iterable[PastAlert], now: datetime) -> int:
    return sum(one.is_sent and not one.is_urgent and one.at.date() == now.date() for one in past)


def _told(policy: Policy, sent: Sequence[Alert], held: Sequence[Alert], cooling: Sequence[Alert]) -> str:
    urgent = sum(alert.is_urgent for alert in sent)
    text = f"alerts sent: {len(sent)}"
    if urgent:
        text += f", {urgent} of them whatever the budget, being due within {policy.alerts.never_hold_hours:g} hours"
    if held:
        text += f"; {len(held)} held back beyond {policy.alerts.daily_budget} a day"
        if known := [alert.value_at_risk for alert in held if alert.value_at_risk is not None]:
            text += f", with {amount(sum(known))} a year at risk"
    return text + (f"; {len(cooling)} told before, within {policy.alerts.cool_down_days:g} days" if cooling else "")
