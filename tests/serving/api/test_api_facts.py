"""Facts over HTTP: who may tell what, that it is kept, and that a what-if reads what the run read."""

from datetime import timedelta

import pytest

from serving.store import audit, facts
from serving.telling import Teller, tell

WHO = "acme-05"
FACTS = f"/v1/accounts/{WHO}/facts"


def put(served, told, *, key="decide", **more):
    return served.ask("PUT", FACTS, json={"facts": told, **more}, key=key)


def current(answer):
    return {one["name"]: one["value"] if one["date"] is None else one["date"] for one in answer.json()["facts"]}


def test_nothing_told_is_null_for_all_that_the_policy_asks_for(served, policy):
    answer = served.ask("GET", FACTS, key="read")
    assert answer.status_code == 200
    assert current(answer) == dict.fromkeys(policy.inputs)
    assert answer.json()["history"] == []


def test_what_is_told_is_kept_with_who_told_it_and_the_rest_stays(served, store):
    assert put(served, {"strategic": 1, "org_change_days_ago": "2026-02-01"}, note="from the board").status_code == 200
    answer = put(served, {"strategic": None})
    told = current(answer)
    assert (told["strategic"], told["org_change_days_ago"], told["goal_attainment"]) == (None, "2026-02-01", None)
    assert answer.json() == served.ask("GET", FACTS).json() | {"request_id": answer.json()["request_id"]}
    past = [(one["name"], one["value"], one["note"]) for one in answer.json()["history"]]
    assert past[0] == ("strategic", None, None)
    assert ("strategic", 1.0, "from the board") in past
    key = served.tokens["decide"].split("_")[1]
    assert {one["by"] for one in answer.json()["history"]} == {key}
    with store.read() as db:
        entries = audit.recent(db, subject=WHO)
    assert [(e.action, e.key_id, e.detail) for e in entries] == [
        ("clear fact", key, {"name": "strategic"}),
        ("set fact", key, {"name": "org_change_days_ago"}),
        ("set fact", key, {"name": "strategic"}),
    ]


def test_the_same_put_twice_leaves_one_telling(served):
    for _ in range(2):
        answer = put(served, {"goal_attainment": 0.4})
    assert len(answer.json()["history"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"facts": {"mood": 1}}, 409, id="no such input"),
        pytest.param({"facts": {"strategic": 1, "goal_attainment": 40}}, 409, id="one of two out of bounds"),
        pytest.param({"facts": {"org_change_days_ago": "2026-03-03"}}, 409, id="a date of the future"),
        pytest.param({"facts": {}}, 422, id="nothing told"),
        pytest.param({"facts": {"strategic": [1]}}, 422, id="no number"),
        pytest.param({"strategic": 1}, 422, id="not under facts"),
    ],
)
def test_what_cannot_be_told_keeps_nothing(served, body, status):
    assert served.ask("PUT", FACTS, json=body).status_code == status
    assert served.ask("GET", FACTS).json()["history"] == []


@pytest.mark.parametrize(("role", "status"), [("read", 403), ("score", 403), ("decide", 200), ("admin", 200)])
def test_telling_takes_the_role_that_decides(served, role, status):
    assert put(served, {"strategic": 1}, key=role).status_code == status


def test_an_account_that_was_not_scored_has_no_facts_here(served):
    for method, body in (("GET", None), ("PUT", {"facts": {"strategic": 1}})):
        assert served.ask(method, "/v1/accounts/nobody/facts", json=body).status_code == 404


def test_a_what_if_reads_the_facts_of_its_run_and_no_later_ones(serving, keep, store, policy):
    first = keep()
    told = {"strategic": 1, "competitor_days_ago": "2026-03-01"}
    with store.write() as db:
        tell(db, policy, WHO, told, Teller(now=first.as_of, at=first.as_of))
    served = serving()
    ask = {"accounts": [{"external_id": WHO, "overrides": {"active_days_28d": 0}}]}

    def warned(**more):
        (found,) = served.ask("POST", "/v1/predict", json=ask | more).json()["results"]
        return {sign["rule"]: sign["text"] for sign in found["warnings"]}

    assert "competitor" not in warned(), "it became known when the book was scored already"
    keep(first.as_of + timedelta(days=2))
    assert warned()["competitor"] == "seen 3 days ago"
    with store.read() as db:
        assert facts.numbers(db, at=first.as_of + timedelta(days=2))[WHO]["competitor_days_ago"] == 3
