"""What an answer must say of a score: components and their inputs, what is missing, the horizon, who acts by when."""

from datetime import datetime, timedelta

import pytest

from serving.policy import load
from serving.policy.names import declared
from serving.store import accounts

POLICY = load()


@pytest.mark.parametrize(
    ("component", "inputs"),
    [
        pytest.param(
            "usage",
            {"how often": "active_days_28d", "adoption": "event_kinds_28d", "depth": "events_per_active_day_28d"},
            marks=pytest.mark.system("H2"),
        ),
        pytest.param(
            "feedback",
            {"NPS": "nps_last", "CSAT": "csat_last", "sentiment": "review_last"},
            marks=pytest.mark.system("H3"),
        ),
        pytest.param(
            "support",
            {"volume": "tickets_28d", "speed": "hours_to_resolution_84d", "escalations": "escalations_84d"},
            marks=pytest.mark.system("H4"),
        ),
        pytest.param(
            "relationship",
            {"CSM": "sentiment_last", "answers": "outreach_answer_rate_182d", "executives": "executive_contacts_364d"},
            marks=pytest.mark.system("H5"),
        ),
    ],
)
def test_a_component_has_its_three_inputs_as_signals_of_their_own(component, inputs):
    features = [declared()[name] for name in inputs.values()]
    assert {feature.component for feature in features} == {component}
    assert len({feature.signal for feature in features}) == 3


@pytest.mark.system("H2", "H3", "H4", "H5")
def test_each_component_is_told_with_score_weight_and_its_part_of_health(module_served, bundle):
    found = module_served.ask("GET", "/v1/accounts/acme-05").json()["account"]
    parts = {part["name"]: part for part in found["components"] if part["in_health"]}
    assert parts.keys() == set(bundle.health_components)
    for part in parts.values():
        assert 0 <= part["score"] <= 100
        assert part["points"] == pytest.approx(part["score"] * part["weight"])
    signals = module_served.ask("GET", "/v1/accounts/acme-05/explanation").json()["drivers"]
    assert {driver["component"] for driver in signals} >= parts.keys()


@pytest.mark.system("H7")
def test_an_answer_from_one_signal_alone_says_how_little_it_knows(module_served):
    row = {"external_id": "x", "features": {"active_days_28d": 12}}
    (found,) = module_served.ask("POST", "/v1/predict", json={"rows": [row]}).json()["results"]
    assert found["status"] == "ok"
    assert found["data_quality"]["coverage"] == 1 / 8
    assert found["data_quality"]["missing"] == ["feedback", "support", "commercial"]


@pytest.mark.system("H14")
def test_a_probability_stands_beside_the_score_with_its_horizon(module_served):
    told = module_served.ask("POST", "/v1/predict", json={"account_ids": ["acme-05"]}).json()
    (found,) = told["results"]
    assert told["model"]["horizon_days"] == 28
    low, high = found["churn_probability_interval"]
    assert 0 <= low <= found["churn_probability"] <= high <= 1
    assert 0 <= found["health_score"] <= 100


@pytest.mark.system("H11")
@pytest.mark.parametrize("tier", POLICY.tiers)
def test_each_score_carries_its_response_with_owner_and_deadline(module_served, tier):
    rule = POLICY.tiers[tier]
    line = module_served.ask("GET", f"/v1/accounts?tier={tier}").json()["accounts"][0]
    found = module_served.ask("GET", f"/v1/accounts/{line['external_id']}").json()["account"]
    actions = {action["play"]: action for action in found["recommended_actions"]}
    action = actions[rule.play]
    due = datetime.fromisoformat(found["as_of"]) + timedelta(hours=action["due_in_hours"])
    assert action["due_in_hours"] <= rule.sla_hours
    assert (action["owner"], datetime.fromisoformat(action["due_at"])) == (rule.owner, due)
    assert all(warning["play"] in actions for warning in found["warnings"]), "each warning's response is among them"


@pytest.mark.system("W13", "W17")
def test_an_account_below_the_usage_threshold_is_sent_to_its_manager_for_review(module_served):
    with module_served.context.store.read() as db:
        book = accounts.many(db, [f"acme-{i:02}" for i in range(60)])
    silent = [row for row in book.values() if any(sign["rule"] == "W13" for sign in row.detail["warnings"])]
    assert silent
    for row in silent:
        (review,) = [action for action in row.detail["actions"] if action["play"] == "csm_review"]
        assert (review["owner"], review["due_in_hours"]) == ("csm", 48)
        assert POLICY.plays["csm_review"].steps
