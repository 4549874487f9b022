"""Risk level, drivers, actions and cadence of the shipped policy."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.conditions import Test
from serving.policy import (
    Situation,
    actions,
    churn_type,
    driver_of,
    due,
    freshness,
    load,
    risk_level,
    score_is_stale,
    top_drivers,
    warning_signs,
    window_of,
)
from serving.reasons import Reason
from serving.tiers import tier_of

POLICY = load()
NOW = datetime(2026, 3, 2)


def account(tier="green", *, rank=0.2, renews=300.0, usage=1.0, told=None, **more):
    return Situation(
        account_id="acme",
        as_of=NOW,
        health={"green": 80.0, "yellow": 60.0, "red": 30.0}.get(tier),
        tier=tier,
        yearly_value=1000.0,
        value_rank=rank,
        days_to_renewal=renews,
        features={"usage_against_baseline_28d": usage, "active_days_28d": 9.0} | more.pop("features", {}),
        inputs=told or {},
        **more,
    )


def reason(contribution=1.0, *, component="usage", signal="activity", feature="events_28d", text="because"):
    return Reason(signal, component, feature, text, 1.0, 2.0, 50.0, contribution, 100 * contribution)


@pytest.mark.parametrize(
    ("situation", "level"),
    [
        pytest.param(account("green"), "low", id="green and on track"),
        pytest.param(account("green", rank=0.99, renews=5.0), "low", id="a healthy large account that renews soon"),
        pytest.param(account("green", usage=0.4), "medium", id="green, but usage is low"),
        pytest.param(account("green", usage=0.7, rank=0.5), "medium", id="usage falls at a moderate value"),
        pytest.param(account("green", usage=0.7, rank=0.49), "low", id="usage falls at a low value, far from renewal"),
        pytest.param(account("green", usage=0.7, renews=90.0), "medium", id="usage falls before renewal"),
        pytest.param(account("yellow"), "medium", id="yellow"),
        pytest.param(account("yellow", rank=0.8, renews=30.0), "high", id="yellow, valuable, renews in 30 days"),
        pytest.param(account("yellow", rank=0.8, renews=31.0), "medium", id="yellow, valuable, renews later"),
        pytest.param(account("yellow", rank=0.8, usage=0.49), "high", id="yellow, valuable, little use"),
        pytest.param(account("yellow", usage=0.49, renews=90.0), "high", id="yellow, little use, renews in 90 days"),
        pytest.param(account("red"), "medium", id="red alone: the tier is not the risk level"),
        pytest.param(account("red", rank=0.8), "high", id="red and valuable"),
        pytest.param(account("red", rank=0.79), "medium", id="red, a hair below valuable"),
        pytest.param(account("red", renews=90.0), "high", id="red and renews in 90 days"),
        pytest.param(account("red", renews=91.0), "medium", id="red and renews in 91 days"),
        pytest.param(account("red", renews=-1.0), "medium", id="red, renewal day has passed"),
        pytest.param(account("red", usage=0.49), "high", id="red and little use"),
        pytest.param(account("red", told={"strategic": 1.0}), "high", id="red and strategic"),
        pytest.param(account("red", rank=None, renews=None, usage=None), "medium", id="red, nothing else known"),
        pytest.param(account(None, usage=None), None, id="no score and nothing known: unknown is not low"),
        pytest.param(account(None, usage=0.1), "medium", id="no score, little use"),
    ],
)
def test_risk_level(situation, level):
    risk = risk_level(POLICY, situation)
    assert risk.level == level
    assert (risk.treatment.id if risk.treatment else None) == level
    assert risk.because


def test_risk_says_why():
    assert risk_level(POLICY, account("yellow", rank=0.9, renews=20.0)).because == (
        "health is yellow",
        "worth 1,000 a year, a high value in this book",
        "renews in 20 days, within 30",
    )


def test_value_by_money_goes_before_value_by_rank():
    by_money = POLICY.model_copy(update={"value": POLICY.value.model_copy(update={"high_money": 1000.0})})
    assert risk_level(by_money, account("red", rank=0.0)).level == "high"
    assert risk_level(by_money, replace(account("red", rank=1.0), yearly_value=999.0)).level == "medium"


@pytest.mark.parametrize(
    ("told", "driver"),
    [
        pytest.param(reason(), "low_adoption", id="usage"),
        pytest.param(reason(signal="champion", feature="days_since_top_user"), "champion_loss", id="busiest person"),
        pytest.param(reason(component="relationship", signal="contact"), "champion_loss", id="relationship"),
        pytest.param(reason(component="relationship", signal="sentiment"), "value_not_seen", id="sentiment"),
        pytest.param(reason(component="feedback", signal="nps"), "value_not_seen", id="feedback"),
        pytest.param(reason(component="support", signal="speed"), "poor_support", id="slow answers"),
        pytest.param(reason(component="support", signal="severity"), "product_issue", id="urgent tickets"),
        pytest.param(reason(component="commercial", signal="price"), "budget", id="price"),
        pytest.param(reason(component="relationship", signal="inquiry"), "competition", id="asks about leaving"),
        pytest.param(reason(component="commercial", signal="tenure"), None, id="tenure is nobody's tactic"),
    ],
)
def test_driver_of_a_reason(told, driver):
    found = driver_of(POLICY, told)
    assert (found.id if found else None) == driver


def test_a_driver_that_names_the_feature_goes_first():
    mine = POLICY.drivers["competition"].model_copy(update={"features": ("event_28d_export*",)})
    policy = POLICY.model_copy(update={"drivers": POLICY.drivers | {"competition": mine}})
    assert driver_of(policy, reason(feature="event_28d_export_all")).id == "competition"
    assert driver_of(policy, reason(feature="event_28d_import")).id == "low_adoption"


def test_top_drivers_add_reasons_up_and_leave_out_what_lowers_risk():
    told = (
        reason(0.5, component="support", signal="speed", text="slow"),
        reason(0.4, text="few events"),
        reason(0.3, signal="trend", text="falling"),
        reason(-2.0, component="feedback", signal="nps"),
    )
    found = top_drivers(POLICY, account(reasons=told))
    assert [(top.driver.id, top.because) for top in found] == [
        ("low_adoption", ("few events", "falling")),
        ("poor_support", ("slow",)),
    ]
    assert found[0].contribution == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("situation", "kind"),
    [
        pytest.param(account(reasons=(reason(),)), "adoption", id="by the strongest driver"),
        pytest.param(account(reasons=(reason(),), features={"last_payment_failed": 1.0}), "payment", id="paid late"),
        pytest.param(account(), None, id="no reasons"),
    ],
)
def test_churn_type(situation, kind):
    found = churn_type(POLICY, situation, top_drivers(POLICY, situation))
    assert (found.id if found else None) == kind


def asked_for(situation):
    warnings, risk = warning_signs(POLICY, situation), risk_level(POLICY, situation)
    return actions(POLICY, situation, warnings, risk, top_drivers(POLICY, situation))


def test_actions_of_a_healthy_account_start_no_driver_play():
    (only,) = asked_for(account(reasons=(reason(),)))
    assert (only.play, only.owner, only.due_in_hours, only.key) == ("grow", "csm", 720, "acme:grow")
    assert only.because == ("health 80 is Healthy", "low risk: health is green; no case of a higher level holds")


@pytest.mark.system("H11")
def test_actions_are_merged_by_play_and_most_urgent_first():
    situation = account("red", rank=0.9, renews=20.0, reasons=(reason(text="few events"),))
    situation = replace(situation, features={**situation.features, "nps_last": 3.0, "days_since_last_answer": 1.0})
    found = asked_for(situation)
    assert [(a.play, a.due_in_hours) for a in found] == [
        ("rescue", 24),
        ("detractor_follow_up", 24),
        ("recovery_plan", 24),
        ("renewal_critical", 48),
        ("adoption", 336),
    ]
    assert all(a.due_at == NOW + timedelta(hours=a.due_in_hours) for a in found)
    assert found[-1].because == ("Low adoption: few events",)


def test_a_play_asked_for_twice_has_the_earlier_deadline_and_both_reasons():
    situation = account("yellow", features={"surveys_unanswered": 4.0})
    (play,) = [a for a in asked_for(situation) if a.play == "re_engage"]
    assert play.due_in_hours == 168
    assert play.because == ("medium risk: health is yellow", "W6: 4 surveys since the last answer")


def test_no_score_asks_for_nothing():
    assert asked_for(account(None, renews=None, usage=None)) == []


@pytest.mark.parametrize(
    ("days", "age", "window"),
    [
        pytest.param(91.0, 300.0, None, id="before the window"),
        pytest.param(90.0, 300.0, "open", id="enters at 90"),
        pytest.param(31.0, 300.0, "open", id="until 31"),
        pytest.param(30.0, 300.0, "critical", id="critical at 30"),
        pytest.param(0.0, 365.0, "critical", id="on the day"),
        pytest.param(-1.0, 366.0, None, id="the day has passed"),
        pytest.param(10.0, 20.0, None, id="a monthly contract is always near its renewal"),
        pytest.param(20.0, 71.0, "critical", id="a quarterly contract has one window of two"),
        pytest.param(20.0, None, "critical", id="length of term unknown"),
        pytest.param(None, 300.0, None, id="no renewal date"),
    ],
)
def test_renewal_window(days, age, window):
    found = window_of(POLICY, account(renews=days, features={"term_age_days": age}))
    assert (found.id if found else None) == window


@pytest.mark.system("H10")
@given(st.floats(0, 100))
def test_every_score_has_the_tier_whose_half_open_band_it_lies_in(score):
    tier = tier_of(score, POLICY.bands)
    assert (score >= 70) == (tier == "green")
    assert (score < 50) == (tier == "red")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(NUMBERS, NUMBERS)
def test_bounds_are_what_their_names_say(value, bound):
    assert Test(feature="x", above=bound).holds(value) == np.greater(value, bound)
    assert Test(feature="x", at_least=bound).holds(value) == np.greater_equal(value, bound)
    assert Test(feature="x", below=bound).holds(value) == np.less(value, bound)
    assert Test(feature="x", at_most=bound).holds(value) == np.less_equal(value, bound)
    assert not Test(feature="x", at_least=bound).holds(None)
    assert Test(feature="x", is_missing=True).holds(None)
    assert not Test(feature="x", is_missing=True).holds(value)


@pytest.mark.system("C1", "C2")
@pytest.mark.parametrize(
    ("model", "tier", "days", "is_due"),
    [
        pytest.param("b2b", "green", 6.9, False, id="b2b is scored weekly"),
        pytest.param("b2b", "green", 7, True, id="b2b after a week"),
        pytest.param("b2b", "red", 1, True, id="b2b watches red accounts daily"),
        pytest.param("b2b", "red", 0.9, False, id="but not more often"),
        pytest.param("saas", "green", 1, True, id="saas is scored daily"),
        pytest.param("saas", None, 0.5, False, id="saas within the day"),
        pytest.param("b2c", "green", None, True, id="never scored"),
    ],
)
def test_due(model, tier, days, is_due):
    last = None if days is None else NOW - timedelta(days=days)
    assert due(POLICY, model, last_scored=last, tier=tier, now=NOW) is is_due


@pytest.mark.system("C3")
def test_b2c_has_weekly_cohorts_and_real_time_triggers():
    assert (POLICY.business["b2c"].cohort_review_every_days, POLICY.business["b2c"].is_real_time) == (7, True)


@pytest.mark.system("C4")
@pytest.mark.parametrize(("days", "is_stale"), [(7, False), (7.01, True), (None, True)])
def test_a_score_older_than_its_cadence_is_stale(days, is_stale):
    scored = None if days is None else NOW - timedelta(days=days)
    assert score_is_stale(POLICY, "b2b", scored_at=scored, now=NOW) is is_stale


def test_data_exactly_as_old_as_the_limit_is_not_stale():
    (usage,) = freshness(POLICY, account(data_as_of={"usage": NOW - timedelta(days=2)}))
    assert (usage.days, usage.limit_days, usage.is_stale) == (2, 2, False)


@pytest.mark.system("C4")
def test_freshness_by_component():
    dated = {"usage": NOW - timedelta(days=3), "support": NOW - timedelta(days=3), "feedback": None}
    found = {f.component: (f.days, f.is_stale) for f in freshness(POLICY, account(data_as_of=dated))}
    assert found == {"usage": (3, True), "support": (3, False), "feedback": (None, False)}
