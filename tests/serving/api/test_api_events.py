"""Events that are posted ahead of the tables: what is kept of them, and the next score of their accounts."""

import warnings
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from features.config import load
from features.early import PASSED
from features.engine import open_engine
from features.sources import stage
from serving import posted
from serving.api import create_app
from serving.daily import score_day
from serving.pages.routes import routes
from serving.run import score_and_keep
from serving.store import audit, runs, usage_events

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

DAY = datetime(2026, 3, 2)
NOW = datetime(2026, 3, 2, 15)
EVENTS, PREDICT = "/v1/events", "/v1/predict"
TOML = """
[sources]
accounts = {{ path = "accounts.csv" }}
subscriptions = {{ path = "subscriptions.csv" }}
support = {{ path = "support.csv" }}
usage = {{ path = "usage.csv", quantity = "1"{ids} }}
"""


class House:
    """A company whose tables a test can change, and its store."""

    def __init__(self, folder, store, bundle, policy):
        self.folder, self.store, self.bundle, self.policy = folder, store, bundle, policy

    def tables(self, *late, ids=True):
        """Three accounts that used the product daily until 1 March; `late` are further usage rows."""
        accounts = ("A", "B", "C")
        self._write("accounts", "account_id,started_at", [f"{a},2025-05-01" for a in accounts])
        terms = [f"{a},2025-05-01,2026-05-01,100,basic" for a in accounts]
        self._write("subscriptions", "account_id,started_at,renews_at,mrr,plan", terms)
        self._write("support", "account_id,ticket_id,opened_at,resolved_at", ["A,t1,2026-02-20 10:00,"])
        used = [f"{a},{a}-{d},2026-02-{d:02} 09:00" for a in accounts for d in range(10, 28) if a != "A" or d < 16]
        self._write("usage", "account_id,row_id,at", [*used, *late])
        toml = TOML.format(ids="" if ids else ', row_id = "NULL"')
        (self.folder / "keepwell.toml").write_text(toml, encoding="utf-8")
        return self

    def _write(self, name, head, rows):
        (self.folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")

    def run(self, day=DAY, now=NOW, keep_rows=True):
        """Score a day as `keepwell score --store` does."""
        settings = load(self.folder / "keepwell.toml")
        with open_engine(self.folder / "home") as engine:
            staged = stage(settings, engine, now=now)
            early = posted.count(self.store, engine, staged)
            ready = {"version": "7", "policy": self.policy, "store": self.store}
            kept = score_and_keep(settings, engine, staged, self.bundle, day, **ready)
            if keep_rows:
                posted.keep_rows(self.store, engine, staged, day, early)
            if early:
                posted.settle(self.store, early, day)
        return kept

    def book(self, day, now=NOW):
        """The scores that a batch would give from the tables alone, by account."""
        settings = load(self.folder / "keepwell.toml")
        with open_engine(self.folder / "home") as engine:
            staged = stage(settings, engine, now=now)
            bundle = replace(self.bundle, tiers=self.policy.bands)
            scored = score_day(settings, engine, staged, bundle, day, version="7")
        return {row["account_id"]: row for row in scored.book.to_pylist()}


@pytest.fixture
def house(tmp_path, store, bundle, policy):
    return House(tmp_path, store, bundle, policy).tables()


@pytest.fixture
def served(house, serving):
    house.run()
    return serving(clock=lambda: NOW)


def used(account, at="2026-03-02T14:00:00+00:00", **rest):
    return {"account_id": account, "at": at, "row_id": f"{account}/{at}", **rest}


def post(served, *events, **rest):
    return served.ask("POST", EVENTS, json={"events": list(events)}, **rest)


def statuses(answer):
    return [row["status"] for row in answer.json()["results"]]


def score_of(served, account, **rest):
    return served.ask("POST", PREDICT, json=rest or {"account_ids": [account]}).json()["results"][0]


def test_the_next_score_of_an_account_is_that_of_tables_with_its_events_in_them(served, house):
    before = score_of(served, "A")
    assert (before["source"], before["as_of"], before["events_since"]) == ("stored", "2026-03-02T00:00:00Z", 0)
    days = [f"2026-03-0{d}T{h:02}:30:00+01:00" for d, h in ((1, 8), (1, 20), (2, 0), (2, 9))]
    assert statuses(post(served, *(used("A", at) for at in days))) == ["accepted"] * 4
    now = score_of(served, "A")
    assert (now["source"], now["as_of"], now["events_since"]) == ("live", "2026-03-03T00:00:00Z", 4)
    late = [f"A,x{at},{at}" for at in days]
    whole = house.tables(*late).book(DAY + timedelta(days=1))["A"]
    told = {name: whole[name] for name in ("health_score", "churn_probability", "tier", "yearly_value")}
    assert {name: now[name] for name in told} == told
    assert now["at_risk_value"] == whole["value_at_risk"]
    assert now["health_score"] != before["health_score"] == now["previous_score"]
    assert sum(c["points"] for c in now["components"] if c["in_health"]) == pytest.approx(now["health_score"], abs=1e-9)
    assert {c["name"]: c["data_as_of"] for c in now["components"]}["usage"] == "2026-03-02T08:30:00Z"


def test_the_accounts_answer_has_its_score_of_now_beside_the_stored_one(served):
    assert served.ask("GET", "/v1/accounts/A").json()["now"] is None
    post(served, used("A"))
    answer, now = served.ask("GET", "/v1/accounts/A").json(), score_of(served, "A")
    assert (answer["account"]["source"], answer["now"]["source"]) == ("stored", "live")
    assert answer["now"]["health_score"] == now["health_score"]


def test_the_accounts_page_tells_the_score_of_now(served):
    post(served, used("A"))
    now = score_of(served, "A")
    app = create_app(lambda: nullcontext(served.context), pages=routes())
    with TestClient(app) as client:
        page = client.get("/accounts/A", headers={"Authorization": f"Bearer {served.tokens['read']}"})
        other = client.get("/accounts/B", headers={"Authorization": f"Bearer {served.tokens['read']}"})
    assert f'data-now="{now["health_score"]}"' in page.text
    assert "1 event posted since; with it," in page.text
    assert other.status_code == 200
    assert "posted since" not in other.text


def test_other_accounts_keep_their_stored_scores(served):
    post(served, used("A"))
    found = served.ask("POST", PREDICT, json={"account_ids": ["B", "A", "C"]}).json()["results"]
    assert [(row["external_id"], row["source"]) for row in found] == [("B", "stored"), ("A", "live"), ("C", "stored")]


def test_each_event_is_told_what_became_of_it(served):
    answer = post(
        served,
        used("A", quantity=2, value=9.5),
        used("A"),
        used("nobody"),
        used("A", "2026-03-02T16:30:00+01:00"),
        {**used("B"), "row_id": None},
        used("B", quantity=1e300),
    )
    assert answer.status_code == 200
    found = answer.json()["results"]
    assert [row["status"] for row in found] == ["accepted", "duplicate", *["refused"] * 4]
    assert [row["error"] for row in found] == [
        None,
        None,
        "unknown account, not in accounts: nobody",
        "at is in the future: 2026-03-02 15:30:00",
        "row_id is missing",
        "quantity is not a number: 1e+300",
    ]
    assert answer.json()["tables_until"] == "2026-02-27T09:00:00Z"
    with served.context.store.read() as db:
        assert len(list(usage_events.all_events(db))) == 1
        entry = audit.recent(db, limit=1)[0]
    assert (entry.action, entry.detail) == ("post events", {"accepted": 1, "duplicate": 1, "refused": 4})


def test_an_event_that_the_tables_hold_already_counts_once(served):
    before = score_of(served, "B")
    held = {"account_id": "B", "at": "2026-02-27T09:00:00Z", "row_id": "B-27"}
    assert statuses(post(served, held, used("B"))) == ["accepted", "accepted"]
    now = score_of(served, "B")
    post(served, {**held, "row_id": "B-28"})
    again = score_of(served, "B")
    assert now["health_score"] != before["health_score"]
    with served.context.store.read() as db:
        assert len(usage_events.of(db, ["B"])) == 3
    assert again["events_since"] == now["events_since"] + 1


def test_without_row_ids_what_the_tables_have_passed_is_theirs(house, serving):
    house.tables(ids=False).run()
    served = serving(clock=lambda: NOW)
    moments = "2026-02-27T09:00:00Z", "2026-02-27T09:00:00.000001Z"
    found = post(served, *({"account_id": "A", "at": at} for at in moments)).json()["results"]
    assert [(row["status"], row["error"]) for row in found] == [("refused", PASSED), ("accepted", None)]
    assert score_of(served, "A")["source"] == "live"


def test_a_what_if_starts_from_the_inputs_of_now(served):
    post(served, used("A"))
    now = score_of(served, "A")
    found = score_of(served, "A", accounts=[{"external_id": "A", "overrides": {"nps_last": 2}}])
    assert (found["source"], found["as_of"], found["events_since"]) == ("what_if", now["as_of"], 1)
    assert found["what_if"]["health_score_before"] == now["health_score"]
    assert [one["feature"] for one in found["what_if"]["changed"]] == ["nps_last"]


def test_the_next_run_counts_them_and_drops_what_the_tables_then_hold(served, house):
    yesterday = used("A", "2026-03-02T10:00:00Z")
    post(served, yesterday, used("A", "2026-03-02T11:00:00Z"))
    live = score_of(served, "A")
    house.tables(f"A,{yesterday['row_id']},2026-03-02 10:00")
    morning = DAY + timedelta(days=1, hours=3)
    house.run(DAY + timedelta(days=1), now=morning)
    stored = score_of(served, "A")
    assert (stored["source"], stored["events_since"]) == ("stored", 0)
    assert stored["health_score"] == live["health_score"]
    with served.context.store.read() as db:
        (left,) = usage_events.all_events(db)
    assert (left.at, left.counted_as_of) == (datetime(2026, 3, 2, 11), DAY + timedelta(days=1))


def test_what_a_run_does_not_see_stays_news_though_the_tables_hold_it(served, house):
    """A run of the morning, from tables that reach into the day: the day's events are in the next score still."""
    event = used("A", "2026-03-02T10:00:00Z")
    post(served, event)
    live = score_of(served, "A")
    house.tables(f"A,{event['row_id']},2026-03-02 10:00")
    with house.store.write() as db:
        db.exec_driver_sql("DELETE FROM runs")
    house.run()
    now = score_of(served, "A")
    assert (now["source"], now["health_score"]) == ("live", live["health_score"])


def test_another_process_sees_them_at_once(served, serving):
    other = serving(clock=lambda: NOW)
    assert score_of(other, "A")["source"] == "stored"
    post(served, used("A"))
    assert score_of(other, "A") == {**score_of(served, "A")}


def test_the_same_request_again_keeps_nothing_twice(house, serving):
    house.tables(ids=False).run()
    served = serving(clock=lambda: NOW)
    event, once = {"account_id": "A", "at": "2026-03-02T14:00:00Z"}, {"Idempotency-Key": "k"}
    first, again = (post(served, event, headers=once) for _ in range(2))
    assert first.content == again.content
    assert score_of(served, "A")["events_since"] == 1


def test_without_kept_rows_nothing_is_accepted_and_it_is_said(house, serving):
    house.run(keep_rows=False)
    answer = post(serving(clock=lambda: NOW), used("A"))
    assert answer.status_code == 409
    assert "keep_rows" in answer.json()["detail"]


def test_without_a_model_the_stored_score_says_what_it_leaves_out(house, serving):
    house.run()
    served = serving(clock=lambda: NOW, live=None)
    post(served, used("A"))
    found = score_of(served, "A")
    assert (found["source"], found["events_since"]) == ("stored", 1)
    assert "events posted since (1) are not counted: no model is live" in found["data_quality"]["warnings"]


@pytest.mark.parametrize(
    ("event", "key", "status"),
    [
        pytest.param(used("A"), "score", 403, id="a key that may not decide"),
        pytest.param(used("A", "2026-03-02T14:00:00"), "decide", 422, id="a moment without a zone"),
        pytest.param(used("A", "0001-01-01T00:00:00+10:00"), "decide", 422, id="before all time"),
        pytest.param(used("A", quantity="2"), "decide", 422, id="a number as text"),
        pytest.param(used("A", known_at="2026-03-01T00:00:00Z"), "decide", 422, id="when it is known is ours to say"),
    ],
)
def test_what_cannot_be_is_refused_whole(served, event, key, status):
    assert post(served, used("B"), event, key=key).status_code == status
    with served.context.store.read() as db:
        assert list(usage_events.all_events(db)) == []
        assert runs.latest(db).as_of == DAY
