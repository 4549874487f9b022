"""Warning signs W1 to W17 and those from facts: each fires on its case, and is silent on what looks like it."""

from dataclasses import replace
from datetime import datetime

import pytest

from serving.policy import Previous, Situation, load, warning_signs
from serving.policy.document import WarningRule

POLICY = load()
NOW = datetime(2026, 3, 2)
USUAL = {
    "events_28d": 100.0,
    "active_days_28d": 20.0,
    "event_kinds_28d": 10.0,
    "two_way_contacts_84d": 6.0,
    "outreach_answer_rate_182d": 0.8,
}
CALM = USUAL | {
    "usage_against_baseline_28d": 1.0,
    "days_since_last_use": 1.0,
    "days_since_two_way_contact": 10.0,
    "nps_class_shift": 0.0,
    "nps_change": 0.0,
    "nps_last": 9.0,
    "nps_mean_364d": 9.0,
    "days_since_last_answer": 20.0,
    "csat_change": 0.0,
    "csat_last": 5.0,
    "complaints_84d": 0.0,
    "review_last": 5.0,
    "survey_never_answered": 0.0,
    "surveys_unanswered": 0.0,
    "ticket_spike_28d": 0.0,
    "tickets_28d": 1.0,
    "tickets_84d": 3.0,
    "oldest_open_ticket_days": 2.0,
    "reopened_84d": 0.0,
    "escalations_84d": 0.0,
    "champion_left": 0.0,
    "contract_inquiries_84d": 0.0,
    "is_cancelled": 0.0,
}


def account(previous=None, health=80.0, told=None, **features):
    return Situation(
        account_id="acme",
        as_of=NOW,
        health=health,
        inactive=False,
        features=CALM | features,
        baseline=USUAL,
        inputs=dict.fromkeys(POLICY.inputs) | (told or {}),
        previous=previous,
    )


def rules(situation):
    return {sign.rule for sign in warning_signs(POLICY, situation)}


def before(health):
    return Previous(as_of=datetime(2026, 3, 1), health=health)


CASES = {
    "W1": (account(events_28d=69.0), account(events_28d=70.0)),
    "W2": (account(event_kinds_28d=7.0), account(event_kinds_28d=8.0)),
    "W3": (account(two_way_contacts_84d=3.0), account(two_way_contacts_84d=4.0)),
    "W4": (account(nps_class_shift=-1.0), account(nps_class_shift=1.0, nps_change=2.0)),
    "W5": (account(complaints_84d=1.0), account(complaints_84d=0.0, review_last=3.0)),
    "W6": (account(surveys_unanswered=2.0), account(surveys_unanswered=1.0)),
    "W7": (account(ticket_spike_28d=2.0, tickets_28d=3.0), account(ticket_spike_28d=2.0, tickets_28d=2.0)),
    "W8": (account(oldest_open_ticket_days=14.0), account(oldest_open_ticket_days=13.0, reopened_84d=1.0)),
    "W9": (account(tickets_84d=0.0, usage_against_baseline_28d=0.4), account(tickets_84d=0.0)),
    "W10": (account(champion_left=0.01), account(champion_left=0.0)),
    "W11": (account(told={"org_change_days_ago": 90.0}), account(told={"org_change_days_ago": 91.0})),
    "W12": (account(contract_inquiries_84d=1.0), account(contract_inquiries_84d=0.0)),
    "W13": (account(days_since_last_use=14.0), account(days_since_last_use=13.0)),
    "W14": (account(nps_last=6.0, days_since_last_answer=28.0), account(nps_last=6.0, days_since_last_answer=29.0)),
    "W15": (account(escalations_84d=2.0), account(escalations_84d=1.0)),
    "W16": (account(events_28d=10.0, complaints_84d=1.0), account(events_28d=10.0, days_since_last_use=20.0)),
    "W17": (account(before(59.0), health=49.0), account(before(60.0), health=50.0)),
    "goals": (account(told={"goal_attainment": 0.49}), account(told={"goal_attainment": 0.5})),
    "competitor": (account(told={"competitor_days_ago": 90.0}), account(told={"competitor_days_ago": 91.0})),
}


@pytest.mark.system("D10")
def test_all_parts_of_early_warning_ship_and_each_fires_on_its_case():
    """Score changes, usage anomalies, sentiment, tickets and engagement; score and model have tests of their own."""
    assert {"score_drop", "tier_down", "warning"} <= set(POLICY.alerts.kinds)
    watched = {"usage": "W1", "feedback": "W4", "support": "W7", "relationship": "W3"}
    for component, rule in watched.items():
        (found,) = [sign for sign in warning_signs(POLICY, CASES[rule][0]) if sign.rule == rule]
        assert found.component == component


def test_every_shipped_rule_has_a_case():
    assert CASES.keys() == POLICY.warnings.keys() == {f"W{i}" for i in range(1, 18)} | {"goals", "competitor"}


def test_a_calm_account_is_left_alone():
    assert rules(account()) == set()


@pytest.mark.system(
    "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12", "W13", "W14", "W15", "W16", "W17"
)
@pytest.mark.parametrize("rule", CASES)
def test_a_rule_fires_on_its_case_and_not_on_its_counter_case(rule):
    fires, looks_like_it = CASES[rule]
    assert rule in rules(fires)
    assert rule not in rules(looks_like_it)


@pytest.mark.system("W1", "W3", "W4", "W5", "W6", "W8", "W9", "W12", "W13")
@pytest.mark.parametrize(
    ("situation", "rule"),
    [
        pytest.param(account(active_days_28d=13.0), "W1", id="fewer days of use"),
        pytest.param(account(outreach_answer_rate_182d=0.4), "W3", id="half the answers"),
        pytest.param(account(days_since_two_way_contact=90.0), "W3", id="no contact for a quarter"),
        pytest.param(account(nps_change=-2.0), "W4", id="NPS falls"),
        pytest.param(account(csat_change=-1.0), "W4", id="CSAT falls"),
        pytest.param(account(csat_last=2.0), "W4", id="CSAT low"),
        pytest.param(account(nps_mean_364d=6.0), "W4", id="NPS low for a year"),
        pytest.param(account(review_last=2.0), "W5", id="two stars"),
        pytest.param(account(survey_never_answered=1.0), "W6", id="never answered"),
        pytest.param(account(reopened_84d=2.0), "W8", id="reopened"),
        pytest.param(account(escalations_84d=1.0), "W8", id="escalated"),
        pytest.param(account(tickets_84d=0.0, events_28d=0.0), "W9", id="no use at all"),
        pytest.param(account(is_cancelled=1.0), "W12", id="notice given"),
        pytest.param(account(days_since_last_use=None, active_days_28d=0.0), "W13", id="not used within a year"),
        pytest.param(replace(account(), inactive=True), "W13", id="silent beyond the segment's threshold"),
    ],
)
def test_other_ways_into_a_rule(situation, rule):
    assert rule in rules(situation)


@pytest.mark.system("W6")
def test_no_answer_is_not_an_answer_of_zero():
    assert rules(account(nps_last=None, csat_last=None, nps_mean_364d=None, review_last=None)) == set()


def test_no_usual_value_warns_of_no_fall():
    for usual in ({}, dict.fromkeys(USUAL, 0.0), dict.fromkeys(USUAL)):
        assert rules(replace(account(events_28d=1.0), baseline=usual)) == set()


@pytest.mark.system("W16")
@pytest.mark.parametrize(
    ("situation", "severity"),
    [
        pytest.param(account(events_28d=10.0, complaints_84d=1.0), "medium", id="two sources"),
        pytest.param(account(events_28d=10.0, complaints_84d=1.0, reopened_84d=2.0), "high", id="three sources"),
    ],
)
def test_severity_rises_with_the_number_of_independent_sources(situation, severity):
    assert {s.rule: s.severity for s in warning_signs(POLICY, situation)}["W16"] == severity


@pytest.mark.parametrize(("days", "severity"), [(14.0, "medium"), (27.0, "medium"), (28.0, "high")])
def test_severity_rises_with_the_length_of_silence(days, severity):
    situation = account(days_since_last_use=days)
    assert {s.rule: s.severity for s in warning_signs(POLICY, situation)}["W13"] == severity


def test_the_highest_step_that_is_reached_counts():
    steps = ({"at_least": 28, "severity": "medium"}, {"at_least": 56, "severity": "high"})
    rule = WarningRule(**POLICY.warnings["W13"].model_dump() | {"severity": "low", "rises": steps})
    policy = POLICY.model_copy(update={"warnings": {"W13": rule}})
    found = [warning_signs(policy, account(days_since_last_use=days))[0].severity for days in (14.0, 28.0, 56.0)]
    assert found == ["low", "medium", "high"]


@pytest.mark.system("W16")
def test_a_rule_that_reads_several_sources_is_no_further_source():
    found = rules(account(tickets_84d=0.0, events_28d=0.0))
    assert found == {"W1", "W9"}


@pytest.mark.system("W9")
def test_many_tickets_or_little_use_alone_are_not_silence():
    assert "W9" not in rules(account(tickets_84d=1.0, usage_against_baseline_28d=0.1, events_28d=0.0))


@pytest.mark.system("W16")
def test_two_rules_of_one_source_are_one_source():
    assert "W16" not in rules(account(reopened_84d=2.0, ticket_spike_28d=5.0, tickets_28d=9.0))


@pytest.mark.system("W13", "W14", "W15")
@pytest.mark.parametrize(
    ("rule", "owner", "hours", "play"),
    [
        pytest.param("W13", "csm", 48, "csm_review", id="usage below threshold: alert and CSM review"),
        pytest.param("W14", "csm", 24, "detractor_follow_up", id="negative NPS: personal follow-up within 24 hours"),
        pytest.param("W15", "sponsor", 48, "executive_sponsor", id="escalated twice: executive sponsor"),
    ],
)
def test_a_warning_carries_its_response(rule, owner, hours, play):
    sign = next(s for s in warning_signs(POLICY, CASES[rule][0]) if s.rule == rule)
    assert (sign.owner, sign.due_in_hours, sign.play) == (owner, hours, play)


@pytest.mark.system("W1")
def test_a_warning_is_told_with_value_usual_and_change():
    (sign,) = warning_signs(POLICY, account(events_28d=54.0))
    assert sign.text == "Usage events in the last 28 days: 54, usually 100 (-46 %)"
    assert (sign.feature, sign.value, sign.usual) == ("events_28d", 54.0, 100.0)


def test_the_most_severe_comes_first():
    found = warning_signs(POLICY, account(surveys_unanswered=3.0, complaints_84d=1.0, champion_left=1.0))
    assert [(s.rule, s.severity) for s in found] == [
        ("W10", "high"),
        ("W5", "medium"),
        ("W16", "medium"),
        ("W6", "low"),
    ]


@pytest.mark.system("C3")
def test_growth_leads_where_the_business_is_b2c():
    situation = replace(CASES["W13"][0], business_model="b2c")
    assert {s.owner for s in warning_signs(POLICY, situation) if s.rule == "W13"} == {"growth"}
