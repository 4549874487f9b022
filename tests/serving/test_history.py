"""The store's past as measurements read it."""

from datetime import datetime, timedelta

import pytest

from serving.store import history, runs
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored

DAY = datetime(2026, 1, 1)


def driver(name, log_odds):
    return {"id": name, "title": name.capitalize(), "owners": ["csm", "sales"], "log_odds": log_odds, "because": ["x"]}


@pytest.mark.system("A12")
def test_the_drivers_of_the_newest_shown_run_come_with_owners_and_contribution(store):
    told = [("2026-01-01", False, "support"), ("2026-01-08", False, "budget"), ("2026-01-09", True, "value")]
    for day, is_shadow, name in told:
        at = datetime.fromisoformat(day)
        run = NewRun(as_of=at, model_version="1", policy_digest="p", scored_at=at, is_shadow=is_shadow)
        row = Scored(score=Score(account_id="a"), detail={"reasons": [], "policy_drivers": [driver(name, 0.5)]})
        with store.write() as db:
            runs.write_run(db, run, [row, Scored(score=Score(account_id="b"), detail={"reasons": []})])

    def read(until):
        with store.read() as db:
            return history.tables(db, until=until)["driver_history"].to_pylist()

    (row,) = read(DAY + timedelta(days=30))
    assert row == {
        "account_id": "a",
        "as_of": datetime(2026, 1, 8),
        "driver": "budget",
        "title": "Budget",
        "owners": "csm, sales",
        "log_odds": 0.5,
    }
    assert [row["driver"] for row in read(DAY + timedelta(days=3))] == ["support"]
    assert read(DAY - timedelta(days=1)) == []
