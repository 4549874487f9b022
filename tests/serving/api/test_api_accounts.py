"""Accounts over HTTP: lists, one account, history, explanation and decisions."""

import math
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from serving.store import accounts, audit
from serving.store.tables import scores

ONE = "/v1/accounts/acme-05"


def listed(served, query=""):
    answer = served.ask("GET", f"/v1/accounts{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def every(served, query):
    """All pages, by their cursors."""
    found, cursor = [], ""
    while cursor is not None:
        page = listed(served, f"?limit=7&{query}{cursor and f'&cursor={cursor}'}")
        found += page["accounts"]
        cursor = page["cursor"]
    return found


@pytest.mark.parametrize(
    ("sort", "field", "sign"), [("value_at_risk", "at_risk_value", -1), ("health", "health_score", 1)]
)
def test_walking_on_gives_every_account_once_and_in_order(module_served, sort, field, sign):
    found = every(module_served, f"sort={sort}")
    assert len({one["external_id"] for one in found}) == len(found) == 60
    values = [one[field] * sign for one in found]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("tier=red", lambda one: one["tier"] == "red"),
        ("segment=large", lambda one: one["segment"] == "large"),
        ("owner=csm-2&tier=green", lambda one: (one["owner"], one["tier"]) == ("csm-2", "green")),
        ("risk_level=high", lambda one: one["risk_level"] == "high"),
        ("q=ACME-1", lambda one: one["external_id"].startswith("acme-1")),
        ("q=%25", lambda one: False),
    ],
)
def test_filters_keep_exactly_what_they_say(module_served, query, holds):
    everybody = {one["external_id"] for one in every(module_served, "") if holds(one)}
    assert {one["external_id"] for one in every(module_served, query)} == everybody
    assert (len(everybody) > 0) != query.endswith("%25")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?limit=0", 422),
        ("?limit=201", 422),
        ("?limit=ten", 422),
        ("?limit=1&limit=2", 422),
        ("?colour=red", 422),
        ("?risk_level=severe", 422),
        ("?renewal_within_days=nan", 422),
        ("?renewal_within_days=-1", 422),
        ("?cursor=nonsense", 404),
        ("?cursor=%00", 404),
        ("?q=%00", 422),
    ],
)
def test_a_list_that_cannot_be_asked_for_is_refused(module_served, query, status):
    assert module_served.ask("GET", f"/v1/accounts{query}").status_code == status


@pytest.mark.parametrize("what", ["", "/history", "/explanation", "/decisions"])
@pytest.mark.parametrize("who", ["nobody", "a%2Fb", "%C3%A9", "acme-05%00"])
def test_an_unknown_account_is_not_found(module_served, what, who):
    answer = module_served.ask("GET", f"/v1/accounts/{who}{what}", route=f"/v1/accounts/x{what}")
    assert answer.status_code == 404


@pytest.mark.system("H1", "H2", "H3", "H4")
def test_drivers_add_up_to_the_log_odds_and_points_to_the_health(module_served):
    for number in range(60):
        told = module_served.ask("GET", f"/v1/accounts/acme-{number:02}/explanation").json()
        total = told["intercept"] + sum(driver["log_odds"] for driver in told["drivers"])
        assert total == pytest.approx(told["log_odds"], abs=1e-9)
        assert 1 / (1 + math.exp(-total)) == pytest.approx(told["churn_probability"], abs=1e-9)
        base = 1 / (1 + math.exp(-told["intercept"]))
        points = sum(driver["contribution_pp"] for driver in told["drivers"])
        assert base + points / 100 == pytest.approx(told["churn_probability"], abs=1e-9)
        parts = [part for part in told["components"] if part["in_health"]]
        assert sum(part["points"] for part in parts) == pytest.approx(told["health_score"], abs=1e-9)
        for part in parts:
            assert part["score"] * part["weight"] == pytest.approx(part["points"], abs=1e-9)


def test_history_goes_from_old_to_new_and_as_far_back_as_asked(module_served):
    told = module_served.ask("GET", f"{ONE}/history").json()["history"]
    assert [one["as_of"] for one in told] == ["2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"]
    assert len(module_served.ask("GET", f"{ONE}/history?days=3").json()["history"]) == 1
    now = module_served.ask("GET", ONE).json()["account"]
    assert (told[0]["health_score"], told[1]["health_score"]) == (now["previous_score"], now["health_score"])
    assert now["trend"] == ("up" if now["health_score"] > now["previous_score"] else "down")


def test_a_change_is_explained_and_its_parts_add_up(module_served):
    account = module_served.ask("GET", ONE).json()["account"]
    change = account["change_explained"]
    parts = sum(change[name] for name in ("inputs", "weights", "model", "staleness"))
    assert parts == pytest.approx(account["health_score"] - account["previous_score"], abs=1e-9)


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        pytest.param({"choice": "accept"}, 201, id="accept"),
        pytest.param({"choice": "accept", "play": "rescue"}, 201, id="accept a play"),
        pytest.param({"choice": "dismiss", "reason": "merged"}, 201, id="dismiss"),
        pytest.param({"choice": "override", "reason": "x", "values": {"tier": "green"}}, 201, id="override"),
        pytest.param({"choice": "override"}, 422, id="override without a reason"),
        pytest.param({"choice": "override", "reason": "  "}, 422, id="override with an empty reason"),
        pytest.param({"choice": "accept", "play": "no such play"}, 409, id="unknown play"),
        pytest.param({"choice": "accept", "values": {"tier": "purple"}}, 409, id="unknown tier"),
        pytest.param({"choice": "accept", "values": {"health": 3}}, 422, id="unknown value"),
        pytest.param({"choice": "postpone"}, 422, id="unknown choice"),
    ],
)
def test_a_decision_is_kept_if_it_can_be_one(served, store, decision, status):
    answer = served.ask("POST", f"{ONE}/decisions", json=decision, key="decide")
    assert answer.status_code == status, answer.text
    kept = served.ask("GET", f"{ONE}/decisions").json()["decisions"]
    with store.read() as db:
        entries = audit.recent(db, subject="acme-05")
    assert len(kept) == len(entries) == (status == 201)
    if kept:
        assert kept[0] == answer.json()["decision"]
        assert (kept[0]["by"], kept[0]["choice"]) == (served.tokens["decide"].split("_")[1], decision["choice"])
        assert (entries[0].action, entries[0].key_id) == ("decide", kept[0]["by"])


def test_the_last_decision_is_in_force_and_supersedes_the_one_before(served):
    first = served.ask("POST", f"{ONE}/decisions", json={"choice": "accept"}).json()["decision"]
    second = served.ask("POST", f"{ONE}/decisions", json={"choice": "dismiss"}).json()["decision"]
    assert (first["supersedes"], second["supersedes"]) == (None, first["id"])
    assert served.ask("GET", ONE).json()["decision"] == second
    assert served.ask("GET", "/v1/accounts/acme-06").json()["decision"] is None


def test_nobody_decides_on_an_account_that_is_not_there(served):
    assert served.ask("POST", "/v1/accounts/nobody/decisions", json={"choice": "accept"}).status_code == 404


def test_accounts_whose_health_and_probability_disagree_can_be_listed(served, store):
    told = {"acme-01": "hidden_risk", "acme-02": "overstated_risk"}
    with store.write() as db:
        db.execute(update(scores).values(disagrees=None))
        for account, kind in told.items():
            db.execute(update(scores).where(scores.c.account_id == account).values(disagrees=kind))
    assert {one["external_id"]: one["disagrees"] for one in every(served, "disagrees=true")} == told
    agreeing = every(served, "disagrees=false")
    assert {one["disagrees"] for one in agreeing} == {None}
    assert len(agreeing) == 58
    assert served.ask("GET", "/v1/accounts?disagrees=perhaps").status_code == 422


def test_renewal_counts_from_the_moment_of_the_scores(serving, keep, store):
    run = keep()
    for account, days in (("acme-01", 0), ("acme-02", 30), ("acme-03", 30.01), ("acme-04", -1)):
        with store.write() as db:
            renewal = {"renewal_at": run.as_of + timedelta(days=days)}
            db.execute(update(scores).where(scores.c.account_id == account).values(renewal))
    served = serving(clock=lambda: datetime(2030, 1, 1))
    found = listed(served, "?renewal_within_days=30")["accounts"]
    assert {one["external_id"] for one in found} == {"acme-01", "acme-02"}
    with store.read() as db:
        assert accounts.account(db, "acme-02").score.renewal_at == run.as_of + timedelta(days=30)
