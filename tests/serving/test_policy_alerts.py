"""Alerts: what is news, what waits for the budget or the cool-down, and that nothing urgent waits."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.policy import PastAlert, Previous, Situation, alerts, load, look_back, warning_signs
from serving.tiers import tier_of

POLICY = load()
NOW = datetime(2026, 3, 2, 6)
DAY = timedelta(days=1)


def account(health=80.0, before=80.0, name="acme", *, renews=300.0, renewed=301.0, at_risk=100.0, was=None, **features):
    previous = Previous(
        as_of=NOW - DAY, health=before, tier=tier_of(before), days_to_renewal=renewed, warnings=was or {}
    )
    return Situation(
        account_id=name,
        as_of=NOW,
        health=health,
        tier=tier_of(health),
        churn_probability=0.2,
        value_at_risk=at_risk,
        days_to_renewal=renews,
        features=features,
        previous=previous,
    )


def run(*situations, past=(), **changes):
    policy = POLICY.model_copy(update={"alerts": POLICY.alerts.model_copy(update=changes)})
    warnings = {s.account_id: warning_signs(policy, s) for s in situations}
    return alerts(policy, situations, warnings, past)


def keys(found):
    return [alert.key for alert in found]


@pytest.mark.system("W13")
@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        pytest.param(account(), [], id="nothing new"),
        pytest.param(account(69.0, 71.0), ["acme:tier:yellow"], id="down a tier"),
        pytest.param(account(71.0, 69.0), [], id="up a tier is not asked for"),
        pytest.param(account(69.0, 69.0), [], id="still yellow"),
        pytest.param(account(80.0, 90.0), ["acme:score_drop"], id="lost 10 points"),
        pytest.param(account(80.1, 90.0), [], id="lost less than 10"),
        pytest.param(account(55.0, 75.0), ["acme:tier:yellow"], id="a fall by a tier is not told twice"),
        pytest.param(account(None, 80.0), [], id="no score"),
        pytest.param(account(75.0, None), [], id="no score before"),
        pytest.param(account(30.0, None), ["acme:tier:red"], id="red at first sight"),
        pytest.param(replace(account(30.0), previous=None), ["acme:tier:red"], id="red at the first run"),
        pytest.param(account(renews=90.0, renewed=91.0), ["acme:renewal:open:2026-05-31"], id="renewal window opens"),
        pytest.param(account(renews=89.0, renewed=90.0), [], id="renewal window is open"),
        pytest.param(account(renews=30.0, renewed=31.0), ["acme:renewal:critical:2026-04-01"], id="renewal critical"),
        pytest.param(account(complaints_84d=1.0), ["acme:warning:W5:medium"], id="new warning"),
        pytest.param(account(complaints_84d=1.0, was={"W5": "medium"}), [], id="warned before"),
        pytest.param(account(surveys_unanswered=9.0), [], id="a low warning is shown, not sent"),
        pytest.param(
            account(days_since_last_use=28.0, was={"W13": "medium"}), ["acme:warning:W13:high"], id="warning got worse"
        ),
        pytest.param(account(days_since_last_use=20.0, was={"W13": "high"}), [], id="warning got better"),
    ],
)
@pytest.mark.system("D10")
def test_what_is_news(situation, expected):
    assert keys(run(situation).sent) == expected


def test_up_a_tier_is_told_on_request():
    (alert,) = run(account(71.0, 69.0), kinds=("tier_up",)).sent
    assert (alert.kind, alert.text) == ("tier_up", "Health 71 is Healthy, was Neutral")


def test_an_alert_says_what_was_before_and_what_to_do():
    (alert,) = run(account(40.0, 71.0, renews=200.0, renewed=201.0)).sent
    assert alert.text == "Health 40 is At-risk, was Healthy"
    assert alert.attributes == {
        "health_score": 40.0, "tier": "red", "churn_probability": 0.2, "days_to_renewal": 200.0
    }  # fmt: skip
    assert alert.previous_attributes == {
        "health_score": 71.0, "tier": "green", "churn_probability": None, "days_to_renewal": 201.0
    }  # fmt: skip
    assert (alert.play, alert.owner, alert.due_at) == ("rescue", "csm", NOW + DAY)


def test_one_account_hears_of_one_play_once_a_run():
    (tier,) = run(account(40.0, 71.0)).sent
    assert (tier.key, tier.also) == ("acme:tier:red", ("Health falls into risk: health moved by -31 points to 40",))
    (listen,) = run(account(complaints_84d=1.0, csat_last=1.0)).sent
    assert (listen.key, len(listen.also)) == ("acme:warning:W5:medium", 1)


@pytest.mark.system("C4")
def test_stale_data_is_one_alert_for_the_whole_book():
    old = {"usage": NOW - 3 * DAY, "support": NOW - DAY}
    book = [replace(account(name=f"a{i}"), data_as_of=old) for i in range(5)]
    (alert,) = run(*book).sent
    assert (alert.key, alert.account_id, alert.value_at_risk, alert.play) == ("stale:usage", None, 500, "refresh_data")
    assert alert.text == "The newest usage data is 3 days old, more than 2"


@pytest.mark.parametrize(
    ("days", "sent"),
    [
        pytest.param(6.99, 0, id="within the cool-down"),
        pytest.param(7, 1, id="after it"),
    ],
)
def test_cool_down(days, sent):
    found = run(account(69.0, 71.0), past=[PastAlert(key="acme:tier:yellow", at=NOW - days * DAY)])
    assert (len(found.sent), len(found.cooling_down)) == (sent, 1 - sent)


def test_budget_goes_to_the_most_value_at_risk_and_the_rest_is_told():
    book = [account(69.0, 71.0, f"a{i}", at_risk=float(i)) for i in range(5)]
    found = run(*book, daily_budget=2)
    assert keys(found.sent) == ["a4:tier:yellow", "a3:tier:yellow"]
    assert keys(found.held_back) == ["a2:tier:yellow", "a1:tier:yellow", "a0:tier:yellow"]
    assert found.told == "alerts sent: 2; 3 held back beyond 2 a day, with 3 a year at risk"


def test_budget_counts_what_was_sent_earlier_that_day_but_not_the_day_before():
    used = [PastAlert(key="x", at=NOW - timedelta(hours=6)), PastAlert(key="y", at=NOW - timedelta(hours=7))]
    assert len(run(account(69.0, 71.0), past=used, daily_budget=1).held_back) == 1
    assert len(run(account(69.0, 71.0), past=used[1:], daily_budget=1).sent) == 1


def test_a_budget_that_was_lowered_during_the_day_sends_nothing_more():
    used = [PastAlert(key=str(i), at=NOW - timedelta(hours=1)) for i in range(3)]
    book = [account(69.0, 71.0, f"a{i}") for i in range(5)]
    assert run(*book, past=used, daily_budget=1).sent == ()


def test_urgent_alerts_use_no_budget_up():
    urgent = [PastAlert(key="x", at=NOW - timedelta(hours=1), is_urgent=True)]
    assert len(run(account(69.0, 71.0), past=urgent, daily_budget=1).sent) == 1


@pytest.mark.system("W14")
def test_red_accounts_and_24_hour_deadlines_go_out_whatever_the_budget_is():
    book = [account(30.0, 71.0, "red", at_risk=None), account(name="nps", nps_last=2.0, days_since_last_answer=1.0)]
    found = run(*book, account(69.0, 71.0, "yellow", at_risk=1e9), daily_budget=0)
    assert keys(found.sent) == ["nps:warning:W14:high", "red:tier:red"]
    assert keys(found.held_back) == ["yellow:tier:yellow"]
    assert "2 of them whatever the budget, being due within 24 hours" in found.told


def test_held_back_news_comes_up_again_while_it_holds():
    held = [PastAlert(key="acme:warning:W5:medium", at=NOW - DAY, is_sent=False)]
    still = account(complaints_84d=1.0, was={"W5": "medium"})
    assert keys(run(still, past=held).sent) == ["acme:warning:W5:medium"]
    assert keys(run(account(was={"W5": "medium"}), past=held).sent) == []
    sent_since = [*held, PastAlert(key="acme:warning:W5:medium", at=NOW - DAY / 2)]
    for past in (sent_since, sent_since[::-1]):
        assert keys(run(still, past=past, cool_down_days=0).sent) == []


@pytest.mark.parametrize(
    ("cool_down", "days"),
    [pytest.param(30, 30, id="cool-down"), pytest.param(0, 14, id="weekly scores, one run missed")],
)
def test_how_far_back_past_alerts_matter(cool_down, days):
    settings = POLICY.alerts.model_copy(update={"cool_down_days": cool_down})
    assert look_back(POLICY.model_copy(update={"alerts": settings})) == days * DAY


def test_the_same_run_again_sends_nothing():
    book = [account(69.0, 71.0, f"a{i}", complaints_84d=1.0) for i in range(4)] + [account(30.0, 71.0, "red")]
    first = run(*book, daily_budget=3)
    past = [remembered(a, True) for a in first.sent] + [remembered(a, False) for a in first.held_back]
    again = run(*book, past=past, daily_budget=3)
    assert again.sent == ()
    assert keys(again.held_back) == keys(first.held_back)


def remembered(alert, is_sent):
    return PastAlert(key=alert.key, at=alert.at, is_sent=is_sent, is_urgent=alert.is_urgent)


HEALTHS = st.lists(st.lists(st.floats(0, 100), min_size=4, max_size=4), min_size=2, max_size=8)


@settings(max_examples=60, deadline=None)
@given(HEALTHS, st.integers(0, 4), st.integers(0, 3), st.sampled_from([6, 24]))
def test_no_day_goes_over_budget_and_no_key_is_sent_twice_within_the_cool_down(scores, budget, cool_down, every_hours):
    past, before = [], {}
    for i, healths in enumerate(scores):
        at = NOW + timedelta(hours=i * every_hours)
        book = [
            replace(account(health, name=f"a{j}", at_risk=float(j)), as_of=at, previous=before.get(j))
            for j, health in enumerate(healths)
        ]
        found = run(*book, past=past, daily_budget=budget, cool_down_days=cool_down, never_hold_hours=24)
        past += [remembered(a, True) for a in found.sent] + [remembered(a, False) for a in found.held_back]
        before = {j: Previous(as_of=at, health=s.health, tier=s.tier) for j, s in enumerate(book)}
        turned_red = {f"{s.account_id}:tier:red" for s in book if s.tier == "red" and was_not_red(s)}
        assert turned_red <= {*keys(found.sent), *keys(found.cooling_down)}
    sent = [one for one in past if one.is_sent]
    for day in {one.at.date() for one in sent}:
        assert sum(one.at.date() == day and not one.is_urgent for one in sent) <= budget
    for one in sent:
        assert not [o for o in sent if o.key == one.key and one.at < o.at < one.at + cool_down * DAY]
    assert len({(one.key, one.at) for one in sent}) == len(sent)


def was_not_red(situation):
    return situation.previous is None or situation.previous.tier != "red"
